//! Layer 3: the primitives, one file each (or one tight family), and their functions. JAX: `jax.lax`.
//!
//! Functions here are strict, as JAX's are: operands have one dtype, and shapes that are equal or, for elementwise
//! operations, scalars and axes of size one. [`numpy`](crate::numpy) promotes and broadcasts.

pub(crate) mod elementwise;
#[cfg(test)]
pub(crate) mod testing;

mod add;
mod broadcast_in_dim;
mod convert_element_type;
mod dot_general;
mod full;
mod mul;
mod neg;
mod reduce_sum;
mod reshape;
mod sin;
mod transpose;

pub use add::{add, add_any};
pub use broadcast_in_dim::broadcast_in_dim;
pub use convert_element_type::convert_element_type;
pub use dot_general::{DotDimensionNumbers, batch_matmul, dot, dot_general};
pub use full::{full, full_like, zeros, zeros_like};
pub use mul::mul;
pub use neg::neg;
pub use reduce_sum::reduce_sum;
pub use reshape::{expand_dims, reshape, squeeze_axes};
pub use sin::{cos, sin};
pub(crate) use transpose::move_axis;
pub use transpose::transpose;
