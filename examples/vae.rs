//! A variational autoencoder that learns to draw digits: an encoder and a decoder as functions of a scope, and codes that are drawn such that
//! the loss can be differentiated. Kingma and Welling 2013, <https://arxiv.org/abs/1312.6114>.
//!
//! `cargo run --release -p raxla-examples --example vae` writes what it draws to `vae.png`. The same program in JAX, Flax and Optax is
//! `tests/oracle/examples/vae.py`.

use raxla::nn::{self, Mode, Params, Scope};
use raxla::optim::{self, GradientTransformation, OptState};
use raxla::prelude::*;
use raxla::random::{self, Key, SplitOptions};
use raxla::train::{self, SaveImageOptions};
use raxla::{io, lax, numpy as jnp};

const HIDDEN: usize = 256;
const LATENT: usize = 6;
/// The standard deviation of a pixel, of which 0 is black and 1 is white, around what the decoder says.
const SIGMA: f64 = 0.25;
const BATCH: usize = 64;
const TEST: usize = 297;
const EPOCHS: i32 = 100;
const FILE: &str = "vae.png";

fn hidden(cx: &Scope, x: &Array) -> Array {
    let x = nn::gelu(nn::linear(&cx.at("fc1"), x, HIDDEN));
    nn::gelu(nn::linear(&cx.at("fc2"), x, HIDDEN))
}

/// Images `f32[n,8,8]` to what is believed of their codes, the means and the logarithms of the variances, `f32[n,LATENT]` each.
fn encode(cx: &Scope, images: &Array) -> (Array, Array) {
    let x = hidden(cx, &images.reshape([images.shape()[0] as i64, -1]));
    (nn::linear(&cx.at("mean"), &x, LATENT), nn::linear(&cx.at("log_variance"), &x, LATENT))
}

/// Codes `f32[n,LATENT]` to images `f32[n,8,8]`.
fn decode(cx: &Scope, codes: &Array) -> Array {
    nn::sigmoid(nn::linear(&cx.at("pixels"), hidden(cx, codes), 64)).reshape([-1, 8, 8])
}

/// What an image costs, in nats: a bound of its negative log-likelihood, less what does not depend on the parameters.
fn loss(cx: &Scope, images: &Array) -> Array {
    let (mean, log_variance) = encode(&cx.at("encoder"), images);
    // The noise does not depend on the parameters, so that what is drawn by it has derivatives with respect to them.
    let noise = random::normal(&cx.at("noise").key(), mean.shape());
    let codes = &mean + jnp::exp(&log_variance / 2) * noise;
    let pixels = decode(&cx.at("decoder"), &codes);
    let error = (optim::l2_loss(pixels, images) / (SIGMA * SIGMA)).sum([1, 2]);
    // From a normal distribution to the standard one. Kingma and Welling 2013, appendix B.
    let divergence = (&mean * &mean + jnp::exp(&log_variance) - log_variance - 1).sum(-1) / 2;
    (error + divergence).mean(..)
}

#[derive(Pytree, Clone)]
struct Training {
    params: Params,
    opt: OptState,
}

fn step(tx: &GradientTransformation, was: Training, key: &Key, images: &Array) -> Result<(Training, Array)> {
    let loss = |params: &Params| nn::apply(params, Mode::train().key(key), |cx| loss(cx, images));
    let (loss, grads) = value_and_grad(loss)(&was.params)?;
    let (updates, opt) = tx.update(&grads, &was.opt, &was.params)?;
    Ok((Training { params: optim::apply_updates(&was.params, &updates), opt }, loss))
}

fn main() -> Result<()> {
    let data = io::load_named(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.safetensors"))?;
    // In an order of chance, since the last hundreds were written by other people than the first.
    let order = random::permutation(&random::key(1), data["images"].shape()[0] as i32);
    let images = jnp::take(&data["images"], &order, 0).astype(DType::F32) / 16.0;
    let n = images.shape()[0] - TEST;
    let (train, test) = (images.index(..n as i64), images.index(n as i64..));

    let [init_key, key] = random::split(&random::key(0));
    let params = nn::init(&init_key, |cx| loss(cx, &train))?;
    println!("parameters: {}", params.size());
    let batches = n / BATCH;
    let tx = optim::adam(optim::cosine_decay_schedule(3e-3, i64::from(EPOCHS) * batches as i64));
    let mut training = Training { opt: tx.init(&params)?, params };

    let epoch = jit(move |training: Training, key: &Key, images: &Array| -> Result<(Training, Array)> {
        let [order_key, step_key] = random::split(key);
        let order =
            random::permutation(&order_key, n).index(..(batches * BATCH) as i64).reshape([batches, BATCH]);
        let keys = random::split_with(&step_key, SplitOptions::new().num(batches));
        let body = |training: Training, (rows, key): (Array, Key)| {
            step(&tx, training, &key, &jnp::take(images, &rows, 0))
        };
        lax::scan(body, training, (order, keys))
    });
    let evaluate = jit(|params: &Params, images: &Array, key: &Key| {
        nn::apply(params, Mode::eval().key(key), |cx| loss(cx, images))
    });
    for i in 0..EPOCHS {
        let losses;
        (training, losses) = epoch(training, &random::fold_in(&key, i), &train)?;
        if i == 0 {
            let losses = losses.to_vec::<f32>()?;
            losses.iter().take(8).zip(1..).for_each(|(loss, step)| println!("loss of step {step}: {loss}"));
        }
        if (i + 1) % 20 == 0 {
            let test_loss = evaluate(&training.params, &test, &key)?;
            eprintln!("epoch {i}: {:.2} nats an image, {test_loss:.2} a held-out one", losses.mean(..));
        }
    }
    let test_loss = evaluate(&training.params, &test, &key)?.item::<f32>()?;
    println!("a held-out image costs less than 17 nats: {}", test_loss < 17.0);

    // Codes that no image was encoded to. The decoder alone reads them, by its own part of the parameters.
    let codes = random::normal(&random::key(2), [64, LATENT]);
    let drawn = nn::apply(&training.params.at("decoder"), Mode::eval(), |cx| decode(cx, &codes))?;
    train::save_image_with(FILE, drawn, SaveImageOptions::new().scale(8).padding(8))?;
    eprintln!("wrote {FILE}");
    Ok(())
}
