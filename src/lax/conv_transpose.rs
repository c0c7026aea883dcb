//! Convolutions in other words, by the one primitive: `conv_with_general_padding`, `conv_transpose`,
//! `conv_general_dilated_patches`, `conv_general_dilated_local`. JAX: `_src/lax/convolution.py`, `_src/lax/other.py`.

use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::common::arguments::sizes_of;
use crate::lax::conv_dimension_numbers::{ConvDimensionNumbers, ConvOptions, ConvSpec};
#[cfg(doc)]
use crate::lax::conv_general_dilated;
use crate::lax::conv_general_dilated::convolution;
use crate::lax::precision::DotPrecision;
use crate::lax::window::{Padding, dilate};
use crate::lax::{
    DotOptions, broadcast, broadcasted_iota, convert_element_type, dot_general_with, eq, reshape, rev,
    transpose,
};

/// [`conv_general_dilated`], under the name that JAX has for convolutions in the default order of axes and without groups.
///
/// # Errors
/// As [`conv_general_dilated`].
#[track_caller]
pub fn conv_with_general_padding(
    lhs: &Array,
    rhs: &Array,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    options: ConvOptions,
) -> Array {
    convolution(lhs, rhs, &window_strides.into(), &padding.into(), &options)
}

options! {
    /// Options of [`conv_transpose`].
    pub struct ConvTransposeOptions {
        /// The kernel is taken with `rhs_dilation - 1` zeros between any two elements; 1 if it is not given.
        rhs_dilation: optional_into Dims,
        /// Which axis is which; `("NHWC", "HWIO", "NHWC")` and its like for other ranks if it is not given.
        dimension_numbers: optional_into ConvSpec,
        /// Is `rhs` flipped along its spatial axes and its features swapped, as Keras's `Conv2DTranspose` does?
        transpose_kernel: value bool = false,
        /// The precision, of both operands or of each. If it is not given it is the setting in force.
        precision: optional_into DotPrecision,
        /// The dtype to sum in and to return.
        preferred_element_type: optional DType,
        /// Are pairs the padding of the convolution whose transpose this is, instead of the dilated `lhs`?
        use_consistent_padding: value bool = false,
    }
}

/// The transposed ("fractionally strided") convolution: `lhs` dilated by `strides`, convolved with `rhs`.
///
/// [`Padding::Same`] and [`Padding::Valid`] mean that of the convolution whose transpose this is; pairs mean the padding of the
/// dilated `lhs`, unless [`ConvTransposeOptions::use_consistent_padding`]. The axes are `("NHWC", "HWIO", "NHWC")` unless other
/// ones are named.
///
/// # Errors
/// `conv_transpose needs dimension_numbers for operands of rank 6`; else as [`conv_general_dilated`].
#[track_caller]
pub fn conv_transpose(
    lhs: &Array,
    rhs: &Array,
    strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    options: ConvTransposeOptions,
) -> Array {
    transposed(lhs, rhs, &sizes_of("conv_transpose", &strides.into()), &padding.into(), options)
}

#[track_caller]
fn transposed(
    lhs: &Array,
    rhs: &Array,
    strides: &[usize],
    padding: &Padding,
    options: ConvTransposeOptions,
) -> Array {
    let spec = options.dimension_numbers.unwrap_or_else(|| match lhs.ndim() {
        2 => ("NC", "IO", "NC").into(),
        3 => ("NHC", "HIO", "NHC").into(),
        4 => ("NHWC", "HWIO", "NHWC").into(),
        5 => ("NHWDC", "HWDIO", "NHWDC").into(),
        _ => ConvSpec::default(),
    });
    if spec == ConvSpec::default() {
        throw!(InvalidArgument, "conv_transpose needs dimension_numbers for operands of rank {}", lhs.ndim());
    }
    let dims = spec.resolve(lhs.shape(), rhs.shape()).or_throw();
    let spatial = &dims.rhs_spec[2..];
    let dilation = match &options.rhs_dilation {
        Some(given) => sizes_of("conv_transpose", given),
        None => Shape::new(),
    };
    let reach =
        |(i, axis): (usize, &usize)| dilate(rhs.shape()[*axis], dilation.get(i).copied().unwrap_or(1));
    let kernel: Shape = spatial.iter().enumerate().map(reach).collect();
    let padding = match padding {
        Padding::Explicit(_) if !options.use_consistent_padding => padding.clone(),
        _ => Padding::Explicit(transposed_pads(&kernel, strides, padding).or_throw()),
    };
    let rhs = match options.transpose_kernel {
        true => transposed_kernel(rhs, &dims),
        false => rhs.clone(),
    };
    let options = ConvOptions {
        lhs_dilation: Some(strides.into()),
        rhs_dilation: options.rhs_dilation,
        dimension_numbers: spec,
        precision: options.precision,
        preferred_element_type: options.preferred_element_type,
        ..ConvOptions::new()
    };
    convolution(lhs, &rhs, &vec![1; spatial.len()].into(), &padding, &options)
}

/// Flipped along the spatial axes, input and output features swapped.
#[track_caller]
fn transposed_kernel(rhs: &Array, dims: &ConvDimensionNumbers) -> Array {
    let mut swapped: Shape = (0..rhs.ndim()).collect();
    swapped.swap(dims.rhs_spec[0], dims.rhs_spec[1]);
    transpose(&rev(rhs, &dims.rhs_spec[2..]), &swapped)
}

/// The padding of a dilated input that makes a convolution the transpose of one with this `padding`. JAX:
/// `_conv_transpose_padding`.
pub(super) fn transposed_pads(
    kernel: &[usize],
    strides: &[usize],
    padding: &Padding,
) -> Result<Vec<(i64, i64)>> {
    let axes = kernel.iter().zip(strides).enumerate();
    axes.map(|(i, (k, s))| {
        let (k, s) = (*k as i64, *s as i64);
        Ok(match padding {
            Padding::Same => {
                let sum = k + s - 2;
                let low = if s > k - 1 { k - 1 } else { (sum + 1) / 2 };
                (low, sum - low)
            }
            Padding::Valid => (k - 1, s - 1 + (k - s).max(0)),
            Padding::SameLower => {
                bail!(InvalidArgument, "conv_transpose: invalid padding mode SAME_LOWER")
            }
            Padding::Explicit(pads) => match pads.get(i) {
                Some((low, high)) => (k - low - 1, k - high - 1),
                None => bail!(Shape, "conv_transpose: padding must have one pair for each spatial axis"),
            },
        })
    })
    .collect()
}

/// The window of [`conv_general_dilated`] around each place, laid out along the features of the result.
///
/// `filter_shape` has the spatial sizes of the window, in the kernel's order; the features of the result are those of
/// `lhs`, each with the elements of its window in that order: `f32[N,C,H,W]`, window `[h, w]` -> `f32[N,C*h*w,H',W']`.
///
/// # Errors
/// As [`conv_general_dilated`].
#[track_caller]
pub fn conv_general_dilated_patches(
    lhs: &Array,
    filter_shape: impl Into<Dims>,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    options: ConvOptions,
) -> Array {
    let filter_shape = sizes_of("conv_general_dilated_patches", &filter_shape.into());
    patches(lhs, &filter_shape, &window_strides.into(), &padding.into(), options)
}

#[track_caller]
fn patches(
    lhs: &Array,
    filter_shape: &[usize],
    strides: &Dims,
    padding: &Padding,
    options: ConvOptions,
) -> Array {
    if options.feature_group_count != 1 || options.batch_group_count != 1 {
        throw!(InvalidArgument, "conv_general_dilated_patches takes no groups");
    }
    let kernel: Shape = [1, 1].iter().chain(filter_shape).copied().collect();
    let dims = options.dimension_numbers.resolve(lhs.shape(), &kernel).or_throw();
    let size: usize = filter_shape.iter().product();
    let features = lhs.shape()[dims.lhs_spec[1]];
    // For each feature, one kernel for each element of the window, which picks that element.
    let at = |axis| broadcasted_iota(DType::I32, [size, size], axis);
    let eye = convert_element_type(&eq(&at(0), &at(1)), lhs.dtype());
    let mut shape: Shape = kernel.clone();
    shape[0] = features * size;
    let rhs = reshape(&broadcast(&eye, [features]), &shape);
    // Axes O, I, spatial go where the kernel has them.
    let mut order = Shape::from_elem(0, shape.len());
    let mut others = 2..shape.len();
    for (axis, from) in order.iter_mut().enumerate() {
        *from = match axis {
            a if a == dims.rhs_spec[0] => 0,
            a if a == dims.rhs_spec[1] => 1,
            _ => others.next().unwrap_or(0),
        };
    }
    let options = ConvOptions { feature_group_count: features, ..options };
    convolution(lhs, &transpose(&rhs, &order), strides, padding, &options)
}

/// A convolution whose kernel is another at each place, as in a locally connected layer.
///
/// `rhs` has the spatial sizes of the result, and along its input features what the window holds, `filter_shape` of each feature of `lhs`:
/// `f32[N,C,H,W]`, `f32[O,C*h*w,H',W']`, window `[h, w]` -> `f32[N,O,H',W']`.
///
/// ```
/// use raxla::Array;
/// use raxla::lax::{self, ConvOptions, Padding};
///
/// // Each of two places adds its window of two up, in its own measure.
/// let (x, kernels) = (Array::from([[[1.0f32, 2.0, 3.0]]]), Array::from([[[1.0f32, 10.0], [1.0, 10.0]]]));
/// let y = lax::conv_general_dilated_local(&x, &kernels, 1, Padding::Valid, 2, ConvOptions::new());
/// assert_eq!(y.to_vec::<f32>()?, [3.0, 50.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`conv_general_dilated`] and [`dot_general`](crate::lax::dot_general); groups.
#[track_caller]
pub fn conv_general_dilated_local(
    lhs: &Array,
    rhs: &Array,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    filter_shape: impl Into<Dims>,
    options: ConvOptions,
) -> Array {
    let filter_shape = sizes_of("conv_general_dilated_local", &filter_shape.into());
    local(lhs, rhs, &filter_shape, &window_strides.into(), &padding.into(), options)
}

#[track_caller]
fn local(
    lhs: &Array,
    rhs: &Array,
    filter_shape: &[usize],
    strides: &Dims,
    padding: &Padding,
    options: ConvOptions,
) -> Array {
    let precision = options.precision;
    let kernel: Shape = [1, 1].iter().chain(filter_shape).copied().collect();
    let dims = options.dimension_numbers.resolve(lhs.shape(), &kernel).or_throw();
    let windows = patches(lhs, filter_shape, strides, padding, options);
    let (out, of_rhs) = (&dims.out_spec, &dims.rhs_spec);
    // The spatial axes, in the order of the result's.
    let mut spatial: Vec<(usize, usize)> =
        out[2..].iter().copied().zip(of_rhs[2..].iter().copied()).collect();
    spatial.sort_unstable();
    let (batch, batch_of_rhs): (Vec<usize>, Vec<usize>) = spatial.into_iter().unzip();
    let mut contraction = DotOptions::new();
    contraction.precision = precision;
    let product = dot_general_with(&windows, rhs, ((out[1], of_rhs[1]), (batch, batch_of_rhs)), contraction);
    // Spatial axes, batch, features: the last two go where the result has them.
    let rank = product.ndim();
    let mut others = 0..rank.saturating_sub(2);
    let order: Shape = (0..rank)
        .map(|axis| match axis {
            a if a == out[0] => rank - 2,
            a if a == out[1] => rank - 1,
            _ => others.next().unwrap_or(0),
        })
        .collect();
    transpose(&product, &order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules() {
        let mut draw = Draw::new(31);
        let mut x = |shape: &[usize]| draw.values(DType::F32, shape);
        check_rules([
            case("conv_transpose", [x(&[1, 3, 2]), x(&[2, 2, 3])], |x| {
                conv_transpose(&x[0], &x[1], 2, Padding::Same, ConvTransposeOptions::new())
            }),
            case("patches", [x(&[1, 2, 4])], |x| {
                conv_general_dilated_patches(&x[0], 2, 1, Padding::Valid, ConvOptions::new())
            }),
        ]);
    }
}
