//! Programs: compiling, running, donation, threads, several devices.

use raxla::pjrt::{
    Buffer, Client, CompileOptions, CpuOptions, Executable, Plugin, Program, Topology, discovery,
};
use raxla::prelude::*;
use raxla::{numpy as jnp, random};
use std::sync::Barrier;

/// What a platform may lack: `None` where it says so.
fn optional<T>(result: raxla::Result<T>) -> Option<T> {
    match result {
        Err(e) if e.kind() == ErrorKind::Unimplemented => None,
        result => Some(result.unwrap()),
    }
}

const ADD: &str =
    "module @add { func.func public @main(%a: tensor<2x2xf32>, %b: tensor<2x2xf32>) -> tensor<2x2xf32> {
    %0 = stablehlo.add %a, %b : tensor<2x2xf32>
    return %0 : tensor<2x2xf32> } }";

fn cpu() -> &'static Client {
    discovery::client("cpu").unwrap()
}

fn compile(text: &str) -> Executable {
    cpu().compile(&Program::mlir_text(text), &CompileOptions::new()).unwrap()
}

fn f32s(values: &[f32], dims: &[usize]) -> Buffer {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_ne_bytes()).collect();
    let device = cpu().default_device().unwrap();
    cpu().buffer_from_host(&bytes, DType::F32, dims, &device).unwrap()
}

fn read(buffer: &Buffer) -> Vec<f32> {
    let mut bytes = vec![0; 4 * buffer.dims().unwrap().iter().product::<usize>()];
    buffer.to_host_sync(&mut bytes).unwrap();
    bytes.chunks(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn a_program_compiles_and_runs() {
    let x = f32s(&[1.0, 2.0, 3.0, 4.0], &[2, 2]);
    let outputs = compile(ADD).execute(&[&x, &x], &[]).unwrap();
    assert_eq!(read(&outputs[0]), [2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn a_compiled_program_describes_itself() {
    let executable = compile(ADD);
    assert_eq!(executable.output_count(), 1);
    assert_eq!(executable.output_dtypes().unwrap(), [DType::F32]);
    assert_eq!(executable.output_dims().unwrap(), [[2, 2]]);
    if let Some(kinds) = optional(executable.output_memory_kinds()) {
        assert_eq!(kinds, ["device"]);
    }
    assert_eq!((executable.num_replicas().unwrap(), executable.num_partitions().unwrap()), (1, 1));
    assert!(executable.name().unwrap().contains("add"), "{:?}", executable.name());
    assert!(!executable.fingerprint().unwrap().is_empty());
    let stats = executable.memory_stats().unwrap();
    assert_eq!((stats.argument_size, stats.output_size), (32, 16));
    if let Some(cost) = optional(executable.cost_analysis()) {
        let flops = cost.iter().find(|(name, _)| name == "flops").and_then(|(_, value)| value.as_f64());
        assert_eq!(flops, Some(4.0), "{cost:?}");
    }
    let (format, code) = executable.optimized_program().unwrap();
    assert!(format.starts_with("hlo") && !code.is_empty());
    assert_eq!(executable.addressable_devices().unwrap(), [cpu().default_device().unwrap()]);
}

#[test]
fn an_optimised_program_compiles_again_as_an_hlo_proto() {
    let (format, code) = compile(ADD).optimized_program().unwrap();
    // `hlo_with_config` wraps the module in field 1.
    let hlo = if format == "hlo" { code } else { first_field(&code).to_vec() };
    let again = cpu().compile(&Program::from_hlo_proto(hlo), &CompileOptions::new()).unwrap();
    let x = f32s(&[1.0; 4], &[2, 2]);
    assert_eq!(read(&again.execute(&[&x, &x], &[]).unwrap()[0]), [2.0; 4]);
}

/// The contents of the length-delimited field 1 that a protocol buffer begins with.
fn first_field(bytes: &[u8]) -> &[u8] {
    assert_eq!(bytes[0], 0x0a);
    let (mut len, mut at) = (0_usize, 1);
    loop {
        let byte = bytes[at];
        len |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            return &bytes[at..at + len];
        }
    }
}

#[test]
fn a_serialised_executable_runs_in_another_client() {
    let bytes = compile(ADD).serialize().unwrap();
    let client = Client::cpu().unwrap();
    let executable = client.deserialize_and_load(&bytes, None).unwrap();
    let device = client.default_device().unwrap();
    let x = client.buffer_from_host(&1_f32.to_ne_bytes().repeat(4), DType::F32, &[2, 2], &device).unwrap();
    assert_eq!(read(&executable.execute(&[&x, &x], &[]).unwrap()[0]), [2.0; 4]);
}

/// Adds one in place.
const DONATING: &str =
    "module { func.func public @main(%a: tensor<4xf32> {tf.aliasing_output = 0 : i32}) -> tensor<4xf32> {
    %one = stablehlo.constant dense<1.0> : tensor<4xf32>
    %0 = stablehlo.add %a, %one : tensor<4xf32>
    return %0 : tensor<4xf32> } }";

#[test]
fn a_donated_buffer_is_deleted_and_says_so() {
    let x = f32s(&[1.0; 4], &[4]);
    let executable = compile(DONATING);
    let y = executable.execute(&[&x], &[]).unwrap();
    assert_eq!(read(&y[0]), [2.0; 4]);
    assert!(x.is_deleted());
    let error = x.to_host_sync(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeletedBuffer, "{error}");
    let error = executable.execute(&[&x], &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeletedBuffer, "{error}");
}

#[test]
fn a_non_donatable_buffer_is_copied_and_not_clobbered() {
    let x = f32s(&[1.0; 4], &[4]);
    let y = compile(DONATING).execute(&[&x], &[0]).unwrap();
    assert_eq!(read(&y[0]), [2.0; 4]);
    assert!(!x.is_deleted());
    assert_eq!(read(&x), [1.0; 4]);
}

#[test]
fn eight_threads_execute_one_executable() {
    let executable = compile(ADD);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let (executable, barrier) = (&executable, &barrier);
            scope.spawn(move || {
                let mut x = f32s(&[f32::from(thread); 4], &[2, 2]);
                let one = f32s(&[1.0; 4], &[2, 2]);
                barrier.wait();
                for _ in 0..500 {
                    x = executable.execute(&[&x, &one], &[]).unwrap().remove(0);
                }
                assert_eq!(read(&x), [f32::from(thread) + 500.0; 4]);
            });
        }
    });
}

#[test]
fn handles_drop_in_any_order_and_on_any_thread() {
    let x = {
        let client = Client::cpu().unwrap();
        let device = client.default_device().unwrap();
        let x =
            client.buffer_from_host(&1_f32.to_ne_bytes().repeat(4), DType::F32, &[2, 2], &device).unwrap();
        let executable = client.compile(&Program::mlir_text(ADD), &CompileOptions::new()).unwrap();
        drop((client, device));
        let y = executable.execute(&[&x, &x], &[]).unwrap().remove(0);
        drop((executable, x));
        y
    };
    std::thread::spawn(move || assert_eq!(read(&x), [2.0; 4])).join().unwrap();
}

#[test]
fn a_program_outlives_the_topology_that_it_was_compiled_for() {
    let plugin = Plugin::load(discovery::cpu_plugin().unwrap()).unwrap();
    for topology in
        [optional(Topology::new(plugin, "", &[])), optional(cpu().topology())].into_iter().flatten()
    {
        let compiled = match topology.compile(&Program::mlir_text(ADD), &CompileOptions::new()) {
            // A plugin may compile for its clients only.
            Err(e) if e.message().contains("No compiler registered") => continue,
            compiled => compiled.unwrap(),
        };
        drop(topology);
        assert!(compiled.name().unwrap().contains("add"));
        assert_eq!(compiled.num_outputs().unwrap(), 1);
        if let Some(cost) = optional(compiled.cost_analysis()) {
            assert_eq!(cost.iter().find(|(name, _)| name == "flops").unwrap().1.as_f64(), Some(4.0));
        }
        if let Some(kinds) = optional(compiled.output_memory_kinds()) {
            assert_eq!(kinds.len(), 1);
        }
    }
}

#[test]
fn a_program_runs_on_the_device_that_it_was_compiled_for() {
    let client = Client::cpu_with(&CpuOptions::with_device_count(3)).unwrap();
    let devices = client.addressable_devices();
    assert_eq!(devices.len(), 3);
    let options = CompileOptions::for_devices(&[devices[2].id()]);
    let executable = client.compile(&Program::mlir_text(ADD), &options).unwrap();
    let ones = 1_f32.to_ne_bytes().repeat(4);
    let there = client.buffer_from_host(&ones, DType::F32, &[2, 2], &devices[2]).unwrap();
    let outputs = executable.execute(&[&there, &there], &[]).unwrap();
    assert_eq!(outputs[0].device().unwrap(), devices[2]);
    let elsewhere = client.buffer_from_host(&ones, DType::F32, &[2, 2], &devices[0]).unwrap();
    let error = executable.execute(&[&elsewhere, &elsewhere], &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Runtime, "{error}");
    let moved = elsewhere.copy_to_device(&devices[2]).unwrap();
    assert_eq!(read(&executable.execute(&[&moved, &there], &[]).unwrap()[0]), [2.0; 4]);
}

/// The sum over every element of an array that is split over two devices.
const SHARDED_SUM: &str = r#"module @sum attributes {mhlo.num_partitions = 2 : i32, mhlo.num_replicas = 1 : i32} {
  sdy.mesh @mesh = <["x"=2]>
  func.func public @main(%a: tensor<8xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}]>})
      -> (tensor<f32> {sdy.sharding = #sdy.sharding<@mesh, []>}) {
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %0 = stablehlo.reduce(%a init: %zero) applies stablehlo.add across dimensions = [0]
        : (tensor<8xf32>, tensor<f32>) -> tensor<f32>
    return %0 : tensor<f32> } }"#;

#[test]
fn a_program_is_partitioned_over_two_devices() {
    let client = Client::cpu_with(&CpuOptions::with_device_count(2)).unwrap();
    let options = CompileOptions::partitioned(2);
    let executable = client.compile(&Program::mlir_text(SHARDED_SUM), &options).unwrap();
    let devices = executable.addressable_devices().unwrap();
    let part = |i: usize| {
        let values = [1_f32, 2.0, 3.0, 4.0].map(|x| x + 10.0 * i as f32);
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_ne_bytes()).collect();
        client.buffer_from_host(&bytes, DType::F32, &[4], &devices[i]).unwrap()
    };
    let (a, b) = (part(0), part(1));
    let (outputs, events) = executable.execute_sharded_and_notify(&[vec![&a], vec![&b]], &[]).unwrap();
    for event in events {
        event.wait().unwrap();
    }
    assert_eq!(outputs.iter().map(|o| read(&o[0])).collect::<Vec<_>>(), [[60.0], [60.0]]);
    let outputs = executable.execute_sharded(&[vec![&a], vec![&b]], &[]).unwrap();
    assert_eq!(read(&outputs[1][0]), [60.0]);
}

/// An engine that keeps a prepared copy of an operand, known by its address, must see that a donated buffer was overwritten.
#[test]
fn a_product_sees_what_was_written_over_its_operand() {
    for (m, k, n) in [(297usize, 256usize, 256usize), (512, 512, 512), (64, 64, 64)] {
        let x = random::normal(&random::key(0), [m, k]);
        let mut w = random::normal(&random::key(1), [k, n]);
        let product = jit(|x: &Array, w: &Array| jnp::matmul(x, w));
        let double = jit(|w: Array| w * 2.0);
        let before = product(&x, &w).unwrap();
        w = double(w).unwrap();
        let after = product(&x, &w).unwrap();
        let same = jnp::array_equal(before * 2.0, after).item::<bool>().unwrap();
        assert!(same, "[{m},{k}] x [{k},{n}]");
    }
}
