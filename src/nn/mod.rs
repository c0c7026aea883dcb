//! Layer 7: models of layers, activations and other functions of neural networks. JAX: `jax.nn`; Flax: `flax.linen`.
//!
//! # Models
//! A model is an ordinary function of a [`Scope`] and its inputs. Run by [`init`] it gives its parameters, run by [`apply`] with
//! parameters its result; no size of an input is written down, and nothing is written twice:
//! ```
//! use raxla::nn::{self, Mode, Params, Scope};
//! use raxla::{prelude::*, random};
//!
//! fn mlp(cx: &Scope, x: &Array) -> Array {
//!     let x = nn::relu(nn::linear(&cx.at("fc1"), x, 16));
//!     nn::linear(&cx.at("fc2"), x, 10)
//! }
//! let x = Array::from([[0.5f32, -0.5]]);
//! let params: Params = nn::init(&random::key(0), |cx| mlp(cx, &x))?;
//! let logits = nn::apply(&params, Mode::eval(), |cx| mlp(cx, &x))?;
//! assert_eq!(logits.shape(), [1, 10]);
//! # Ok::<(), raxla::Error>(())
//! ```
//! Layers are such functions too:
//!
//! | | |
//! |---|---|
//! | linear | [`linear`], [`linear_general`], [`einsum`], [`embed`], [`attend`], [`conv`], [`conv_transpose`] |
//! | normalising | [`layer_norm`], [`rms_norm`], [`group_norm`], [`instance_norm`], [`batch_norm`]; [`weight_norm`], [`spectral_norm`] |
//! | along sequences | [`multi_head_attention`]; [`rnn`] and [`bidirectional`] of [`simple_cell`], [`gru_cell`], [`lstm_cell`], [`conv_lstm_cell`] |
//! | pooling | [`max_pool`], [`min_pool`], [`avg_pool`], [`adaptive_avg_pool`], [`adaptive_max_pool`] |
//! | random | [`dropout`] |
//! | of layers | [`sequential`]; [`repeat`] runs one many times with parameters of its own each, [`remat`] saves memory |
//!
//! State, such as running means, is [`Scope::state`] and goes through
//! `apply((&params, &state), ..)`. Keys and precision belong to the [`Mode`].
//!
//! # Functions
//! ```
//! use raxla::{Array, nn};
//!
//! let logits = Array::from([[1.0f32, 1.0], [0.0, f32::NEG_INFINITY]]);
//! assert_eq!(nn::softmax(&logits, -1).to_vec::<f32>()?, [0.5, 0.5, 1.0, 0.0]);
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! Activations are elementwise: the result has the shape of `x`, and its dtype, integers becoming floats where the function
//! needs it. Their derivatives are those of JAX, also where the function has a corner: that of [`relu`] at 0 is 0.

mod activations;
mod attention;
mod draw;
pub mod initializers;
mod layers;
mod mode;
mod model;
mod params;
mod scaled_dot_general;
mod scope;
mod softmax;

#[doc(inline)]
pub use crate::numpy::tanh;
pub use activations::*;
pub use attention::*;
pub use layers::*;
pub use mode::{Mode, Policy};
pub use model::{Row, Table, Variables, apply, init, init_state, init_with_state, tabulate};
pub use params::{Iter, NamedTree, Params, State};
pub use scaled_dot_general::{
    BlockScaleConfig, BlockScaleMode, ScaledDotGeneralOptions, ScaledMatmulOptions,
    get_scaled_dot_general_config, scaled_dot_general, scaled_dot_general_with, scaled_matmul,
    scaled_matmul_with,
};
pub use scope::Scope;
pub use softmax::*;
