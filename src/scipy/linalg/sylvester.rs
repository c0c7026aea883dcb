//! Sylvester's equation. JAX: `_src/scipy/linalg.py`.

use super::equations::solve;
use super::schur::{SchurFormOptions, SchurOutput, schur_with};
use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::linalg::{eig, eigvals, inv};
use crate::numpy::util::promote_dtypes;
use crate::numpy::{
    Colon, NewAxis, VectorizeOptions, abs, any, arange, conj, floor_divide, full_like, greater, less, matmul,
    remainder, reshape, sum, vectorize_with, where_, zeros,
};

/// How [`solve_sylvester_with`] solves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SylvesterMethod {
    /// By Schur's forms, element by element. Bartels and Stewart 1972
    #[default]
    Schur,
    /// By eigenvectors: faster on accelerators, and less exact.
    Eigen,
}

options! {
    /// Options of [`solve_sylvester_with`].
    pub struct SylvesterOptions {
        /// How it is solved.
        method: value SylvesterMethod = SylvesterMethod::Schur,
        /// Where a sum of eigenvalues is smaller there is no solution, and the result is NaN.
        tol: into Array = 1e-8,
    }
}

/// The `x` with `a x + x b = c`: `a: f32[..,m,m]`, `b: f32[..,n,n]`, `c: f32[..,m,n]` -> `f32[..,m,n]`; NaN where an eigenvalue of `a` and one of `b` sum to zero. Leading axes are
/// broadcast, dtypes promoted, integers become floats.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use raxla::{Array, scipy::linalg};
///
/// let (a, b) = (Array::from([[2.0f32, 1.0], [0.0, 3.0]]), Array::from([[1.0f32]]));
/// let x = linalg::solve_sylvester(a, b, Array::from([[4.0f32], [4.0]]));
/// assert!((x - Array::from([[1.0f32], [1.0]])).abs().max(..).item::<f32>()? < 1e-5);
/// # }
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `solve_sylvester: the arguments must have shapes [..., m, m], [..., n, n] and [..., m, n], got f32[2,2], f32[3,3] and f32[3,2]`; on the CPU it needs raxla's
/// feature `linalg`.
#[track_caller]
pub fn solve_sylvester(a: impl Into<Array>, b: impl Into<Array>, c: impl Into<Array>) -> Array {
    solve_sylvester_with(a, b, c, SylvesterOptions::new())
}

/// [`solve_sylvester`] by options.
///
/// # Errors
/// As [`solve_sylvester`].
#[track_caller]
pub fn solve_sylvester_with(
    a: impl Into<Array>,
    b: impl Into<Array>,
    c: impl Into<Array>,
    options: SylvesterOptions,
) -> Array {
    let SylvesterOptions { method, tol } = options;
    let args = [&a.into(), &b.into(), &c.into(), &tol];
    jitted("solve_sylvester", method, args, |[a, b, c, tol]| {
        let [a, b, c] = promote_dtypes("solve_sylvester", [a, b, c]);
        let [a, b, c] = [a, b, c].map(|x| crate::numpy::util::inexact(&x));
        let fits = match (a.shape(), b.shape(), c.shape()) {
            ([.., m, k], [.., n, l], [.., rows, columns]) => m == k && n == l && m == rows && n == columns,
            _ => false,
        };
        if !fits {
            throw!(
                Shape,
                "solve_sylvester: the arguments must have shapes [..., m, m], [..., n, n] and [..., m, n], got {}, {} and {}",
                a.aval(),
                b.aval(),
                c.aval()
            );
        }
        let of = |a: &Array, b: &Array, c: &Array| one(a, b, c, tol, method);
        let options = VectorizeOptions::new().signature("(m,m),(n,n),(m,n)->(m,n)");
        vectorize_with(of, options)(&a, &b, &c).or_throw()
    })
}

fn adjoint(x: &Array) -> Array {
    conj(x).t()
}

fn one(a: &Array, b: &Array, c: &Array, tol: &Array, method: SylvesterMethod) -> Array {
    jitted("_solve_sylvester_2d", method, [a, b, c, tol], |[a, b, c, tol]| {
        let x = match method {
            SylvesterMethod::Schur => {
                let complex = || SchurFormOptions::new().output(SchurOutput::Complex);
                let (r, u) = schur_with(a, complex());
                let (s, v) = schur_with(adjoint(b), complex());
                let f = matmul(matmul(adjoint(&u), c.astype(r.dtype())), &v);
                let y = triangular(&r, &adjoint(&s), &f);
                matmul(matmul(&u, y), adjoint(&v))
            }
            SylvesterMethod::Eigen => {
                let (of_a, u) = eig(a);
                let (of_b, v) = eig(b);
                let f = solve(&u, matmul(c.astype(of_a.dtype()), &v));
                let sums = of_a.index((Colon, NewAxis)) + of_b.index((NewAxis, Colon));
                matmul(matmul(&u, f / sums), inv(v))
            }
        };
        let x = if c.dtype().is_complex() { x } else { lax::real(&x) };
        let sums = eigvals(a).index((Colon, NewAxis)) + eigvals(b).index((NewAxis, Colon));
        let singular = any(less(abs(sums), tol), ..);
        let nan = |x: Array| full_like(x, f64::NAN);
        lax::cond(singular, nan, |x: Array| x, x).or_throw()
    })
}

/// `r y + y s = f` for an upper triangular `r` and a lower triangular `s`, element by element from the last one up.
fn triangular(r: &Array, s: &Array, f: &Array) -> Array {
    let [m, n] = [f.shape()[0], f.shape()[1]];
    let turns = lax::rev(&arange(m * n), [0]);
    let step = |y: Array, at: Array| {
        let (i, j) = (floor_divide(&at, n as i32), remainder(&at, n as i32));
        let known = reshape(&y, [m, n]);
        let beyond = |size: usize, i: &Array| greater(arange(size), i);
        let by_row = r.index((&i, Colon)) * known.index((Colon, &j));
        let by_row = sum(where_(beyond(m, &i), by_row, 0.0), ..);
        let by_column = known.index((&i, Colon)) * s.index((Colon, &j));
        let by_column = sum(where_(beyond(n, &j), by_column, 0.0), ..);
        let left = f.index((&i, &j)) - (by_row + by_column);
        let value = left / (r.index((&i, &i)) + s.index((&j, &j)));
        (y.at(&i * n as i32 + &j).set(value), ())
    };
    let start = zeros(([m * n], f.dtype()));
    let y = lax::scan(step, start, turns).map(|(y, ())| y).or_throw();
    reshape(y, [m, n])
}
