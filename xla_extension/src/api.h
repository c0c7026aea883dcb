// The plugin's own types behind the PJRT C API's opaque names, and what every entry of the table shares.
//
// Each entry is written with `ENTRY(Name, field)`: `field` is the last field of `Name_Args` that the entry must have from
// its caller. The macro answers INVALID_ARGUMENT when the caller's struct ends before it, and turns the status that the
// body returns, or an exception that it lets through, into a `PJRT_Error`.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "xla/ffi/api/c_api.h"
#include "xla/ffi/type_registry.h"
#include "xla/future.h"
#include "xla/hlo/builder/xla_computation.h"
#include "xla/literal.h"
#include "xla/pjrt/c/pjrt_c_api.h"
#include "xla/pjrt/c/pjrt_c_api_ffi_extension.h"
#include "xla/pjrt/c/pjrt_c_api_layouts_extension.h"
#include "xla/pjrt/c/pjrt_c_api_memory_descriptions_extension.h"
#include "xla/pjrt/abstract_tracked_device_buffer.h"
#include "xla/pjrt/common_pjrt_client.h"
#include "xla/pjrt/distributed/key_value_store_interface.h"
#include "xla/pjrt/pjrt_client.h"
#include "xla/pjrt/pjrt_executable.h"
#include "xla/pjrt/pjrt_layout.h"
#include "xla/pjrt/plugin/xla_cpu/cpu_topology_description.h"
#include "xla/pjrt/plugin/xla_cpu/xla_cpu_pjrt_client.h"
#include "xla/pjrt/proto/compile_options.pb.h"
#include "xla/pjrt/proto/topology_description.pb.h"
#include "xla/primitive_util.h"
#include "xla/shape_util.h"
#include "xla/xla.pb.h"
#include "stablehlo/dialect/Version.h"

// Exported by the library; the headers that declare these need LLVM's.
namespace xla {
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> ParseMlirModuleString(absl::string_view module, mlir::MLIRContext& context);
namespace ffi {
const XLA_FFI_Api* GetXlaFfiApi();
}
}  // namespace xla

#define RETURN_IF_ERROR(expr)                                 \
  do {                                                        \
    if (absl::Status s_ = (expr); !s_.ok()) return s_;        \
  } while (false)
#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)
#define ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                      \
  if (!tmp.ok()) return tmp.status();     \
  lhs = *std::move(tmp)
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_(CONCAT(or_, __LINE__), lhs, expr)

/// The size that a caller's struct must have for `field` to be in it.
#define SIZE_UP_TO(Struct, field) (offsetof(Struct, field) + sizeof(Struct::field))
/// Whether the caller's struct is recent enough to hold `field`.
#define HAS(ptr, Struct, field) ((ptr)->struct_size >= SIZE_UP_TO(Struct, field))

#define ENTRY(Name, field)                                                                    \
  static absl::Status Name##_Body(Name##_Args* args);                                         \
  static PJRT_Error* Name(Name##_Args* args) {                                                \
    return raxla::Guard(#Name, args->struct_size, SIZE_UP_TO(Name##_Args, field),             \
                        [args] { return Name##_Body(args); });                                \
  }                                                                                           \
  static absl::Status Name##_Body(Name##_Args* args)

struct PJRT_Error {
  absl::Status status;
};

struct PJRT_Event {
  xla::Future<> future;
  std::optional<xla::Promise<>> promise;  // only of an event made by PJRT_Event_Create
};

namespace raxla {

inline PJRT_Error* ToError(absl::Status status) {
  return status.ok() ? nullptr : new PJRT_Error{std::move(status)};
}

/// The status with `name` in front where an entry answers UNIMPLEMENTED in XLA's words: XLA names its own function, or none.
/// What an event carries is not the answer of the entry that tells it.
inline absl::Status Named(const char* name, absl::Status status) {
  if (status.code() != absl::StatusCode::kUnimplemented || status.message().find(name) != absl::string_view::npos) return status;
  if (absl::string_view(name).substr(0, 11) == "PJRT_Event_") return status;
  return absl::UnimplementedError(absl::StrCat(name, ": ", status.message()));
}

template <typename Body>
inline PJRT_Error* Guard(const char* name, size_t got, size_t needed, Body&& body) noexcept {
  try {
    if (got < needed) [[unlikely]] {
      return ToError(absl::InvalidArgumentError(
          absl::StrCat(name, ": args->struct_size = ", got, " is smaller than the ", needed,
                       " bytes that this plugin needs (PJRT C API ", PJRT_API_MAJOR, ".", PJRT_API_MINOR, ")")));
    }
    absl::Status status = body();
    if (status.ok()) [[likely]] return nullptr;
    return ToError(Named(name, std::move(status)));
  } catch (const std::bad_alloc&) {
    return new PJRT_Error{absl::ResourceExhaustedError(absl::StrCat(name, ": out of host memory"))};
  } catch (const std::exception& e) {
    return new PJRT_Error{absl::InternalError(absl::StrCat(name, ": ", e.what()))};
  } catch (...) {
    return new PJRT_Error{absl::InternalError(absl::StrCat(name, ": unknown C++ exception"))};
  }
}

inline PJRT_Event* NewEvent(xla::Future<> future) { return new PJRT_Event{std::move(future), std::nullopt}; }

/// The status for a code and a message that came over the C boundary.
inline absl::Status ToStatus(PJRT_Error_Code code, const char* message, size_t size) {
  if (code == PJRT_Error_Code_OK) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(code),
                      message == nullptr ? absl::string_view() : absl::string_view(message, size));
}

/// Named values that own what they point at, as attributes and cost properties are handed out.
class NamedValues {
 public:
  using Map = absl::flat_hash_map<std::string, xla::PjRtValueType>;
  NamedValues() = default;
  explicit NamedValues(const Map& map) : owned_(map.begin(), map.end()) { Index(); }
  NamedValues(std::initializer_list<std::pair<std::string, xla::PjRtValueType>> list) : owned_(list) { Index(); }
  NamedValues(const NamedValues&) = delete;
  NamedValues& operator=(const NamedValues&) = delete;
  const PJRT_NamedValue* data() const { return views_.data(); }
  size_t size() const { return views_.size(); }

 private:
  void Index();
  std::vector<std::pair<std::string, xla::PjRtValueType>> owned_;
  std::vector<PJRT_NamedValue> views_;
};

/// Bytes handed to a caller together with the function that frees them.
template <typename Opaque>
void FreeBytes(Opaque* bytes) {
  delete reinterpret_cast<std::string*>(bytes);
}

template <typename Opaque>
struct HandedBytes {
  const char*& data;
  size_t& size;
  Opaque*& owner;
  void (*&deleter)(Opaque*);
  void operator=(std::string bytes) {
    auto* owned = new std::string(std::move(bytes));
    data = owned->data();
    size = owned->size();
    owner = reinterpret_cast<Opaque*>(owned);
    deleter = &FreeBytes<Opaque>;
  }
};

PJRT_Buffer_Type ToBufferType(xla::PrimitiveType type);
absl::StatusOr<xla::PrimitiveType> ToPrimitiveType(PJRT_Buffer_Type type);
absl::StatusOr<xla::Shape> ToShape(PJRT_Buffer_Type type, const int64_t* dims, size_t rank);
/// The layout that `layout` says for an array of `dims`; row-major order where `layout` is null.
absl::StatusOr<xla::Layout> ToLayout(const PJRT_Buffer_MemoryLayout* layout, xla::PrimitiveType type, absl::Span<const int64_t> dims);
absl::StatusOr<xla::Shape> ToShapeWithLayout(PJRT_Buffer_Type type, const int64_t* dims, size_t rank,
                                             const PJRT_Buffer_MemoryLayout* layout);

}  // namespace raxla

struct PJRT_DeviceDescription {
  const xla::PjRtDeviceDescription* description;
  std::unique_ptr<raxla::NamedValues> attributes;
};

struct PJRT_Device {
  PJRT_Client* client;
  xla::PjRtDevice* device;
  PJRT_DeviceDescription description;
  std::vector<PJRT_Memory*> memories;
  PJRT_Memory* default_memory = nullptr;
};

struct PJRT_Memory {
  PJRT_Client* client;
  xla::PjRtMemorySpace* memory;
  std::vector<PJRT_Device*> devices;
};

struct PJRT_TopologyDescription {
  // Compiles for the topology when no client is given, and may own `topology`. What it compiled holds it too.
  std::shared_ptr<xla::PjRtClient> compiler;
  std::unique_ptr<const xla::CpuTopologyDescription> owned;  // null where a client owns it
  const xla::CpuTopologyDescription* topology = nullptr;
  std::vector<std::unique_ptr<const xla::PjRtDeviceDescription>> cpp_descriptions;
  std::vector<std::unique_ptr<PJRT_DeviceDescription>> descriptions;
  std::vector<PJRT_DeviceDescription*> description_pointers;
  std::unique_ptr<raxla::NamedValues> attributes;
  std::mutex mutex;  // of `compiler`
};

struct PJRT_Client {
  std::unique_ptr<xla::CpuTopologyDescription> global_topology;  // before `client`, which uses it to its end
  std::unique_ptr<xla::PjRtClient> client;
  std::vector<std::unique_ptr<PJRT_Device>> owned_devices;
  std::vector<std::unique_ptr<PJRT_Memory>> owned_memories;
  std::vector<PJRT_Device*> devices;
  std::vector<PJRT_Device*> addressable_devices;
  std::vector<PJRT_Memory*> memories;
  absl::flat_hash_map<const xla::PjRtDevice*, PJRT_Device*> device_of;
  absl::flat_hash_map<const xla::PjRtMemorySpace*, PJRT_Memory*> memory_of;
  std::unique_ptr<PJRT_TopologyDescription> topology;
};

struct PJRT_ExecuteContext {
  xla::ExecuteContext context;
};

struct PJRT_AsyncTrackingEvent {
  std::unique_ptr<xla::ScopedAsyncTrackingEvent> event;
};

/// A compiled program. What its outputs are never changes, so it is worked out once, when the program is made; what is
/// asked for seldom is worked out when it is first asked for, under `mutex`.
struct PJRT_Executable {
  std::shared_ptr<xla::PjRtClient> compiler;  // what `client` is where a topology's compiler made the program
  std::shared_ptr<xla::PjRtExecutable> executable;
  std::shared_ptr<xla::PjRtLoadedExecutable> loaded;  // null for a program that no client has loaded
  xla::PjRtClient* client = nullptr;

  absl::Status outputs_status;
  std::vector<PJRT_Buffer_Type> output_types;
  std::vector<int64_t> output_dims;
  std::vector<size_t> output_ranks;

  std::mutex mutex;
  std::optional<std::string> name;
  std::optional<std::string> fingerprint;
  std::optional<std::string> optimized_program;
  std::unique_ptr<raxla::NamedValues> cost_properties;
  std::optional<std::vector<std::string>> owned_memory_kinds;
  std::vector<const char*> memory_kinds;
  std::vector<size_t> memory_kind_sizes;
  std::vector<std::unique_ptr<PJRT_Layouts_MemoryLayout>> owned_layouts;
  std::vector<PJRT_Layouts_MemoryLayout*> output_layouts;
};

struct PJRT_LoadedExecutable {
  std::shared_ptr<xla::PjRtLoadedExecutable> executable;
  PJRT_Client* client;
  std::vector<PJRT_Device*> addressable_devices;
  PJRT_Executable info;
  std::vector<xla::Shape> parameters;  // empty where they are not known one by one
  xla::ExecuteOptions::ExecutionMode mode = xla::ExecuteOptions::ExecutionMode::kDefault;
  std::atomic<bool> deleted{false};  // XLA's CPU client does not keep this
};

struct PJRT_Buffer {
  std::unique_ptr<xla::PjRtBuffer> buffer;
  PJRT_Client* client;
  std::mutex mutex;  // of all below
  std::vector<std::unique_ptr<xla::PjRtBuffer::ExternalReference>> external_references;
  std::optional<std::vector<int64_t>> unpadded_dims;
  std::optional<std::vector<size_t>> dynamic_dims;
  std::shared_ptr<const xla::PjRtLayout> layout;
  std::vector<int64_t> tile_dims;
  std::vector<size_t> tile_dim_sizes;

  PJRT_Buffer(std::unique_ptr<xla::PjRtBuffer> b, PJRT_Client* c) : buffer(std::move(b)), client(c) {}
};

struct PJRT_AsyncHostToDeviceTransferManager {
  /// One buffer. XLA ends the process where a caller breaks its rules, so what was done to the buffer is kept here.
  struct Target {
    xla::Shape shape;
    std::mutex mutex;  // of all below
    bool retrieved = false;
    const char* closed = nullptr;        // what was done to it last; nothing more may be
    std::map<int64_t, int64_t> written;  // the runs of bytes that have been given: from, to
  };
  std::unique_ptr<xla::PjRtClient::AsyncHostToDeviceTransferManager> manager;
  PJRT_Client* client;
  std::vector<Target> targets;
};

struct PJRT_FulfillAliasBufferCallback {
  xla::PjRtFulfillAliasBufferCallback callback;
  xla::Shape shape;
};

struct PJRT_Layouts_MemoryLayout {
  std::shared_ptr<const xla::PjRtLayout> layout;
};

struct PJRT_MemoryDescription {
  std::string kind;
  int kind_id;
};

namespace raxla {
absl::StatusOr<xla::CompileOptions> ParseCompileOptions(const char* data, size_t size);
absl::StatusOr<std::unique_ptr<PJRT_LoadedExecutable>> NewLoaded(std::shared_ptr<xla::PjRtLoadedExecutable> executable,
                                                                PJRT_Client* client);
std::unique_ptr<PJRT_TopologyDescription> NewTopology(std::unique_ptr<const xla::CpuTopologyDescription> owned,
                                                      const xla::CpuTopologyDescription* topology);
void FillOutputs(PJRT_Executable* e);
/// Frees the blocks that this thread keeps.
void ReleaseKeptMemory();
static void FillParameters(PJRT_LoadedExecutable* loaded);
static xla::ExecuteOptions::ExecutionMode ModeOf(const xla::PjRtLoadedExecutable& executable, xla::PjRtClient* client);
/// The memory space that a call names: `memory`, or the default memory of `device`.
absl::StatusOr<xla::PjRtMemorySpace*> MemoryOf(const char* entry, const PJRT_Client* client, const PJRT_Memory* memory, const PJRT_Device* device);
}  // namespace raxla
