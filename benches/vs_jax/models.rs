//! Models whose gradients are traced and lowered: ResNet-18 with batch normalisation, and a recurrent network under `scan`.
//! A decoder of twelve layers whose parameters are drawn. `worker.py` has the same in JAX and Flax.

use std::time::{Duration, Instant};

use raxla::nn::{MultiHeadAttentionOptions, Scope};
use raxla::prelude::*;
use raxla::{lax, nn, numpy as jnp, random};

#[derive(Pytree, Clone, Debug)]
pub struct ConvNorm {
    kernel: Array,
    scale: Array,
    shift: Array,
}

#[derive(Pytree, Clone, Debug)]
pub struct Residual {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

#[derive(Pytree, Clone, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Residual>,
    weight: Array,
    bias: Array,
}

const CLASSES: usize = 10;

fn ones(shape: &[usize]) -> Array {
    lax::full(shape, 1.0f32)
}

fn convolution(x: &Array, kernel: &Array, stride: usize) -> Array {
    let options = lax::ConvOptions::new().dimension_numbers(("NHWC", "HWIO", "NHWC"));
    lax::conv_general_dilated(x, kernel, [stride, stride], lax::Padding::Same, options)
}

fn conv_norm(x: &Array, p: &ConvNorm, stride: usize) -> Array {
    let x = convolution(x, &p.kernel, stride);
    let mean = jnp::mean(&x, [0, 1, 2]);
    let var = jnp::mean(jnp::square(&x - &mean), [0, 1, 2]);
    (x - mean) * lax::rsqrt(&(var + 1e-5)) * &p.scale + &p.shift
}

pub fn resnet_loss(p: &ResNet, x: &Array, labels: &Array) -> Array {
    let mut x = nn::relu(conv_norm(x, &p.stem, 1));
    for (i, block) in p.blocks.iter().enumerate() {
        let stride = if block.shortcut.is_some() && i > 0 { 2 } else { 1 };
        let y = nn::relu(conv_norm(&x, &block.first, stride));
        let y = conv_norm(&y, &block.second, 1);
        if let Some(shortcut) = &block.shortcut {
            x = conv_norm(&x, shortcut, stride);
        }
        x = nn::relu(x + y);
    }
    let logits = jnp::matmul(jnp::mean(x, [1, 2]), &p.weight) + &p.bias;
    -jnp::mean(jnp::sum(nn::log_softmax(logits, -1) * labels, -1), ..)
}

pub fn resnet_args() -> (ResNet, Array, Array) {
    let conv_norm = |size, from, to| ConvNorm {
        kernel: ones(&[size, size, from, to]),
        scale: ones(&[to]),
        shift: ones(&[to]),
    };
    let (mut blocks, mut width) = (Vec::new(), 8);
    for stage in 0..4 {
        let to = 8 << stage;
        for block in 0..2 {
            let shortcut = (block == 0 && stage > 0).then(|| conv_norm(1, width, to));
            blocks.push(Residual { first: conv_norm(3, width, to), second: conv_norm(3, to, to), shortcut });
            width = to;
        }
    }
    let (weight, bias) = (ones(&[width, CLASSES]), ones(&[CLASSES]));
    let params = ResNet { stem: conv_norm(3, 3, 8), blocks, weight, bias };
    (params, ones(&[2, 32, 32, 3]), ones(&[2, CLASSES]))
}

#[derive(Pytree, Clone, Debug)]
pub struct Rnn {
    from_input: Array,
    from_state: Array,
    bias: Array,
}

pub fn rnn_loss(p: &Rnn, xs: &Array, ys: &Array) -> Result<Array> {
    let step = |h: Array, x: Array| {
        let h = jnp::tanh(jnp::matmul(x, &p.from_input) + jnp::matmul(h, &p.from_state) + &p.bias);
        (h.clone(), h)
    };
    let (_, hs): (Array, Array) = lax::scan(step, lax::full([8, 32], 0.0f32), xs.clone())?;
    Ok(jnp::mean(jnp::square(hs - ys), ..))
}

pub fn rnn_args() -> (Rnn, Array, Array) {
    let params = Rnn { from_input: ones(&[16, 32]), from_state: ones(&[32, 32]), bias: ones(&[32]) };
    (params, ones(&[20, 8, 16]), ones(&[20, 8, 32]))
}

/// Tokens `i32[batch, t]` to logits.
fn decoder(cx: &Scope, tokens: &Array) -> Array {
    let mut x = nn::embed(&cx.at("token"), tokens, 1000, 256);
    for i in 0..12 {
        let cx = cx.at(format!("block_{i}"));
        let normed = nn::layer_norm(&cx.at("norm1"), &x);
        let causal = MultiHeadAttentionOptions::new().is_causal(true);
        x += nn::multi_head_attention_with(&cx.at("attention"), normed, 4, causal);
        let hidden = nn::gelu(nn::linear(&cx.at("up"), nn::layer_norm(&cx.at("norm2"), &x), 1024));
        x += nn::linear(&cx.at("down"), hidden, 256);
    }
    nn::linear(&cx.at("head"), nn::layer_norm(&cx.at("norm"), x), 1000)
}

/// Times `init` as a program's first: nothing that was compiled before is kept.
pub fn init() -> Box<dyn FnMut(u32) -> Result<Duration>> {
    let tokens = jnp::zeros(([8, 64], DType::I32));
    Box::new(move |iterations| {
        let mut total = Duration::ZERO;
        for _ in 0..iterations {
            raxla::clear_caches();
            let start = Instant::now();
            let params = nn::init(&random::key(0), |cx| decoder(cx, &tokens))?;
            for leaf in tree::leaves(&params) {
                leaf.block_until_ready()?;
            }
            total += start.elapsed();
        }
        Ok(total)
    })
}
