// Executables: what they are, what they cost, their bytes; and running them.
#include "xla/hlo/ir/hlo_module.h"
#include "xla/service/hlo_cost_analysis.h"

#include "api.h"

namespace raxla {

/// The shapes of a program's outputs: the elements of a tuple, or the one result.
static absl::StatusOr<std::vector<xla::Shape>> OutputShapes(const xla::PjRtExecutable& executable) {
  ASSIGN_OR_RETURN(std::vector<xla::Shape> results, executable.GetOutputShapes());
  if (results.size() != 1) {
    return absl::UnimplementedError(absl::StrCat("an executable of ", results.size(), " modules: one is served"));
  }
  if (!results[0].IsTuple()) return results;
  return std::vector<xla::Shape>(results[0].tuple_shapes().begin(), results[0].tuple_shapes().end());
}

void FillOutputs(PJRT_Executable* e) {
  auto shapes = OutputShapes(*e->executable);
  e->outputs_status = shapes.status();
  if (!shapes.ok()) return;
  for (const xla::Shape& shape : *shapes) {
    e->output_types.push_back(ToBufferType(shape.element_type()));
    const size_t rank = shape.IsArray() ? shape.dimensions().size() : 0;
    e->output_ranks.push_back(rank);
    for (size_t i = 0; i < rank; i++) e->output_dims.push_back(shape.dimensions(i));
  }
}

/// XLA's CPU client compares arguments with parameters by their size in bytes only, so the rest is compared here.
static void FillParameters(PJRT_LoadedExecutable* loaded) {
  auto options = loaded->executable->GetCompileOptions();
  auto modules = loaded->executable->GetHloModules();
  if (!options.ok() || options->parameter_is_tupled_arguments || !modules.ok() || modules->size() != 1) return;
  const xla::ComputationLayout& layout = (*modules)[0]->entry_computation_layout();
  for (int i = 0; i < layout.parameter_count(); i++) loaded->parameters.push_back(layout.parameter_shape(i));
}

/// Whether XLA's estimate of what the instruction costs says how long it takes, and it can't wait for anything.
static bool HasKnownCost(const xla::HloInstruction& instruction) {
  switch (instruction.opcode()) {
    // Repeated as often as the data says.
    case xla::HloOpcode::kWhile:
    case xla::HloOpcode::kConditional:
    case xla::HloOpcode::kSort:
    case xla::HloOpcode::kScatter:
    case xla::HloOpcode::kCustomCall:
    // Waits for other devices or for the host.
    case xla::HloOpcode::kInfeed:
    case xla::HloOpcode::kOutfeed:
    case xla::HloOpcode::kSend:
    case xla::HloOpcode::kRecv:
    case xla::HloOpcode::kAfterAll:
      return false;
    default:
      return true;
  }
}

/// Handing a program to a thread costs XLA's client about 10 µs, and what lies in memory for each argument and result goes to another
/// core and comes back. A program that takes about as long as that, or as its caller takes for its arguments and results anyway, is run by
/// its caller, unless its arguments are not there yet; XLA's own limit for that is 1000 operations.
static xla::ExecuteOptions::ExecutionMode ModeOf(const xla::PjRtLoadedExecutable& executable, xla::PjRtClient* client) {
  constexpr double kMaxOperations = 1 << 16;
  constexpr double kMaxBytes = 1 << 18;
  constexpr double kEach = 1 << 10;  // of both, for each argument and result, which takes some 0.2 µs
  using Mode = xla::ExecuteOptions::ExecutionMode;
  if (executable.num_replicas() != 1 || executable.num_partitions() != 1) return Mode::kDefault;
  auto modules = executable.GetHloModules();
  if (!modules.ok() || modules->size() != 1) return Mode::kDefault;
  for (const xla::HloComputation* computation : (*modules)[0]->computations()) {
    for (const xla::HloInstruction* instruction : computation->instructions()) {
      if (!HasKnownCost(*instruction)) return Mode::kDefault;
    }
  }
  auto analysis = client->GetHloCostAnalysis();
  if (!analysis.ok()) return Mode::kDefault;
  xla::HloCostAnalysis& cost = **analysis;
  if (!(*modules)[0]->entry_computation()->Accept(&cost).ok()) return Mode::kDefault;
  const double operations = cost.flop_count() + 16 * cost.transcendental_count();
  const xla::HloComputation* entry = (*modules)[0]->entry_computation();
  const double more = kEach * (entry->num_parameters() + xla::ShapeUtil::GetLeafCount(entry->root_instruction()->shape()));
  return operations <= kMaxOperations + more && cost.bytes_accessed() <= kMaxBytes + more ? Mode::kSynchronous : Mode::kDefault;
}

/// Whether both orders walk an array of `dims` alike: dimensions of size one may stand anywhere.
static bool SameOrder(absl::Span<const int64_t> a, absl::Span<const int64_t> b, absl::Span<const int64_t> dims) {
  if (a == b) return true;
  size_t j = 0;
  for (int64_t d : a) {
    if (dims[d] == 1) continue;
    while (j < b.size() && dims[b[j]] == 1) j++;
    if (j == b.size() || b[j] != d) return false;
    j++;
  }
  return true;
}

static absl::Status CheckArgument(size_t index, const xla::Shape& parameter, const xla::Shape& argument) {
  if (!parameter.IsArray() || !parameter.is_static()) return absl::OkStatus();
  const bool same = argument.IsArray() && argument.element_type() == parameter.element_type() &&
                    argument.dimensions() == parameter.dimensions() &&
                    SameOrder(argument.layout().minor_to_major(), parameter.layout().minor_to_major(), parameter.dimensions());
  if (same) [[likely]] return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("PJRT_LoadedExecutable_Execute: argument ", index, " is ",
                                                 xla::ShapeUtil::HumanStringWithLayout(argument), ", the program takes ",
                                                 xla::ShapeUtil::HumanStringWithLayout(parameter)));
}

static absl::Status FillMemoryKinds(PJRT_Executable* e) {
  RETURN_IF_ERROR(e->outputs_status);
  ASSIGN_OR_RETURN(std::vector<xla::Shape> shapes, OutputShapes(*e->executable));
  ASSIGN_OR_RETURN(xla::PjRtMemorySpace* memory, e->client->addressable_devices()[0]->default_memory_space());
  e->owned_memory_kinds.emplace();
  for (const xla::Shape& shape : shapes) {
    const bool on_host = shape.IsArray() && shape.has_layout() && shape.layout().memory_space() == xla::Layout::kHostMemorySpace;
    e->owned_memory_kinds->push_back(on_host ? "pinned_host" : std::string(memory->kind()));
  }
  for (const std::string& kind : *e->owned_memory_kinds) {
    e->memory_kinds.push_back(kind.data());
    e->memory_kind_sizes.push_back(kind.size());
  }
  return absl::OkStatus();
}

/// Runs on every device of the program, or on `execute_device` alone.
class Launch {
 public:
  explicit Launch(PJRT_LoadedExecutable_Execute_Args* args) : args_(args), loaded_(args->executable) {}

  absl::Status Run() {
    RETURN_IF_ERROR(loaded_->info.outputs_status);
    if (loaded_->deleted.load(std::memory_order_relaxed)) {
      return absl::FailedPreconditionError("PJRT_LoadedExecutable_Execute: the executable was deleted");
    }
    RETURN_IF_ERROR(ReadOptions());
    PJRT_Device* device = HAS(args_, PJRT_LoadedExecutable_Execute_Args, execute_device) ? args_->execute_device : nullptr;
    const size_t expected = device != nullptr ? 1 : loaded_->addressable_devices.size();
    if (args_->num_devices != expected) {
      return absl::InvalidArgumentError(absl::StrCat("PJRT_LoadedExecutable_Execute: num_devices = ", args_->num_devices,
                                                     ", the program runs on ", expected));
    }
    if (device != nullptr) return RunOn(device, /*portable=*/loaded_->addressable_devices.empty() || !RunsOn(device));
    if (args_->num_devices == 1) return RunOn(loaded_->addressable_devices[0], /*portable=*/false);
    return RunOnAll();
  }

 private:
  bool RunsOn(const PJRT_Device* device) const {
    for (const PJRT_Device* d : loaded_->addressable_devices) {
      if (d == device) return true;
    }
    return false;
  }

  absl::Status ReadOptions() {
    const PJRT_ExecuteOptions* o = args_->options;
    options_.execution_mode = loaded_->mode;
    if (o == nullptr) return absl::OkStatus();
    if (!HAS(o, PJRT_ExecuteOptions, num_non_donatable_input_indices)) {
      return absl::InvalidArgumentError(absl::StrCat("PJRT_ExecuteOptions: struct_size = ", o->struct_size, " is smaller than ",
                                                     SIZE_UP_TO(PJRT_ExecuteOptions, num_non_donatable_input_indices)));
    }
    if (o->num_send_ops != 0 || o->num_recv_ops != 0) {
      return absl::UnimplementedError(
          "PJRT_LoadedExecutable_Execute: send_callbacks and recv_callbacks: XLA's CPU runtime has no host send and recv; "
          "register an FFI handler instead");
    }
    options_.launch_id = o->launch_id;
    for (size_t i = 0; i < o->num_non_donatable_input_indices; i++) {
      options_.non_donatable_input_indices.insert(static_cast<int>(o->non_donatable_input_indices[i]));
    }
    if (HAS(o, PJRT_ExecuteOptions, context) && o->context != nullptr) options_.context = &o->context->context;
    if (HAS(o, PJRT_ExecuteOptions, call_location) && o->call_location != nullptr) options_.call_location = o->call_location;
    if (HAS(o, PJRT_ExecuteOptions, incarnation_ids)) {
      for (size_t i = 0; i < o->num_tasks; i++) {
        options_.incarnations.insert({o->task_ids[i], xla::IncarnationId(o->incarnation_ids[i])});
      }
    }
    return absl::OkStatus();
  }

  absl::Status Arguments(size_t device, absl::InlinedVector<xla::PjRtBuffer*, 16>& out) const {
    out.resize(args_->num_args);
    for (size_t i = 0; i < args_->num_args; i++) {
      PJRT_Buffer* b = args_->argument_lists[device][i];
      if (b == nullptr) return absl::InvalidArgumentError(absl::StrCat("PJRT_LoadedExecutable_Execute: argument ", i, " is null"));
      out[i] = b->buffer.get();
      if (i < loaded_->parameters.size()) RETURN_IF_ERROR(CheckArgument(i, loaded_->parameters[i], out[i]->on_device_shape()));
    }
    return absl::OkStatus();
  }

  absl::Status Deliver(size_t device, std::vector<std::unique_ptr<xla::PjRtBuffer>>& results) const {
    const size_t expected = loaded_->info.output_types.size();
    if (results.size() != expected) {
      return absl::InternalError(absl::StrCat("PJRT_LoadedExecutable_Execute: ", results.size(), " results, ", expected, " expected"));
    }
    for (size_t i = 0; i < expected; i++) args_->output_lists[device][i] = new PJRT_Buffer(std::move(results[i]), loaded_->client);
    return absl::OkStatus();
  }

  absl::Status RunOn(PJRT_Device* device, bool portable) {
    absl::InlinedVector<xla::PjRtBuffer*, 16> arguments;
    RETURN_IF_ERROR(Arguments(0, arguments));
    const bool wants_event = args_->device_complete_events != nullptr;
    std::optional<xla::Future<>> done;
    ASSIGN_OR_RETURN(auto results,
                     portable ? loaded_->executable->ExecutePortable(arguments, device->device, options_, done, wants_event)
                              : loaded_->executable->ExecuteSharded(arguments, device->device, options_, done, wants_event));
    RETURN_IF_ERROR(Deliver(0, results));
    if (wants_event) args_->device_complete_events[0] = NewEvent(done.has_value() ? std::move(*done) : xla::Future<>(absl::OkStatus()));
    return absl::OkStatus();
  }

  absl::Status RunOnAll() {
    std::vector<std::vector<xla::PjRtBuffer*>> arguments(args_->num_devices);
    for (size_t d = 0; d < args_->num_devices; d++) {
      absl::InlinedVector<xla::PjRtBuffer*, 16> list;
      RETURN_IF_ERROR(Arguments(d, list));
      arguments[d].assign(list.begin(), list.end());
    }
    std::optional<std::vector<xla::Future<>>> done;
    if (args_->device_complete_events != nullptr) done.emplace();
    ASSIGN_OR_RETURN(auto results, loaded_->executable->Execute(arguments, options_, done));
    for (size_t d = 0; d < args_->num_devices; d++) RETURN_IF_ERROR(Deliver(d, results[d]));
    if (done.has_value()) {
      for (size_t d = 0; d < args_->num_devices; d++) args_->device_complete_events[d] = NewEvent(std::move((*done)[d]));
    }
    return absl::OkStatus();
  }

  PJRT_LoadedExecutable_Execute_Args* args_;
  PJRT_LoadedExecutable* loaded_;
  xla::ExecuteOptions options_;
};

ENTRY(PJRT_Executable_Destroy, executable) {
  delete args->executable;
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_Name, executable_name_size) {
  PJRT_Executable* e = args->executable;
  std::lock_guard<std::mutex> lock(e->mutex);
  if (!e->name.has_value()) e->name = std::string(e->executable->name());
  args->executable_name = e->name->data();
  args->executable_name_size = e->name->size();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_NumReplicas, num_replicas) {
  args->num_replicas = args->executable->executable->num_replicas();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_NumPartitions, num_partitions) {
  args->num_partitions = args->executable->executable->num_partitions();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_NumOutputs, num_outputs) {
  RETURN_IF_ERROR(args->executable->outputs_status);
  args->num_outputs = args->executable->output_types.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_SizeOfGeneratedCodeInBytes, size_in_bytes) {
  args->size_in_bytes = args->executable->executable->SizeOfGeneratedCodeInBytes();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_Fingerprint, executable_fingerprint_size) {
  PJRT_Executable* e = args->executable;
  std::lock_guard<std::mutex> lock(e->mutex);
  if (!e->fingerprint.has_value()) {
    ASSIGN_OR_RETURN(e->fingerprint, e->executable->FingerprintExecutable());
  }
  args->executable_fingerprint = e->fingerprint->data();
  args->executable_fingerprint_size = e->fingerprint->size();
  return absl::OkStatus();
}

ENTRY(PJRT_LoadedExecutable_Fingerprint, executable_fingerprint_size) {
  PJRT_Executable_Fingerprint_Args forward;
  std::memset(&forward, 0, sizeof forward);
  forward.struct_size = PJRT_Executable_Fingerprint_Args_STRUCT_SIZE;
  forward.executable = &args->executable->info;
  RETURN_IF_ERROR(PJRT_Executable_Fingerprint_Body(&forward));
  args->executable_fingerprint = forward.executable_fingerprint;
  args->executable_fingerprint_size = forward.executable_fingerprint_size;
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_GetCostAnalysis, properties) {
  PJRT_Executable* e = args->executable;
  std::lock_guard<std::mutex> lock(e->mutex);
  if (e->cost_properties == nullptr) {
    ASSIGN_OR_RETURN(std::unique_ptr<xla::HloCostAnalysis> analysis, e->client->GetHloCostAnalysis());
    ASSIGN_OR_RETURN(auto costs, xla::PjRtExecutableUtil::RunHloCostAnalysis(*e->executable, analysis.get()));
    e->cost_properties = std::make_unique<NamedValues>(costs);
  }
  args->properties = e->cost_properties->data();
  args->num_properties = e->cost_properties->size();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_GetCompiledMemoryStats, host_temp_size_in_bytes) {
  ASSIGN_OR_RETURN(xla::CompiledMemoryStats stats, args->executable->executable->GetCompiledMemoryStats());
  args->generated_code_size_in_bytes = stats.generated_code_size_in_bytes;
  args->argument_size_in_bytes = stats.argument_size_in_bytes;
  args->output_size_in_bytes = stats.output_size_in_bytes;
  args->alias_size_in_bytes = stats.alias_size_in_bytes;
  args->temp_size_in_bytes = stats.temp_size_in_bytes;
  args->host_generated_code_size_in_bytes = stats.host_generated_code_size_in_bytes;
  args->host_argument_size_in_bytes = stats.host_argument_size_in_bytes;
  args->host_output_size_in_bytes = stats.host_output_size_in_bytes;
  args->host_alias_size_in_bytes = stats.host_alias_size_in_bytes;
  args->host_temp_size_in_bytes = stats.host_temp_size_in_bytes;
  if (HAS(args, PJRT_Executable_GetCompiledMemoryStats_Args, peak_memory_in_bytes)) {
    args->peak_memory_in_bytes = stats.peak_memory_in_bytes;
  }
  if (HAS(args, PJRT_Executable_GetCompiledMemoryStats_Args, total_size_in_bytes)) {
    args->total_size_in_bytes = stats.total_size_in_bytes;
  }
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_OutputElementTypes, num_output_types) {
  RETURN_IF_ERROR(args->executable->outputs_status);
  args->output_types = args->executable->output_types.data();
  args->num_output_types = args->executable->output_types.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_OutputDimensions, dim_sizes) {
  RETURN_IF_ERROR(args->executable->outputs_status);
  args->num_outputs = args->executable->output_types.size();
  args->dims = args->executable->output_dims.data();
  args->dim_sizes = args->executable->output_ranks.data();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_OutputMemoryKinds, memory_kind_sizes) {
  PJRT_Executable* e = args->executable;
  std::lock_guard<std::mutex> lock(e->mutex);
  if (!e->owned_memory_kinds.has_value()) RETURN_IF_ERROR(FillMemoryKinds(e));
  args->num_outputs = e->memory_kinds.size();
  args->memory_kinds = e->memory_kinds.data();
  args->memory_kind_sizes = e->memory_kind_sizes.data();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_OptimizedProgram, program) {
  static constexpr absl::string_view kFormat = "hlo_with_config";
  PJRT_Executable* e = args->executable;
  std::lock_guard<std::mutex> lock(e->mutex);
  if (!e->optimized_program.has_value()) {
    ASSIGN_OR_RETURN(auto modules, e->executable->GetHloModules());
    if (modules.empty() || modules[0] == nullptr) {
      return absl::UnimplementedError("PJRT_Executable_OptimizedProgram: the executable keeps no HLO module");
    }
    e->optimized_program.emplace();
    modules[0]->ToProtoWithConfig().SerializeToString(&*e->optimized_program);
  }
  PJRT_Program* program = args->program;
  program->format = kFormat.data();
  program->format_size = kFormat.size();
  if (program->code == nullptr) {
    program->code_size = e->optimized_program->size();
    return absl::OkStatus();
  }
  if (program->code_size < e->optimized_program->size()) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_Executable_OptimizedProgram: code_size = ", program->code_size,
                                                   ", the program has ", e->optimized_program->size(), " bytes"));
  }
  std::memcpy(program->code, e->optimized_program->data(), e->optimized_program->size());
  program->code_size = e->optimized_program->size();
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_Serialize, serialized_executable_deleter) {
  ASSIGN_OR_RETURN(std::string bytes, args->executable->executable->SerializeExecutable());
  HandedBytes<PJRT_SerializedExecutable>{args->serialized_bytes, args->serialized_bytes_size, args->serialized_executable,
                                                args->serialized_executable_deleter} = std::move(bytes);
  return absl::OkStatus();
}

ENTRY(PJRT_Executable_GetCompileOptions, serialized_compile_options_deleter) {
  ASSIGN_OR_RETURN(xla::CompileOptions options, args->executable->executable->GetCompileOptions());
  ASSIGN_OR_RETURN(xla::CompileOptionsProto proto, options.ToProto());
  HandedBytes<PJRT_SerializedCompileOptions>{args->serialized_bytes, args->serialized_bytes_size, args->serialized_compile_options,
                                                    args->serialized_compile_options_deleter} = proto.SerializeAsString();
  return absl::OkStatus();
}

// ---- loaded executables ----

ENTRY(PJRT_LoadedExecutable_Destroy, executable) {
  delete args->executable;
  return absl::OkStatus();
}

ENTRY(PJRT_LoadedExecutable_GetExecutable, executable) {
  const PJRT_Executable& info = args->loaded_executable->info;
  auto e = std::make_unique<PJRT_Executable>();
  e->executable = info.executable;
  e->loaded = info.loaded;
  e->client = info.client;
  e->outputs_status = info.outputs_status;
  e->output_types = info.output_types;
  e->output_dims = info.output_dims;
  e->output_ranks = info.output_ranks;
  args->executable = e.release();
  return absl::OkStatus();
}

ENTRY(PJRT_LoadedExecutable_AddressableDevices, num_addressable_devices) {
  args->addressable_devices = args->executable->addressable_devices.data();
  args->num_addressable_devices = args->executable->addressable_devices.size();
  return absl::OkStatus();
}

ENTRY(PJRT_LoadedExecutable_GetDeviceAssignment, serialized_device_assignment_deleter) {
  xla::DeviceAssignmentProto proto;
  args->executable->executable->device_assignment().Serialize(&proto);
  HandedBytes<PJRT_DeviceAssignmentSerialized>{args->serialized_bytes, args->serialized_bytes_size, args->serialized_device_assignment,
                                                      args->serialized_device_assignment_deleter} = proto.SerializeAsString();
  return absl::OkStatus();
}

ENTRY(PJRT_LoadedExecutable_Delete, executable) {
  args->executable->executable->Delete();
  args->executable->deleted.store(true);
  return absl::OkStatus();
}

ENTRY(PJRT_LoadedExecutable_IsDeleted, is_deleted) {
  args->is_deleted = args->executable->deleted.load();
  return absl::OkStatus();
}

ENTRY(PJRT_LoadedExecutable_Execute, device_complete_events) { return Launch(args).Run(); }

// ---- execute contexts ----

ENTRY(PJRT_ExecuteContext_Create, context) {
  args->context = new PJRT_ExecuteContext;
  return absl::OkStatus();
}

ENTRY(PJRT_ExecuteContext_Destroy, context) {
  delete args->context;
  return absl::OkStatus();
}

}  // namespace raxla
