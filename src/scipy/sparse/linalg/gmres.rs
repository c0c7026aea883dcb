//! Generalised minimal residuals. Saad and Schultz 1986. JAX: `_gmres_solve`, `_gmres_batched`, `_gmres_incremental`.

use super::leaves::{Apply, Limits, Problem, add, exact, exact_dot, norm, result_type, sub};
use crate::core::array::Array;
use crate::dtypes::finfo;
use crate::error::Result;
use crate::lax;
use crate::numpy::{
    Colon, EyeOptions, NewAxis, PadWidth, abs, conj, dot_with, equal, eye_with, greater, less, logical_and,
    logical_not, maximum, minimum, pad, sqrt, where_, zeros,
};
use crate::scipy::linalg::{SolveAssumption, SolveOptions, solve_triangular, solve_with};

type Leaves = Vec<Array>;

/// How GMRES solves its small equations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SolveMethod {
    /// All at once, after as many products as are remembered: less work where products are cheap.
    #[default]
    Batched,
    /// After each product, by Givens' rotations, so that it ends early.
    Incremental,
}

/// What is known before the iteration begins.
pub(super) struct Gmres {
    /// The norm that the residual may have, without and with the preconditioner.
    atol: Array,
    ptol: Array,
    maxiter: usize,
    restart: usize,
    solve_method: SolveMethod,
}

impl Gmres {
    pub(super) fn of(
        b: &[Array],
        m: Option<&Apply<'_>>,
        limits: &Limits,
        restart: usize,
        solve_method: SolveMethod,
    ) -> Result<Gmres> {
        let size = norm(b);
        let atol = maximum(&limits.tol * &size, &limits.atol);
        let of_m = match m {
            Some(m) => norm(&m(b)?),
            None => size.clone(),
        };
        let ptol = of_m * minimum(1.0, &atol / size);
        Ok(Gmres { atol, ptol, maxiter: limits.maxiter, restart, solve_method })
    }
}

pub(super) fn gmres_leaves(problem: &Problem<'_>, how: &Gmres) -> Result<Leaves> {
    type Carry = (Leaves, Array, Leaves, Array);
    let more = |(_, k, _, size): &Carry| logical_and(less(k, how.maxiter as i32), greater(size, &how.atol));
    let step = |(x, k, unit, size): Carry| -> Result<Carry> {
        let dx = match how.solve_method {
            SolveMethod::Batched => batched(problem, how, &unit, &size)?,
            SolveMethod::Incremental => incremental(problem, how, &unit, size)?,
        };
        let x = add(&x, &dx);
        let (unit, size) = begun(problem, &x)?;
        Ok((x, k + 1, unit, size))
    };
    let (unit, size) = begun(problem, problem.x0)?;
    let init = (problem.x0.to_vec(), Array::from(0), unit, size);
    Ok(lax::while_loop(more, step, init)?.0)
}

/// The residual as a unit vector, and its norm.
fn begun(problem: &Problem<'_>, x: &[Array]) -> Result<(Leaves, Array)> {
    let residual = problem.preconditioned(&problem.residual(x)?)?;
    Ok(normalized(&residual, None))
}

/// The vector divided by its norm, and the norm; zeros where it is at most `threshold`.
fn normalized(x: &[Array], threshold: Option<&Array>) -> (Leaves, Array) {
    let (size, (dtype, weak)) = (norm(x), result_type(x));
    let threshold = match threshold {
        Some(threshold) => threshold.clone(),
        None => Array::from(finfo(size.dtype()).eps),
    };
    let is_large = greater(&size, crate::numpy::real(threshold.astype(dtype)));
    let divisor = lax::convert(&size, dtype, weak);
    let unit = x.iter().map(|x| where_(&is_large, x / &divisor, 0.0)).collect();
    (unit, where_(is_large, &size, 0.0))
}

/// The unit vector as the first of as many as are remembered, along a new last axis.
fn basis(unit: &[Array], restart: usize) -> Leaves {
    let one = |x: &Array| {
        let mut widths = vec![(0, 0); x.ndim() + 1];
        widths[x.ndim()] = (0, restart);
        pad(x.index((.., NewAxis)), PadWidth::from(widths))
    };
    unit.iter().map(one).collect()
}

/// One product more: `m(a(v))` made orthogonal to the vectors so far, and its components.
fn arnoldi(problem: &Problem<'_>, k: &Array, v: Leaves, h: &Array) -> Result<(Leaves, Array, Array)> {
    let dtype = h.dtype();
    let last: Leaves = v.iter().map(|v| v.index((.., k))).collect();
    let product = problem.preconditioned(&(problem.a)(&last)?)?;
    let (_, before) = normalized(&product, None);
    let n = h.shape()[1];
    let columns = |v: &Array| v.reshape([v.size() / n, n]);
    let terms = v.iter().zip(&product).map(|(v, x)| {
        let x = x.reshape([1, x.size()]);
        dot_with(x, conj(columns(v)), exact()).reshape([n])
    });
    let components = terms.reduce(|sum, term| sum + term).unwrap_or_else(|| zeros(([n], dtype)));
    let along: Leaves = v.iter().map(|v| exact_dot(v, &components)).collect();
    let rest = sub(&product, &along);
    let (unit, size) = normalized(&rest, Some(&(finfo(dtype).eps * before)));
    let next = k + 1;
    let v = v.iter().zip(&unit).map(|(v, unit)| v.at((.., &next)).set(unit)).collect();
    let row = components.astype(dtype).at(&next).set(size.astype(dtype));
    Ok((v, h.at((k, Colon)).set(row), equal(size, 0.0)))
}

/// The combination of the vectors, of which the last is left out.
fn combined(v: &[Array], y: &Array) -> Leaves {
    v.iter().map(|v| exact_dot(&v.index((.., ..-1)), y)).collect()
}

fn batched(problem: &Problem<'_>, how: &Gmres, unit: &[Array], size: &Array) -> Result<Leaves> {
    let (n, (dtype, weak)) = (how.restart, result_type(problem.b));
    let h = eye_with(n, EyeOptions::new().m(n + 1).dtype(dtype));
    type Carry = (Leaves, Array, Array, Array);
    let more = |(_, _, broke_down, k): &Carry| logical_and(less(k, n as i32), logical_not(broke_down));
    let step = |(v, h, _, k): Carry| -> Result<Carry> {
        let (v, h, broke_down) = arnoldi(problem, &k, v, &h)?;
        Ok((v, h, broke_down, k + 1))
    };
    let init = (basis(unit, n), lax::convert(&h, dtype, weak), Array::from(false), Array::from(0));
    let (v, h, _, _) = lax::while_loop(more, step, init)?;
    let beta = zeros(([n + 1], dtype)).at(0).set(size.astype(dtype));
    // The least squares of h yᵀ = β, by the normal equations.
    let a = h.t();
    let adjoint = conj(&h);
    let (squares, b) = (exact_dot(&adjoint, &a), exact_dot(&adjoint, &beta));
    let y = solve_with(squares, b, SolveOptions::new().assume_a(SolveAssumption::Positive));
    Ok(combined(&v, &y))
}

fn incremental(problem: &Problem<'_>, how: &Gmres, unit: &[Array], size: Array) -> Result<Leaves> {
    let (n, dtype) = (how.restart, result_type(problem.b).0);
    type Carry = (Array, Array, Leaves, Array, Array, Array);
    let more = |(k, error, ..): &Carry| logical_and(less(k, n as i32), greater(error, &how.ptol));
    let step = |(k, _, v, r, beta, givens): Carry| -> Result<Carry> {
        let (v, h, _) = arnoldi(problem, &k, v, &r)?;
        let row = h.index((&k, Colon));
        let turn = |i: Array, row: Array| rotated(&row, &i, givens.index((&i, 0)), givens.index((&i, 1)));
        let row = lax::fori_loop(0, &k, turn, row)?;
        let (c, s) = rotation(&row.index(&k), &row.index(&k + 1));
        let givens = givens.at((&k, 0)).set(&c).at((&k, 1)).set(&s);
        let row = rotated(&row, &k, c.clone(), s.clone());
        let r = r.at((&k, Colon)).set(row);
        let beta = rotated(&beta, &k, c, s);
        let error = abs(beta.index(&k + 1));
        Ok((k + 1, error, v, r, beta, givens))
    };
    let beta = zeros(([n + 1], dtype)).at(0).set(size.astype(dtype));
    let r = eye_with(n, EyeOptions::new().m(n + 1).dtype(dtype));
    let init = (Array::from(0), size, basis(unit, n), r, beta, zeros(([n, 2], dtype)));
    let (_, _, v, r, beta, _) = lax::while_loop(more, step, init)?;
    let y = solve_triangular(r.index((.., ..-1)).t(), beta.index(..-1));
    Ok(combined(&v, &y))
}

/// Elements `i` and `i + 1` turned.
fn rotated(x: &Array, i: &Array, c: Array, s: Array) -> Array {
    let next = i + 1;
    let (a, b) = (x.index(i), x.index(&next));
    let (first, second) = (conj(&c) * &a - conj(&s) * &b, s * a + c * b);
    x.at(i).set(first).at(&next).set(second)
}

/// Cosine and sine of the rotation that makes `b` zero.
fn rotation(a: &Array, b: &Array) -> (Array, Array) {
    let b_is_zero = equal(abs(b), 0);
    let b_is_larger = less(abs(a), abs(b));
    let t = -where_(&b_is_larger, a, b) / where_(&b_is_larger, b, a);
    let size = abs(&t);
    let r = (1 / sqrt(1 + &size * &size)).astype(t.dtype());
    let other = &r * t;
    let c = where_(&b_is_zero, 1, where_(&b_is_larger, &other, &r));
    let s = where_(b_is_zero, 0, where_(b_is_larger, &r, &other));
    (c, s)
}
