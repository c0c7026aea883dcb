//! raxla against JAX, in one run: `cargo bench --bench vs_jax`.
//!
//! Each case alternates between this process and up to three others: JAX 0.10.2 as it is, JAX on the plugin that raxla runs on
//! (`worker.py`), and raxla on the tuned engine. The table gives the best rounds and their ratios, so that it says little
//! about the machine. `RAXLA_BENCH_PYTHON` names a Python that has JAX (`python3` if unset), `RAXLA_BENCH_TUNED` the tuned
//! engine's plugin. Arguments that are names of cases run just these; `--write` puts the table into README.md; `--alone` runs
//! nothing else, and each case for a while, for a profiler.

mod compile;
mod contest;
mod models;

#[expect(dead_code, reason = "of a program, its training steps are timed")]
#[path = "../../examples/char_lm.rs"]
mod char_lm;
#[expect(dead_code, reason = "of a program, its training steps are timed")]
#[path = "../../examples/digits_cnn.rs"]
mod digits_cnn;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use models::{ResNet, Rnn, resnet_args, resnet_loss, rnn_args, rnn_loss};
use raxla::prelude::*;
use raxla::{
    numpy::{self as jnp, ReduceOptions},
    random,
};

type Failure = Box<dyn std::error::Error>;

/// A case: its name, what it measures, iterations a round (some milliseconds of them), and how it is run.
struct Case {
    name: &'static str,
    what: &'static str,
    iterations: u32,
    /// How many times JAX's speed it shall have at least.
    goal: f64,
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
    (0..count).map(|_| jnp::ones([8, 8])).collect()
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

/// One jitted function, called by so many threads at once, each with an argument of its own; together they make the iterations.
fn increment(threads: u32) -> Box<dyn FnMut(u32) -> Result<Duration>> {
    let increment = jit(|x: &Array| x + 1.0);
    Box::new(move |iterations| {
        let barrier = Barrier::new(threads as usize);
        let one = || {
            let x = Array::scalar(1.0f32) + 0.0;
            increment(&x)?;
            barrier.wait();
            timed(|| increment(&x).map(drop), || Ok(()), iterations.div_ceil(threads))
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
            let times =
                running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| std::process::abort()));
            times.collect::<Result<Vec<_>>>().map(|times| times.into_iter().max().unwrap_or_default())
        })
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
    let params = (0..4).map(|_| (jnp::ones([64, 64]), jnp::ones([64]))).collect();
    (params, jnp::ones([32, 64]), jnp::ones([32, 64]))
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

fn keepdims() -> ReduceOptions {
    ReduceOptions::new().keepdims(true)
}

fn norm(x: &Array, scale: &Array, shift: &Array) -> Array {
    let mean = jnp::mean_with(x, -1, keepdims());
    let var = jnp::mean_with(jnp::square(x - &mean), -1, keepdims());
    (x - mean) / jnp::sqrt(var + 1e-5) * scale + shift
}

fn softmax(x: &Array) -> Array {
    let max = raxla::lax::stop_gradient(&jnp::max_with(x, -1, keepdims()));
    let e = jnp::exp(x - max);
    &e / jnp::sum_with(&e, -1, keepdims())
}

fn transformer_loss(params: &Vec<Block>, x: &Array) -> Array {
    let mut x = x.clone();
    for p in params {
        let h = norm(&x, &p.scale1, &p.shift1);
        let (q, k, v) = (jnp::matmul(&h, &p.q), jnp::matmul(&h, &p.k), jnp::matmul(&h, &p.v));
        let a = softmax(&(jnp::matmul(q, jnp::transpose(k, ..)) * (WIDTH as f64).powf(-0.5)));
        x += jnp::matmul(jnp::matmul(a, v), &p.o);
        let h = norm(&x, &p.scale2, &p.shift2);
        let h = jnp::tanh(jnp::matmul(h, &p.up) + &p.up_bias);
        x = x + jnp::matmul(h, &p.down) + &p.down_bias;
    }
    jnp::mean(jnp::square(x), ..)
}

fn transformer_args() -> (Vec<Block>, Array) {
    let square = || jnp::ones([WIDTH, WIDTH]);
    let vector = || jnp::ones([WIDTH]);
    let block = || Block {
        q: square(),
        k: square(),
        v: square(),
        o: square(),
        up: jnp::ones([WIDTH, HIDDEN]),
        up_bias: jnp::ones([HIDDEN]),
        down: jnp::ones([HIDDEN, WIDTH]),
        down_bias: vector(),
        scale1: vector(),
        shift1: vector(),
        scale2: vector(),
        shift2: vector(),
    };
    ((0..12).map(|_| block()).collect(), jnp::ones([16, WIDTH]))
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

/// Times `step`, which makes a state of another.
fn stepping<S: Pytree + 'static>(
    state: S,
    mut step: impl FnMut(S) -> Result<S> + 'static,
) -> Box<dyn FnMut(u32) -> Result<Duration>> {
    let mut state = Some(state);
    Box::new(move |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            state = state.take().map(&mut step).transpose()?;
        }
        for leaf in state.iter().flat_map(tree::leaves) {
            leaf.block_until_ready()?;
        }
        Ok(start.elapsed())
    })
}

/// The example's step, on its data.
fn char_lm() -> Result<Box<dyn FnMut(u32) -> Result<Duration>>> {
    let (characters, text) = char_lm::tokens();
    let [init_key, key] = random::split(&random::key(0));
    let vocabulary = characters.len();
    let (tx, training) = char_lm::begin(&init_key, vocabulary)?;
    let step =
        jit(move |was: char_lm::Training, text: &Array| char_lm::step(&tx, was, &key, text, vocabulary));
    Ok(stepping(training, move |was| step(was, &text)))
}

/// The example's epoch, on data of the same shapes.
fn digits_cnn() -> Result<Box<dyn FnMut(u32) -> Result<Duration>>> {
    let (images, labels) = (jnp::ones([1500, 8, 8, 1]), jnp::zeros(([1500], DType::I32)));
    let [init_key, key] = random::split(&random::key(0));
    let (tx, training) = digits_cnn::begin(&init_key, &images)?;
    let epoch = jit(move |was: digits_cnn::Training, x: &Array, y: &Array| {
        digits_cnn::epoch(&tx, was, &key, x, y).map(|(training, _)| training)
    });
    Ok(stepping(training, move |was| epoch(was, &images, &labels)))
}

fn cases() -> Result<Vec<Case>> {
    let case = |name, what, iterations, goal, run| Case { name, what, iterations, goal, run };
    Ok(vec![
        case("counter", "jitted counter, a call", 5000, 3.0, counter()),
        case("update_borrowed_10", "update of 10 leaves, borrowed", 1000, 2.0, update_borrowed(10)),
        case("update_borrowed_100", "update of 100 leaves, borrowed", 200, 2.0, update_borrowed(100)),
        case("update_borrowed_1000", "update of 1,000 leaves, borrowed", 10, 2.0, update_borrowed(1000)),
        case("update_donated_10", "update of 10 leaves, donated", 1000, 2.5, update_donated(10)),
        case("update_donated_100", "update of 100 leaves, donated", 200, 2.5, update_donated(100)),
        case("update_donated_1000", "update of 1,000 leaves, donated", 10, 2.5, update_donated(1000)),
        case("eager_add", "eager scalar add", 5000, 3.0, eager_add()),
        case("threads_1", "jitted increment, a call", 2000, 3.0, increment(1)),
        case("threads_2", "the same by two threads at once", 2000, 3.0, increment(2)),
        case(
            "mlp_trace",
            "trace the gradient of an MLP",
            50,
            100.0,
            stages!(mlp_loss, mlp_args, (params, x, y), (Layers, Array, Array), false),
        ),
        case(
            "mlp_lower",
            "lower the gradient of an MLP",
            50,
            100.0,
            stages!(mlp_loss, mlp_args, (params, x, y), (Layers, Array, Array), true),
        ),
        case(
            "transformer_trace",
            "trace the gradient of a 12-layer transformer",
            2,
            100.0,
            stages!(transformer_loss, transformer_args, (params, x), (Vec<Block>, Array), false),
        ),
        case(
            "transformer_lower",
            "lower the gradient of a 12-layer transformer",
            2,
            100.0,
            stages!(transformer_loss, transformer_args, (params, x), (Vec<Block>, Array), true),
        ),
        case(
            "resnet_trace",
            "trace the gradient of ResNet-18 with batch normalisation",
            2,
            100.0,
            stages!(resnet_loss, resnet_args, (params, x, y), (ResNet, Array, Array), false),
        ),
        case(
            "resnet_lower",
            "lower the gradient of ResNet-18 with batch normalisation",
            2,
            100.0,
            stages!(resnet_loss, resnet_args, (params, x, y), (ResNet, Array, Array), true),
        ),
        case(
            "rnn_trace",
            "trace the gradient of a scan of an RNN",
            50,
            100.0,
            stages!(rnn_loss, rnn_args, (params, x, y), (Rnn, Array, Array), false),
        ),
        case(
            "rnn_lower",
            "lower the gradient of a scan of an RNN",
            50,
            100.0,
            stages!(rnn_loss, rnn_args, (params, x, y), (Rnn, Array, Array), true),
        ),
        case("compile", "compile the step of a 4-layer transformer", 1, 1.0, compile::case(false)),
        case("compile_dropout", "compile the same with dropout", 1, 1.0, compile::case(true)),
        case("tutorial", "the tutorial's update, a step", 5000, 1.0, tutorial()?),
        case(
            "init",
            "draw the parameters of a 12-layer decoder, compiling included",
            1,
            10.0,
            models::init(),
        ),
        case("char_lm", "the example `char_lm`, a training step", 4, 1.0, char_lm()?),
        case("digits_cnn", "the example `digits_cnn`, an epoch of 23 steps", 2, 1.0, digits_cnn()?),
    ])
}

fn main() -> std::result::Result<(), Failure> {
    contest::main(cases()?)
}
