// `operator new` and `delete` of XLA and this plugin: a larger thread cache in front of malloc. A call with a hundred parameters
// allocates and frees seven hundred small objects and a hundred buffers, and malloc's own cache holds seven of each size; past it
// chunks are split and merged again. What is kept is bounded in bytes, not in blocks, so that a thousand parameters fit too. An asynchronous value begins on a cache line, and malloc keeps no cache of those at all.
//
// Every block is one of malloc's, and its size is asked of malloc, so that a block may be freed by whoever: where another
// library brought its own `operator new` into the process, the two mix.
//
// Measured, without and with it: a call of a counter 2.7 and 2.1 µs, a step of the tutorial 4.5 and 3.4, an update of a hundred
// arrays 88 and 66, one that donates them 54 and 46.
#ifdef __APPLE__
#include <malloc/malloc.h>
#define malloc_usable_size malloc_size
#else
#include <malloc.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <new>

#include "api.h"

namespace raxla {
namespace {

constexpr size_t kStep = 16;
constexpr size_t kLargest = 1024;  // blocks of up to so many bytes are kept
constexpr size_t kKept = 4 << 20;  // bytes in blocks of any size, by each thread: what a call with two thousand arguments needs
constexpr size_t kAlignment = 64;  // a line of the processor's cache; XLA's buffers and asynchronous values begin on one

/// Free blocks by size: list `k` has those of `step * k` bytes and some more, which cost a thread `step * (k + 1)` of what it may keep.
template <size_t step>
struct Lists {
  static constexpr size_t n = kLargest / step + 1;
  struct Block {
    Block* next;
  };
  Block* heads[n];

  void* Take(size_t k, size_t& kept) {
    if (k >= n || heads[k] == nullptr) return nullptr;
    Block* block = heads[k];
    heads[k] = block->next;
    kept -= step * (k + 1);
    return block;
  }
  /// Not the smallest, `k` of 0: nobody takes those, and they may have no room for a `Block`.
  bool Keep(size_t k, void* block, size_t& kept) {
    if (k - 1 >= n - 1 || kept + step * (k + 1) > kKept) return false;
    heads[k] = new (block) Block{heads[k]};
    kept += step * (k + 1);
    return true;
  }
  void Clear() {
    for (Block*& head : heads) {
      while (head != nullptr) {
        Block* next = head->next;
        std::free(head);
        head = next;
      }
    }
  }
};

/// Blocks that a thread has freed. All zeros are an empty one.
struct Cache {
  Lists<kStep> plain;         // `k`: of at least 16 k + 8 bytes, which are the sizes of glibc's malloc
  Lists<kAlignment> aligned;  // `k`: of at least 64 k bytes, on a multiple of 64
  size_t kept;                // bytes

  void Clear() {
    plain.Clear();
    aligned.Clear();
    kept = 0;
  }
};

// Two words of each thread's static block of memory, which any library may take there: found without a call.
#ifdef __APPLE__
#define RAXLA_STATIC_TLS
#else
#define RAXLA_STATIC_TLS __attribute__((tls_model("initial-exec")))
#endif
thread_local Cache* cache RAXLA_STATIC_TLS = nullptr;  // made by the first free
thread_local bool closed RAXLA_STATIC_TLS = false;
#undef RAXLA_STATIC_TLS

/// Frees them when the thread ends. Later frees of the same thread go to malloc.
struct Close {
  bool armed = false;
  ~Close() {
    Cache* c = cache;
    closed = true;
    cache = nullptr;
    if (c == nullptr) return;
    c->Clear();
    std::free(c);
  }
};

thread_local Close close;

[[gnu::noinline]] Cache* Open() {
  if (closed) return nullptr;
  cache = static_cast<Cache*>(std::calloc(1, sizeof(Cache)));
  if (cache != nullptr) close.armed = true;  // the first use of `close` has it destroyed with the thread
  return cache;
}

/// What `get` gives, which the program's handler may make memory for.
template <typename F>
void* OrThrow(F get) {
  for (;;) {
    if (void* block = get()) return block;
    std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void* Allocate(size_t size) {
  const size_t k = std::max<size_t>(size / kStep + (size % kStep > 8), 1);
  if (Cache* c = cache) [[likely]] {
    if (void* block = c->plain.Take(k, c->kept)) [[likely]] return block;
  }
  return OrThrow([=] { return std::malloc(size == 0 ? 1 : size); });
}

void Free(void* block) {
  if (block == nullptr) return;
  Cache* c = cache;
  if (c == nullptr) [[unlikely]] c = Open();
  if (c == nullptr || !c->plain.Keep((malloc_usable_size(block) - 8) / kStep, block, c->kept)) std::free(block);
}

void* AllocateAligned(size_t size, std::align_val_t align) {
  const size_t alignment = static_cast<size_t>(align);
  if (alignment <= kStep) return Allocate(size);
  Cache* c = cache;
  if (alignment <= kAlignment && c != nullptr) {
    if (void* block = c->aligned.Take(size / kAlignment + (size % kAlignment > 0), c->kept)) [[likely]] return block;
  }
  return OrThrow([=]() -> void* {
    void* block = nullptr;
    return posix_memalign(&block, std::max(alignment, kAlignment), std::max<size_t>(size, 1)) == 0 ? block : nullptr;
  });
}

void FreeAligned(void* block, std::align_val_t align) {
  if (block == nullptr || static_cast<size_t>(align) <= kStep) return Free(block);
  Cache* c = cache;
  if (c == nullptr) [[unlikely]] c = Open();
  if (c == nullptr || reinterpret_cast<uintptr_t>(block) % kAlignment != 0 || !c->aligned.Keep(malloc_usable_size(block) / kAlignment, block, c->kept)) std::free(block);
}

}  // namespace

void ReleaseKeptMemory() {
  if (Cache* c = cache) c->Clear();
}

/// Memory of a buffer, in one block with what describes it.
class Memory final : public xla::CpuMemory {
 public:
  explicit Memory(size_t size) : size_(size) {}
  void* base() const override {
    return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(this + 1) + kAlignment - 1) / kAlignment * kAlignment);
  }
  size_t size_bytes() const override { return size_; }
  static void* operator new(size_t own, size_t size) { return Allocate(own + kAlignment - 1 + size); }
  static void operator delete(void* p) { Free(p); }

 private:
  size_t size_;
};

static absl::StatusOr<std::unique_ptr<xla::CpuMemory>> AllocateMemory(size_t size, size_t alignment) {
  if (alignment > kAlignment) return absl::UnimplementedError(absl::StrCat("memory aligned to ", alignment, " bytes"));
  try {
    return std::unique_ptr<xla::CpuMemory>(new (size) Memory(size));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("Out of memory allocating ", size, " bytes."));
  }
}
}  // namespace raxla

#define RAXLA_EXPORT __attribute__((visibility("default")))
RAXLA_EXPORT void* operator new(size_t size) { return raxla::Allocate(size); }
RAXLA_EXPORT void* operator new[](size_t size) { return raxla::Allocate(size); }
RAXLA_EXPORT void operator delete(void* p) noexcept { raxla::Free(p); }
RAXLA_EXPORT void operator delete[](void* p) noexcept { raxla::Free(p); }
RAXLA_EXPORT void operator delete(void* p, size_t) noexcept { raxla::Free(p); }
RAXLA_EXPORT void operator delete[](void* p, size_t) noexcept { raxla::Free(p); }
RAXLA_EXPORT void* operator new(size_t size, std::align_val_t a) { return raxla::AllocateAligned(size, a); }
RAXLA_EXPORT void* operator new[](size_t size, std::align_val_t a) { return raxla::AllocateAligned(size, a); }
RAXLA_EXPORT void operator delete(void* p, std::align_val_t a) noexcept { raxla::FreeAligned(p, a); }
RAXLA_EXPORT void operator delete[](void* p, std::align_val_t a) noexcept { raxla::FreeAligned(p, a); }
RAXLA_EXPORT void operator delete(void* p, size_t, std::align_val_t a) noexcept { raxla::FreeAligned(p, a); }
RAXLA_EXPORT void operator delete[](void* p, size_t, std::align_val_t a) noexcept { raxla::FreeAligned(p, a); }
#undef RAXLA_EXPORT
