//! Determinants, with the derivatives that JAX gives them.

use super::elements::{element, square};
use super::solve::solve;
use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::custom_derivatives::{CustomUnary, custom_jvp};
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::linalg::{TriangularSolveOptions, geqrf, lu, rows_at, triangular_solve_with};
use crate::numpy::reductions::{any, count_nonzero, prod, sum};
use crate::numpy::util::{broadcast_to_shape, inexact, strong_constant};
use crate::numpy::{
    DiagonalOptions, TraceOptions, cumprod, diagonal_with, expand_dims, isnan, trace_with, where_,
};

/// How [`slogdet_with`] finds a determinant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlogdetMethod {
    /// By a LU decomposition.
    Lu,
    /// By a QR decomposition. Real matrices only.
    Qr,
}

options! {
    /// Options of [`slogdet_with`].
    pub struct SlogdetOptions {
        /// By which decomposition.
        method: value SlogdetMethod = SlogdetMethod::Lu,
    }
}

/// The determinants `f32[..]` of `a: f32[..,n,n]`. Integers become floats.
///
/// The derivative is right for singular matrices of rank `n - 1`, too.
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::linalg::det(Array::from([[1.0f32, 2.0], [3.0, 4.0]])).item::<f32>()?, -2.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `det: the argument must have shape [..., n, n], got f32[2,3]`.
#[track_caller]
pub fn det(a: impl Into<Array>) -> Array {
    jitted("det", (), [&a.into()], |[a]| {
        let a = inexact(a);
        let n = square("det", &a);
        match n {
            2 => det_2(&a),
            3 => det_3(&a),
            _ => CustomUnary { name: "_det", f: det_of_any, tangent: det_tangent }.apply(&a),
        }
    })
}

fn det_2(a: &Array) -> Array {
    let [a00, a01, a10, a11] = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| element(a, i, j));
    lax::sub(&lax::mul(&a00, &a11), &lax::mul(&a01, &a10))
}

fn det_3(a: &Array) -> Array {
    let product = |places: [(i64, i64); 3]| {
        let [x, y, z] = places.map(|(i, j)| element(a, i, j));
        lax::mul(&lax::mul(&x, &y), &z)
    };
    let plus = lax::add(&product([(0, 0), (1, 1), (2, 2)]), &product([(0, 1), (1, 2), (2, 0)]));
    let plus = lax::add(&plus, &product([(0, 2), (1, 0), (2, 1)]));
    let plus = lax::sub(&plus, &product([(0, 2), (1, 1), (2, 0)]));
    let plus = lax::sub(&plus, &product([(0, 0), (1, 2), (2, 1)]));
    lax::sub(&plus, &product([(0, 1), (1, 0), (2, 2)]))
}

fn det_of_any(a: &Array) -> Array {
    let (sign, logdet) = slogdet(a);
    lax::mul(&sign, &lax::convert_element_type(&lax::exp(&logdet), sign.dtype()))
}

/// dy = tr(cof(x)ᵀ dx)
fn det_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    traced(&cofactor_solve(x, dx))
}

fn traced(x: &Array) -> Array {
    trace_with(x, TraceOptions::new().axis1(-1).axis2(-2))
}

fn diagonal_of(x: &Array) -> Array {
    diagonal_with(x, DiagonalOptions::new().axis1(-2).axis2(-1))
}

/// 1 or -1, of the dtype, as the number of exchanged rows is even or odd.
fn parity(pivots: &Array, more: Option<Array>, dtype: DType) -> Array {
    let places = lax::broadcasted_iota(DType::I32, pivots.shape(), pivots.ndim() - 1);
    let exchanged = count_nonzero(lax::ne(pivots, &places), -1);
    let count = match more {
        Some(more) => lax::add(&exchanged, &more),
        None => exchanged,
    };
    let odd = lax::rem(&count, &strong_constant(&count, 2.0));
    let odd = lax::convert_element_type(&odd, dtype);
    lax::sub(&strong_constant(&odd, 1.0), &lax::mul(&strong_constant(&odd, 2.0), &odd))
}

/// `det(a) a⁻¹ b`, without dividing by the last pivot: so it is right for a matrix of rank n - 1, too; zero for one of a lower rank.
fn cofactor_solve(a: &Array, b: &Array) -> Array {
    let n = a.shape()[a.ndim() - 1];
    if n <= 1 {
        return b.clone();
    }
    let (factors, pivots, permutation) = lu(a);
    let diagonal = diagonal_of(&factors);
    let sign = parity(&pivots, None, a.dtype());
    let partial = lax::mul(&cumprod(&diagonal, -1), &lax::expand_dims(&sign, -1));
    let last = n as i64 - 1;
    let at = |i: i64| lax::expand_dims(&lax::index_in_dim(&partial, i, -1), -1);
    let [full, but_last] = [last, last - 1].map(|i| {
        let x = at(i);
        let shape = [&a.shape()[..a.ndim() - 2], &[1, 1]].concat();
        lax::reshape(&x, shape)
    });
    // The last element of the diagonal makes up for the determinant of the others.
    let place = |axis: usize| lax::broadcasted_iota(DType::I32, a.shape(), axis);
    let end = |axis: usize| {
        let place = place(axis);
        lax::eq(&place, &strong_constant(&place, last as f64))
    };
    let corner = lax::bitwise_and(&end(a.ndim() - 2), &end(a.ndim() - 1));
    let inverse = lax::div(&strong_constant(&but_last, 1.0), &but_last);
    let factors = where_(&corner, broadcast_to_shape(&inverse, a.shape()), &factors);
    let upper = TriangularSolveOptions::new().left_side(true);
    let unit = TriangularSolveOptions::new().left_side(true).lower(true).unit_diagonal(true);
    // Matrices of a lower rank are left out.
    let ones = lax::full_like(&lax::slice_in_dim(b, ..1, -1), 1.0);
    let probe = triangular_solve_with(&factors, &ones, upper.clone());
    let bad = any(lax::bitwise_or(&isnan(&probe), &crate::numpy::isinf(&probe)), [-2, -1]);
    let bad = broadcast_to_shape(&expand_dims(bad, [-2, -1]), b.shape());
    let zeros = lax::full_like(b, 0.0);
    let x = where_(&bad, &zeros, b);
    let x = triangular_solve_with(&factors, &rows_at(&x, &permutation), unit);
    let row = place(a.ndim() - 2);
    let above = lax::lt(&row, &strong_constant(&row, last as f64));
    let x = where_(&above, lax::mul(&x, &broadcast_to_shape(&full, x.shape())), &x);
    let x = triangular_solve_with(&factors, &x, upper);
    where_(&bad, &zeros, x)
}

/// The sign of the determinants of `a: f32[..,n,n]`, or their unit in the complex plane, and the logarithm of their absolute value:
/// `(f32[..], f32[..])`. Of a singular matrix 0 and -inf. Integers become floats.
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let (sign, logabsdet) = jnp::linalg::slogdet(Array::from([[1.0f32, 2.0], [3.0, 4.0]]));
/// assert_eq!(sign.item::<f32>()?, -1.0);
/// assert!((logabsdet.item::<f32>()? - 2f32.ln()).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `slogdet: the argument must have shape [..., n, n], got f32[2,3]`.
#[track_caller]
pub fn slogdet(a: impl Into<Array>) -> (Array, Array) {
    slogdet_with(a, SlogdetOptions::new())
}

/// [`slogdet`] by options.
///
/// # Errors
/// As [`slogdet`]; complex numbers by QR.
#[track_caller]
pub fn slogdet_with(a: impl Into<Array>, options: SlogdetOptions) -> (Array, Array) {
    jitted("slogdet", options.method, [&a.into()], |[a]| {
        let a = inexact(a);
        let n = square("slogdet", &a);
        match options.method {
            SlogdetMethod::Lu if n == 1 || n == 2 => custom_jvp(small_slogdet, small_rule)(&a).or_throw(),
            SlogdetMethod::Lu => custom_jvp(slogdet_lu, rule)(&a).or_throw(),
            SlogdetMethod::Qr => {
                if a.dtype().is_complex() {
                    throw!(Unimplemented, "slogdet: method Qr is for real matrices, got {}", a.aval());
                }
                custom_jvp(slogdet_qr, rule)(&a).or_throw()
            }
        }
    })
}

type Pair = (Array, Array);

/// The determinant of one or two rows.
fn small_det(a: &Array) -> Array {
    if a.shape()[a.ndim() - 1] == 1 { element(a, 0, 0) } else { det_2(a) }
}

fn small_slogdet(a: &Array) -> Pair {
    let det = small_det(a);
    (lax::sign(&det), lax::log(&lax::abs(&det)))
}

/// Tangents of both, from that of the logarithm of the determinant.
fn tangents(sign: &Array, dlog: Array) -> Pair {
    if !sign.dtype().is_complex() {
        return (lax::full_like(sign, 0.0), dlog);
    }
    let re = lax::real(&dlog);
    let turn = lax::sub(&dlog, &lax::convert_element_type(&re, dlog.dtype()));
    (lax::mul(&turn, sign), re)
}

fn small_rule((x,): (Array,), (g,): (Array,)) -> (Pair, Pair) {
    let out = small_slogdet(&x);
    let at = |a: &Array, i, j| element(a, i, j);
    let dlog = if x.shape()[x.ndim() - 1] == 1 {
        lax::div(&at(&g, 0, 0), &at(&x, 0, 0))
    } else {
        let term = |i, j, k, l| lax::mul(&at(&g, i, j), &at(&x, k, l));
        let sum = lax::sub(&lax::sub(&term(0, 0, 1, 1), &term(0, 1, 1, 0)), &term(1, 0, 0, 1));
        lax::div(&lax::add(&sum, &term(1, 1, 0, 0)), &small_det(&x))
    };
    let tangents = tangents(&out.0, dlog);
    (out, tangents)
}

fn slogdet_lu(a: &Array) -> Pair {
    let dtype = a.dtype();
    let (factors, pivots, _) = lu(a);
    let diagonal = diagonal_of(&factors);
    let zero = strong_constant(&diagonal, 0.0);
    let is_zero = any(lax::eq(&diagonal, &zero), -1);
    let size = lax::abs(&diagonal);
    let sign = if dtype.is_complex() {
        let units = lax::div(&diagonal, &lax::convert_element_type(&size, dtype));
        lax::mul(&prod(units, -1), &parity(&pivots, None, dtype))
    } else {
        parity(&pivots, Some(count_nonzero(lax::lt(&diagonal, &zero), -1)), dtype)
    };
    let logdet = sum(lax::log(&size), -1);
    let sign = where_(&is_zero, lax::full_like(&sign, 0.0), &sign);
    let lowest = lax::full_like(&logdet, f64::NEG_INFINITY);
    (sign, where_(&is_zero, lowest, logdet))
}

fn slogdet_qr(a: &Array) -> Pair {
    let n = a.shape()[a.ndim() - 1];
    let (packed, taus) = geqrf(a);
    let diagonal = diagonal_of(&packed);
    let logdet = sum(lax::log(&lax::abs(&diagonal)), -1);
    // Each reflection that does something has the determinant -1.
    let taus = lax::slice_in_dim(&taus, ..n.saturating_sub(1), -1);
    let reflected = lax::ne(&taus, &strong_constant(&taus, 0.0));
    let signs = where_(&reflected, lax::full_like(&taus, -1.0), lax::full_like(&taus, 1.0));
    (lax::mul(&prod(lax::sign(&diagonal), -1), &prod(signs, -1)), logdet)
}

/// d log det = tr(x⁻¹ dx)
fn rule((x,): (Array,), (g,): (Array,)) -> (Pair, Pair) {
    let out = slogdet(&x);
    let dlog = traced(&solve(&x, &g));
    let tangents = tangents(&out.0, dlog);
    (out, tangents)
}
