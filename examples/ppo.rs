//! Proximal policy optimisation learns to balance a pole: 1,024 environments, written in raxla, advance together under `vmap`, and an
//! iteration, from the first action to the last update, is one compiled program.
//!
//! `cargo run --release -p raxla-examples --example ppo`. The same program in JAX, Flax and Optax is `tests/oracle/examples/ppo.py`.

use raxla::lax::ScanOptions;
use raxla::nn::{self, Mode, Params, Scope};
use raxla::optim::{self, GradientTransformation, OptState};
use raxla::prelude::*;
use raxla::random::{self, Key, SplitOptions, UniformOptions};
use raxla::{lax, numpy as jnp};

const ENVIRONMENTS: usize = 1024;
/// Of each environment, in an iteration.
const STEPS: usize = 32;
const ITERATIONS: i32 = 30;
const EPOCHS: usize = 4;
const MINIBATCHES: usize = 8;
/// After so many the pole has been balanced.
const GOAL: usize = 500;
const DISCOUNT: f64 = 0.99;
const LAMBDA: f64 = 0.95;
const CLIP: f64 = 0.2;

/// A pole on a cart (Barto, Sutton and Anderson 1983) with the constants of Gymnasium's `CartPole-v1`. Metres, radians, seconds.
#[derive(Pytree, Clone)]
struct Cart {
    x: Array,
    speed: Array,
    angle: Array,
    spin: Array,
    /// How long this one has been balanced.
    steps: Array,
}

impl Cart {
    fn new(key: &Key) -> Self {
        let start = random::uniform_with(key, [4], UniformOptions::new().minval(-0.05).maxval(0.05));
        let [x, speed, angle, spin] = [0, 1, 2, 3].map(|i| start.index(i));
        Cart { x, speed, angle, spin, steps: Array::from(0i32) }
    }

    fn observation(&self) -> Array {
        jnp::stack([&self.x, &self.speed, &self.angle, &self.spin], 0)
    }

    /// A push to the left (0) or to the right (1), and what has become of the cart 0.02 s later.
    fn pushed(&self, action: &Array) -> Self {
        let (gravity, pole, half_length, both) = (9.8, 0.1, 0.5, 1.1);
        let force = jnp::where_(jnp::equal(action, 1), 10.0, -10.0);
        let (sin, cos) = (jnp::sin(&self.angle), jnp::cos(&self.angle));
        let push = (force + pole * half_length * jnp::square(&self.spin) * &sin) / both;
        let turn =
            (gravity * sin - &cos * &push) / (half_length * (4.0 / 3.0 - pole * jnp::square(&cos) / both));
        let acceleration = push - pole * half_length * &turn * cos / both;
        Cart {
            x: &self.x + 0.02 * &self.speed,
            speed: &self.speed + 0.02 * acceleration,
            angle: &self.angle + 0.02 * &self.spin,
            spin: &self.spin + 0.02 * turn,
            steps: &self.steps + 1,
        }
    }

    /// Has the cart left the track, or the pole fallen?
    fn fell(&self) -> Array {
        let off_track = jnp::greater(jnp::abs(&self.x), 2.4);
        jnp::logical_or(off_track, jnp::greater(jnp::abs(&self.angle), 12f64.to_radians()))
    }
}

/// Observations `f32[n,4]` to the logits of the actions, `f32[n,2]`, and to what is still to be won, `f32[n]`.
fn agent(cx: &Scope, observations: &Array) -> (Array, Array) {
    let tower = |name: &str, outputs: usize| {
        let cx = cx.at(name);
        let x = jnp::tanh(nn::linear(&cx.at("fc1"), observations, 64));
        let x = jnp::tanh(nn::linear(&cx.at("fc2"), x, 64));
        nn::linear(&cx.at("head"), x, outputs)
    };
    (tower("actor", 2), tower("critic", 1).squeeze(-1))
}

fn log_prob(logits: &Array, actions: &Array) -> Array {
    -optim::softmax_cross_entropy_with_integer_labels(logits, actions)
}

/// What was seen and done in a step.
#[derive(Pytree, Clone)]
struct Transition {
    observation: Array,
    action: Array,
    log_prob: Array,
    value: Array,
    done: Array,
    /// How long the carts had been balanced with which it was done; 0 for the others.
    length: Array,
}

/// One step of all environments. Where one is done, another takes its place.
fn act(params: &Params, carts: Cart, key: &Key) -> Result<(Cart, Transition)> {
    let [action_key, reset_key] = random::split(key);
    let observation = vmap(Cart::observation)(&carts)?;
    let (logits, value) = nn::apply(params, Mode::eval(), |cx| agent(cx, &observation))?;
    let action = random::categorical(&action_key, &logits);
    let moved = vmap(Cart::pushed)(&carts, &action)?;
    let done = jnp::logical_or(moved.fell(), jnp::greater_equal(&moved.steps, GOAL as i32));
    let fresh = vmap(Cart::new)(&random::split_with(&reset_key, SplitOptions::new().num(ENVIRONMENTS)))?;
    let carts = tree::map2(|new, old| jnp::where_(&done, new, old), &fresh, &moved);
    let length = jnp::where_(&done, moved.steps, 0);
    let log_prob = log_prob(&logits, &action);
    Ok((carts, Transition { observation, action, log_prob, value, done, length }))
}

/// By how much each action was better than was expected: generalised advantage estimation (Schulman et al. 2016). `last` is what is
/// still to be won after the last step.
fn advantages(steps: &Transition, last: Array) -> Result<Array> {
    let body = |(advantage, next): (Array, Array), (value, done): (Array, Array)| {
        let goes_on = 1.0 - done.astype(DType::F32);
        let surprise = 1.0 + DISCOUNT * next * &goes_on - &value;
        let advantage = surprise + DISCOUNT * LAMBDA * goes_on * advantage;
        ((advantage.clone(), value), advantage)
    };
    let init = (jnp::zeros_like(&last), last);
    let (_, advantages) = lax::scan_with(
        body,
        init,
        (steps.value.clone(), steps.done.clone()),
        ScanOptions::new().reverse(true),
    )?;
    Ok(advantages)
}

/// The clipped objective (Schulman et al. 2017, eq. 9), of a batch of steps with their advantages and returns.
fn loss(params: &Params, (steps, advantages, returns): &(Transition, Array, Array)) -> Result<Array> {
    let (logits, values) = nn::apply(params, Mode::eval(), |cx| agent(cx, &steps.observation))?;
    let ratio = jnp::exp(log_prob(&logits, &steps.action) - &steps.log_prob);
    let advantages = (advantages - advantages.mean(..)) / (advantages.std(..) + 1e-8);
    let clipped = ratio.clip(1.0 - CLIP, 1.0 + CLIP) * &advantages;
    let policy = -jnp::minimum(ratio * advantages, clipped).mean(..);
    let value = jnp::square(values - returns).mean(..);
    let entropy = -(nn::softmax(&logits, -1) * nn::log_softmax(&logits, -1)).sum(-1).mean(..);
    Ok(policy + 0.5 * value - 0.01 * entropy)
}

#[derive(Pytree, Clone)]
struct Training {
    params: Params,
    opt: OptState,
    carts: Cart,
}

/// Returns too for how long the carts were balanced with which it was done, and the mean of the losses.
fn iteration(tx: &GradientTransformation, was: Training, key: &Key) -> Result<(Training, (Array, Array))> {
    let [act_key, order_key] = random::split(key);
    let keys = random::split_with(&act_key, SplitOptions::new().num(STEPS));
    let (carts, steps) = lax::scan(|carts, key: Key| act(&was.params, carts, &key), was.carts, keys)?;
    let (_, last) =
        nn::apply(&was.params, Mode::eval(), |cx| Ok(agent(cx, &vmap(Cart::observation)(&carts)?)))?;
    let advantages = advantages(&steps, last)?;
    let ended = steps.done.astype(DType::F32).sum(..);
    let length = steps.length.sum(..) / jnp::maximum(ended, 1.0);

    let n = STEPS * ENVIRONMENTS;
    let returns = &advantages + &steps.value;
    let flat = |x: &Array| x.reshape([&[n], &x.shape()[2..]].concat());
    let all = tree::map(flat, &(steps, advantages, returns));
    let keys = random::split_with(&order_key, SplitOptions::new().num(EPOCHS));
    let orders = vmap(|key: &Key| random::permutation(key, n as i32))(&keys)?;
    let body = |(params, opt): (Params, OptState), rows: Array| -> Result<_> {
        let batch = tree::map(|x| jnp::take(x, &rows, 0), &all);
        let (loss, grads) = value_and_grad(|params: &Params| loss(params, &batch))(&params)?;
        let (updates, opt) = tx.update(&grads, &opt, &params)?;
        Ok(((optim::apply_updates(&params, &updates), opt), loss))
    };
    let batches = orders.reshape([EPOCHS * MINIBATCHES, n / MINIBATCHES]);
    let ((params, opt), losses) = lax::scan(body, (was.params, was.opt), batches)?;
    Ok((Training { params, opt, carts }, (length, losses.mean(..))))
}

/// For how many steps the likelier action balances each of new carts.
fn balanced(params: &Params, carts: Cart) -> Result<Array> {
    let body = |carts: Cart, ()| -> Result<(Cart, ())> {
        let (logits, _) =
            nn::apply(params, Mode::eval(), |cx| Ok(agent(cx, &vmap(Cart::observation)(&carts)?)))?;
        let moved = vmap(Cart::pushed)(&carts, &jnp::argmax(logits, -1))?;
        let fell = carts.fell();
        Ok((tree::map2(|old, new| jnp::where_(&fell, old, new), &carts, &moved), ()))
    };
    let (carts, ()) = lax::scan_with(body, carts, (), ScanOptions::new().length(GOAL))?;
    Ok(carts.steps)
}

fn main() -> Result<()> {
    let [init_key, cart_key, test_key, key] = random::split(&random::key(0));
    let new_carts =
        jit(|key: &Key| vmap(Cart::new)(&random::split_with(key, SplitOptions::new().num(ENVIRONMENTS))));
    let carts = new_carts(&cart_key)?;
    let params = nn::init(&init_key, |cx| agent(cx, &jnp::zeros([1, 4])))?;
    println!("parameters: {}", params.size());
    let tx = optim::chain((optim::clip_by_global_norm(0.5), optim::adam(2.5e-3)));
    let mut training = Training { opt: tx.init(&params)?, params, carts };

    let iteration = jit(move |training: Training, key: &Key| iteration(&tx, training, key));
    for i in 0..ITERATIONS {
        let (length, loss);
        (training, (length, loss)) = iteration(training, &random::fold_in(&key, i))?;
        if i < 2 {
            println!("iteration {i}: poles fell after {length} steps, loss {loss}");
        }
        if i % 10 == 9 {
            eprintln!("iteration {i}: poles fell after {length:.1} steps, loss {loss:.3}");
        }
    }
    let steps = jit(balanced)(&training.params, new_carts(&test_key)?)?;
    let mean = steps.mean(..).item::<f32>()?;
    eprintln!("{ENVIRONMENTS} new poles were balanced for {mean:.1} of {GOAL} steps on average");
    println!("more than 450 of 500 steps: {}", mean > 450.0);
    Ok(())
}
