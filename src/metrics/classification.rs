//! Metrics of classes. Flax: `nnx.metrics.Accuracy`.

use super::{Average, Metric, UpdateOptions, check_alike};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::numpy;

options! {
    /// Options of [`Accuracy::update_with`].
    pub struct ClassificationOptions {
        /// There are two classes, and one logit for each label: from here on it says yes.
        threshold: optional f64,
        /// Only labels where this `bool` array is true count. It broadcasts to them.
        where_: optional_into Array,
    }
}

/// The share of examples whose greatest logit is that of their label. Flax: `nnx.metrics.Accuracy`.
///
/// ```
/// use raxla::{metrics::{Accuracy, ClassificationOptions, Metric}, prelude::*};
///
/// let logits = Array::from([[0.1f32, 0.9], [0.8, 0.2]]);
/// let seen = Accuracy::empty().update(&logits, Array::from([1, 1]));
/// assert_eq!(seen.compute().item::<f32>()?, 0.5);
/// // Two classes by one number.
/// let by = ClassificationOptions::new().threshold(0.5);
/// let seen = Accuracy::empty().update_with(Array::from([0.7f32, 0.1]), Array::from([1, 0]), by);
/// assert_eq!(seen.compute().item::<f32>()?, 1.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Pytree, Clone, Debug, Default)]
pub struct Accuracy {
    right: Average,
}

impl Accuracy {
    /// The accuracy of nothing, which is NaN.
    #[must_use]
    pub fn empty() -> Accuracy {
        Accuracy::default()
    }

    /// With more examples: logits `[.., classes]`, labels `i32[..]`.
    ///
    /// # Panics
    /// `Accuracy::update: requires a label for each row of logits, got i32[7] for f32[8,10]`; labels that are no integers.
    #[must_use]
    #[track_caller]
    pub fn update(&self, logits: impl Into<Array>, labels: impl Into<Array>) -> Accuracy {
        self.update_with(logits, labels, ClassificationOptions::new())
    }

    /// [`update`](Accuracy::update) of two classes, or with some of the examples.
    #[must_use]
    #[track_caller]
    pub fn update_with(
        &self,
        logits: impl Into<Array>,
        labels: impl Into<Array>,
        options: ClassificationOptions,
    ) -> Accuracy {
        let (logits, labels) = (logits.into(), labels.into());
        integers("Accuracy::update", "labels", &labels);
        let shape = match (options.threshold, logits.shape()) {
            (Some(_), shape) | (None, [shape @ .., _]) => shape,
            (None, []) => throw!(Shape, "Accuracy::update: logits {} have no axis of classes", logits.aval()),
        };
        if shape != labels.shape() {
            let each = if options.threshold.is_some() { "logit" } else { "row of logits" };
            let (logits, labels) = (logits.aval(), labels.aval());
            throw!(Shape, "Accuracy::update: requires a label for each {each}, got {labels} for {logits}");
        }
        let right = match options.threshold {
            Some(threshold) => {
                numpy::equal(numpy::greater_equal(&logits, threshold), numpy::greater(labels, 0))
            }
            None => numpy::equal(numpy::argmax(&logits, -1), labels.astype(DType::I32)),
        };
        let masked = match options.where_ {
            Some(mask) => UpdateOptions::new().where_(mask),
            None => UpdateOptions::new(),
        };
        Accuracy { right: self.right.update_with(right, masked) }
    }
}

impl Metric for Accuracy {
    type Value = Array;

    fn reset(&self) -> Self {
        Accuracy::empty()
    }

    fn merge(&self, other: &Self) -> Self {
        check_alike("Accuracy", self, other);
        Accuracy { right: self.right.merge(&other.right) }
    }

    fn compute(&self) -> Array {
        self.right.compute()
    }
}

/// How often examples of which class were taken for which: `i32[classes, classes]`, a row for each true class, as in scikit-learn.
///
/// ```
/// use raxla::{metrics::{ConfusionMatrix, Metric}, prelude::*};
///
/// let mut seen = ConfusionMatrix::new(2);
/// seen = seen.update(Array::from([0, 1, 1, 1]), Array::from([0, 1, 0, 1]));
/// assert_eq!(seen.compute().to_vec::<i32>()?, [1, 1, 0, 2]);
/// assert_eq!(seen.recall().to_vec::<f32>()?, [0.5, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Pytree, Clone, Debug)]
pub struct ConfusionMatrix {
    counts: Array,
}

impl ConfusionMatrix {
    /// Of nothing.
    ///
    /// # Panics
    /// `ConfusionMatrix::new: classes = 0: requires 1 to 46340`.
    #[must_use]
    #[track_caller]
    pub fn new(classes: usize) -> ConfusionMatrix {
        // The greatest whose square is an `i32`.
        if !(1..=46_340).contains(&classes) {
            throw!(InvalidArgument, "ConfusionMatrix::new: classes = {classes}: requires 1 to 46340");
        }
        ConfusionMatrix { counts: numpy::zeros(([classes, classes], DType::I32)) }
    }

    /// With more examples: predicted and true classes of one shape. What is no class, in either, does not count, so that -1 fills up
    /// a batch.
    ///
    /// # Panics
    /// `ConfusionMatrix::update: predictions and labels differ in shape: i32[8], and i32[7]`; such as are no integers.
    #[must_use]
    #[track_caller]
    pub fn update(&self, predictions: impl Into<Array>, labels: impl Into<Array>) -> ConfusionMatrix {
        let (predictions, labels) = (predictions.into(), labels.into());
        integers("ConfusionMatrix::update", "predictions", &predictions);
        integers("ConfusionMatrix::update", "labels", &labels);
        if predictions.shape() != labels.shape() {
            throw!(
                Shape,
                "ConfusionMatrix::update: predictions and labels differ in shape: {}, and {}",
                predictions.aval(),
                labels.aval()
            );
        }
        let n = self.counts.shape().last().map_or(0, |n| *n as i32);
        let [predictions, labels] = [predictions, labels].map(|x| x.reshape(-1).astype(DType::I32));
        let is_class = |x: &Array| numpy::logical_and(numpy::greater_equal(x, 0), numpy::less(x, n));
        let valid = numpy::logical_and(is_class(&predictions), is_class(&labels));
        // Behind the last one, where nothing is added.
        let at = numpy::where_(valid, labels * n + predictions, n * n);
        let counts = numpy::zeros(([n * n], DType::I32)).at(at).add(1).reshape([n, n]);
        self.merge(&ConfusionMatrix { counts })
    }

    /// Of those taken for a class, the share that are of it: `f32[classes]`; NaN of none.
    #[must_use]
    #[track_caller]
    pub fn precision(&self) -> Array {
        self.hits() / self.sums(-2)
    }

    /// Of those of a class, the share that were taken for it: `f32[classes]`; NaN of none.
    #[must_use]
    #[track_caller]
    pub fn recall(&self) -> Array {
        self.hits() / self.sums(-1)
    }

    /// The harmonic mean of precision and recall: `f32[classes]`.
    #[must_use]
    #[track_caller]
    pub fn f1(&self) -> Array {
        2.0 * self.hits() / (self.sums(-2) + self.sums(-1))
    }

    /// The share of all that were taken for what they are.
    #[must_use]
    #[track_caller]
    pub fn accuracy(&self) -> Array {
        self.hits().sum(-1) / self.sums(-1).sum(-1)
    }

    #[track_caller]
    fn hits(&self) -> Array {
        let options = numpy::DiagonalOptions::new().axis1(-2).axis2(-1);
        numpy::diagonal_with(&self.counts, options).astype(DType::F32)
    }

    #[track_caller]
    fn sums(&self, axis: i64) -> Array {
        self.counts.sum(axis).astype(DType::F32)
    }
}

impl Metric for ConfusionMatrix {
    type Value = Array;

    fn reset(&self) -> Self {
        ConfusionMatrix { counts: numpy::zeros_like(&self.counts) }
    }

    fn merge(&self, other: &Self) -> Self {
        check_alike("ConfusionMatrix", self, other);
        ConfusionMatrix { counts: &self.counts + &other.counts }
    }

    fn compute(&self) -> Array {
        self.counts.clone()
    }
}

#[track_caller]
fn integers(op: &str, name: &str, x: &Array) {
    if !x.dtype().is_integer() {
        throw!(DType, "{op}: requires {name} of an integer dtype, got {}", x.aval());
    }
}
