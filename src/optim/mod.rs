//! Layer 7: optimisers, schedules and losses. Optax.
//!
//! An optimiser is a [`GradientTransformation`]: `init` makes a state for parameters, `update` makes updates of gradients, and
//! [`apply_updates`] adds them. It works on trees of any type, [`nn::Params`](crate::nn::Params) among them.
//!
//! ```
//! use raxla::{optim, prelude::*};
//!
//! let tx = optim::chain((optim::clip_by_global_norm(1.0), optim::adamw(1e-1)));
//! let mut params = Array::from([1.0f32, -2.0]);
//! let mut opt = tx.init(&params)?;
//! let step = jit(move |params: Array, opt: optim::OptState| -> Result<(Array, optim::OptState)> {
//!     let grads = grad(|w: &Array| (w * w).sum(..))(&params)?;
//!     let (updates, opt) = tx.update(&grads, &opt, &params)?;
//!     Ok((optim::apply_updates(&params, &updates), opt))
//! });
//! for _ in 0..100 { (params, opt) = step(params, opt)?; }
//! assert!(params.to_vec::<f32>()?.iter().all(|w| w.abs() < 0.1));
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | optimisers | [`sgd`], [`adam`], [`adamw`], [`lion`], [`lamb`], [`rmsprop`] and so on; `adam_with` takes the constants |
//! | transformations | `scale_by_*`, [`trace`], [`ema`], [`add_decayed_weights`]; [`chain`] puts them together |
//! | clipping | [`clip`], [`clip_by_global_norm`], [`clip_by_block_rms`], [`adaptive_grad_clip`] |
//! | some parameters | [`masked`], [`partition`], [`freeze`]: by path and shape |
//! | around others | [`multi_steps`], [`apply_if_finite`], [`lookahead`], [`inject_hyperparams`], [`flatten`] |
//! | line searches | [`lbfgs`], [`scale_by_backtracking_linesearch`], [`scale_by_zoom_linesearch`] |
//! | that find their rates | [`prodigy`], [`dadapt_adamw`], [`dog`], [`dowg`], [`cocob`], [`momo`], [`mechanize`] |
//! | of one's own kind | [`sam`], [`muon`], [`sophia`], [`schedule_free`], [`reduce_on_plateau`], [`dpsgd`], [`split_real_and_imaginary`], [`LossScale`] |
//! | losses | [`losses`], [`softmax_cross_entropy_with_integer_labels`], [`l2_loss`] and so on |
//! | whole trees | [`update_moment`], [`bias_correction`], [`global_norm`], [`tree_random_like`], [`tree_map_params`] and so on |
//! | parts of a batch | [`microbatch`] |
//! | second derivatives | [`hvp`], [`hessian_diag`], [`fisher_diag`], [`power_iteration_of`] |
//! | algorithms | [`nnls`], [`matrix_inverse_pth_root`], [`hungarian_algorithm`], [`make_perturbed_fun`] |
//! | schedules | [`schedules`]; a rate is a number or a [`Schedule`] |
//! | one's own | [`GradientTransformation::new`], [`stateless`] |

mod accumulators;
mod assignment;
mod clipping;
mod contrib;
mod hyperparam;
mod layerwise;
mod lbfgs;
mod linear_algebra;
mod linesearch;
mod loss_scale;
pub mod losses;
mod masking;
mod math;
mod microbatching;
mod moments;
mod monitoring;
mod multi_normal;
mod muon;
mod optimizers;
mod perturbations;
mod projections;
mod scaling;
pub mod schedules;
mod second_order;
mod transformation;
mod trees;
mod wrappers;

pub use accumulators::*;
pub use assignment::*;
pub use clipping::*;
pub use contrib::*;
pub use hyperparam::{Hyperparam, Schedule};
pub use layerwise::*;
pub use lbfgs::*;
pub use linear_algebra::*;
pub use linesearch::{
    BacktrackingOptions, InitialGuess, ZoomOptions, scale_by_backtracking_linesearch,
    scale_by_backtracking_linesearch_with, scale_by_zoom_linesearch, scale_by_zoom_linesearch_with,
    value_and_grad_from_state,
};
pub use loss_scale::{LossScale, LossScaleOptions};
#[doc(inline)]
pub use losses::*;
pub use masking::{
    Mask, Transforms, chain, freeze, masked, multi_transform, named_chain, partition, selective_transform,
};
pub use math::{
    full_like, global_norm, safe_increment, safe_norm, safe_root_mean_squares, tree_add_scale, tree_scale,
    tree_vdot, zeros_like,
};
pub use microbatching::*;
pub use moments::*;
pub use monitoring::*;
pub use multi_normal::*;
pub use muon::*;
pub use optimizers::*;
pub use perturbations::*;
pub use projections::*;
pub use scaling::*;
#[doc(inline)]
pub use schedules::*;
pub use second_order::*;
pub use transformation::{
    Context, ExtraArgs, GradientTransformation, OptState, apply_updates, identity, incremental_update,
    periodic_update, set_to_zero, stateless, stateless_with_tree_map,
};
pub use trees::*;
pub use wrappers::*;
