//! Rows for `jax.lax`.

use raxla::{Array, DType, lax};

use crate::case::{Params, Row};
use crate::{binary_rows, row, unary_rows};

pub const ELEMENTWISE: &[&[Row]] = &[
    unary_rows!("lax." lax: neg abs sign square sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp exp2 expm1 log
        log1p logistic sqrt rsqrt cbrt floor ceil is_finite erf erfc erf_inv lgamma digamma population_count clz bitwise_not
        real imag conj),
    binary_rows!("lax." lax: add sub mul div rem max min eq ne lt le gt ge bitwise_and bitwise_or bitwise_xor shift_left
        shift_right_logical shift_right_arithmetic pow atan2 nextafter complex),
    &[
        row!("lax.round", |x, p| lax::round(
            &x[0],
            match p.int("rounding_method") {
                0 => lax::RoundingMethod::AwayFromZero,
                _ => lax::RoundingMethod::ToNearestEven,
            }
        )),
        row!("lax.integer_pow", |x, p| lax::integer_pow(&x[0], p.int("y"))),
        row!("lax.clamp", |x, _| lax::clamp(&x[0], &x[1], &x[2])),
        row!("lax.select_n", |x, _| lax::select_n(&x[0], &x[1..].iter().collect::<Vec<_>>())),
        row!("lax.bitcast_convert_type", |x, p| lax::bitcast_convert_type(&x[0], p.dtype("new_dtype"))),
        row!("lax.convert_element_type", |x, p| lax::convert_element_type(&x[0], p.dtype("new_dtype"))),
    ],
];

/// The shape that `shapes` broadcast to, as an array.
pub fn broadcast_shapes(p: &Params, f: fn(&[&[usize]]) -> raxla::Result<Vec<usize>>) -> Array {
    let shapes: Vec<Vec<usize>> =
        p.lists("shapes").into_iter().map(|s| s.into_iter().map(|n| n as usize).collect()).collect();
    let shape = f(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    Array::from(shape.into_iter().map(|n| n as i32).collect::<Vec<_>>())
}

pub const SHAPE: &[&[Row]] = &[&[
    row!("lax.reshape", |x, p| lax::reshape(&x[0], &p.usizes("new_sizes"))),
    row!("lax.transpose", |x, p| lax::transpose(&x[0], &p.usizes("permutation"))),
    row!("lax.broadcast_in_dim", |x, p| lax::broadcast_in_dim(
        &x[0],
        &p.usizes("shape"),
        &p.usizes("broadcast_dimensions")
    )),
    row!("lax.tile", |x, p| lax::tile(&x[0], &p.usizes("reps"))),
    row!("lax.empty", |_, p| lax::empty(&p.usizes("shape"), p.dtype("dtype"))),
    row!("lax.broadcast_shapes", |_, p| broadcast_shapes(p, lax::broadcast_shapes)),
    row!("lax.rev", |x, p| lax::rev(&x[0], &p.usizes("dimensions"))),
    row!("lax.concatenate", |x, p| lax::concatenate(x, p.usize("dimension"))),
    row!("lax.slice", |x, p| lax::slice(
        &x[0],
        &p.usizes("start_indices"),
        &p.usizes("limit_indices"),
        Some(&p.usizes("strides"))
    )),
    row!("lax.pad", |x, p| {
        let config: Vec<(i64, i64, i64)> =
            p.lists("padding_config").iter().map(|c| (c[0], c[1], c[2])).collect();
        lax::pad(&x[0], &x[1], &config)
    }),
    row!("lax.expand_dims", |x, p| lax::expand_dims(&x[0], &p.usizes("dimensions"))),
    row!("lax.squeeze", |x, p| lax::squeeze(&x[0], &p.ints("dimensions"))),
    row!("lax.iota", |_, p| lax::iota(p.dtype("dtype"), p.usize("size"))),
    row!("lax.reduce_sum", |x, p| lax::reduce_sum(&x[0], &p.usizes("axes"))),
    row!("lax.reduce_prod", |x, p| lax::reduce_prod(&x[0], &p.usizes("axes"))),
    row!("lax.reduce_max", |x, p| lax::reduce_max(&x[0], &p.usizes("axes"))),
    row!("lax.reduce_min", |x, p| lax::reduce_min(&x[0], &p.usizes("axes"))),
    row!("lax.reduce_and", |x, p| lax::reduce_and(&x[0], &p.usizes("axes"))),
    row!("lax.reduce_or", |x, p| lax::reduce_or(&x[0], &p.usizes("axes"))),
    row!("lax.argmax", |x, p| lax::argmax(&x[0], p.usize("axis"), DType::I32)),
    row!("lax.argmin", |x, p| lax::argmin(&x[0], p.usize("axis"), DType::I32)),
    row!("lax.dot_general", |x, p| {
        let lists = |name| -> Vec<Vec<usize>> {
            p.lists(name).into_iter().map(|l| l.into_iter().map(|i| i as usize).collect()).collect()
        };
        let (over, batch) = (lists("over"), lists("batch"));
        lax::dot_general(&x[0], &x[1], ((&over[0], &over[1]), (&batch[0], &batch[1])), None, None)
    }),
]];
