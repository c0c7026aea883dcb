//! `ensure_compile_time_eval`: values that are computed while a function is traced. JAX: `jax.ensure_compile_time_eval`.

use crate::core::trace::folding;

/// Runs `body`, in which operations on arrays whose values are known are computed at once, also while a function is traced: what
/// they give can be read. What depends on a tracer is traced as ever.
///
/// ```
/// use raxla::{ensure_compile_time_eval, numpy as jnp, prelude::*};
///
/// let f = jit(|x: &Array| -> Result<Array> {
///     let largest = ensure_compile_time_eval(|| jnp::max(jnp::arange(4), ..));
///     // A number of the trace: the loop is unrolled.
///     Ok((0..largest.item::<i32>()?).fold(x.clone(), |x, _| x * 2.0))
/// });
/// assert_eq!(f(&Array::from(1.0))?.item::<f32>()?, 8.0);
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn ensure_compile_time_eval<R>(body: impl FnOnce() -> R) -> R {
    folding(true, body)
}
