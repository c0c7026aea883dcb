// Keeps XLA's own log off the user's stderr, unless the user asked for it by setting TF_CPP_MIN_LOG_LEVEL.
//
// The library logs from its constructors on, before it looks at TF_CPP_MIN_LOG_LEVEL and before this plugin's constructors
// run. But the dynamic linker relocates every library before it runs the first constructor, dependencies first, and it
// computes the address of an indirect function while it relocates: so the resolver of an indirect function can set the
// level in time. The constructor below sets it again after the library's constructors have set it from the environment.
// Nothing is ever written to the environment. Where there are no indirect functions (musl, macOS) only the constructor acts.
#include <cstdlib>

#include "absl/base/log_severity.h"

namespace absl {
ABSL_NAMESPACE_BEGIN
// Called through the GOT, which is filled before resolvers run; a procedure linkage table need not be.
__attribute__((noplt)) void SetMinLogLevel(absl::LogSeverityAtLeast severity);
ABSL_NAMESPACE_END
}  // namespace absl
extern "C" __attribute__((noplt)) char* getenv(const char*) noexcept;

namespace raxla {

__attribute__((always_inline)) static inline void SetLogLevel() {
  const char* asked = getenv("TF_CPP_MIN_LOG_LEVEL");
  const bool digit = asked != nullptr && asked[0] >= '0' && asked[0] <= '3';
  // Errors too: XLA logs as errors what it then works around, such as CPU features of a reloaded executable.
  absl::SetMinLogLevel(static_cast<absl::LogSeverityAtLeast>(digit ? asked[0] - '0' : 3));
}

__attribute__((constructor)) static void SetLogLevelAfterLibrary() { SetLogLevel(); }

#if defined(__GLIBC__) && defined(__ELF__)
static void Nothing() {}
extern "C" {
// Not instrumented: it runs while the plugin is being relocated.
__attribute__((no_sanitize("all"), used)) static void (*ResolveQuiet())() {
  SetLogLevel();
  return Nothing;
}
__attribute__((ifunc("ResolveQuiet"), used)) static void raxla_quiet();
}
// A pointer to it, so that it is resolved at load and not at a first call.
__attribute__((used)) static void (*const volatile kQuiet)() = raxla_quiet;
#endif

}  // namespace raxla
