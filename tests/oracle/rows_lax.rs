//! Rows for `jax.lax`.

use raxla::lax;

use crate::case::Row;
use crate::row;

pub const ELEMENTWISE: &[Row] = &[
    row!("lax.neg", |x, _| lax::neg(&x[0])),
    row!("lax.sin", |x, _| lax::sin(&x[0])),
    row!("lax.cos", |x, _| lax::cos(&x[0])),
    row!("lax.add", |x, _| lax::add(&x[0], &x[1])),
    row!("lax.mul", |x, _| lax::mul(&x[0], &x[1])),
    row!("lax.convert_element_type", |x, p| lax::convert_element_type(&x[0], p.dtype("new_dtype"))),
];
