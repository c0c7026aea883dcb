//! Losses. Optax: `optax.losses`. Each is of one example, or of each in a batch: take the mean.
//!
//! ```
//! use raxla::{Array, optim};
//!
//! let logits = Array::from([[2.0f32, 0.0], [0.0, 2.0]]);
//! let loss = optim::softmax_cross_entropy_with_integer_labels(&logits, Array::from([0i32, 1])).mean(..);
//! assert!((loss.item::<f32>()? - 0.1269).abs() < 1e-4);
//! # Ok::<(), raxla::Error>(())
//! ```

mod classification;
mod divergence;
mod embedding;
mod fenchel_young;
mod regression;
mod segmentation;
mod sequence;

pub use classification::*;
pub use divergence::*;
pub use embedding::*;
pub use fenchel_young::make_fenchel_young_loss;
pub use regression::*;
pub use segmentation::*;
pub use sequence::*;

use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::error::throw;
use crate::numpy::{self, ReduceOptions};

options! {
    /// Options of losses that sum over some axes.
    pub struct LossOptions {
        /// The axes of the classes or features.
        axis: into Axes = Axes::from(-1),
        /// Only elements where this is true count.
        where_: optional_into Array,
    }
}

impl LossOptions {
    /// The sum over the axes where the mask says so.
    #[track_caller]
    fn sum(&self, x: impl Into<Array>) -> Array {
        numpy::sum_with(x, self.axis.clone(), self.reduce())
    }

    #[track_caller]
    fn sum_keeping(&self, x: impl Into<Array>) -> Array {
        numpy::sum_with(x, self.axis.clone(), self.reduce().keepdims(true))
    }

    fn reduce(&self) -> ReduceOptions {
        match &self.where_ {
            Some(mask) => ReduceOptions::new().where_(mask),
            None => ReduceOptions::new(),
        }
    }

    /// With a mask of the rank of `x`.
    #[track_caller]
    fn for_operand(mut self, x: &Array) -> Self {
        if let Some(mask) = self.where_.take() {
            let fits = mask.ndim() == x.ndim();
            self.where_ = Some(if fits { mask } else { numpy::expand_dims(mask, self.axis.clone()) });
        }
        self
    }
}

#[track_caller]
fn floats(op: &str, name: &str, x: &Array) {
    if !x.dtype().is_float() {
        throw!(DType, "{op}: requires {name} of a float dtype, got {}", x.aval());
    }
}

#[track_caller]
fn integers(op: &str, name: &str, x: &Array) {
    if !x.dtype().is_integer() {
        throw!(DType, "{op}: requires {name} of an integer dtype, got {}", x.aval());
    }
}

#[track_caller]
fn same_shape(op: &str, names: [&str; 2], x: &Array, y: &Array) {
    if x.shape() != y.shape() {
        let [a, b] = names;
        throw!(Shape, "{op}: {a} and {b} differ in shape: {}, and {}", x.aval(), y.aval());
    }
}

#[track_caller]
fn rank(op: &str, name: &str, x: &Array, rank: usize) {
    if x.ndim() != rank {
        throw!(Shape, "{op}: requires {name} of rank {rank}, got {}", x.aval());
    }
}
