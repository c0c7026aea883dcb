//! The next token from the logits of a language model.

use crate::arguments::options;
use crate::core::array::Array;
use crate::error::throw;
use crate::random::{self, Key};
use crate::{lax, numpy};

options! {
    /// Options of [`sample_with`].
    pub struct SamplingOptions {
        /// What the logits are divided by: below 1 the likely are likelier still. 0 takes the likeliest.
        temperature: value f64 = 1.0,
        /// Only so many of the likeliest are drawn from. Fan et al. 2018.
        top_k: optional usize,
        /// Only the likeliest are drawn from, as many as have this share of the probability together. Holtzman et al. 2020.
        top_p: optional f64,
    }
}

/// Draws an index of the last axis with the probabilities of `softmax(logits)`: `f32[.., n]` to `i32[..]`.
///
/// # Errors
/// As [`random::categorical`].
#[track_caller]
pub fn sample(key: &Key, logits: impl Into<Array>) -> Array {
    sample_with(key, logits, SamplingOptions::new())
}

/// [`sample`], of the likeliest alone, or with another temperature.
///
/// ```
/// use raxla::models::{SamplingOptions, sample_with};
/// use raxla::{Array, random};
///
/// let logits = Array::from([[0.0f32, 3.0, 1.0], [2.0, 1.0, 0.0]]);
/// let greedy = SamplingOptions::new().temperature(0.0);
/// assert_eq!(sample_with(&random::key(0), &logits, greedy).to_vec::<i32>()?, [1, 0]);
/// let one = SamplingOptions::new().top_k(1);
/// assert_eq!(sample_with(&random::key(0), &logits, one).to_vec::<i32>()?, [1, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `sample: temperature is at least 0, got -1`; `top_k` of 0 or more than there are; `top_p` that is not between 0 and 1.
#[track_caller]
pub fn sample_with(key: &Key, logits: impl Into<Array>, options: SamplingOptions) -> Array {
    let logits = logits.into();
    let Some(&n) = logits.shape().last() else {
        throw!(Shape, "sample: the logits are f32[.., n], got {}", logits.aval())
    };
    let SamplingOptions { temperature, top_k, top_p } = options;
    if temperature.is_nan() || temperature < 0.0 {
        throw!(InvalidArgument, "sample: temperature is at least 0, got {temperature}");
    }
    if let Some(k) = top_k.filter(|&k| k == 0 || k > n) {
        throw!(InvalidArgument, "sample: top_k is from 1 to {n}, got {k}");
    }
    if let Some(p) = top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
        throw!(InvalidArgument, "sample: top_p is above 0 and at most 1, got {p}");
    }
    if temperature == 0.0 {
        return lax::convert_element_type(&numpy::argmax(&logits, -1), crate::DType::I32);
    }
    let mut logits = &logits / temperature;
    let unlikely = f64::NEG_INFINITY;
    if let Some(k) = top_k {
        let (best, _) = lax::top_k(&logits, k, -1);
        let least = lax::slice_in_dim(&best, k - 1..k, -1);
        logits = numpy::where_(numpy::less(&logits, least), unlikely, &logits);
    }
    if let Some(p) = top_p {
        let (sorted, _) = lax::top_k(&logits, n, -1);
        let shares = crate::nn::softmax(&sorted, -1);
        // The share of those before: the first always counts.
        let before = numpy::cumsum(&shares, -1) - &shares;
        let counts = numpy::less(before, p);
        let least = numpy::min_with(
            numpy::where_(counts, &sorted, f64::INFINITY),
            -1,
            numpy::ReduceOptions::new().keepdims(true),
        );
        logits = numpy::where_(numpy::less(&logits, least), unlikely, &logits);
    }
    lax::convert_element_type(&random::categorical(key, logits), crate::DType::I32)
}
