//! Rows for special functions of `jax.lax`, and for its functions that are short for others.

use std::ops::Bound;

use raxla::lax;

use crate::case::Row;
use crate::{binary_rows, row, unary_rows};

pub const LAX_SPECIAL: &[&[Row]] = &[
    unary_rows!("lax." lax: bessel_i0e bessel_i1e reciprocal copy stop_gradient),
    binary_rows!("lax." lax: igamma igammac igamma_grad_a random_gamma_grad zeta mulhi logaddexp eq_to le_to lt_to add_any),
    &[
        row!("lax.betainc", |x, _| lax::betainc(&x[0], &x[1], &x[2])),
        row!("lax.polygamma", |x, p| lax::polygamma(&lax::full_like(&x[0], p.float("m")), &x[0])),
        row!("lax.select", |x, _| lax::select(&x[0], &x[1], &x[2])),
        row!("lax.reduce_precision", |x, p| lax::reduce_precision(
            &x[0],
            p.usize("exponent_bits"),
            p.usize("mantissa_bits")
        )),
        Row {
            name: "lax.threefry2x32",
            call: |x, _| {
                let (a, b) = lax::threefry2x32(&x[0], &x[1], &x[2], &x[3]);
                vec![a, b]
            },
        },
        Row { name: "lax.optimization_barrier", call: |x, _| lax::optimization_barrier(&x.to_vec()) },
        row!("lax.fft", |x, p| {
            let fft_type = match p.str("fft_type") {
                "FFT" => lax::FftType::Fft,
                "IFFT" => lax::FftType::Ifft,
                "RFFT" => lax::FftType::Rfft,
                _ => lax::FftType::Irfft,
            };
            lax::fft(&x[0], fft_type, p.ints("fft_lengths"))
        }),
        row!("lax.broadcast", |x, p| lax::broadcast(&x[0], p.ints("sizes"))),
        row!("lax.broadcasted_iota", |_, p| lax::broadcasted_iota(
            p.dtype("dtype"),
            p.ints("shape"),
            p.int("dimension")
        )),
        row!("lax.collapse", |x, p| match p.has("stop_dimension") {
            true => lax::collapse(&x[0], p.int("start_dimension")..p.int("stop_dimension")),
            false => lax::collapse(&x[0], p.int("start_dimension")..),
        }),
        row!("lax.slice_in_dim", |x, p| {
            let bound = |name: &str| match p.has(name) {
                true => Bound::Included(p.int(name)),
                false => Bound::Unbounded,
            };
            let limit = match bound("limit_index") {
                Bound::Included(i) => Bound::Excluded(i),
                other => other,
            };
            let options = lax::SliceInDimOptions::new().stride(p.usize("stride"));
            lax::slice_in_dim_with(&x[0], (bound("start_index"), limit), p.int("axis"), options)
        }),
        row!("lax.index_in_dim", |x, p| lax::index_in_dim_with(
            &x[0],
            p.int("index"),
            p.int("axis"),
            lax::IndexInDimOptions::new().keepdims(p.bool("keepdims"))
        )),
        Row { name: "lax.split", call: |x, p| lax::split(&x[0], p.ints("sizes"), p.int("axis")) },
        row!("lax.stack", |x, p| lax::stack(x, p.int("axis"))),
        Row { name: "lax.unstack", call: |x, p| lax::unstack(&x[0], p.int("axis")) },
        row!("lax.full", |x, p| lax::full(p.ints("shape"), &x[0])),
        row!("lax.full_like", |x, p| lax::full_like(&x[0], p.float("fill_value"))),
        row!("lax.dot", |x, p| match p.lists("over")[..] {
            [ref lhs, ref rhs] => {
                let batch = p.lists("batch");
                let numbers = ((lhs, rhs), (&batch[0], &batch[1]));
                lax::dot_with(&x[0], &x[1], lax::DotProductOptions::new().dimension_numbers(numbers))
            }
            _ => lax::dot(&x[0], &x[1]),
        }),
        row!("lax.batch_matmul", |x, _| lax::batch_matmul(&x[0], &x[1])),
        row!("lax.reduce_xor", |x, p| lax::reduce_xor(&x[0], p.ints("axes"))),
    ],
];
