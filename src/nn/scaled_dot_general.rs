//! Contractions of operands that are kept in few bits, with a factor for each block. JAX: `nn.scaled_matmul`, `nn.scaled_dot_general`, which it has
//! for GPUs alone.

use std::sync::Arc;

use crate::arguments::options;
use crate::control_flow::scaled_dot::repeated;
use crate::core::array::Array;
use crate::core::config;
use crate::custom_derivatives::custom_vjp;
use crate::dtype::DType;
use crate::dtypes::finfo;
use crate::error::{OrThrow, throw};
use crate::lax::dot_general::DotDimensionNumbers;
use crate::lax::dot_side::{DotSide, axes_of_result};
use crate::lax::transpose::permuted;
use crate::lax::{self, DotOptions, ScaledDotOptions};
use crate::numpy as jnp;
use crate::numpy::ReduceOptions;

options! {
    /// Options of [`scaled_matmul_with`].
    pub struct ScaledMatmulOptions {
        /// The dtype to sum in and to return.
        preferred_element_type: value DType = DType::F32,
    }
}

/// `(lhs * lhs_scales) (rhs * rhs_scales)ᵀ` for each matrix of a batch: `[b,m,k]`, `[b,n,k]`, `[b,m,k / l]`, `[b,n,k / l]` -> `f32[b,m,n]`, where
/// each factor is that of `l` elements. JAX: `nn.scaled_matmul`.
///
/// Operands and factors of eight bits or fewer are multiplied by [`lax::scaled_dot`], for which a compiler may have an instruction; all others in
/// `f32`. (JAX has it for GPUs alone.)
///
/// ```
/// use raxla::{Array, nn};
///
/// let (x, y) = (Array::from([[[1.0f32, 2.0, 3.0]]]), Array::from([[[4.0f32, 5.0, 6.0]]]));
/// let half = Array::from([[[0.5f32]]]);
/// assert_eq!(nn::scaled_matmul(&x, &y, &half, &half).to_vec::<f32>()?, [8.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `scaled_matmul requires all inputs to have three axes, got …`; shapes that do not fit each other.
#[track_caller]
pub fn scaled_matmul(
    lhs: impl Into<Array>,
    rhs: impl Into<Array>,
    lhs_scales: impl Into<Array>,
    rhs_scales: impl Into<Array>,
) -> Array {
    scaled_matmul_with(lhs, rhs, lhs_scales, rhs_scales, ScaledMatmulOptions::new())
}

/// [`scaled_matmul`] by options.
///
/// # Errors
/// As [`scaled_matmul`].
#[track_caller]
pub fn scaled_matmul_with(
    lhs: impl Into<Array>,
    rhs: impl Into<Array>,
    lhs_scales: impl Into<Array>,
    rhs_scales: impl Into<Array>,
    options: ScaledMatmulOptions,
) -> Array {
    let operands = [lhs.into(), rhs.into()];
    let scales = [lhs_scales.into(), rhs_scales.into()];
    if operands.iter().chain(&scales).any(|x| x.ndim() != 3) {
        let avals: Vec<String> = operands.iter().chain(&scales).map(|x| x.aval().to_string()).collect();
        throw!(Shape, "scaled_matmul requires all inputs to have three axes, got {}", avals.join(", "));
    }
    for (what, [x, y]) in [("operands", &operands), ("scales", &scales)] {
        if (x.shape()[0], x.shape()[2]) != (y.shape()[0], y.shape()[2]) {
            let (x, y) = (x.aval(), y.aval());
            throw!(
                Shape,
                "scaled_matmul requires {what} that are alike in their first and last axes, got {x} and {y}"
            );
        }
    }
    for (x, scale) in operands.iter().zip(&scales) {
        let (of_x, of_scale) = (x.shape(), scale.shape());
        if of_x[..2] != of_scale[..2] || of_scale[2] == 0 || !of_x[2].is_multiple_of(of_scale[2]) {
            throw!(
                Shape,
                "scaled_matmul requires scales with the shape of their operand, but for a last axis of which its own is a multiple, got {} \
                 and {}",
                x.aval(),
                scale.aval()
            );
        }
    }
    product(&operands, &scales, options.preferred_element_type)
}

fn product([lhs, rhs]: &[Array; 2], [lhs_scales, rhs_scales]: &[Array; 2], dtype: DType) -> Array {
    let numbers = || DotDimensionNumbers::from((([2], [2]), ([0], [0])));
    let is_small = |x: &Array| x.dtype().is_float() && x.dtype().bits() <= 8;
    let in_blocks = |x: &Array, scale: &Array| scale.shape()[2] * 2 <= x.shape()[2];
    if [lhs, rhs, lhs_scales, rhs_scales].into_iter().all(is_small)
        && in_blocks(lhs, lhs_scales)
        && in_blocks(rhs, rhs_scales)
    {
        let options = ScaledDotOptions::new()
            .lhs_scale(lhs_scales)
            .rhs_scale(rhs_scales)
            .dimension_numbers(numbers())
            .preferred_element_type(dtype);
        return lax::scaled_dot_with(lhs, rhs, options);
    }
    let scaled = |x: &Array, scale: &Array| {
        let [x, scale] = [x, scale].map(|x| lax::convert_element_type(x, DType::F32));
        lax::mul(&x, &repeated(&scale, x.shape()))
    };
    let out = lax::dot_general(&scaled(lhs, lhs_scales), &scaled(rhs, rhs_scales), numbers());
    lax::convert_element_type(&out, dtype)
}

/// How numbers are kept in few bits. Open Compute Project, Microscaling Formats (MX) Specification 1.0; NVFP4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockScaleMode {
    /// `f4e2m1fn`, with a factor in `f8e4m3fn` for 16 elements and one in `f32` for all. JAX: `"nvfp4"`.
    Nvfp4,
    /// `f8e4m3fn`, with a power of two for 32 elements. JAX: `"mxfp8"`.
    Mxfp8,
}

/// How an operand of [`scaled_dot_general`] is kept; [`get_scaled_dot_general_config`] makes it. JAX: `BlockScaleConfig`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BlockScaleConfig {
    /// How numbers are kept.
    pub mode: BlockScaleMode,
    /// How many elements share a factor.
    pub block_size: usize,
    /// The dtype of the elements.
    pub data_type: DType,
    /// The dtype of the factors.
    pub scale_type: DType,
    /// The factor of all elements, `f32[1]`; [`Nvfp4`](BlockScaleMode::Nvfp4) alone has one.
    pub global_scale: Option<Array>,
}

impl BlockScaleConfig {
    /// With another factor of all elements, `f32[1]`.
    #[must_use]
    pub fn global_scale(mut self, scale: impl Into<Array>) -> Self {
        self.global_scale = Some(scale.into());
        self
    }
}

/// How an operand is kept in this mode. JAX: `nn.get_scaled_dot_general_config`.
///
/// ```
/// use raxla::nn::{BlockScaleMode, get_scaled_dot_general_config};
///
/// let config = get_scaled_dot_general_config(BlockScaleMode::Nvfp4).global_scale([0.5f32]);
/// assert_eq!(config.block_size, 16);
/// ```
#[track_caller]
pub fn get_scaled_dot_general_config(mode: BlockScaleMode) -> BlockScaleConfig {
    match mode {
        BlockScaleMode::Nvfp4 => BlockScaleConfig {
            mode,
            block_size: 16,
            data_type: DType::F4E2M1FN,
            scale_type: DType::F8E4M3FN,
            global_scale: Some(Array::from([1.0f32])),
        },
        BlockScaleMode::Mxfp8 => BlockScaleConfig {
            mode,
            block_size: 32,
            data_type: DType::F8E4M3FN,
            scale_type: DType::F8E8M0FNU,
            global_scale: None,
        },
    }
}

options! {
    /// Options of [`scaled_dot_general_with`].
    pub struct ScaledDotGeneralOptions {
        /// The dtype to sum in and to return: `f32`, `bf16` or `f16`.
        preferred_element_type: value DType = DType::F32,
        /// How `lhs`, `rhs` and the cotangent are kept; nothing is done to them unless it is given.
        configs: optional [BlockScaleConfig; 3],
    }
}

/// A contraction as [`lax::dot_general`], in `f32`. JAX: `nn.scaled_dot_general` without `configs`.
///
/// # Errors
/// As [`lax::dot_general`].
#[track_caller]
pub fn scaled_dot_general(
    lhs: impl Into<Array>,
    rhs: impl Into<Array>,
    dimension_numbers: impl Into<DotDimensionNumbers>,
) -> Array {
    scaled_dot_general_with(lhs, rhs, dimension_numbers, ScaledDotGeneralOptions::new())
}

/// A contraction of operands that are first put into few bits with a factor for each block along the contracted axes, as training with
/// quantisation has it: the gradient is that of the contraction, whose operands are kept in few bits as well, or are what they were for
/// [`Nvfp4`](BlockScaleMode::Nvfp4). There it is 0 where an operand was out of range.
///
/// ```
/// use raxla::nn::{self, BlockScaleMode, ScaledDotGeneralOptions, get_scaled_dot_general_config};
/// use raxla::{DType, lax};
///
/// let x = lax::full(([2, 64], DType::F32), 0.5);
/// let config = get_scaled_dot_general_config(BlockScaleMode::Mxfp8);
/// let options = ScaledDotGeneralOptions::new().configs([config.clone(), config.clone(), config]);
/// let y = nn::scaled_dot_general_with(&x, &x, (([1], [1]), ((), ())), options);
/// assert_eq!(y.to_vec::<f32>()?, [16.0; 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`lax::dot_general`]; `scaled_dot_general: 48 contracted elements are no multiple of a block of 32`; other dtypes than the option takes.
#[track_caller]
pub fn scaled_dot_general_with(
    lhs: impl Into<Array>,
    rhs: impl Into<Array>,
    dimension_numbers: impl Into<DotDimensionNumbers>,
    options: ScaledDotGeneralOptions,
) -> Array {
    let ScaledDotGeneralOptions { preferred_element_type, configs } = options;
    let dtype = config::canonicalize(preferred_element_type);
    let (lhs, rhs, numbers) = (lhs.into(), rhs.into(), dimension_numbers.into());
    let Some(configs) = configs else {
        let options = DotOptions::new().preferred_element_type(dtype);
        return lax::dot_general_with(&lhs, &rhs, numbers, options);
    };
    if !matches!(dtype, DType::F32 | DType::BF16 | DType::F16) {
        throw!(DType, "scaled_dot_general: preferred_element_type must be f32, bf16 or f16, got {dtype}");
    }
    let sides = numbers.checked_sides(&lhs, &rhs);
    let [block, ..] = &configs;
    let contracted: usize = sides[0].contracting.iter().map(|&axis| lhs.shape()[axis]).product();
    if contracted == 0 || !contracted.is_multiple_of(block.block_size) {
        let size = block.block_size;
        throw!(
            Shape,
            "scaled_dot_general: {contracted} contracted elements are no multiple of a block of {size}"
        );
    }
    let forward = Arc::new(Contraction { sides, dtype, configs });
    let (function, backward) = (forward.clone(), forward.clone());
    let f = custom_vjp(
        move |x: &Array, y: &Array| function.product(x, y),
        move |x: &Array, y: &Array| (forward.product(x, y), (x.clone(), y.clone())),
        move |(x, y): (Array, Array), g: Array| backward.cotangents(&x, &y, &g),
    );
    f(&lhs, &rhs).or_throw()
}

struct Contraction {
    sides: [DotSide; 2],
    dtype: DType,
    configs: [BlockScaleConfig; 3],
}

impl Contraction {
    fn product(&self, x: &Array, y: &Array) -> Array {
        let [of_x, of_y, _] = &self.configs;
        let matrix = |operand: &Array, side: &DotSide, config: &BlockScaleConfig| {
            let kept: Vec<usize> = side.kept(operand.ndim()).collect();
            quantized(&as_matrices(operand, [&side.batch, &kept, &side.contracting]), config)
        };
        let (x_q, x_scales) = matrix(x, &self.sides[0], of_x);
        let (y_q, y_scales) = matrix(y, &self.sides[1], of_y);
        let scales = [x_scales, y_scales];
        let out = match (of_x.mode, &of_x.global_scale, &of_y.global_scale) {
            (BlockScaleMode::Nvfp4, Some(a), Some(b)) => {
                lax::convert_element_type(&(product(&[x_q, y_q], &scales, DType::F32) * (a * b)), self.dtype)
            }
            _ => product(&[x_q, y_q], &scales, self.dtype),
        };
        let batch = self.sides[0].batch.iter().map(|&axis| x.shape()[axis]);
        let kept = |operand: &Array, side: &DotSide| -> Vec<usize> {
            side.kept(operand.ndim()).map(|axis| operand.shape()[axis]).collect()
        };
        let shape: Vec<usize> = batch.chain(kept(x, &self.sides[0])).chain(kept(y, &self.sides[1])).collect();
        lax::reshape(&out, shape)
    }

    fn cotangents(&self, x: &Array, y: &Array, g: &Array) -> (Array, Array) {
        let [of_x, of_y, of_g] = &self.configs;
        let [left, right] = &self.sides;
        let batch = left.batch.len();
        let x_kept = left.kept(x.ndim()).count();
        let axes = axes_of_result(batch, x_kept, g.ndim()).map(Vec::from_iter);
        let of = |operand: &Array, side: &DotSide, other: &Array, across: &DotSide, config, rows, columns| {
            let kept: Vec<usize> = across.kept(other.ndim()).collect();
            let matrices = [
                as_matrices(g, [&axes[0], rows, columns]),
                as_matrices(other, [&across.batch, &across.contracting, &kept]),
            ];
            let out = match of_g.mode {
                BlockScaleMode::Nvfp4 => {
                    let options = DotOptions::new().preferred_element_type(self.dtype);
                    lax::dot_general_with(&matrices[0], &matrices[1], (([2], [2]), ([0], [0])), options)
                }
                BlockScaleMode::Mxfp8 => {
                    let (g_q, g_scales) = quantized(&matrices[0], of_g);
                    let (q, scales) = quantized(&matrices[1], config);
                    product(&[g_q, q], &[g_scales, scales], self.dtype)
                }
            };
            let back = side.permutation_back(operand.ndim(), side.contracting.iter().copied());
            let mut shape = vec![0; operand.ndim()];
            back.iter().zip(operand.shape()).for_each(|(&i, &size)| shape[i] = size);
            let out = permuted(&lax::reshape(&out, shape), back);
            lax::convert_element_type(&out, operand.dtype())
        };
        let of_x_ct = of(x, left, y, right, of_y, &axes[1], &axes[2]);
        let of_y_ct = of(y, right, x, left, of_x, &axes[2], &axes[1]);
        (self.straight_through(x, of_x, of_x_ct), self.straight_through(y, of_y, of_y_ct))
    }

    /// The derivative of what was cut off to fit the dtype is 0 where it was.
    fn straight_through(&self, x: &Array, config: &BlockScaleConfig, ct: Array) -> Array {
        let (BlockScaleMode::Nvfp4, Some(scale)) = (self.configs[2].mode, &config.global_scale) else {
            return ct;
        };
        let [largest, largest_scale] =
            [self.configs[0].data_type, self.configs[0].scale_type].map(|dtype| limit(dtype, x.dtype()));
        jnp::where_(jnp::less_equal(jnp::abs(x), scale * largest * largest_scale), ct, 0)
    }
}

/// The operand as `[batch, rows, columns]`, of which each is several of its axes.
fn as_matrices(x: &Array, axes: [&[usize]; 3]) -> Array {
    let shape = axes.map(|axes| axes.iter().map(|&axis| x.shape()[axis]).product::<usize>());
    let order: Vec<i64> = axes.iter().flat_map(|axes| axes.iter().map(|&axis| axis as i64)).collect();
    lax::reshape(&lax::transpose(x, order), shape)
}

/// The largest finite number of a dtype, in another.
fn limit(dtype: DType, target: DType) -> Array {
    lax::convert_element_type(&Array::from(finfo(dtype).max as f32), target)
}

/// The matrices in few bits, and the factor of each block: `f32[b,m,k]` -> `f8e4m3fn[b,m,k]`, `f8e8m0fnu[b,m,k / 32]`.
#[track_caller]
fn quantized(x: &Array, config: &BlockScaleConfig) -> (Array, Array) {
    let (shape, block) = (x.shape().to_vec(), config.block_size);
    if shape[2] < block || !shape[2].is_multiple_of(block) {
        let size = shape[2];
        throw!(
            Shape,
            "scaled_dot_general: {size} elements along what is contracted are no multiple of a block of {block}"
        );
    }
    let mut blocks = lax::reshape(x, [shape[0], shape[1], shape[2] / block, block]);
    let largest = limit(config.data_type, x.dtype());
    let factors = |x: &Array| jnp::max_with(jnp::abs(x), -1, ReduceOptions::new().keepdims(true)) / &largest;
    let (scaled, scales) = match config.mode {
        BlockScaleMode::Mxfp8 => {
            let exponents = exponents_above(&factors(&blocks));
            (
                &blocks / powers(&exponents, x.dtype()),
                lax::bitcast_convert_type(&exponents, config.scale_type),
            )
        }
        BlockScaleMode::Nvfp4 => {
            if let Some(scale) = &config.global_scale {
                blocks /= scale;
            }
            let clipped = jnp::clip(factors(&blocks), 0, limit(config.scale_type, x.dtype()));
            // Not to be taken for the number that it was before.
            let scales = lax::optimization_barrier(&lax::convert_element_type(&clipped, config.scale_type));
            (&blocks / lax::convert_element_type(&scales, DType::F32), scales)
        }
    };
    let cut = lax::convert_element_type(&jnp::clip(scaled, -&largest, &largest), config.data_type);
    (lax::reshape(&cut, shape), lax::squeeze(&scales, 3))
}

/// The exponents, as `f8e8m0fnu` has them, of the least powers of two that are no less than `x`.
fn exponents_above(x: &Array) -> Array {
    let bits = lax::bitcast_convert_type(&lax::convert_element_type(x, DType::F32), DType::U32);
    let exponent = jnp::right_shift(&bits, 23u32);
    let mantissa = jnp::bitwise_and(&bits, 0x7F_FFFFu32);
    let above = jnp::logical_and(jnp::greater(&mantissa, 0u32), jnp::not_equal(&exponent, 0xFEu32));
    let least = jnp::logical_and(jnp::equal(&exponent, 0u32), jnp::less_equal(&mantissa, 0x40_0000u32));
    let up = jnp::logical_and(above, jnp::logical_not(least));
    lax::convert_element_type(&jnp::where_(up, &exponent + 1u32, exponent), DType::U8)
}

/// The powers of two of these exponents; of the least, what is next to 0 in the dtype.
fn powers(exponents: &Array, dtype: DType) -> Array {
    let bits = jnp::left_shift(lax::convert_element_type(exponents, DType::U32), 23u32);
    let power = lax::bitcast_convert_type(&bits, DType::F32);
    let least = if dtype == DType::F16 { 2f32.powi(-15) } else { 2f32.powi(-127) };
    lax::convert_element_type(&jnp::where_(jnp::equal(&power, 0f32), least, &power), dtype)
}
