//! What one call costs below everything else: PJRT's `Execute` through `raxla::pjrt`.
//!
//! `cargo bench --bench pjrt_overhead`

use raxla::pjrt::{Buffer, Client, CompileOptions, Plugin, Program, discovery};
use raxla::{DType, Result};
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let start = Instant::now();
    let plugin = Plugin::load(discovery::cpu_plugin()?)?;
    println!("load the plugin        {:>9.1?}", start.elapsed());
    let start = Instant::now();
    let client = Client::new(plugin, &[])?;
    println!("create a client        {:>9.1?}", start.elapsed());
    for count in [1, 10, 100, 1000] {
        let start = Instant::now();
        let text = program(count);
        let executable = client.compile(&Program::mlir_text(&text), &CompileOptions::new())?;
        let compile = start.elapsed();
        let device = client.default_device()?;
        let buffers = (0..count)
            .map(|_| client.buffer_from_host(&[0; 4], DType::F32, &[], &device))
            .collect::<Result<Vec<Buffer>>>()?;
        let arguments: Vec<&Buffer> = buffers.iter().collect();
        let runs = 20_000 / count.max(10) + 200;
        let time = best_of(7, runs, || {
            let outputs = executable.execute(&arguments, &[])?;
            outputs[0].block_until_ready()
        })?;
        println!("execute, {count:>4} in and out {time:>9.2?} a call, {compile:.1?} to compile");
    }
    let device = client.default_device()?;
    let time = best_of(7, 2000, || client.buffer_from_host(&[0; 4], DType::F32, &[], &device).map(drop))?;
    println!("a scalar to the device {time:>9.2?}");
    let scalar = client.buffer_from_host(&[0; 4], DType::F32, &[], &device)?;
    let time = best_of(7, 2000, || scalar.to_host_sync(&mut [0; 4]))?;
    println!("a scalar to the host   {time:>9.2?}");
    Ok(())
}

/// Negates each of `count` scalars.
fn program(count: usize) -> String {
    let list = |item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    let parameters = list(&|i| format!("%a{i}: tensor<f32>"));
    let types = list(&|_| "tensor<f32>".to_owned());
    let results = list(&|i| format!("%r{i}"));
    let body: String =
        (0..count).map(|i| format!("%r{i} = stablehlo.negate %a{i} : tensor<f32>\n")).collect();
    format!(
        "module {{ func.func public @main({parameters}) -> ({types}) {{ {body} return {results} : {types} }} }}"
    )
}

/// The least mean over `rounds` of `runs` calls: other programs only ever add to it.
fn best_of(rounds: usize, runs: usize, mut f: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..runs {
            f()?;
        }
        best = best.min(start.elapsed() / runs as u32);
    }
    Ok(best)
}
