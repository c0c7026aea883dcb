//! Eigenvalues of tridiagonal matrices by bisection, and eigenvectors by inverse iteration. JAX: `_src/scipy/linalg.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted_some;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::dtypes::finfo;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::linalg::{FullMatricesOptions, TridiagonalSolveOptions, qr_with, tridiagonal_solve_with};
use crate::numpy::linalg::{NormOptions, norm_with};
use crate::numpy::{
    ArangeOptions, Colon, EyeOptions, NewAxis, SizeOptions, abs, any, arange, arange_with, broadcast_to,
    concatenate, conj, equal, eye_with, greater, greater_equal, less, less_equal, logical_and, logical_not,
    max, maximum, min, minimum, nonzero_with, pad, real, sqrt, square, sum, where_, zeros,
};
use crate::random::{self, Key};

/// Which eigenvalues, in ascending order. JAX: `select` and `select_range`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Select {
    /// All. JAX: `"a"`.
    #[default]
    All,
    /// Those from the first number to the second, counted from 0. JAX: `"i"`.
    Indices(usize, usize),
}

options! {
    /// Options of [`eigh_tridiagonal_with`].
    pub struct EighTridiagonalOptions {
        /// Are the eigenvectors left out?
        eigvals_only: value bool = false,
        /// Which eigenvalues.
        select: value Select = Select::All,
        /// The error of the eigenvalues that is allowed; as little as the dtype has, if it is not given.
        tol: optional_into Array,
        /// What the first vectors of the iteration are drawn with; the same each time, if it is not given.
        key: optional Key,
    }
}

/// Eigenvalues `f32[n]`, in ascending order, and eigenvectors `f32[n,n]`, as columns, of the Hermitian matrix with the diagonal `d: f32[n]` and `e: f32[n-1]` beside it.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let (w, _) = linalg::eigh_tridiagonal(Array::from([2.0f32, 2.0]), Array::from([1.0f32]));
/// assert!(jnp::allclose(w, Array::from([1.0f32, 3.0])).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `eigh_tridiagonal: diagonal and off-diagonal values must have one dtype of f32, f64, c64, c128, got f32[3] and f64[2]`.
#[track_caller]
pub fn eigh_tridiagonal(d: impl Into<Array>, e: impl Into<Array>) -> (Array, Array) {
    match eigh_tridiagonal_with(d, e, EighTridiagonalOptions::new()) {
        (w, Some(v)) => (w, v),
        _ => throw!(Internal, "eigh_tridiagonal: no vectors"),
    }
}

/// [`eigh_tridiagonal`] by options: the vectors unless they are left out.
///
/// # Errors
/// As [`eigh_tridiagonal`]; indices that are not there.
#[track_caller]
pub fn eigh_tridiagonal_with(
    d: impl Into<Array>,
    e: impl Into<Array>,
    options: EighTridiagonalOptions,
) -> (Array, Option<Array>) {
    let EighTridiagonalOptions { eigvals_only, select, tol, key } = options;
    let (d, e) = (d.into(), e.into());
    let key = (!eigvals_only).then(|| random::key_data(&key.unwrap_or_else(|| random::key(42))));
    let more = [tol.as_ref(), key.as_ref()];
    let mut outs = jitted_some(
        "eigh_tridiagonal",
        (eigvals_only, select),
        [&d, &e],
        more,
        |[d, e], [tol, key]| {
            let takes = matches!(d.dtype(), DType::F32 | DType::F64 | DType::C64 | DType::C128);
            if d.dtype() != e.dtype() || !takes {
                throw!(
                    DType,
                    "eigh_tridiagonal: diagonal and off-diagonal values must have one dtype of f32, f64, c64, c128, got {} and {}",
                    d.aval(),
                    e.aval()
                );
            }
            if d.ndim() != 1 || e.ndim() != 1 || (d.shape()[0] > 1 && e.shape()[0] + 1 != d.shape()[0]) {
                throw!(
                    Shape,
                    "eigh_tridiagonal: takes vectors of n and n - 1 elements, got {} and {}",
                    d.aval(),
                    e.aval()
                );
            }
            let n = d.shape()[0];
            if n <= 1 {
                let w = real(d);
                return if eigvals_only {
                    vec![w]
                } else {
                    vec![w, eye_with(n, EyeOptions::new().dtype(d.dtype()))]
                };
            }
            let alpha = real(d);
            let w = values(&alpha, e, select, tol);
            let Some(key) = key else { return vec![w] };
            let v = vectors(&alpha, e, &w, &random::wrap_key_data(key));
            vec![w, v.t()]
        },
    );
    let v = (!eigvals_only).then(|| outs.swap_remove(1));
    (outs.swap_remove(0), v)
}

/// How many eigenvalues are smaller than each of `x`, by Sturm's sequence, of which 16 elements are one turn of a loop.
fn counts(alpha: &Array, beta_sq: &Array, pivmin: &Array, perturbation: &Array, x: &Array) -> Array {
    let n = alpha.shape()[0];
    let step = |alpha: Array, beta_sq: Array, q: Array, count: Array| {
        let q = alpha - beta_sq / q - x;
        let is_below = less_equal(&q, pivmin);
        let count = where_(&is_below, &count + 1, &count);
        (where_(is_below, minimum(&q, -pivmin), &q), count)
    };
    let first = alpha.index(0);
    let q = &first - x;
    let [one, none] =
        [1.0, 0.0].map(|value| lax::full_like(&lax::full(x.shape(), Array::scalar(0i32)), value));
    let mut count = where_(less(&q, 0), one, none);
    let mut q = where_(equal(first, x), perturbation, q);
    let alone = (n - 1) % 16;
    for i in 1..=alone {
        (q, count) = step(alpha.index(i), beta_sq.index(i - 1), q, count);
    }
    type Carry = (Array, Array, Array);
    let turn = |(start, mut q, mut count): Carry| {
        for j in 0..16 {
            let i = &start + j;
            (q, count) = step(alpha.index(&i), beta_sq.index(&i - 1), q, count);
        }
        (start + 16, q, count)
    };
    let init = (Array::from(alone as i32 + 1), q, count);
    lax::while_loop(|(i, _, _): &Carry| less(i, n as i32), turn, init).or_throw().2
}

/// The eigenvalues, each within an interval that is halved again and again.
fn values(alpha: &Array, e: &Array, select: Select, tol: Option<&Array>) -> Array {
    let n = alpha.shape()[0];
    let (beta_sq, beta_abs) = match e.dtype().is_complex() {
        true => {
            let squared = real(e * conj(e));
            (squared.clone(), sqrt(squared))
        }
        false => (square(e), abs(e)),
    };
    let ends = [beta_abs.index(..1), beta_abs.index(..-1) + beta_abs.index(1..), beta_abs.index(-1..)];
    let radius = concatenate(&ends, 0);
    let (most, least) = (max(alpha + &radius, ..), min(alpha - &radius, ..));
    let size = maximum(abs(&least), abs(&most));
    let info = finfo(alpha.dtype());
    let safe = (1.0 / info.max).max((1.0 + info.eps) * info.tiny);
    let pivmin = safe * maximum(1, max(&beta_sq, ..));
    let perturbation = square(info.eps * beta_abs.index(0));
    let mut error = info.eps * &size;
    if let Some(tol) = tol {
        error = maximum(tol, error);
    }
    let wanted = match select {
        Select::All => 0..n,
        Select::Indices(first, last) if first <= last && last < n => first..last + 1,
        Select::Indices(first, last) => {
            throw!(InvalidArgument, "eigh_tridiagonal: {first} to {last} are no indices of {n} eigenvalues")
        }
    };
    let targets = arange_with(wanted, ArangeOptions::new().dtype(DType::I32));
    let fudge = 2.1;
    let slack = n as f64 * fudge * info.eps * &size;
    let lower = least - &slack - 2.0 * fudge * &pivmin;
    let upper = most + slack + fudge * &pivmin;
    let spread = |x: &Array| broadcast_to(x, targets.shape());
    let [lower, upper, pivmin, perturbation] = [&lower, &upper, &pivmin, &perturbation].map(spread);
    let middle = 0.5 * (&upper + &lower);
    type Carry = (Array, Array, Array, Array);
    let more = |(i, lower, _, upper): &Carry| {
        logical_and(less(i, info.nmant + 1), less(&error, max(upper - lower, ..)))
    };
    let halve = |(i, lower, middle, upper): Carry| {
        let counts = counts(alpha, &beta_sq, &pivmin, &perturbation, &middle);
        let lower = where_(less_equal(&counts, &targets), &middle, lower);
        let upper = where_(greater(&counts, &targets), &middle, upper);
        let middle = 0.5 * (&lower + &upper);
        (i + 1, lower, middle, upper)
    };
    lax::while_loop(more, halve, (Array::from(0), lower, middle, upper)).or_throw().2
}

/// The eigenvectors as rows, all by inverse iteration at once; those of a cluster of eigenvalues are made orthogonal in each turn.
fn vectors(alpha: &Array, beta: &Array, w: &Array, key: &Key) -> Array {
    let (n, k, dtype) = (alpha.shape()[0], w.shape()[0], beta.dtype());
    let (below, above) = (pad(conj(beta), (1, 0)), pad(beta, (0, 1)));
    let size = maximum(abs(w.index(0)), abs(w.index(-1)));
    let is_close = less(w.index(1..) - w.index(..-1), finfo(w.dtype()).eps.sqrt() * size);
    let (left, right) = (pad(&is_close, (1, 0)), pad(&is_close, (0, 1)));
    let starts_here = logical_and(logical_not(&left), &right);
    let ends_here = logical_and(&left, logical_not(&right));
    let at = |marks: &Array| {
        let [at]: [Array; 1] = nonzero_with(marks, SizeOptions::new().size(k / 2 + 1));
        at
    };
    let (starts, ends) = (at(&starts_here), at(&ends_here) + 1);
    let clusters = sum(&starts_here, ..);
    let place = arange(k);
    let kept = |x: &Array| norm_with(x, -1, NormOptions::new().keepdims(true));
    let v = random::normal(key, ([k, n], dtype.real())).astype(dtype);
    let v = &v / kept(&v).astype(dtype);
    let orthogonal = |v: Array| {
        let cluster = |i: Array, v: Array| {
            let (start, end) = (starts.index(&i), ends.index(&i));
            let zero = Array::scalar(0i32).astype(start.dtype());
            let padded = pad(&v, [(0, k), (0, 0)]);
            let rows = lax::dynamic_slice(&padded, [&start, &zero], [k, n]);
            let mask = less(&place, &end - &start).astype(dtype).index((Colon, NewAxis));
            let (q, _) = qr_with(&(rows * &mask).t(), FullMatricesOptions::new().full_matrices(false));
            let turned = q.t() * mask;
            let all = lax::dynamic_update_slice(&zeros(([2 * k, n], dtype)), &turned, [&start, &zero]);
            let inside = logical_and(greater_equal(&place, &start), less(&place, &end));
            where_(inside.index((Colon, NewAxis)), all.index(..k), v)
        };
        lax::fori_loop(0, &clusters, cluster, v).or_throw()
    };
    let shifted = alpha.index((NewAxis, Colon)) - w.index((Colon, NewAxis));
    let spread = |x: &Array| broadcast_to(x.index((NewAxis, Colon)), [k, n]).astype(dtype);
    let (below, above, shifted) = (spread(&below), spread(&above), shifted.astype(dtype));
    type Carry = (Array, Array, Array, Array);
    let step = |(i, v, size, _): Carry| {
        let options = TridiagonalSolveOptions::new().perturb_singular(true);
        let columns = v.index((Colon, Colon, NewAxis));
        let v = lax::squeeze(&tridiagonal_solve_with(&below, &shifted, &above, &columns, options), -1);
        let grown = kept(&v);
        let v = v / grown.astype(dtype);
        (i + 1, orthogonal(v), lax::squeeze(&grown, -1), size)
    };
    let more =
        |(i, _, size, before): &Carry| logical_and(less(i, 5), any(greater_equal(size, 1.1 * before), ..));
    let of = |value: f64| lax::full_like(w, value);
    lax::while_loop(more, step, (Array::from(0), v, of(1.0), of(0.0))).or_throw().1
}
