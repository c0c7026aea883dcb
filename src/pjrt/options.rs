//! [`CompileOptions`], and the protocol buffers that carry them to a plugin.
//!
//! The messages are written by hand and have only the fields that raxla sets: `xla/pjrt/proto/compile_options.proto`
//! and `xla/xla_data.proto`.

use super::Plugin;
use super::compiler_options::{CompilerOptions, OptionOverride};
use crate::error::{Error, Result, bail};
use std::collections::BTreeMap;

/// Which device runs which part of a program: `ids[replica][partition]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceAssignment {
    replicas: usize,
    partitions: usize,
    /// Replica-major.
    ids: Vec<i64>,
}

impl DeviceAssignment {
    /// One replica whose partition `i` runs on the device with id `ids[i]`.
    pub fn partitions(ids: &[i32]) -> Self {
        DeviceAssignment {
            replicas: 1,
            partitions: ids.len(),
            ids: ids.iter().map(|&i| i64::from(i)).collect(),
        }
    }

    /// One partition whose replica `i` runs on the device with id `ids[i]`.
    pub fn replicas(ids: &[i32]) -> Self {
        DeviceAssignment { replicas: ids.len(), partitions: 1, ..DeviceAssignment::partitions(ids) }
    }
}

impl DeviceAssignment {
    /// XLA ends the process, or waits for ever, where one of these does not hold.
    fn check(&self, options: &CompileOptions, devices: &[i32]) -> Result<()> {
        let CompileOptions { num_replicas, num_partitions, .. } = options;
        if (self.replicas, self.partitions) != (*num_replicas, *num_partitions) {
            bail!(
                InvalidArgument,
                "compile: device_assignment is for {} x {} devices, and the options say {num_replicas} replicas x \
                 {num_partitions} partitions",
                self.replicas,
                self.partitions
            );
        }
        for (i, id) in self.ids.iter().enumerate() {
            if self.ids[..i].contains(id) {
                bail!(InvalidArgument, "compile: device_assignment names device {id} twice");
            }
            if !devices.iter().any(|device| i64::from(*device) == *id) {
                bail!(
                    InvalidArgument,
                    "compile: device_assignment names device {id}, and there are the devices {devices:?}"
                );
            }
        }
        Ok(())
    }
}

/// How a program is compiled. JAX: `compiler_options`, `CompileOptions`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CompileOptions {
    /// Copies of the program that run side by side on different data (JAX: `pmap`).
    pub num_replicas: usize,
    /// Devices that the program is partitioned over.
    pub num_partitions: usize,
    /// Which devices run it; unset: the platform's choice.
    pub device_assignment: Option<DeviceAssignment>,
    /// Partition by sharding annotations; off, a program for several partitions is taken to be partitioned already.
    pub use_spmd_partitioning: bool,
    /// Partition with Shardy (`sdy` operations) and not with GSPMD (`mhlo.sharding` attributes).
    pub use_shardy_partitioner: bool,
    /// Per output, or one for all: may XLA choose its sharding?
    pub allow_spmd_sharding_propagation_to_output: Vec<bool>,
    /// Per parameter, or one for all: may XLA choose its sharding?
    pub allow_spmd_sharding_propagation_to_parameters: Vec<bool>,
    /// Let outputs that are parameters share their memory.
    pub alias_passthrough_params: bool,
    /// Compile for any device of the kind, so that the executable can be told where to run on each call.
    pub compile_portable_executable: bool,
    /// Take the parameters as one tuple.
    pub parameter_is_tupled_arguments: bool,
    /// XLA's debug options by name (`xla_…`), as JAX's `compiler_options` takes them.
    pub debug_options: BTreeMap<String, OptionOverride>,
    /// Debug options that raxla would like: a plugin whose XLA does not know one goes without.
    wishes: Vec<(&'static str, OptionOverride)>,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions {
            num_replicas: 1,
            num_partitions: 1,
            device_assignment: None,
            use_spmd_partitioning: false,
            use_shardy_partitioner: false,
            allow_spmd_sharding_propagation_to_output: Vec::new(),
            allow_spmd_sharding_propagation_to_parameters: Vec::new(),
            alias_passthrough_params: false,
            compile_portable_executable: false,
            parameter_is_tupled_arguments: false,
            debug_options: BTreeMap::new(),
            wishes: [
                // XLA's default loses NaNs in `max` and `min`; as in JAX, this is off.
                "xla_cpu_enable_fast_min_max",
                "xla_gpu_enable_fast_min_max",
                // XNNPACK keeps a packed copy of a product's right operand by its address, and the CPU wheel's XLA does not see
                // when other values were written there, as donation does: it would go on to multiply by the old ones.
                "xla_cpu_use_xnnpack",
            ]
            .map(|name| (name, OptionOverride::Bool(false)))
            .into(),
        }
    }
}

impl CompileOptions {
    /// For one device, the platform's first.
    pub fn new() -> Self {
        Self::default()
    }

    /// For the devices with these ids: one runs it whole; over several it is partitioned by Shardy.
    pub fn for_devices(ids: &[i32]) -> Self {
        let options = if ids.len() == 1 { Self::default() } else { Self::partitioned(ids.len()) };
        CompileOptions { device_assignment: Some(DeviceAssignment::partitions(ids)), ..options }
    }

    /// Partitioned by Shardy over `partitions` devices.
    pub fn partitioned(partitions: usize) -> Self {
        CompileOptions {
            num_partitions: partitions,
            use_spmd_partitioning: true,
            use_shardy_partitioner: true,
            ..Self::default()
        }
    }

    /// Compiles fast what then runs slowly.
    #[must_use]
    pub fn without_most_optimizations(mut self) -> Self {
        // Those are JAX's.
        self.wishes.push(("xla_backend_optimization_level", OptionOverride::Int(0)));
        self.wishes.push(("xla_llvm_disable_expensive_passes", OptionOverride::Bool(true)));
        // A seventh of the rest: each part of a split module sets LLVM up anew.
        self.wishes.push(("xla_cpu_parallel_codegen_split_count", OptionOverride::Int(1)));
        self
    }

    /// Compiles for the CPU without the emitters that go through MLIR. What is in their place is wrong about bytes as indices, NaN in
    /// `reduce_precision` and floats of eight bits.
    #[must_use]
    pub fn without_fusion_emitters(mut self) -> Self {
        self.wishes.push(("xla_cpu_use_fusion_emitters", OptionOverride::Bool(false)));
        self
    }

    /// Sets one of XLA's debug options.
    #[must_use]
    pub fn with_debug_option(mut self, name: impl Into<String>, value: OptionOverride) -> Self {
        self.debug_options.insert(name.into(), value);
        self
    }

    /// Sets several of XLA's debug options.
    #[must_use]
    pub fn with_compiler_options(mut self, options: &CompilerOptions) -> Self {
        self.debug_options.extend(options.0.clone());
        self
    }

    /// Refuses what XLA would end the process on, for a client or topology of the given devices.
    pub(super) fn check(&self, devices: &[i32]) -> Result<()> {
        let (replicas, partitions) = (self.num_replicas, self.num_partitions);
        let needed = replicas.saturating_mul(partitions);
        if needed == 0 || needed > devices.len() {
            bail!(
                InvalidArgument,
                "compile: num_replicas = {replicas} and num_partitions = {partitions} need {needed} devices of {}",
                devices.len()
            );
        }
        // How many parts XLA is to split a module into.
        let parts = "xla_cpu_parallel_codegen_split_count";
        let number = match self.debug_options.get(parts) {
            Some(OptionOverride::Int(n)) => Some(*n),
            Some(OptionOverride::String(n)) => n.parse().ok(),
            _ => None,
        };
        if let Some(n) = number.filter(|n| *n < 0) {
            bail!(InvalidArgument, "compile: {parts} = {n}, and a module is split into a part or more");
        }
        self.device_assignment.as_ref().map_or(Ok(()), |assignment| assignment.check(self, devices))
    }

    /// Calls `compile` with the serialised options, and again without a wish of raxla's that the plugin does not know.
    pub(super) fn compile_with<R>(
        &self,
        plugin: Plugin,
        mut compile: impl FnMut(&[u8]) -> Result<R>,
    ) -> Result<R> {
        loop {
            let refused = plugin.refused_options();
            let error = match compile(&self.encode_without(&refused)) {
                Err(error) => error,
                done => return done,
            };
            match self.unknown_wish(&error).filter(|name| !refused.contains(name)) {
                Some(name) => plugin.refuses_option(name),
                None => return Err(error),
            }
        }
    }

    /// The wish that XLA says it does not know: `No such compile option: 'xla_cpu_use_fusion_emitters'`.
    fn unknown_wish(&self, error: &Error) -> Option<&'static str> {
        let name = error.message().split("No such compile option: '").nth(1)?.split('\'').next()?;
        self.wishes
            .iter()
            .map(|(wish, _)| *wish)
            .find(|wish| *wish == name && !self.debug_options.contains_key(name))
    }

    /// The serialised `CompileOptionsProto`. Equal options give equal bytes, so they can be part of a cache key.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_without(&[])
    }

    fn encode_without(&self, refused: &[&str]) -> Vec<u8> {
        let wishes = self.wishes.iter().filter(|(name, _)| !refused.contains(name));
        let mut debug_options: BTreeMap<String, proto::OptionOverride> =
            wishes.map(|(name, value)| proto_override(name, value)).collect();
        debug_options.extend(self.debug_options.iter().map(|(name, value)| proto_override(name, value)));
        let build = proto::ExecutableBuildOptions {
            // -1: not chosen here.
            device_ordinal: -1,
            num_replicas: self.num_replicas as i64,
            num_partitions: self.num_partitions as i64,
            use_spmd_partitioning: self.use_spmd_partitioning,
            device_assignment: self.device_assignment.as_ref().map(proto_assignment),
            alias_passthrough_params: self.alias_passthrough_params,
            allow_spmd_sharding_propagation_to_output: self.allow_spmd_sharding_propagation_to_output.clone(),
            allow_spmd_sharding_propagation_to_parameters: self
                .allow_spmd_sharding_propagation_to_parameters
                .clone(),
            use_shardy_partitioner: self.use_shardy_partitioner,
        };
        let options = proto::CompileOptions {
            parameter_is_tupled_arguments: self.parameter_is_tupled_arguments,
            executable_build_options: Some(build),
            compile_portable_executable: self.compile_portable_executable,
            env_option_overrides: debug_options,
        };
        prost::Message::encode_to_vec(&options)
    }
}

fn proto_assignment(assignment: &DeviceAssignment) -> proto::DeviceAssignment {
    let computation = |partition: usize| proto::ComputationDevice {
        replica_device_ids: (0..assignment.replicas)
            .map(|replica| assignment.ids[replica * assignment.partitions + partition])
            .collect(),
    };
    proto::DeviceAssignment {
        replica_count: assignment.replicas as i32,
        computation_count: assignment.partitions as i32,
        computation_devices: (0..assignment.partitions).map(computation).collect(),
    }
}

fn proto_override(name: &str, value: &OptionOverride) -> (String, proto::OptionOverride) {
    use proto::option_override::Value;
    let value = match value {
        OptionOverride::String(v) => Value::String(v.clone()),
        OptionOverride::Bool(v) => Value::Bool(*v),
        OptionOverride::Int(v) => Value::Int(*v),
        OptionOverride::Double(v) => Value::Double(*v),
    };
    (name.to_owned(), proto::OptionOverride { value: Some(value) })
}

/// XLA's messages, under XLA's names without `Proto`.
mod proto {
    use std::collections::BTreeMap;

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct CompileOptions {
        #[prost(bool, tag = "2")]
        pub parameter_is_tupled_arguments: bool,
        #[prost(message, optional, tag = "3")]
        pub executable_build_options: Option<ExecutableBuildOptions>,
        #[prost(bool, tag = "4")]
        pub compile_portable_executable: bool,
        #[prost(btree_map = "string, message", tag = "7")]
        pub env_option_overrides: BTreeMap<String, OptionOverride>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ExecutableBuildOptions {
        #[prost(int64, tag = "1")]
        pub device_ordinal: i64,
        #[prost(int64, tag = "4")]
        pub num_replicas: i64,
        #[prost(int64, tag = "5")]
        pub num_partitions: i64,
        #[prost(bool, tag = "6")]
        pub use_spmd_partitioning: bool,
        #[prost(message, optional, tag = "9")]
        pub device_assignment: Option<DeviceAssignment>,
        #[prost(bool, tag = "10")]
        pub alias_passthrough_params: bool,
        #[prost(bool, repeated, tag = "12")]
        pub allow_spmd_sharding_propagation_to_output: Vec<bool>,
        #[prost(bool, repeated, tag = "18")]
        pub allow_spmd_sharding_propagation_to_parameters: Vec<bool>,
        #[prost(bool, tag = "19")]
        pub use_shardy_partitioner: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct DeviceAssignment {
        #[prost(int32, tag = "1")]
        pub replica_count: i32,
        #[prost(int32, tag = "2")]
        pub computation_count: i32,
        #[prost(message, repeated, tag = "3")]
        pub computation_devices: Vec<ComputationDevice>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ComputationDevice {
        #[prost(int64, repeated, tag = "1")]
        pub replica_device_ids: Vec<i64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct OptionOverride {
        #[prost(oneof = "option_override::Value", tags = "1, 2, 3, 4")]
        pub value: Option<option_override::Value>,
    }

    pub mod option_override {
        #[derive(Clone, PartialEq, prost::Oneof)]
        pub enum Value {
            #[prost(string, tag = "1")]
            String(String),
            #[prost(bool, tag = "2")]
            Bool(bool),
            #[prost(int64, tag = "3")]
            Int(i64),
            #[prost(double, tag = "4")]
            Double(f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn equal_options_are_equal_bytes_and_decode_to_what_was_set() {
        let options = CompileOptions::partitioned(2)
            .with_debug_option("xla_b", OptionOverride::Int(3))
            .with_debug_option("xla_a", OptionOverride::Bool(true));
        assert_eq!(options.encode(), options.clone().encode());
        let decoded = proto::CompileOptions::decode(options.encode().as_slice()).unwrap();
        let build = decoded.executable_build_options.unwrap();
        assert_eq!((build.num_replicas, build.num_partitions, build.device_ordinal), (1, 2, -1));
        assert!(build.use_spmd_partitioning && build.use_shardy_partitioner);
        assert_eq!(decoded.env_option_overrides.keys().take(2).collect::<Vec<_>>(), ["xla_a", "xla_b"]);
    }

    #[test]
    fn what_xla_would_abort_on_is_refused() {
        let message = |options: CompileOptions| options.check(&[0, 1]).unwrap_err().message().to_owned();
        let new = CompileOptions::new;
        for (replicas, partitions) in [(0, 1), (1, 0), (3, 1), (usize::MAX, 2)] {
            let options = CompileOptions { num_replicas: replicas, num_partitions: partitions, ..new() };
            assert!(message(options).starts_with(&format!(
                "compile: num_replicas = {replicas} and num_partitions = {partitions}"
            )));
        }
        let on = |partitions, ids: &[i32]| CompileOptions {
            num_partitions: partitions,
            device_assignment: Some(DeviceAssignment::partitions(ids)),
            ..new()
        };
        assert_eq!(
            message(on(1, &[0, 1])),
            "compile: device_assignment is for 1 x 2 devices, and the options say 1 replicas x 1 partitions"
        );
        assert!(message(on(2, &[])).contains("is for 1 x 0 devices"));
        assert!(message(on(2, &[1, 1])).contains("names device 1 twice"));
        assert!(message(on(2, &[0, 7])).contains("names device 7, and there are the devices [0, 1]"));
        on(2, &[1, 0]).check(&[0, 1]).unwrap();
        CompileOptions::for_devices(&[1]).check(&[0, 1]).unwrap();
    }

    #[test]
    fn a_wish_that_the_plugin_does_not_know_is_told_from_an_option_of_the_users() {
        let unknown = |name: &str| crate::error::err!(Compile, "No such compile option: '{name}'");
        let options = CompileOptions::new().without_most_optimizations().without_fusion_emitters();
        assert_eq!(
            options.unknown_wish(&unknown("xla_cpu_use_fusion_emitters")),
            Some("xla_cpu_use_fusion_emitters")
        );
        assert_eq!(options.unknown_wish(&unknown("xla_other")), None);
        let options = options.with_debug_option("xla_cpu_use_fusion_emitters", OptionOverride::Bool(true));
        assert_eq!(options.unknown_wish(&unknown("xla_cpu_use_fusion_emitters")), None);
        let overrides =
            proto::CompileOptions::decode(options.encode().as_slice()).unwrap().env_option_overrides;
        let value = overrides["xla_cpu_use_fusion_emitters"].value.clone();
        assert_eq!(value, Some(proto::option_override::Value::Bool(true)), "the user's word counts");
        let without = options.encode_without(&["xla_backend_optimization_level"]);
        let without = proto::CompileOptions::decode(without.as_slice()).unwrap().env_option_overrides;
        assert_eq!(without.len() + 1, overrides.len());
    }

    #[test]
    fn a_device_assignment_lists_replicas_within_partitions() {
        let rows = |assignment: DeviceAssignment| {
            let proto = proto_assignment(&assignment);
            assert_eq!(proto.computation_count as usize, proto.computation_devices.len());
            proto.computation_devices.into_iter().map(|d| d.replica_device_ids).collect::<Vec<_>>()
        };
        assert_eq!(rows(DeviceAssignment::partitions(&[4, 5, 6])), [[4], [5], [6]]);
        assert_eq!(rows(DeviceAssignment::replicas(&[4, 5, 6])), [[4, 5, 6]]);
    }
}
