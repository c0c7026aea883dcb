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
//! | schedules | [`schedules`]; a rate is a number or a [`Schedule`] |
//! | one's own | [`GradientTransformation::new`], [`stateless`] |

mod accumulators;
mod clipping;
mod hyperparam;
mod layerwise;
mod masking;
mod math;
mod moments;
mod optimizers;
mod scaling;
pub mod schedules;
mod transformation;

pub use accumulators::*;
pub use clipping::*;
pub use hyperparam::{Hyperparam, Schedule};
pub use layerwise::*;
pub use masking::{
    Mask, Transforms, chain, freeze, masked, multi_transform, named_chain, partition, selective_transform,
};
pub use math::{
    full_like, global_norm, safe_increment, safe_norm, safe_root_mean_squares, tree_add_scale, tree_scale,
    tree_vdot, zeros_like,
};
pub use moments::*;
pub use optimizers::*;
pub use scaling::*;
#[doc(inline)]
pub use schedules::*;
pub use transformation::{
    Context, ExtraArgs, GradientTransformation, OptState, apply_updates, identity, incremental_update,
    periodic_update, set_to_zero, stateless, stateless_with_tree_map,
};
