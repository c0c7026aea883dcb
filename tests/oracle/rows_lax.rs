//! Rows for `jax.lax`.

use raxla::lax::{AccuracyMode, Tolerance};
use raxla::{Array, DType, lax};

use crate::case::{Params, Row};
use crate::{binary_rows, row, unary_rows};

/// Rows of functions with an option `accuracy`.
macro_rules! accurate_rows {
    ($($name:ident $with:ident)*) => {
        &[$(Row {
            name: concat!("lax.", stringify!($name)),
            call: |x, p| vec![match p.has("accuracy") {
                true => lax::$with(&x[0], lax::AccuracyOptions::new().accuracy(accuracy(p))),
                false => lax::$name(&x[0]),
            }],
        }),*]
    };
}

/// A mode, or a list of `atol`, `rtol` and `ulps`.
fn accuracy(p: &Params) -> AccuracyMode {
    match p.str("accuracy") {
        "HIGHEST" => AccuracyMode::Highest,
        "DEFAULT" => AccuracyMode::Default,
        _ => {
            let bound = |i: usize| p.get("accuracy")[i].as_f64().unwrap();
            Tolerance::new().atol(bound(0)).rtol(bound(1)).ulps(bound(2) as u32).into()
        }
    }
}

pub const ELEMENTWISE: &[&[Row]] = &[
    unary_rows!("lax." lax: neg abs sign square asin acos atan sinh cosh asinh acosh atanh floor ceil is_finite erf erfc erf_inv lgamma digamma population_count clz bitwise_not
        real imag conj),
    binary_rows!("lax." lax: add sub div rem max min eq ne lt le gt ge bitwise_and bitwise_or bitwise_xor shift_left
        shift_right_logical shift_right_arithmetic pow atan2 nextafter complex),
    accurate_rows!(exp exp_with exp2 exp2_with expm1 expm1_with log log_with log1p log1p_with logistic logistic_with
        sin sin_with cos cos_with tan tan_with tanh tanh_with sqrt sqrt_with rsqrt rsqrt_with cbrt cbrt_with),
    &[
        row!("lax.mul", |x, p| match p.dtype_or_none("out_dtype") {
            Some(dtype) => lax::mul_with(&x[0], &x[1], lax::MulOptions::new().out_dtype(dtype)),
            None => lax::mul(&x[0], &x[1]),
        }),
        row!("lax.round", |x, p| match p.int("rounding_method") {
            0 => lax::round(&x[0]),
            _ => lax::round_with(
                &x[0],
                lax::RoundOptions::new().rounding_method(lax::RoundingMethod::ToNearestEven)
            ),
        }),
        row!("lax.integer_pow", |x, p| lax::integer_pow(&x[0], p.int("y"))),
        row!("lax.clamp", |x, _| lax::clamp(&x[0], &x[1], &x[2])),
        row!("lax.select_n", |x, _| lax::select_n(&x[0], &x[1..])),
        row!("lax.bitcast_convert_type", |x, p| lax::bitcast_convert_type(&x[0], p.dtype("new_dtype"))),
        row!("lax.convert_element_type", |x, p| lax::convert_element_type(&x[0], p.dtype("new_dtype"))),
    ],
];

/// The shape that `shapes` broadcast to, as an array.
pub fn broadcast_shapes(p: &Params, f: fn(Vec<Vec<i64>>) -> Vec<usize>) -> Array {
    let shape = f(p.lists("shapes"));
    Array::from(shape.into_iter().map(|n| n as i32).collect::<Vec<_>>())
}

pub const SHAPE: &[&[Row]] = &[&[
    row!("lax.reshape", |x, p| match p.has("dimensions") {
        false => lax::reshape(&x[0], p.ints("new_sizes")),
        true => {
            let options = lax::ReshapeOptions::new().dimensions(p.ints("dimensions"));
            lax::reshape_with(&x[0], p.ints("new_sizes"), options)
        }
    }),
    row!("lax.transpose", |x, p| lax::transpose(&x[0], p.ints("permutation"))),
    row!("lax.broadcast_in_dim", |x, p| lax::broadcast_in_dim(
        &x[0],
        p.ints("shape"),
        p.ints("broadcast_dimensions")
    )),
    row!("lax.tile", |x, p| lax::tile(&x[0], p.ints("reps"))),
    row!("lax.empty", |_, p| lax::empty((p.ints("shape"), p.dtype("dtype")))),
    row!("lax.broadcast_shapes", |_, p| broadcast_shapes(p, |s| lax::broadcast_shapes(s))),
    row!("lax.rev", |x, p| lax::rev(&x[0], p.ints("dimensions"))),
    row!("lax.concatenate", |x, p| lax::concatenate(x, p.int("dimension"))),
    row!("lax.slice", |x, p| lax::slice_with(
        &x[0],
        p.ints("start_indices"),
        p.ints("limit_indices"),
        lax::SliceOptions::new().strides(p.ints("strides"))
    )),
    row!("lax.pad", |x, p| {
        let config: Vec<(i64, i64, i64)> =
            p.lists("padding_config").iter().map(|c| (c[0], c[1], c[2])).collect();
        lax::pad(&x[0], &x[1], &config)
    }),
    row!("lax.expand_dims", |x, p| lax::expand_dims(&x[0], p.ints("dimensions"))),
    row!("lax.squeeze", |x, p| lax::squeeze(&x[0], p.ints("dimensions"))),
    row!("lax.iota", |_, p| lax::iota(p.dtype("dtype"), p.usize("size"))),
    row!("lax.reduce_sum", |x, p| lax::reduce_sum(&x[0], p.ints("axes"))),
    row!("lax.reduce_prod", |x, p| lax::reduce_prod(&x[0], p.ints("axes"))),
    row!("lax.reduce_max", |x, p| lax::reduce_max(&x[0], p.ints("axes"))),
    row!("lax.reduce_min", |x, p| lax::reduce_min(&x[0], p.ints("axes"))),
    row!("lax.reduce_and", |x, p| lax::reduce_and(&x[0], p.ints("axes"))),
    row!("lax.reduce_or", |x, p| lax::reduce_or(&x[0], p.ints("axes"))),
    row!("lax.argmax", |x, p| lax::argmax_with(
        &x[0],
        p.int("axis"),
        lax::ArgOptions::new().index_dtype(DType::I32)
    )),
    row!("lax.argmin", |x, p| lax::argmin_with(
        &x[0],
        p.int("axis"),
        lax::ArgOptions::new().index_dtype(DType::I32)
    )),
    row!("lax.dot_general", |x, p| {
        let (over, batch) = (p.lists("over"), p.lists("batch"));
        let numbers = ((&over[0], &over[1]), (&batch[0], &batch[1]));
        match p.dtype_or_none("preferred_element_type") {
            None => lax::dot_general(&x[0], &x[1], numbers),
            Some(dtype) => {
                let options = lax::DotOptions::new().preferred_element_type(dtype);
                lax::dot_general_with(&x[0], &x[1], numbers, options)
            }
        }
    }),
]];
