//! The state of an optimiser: Adam's moments are a tree beside the parameters, passed in and out of each step; first by hand, then by
//! `raxla::optim`, which has this and the other optimisers of Optax.
//!
//! `cargo run -p raxla-examples --example optimizer_state`. The same program in JAX is `tests/oracle/examples/optimizer_state.py`.

use raxla::optim::{self, GradientTransformation, OptState};
use raxla::prelude::*;
use raxla::{numpy as jnp, random};

const LEARNING_RATE: f64 = 0.05;
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

#[derive(Pytree, Clone, Debug)]
struct Params {
    weight: Array,
    bias: Array,
}

/// The moments have the structure of the parameters, whatever that is: `T` may be any tree.
#[derive(Pytree, Clone, Debug)]
struct Adam<T> {
    step: Array,
    mean: T,
    square: T,
}

impl<T: Pytree + Clone> Adam<T> {
    fn new(params: &T) -> Self {
        let zeros = tree::map(|p| jnp::zeros_like(p), params);
        Adam { step: Array::scalar(0i32), mean: zeros.clone(), square: zeros }
    }

    /// Kingma & Ba 2015, algorithm 1, in the form of the end of its section 2.
    fn update(self, params: &T, grads: &T) -> (T, Self) {
        let step = self.step + 1;
        let mean = tree::map2(|m, g| m * BETA1 + g * (1.0 - BETA1), &self.mean, grads);
        let square = tree::map2(|v, g| v * BETA2 + g * g * (1.0 - BETA2), &self.square, grads);
        let t = step.astype(DType::F32);
        let scale = jnp::sqrt(1.0 - jnp::power(BETA2, &t)) * LEARNING_RATE / (1.0 - jnp::power(BETA1, &t));
        let params = tree::map3(|p, m, v| p - &scale * m / (jnp::sqrt(v) + EPSILON), params, &mean, &square);
        (params, Adam { step, mean, square })
    }
}

fn loss(params: &Params, x: &Array, y: &Array) -> Array {
    let pred = &params.weight * x + &params.bias;
    jnp::mean(jnp::square(pred - y), ..)
}

/// Parameters and moments are taken by value: each step reuses their buffers.
fn update(
    params: Params,
    state: Adam<Params>,
    x: &Array,
    y: &Array,
) -> Result<(Array, Params, Adam<Params>)> {
    let (value, grads) = value_and_grad(loss)(&params, x, y)?;
    let (params, state) = state.update(&params, &grads);
    Ok((value, params, state))
}

/// The library's way: an optimiser is a value, and its state a tree.
fn update_by(
    optimizer: &GradientTransformation,
    params: Params,
    state: OptState,
    x: &Array,
    y: &Array,
) -> Result<(Array, Params, OptState)> {
    let (value, grads) = value_and_grad(loss)(&params, x, y)?;
    let (updates, state) = optimizer.update(&grads, &state, &params)?;
    Ok((value, optim::apply_updates(&params, &updates), state))
}

fn main() -> Result<()> {
    let rng = random::key(42);
    let [x_rng, noise_rng] = random::split(&rng);
    let xs = random::normal(&x_rng, [128, 1]);
    let ys = &xs * 2 - 1 + random::normal(&noise_rng, [128, 1]) * 0.5;

    let update = jit(update);
    let mut params = Params { weight: Array::scalar(0f32), bias: Array::scalar(0f32) };
    let mut state = Adam::new(&params);
    for step in 0..201 {
        let value;
        (value, params, state) = update(params, state, &xs, &ys)?;
        if step % 50 == 0 {
            println!("loss before step {step}: {}", number(&value)?);
        }
    }
    println!("steps: {}", state.step);
    println!("weight: {}", number(&params.weight)?);
    println!("bias: {}", number(&params.bias)?);
    println!("mean square of the weight's gradients: {}", number(&state.square.weight)?);

    let optimizer = optim::adam(LEARNING_RATE);
    let mut params = Params { weight: Array::scalar(0f32), bias: Array::scalar(0f32) };
    let mut state = optimizer.init(&params)?;
    let update = jit(move |params: Params, state: OptState, x: &Array, y: &Array| {
        update_by(&optimizer, params, state, x, y)
    });
    let mut value = Array::scalar(0f32);
    for _step in 0..201 {
        (value, params, state) = update(params, state, &xs, &ys)?;
    }
    println!("by the library, loss before step 200: {}", number(&value)?);
    println!("by the library, weight: {}", number(&params.weight)?);
    println!("by the library, bias: {}", number(&params.bias)?);
    Ok(())
}

fn number(x: &Array) -> Result<f64> {
    Ok(x.item::<f32>()?.into())
}
