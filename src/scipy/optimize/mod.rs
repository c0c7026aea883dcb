//! Minima of functions. JAX: `jax.scipy.optimize`.

mod bfgs;
mod lbfgs;
mod line_search;

use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::trace::{caller, with_location};
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::backward_pass;
use crate::interpreters::linearize::linearize;
use crate::lax;
use crate::numpy::linalg::Norm;
use crate::signature::Output;

/// How [`minimize`] goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MinimizeMethod {
    /// Broyden, Fletcher, Goldfarb and Shanno's, which keeps an estimate of the inverse Hessian. JAX: `"BFGS"`.
    Bfgs,
    /// The same with the last steps in place of the estimate, for many variables. JAX: `"l-bfgs-experimental-do-not-rely-on-this"`.
    LBfgs,
}

/// What [`minimize`] gives.
#[derive(Clone, Debug, Pytree)]
#[non_exhaustive]
pub struct OptimizeResults {
    /// The minimum that was found.
    pub x: Array,
    /// Is the gradient there as small as it is to be?
    pub success: Array,
    /// Why it ended: 0 for success. By BFGS 1 is too many iterations, and 2 and more a line search that failed; by L-BFGS 1, 2 and 3 are too many
    /// iterations, values and gradients, 4 is a function that does not fall, 5 a line search that failed.
    pub status: Array,
    /// The function's value there.
    pub fun: Array,
    /// Its gradient there.
    pub jac: Array,
    /// The estimate of the inverse Hessian there, by BFGS.
    pub hess_inv: Option<Array>,
    /// How many values were computed.
    pub nfev: Array,
    /// How many gradients were computed.
    pub njev: Array,
    /// How many iterations there were.
    pub nit: Array,
}

options! {
    /// Options of [`minimize_with`].
    pub struct MinimizeOptions {
        /// The most iterations; 200 for each variable, if it is not given.
        maxiter: optional usize,
        /// Which norm of the gradient decides.
        norm: into Norm = Norm::Inf,
        /// It ends when that norm is smaller.
        gtol: value f64 = 1e-5,
        /// The most iterations of a line search; 10 by BFGS and 20 by L-BFGS, if it is not given. JAX: `line_search_maxiter`, `maxls`.
        line_search_maxiter: optional usize,
        /// How many steps L-BFGS remembers.
        maxcor: value usize = 10,
        /// L-BFGS ends when the function falls by less.
        ftol: value f64 = 2.220446049250313e-9,
        /// The most values that L-BFGS computes, if there is such a bound.
        maxfun: optional usize,
        /// The most gradients that L-BFGS computes, if there is such a bound.
        maxgrad: optional usize,
    }
}

/// A minimum of `fun`, which gives a number, found from the vector `x0: f32[n]` on. What `fun` captures takes the place of JAX's `args`.
///
/// It is one loop of the program, so that it works under `jit` and `vmap`; it has no derivative in reverse mode.
///
/// ```
/// use raxla::Array;
/// use raxla::scipy::optimize::{MinimizeMethod, minimize};
///
/// let far = |x: &Array| ((x - Array::from([1.0f32, -2.0])) * (x - Array::from([1.0f32, -2.0]))).sum(..);
/// let found = minimize(far, Array::from([0.0f32, 0.0]), MinimizeMethod::Bfgs)?;
/// assert!(found.success.item::<bool>()?);
/// assert!((found.x - Array::from([1.0f32, -2.0])).abs().max(..).item::<f32>()? < 1e-4);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `fun`; `minimize: the function must give a float scalar, got f32[2]`; `minimize: begins at a vector of floats, got i32[3]`.
#[track_caller]
pub fn minimize<O: Output<Tree = Array>>(
    fun: impl Fn(&Array) -> O,
    x0: impl Into<Array>,
    method: MinimizeMethod,
) -> Result<OptimizeResults> {
    minimize_with(fun, x0, method, MinimizeOptions::new())
}

/// [`minimize`] by options.
///
/// # Errors
/// As [`minimize`].
#[track_caller]
pub fn minimize_with<O: Output<Tree = Array>>(
    fun: impl Fn(&Array) -> O,
    x0: impl Into<Array>,
    method: MinimizeMethod,
    options: MinimizeOptions,
) -> Result<OptimizeResults> {
    let (loc, x0) = (caller(), x0.into());
    let fun = |x: &Array| fun(x).into_result();
    let run = || {
        if x0.ndim() != 1 || !x0.dtype().is_inexact() {
            bail!(InvalidArgument, "minimize: begins at a vector of floats, got {}", x0.aval());
        }
        match method {
            MinimizeMethod::Bfgs => bfgs::minimized(&fun, &x0, &options),
            MinimizeMethod::LBfgs => lbfgs::minimized(&fun, &x0, &options),
        }
    };
    catch(|| with_location(loc, run)).map_err(|e| e.at(loc))
}

/// A function of vectors.
type Objective<'a> = dyn Fn(&Array) -> Result<Array> + 'a;

/// The value, and the gradient.
fn value_and_gradient(f: &Objective<'_>, x: &Array) -> Result<(Array, Array)> {
    let (linear, ()) = linearize(|x| Ok((vec![f(&x[0])?], ())), std::slice::from_ref(x), &[true])?;
    let value = linear.primals_out[0].clone();
    if value.ndim() != 0 || !value.dtype().is_float() {
        bail!(InvalidArgument, "minimize: the function must give a float scalar, got {}", value.aval());
    }
    if !linear.nonzero_out[0] {
        return Ok((value, lax::zeros_like(x)));
    }
    let cts = backward_pass(&linear.jaxpr, &[Some(lax::full_like(&value, 1.0))])?;
    let gradient = cts.into_iter().next().flatten().unwrap_or_else(|| lax::zeros_like(x));
    Ok((value, gradient))
}

/// Is the gradient's norm small enough?
fn is_small(gradient: &Array, options: &MinimizeOptions) -> Array {
    let norm = crate::numpy::linalg::NormOptions::new().ord(options.norm);
    crate::numpy::less(crate::numpy::linalg::norm_with(gradient, 0, norm), options.gtol)
}
