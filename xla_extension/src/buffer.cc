// Buffers: made from host memory, asked about, copied, lent out, deleted.
#include "api.h"

namespace raxla {

static absl::StatusOr<xla::PjRtClient::HostBufferSemantics> ToSemantics(PJRT_HostBufferSemantics semantics) {
  using S = xla::PjRtClient::HostBufferSemantics;
  switch (semantics) {
    case PJRT_HostBufferSemantics_kImmutableOnlyDuringCall:
      return S::kImmutableOnlyDuringCall;
    case PJRT_HostBufferSemantics_kImmutableUntilTransferCompletes:
      return S::kImmutableUntilTransferCompletes;
    case PJRT_HostBufferSemantics_kImmutableZeroCopy:
      return S::kImmutableZeroCopy;
    case PJRT_HostBufferSemantics_kMutableZeroCopy:
      return S::kMutableZeroCopy;
  }
  return absl::InvalidArgumentError(absl::StrCat("PJRT_HostBufferSemantics ", static_cast<int>(semantics), " is unknown"));
}

static absl::Status CheckAlive(const char* entry, const PJRT_Buffer* b) {
  if (b->buffer->IsDeleted()) {
    return absl::InvalidArgumentError(absl::StrCat(entry, ": the buffer was deleted or donated"));
  }
  return absl::OkStatus();
}

static absl::Status CheckCopyable(const char* entry, const PJRT_Buffer* b) {
  RETURN_IF_ERROR(CheckAlive(entry, b));
  if (!b->buffer->on_device_shape().IsArray()) return absl::InvalidArgumentError(absl::StrCat(entry, ": a token has no data"));
  return absl::OkStatus();
}

static absl::Status CheckRange(const char* entry, const PJRT_Buffer* b, int64_t offset, int64_t size) {
  ASSIGN_OR_RETURN(size_t bytes, b->buffer->GetOnDeviceSizeInBytes());
  const int64_t limit = static_cast<int64_t>(bytes);
  if (offset < 0 || size < 0 || offset > limit || size > limit - offset) {
    return absl::InvalidArgumentError(
        absl::StrCat(entry, ": offset ", offset, " and transfer_size ", size, " do not lie in the buffer's ", limit, " bytes"));
  }
  return absl::OkStatus();
}

/// How many bytes a step along each dimension is in a dense array whose elements lie in `order`, minor to major.
static std::vector<int64_t> DenseSteps(int64_t width, absl::Span<const int64_t> dims, absl::Span<const int64_t> order) {
  std::vector<int64_t> step(dims.size());
  for (int64_t d : order) {
    step[d] = width;
    width *= dims[d];
  }
  return step;
}

/// Writes the elements that lie `step` bytes apart in `from` to `to`, densely and in `order`.
static void CopyInOrder(char* to, const char* from, int64_t width, absl::Span<const int64_t> dims, absl::Span<const int64_t> step,
                        absl::Span<const int64_t> order) {
  int64_t count = 1;
  for (int64_t d : dims) count *= d;
  std::vector<int64_t> index(dims.size(), 0);
  for (int64_t i = 0; i < count; i++) {
    std::memcpy(to + i * width, from, width);
    for (int64_t d : order) {
      from += step[d];
      if (++index[d] < dims[d]) break;
      from -= step[d] * dims[d];
      index[d] = 0;
    }
  }
}

/// An array that the device is to hold in another order than row-major. XLA's CPU client would copy dense host data as it
/// lies and only label it with the layout, so the elements are put in order here and handed over as raw bytes.
static absl::StatusOr<std::unique_ptr<xla::PjRtBuffer>> BufferInOrder(const PJRT_Client* client, const char* data, const xla::Shape& shape,
                                                                      std::optional<absl::Span<const int64_t>> strides,
                                                                      const xla::Layout& layout, xla::PjRtMemorySpace* memory) {
  const absl::Span<const int64_t> dims = shape.dimensions();
  const int64_t width = xla::primitive_util::ByteWidth(shape.element_type());
  std::vector<int64_t> step(dims.size());
  for (int64_t d = dims.size(), dense = width; d-- > 0; dense *= dims[d]) step[d] = strides.has_value() ? (*strides)[d] : dense;
  auto bytes = std::make_shared<std::string>(xla::ShapeUtil::ElementsIn(shape) * width, '\0');
  CopyInOrder(bytes->data(), data, width, dims, step, layout.minor_to_major());
  const xla::PjRtClient::ShapeSpec spec{shape.element_type(), xla::DimensionVector(dims.begin(), dims.end())};
  const std::optional<xla::Layout> layouts[] = {layout};
  std::unique_ptr<xla::PjRtBuffer> buffer;  // goes after its manager, for whose data it waits
  ASSIGN_OR_RETURN(auto manager, client->client->CreateBuffersForAsyncHostToDevice(absl::MakeConstSpan(&spec, 1), absl::MakeConstSpan(layouts), memory));
  buffer = manager->RetrieveBuffer(0);
  RETURN_IF_ERROR(manager->TransferRawDataToBuffer(0, *bytes, [bytes] {}));
  return buffer;
}

/// XLA copies to the host on another thread, which costs some 25 µs. What is ready and small is copied here and now.
/// False where it is not so, and XLA is to do it.
static absl::StatusOr<bool> CopyInline(PJRT_Buffer* b, void* dst, int64_t offset, int64_t size) {
  constexpr int64_t kInlineBytes = 1 << 18;
  if (size > kInlineBytes) return false;
  xla::Future<> ready = b->buffer->GetReadyFuture();
  if (!ready.IsReady()) return false;
  RETURN_IF_ERROR(ready.Await());
  ASSIGN_OR_RETURN(auto reference, b->buffer->AcquireExternalReference());
  if (size != 0) std::memcpy(dst, static_cast<const char*>(reference->OpaqueDeviceMemoryDataPointer()) + offset, size);
  return true;
}

/// What the two entries that take a promise from C hand out: the callback sets it, once.
template <typename T>
struct CallerPromise {
  xla::Promise<T> promise;
};

ENTRY(PJRT_Client_BufferFromHostBuffer, buffer) {
  args->buffer = nullptr;
  args->done_with_host_buffer = nullptr;
  ASSIGN_OR_RETURN(xla::PjRtMemorySpace * memory,
                   MemoryOf("PJRT_Client_BufferFromHostBuffer", args->client, args->memory, args->device));
  ASSIGN_OR_RETURN(xla::Shape shape, ToShape(args->type, args->dims, args->num_dims));
  if (!shape.IsArray()) return absl::InvalidArgumentError("PJRT_Client_BufferFromHostBuffer: a token has no host data");
  ASSIGN_OR_RETURN(auto semantics, ToSemantics(args->host_buffer_semantics));
  std::optional<absl::Span<const int64_t>> strides;
  if (args->num_byte_strides != 0 || (args->byte_strides != nullptr && args->num_dims == 0)) {
    if (args->num_byte_strides != args->num_dims) {
      return absl::InvalidArgumentError(absl::StrCat("PJRT_Client_BufferFromHostBuffer: ", args->num_byte_strides,
                                                     " byte_strides for ", args->num_dims, " dims"));
    }
    strides = absl::MakeConstSpan(args->byte_strides, args->num_byte_strides);
  }
  std::optional<xla::Layout> layout;
  if (args->device_layout != nullptr) {
    ASSIGN_OR_RETURN(layout, ToLayout(args->device_layout, shape.element_type(), shape.dimensions()));
  }
  static constexpr int64_t kNothing = 0;  // XLA asks that even an empty array has an address
  const void* data = args->data == nullptr ? &kNothing : args->data;
  if (args->data == nullptr && xla::ShapeUtil::ElementsIn(shape) != 0) {
    return absl::InvalidArgumentError("PJRT_Client_BufferFromHostBuffer: data is null");
  }
  xla::DimensionVector row_major(shape.dimensions().size());
  for (size_t i = 0; i < row_major.size(); i++) row_major[i] = row_major.size() - 1 - i;
  if (layout.has_value() && !SameOrder(layout->minor_to_major(), row_major, shape.dimensions())) {
    if (xla::primitive_util::IsSubByteNonPredType(shape.element_type())) {
      return absl::UnimplementedError(
          absl::StrCat("PJRT_Client_BufferFromHostBuffer: device_layout: an array of ",
                       xla::primitive_util::LowercasePrimitiveTypeName(shape.element_type()), " is served in row-major order only"));
    }
    ASSIGN_OR_RETURN(auto ordered, BufferInOrder(args->client, static_cast<const char*>(data), shape, strides, *layout, memory));
    args->buffer = new PJRT_Buffer(std::move(ordered), args->client);
    args->done_with_host_buffer = NewEvent(xla::Future<>(absl::OkStatus()));
    return absl::OkStatus();
  }
  // When the runtime may not keep `data`, it is done with it once the call returns: no callback, no promise.
  absl::AnyInvocable<void() &&> on_done;
  xla::Future<> done(absl::OkStatus());
  if (semantics != xla::PjRtClient::HostBufferSemantics::kImmutableOnlyDuringCall) {
    auto [promise, future] = xla::MakePromise<>();
    done = std::move(future);
    on_done = [promise = std::move(promise)]() mutable { promise.Set(absl::OkStatus()); };
  }
  ASSIGN_OR_RETURN(auto buffer, args->client->client->BufferFromHostBuffer(
                                    data, shape.element_type(), shape.dimensions(), strides, semantics, std::move(on_done), memory,
                                    layout.has_value() ? &*layout : nullptr));
  args->buffer = new PJRT_Buffer(std::move(buffer), args->client);
  args->done_with_host_buffer = NewEvent(std::move(done));
  return absl::OkStatus();
}

ENTRY(PJRT_Client_CreateUninitializedBuffer, buffer) {
  ASSIGN_OR_RETURN(xla::PjRtMemorySpace * memory,
                   MemoryOf("PJRT_Client_CreateUninitializedBuffer", args->client, args->memory, args->device));
  ASSIGN_OR_RETURN(xla::Shape shape,
                   ToShapeWithLayout(args->shape_element_type, args->shape_dims, args->shape_num_dims, args->shape_layout));
  ASSIGN_OR_RETURN(auto buffer, args->client->client->CreateUninitializedBuffer(shape, memory));
  args->buffer = new PJRT_Buffer(std::move(buffer), args->client);
  return absl::OkStatus();
}

ENTRY(PJRT_Client_CreateErrorBuffer, buffer) {
  ASSIGN_OR_RETURN(xla::PjRtMemorySpace * memory, MemoryOf("PJRT_Client_CreateErrorBuffer", args->client, args->memory, nullptr));
  ASSIGN_OR_RETURN(xla::Shape shape,
                   ToShapeWithLayout(args->shape_element_type, args->shape_dims, args->shape_num_dims, args->shape_layout));
  absl::Status error = ToStatus(args->error_code, args->error_message, args->error_message_size);
  if (error.ok()) return absl::InvalidArgumentError("PJRT_Client_CreateErrorBuffer: error_code is OK");
  ASSIGN_OR_RETURN(auto buffer, args->client->client->CreateErrorBuffer(std::move(error), shape, memory));
  args->buffer = new PJRT_Buffer(std::move(buffer), args->client);
  return absl::OkStatus();
}

ENTRY(PJRT_Client_CreateAliasBuffer, fulfill_alias_buffer_cb) {
  ASSIGN_OR_RETURN(xla::PjRtMemorySpace * memory, MemoryOf("PJRT_Client_CreateAliasBuffer", args->client, args->memory, nullptr));
  ASSIGN_OR_RETURN(xla::Shape shape,
                   ToShapeWithLayout(args->shape_element_type, args->shape_dims, args->shape_num_dims, args->shape_layout));
  ASSIGN_OR_RETURN(auto made, args->client->client->CreateAliasBuffer(shape, memory));
  args->alias_buffer = new PJRT_Buffer(std::move(made.first), args->client);
  args->fulfill_alias_buffer_cb = new PJRT_FulfillAliasBufferCallback{std::move(made.second), std::move(shape)};
  return absl::OkStatus();
}

/// The contents of `source` in a buffer that no other thread knows. XLA's callback takes its buffer without a look whether it was
/// deleted or given away since anyone looked, and ends the process if it was.
static absl::StatusOr<std::unique_ptr<xla::PjRtBuffer>> Claim(const char* entry, xla::PjRtBuffer* source) {
  auto* buffer = dynamic_cast<xla::CommonPjRtBuffer*>(source);
  auto* client = dynamic_cast<xla::CommonPjRtClient*>(source->client());
  if (buffer == nullptr || client == nullptr) return absl::InternalError(absl::StrCat(entry, ": a buffer of another kind"));
  auto hold = buffer->GetBufferWithHold(xla::CommonPjRtBuffer::ScopedHold::kDonation);
  if (!hold.ok()) return absl::InvalidArgumentError(absl::StrCat(entry, ": ", hold.status().message()));
  ASSIGN_OR_RETURN(auto defined, hold.buffer()->GetDefinitionEvent(source->memory_space()));
  absl::InlinedVector<tsl::RCReference<xla::PjRtDeviceEvent>, 4> events;
  if (defined) events.push_back(std::move(defined));
  ASSIGN_OR_RETURN(auto claimed, client->DefineBuffer(source->on_device_shape(), source->memory_space(),
                                                      hold.buffer()->raw_buffer(), std::move(events)));
  hold.ConfirmDonation();
  return claimed;
}

ENTRY(PJRT_Client_FulfillAliasBuffer, fulfill_alias_buffer_cb) {
  std::unique_ptr<PJRT_FulfillAliasBufferCallback> callback(args->fulfill_alias_buffer_cb);  // called once, then gone
  absl::Status error = ToStatus(args->status_code, args->error_message, args->error_message_size);
  std::unique_ptr<xla::PjRtBuffer> claimed;
  if (error.ok() && args->buffer == nullptr) {
    error = absl::InvalidArgumentError("PJRT_Client_FulfillAliasBuffer: buffer is null and status_code is OK");
  } else if (error.ok() && args->buffer->buffer->on_device_shape() == callback->shape) {
    auto claim = Claim("PJRT_Client_FulfillAliasBuffer", args->buffer->buffer.get());
    error = claim.status();
    if (claim.ok()) claimed = *std::move(claim);
  }
  // An error too is what the alias is fulfilled with: nothing else can, and its readers wait.
  if (!error.ok()) return std::move(callback->callback)(std::move(error));
  // A buffer of another shape is refused before it is taken.
  return std::move(callback->callback)(claimed != nullptr ? claimed.get() : args->buffer->buffer.get());
}

ENTRY(PJRT_Client_CreateViewOfDeviceBuffer, buffer) {
  const bool has_memory = HAS(args, PJRT_Client_CreateViewOfDeviceBuffer_Args, memory);
  ASSIGN_OR_RETURN(xla::PjRtMemorySpace * memory, MemoryOf("PJRT_Client_CreateViewOfDeviceBuffer", args->client,
                                                                  has_memory ? args->memory : nullptr, args->device));
  ASSIGN_OR_RETURN(xla::Shape shape, ToShapeWithLayout(args->element_type, args->dims, args->num_dims, args->layout));
  std::function<void()> on_delete = [] {};  // XLA calls it whether or not there is one
  if (args->on_delete_callback != nullptr) {
    on_delete = [callback = args->on_delete_callback, data = args->device_buffer_ptr, user = args->on_delete_callback_arg] {
      callback(data, user);
    };
  }
  std::optional<std::intptr_t> stream;
  if (args->stream != 0) stream = args->stream;
  ASSIGN_OR_RETURN(auto buffer, args->client->client->CreateViewOfDeviceBuffer(args->device_buffer_ptr, shape, memory,
                                                                              std::move(on_delete), stream));
  args->buffer = new PJRT_Buffer(std::move(buffer), args->client);
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_Destroy, buffer) {
  delete args->buffer;
  return absl::OkStatus();
}

// ---- what a buffer is; its shape outlives Delete, so it is read in place ----

ENTRY(PJRT_Buffer_ElementType, type) {
  args->type = ToBufferType(args->buffer->buffer->element_type());
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_Dimensions, num_dims) {
  const absl::Span<const int64_t> dims = args->buffer->buffer->dimensions();
  args->dims = dims.data();
  args->num_dims = dims.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_UnpaddedDimensions, num_dims) {
  PJRT_Buffer* b = args->buffer;
  if (!b->buffer->has_dynamic_dimensions()) {
    const absl::Span<const int64_t> dims = b->buffer->dimensions();
    args->unpadded_dims = dims.data();
    args->num_dims = dims.size();
    return absl::OkStatus();
  }
  std::lock_guard<std::mutex> lock(b->mutex);
  if (!b->unpadded_dims.has_value()) {
    ASSIGN_OR_RETURN(b->unpadded_dims, b->buffer->logical_dimensions());
  }
  args->unpadded_dims = b->unpadded_dims->data();
  args->num_dims = b->unpadded_dims->size();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_DynamicDimensionIndices, num_dynamic_dims) {
  PJRT_Buffer* b = args->buffer;
  std::lock_guard<std::mutex> lock(b->mutex);
  if (!b->dynamic_dims.has_value()) {
    b->dynamic_dims.emplace();
    if (b->buffer->on_device_shape().IsArray()) {
      const absl::Span<const bool> dynamic = b->buffer->is_dynamic_dimension();
      for (size_t i = 0; i < dynamic.size(); i++) {
        if (dynamic[i]) b->dynamic_dims->push_back(i);
      }
    }
  }
  args->dynamic_dim_indices = b->dynamic_dims->data();
  args->num_dynamic_dims = b->dynamic_dims->size();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_GetMemoryLayout, layout) {
  PJRT_Buffer* b = args->buffer;
  if (!b->buffer->on_device_shape().IsArray()) {
    return absl::InvalidArgumentError("PJRT_Buffer_GetMemoryLayout: a token has no layout");
  }
  std::lock_guard<std::mutex> lock(b->mutex);
  if (b->layout == nullptr) {
    b->layout = b->buffer->layout();
    for (const xla::Tile& tile : b->layout->xla_layout().tiles()) {
      b->tile_dims.insert(b->tile_dims.end(), tile.dimensions().begin(), tile.dimensions().end());
      b->tile_dim_sizes.push_back(tile.dimensions().size());
    }
  }
  std::memset(&args->layout, 0, sizeof args->layout);
  args->layout.struct_size = PJRT_Buffer_MemoryLayout_STRUCT_SIZE;
  args->layout.type = PJRT_Buffer_MemoryLayout_Type_Tiled;
  PJRT_Buffer_MemoryLayout_Tiled& tiled = args->layout.tiled;
  tiled.struct_size = PJRT_Buffer_MemoryLayout_Tiled_STRUCT_SIZE;
  tiled.minor_to_major = b->layout->xla_layout().minor_to_major().data();
  tiled.minor_to_major_size = b->layout->xla_layout().minor_to_major().size();
  tiled.tile_dims = b->tile_dims.data();
  tiled.tile_dim_sizes = b->tile_dim_sizes.data();
  tiled.num_tiles = b->tile_dim_sizes.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_OnDeviceSizeInBytes, on_device_size_in_bytes) {
  ASSIGN_OR_RETURN(args->on_device_size_in_bytes, args->buffer->buffer->GetOnDeviceSizeInBytes());
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_Device, device) {
  args->device = args->buffer->client->device_of.at(args->buffer->buffer->device());
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_Memory, memory) {
  args->memory = args->buffer->client->memory_of.at(args->buffer->buffer->memory_space());
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_IsOnCpu, is_on_cpu) {
  args->is_on_cpu = args->buffer->buffer->IsOnCpu();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_Delete, buffer) {
  args->buffer->buffer->Delete();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_IsDeleted, is_deleted) {
  args->is_deleted = args->buffer->buffer->IsDeleted();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_ReadyEvent, event) {
  args->event = NewEvent(args->buffer->buffer->GetReadyFuture());
  return absl::OkStatus();
}

// ---- copies ----

ENTRY(PJRT_Buffer_ToHostBuffer, event) {
  PJRT_Buffer* b = args->src;
  RETURN_IF_ERROR(CheckAlive("PJRT_Buffer_ToHostBuffer", b));
  const xla::Shape& device_shape = b->buffer->on_device_shape();
  if (!device_shape.IsArray()) return absl::InvalidArgumentError("PJRT_Buffer_ToHostBuffer: a token has no host data");
  xla::Shape shape = device_shape;
  if (device_shape.is_dynamic()) {
    ASSIGN_OR_RETURN(shape, b->buffer->logical_on_device_shape());
  }
  xla::Layout layout = device_shape.layout();
  if (args->host_layout != nullptr) {
    ASSIGN_OR_RETURN(layout, ToLayout(args->host_layout, shape.element_type(), shape.dimensions()));
  }
  // The host holds sub-byte elements one a byte, and in no tiles of the device's.
  layout.clear_tiles();
  layout.set_element_size_in_bits(0);
  layout.set_memory_space(xla::Layout::kDefaultMemorySpace);
  shape = xla::ShapeUtil::MakeShape(shape.element_type(), shape.dimensions());
  *shape.mutable_layout() = layout;
  const size_t needed = xla::ShapeUtil::ByteSizeOf(shape);
  if (args->dst == nullptr) {
    args->dst_size = needed;
    args->event = nullptr;
    return absl::OkStatus();
  }
  if (args->dst_size < needed) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_Buffer_ToHostBuffer: dst_size = ", args->dst_size, ", ", needed, " bytes are needed"));
  }
  const bool as_stored = device_shape.is_static() && device_shape.layout().element_size_in_bits() == 0 &&
                         device_shape.layout().tiles().empty() &&
                         device_shape.layout().minor_to_major() == layout.minor_to_major();
  if (as_stored) {
    ASSIGN_OR_RETURN(bool copied, CopyInline(b, args->dst, 0, needed));
    if (copied) {
      args->event = NewEvent(xla::Future<>(absl::OkStatus()));
      return absl::OkStatus();
    }
  }
  // XLA's CPU client hands the elements over in the order in which it holds them, whatever the literal's layout says.
  const xla::Layout stored(device_shape.layout().minor_to_major());
  if (!SameOrder(stored.minor_to_major(), layout.minor_to_major(), shape.dimensions())) {
    *shape.mutable_layout() = stored;
    auto bytes = std::make_shared<std::string>(needed, '\0');
    auto literal = std::make_shared<xla::MutableBorrowingLiteral>(bytes->data(), shape);
    auto [promise, future] = xla::MakePromise<>();
    b->buffer->ToLiteral(literal.get())
        .OnReady([promise = std::move(promise), literal, bytes, shape, layout, dst = args->dst](const absl::Status& status) mutable {
          const int64_t width = xla::primitive_util::ByteWidth(shape.element_type());
          const std::vector<int64_t> step = DenseSteps(width, shape.dimensions(), shape.layout().minor_to_major());
          if (status.ok()) CopyInOrder(static_cast<char*>(dst), bytes->data(), width, shape.dimensions(), step, layout.minor_to_major());
          promise.Set(status);
        });
    args->event = NewEvent(std::move(future));
    return absl::OkStatus();
  }
  auto literal = std::make_unique<xla::MutableBorrowingLiteral>(static_cast<char*>(args->dst), shape);
  xla::MutableBorrowingLiteral* to = literal.get();
  xla::Future<> done = b->buffer->ToLiteral(to);
  if (!done.IsReady()) done.OnReady([kept = std::move(literal)](const absl::Status&) {});
  args->event = NewEvent(std::move(done));
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_CopyRawToHost, event) {
  RETURN_IF_ERROR(CheckAlive("PJRT_Buffer_CopyRawToHost", args->buffer));
  RETURN_IF_ERROR(CheckRange("PJRT_Buffer_CopyRawToHost", args->buffer, args->offset, args->transfer_size));
  ASSIGN_OR_RETURN(bool copied, CopyInline(args->buffer, args->dst, args->offset, args->transfer_size));
  if (copied) {
    args->event = NewEvent(xla::Future<>(absl::OkStatus()));
    return absl::OkStatus();
  }
  args->event = NewEvent(args->buffer->buffer->CopyRawToHost(args->dst, args->offset, args->transfer_size));
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_CopyRawToHostFuture, future_ready_callback) {
  RETURN_IF_ERROR(CheckAlive("PJRT_Buffer_CopyRawToHostFuture", args->buffer));
  RETURN_IF_ERROR(CheckRange("PJRT_Buffer_CopyRawToHostFuture", args->buffer, args->offset, args->transfer_size));
  auto [promise, future] = xla::MakePromise<void*>();
  args->event = NewEvent(args->buffer->buffer->CopyRawToHostFuture(std::move(future), args->offset, args->transfer_size));
  args->callback_data = new CallerPromise<void*>{std::move(promise)};
  args->future_ready_callback = [](PJRT_Buffer_CopyRawToHostFuture_Callback_Args* ready) {
    std::unique_ptr<CallerPromise<void*>> held(static_cast<CallerPromise<void*>*>(ready->callback_data));
    absl::Status status = ToStatus(ready->error_code, ready->error_message, ready->error_message_size);
    if (status.ok()) {
      held->promise.Set(ready->dst);
    } else {
      held->promise.Set(std::move(status));
    }
  };
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_CopyToDevice, dst_buffer) {
  RETURN_IF_ERROR(CheckCopyable("PJRT_Buffer_CopyToDevice", args->buffer));
  ASSIGN_OR_RETURN(xla::PjRtMemorySpace * memory,
                   MemoryOf("PJRT_Buffer_CopyToDevice", args->dst_device->client, nullptr, args->dst_device));
  ASSIGN_OR_RETURN(auto copy, args->buffer->buffer->CopyToMemorySpace(memory));
  args->dst_buffer = new PJRT_Buffer(std::move(copy), args->dst_device->client);
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_CopyToMemory, dst_buffer) {
  RETURN_IF_ERROR(CheckCopyable("PJRT_Buffer_CopyToMemory", args->buffer));
  ASSIGN_OR_RETURN(auto copy, args->buffer->buffer->CopyToMemorySpace(args->dst_memory->memory));
  args->dst_buffer = new PJRT_Buffer(std::move(copy), args->dst_memory->client);
  return absl::OkStatus();
}

// ---- addresses ----

ENTRY(PJRT_Buffer_UnsafePointer, buffer_pointer) {
  RETURN_IF_ERROR(CheckAlive("PJRT_Buffer_UnsafePointer", args->buffer));
  ASSIGN_OR_RETURN(args->buffer_pointer, args->buffer->client->client->UnsafeBufferPointer(args->buffer->buffer.get()));
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_IncreaseExternalReferenceCount, buffer) {
  RETURN_IF_ERROR(CheckAlive("PJRT_Buffer_IncreaseExternalReferenceCount", args->buffer));
  ASSIGN_OR_RETURN(auto reference, args->buffer->buffer->AcquireExternalReference());
  std::lock_guard<std::mutex> lock(args->buffer->mutex);
  args->buffer->external_references.push_back(std::move(reference));
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_DecreaseExternalReferenceCount, buffer) {
  std::unique_ptr<xla::PjRtBuffer::ExternalReference> released;  // after the lock: releasing may free the buffer's memory
  std::lock_guard<std::mutex> lock(args->buffer->mutex);
  if (args->buffer->external_references.empty()) {
    return absl::InvalidArgumentError("PJRT_Buffer_DecreaseExternalReferenceCount: the count is zero");
  }
  released = std::move(args->buffer->external_references.back());
  args->buffer->external_references.pop_back();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_OpaqueDeviceMemoryDataPointer, device_memory_ptr) {
  {
    std::lock_guard<std::mutex> lock(args->buffer->mutex);
    if (!args->buffer->external_references.empty()) {
      args->device_memory_ptr = args->buffer->external_references.back()->OpaqueDeviceMemoryDataPointer();
      return absl::OkStatus();
    }
  }
  RETURN_IF_ERROR(CheckAlive("PJRT_Buffer_OpaqueDeviceMemoryDataPointer", args->buffer));
  ASSIGN_OR_RETURN(auto reference, args->buffer->buffer->AcquireExternalReference());
  args->device_memory_ptr = reference->OpaqueDeviceMemoryDataPointer();
  return absl::OkStatus();
}

ENTRY(PJRT_Buffer_DonateWithControlDependency, out_buffer) {
  RETURN_IF_ERROR(CheckAlive("PJRT_Buffer_DonateWithControlDependency", args->buffer));
  auto [promise, future] = xla::MakePromise<>();
  ASSIGN_OR_RETURN(auto donated, args->buffer->buffer->DonateWithControlDependency(std::move(future)));
  args->callback_data = new CallerPromise<void>{std::move(promise)};
  args->dependency_ready_callback = [](PJRT_Buffer_DonateWithControlDependency_Callback_Args* ready) {
    std::unique_ptr<CallerPromise<void>> held(static_cast<CallerPromise<void>*>(ready->callback_data));
    held->promise.Set(ToStatus(ready->error_code, ready->error_message, ready->error_message_size));
  };
  args->out_buffer = new PJRT_Buffer(std::move(donated), args->buffer->client);
  return absl::OkStatus();
}

}  // namespace raxla
