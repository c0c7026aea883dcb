//! Conjugate gradients, and the stabilised biconjugate ones. JAX: `_cg_solve`, `_bicgstab_solve`.

use super::leaves::{Limits, Problem, add, cast_like, mul, result_type, select, sub, vdot, vdot_real};
use crate::core::array::Array;
use crate::error::Result;
use crate::lax;
use crate::numpy::{
    equal, greater, greater_equal, less, logical_and, logical_or, maximum, real, square, where_,
};

type Leaves = Vec<Array>;

impl Limits {
    /// The square of the norm that the residual may have.
    fn squared(&self, b: &[Array]) -> Array {
        maximum(square(&self.tol) * vdot_real(b, b), square(&self.atol))
    }

    fn goes_on(&self, rs: Array, limit: &Array, k: &Array) -> Array {
        logical_and(greater(rs, limit), less(k, self.maxiter as i32))
    }
}

/// Hestenes and Stiefel 1952
pub(super) fn cg_leaves(problem: &Problem<'_>, limits: &Limits) -> Result<Leaves> {
    let limit = limits.squared(problem.b);
    type Carry = (Leaves, Leaves, Array, Leaves, Array);
    let more = |(_, r, gamma, _, k): &Carry| {
        let rs = if problem.m.is_none() { real(gamma) } else { vdot_real(r, r) };
        limits.goes_on(rs, &limit, k)
    };
    let r0 = problem.residual(problem.x0)?;
    let p0 = problem.preconditioned(&r0)?;
    let dtype = result_type(&p0).0;
    let gamma0 = vdot_real(&r0, &p0).astype(dtype);
    let step = |(x, r, gamma, p, k): Carry| -> Result<Carry> {
        let ap = (problem.a)(&p)?;
        let alpha = &gamma / vdot_real(&p, &ap).astype(dtype);
        let x = add(&x, &mul(&alpha, &p));
        let r = sub(&r, &mul(&alpha, &ap));
        let z = problem.preconditioned(&r)?;
        let next = vdot_real(&r, &z).astype(dtype);
        let p = add(&z, &mul(&(&next / gamma), &p));
        Ok((x, r, next, p, k + 1))
    };
    let init = (problem.x0.to_vec(), r0, gamma0, p0, Array::from(0));
    Ok(lax::while_loop(more, step, init)?.0)
}

/// Van der Vorst 1992
pub(super) fn bicgstab_leaves(problem: &Problem<'_>, limits: &Limits) -> Result<Leaves> {
    let limit = limits.squared(problem.b);
    type Carry = (Leaves, Leaves, Leaves, [Array; 3], Leaves, Leaves, Array);
    // Negative numbers say that a product was zero.
    let more =
        |(_, r, .., k): &Carry| logical_and(limits.goes_on(vdot_real(r, r), &limit, k), greater_equal(k, 0));
    let step = |(x, r, rhat, [alpha, omega, rho], p, q, k): Carry| -> Result<Carry> {
        let next = vdot(&rhat, &r);
        let beta = &next / rho * alpha / &omega;
        let p = add(&r, &mul(&beta, &sub(&p, &mul(&omega, &q))));
        let phat = problem.preconditioned(&p)?;
        let q = (problem.a)(&phat)?;
        let alpha = &next / vdot(&rhat, &q);
        let s = sub(&r, &mul(&alpha, &q));
        let is_done = less(vdot_real(&s, &s), &limit);
        let shat = problem.preconditioned(&s)?;
        let t = (problem.a)(&shat)?;
        let omega = vdot(&t, &s) / vdot(&t, &t);
        let half = mul(&alpha, &phat);
        let x = select(&is_done, &add(&x, &half), &add(&x, &add(&half, &mul(&omega, &shat))));
        let r = select(&is_done, &s, &sub(&s, &mul(&omega, &t)));
        let k = where_(logical_or(equal(&omega, 0), equal(&alpha, 0)), -11, k + 1);
        let k = where_(equal(&next, 0), -10, k);
        Ok((x, r, rhat, [alpha, omega, next], p, q, k))
    };
    let r0 = problem.residual(problem.x0)?;
    let one = cast_like(&Array::from(1), result_type(problem.b));
    let ones = [one.clone(), one.clone(), one];
    let init = (problem.x0.to_vec(), r0.clone(), r0.clone(), ones, r0.clone(), r0, Array::from(0));
    Ok(lax::while_loop(more, step, init)?.0)
}
