//! Covariance and correlation. JAX: `numpy/lax_numpy.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted_some;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::numpy::util::{inexact, promote_dtypes, strong};
use crate::numpy::{
    AverageOptions, abs, atleast_2d, average_with, clip, concatenate, conj, diag, divide, dot, imag,
    multiply, real, sqrt, squeeze, subtract, sum, transpose,
};

options! {
    /// Options of [`cov_with`].
    pub struct CovOptions {
        /// More variables and observations.
        y: optional_into Array,
        /// Is a row a variable, and a column an observation?
        rowvar: value bool = true,
        /// Is it divided by the number of observations rather than by one less?
        bias: value bool = false,
        /// What is subtracted from the number of observations, instead of what `bias` says.
        ddof: optional i64,
        /// How often each observation occurred: integers.
        fweights: optional_into Array,
        /// How much each observation counts.
        aweights: optional_into Array,
        /// The dtype to compute in and to give.
        dtype: optional DType,
    }
}

options! {
    /// Options of [`corrcoef_with`].
    pub struct CorrcoefOptions {
        /// More variables and observations.
        y: optional_into Array,
        /// Is a row a variable, and a column an observation?
        rowvar: value bool = true,
        /// The dtype to compute in and to give.
        dtype: optional DType,
    }
}

/// The covariance matrix of variables, the rows of a matrix, whose columns are observations; of a vector the variance.
///
/// # Errors
/// `cov: takes a vector or a matrix, got f32[2,2,2]`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[0.0f32, 1.0, 2.0], [2.0, 1.0, 0.0]]);
/// assert_eq!(jnp::cov(&x).to_vec::<f32>()?, [1.0, -1.0, -1.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn cov(m: impl Into<Array>) -> Array {
    cov_with(m, CovOptions::new())
}

/// [`cov`] by options.
///
/// # Errors
/// As [`cov`]; weights that are no vector of one number for each observation; a dtype that is not of floats.
#[track_caller]
pub fn cov_with(m: impl Into<Array>, options: CovOptions) -> Array {
    let statics = (options.rowvar, options.bias, options.ddof, options.dtype);
    let given = [options.y.as_ref(), options.fweights.as_ref(), options.aweights.as_ref()];
    jitted_some("cov", statics, [&m.into()], given, |[m], [y, fweights, aweights]| {
        let (y, fweights, aweights) = (y.cloned(), fweights.cloned(), aweights.cloned());
        covariance("cov", m, &CovOptions { y, fweights, aweights, ..options.clone() })
    })
}

/// A matrix with variables as rows.
#[track_caller]
fn variables(x: &Array, rowvar: bool) -> Array {
    let rows = atleast_2d(x);
    if rowvar { rows } else { transpose(rows, ..) }
}

/// The weights of the observations, checked.
#[track_caller]
fn weights_of<'a>(name: &str, option: &str, weights: Option<&'a Array>, n: usize) -> Option<&'a Array> {
    if let Some(w) = weights.filter(|w| w.shape() != [n]) {
        throw!(
            Shape,
            "{name}: {option} must be a vector of {n} numbers, one for each observation, got {}",
            w.aval()
        );
    }
    weights
}

#[track_caller]
fn covariance(name: &str, m: &Array, options: &CovOptions) -> Array {
    let (m, y) = match &options.y {
        None => (inexact(m), None),
        Some(y) => {
            let [m, y] = promote_dtypes(name, [&inexact(m), &inexact(y)]);
            (m, Some(y))
        }
    };
    if let Some(x) = [Some(&m), y.as_ref()].into_iter().flatten().find(|x| x.ndim() > 2) {
        throw!(Shape, "{name}: takes a vector or a matrix, got {}", x.aval());
    }
    let dtype = options.dtype.map(canonicalize);
    if let Some(dtype) = dtype.filter(|dtype| !dtype.is_inexact()) {
        throw!(DType, "{name}: the dtype must be one of floats, got {dtype}");
    }
    let mut x = variables(&m, options.rowvar || m.ndim() == 1);
    if x.shape()[0] == 0 {
        return lax::zeros(DType::F32, &[0, 0]);
    }
    if let Some(y) = y {
        let rows = atleast_2d(&y);
        let rows = if !options.rowvar && rows.shape()[0] != 1 { transpose(rows, ..) } else { rows };
        x = concatenate([x, rows], 0);
    }
    let [k, n] = [x.shape()[0], x.shape()[1]];
    if n == 0 {
        let shape = if k == 1 { vec![] } else { vec![k, k] };
        return lax::full(shape, lax::literal(x.dtype(), f64::NAN));
    }
    let ddof = options.ddof.unwrap_or(i64::from(!options.bias));
    let fweights = weights_of(name, "fweights", options.fweights.as_ref(), n);
    if let Some(w) = fweights.filter(|w| !w.dtype().is_integer()) {
        throw!(DType, "{name}: fweights must be integers, got {}", w.aval());
    }
    let aweights = weights_of(name, "aweights", options.aweights.as_ref(), n).map(abs);
    let mut w = match (fweights.map(abs), &aweights) {
        (Some(f), Some(a)) => Some(multiply(f, a)),
        (f, a) => f.or_else(|| a.clone()),
    };
    if let Some(dtype) = dtype {
        x = strong(&x, dtype);
        w = w.map(|w| strong(&w, dtype));
    }
    let averaging = AverageOptions::new();
    let averaging = match &w {
        Some(w) => averaging.weights(w),
        None => averaging,
    };
    let (mean, total) = average_with(&x, 1, averaging.returned());
    let total = total.index(0);
    let divisor = match (&w, &aweights) {
        (None, _) => Array::from(n as i64 - ddof),
        (Some(_), _) if ddof == 0 => total,
        (Some(_), None) => total - ddof,
        (Some(w), Some(a)) => {
            let lost = divide(multiply(ddof, sum(multiply(w, a), ..)), &total);
            total - lost
        }
    };
    let x = subtract(x, lax::expand_dims(&mean, [1]));
    let weighed = match &w {
        Some(w) => multiply(&x, lax::expand_dims(w, [0])),
        None => x.clone(),
    };
    squeeze(divide(dot(x, conj(transpose(weighed, ..))), divisor), ..)
}

/// The matrix of correlation coefficients of variables, the rows of a matrix, whose columns are observations.
///
/// # Errors
/// As [`cov`].
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[0.0f32, 1.0, 2.0], [4.0, 2.0, 0.0]]);
/// assert_eq!(jnp::corrcoef(&x).to_vec::<f32>()?, [1.0, -1.0, -1.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn corrcoef(x: impl Into<Array>) -> Array {
    corrcoef_with(x, CorrcoefOptions::new())
}

/// [`corrcoef`] by options.
///
/// # Errors
/// As [`cov_with`].
#[track_caller]
pub fn corrcoef_with(x: impl Into<Array>, options: CorrcoefOptions) -> Array {
    let statics = (options.rowvar, options.dtype);
    jitted_some("corrcoef", statics, [&x.into()], [options.y.as_ref()], |[x], [y]| {
        let (rowvar, dtype) = (options.rowvar, options.dtype);
        let c = cov_with(x, CovOptions { rowvar, dtype, y: y.cloned(), ..CovOptions::new() });
        if c.ndim() == 0 {
            return divide(&c, &c);
        }
        let deviation = strong(&sqrt(real(diag(&c))), c.dtype());
        let c = divide(c, lax::expand_dims(&deviation, [1]));
        let c = divide(c, lax::expand_dims(&deviation, [0]));
        // As far as rounding takes it beyond.
        let part = clip(real(&c), -1, 1);
        if c.dtype().is_complex() { lax::complex(&part, &clip(imag(&c), -1, 1)) } else { part }
    })
}
