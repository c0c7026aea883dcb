//! Functions of matrices. JAX: `_src/scipy/linalg.py`, `_src/third_party/scipy/linalg.py`.

use super::equations::{SolveTriangularOptions, solve_triangular_with};
use super::schur::{SchurFormOptions, SchurOutput, rsf2csf, schur, schur_with};
use crate::api::jvp;
use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::dtype::DType;
use crate::dtypes::finfo;
use crate::error::{OrThrow, Result, throw};
use crate::lax;
use crate::numpy::linalg::{NormOptions, norm_with, solve};
use crate::numpy::util::inexact;
use crate::numpy::{
    ArangeOptions, DiagOptions, DotOptions, EyeOptions, VectorizeOptions, abs, any, arange, arange_with,
    concatenate, conjugate, diag, digitize, divide, dot_with, equal, eye_with, floor, full, full_like,
    greater, greater_equal, isinf, less, log2, logical_and, matmul, matmul_with, maximum, minimum, not_equal,
    power, sqrt, triu_with, vectorize_with, where_,
};
use crate::signature::Output;

options! {
    /// Options of [`expm_with`].
    pub struct ExpmOptions {
        /// Is the matrix upper triangular? Then the equations are solved by substitution.
        upper_triangular: value bool = false,
        /// How often at most the result is squared: a matrix that needs more gives NaN.
        max_squarings: value usize = 16,
    }
}

/// The exponentials of matrices `f32[..,n,n]`, by Padé's approximation of the matrix divided by a power of two. Integers become floats.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let x = linalg::expm(Array::from([[0.0f32, 1.0], [0.0, 0.0]]));
/// assert!(jnp::allclose(x, Array::from([[1.0f32, 1.0], [0.0, 1.0]])).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `expm: the argument must have shape [..., n, n], got f32[2,3]`.
#[track_caller]
pub fn expm(a: impl Into<Array>) -> Array {
    expm_with(a, ExpmOptions::new())
}

/// [`expm`] by options.
///
/// # Errors
/// As [`expm`].
#[track_caller]
pub fn expm_with(a: impl Into<Array>, options: ExpmOptions) -> Array {
    exponential(&a.into(), options.upper_triangular, options.max_squarings)
}

#[track_caller]
fn exponential(a: &Array, upper: bool, max_squarings: usize) -> Array {
    jitted("expm", (upper, max_squarings), [a], |[a]| {
        let a = inexact(a);
        if a.ndim() < 2 || a.shape()[a.ndim() - 1] != a.shape()[a.ndim() - 2] {
            throw!(Shape, "expm: the argument must have shape [..., n, n], got {}", a.aval());
        }
        if a.ndim() > 2 {
            let of = move |a: &Array| exponential(a, upper, max_squarings);
            return vectorize_with(of, VectorizeOptions::new().signature("(n,n)->(n,n)"))(&a).or_throw();
        }
        let approximation = approximated(&a);
        let [p, q, squarings] = &approximation[..] else { throw!(Internal, "expm: no approximation") };
        type Three = (Array, Array, Array);
        let nan = |(a, _, _): Three| full_like(a, f64::NAN);
        let compute = |(_, p, q): Three| {
            let r = match upper {
                true => solve_triangular_with(q, p, SolveTriangularOptions::new()),
                false => solve(q, p),
            };
            squared(&r, squarings, max_squarings)
        };
        let too_many = greater(squarings, max_squarings);
        lax::cond(too_many, nan, compute, (a.clone(), p.clone(), q.clone())).or_throw()
    })
}

fn exact_dot(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    dot_with(x, y, DotOptions::new().precision(Precision::Highest))
}

/// Numerator and denominator of the approximation of a matrix divided by a power of two, and which power. Higham 2005, Alg. 2.3
fn approximated(a: &Array) -> Vec<Array> {
    jitted("_calc_P_Q", (), [a], |[a]| {
        let size = norm_with(a, .., NormOptions::new().ord(1));
        let double = matches!(a.dtype(), DType::F64 | DType::C128);
        let (largest, limits): (f64, &[f64]) = match double {
            true => (
                5.371920351148152,
                &[1.495585217958292e-2, 0.253939833006323, 9.504178996162932e-1, 2.097847961257068],
            ),
            false => (3.92572478313866, &[4.258730016922831e-1, 1.880152677804762]),
        };
        let squarings = maximum(0, floor(log2(&size / largest)));
        let a = a / power(2, squarings.astype(a.dtype()));
        let order = digitize(&size, listed(limits, size.dtype()));
        type Branch<'a> = &'a dyn Fn(Array) -> (Array, Array);
        let of = |b: &'static [f64]| move |a: Array| pade(&a, b);
        let few: [Branch<'_>; 3] = [&of(&PADE_3), &of(&PADE_5), &of(&PADE_7)];
        let many: [Branch<'_>; 5] = [&of(&PADE_3), &of(&PADE_5), &of(&PADE_7), &of(&PADE_9), &pade_13];
        let branches = if double { &many[..] } else { &few[..] };
        let (u, v) = lax::switch(order, branches, a).or_throw();
        vec![&u + &v, -&u + &v, squarings]
    })
}

const PADE_3: [f64; 4] = [120.0, 60.0, 12.0, 1.0];
const PADE_5: [f64; 6] = [30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0];
const PADE_7: [f64; 8] = [17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0];
const PADE_9: [f64; 10] = [
    17643225600.0,
    8821612800.0,
    2075673600.0,
    302702400.0,
    30270240.0,
    2162160.0,
    110880.0,
    3960.0,
    90.0,
    1.0,
];
const PADE_13: [f64; 14] = [
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
];

/// A vector of numbers, made by the program: what is jitted captures none.
pub(super) fn listed(numbers: &[f64], dtype: DType) -> Array {
    let one = |x: &f64| full(([1], dtype), *x);
    concatenate(numbers.iter().map(one).collect::<Vec<_>>(), 0)
}

fn unit(a: &Array) -> Array {
    eye_with(a.shape()[0], EyeOptions::new().dtype(a.dtype()))
}

/// The odd and the even part of the numerator with these coefficients.
fn pade(a: &Array, b: &[f64]) -> (Array, Array) {
    let square = exact_dot(a, a);
    let mut powers = vec![unit(a), square];
    while 2 * powers.len() < b.len() {
        // a⁴ = a² a², a⁶ = a⁴ a², a⁸ = a⁶ a².
        powers.push(exact_dot(&powers[powers.len() - 1], &powers[1]));
    }
    let sum = |first: usize| {
        let terms = powers.iter().enumerate().rev().map(|(i, power)| b[2 * i + first] * power);
        terms.reduce(|sum, term| sum + term).unwrap_or_else(|| unit(a))
    };
    (exact_dot(a, sum(1)), sum(0))
}

fn pade_13(a: Array) -> (Array, Array) {
    let b = PADE_13;
    let a2 = exact_dot(&a, &a);
    let a4 = exact_dot(&a2, &a2);
    let a6 = exact_dot(&a4, &a2);
    let one = unit(&a);
    let half = |i: usize| {
        let high = exact_dot(&a6, b[12 + i] * &a6 + b[10 + i] * &a4 + b[8 + i] * &a2);
        high + b[6 + i] * &a6 + b[4 + i] * &a4 + b[2 + i] * &a2 + b[i] * &one
    };
    (exact_dot(&a, half(1)), half(0))
}

fn squared(r: &Array, squarings: &Array, max_squarings: usize) -> Array {
    jitted("_squaring", max_squarings, [r, squarings], |[r, squarings]| {
        let turns = arange_with(max_squarings, ArangeOptions::new().dtype(squarings.dtype()));
        let step = |c: Array, i: Array| -> Result<(Array, ())> {
            let square = |x: Array| exact_dot(&x, &x);
            Ok((lax::cond(less(i, squarings), square, |x: Array| x, c)?, ()))
        };
        lax::scan(step, r.clone(), turns).map(|(c, ())| c).or_throw()
    })
}

options! {
    /// Options of [`expm_frechet_with`].
    pub struct ExpmFrechetOptions {
        /// Is the exponential wanted, too?
        compute_expm: value bool = true,
    }
}

/// The exponential of `a: f32[..,n,n]` and its derivative in the direction `e`, of the same shape.
///
/// # Errors
/// `expm_frechet: the arguments must have one shape [..., n, n], got f32[2,2] and f32[3,3]`.
#[track_caller]
pub fn expm_frechet(a: impl Into<Array>, e: impl Into<Array>) -> (Array, Array) {
    match expm_frechet_with(a, e, ExpmFrechetOptions::new()) {
        (Some(y), dy) => (y, dy),
        _ => throw!(Internal, "expm_frechet: no exponential"),
    }
}

/// [`expm_frechet`] by options: the exponential if it is wanted.
///
/// ```
/// use raxla::scipy::linalg::{ExpmFrechetOptions, expm_frechet_with};
/// use raxla::Array;
///
/// let (a, e) = (Array::from([[0.0f32, 0.0], [0.0, 0.0]]), Array::from([[1.0f32, 2.0], [3.0, 4.0]]));
/// let (_, dy) = expm_frechet_with(a, &e, ExpmFrechetOptions::new().compute_expm(false));
/// assert!((dy - e).abs().max(..).item::<f32>()? < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`expm_frechet`].
#[track_caller]
pub fn expm_frechet_with(
    a: impl Into<Array>,
    e: impl Into<Array>,
    options: ExpmFrechetOptions,
) -> (Option<Array>, Array) {
    let compute_expm = options.compute_expm;
    let mut outs = jitted("expm_frechet", compute_expm, [&a.into(), &e.into()], |[a, e]| {
        let fits = matches!(a.shape(), [.., m, n] if m == n) && a.shape() == e.shape();
        if !fits {
            throw!(
                Shape,
                "expm_frechet: the arguments must have one shape [..., n, n], got {} and {}",
                a.aval(),
                e.aval()
            );
        }
        let (y, dy) = jvp(|a: &Array| expm(a), (a.clone(),), (e.clone(),)).or_throw();
        if compute_expm { vec![y, dy] } else { vec![dy] }
    });
    match outs.pop() {
        Some(dy) => (outs.pop(), dy),
        None => throw!(Internal, "expm_frechet: no result"),
    }
}

/// The principal square root of one matrix `f32[n,n]`: complex, `c64[n,n]`.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let r = linalg::sqrtm(Array::from([[4.0f32, 1.0], [0.0, 9.0]]));
/// assert!((r.real() - Array::from([[2.0f32, 0.2], [0.0, 3.0]])).abs().max(..).item::<f32>()? < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`schur`]: one matrix that is square.
#[track_caller]
pub fn sqrtm(a: impl Into<Array>) -> Array {
    jitted("_sqrtm", (), [&a.into()], |[a]| {
        if a.ndim() != 2 {
            throw!(Shape, "sqrtm: the argument must have shape [n, n], got {}", a.aval());
        }
        let (t, z) = schur_with(a, SchurFormOptions::new().output(SchurOutput::Complex));
        let exact = || DotOptions::new().precision(Precision::Highest);
        let left = matmul_with(&z, root_of_triangle(&t), exact());
        matmul_with(left, conjugate(z.t()), exact())
    })
}

/// Of an upper triangular matrix, column by column. Björck and Hammarling 1983
fn root_of_triangle(t: &Array) -> Array {
    jitted("_sqrtm_triu", (), [t], |[t]| {
        let diagonal = sqrt(diag(t));
        let n = diagonal.shape()[0];
        let in_column = |j: &Array, l: Array, u: Array| -> Result<Array> {
            let i = j - 1 - l;
            let inner = |k: Array, sum: Array| sum + u.index((&i, &k)) * u.index((&k, j));
            let zero = lax::full((), Array::from(0.0)).astype(u.dtype());
            let s = lax::fori_loop(&i + 1, j, inner, zero)?;
            let left = t.index((&i, j)) - &s;
            let value = left / (diagonal.index(&i) + diagonal.index(j));
            let value = where_(equal(t.index((&i, j)), &s), 0.0, value);
            Ok(u.at((&i, j)).set(value))
        };
        let column = |j: Array, u: Array| lax::fori_loop(0, &j, |l: Array, u: Array| in_column(&j, l, u), u);
        lax::fori_loop(0, n as i32, column, diag(&diagonal)).or_throw()
    })
}

options! {
    /// Options of [`funm_with`].
    pub struct FunmOptions {
        /// Is no estimate of the error given?
        disp: value bool = true,
    }
}

/// The function of one matrix `a: f32[n,n]` that is `func` of numbers: complex, `c64[n,n]`. `func` takes and gives the vector of the eigenvalues, and is applied to
/// each. By Parlett's recurrence, which divides by the distance of eigenvalues.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let a = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// let y = linalg::funm(&a, |x: Array| jnp::exp(x))?;
/// assert!(jnp::allclose_with(y.real(), linalg::expm(a), jnp::CloseOptions::new().rtol(1e-3)).item::<bool>()?);
/// # }
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// That of `func`; `funm: the argument must have shape [n, n], got f32[2,3]`.
#[track_caller]
pub fn funm<O>(a: impl Into<Array>, func: impl Fn(Array) -> O) -> Result<Array>
where
    O: Output<Tree = Array>,
{
    Ok(funm_with(a, func, FunmOptions::new())?.0)
}

/// [`funm`] by options: the function, and an estimate of the relative error if it is wanted.
///
/// # Errors
/// As [`funm`].
#[track_caller]
pub fn funm_with<O>(
    a: impl Into<Array>,
    func: impl Fn(Array) -> O,
    options: FunmOptions,
) -> Result<(Array, Option<Array>)>
where
    O: Output<Tree = Array>,
{
    let a = a.into();
    if !matches!(a.shape(), [m, n] if m == n) {
        throw!(Shape, "funm: the argument must have shape [n, n], got {}", a.aval());
    }
    let (t, z) = schur(&a);
    let (t, z) = rsf2csf(t, z);
    let f = diag(func(diag(&t)).into_result()?).astype(t.dtype());
    let (f, least) = recurrence(&f, &t);
    let f = matmul(matmul(&z, f), conjugate(z.t()));
    if options.disp {
        return Ok((f, None));
    }
    let tol = finfo(f.dtype()).eps;
    let least = where_(equal(&least, 0.0), tol, least);
    let above = norm_with(triu_with(t, DiagOptions::new().k(1)), .., NormOptions::new().ord(1));
    let error = minimum(1, maximum(tol, divide(tol, least) * above));
    let error = where_(any(isinf(&f), ..), f64::INFINITY, error);
    Ok((f, Some(error)))
}

/// Golub and Van Loan, Matrix Computations, Alg. 11.1.1
fn recurrence(f: &Array, t: &Array) -> (Array, Array) {
    jitted("_algorithm_11_1_1", (), [f, t], |[f, t]| {
        let n = t.shape()[0] as i32;
        let inner = |p: &Array, i: Array, (f, least): (Array, Array)| {
            let j = &i + p;
            let (row, column) = (&i - 1, &j - 1);
            let at = |x: &Array, i: &Array, j: &Array| x.index((i, j));
            let s = at(t, &row, &column) * (at(&f, &column, &column) - at(&f, &row, &row));
            let place = arange(n);
            let between = logical_and(greater_equal(&place, &i), less(&place, &column));
            let only = |x: Array| where_(&between, x, 0);
            let of = |x: &Array, y: &Array| {
                matmul(only(x.index(&row)), only(y.index((crate::numpy::Colon, &column))))
            };
            let s = s + (of(t, &f) - of(&f, t));
            let distance = at(t, &column, &column) - at(t, &row, &row);
            let s = where_(not_equal(&distance, 0), &s / &distance, &s);
            (f.at((&row, &column)).set(s), minimum(least, abs(distance)))
        };
        let outer = |p: Array, carry: (Array, Array)| {
            lax::fori_loop(1, n - &p + 1, |i: Array, carry: (Array, Array)| inner(&p, i, carry), carry)
        };
        lax::fori_loop(1, n, outer, (f.clone(), abs(t.index((0, 0))))).or_throw()
    })
}
