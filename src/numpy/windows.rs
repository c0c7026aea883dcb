//! Window functions. JAX: `numpy/window_functions.py`.

use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, default_float};
use crate::numpy::{divide, i0, multiply, ones, sqrt};

/// A window function of `n` points: `a0 - a1 cos(2πk/(n-1)) + a2 cos(4πk/(n-1))`.
#[track_caller]
fn cosine_window(n: usize, a: [f64; 3]) -> Array {
    if n <= 1 {
        return ones(n);
    }
    let k = lax::iota(default_float(), n);
    let turn = |times: f64| {
        let angle = lax::mul(&k, &constant(&k, times * std::f64::consts::PI / (n - 1) as f64));
        lax::cos(&angle)
    };
    let first = lax::sub(&constant(&k, a[0]), &lax::mul(&constant(&k, a[1]), &turn(2.0)));
    if a[2] == 0.0 {
        return first;
    }
    lax::add(&first, &lax::mul(&constant(&k, a[2]), &turn(4.0)))
}

/// The Hann window.
#[track_caller]
pub fn hanning(n: usize) -> Array {
    cosine_window(n, [0.5, 0.5, 0.0])
}

/// The Hamming window.
#[track_caller]
pub fn hamming(n: usize) -> Array {
    cosine_window(n, [0.54, 0.46, 0.0])
}

/// The Blackman window.
#[track_caller]
pub fn blackman(n: usize) -> Array {
    cosine_window(n, [0.42, 0.5, 0.08])
}

/// The Bartlett window: a triangle.
#[track_caller]
pub fn bartlett(n: usize) -> Array {
    if n <= 1 {
        return ones(n);
    }
    let k = lax::iota(default_float(), n);
    let half = constant(&k, 2.0 / (n - 1) as f64);
    let one = constant(&k, 1.0);
    lax::sub(&one, &lax::abs(&lax::sub(&lax::mul(&half, &k), &one)))
}

/// The Kaiser window, whose `beta` says how narrow it is: 0 is a rectangle.
///
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::kaiser(3, 0.0).to_vec::<f32>()?, [1.0, 1.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn kaiser(n: usize, beta: impl Into<Array>) -> Array {
    if n <= 1 {
        return ones(n);
    }
    let beta = beta.into();
    let half = 0.5 * (n - 1) as f64;
    let at = (lax::iota(default_float(), n) - half) / half;
    let root = sqrt(1.0 - lax::square(&at));
    divide(i0(multiply(&beta, root)), i0(&beta))
}
