//! Convolutions in other words, by the one primitive: `conv_with_general_padding`, `conv_transpose`,
//! `conv_general_dilated_patches`. JAX: `_src/lax/convolution.py`, `_src/lax/other.py`.

use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::config::Precision;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, err};
use crate::lax::conv_dimension_numbers::{ConvDimensionNumbers, conv_dimension_numbers};
use crate::lax::window::{Padding, Pads, dilate};
use crate::lax::{
    broadcast, broadcasted_iota, conv_general_dilated, convert_element_type, eq, reshape, rev, transpose,
};

/// [`conv_general_dilated`] in the default order of axes and without groups.
///
/// # Errors
/// As [`conv_general_dilated`].
#[expect(clippy::too_many_arguments, reason = "JAX's signature")]
#[track_caller]
pub fn conv_with_general_padding<'a>(
    lhs: &Array,
    rhs: &Array,
    window_strides: &[usize],
    padding: impl Into<Padding<'a>>,
    lhs_dilation: Option<&[usize]>,
    rhs_dilation: Option<&[usize]>,
    precision: Option<Precision>,
    preferred_element_type: Option<DType>,
) -> Array {
    conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        None,
        1,
        1,
        precision,
        preferred_element_type,
    )
}

/// The transposed ("fractionally strided") convolution: `lhs` dilated by `strides`, convolved with `rhs`.
///
/// * `padding`: `"SAME"` and `"VALID"` mean that of the convolution whose transpose this is. Pairs mean the padding of the
///   dilated `lhs`, or, with `use_consistent_padding`, that of the convolution whose transpose this is.
/// * `dimension_numbers`: `None` means `("NHWC", "HWIO", "NHWC")` and its like for other ranks.
/// * `transpose_kernel`: flips `rhs` along its spatial axes and swaps its features, as Keras's `Conv2DTranspose` does.
///
/// # Errors
/// `conv_transpose needs dimension_numbers for operands of rank 6`; else as [`conv_general_dilated`].
#[expect(clippy::too_many_arguments, reason = "JAX's signature")]
#[track_caller]
pub fn conv_transpose<'a>(
    lhs: &Array,
    rhs: &Array,
    strides: &[usize],
    padding: impl Into<Padding<'a>>,
    rhs_dilation: Option<&[usize]>,
    dimension_numbers: Option<(&str, &str, &str)>,
    transpose_kernel: bool,
    precision: Option<Precision>,
    preferred_element_type: Option<DType>,
    use_consistent_padding: bool,
) -> Array {
    let padding = padding.into();
    let names = || match (dimension_numbers, lhs.ndim()) {
        (Some(names), _) => Ok(names),
        (None, 2) => Ok(("NC", "IO", "NC")),
        (None, 3) => Ok(("NHC", "HIO", "NHC")),
        (None, 4) => Ok(("NHWC", "HWIO", "NHWC")),
        (None, 5) => Ok(("NHWDC", "HWDIO", "NHWDC")),
        (None, n) => {
            Err(err!(InvalidArgument, "conv_transpose needs dimension_numbers for operands of rank {n}"))
        }
    };
    let names = names().or_throw();
    let dims = conv_dimension_numbers(lhs.shape(), rhs.shape(), Some(names)).or_throw();
    let spatial = &dims.rhs_spec[2..];
    let kernel: Shape = spatial
        .iter()
        .enumerate()
        .map(|(i, axis)| {
            let by = rhs_dilation.and_then(|by| by.get(i)).copied().unwrap_or(1);
            dilate(rhs.shape()[*axis], by)
        })
        .collect();
    let pads = match padding {
        Padding::Named("SAME" | "VALID") => Some(transposed_pads(&kernel, strides, padding).or_throw()),
        _ if use_consistent_padding => Some(transposed_pads(&kernel, strides, padding).or_throw()),
        _ => None,
    };
    let padding = pads.as_ref().map_or(padding, |pads| Padding::Explicit(pads));
    let rhs = match transpose_kernel {
        true => transposed_kernel(rhs, &dims),
        false => rhs.clone(),
    };
    let ones = Shape::from_elem(1, spatial.len());
    conv_general_dilated(
        lhs,
        &rhs,
        &ones,
        padding,
        Some(strides),
        rhs_dilation,
        Some(names),
        1,
        1,
        precision,
        preferred_element_type,
    )
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
fn transposed_pads(kernel: &[usize], strides: &[usize], padding: Padding<'_>) -> Result<Pads> {
    let axes = kernel.iter().zip(strides).enumerate();
    axes.map(|(i, (k, s))| {
        let (k, s) = (*k as i64, *s as i64);
        Ok(match padding {
            Padding::Named("SAME") => {
                let sum = k + s - 2;
                let low = if s > k - 1 { k - 1 } else { (sum + 1) / 2 };
                (low, sum - low)
            }
            Padding::Named("VALID") => (k - 1, s - 1 + (k - s).max(0)),
            Padding::Named(name) => bail!(InvalidArgument, "conv_transpose: invalid padding mode {name}"),
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
#[expect(clippy::too_many_arguments, reason = "JAX's signature")]
#[track_caller]
pub fn conv_general_dilated_patches<'a>(
    lhs: &Array,
    filter_shape: &[usize],
    window_strides: &[usize],
    padding: impl Into<Padding<'a>>,
    lhs_dilation: Option<&[usize]>,
    rhs_dilation: Option<&[usize]>,
    dimension_numbers: Option<(&str, &str, &str)>,
    precision: Option<Precision>,
    preferred_element_type: Option<DType>,
) -> Array {
    let kernel: Shape = [1, 1].iter().chain(filter_shape).copied().collect();
    let dims = conv_dimension_numbers(lhs.shape(), &kernel, dimension_numbers).or_throw();
    let size: usize = filter_shape.iter().product();
    let features = lhs.shape()[dims.lhs_spec[1]];
    // For each feature, one kernel for each element of the window, which picks that element.
    let at = |axis| broadcasted_iota(DType::I32, &[size, size], axis);
    let eye = convert_element_type(&eq(&at(0), &at(1)), lhs.dtype());
    let mut shape: Shape = kernel.clone();
    shape[0] = features * size;
    let rhs = reshape(&broadcast(&eye, &[features]), &shape);
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
    conv_general_dilated(
        lhs,
        &transpose(&rhs, &order),
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        dimension_numbers,
        features,
        1,
        precision,
        preferred_element_type,
    )
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
                conv_transpose(&x[0], &x[1], &[2], "SAME", None, None, false, None, None, false)
            }),
            case("patches", [x(&[1, 2, 4])], |x| {
                conv_general_dilated_patches(&x[0], &[2], &[1], "VALID", None, None, None, None, None)
            }),
        ]);
    }
}
