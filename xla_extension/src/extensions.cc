// The extensions chained in `extension_start`: FFI, layouts, memory descriptions.
#include "api.h"

namespace raxla {

// ---- FFI: handlers that compiled programs call by name ----

ENTRY(PJRT_FFI_Type_Register, type_info) {
  xla::ffi::TypeRegistry::TypeInfo info;
  if (args->type_info != nullptr) info.deleter = args->type_info->deleter;
  const absl::string_view name(args->type_name, args->type_name_size);
  if (args->type_id == 0) {
    ASSIGN_OR_RETURN(auto id, xla::ffi::TypeRegistry::AssignExternalTypeId(name, info));
    args->type_id = id.value();
    return absl::OkStatus();
  }
  return xla::ffi::TypeRegistry::RegisterExternalTypeId(name, xla::ffi::TypeRegistry::TypeId(args->type_id), info);
}

ENTRY(PJRT_FFI_UserData_Add, user_data) {
  if (args->context == nullptr) return absl::InvalidArgumentError("PJRT_FFI_UserData_Add: context is null");
  return args->context->context.ffi_context().Insert(xla::ffi::TypeRegistry::TypeId(args->user_data.type_id), args->user_data.data);
}

ENTRY(PJRT_FFI_Register_Handler, traits) {
  const XLA_FFI_Api* ffi = xla::ffi::GetXlaFfiApi();
  XLA_FFI_Handler_Register_Args reg;
  std::memset(&reg, 0, sizeof reg);
  reg.struct_size = XLA_FFI_Handler_Register_Args_STRUCT_SIZE;
  reg.name = {args->target_name, args->target_name_size};
  // JAX says "cpu" for what XLA calls the host platform.
  absl::string_view platform(args->platform_name, args->platform_name_size);
  if (platform == "cpu") platform = "Host";
  if (platform != "Host") {
    return absl::InvalidArgumentError(
        absl::StrCat("PJRT_FFI_Register_Handler: platform ", platform, ": this plugin calls handlers of cpu and Host only"));
  }
  reg.platform = {platform.data(), platform.size()};
  reg.bundle.execute = reinterpret_cast<XLA_FFI_Handler*>(args->handler);
  reg.traits = static_cast<XLA_FFI_Handler_Traits>(args->traits);
  XLA_FFI_Error* error = ffi->XLA_FFI_Handler_Register(&reg);
  if (error == nullptr) return absl::OkStatus();
  XLA_FFI_Error_GetMessage_Args message;
  std::memset(&message, 0, sizeof message);
  message.struct_size = XLA_FFI_Error_GetMessage_Args_STRUCT_SIZE;
  message.error = error;
  ffi->XLA_FFI_Error_GetMessage(&message);
  absl::Status status = absl::InvalidArgumentError(absl::StrCat("PJRT_FFI_Register_Handler: ", message.message));
  XLA_FFI_Error_Destroy_Args destroy;
  std::memset(&destroy, 0, sizeof destroy);
  destroy.struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE;
  destroy.error = error;
  ffi->XLA_FFI_Error_Destroy(&destroy);
  return status;
}

// ---- layouts ----

ENTRY(PJRT_Layouts_MemoryLayout_Destroy, layout) {
  delete args->layout;
  return absl::OkStatus();
}

ENTRY(PJRT_Layouts_MemoryLayout_Serialize, serialized_layout_deleter) {
  HandedBytes<PJRT_Layouts_SerializedLayout>{args->serialized_bytes, args->serialized_bytes_size, args->serialized_layout,
                                                    args->serialized_layout_deleter} = args->layout->layout->Serialize();
  return absl::OkStatus();
}

ENTRY(PJRT_Layouts_PJRT_Buffer_MemoryLayout, layout) {
  if (!args->buffer->buffer->on_device_shape().IsArray()) {
    return absl::InvalidArgumentError("PJRT_Layouts_PJRT_Buffer_MemoryLayout: a token has no layout");
  }
  args->layout = new PJRT_Layouts_MemoryLayout{args->buffer->buffer->layout()};
  return absl::OkStatus();
}

ENTRY(PJRT_Layouts_PJRT_Client_GetDefaultLayout, layout) {
  ASSIGN_OR_RETURN(xla::Shape shape, ToShape(args->type, args->dims, args->num_dims));
  ASSIGN_OR_RETURN(xla::Layout layout, args->client->client->GetDefaultLayout(shape.element_type(), shape.dimensions()));
  args->layout = new PJRT_Layouts_MemoryLayout{std::make_shared<xla::PjRtLayout>(std::move(layout))};
  return absl::OkStatus();
}

ENTRY(PJRT_Layouts_PJRT_Topology_GetDefaultLayout, layout) {
  ASSIGN_OR_RETURN(xla::Shape shape, ToShape(args->type, args->dims, args->num_dims));
  ASSIGN_OR_RETURN(xla::Layout layout,
                   args->topology_description->topology->GetDefaultLayout(shape.element_type(), shape.dimensions()));
  args->layout = new PJRT_Layouts_MemoryLayout{std::make_shared<xla::PjRtLayout>(std::move(layout))};
  return absl::OkStatus();
}

ENTRY(PJRT_Layouts_PJRT_Executable_GetOutputLayouts, layouts) {
  PJRT_Executable* e = args->executable;
  RETURN_IF_ERROR(e->outputs_status);
  std::lock_guard<std::mutex> lock(e->mutex);
  if (e->output_layouts.empty()) {
    ASSIGN_OR_RETURN(auto layouts, e->executable->GetOutputLayouts());
    for (auto& layout : layouts) {
      e->owned_layouts.push_back(std::make_unique<PJRT_Layouts_MemoryLayout>(PJRT_Layouts_MemoryLayout{std::move(layout)}));
      e->output_layouts.push_back(e->owned_layouts.back().get());
    }
  }
  args->num_outputs = e->output_layouts.size();
  args->layouts = e->output_layouts.data();
  return absl::OkStatus();
}

// ---- memory descriptions: what a device of a topology would have ----

ENTRY(PJRT_DeviceDescription_MemoryDescriptions, default_memory_index) {
  // XLA's CPU client gives each device these three, all of them host memory.
  static const auto* all = new std::vector<PJRT_MemoryDescription>{
      {"device", 2}, {"pinned_host", 1}, {"unpinned_host", 0}};
  static const auto* pointers = new std::vector<const PJRT_MemoryDescription*>{&(*all)[0], &(*all)[1], &(*all)[2]};
  args->memory_descriptions = pointers->data();
  args->num_memory_descriptions = pointers->size();
  args->default_memory_index = 0;
  return absl::OkStatus();
}

ENTRY(PJRT_MemoryDescription_Kind, kind_id) {
  args->kind = args->memory_description->kind.data();
  args->kind_size = args->memory_description->kind.size();
  args->kind_id = args->memory_description->kind_id;
  return absl::OkStatus();
}

}  // namespace raxla
