// Asynchronous host-to-device transfers into buffers that exist before their data does; and the device streams of send
// and recv callbacks, which CPU programs do not have.
#include "api.h"

namespace raxla {

using Target = PJRT_AsyncHostToDeviceTransferManager::Target;

static absl::Status CheckIndex(const char* entry, const PJRT_AsyncHostToDeviceTransferManager* m, int index) {
  if (index < 0 || static_cast<size_t>(index) >= m->targets.size()) {
    return absl::InvalidArgumentError(absl::StrCat(entry, ": buffer_index = ", index, ", the manager has ", m->targets.size(), " buffers"));
  }
  return absl::OkStatus();
}

static absl::Status CheckOpen(const char* entry, const Target& target, int index) {
  if (target.closed == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(entry, ": buffer ", index, " ", target.closed));
}

/// Claims the right to do the last thing to the buffer. XLA is told of it without the lock: who waits for the buffer may be
/// called from there, and may destroy the manager.
static absl::Status CloseTarget(const char* entry, Target& target, int index, const char* how) {
  std::lock_guard<std::mutex> lock(target.mutex);
  RETURN_IF_ERROR(CheckOpen(entry, target, index));
  target.closed = how;
  return absl::OkStatus();
}

constexpr char kLastTransfer[] = "has had its last transfer";

/// Adds the bytes `from..to` to the runs in `written`, which neither touch nor overlap.
static void AddRun(std::map<int64_t, int64_t>& written, int64_t from, int64_t to) {
  auto run = written.upper_bound(from);
  if (run != written.begin() && std::prev(run)->second >= from) --run;
  while (run != written.end() && run->first <= to) {
    from = std::min(from, run->first);
    to = std::max(to, run->second);
    run = written.erase(run);
  }
  written[from] = to;
}

ENTRY(PJRT_Client_CreateBuffersForAsyncHostToDevice, transfer_manager) {
  ASSIGN_OR_RETURN(xla::PjRtMemorySpace * memory,
                   MemoryOf("PJRT_Client_CreateBuffersForAsyncHostToDevice", args->client, args->memory, nullptr));
  if (args->num_device_layouts != 0 && args->num_device_layouts != args->num_shape_specs) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_Client_CreateBuffersForAsyncHostToDevice: ", args->num_device_layouts,
                                                   " layouts for ", args->num_shape_specs, " shapes"));
  }
  auto m = std::make_unique<PJRT_AsyncHostToDeviceTransferManager>();
  std::vector<xla::PjRtClient::ShapeSpec> specs;
  std::vector<std::optional<xla::Layout>> layouts;
  m->targets = std::vector<Target>(args->num_shape_specs);
  for (size_t i = 0; i < args->num_shape_specs; i++) {
    const PJRT_ShapeSpec& spec = args->shape_specs[i];
    const PJRT_Buffer_MemoryLayout* layout = args->num_device_layouts == 0 ? nullptr : args->device_layouts[i];
    ASSIGN_OR_RETURN(xla::Shape shape, ToShapeWithLayout(spec.element_type, spec.dims, spec.num_dims, layout));
    if (!shape.IsArray()) return absl::InvalidArgumentError("PJRT_Client_CreateBuffersForAsyncHostToDevice: a token has no data");
    specs.push_back({shape.element_type(), xla::DimensionVector(shape.dimensions().begin(), shape.dimensions().end())});
    layouts.push_back(layout == nullptr ? std::nullopt : std::make_optional(shape.layout()));
    m->targets[i].shape = std::move(shape);
  }
  std::optional<absl::Span<const std::optional<xla::Layout>>> given;
  if (args->num_device_layouts != 0) given = layouts;
  ASSIGN_OR_RETURN(m->manager, args->client->client->CreateBuffersForAsyncHostToDevice(specs, given, memory));
  m->client = args->client;
  args->transfer_manager = m.release();
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_Destroy, transfer_manager) {
  delete args->transfer_manager;
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_TransferData, done_with_h2d_transfer) {
  PJRT_AsyncHostToDeviceTransferManager* m = args->transfer_manager;
  RETURN_IF_ERROR(CheckIndex("PJRT_AsyncHostToDeviceTransferManager_TransferData", m, args->buffer_index));
  const int64_t limit = static_cast<int64_t>(m->manager->buffer_size(args->buffer_index));
  if (args->offset < 0 || args->transfer_size < 0 || args->offset > limit || args->transfer_size > limit - args->offset) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_AsyncHostToDeviceTransferManager_TransferData: offset ", args->offset,
                                                   " and transfer_size ", args->transfer_size, " do not lie in the buffer's ", limit, " bytes"));
  }
  Target& target = m->targets[args->buffer_index];
  std::unique_lock<std::mutex> lock(target.mutex);
  RETURN_IF_ERROR(CheckOpen("PJRT_AsyncHostToDeviceTransferManager_TransferData", target, args->buffer_index));
  const bool last = args->is_last_transfer;
  if (last) {
    std::map<int64_t, int64_t> written = target.written;
    AddRun(written, args->offset, args->offset + args->transfer_size);
    // What nothing was written to holds what was in the memory before.
    const int64_t gap = written.begin()->first > 0 ? 0 : written.begin()->second;
    if (gap < limit) {
      return absl::InvalidArgumentError(absl::StrCat("PJRT_AsyncHostToDeviceTransferManager_TransferData: is_last_transfer, but byte ", gap,
                                                     " of the ", limit, " of buffer ", args->buffer_index, " was not transferred"));
    }
    target.closed = kLastTransfer;
    lock.unlock();  // as `CloseTarget` does; the other transfers keep it, so that none is on its way when the last one comes
  }
  auto [promise, future] = xla::MakePromise<>();
  RETURN_IF_ERROR(m->manager->TransferRawDataToSubBuffer(
      args->buffer_index, args->data, args->offset, args->transfer_size, last,
      [promise = std::move(promise)]() mutable { promise.Set(absl::OkStatus()); }));
  if (!last) AddRun(target.written, args->offset, args->offset + args->transfer_size);
  args->done_with_h2d_transfer = NewEvent(std::move(future));
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_TransferLiteral, done_with_h2d_transfer) {
  PJRT_AsyncHostToDeviceTransferManager* m = args->transfer_manager;
  RETURN_IF_ERROR(CheckIndex("PJRT_AsyncHostToDeviceTransferManager_TransferLiteral", m, args->buffer_index));
  ASSIGN_OR_RETURN(xla::Shape shape,
                   ToShapeWithLayout(args->shape_element_type, args->shape_dims, args->shape_num_dims, args->shape_layout));
  Target& target = m->targets[args->buffer_index];
  if (!xla::ShapeUtil::Compatible(shape, target.shape)) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_AsyncHostToDeviceTransferManager_TransferLiteral: the literal is ",
                                                   xla::ShapeUtil::HumanString(shape), ", buffer ", args->buffer_index, " is ",
                                                   xla::ShapeUtil::HumanString(target.shape)));
  }
  // XLA's CPU client takes the elements in the order in which it is to hold them, whatever the literal's layout says.
  const char* data = static_cast<const char*>(args->data);
  std::unique_ptr<std::string> ordered;
  const xla::Layout stored(target.shape.layout().minor_to_major());
  if (!SameOrder(shape.layout().minor_to_major(), stored.minor_to_major(), shape.dimensions())) {
    const int64_t width = xla::primitive_util::ByteWidth(shape.element_type());
    ordered = std::make_unique<std::string>(xla::ShapeUtil::ElementsIn(shape) * width, '\0');
    CopyInOrder(ordered->data(), data, width, shape.dimensions(), DenseSteps(width, shape.dimensions(), shape.layout().minor_to_major()),
                stored.minor_to_major());
    *shape.mutable_layout() = stored;
    data = ordered->data();
  }
  auto literal = std::make_unique<xla::BorrowingLiteral>(data, shape);
  const xla::LiteralSlice slice(*literal);
  RETURN_IF_ERROR(CloseTarget("PJRT_AsyncHostToDeviceTransferManager_TransferLiteral", target, args->buffer_index, kLastTransfer));
  auto [promise, future] = xla::MakePromise<>();
  RETURN_IF_ERROR(m->manager->TransferLiteralToBuffer(
      args->buffer_index, slice,
      [promise = std::move(promise), kept = std::move(literal), bytes = std::move(ordered)]() mutable { promise.Set(absl::OkStatus()); }));
  args->done_with_h2d_transfer = NewEvent(std::move(future));
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_RetrieveBuffer, buffer_out) {
  PJRT_AsyncHostToDeviceTransferManager* m = args->transfer_manager;
  RETURN_IF_ERROR(CheckIndex("PJRT_AsyncHostToDeviceTransferManager_RetrieveBuffer", m, args->buffer_index));
  Target& target = m->targets[args->buffer_index];
  std::lock_guard<std::mutex> lock(target.mutex);
  std::unique_ptr<xla::PjRtBuffer> buffer;
  if (!target.retrieved) buffer = m->manager->RetrieveBuffer(args->buffer_index);
  if (buffer == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("PJRT_AsyncHostToDeviceTransferManager_RetrieveBuffer: buffer ", args->buffer_index, " was already retrieved"));
  }
  target.retrieved = true;
  args->buffer_out = new PJRT_Buffer(std::move(buffer), m->client);
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_Device, device_out) {
  args->device_out = args->transfer_manager->client->device_of.at(args->transfer_manager->manager->device());
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_BufferCount, buffer_count) {
  args->buffer_count = args->transfer_manager->manager->buffer_count();
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_BufferSize, buffer_size) {
  RETURN_IF_ERROR(
      CheckIndex("PJRT_AsyncHostToDeviceTransferManager_BufferSize", args->transfer_manager, args->buffer_index));
  args->buffer_size = args->transfer_manager->manager->buffer_size(args->buffer_index);
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_SetBufferError, error_message_size) {
  RETURN_IF_ERROR(
      CheckIndex("PJRT_AsyncHostToDeviceTransferManager_SetBufferError", args->transfer_manager, args->buffer_index));
  absl::Status error = ToStatus(args->error_code, args->error_message, args->error_message_size);
  if (error.ok()) return absl::InvalidArgumentError("PJRT_AsyncHostToDeviceTransferManager_SetBufferError: error_code is OK");
  RETURN_IF_ERROR(CloseTarget("PJRT_AsyncHostToDeviceTransferManager_SetBufferError", args->transfer_manager->targets[args->buffer_index],
                              args->buffer_index, "has had an error set"));
  args->transfer_manager->manager->SetBufferError(args->buffer_index, std::move(error));
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncHostToDeviceTransferManager_AddMetadata, num_metadata) {
  xla::PjRtClient::AsyncHostToDeviceTransferManager::TransferMetadata metadata;
  for (size_t i = 0; i < args->num_metadata; i++) {
    const PJRT_NamedValue& v = args->transfer_metadata[i];
    if (v.type != PJRT_NamedValue_kString) {
      return absl::InvalidArgumentError("PJRT_AsyncHostToDeviceTransferManager_AddMetadata: values must be strings");
    }
    metadata[std::string(v.name, v.name_size)] = std::string(v.string_value, v.value_size);
  }
  args->transfer_manager->manager->AddTransferMetadata(metadata);
  return absl::OkStatus();
}

// ---- streams of recv callbacks ----

#define NO_STREAM(Name) \
  ENTRY(Name, stream) { return absl::UnimplementedError(#Name ": XLA's CPU runtime has no host send and recv, so no such stream exists"); }
NO_STREAM(PJRT_CopyToDeviceStream_Destroy)
NO_STREAM(PJRT_CopyToDeviceStream_AddChunk)
NO_STREAM(PJRT_CopyToDeviceStream_TotalBytes)
NO_STREAM(PJRT_CopyToDeviceStream_GranuleSize)
NO_STREAM(PJRT_CopyToDeviceStream_CurrentBytes)
#undef NO_STREAM

}  // namespace raxla
