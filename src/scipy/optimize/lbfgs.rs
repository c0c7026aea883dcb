//! Minima by the last steps. Nocedal and Wright 2006, Alg. 7.4 and 7.5. JAX: `_src/scipy/optimize/_lbfgs.py`.

use super::line_search::{LineSearch, searched};
use super::{MinimizeOptions, Objective, OptimizeResults, is_small, value_and_gradient};
use crate::Pytree;
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::error::Result;
use crate::lax;
use crate::numpy::{
    Colon, DotOptions, conj, dot_with, greater, greater_equal, less, logical_and, logical_not, real,
    reciprocal, roll, where_, zeros, zeros_like,
};

#[derive(Clone, Pytree)]
struct Lbfgs {
    converged: Array,
    failed: Array,
    k: Array,
    nfev: Array,
    ngev: Array,
    x: Array,
    f: Array,
    g: Array,
    steps: Array,
    changes: Array,
    rhos: Array,
    gamma: Array,
    status: Array,
}

fn dot(x: &Array, y: &Array) -> Array {
    dot_with(x, y, DotOptions::new().precision(Precision::Highest))
}

pub(super) fn minimized(f: &Objective<'_>, x0: &Array, options: &MinimizeOptions) -> Result<OptimizeResults> {
    let (n, dtype, m) = (x0.shape()[0], x0.dtype(), options.maxcor);
    let bounds = [options.maxiter, options.maxfun, options.maxgrad];
    let unbounded = bounds.iter().all(Option::is_none);
    let [maxiter, maxfun, maxgrad] = bounds;
    let maxiter = maxiter.or(unbounded.then_some(200 * n));
    let (f0, g0) = value_and_gradient(f, x0)?;
    let init = Lbfgs {
        converged: Array::from(false),
        failed: Array::from(false),
        k: Array::from(0),
        nfev: Array::from(1),
        ngev: Array::from(1),
        x: x0.clone(),
        f: f0,
        g: g0,
        steps: zeros(([m, n], dtype)),
        changes: zeros(([m, n], dtype)),
        rhos: zeros(([m], dtype)),
        gamma: Array::from(1.0),
        status: Array::from(0),
    };
    let more = |s: &Lbfgs| logical_and(logical_not(&s.converged), logical_not(&s.failed));
    let step = |s: Lbfgs| -> Result<Lbfgs> {
        let p = direction(&s)?;
        let of = LineSearch {
            x: &s.x,
            p: &p,
            f: &s.f,
            g: &s.g,
            f_before: None,
            maxiter: options.line_search_maxiter.unwrap_or(20),
        };
        let found = searched(f, &of)?;
        let dx = found.a.astype(p.dtype()) * &p;
        let dg = &found.g - &s.g;
        let inverse = real(dot(&dg, &dx));
        let rho = reciprocal(&inverse).astype(dg.dtype());
        let gamma = inverse / real(dot(&conj(&dg), &dg));
        let mut status = where_(less(&s.f - &found.f, options.ftol), 4, 0);
        for (count, bound, reason) in [(&s.ngev, maxgrad, 3), (&s.nfev, maxfun, 2), (&s.k, maxiter, 1)] {
            if let Some(bound) = bound {
                status = where_(greater_equal(count, bound as i32), reason, status);
            }
        }
        let status = where_(&found.failed, 5, status);
        let converged = is_small(&found.g, options);
        let remembered = |list: &Array, new: &Array| roll(list, -1, 0).at((-1, Colon)).set(new);
        Ok(Lbfgs {
            failed: logical_and(greater(&status, 0), logical_not(&converged)),
            status: where_(&converged, 0, status),
            converged,
            k: s.k + 1,
            nfev: s.nfev + found.nfev,
            ngev: s.ngev + found.ngev,
            x: (&s.x + &dx).astype(s.x.dtype()),
            f: found.f.astype(s.f.dtype()),
            g: found.g.astype(s.g.dtype()),
            steps: remembered(&s.steps, &dx),
            changes: remembered(&s.changes, &dg),
            rhos: roll(&s.rhos, -1, 0).at(-1).set(rho),
            gamma: gamma.astype(s.g.dtype()),
        })
    };
    let s = lax::while_loop(more, step, init)?;
    Ok(OptimizeResults {
        success: logical_and(&s.converged, logical_not(&s.failed)),
        x: s.x,
        status: s.status,
        fun: s.f,
        jac: s.g,
        hess_inv: None,
        nfev: s.nfev,
        njev: s.ngev,
        nit: s.k,
    })
}

/// The gradient by the inverse Hessian that the last steps estimate.
fn direction(s: &Lbfgs) -> Result<Array> {
    let (m, dtype) = (s.rhos.shape()[0] as i32, s.rhos.dtype());
    let known = where_(less(&s.k, m), &s.k, m);
    let back = |j: Array, (q, all): (Array, Array)| {
        let i = m - 1 - j;
        let a = s.rhos.index(&i) * real(dot(&conj(s.steps.index(&i)), &q)).astype(dtype);
        (q - &a * conj(s.changes.index(&i)), all.at(&i).set(a))
    };
    let init = (-conj(&s.g), zeros_like(&s.rhos));
    let (q, all) = lax::fori_loop(0, &known, back, init)?;
    let forth = |j: Array, q: Array| {
        let i = m - &known + j;
        let b = s.rhos.index(&i) * real(dot(&s.changes.index(&i), &q)).astype(dtype);
        q + (all.index(&i) - b) * s.steps.index(&i)
    };
    lax::fori_loop(0, &known, forth, &s.gamma * q)
}
