//! Which axis of a convolution is which. JAX: `lax.ConvDimensionNumbers`, `lax.conv_dimension_numbers`.

use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail};
use crate::lax::common::arguments::sizes_of;
#[cfg(doc)]
use crate::lax::conv_general_dilated;
use crate::lax::elementwise::tuple;
use crate::lax::precision::DotPrecision;
use crate::lax::{reshape, transpose};

/// Axes of the operands and the result: batch, feature and spatial for `lhs` and the result; output feature, input
/// feature and spatial for `rhs`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvDimensionNumbers {
    /// Axes of the input.
    pub lhs_spec: Shape,
    /// Axes of the kernel.
    pub rhs_spec: Shape,
    /// Axes of the result.
    pub out_spec: Shape,
}

/// How a convolution is told which axis is which: `("NHWC", "HWIO", "NHWC")`, where `N` is the batch, `C` the features, `I` and `O`
/// the input and output features of the kernel, and any other characters are the spatial axes, in the kernel's order; or a
/// [`ConvDimensionNumbers`]. The default is `("NCHW", "OIHW", "NCHW")` and its like for other ranks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConvSpec(Spec);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Spec {
    #[default]
    Default,
    Names(String, String, String),
    Numbers(ConvDimensionNumbers),
}

impl From<(&str, &str, &str)> for ConvSpec {
    fn from((lhs, rhs, out): (&str, &str, &str)) -> Self {
        ConvSpec(Spec::Names(lhs.into(), rhs.into(), out.into()))
    }
}

impl From<ConvDimensionNumbers> for ConvSpec {
    fn from(numbers: ConvDimensionNumbers) -> Self {
        ConvSpec(Spec::Numbers(numbers))
    }
}

/// The axes that [`ConvSpec`] names, for operands of these shapes.
///
/// ```
/// use raxla::lax;
///
/// let numbers = lax::conv_dimension_numbers((8, 32, 32, 3), (3, 3, 3, 16), ("NHWC", "HWIO", "NHWC"));
/// assert_eq!(numbers.lhs_spec.as_slice(), [0, 3, 1, 2]);
/// ```
///
/// # Errors
/// `convolution dimension_numbers[0] must have len equal to the ndim of lhs and rhs, got 3 for ...`; characters that are
/// missing, repeated or different.
#[track_caller]
pub fn conv_dimension_numbers(
    lhs_shape: impl Into<Dims>,
    rhs_shape: impl Into<Dims>,
    dimension_numbers: impl Into<ConvSpec>,
) -> ConvDimensionNumbers {
    let (lhs, rhs) = (lhs_shape.into(), rhs_shape.into());
    let (lhs, rhs) = (sizes_of("conv_dimension_numbers", &lhs), sizes_of("conv_dimension_numbers", &rhs));
    dimension_numbers.into().resolve(&lhs, &rhs).or_throw()
}

impl ConvSpec {
    /// The axes, for operands of these shapes.
    pub(crate) fn resolve(&self, lhs_shape: &[usize], rhs_shape: &[usize]) -> Result<ConvDimensionNumbers> {
        let rank = lhs_shape.len();
        if rank != rhs_shape.len() {
            bail!(
                Shape,
                "convolution requires lhs and rhs ndim to be equal, got {rank} and {}",
                rhs_shape.len()
            );
        }
        match &self.0 {
            Spec::Default => {
                let iota: Shape = (0..rank).collect();
                Ok(ConvDimensionNumbers { lhs_spec: iota.clone(), rhs_spec: iota.clone(), out_spec: iota })
            }
            Spec::Names(lhs, rhs, out) => named(lhs_shape, rhs_shape, (lhs, rhs, out)),
            Spec::Numbers(numbers) => {
                for spec in [&numbers.lhs_spec, &numbers.rhs_spec, &numbers.out_spec] {
                    if spec.len() != rank || (0..rank).any(|axis| !spec.contains(&axis)) {
                        bail!(
                            Shape,
                            "convolution dimension_numbers must be permutations of the axes of lhs and rhs, got {} for \
                             lhs and rhs shapes {} and {}",
                            tuple(spec),
                            tuple(lhs_shape),
                            tuple(rhs_shape)
                        );
                    }
                }
                Ok(numbers.clone())
            }
        }
    }
}

fn named(
    lhs_shape: &[usize],
    rhs_shape: &[usize],
    (lhs, rhs, out): (&str, &str, &str),
) -> Result<ConvDimensionNumbers> {
    let rank = lhs_shape.len();
    let specs = [(lhs, ['N', 'C']), (rhs, ['O', 'I']), (out, ['N', 'C'])];
    for (i, (spec, pair)) in specs.iter().enumerate() {
        let len = spec.chars().count();
        if len != rank {
            bail!(
                Shape,
                "convolution dimension_numbers[{i}] must have len equal to the ndim of lhs and rhs, got {len} for lhs \
                 and rhs shapes {} and {}",
                tuple(lhs_shape),
                tuple(rhs_shape)
            );
        }
        if pair.iter().any(|c| spec.chars().filter(|d| d == c).count() != 1) {
            bail!(
                InvalidArgument,
                "convolution dimension_numbers[{i}] must contain the characters '{}' and '{}' exactly once, got {spec}",
                pair[0],
                pair[1]
            );
        }
        if spec.chars().enumerate().any(|(i, c)| spec.chars().take(i).any(|d| d == c)) {
            bail!(
                InvalidArgument,
                "convolution dimension_numbers[{i}] cannot have duplicate characters, got {spec}"
            );
        }
    }
    let spatial: Vec<char> = rhs.chars().filter(|c| !['O', 'I'].contains(c)).collect();
    let axes = |spec: &str, pair: [char; 2]| -> Result<Shape> {
        let find = |c: &char| spec.chars().position(|d| d == *c);
        let found: Option<Shape> = pair.iter().chain(&spatial).map(find).collect();
        match found {
            Some(found) => Ok(found),
            None => bail!(
                InvalidArgument,
                "convolution dimension_numbers elements must each have the same set of spatial characters, got \
                 ('{lhs}', '{rhs}', '{out}')"
            ),
        }
    };
    Ok(ConvDimensionNumbers {
        lhs_spec: axes(lhs, ['N', 'C'])?,
        rhs_spec: axes(rhs, ['O', 'I'])?,
        out_spec: axes(out, ['N', 'C'])?,
    })
}

options! {
    /// Options of [`conv_general_dilated`] and its like. Lists have one entry for each spatial axis, in the kernel's order.
    pub struct ConvOptions {
        /// The input is taken with `lhs_dilation - 1` zeros between any two elements; 1 if it is not given.
        lhs_dilation: optional_into Dims,
        /// The kernel is taken with `rhs_dilation - 1` zeros between any two elements; 1 if it is not given.
        rhs_dilation: optional_into Dims,
        /// Which axis is which: `("NHWC", "HWIO", "NHWC")`, say. `("NCHW", "OIHW", "NCHW")` and its like if it is not given.
        dimension_numbers: into ConvSpec = ConvSpec::default(),
        /// Groups of features that are convolved on their own.
        feature_group_count: value usize = 1,
        /// Groups of batches that are convolved on their own.
        batch_group_count: value usize = 1,
        /// The precision, of both operands or of each. If it is not given it is the setting in force.
        precision: optional_into DotPrecision,
        /// The dtype to sum in and to return.
        preferred_element_type: optional DType,
    }
}

/// Batch and feature change places.
pub(crate) fn swapped(spec: &[usize]) -> Shape {
    let mut out = Shape::from_slice(spec);
    out.swap(0, 1);
    out
}

/// Axis `src` becomes the outer part of the axis that is `dst` once `src` is taken out.
pub(crate) fn merge_axis(src: usize, dst: usize, x: &Array) -> Array {
    let mut permutation: Shape = (0..x.ndim()).filter(|i| *i != src).collect();
    let mut shape: Shape = permutation.iter().map(|axis| x.shape()[*axis]).collect();
    shape[dst] *= x.shape()[src];
    permutation.insert(dst, src);
    reshape(&transpose(x, &permutation), &shape)
}

/// Axis `src` falls into an outer axis of `size` and an inner one.
pub(crate) fn split_axis(src: usize, size: usize, x: &Array) -> Array {
    let mut shape = Shape::from_slice(x.shape());
    shape[src] = shape[src].checked_div(size).unwrap_or(0);
    shape.insert(src, size);
    reshape(x, &shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(numbers: (&str, &str, &str)) -> String {
        let error = ConvSpec::from(numbers).resolve(&[1, 2, 3], &[1, 2, 3]).unwrap_err();
        error.message().to_owned()
    }

    #[test]
    fn spatial_axes_are_in_the_kernels_order() {
        let numbers = conv_dimension_numbers([1; 4], [1; 4], ("NWHC", "HWIO", "CNHW"));
        assert_eq!(numbers.lhs_spec.as_slice(), [0, 3, 2, 1]);
        assert_eq!(numbers.rhs_spec.as_slice(), [3, 2, 0, 1]);
        assert_eq!(numbers.out_spec.as_slice(), [1, 0, 2, 3]);
    }

    #[test]
    fn wrong_characters_are_errors() {
        assert_eq!(
            message(("NC", "OIW", "NCW")),
            "convolution dimension_numbers[0] must have len equal to the ndim of lhs and rhs, got 2 for lhs and rhs \
             shapes (1, 2, 3) and (1, 2, 3)"
        );
        assert_eq!(
            message(("NWW", "OIW", "NCW")),
            "convolution dimension_numbers[0] must contain the characters 'N' and 'C' exactly once, got NWW"
        );
        assert_eq!(
            message(("NCX", "OIW", "NCW")),
            "convolution dimension_numbers elements must each have the same set of spatial characters, got ('NCX', \
             'OIW', 'NCW')"
        );
        assert_eq!(
            ConvSpec::default().resolve(&[1], &[1, 2]).unwrap_err().message(),
            "convolution requires lhs and rhs ndim to be equal, got 1 and 2"
        );
    }
}
