//! Compiles for a TPU that is not there, through the PyPI package `libtpu`. Where that is not installed the tests print so
//! and pass; `RAXLA_TPU_PLUGIN=/path/to/libtpu.so` names it.

use raxla::numpy as jnp;
use raxla::pjrt::{CompileOptions, CompiledProgram, Plugin, Program, Topology, discovery};
use raxla::{ErrorKind, prelude::*, random};
use std::io::Write;
use std::sync::OnceLock;

/// Four chips in a square.
const TOPOLOGY: &str = "v5e:2x2";

/// `libtpu`, or `None` after a line that says why not.
fn libtpu() -> Option<Plugin> {
    static LOADED: OnceLock<Option<Plugin>> = OnceLock::new();
    *LOADED.get_or_init(load_libtpu)
}

fn load_libtpu() -> Option<Plugin> {
    let path = match discovery::find_plugin("tpu") {
        Ok(path) => path,
        Err(e) => {
            // Straight to stderr: what is printed in a test that passes is shown to nobody.
            let _ = writeln!(std::io::stderr(), "skipped: {e}");
            return None;
        }
    };
    // What libtpu would otherwise ask the metadata server of a Cloud TPU machine, for minutes, and complain about.
    let settings = [
        ("TPU_SKIP_MDS_QUERY", "1"),
        ("TPU_ACCELERATOR_TYPE", "v5litepod-4"),
        ("TPU_WORKER_HOSTNAMES", "localhost"),
    ];
    for (name, value) in settings {
        // SAFETY: once, before the library is loaded; Rust's other threads read the environment through `std`, which has a
        // lock.
        unsafe { std::env::set_var(name, value) };
    }
    match Plugin::load(&path) {
        Ok(plugin) => Some(plugin),
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

/// Compiles StableHLO text for `TOPOLOGY`, over `partitions` of its chips. `None` if there is no libtpu.
fn compile_for_topology(mlir_text: &str, partitions: usize) -> Option<CompiledProgram> {
    let topology = Topology::new(libtpu()?, TOPOLOGY, &[]).unwrap();
    let options = match partitions {
        1 => CompileOptions::new(),
        n => CompileOptions::partitioned(n),
    };
    Some(topology.compile(&Program::mlir_text(mlir_text), &options).unwrap())
}

fn property(compiled: &CompiledProgram, name: &str) -> f64 {
    let cost = compiled.cost_analysis().unwrap();
    let value = cost.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.as_f64());
    value.unwrap_or_else(|| panic!("no {name} in {cost:?}"))
}

/// A matrix product, a transcendental function and a mean.
const LOSS: &str =
    "module @loss { func.func public @main(%w: tensor<256x256xf32>, %x: tensor<512x256xf32>) -> tensor<f32> {
    %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
        : (tensor<512x256xf32>, tensor<256x256xf32>) -> tensor<512x256xf32>
    %1 = stablehlo.tanh %0 : tensor<512x256xf32>
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %2 = stablehlo.reduce(%1 init: %zero) applies stablehlo.add across dimensions = [0, 1]
        : (tensor<512x256xf32>, tensor<f32>) -> tensor<f32>
    return %2 : tensor<f32> } }";

/// The same, the rows of `x` split over four chips, the sum over all.
const SHARDED_LOSS: &str = r#"module @loss attributes {mhlo.num_partitions = 4 : i32, mhlo.num_replicas = 1 : i32} {
  sdy.mesh @mesh = <["data"=4]>
  func.func public @main(
      %w: tensor<256x256xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}, {}]>},
      %x: tensor<512x256xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"data"}, {}]>})
      -> (tensor<f32> {sdy.sharding = #sdy.sharding<@mesh, []>}) {
    %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
        : (tensor<512x256xf32>, tensor<256x256xf32>) -> tensor<512x256xf32>
    %1 = stablehlo.tanh %0 : tensor<512x256xf32>
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %2 = stablehlo.reduce(%1 init: %zero) applies stablehlo.add across dimensions = [0, 1]
        : (tensor<512x256xf32>, tensor<f32>) -> tensor<f32>
    return %2 : tensor<f32> } }"#;

#[test]
fn the_topology_has_four_chips() {
    let Some(plugin) = libtpu() else { return };
    let topology = Topology::new(plugin, TOPOLOGY, &[]).unwrap();
    assert_eq!(topology.platform_name().unwrap(), "tpu");
    let devices = topology.devices().unwrap();
    assert_eq!(devices.len(), 4);
    for device in devices {
        assert_eq!(device.kind, "TPU v5 lite");
        assert!(device.attribute("coords").is_some(), "{device:?}");
    }
}

#[test]
fn a_program_compiles_for_one_chip() {
    let Some(compiled) = compile_for_topology(LOSS, 1) else { return };
    assert_eq!(compiled.num_partitions().unwrap(), 1);
    // One multiplication and one addition for each of 512 * 256 * 256.
    assert!(property(&compiled, "flops") >= 2.0 * 512.0 * 256.0 * 256.0);
    let memory = compiled.memory_stats().unwrap();
    assert_eq!(memory.argument_size, 4 * (256 * 256 + 512 * 256));
    assert!(memory.generated_code_size > 0, "{memory:?}");
}

#[test]
fn a_program_is_partitioned_over_four_chips() {
    let Some(compiled) = compile_for_topology(SHARDED_LOSS, 4) else { return };
    assert_eq!(compiled.num_partitions().unwrap(), 4);
    // Each chip has all of `w` and a quarter of `x`.
    let memory = compiled.memory_stats().unwrap();
    assert_eq!(memory.argument_size, 4 * (256 * 256 + 512 * 256 / 4));
    let flops = property(&compiled, "flops");
    let whole = 2.0 * 512.0 * 256.0 * 256.0;
    assert!(flops >= whole / 4.0 && flops < whole / 2.0, "{flops}");
}

/// The tutorial's parameters.
#[derive(Pytree, Clone, Debug)]
struct Params {
    weight: Array,
    bias: Array,
}

#[test]
fn the_tutorials_update_compiles_as_it_is_traced() {
    let loss = |params: &Params, x: &Array, y: &Array| {
        jnp::mean(jnp::square(&params.weight * x + &params.bias - y), ..)
    };
    let update = jit(move |params: Params, x: &Array, y: &Array| -> Result<Params> {
        let grads = grad(loss)(&params, x, y)?;
        Ok(tree::map2(|p, g| p - g * 0.005, &params, &grads))
    });
    let params = Params { weight: Array::scalar(0.1f32), bias: Array::scalar(0.6f32) };
    let xs = random::normal(&random::key(42), [128, 1]);
    let lowered = update.lower()(params, &xs, &xs).unwrap();
    let Some(compiled) = compile_for_topology(lowered.as_text(), 1) else { return };
    assert_eq!(compiled.num_outputs().unwrap(), 2);
    assert!(property(&compiled, "flops") >= 128.0);
    // Both parameters are donated to the new ones.
    let memory = compiled.memory_stats().unwrap();
    assert!(memory.alias_size > 0, "{memory:?}");
    let locations = lowered.as_text().matches("tests/tpu_aot.rs").count();
    assert!(locations > 3, "operations carry the lines of this file: {}", lowered.as_text());
}

#[test]
fn a_program_that_does_not_parse_is_rejected() {
    let Some(plugin) = libtpu() else { return };
    let topology = Topology::new(plugin, TOPOLOGY, &[]).unwrap();
    let program = Program::mlir_text("module { nonsense }");
    let error = topology.compile(&program, &CompileOptions::new()).unwrap_err();
    assert_eq!(error.kind(), raxla::ErrorKind::Compile, "{error}");
}

#[test]
fn a_program_that_calls_functions_of_the_host_is_refused() {
    let Some(plugin) = libtpu() else { return };
    let f = jit(|x: &Array| raxla::pure_callback(|x: Array| x * 2.0, x, x));
    let lowered = f.lower()(&Array::from([1.0f32, 2.0])).unwrap();
    let topology = Topology::new(plugin, TOPOLOGY, &[]).unwrap();
    let error = topology.compile(&Program::mlir_text(lowered.as_text()), &CompileOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compile);
    assert!(error.message().contains("raxla_host_call"), "{error}");
}
