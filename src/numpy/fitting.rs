//! Polynomials by points and by roots. JAX: `numpy/polynomial.py`.

use crate::arguments::options;
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::dtypes::finfo;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::linalg::{LstsqOptions, eigvals, inv, lstsq_with};
use crate::numpy::util::{inexact, to_inexact};
use crate::numpy::{
    Colon, DiagOptions, NewAxis, VanderOptions, all, arange, argmin, atleast_1d, diag_with, dot, equal,
    expand_dims, less, ones, outer, sqrt, sum, vander_with, where_, zeros,
};
use num_complex::Complex;

/// How large the covariance of [`polyfit_with`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolyfitCov {
    /// It is not given. JAX: `False`.
    #[default]
    None,
    /// By the residuals. JAX: `True`.
    Scaled,
    /// As if the weights were the inverse errors of the points. JAX: `"unscaled"`.
    Unscaled,
}

options! {
    /// Options of [`polyfit_with`].
    pub struct PolyfitOptions {
        /// Singular values below this times the largest one count as zero. If it is not given: the number of points times the dtype's epsilon.
        rcond: optional f64,
        /// Are the residuals, the rank and the singular values wanted?
        full: value bool = false,
        /// The weight of each point.
        w: optional_into Array,
        /// Is the covariance of the coefficients wanted? Not together with `full`.
        cov: value PolyfitCov = PolyfitCov::None,
    }
}

/// What [`polyfit_with`] gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Polyfit {
    /// The coefficients from the highest power down, `f32[deg+1]` or `f32[deg+1,k]`.
    pub p: Array,
    /// With `full`: the sums of squares of what is left, the rank, the singular values and the bound below which they count as zero.
    pub full: Option<(Array, Array, Array, f64)>,
    /// The covariance of the coefficients, `f32[deg+1,deg+1]` or `f32[deg+1,deg+1,k]`.
    pub cov: Option<Array>,
}

/// The coefficients, from the highest power down, of the polynomial of degree `deg` that is nearest to the points by the sum of squares: `x: f32[n]`, `y: f32[n]` or `f32[n,k]`
/// -> `f32[deg+1]` or `f32[deg+1,k]`.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use raxla::{Array, numpy as jnp};
///
/// // x² - 1
/// let p = jnp::polyfit(Array::from([0.0f32, 1.0, 2.0, 3.0]), Array::from([-1.0f32, 0.0, 3.0, 8.0]), 2);
/// assert!((p - Array::from([1.0f32, 0.0, -1.0])).abs().max(..).item::<f32>()? < 1e-4);
/// # }
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `polyfit: takes a vector that is not empty and as many values, got f32[3] and f32[2]`; on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn polyfit(x: impl Into<Array>, y: impl Into<Array>, deg: usize) -> Array {
    polyfit_with(x, y, deg, PolyfitOptions::new()).p
}

/// [`polyfit`] by options.
///
/// # Errors
/// As [`polyfit`]; weights of another shape; a scaled covariance of too few points.
#[track_caller]
pub fn polyfit_with(
    x: impl Into<Array>,
    y: impl Into<Array>,
    deg: usize,
    options: PolyfitOptions,
) -> Polyfit {
    let (x, y) = (x.into(), y.into());
    let PolyfitOptions { rcond, full, w, cov } = options;
    if x.ndim() != 1 || x.size() == 0 || !matches!(y.ndim(), 1 | 2) || x.shape()[0] != y.shape()[0] {
        throw!(
            Shape,
            "polyfit: takes a vector that is not empty and as many values, got {} and {}",
            x.aval(),
            y.aval()
        );
    }
    if let Some(w) = w.as_ref().filter(|w| w.shape() != x.shape()) {
        throw!(Shape, "polyfit: there must be a weight for each point, got {} for {}", w.aval(), x.aval());
    }
    let n = x.shape()[0];
    if cov == PolyfitCov::Scaled && !full && n <= deg + 1 {
        throw!(
            InvalidArgument,
            "polyfit: there must be more points than coefficients for a scaled covariance, got {n} for {}",
            deg + 1
        );
    }
    let rcond = rcond.unwrap_or_else(|| n as f64 * finfo(to_inexact(x.dtype())).eps);
    let statics = (deg, rcond.to_bits(), full, cov);
    let outs = jitted_some("polyfit", statics, [&x, &y], [w.as_ref()], |[x, y], [w]| {
        let mut lhs = vander_with(x, VanderOptions::new().n(deg + 1));
        let mut rhs = y.clone();
        if let Some(w) = w {
            let w = inexact(w);
            let column = w.index((Colon, NewAxis));
            lhs *= &column;
            rhs = if rhs.ndim() == 2 { rhs * column } else { rhs * w };
        }
        let scale = sqrt(sum(&lhs * &lhs, 0));
        let lhs = lhs / scale.index((NewAxis, Colon));
        let (c, resids, rank, s) = lstsq_with(&lhs, rhs, LstsqOptions::new().rcond(rcond));
        let c = match c.ndim() {
            1 => c / &scale,
            _ => (c.t() / scale.index((NewAxis, Colon))).t(),
        };
        if full {
            return vec![c, resids, rank, s];
        }
        if cov == PolyfitCov::None {
            return vec![c];
        }
        let base = inv(dot(lhs.t(), &lhs)) / outer(&scale, &scale);
        let factor = match cov {
            PolyfitCov::Scaled => resids / (n - deg - 1) as i32,
            _ => Array::from(1.0).astype(base.dtype()),
        };
        let factor = atleast_1d(factor);
        let cov = match y.ndim() {
            1 => base * factor.index((NewAxis, Colon)),
            _ => base.index((Colon, Colon, NewAxis)) * expand_dims(factor, [0, 1]),
        };
        vec![c, cov]
    });
    let mut outs = outs.into_iter();
    let Some(p) = outs.next() else { throw!(Internal, "polyfit: no result") };
    let (full, cov) = match (outs.next(), outs.next(), outs.next()) {
        (Some(resids), Some(rank), Some(s)) => (Some((resids, rank, s, rcond)), None),
        (cov, ..) => (None, cov),
    };
    Polyfit { p, full, cov }
}

options! {
    /// Options of [`roots_with`].
    pub struct RootsOptions {
        /// Are leading zeros left out? They are looked for in the values, which no transformation allows: without it there is NaN for each of them.
        strip_zeros: value bool = true,
    }
}

/// The roots of a polynomial with coefficients `p: f32[n]` from the highest power down, in any order: `c64[n-1]`, or fewer as there are leading zeros. Integers become floats.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use raxla::{Array, numpy as jnp};
///
/// // x² - 3 x + 2
/// let found = jnp::sort(jnp::roots(Array::from([1.0f32, -3.0, 2.0])), -1);
/// assert!((found.real() - Array::from([1.0f32, 2.0])).abs().max(..).item::<f32>()? < 1e-5);
/// # }
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `roots: takes a vector, got f32[2,2]`; a traced one; on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn roots(p: impl Into<Array>) -> Array {
    roots_with(p, RootsOptions::new())
}

/// [`roots`] by options.
///
/// # Errors
/// As [`roots`].
#[track_caller]
pub fn roots_with(p: impl Into<Array>, options: RootsOptions) -> Array {
    let p = atleast_1d(inexact(&p.into()));
    if p.ndim() != 1 {
        throw!(Shape, "roots: takes a vector, got {}", p.aval());
    }
    let n = p.shape()[0];
    if n < 2 {
        return none(p.dtype());
    }
    let is_zero = equal(&p, 0);
    let zeros = where_(all(&is_zero, ..), n as i32, argmin(is_zero, ..));
    if options.strip_zeros {
        let zeros = zeros.to_scalar();
        let zeros = zeros.map_err(|e| e.context("roots: with strip_zeros")).or_throw().to_i128() as usize;
        return of_polynomial(&p.index(zeros..));
    }
    jitted("_roots_with_zeros", (), [&p, &zeros], |[p, zeros]| {
        let p = where_(equal(zeros, n as i32), 1.0, p);
        let place = arange(n);
        // Leading zeros become zero roots, which are put to the end.
        let at = crate::numpy::remainder(&place + zeros, n as i32);
        let found = of_polynomial(&p.index(at));
        let (_, found) = lax::sort_key_val(&equal(&found, 0), &found, 0);
        let size = found.shape()[0] as i32;
        let nan = Complex::new(f64::NAN, f64::NAN);
        where_(less(arange(size), size - zeros), &found, nan)
    })
}

fn none(dtype: DType) -> Array {
    zeros((0, if dtype.real() == DType::F64 { DType::C128 } else { DType::C64 }))
}

/// The eigenvalues of the companion matrix.
fn of_polynomial(p: &Array) -> Array {
    jitted("_roots_no_zeros", (), [p], |[p]| {
        let n = p.shape()[0];
        if n < 2 {
            return none(p.dtype());
        }
        let below = diag_with(ones((n - 2, p.dtype())), DiagOptions::new().k(-1));
        eigvals(below.at((0, Colon)).set(-p.index(1..) / p.index(0)))
    })
}
