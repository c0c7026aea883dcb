//! Linear regression: a model's parameters are a tree that each step of training takes and gives back.
//!
//! - `cargo run --release -p raxla-examples --example linear_regression` trains the model of JAX's page on stateful computations on made-up data;
//! - `cargo run --release -p raxla-examples --example linear_regression -- --data examples/data/engel.csv` fits a table: a header row, the target in the
//!   last column.
//!
//! Both print the losses and the parameters and write `linear_regression.png`. The same program in JAX is
//! `tests/oracle/examples/linear_regression.py`.

use std::path::Path;
use std::time::Duration;

use raxla::prelude::*;
use raxla::random::Key;
use raxla::train::{Figure, Progress};
use raxla::{config, numpy as jnp, random};
use table::Table;

mod table;

const STEPS: u64 = 1000;
const LEARNING_RATE: f64 = 0.005;
const PICTURE: &str = "linear_regression.png";

#[derive(Pytree, Clone, Debug)]
struct Params {
    weight: Array,
    bias: Array,
}

/// Random, but the same for the same key.
fn init(rng: &Key) -> Params {
    let [weights_key, bias_key] = random::split(rng);
    Params { weight: random::normal(&weights_key, ()), bias: random::normal(&bias_key, ()) }
}

/// The mean squared error.
fn loss(params: &Params, x: &Array, y: &Array) -> Array {
    let pred = &params.weight * x + &params.bias;
    jnp::mean(jnp::square(pred - y), ..)
}

/// One step of gradient descent: no parameter is changed, new ones are returned. The old ones are taken by value, so that
/// their memory is reused.
fn update(params: Params, x: &Array, y: &Array) -> Result<Params> {
    let grads = grad(loss)(&params, x, y)?;
    Ok(tree::map2(|p, g| p - g * LEARNING_RATE, &params, &grads))
}

fn tutorial() -> Result<()> {
    let rng = random::key(42);
    let [x_rng, noise_rng] = random::split(&rng);
    let xs = random::normal(&x_rng, [128, 1]);
    let noise = random::normal(&noise_rng, [128, 1]) * 0.5;
    let ys = &xs * 2 - 1 + noise;

    let mut params = init(&rng);
    println!("loss at the start: {}", number(&loss(&params, &xs, &ys))?);
    // Traced and compiled at the first call; the other 999 run the compiled program.
    let update = jit(update);
    let mut progress = Progress::new(STEPS);
    for _ in 0..STEPS {
        params = update(params, &xs, &ys)?;
        progress.step(&())?;
    }
    println!("loss at the end: {}", number(&loss(&params, &xs, &ys))?);
    println!("weight: {}", number(&params.weight)?);
    println!("bias: {}", number(&params.bias)?);

    draw(["x", "y"], &xs, &ys, |x| &params.weight * x + &params.bias)
}

/// A weight for each column of a table.
#[derive(Pytree, Clone, Debug)]
struct Model {
    weights: Array,
    bias: Array,
}

fn table_loss(model: &Model, x: &Array, y: &Array) -> Array {
    jnp::mean(jnp::square(jnp::matmul(x, &model.weights) + &model.bias - y), ..)
}

fn table_update(model: Model, x: &Array, y: &Array) -> Result<Model> {
    let grads = grad(table_loss)(&model, x, y)?;
    Ok(tree::map2(|p, g| p - g * 0.05, &model, &grads))
}

fn fit(path: &Path) -> Result<()> {
    let table = Table::read(path)?;
    let (x, y) = table.rows(0..table.len());
    let (names, target) = table.names.split_at(table.names.len() - 1);
    // Columns of one scale, so that one learning rate suits all.
    let (x_mean, x_std) = (jnp::mean(&x, 0), jnp::std(&x, 0));
    let (y_mean, y_std) = (jnp::mean(&y, ..), jnp::std(&y, ..));
    let (xs, ys) = ((&x - &x_mean) / &x_std, (&y - &y_mean) / &y_std);

    let mut model = Model { weights: jnp::zeros([names.len()]), bias: Array::scalar(0f32) };
    println!("loss at the start: {}", number(&table_loss(&model, &xs, &ys))?);
    let update = jit(table_update);
    let mut progress = Progress::new(STEPS);
    for _ in 0..STEPS {
        model = update(model, &xs, &ys)?;
        progress.step(&())?;
    }
    println!("loss at the end: {}", number(&table_loss(&model, &xs, &ys))?);

    // Back to the units of the table.
    let weights = &model.weights * &y_std / &x_std;
    let bias = &y_mean + &model.bias * &y_std - jnp::dot(&weights, &x_mean);
    for (name, weight) in names.iter().zip(weights.to_vec::<f32>()?) {
        println!("weight of {name}: {}", f64::from(weight));
    }
    println!("bias: {}", number(&bias)?);

    if let [name] = names {
        draw([name, &target[0]], &x, &y, |x| &weights * x + &bias)
    } else {
        // Too many axes to draw: what the model says against what is.
        let pred = jnp::matmul(&x, &weights) + bias;
        draw([&format!("{}, by the model", target[0]), &target[0]], &pred, &y, Array::clone)
    }
}

/// Writes the picture: the data, and the model's line from the leftmost to the rightmost of them.
fn draw(labels: [&str; 2], x: &Array, y: &Array, line: impl Fn(&Array) -> Array) -> Result<()> {
    let ends = jnp::stack([jnp::min(x, ..), jnp::max(x, ..)], 0);
    Figure::new(labels[0], labels[1]).points("", x, y).line("model", &ends, line(&ends)).save(PICTURE)?;
    eprintln!("wrote {PICTURE}");
    Ok(())
}

fn number(x: &Array) -> Result<f64> {
    Ok(x.item::<f32>()?.into())
}

/// The second run finds what the first one compiled, in `target/`.
fn keep_compiled_programs() {
    if let Ok(program) = std::env::current_exe() {
        config::set_compilation_cache_dir(Some(program.with_file_name("compiled")));
        config::set_persistent_cache_min_compile_time(Duration::ZERO);
    }
}

fn main() -> Result<()> {
    keep_compiled_programs();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => tutorial(),
        ["--data", path] => fit(Path::new(path)),
        _ => Err(Error::new(ErrorKind::InvalidArgument, "usage: linear_regression [--data <table.csv>]")),
    }
}
