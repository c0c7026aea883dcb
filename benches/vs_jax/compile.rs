//! How long XLA compiles what raxla sends it: the gradient step of a small transformer, with and without dropout.

use std::time::{Duration, Instant};

use raxla::prelude::*;
use raxla::{numpy as jnp, random};

use crate::{Block, WIDTH, norm, softmax, transformer_args};

const LAYERS: usize = 4;

fn dropout(key: &Key, x: Array) -> Array {
    let keep = random::bernoulli(key, 0.9, x.shape());
    jnp::where_(keep, x / 0.9, 0.0)
}

fn loss(blocks: &[Block], x: &Array, key: &Key, drops: bool) -> Array {
    let mut key = key.clone();
    let mut x = x.clone();
    for p in blocks {
        let [next, first, second] = random::split(&key);
        key = next;
        let h = norm(&x, &p.scale1, &p.shift1);
        let (q, k, v) = (jnp::matmul(&h, &p.q), jnp::matmul(&h, &p.k), jnp::matmul(&h, &p.v));
        let a = softmax(&(jnp::matmul(q, jnp::transpose(k, ..)) * (WIDTH as f64).powf(-0.5)));
        let a = jnp::matmul(jnp::matmul(a, v), &p.o);
        x += if drops { dropout(&first, a) } else { a };
        let h = norm(&x, &p.scale2, &p.shift2);
        let h = jnp::tanh(jnp::matmul(h, &p.up) + &p.up_bias);
        let h = jnp::matmul(h, &p.down) + &p.down_bias;
        x += if drops { dropout(&second, h) } else { h };
    }
    jnp::mean(jnp::square(x), ..)
}

/// Times `compile` alone. The closure captures, so that each is a new function and nothing is cached.
pub fn case(drops: bool) -> Box<dyn FnMut(u32) -> Result<Duration>> {
    Box::new(move |iterations| {
        let (mut blocks, x) = transformer_args();
        blocks.truncate(LAYERS);
        let key = random::key(0);
        let mut total = Duration::ZERO;
        for i in 0..iterations {
            let step = jit(move |blocks: &Vec<Block>, x: &Array, key: &Key| -> Result<Vec<Block>> {
                std::hint::black_box(i);
                let grads = grad(|blocks: &Vec<Block>| loss(blocks, x, key, drops))(blocks)?;
                Ok(tree::map2(|p, g| p - 0.01 * g, blocks, &grads))
            });
            let lowered = step.lower()(&blocks, &x, &key)?;
            let start = Instant::now();
            std::hint::black_box(lowered.compile()?);
            total += start.elapsed();
        }
        Ok(total)
    })
}
