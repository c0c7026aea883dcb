//! What statements do that is more than one call. It stands alone, so that a program that is printed can be run beside it.

use raxla::custom_derivatives::{custom_jvp, custom_vjp};
use raxla::lax::{self, Padding, WindowOptions};
use raxla::numpy as jnp;
use raxla::prelude::*;

pub fn number(x: f64) -> Array {
    Array::from(x)
}

pub fn to_int(x: &Array) -> Array {
    lax::convert_element_type(&lax::mul(x, &number(2.5)), DType::I32)
}

/// Between -0.9 and 0.9.
pub fn bounded(x: &Array) -> Array {
    0.9 * lax::sin(x)
}

/// Not below `least`.
pub fn above(x: &Array, least: f64) -> Array {
    lax::square(x) + least
}

/// `x xᵀ` and a multiple of the identity.
pub fn definite(x: &Array) -> Array {
    let [n, m] = [x.shape()[0], x.shape()[1]];
    jnp::matmul(x, x.t()) / (m as f64) + 2.0 * jnp::eye(n)
}

/// A whole number, as a float.
pub fn step(x: &Array) -> Array {
    lax::convert_element_type(&to_int(x), DType::F64)
}

pub fn sine_by_jvp(x: &Array) -> Result<Array> {
    custom_jvp(
        |x: &Array| lax::sin(x),
        |(x,): (Array,), (dx,): (Array,)| (lax::sin(&x), lax::mul(&lax::cos(&x), &dx)),
    )(x)
}

pub fn sine_by_vjp(x: &Array) -> Result<Array> {
    custom_vjp(
        |x: &Array| lax::mul(&lax::sin(x), x),
        |x: &Array| (lax::mul(&lax::sin(x), x), x.clone()),
        |x: Array, ct: Array| (lax::mul(&lax::add(&lax::sin(&x), &lax::mul(&lax::cos(&x), &x)), &ct),),
    )(x)
}

/// Where the sum of an array says.
pub fn place(x: &Array) -> Array {
    to_int(&lax::reduce_sum(x, (0..x.ndim()).collect::<Vec<_>>()))
}

/// Places among `n`, made of numbers.
fn places(x: &Array, n: usize) -> Array {
    let n = lax::full_like(&to_int(x), n as f64);
    lax::rem(&lax::abs(&to_int(x)), &n)
}

pub fn take(x: &Array, at: &Array, axis: usize) -> Array {
    jnp::take(x, places(at, x.shape()[axis]), axis as i64)
}

/// One row may be anywhere: beyond the last one it is that. Of several rows, those out of range would have no derivative that
/// agrees with their values, in JAX neither.
pub fn rows(x: &Array, at: &Array) -> Array {
    if at.ndim() == 0 {
        return x.index(to_int(at));
    }
    x.index(lax::sub(&places(at, x.shape()[0]), &lax::full_like(&to_int(at), x.shape()[0] as f64)))
}

pub fn take_along(x: &Array, at: &Array, axis: usize) -> Array {
    jnp::take_along_axis(x, places(at, x.shape()[axis]), axis as i64)
}

pub fn at_largest(x: &Array, y: &Array, axis: usize) -> Array {
    let at =
        lax::expand_dims(&lax::argmax_with(x, axis, lax::ArgOptions::new().index_dtype(DType::I32)), [axis]);
    lax::squeeze(&jnp::take_along_axis(y, at, axis as i64), [axis as i64])
}

pub fn window(x: &Array, largest: bool, size: &[usize], strides: &[usize], padding: Padding) -> Array {
    let options = WindowOptions::new().window_strides(strides).padding(padding);
    match largest {
        true => lax::reduce_window_max_with(x, size, options),
        false => lax::reduce_window_sum_with(x, size, options),
    }
}

pub fn conv(x: &Array, kernel: &Array, padding: Padding) -> Array {
    let (x, kernel) = (lax::expand_dims(x, [0, 1]), lax::expand_dims(kernel, [0, 1]));
    lax::squeeze(&lax::conv(&x, &kernel, 1, padding), [0, 1])
}
