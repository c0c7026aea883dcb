//! Layer 3: the primitives, one file each (or one tight family), and their functions. JAX: `jax.lax`.
//!
//! Functions here are strict, as JAX's are: operands have one dtype, and shapes that are equal or, for elementwise
//! operations, scalars and axes of size one. [`numpy`](crate::numpy) promotes and broadcasts.

pub(crate) mod elementwise;
#[cfg(test)]
pub(crate) mod testing;

mod add;
mod argmax;
mod broadcast;
mod broadcast_in_dim;
mod concatenate;
mod conv_dimension_numbers;
mod conv_general_dilated;
mod convert_element_type;
mod dot_general;
mod extremum;
mod full;
mod iota;
mod mul;
mod neg;
mod optimization_barrier;
mod pad;
mod random_bits;
mod reduce_and;
mod reduce_prod;
mod reduce_sum;
mod reduce_window;
mod reshape;
mod rev;
mod select_and_gather_add;
mod sin;
mod slice;
mod split;
mod squeeze;
mod threefry2x32;
mod transpose;
mod window;

pub use add::{add, add_any};
pub use argmax::{argmax, argmin};
pub use broadcast::{broadcast, collapse};
pub use broadcast_in_dim::broadcast_in_dim;
pub use concatenate::{concatenate, stack, unstack};
pub use conv_dimension_numbers::{ConvDimensionNumbers, conv_dimension_numbers};
pub use conv_general_dilated::{conv, conv_general_dilated};
pub use convert_element_type::convert_element_type;
pub use dot_general::{DotDimensionNumbers, batch_matmul, dot, dot_general};
pub use full::{full, full_like, zeros, zeros_like};
pub(crate) use full::{literal, literal_like};
pub use iota::{broadcasted_iota, iota};
pub use mul::mul;
pub use neg::neg;
pub use optimization_barrier::optimization_barrier;
pub use pad::pad;
pub(crate) use random_bits::{random_bits, random_fold_in, random_split};
pub use reduce_and::{reduce_and, reduce_or, reduce_xor};
pub use reduce_prod::reduce_prod;
pub use reduce_sum::reduce_sum;
pub use reduce_window::{reduce_window_max, reduce_window_min, reduce_window_sum};
pub use reshape::{expand_dims, reshape};
pub use rev::rev;
pub use sin::{cos, sin};
pub use slice::{index_in_dim, slice, slice_in_dim};
pub use split::split;
pub use squeeze::{squeeze, squeeze_axes};
pub use threefry2x32::threefry2x32;
pub(crate) use transpose::move_axis;
pub use transpose::transpose;
pub use window::{Padding, Pads};

// JAX has them in this namespace too; they stand a layer above.
pub use crate::control_flow::{ScanOptions, scan, scan_with};
