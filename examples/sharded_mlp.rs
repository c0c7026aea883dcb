//! A multilayer perceptron that reads digits, trained on eight devices: by data parallelism, each device having a part of every batch; by tensor
//! parallelism, each having a part of the weights; and by both. The program is the same, and so are the losses: only the mesh differs.
//!
//! `cargo run --release -p raxla-examples --example sharded_mlp`; with `RAXLA_PLATFORMS=cpu` where there are GPUs, but fewer than eight. The
//! same program in JAX is `tests/oracle/examples/sharded_mlp.py`.

use std::collections::BTreeMap;

use raxla::prelude::*;
use raxla::sharding::{Mesh, Sharding};
use raxla::{P, config, debug, device_put, io, make_mesh, nn, numpy as jnp, optim, random, tree};

const HIDDEN: usize = 32;
const BATCH: usize = 128;
const BATCHES: usize = 12;
const STEPS: usize = 240;

#[derive(Pytree, Clone)]
struct Params {
    weight1: Array,
    bias1: Array,
    weight2: Array,
    bias2: Array,
}

fn init(key: &Key) -> Params {
    let [key1, key2] = random::split(key);
    Params {
        weight1: random::normal(&key1, [64, HIDDEN]) / 8.0,
        bias1: jnp::zeros([HIDDEN]),
        weight2: random::normal(&key2, [HIDDEN, 10]) / 8.0,
        bias2: jnp::zeros([10]),
    }
}

/// Images `f32[n,64]` to the logits `f32[n,10]`.
fn model(params: &Params, images: &Array) -> Array {
    let hidden = nn::relu(jnp::matmul(images, &params.weight1) + &params.bias1);
    jnp::matmul(hidden, &params.weight2) + &params.bias2
}

fn step(params: Params, images: &Array, labels: &Array) -> Result<(Params, Array)> {
    let loss = |params: &Params| {
        optim::softmax_cross_entropy_with_integer_labels(model(params, images), labels).mean(..)
    };
    let (loss, grads) = value_and_grad(loss)(&params)?;
    Ok((tree::map2(|p, g| p - g * 0.2, &params, &grads), loss))
}

/// Hidden features are along the axis `model`: of the first layer each device has columns, of the second the rows for them.
fn cut(mesh: &Mesh, params: Params) -> Params {
    let put = |x: Array, sharding: Sharding| device_put(&x, sharding);
    Params {
        weight1: put(params.weight1, mesh.sharding(P![None, "model"])),
        bias1: put(params.bias1, mesh.sharding(P!["model"])),
        weight2: put(params.weight2, mesh.sharding(P!["model"])),
        bias2: put(params.bias2, mesh.sharding(P![])),
    }
}

fn describe(name: &str, x: &Array) -> Result<()> {
    let sharding = x.sharding()?;
    let spec = sharding.spec().map(ToString::to_string).unwrap_or_default();
    println!("{name}: {:?} as {spec} is {:?} on each device", x.shape(), sharding.shard_shape(x.shape())?);
    Ok(())
}

fn train(name: &str, mesh: &Mesh, images: &Array, labels: &Array) -> Result<()> {
    println!("{name}: {mesh}");
    let mut params = cut(mesh, init(&random::key(0)));
    let rows = mesh.sharding(P!["data"]);
    let part = |x: &Array, i: usize| device_put(&x.index((i * BATCH) as i64..((i + 1) * BATCH) as i64), rows);
    let batches: Vec<(Array, Array)> = (0..BATCHES).map(|i| (part(images, i), part(labels, i))).collect();
    describe("weight1", &params.weight1)?;
    describe("bias1", &params.bias1)?;
    describe("weight2", &params.weight2)?;
    describe("bias2", &params.bias2)?;
    describe("images", &batches[0].0)?;
    debug::visualize_array_sharding(&params.weight1);

    let step = jit(step);
    for i in 0..STEPS {
        let (images, labels) = &batches[i % BATCHES];
        let loss;
        (params, loss) = step(params, images, labels)?;
        // Devices of the CPU are threads of one pool, in which programs that begin before the last has ended may wait for each other
        // for ever, in JAX as here.
        params.weight1.block_until_ready()?;
        if i % 40 == 0 {
            println!("loss of step {i}: {loss:.4}");
        }
    }
    // XLA has left the parameters where they were.
    let part = params.weight1.sharding()?.shard_shape(params.weight1.shape())?;
    println!("after {STEPS} steps weight1 is {part:?} on each device");
    let held_out = (BATCH * BATCHES) as i64..;
    let accuracy = jit(|params: &Params, images: &Array, labels: &Array| {
        jnp::mean(jnp::equal(jnp::argmax(model(params, images), -1), labels), ..)
    });
    let right = accuracy(&params, &images.index(held_out.clone()), &labels.index(held_out))?.item::<f32>()?;
    eprintln!("held-out images read: {right:.4}");
    println!("more than 90 of 100 held-out images read: {}", right > 0.9);
    Ok(())
}

fn main() -> Result<()> {
    config::set_num_cpu_devices(8)?;
    let data: BTreeMap<String, Array> =
        io::load_named(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.safetensors"))?;
    // In an order of chance, since the last hundreds were written by other people than the first.
    let order = random::permutation(&random::key(1), data["labels"].size() as i32);
    let images = jnp::take(&data["images"], &order, 0).astype(DType::F32).reshape([-1, 64]) / 16.0;
    let labels = jnp::take(&data["labels"], &order, 0).astype(DType::I32);

    train("data parallel", &make_mesh([8, 1], ["data", "model"])?, &images, &labels)?;
    train("tensor parallel", &make_mesh([1, 8], ["data", "model"])?, &images, &labels)?;
    train("both", &make_mesh([4, 2], ["data", "model"])?, &images, &labels)
}
