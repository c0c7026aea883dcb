//! Layers one after the other. Flax: `linen/combinators.py`.

use crate::core::array::Array;
use crate::nn::Scope;

/// A layer of [`sequential`].
type Layer<'a> = &'a dyn Fn(&Scope, Array) -> Array;

/// Layers one after the other, at the places `layers_0`, `layers_1` and so on. Flax: `Sequential`.
///
/// A residual block needs no layer of its own: `&x + block(cx, &x)`.
///
/// ```
/// use raxla::nn::{self, Mode};
/// use raxla::{prelude::*, random};
///
/// let x = Array::from([[0.5f32, -0.5]]);
/// let mlp = |cx: &nn::Scope| {
///     nn::sequential(cx, &x, &[
///         &|cx, x| nn::linear(cx, x, 16),
///         &|_, x| nn::relu(x),
///         &|cx, x| nn::linear(cx, x, 10),
///     ])
/// };
/// let params = nn::init(&random::key(0), mlp)?;
/// assert_eq!(params.get("layers_2/kernel").map(Array::shape), Some(&[16, 10][..]));
/// assert_eq!(nn::apply(&params, Mode::eval(), mlp)?.shape(), [1, 10]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the layers.
#[track_caller]
pub fn sequential(cx: &Scope, x: impl Into<Array>, layers: &[Layer<'_>]) -> Array {
    let layers = layers.iter().enumerate();
    layers.fold(x.into(), |x, (i, layer)| layer(&cx.at(format!("layers_{i}")), x))
}
