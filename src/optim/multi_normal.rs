//! [`multi_normal`]: a normal distribution of independent elements. Optax: `_src/utils.py`.

use std::f64::consts::PI;

use crate::Pytree;
use crate::arguments::Dims;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{OrThrow, caller};
use crate::numpy;
use crate::random::{self, Key};

/// A normal distribution whose elements are independent, by their means and the logarithms of their standard deviations. See
/// [`multi_normal`].
#[derive(Clone, Debug, Pytree)]
pub struct MultiNormal {
    /// The means.
    pub loc: Array,
    /// The logarithms of standard deviations.
    pub log_scale: Array,
}

/// The normal distribution of independent elements with means `loc` and standard deviations `exp(log_scale)`, whose shapes broadcast.
///
/// ```
/// use raxla::{Array, optim, random};
///
/// let normal = optim::multi_normal(Array::from([0.0f32, 1.0]), Array::from([0.0f32, 0.0]));
/// assert_eq!(normal.sample([5], &random::key(0)).shape(), [5, 2]);
/// let log_prob = normal.log_prob(Array::from([0.0f32, 1.0]));
/// assert!((log_prob.item::<f32>()? + (2.0 * std::f32::consts::PI).ln()).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// Shapes that do not broadcast, at the caller's line.
#[track_caller]
pub fn multi_normal(loc: impl Into<Array>, log_scale: impl Into<Array>) -> MultiNormal {
    let normal = MultiNormal { loc: loc.into(), log_scale: log_scale.into() };
    normal.shape();
    normal
}

impl MultiNormal {
    #[track_caller]
    fn shape(&self) -> Vec<usize> {
        numpy::broadcast_shapes([self.loc.shape(), self.log_scale.shape()])
    }

    /// Draws of this shape, in front of that of the parameters.
    #[must_use]
    #[track_caller]
    pub fn sample(&self, shape: impl Into<Dims>, key: &Key) -> Array {
        let shape: Dims = shape.into();
        with_location(caller(), || {
            let mut sizes = shape.shape("sample").or_throw().to_vec();
            sizes.extend(self.shape());
            random::normal(key, sizes) * numpy::exp(&self.log_scale) + &self.loc
        })
    }

    /// The logarithm of the density at `x`, whose last axes are those of the parameters: they are summed.
    #[must_use]
    #[track_caller]
    pub fn log_prob(&self, x: impl Into<Array>) -> Array {
        let x = x.into();
        with_location(caller(), || {
            let variance = numpy::square(numpy::exp(&self.log_scale));
            let quadratic = numpy::square(&x - &self.loc) / &variance;
            let each = (numpy::log(2.0 * PI * variance) + quadratic) / -2.0;
            let axes: Vec<i64> = (1..=self.shape().len() as i64).map(|axis| -axis).collect();
            each.sum(axes)
        })
    }
}
