//! What one call costs below everything else, PJRT's `Execute` through `raxla::pjrt`; and what a call of a jitted function adds.
//!
//! `cargo bench --bench pjrt_overhead`. With `calls` only the second; with `threads` what two threads do; with `loop borrowed 100 5000` so many calls of it, for a
//! profiler: `borrowed` or `donated` of a jitted function, `execute-borrowed` or `execute-donated` of its executable.

use raxla::pjrt::{Buffer, Client, CompileOptions, Executable, Plugin, Program, discovery};
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

/// So many buffers as an executable of [`negate`] takes.
fn buffers(executable: &Executable, count: usize) -> Result<Vec<Buffer>> {
    let client = executable.client();
    let device = client.default_device()?;
    (0..count).map(|_| client.buffer_from_host(&[0; 16], DType::F32, &[2, 2], &device)).collect()
}

fn execute(executable: &Executable, inputs: &[Buffer]) -> Result<Vec<Buffer>> {
    let inputs: Vec<&Buffer> = inputs.iter().collect();
    Ok(executable.execute(&inputs, &[])?.into_vec())
}

/// Runs an executable, on the same inputs or on what it gave.
fn again(executable: &Executable, leaves: usize, runs: usize, donated: bool) -> Result<()> {
    let mut inputs = buffers(executable, leaves)?;
    for _ in 0..runs {
        let outputs = execute(executable, &inputs)?;
        if donated {
            inputs = outputs;
        }
    }
    Ok(())
}

/// Calls a jitted function, or its executable, and nothing else.
fn repeat(how: &str, leaves: usize, runs: usize) -> Result<()> {
    let mut xs = parameters(leaves);
    let (borrowed, donated) = (jit(|xs: &Vec<Array>| negate(xs)), jit(|xs: Vec<Array>| negate(&xs)));
    match how {
        "execute-borrowed" => {
            return again(borrowed.lower()(&xs)?.compile()?.executable(), leaves, runs, false);
        }
        "execute-donated" => return again(donated.lower()(xs)?.compile()?.executable(), leaves, runs, true),
        _ => {}
    }
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
        let (inputs, mut state) =
            (buffers(compiled.0.executable(), count)?, buffers(compiled.1.executable(), count)?);
        let mut least = [Duration::MAX; 4];
        for round in 0..40 {
            let times = [
                mean(runs, || execute(compiled.0.executable(), &inputs).map(drop))?,
                mean(runs, || borrowed(&xs).map(drop))?,
                mean(runs, || {
                    state = execute(compiled.1.executable(), &state)?;
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

/// One jitted function, called by one thread and by two at once, each with arguments of its own; and its executable, which shows
/// what the plugin itself allows.
fn threads() -> Result<()> {
    for count in [1, 10, 100] {
        let f = jit(|xs: &Vec<Array>| negate(xs));
        let compiled = f.lower()(&parameters(count))?.compile()?;
        let executable = compiled.executable();
        // A millisecond or two: on a machine with other guests two threads seldom run for long undisturbed.
        let runs = 1_000 / count + 10;
        let mut least = [Duration::MAX; 4];
        for _ in 0..200 {
            for (i, threads) in [1, 2].into_iter().enumerate() {
                let call = at_once(threads, || {
                    let xs = parameters(count);
                    let f = &f;
                    f(&xs)?;
                    Ok(move || mean(runs, || f(&xs).map(drop)))
                })?;
                let bare = at_once(threads, || {
                    let inputs = buffers(executable, count)?;
                    Ok(move || mean(runs, || execute(executable, &inputs).map(drop)))
                })?;
                least[i] = least[i].min(call);
                least[2 + i] = least[2 + i].min(bare);
            }
        }
        let gain = |i: usize| 2.0 * least[i].as_secs_f64() / least[i + 1].as_secs_f64();
        println!(
            "{count:>4} leaves: two threads do {:.2} times what one does ({:.2?} a call), of execute alone {:.2} times ({:.2?})",
            gain(0),
            least[0],
            gain(2),
            least[2]
        );
    }
    Ok(())
}

/// The time of what `prepare` makes, on so many threads at once: the longest of them.
fn at_once<F: FnOnce() -> Result<Duration>>(
    threads: usize,
    prepare: impl Fn() -> Result<F> + Sync,
) -> Result<Duration> {
    let barrier = Barrier::new(threads);
    let one = || {
        let run = prepare()?;
        barrier.wait();
        run()
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let times = running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| std::process::abort()));
        times.collect::<Result<Vec<_>>>().map(|times| times.into_iter().max().unwrap_or_default())
    })
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
