//! Rows for `jax.scipy.sparse.linalg` and `jax.scipy.optimize`, with the bodies of `families/scipy_solvers.py`.

use raxla::api::vmap;
use raxla::scipy::optimize::{MinimizeMethod, MinimizeOptions, minimize_with};
use raxla::scipy::sparse::linalg::{
    GmresOptions, KrylovOptions, LinearOperator, SolveMethod, bicgstab_with, cg_with, gmres_with,
};
use raxla::{Array, Pytree, Result, numpy as jnp};

use crate::case::{Params, Row};

macro_rules! options {
    ($options:expr, $x0:expr, $m:expr, $p:expr) => {{
        let mut options = $options.tol($p.float("tol"));
        if let Some(x0) = $x0 {
            options = options.x0(x0);
        }
        if let Some(m) = $m {
            options = options.m(m);
        }
        match $p.size_or_none("maxiter") {
            Some(n) => options.maxiter(n),
            None => options,
        }
    }};
}

/// An iteration.
#[derive(Clone, Copy)]
enum Krylov {
    Cg,
    Bicgstab,
    Gmres,
}

impl Krylov {
    /// The solution, with what it says besides.
    fn solve<T: Pytree>(
        self,
        a: impl LinearOperator<T>,
        b: T,
        x0: Option<T>,
        m: Option<impl LinearOperator<T>>,
        p: &Params,
    ) -> Result<(T, Option<Array>)> {
        match self {
            Krylov::Cg => Ok((cg_with(a, b, options!(KrylovOptions::new(), x0, m, p))?, None)),
            Krylov::Bicgstab => Ok((bicgstab_with(a, b, options!(KrylovOptions::new(), x0, m, p))?, None)),
            Krylov::Gmres => {
                let mut options = options!(GmresOptions::new(), x0, m, p);
                if p.has("restart") {
                    options = options.restart(p.usize("restart"));
                }
                if p.has("solve_method") && p.str("solve_method") == "incremental" {
                    options = options.solve_method(SolveMethod::Incremental);
                }
                let (x, info) = gmres_with(a, b, options)?;
                Ok((x, Some(info)))
            }
        }
    }
}

fn iterated(by: Krylov, x: &[Array], p: &Params) -> Result<Vec<Array>> {
    let (a, b) = (&x[0], &x[1]);
    let body = if p.has("body") { p.str("body") } else { "matrix" };
    type Two = (Array, Array);
    let none: Option<fn(Two) -> Two> = None;
    let nothing: Option<fn(Array) -> Array> = None;
    match body {
        "tree" => {
            let operator = |(x, y): (Array, Array)| (a.matmul(&x) + &y, x + 2.0 * y);
            let ((x, y), info) = by.solve(operator, (b.clone(), 2.0 * b), None, none, p)?;
            Ok([Some(x), Some(y), info].into_iter().flatten().collect())
        }
        "mapped" => {
            let (a, p) = (a.clone(), p.clone());
            let solve = move |b: &Array| by.solve(&a, b.clone(), None, nothing, &p).map(|(x, _)| x);
            Ok(vec![vmap(solve)(b)?])
        }
        _ => {
            let x0 = x.get(2).cloned();
            let diagonal = jnp::diag(a);
            let m = (p.has("precondition") && p.bool("precondition")).then_some(|x: Array| x / &diagonal);
            let (x, info) = by.solve(a, b.clone(), x0, m, p)?;
            Ok([Some(x), info].into_iter().flatten().collect())
        }
    }
}

fn objective(body: &str, x: &Array) -> Array {
    let at = |i: i32| x.index(i);
    match body {
        "bowl" => {
            let place = jnp::arange(x.shape()[0]);
            let far = x - &place;
            jnp::sum(&far * &far * (1.0 + place), ..)
        }
        "rosenbrock" => {
            let (x, next) = (x.index(..-1), x.index(1..));
            let (steep, flat) = (next - &x * &x, 1.0 - x);
            jnp::sum(100.0 * (&steep * &steep) + &flat * &flat, ..)
        }
        "himmelblau" => {
            let first = at(0) * at(0) + at(1) - 11.0;
            let second = at(0) + at(1) * at(1) - 7.0;
            &first * &first + &second * &second
        }
        _ => x.clone(),
    }
}

fn minimize(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    let method = if p.str("method") == "BFGS" { MinimizeMethod::Bfgs } else { MinimizeMethod::LBfgs };
    let mut options = MinimizeOptions::new();
    if p.has("maxiter") {
        options = options.maxiter(p.usize("maxiter"));
    }
    if p.has("gtol") {
        options = options.gtol(p.float("gtol")).line_search_maxiter(p.usize("line_search_maxiter"));
    }
    if p.has("maxcor") {
        options = options.maxcor(p.usize("maxcor")).maxfun(p.usize("maxfun"));
    }
    let body = p.str("body").to_owned();
    let r = minimize_with(|x: &Array| objective(&body, x), &x[0], method, options)?;
    let mut out = vec![r.x, r.success, r.fun, r.jac];
    if !p.has("counts") {
        out.extend([r.status, r.nit, r.nfev, r.njev]);
    }
    Ok(out)
}

pub const SCIPY_SOLVERS: &[&[Row]] = &[&[
    Row { name: "scipy.sparse.linalg.cg", call: |x, p| iterated(Krylov::Cg, x, p).unwrap() },
    Row { name: "scipy.sparse.linalg.bicgstab", call: |x, p| iterated(Krylov::Bicgstab, x, p).unwrap() },
    Row { name: "scipy.sparse.linalg.gmres", call: |x, p| iterated(Krylov::Gmres, x, p).unwrap() },
    Row { name: "scipy.optimize.minimize", call: |x, p| minimize(x, p).unwrap() },
]];
