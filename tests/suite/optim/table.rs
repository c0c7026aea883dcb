//! Every optimiser: does it converge, does its state keep its structure, is it what Optax gives, inside loops, donated.

use std::collections::BTreeMap;

use crate::quickly;
use half::bf16;
use num_complex::Complex;
use raxla::nn::Params;
use raxla::optim::{self, GradientTransformation, OptState};
use raxla::prelude::*;
use raxla::{lax, numpy as jnp};
use serde_json::Value;

use super::cases::{DESCENDING, LOSSES, Make, OPTIMIZERS, SCHEDULES, SEARCHES};

fn fixture() -> Vec<Value> {
    lines(include_str!("../../fixtures/optim.jsonl"))
}

pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn floats(hex: &Value) -> Vec<f32> {
    let hex = hex.as_str().unwrap();
    let byte = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(8).map(|i| f32::from_le_bytes([0, 2, 4, 6].map(|j| byte(i + j)))).collect()
}

const SHAPES: [(&str, &[usize]); 3] = [("a/bias", &[4]), ("a/kernel", &[3, 4]), ("b/kernel", &[2, 3, 2])];

pub fn params(dtype: &str, leaves: &Value) -> Params {
    batch_of_params(dtype, leaves, None)
}

/// Of so many, along a leading axis.
pub fn batch_of_params(dtype: &str, leaves: &Value, batch: Option<usize>) -> Params {
    let mut params = Params::default();
    for ((path, shape), leaf) in SHAPES.iter().zip(leaves.as_array().unwrap()) {
        let x = floats(leaf);
        let array = match dtype {
            "float32" => Array::from(&x[..]),
            "bfloat16" => Array::from(x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>()),
            _ => Array::from(x.chunks(2).map(|z| Complex::new(z[0], z[1])).collect::<Vec<_>>()),
        };
        let shape: Vec<usize> = batch.into_iter().chain(shape.iter().copied()).collect();
        params.set(path, jnp::reshape(array, shape)).unwrap();
    }
    params
}

pub fn values(x: &Array) -> Vec<f32> {
    if x.dtype().is_complex() {
        let z: Vec<Complex<f32>> = x.to_vec().unwrap();
        return z.iter().flat_map(|z| [z.re, z.im]).collect();
    }
    x.astype(DType::F32).to_vec().unwrap()
}

fn largest(x: &[f32]) -> f32 {
    x.iter().fold(f32::MIN_POSITIVE, |size, x| size.max(x.abs()))
}

/// Relative to the largest element, and what of it is too much.
pub fn difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let size = largest(theirs);
    ours.iter().zip(theirs).map(|(x, y)| if x == y { 0.0 } else { (x - y).abs() / size }).fold(0.0, f32::max)
}

pub fn made<T>(table: &[Make<T>], name: &str) -> T {
    table.iter().find(|(own, _)| *own == name).unwrap_or_else(|| panic!("the table has no {name}")).1()
}

pub type Step = (Params, OptState, Params);

/// For those that ask for it: its Hessian changes, and is not diagonal.
fn objective(params: &Params) -> Result<Array> {
    let term = |(_, p): (String, &Array)| {
        let square = jnp::real(p * jnp::conj(p));
        jnp::sum(jnp::square(square), ..) / 4.0 + jnp::square(jnp::sum(jnp::real(p), ..)) / 2.0
    };
    Ok(params.iter().map(term).fold(Array::from(0.0), |x, y| x + y))
}

/// A step with both the parameters and the state given away.
pub fn step(tx: &GradientTransformation) -> impl Fn(Params, OptState, &Params, f32) -> Result<Step> + use<> {
    let tx = tx.clone();
    let step = jit(move |params: Params, state: OptState, grads: &Params, value: &Array| -> Result<Step> {
        let args = optim::ExtraArgs::new().value(value).value_fn(&objective);
        let (updates, state) = tx.update_with(grads, &state, &params, args)?;
        Ok((optim::apply_updates(&params, &updates), state, updates))
    });
    move |params, state, grads, value| step(params, state, grads, &jnp::array(value))
}

/// What an update may differ by.
#[derive(Clone, Copy)]
pub enum Limit {
    /// Of its own largest element.
    OfUpdate(f32),
    /// Of the largest element of it or of the parameters, of which it is a difference.
    OfParams(f32),
}

/// A step of bf16 has 8 bits; compilers keep more of them inside of a fusion, each in its way.
pub fn limit(dtype: &str) -> Limit {
    Limit::OfUpdate(if dtype == "bfloat16" { 3e-2 } else { 2e-6 })
}

fn all_over_ten_steps(dtype: &str) -> usize {
    let limit_of = |name: &str| match (name, limit(dtype)) {
        // Its decay is what `1 / sqrt(1 + rate²) - 1` leaves of the parameters: jitted and unjitted steps of Optax differ by 8e-6 of an
        // update, and 7e-8 of the parameters.
        ("fromage schedule", Limit::OfUpdate(limit)) => Limit::OfParams(limit),
        (_, limit) => limit,
    };
    over_ten_steps(fixture(), OPTIMIZERS, dtype, dtype == "float32", limit_of)
}

#[test]
fn every_optimiser_is_what_optax_gives_over_ten_steps() {
    assert_eq!(all_over_ten_steps("float32"), OPTIMIZERS.len());
}

#[test]
fn optimisers_of_16_bit_parameters_are_what_optax_gives() {
    assert!(all_over_ten_steps("bfloat16") > OPTIMIZERS.len() * 3 / 4);
}

#[test]
fn optimisers_of_complex_parameters_are_what_optax_gives() {
    assert!(all_over_ten_steps("complex64") > OPTIMIZERS.len() * 3 / 4);
}

/// Parameters, and the gradients and losses of ten steps.
type Inputs = (Params, Vec<Params>, Vec<f32>);

/// Those that subtract what is almost equal, so that what is left depends on how the compiler rounds: they are compiled as Optax's
/// are, others with least optimisation.
const ROUNDED: [&str; 2] = ["muon", "schedule_free"];

/// Compares those that Optax has of a dtype: how many. `same_state`: do states keep their dtypes?
pub fn over_ten_steps(
    cases: Vec<Value>,
    table: &[Make<GradientTransformation>],
    only: &str,
    same_state: bool,
    limit: impl Fn(&str) -> Limit,
) -> usize {
    let mut inputs: BTreeMap<String, Inputs> = BTreeMap::new();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for case in cases {
        let kind = case["kind"].as_str().unwrap();
        let Some(dtype) = case["dtype"].as_str().filter(|dtype| *dtype == only) else { continue };
        if kind == "inputs" {
            let grads: Vec<Params> =
                case["grads"].as_array().unwrap().iter().map(|g| params(dtype, g)).collect();
            let losses = case.get("values").map_or_else(|| vec![0.0; grads.len()], floats);
            inputs.insert(dtype.to_owned(), (params(dtype, &case["params"]), grads, losses));
            continue;
        }
        if kind != "optimizer" {
            continue;
        }
        let name = case["name"].as_str().unwrap();
        let is_quick = !ROUNDED.iter().any(|rounded| name.starts_with(rounded));
        let compiling = |body: &mut dyn FnMut()| if is_quick { crate::quickly(body) } else { body() };
        compiling(&mut || {
            let (mut params, grads, losses) = inputs[dtype].clone();
            let tx = made(table, name);
            let mut state = tx.init(&params).unwrap();
            let structure = state.structure().clone();
            let step = step(&tx);
            for (i, (grads, theirs)) in grads.iter().zip(case["updates"].as_array().unwrap()).enumerate() {
                let before: Vec<_> = state.leaves().iter().map(|x| x.aval()).collect();
                let updates;
                let sizes: Vec<f32> = params.iter().map(|(_, p)| largest(&values(p))).collect();
                (params, state, updates) = match step(params, state, grads, losses[i]) {
                    Ok(step) => step,
                    Err(e) => panic!("{name} {dtype}: {e}"),
                };
                assert_eq!(*state.structure(), structure, "{name}");
                let after: Vec<_> = state.leaves().iter().map(|x| x.aval()).collect();
                if before != after && same_state {
                    wrong.push(format!("{name}: the state became {after:?}, was {before:?}"));
                }
                for (((path, ours), theirs), size) in
                    updates.iter().zip(theirs.as_array().unwrap()).zip(sizes)
                {
                    let theirs = floats(theirs);
                    let of_update = difference(&values(ours), &theirs);
                    let own = largest(&theirs);
                    let (difference, limit) = match limit(name) {
                        Limit::OfUpdate(limit) => (of_update, limit),
                        Limit::OfParams(limit) => (of_update * own / own.max(size), limit),
                    };
                    if difference.is_nan() || difference > limit {
                        wrong.push(format!("{name} {dtype}: step {i}, {path}: {difference:e}"));
                    }
                }
            }
        });
        seen += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen
}

#[test]
fn every_schedule_is_what_optax_gives() {
    quickly(|| {
        let cases: Vec<Value> = fixture().into_iter().filter(|case| case["kind"] == "schedule").collect();
        assert_eq!(cases.len(), SCHEDULES.len());
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let schedule = made(SCHEDULES, name);
            let all = vmap(move |i: &Array| schedule.at(i) * jnp::ones(()))(&jnp::arange(21)).unwrap();
            let (ours, theirs) = (values(&all), floats(&case["values"]));
            assert!(difference(&ours, &theirs) < 2e-6, "{name}: {ours:?} {theirs:?}");
            let eager = made(SCHEDULES, name).at(5).item::<f32>().unwrap();
            assert!((eager - theirs[5]).abs() < 1e-6, "{name}: {eager}");
        }
    });
}

fn argument(x: &Value) -> Array {
    let shape: Vec<usize> =
        x["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let dtype = match x["dtype"].as_str().unwrap() {
        "float32" => DType::F32,
        "int32" => DType::I32,
        "bool" => DType::Bool,
        other => panic!("no such dtype: {other}"),
    };
    jnp::reshape(Array::from(floats(&x["data"])), shape).astype(dtype)
}

#[test]
fn every_loss_and_its_gradient_is_what_optax_gives() {
    quickly(|| {
        let cases: Vec<Value> = fixture().into_iter().filter(|case| case["kind"] == "loss").collect();
        assert_eq!(cases.len(), LOSSES.len());
        let mut wrong = Vec::new();
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let loss = LOSSES.iter().find(|(own, _)| *own == name).unwrap_or_else(|| panic!("no {name}")).1;
            let args: Vec<Array> = case["args"].as_array().unwrap().iter().map(argument).collect();
            let (first, rest) = (args[0].clone(), args[1..].to_vec());
            let weighted = move |x: &Array| -> Result<(Array, Array)> {
                let all: Vec<Array> = [x].into_iter().chain(&rest).cloned().collect();
                let value = loss(&all);
                let weights = jnp::reshape(jnp::arange(value.size()) * 0.25 + 1.0, value.shape().to_vec());
                Ok((jnp::sum(&value * weights, ..), value))
            };
            let both = jit(grad_with(weighted, GradOptions::new().has_aux()));
            let (grad, value) = both(&first).unwrap_or_else(|e| panic!("{name}: {e}"));
            for (what, ours) in [("value", value), ("grad", grad)] {
                let difference = difference(&values(&ours), &floats(&case[what]));
                if difference.is_nan() || difference > 3e-6 {
                    wrong.push(format!("{name}, {what}: {difference:e}: {ours}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

fn rosenbrock(x: &Array) -> Result<Array> {
    let n = x.size();
    let (a, b) = (lax::slice_in_dim(x, 0..n - 1, 0), lax::slice_in_dim(x, 1..n, 0));
    let bend = jnp::square(b - jnp::square(&a)) * 100.0;
    Ok(jnp::sum(bend + jnp::square(1.0 - a), ..))
}

#[test]
fn searches_go_where_those_of_optax_go() {
    quickly(|| {
        let cases: Vec<Value> = fixture().into_iter().filter(|case| case["kind"] == "search").collect();
        assert_eq!(cases.len(), SEARCHES.len());
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let tx = made(SEARCHES, name);
            let mut x = Array::from([-1.0f32, 1.5, 0.5, 0.8]);
            let mut state = tx.init(&x).unwrap();
            let step = jit(move |x: &Array, state: &OptState| -> Result<(Array, OptState)> {
                let (value, grads) = value_and_grad(rosenbrock)(x)?;
                let args = optim::ExtraArgs::new().value(value).grad(grads.clone()).value_fn(&rosenbrock);
                let (updates, state) = tx.update_with(&grads, state, x, args)?;
                Ok((optim::apply_updates(x, &updates), state))
            });
            for (i, theirs) in floats(&case["points"]).chunks(4).enumerate() {
                (x, state) = step(&x, &state).unwrap_or_else(|e| panic!("{name}: {e}"));
                let ours = values(&x);
                // The function bends so much that the last bits of a step grow tenfold in the next.
                let limit = if i < 4 { 1e-4 } else { 3e-2 };
                assert!(difference(&ours, theirs) < limit, "{name}: step {i}: {ours:?}, {theirs:?}");
            }
        }
    });
}

/// `|w - 1|²` and so on, of matrices and vectors.
fn loss(params: &Params) -> Result<Array> {
    let term = |(path, w): (String, &Array)| {
        let target = if path.ends_with("bias") { 1.0 } else { -0.5 };
        jnp::sum(jnp::square(w - target), ..)
    };
    Ok(params.iter().map(term).reduce(|x, y| x + y).unwrap_or_else(|| jnp::zeros(())))
}

fn begin() -> Params {
    let mut params = Params::default();
    for (path, shape) in SHAPES {
        let n: usize = shape.iter().product();
        params.set(path, jnp::reshape(jnp::linspace(0.2f32, 0.8f32, n), shape)).unwrap();
    }
    params
}

#[test]
fn every_optimiser_converges_in_one_loop() {
    converges(DESCENDING);
}

pub fn converges(table: &[Make<GradientTransformation>]) {
    for (name, make) in table {
        let tx = make();
        let params = begin();
        let train = jit(move |params: Params, state: OptState| -> Result<(Params, OptState)> {
            let body = |(params, state): (Params, OptState), _: Array| -> Result<_> {
                let (value, grads) = value_and_grad(loss)(&params)?;
                let args = optim::ExtraArgs::new().value(value).value_fn(&loss);
                let (updates, state) = tx.update_with(&grads, &state, &params, args)?;
                Ok(((optim::apply_updates(&params, &updates), state), ()))
            };
            Ok(lax::scan(body, (params, state), jnp::arange(400))?.0)
        });
        let state = make().init(&params).unwrap();
        let structure = state.structure().clone();
        let (first, (params, state)) =
            (loss(&params).unwrap(), train(params, state).unwrap_or_else(|e| panic!("{name}: {e}")));
        let (first, last) = (first.item::<f32>().unwrap(), loss(&params).unwrap().item::<f32>().unwrap());
        assert!(last < 1e-2 * first, "{name}: {first} became {last}");
        assert_eq!(*state.structure(), structure, "{name}");
    }
}

#[test]
fn a_step_overwrites_the_parameters_and_the_state_that_it_is_given() {
    let tx = optim::adam(0.1);
    let params = jnp::ones([256, 512]);
    let state = tx.init(&params).unwrap();
    let step = jit(move |params: Array, state: OptState, grads: &Array| -> Result<(Array, OptState)> {
        let (updates, state) = tx.update(grads, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates), state))
    });
    let lowered = step.lower()(params.clone(), state.clone(), &params).unwrap().as_text().to_owned();
    // Parameters, both moments and the count.
    assert_eq!(lowered.matches("tf.aliasing_output").count(), 4, "{lowered}");
    let (_, state) = step(params.clone(), state, &params).unwrap();
    assert_eq!(state.find("count").unwrap().leaves()[0].item::<i32>().unwrap(), 1);
}

#[test]
fn optimisers_work_under_vmap_and_are_differentiable() {
    let tx = optim::adam(0.1);
    let rates = Array::from([0.1f32, 0.2, 0.3]);
    // An ensemble of rates: the optimiser is made inside.
    let after = vmap(|rate: &Array| -> Result<Array> {
        let tx = optim::sgd(rate);
        let w = Array::from([1.0f32, 2.0]);
        let (updates, _) = tx.update(&w, &tx.init(&w)?, &w)?;
        Ok(optim::apply_updates(&w, &updates))
    })(&rates);
    let after = after.unwrap().to_vec::<f32>().unwrap();
    assert!(difference(&after, &[0.9, 1.8, 0.8, 1.6, 0.7, 1.4]) < 1e-6, "{after:?}");
    // The derivative of the loss after a step with respect to the rate.
    let meta = grad(|rate: &Array| -> Result<Array> {
        let tx = optim::sgd(rate);
        let w = Array::from([1.0f32, 2.0]);
        let (updates, _) = tx.update(&w, &tx.init(&w)?, &w)?;
        Ok(jnp::sum(jnp::square(optim::apply_updates(&w, &updates)), ..))
    });
    let slope = meta(&Array::from(0.1f32)).unwrap().item::<f32>().unwrap();
    assert!((slope + 2.0 * 0.9 * 5.0).abs() < 1e-5, "{slope}");
    drop(tx);
}
