//! Layer 7: activations and other functions of neural networks. JAX: `jax.nn`.
//!
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
pub mod initializers;
mod layers;
mod mode;
mod model;
mod params;
mod scope;
mod softmax;

#[doc(inline)]
pub use crate::numpy::tanh;
pub use activations::*;
pub use attention::*;
pub use layers::*;
pub use mode::{Mode, Policy};
pub use model::{Row, Table, Variables, apply, init, init_with_state, tabulate};
pub use params::{Iter, NamedTree, Params, State};
pub use scope::Scope;
pub use softmax::*;
