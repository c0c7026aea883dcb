// Topologies: descriptions of CPU devices that programs are compiled for, with or without a client.
#include "api.h"

namespace raxla {

std::unique_ptr<PJRT_TopologyDescription> NewTopology(std::unique_ptr<const xla::CpuTopologyDescription> owned,
                                                      const xla::CpuTopologyDescription* topology) {
  auto t = std::make_unique<PJRT_TopologyDescription>();
  t->topology = owned != nullptr ? owned.get() : topology;
  t->owned = std::move(owned);
  t->cpp_descriptions = t->topology->DeviceDescriptions();
  for (const auto& description : t->cpp_descriptions) {
    t->descriptions.push_back(std::make_unique<PJRT_DeviceDescription>(
        PJRT_DeviceDescription{description.get(), std::make_unique<NamedValues>(description->Attributes())}));
    t->description_pointers.push_back(t->descriptions.back().get());
  }
  // XLA leaves them empty; what a program was compiled for belongs to the key of whoever keeps it.
  absl::flat_hash_map<std::string, xla::PjRtDeviceAttribute> attributes = t->topology->Attributes();
  attributes.insert({"machine_attributes", absl::StrJoin(t->topology->cpu_topology().machine_attributes(), ",")});
  t->attributes = std::make_unique<NamedValues>(attributes);
  return t;
}

ENTRY(PJRT_TopologyDescription_Create, topology) {
  const absl::string_view name(args->topology_name, args->topology_name_size);
  if (!name.empty() && name != "cpu") {
    return absl::InvalidArgumentError(absl::StrCat("PJRT_TopologyDescription_Create: no topology is named ", name,
                                                   "; this machine's is, \"cpu\" or nothing"));
  }
  int64_t count = 1;
  for (size_t i = 0; i < args->num_options; i++) {
    const PJRT_NamedValue& v = args->create_options[i];
    const absl::string_view option(v.name, v.name_size);
    if (option != "cpu_device_count") {
      return absl::InvalidArgumentError(
          absl::StrCat("PJRT_TopologyDescription_Create: option ", option, " is unknown; a CPU topology takes cpu_device_count"));
    }
    if (v.type != PJRT_NamedValue_kInt64 || v.int64_value < 1 || v.int64_value > xla::kMaxCpuDevicesPerProcess) {
      return absl::InvalidArgumentError(absl::StrCat("PJRT_TopologyDescription_Create: cpu_device_count must be an int64 in 1..=",
                                                     xla::kMaxCpuDevicesPerProcess));
    }
    count = v.int64_value;
  }
  // A client knows this machine's name, version and attributes; it is also what compiles for the topology.
  xla::CpuClientOptions cpu;
  cpu.cpu_device_count = static_cast<int>(count);
  ASSIGN_OR_RETURN(std::unique_ptr<xla::PjRtClient> client, xla::GetXlaPjrtCpuClient(std::move(cpu)));
  ASSIGN_OR_RETURN(const xla::PjRtTopologyDescription* topology, client->GetTopologyDescription());
  auto t = NewTopology(nullptr, static_cast<const xla::CpuTopologyDescription*>(topology));
  t->compiler = std::move(client);
  args->topology = t.release();
  return absl::OkStatus();
}

ENTRY(PJRT_TopologyDescription_Destroy, topology) {
  delete args->topology;
  return absl::OkStatus();
}

ENTRY(PJRT_TopologyDescription_PlatformName, platform_name_size) {
  const absl::string_view name = args->topology->topology->platform_name();
  args->platform_name = name.data();
  args->platform_name_size = name.size();
  return absl::OkStatus();
}

ENTRY(PJRT_TopologyDescription_PlatformVersion, platform_version_size) {
  const absl::string_view version = args->topology->topology->platform_version();
  args->platform_version = version.data();
  args->platform_version_size = version.size();
  return absl::OkStatus();
}

ENTRY(PJRT_TopologyDescription_GetDeviceDescriptions, num_descriptions) {
  args->descriptions = args->topology->description_pointers.data();
  args->num_descriptions = args->topology->description_pointers.size();
  return absl::OkStatus();
}

ENTRY(PJRT_TopologyDescription_Attributes, num_attributes) {
  args->attributes = args->topology->attributes->data();
  args->num_attributes = args->topology->attributes->size();
  return absl::OkStatus();
}

ENTRY(PJRT_TopologyDescription_Serialize, serialized_topology_deleter) {
  ASSIGN_OR_RETURN(xla::PjRtTopologyDescriptionProto proto, args->topology->topology->ToProto());
  HandedBytes<PJRT_SerializedTopology>{args->serialized_bytes, args->serialized_bytes_size, args->serialized_topology,
                                              args->serialized_topology_deleter} = proto.SerializeAsString();
  return absl::OkStatus();
}

ENTRY(PJRT_TopologyDescription_Deserialize, topology) {
  xla::PjRtTopologyDescriptionProto proto;
  if (args->serialized_topology_size > INT32_MAX ||
      !proto.ParseFromArray(args->serialized_topology, static_cast<int>(args->serialized_topology_size))) {
    return absl::InvalidArgumentError("PJRT_TopologyDescription_Deserialize: not a serialised topology");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<xla::CpuTopologyDescription> topology, xla::CpuTopologyDescription::FromProto(proto));
  args->topology = NewTopology(std::move(topology), nullptr).release();
  return absl::OkStatus();
}

}  // namespace raxla
