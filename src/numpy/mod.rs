//! Layer 7: NumPy's functions on arrays. JAX: `jax.numpy`.
//!
//! ```
//! use raxla::numpy as jnp;
//!
//! let x = jnp::linspace(0.0, 1.0, 5);
//! let y = jnp::mean(jnp::square(&x - 0.5), ..);
//! assert_eq!(y.item::<f32>()?, 0.125);
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! Unlike [`lax`](crate::lax), these functions promote: operands of several dtypes get the common one of JAX's lattice,
//! integers become floats where the function needs it, and shapes broadcast as NumPy's do. Wherever an array is taken, a
//! reference to one, a number or a nested Rust array will do as well: `jnp::maximum(&x, 0.0)`.
//!
//! Axes and shapes are said in any way that lists integers: `sum(&x, -1)`, `sum(&x, (0, 1))`, `sum(&x, ..)` for all axes,
//! `zeros([2, 3])`, `zeros(([2, 3], DType::BF16))`; see [`arguments`](crate::arguments). A function takes what JAX's requires,
//! and its axes or shape. All else, which JAX writes as keyword arguments, goes to the function `…_with` in a struct of options
//! under JAX's names: `sum_with(&x, -1, ReduceOptions::new().keepdims(true))`. What would be a Rust keyword has an underscore:
//! [`where_`], [`mod_`].

mod argmax;
mod arithmetic;
mod bits;
mod block;
mod closeness;
mod contraction;
mod covariance;
mod creation;
mod cumulative;
mod einsum;
mod einsum_path;
mod exponential;
pub mod fft;
mod fitting;
pub(crate) mod floats;
mod functional;
mod gradient;
mod histogram;
mod indexing;
mod insertion;
mod interpolation;
mod joining;
pub mod linalg;
mod logic;
mod matrices;
mod methods;
mod nan_quantiles;
mod nan_reductions;
pub(crate) mod nonzero;
mod operators;
mod pad;
mod pair;
mod partition;
mod placing;
mod polynomial_arithmetic;
mod polynomials;
mod properties;
mod quantiles;
mod ranges;
pub(crate) mod reductions;
mod setops;
mod shape;
mod sorting;
mod statistics;
mod unique;
pub(crate) mod util;
mod vectorize;
mod windows;

#[doc(inline)]
pub use crate::dtypes::{
    CanCastOptions, Casting, can_cast, can_cast_with, finfo, iinfo, isdtype, issubdtype, promote_types,
    result_type,
};
#[doc(inline)]
pub use crate::lax::broadcast_shapes;
pub use argmax::*;
pub use arithmetic::*;
pub use bits::*;
pub use block::*;
pub use closeness::*;
pub use contraction::*;
pub use covariance::*;
pub use creation::*;
pub use cumulative::*;
pub(crate) use einsum::Subscripts;
pub use einsum::*;
pub use einsum_path::*;
pub use exponential::*;
pub use fitting::*;
pub(crate) use floats::max_finite;
pub use floats::*;
pub use functional::*;
pub use gradient::*;
pub use histogram::*;
pub use indexing::*;
pub use insertion::*;
pub use interpolation::*;
pub use joining::*;
pub use logic::*;
pub use matrices::*;
pub use nan_quantiles::*;
pub use nan_reductions::*;
pub use nonzero::*;
pub use pad::*;
pub use pair::{MaybePair, Pair};
pub use partition::*;
pub use placing::*;
pub use polynomial_arithmetic::*;
pub use polynomials::*;
pub use properties::*;
pub use quantiles::*;
pub use ranges::*;
pub use reductions::*;
pub use setops::*;
pub use shape::*;
pub use sorting::*;
pub use statistics::*;
pub use unique::*;
pub use vectorize::*;
pub use windows::*;

/// π.
pub const PI: f64 = std::f64::consts::PI;
/// Euler's number.
pub const E: f64 = std::f64::consts::E;
/// Infinity.
pub const INF: f64 = f64::INFINITY;
/// Not a number.
pub const NAN: f64 = f64::NAN;
