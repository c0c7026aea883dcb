//! Matrices that vectors make. JAX: `_src/scipy/linalg.py`.

use std::borrow::Borrow;

use crate::arguments::options;
use crate::calls::jit_call::{jitted, jitted_list};
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::{ConvOptions, Padding};
use crate::numpy::util::{inexact, promote_dtypes, result_type_of, strong_constant};
use crate::numpy::{
    ConvolveMode, DiagOptions, EyeOptions, NewAxis, SelectOptions, VectorizeOptions, abs, arange, atleast_1d,
    atleast_2d, concatenate, conjugate, diag_with, equal, eye_with, flip, greater_equal, logical_and,
    minimum, pad, remainder, reshape, select_with, vectorize_with, zeros, zeros_like,
};

/// The matrices, one after the other along the diagonal, and zeros elsewhere: `f32[m,n]`, `f32[k,l]` -> `f32[m+k,n+l]`. Vectors are rows, numbers one
/// element; dtypes are promoted.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let x = linalg::block_diag([Array::from([[1, 2]]), Array::from([[3]])]);
/// assert_eq!(x.to_vec::<i32>()?, [1, 2, 0, 0, 0, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `block_diag: the arrays must have at most 2 axes, got f32[2,2,2] at position 1`.
#[track_caller]
pub fn block_diag<T: Borrow<Array>>(arrays: impl AsRef<[T]>) -> Array {
    let arrays: Vec<&Array> = arrays.as_ref().iter().map(Borrow::borrow).collect();
    jitted_list("block_diag", (), &arrays, |arrays| {
        if let Some((i, x)) = arrays.iter().enumerate().find(|(_, x)| x.ndim() > 2) {
            throw!(
                Shape,
                "block_diag: the arrays must have at most 2 axes, got {} at position {i}",
                x.aval()
            );
        }
        let refs: Vec<&Array> = arrays.iter().collect();
        let (dtype, weak) = result_type_of("block_diag", &refs);
        let blocks: Vec<Array> = arrays.iter().map(|x| atleast_2d(lax::convert(x, dtype, weak))).collect();
        if blocks.is_empty() {
            return zeros((1, 0));
        }
        let columns: usize = blocks.iter().map(|x| x.shape()[1]).sum();
        let mut at = 0;
        let rows = blocks.iter().map(|x| {
            let n = x.shape()[1];
            let sides = [(0, 0, 0), (at as i64, (columns - n - at) as i64, 0)];
            at += n;
            lax::pad(x, strong_constant(x, 0.0), sides)
        });
        let rows: Vec<Array> = rows.collect();
        concatenate(&rows, 0)
    })
}

fn by(signature: &str) -> VectorizeOptions {
    VectorizeOptions::new().signature(signature)
}

/// Each window of a vector of `rows` elements, as many as there are.
fn windows(x: &Array, length: usize) -> Array {
    let options = ConvOptions::new().dimension_numbers(("NTC", "IOT", "NTC")).precision(Precision::Highest);
    let patches = lax::conv_general_dilated_patches(
        &reshape(x, [1, x.shape()[0] as i64, 1]),
        length,
        1,
        Padding::Valid,
        options,
    );
    patches.index(0)
}

options! {
    /// Options of [`toeplitz_with`].
    pub struct ToeplitzOptions {
        /// The first row, whose first element does not count; the conjugate of the column, if it is not given.
        r: optional_into Array,
    }
}

/// The matrices whose diagonals are constant, with `c: f32[..,m]` for the first column: `f32[..,m,m]`. The first row is the conjugate of the column.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// assert_eq!(linalg::toeplitz(Array::from([1, 2])).to_vec::<i32>()?, [1, 2, 2, 1]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Leading axes of column and row that do not broadcast.
#[track_caller]
pub fn toeplitz(c: impl Into<Array>) -> Array {
    toeplitz_with(c, ToeplitzOptions::new())
}

/// [`toeplitz`] by options: with a first row `f32[..,n]` it is `f32[..,m,n]`.
///
/// # Errors
/// As [`toeplitz`].
#[track_caller]
pub fn toeplitz_with(c: impl Into<Array>, options: ToeplitzOptions) -> Array {
    let c = c.into();
    let r = options.r.unwrap_or_else(|| conjugate(&c));
    let of = |c: &Array, r: &Array| {
        let (m, n) = (c.shape()[0], r.shape()[0]);
        if m == 0 || n == 0 {
            return zeros(([m, n], result_type_of("toeplitz", &[c, r]).0));
        }
        let elements = concatenate([&lax::rev(c, [0]), &r.index(1..)], 0);
        flip(windows(&elements, n), 0)
    };
    vectorize_with(of, by("(m),(n)->(m,n)"))(&atleast_1d(&c), &atleast_1d(&r)).or_throw()
}

options! {
    /// Options of [`hankel_with`].
    pub struct HankelOptions {
        /// The last row, whose first element does not count; zeros, if it is not given.
        r: optional_into Array,
    }
}

/// The matrices whose antidiagonals are constant, with `c: f32[..,m]` for the first column and zeros below the longest one: `f32[..,m,m]`.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// assert_eq!(linalg::hankel(Array::from([1, 2])).to_vec::<i32>()?, [1, 2, 2, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `hankel: the column and the row must have an axis, got f32[] and f32[]`; leading axes that do not broadcast.
#[track_caller]
pub fn hankel(c: impl Into<Array>) -> Array {
    hankel_with(c, HankelOptions::new())
}

/// [`hankel`] by options: with a last row `f32[..,n]` it is `f32[..,m,n]`.
///
/// # Errors
/// As [`hankel`].
#[track_caller]
pub fn hankel_with(c: impl Into<Array>, options: HankelOptions) -> Array {
    let c = c.into();
    let r = options.r.unwrap_or_else(|| zeros_like(&c));
    if c.ndim() == 0 || r.ndim() == 0 {
        throw!(Shape, "hankel: the column and the row must have an axis, got {} and {}", c.aval(), r.aval());
    }
    let of = |c: &Array, r: &Array| {
        let (m, n) = (c.shape()[0], r.shape()[0]);
        if m == 0 || n == 0 {
            return zeros(([m, n], result_type_of("hankel", &[c, r]).0));
        }
        windows(&concatenate([c, &r.index(1..)], 0), n)
    };
    vectorize_with(of, by("(m),(n)->(m,n)"))(&c, &r).or_throw()
}

/// The matrices whose columns are `c: f32[..,n]` moved down by one place after another: `f32[..,n,n]`.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// assert_eq!(linalg::circulant(Array::from([1, 2, 3])).to_vec::<i32>()?, [1, 3, 2, 2, 1, 3, 3, 2, 1]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn circulant(c: impl Into<Array>) -> Array {
    let of = |c: &Array| {
        let n = c.shape()[0];
        let place = arange(n);
        let from = remainder(place.index((.., NewAxis)) - place.index((NewAxis, ..)), n as i32);
        c.index(from)
    };
    vectorize_with(of, by("(n)->(n,n)"))(&atleast_1d(c)).or_throw()
}

/// Leslie's matrices: the fecundities `f: f32[..,n]` in the first row and the survivals `s: f32[..,n-1]` below the diagonal.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let x = linalg::leslie(Array::from([1, 2]), Array::from([3]));
/// assert_eq!(x.to_vec::<i32>()?, [1, 2, 3, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `leslie: the first vector must have at least two elements and the second one fewer, got f32[3] and f32[3]`.
#[track_caller]
pub fn leslie(f: impl Into<Array>, s: impl Into<Array>) -> Array {
    let (f, s) = (atleast_1d(f), atleast_1d(s));
    let [n, m] = [&f, &s].map(|x| x.shape()[x.ndim() - 1]);
    if n < 2 || m != n - 1 {
        throw!(
            Shape,
            "leslie: the first vector must have at least two elements and the second one fewer, got {} and {}",
            f.aval(),
            s.aval()
        );
    }
    let of = |f: &Array, s: &Array| {
        let [f, s] = promote_dtypes("leslie", [f, s]);
        diag_with(s, DiagOptions::new().k(-1)).at(0).set(f)
    };
    vectorize_with(of, by("(n),(m)->(n,n)"))(&f, &s).or_throw()
}

/// The companion matrices of polynomials with coefficients `a: f32[..,n]` from the highest power down, whose eigenvalues are the roots:
/// `f32[..,n-1,n-1]`. Integers become floats.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let x = linalg::companion(Array::from([2.0f32, 4.0, 6.0]));
/// assert_eq!(x.to_vec::<f32>()?, [-2.0, -3.0, 1.0, 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `companion: there must be at least two coefficients, got f32[1]`.
#[track_caller]
pub fn companion(a: impl Into<Array>) -> Array {
    let a = atleast_1d(inexact(&a.into()));
    if a.shape()[a.ndim() - 1] < 2 {
        throw!(Shape, "companion: there must be at least two coefficients, got {}", a.aval());
    }
    let of = |a: &Array| {
        let row = -a.index(1..) / a.index(0);
        let below = EyeOptions::new().m(a.shape()[0] - 1).k(-1).dtype(row.dtype());
        eye_with(a.shape()[0] - 1, below).at(0).set(row)
    };
    vectorize_with(of, by("(n)->(m,m)"))(&a).or_throw()
}

/// Fiedler's matrices: the distances of each two elements of `a: f32[..,n]`, `f32[..,n,n]`.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// assert_eq!(linalg::fiedler(Array::from([1, 4])).to_vec::<i32>()?, [0, 3, 3, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn fiedler(a: impl Into<Array>) -> Array {
    let a = atleast_1d(a);
    abs(a.index((.., NewAxis)) - a.index((.., NewAxis, crate::numpy::Colon)))
}

/// The companion matrices of Fiedler, with five diagonals, of polynomials with coefficients `a: f32[..,n]` from the highest power down:
/// `f32[..,n-1,n-1]`. Integers become floats.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let x = linalg::fiedler_companion(Array::from([1.0f32, -16.0, 86.0]));
/// assert_eq!(x.to_vec::<f32>()?, [16.0, -86.0, 1.0, 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `fiedler_companion: there must be a coefficient, got f32[0]`.
#[track_caller]
pub fn fiedler_companion(a: impl Into<Array>) -> Array {
    let a = atleast_1d(inexact(&a.into()));
    if a.shape()[a.ndim() - 1] == 0 {
        throw!(Shape, "fiedler_companion: there must be a coefficient, got {}", a.aval());
    }
    vectorize_with(fiedler_companion_of, by("(n)->(m,m)"))(&a).or_throw()
}

fn fiedler_companion_of(a: &Array) -> Array {
    let n = a.shape()[0] - 1;
    if n == 0 {
        return zeros(([0, 0], a.dtype()));
    }
    let a = a / a.index(0);
    if n == 1 {
        return reshape(-a.index(1..), [1, 1]);
    }
    let place = arange(n);
    let (i, j) = (place.index((.., NewAxis)), place.index((NewAxis, ..)));
    let after = |k: i32| -a.index(minimum(&i + k, n as i32));
    let is_at = |k: i32| equal(&j, &i + k);
    let even = equal(remainder(&i, 2), 0);
    let odd = equal(remainder(&i, 2), 1);
    let both = |x: &Array, y: &Array| logical_and(x, y);
    let first = |row: i32| both(&equal(&i, row), &equal(&j, 0));
    let conditions = [
        first(0),
        first(1),
        both(&is_at(1), &even),
        both(&is_at(2), &even),
        both(&both(&is_at(-1), &even), &greater_equal(&i, 2)),
        both(&both(&is_at(-2), &odd), &greater_equal(&i, 3)),
    ];
    let one = strong_constant(&a, 1.0);
    let choices = [-a.index(1), one.clone(), after(2), one.clone(), after(1), one];
    select_with(conditions, choices, SelectOptions::new().default(strong_constant(&a, 0.0)))
}

options! {
    /// Options of [`convolution_matrix_with`].
    pub struct ConvolutionMatrixOptions {
        /// Which part of the convolution.
        mode: value ConvolveMode = ConvolveMode::Full,
    }
}

/// The matrices whose product with a vector of `n` elements is its convolution with `a: f32[..,m]`: `f32[..,m+n-1,n]`.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let x = linalg::convolution_matrix(Array::from([1, 2]), 2);
/// assert_eq!(x.to_vec::<i32>()?, [1, 0, 2, 1, 0, 2]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `convolution_matrix: n must be positive, and the vector not empty, got 0 and f32[3]`.
#[track_caller]
pub fn convolution_matrix(a: impl Into<Array>, n: usize) -> Array {
    convolution_matrix_with(a, n, ConvolutionMatrixOptions::new())
}

/// [`convolution_matrix`] by options.
///
/// # Errors
/// As [`convolution_matrix`].
#[track_caller]
pub fn convolution_matrix_with(a: impl Into<Array>, n: usize, options: ConvolutionMatrixOptions) -> Array {
    let mode = options.mode;
    jitted("convolution_matrix", (n, mode), [&a.into()], |[a]| {
        let m = a.shape().last().copied().unwrap_or(0);
        if n == 0 || m == 0 {
            throw!(
                Shape,
                "convolution_matrix: n must be positive, and the vector not empty, got {n} and {}",
                a.aval()
            );
        }
        let mut widths = vec![(0, 0); a.ndim()];
        widths[a.ndim() - 1] = (0, n - 1);
        let [column, row] = [a, &flip(a, -1)].map(|x| pad(x, widths.clone()));
        let overlap = n.min(m) - 1;
        let [front, back] = match mode {
            ConvolveMode::Full => [0, 0],
            ConvolveMode::Same => [overlap / 2, overlap - overlap / 2],
            ConvolveMode::Valid => [overlap, overlap],
        };
        let all = m + n - 1;
        let column = lax::slice_in_dim(&column, front..all - back, -1);
        let row = lax::slice_in_dim(&row, all - n - front..all - front, -1);
        toeplitz_with(column, ToeplitzOptions::new().r(row))
    })
}
