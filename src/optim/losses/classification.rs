//! Losses of predicted classes. Optax: `losses/_classification.py`, `losses/_smoothing.py`, `losses/_fenchel_young.py`.

use super::{LossOptions, floats, integers, same_shape};
use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::custom_derivatives::custom_jvp;
use crate::error::{OrThrow, caller};
use crate::nn::{self, LogsumexpOptions, SoftmaxOptions};
use crate::numpy;
use crate::optim::Hyperparam;
use crate::optim::projections::unit_simplex;

/// The cross entropy of independent events: labels are probabilities.
#[track_caller]
pub fn sigmoid_binary_cross_entropy(logits: impl Into<Array>, labels: impl Into<Array>) -> Array {
    let (logits, labels) = (logits.into(), labels.into());
    floats("sigmoid_binary_cross_entropy", "logits", &logits);
    let labels = labels.astype(logits.dtype());
    // log(1 - sigmoid(x)) = log_sigmoid(-x), which keeps its digits.
    let (log_p, log_not_p) = (nn::log_sigmoid(&logits), nn::log_sigmoid(-&logits));
    -&labels * log_p - (1.0 - labels) * log_not_p
}

/// `max(0, 1 - predictor_outputs * targets)`, of targets -1 and 1.
#[track_caller]
pub fn hinge_loss(predictor_outputs: impl Into<Array>, targets: impl Into<Array>) -> Array {
    numpy::maximum(0, 1 - predictor_outputs.into() * targets.into())
}

/// `max(0, -predictor_outputs * targets)`, of targets -1 and 1.
#[track_caller]
pub fn perceptron_loss(predictor_outputs: impl Into<Array>, targets: impl Into<Array>) -> Array {
    let (outputs, targets) = (predictor_outputs.into(), targets.into());
    same_shape("perceptron_loss", ["predictor_outputs", "targets"], &outputs, &targets);
    numpy::maximum(0, -outputs * targets)
}

/// The binary sparsemax loss. Martins and Astudillo 2016, <https://arxiv.org/abs/1602.02068>.
#[track_caller]
pub fn sparsemax_loss(logits: impl Into<Array>, labels: impl Into<Array>) -> Array {
    let logits = logits.into();
    let labels = numpy::not_equal(labels, 0);
    nn::sparse_plus(numpy::where_(labels, -&logits, &logits))
}

fn softmax_options(where_: &Option<Array>) -> SoftmaxOptions {
    match where_ {
        Some(mask) => SoftmaxOptions::new().where_(mask),
        None => SoftmaxOptions::new(),
    }
}

/// The cross entropy of classes that exclude each other, of labels that are probabilities.
#[track_caller]
pub fn softmax_cross_entropy(logits: impl Into<Array>, labels: impl Into<Array>) -> Array {
    softmax_cross_entropy_with(logits, labels, LossOptions::new())
}

/// [`softmax_cross_entropy`] of classes along other axes, or of some of them.
#[track_caller]
pub fn softmax_cross_entropy_with(
    logits: impl Into<Array>,
    labels: impl Into<Array>,
    options: LossOptions,
) -> Array {
    let logits = logits.into();
    floats("softmax_cross_entropy", "logits", &logits);
    let options = options.for_operand(&logits);
    let log_probs = nn::log_softmax_with(&logits, options.axis.clone(), softmax_options(&options.where_));
    -options.sum(labels.into() * log_probs)
}

/// `where(weights != 0, weights * log_softmax(x), 0)`, whose derivative is finite where the logarithm is not.
fn weighted_logsoftmax(x: &Array, weights: &Array) -> Array {
    let logs = nn::log_softmax(x, -1);
    numpy::where_(numpy::not_equal(weights, 0.0), weights * &logs, numpy::zeros_like(&logs))
}

/// [`softmax_cross_entropy`] where logits of labels that are zero may be -∞.
#[track_caller]
pub fn safe_softmax_cross_entropy(logits: impl Into<Array>, labels: impl Into<Array>) -> Array {
    let (logits, labels) = (logits.into(), labels.into());
    floats("safe_softmax_cross_entropy", "logits", &logits);
    let labels = labels.astype(logits.dtype());
    // d(w l(x)) = w (dx - sum(dx softmax(x))) + l(x) dw
    let jvp = |(x, w): (Array, Array), (dx, dw): (Array, Array)| {
        let mean = numpy::sum_with(&dx * nn::softmax(&x, -1), -1, numpy::ReduceOptions::new().keepdims(true));
        let tangent = &w * dx - &w * mean + dw * nn::log_softmax(&x, -1);
        (weighted_logsoftmax(&x, &w), tangent)
    };
    let f = custom_jvp(|x: &Array, w: &Array| weighted_logsoftmax(x, w), jvp);
    -with_location(caller(), || f(&logits, &labels).or_throw()).sum(-1)
}

/// The cross entropy of classes that exclude each other, of labels that are numbers of classes.
///
/// ```
/// use raxla::{Array, optim};
///
/// let logits = Array::from([[0.0f32, 0.0], [100.0, 0.0]]);
/// let loss = optim::softmax_cross_entropy_with_integer_labels(&logits, Array::from([1i32, 0]));
/// assert_eq!(loss.to_vec::<f32>()?, [2.0f32.ln(), 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn softmax_cross_entropy_with_integer_labels(
    logits: impl Into<Array>,
    labels: impl Into<Array>,
) -> Array {
    integer_cross_entropy(logits.into(), labels.into(), LossOptions::new())
}

/// [`softmax_cross_entropy_with_integer_labels`] of classes along other axes, or of some of them.
#[track_caller]
pub fn softmax_cross_entropy_with_integer_labels_with(
    logits: impl Into<Array>,
    labels: impl Into<Array>,
    options: LossOptions,
) -> Array {
    integer_cross_entropy(logits.into(), labels.into(), options)
}

#[track_caller]
fn integer_cross_entropy(logits: Array, labels: Array, options: LossOptions) -> Array {
    const OP: &str = "softmax_cross_entropy_with_integer_labels";
    floats(OP, "logits", &logits);
    integers(OP, "labels", &labels);
    let LossOptions { axis, where_ } = options.for_operand(&logits);
    // The classes last, flattened.
    let classes = axis.positions(OP, logits.ndim()).or_throw();
    let batch = (0..logits.ndim()).filter(|i| !classes.contains(i));
    let order: Vec<usize> = batch.chain(classes.iter().copied()).collect();
    let last = |x: &Array| {
        let x = numpy::transpose(x, order.clone());
        let mut shape: Vec<i64> = x.shape()[..x.ndim() - classes.len()].iter().map(|&n| n as i64).collect();
        shape.push(-1);
        numpy::reshape(x, shape)
    };
    let (logits, mask) = (last(&logits), where_.as_ref().map(last));
    let own = numpy::take_along_axis(&logits, numpy::expand_dims(labels, -1), -1);
    let own = numpy::squeeze(own, -1);
    let options = match &mask {
        Some(mask) => LogsumexpOptions::new().where_(mask),
        None => LogsumexpOptions::new(),
    };
    let loss = nn::logsumexp_with(logits, -1, options) - own;
    match mask {
        Some(mask) => numpy::where_(numpy::any(mask, -1), loss, 0.0),
        None => loss,
    }
}

/// The products of the vectors along the last axis.
#[track_caller]
fn dots(x: &Array, y: &Array) -> Array {
    (x * y).sum(-1)
}

/// How much the score of another class is above that of the label, less one. Crammer and Singer 2001.
#[track_caller]
pub fn multiclass_hinge_loss(scores: impl Into<Array>, labels: impl Into<Array>) -> Array {
    let scores = scores.into();
    let own = one_hot_like("multiclass_hinge_loss", &scores, labels.into());
    numpy::max(&scores + 1.0 - &own, -1) - dots(&scores, &own)
}

/// How much the best score is above that of the label.
#[track_caller]
pub fn multiclass_perceptron_loss(scores: impl Into<Array>, labels: impl Into<Array>) -> Array {
    let scores = scores.into();
    let own = one_hot_like("multiclass_perceptron_loss", &scores, labels.into());
    numpy::max(&scores, -1) - dots(&scores, &own)
}

#[track_caller]
fn one_hot_like(op: &str, scores: &Array, labels: Array) -> Array {
    integers(op, "labels", &labels);
    let classes = scores.shape().last().copied().unwrap_or(0);
    nn::one_hot(labels, classes).astype(scores.dtype())
}

/// The sparsemax loss of several classes. Martins and Astudillo 2016, <https://arxiv.org/abs/1602.02068>.
#[track_caller]
pub fn multiclass_sparsemax_loss(scores: impl Into<Array>, labels: impl Into<Array>) -> Array {
    let scores = scores.into();
    let own = one_hot_like("multiclass_sparsemax_loss", &scores, labels.into());
    let proba = unit_simplex(&scores);
    let best = numpy::expand_dims(dots(&scores, &own), -1);
    let others = numpy::where_(numpy::not_equal(&own, 0), 0.0, &scores - best);
    let others = numpy::where_(numpy::not_equal(&proba, 0), others, 0.0);
    dots(&proba, &others) + (1.0 - dots(&proba, &proba)) * 0.5
}

options! {
    /// Options of [`poly_loss_cross_entropy_with`].
    pub struct PolyLossOptions {
        /// The coefficient of the first term.
        epsilon: into Hyperparam = 2.0,
        /// The axes of the classes.
        axis: into Axes = Axes::from(-1),
        /// Only elements where this is true count.
        where_: optional_into Array,
    }
}

/// The cross entropy, and twice the probability of what is not the label. Leng et al. 2022, <https://arxiv.org/abs/2204.12511>.
#[track_caller]
pub fn poly_loss_cross_entropy(logits: impl Into<Array>, labels: impl Into<Array>) -> Array {
    poly_loss_cross_entropy_with(logits, labels, PolyLossOptions::new())
}

/// [`poly_loss_cross_entropy`] with another coefficient.
#[track_caller]
pub fn poly_loss_cross_entropy_with(
    logits: impl Into<Array>,
    labels: impl Into<Array>,
    options: PolyLossOptions,
) -> Array {
    let (logits, labels) = (logits.into(), labels.into());
    let PolyLossOptions { epsilon, axis, where_ } = options;
    floats("poly_loss_cross_entropy", "logits", &logits);
    floats("poly_loss_cross_entropy", "labels", &labels);
    let over = LossOptions { axis, where_ };
    let p = nn::softmax_with(&logits, over.axis.clone(), softmax_options(&over.where_));
    let rest = over.sum(&labels * (1 - p));
    softmax_cross_entropy_with(logits, labels, over) + rest * &epsilon
}

options! {
    /// Options of [`sigmoid_focal_loss_with`].
    pub struct FocalLossOptions {
        /// The weight of positive labels, against one less it of negative ones.
        alpha: optional_into Hyperparam,
        /// How much less examples count that are classified well.
        gamma: into Hyperparam = 2.0,
    }
}

/// The binary cross entropy, less of examples that are classified well. Lin et al. 2018, <https://arxiv.org/abs/1708.02002>.
#[track_caller]
pub fn sigmoid_focal_loss(logits: impl Into<Array>, labels: impl Into<Array>) -> Array {
    sigmoid_focal_loss_with(logits, labels, FocalLossOptions::new())
}

/// [`sigmoid_focal_loss`] with weights.
#[track_caller]
pub fn sigmoid_focal_loss_with(
    logits: impl Into<Array>,
    labels: impl Into<Array>,
    options: FocalLossOptions,
) -> Array {
    let (logits, FocalLossOptions { alpha, gamma }) = (logits.into(), options);
    floats("sigmoid_focal_loss", "logits", &logits);
    let labels = labels.into().astype(logits.dtype());
    let cross_entropy = sigmoid_binary_cross_entropy(&logits, &labels);
    let logs = [nn::log_sigmoid(&logits), nn::log_sigmoid(-&logits)];
    let weights = numpy::stack([1 - &labels, labels.clone()], -1);
    let log_wrong = nn::logsumexp_with(numpy::stack(logs, -1), -1, LogsumexpOptions::new().b(weights));
    let loss = cross_entropy * numpy::exp(log_wrong * &gamma);
    match alpha {
        None => loss,
        Some(alpha) => (&labels * &alpha + (1.0 - &labels) * (1.0 - &alpha)) * loss,
    }
}

/// Labels moved towards the uniform distribution by `alpha`. Müller et al. 2019, <https://arxiv.org/abs/1906.02629>.
#[track_caller]
pub fn smooth_labels(labels: impl Into<Array>, alpha: impl Into<Hyperparam>) -> Array {
    smooth_labels_with(labels, alpha, LossOptions::new())
}

/// [`smooth_labels`] of classes along other axes, or of some of them.
#[track_caller]
pub fn smooth_labels_with(
    labels: impl Into<Array>,
    alpha: impl Into<Hyperparam>,
    options: LossOptions,
) -> Array {
    let (labels, alpha) = (labels.into(), alpha.into());
    floats("smooth_labels", "labels", &labels);
    let count: Array = match &options.where_ {
        Some(mask) => numpy::sum_with(mask, options.axis.clone(), numpy::ReduceOptions::new().keepdims(true)),
        None => {
            let axes = options.axis.sorted("smooth_labels", labels.ndim()).or_throw();
            Array::from(axes.iter().map(|&axis| labels.shape()[axis]).product::<usize>())
        }
    };
    labels * (1.0 - &alpha) + Array::from(alpha) / count
}
