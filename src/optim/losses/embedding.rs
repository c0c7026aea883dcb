//! Losses of embeddings. Optax: `losses/_self_supervised.py`.

use super::floats;
use crate::arguments::{Axis, options};
use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
use crate::numpy::{self, ReduceOptions};
use crate::optim::{CosineOptions, Hyperparam, cosine_similarity_with};

options! {
    /// Options of [`ntxent_with`].
    pub struct NtxentOptions {
        /// What similarities are divided by.
        temperature: into Hyperparam = 0.07,
    }
}

/// The normalised, temperature-scaled cross entropy of embeddings, those of one label against those of others. Chen et al. 2020,
/// <https://arxiv.org/abs/2002.05709>.
#[track_caller]
pub fn ntxent(embeddings: impl Into<Array>, labels: impl Into<Array>) -> Array {
    ntxent_with(embeddings, labels, NtxentOptions::new())
}

/// [`ntxent`] of another temperature.
#[track_caller]
pub fn ntxent_with(embeddings: impl Into<Array>, labels: impl Into<Array>, options: NtxentOptions) -> Array {
    let (x, labels) = (embeddings.into(), labels.into());
    floats("ntxent", "embeddings", &x);
    let count = labels.shape().first().copied().unwrap_or(0);
    if labels.ndim() != 1 || x.ndim() != 2 || x.shape()[0] != count {
        throw!(
            Shape,
            "ntxent: requires embeddings of rank 2 and a label for each, got {} and {}",
            x.aval(),
            labels.aval()
        );
    }
    let eps = match x.dtype() {
        crate::DType::F64 => f64::EPSILON,
        crate::DType::F16 => half::f16::EPSILON.to_f64(),
        crate::DType::BF16 => half::bf16::EPSILON.to_f64(),
        _ => f64::from(f32::EPSILON),
    };
    let cosine = CosineOptions::new().epsilon(eps);
    let similar = cosine_similarity_with(numpy::expand_dims(&x, 0), numpy::expand_dims(&x, 1), cosine);
    let similar = similar / &options.temperature;
    let same = numpy::equal(numpy::expand_dims(&labels, 1), numpy::expand_dims(&labels, 0));
    let itself = numpy::not_equal(numpy::eye(count), 0);
    let different = numpy::logical_not(&same);
    let matches = numpy::logical_and(&same, numpy::logical_not(itself));
    let only = |mask: &Array| numpy::where_(mask, &similar, f64::NEG_INFINITY);
    let (of_others, of_same) = (only(&different), only(&matches));
    let keep = || ReduceOptions::new().keepdims(true);
    // Less the largest, for its exponential.
    let largest = numpy::max_with(numpy::concatenate([&of_others, &of_same], -1), 1, keep());
    let shift = lax::stop_gradient(&largest);
    let (of_others, of_same) = (of_others - &shift, of_same - &shift);
    let denominator = numpy::sum_with(numpy::exp(of_others), 1, keep()) + numpy::exp(&of_same);
    let logs = of_same - numpy::log(denominator);
    -numpy::where_(&matches, logs, 0.0).sum(..) / matches.astype(crate::DType::I32).sum(..)
}

options! {
    /// Options of [`triplet_margin_loss_with`].
    pub struct TripletOptions {
        /// The axis of the features.
        axis: into Axis = -1,
        /// The power of the norm.
        norm_degree: into Hyperparam = 2.0,
        /// How much further away negatives shall be than positives.
        margin: into Hyperparam = 1.0,
        /// Added below the root.
        eps: into Hyperparam = 1e-6,
    }
}

/// How much less than a margin negatives are further from anchors than positives are. Balntas et al. 2016.
#[track_caller]
pub fn triplet_margin_loss(
    anchors: impl Into<Array>,
    positives: impl Into<Array>,
    negatives: impl Into<Array>,
) -> Array {
    triplet_margin_loss_with(anchors, positives, negatives, TripletOptions::new())
}

/// [`triplet_margin_loss`] of another norm or margin.
#[track_caller]
pub fn triplet_margin_loss_with(
    anchors: impl Into<Array>,
    positives: impl Into<Array>,
    negatives: impl Into<Array>,
    options: TripletOptions,
) -> Array {
    let TripletOptions { axis, norm_degree, margin, eps } = options;
    let anchors = anchors.into();
    let distance = |name: &str, others: Array| {
        floats("triplet_margin_loss", name, &others);
        let difference = &anchors - others;
        let powers = match norm_degree.number() {
            Some(2.0) => numpy::square(difference),
            _ => numpy::power(difference, &norm_degree),
        };
        numpy::power(numpy::sum(powers, axis) + &eps, 1.0 / &norm_degree)
    };
    floats("triplet_margin_loss", "anchors", &anchors);
    let (near, far) = (distance("positives", positives.into()), distance("negatives", negatives.into()));
    numpy::maximum(near - far + &margin, 0)
}
