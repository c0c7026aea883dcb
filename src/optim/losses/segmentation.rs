//! Losses of masks over images. Optax: `losses/_segmentation.py`.

use super::{rank, same_shape};
use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::optim::Hyperparam;
use crate::{nn, numpy};

/// What is made of the losses of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reduction {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// Nothing.
    None,
}

options! {
    /// Options of [`dice_loss_with`].
    pub struct DiceOptions {
        /// How much each class counts.
        class_weights: optional_into Array,
        /// Added above and below.
        smooth: into Hyperparam = 1.0,
        /// How much false positives count.
        alpha: into Hyperparam = 0.5,
        /// How much false negatives count.
        beta: into Hyperparam = 0.5,
        /// Are predictions logits? Else they are probabilities.
        apply_softmax: value bool = true,
        /// What is made of the losses of classes.
        reduction: value Reduction = Reduction::Mean,
        /// Is the first class left out?
        ignore_background: value bool = false,
        /// The axes of the image; all but the first and the last if not given.
        axis: optional_into Axes,
    }
}

/// One less twice the overlap of predicted and true masks over the sum of both. Milletari et al. 2016, <https://arxiv.org/abs/1606.04797>.
///
/// Shapes are `[batch, .., classes]`; one class may be left out.
#[track_caller]
pub fn dice_loss(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    dice_loss_with(predictions, targets, DiceOptions::new())
}

/// [`dice_loss`] with weights, or Tversky's.
#[track_caller]
pub fn dice_loss_with(
    predictions: impl Into<Array>,
    targets: impl Into<Array>,
    options: DiceOptions,
) -> Array {
    let (mut x, mut targets) = (predictions.into(), targets.into());
    let DiceOptions { class_weights, smooth, alpha, beta, apply_softmax, reduction, ignore_background, axis } =
        options;
    if x.ndim() + 1 == targets.ndim() {
        x = numpy::expand_dims(x, -1);
    }
    if targets.ndim() + 1 == x.ndim() {
        targets = numpy::expand_dims(targets, -1);
    }
    same_shape("dice_loss", ["predictions", "targets"], &x, &targets);
    let classes = x.shape().last().copied().unwrap_or(1);
    let probs = match (apply_softmax, classes) {
        (false, _) => x,
        (true, 1) => nn::sigmoid(x),
        (true, _) => nn::softmax(x, -1),
    };
    let image: Vec<usize> = (1..probs.ndim().saturating_sub(1)).collect();
    let axes = axis.unwrap_or_else(|| Axes::from(image));
    let sum = |x: &Array| numpy::sum(x, axes.clone());
    let overlap = sum(&(&probs * &targets));
    let (predicted, true_) = (sum(&probs), sum(&targets));
    let below = &overlap + (predicted - &overlap) * &alpha + (true_ - &overlap) * &beta + &smooth;
    let mut loss = 1.0 - (overlap + &smooth) / below;
    if let Some(weights) = class_weights {
        rank("dice_loss", "class_weights", &weights, 1);
        loss *= weights;
    }
    if ignore_background && classes > 1 {
        loss = crate::lax::slice_in_dim(&loss, 1..classes, -1);
    }
    match reduction {
        Reduction::Mean => loss.mean(-1),
        Reduction::Sum => loss.sum(-1),
        Reduction::None => loss,
    }
}

options! {
    /// Options of [`multiclass_generalized_dice_loss_with`].
    pub struct GeneralizedDiceOptions {
        /// Added above and below.
        smooth: into Hyperparam = 1.0,
        /// Are predictions logits? Else they are probabilities.
        apply_softmax: value bool = true,
        /// Is the first class left out?
        ignore_background: value bool = false,
    }
}

/// The mean [`dice_loss`], of classes weighted by how rare they are. Sudre et al. 2017, <https://arxiv.org/abs/1707.03237>.
#[track_caller]
pub fn multiclass_generalized_dice_loss(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    multiclass_generalized_dice_loss_with(predictions, targets, GeneralizedDiceOptions::new())
}

/// [`multiclass_generalized_dice_loss`] of probabilities, or without the background.
#[track_caller]
pub fn multiclass_generalized_dice_loss_with(
    predictions: impl Into<Array>,
    targets: impl Into<Array>,
    options: GeneralizedDiceOptions,
) -> Array {
    let (predictions, targets) = (predictions.into(), targets.into());
    let GeneralizedDiceOptions { smooth, apply_softmax, ignore_background } = options;
    same_shape("multiclass_generalized_dice_loss", ["predictions", "targets"], &predictions, &targets);
    let others: Vec<usize> = (0..targets.ndim().saturating_sub(1)).collect();
    let weights = 1.0 / (numpy::square(numpy::sum(&targets, others)) + 1e-7);
    let count = weights.size();
    let weights = &weights / weights.sum(..) * count;
    let options = DiceOptions::new().class_weights(weights).smooth(smooth).apply_softmax(apply_softmax);
    let options = options.ignore_background(ignore_background).reduction(Reduction::None);
    dice_loss_with(predictions, targets, options).mean(..)
}

options! {
    /// Options of [`binary_dice_loss_with`].
    pub struct BinaryDiceOptions {
        /// Added above and below.
        smooth: into Hyperparam = 1.0,
        /// Are predictions logits? Else they are probabilities.
        apply_sigmoid: value bool = true,
    }
}

/// The [`dice_loss`] of one class.
#[track_caller]
pub fn binary_dice_loss(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    binary_dice_loss_with(predictions, targets, BinaryDiceOptions::new())
}

/// [`binary_dice_loss`] of probabilities.
#[track_caller]
pub fn binary_dice_loss_with(
    predictions: impl Into<Array>,
    targets: impl Into<Array>,
    options: BinaryDiceOptions,
) -> Array {
    let (mut x, mut targets) = (predictions.into(), targets.into());
    if x.ndim() == targets.ndim() && x.shape().last() != Some(&1) {
        (x, targets) = (numpy::expand_dims(x, -1), numpy::expand_dims(targets, -1));
    }
    let own = DiceOptions::new().smooth(options.smooth).apply_softmax(options.apply_sigmoid);
    dice_loss_with(x, targets, own)
}
