//! Rows for `jax.nn`.

use raxla::{Array, nn};

use crate::case::{Params, Row};
use crate::rows_lax_window::dot_dims;
use crate::rows_numpy::{axes, pair};
use crate::{row, unary_rows};

pub const NN: &[&[Row]] = &[
    unary_rows!("nn." nn: relu relu6 sigmoid softplus soft_sign silu mish log_sigmoid selu hard_tanh hard_sigmoid hard_silu
        sparse_plus sparse_sigmoid log1mexp tanh),
    &[
        row!("nn.elu", |x, p| nn::elu_with(&x[0], nn::EluOptions::new().alpha(p.float("alpha")))),
        row!("nn.celu", |x, p| nn::celu_with(&x[0], nn::EluOptions::new().alpha(p.float("alpha")))),
        row!("nn.leaky_relu", |x, p| nn::leaky_relu_with(
            &x[0],
            nn::LeakyReluOptions::new().negative_slope(p.float("negative_slope"))
        )),
        row!("nn.gelu", |x, p| nn::gelu_with(
            &x[0],
            nn::GeluOptions::new().approximate(p.bool("approximate"))
        )),
        row!("nn.squareplus", |x, p| nn::squareplus_with(&x[0], nn::SquareplusOptions::new().b(p.int("b")))),
        row!("nn.soft_cap", |x, p| nn::soft_cap(&x[0], p.float("cap"))),
        row!("nn.scaled_matmul", |x, p| {
            let mut options = nn::ScaledMatmulOptions::new();
            if let Some(dtype) = p.dtype_or_none("preferred_element_type") {
                options = options.preferred_element_type(dtype);
            }
            nn::scaled_matmul_with(&x[0], &x[1], &x[2], &x[3], options)
        }),
        row!("nn.scaled_dot_general", |x, p| {
            let mut options = nn::ScaledDotGeneralOptions::new();
            if let Some(dtype) = p.dtype_or_none("preferred_element_type") {
                options = options.preferred_element_type(dtype);
            }
            if p.has("mode") {
                let nvfp4 = p.str("mode") == "nvfp4";
                let mode = if nvfp4 { nn::BlockScaleMode::Nvfp4 } else { nn::BlockScaleMode::Mxfp8 };
                let mut config = nn::get_scaled_dot_general_config(mode);
                if let Some(scale) = x.get(2) {
                    config = config.global_scale(scale);
                }
                options = options.configs([config.clone(), config.clone(), config]);
            }
            nn::scaled_dot_general_with(&x[0], &x[1], dot_dims(p), options)
        }),
        row!("nn.glu", |x, p| nn::glu(&x[0], p.int("axis"))),
        row!("nn.softmax", |x, p| match x.get(1) {
            Some(mask) => nn::softmax_with(&x[0], axes(p), nn::SoftmaxOptions::new().where_(mask)),
            None => nn::softmax(&x[0], axes(p)),
        }),
        row!("nn.log_softmax", |x, p| match x.get(1) {
            Some(mask) => nn::log_softmax_with(&x[0], axes(p), nn::SoftmaxOptions::new().where_(mask)),
            None => nn::log_softmax(&x[0], axes(p)),
        }),
        row!("nn.logsumexp", |x, p| {
            match x.len() == 1 && !p.bool("keepdims") {
                true => nn::logsumexp(&x[0], axes(p)),
                false => nn::logsumexp_with(&x[0], axes(p), logsumexp_options(x, p)),
            }
        }),
        row!("nn.logmeanexp", |x, p| {
            let mut options = nn::LogmeanexpOptions::new().keepdims(p.bool("keepdims"));
            if let Some(mask) = x.get(1) {
                options = options.where_(mask);
            }
            match x.len() == 1 && !p.bool("keepdims") {
                true => nn::logmeanexp(&x[0], axes(p)),
                false => nn::logmeanexp_with(&x[0], axes(p), options),
            }
        }),
        row!("nn.standardize", |x, p| match standardize_options(x, p) {
            Some(options) => nn::standardize_with(&x[0], axes(p), options),
            None => nn::standardize(&x[0], axes(p)),
        }),
        row!("nn.one_hot", |x, p| {
            let options = nn::OneHotOptions::new().axis(p.int_or("axis", -1));
            let options = match p.dtype_or_none("dtype") {
                Some(dtype) => options.dtype(dtype),
                None => options,
            };
            nn::one_hot_with(&x[0], p.usize("num_classes"), options)
        }),
        Row {
            name: "nn.logsumexp_sign",
            call: |x, p| pair(nn::logsumexp_with(&x[0], axes(p), logsumexp_options(x, p).return_sign())),
        },
        Row {
            name: "nn.dot_product_attention",
            call: |x, p| {
                let options = attention_options(x, p);
                if p.bool("return_residual") {
                    return pair(nn::dot_product_attention_with(
                        &x[0],
                        &x[1],
                        &x[2],
                        options.return_residual(),
                    ));
                }
                vec![nn::dot_product_attention_with(&x[0], &x[1], &x[2], options)]
            },
        },
    ],
];

/// The mask is the first, the factors the last of the arrays behind the operand.
fn logsumexp_options(x: &[Array], p: &Params) -> nn::LogsumexpOptions {
    let mut options = nn::LogsumexpOptions::new().keepdims(p.bool("keepdims"));
    if p.bool("where") {
        options = options.where_(&x[1]);
    }
    if p.bool("b") {
        options = options.b(&x[x.len() - 1]);
    }
    options
}

/// The arrays behind the first `n`, by the names that the parameter `more` gives them.
fn more<'a>(x: &'a [Array], p: &'a Params, n: usize) -> impl Iterator<Item = (&'a str, &'a Array)> {
    p.strs("more").into_iter().zip(&x[n..])
}

fn standardize_options(x: &[Array], p: &Params) -> Option<nn::StandardizeOptions> {
    if !p.has("more") {
        return None;
    }
    let mut options = nn::StandardizeOptions::new();
    if p.has("epsilon") {
        options = options.epsilon(p.float("epsilon"));
    }
    if p.str("algorithm") == "stable" {
        options = options.algorithm(nn::VarianceAlgorithm::Stable);
    }
    Some(more(x, p, 1).fold(options, |options, (name, array)| match name {
        "where" => options.where_(array),
        "mean" => options.mean(array),
        "variance" => options.variance(array),
        other => panic!("no option {other}"),
    }))
}

fn attention_options(x: &[Array], p: &Params) -> nn::DotProductAttentionOptions {
    let mut options = nn::DotProductAttentionOptions::new().is_causal(p.bool("is_causal"));
    if p.has("scale") {
        options = options.scale(p.float("scale"));
    }
    if p.has("local_window_size") {
        options = options.local_window_size(p.ints("local_window_size"));
    }
    more(x, p, 3).fold(options, |options, (name, array)| match name {
        "bias" => options.bias(array),
        "mask" => options.mask(array),
        "query_seq_lengths" => options.query_seq_lengths(array),
        "key_value_seq_lengths" => options.key_value_seq_lengths(array),
        other => panic!("no option {other}"),
    })
}
