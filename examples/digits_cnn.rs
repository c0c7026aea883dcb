//! A convolutional network with BatchNorm that reads digits: layers, an optimiser, random augmentation, an epoch as one compiled loop, and
//! the trained model kept in a file.
//!
//! `cargo run --release -p raxla-examples --example digits_cnn`. The same program in JAX, Flax and Optax is `tests/oracle/examples/digits_cnn.py`.

use raxla::nn::{self, BatchNormOptions, Mode, Params, Scope, State};
use raxla::optim::{self, GradientTransformation, OptState};
use raxla::prelude::*;
use raxla::random::{self, Key, SplitOptions};
use raxla::{io, lax, numpy as jnp};

const BATCH: usize = 64;
const TEST: usize = 297;
const FILE: &str = "digits_cnn.safetensors";
const EPOCHS: i32 = 12;

fn norm() -> BatchNormOptions {
    BatchNormOptions::new().momentum(0.9)
}

/// `f32[n,8,8,1]` to the logits `f32[n,10]`.
fn model(cx: &Scope, images: &Array) -> Array {
    let block = |name: &str, x: Array, features: usize| {
        let cx = cx.at(name);
        nn::relu(nn::batch_norm_with(&cx.at("norm"), nn::conv(&cx.at("conv"), x, features, (3, 3)), norm()))
    };
    let x = block("block1", images.clone(), 16);
    let x = nn::max_pool_with(block("block2", x, 32), (2, 2), nn::PoolOptions::new().strides((2, 2)));
    let x = x.reshape([images.shape()[0] as i64, -1]);
    nn::linear(&cx.at("head"), nn::dropout(&cx.at("dropout"), x, 0.2), 10)
}

#[derive(Pytree, Clone)]
pub struct Training {
    params: Params,
    state: State,
    opt: OptState,
}

/// The optimiser, and where a run over these images begins.
pub fn begin(key: &Key, images: &Array) -> Result<(GradientTransformation, Training)> {
    let (params, state) = nn::init_with_state(key, |cx| model(cx, images))?;
    let steps = i64::from(EPOCHS) * (images.shape()[0] / BATCH) as i64;
    let tx = optim::adam(optim::cosine_decay_schedule(5e-3, steps));
    Ok((tx.clone(), Training { opt: tx.init(&params)?, params, state }))
}

/// Each image moved by up to one pixel, in a direction of its own.
fn moved(key: &Key, images: &Array) -> Result<Array> {
    let n = images.shape()[0];
    let by = random::randint(key, [n, 2], 0, 3);
    let padded = jnp::pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)]);
    let crop = |image: &Array, by: &Array| {
        lax::dynamic_slice(image, &[by.index(0), by.index(1), 0.into()], [8, 8, 1])
    };
    vmap(crop)(&padded, &by)
}

fn step(
    tx: &GradientTransformation,
    was: Training,
    key: &Key,
    images: &Array,
    labels: &Array,
) -> Result<(Training, Array)> {
    let [move_key, dropout_key] = random::split(key);
    let images = moved(&move_key, images)?;
    let loss = |params: &Params| -> Result<(Array, State)> {
        let mode = Mode::train().key(&dropout_key);
        let (logits, state) = nn::apply((params, &was.state), mode, |cx| model(cx, &images))?;
        Ok((optim::softmax_cross_entropy_with_integer_labels(&logits, labels).mean(..), state))
    };
    let ((loss, state), grads) = value_and_grad_with(loss, GradOptions::new().has_aux())(&was.params)?;
    let (updates, opt) = tx.update(&grads, &was.opt, &was.params)?;
    Ok((Training { params: optim::apply_updates(&was.params, &updates), state, opt }, loss))
}

/// A step for each batch, in an order of chance, with the loss of each.
pub fn epoch(
    tx: &GradientTransformation,
    was: Training,
    key: &Key,
    images: &Array,
    labels: &Array,
) -> Result<(Training, Array)> {
    let (n, batches) = (images.shape()[0], images.shape()[0] / BATCH);
    let [order_key, step_key] = random::split(key);
    let order =
        random::permutation(&order_key, n).index(..(batches * BATCH) as i64).reshape([batches, BATCH]);
    let keys = random::split_with(&step_key, SplitOptions::new().num(batches));
    let body = |training: Training, (rows, key): (Array, Key)| {
        step(tx, training, &key, &jnp::take(images, &rows, 0), &jnp::take(labels, &rows, 0))
    };
    lax::scan(body, was, (order, keys))
}

fn main() -> Result<()> {
    let data = io::load_named(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.safetensors"))?;
    // In an order of chance, since the last hundreds were written by other people than the first.
    let order = random::permutation(&random::key(1), data["labels"].size() as i32);
    let images = jnp::take(&data["images"], &order, 0).astype(DType::F32).reshape([-1, 8, 8, 1]) / 16.0;
    let labels = jnp::take(&data["labels"], &order, 0).astype(DType::I32);
    let n = images.shape()[0] - TEST;
    let (train_x, train_y) = (images.index(..n as i64), labels.index(..n as i64));
    let (test_x, test_y) = (images.index(n as i64..), labels.index(n as i64..));

    let table = nn::tabulate(|cx| model(cx, &train_x))?;
    eprintln!("{table}");
    println!("parameters: {}", table.parameter_count());
    let [init_key, key] = random::split(&random::key(0));
    let (tx, mut training) = begin(&init_key, &train_x)?;
    let epoch =
        jit(move |training: Training, key: &Key, x: &Array, y: &Array| epoch(&tx, training, key, x, y));
    let accuracy = jit(|params: &Params, state: &State, x: &Array, y: &Array| -> Result<Array> {
        let (logits, _) = nn::apply((params, state), Mode::eval(), |cx| model(cx, x))?;
        Ok(jnp::mean(jnp::equal(jnp::argmax(logits, -1), y), ..))
    });
    for i in 0..EPOCHS {
        let losses;
        (training, losses) = epoch(training, &random::fold_in(&key, i), &train_x, &train_y)?;
        if i == 0 {
            let losses = losses.to_vec::<f32>()?;
            losses.iter().take(8).zip(1..).for_each(|(loss, step)| println!("loss of step {step}: {loss}"));
        }
        let right = accuracy(&training.params, &training.state, &test_x, &test_y)?.item::<f32>()?;
        eprintln!("epoch {i}: loss {:.4}, held-out images read: {right:.4}", losses.mean(..));
    }
    let trained = (training.params, training.state);
    io::save(FILE, &trained)?;

    // What another program does that has the file. Of `trained` it needs shapes alone.
    let (params, state) = io::load(FILE, &trained)?;
    let right = accuracy(&params, &state, &test_x, &test_y)?.item::<f32>()?;
    println!("more than 98 of 100 held-out images read: {}", right > 0.98);
    Ok(())
}
