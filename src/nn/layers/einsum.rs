//! Einstein's sums with a kernel. Flax: `linen/linear.py`, `Einsum`.

use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::nn::Scope;
use crate::nn::initializers::{self, Initializer};
use crate::numpy::{self, Subscripts};

options! {
    /// Options of [`einsum_with`].
    pub struct EinsumLayerOptions {
        /// Is an array added?
        use_bias: value bool = true,
        /// How the kernel begins.
        kernel_init: value Initializer = initializers::lecun_normal(),
        /// How the array that is added begins.
        bias_init: value Initializer = initializers::zeros(),
    }
}

/// [`numpy::einsum`] of the input and a kernel of this shape, plus a bias. Flax: `Einsum`.
///
/// Parameters: `kernel`, and `bias`, whose axes are those that the result has of the kernel, in the result's order.
///
/// ```
/// use raxla::{lax, nn, random};
///
/// let x = lax::full([3, 4, 5], 1f32);
/// let layer = |cx: &nn::Scope| nn::einsum(cx, &x, (5, 6, 7), "abc,cde->abde");
/// let params = nn::init(&random::key(0), layer)?;
/// assert_eq!(params.get("bias").map(raxla::Array::shape), Some(&[6, 7][..]));
/// assert_eq!(nn::apply(&params, nn::Mode::eval(), layer)?.shape(), [3, 4, 6, 7]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `einsum: einsum_str names the input, the kernel and the result, as "ab,bc->ac" does, got "ab,bc"`; those of [`numpy::einsum`] and
/// [`Scope::param`].
#[track_caller]
pub fn einsum(cx: &Scope, x: impl Into<Array>, shape: impl Into<Dims>, einsum_str: &str) -> Array {
    einsum_with(cx, x, shape, einsum_str, EinsumLayerOptions::new())
}

/// [`einsum`], with options.
///
/// # Errors
/// As [`einsum`].
#[track_caller]
pub fn einsum_with(
    cx: &Scope,
    x: impl Into<Array>,
    shape: impl Into<Dims>,
    einsum_str: &str,
    options: EinsumLayerOptions,
) -> Array {
    if !einsum_str.contains("->") || einsum_str.matches(',').count() != 1 {
        throw!(
            InvalidArgument,
            "einsum: einsum_str names the input, the kernel and the result, as \"ab,bc->ac\" does, got {einsum_str:?}"
        );
    }
    let kernel = cx.param("kernel", shape.into().shape("einsum").or_throw(), options.kernel_init);
    let x = cx.mode().to_compute(&x.into());
    let y = numpy::einsum(einsum_str, [&x, &kernel]);
    if !options.use_bias {
        return y;
    }
    let labels = Subscripts::parse(einsum_str, &[&x, &kernel]).or_throw();
    // The size of each axis of the result that the kernel has.
    let sizes = labels.output.iter().map(|label| {
        let axis = labels.inputs[1].iter().position(|l| l == label);
        axis.map(|axis| kernel.shape()[axis])
    });
    let sizes: Vec<Option<usize>> = sizes.collect();
    let shape: Vec<usize> = sizes.iter().flatten().copied().collect();
    let bias = cx.param("bias", shape, options.bias_init);
    y + numpy::reshape(bias, sizes.iter().map(|size| size.unwrap_or(1)).collect::<Vec<usize>>())
}
