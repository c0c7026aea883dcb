//! A stateful layer: batch normalisation keeps running statistics, which training updates and evaluation only reads; first by hand, then
//! by `raxla::nn`, which hands down all state of a model as one tree.
//!
//! `cargo run -p raxla-examples --example batch_norm`. It predicts the murder rates of the states of the USA (`examples/data/README.md`) from columns of
//! very different scales, which is what batch normalisation is for. The same program in JAX is
//! `tests/oracle/examples/batch_norm.py`.

use std::path::Path;

use raxla::api::{GradOptions, value_and_grad_with};
use raxla::nn::{self, BatchNormOptions, Mode, Scope, State};
use raxla::prelude::*;
use raxla::{numpy as jnp, random};
use table::Table;

#[path = "linear_regression/table.rs"]
mod table;

const MOMENTUM: f64 = 0.9;
const EPSILON: f64 = 1e-5;
const LEARNING_RATE: f64 = 0.05;
const BATCH: usize = 17;

/// What gradients change.
#[derive(Pytree, Clone, Debug)]
struct Params {
    scale: Array,
    shift: Array,
    weights: Array,
    bias: Array,
}

/// What the data change, by no gradient.
#[derive(Pytree, Clone, Debug)]
struct Stats {
    mean: Array,
    var: Array,
}

/// Normalises with the statistics of the batch, and returns the running ones, moved towards those.
fn norm_train(params: &Params, stats: &Stats, x: &Array) -> (Array, Stats) {
    let (mean, var) = (jnp::mean(x, 0), jnp::var(x, 0));
    let stats_next = Stats {
        mean: &stats.mean * MOMENTUM + &mean * (1.0 - MOMENTUM),
        var: &stats.var * MOMENTUM + &var * (1.0 - MOMENTUM),
    };
    (norm(params, &Stats { mean, var }, x), stats_next)
}

/// Normalises with the statistics given.
fn norm(params: &Params, stats: &Stats, x: &Array) -> Array {
    (x - &stats.mean) / jnp::sqrt(&stats.var + EPSILON) * &params.scale + &params.shift
}

fn predict(params: &Params, normed: &Array) -> Array {
    jnp::matmul(normed, &params.weights) + &params.bias
}

/// The loss is what is differentiated; the new statistics come out beside it.
fn train_loss(params: &Params, stats: &Stats, x: &Array, y: &Array) -> (Array, Stats) {
    let (normed, stats) = norm_train(params, stats, x);
    (jnp::mean(jnp::square(predict(params, &normed) - y), ..), stats)
}

fn train_step(params: Params, stats: Stats, x: &Array, y: &Array) -> Result<(Array, Params, Stats)> {
    let ((value, stats), grads) =
        value_and_grad_with(train_loss, GradOptions::new().has_aux())(&params, &stats, x, y)?;
    let params = tree::map2(|p, g| p - g * LEARNING_RATE, &params, &grads);
    Ok((value, params, stats))
}

fn evaluate(params: &Params, stats: &Stats, x: &Array, y: &Array) -> Array {
    let normed = norm(params, stats, x);
    jnp::mean(jnp::square(predict(params, &normed) - y), ..)
}

/// The library's way: the forward pass is the model, in training and in evaluation; its sizes come from the input.
fn model(cx: &Scope, x: &Array) -> Array {
    let options = BatchNormOptions::new().momentum(MOMENTUM).epsilon(EPSILON).use_fast_variance(false);
    let normed = nn::batch_norm_with(&cx.at("norm"), x, options);
    let start = nn::LinearOptions::new().kernel_init(nn::initializers::zeros());
    nn::linear_with(&cx.at("out"), normed, 1, start).reshape(-1)
}

fn step(params: nn::Params, state: State, x: &Array, y: &Array) -> Result<(Array, nn::Params, State)> {
    let loss = |params: &nn::Params, state: &State| -> Result<(Array, State)> {
        let (out, state) = nn::apply((params, state), Mode::train(), |cx| model(cx, x))?;
        Ok((jnp::mean(jnp::square(out - y), ..), state))
    };
    let ((value, state), grads) = value_and_grad_with(loss, GradOptions::new().has_aux())(&params, &state)?;
    let params = tree::map2(|p, g| p - g * LEARNING_RATE, &params, &grads);
    Ok((value, params, state))
}

fn main() -> Result<()> {
    let table = Table::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/state_crime.csv"))?;
    let (x, y) = table.rows(0..table.len());
    let features = table.names.len() - 1;

    let (train_step, evaluate) = (jit(train_step), jit(evaluate));
    let mut params = Params {
        scale: jnp::ones([features]),
        shift: jnp::zeros([features]),
        weights: jnp::zeros([features]),
        bias: Array::scalar(0f32),
    };
    let mut stats = Stats { mean: jnp::zeros([features]), var: jnp::ones([features]) };
    println!("evaluation at the start: {}", number(&evaluate(&params, &stats, &x, &y)?)?);

    let batches: Vec<_> = (0..table.len() / BATCH).map(|i| table.rows(i * BATCH..(i + 1) * BATCH)).collect();
    let mut value = Array::scalar(0f32);
    for _epoch in 0..50 {
        for (x, y) in &batches {
            (value, params, stats) = train_step(params, stats, x, y)?;
        }
    }
    println!("loss of the last batch: {}", number(&value)?);
    println!("evaluation at the end: {}", number(&evaluate(&params, &stats, &x, &y)?)?);
    let statistics = stats.mean.to_vec::<f32>()?.into_iter().zip(stats.var.to_vec::<f32>()?);
    for (name, (mean, var)) in table.names.iter().zip(statistics) {
        println!("running mean and variance of {name}: {} {}", f64::from(mean), f64::from(var));
    }
    println!("traces: {}", train_step.cache_stats().traces);

    let step = jit(step);
    let (mut params, mut state) = nn::init_with_state(&random::key(0), |cx| model(cx, &x))?;
    for _epoch in 0..50 {
        for (x, y) in &batches {
            (value, params, state) = step(params, state, x, y)?;
        }
    }
    let (out, _) = nn::apply((&params, &state), Mode::eval(), |cx| model(cx, &x))?;
    println!("by the library, loss of the last batch: {}", number(&value)?);
    println!("by the library, evaluation at the end: {}", number(&jnp::mean(jnp::square(out - &y), ..))?);
    Ok(())
}

fn number(x: &Array) -> Result<f64> {
    Ok(x.item::<f32>()?.into())
}
