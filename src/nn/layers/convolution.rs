//! Convolutions. Flax: `linen/linear.py`.

use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax::{self, ConvDimensionNumbers, ConvOptions, ConvTransposeOptions, Padding};
use crate::nn::Scope;
use crate::nn::initializers::{self, Initializer};
use crate::numpy::{self, PadMode, PadOptions};

/// What a convolution sees beyond the borders of its input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConvPadding {
    /// Zeros, as [`Padding`] says.
    Zeros(Padding),
    /// Zeros before the beginning alone, of one axis: no element of the result sees a later one of the input.
    Causal,
    /// The other end.
    Circular,
    /// The mirror image, without the element at the border.
    Reflect,
}

impl<P: Into<Padding>> From<P> for ConvPadding {
    fn from(padding: P) -> Self {
        ConvPadding::Zeros(padding.into())
    }
}

options! {
    /// Options of [`conv_with`]. One number for strides or dilations stands for all spatial axes.
    pub struct ConvLayerOptions {
        /// Steps between windows; 1 if they are not given.
        strides: optional_into Dims,
        /// What the windows see beyond the borders: a [`Padding`], pairs of low and high padding, or another [`ConvPadding`].
        padding: into ConvPadding = Padding::Same,
        /// The input is taken with `input_dilation - 1` zeros between any two elements; 1 if it is not given.
        input_dilation: optional_into Dims,
        /// The kernel is taken with `kernel_dilation - 1` zeros between any two elements; 1 if it is not given.
        kernel_dilation: optional_into Dims,
        /// Groups of features that are convolved on their own.
        feature_group_count: value usize = 1,
        /// Is a vector added?
        use_bias: value bool = true,
        /// What the kernel is multiplied by, of its shape.
        mask: optional_into Array,
        /// How the kernel begins.
        kernel_init: value Initializer = initializers::lecun_normal(),
        /// How the vector begins.
        bias_init: value Initializer = initializers::zeros(),
    }
}

/// A convolution over as many axes as `kernel_size` has: `f32[batch.., height, width, n]` to `f32[batch.., height, width, features]`.
/// There may be any number of axes of the batch, none as well. Flax: `Conv`.
///
/// Parameters: `kernel`, `f32[kernel_size.., n, features]`, and `bias`, `f32[features]`.
///
/// ```
/// use raxla::nn::{self, ConvLayerOptions, ConvPadding};
/// use raxla::{lax, random};
///
/// let (pictures, sounds) = (lax::full([8, 28, 28, 1], 0f32), lax::full([8, 100, 2], 0f32));
/// let net = |cx: &nn::Scope| {
///     let halved = nn::conv_with(&cx.at("a"), &pictures, 16, (3, 3), ConvLayerOptions::new().strides(2));
///     let causal = ConvLayerOptions::new().padding(ConvPadding::Causal).kernel_dilation(4);
///     (nn::relu(halved), nn::conv_with(&cx.at("b"), &sounds, 16, 3, causal))
/// };
/// let params = nn::init(&random::key(0), net)?;
/// let (a, b) = nn::apply(&params, nn::Mode::eval(), net)?;
/// assert_eq!((a.shape(), b.shape()), (&[8, 14, 14, 16][..], &[8, 100, 16][..]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `conv: the input has 2 spatial axes and one of features, got f32[28]`; those of [`Scope::param`].
#[track_caller]
pub fn conv(cx: &Scope, x: impl Into<Array>, features: usize, kernel_size: impl Into<Dims>) -> Array {
    conv_with(cx, x, features, kernel_size, ConvLayerOptions::new())
}

/// [`conv`], with options.
///
/// # Errors
/// As [`conv`]; options that do not fit the number of spatial axes; groups that do not divide the features.
#[track_caller]
pub fn conv_with(
    cx: &Scope,
    x: impl Into<Array>,
    features: usize,
    kernel_size: impl Into<Dims>,
    options: ConvLayerOptions,
) -> Array {
    let window = kernel_size.into().shape("conv").or_throw();
    let spatial = window.len();
    let (mut x, batch) = one_batch("conv", &x.into(), spatial);
    let strides = for_each("conv", "strides", options.strides.as_ref(), spatial);
    let input_dilation = for_each("conv", "input_dilation", options.input_dilation.as_ref(), spatial);
    let kernel_dilation = for_each("conv", "kernel_dilation", options.kernel_dilation.as_ref(), spatial);
    let inputs = x.shape()[spatial + 1];
    let groups = options.feature_group_count;
    if groups == 0 || !inputs.is_multiple_of(groups) {
        throw!(
            Shape,
            "conv: feature_group_count divides the features of the input, got {groups} and {inputs}"
        );
    }
    let shape = [&window[..], &[inputs / groups, features]].concat();
    let kernel = cx.param("kernel", &shape, options.kernel_init);
    let kernel = masked("conv", kernel, options.mask.as_ref());
    let reach = |axis: usize| kernel_dilation[axis] * (window[axis].max(1) - 1);
    let mut around = |mode, low: &dyn Fn(usize) -> usize, high: &dyn Fn(usize) -> usize| {
        let mut widths = vec![(0, 0); spatial + 2];
        (0..spatial).for_each(|axis| widths[axis + 1] = (low(axis), high(axis)));
        x = numpy::pad_with(&x, widths, PadOptions::new().mode(mode));
        Padding::Valid
    };
    let padding = match options.padding {
        ConvPadding::Zeros(padding) => fitting("conv", padding, spatial),
        ConvPadding::Causal if spatial != 1 => {
            throw!(InvalidArgument, "conv: causal padding is of one axis, and the kernel has {spatial}")
        }
        ConvPadding::Causal => around(PadMode::Constant, &reach, &|_| 0),
        ConvPadding::Circular => around(PadMode::Wrap, &|i| reach(i) / 2, &|i| reach(i).div_ceil(2)),
        ConvPadding::Reflect => around(PadMode::Reflect, &|i| reach(i) / 2, &|i| reach(i).div_ceil(2)),
    };
    let dims = ConvOptions::new()
        .dimension_numbers(features_last(spatial))
        .lhs_dilation(input_dilation)
        .rhs_dilation(kernel_dilation.clone())
        .feature_group_count(groups);
    let mut y = lax::conv_general_dilated(&cx.mode().to_compute(&x), &kernel, strides, padding, dims);
    if options.use_bias {
        y += cx.param("bias", [features], options.bias_init);
    }
    batches(&y, &batch)
}

options! {
    /// Options of [`conv_transpose_with`]. One number for strides or dilations stands for all spatial axes.
    pub struct ConvTransposeLayerOptions {
        /// How many elements of the result there are for one of the input, along each axis; 1 if they are not given.
        strides: optional_into Dims,
        /// What the convolution whose transpose this is sees beyond its borders: a [`Padding`], pairs of low and high padding of the
        /// dilated input, or [`ConvPadding::Circular`].
        padding: into ConvPadding = Padding::Same,
        /// The kernel is taken with `kernel_dilation - 1` zeros between any two elements; 1 if it is not given.
        kernel_dilation: optional_into Dims,
        /// Is a vector added?
        use_bias: value bool = true,
        /// What the kernel is multiplied by, of its shape.
        mask: optional_into Array,
        /// How the kernel begins.
        kernel_init: value Initializer = initializers::lecun_normal(),
        /// How the vector begins.
        bias_init: value Initializer = initializers::zeros(),
        /// Is the kernel flipped, with its input and output features swapped, so that it is that of a [`conv`]?
        transpose_kernel: value bool = false,
    }
}

/// A transposed convolution: `f32[batch.., height, width, n]` to `f32[batch.., height * stride, width * stride, features]`. Flax:
/// `ConvTranspose`.
///
/// Parameters: `kernel`, `f32[kernel_size.., n, features]`, and `bias`, `f32[features]`.
///
/// # Errors
/// As [`conv`].
#[track_caller]
pub fn conv_transpose(
    cx: &Scope,
    x: impl Into<Array>,
    features: usize,
    kernel_size: impl Into<Dims>,
) -> Array {
    conv_transpose_with(cx, x, features, kernel_size, ConvTransposeLayerOptions::new())
}

/// [`conv_transpose`], with options.
///
/// # Errors
/// As [`conv_with`]; padding that a transposed convolution does not have.
#[track_caller]
pub fn conv_transpose_with(
    cx: &Scope,
    x: impl Into<Array>,
    features: usize,
    kernel_size: impl Into<Dims>,
    options: ConvTransposeLayerOptions,
) -> Array {
    const NAME: &str = "conv_transpose";
    let window = kernel_size.into().shape(NAME).or_throw();
    let spatial = window.len();
    let (x, batch) = one_batch(NAME, &x.into(), spatial);
    let strides = for_each(NAME, "strides", options.strides.as_ref(), spatial);
    let dilation = for_each(NAME, "kernel_dilation", options.kernel_dilation.as_ref(), spatial);
    let inputs = x.shape()[spatial + 1];
    let ends = if options.transpose_kernel { [features, inputs] } else { [inputs, features] };
    let shape = [&window[..], &ends].concat();
    let kernel = cx.param("kernel", &shape, options.kernel_init);
    let kernel = masked(NAME, kernel, options.mask.as_ref());
    let circular = options.padding == ConvPadding::Circular;
    let padding = match options.padding {
        ConvPadding::Zeros(padding) => fitting(NAME, padding, spatial),
        ConvPadding::Circular => Padding::Valid,
        other => throw!(InvalidArgument, "{NAME}: padding is zeros or circular, got {other:?}"),
    };
    let dims = ConvTransposeOptions::new()
        .dimension_numbers(features_last(spatial))
        .rhs_dilation(dilation)
        .transpose_kernel(options.transpose_kernel);
    let sizes: Vec<usize> =
        x.shape()[1..=spatial].iter().zip(&strides).map(|(n, stride)| n * stride).collect();
    let mut y = lax::conv_transpose(&cx.mode().to_compute(&x), &kernel, strides, padding, dims);
    if circular {
        y = wrapped(&y, &sizes, options.transpose_kernel);
    }
    if options.use_bias {
        y += cx.param("bias", [features], options.bias_init);
    }
    batches(&y, &batch)
}

/// What is beyond the ends added at the other end, so that the spatial axes have these sizes. What an even kernel has more of stands
/// before, or behind where the kernel is transposed.
#[track_caller]
fn wrapped(y: &Array, sizes: &[usize], behind: bool) -> Array {
    let mut widths = vec![(0, 0); y.ndim()];
    for (axis, size) in sizes.iter().enumerate() {
        // To an odd multiple of the size, in the middle of which the input stands.
        let missing = (3 * size - y.shape()[axis + 1] % (2 * size)) % (2 * size);
        let (less, more) = (missing / 2, missing.div_ceil(2));
        widths[axis + 1] = if behind { (less, more) } else { (more, less) };
    }
    let mut y = numpy::pad(y, widths);
    for (axis, size) in sizes.iter().enumerate() {
        let mut shape = y.shape().to_vec();
        shape.splice(axis + 1..axis + 2, [y.shape()[axis + 1] / size, *size]);
        y = numpy::sum(numpy::reshape(&y, shape), axis + 1);
    }
    y
}

/// With one axis for the batch, and the axes that it had.
#[track_caller]
fn one_batch(name: &str, x: &Array, spatial: usize) -> (Array, Vec<usize>) {
    let Some(axes) = x.ndim().checked_sub(spatial + 1) else {
        throw!(Shape, "{name}: the input has {spatial} spatial axes and one of features, got {}", x.aval())
    };
    let (batch, rest) = x.shape().split_at(axes);
    let shape = [&[batch.iter().product()], rest].concat();
    (if axes == 1 { x.clone() } else { lax::reshape(x, shape) }, batch.to_vec())
}

/// With the axes of the batch again.
#[track_caller]
fn batches(y: &Array, batch: &[usize]) -> Array {
    match batch {
        [_] => y.clone(),
        _ => lax::reshape(y, [batch, &y.shape()[1..]].concat()),
    }
}

/// A number for each spatial axis: as given, one for all, or 1.
#[track_caller]
pub(super) fn for_each(layer: &str, option: &str, given: Option<&Dims>, spatial: usize) -> Vec<usize> {
    let Some(given) = given else { return vec![1; spatial] };
    match &given.shape(layer).or_throw()[..] {
        [one] => vec![*one; spatial],
        many if many.len() == spatial => many.to_vec(),
        many => throw!(
            InvalidArgument,
            "{layer}: {option} has one number or one for each of {spatial} spatial axes, got {many:?}"
        ),
    }
}

#[track_caller]
pub(super) fn fitting(layer: &str, padding: Padding, spatial: usize) -> Padding {
    match &padding {
        Padding::Explicit(pads) if pads.len() != spatial => throw!(
            InvalidArgument,
            "{layer}: padding has a pair for each of {spatial} spatial axes, got {pads:?}"
        ),
        _ => padding,
    }
}

#[track_caller]
fn masked(layer: &str, kernel: Array, mask: Option<&Array>) -> Array {
    match mask {
        None => kernel,
        Some(mask) if mask.shape() == kernel.shape() => kernel * mask,
        Some(mask) => {
            throw!(Shape, "{layer}: mask has the kernel's shape, got {} and {}", mask.aval(), kernel.aval())
        }
    }
}

/// The features are the last axis of the input and of the result, and the last two of the kernel.
fn features_last(spatial: usize) -> ConvDimensionNumbers {
    let last = spatial + 1;
    let lhs = [0, last].into_iter().chain(1..last).collect();
    ConvDimensionNumbers {
        rhs_spec: [last, spatial].into_iter().chain(0..spatial).collect(),
        out_spec: Clone::clone(&lhs),
        lhs_spec: lhs,
    }
}
