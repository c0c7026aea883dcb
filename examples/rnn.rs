//! A recurrent network that reads digits row by row, once from above and once from below: a GRU along sequences, Adam with clipping, and an
//! epoch as one compiled loop.
//!
//! `cargo run --release -p raxla-examples --example rnn`. The same program in JAX, Flax and Optax is `tests/oracle/examples/rnn.py`.

use raxla::nn::{self, Mode, Params, Scope};
use raxla::optim::{self, GradientTransformation, OptState};
use raxla::prelude::*;
use raxla::random::{self, Key};
use raxla::{io, lax, numpy as jnp};

const FEATURES: usize = 64;
const BATCH: usize = 64;
const TEST: usize = 297;
const EPOCHS: i32 = 15;

/// Images `f32[n,8,8]`, sequences of eight rows, to the logits `f32[n,10]`.
fn model(cx: &Scope, images: &Array) -> Array {
    let ((down, up), _) = nn::bidirectional(&cx.at("rows"), images, FEATURES, nn::gru_cell);
    nn::linear(&cx.at("head"), jnp::concatenate([down, up], -1), 10)
}

#[derive(Pytree, Clone)]
struct Training {
    params: Params,
    opt: OptState,
}

fn step(
    tx: &GradientTransformation,
    was: Training,
    images: &Array,
    labels: &Array,
) -> Result<(Training, Array)> {
    let loss = |params: &Params| -> Result<Array> {
        let logits = nn::apply(params, Mode::train(), |cx| model(cx, images))?;
        Ok(optim::softmax_cross_entropy_with_integer_labels(&logits, labels).mean(..))
    };
    let (loss, grads) = value_and_grad(loss)(&was.params)?;
    let (updates, opt) = tx.update(&grads, &was.opt, &was.params)?;
    Ok((Training { params: optim::apply_updates(&was.params, &updates), opt }, loss))
}

fn main() -> Result<()> {
    let data = io::load_named(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.safetensors"))?;
    // In an order of chance, since the last hundreds were written by other people than the first.
    let order = random::permutation(&random::key(1), data["labels"].size() as i32);
    let images = jnp::take(&data["images"], &order, 0).astype(DType::F32) / 16.0;
    let labels = jnp::take(&data["labels"], &order, 0).astype(DType::I32);
    let n = images.shape()[0] - TEST;
    let (train_x, train_y) = (images.index(..n as i64), labels.index(..n as i64));
    let (test_x, test_y) = (images.index(n as i64..), labels.index(n as i64..));

    let [init_key, key] = random::split(&random::key(0));
    let params = nn::init(&init_key, |cx| model(cx, &train_x))?;
    println!("parameters: {}", params.size());
    let batches = n / BATCH;
    let rate = optim::cosine_decay_schedule(1e-2, i64::from(EPOCHS) * batches as i64);
    // What a loop multiplies by the same matrix again and again may grow out of all bounds, and so may its gradient.
    let tx = optim::chain((optim::clip_by_global_norm(1.0), optim::adam(rate)));
    let mut training = Training { opt: tx.init(&params)?, params };

    let epoch =
        jit(move |training: Training, key: &Key, x: &Array, y: &Array| -> Result<(Training, Array)> {
            let order =
                random::permutation(key, n).index(..(batches * BATCH) as i64).reshape([batches, BATCH]);
            let body = |training: Training, rows: Array| {
                step(&tx, training, &jnp::take(x, &rows, 0), &jnp::take(y, &rows, 0))
            };
            lax::scan(body, training, order)
        });
    let accuracy = jit(|params: &Params, x: &Array, y: &Array| -> Result<Array> {
        let logits = nn::apply(params, Mode::eval(), |cx| model(cx, x))?;
        Ok(jnp::mean(jnp::equal(jnp::argmax(logits, -1), y), ..))
    });
    for i in 0..EPOCHS {
        let losses;
        (training, losses) = epoch(training, &random::fold_in(&key, i), &train_x, &train_y)?;
        if i == 0 {
            let losses = losses.to_vec::<f32>()?;
            losses.iter().take(8).zip(1..).for_each(|(loss, step)| println!("loss of step {step}: {loss}"));
        }
        let right = accuracy(&training.params, &test_x, &test_y)?.item::<f32>()?;
        eprintln!("epoch {i}: loss {:.4}, held-out images read: {right:.4}", losses.mean(..));
    }
    let right = accuracy(&training.params, &test_x, &test_y)?.item::<f32>()?;
    println!("more than 96 of 100 held-out images read: {}", right > 0.96);
    Ok(())
}
