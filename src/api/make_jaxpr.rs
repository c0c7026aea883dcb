//! `make_jaxpr` and `eval_shape`: what a function traces to. JAX: `jax.make_jaxpr`, `jax.eval_shape`.

use crate::api::program::trace;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::ClosedJaxpr;
use crate::signature::{Call, Function, Traceable};

/// The jaxpr that `f` traces to for the arguments that the result is called with. It prints in JAX's syntax.
///
/// ```
/// use raxla::prelude::*;
///
/// let jaxpr = make_jaxpr(|x: &Array| x + 1.0)(&Array::from([1.0f32]))?;
/// assert_eq!(jaxpr.to_string(), "{ lambda ; a:f32[1]. let b:f32[1] = add a 1.0:f32[] in (b,) }");
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What `f` fails with while it is traced.
#[track_caller]
pub fn make_jaxpr<'f, F, M>(f: F) -> Call<'f, M::Sig, ClosedJaxpr>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let f = M::into_flat(f);
    Call::new(move |args| Ok(trace(&*f, &args)?.0))
}

/// The avals of the leaves of `f`'s result, without running it.
///
/// # Errors
/// What `f` fails with while it is traced.
#[track_caller]
pub fn eval_shape<'f, F, M>(f: F) -> Call<'f, M::Sig, Vec<ShapedArray>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let f = M::into_flat(f);
    Call::new(move |args| Ok(trace(&*f, &args)?.0.jaxpr.out_avals()))
}
