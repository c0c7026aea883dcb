//! Layer 7: NumPy's functions on arrays. JAX: `jax.numpy`.
//!
//! ```
//! use raxla::numpy as jnp;
//!
//! let x = jnp::linspace(0.0, 1.0, 5, true);
//! let y = jnp::mean(jnp::square(&x - 0.5), ..);
//! assert_eq!(y.item::<f32>()?, 0.125);
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! Unlike [`lax`](crate::lax), these functions promote: operands of several dtypes get the common one of JAX's lattice,
//! integers become floats where the function needs it, and shapes broadcast as NumPy's do. Wherever an array is taken, a
//! reference to one, a number or a nested Rust array will do as well: `jnp::maximum(&x, 0.0)`.
//!
//! Axes may be negative, counting from the end; see [`Axes`] for reductions. What JAX writes as keyword arguments are
//! positional here in the same order, `None` for those left out, or functions of their own (`var_ddof`); the ones that
//! would hide a Rust keyword have an underscore: [`where_`], [`mod_`].

mod arithmetic;
mod axes;
mod contraction;
mod creation;
mod exponential;
mod floats;
mod indexing;
mod joining;
mod logic;
mod methods;
mod operators;
mod positions;
mod reductions;
mod shape;
mod sorting;
pub(crate) mod util;

#[doc(inline)]
pub use crate::lax::broadcast_shapes;
pub use arithmetic::*;
pub use axes::{Axes, keepdims};
pub use contraction::*;
pub use creation::*;
pub use exponential::*;
pub(crate) use floats::max_finite;
pub use floats::*;
pub use indexing::*;
pub use joining::*;
pub use logic::*;
pub use positions::*;
pub use reductions::*;
pub use shape::*;
pub use sorting::*;

/// π.
pub const PI: f64 = std::f64::consts::PI;
/// Euler's number.
pub const E: f64 = std::f64::consts::E;
/// Infinity.
pub const INF: f64 = f64::INFINITY;
/// Not a number.
pub const NAN: f64 = f64::NAN;
