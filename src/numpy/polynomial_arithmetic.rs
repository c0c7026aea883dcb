//! Polynomials as vectors of coefficients, from the highest power down. JAX: `numpy/polynomial.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::numpy::nonzero::{Trim, TrimZerosOptions, trim_zeros_with};
use crate::numpy::util::{inexact, promote_dtypes};
use crate::numpy::{
    atleast_1d, concatenate, convolve, divide, less, maximum, multiply, negative, prod, stack,
};

/// A vector of coefficients.
#[track_caller]
fn vector(name: &str, p: &Array) {
    if p.ndim() != 1 {
        throw!(Shape, "{name}: takes vectors of coefficients, got {}", p.aval());
    }
}

/// Both in one dtype.
#[track_caller]
fn both(name: &str, p: &Array, q: &Array) -> [Array; 2] {
    vector(name, p);
    vector(name, q);
    promote_dtypes(name, [p, q])
}

/// The sum of two polynomials.
///
/// # Errors
/// `polyadd: takes vectors of coefficients, got f32[2,2]`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let sum = jnp::polyadd(Array::from([1, 2]), Array::from([5, 0, 1]));
/// assert_eq!(sum.to_vec::<i32>()?, [5, 1, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn polyadd(p: impl Into<Array>, q: impl Into<Array>) -> Array {
    sum_of("polyadd", &p.into(), &q.into())
}

#[track_caller]
fn sum_of(name: &str, p: &Array, q: &Array) -> Array {
    jitted("polyadd", (), [p, q], |[p, q]| {
        let [p, q] = both(name, p, q);
        let (long, short) = if q.size() <= p.size() { (p, q) } else { (q, p) };
        let at = (long.size() - short.size()) as i64;
        long.at(at..).add(short)
    })
}

/// The difference of two polynomials.
///
/// # Errors
/// As [`polyadd`].
#[track_caller]
pub fn polysub(p: impl Into<Array>, q: impl Into<Array>) -> Array {
    jitted("polysub", (), [&p.into(), &q.into()], |[p, q]| {
        let [p, q] = both("polysub", p, q);
        sum_of("polysub", &p, &negative(q))
    })
}

options! {
    /// Options of [`polymul_with`] and [`polydiv_with`].
    pub struct PolyTrimOptions {
        /// Are leading zeros taken away? The values decide it, so they must be known.
        trim_leading_zeros: value bool = false,
    }
}

/// The product of two polynomials, as floats.
///
/// # Errors
/// As [`polyadd`].
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let product = jnp::polymul(Array::from([1, 1]), Array::from([1, -1]));
/// assert_eq!(product.to_vec::<f32>()?, [1.0, 0.0, -1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn polymul(p: impl Into<Array>, q: impl Into<Array>) -> Array {
    polymul_with(p, q, PolyTrimOptions::new())
}

/// [`polymul`] by options.
///
/// # Errors
/// As [`polymul`]; traced coefficients whose leading zeros are to be taken away.
#[track_caller]
pub fn polymul_with(p: impl Into<Array>, q: impl Into<Array>, options: PolyTrimOptions) -> Array {
    let [mut p, mut q] = both("polymul", &inexact(&p.into()), &inexact(&q.into()));
    if options.trim_leading_zeros && (p.size() > 1 || q.size() > 1) {
        let front = TrimZerosOptions::new().trim(Trim::Front);
        (p, q) = (trim_zeros_with(p, .., front.clone()), trim_zeros_with(q, .., front));
    }
    let or_zero = |p: Array| if p.size() == 0 { lax::zeros(p.dtype(), &[1]) } else { p };
    convolve(or_zero(p), or_zero(q))
}

/// The quotient of two polynomials and the rest, which has as many coefficients as the first; floats.
///
/// # Errors
/// As [`polyadd`]; no coefficients.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// // x² - 1 = (x + 1)(x - 1)
/// let (quotient, rest) = jnp::polydiv(Array::from([1, 0, -1]), Array::from([1, 1]));
/// assert_eq!((quotient.to_vec::<f32>()?, rest.to_vec::<f32>()?), (vec![1.0, -1.0], vec![0.0, 0.0, 0.0]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn polydiv(u: impl Into<Array>, v: impl Into<Array>) -> (Array, Array) {
    polydiv_with(u, v, PolyTrimOptions::new())
}

/// [`polydiv`] by options: what is taken away of the rest is almost zero.
///
/// # Errors
/// As [`polydiv`]; traced coefficients whose leading zeros are to be taken away.
#[track_caller]
pub fn polydiv_with(u: impl Into<Array>, v: impl Into<Array>, options: PolyTrimOptions) -> (Array, Array) {
    const NAME: &str = "polydiv";
    let [mut u, v] = both(NAME, &inexact(&u.into()), &inexact(&v.into()));
    if u.size() == 0 || v.size() == 0 {
        throw!(Shape, "{NAME}: takes coefficients, got {} and {}", u.aval(), v.aval());
    }
    let (m, n) = (u.size() as i64 - 1, v.size() as i64 - 1);
    let scale = divide(1.0, v.index(0));
    let mut quotient = lax::zeros(u.dtype(), &[(m - n + 1).max(1) as usize]);
    for k in 0..=m - n {
        let d = multiply(&scale, u.index(k));
        quotient = quotient.at(k).set(&d);
        u = u.at(k..k + n + 1).add(multiply(negative(d), &v));
    }
    if options.trim_leading_zeros {
        u = without_small(&u);
    }
    (quotient, u)
}

/// A vector without the leading numbers that rounding makes of zero.
#[track_caller]
fn without_small(u: &Array) -> Array {
    let digits = match u.dtype().real() {
        DType::BF16 => 7,
        DType::F16 => 10,
        DType::F32 => 23,
        _ => 52,
    };
    let small_numbers = less(crate::numpy::abs(u), 0.5f64.powi(digits).sqrt());
    let front = TrimZerosOptions::new().trim(Trim::Front);
    let kept = trim_zeros_with(lax::bitwise_not(&small_numbers), .., front).size();
    // What is behind a larger number stays, so that all that is left is as many.
    u.index(u.size() - kept..)
}

options! {
    /// Options of [`polyint_with`].
    pub struct PolyintOptions {
        /// How many times over.
        m: value usize = 1,
        /// The constants of integration: a number, or a vector of as many.
        k: into Array = 0,
    }
}

/// The integral of a polynomial, as floats.
///
/// # Errors
/// As [`polyadd`].
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::polyint(Array::from([6, 2])).to_vec::<f32>()?, [3.0, 2.0, 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn polyint(p: impl Into<Array>) -> Array {
    polyint_with(p, PolyintOptions::new())
}

/// [`polyint`] by options.
///
/// # Errors
/// As [`polyint`]; constants of another number.
#[track_caller]
pub fn polyint_with(p: impl Into<Array>, options: PolyintOptions) -> Array {
    let m = options.m;
    jitted("polyint", m, [&p.into(), &options.k], |[p, k]| {
        vector("polyint", p);
        let [p, k] = promote_dtypes("polyint", [&inexact(p), &inexact(k)]);
        let k = atleast_1d(k);
        let k = if k.size() == 1 { crate::numpy::full(m, k.index(0)) } else { k };
        if k.shape() != [m] {
            throw!(Shape, "polyint: k must be a number or a vector of {m}, got {}", k.aval());
        }
        if m == 0 {
            return p;
        }
        let factors = falling(p.dtype(), (0, p.size() + m), m);
        let factors = lax::rev(&prod(maximum(1, factors), 0), [0]);
        divide(concatenate([p, k], 0), factors)
    })
}

/// Rows of the numbers of a range, each less than those of the row before by one.
#[track_caller]
fn falling(dtype: DType, (start, stop): (usize, usize), rows: usize) -> Array {
    let along = lax::iota(dtype, stop.saturating_sub(start));
    let along = if start == 0 { along } else { along + start };
    crate::numpy::subtract(lax::expand_dims(&along, [0]), lax::expand_dims(&lax::iota(dtype, rows), [1]))
}

options! {
    /// Options of [`polyder_with`].
    pub struct PolyderOptions {
        /// How many times over.
        m: value usize = 1,
    }
}

/// The derivative of a polynomial, as floats.
///
/// # Errors
/// As [`polyadd`].
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::polyder(Array::from([3, 2, 5])).to_vec::<f32>()?, [6.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn polyder(p: impl Into<Array>) -> Array {
    polyder_with(p, PolyderOptions::new())
}

/// [`polyder`] by options.
///
/// # Errors
/// As [`polyder`].
#[track_caller]
pub fn polyder_with(p: impl Into<Array>, options: PolyderOptions) -> Array {
    let m = options.m;
    jitted("polyder", m, [&p.into()], |[p]| {
        vector("polyder", p);
        let p = inexact(p);
        if m == 0 {
            return p;
        }
        let factors = lax::rev(&prod(falling(p.dtype(), (m, p.size()), m), 0), [0]);
        multiply(p.index(..p.size().saturating_sub(m)), factors)
    })
}

/// The polynomial with these zeros, its first coefficient one; floats.
///
/// # Errors
/// `poly: takes a vector of zeros, got f32[2,3]`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::poly(Array::from([1, -1])).to_vec::<f32>()?, [1.0, 0.0, -1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn poly(zeros: impl Into<Array>) -> Array {
    jitted("poly", (), [&zeros.into()], |[zeros]| {
        let zeros = atleast_1d(inexact(zeros));
        if zeros.ndim() != 1 {
            throw!(Shape, "poly: takes a vector of zeros, got {}", zeros.aval());
        }
        let one = lax::literal(zeros.dtype(), 1.0);
        if zeros.size() == 0 {
            return one;
        }
        let mut out = lax::full([1], &one);
        for k in 0..zeros.size() {
            let factor = stack([one.clone(), negative(zeros.index(k))], 0);
            out = convolve(out, factor);
        }
        out
    })
}
