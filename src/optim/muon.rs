//! Muon. Optax: `contrib/_muon.py`.

use super::masking::{Mask, chain, partition};
use super::math::{bias_correction, cast, global_norm, safe_increment, update_moment, zero_count, zeros_of};
use super::scaling::{decayed_weights_of, scale_by_learning_rate};
use super::transformation::named_stateless;
use super::{AdamWOptions, GradientTransformation, Hyperparam, Schedule, adamw_with};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::numpy;
use crate::tree::{self, AnyTree};

options! {
    /// Options of [`muon_with`] and [`scale_by_muon_with`].
    pub struct MuonOptions {
        /// The coefficients of an iteration of Newton and Schulz.
        ns_coeffs: value [f64; 3] = [3.4445, -4.7750, 2.0315],
        /// The number of iterations.
        ns_steps: value usize = 5,
        /// How much of the mean stays at each step.
        beta: into Hyperparam = 0.95,
        /// Added to norms, and to Adam's square root.
        eps: into Hyperparam = 1e-8,
        /// What of matrices is taken away, times the rate.
        weight_decay: into Schedule = 0.0,
        /// Which matrices decay.
        weight_decay_mask: function Mask,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// Nesterov's momentum.
        nesterov: value bool = true,
        /// Are updates scaled by their dual norm?
        adaptive: value bool = false,
        /// The root mean square of updates; by shape if not given.
        consistent_rms: optional_into Hyperparam,
        /// How much of Adam's mean stays at each step.
        adam_b1: into Hyperparam = 0.9,
        /// How much of Adam's mean square stays at each step.
        adam_b2: into Hyperparam = 0.999,
        /// Added below Adam's square root.
        adam_eps_root: into Hyperparam = 0.0,
        /// What of other parameters is taken away, times the rate.
        adam_weight_decay: into Schedule = 0.0,
        /// The rate of other parameters.
        adam_learning_rate: optional_into Schedule,
    }
}

#[derive(Pytree)]
struct MuonState {
    count: Array,
    mu: AnyTree,
    ns_coeffs: Array,
}

/// The nearest matrix whose singular values are about 1, by iterations of Newton and Schulz.
fn orthogonalize(x: &Array, coeffs: &Array, steps: usize, eps: &Hyperparam) -> Result<Array> {
    let &[rows, columns] = x.shape() else { bail!(Shape, "requires matrices, got {}", x.aval()) };
    let tall = rows > columns;
    let mut x = if tall { numpy::transpose(x, ..) } else { x.clone() };
    x = &x / (global_norm(&x) + eps);
    let coeffs = coeffs.astype(x.dtype());
    let [a, b, c] = [0, 1, 2].map(|i| coeffs.index(i));
    for _ in 0..steps {
        let square = numpy::matmul(&x, numpy::conj(numpy::transpose(&x, ..)));
        let both = &b * &square + numpy::matmul(&c * &square, &square);
        x = &a * &x + numpy::matmul(both, &x);
    }
    Ok(if tall { numpy::transpose(x, ..) } else { x })
}

/// The mean of updates over time, each matrix made orthogonal. Jordan 2024, <https://kellerjordan.github.io/posts/muon>.
#[track_caller]
pub fn scale_by_muon() -> GradientTransformation {
    scale_by_muon_with(MuonOptions::new())
}

/// [`scale_by_muon`] with other constants.
#[track_caller]
pub fn scale_by_muon_with(options: MuonOptions) -> GradientTransformation {
    let MuonOptions { ns_coeffs, ns_steps, beta, eps, mu_dtype, nesterov, adaptive, .. } = options;
    let coeffs = ns_coeffs.map(|x| x as f32);
    GradientTransformation::new(
        "scale_by_muon",
        move |params| {
            let (mu, ns_coeffs) = (zeros_of(params, mu_dtype), Array::from(coeffs));
            Ok(MuonState { count: zero_count(), mu, ns_coeffs })
        },
        move |updates, state: MuonState, _| {
            let mu = update_moment(&updates, &state.mu, &beta);
            let count = safe_increment(&state.count);
            let mu_hat = if nesterov {
                let ahead = bias_correction(&mu, &beta, &safe_increment(&count));
                update_moment(&bias_correction(&updates, &beta, &count), &ahead, &beta)
            } else {
                bias_correction(&mu, &beta, &count)
            };
            let new = tree::try_map(|x| orthogonalize(x, &state.ns_coeffs, ns_steps, &eps), &mu_hat)?;
            let new = match adaptive {
                true => tree::map2(|x, y| (numpy::conj(x) * y).sum(..) * y, &mu_hat, &new),
                false => new,
            };
            Ok((new, MuonState { count, mu: cast(mu, mu_dtype), ns_coeffs: state.ns_coeffs }))
        },
    )
}

/// Momentum made orthogonal, of matrices; AdamW of other parameters. Jordan 2024, <https://kellerjordan.github.io/posts/muon>.
#[track_caller]
pub fn muon(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    muon_with(learning_rate, MuonOptions::new())
}

/// [`muon`] with other constants.
#[track_caller]
pub fn muon_with(learning_rate: impl Into<Schedule>, options: MuonOptions) -> GradientTransformation {
    let (rate, o) = (learning_rate.into(), options);
    let adam = AdamWOptions::new().b1(&o.adam_b1).b2(&o.adam_b2).eps(&o.eps).eps_root(&o.adam_eps_root);
    let adam = AdamWOptions { mu_dtype: o.mu_dtype, nesterov: o.nesterov, ..adam };
    let adam_rate = o.adam_learning_rate.clone().unwrap_or_else(|| rate.clone());
    let adam = adamw_with(adam_rate, adam.weight_decay(&o.adam_weight_decay));
    let rms = o.consistent_rms.clone();
    let by_shape = named_stateless("scale_by_shape", move |updates, _| {
        let scaled = |u: &Array| {
            let &[ins, outs] = u.shape() else { bail!(Shape, "requires matrices, got {}", u.aval()) };
            let (ins, outs) = (ins as f64, outs as f64);
            Ok(match &rms {
                Some(rms) => u * (rms * ins.max(outs).sqrt()),
                None => u * (outs / ins).max(1.0).sqrt(),
            })
        };
        tree::try_map(scaled, &updates)
    });
    let (decay, mask) = (o.weight_decay.clone(), o.weight_decay_mask.clone());
    let matrices = chain((
        scale_by_muon_with(o),
        by_shape,
        decayed_weights_of(decay, mask),
        scale_by_learning_rate(rate),
    ));
    partition([("muon", matrices), ("adam", adam)], |_, param| {
        if param.ndim() == 2 { "muon" } else { "adam" }.to_owned()
    })
}
