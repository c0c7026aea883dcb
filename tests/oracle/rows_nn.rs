//! Rows for `jax.nn`.

use raxla::nn;

use crate::case::Row;
use crate::rows_numpy::axes;
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
        row!("nn.glu", |x, p| nn::glu(&x[0], p.int("axis"))),
        row!("nn.softmax", |x, p| nn::softmax(&x[0], axes(p))),
        row!("nn.log_softmax", |x, p| nn::log_softmax(&x[0], axes(p))),
        row!("nn.logsumexp", |x, p| {
            let mut options = nn::LogsumexpOptions::new().keepdims(p.bool("keepdims"));
            if p.bool("where") {
                options = options.where_(&x[1]);
            }
            if p.bool("b") {
                options = options.b(&x[1]);
            }
            match x.len() == 1 && !p.bool("keepdims") {
                true => nn::logsumexp(&x[0], axes(p)),
                false => nn::logsumexp_with(&x[0], axes(p), options),
            }
        }),
        row!("nn.logmeanexp", |x, p| nn::logmeanexp(&x[0], axes(p))),
        row!("nn.standardize", |x, p| nn::standardize(&x[0], axes(p))),
        row!("nn.one_hot", |x, p| {
            let options = nn::OneHotOptions::new().axis(p.int_or("axis", -1));
            let options = match p.dtype_or_none("dtype") {
                Some(dtype) => options.dtype(dtype),
                None => options,
            };
            nn::one_hot_with(&x[0], p.usize("num_classes"), options)
        }),
        row!("nn.dot_product_attention", |x, p| {
            let options = nn::DotProductAttentionOptions::new().is_causal(p.bool("is_causal"));
            nn::dot_product_attention_with(&x[0], &x[1], &x[2], options)
        }),
    ],
];
