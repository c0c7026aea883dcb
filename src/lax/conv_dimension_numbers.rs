//! Which axis of a convolution is which. JAX: `lax.ConvDimensionNumbers`, `lax.conv_dimension_numbers`.

use crate::core::aval::Shape;
use crate::error::{Result, bail};
use crate::lax::elementwise::tuple;

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

/// The axes that strings such as `("NHWC", "HWIO", "NHWC")` name: `N` is the batch, `C` the features, `I` and `O` the
/// input and output features of the kernel, any other characters the spatial axes, in the kernel's order.
///
/// `None` means `("NCHW", "OIHW", "NCHW")` and its like for other ranks.
///
/// # Errors
/// `convolution dimension_numbers[0] must have len equal to the ndim of lhs and rhs, got 3 for ...`; characters that are
/// missing, repeated or different.
pub fn conv_dimension_numbers(
    lhs_shape: &[usize],
    rhs_shape: &[usize],
    dimension_numbers: Option<(&str, &str, &str)>,
) -> Result<ConvDimensionNumbers> {
    let rank = lhs_shape.len();
    if rank != rhs_shape.len() {
        bail!(Shape, "convolution requires lhs and rhs ndim to be equal, got {rank} and {}", rhs_shape.len());
    }
    let Some((lhs, rhs, out)) = dimension_numbers else {
        let iota: Shape = (0..rank).collect();
        return Ok(ConvDimensionNumbers { lhs_spec: iota.clone(), rhs_spec: iota.clone(), out_spec: iota });
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(numbers: (&str, &str, &str)) -> String {
        let error = conv_dimension_numbers(&[1, 2, 3], &[1, 2, 3], Some(numbers)).unwrap_err();
        error.message().to_owned()
    }

    #[test]
    fn spatial_axes_are_in_the_kernels_order() {
        let numbers = conv_dimension_numbers(&[1; 4], &[1; 4], Some(("NWHC", "HWIO", "CNHW"))).unwrap();
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
            conv_dimension_numbers(&[1], &[1, 2], None).unwrap_err().message(),
            "convolution requires lhs and rhs ndim to be equal, got 1 and 2"
        );
    }
}
