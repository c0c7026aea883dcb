//! Dynamic scaling of losses. jmp: `jmp.DynamicLossScale`.

use super::math::zero_count;
use crate::Pytree;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::caller;
use crate::numpy;
use crate::tree;

/// The scale of losses of 16-bit floats, which becomes smaller when gradients are not finite and larger when they were for long.
/// jmp: `DynamicLossScale`.
///
/// ```
/// use raxla::{Array, optim::LossScale};
///
/// let mut scale = LossScale::new(1024.0);
/// let loss = scale.scale(&Array::from(0.5f32));
/// assert_eq!(loss.item::<f32>()?, 512.0);
/// let grads = scale.unscale(&Array::from([f32::INFINITY]));
/// let finite;
/// (scale, finite) = scale.adjusted(&grads);
/// assert_eq!((finite.item::<bool>()?, scale.value().item::<f32>()?), (false, 512.0));
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug, Pytree)]
pub struct LossScale {
    loss_scale: Array,
    counter: Array,
}

impl LossScale {
    /// After so many finite gradients the scale doubles.
    const PERIOD: i32 = 2000;

    /// A scale to begin with: a power of two.
    #[must_use]
    pub fn new(loss_scale: f32) -> LossScale {
        LossScale { loss_scale: Array::scalar(loss_scale), counter: zero_count() }
    }

    /// The scale.
    pub fn value(&self) -> &Array {
        &self.loss_scale
    }

    /// A loss, or a tree of them, times the scale.
    #[must_use]
    #[track_caller]
    pub fn scale<T: Pytree>(&self, tree: &T) -> T {
        let scaled = |x: &Array| x * self.loss_scale.astype(x.dtype());
        with_location(caller(), || tree::map(scaled, tree))
    }

    /// Gradients over the scale.
    #[must_use]
    #[track_caller]
    pub fn unscale<T: Pytree>(&self, tree: &T) -> T {
        let unscaled = |x: &Array| x * (1.0 / &self.loss_scale).astype(x.dtype());
        with_location(caller(), || tree::map(unscaled, tree))
    }

    /// The scale after these gradients, and whether they are finite: if not, leave the update out.
    #[must_use]
    #[track_caller]
    pub fn adjusted<T: Pytree>(&self, grads: &T) -> (LossScale, Array) {
        with_location(caller(), || {
            let finite = super::wrappers::all_finite(grads);
            let full = numpy::equal(&self.counter, LossScale::PERIOD - 1);
            let doubled = &self.loss_scale * 2.0;
            let grown = numpy::where_(
                &full,
                numpy::where_(numpy::isfinite(&doubled), &doubled, &self.loss_scale),
                &self.loss_scale,
            );
            let halved = numpy::maximum(1.0, &self.loss_scale / 2.0);
            let counter = numpy::where_(&finite, (&self.counter + 1) % LossScale::PERIOD, zero_count());
            (LossScale { loss_scale: numpy::where_(&finite, grown, halved), counter }, finite)
        })
    }
}
