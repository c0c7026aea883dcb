//! Associated Legendre functions and spherical harmonics. JAX: `scipy/special.py`.

use std::f64::consts::PI;

use super::util::check_wide;
use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::control_flow::scan;
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::table;
use crate::numpy::{abs, clip, concatenate, cos, expand_dims, less, power, sin, sqrt, take, where_};

/// A matrix over orders `m` and degrees `l` from 0 to `n`, of what `f` gives where it gives a finite number, else 0.
#[track_caller]
fn matrix(like: &Array, n: usize, f: impl Fn(f64, f64) -> f64) -> Array {
    let numbers: Vec<f64> = (0..=n)
        .flat_map(|l| (0..=n).map(move |m| (m, l)))
        .map(|(m, l)| f(m as f64, l as f64))
        .map(|x| if x.is_finite() { x } else { 0.0 })
        .collect();
    table(like.dtype(), &numbers, &[n + 1, n + 1])
}

/// `Pₗᵐ(x)` for all orders and degrees up to `n`: `(m, l, x)`. DLMF 14.10.3, from degree to degree.
#[track_caller]
fn associated_legendre(n: usize, x: &Array, is_normalized: bool) -> Array {
    // Pₗ = a x Pₗ₋₁ - b Pₗ₋₂ below the diagonal, and Pₗˡ = c √(1 - x²) Pₗ₋₁ˡ⁻¹ on it.
    let a = matrix(x, n, |m, l| match is_normalized {
        _ if m >= l => 0.0,
        true => ((4.0 * l * l - 1.0) / (l * l - m * m)).sqrt(),
        false => (2.0 * l - 1.0) / (l - m),
    });
    let b = matrix(x, n, |m, l| match is_normalized {
        _ if m + 1.0 >= l => 0.0,
        true => {
            let (square, before) = (l * l - m * m, (l - 1.0) * (l - 1.0) - m * m);
            ((2.0 * l + 1.0) * before / ((2.0 * l - 3.0) * square)).sqrt()
        }
        false => (l + m - 1.0) / (l - m),
    });
    let c = matrix(x, n, |m, l| match is_normalized {
        _ if m != l => 0.0,
        true => -(1.0 + 0.5 / l).sqrt(),
        false => 1.0 - 2.0 * l,
    });
    jitted("_gen_associated_legendre", (n, is_normalized), [x, &a, &b, &c], |[x, a, b, c]| {
        let initial = if is_normalized { 0.5 / PI.sqrt() } else { 1.0 };
        let rest = lax::full([n, x.shape()[0]], lax::literal_like(x, 0.0));
        let first =
            concatenate([lax::full([1, x.shape()[0]], lax::literal_like(x, initial)), rest.clone()], 0);
        let zero = lax::full_like(&first, 0.0);
        let root = sqrt(1.0 - x * x);
        let next = |(last, before): (Array, Array), (a, b, c): (Array, Array, Array)| {
            let [a, b, c] = [a, b, c].map(|x| expand_dims(x, 1));
            let kept = lax::slice_along(&last, 0, n as i64, 1, 0);
            let shifted = concatenate([lax::full([1, x.shape()[0]], lax::literal_like(x, 0.0)), kept], 0);
            let now = a * x * &last - b * before + c * &root * shifted;
            ((now.clone(), last), now)
        };
        let after = |x: &Array| lax::slice_along(x, 1, n as i64 + 1, 1, 0);
        let (_, others) = scan(next, (first.clone(), zero), (after(a), after(b), after(c))).or_throw();
        let all = concatenate([expand_dims(first, 0), others], 0);
        lax::transpose(&all, [1, 0, 2])
    })
}

/// What [`lpmn`] and [`lpmn_values`] ask of their arguments.
#[track_caller]
fn check(name: &str, m: usize, n: usize, z: &Array) {
    check_wide(name, z);
    if z.ndim() != 1 {
        throw!(Shape, "{name}: z must be a 1D array, got {}", z.aval());
    }
    if m != n {
        throw!(InvalidArgument, "{name}: computations for m != n are not supported, got {m} and {n}");
    }
}

/// The associated Legendre functions `Pₗᵐ(z)` of all orders and degrees up to `m` and `n`, which are equal, and their derivatives:
/// arrays `(m + 1, n + 1, z)`. JAX has deprecated it.
///
/// # Errors
/// `lpmn: z must be a 1D array, got f32[]`; another dtype than `f32` or `f64`; `m` other than `n`.
#[track_caller]
pub fn lpmn(m: usize, n: usize, z: impl Into<Array>) -> (Array, Array) {
    let z = z.into();
    check("lpmn", m, n, &z);
    let values = associated_legendre(n, &z, false);
    let derivatives = derivatives(n, &values, &z);
    (values, derivatives)
}

/// `dPₗᵐ/dx = ½ ((l + m)(l - m + 1) Pₗᵐ⁻¹ - Pₗᵐ⁺¹) / √(1 - x²)`, where for `m` other than 1 `Pₗᵐ / √(1 - x²)` is a sum of
/// functions of degree `l - 1`: DLMF 14.10.1, 14.10.2.
#[track_caller]
fn derivatives(n: usize, p: &Array, x: &Array) -> Array {
    // Pᵐ⁻²ₗ₋₁, Pᵐₗ₋₁ and Pᵐ⁺²ₗ₋₁ contribute these; those of negative order are multiples of positive ones.
    let lower = |m: f64, l: f64| (l + m) * (l - m + 1.0) / 2.0 * -0.5 / (m - 1.0);
    let below =
        |m: f64, l: f64| if m > l || m < 2.0 { 0.0 } else { lower(m, l) * (l + m - 2.0) * (l + m - 1.0) };
    let same = |m: f64, l: f64| match (m, l) {
        _ if m > l || m == 1.0 => 0.0,
        _ => lower(m, l) + 0.25 / (m + 1.0) * (l + m) * (l + m + 1.0),
    };
    let above = |m: f64, l: f64| match (m, l) {
        _ if m > l || m == 1.0 => 0.0,
        // P⁻²ₗ₋₁ = P²ₗ₋₁ (l - 3)! / (l + 1)!
        (0.0, _) if l >= 3.0 => {
            let negative = 1.0 / ((l + 1.0) * l * (l - 1.0) * (l - 2.0));
            0.25 + lower(0.0, l) * (l - 2.0) * (l - 1.0) * negative
        }
        _ => 0.25 / (m + 1.0),
    };
    let tables = [matrix(x, n, below), matrix(x, n, same), matrix(x, n, above)];
    let ones = matrix(x, n, |m, l| if m == 1.0 && l > 0.0 { 0.5 } else { 0.0 });
    let args = [p, x, &tables[0], &tables[1], &tables[2], &ones];
    jitted("_gen_derivatives", n, args, |[p, x, below, same, above, ones]| {
        // The tables are of degrees by orders.
        let of = |table: &Array| expand_dims(lax::transpose(table, [1, 0]), 2);
        let zeros = |m: usize, l: usize| lax::full([m, l, x.shape()[0]], lax::literal_like(x, 0.0));
        let before = concatenate([zeros(n + 1, 1), lax::slice_along(p, 0, n as i64, 1, 1)], 1);
        let shifted = |p: &Array, by: usize, up: bool| {
            let (by, size) = (by.min(n + 1), n as i64 + 1);
            let (start, end) = if up { (by as i64, size) } else { (0, size - by as i64) };
            let kept = lax::slice_along(p, start, end, 1, 0);
            let zeros = zeros(by, n + 1);
            concatenate(if up { [kept, zeros] } else { [zeros, kept] }, 0)
        };
        let regular = of(below) * shifted(&before, 2, false)
            + of(same) * &before
            + of(above) * shifted(&before, 2, true);
        // For m of 1: ½ ((l + 1) l P⁰ - P²) / √(1 - x²)
        let degree = expand_dims(lax::iota(x.dtype(), n + 1), 1);
        let first = (&degree + 1) * &degree * shifted(p, 1, false) - shifted(p, 1, true);
        regular + of(ones) * first / sqrt(1 - x * x)
    })
}

options! {
    /// Options of [`lpmn_values_with`].
    pub struct LpmnValuesOptions {
        /// Are the functions those of spherical harmonics, whose squares have the integral 1 over the sphere?
        is_normalized: value bool = false,
    }
}

/// The associated Legendre functions `Pₗᵐ(z)` of all orders and degrees up to `m` and `n`, which are equal: `(m + 1, n + 1, z)`. JAX has
/// deprecated it.
///
/// # Errors
/// As [`lpmn`].
#[track_caller]
pub fn lpmn_values(m: usize, n: usize, z: impl Into<Array>) -> Array {
    lpmn_values_with(m, n, z, LpmnValuesOptions::new())
}

/// [`lpmn_values`], normalised.
///
/// # Errors
/// As [`lpmn`].
#[track_caller]
pub fn lpmn_values_with(m: usize, n: usize, z: impl Into<Array>, options: LpmnValuesOptions) -> Array {
    let z = z.into();
    check("lpmn_values", m, n, &z);
    associated_legendre(n, &z, options.is_normalized)
}

options! {
    /// Options of [`sph_harm_y_with`].
    pub struct SphHarmYOptions {
        /// The largest degree; that of `n` unless it is given, which must then be known.
        n_max: optional usize,
    }
}

/// The spherical harmonics of degrees `n` and orders `m` at the polar angles `theta` and the azimuths `phi`: complex numbers, one for
/// each element of these arrays of one axis.
///
/// ```
/// use raxla::scipy::special;
///
/// // Y₀⁰ = 1 / (2 √π)
/// let y = special::sph_harm_y([0], [0], [0.3f32], [0.1f32]);
/// assert!((raxla::numpy::real(y).to_vec::<f32>()?[0] - 0.282_094_8).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Arrays of other axes; a traced `n` without [`n_max`](SphHarmYOptions::n_max).
#[track_caller]
pub fn sph_harm_y(
    n: impl Into<Array>,
    m: impl Into<Array>,
    theta: impl Into<Array>,
    phi: impl Into<Array>,
) -> Array {
    sph_harm_y_with(n, m, theta, phi, SphHarmYOptions::new())
}

/// [`sph_harm_y`] where the degrees are not known.
///
/// # Errors
/// As [`sph_harm_y`].
#[track_caller]
pub fn sph_harm_y_with(
    n: impl Into<Array>,
    m: impl Into<Array>,
    theta: impl Into<Array>,
    phi: impl Into<Array>,
    options: SphHarmYOptions,
) -> Array {
    let (n, m, theta, phi) = (n.into(), m.into(), theta.into(), phi.into());
    let theta = if theta.ndim() == 0 { expand_dims(theta, 0) } else { theta };
    if n.ndim() != 1 || m.ndim() > 1 || theta.ndim() != 1 || phi.ndim() > 1 {
        let all = [&n, &m, &theta, &phi].map(|x| x.aval().to_string()).join(", ");
        throw!(Shape, "sph_harm_y: n, m, theta and phi must be arrays of one axis, got {all}");
    }
    let n_max = options.n_max.unwrap_or_else(|| {
        let most = n.max(..).item::<i32>().or_throw();
        most.max(0) as usize
    });
    let legendre = associated_legendre(n_max, &cos(theta), true);
    let (size, points) = (n_max as i64 + 1, legendre.shape()[2] as i64);
    let order = abs(&m);
    // The place of each element's function at its own point.
    let place = clip(&order, 0, n_max) * size + clip(&n, 0, n_max);
    let place =
        place * points + clip(lax::iota(crate::numpy::util::default_int(), n.shape()[0]), 0, points - 1);
    let legendre = take(lax::reshape(&legendre, [size * size * points]), place, 0);
    let angle = &order * phi;
    let value = lax::complex(&(&legendre * cos(&angle)), &(&legendre * sin(&angle)));
    let sign = power(-1.0, order);
    where_(less(m, 0), sign * lax::conj(&value), &value)
}
