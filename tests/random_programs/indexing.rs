//! Operations that look at places: which ones may depend on values.

use raxla::lax::{self, Padding, WindowOptions};
use raxla::numpy as jnp;
use raxla::prelude::*;

use crate::program::{Window, to_int};

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

pub fn window(x: &Array, window: &Window) -> Array {
    let Window { largest, size, strides, padding } = window;
    let options = WindowOptions::new().window_strides(strides).padding(padding.clone());
    match largest {
        true => lax::reduce_window_max_with(x, size, options),
        false => lax::reduce_window_sum_with(x, size, options),
    }
}

pub fn conv(x: &Array, kernel: &Array, padding: &Padding) -> Array {
    let (x, kernel) = (lax::expand_dims(x, [0, 1]), lax::expand_dims(kernel, [0, 1]));
    lax::squeeze(&lax::conv(&x, &kernel, 1, padding.clone()), [0, 1])
}
