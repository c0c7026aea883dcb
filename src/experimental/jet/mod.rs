//! Derivatives of high order along a path. JAX: `jax.experimental.jet`.
//!
//! Where `jvp` of `jvp` doubles the work with each order, [`jet`] carries truncated Taylor series through a function, whose products
//! take as much work as there are pairs of coefficients. It may be jitted, mapped and differentiated, and so may be what it is applied
//! to.

mod calls;
mod rules;
mod series;
mod trace;

use std::borrow::Borrow;
use std::panic::Location;

use crate::arguments::options;
use crate::core::array::Array;
use crate::core::primitive::Tangent;
use crate::custom_derivatives::zero_from_primal;
use crate::dtype::DType;
use crate::error::{Result, bail, catch};
use crate::lax;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Function, Primals, Signature, Traceable};
use crate::tree::{Pytree, TreeDef, first_difference};
use trace::{Taylor, jet_flat};

/// The arguments of the function `F`, which `M` marks.
type ArgsOf<'f, M, F> = <<M as Traceable<'f, F>>::Sig as Signature>::Args;
/// What it returns.
type OutOf<'f, M, F> = <<M as Traceable<'f, F>>::Sig as Signature>::Out;
/// The value, and its derivatives.
type ValueAndSeries<T> = Result<(T, Vec<T>)>;

options! {
    /// Options of [`jet_with`].
    pub struct JetOptions {
        /// Are the terms derivatives? If not, they are coefficients of Taylor series: derivatives over factorials.
        factorial_scaled: value bool = true,
    }
}

/// Derivatives along a path for arguments `A`: for each a list of its first, second … derivative, as long as the order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a series for each of the arguments `{A}`",
    note = "a series is a list of derivatives, and all together are a tuple: `([&dx, &ddx],)`"
)]
pub trait JetSeries<A> {
    /// The lists, with all their terms taken apart.
    fn flat(&self) -> Vec<Vec<FlatOut>>;
}

/// The derivatives of one argument of type `A`: an array, a slice or a vector of them, each by value or by reference.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of derivatives of an argument `{A}`",
    note = "each argument has a list of derivatives: `[&dx, &ddx]`"
)]
pub trait JetTerms<A> {
    /// The terms, taken apart.
    fn flat(&self) -> Vec<FlatOut>;
}

impl<A: Pytree, P: Borrow<A>> JetTerms<A> for [P] {
    fn flat(&self) -> Vec<FlatOut> {
        self.iter().map(|term| FlatOut::from_tree::<A>(term.borrow())).collect()
    }
}

impl<A: Pytree, P: Borrow<A>, const N: usize> JetTerms<A> for [P; N] {
    fn flat(&self) -> Vec<FlatOut> {
        JetTerms::<A>::flat(&self[..])
    }
}

impl<A: Pytree, P: Borrow<A>> JetTerms<A> for Vec<P> {
    fn flat(&self) -> Vec<FlatOut> {
        JetTerms::<A>::flat(&self[..])
    }
}

impl<A, T: JetTerms<A> + ?Sized> JetTerms<A> for &T {
    fn flat(&self) -> Vec<FlatOut> {
        (**self).flat()
    }
}

macro_rules! series {
    ($($A:ident $S:ident $s:ident),*) => {
        impl<$($A, $S: JetTerms<$A>),*> JetSeries<($($A,)*)> for ($($S,)*) {
            fn flat(&self) -> Vec<Vec<FlatOut>> {
                let ($($s,)*) = self;
                vec![$($s.flat()),*]
            }
        }
    };
}
series!(A0 S0 s0);
series!(A0 S0 s0, A1 S1 s1);
series!(A0 S0 s0, A1 S1 s1, A2 S2 s2);
series!(A0 S0 s0, A1 S1 s1, A2 S2 s2, A3 S3 s3);
series!(A0 S0 s0, A1 S1 s1, A2 S2 s2, A3 S3 s3, A4 S4 s4);
series!(A0 S0 s0, A1 S1 s1, A2 S2 s2, A3 S3 s3, A4 S4 s4, A5 S5 s5);
series!(A0 S0 s0, A1 S1 s1, A2 S2 s2, A3 S3 s3, A4 S4 s4, A5 S5 s5, A6 S6 s6);
series!(A0 S0 s0, A1 S1 s1, A2 S2 s2, A3 S3 s3, A4 S4 s4, A5 S5 s5, A6 S6 s6, A7 S7 s7);

/// The value of `fun` and its derivatives along a path `x(t)`, which has the value `primals` and the derivatives `series`:
/// `let (y, dys) = jet(fun, (&x,), ([&dx, &ddx],))?`.
///
/// `series` has a list for each argument, of its first, second … derivative, all of one length, which is the order. The result has the
/// derivatives of `fun(x(t))` in a list of the same length; each has the structure of the value. (JAX gives a tree of lists instead; for
/// one array both are the same.) Arguments may be trees.
///
/// ```
/// use raxla::experimental::jet::jet;
/// use raxla::{numpy as jnp, prelude::*};
///
/// // sin(t³) at t = 1/2, along with its first and second derivative.
/// let t = 0.5f32;
/// let [x, dx, ddx] = [t.powi(3), 3.0 * t * t, 6.0 * t].map(Array::from);
/// let (y, dys) = jet(|x: &Array| jnp::sin(x), (&x,), ([&dx, &ddx],))?;
/// assert_eq!(y.item::<f32>()?, 0.125f32.sin());
/// assert!((dys[0].item::<f32>()? - 0.125f32.cos() * 0.75).abs() < 1e-6);
/// assert!((dys[1].item::<f32>()? - (0.125f32.cos() * 3.0 - 0.125f32.sin() * 0.75 * 0.75)).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// With a path that is a line the derivatives are those in its direction:
/// ```
/// use raxla::experimental::jet::jet;
/// use raxla::prelude::*;
///
/// let (one, zero) = (Array::from(1.0), Array::from(0.0));
/// let (_, dys) = jet(|x: &Array| x * x * x * x, (&Array::from(2.0),), ([&one, &zero, &zero, &zero],))?;
/// let dys: Vec<f32> = dys.iter().map(|dy| dy.item()).collect::<Result<_>>()?;
/// assert_eq!(dys, [32.0, 48.0, 48.0, 24.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// Everything that has a jvp can be derived. Functions with a derivative of their own ([`custom_jvp`](crate::custom_jvp),
/// [`custom_vjp`](crate::custom_vjp)) are entered, as in JAX, and their rules do not count. At a kink the derivatives are JAX's: `|x|` counts
/// as rising at 0, the larger of two equals as their mean.
///
/// # Errors
/// `jet terms have inconsistent lengths for different arguments`; terms that differ from their primals in structure, shape or dtype,
/// those of integers being of [`float0`](crate::dtypes::float0); what `fun` fails with.
#[track_caller]
pub fn jet<'f, F, M>(
    fun: F,
    primals: impl Primals<ArgsOf<'f, M, F>>,
    series: impl JetSeries<ArgsOf<'f, M, F>>,
) -> ValueAndSeries<OutOf<'f, M, F>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    jet_with(fun, primals, series, JetOptions::new())
}

/// [`jet`] of series whose terms are derivatives or, with `factorial_scaled(false)`, coefficients.
///
/// ```
/// use raxla::experimental::jet::{JetOptions, jet_with};
/// use raxla::{numpy as jnp, prelude::*};
///
/// // exp(t) = 1 + t + t²/2 + t³/6 + …
/// let (one, zero) = (Array::from(1.0), Array::from(0.0));
/// let options = JetOptions::new().factorial_scaled(false);
/// let (_, terms) = jet_with(|x: &Array| jnp::exp(x), (&zero,), ([&one, &zero, &zero],), options)?;
/// assert_eq!(terms[1].item::<f32>()?, 0.5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`jet`].
#[track_caller]
pub fn jet_with<'f, F, M>(
    fun: F,
    primals: impl Primals<ArgsOf<'f, M, F>>,
    series: impl JetSeries<ArgsOf<'f, M, F>>,
    options: JetOptions,
) -> ValueAndSeries<OutOf<'f, M, F>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let caller = Location::caller();
    let args = FlatArgs::from_tuple(&primals, caller);
    let run = || {
        let (tree, value, terms) = flat(&*M::into_flat(fun), &args, series.flat(), options.factorial_scaled)?;
        let rebuilt = |leaves: Vec<Array>| FlatOut { leaves: leaves.into(), tree: tree.clone() }.into_tree();
        Ok((rebuilt(value)?, terms.into_iter().map(rebuilt).collect::<Result<_>>()?))
    };
    catch(run).map_err(|e| e.at(caller))
}

/// The structure of the value, its leaves, and those of each term.
fn flat(
    f: &dyn FlatFn,
    args: &FlatArgs,
    series: Vec<Vec<FlatOut>>,
    factorial_scaled: bool,
) -> Result<(TreeDef, Vec<Array>, Vec<Vec<Array>>)> {
    let order = series.first().map_or(0, Vec::len);
    if series.iter().any(|terms| terms.len() != order) {
        let lengths: Vec<usize> = series.iter().map(Vec::len).collect();
        bail!(InvalidArgument, "jet terms have inconsistent lengths for different arguments: {lengths:?}");
    }
    let mut inputs: Vec<Taylor> = args.leaves.iter().map(|x| Taylor::constant(x.clone(), order)).collect();
    for (i, terms) in series.into_iter().enumerate() {
        for (k, term) in terms.into_iter().enumerate() {
            check(args, i, k, &term)?;
            for (at, x) in args.args[i].leaves().zip(term.leaves) {
                inputs[at].terms[k] = x.into_tangent().filter(|x| x.dtype() != DType::Float0);
            }
        }
    }
    if factorial_scaled {
        inputs.iter_mut().for_each(|x| scale(x, |x, n| lax::div(x, &lax::literal_like(x, n))));
    }
    let (mut outs, tree) = jet_flat(order, &inputs, |leaves| {
        let out = f.call(args.with_leaves(leaves))?;
        Ok((out.leaves.into_vec(), out.tree))
    })?;
    if factorial_scaled {
        outs.iter_mut().for_each(|x| scale(x, |x, n| lax::mul(x, &lax::literal_like(x, n))));
    }
    let mut terms = vec![Vec::with_capacity(outs.len()); order];
    for out in &outs {
        let none = (!out.primal.dtype().is_inexact()).then(|| zero_from_primal(&out.primal));
        let found = out.arrays().map(|x| none.clone().unwrap_or(x));
        terms.iter_mut().zip(found).for_each(|(terms, x)| terms.push(x));
    }
    Ok((tree, outs.into_iter().map(|out| out.primal).collect(), terms))
}

/// A term must be like its primal.
fn check(args: &FlatArgs, i: usize, k: usize, term: &FlatOut) -> Result<()> {
    if let Some(difference) = first_difference(args.arg_tokens(i), term.tree.tokens()) {
        bail!(
            TreeMismatch,
            "jet: term {k} of argument {i} must have the tree structure of the argument: {difference}"
        );
    }
    for (x, dx) in args.arg_leaves(i).iter().zip(&term.leaves) {
        if !x.dtype().is_inexact() && dx.dtype() != DType::Float0 {
            bail!(
                Differentiation,
                "jet: term {k} of argument {i} must be float0, for {} has no derivative: it is {}. Capture the argument in the function, \
                 or give custom_derivatives::zero_from_primal of it",
                x.aval(),
                dx.aval()
            );
        }
        if !dx.aval().matches(&x.aval().tangent()) {
            bail!(
                Differentiation,
                "jet: term {k} of argument {i} must have the type of what it belongs to: it is {}, for {}",
                dx.aval(),
                x.aval()
            );
        }
    }
    Ok(())
}

/// Term `k`, counted from 1, by `k!`, where that is another number than 1.
fn scale(x: &mut Taylor, by: impl Fn(&Array, f64) -> Array) {
    let mut factorial = 1.0;
    for (k, term) in x.terms.iter_mut().enumerate().skip(1) {
        factorial *= (k + 1) as f64;
        let scaled: Tangent = term.as_ref().map(|x| by(x, factorial));
        *term = scaled;
    }
}
