//! Minima by an estimate of the inverse Hessian. Nocedal and Wright 2006, Alg. 6.1. JAX: `_src/scipy/optimize/bfgs.py`.

use super::line_search::{LineSearch, searched};
use super::{MinimizeOptions, Objective, OptimizeResults, is_small, value_and_gradient};
use crate::Pytree;
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::error::Result;
use crate::lax;
use crate::numpy::linalg::norm;
use crate::numpy::{
    Colon, DotOptions, EyeOptions, NewAxis, dot_with, equal, eye_with, isfinite, less, logical_and,
    logical_not, reciprocal, where_,
};

#[derive(Clone, Pytree)]
struct Bfgs {
    converged: Array,
    failed: Array,
    k: Array,
    nfev: Array,
    ngev: Array,
    x: Array,
    f: Array,
    g: Array,
    h: Array,
    /// The value before the last one.
    f_before: Array,
    line_search_status: Array,
}

pub(super) fn minimized(f: &Objective<'_>, x0: &Array, options: &MinimizeOptions) -> Result<OptimizeResults> {
    let dot = |x: &Array, y: &Array| dot_with(x, y, DotOptions::new().precision(Precision::Highest));
    let n = x0.shape()[0];
    let maxiter = options.maxiter.unwrap_or(200 * n) as i32;
    let unit = eye_with(n, EyeOptions::new().dtype(x0.dtype()));
    let (f0, g0) = value_and_gradient(f, x0)?;
    let init = Bfgs {
        converged: is_small(&g0, options),
        failed: Array::from(false),
        k: Array::from(0),
        nfev: Array::from(1),
        ngev: Array::from(1),
        x: x0.clone(),
        f_before: &f0 + norm(&g0, 0) / 2,
        f: f0,
        g: g0,
        h: unit.clone(),
        line_search_status: Array::from(0),
    };
    let more = |s: &Bfgs| {
        let goes_on = logical_and(logical_not(&s.converged), logical_not(&s.failed));
        logical_and(goes_on, less(&s.k, maxiter))
    };
    let step = |s: Bfgs| -> Result<Bfgs> {
        let p = -dot(&s.h, &s.g);
        let of = LineSearch {
            x: &s.x,
            p: &p,
            f: &s.f,
            g: &s.g,
            f_before: Some(&s.f_before),
            maxiter: options.line_search_maxiter.unwrap_or(10),
        };
        let found = searched(f, &of)?;
        let dx = &found.a * &p;
        let x = &s.x + &dx;
        let dg = &found.g - &s.g;
        let rho = reciprocal(dot(&dg, &dx));
        let [column, row] = [dx.index((Colon, NewAxis)), dx.index((NewAxis, Colon))];
        let w = &unit - &rho * (&column * dg.index((NewAxis, Colon)));
        let h = dot(&dot(&w, &s.h), &w.t()) + &rho * &column * row;
        let h = where_(isfinite(rho), h, &s.h);
        Ok(Bfgs {
            converged: is_small(&found.g, options),
            failed: found.failed,
            k: s.k + 1,
            nfev: s.nfev + found.nfev,
            ngev: s.ngev + found.ngev,
            x,
            f_before: s.f,
            f: found.f,
            g: found.g,
            h,
            line_search_status: found.status,
        })
    };
    let s = lax::while_loop(more, step, init)?;
    let failure = where_(&s.failed, 2 + &s.line_search_status, -1);
    let status = where_(&s.converged, 0, where_(equal(&s.k, maxiter), 1, failure));
    Ok(OptimizeResults {
        success: logical_and(&s.converged, logical_not(&s.failed)),
        x: s.x,
        status,
        fun: s.f,
        jac: s.g,
        hess_inv: Some(s.h),
        nfev: s.nfev,
        njev: s.ngev,
        nit: s.k,
    })
}
