//! Dynamic scaling of losses. jmp: `jmp.DynamicLossScale`.

use super::math::zero_count;
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{caller, throw};
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
    #[pytree(static)]
    period: i32,
    #[pytree(static)]
    factor: f64,
    #[pytree(static)]
    min_loss_scale: f64,
}

options! {
    /// Options of [`LossScale::new_with`].
    pub struct LossScaleOptions {
        /// After how many finite gradients the scale grows.
        period: value i32 = 2000,
        /// What the scale is multiplied by then, and divided by when gradients are not finite.
        factor: value f64 = 2.0,
        /// The smallest scale.
        min_loss_scale: value f64 = 1.0,
    }
}

impl LossScale {
    /// A scale to begin with: a power of two.
    #[must_use]
    #[track_caller]
    pub fn new(loss_scale: f32) -> LossScale {
        LossScale::new_with(loss_scale, LossScaleOptions::new())
    }

    /// [`new`](Self::new) with other constants.
    ///
    /// # Panics
    /// `LossScale: period = 0: requires at least 1`; a factor that is not above 1, at the caller's line.
    #[must_use]
    #[track_caller]
    pub fn new_with(loss_scale: f32, options: LossScaleOptions) -> LossScale {
        let LossScaleOptions { period, factor, min_loss_scale } = options;
        if period < 1 {
            throw!(InvalidArgument, "LossScale: period = {period}: requires at least 1");
        }
        if factor.is_nan() || factor <= 1.0 {
            throw!(InvalidArgument, "LossScale: factor = {factor}: requires more than 1");
        }
        let loss_scale = Array::scalar(loss_scale);
        LossScale { loss_scale, counter: zero_count(), period, factor, min_loss_scale }
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
            let LossScale { loss_scale, counter, period, factor, min_loss_scale } = self;
            let larger = loss_scale * *factor;
            let grows = numpy::logical_and(numpy::equal(counter, period - 1), numpy::isfinite(&larger));
            let grown = numpy::where_(grows, larger, loss_scale);
            let smaller = numpy::maximum(*min_loss_scale, loss_scale / *factor);
            let counter = numpy::where_(&finite, (counter + 1) % *period, zero_count());
            let loss_scale = numpy::where_(&finite, grown, smaller);
            let (period, factor, min_loss_scale) = (*period, *factor, *min_loss_scale);
            (LossScale { loss_scale, counter, period, factor, min_loss_scale }, finite)
        })
    }
}
