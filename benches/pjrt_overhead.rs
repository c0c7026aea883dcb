//! What one call costs below everything else, PJRT's `Execute` through `raxla::pjrt`; and what a call of a jitted function adds.
//!
//! `cargo bench --bench pjrt_overhead`. With `calls` only the second; with `threads` what two threads do; with `loop borrowed 100 5000` so many calls of it, for a
//! profiler.

use raxla::pjrt::{Buffer, Client, CompileOptions, Plugin, Program, discovery};
use raxla::{Array, DType, Result, jit};
use std::sync::Barrier;
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["calls"] => calls(),
        ["threads"] => threads(),
        ["loop", how, leaves, runs] => repeat(how, number(leaves), number(runs)),
        _ => {
            pjrt()?;
            calls()?;
            threads()
        }
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or(1)
}

fn parameters(count: usize) -> Vec<Array> {
    (0..count).map(|_| Array::from_slice(&[1.0f32; 4], [2, 2])).collect()
}

fn negate(xs: &[Array]) -> Vec<Array> {
    xs.iter().map(|x| -x).collect()
}

/// Calls a jitted function, and nothing else.
fn repeat(how: &str, leaves: usize, runs: usize) -> Result<()> {
    let mut xs = parameters(leaves);
    let (borrowed, donated) = (jit(|xs: &Vec<Array>| negate(xs)), jit(|xs: Vec<Array>| negate(&xs)));
    for _ in 0..runs {
        match how {
            "donated" => xs = donated(xs)?,
            _ => drop(borrowed(&xs)?),
        }
    }
    Ok(())
}

/// Calls of a jitted function beside those of its executable, by turns.
fn calls() -> Result<()> {
    for count in [1, 10, 100, 1000] {
        let (borrowed, donated) = (jit(|xs: &Vec<Array>| negate(xs)), jit(|xs: Vec<Array>| negate(&xs)));
        let runs = 10_000 / count.max(10) + 10;
        let mut xs = parameters(count);
        let compiled = (borrowed.lower()(&xs)?.compile()?, donated.lower()(parameters(count))?.compile()?);
        let (client, bytes) = (compiled.0.executable().client(), [0; 16]);
        let device = client.default_device()?;
        let buffers = || -> Result<Vec<Buffer>> {
            (0..count).map(|_| client.buffer_from_host(&bytes, DType::F32, &[2, 2], &device)).collect()
        };
        let (inputs, mut state) = (buffers()?, buffers()?);
        let mut least = [Duration::MAX; 4];
        for round in 0..40 {
            let times = [
                mean(runs, || {
                    let inputs: Vec<&Buffer> = inputs.iter().collect();
                    compiled.0.executable().execute(&inputs, &[]).map(drop)
                })?,
                mean(runs, || borrowed(&xs).map(drop))?,
                mean(runs, || {
                    let inputs: Vec<&Buffer> = state.iter().collect();
                    state = compiled.1.executable().execute(&inputs, &[])?.into_vec();
                    Ok(())
                })?,
                mean(runs, || {
                    xs = donated(std::mem::take(&mut xs))?;
                    Ok(())
                })?,
            ];
            if round > 0 {
                least = std::array::from_fn(|i| least[i].min(times[i]));
            }
        }
        for (i, how) in ["borrowed", "donated"].into_iter().enumerate() {
            let (bare, call) = (least[2 * i], least[2 * i + 1]);
            let own = call.saturating_sub(bare).as_nanos();
            println!(
                "{count:>4} leaves {how:<8} {call:>9.2?} a call, {bare:>9.2?} of which execute; raxla's own {own} ns"
            );
        }
    }
    Ok(())
}

/// One jitted function, called by one thread and by two at once, each with arguments of its own.
fn threads() -> Result<()> {
    for count in [1, 10, 100] {
        let f = jit(|xs: &Vec<Array>| negate(xs));
        let runs = 20_000 / count + 100;
        let round = |threads: usize| -> Result<Duration> {
            let barrier = Barrier::new(threads);
            let one = || -> Result<Duration> {
                let xs = parameters(count);
                f(&xs)?;
                barrier.wait();
                mean(runs, || f(&xs).map(drop))
            };
            std::thread::scope(|scope| {
                let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
                let times =
                    running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| std::process::abort()));
                times.collect::<Result<Vec<_>>>().map(|times| times.into_iter().max().unwrap_or_default())
            })
        };
        let mut least = [Duration::MAX; 2];
        for _ in 0..20 {
            least = [least[0].min(round(1)?), least[1].min(round(2)?)];
        }
        let gain = 2.0 * least[0].as_secs_f64() / least[1].as_secs_f64();
        println!("{count:>4} leaves: two threads do {gain:.2} times what one does ({:.2?} a call)", least[0]);
    }
    Ok(())
}

fn mean(runs: usize, mut f: impl FnMut() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    for _ in 0..runs {
        f()?;
    }
    Ok(start.elapsed() / runs as u32)
}

fn pjrt() -> Result<()> {
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
