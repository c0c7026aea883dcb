// `operator new` and `delete` of XLA and this plugin: a larger thread cache in front of malloc. A call with a hundred parameters
// allocates and frees seven hundred small objects and a hundred buffers, and malloc's own cache holds seven of each size; past it
// chunks are split and merged again.
//
// Every block is one of malloc's, and its size is asked of malloc, so that a block may be freed by whoever: where another
// library brought its own `operator new` into the process, the two mix.
//
// Measured: an update of a hundred arrays takes 71 µs instead of 88, one that donates them 46 instead of 54.
#ifdef __APPLE__
#include <malloc/malloc.h>
#define malloc_usable_size malloc_size
#else
#include <malloc.h>
#endif

#include <cstdlib>
#include <new>

#include "api.h"

namespace raxla {
namespace {

constexpr size_t kStep = 16;
constexpr size_t kLists = 65;    // blocks of up to 1048 bytes are kept
constexpr uint32_t kKept = 128;  // of each size, by each thread: 4 MB at most

/// Blocks that this thread has freed: list `k` has those of at least 16 k + 8 bytes, which are the sizes of glibc's malloc.
/// No constructor: it is used before any could run.
struct Cache {
  struct Block {
    Block* next;
  };
  Block* heads[kLists];
  uint32_t counts[kLists];
  bool armed;
  bool closed;
};

thread_local Cache cache;

/// Frees them when the thread ends. Later frees of the same thread go to malloc.
struct Close {
  bool armed = false;
  ~Close() {
    cache.closed = true;
    for (Cache::Block*& head : cache.heads) {
      while (head != nullptr) {
        Cache::Block* next = head->next;
        std::free(head);
        head = next;
      }
    }
  }
};

thread_local Close close;

void* Allocate(size_t size) {
  const size_t k = size <= 8 ? 1 : (size + 7) / kStep;
  if (k < kLists) [[likely]] {
    Cache& c = cache;
    if (Cache::Block* block = c.heads[k]) [[likely]] {
      c.heads[k] = block->next;
      c.counts[k]--;
      return block;
    }
  }
  for (;;) {
    if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
    std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void Free(void* block) {
  if (block == nullptr) return;
  const size_t k = (malloc_usable_size(block) - 8) / kStep;
  if (k >= kLists) return std::free(block);
  Cache& c = cache;
  if (c.counts[k] >= kKept || c.closed) return std::free(block);
  if (!c.armed) [[unlikely]] c.armed = close.armed = true;  // the first use of `close` has it destroyed with the thread
  c.heads[k] = new (block) Cache::Block{c.heads[k]};
  c.counts[k]++;
}

}  // namespace

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
  static constexpr size_t kAlignment = 64;

 private:
  size_t size_;
};

static absl::StatusOr<std::unique_ptr<xla::CpuMemory>> AllocateMemory(size_t size, size_t alignment) {
  if (alignment > Memory::kAlignment) return absl::UnimplementedError(absl::StrCat("memory aligned to ", alignment, " bytes"));
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
#undef RAXLA_EXPORT
