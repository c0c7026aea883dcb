//! Losses of sequences and rankings. Optax: `losses/_classification.py`, `losses/_ranking.py`.

use super::{floats, rank, same_shape};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{OrThrow, caller, throw};
use crate::numpy::{self, ReduceOptions};
use crate::{DType, lax, nn};

options! {
    /// Options of [`ctc_loss_with`].
    pub struct CtcOptions {
        /// The class that stands for no label.
        blank_id: value usize = 0,
        /// The logarithm of a probability that is nearly zero.
        log_epsilon: value f64 = -1e5,
    }
}

/// Connectionist temporal classification: the loss of sequences of labels that are aligned with nothing. Graves et al. 2006.
///
/// `logits` is `[batch, time, classes]`, `labels` `[batch, label]`; paddings, of the shapes without the classes, are 1 where there is
/// nothing. The result is `[batch]`.
#[track_caller]
pub fn ctc_loss(
    logits: impl Into<Array>,
    logit_paddings: impl Into<Array>,
    labels: impl Into<Array>,
    label_paddings: impl Into<Array>,
) -> Array {
    ctc_loss_with(logits, logit_paddings, labels, label_paddings, CtcOptions::new())
}

/// [`ctc_loss`] with another class for blanks.
#[track_caller]
pub fn ctc_loss_with(
    logits: impl Into<Array>,
    logit_paddings: impl Into<Array>,
    labels: impl Into<Array>,
    label_paddings: impl Into<Array>,
    options: CtcOptions,
) -> Array {
    let (logits, logit_paddings) = (logits.into(), logit_paddings.into());
    ctc(logits, logit_paddings, labels.into(), label_paddings.into(), &options).0
}

/// [`ctc_loss`], and the logarithms of the forward probabilities of blanks and of labels, `[time, batch, label + 1]` and
/// `[time, batch, label]`.
#[track_caller]
pub fn ctc_loss_with_forward_probs(
    logits: impl Into<Array>,
    logit_paddings: impl Into<Array>,
    labels: impl Into<Array>,
    label_paddings: impl Into<Array>,
) -> (Array, Array, Array) {
    let (logits, logit_paddings) = (logits.into(), logit_paddings.into());
    ctc(logits, logit_paddings, labels.into(), label_paddings.into(), &CtcOptions::new())
}

/// `phi[:, 1:]` with `added` in the logarithms.
fn add_to_blanks(phi: &Array, added: Array) -> Array {
    let n = phi.shape()[1];
    let (first, rest) = (lax::slice_in_dim(phi, 0..1, 1), lax::slice_in_dim(phi, 1..n, 1));
    numpy::concatenate([first, numpy::logaddexp(rest, added)], -1)
}

#[track_caller]
fn ctc(
    logits: Array,
    logit_paddings: Array,
    labels: Array,
    label_paddings: Array,
    options: &CtcOptions,
) -> (Array, Array, Array) {
    floats("ctc_loss", "logits", &logits);
    rank("ctc_loss", "logits", &logits, 3);
    rank("ctc_loss", "labels", &labels, 2);
    same_shape("ctc_loss", ["labels", "label_paddings"], &labels, &label_paddings);
    let &[batch, time, classes] = logits.shape() else {
        throw!(Internal, "ctc_loss: a rank was not checked")
    };
    if logit_paddings.shape() != [batch, time] || labels.shape()[0] != batch {
        throw!(
            Shape,
            "ctc_loss: logits {} need logit_paddings of shape [{batch},{time}] and labels of {batch} sequences, got {} and {}",
            logits.aval(),
            logit_paddings.aval(),
            labels.aval()
        );
    }
    let (count, eps, blank) = (labels.shape()[1], options.log_epsilon, options.blank_id);
    let logprobs = nn::log_softmax(&logits, -1);
    let lengths = Array::from(count) - label_paddings.sum(1).astype(DType::I32);
    // 1 where a label is the next one too.
    let columns = |x: &Array, range: std::ops::Range<usize>| lax::slice_in_dim(x, range, 1);
    let repeat =
        numpy::equal(columns(&labels, 0..count.saturating_sub(1)), columns(&labels, 1.min(count)..count));
    let repeat = numpy::pad(repeat.astype(DType::F32), [(0, 0), (0, count.min(1) as i64)]);
    let blanks = numpy::transpose(lax::slice_in_dim(&logprobs, blank..blank + 1, 2), (1, 0, 2));
    let one_hot = nn::one_hot(&labels, classes);
    let emitted = numpy::einsum("btk,bnk->tbn", [&logprobs, &one_hot]);
    let first = numpy::equal(numpy::arange(count + 1), 0);
    let phi = numpy::broadcast_to(numpy::where_(first, 0.0, eps).astype(DType::F32), [batch, count + 1]);
    let emit = numpy::full([batch, count], eps).astype(DType::F32);
    let body = |(phi, emit): (Array, Array), (emitted, blank, pad): (Array, Array, Array)| {
        // From labels to blanks at no cost, but not between two labels that are the same.
        let moved = add_to_blanks(&phi, &emit + &repeat * eps);
        let next_emit = numpy::logaddexp(columns(&moved, 0..count) + &emitted, &emit + &emitted);
        let next_phi = add_to_blanks(&(&moved + &blank), &emit + &blank + (1.0 - &repeat) * eps);
        let pad = numpy::reshape(pad, (batch, 1));
        let either = |old: &Array, new: Array| &pad * old + (1.0 - &pad) * new;
        let next = (either(&phi, next_phi), either(&emit, next_emit));
        (next.clone(), next)
    };
    let paddings = numpy::transpose(logit_paddings, ..);
    let looped = with_location(caller(), || lax::scan(body, (phi, emit), (emitted, blanks, paddings)));
    let ((last_phi, last_emit), (phis, emits)) = looped.or_throw();
    let last = add_to_blanks(&last_phi, last_emit);
    let before = lax::slice_in_dim(&phis, 0..time.saturating_sub(1), 0);
    let phis = numpy::concatenate([before, numpy::expand_dims(&last, 0)], 0);
    let ends = nn::one_hot(lengths, count + 1);
    (-(last * ends).sum(-1), phis, emits)
}

/// What [`ranking_softmax_loss`] makes of the losses of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListReduction {
    /// Their mean, of lists that are not empty.
    Mean,
    /// Their sum.
    Sum,
    /// Nothing.
    None,
}

options! {
    /// Options of [`ranking_softmax_loss_with`].
    pub struct RankingOptions {
        /// Only items where this is true count.
        where_: optional_into Array,
        /// How much each item counts.
        weights: optional_into Array,
        /// What is made of the losses of lists.
        reduce_fn: value ListReduction = ListReduction::Mean,
    }
}

/// The cross entropy of the relevances of a list's items and the softmax of their scores. Xia et al. 2008.
#[track_caller]
pub fn ranking_softmax_loss(logits: impl Into<Array>, labels: impl Into<Array>) -> Array {
    ranking_softmax_loss_with(logits, labels, RankingOptions::new())
}

/// [`ranking_softmax_loss`] with weights, or of some items.
#[track_caller]
pub fn ranking_softmax_loss_with(
    logits: impl Into<Array>,
    labels: impl Into<Array>,
    options: RankingOptions,
) -> Array {
    let (mut logits, RankingOptions { where_, weights, reduce_fn }) = (logits.into(), options);
    floats("ranking_softmax_loss", "logits", &logits);
    let mut labels = labels.into().astype(logits.dtype());
    let mut reduce = ReduceOptions::new();
    if let Some(mask) = &where_ {
        labels = numpy::where_(mask, &labels, numpy::zeros_like(&labels));
        logits = numpy::where_(mask, logits, f64::NEG_INFINITY);
        reduce = reduce.where_(mask);
    }
    if let Some(weights) = weights {
        labels *= weights;
    }
    let loss = -numpy::sum_with(labels * nn::log_softmax(&logits, -1), -1, reduce);
    let lists = where_.map(|mask| numpy::any(mask, -1));
    let of_lists = || match &lists {
        Some(lists) => ReduceOptions::new().where_(lists),
        None => ReduceOptions::new(),
    };
    match reduce_fn {
        ListReduction::Sum => numpy::sum_with(loss, .., of_lists()),
        ListReduction::None => match &lists {
            Some(lists) => numpy::where_(lists, loss, 0.0),
            None => loss,
        },
        ListReduction::Mean => {
            let mean = numpy::mean_with(&loss, .., of_lists());
            // The mean of no list is 0, but what is no number stays so.
            let valid = numpy::logical_not(numpy::any(numpy::isnan(loss), ..));
            numpy::where_(numpy::logical_and(numpy::isnan(&mean), valid), 0.0, mean)
        }
    }
}
