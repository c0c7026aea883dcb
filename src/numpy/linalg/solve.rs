//! Linear equations, inverses, and what singular values say of a matrix.

use std::slice::from_ref;

use super::elements::square;
use super::factors::{SvdFactorsOptions, adjoint, singular, svd_with};
use super::{Norm, NormOptions, norm, norm_with};
use crate::arguments::{Axes, options};
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::custom_derivatives::custom_jvp;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, throw};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::lax;
use crate::lax::CustomLinearSolveOptions;
use crate::lax::linalg::{TriangularSolveOptions, lu, triangular_solve_with};
use crate::numpy::contraction::DotOptions;
use crate::numpy::reductions::{ReduceOptions, any, max_with, sum};
use crate::numpy::util::{broadcast_to_shape, default_int, inexact, strong_constant};
use crate::numpy::{
    EyeOptions, VectorizeOptions, conjugate, divide, expand_dims, eye_with, isnan, matmul_with,
    matrix_transpose, ravel, reshape, vectorize_with, where_,
};
use crate::scipy::linalg::Trans;

/// `a x = b`: `a: f32[..,m,m]`, `b: f32[..,m,k]` -> `f32[..,m,k]`, or one column `b: f32[m]`. Leading axes are broadcast, dtypes promoted, integers become
/// floats. With a singular matrix the result is infinite or no number.
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = jnp::linalg::solve(Array::from([[2.0f32, 1.0], [1.0, 3.0]]), Array::from([4.0f32, 7.0]));
/// assert!(jnp::allclose(x, Array::from([1.0f32, 2.0])).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `solve: the arguments must have shapes [..., m, m] and [..., m, k] or [m], got f32[2,3] and f32[2]`.
#[track_caller]
pub fn solve(a: impl Into<Array>, b: impl Into<Array>) -> Array {
    jitted("solve", (), [&a.into(), &b.into()], |[a, b]| {
        let (a, b) = promoted("solve", a, b);
        let vector = b.ndim() == 1;
        let sizes = |x: &Array| x.shape().get(x.ndim().wrapping_sub(2)..).map(<[usize]>::to_vec);
        let ([m, n], [rows, k]) = match (sizes(&a).as_deref(), sizes(&b).as_deref(), b.shape()) {
            (Some(&[m, n]), _, &[rows]) => ([m, n], [rows, 1]),
            (Some(&[m, n]), Some(&[rows, k]), _) => ([m, n], [rows, k]),
            _ => ([0, 1], [0, 0]),
        };
        // What would once have been many single columns.
        let ambiguous = b.ndim() > 1 && a.ndim() == b.ndim() + 1 && k == n && rows != n;
        if m != n || rows != n || ambiguous {
            throw!(
                Shape,
                "solve: the arguments must have shapes [..., m, m] and [..., m, k] or [m], got {} and {}",
                a.aval(),
                b.aval()
            );
        }
        let signature = if vector { "(m,m),(m)->(m)" } else { "(m,m),(m,n)->(m,n)" };
        let of = |a: &Array, b: &Array| solve_by_lu(a, b);
        vectorize_with(of, VectorizeOptions::new().signature(signature))(&a, &b).or_throw()
    })
}

/// Of one dtype that has a division.
#[track_caller]
fn promoted(name: &str, a: &Array, b: &Array) -> (Array, Array) {
    let dtype = crate::numpy::util::to_inexact(crate::numpy::util::result_type_of(name, &[a, b]).0);
    (lax::convert_element_type(a, dtype), lax::convert_element_type(b, dtype))
}

/// One system: the factors are made once, and serve the transposed system, too. JAX: `lax.linalg._solve`.
fn solve_by_lu(a: &Array, b: &Array) -> Result<Array> {
    let (factors, _, permutation) = lu(&lax::stop_gradient(a));
    let by = |trans: Trans| {
        let (factors, permutation) = (factors.clone(), permutation.clone());
        move |_: &dyn Fn(Array) -> Result<Array>, x: Array| lu_solved(&factors, &permutation, &x, trans)
    };
    for_each_column(a, b, &|b| {
        let options = CustomLinearSolveOptions::new().transpose_solve(by(Trans::Transpose));
        lax::custom_linear_solve_with(|x: Array| column_product(a, &x), b.clone(), by(Trans::None), options)
    })
}

/// Solves for `b`, which is a column or has several of them. JAX: `vmap` in `lax.linalg._solve`.
pub(crate) fn for_each_column(
    a: &Array,
    b: &Array,
    solve: &dyn Fn(&Array) -> Result<Array>,
) -> Result<Array> {
    if a.ndim() == b.ndim() + 1 {
        return solve(b);
    }
    let (last, columns) = (b.ndim() - 1, b.shape()[b.ndim() - 1]);
    let (outs, dims, ()) =
        batch(|x| Ok((vec![solve(&x[0])?], ())), from_ref(b), &[Some(last)], None, columns)?;
    Ok(move_batch_axis(&outs[0], dims[0], last, columns))
}

/// The products of matrices and as many columns. JAX: `_broadcasted_matvec`.
pub(crate) fn column_product(a: &Array, x: &Array) -> Array {
    let batch: Vec<usize> = (0..a.ndim() - 2).collect();
    let numbers = ((a.ndim() - 1, x.ndim() - 1), (&batch, &batch));
    lax::dot_general_with(a, x, numbers, lax::DotOptions::new().precision(Precision::Highest))
}

/// Solves by the factors and the permutation of one matrix, for a column or several. JAX: `lax.linalg._lu_solve`.
#[track_caller]
pub(crate) fn lu_solved(factors: &Array, permutation: &Array, b: &Array, trans: Trans) -> Array {
    jitted("_lu_solve", trans, [factors, permutation, b], |[factors, permutation, b]| {
        let vector = b.ndim() == 1;
        let columns = if vector { expand_dims(b, -1) } else { b.clone() };
        let unit = TriangularSolveOptions::new().left_side(true).lower(true).unit_diagonal(true);
        let upper = TriangularSolveOptions::new().left_side(true);
        let by = |x: &Array, options| triangular_solve_with(factors, x, options);
        let x = if trans == Trans::None {
            by(&by(&columns.index(permutation), unit), upper)
        } else {
            let turned = |o: TriangularSolveOptions| o.transpose_a(true).conjugate_a(trans == Trans::Adjoint);
            let x = by(&by(&columns, turned(upper)), turned(unit));
            let places = lax::iota(DType::I32, permutation.shape()[0]);
            x.index(lax::sort_key_val(permutation, &places, 0).1)
        };
        if vector { x.index((.., 0)) } else { x }
    })
}

/// The product of matrices as exact as it can be.
fn exact(x: &Array, y: &Array) -> Array {
    matmul_with(x, y, DotOptions::new().precision(Precision::Highest))
}

/// The inverses of `a: f32[..,n,n]`. Integers become floats. That of a singular matrix is infinite or no number.
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = jnp::linalg::inv(Array::from([[2.0f32, 0.0], [0.0, 4.0]]));
/// assert_eq!(x.to_vec::<f32>()?, [0.5, 0.0, 0.0, 0.25]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `inv: the argument must have shape [..., n, n], got f32[2,3]`.
#[track_caller]
pub fn inv(a: impl Into<Array>) -> Array {
    jitted("inv", (), [&a.into()], |[a]| {
        let n = square("inv", a);
        solve(a, broadcast_to_shape(&eye_with(n, EyeOptions::new().dtype(a.dtype())), a.shape()))
    })
}

options! {
    /// Options of [`pinv_with`].
    pub struct PinvOptions {
        /// Singular values that are not larger than this times the largest one count as zero. If it is not given: ten times the larger
        /// side times the dtype's epsilon.
        rtol: optional_into Array,
        /// Is the matrix Hermitian? Then its eigenvalues are computed, which needs no feature.
        hermitian: value bool = false,
    }
}

/// The pseudo-inverse of Moore and Penrose: `f32[..,m,n]` -> `f32[..,n,m]`. Integers become floats.
///
/// # Errors
/// As [`svd`](super::svd): on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn pinv(a: impl Into<Array>) -> Array {
    pinv_with(a, PinvOptions::new())
}

/// [`pinv`] by options.
///
/// # Errors
/// As [`pinv`].
#[track_caller]
pub fn pinv_with(a: impl Into<Array>, options: PinvOptions) -> Array {
    let a = inexact(&a.into());
    if a.ndim() < 2 {
        throw!(Shape, "pinv: the argument must have shape [..., m, n], got {}", a.aval());
    }
    let PinvOptions { rtol, hermitian } = options;
    let f = {
        let rtol = rtol.clone();
        move |a: &Array| pseudo_inverse(a, rtol.as_ref(), hermitian)
    };
    // Golub and Pereyra 1973, (4.12)
    let rule = move |(a,): (Array,), (da,): (Array,)| {
        let options = PinvOptions { rtol: rtol.clone(), hermitian };
        let p = pinv_with(&a, options);
        let symmetric = |x: &Array| lax::div(&lax::add(x, &adjoint(x)), &strong_constant(x, 2.0));
        let (a, da) = if hermitian { (symmetric(&a), symmetric(&da)) } else { (a, da) };
        let (ph, dah) = (adjoint(&p), adjoint(&da));
        let [m, n] = [a.shape()[a.ndim() - 2], a.shape()[a.ndim() - 1]];
        let chain = |x: &Array, y: &Array, z: &Array, left: bool| match left {
            true => exact(&exact(x, y), z),
            false => exact(x, &exact(y, z)),
        };
        let left = m >= n;
        let s = chain(&p, &ph, &dah, left);
        let t = chain(&dah, &ph, &p, left);
        let first = lax::neg(&chain(&p, &da, &p, left));
        let sum = lax::sub(&lax::add(&first, &s), &chain(&s, &a, &p, left));
        let dp = lax::sub(&lax::add(&sum, &t), &chain(&p, &a, &t, left));
        (p, dp)
    };
    custom_jvp(f, rule)(&a).or_throw()
}

#[track_caller]
fn pseudo_inverse(a: &Array, rtol: Option<&Array>, hermitian: bool) -> Array {
    jitted_some("_pinv", hermitian, [a], [rtol], |[a], [rtol]| {
        let [m, n] = [a.shape()[a.ndim() - 2], a.shape()[a.ndim() - 1]];
        if m == 0 || n == 0 {
            let front = &a.shape()[..a.ndim() - 2];
            return lax::zeros(a.dtype(), &[front, &[n, m]].concat());
        }
        let options = SvdFactorsOptions::new().full_matrices(false).hermitian(hermitian);
        let (u, s, vh) = svd_with(conjugate(a), options);
        let rtol = match rtol {
            Some(rtol) => lax::convert_element_type(&expand_dims(rtol, -1), s.dtype()),
            None => strong_constant(&s, 10.0 * m.max(n) as f64 * epsilon(s.dtype())),
        };
        let cutoff = crate::numpy::multiply(rtol, lax::slice_in_dim(&s, ..1, -1));
        let s = where_(crate::numpy::greater(&s, cutoff), &s, lax::full_like(&s, f64::INFINITY));
        let s = lax::convert_element_type(&s, u.dtype());
        exact(&matrix_transpose(vh), &divide(matrix_transpose(u), lax::expand_dims(&s, -1)))
    })
}

/// The distance from 1 to the next number.
fn epsilon(dtype: DType) -> f64 {
    if dtype.real() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) }
}

options! {
    /// Options of [`lstsq_with`].
    pub struct LstsqOptions {
        /// Singular values below this times the largest one count as zero. If it is not given: the larger side times the dtype's epsilon.
        rcond: optional f64,
        /// Are residuals left out, as NumPy does, where the matrix has not full rank or not more rows than columns? The rank is then
        /// asked for, which no transformation allows.
        numpy_resid: value bool = false,
    }
}

/// The `x` with the least `|a x - b|`, of least norm where there are several: `a: f32[m,n]`, `b: f32[m]` or `f32[m,k]` -> `x: f32[n]` or `f32[n,k]`; the sums of
/// squares of what is left, `f32[k]`; the rank; and the singular values, `f32[min(m,n)]`. Integers become floats.
///
/// # Errors
/// `lstsq: the arguments must have shapes [m, n] and [m] or [m, k], got f32[2,3] and f32[3]`; on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn lstsq(a: impl Into<Array>, b: impl Into<Array>) -> (Array, Array, Array, Array) {
    lstsq_with(a, b, LstsqOptions::new())
}

/// [`lstsq`] by options.
///
/// # Errors
/// As [`lstsq`].
#[track_caller]
pub fn lstsq_with(
    a: impl Into<Array>,
    b: impl Into<Array>,
    options: LstsqOptions,
) -> (Array, Array, Array, Array) {
    let (a, b) = (a.into(), b.into());
    let rcond = options.rcond;
    let outs = jitted("_lstsq", rcond.map(f64::to_bits), [&a, &b], |[a, b]| {
        let (a, b) = promoted("lstsq", a, b);
        let fits = a.ndim() == 2 && (b.ndim() == 1 || b.ndim() == 2) && a.shape()[0] == b.shape()[0];
        if !fits {
            throw!(
                Shape,
                "lstsq: the arguments must have shapes [m, n] and [m] or [m, k], got {} and {}",
                a.aval(),
                b.aval()
            );
        }
        let vector = b.ndim() == 1;
        let b = if vector { expand_dims(&b, -1) } else { b };
        let [m, n] = [a.shape()[0], a.shape()[1]];
        let (x, rank, s);
        if m == 0 || n == 0 {
            s = lax::zeros(a.dtype(), &[0]);
            rank = lax::zeros(default_int(), &[]);
            x = lax::zeros(a.dtype(), &[n, b.shape()[1]]);
        } else {
            let rcond = match rcond {
                None => epsilon(a.dtype()) * m.max(n) as f64,
                Some(rcond) if rcond < 0.0 => epsilon(a.dtype()),
                Some(rcond) => rcond,
            };
            let (u, values, vh) = svd_with(&a, SvdFactorsOptions::new().full_matrices(false));
            let least = lax::mul(&strong_constant(&values, rcond), &lax::slice_in_dim(&values, ..1, 0));
            let positive = lax::gt(&values, &strong_constant(&values, 0.0));
            let mask = lax::bitwise_and(&positive, &crate::numpy::greater_equal(&values, least));
            rank = sum(&mask, ..);
            let safe = where_(&mask, &values, lax::full_like(&values, 1.0));
            let safe = lax::convert_element_type(&safe, a.dtype());
            let inverse = where_(&mask, lax::reciprocal(&safe), lax::full_like(&safe, 0.0));
            let of_b = crate::numpy::multiply(lax::expand_dims(&inverse, -1), exact(&adjoint(&u), &b));
            x = exact(&adjoint(&vh), &of_b);
            s = values;
        }
        let left = norm(lax::sub(&b, &exact(&a, &x)), 0);
        let resid = lax::mul(&left, &left);
        vec![if vector { ravel(x) } else { x }, resid, rank, s]
    });
    let mut outs = outs;
    let (s, rank, mut resid) = (outs.swap_remove(3), outs.swap_remove(2), outs.swap_remove(1));
    if options.numpy_resid {
        let [m, n] = [a.shape()[0], a.shape()[1]];
        let full = rank.item::<i64>().or_throw() as usize >= n;
        if !full || m <= n {
            resid = lax::zeros(resid.dtype(), &[0]);
        }
    }
    (outs.swap_remove(0), resid, rank, s)
}

options! {
    /// Options of [`matrix_rank_with`].
    pub struct MatrixRankOptions {
        /// Singular values that are not larger count as zero. If it is not given: the largest one times the larger side times the dtype's
        /// epsilon.
        rtol: optional_into Array,
        /// Is the matrix Hermitian? Then its eigenvalues are computed, which needs no feature.
        hermitian: value bool = false,
    }
}

/// The number of singular values of `m: f32[..,m,n]` that are not zero, `i32[..]`. Of a vector or a number whether any element is.
///
/// # Errors
/// As [`svd`](super::svd): on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn matrix_rank(m: impl Into<Array>) -> Array {
    matrix_rank_with(m, MatrixRankOptions::new())
}

/// [`matrix_rank`] by options.
///
/// # Errors
/// As [`matrix_rank`].
#[track_caller]
pub fn matrix_rank_with(m: impl Into<Array>, options: MatrixRankOptions) -> Array {
    let MatrixRankOptions { rtol, hermitian } = options;
    jitted_some("matrix_rank", hermitian, [&m.into()], [rtol.as_ref()], |[x], [rtol]| {
        let x = inexact(x);
        if x.ndim() < 2 {
            return lax::convert_element_type(&any(lax::ne(&x, &strong_constant(&x, 0.0)), ..), DType::I32);
        }
        let s = singular(&x, hermitian);
        let rtol = match rtol {
            Some(rtol) => rtol.clone(),
            None => {
                let side = x.shape()[x.ndim() - 1].max(x.shape()[x.ndim() - 2]);
                let largest = max_with(&s, -1, ReduceOptions::new());
                lax::mul(&largest, &strong_constant(&largest, side as f64 * epsilon(s.dtype())))
            }
        };
        sum(crate::numpy::greater(&s, expand_dims(rtol, -1)), -1)
    })
}

options! {
    /// Options of [`cond_with`].
    pub struct CondOptions {
        /// By which norm: [`Norm`], or a number. If it is not given, by singular values.
        p: optional_into Norm,
    }
}

/// The condition numbers of `x: f32[..,m,n]`: the largest singular value divided by the smallest one. `f32[..]`.
///
/// # Errors
/// `cond: the argument must have shape [..., m, n], got f32[3]`; a matrix without elements; on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn cond(x: impl Into<Array>) -> Array {
    cond_with(x, CondOptions::new())
}

/// [`cond`] by options: the product of the norms of the matrix and of its inverse.
///
/// # Errors
/// As [`cond`]; norms of matrices that are not square, but for 2 and -2.
#[track_caller]
pub fn cond_with(x: impl Into<Array>, options: CondOptions) -> Array {
    let p = options.p;
    jitted("cond", p.map(Norm::key), [&x.into()], |[x]| {
        let x = inexact(x);
        if x.ndim() < 2 || x.shape()[x.ndim() - 2..].contains(&0) {
            throw!(Shape, "cond: the argument must have shape [..., m, n] and elements, got {}", x.aval());
        }
        let end = |s: &Array, i| lax::index_in_dim(s, i, -1);
        let end = |s: &Array, i| lax::squeeze(&end(s, i), -1);
        let ratio = match p {
            None | Some(Norm::P(2.0)) => {
                let s = singular(&x, false);
                return lax::div(&end(&s, 0), &end(&s, -1));
            }
            Some(Norm::P(-2.0)) => {
                let s = singular(&x, false);
                lax::div(&end(&s, -1), &end(&s, 0))
            }
            Some(p) => {
                square("cond", &x);
                let of = |x: &Array| norm_with(x, [-2, -1], NormOptions::new().ord(p));
                lax::mul(&of(&x), &of(&inv(&x)))
            }
        };
        let unknown = any(isnan(&x), [-2, -1]);
        let infinite = lax::bitwise_and(&lax::ne(&ratio, &ratio), &lax::bitwise_not(&unknown));
        where_(&infinite, lax::full_like(&ratio, f64::INFINITY), &ratio)
    })
}

options! {
    /// Options of [`tensorinv_with`].
    pub struct TensorinvOptions {
        /// How many leading axes the equations' right-hand side has.
        ind: value usize = 2,
    }
}

/// The array that solves `tensordot(a, x, x.ndim) = b` as `tensordot(inverse, b, 2)`: the first two axes of `a` have as many elements as the others.
///
/// # Errors
/// `tensorinv: the axes must have as many elements on both sides of 2, got f32[2,3,4]`.
#[track_caller]
pub fn tensorinv(a: impl Into<Array>) -> Array {
    tensorinv_with(a, TensorinvOptions::new())
}

/// [`tensorinv`] by options.
///
/// # Errors
/// As [`tensorinv`].
#[track_caller]
pub fn tensorinv_with(a: impl Into<Array>, options: TensorinvOptions) -> Array {
    let (a, ind) = (a.into(), options.ind);
    let (front, back) = a.shape().split_at(ind.min(a.ndim()));
    let (m, n): (usize, usize) = (front.iter().product(), back.iter().product());
    if ind == 0 || m != n {
        throw!(
            Shape,
            "tensorinv: the axes must have as many elements on both sides of {ind}, got {}",
            a.aval()
        );
    }
    reshape(inv(reshape(&a, [m, n])), [back, front].concat())
}

options! {
    /// Options of [`tensorsolve_with`].
    pub struct TensorsolveOptions {
        /// Axes of the first array that are moved to its end.
        axes: into Axes = Axes::from(()),
    }
}

/// The `x` with `tensordot(a, x, x.ndim) = b`: the leading axes of `a` are those of `b`, and the others, which are those of `x`, have as many elements.
///
/// # Errors
/// `tensorsolve: the leading axes of the first array must be those of the second, and the others have as many elements, got f32[2,3] and f32[3]`.
#[track_caller]
pub fn tensorsolve(a: impl Into<Array>, b: impl Into<Array>) -> Array {
    tensorsolve_with(a, b, TensorsolveOptions::new())
}

/// [`tensorsolve`] by options.
///
/// # Errors
/// As [`tensorsolve`].
#[track_caller]
pub fn tensorsolve_with(a: impl Into<Array>, b: impl Into<Array>, options: TensorsolveOptions) -> Array {
    let (mut a, b) = (a.into(), b.into());
    let axes = lax::arguments::axes_of("tensorsolve", &options.axes, &a);
    if !axes.is_empty() {
        let order: Vec<usize> =
            (0..a.ndim()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect();
        a = crate::numpy::transpose(&a, order);
    }
    let size: usize = b.shape().iter().product();
    let fits = a.ndim() >= b.ndim() && &a.shape()[..b.ndim()] == b.shape();
    let out = a.shape().get(b.ndim()..).unwrap_or_default().to_vec();
    if !fits || out.iter().product::<usize>() != size {
        throw!(
            Shape,
            "tensorsolve: the leading axes of the first array must be those of the second, and the others have as many elements, \
             got {} and {}",
            a.aval(),
            b.aval()
        );
    }
    reshape(solve(reshape(&a, [size, size]), ravel(&b)), out)
}
