//! raxla against JAX, in one run: `cargo bench --bench vs_jax`.
//!
//! Each case alternates between this process and a Python process with JAX 0.10.2 (`worker.py`), and the table gives the
//! ratio of the best rounds, so that it says little about the machine. `RAXLA_BENCH_PYTHON` names a Python that has JAX
//! (`python3` if unset). Arguments that are names of cases run just these; `--write` puts the table into README.md;
//! `--alone` runs no Python, and each case for a while, for a profiler.

mod models;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use models::{ResNet, Rnn, resnet_args, resnet_loss, rnn_args, rnn_loss};
use raxla::prelude::*;
use raxla::{numpy as jnp, random};

type Failure = Box<dyn std::error::Error>;

/// Both processes run in turn at least so often and so long: on a machine with other guests a best time takes luck.
const ROUNDS: usize = 12;
const TIME: Duration = Duration::from_secs(5);

/// A case: its name, what it measures, iterations a round (some milliseconds of them), and how it is run.
struct Case {
    name: &'static str,
    what: &'static str,
    iterations: u32,
    budget: f64,
    run: Box<dyn FnMut(u32) -> Result<Duration>>,
}

/// Times `iterations` of `step`, and `wait` at their end.
fn timed(
    mut step: impl FnMut() -> Result<()>,
    mut wait: impl FnMut() -> Result<()>,
    iterations: u32,
) -> Result<Duration> {
    let start = Instant::now();
    for _ in 0..iterations {
        step()?;
    }
    wait()?;
    Ok(start.elapsed())
}

fn counter() -> Box<dyn FnMut(u32) -> Result<Duration>> {
    let count = jit(|n: Array| (&n + 1, n + 1));
    let mut state = Array::from(0);
    Box::new(move |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            (_, state) = count(std::mem::take(&mut state))?;
        }
        state.block_until_ready()?;
        Ok(start.elapsed())
    })
}

fn leaves(count: usize) -> Vec<Array> {
    (0..count).map(|_| jnp::ones(&[8, 8], None)).collect()
}

fn update_borrowed(count: usize) -> Box<dyn FnMut(u32) -> Result<Duration>> {
    let update = jit(|ps: &Vec<Array>| ps.iter().map(|p| p - 0.01 * p).collect::<Vec<Array>>());
    let state = leaves(count);
    Box::new(move |iterations| {
        timed(|| update(&state).map(drop), || state[0].block_until_ready().map(drop), iterations)
    })
}

fn update_donated(count: usize) -> Box<dyn FnMut(u32) -> Result<Duration>> {
    let update = jit(|ps: Vec<Array>| ps.iter().map(|p| p - 0.01 * p).collect::<Vec<Array>>());
    let mut state = leaves(count);
    Box::new(move |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            state = update(std::mem::take(&mut state))?;
        }
        state[0].block_until_ready()?;
        Ok(start.elapsed())
    })
}

fn eager_add() -> Box<dyn FnMut(u32) -> Result<Duration>> {
    let (a, b) = (Array::scalar(1.0f32) + 0.0, Array::scalar(2.0f32) + 0.0);
    let mut out = a.clone();
    Box::new(move |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            out = &a + &b;
        }
        out.block_until_ready()?;
        Ok(start.elapsed())
    })
}

type Layers = Vec<(Array, Array)>;

fn mlp_loss(params: &Layers, x: &Array, y: &Array) -> Array {
    let mut x = x.clone();
    for (w, b) in params {
        x = jnp::tanh(jnp::matmul(&x, w) + b);
    }
    jnp::mean(jnp::square(x - y), ..)
}

fn mlp_args() -> (Layers, Array, Array) {
    let params = (0..4).map(|_| (jnp::ones(&[64, 64], None), jnp::ones(&[64], None))).collect();
    (params, jnp::ones(&[32, 64], None), jnp::ones(&[32, 64], None))
}

#[derive(Pytree, Clone, Debug)]
struct Block {
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    up: Array,
    up_bias: Array,
    down: Array,
    down_bias: Array,
    scale1: Array,
    shift1: Array,
    scale2: Array,
    shift2: Array,
}

const WIDTH: usize = 32;
const HIDDEN: usize = 64;

fn norm(x: &Array, scale: &Array, shift: &Array) -> Array {
    let mean = jnp::mean(x, jnp::keepdims(-1));
    let var = jnp::mean(jnp::square(x - &mean), jnp::keepdims(-1));
    (x - mean) / jnp::sqrt(var + 1e-5) * scale + shift
}

fn softmax(x: &Array) -> Array {
    let max = raxla::lax::stop_gradient(&jnp::max(x, jnp::keepdims(-1)));
    let e = jnp::exp(x - max);
    &e / jnp::sum(&e, jnp::keepdims(-1))
}

fn transformer_loss(params: &Vec<Block>, x: &Array) -> Array {
    let mut x = x.clone();
    for p in params {
        let h = norm(&x, &p.scale1, &p.shift1);
        let (q, k, v) = (jnp::matmul(&h, &p.q), jnp::matmul(&h, &p.k), jnp::matmul(&h, &p.v));
        let a = softmax(&(jnp::matmul(q, jnp::transpose(k)) * (WIDTH as f64).powf(-0.5)));
        x += jnp::matmul(jnp::matmul(a, v), &p.o);
        let h = norm(&x, &p.scale2, &p.shift2);
        let h = jnp::tanh(jnp::matmul(h, &p.up) + &p.up_bias);
        x = x + jnp::matmul(h, &p.down) + &p.down_bias;
    }
    jnp::mean(jnp::square(x), ..)
}

fn transformer_args() -> (Vec<Block>, Array) {
    let square = || jnp::ones(&[WIDTH, WIDTH], None);
    let vector = || jnp::ones(&[WIDTH], None);
    let block = || Block {
        q: square(),
        k: square(),
        v: square(),
        o: square(),
        up: jnp::ones(&[WIDTH, HIDDEN], None),
        up_bias: jnp::ones(&[HIDDEN], None),
        down: jnp::ones(&[HIDDEN, WIDTH], None),
        down_bias: vector(),
        scale1: vector(),
        shift1: vector(),
        scale2: vector(),
        shift2: vector(),
    };
    ((0..12).map(|_| block()).collect(), jnp::ones(&[16, WIDTH], None))
}

/// Times tracing, or lowering alone. The closure captures, so that each is a new function and nothing is cached.
macro_rules! stages {
    ($loss:expr, $args:expr, ($($arg:ident),*), ($($ty:ty),*), $lower:literal) => {{
        let ($($arg),*) = $args();
        Box::new(move |iterations| {
            let mut total = Duration::ZERO;
            for i in 0..iterations {
                let start = Instant::now();
                let fresh = i;
                let f = jit(grad(move |$($arg: &$ty),*| {
                    std::hint::black_box(fresh);
                    $loss($($arg),*)
                }));
                let traced = f.trace()($(&$arg),*)?;
                if !$lower {
                    total += start.elapsed();
                    continue;
                }
                let start = Instant::now();
                std::hint::black_box(traced.lower()?);
                total += start.elapsed();
            }
            Ok(total)
        })
    }};
}

#[derive(Pytree, Clone, Debug, Default)]
struct Params {
    weight: Array,
    bias: Array,
}

fn tutorial() -> Result<Box<dyn FnMut(u32) -> Result<Duration>>> {
    let [x_key, noise_key] = random::split(&random::key(42));
    let xs = random::normal(&x_key, [128, 1]);
    let ys = &xs * 2.0 - 1.0 + random::normal(&noise_key, [128, 1]) * 0.5;
    let loss = |params: &Params, x: &Array, y: &Array| {
        jnp::mean(jnp::square(&params.weight * x + &params.bias - y), ..)
    };
    let update = jit(move |params: Params, x: &Array, y: &Array| -> Result<Params> {
        let grads = grad(loss)(&params, x, y)?;
        Ok(tree::map2(|p, g| p - 0.005 * g, &params, &grads))
    });
    let mut params = Params { weight: Array::scalar(0.1f32), bias: Array::scalar(0.6f32) };
    Ok(Box::new(move |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            params = update(std::mem::take(&mut params), &xs, &ys)?;
        }
        params.weight.block_until_ready()?;
        Ok(start.elapsed())
    }))
}

fn cases() -> Result<Vec<Case>> {
    let case = |name, what, iterations, budget, run| Case { name, what, iterations, budget, run };
    Ok(vec![
        case("counter", "jitted counter, a call", 5000, 1.8, counter()),
        case("update_borrowed_10", "update of 10 leaves, borrowed", 1000, 2.0, update_borrowed(10)),
        case("update_borrowed_100", "update of 100 leaves, borrowed", 200, 2.0, update_borrowed(100)),
        case("update_borrowed_1000", "update of 1,000 leaves, borrowed", 10, 2.0, update_borrowed(1000)),
        case("update_donated_10", "update of 10 leaves, donated", 1000, 2.5, update_donated(10)),
        case("update_donated_100", "update of 100 leaves, donated", 200, 2.5, update_donated(100)),
        case("update_donated_1000", "update of 1,000 leaves, donated", 10, 2.5, update_donated(1000)),
        case("eager_add", "eager scalar add", 5000, 2.0, eager_add()),
        case(
            "mlp_trace",
            "trace the gradient of an MLP",
            50,
            50.0,
            stages!(mlp_loss, mlp_args, (params, x, y), (Layers, Array, Array), false),
        ),
        case(
            "mlp_lower",
            "lower the gradient of an MLP",
            50,
            50.0,
            stages!(mlp_loss, mlp_args, (params, x, y), (Layers, Array, Array), true),
        ),
        case(
            "transformer_trace",
            "trace the gradient of a 12-layer transformer",
            2,
            50.0,
            stages!(transformer_loss, transformer_args, (params, x), (Vec<Block>, Array), false),
        ),
        case(
            "transformer_lower",
            "lower the gradient of a 12-layer transformer",
            2,
            50.0,
            stages!(transformer_loss, transformer_args, (params, x), (Vec<Block>, Array), true),
        ),
        case(
            "resnet_trace",
            "trace the gradient of ResNet-18 with batch normalisation",
            2,
            50.0,
            stages!(resnet_loss, resnet_args, (params, x, y), (ResNet, Array, Array), false),
        ),
        case(
            "resnet_lower",
            "lower the gradient of ResNet-18 with batch normalisation",
            2,
            50.0,
            stages!(resnet_loss, resnet_args, (params, x, y), (ResNet, Array, Array), true),
        ),
        case(
            "rnn_trace",
            "trace the gradient of a scan of an RNN",
            50,
            50.0,
            stages!(rnn_loss, rnn_args, (params, x, y), (Rnn, Array, Array), false),
        ),
        case(
            "rnn_lower",
            "lower the gradient of a scan of an RNN",
            50,
            50.0,
            stages!(rnn_loss, rnn_args, (params, x, y), (Rnn, Array, Array), true),
        ),
        case("tutorial", "the tutorial's update, a step", 5000, 2.0, tutorial()?),
    ])
}

/// The Python process.
struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start() -> std::result::Result<Self, Failure> {
        let python = std::env::var("RAXLA_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/vs_jax/worker.py");
        let mut child = Command::new(&python)
            .arg(script)
            .env("JAX_PLATFORMS", "cpu")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{python}: {e}. Set RAXLA_BENCH_PYTHON to a Python with jax==0.10.2"))?;
        let input = child.stdin.take().ok_or("the worker has no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("the worker has no standard output")?);
        let mut worker = Worker { child, input, output };
        if worker.line()? != "ready" {
            return Err(
                "the worker did not start: set RAXLA_BENCH_PYTHON to a Python with jax==0.10.2".into()
            );
        }
        Ok(worker)
    }

    fn line(&mut self) -> std::result::Result<String, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn run(&mut self, case: &str, iterations: u32) -> std::result::Result<Duration, Failure> {
        writeln!(self.input, "{case} {iterations}")?;
        Ok(Duration::from_nanos(self.line()?.parse()?))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends with its input; killing it is for the case that it hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn micros(total: Duration, iterations: u32) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(iterations)
}

fn main() -> std::result::Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let wanted: Vec<&String> = args.iter().filter(|a| !a.starts_with("--")).collect();
    let chosen = |case: &Case| wanted.is_empty() || wanted.iter().any(|w| case.name.contains(w.as_str()));
    if args.iter().any(|a| a == "--alone") {
        return alone(cases()?.into_iter().filter(chosen));
    }
    let mut worker = Worker::start()?;
    let mut table =
        String::from("| | JAX µs | raxla µs | JAX / raxla | budget |\n|---|---:|---:|---:|---:|\n");
    for mut case in cases()?.into_iter().filter(chosen) {
        // A round that is not counted, for compilation.
        (case.run)(1)?;
        worker.run(case.name, 1)?;
        let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
        let (mut rounds, start) = (0, Instant::now());
        while rounds < ROUNDS || start.elapsed() < TIME {
            rounds += 1;
            ours = ours.min(micros((case.run)(case.iterations)?, case.iterations));
            theirs = theirs.min(micros(worker.run(case.name, case.iterations)?, case.iterations));
        }
        let row = format!(
            "| {} | {theirs:.1} | {ours:.1} | {:.1}x | {:.1}x |\n",
            case.what,
            theirs / ours,
            case.budget
        );
        print!("{row}");
        table.push_str(&row);
    }
    if args.iter().any(|a| a == "--write") {
        write_table(&table)?;
    }
    Ok(())
}

/// Runs each case for three seconds, and prints the best time and the mean.
fn alone(cases: impl Iterator<Item = Case>) -> std::result::Result<(), Failure> {
    for mut case in cases {
        (case.run)(1)?;
        let (start, mut best, mut total, mut rounds) = (Instant::now(), f64::INFINITY, 0.0, 0.0);
        while start.elapsed() < Duration::from_secs(3) {
            let time = micros((case.run)(case.iterations)?, case.iterations);
            (best, total, rounds) = (best.min(time), total + time, rounds + 1.0);
        }
        println!("{}: {best:.2} µs at best, {:.2} µs on average", case.what, total / rounds);
    }
    Ok(())
}

fn write_table(table: &str) -> std::result::Result<(), Failure> {
    let (begin, end) = ("<!-- bench:begin -->", "<!-- bench:end -->");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path)?;
    let (head, rest) = text.split_once(begin).ok_or("README.md has no bench:begin")?;
    let (_, tail) = rest.split_once(end).ok_or("README.md has no bench:end")?;
    std::fs::write(path, format!("{head}{begin}\n{table}{end}{tail}"))?;
    Ok(())
}
