// Clients, their devices and their memories.
#include "api.h"

namespace raxla {

/// The caller's key-value store, as XLA asks for one.
class CallerKeyValueStore {
 public:
  explicit CallerKeyValueStore(const PJRT_Client_Create_Args* args)
      : get_(args->kv_get_callback), get_arg_(args->kv_get_user_arg), put_(args->kv_put_callback), put_arg_(args->kv_put_user_arg) {}

  bool usable() const { return get_ != nullptr && put_ != nullptr; }

  absl::Status Put(absl::string_view key, absl::string_view value) {
    PJRT_CallbackError error = NewError;
    PJRT_KeyValuePutCallback_Args args;
    std::memset(&args, 0, sizeof args);
    args.struct_size = PJRT_KeyValuePutCallback_Args_STRUCT_SIZE;
    args.key = key.data();
    args.key_size = key.size();
    args.value = value.data();
    args.value_size = value.size();
    args.callback_error = &error;
    args.user_arg = put_arg_;
    return Take(put_(&args));
  }

  absl::StatusOr<std::string> Get(absl::string_view key, int timeout_ms) {
    PJRT_CallbackError error = NewError;
    PJRT_KeyValueGetCallback_Args args;
    std::memset(&args, 0, sizeof args);
    args.struct_size = PJRT_KeyValueGetCallback_Args_STRUCT_SIZE;
    args.key = key.data();
    args.key_size = key.size();
    args.timeout_in_ms = timeout_ms;
    args.callback_error = &error;
    args.user_arg = get_arg_;
    RETURN_IF_ERROR(Take(get_(&args)));
    std::string value(args.value, args.value_size);
    if (args.value_deleter_callback != nullptr) args.value_deleter_callback(args.value);
    return value;
  }

 private:
  static PJRT_Error* NewError(PJRT_Error_Code code, const char* message, size_t size) {
    return new PJRT_Error{ToStatus(code, message, size)};
  }
  static absl::Status Take(PJRT_Error* error) {
    if (error == nullptr) return absl::OkStatus();
    absl::Status status = std::move(error->status);
    delete error;
    return status;
  }

  PJRT_KeyValueGetCallback get_;
  void* get_arg_;
  PJRT_KeyValuePutCallback put_;
  void* put_arg_;
};

struct CreateOptions {
  xla::CpuClientOptions cpu;
  int num_nodes = 1;
  int64_t timeout_minutes = 2;  // for what another process says of itself
};

static absl::StatusOr<int64_t> IntOption(const PJRT_NamedValue& v, absl::string_view name, int64_t low, int64_t high) {
  if (v.type != PJRT_NamedValue_kInt64) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_Client_Create: option ", name, " must be an int64"));
  }
  if (v.int64_value < low || v.int64_value > high) {
    return absl::InvalidArgumentError(
        absl::StrCat("PJRT_Client_Create: option ", name, " = ", v.int64_value, " is not in ", low, "..=", high));
  }
  return v.int64_value;
}

static absl::StatusOr<CreateOptions> ParseCreateOptions(const PJRT_NamedValue* values, size_t count) {
  CreateOptions options;
  options.cpu.allocator = AllocateMemory;
  for (size_t i = 0; i < count; i++) {
    const PJRT_NamedValue& v = values[i];
    const absl::string_view name(v.name, v.name_size);
    if (name == "cpu_device_count") {
      ASSIGN_OR_RETURN(options.cpu.cpu_device_count, IntOption(v, name, 1, xla::kMaxCpuDevicesPerProcess));
    } else if (name == "max_inflight_computations_per_device") {
      ASSIGN_OR_RETURN(options.cpu.max_inflight_computations_per_device, IntOption(v, name, 1, 1 << 20));
    } else if (name == "max_transpose_threads") {
      ASSIGN_OR_RETURN(options.cpu.max_transpose_threads, IntOption(v, name, 1, 1 << 10));
    } else if (name == "process_id" || name == "node_id") {
      ASSIGN_OR_RETURN(options.cpu.process_id, IntOption(v, name, 0, (1 << 20) - 1));
    } else if (name == "num_nodes" || name == "num_processes") {
      ASSIGN_OR_RETURN(options.num_nodes, IntOption(v, name, 1, 1 << 20));
    } else if (name == "asynchronous") {
      if (v.type == PJRT_NamedValue_kBool) {
        options.cpu.asynchronous = v.bool_value;
      } else {
        ASSIGN_OR_RETURN(options.cpu.asynchronous, IntOption(v, name, 0, 1));
      }
    } else if (name == "get_local_topology_timeout_minutes" || name == "get_global_topology_timeout_minutes") {
      // XLA's two waits are one here: every process reads what every other says.
      ASSIGN_OR_RETURN(const int64_t minutes, IntOption(v, name, 1, 1 << 14));
      options.timeout_minutes = std::max(options.timeout_minutes, minutes);
    } else if (name == "collectives") {
      const absl::string_view which = v.type == PJRT_NamedValue_kString ? absl::string_view(v.string_value, v.value_size) : "";
      if (which != "in_process" && which != "none") {
        return absl::UnimplementedError(
            absl::StrCat("PJRT_Client_Create: option collectives = \"", which,
                         "\": this XLA has in-process collectives only (\"in_process\"); it was built without Gloo and MPI"));
      }
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("PJRT_Client_Create: option ", name,
                       " is unknown; the CPU client takes asynchronous, collectives, cpu_device_count, "
                       "get_global_topology_timeout_minutes, get_local_topology_timeout_minutes, "
                       "max_inflight_computations_per_device, max_transpose_threads, num_nodes, process_id"));
    }
  }
  if (options.cpu.process_id >= options.num_nodes) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_Client_Create: process_id = ", options.cpu.process_id,
                                                   " is not below num_nodes = ", options.num_nodes));
  }
  return options;
}

/// Tells the other processes how many devices this one has, and learns theirs.
static absl::StatusOr<std::unique_ptr<xla::CpuTopologyDescription>> ExchangeTopology(const CreateOptions& options,
                                                                                     CallerKeyValueStore store) {
  const int timeout_ms = static_cast<int>(options.timeout_minutes * 60'000);
  if (!store.usable()) {
    return absl::InvalidArgumentError(
        absl::StrCat("PJRT_Client_Create: num_nodes = ", options.num_nodes, " needs kv_get_callback and kv_put_callback"));
  }
  // A client of one process tells what XLA makes of the options, its machine attributes included.
  ASSIGN_OR_RETURN(std::unique_ptr<xla::PjRtClient> local, xla::GetXlaPjrtCpuClient(options.cpu));
  ASSIGN_OR_RETURN(const xla::PjRtTopologyDescription* described, local->GetTopologyDescription());
  const auto* topology = static_cast<const xla::CpuTopologyDescription*>(described);
  auto key = [](int process) { return absl::StrCat("raxla/cpu/device_count/", process); };
  RETURN_IF_ERROR(store.Put(key(options.cpu.process_id), absl::StrCat(local->addressable_device_count())));
  std::vector<xla::CpuTopology::CpuDevice> devices;
  for (int process = 0; process < options.num_nodes; process++) {
    ASSIGN_OR_RETURN(std::string text, store.Get(key(process), timeout_ms));
    int count = 0;
    if (!absl::SimpleAtoi(text, &count) || count < 1 || count > xla::kMaxCpuDevicesPerProcess) {
      return absl::InternalError(absl::StrCat("PJRT_Client_Create: process ", process, " says it has \"", text, "\" devices"));
    }
    for (int d = 0; d < count; d++) devices.push_back({process, d});
  }
  const auto attributes = topology->cpu_topology().machine_attributes();
  return std::make_unique<xla::CpuTopologyDescription>(topology->platform_id(), topology->platform_name(),
                                                       topology->platform_version(), std::move(devices), attributes);
}

static void IndexDevices(PJRT_Client* c) {
  for (xla::PjRtDevice* device : c->client->devices()) {
    auto owned = std::make_unique<PJRT_Device>();
    owned->client = c;
    owned->device = device;
    owned->description.description = &device->description();
    owned->description.attributes = std::make_unique<NamedValues>(device->description().Attributes());
    c->device_of[device] = owned.get();
    c->devices.push_back(owned.get());
    c->owned_devices.push_back(std::move(owned));
  }
  for (xla::PjRtDevice* device : c->client->addressable_devices()) c->addressable_devices.push_back(c->device_of[device]);
  for (xla::PjRtMemorySpace* memory : c->client->memory_spaces()) {
    auto owned = std::make_unique<PJRT_Memory>();
    owned->client = c;
    owned->memory = memory;
    for (xla::PjRtDevice* device : memory->devices()) owned->devices.push_back(c->device_of[device]);
    c->memory_of[memory] = owned.get();
    c->memories.push_back(owned.get());
    c->owned_memories.push_back(std::move(owned));
  }
  for (PJRT_Device* d : c->addressable_devices) {
    for (xla::PjRtMemorySpace* memory : d->device->memory_spaces()) d->memories.push_back(c->memory_of[memory]);
    if (auto memory = d->device->default_memory_space(); memory.ok()) d->default_memory = c->memory_of[*memory];
  }
}

absl::StatusOr<xla::PjRtMemorySpace*> MemoryOf(const char* entry, const PJRT_Client* client, const PJRT_Memory* memory,
                                               const PJRT_Device* device) {
  if (memory == nullptr && device != nullptr) {
    if (device->default_memory == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(entry, ": device ", device->device->ToString(), " is not addressable from this process"));
    }
    memory = device->default_memory;
  }
  if (memory == nullptr) return absl::InvalidArgumentError(absl::StrCat(entry, ": neither a memory nor a device is given"));
  if (memory->client != client) return absl::InvalidArgumentError(absl::StrCat(entry, ": the memory belongs to another client"));
  return memory->memory;
}

ENTRY(PJRT_Client_Create, client) {
  args->client = nullptr;
  ASSIGN_OR_RETURN(CreateOptions options, ParseCreateOptions(args->create_options, args->num_options));
  auto c = std::make_unique<PJRT_Client>();
  if (options.num_nodes > 1) {
    ASSIGN_OR_RETURN(c->global_topology, ExchangeTopology(options, CallerKeyValueStore(args)));
    options.cpu.topology = c->global_topology.get();
    options.cpu.cpu_device_count = c->global_topology->cpu_topology().number_of_devices();  // with a topology, those of all processes
  }
  ASSIGN_OR_RETURN(c->client, xla::GetXlaPjrtCpuClient(std::move(options.cpu)));
  IndexDevices(c.get());
  ASSIGN_OR_RETURN(const xla::PjRtTopologyDescription* topology, c->client->GetTopologyDescription());
  c->topology = NewTopology(nullptr, static_cast<const xla::CpuTopologyDescription*>(topology));
  args->client = c.release();
  return absl::OkStatus();
}

ENTRY(PJRT_Client_Destroy, client) {
  delete args->client;
  return absl::OkStatus();
}

ENTRY(PJRT_Client_PlatformName, platform_name_size) {
  const absl::string_view name = args->client->client->platform_name();
  args->platform_name = name.data();
  args->platform_name_size = name.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Client_ProcessIndex, process_index) {
  args->process_index = args->client->client->process_index();
  return absl::OkStatus();
}

ENTRY(PJRT_Client_PlatformVersion, platform_version_size) {
  const absl::string_view version = args->client->client->platform_version();
  args->platform_version = version.data();
  args->platform_version_size = version.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Client_TopologyDescription, topology) {
  args->topology = args->client->topology.get();
  return absl::OkStatus();
}

ENTRY(PJRT_Client_Devices, num_devices) {
  args->devices = args->client->devices.data();
  args->num_devices = args->client->devices.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Client_AddressableDevices, num_addressable_devices) {
  args->addressable_devices = args->client->addressable_devices.data();
  args->num_addressable_devices = args->client->addressable_devices.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Client_LookupDevice, device) {
  for (PJRT_Device* d : args->client->devices) {
    if (d->device->global_device_id().value() == args->id) {
      args->device = d;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("PJRT_Client_LookupDevice: no device has id ", args->id));
}

ENTRY(PJRT_Client_LookupAddressableDevice, addressable_device) {
  for (PJRT_Device* d : args->client->addressable_devices) {
    if (d->device->local_hardware_id().value() == args->local_hardware_id) {
      args->addressable_device = d;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("PJRT_Client_LookupAddressableDevice: no device has local hardware id ", args->local_hardware_id));
}

ENTRY(PJRT_Client_UpdateGlobalProcessInfo, num_process_infos) {
  return absl::UnimplementedError("PJRT_Client_UpdateGlobalProcessInfo: XLA's CPU client keeps no state of other processes");
}

ENTRY(PJRT_Client_AddressableMemories, num_addressable_memories) {
  args->addressable_memories = args->client->memories.data();
  args->num_addressable_memories = args->client->memories.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Client_DefaultDeviceAssignment, default_assignment) {
  if (args->num_replicas < 1 || args->num_partitions < 1) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_Client_DefaultDeviceAssignment: ", args->num_replicas, " replicas of ",
                                                   args->num_partitions, " partitions"));
  }
  ASSIGN_OR_RETURN(xla::DeviceAssignment assignment,
                   args->client->client->GetDefaultDeviceAssignment(args->num_replicas, args->num_partitions));
  if (static_cast<size_t>(assignment.num_elements()) > args->default_assignment_size) {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_Client_DefaultDeviceAssignment: room for ", args->default_assignment_size,
                                                   " ids, ", assignment.num_elements(), " needed"));
  }
  std::copy(assignment.begin(), assignment.end(), args->default_assignment);
  return absl::OkStatus();
}

ENTRY(PJRT_Client_DmaMap, size) { return args->client->client->DmaMap(args->data, args->size); }

ENTRY(PJRT_Client_DmaUnmap, data) { return args->client->client->DmaUnmap(args->data); }

// ---- device descriptions ----

ENTRY(PJRT_DeviceDescription_Id, id) {
  args->id = args->device_description->description->id();
  return absl::OkStatus();
}

ENTRY(PJRT_DeviceDescription_ProcessIndex, process_index) {
  args->process_index = args->device_description->description->process_index();
  return absl::OkStatus();
}

ENTRY(PJRT_DeviceDescription_Attributes, attributes) {
  args->attributes = args->device_description->attributes->data();
  args->num_attributes = args->device_description->attributes->size();
  return absl::OkStatus();
}

ENTRY(PJRT_DeviceDescription_Kind, device_kind_size) {
  const absl::string_view kind = args->device_description->description->device_kind();
  args->device_kind = kind.data();
  args->device_kind_size = kind.size();
  return absl::OkStatus();
}

ENTRY(PJRT_DeviceDescription_DebugString, debug_string_size) {
  const absl::string_view text = args->device_description->description->DebugString();
  args->debug_string = text.data();
  args->debug_string_size = text.size();
  return absl::OkStatus();
}

ENTRY(PJRT_DeviceDescription_ToString, to_string_size) {
  const absl::string_view text = args->device_description->description->ToString();
  args->to_string = text.data();
  args->to_string_size = text.size();
  return absl::OkStatus();
}

// ---- devices ----

ENTRY(PJRT_Device_GetDescription, device_description) {
  args->device_description = &args->device->description;
  return absl::OkStatus();
}

ENTRY(PJRT_Device_IsAddressable, is_addressable) {
  args->is_addressable = args->device->device->IsAddressable();
  return absl::OkStatus();
}

ENTRY(PJRT_Device_LocalHardwareId, local_hardware_id) {
  args->local_hardware_id = args->device->device->local_hardware_id().value();
  return absl::OkStatus();
}

ENTRY(PJRT_Device_AddressableMemories, num_memories) {
  args->memories = args->device->memories.data();
  args->num_memories = args->device->memories.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Device_DefaultMemory, memory) {
  if (args->device->default_memory == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("PJRT_Device_DefaultMemory: device ", args->device->device->ToString(), " is not addressable from this process"));
  }
  args->memory = args->device->default_memory;
  return absl::OkStatus();
}

ENTRY(PJRT_Device_MemoryStats, bytes_in_use) {
  return absl::UnimplementedError("PJRT_Device_MemoryStats: XLA's CPU client allocates from the process and keeps no statistics");
}

ENTRY(PJRT_Device_PoisonExecution, poisoned) {
  ASSIGN_OR_RETURN(args->poisoned, args->device->device->PoisonExecution(
                                       args->launch_id, ToStatus(args->error_code, args->error_message, args->error_message_size)));
  return absl::OkStatus();
}

ENTRY(PJRT_Device_CreateAsyncTrackingEvent, event) {
  auto event = args->device->device->CreateAsyncTrackingEvent(absl::string_view(args->description, args->description_size));
  args->event = new PJRT_AsyncTrackingEvent{std::move(event)};
  return absl::OkStatus();
}

ENTRY(PJRT_AsyncTrackingEvent_Destroy, event) {
  delete args->event;
  return absl::OkStatus();
}

// ---- memories ----

ENTRY(PJRT_Memory_Id, id) {
  args->id = args->memory->memory->id();
  return absl::OkStatus();
}

ENTRY(PJRT_Memory_Kind, kind_size) {
  const absl::string_view kind = args->memory->memory->kind();
  args->kind = kind.data();
  args->kind_size = kind.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Memory_Kind_Id, kind_id) {
  args->kind_id = args->memory->memory->kind_id();
  return absl::OkStatus();
}

ENTRY(PJRT_Memory_DebugString, debug_string_size) {
  const absl::string_view text = args->memory->memory->DebugString();
  args->debug_string = text.data();
  args->debug_string_size = text.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Memory_ToString, to_string_size) {
  const absl::string_view text = args->memory->memory->ToString();
  args->to_string = text.data();
  args->to_string_size = text.size();
  return absl::OkStatus();
}

ENTRY(PJRT_Memory_AddressableByDevices, num_devices) {
  args->devices = args->memory->devices.data();
  args->num_devices = args->memory->devices.size();
  return absl::OkStatus();
}

}  // namespace raxla
