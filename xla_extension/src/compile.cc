// From programs to executables: compiling, for a client or for a topology, and loading what was serialised.
#include "absl/log/globals.h"

#include "api.h"

namespace raxla {

absl::StatusOr<xla::CompileOptions> ParseCompileOptions(const char* data, size_t size) {
  xla::CompileOptionsProto proto;
  if (size > INT32_MAX || !proto.ParseFromArray(data, static_cast<int>(size))) {
    return absl::InvalidArgumentError(absl::StrCat("compile_options: ", size, " bytes are not a serialised CompileOptionsProto"));
  }
  auto* build = proto.mutable_executable_build_options();
  if (build->num_replicas() < 0 || build->num_partitions() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("compile_options: num_replicas = ", build->num_replicas(), ", num_partitions = ", build->num_partitions()));
  }
  if (build->device_ordinal() < -1) {
    return absl::InvalidArgumentError(absl::StrCat("compile_options: device_ordinal = ", build->device_ordinal()));
  }
  // A field that was left out reads 0.
  if (build->num_replicas() == 0) build->set_num_replicas(1);
  if (build->num_partitions() == 0) build->set_num_partitions(1);
  if (!build->has_device_assignment() && build->device_ordinal() == 0) build->set_device_ordinal(-1);
  return xla::CompileOptions::FromProto(proto);
}

static absl::StatusOr<xla::XlaComputation> ParseHlo(xla::HloModuleProto hlo) {
  if (!hlo.has_host_program_shape()) {
    return absl::InvalidArgumentError("hlo program: the HloModuleProto has no host_program_shape");
  }
  return xla::XlaComputation(std::move(hlo));
}

/// Parses `program` and gives it to `compile`, which takes a module or a computation.
template <typename Result, typename Compile>
absl::StatusOr<Result> WithProgram(const PJRT_Program* program, Compile&& compile) {
  if (program->struct_size < PJRT_Program_STRUCT_SIZE) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_Program: struct_size = ", program->struct_size, " is smaller than ",
                                                   static_cast<int>(PJRT_Program_STRUCT_SIZE)));
  }
  const absl::string_view code(program->code, program->code_size);
  const absl::string_view format(program->format, program->format_size);
  if (format == "mlir") {
    // One program is compiled by one thread: a context with its own pool would only start threads for nothing.
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    ASSIGN_OR_RETURN(auto module, xla::ParseMlirModuleString(code, context));
    return compile(module.get());
  }
  if (code.size() > INT32_MAX) return absl::InvalidArgumentError("hlo program: longer than 2 GiB");
  const int size = static_cast<int>(code.size());
  if (format == "hlo") {
    xla::HloModuleProto hlo;
    if (!hlo.ParseFromArray(code.data(), size)) return absl::InvalidArgumentError("hlo program: not a serialised HloModuleProto");
    ASSIGN_OR_RETURN(xla::XlaComputation computation, ParseHlo(std::move(hlo)));
    return compile(computation);
  }
  if (format == "hlo_with_config") {
    xla::HloModuleProtoWithConfig hlo;
    if (!hlo.ParseFromArray(code.data(), size)) {
      return absl::InvalidArgumentError("hlo_with_config program: not a serialised HloModuleProtoWithConfig");
    }
    ASSIGN_OR_RETURN(xla::XlaComputation computation, ParseHlo(std::move(*hlo.mutable_hlo_module())));
    return compile(computation);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("program format \"", format, "\" is unknown; mlir, hlo and hlo_with_config are served"));
}

/// In-process collectives would wait for ever for a device of another process, so such a program is refused here. XLA
/// itself refuses it as a wrong argument, and only while it compiles.
static absl::Status CheckSpan(const char* entry, const xla::CompileOptions& options, const PJRT_Client* client) {
  if (client->devices.size() == client->addressable_devices.size() || options.compile_portable_executable) return absl::OkStatus();
  const xla::ExecutableBuildOptions& build = options.executable_build_options;
  int64_t all = int64_t{build.num_replicas()} * build.num_partitions();
  int64_t here = std::min<int64_t>(all, client->addressable_devices.size());  // XLA's choice is this process's as far as they go
  if (build.has_device_assignment()) {
    all = build.device_assignment().num_elements();
    here = 0;
    for (const PJRT_Device* device : client->addressable_devices) {
      const auto& ids = build.device_assignment();
      here += std::count(ids.begin(), ids.end(), device->device->global_device_id().value());
    }
  }
  if (here == all) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(entry, ": the program runs on ", all, " devices, ", here,
                                               " of them in this process: this XLA has no collectives between CPU processes"));
}

absl::StatusOr<std::unique_ptr<PJRT_LoadedExecutable>> NewLoaded(std::shared_ptr<xla::PjRtLoadedExecutable> executable,
                                                                PJRT_Client* client) {
  auto loaded = std::make_unique<PJRT_LoadedExecutable>();
  loaded->client = client;
  for (xla::PjRtDevice* device : executable->addressable_devices()) {
    loaded->addressable_devices.push_back(client->device_of.at(device));
  }
  loaded->info.executable = std::shared_ptr<xla::PjRtExecutable>(executable, executable->GetExecutable());
  loaded->info.loaded = executable;
  loaded->info.client = client->client.get();
  loaded->executable = std::move(executable);
  FillOutputs(&loaded->info);
  FillParameters(loaded.get());
  loaded->mode = ModeOf(*loaded->executable, client->client.get());
  return loaded;
}

/// A compilation frees many blocks of sizes that programs have no use for, and they would take up what the thread may keep.
struct KeepsNothing {
  ~KeepsNothing() { ReleaseKeptMemory(); }
};

ENTRY(PJRT_Client_Compile, executable) {
  KeepsNothing last;
  args->executable = nullptr;
  ASSIGN_OR_RETURN(xla::CompileOptions options, ParseCompileOptions(args->compile_options, args->compile_options_size));
  options.allow_in_place_mlir_modification = true;
  RETURN_IF_ERROR(CheckSpan("PJRT_Client_Compile", options, args->client));
  auto compile = [&](auto&& program) { return args->client->client->CompileAndLoad(program, std::move(options)); };
  ASSIGN_OR_RETURN(auto executable, WithProgram<std::unique_ptr<xla::PjRtLoadedExecutable>>(args->program, compile));
  ASSIGN_OR_RETURN(auto loaded, NewLoaded(std::move(executable), args->client));
  args->executable = loaded.release();
  return absl::OkStatus();
}

ENTRY(PJRT_Compile, executable) {
  KeepsNothing last;
  args->executable = nullptr;
  ASSIGN_OR_RETURN(xla::CompileOptions options, ParseCompileOptions(args->compile_options, args->compile_options_size));
  options.allow_in_place_mlir_modification = true;
  xla::PjRtClient* client = nullptr;
  std::shared_ptr<xla::PjRtClient> compiler;
  if (args->client != nullptr) {
    RETURN_IF_ERROR(CheckSpan("PJRT_Compile", options, args->client));
    client = args->client->client.get();
  } else {
    // The topology is only read by callers; the client that compiles for it is a cache inside it.
    auto* topology = const_cast<PJRT_TopologyDescription*>(args->topology);
    std::lock_guard<std::mutex> lock(topology->mutex);
    if (topology->compiler == nullptr) {
      xla::CpuClientOptions cpu;
      cpu.cpu_device_count = std::max(1, topology->topology->cpu_topology().number_of_devices());
      ASSIGN_OR_RETURN(topology->compiler, xla::GetXlaPjrtCpuClient(std::move(cpu)));
    }
    compiler = topology->compiler;
    client = compiler.get();
  }
  auto compile = [&](auto&& program) { return client->Compile(program, std::move(options)); };
  ASSIGN_OR_RETURN(auto executable, WithProgram<std::unique_ptr<xla::PjRtExecutable>>(args->program, compile));
  auto e = std::make_unique<PJRT_Executable>();
  e->compiler = std::move(compiler);
  e->executable = std::move(executable);
  e->client = client;
  FillOutputs(e.get());
  args->executable = e.release();
  return absl::OkStatus();
}

/// XLA logs as errors that a reloaded program was tuned with hints (prefer-no-gather, prefer-no-scatter) that are no features
/// of a CPU. Only who asked for everything (level 0) is to see that. The level is the process's: of the loads that overlap,
/// the first keeps it and the last sets it back.
class ReloadQuietly {
 public:
  ReloadQuietly() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (loads_++ > 0) return;
    before_ = absl::MinLogLevel();
    if (before_ != absl::LogSeverityAtLeast::kInfo) absl::SetMinLogLevel(absl::LogSeverityAtLeast::kFatal);
  }
  ~ReloadQuietly() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (--loads_ == 0) absl::SetMinLogLevel(before_);
  }

 private:
  static inline std::mutex mutex_;
  static inline int loads_ = 0;
  static inline absl::LogSeverityAtLeast before_ = absl::LogSeverityAtLeast::kFatal;
};

ENTRY(PJRT_Executable_DeserializeAndLoad, loaded_executable) {
  KeepsNothing last;
  args->loaded_executable = nullptr;
  std::optional<xla::CompileOptions> options;
  if (HAS(args, PJRT_Executable_DeserializeAndLoad_Args, overridden_serialized_compile_options_size) &&
      args->overridden_serialized_compile_options != nullptr) {
    ASSIGN_OR_RETURN(options, ParseCompileOptions(args->overridden_serialized_compile_options,
                                                         args->overridden_serialized_compile_options_size));
  }
  ReloadQuietly quiet;
  ASSIGN_OR_RETURN(auto executable,
                   args->client->client->LoadSerializedExecutable(
                       absl::string_view(args->serialized_executable, args->serialized_executable_size), std::move(options), xla::LoadOptions()));
  ASSIGN_OR_RETURN(xla::CompileOptions made_with, executable->GetCompileOptions());
  RETURN_IF_ERROR(CheckSpan("PJRT_Executable_DeserializeAndLoad", made_with, args->client));
  ASSIGN_OR_RETURN(auto loaded, NewLoaded(std::move(executable), args->client));
  args->loaded_executable = loaded.release();
  return absl::OkStatus();
}

}  // namespace raxla
