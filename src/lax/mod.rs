//! Layer 3: the primitives, one file each (or one tight family), and their functions. JAX: `jax.lax`.
//!
//! Functions here are strict, as JAX's are: operands have one dtype, and shapes that are equal or, for elementwise
//! operations, scalars and axes of size one. [`numpy`](crate::numpy) promotes and broadcasts.

mod common;
#[cfg(test)]
pub(crate) mod testing;

mod add;
mod approx_top_k;
mod argmax;
mod asin;
mod associative_scan;
mod bessel;
mod betainc;
mod bitcast_convert_type;
mod bitwise;
mod broadcast;
pub(crate) mod broadcast_in_dim;
pub(crate) mod checkpoint_name;
mod clamp;
mod collectives;
mod compare;
mod complex;
mod concatenate;
mod conv_dimension_numbers;
mod conv_general_dilated;
mod conv_transpose;
pub(crate) mod convert_element_type;
mod copy;
mod cumsum;
mod dce_sink;
pub(crate) mod device_put;
mod div;
mod dot;
pub(crate) mod dot_general;
pub(crate) mod dot_side;
mod dynamic_slice;
mod dynamic_update_slice;
mod erf;
mod exp;
mod fft;
mod floor;
pub(crate) mod full;
mod gamma;
mod gather;
mod igamma;
mod iota;
pub mod linalg;
mod log;
mod logaddexp;
mod max;
mod mul;
mod mulhi;
mod neg;
mod optimization_barrier;
mod pad;
mod power;
mod pshuffle;
mod ragged_dot;
mod random_bits;
mod random_clone;
mod random_gamma;
mod reduce_and;
mod reduce_max;
mod reduce_precision;
mod reduce_prod;
mod reduce_sum;
pub(crate) mod reduce_window;
mod reshape;
mod rev;
mod rng_bit_generator;
mod rng_uniform;
pub(crate) mod scatter;
mod scatter_jvp;
mod select_and_gather_add;
mod select_n;
mod shape_functions;
mod sign;
mod sin;
mod sinh;
mod slice;
mod sort;
mod split;
mod squeeze;
mod sub;
mod threefry2x32;
mod top_k;
pub(crate) mod transpose;
pub(crate) mod with_sharding_constraint;

pub use crate::core::axis::{AxisName, AxisNames};
pub use accuracy::{AccuracyMode, AccuracyOptions, Tolerance};
pub use add::{add, add_any};
pub use approx_top_k::{ApproxKOptions, approx_max_k, approx_max_k_with, approx_min_k, approx_min_k_with};
pub use argmax::{ArgOptions, argmax, argmax_with, argmin, argmin_with};
pub use asin::{acos, asin, atan, atan2};
pub use associative_scan::{AssociativeScanOptions, associative_scan, associative_scan_with};
pub use bessel::{bessel_i0e, bessel_i1e};
pub use betainc::betainc;
pub use bitcast_convert_type::bitcast_convert_type;
pub use bitwise::{
    bitwise_and, bitwise_not, bitwise_or, bitwise_xor, clz, population_count, shift_left,
    shift_right_arithmetic, shift_right_logical,
};
pub(crate) use broadcast::common_shape;
pub use broadcast::{broadcast, broadcast_shapes, collapse, tile};
pub use broadcast_in_dim::broadcast_in_dim;
pub use clamp::clamp;
pub use collectives::{
    AllGatherOptions, AllToAllOptions, PsumScatterOptions, all_gather, all_gather_with, all_to_all,
    all_to_all_with, axis_index, axis_size, pmax, pmean, pmin, ppermute, psum, psum_scatter,
    psum_scatter_with,
};
pub(crate) use common::{
    accuracy, arguments, elementwise, emit, extremum, indexing, narrow, precision, window,
};
pub use compare::{eq, eq_to, ge, gt, le, le_to, lt, lt_to, ne};
pub use complex::{complex, conj, imag, real};
pub use concatenate::{concatenate, stack, unstack};
pub use conv_dimension_numbers::{ConvDimensionNumbers, ConvOptions, ConvSpec, conv_dimension_numbers};
pub use conv_general_dilated::{conv, conv_general_dilated, conv_with};
pub use conv_transpose::{
    ConvTransposeOptions, conv_general_dilated_local, conv_general_dilated_patches, conv_transpose,
    conv_with_general_padding,
};
pub(crate) use convert_element_type::convert;
pub use convert_element_type::convert_element_type;
pub use copy::{copy, stop_gradient};
pub use cumsum::{
    CumulativeOptions, cumlogsumexp, cumlogsumexp_with, cummax, cummax_with, cummin, cummin_with, cumprod,
    cumprod_with, cumsum, cumsum_with,
};
pub use dce_sink::dce_sink;
pub use div::{div, rem};
pub use dot::{DotProductOptions, batch_matmul, batch_matmul_with, dot, dot_with};
pub use dot_general::{DotDimensionNumbers, DotOptions, dot_general, dot_general_with};
pub use dynamic_slice::{
    AllowNegative, DynamicIndexOptions, DynamicSliceOptions, StartIndices, dynamic_index_in_dim,
    dynamic_index_in_dim_with, dynamic_slice, dynamic_slice_in_dim, dynamic_slice_in_dim_with,
    dynamic_slice_with,
};
pub(crate) use dynamic_slice::{DynamicSlice, dynamic_index_along};
pub(crate) use dynamic_update_slice::DynamicUpdateSlice;
pub use dynamic_update_slice::{
    dynamic_update_index_in_dim, dynamic_update_index_in_dim_with, dynamic_update_slice,
    dynamic_update_slice_in_dim, dynamic_update_slice_in_dim_with, dynamic_update_slice_with,
};
pub use erf::{erf, erf_inv, erfc};
pub use exp::{exp, exp_with, exp2, exp2_with, expm1, expm1_with, logistic, logistic_with};
pub use fft::{FftType, fft};
pub use floor::{RoundOptions, RoundingMethod, ceil, floor, is_finite, nextafter, round, round_with};
pub use full::{FullLikeOptions, empty, full, full_like, full_like_with};
pub(crate) use full::{literal, literal_like, zeros, zeros_like, zeros_like_aval};
pub use gamma::{digamma, lgamma, polygamma, zeta};
pub(crate) use gather::Gather;
pub use gather::{GatherOptions, gather, gather_with};
pub use igamma::{igamma, igamma_grad_a, igammac, random_gamma_grad};
pub use indexing::{GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers};
pub use iota::{broadcasted_iota, iota};
pub use log::{log, log_with, log1p, log1p_with};
pub use logaddexp::logaddexp;
pub(crate) use logaddexp::logaddexp2;
pub use max::{max, min};
pub use mul::{MulOptions, mul, mul_with};
pub use mulhi::mulhi;
pub use neg::neg;
pub use optimization_barrier::optimization_barrier;
pub use pad::pad;
pub(crate) use power::integer_exponent;
pub use power::{cbrt, cbrt_with, integer_pow, pow, reciprocal, rsqrt, rsqrt_with, sqrt, sqrt_with, square};
pub use precision::DotPrecision;
pub use pshuffle::{pshuffle, pswapaxes};
pub use ragged_dot::{
    RaggedDotDimensionNumbers, ragged_dot, ragged_dot_general, ragged_dot_general_with, ragged_dot_with,
};
pub(crate) use random_bits::{random_bits, random_fold_in, random_split};
pub(crate) use random_clone::{random_clone, random_unwrap, random_wrap};
pub(crate) use random_gamma::random_gamma;
pub use reduce_and::{reduce_and, reduce_or, reduce_xor};
pub use reduce_max::{reduce_max, reduce_min};
pub use reduce_precision::reduce_precision;
pub use reduce_prod::reduce_prod;
pub use reduce_sum::reduce_sum;
pub use reduce_window::{
    reduce_window_max, reduce_window_max_with, reduce_window_min, reduce_window_min_with, reduce_window_sum,
    reduce_window_sum_with,
};
pub use reshape::{ReshapeOptions, expand_dims, reshape, reshape_with};
pub use rev::rev;
pub use rng_bit_generator::{
    RandomAlgorithm, RngBitGeneratorOptions, rng_bit_generator, rng_bit_generator_with,
};
pub use rng_uniform::rng_uniform;
pub(crate) use scatter::Scatter;
pub use scatter::{
    ScatterOptions, scatter, scatter_add, scatter_add_with, scatter_max, scatter_max_with, scatter_min,
    scatter_min_with, scatter_mul, scatter_mul_with, scatter_sub, scatter_sub_with, scatter_with,
};
pub use select_n::{select, select_n};
pub use shape_functions::{
    ConvShapeOptions, WindowShapeOptions, broadcast_like, broadcast_to_rank, conv_general_permutations,
    conv_general_shape_tuple, conv_shape_tuple, conv_shape_tuple_with, conv_transpose_shape_tuple, dtype,
    index_take, reduce_window_shape_tuple, reduce_window_shape_tuple_with, shape_as_value,
};
pub use sign::{abs, sign};
pub use sin::{cos, cos_with, sin, sin_with, tan, tan_with};
pub use sinh::{acosh, asinh, atanh, cosh, sinh, tanh, tanh_with};
pub use slice::{
    IndexInDimOptions, SliceInDimOptions, SliceOptions, index_in_dim, index_in_dim_with, slice, slice_in_dim,
    slice_in_dim_with, slice_with,
};
pub(crate) use slice::{index_along, slice_along, strided_slice};
pub use sort::{
    SortKeyValOptions, SortOperands, SortOptions, sort, sort_key_val, sort_key_val_with, sort_with,
};
pub use split::split;
pub use squeeze::squeeze;
pub use sub::sub;
pub use threefry2x32::threefry2x32;
pub use top_k::top_k;
pub use transpose::transpose;
pub(crate) use transpose::{move_axis, move_batch_axis};
pub use window::{Padding, WindowOptions, padtype_to_pads};
pub use with_sharding_constraint::with_sharding_constraint;

// JAX has them in this namespace too; they stand a layer above.
pub use crate::control_flow::{
    CompositeAttribute, CompositeOptions, CustomLinearSolveOptions, CustomRootOptions, ForiLoopOptions,
    MapOptions, ScaledDotOptions, ScanOptions, ScatterApplyOptions, composite, composite_with, cond,
    custom_linear_solve, custom_linear_solve_with, custom_root, custom_root_with, fori_loop, fori_loop_with,
    map, map_with, platform_dependent, reduce, reduce_window, reduce_window_with, scaled_dot,
    scaled_dot_with, scan, scan_with, scatter_apply, scatter_apply_with, switch, while_loop,
};
