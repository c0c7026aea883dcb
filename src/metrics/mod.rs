//! Layer 7: measures of training and evaluation that accumulate on the device. Flax: `nnx.metrics`; `clu.metrics`.
//!
//! A metric is a pytree: it goes into `jit` and through `scan` as any state does, and nothing is read before
//! [`compute`](Metric::compute)'s result is. Several are a struct that derives [`macro@Metric`]:
//!
//! ```
//! use raxla::metrics::{Accuracy, Average, Metric};
//! use raxla::{lax, optim, prelude::*, random};
//!
//! #[derive(Pytree, Metric, Clone, Default)]
//! struct Evaluation { loss: Average, accuracy: Accuracy }
//!
//! let evaluate = jit(|logits: &Array, labels: &Array| -> Result<Evaluation> {
//!     let update = |seen: Evaluation, (logits, labels): (Array, Array)| {
//!         let loss = optim::softmax_cross_entropy_with_integer_labels(&logits, &labels);
//!         (Evaluation { loss: seen.loss.update(loss), accuracy: seen.accuracy.update(logits, labels) }, ())
//!     };
//!     Ok(lax::scan(update, Evaluation::default(), (logits.clone(), labels.clone()))?.0)
//! });
//! // Five batches of eight examples.
//! let (logits, labels) = (random::normal(&random::key(0), [5, 8, 3]), random::randint(&random::key(1), [5, 8], 0, 3));
//! let seen = evaluate(&logits, &labels)?;
//! assert!(seen.accuracy.compute().item::<f32>()? < 0.6);
//! // All of them by name: what `train::Logger` takes.
//! assert_eq!(seen.compute().keys().collect::<Vec<_>>(), ["accuracy", "loss"]);
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! | metric | of | gives |
//! |---|---|---|
//! | [`Average`] | numbers | the mean |
//! | [`Welford`] | numbers | mean, standard deviation, standard error of the mean |
//! | [`Max`], [`Min`] | numbers | the extreme one |
//! | [`Accuracy`] | logits and labels | the share of right answers |
//! | [`ConfusionMatrix`] | predictions and labels | how often which class was taken for which; precision, recall, F1 |
//!
//! A metric of nothing is NaN where it would divide by zero. Each is updated with whole batches, of which a mask,
//! [`UpdateOptions::where_`], says what counts. Sums are `f32`, whatever the dtype of the numbers, counts `i32`.

mod classification;
mod numbers;

pub use classification::{Accuracy, ClassificationOptions, ConfusionMatrix};
pub use numbers::{Average, Max, Min, Statistics, UpdateOptions, Welford};
/// Makes a struct whose fields are metrics a [`trait@Metric`], whose value is those of the fields by their names.
pub use raxla_derive::Metric;

use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{Result, bail, caller, throw};
use crate::lax;
use crate::tree::{self, AnyTree, Pytree};

/// What accumulates batch by batch, and of which two can be merged.
///
/// `#[derive(Metric)]` makes one of a struct of metrics. By hand it is one for a metric of one's own:
///
/// ```
/// use raxla::{metrics::Metric, prelude::*};
///
/// #[derive(Pytree, Clone)]
/// struct Perplexity { bits: raxla::metrics::Average }
///
/// impl Metric for Perplexity {
///     type Value = Array;
///     fn reset(&self) -> Self { Perplexity { bits: self.bits.reset() } }
///     fn merge(&self, other: &Self) -> Self { Perplexity { bits: self.bits.merge(&other.bits) } }
///     fn compute(&self) -> Array { raxla::numpy::exp2(self.bits.compute()) }
/// }
/// let perplexity = Perplexity { bits: raxla::metrics::Average::empty().update(Array::from([1.0f32, 3.0])) };
/// assert_eq!(perplexity.compute().item::<f32>()?, 4.0);
/// # Ok::<(), raxla::Error>(())
/// ```
pub trait Metric: Pytree + Clone {
    /// What it gives: an array, or a tree of them.
    type Value: Pytree;

    /// The metric of nothing.
    #[must_use]
    fn reset(&self) -> Self;

    /// The metric of what either has seen.
    ///
    /// # Panics
    /// `Average::merge: the trees differ in shape at total: f32[], and f32[4]`.
    #[must_use]
    #[track_caller]
    fn merge(&self, other: &Self) -> Self;

    /// The value.
    #[track_caller]
    fn compute(&self) -> Self::Value;

    /// Merges a stack of metrics, as `vmap` gives, along the leading axis. clu: `Metric.reduce`.
    ///
    /// ```
    /// use raxla::{metrics::{Average, Metric}, prelude::*};
    ///
    /// let each = vmap(|x: &Array| Average::empty().update(x))(&Array::from([[1.0f32, 2.0], [3.0, 6.0]]))?;
    /// assert_eq!(each.reduce()?.compute().item::<f32>()?, 3.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// A metric that is no stack, or one of none.
    #[track_caller]
    fn reduce(&self) -> Result<Self> {
        for (path, x) in tree::leaves_with_path(self) {
            if x.shape().first().is_none_or(|n| *n == 0) {
                bail!(Shape, "reduce: requires a stack of metrics, and {path} is {}", x.aval());
            }
        }
        with_location(caller(), || {
            let first = tree::map(|x| lax::index_in_dim_with(x, 0, 0, first_alone()), self);
            let rest = tree::map(|x| lax::slice_in_dim(x, 1..x.shape()[0], 0), self);
            Ok(lax::scan(|seen: Self, next: Self| (seen.merge(&next), ()), first, rest)?.0)
        })
    }
}

fn first_alone() -> lax::IndexInDimOptions {
    lax::IndexInDimOptions::new().keepdims(false)
}

/// Fails unless two metrics have the same structure and shapes. For `merge`, that of derived ones included.
#[doc(hidden)]
#[track_caller]
pub fn check_alike<M: Pytree>(name: &str, one: &M, other: &M) {
    if let Err(e) = AnyTree::new(one).check_like(&AnyTree::new(other)) {
        throw!(Shape, "{name}::merge: {}", e.message());
    }
}

/// Numbers as metrics keep them.
#[track_caller]
fn numbers(op: &str, x: Array) -> Array {
    if x.dtype().is_complex() {
        throw!(DType, "{op}: requires real numbers, got {}", x.aval());
    }
    x.astype(crate::DType::F32)
}

/// As many as that.
fn count(n: usize) -> Array {
    Array::scalar(i32::try_from(n).unwrap_or(i32::MAX))
}
