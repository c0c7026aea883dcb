//! Windows that slide over an array: padding and sizes. JAX: `lax.padtype_to_pads`, `lax.reduce_window_shape_tuple`,
//! `convolution._conv_general_vjp_lhs_padding`.

use smallvec::SmallVec;

use crate::arguments::{Dims, options};
use crate::core::aval::{Shape, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::Param;
use crate::error::{OrThrow, Result, bail};
use crate::lax::common::arguments::sizes_of;
use crate::lax::elementwise::tuple;
use crate::mlir::{Type, Value, Values, push_integer, push_number, usize_array};

/// Zeros (or other neutral elements) around an array: low and high for each axis. Negative padding cuts off.
pub type Pads = SmallVec<[(i64, i64); 4]>;

/// How windows treat the borders of an array: by a name, or by pairs of low and high padding, one for each axis, as in
/// `[(1, 1), (0, 2)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Padding {
    /// `ceil(n / stride)` windows for `n` elements, an odd element of padding at the end.
    Same,
    /// The same, an odd element of padding at the beginning.
    SameLower,
    /// No padding.
    Valid,
    /// Low and high padding of each axis. Negative padding cuts off.
    Explicit(Vec<(i64, i64)>),
}

impl From<&[(i64, i64)]> for Padding {
    fn from(pads: &[(i64, i64)]) -> Self {
        Padding::Explicit(pads.to_vec())
    }
}
impl<const N: usize> From<[(i64, i64); N]> for Padding {
    fn from(pads: [(i64, i64); N]) -> Self {
        Padding::Explicit(pads.to_vec())
    }
}
impl<const N: usize> From<&[(i64, i64); N]> for Padding {
    fn from(pads: &[(i64, i64); N]) -> Self {
        Padding::Explicit(pads.to_vec())
    }
}
impl From<Vec<(i64, i64)>> for Padding {
    fn from(pads: Vec<(i64, i64)>) -> Self {
        Padding::Explicit(pads)
    }
}
impl From<&Vec<(i64, i64)>> for Padding {
    fn from(pads: &Vec<(i64, i64)>) -> Self {
        Padding::Explicit(pads.clone())
    }
}

/// The padding that a [`Padding`] means for arrays of `in_shape` and windows of `window_shape`: low and high for each axis.
///
/// ```
/// use raxla::lax::{Padding, padtype_to_pads};
/// assert_eq!(padtype_to_pads(6, 4, 1, Padding::Same), [(1, 2)]);
/// ```
///
/// # Errors
/// Strides of zero; lists of different lengths.
#[track_caller]
pub fn padtype_to_pads(
    in_shape: impl Into<Dims>,
    window_shape: impl Into<Dims>,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
) -> Vec<(i64, i64)> {
    let sizes = |dims: &Dims| sizes_of("padtype_to_pads", dims);
    let (size, window, strides) = (in_shape.into(), window_shape.into(), window_strides.into());
    let pads = padding.into().pads(&sizes(&size), &sizes(&window), &sizes(&strides));
    pads.or_throw().to_vec()
}

impl Padding {
    /// The padding for arrays of these sizes and windows of these (dilated) sizes and strides.
    pub(crate) fn pads(&self, sizes: &[usize], window: &[usize], strides: &[usize]) -> Result<Pads> {
        match self {
            Padding::Explicit(pads) => Ok(Pads::from_slice(pads)),
            Padding::Valid => Ok(SmallVec::from_elem((0, 0), sizes.len())),
            Padding::Same => same(sizes, window, strides, false),
            Padding::SameLower => same(sizes, window, strides, true),
        }
    }
}

fn same(
    in_shape: &[usize],
    window_shape: &[usize],
    window_strides: &[usize],
    low_first: bool,
) -> Result<Pads> {
    if window_strides.contains(&0) {
        bail!(Shape, "window_strides must be positive, got {}", tuple(window_strides));
    }
    if in_shape.len() != window_shape.len() || in_shape.len() != window_strides.len() {
        bail!(
            Shape,
            "padding '{}' needs a size, a window and a stride for each axis, got {}, {} and {}",
            if low_first { "SAME_LOWER" } else { "SAME" },
            tuple(in_shape),
            tuple(window_shape),
            tuple(window_strides)
        );
    }
    let axes = in_shape.iter().zip(window_shape).zip(window_strides);
    Ok(axes
        .map(|((n, window), stride)| {
            let (windows, n, stride) = (n.div_ceil(*stride) as i64, *n as i64, *stride as i64);
            let pad = ((windows - 1) * stride + *window as i64 - n).max(0);
            let small = pad / 2;
            if low_first { (pad - small, small) } else { (small, pad - small) }
        })
        .collect())
}

options! {
    /// Options of the reductions over windows: [`reduce_window_with`](crate::lax::reduce_window_with),
    /// [`reduce_window_sum_with`](crate::lax::reduce_window_sum_with) and their like.
    pub struct WindowOptions {
        /// How far apart windows start; 1 along each axis if it is not given.
        window_strides: optional_into Dims,
        /// What is put around the operand.
        padding: into Padding = Padding::Valid,
        /// The operand is taken with `base_dilation - 1` neutral elements between any two; 1 along each axis if it is not given.
        base_dilation: optional_into Dims,
        /// The window takes every so-manieth element; 1 along each axis if it is not given.
        window_dilation: optional_into Dims,
    }
}

/// The size of an axis once `dilation - 1` elements have been inserted between its own.
pub(crate) fn dilate(size: usize, dilation: usize) -> usize {
    if size == 0 { 0 } else { 1 + dilation * (size - 1) }
}

/// How many windows start within `size` elements.
pub(crate) fn windows(size: usize, window: usize, stride: usize) -> usize {
    if size < window { 0 } else { (size - window) / stride + 1 }
}

/// `size` with padding, if that is not negative.
pub(crate) fn padded(size: usize, (low, high): (i64, i64)) -> Option<usize> {
    usize::try_from(size as i64 + low + high).ok()
}

/// Pairs as Python prints them: `((0, 0), (1, 2))`.
pub(crate) fn pairs(pads: &[(i64, i64)]) -> String {
    let items: Vec<String> = pads.iter().map(|(low, high)| format!("({low}, {high})")).collect();
    match items.as_slice() {
        [one] => format!("({one},)"),
        _ => format!("({})", items.join(", ")),
    }
}

/// `dense<[[0, 0], [1, 2]]> : tensor<2x2xi64>`.
pub(crate) fn pads_attr(pads: &[(i64, i64)]) -> String {
    if pads.is_empty() {
        return "dense<> : tensor<0x2xi64>".into();
    }
    let mut text = String::with_capacity(64);
    for (i, (low, high)) in pads.iter().enumerate() {
        text.push_str(if i == 0 { "dense<[[" } else { ", [" });
        push_integer(&mut text, *low);
        text.push_str(", ");
        push_integer(&mut text, *high);
        text.push(']');
    }
    text.push_str("]> : tensor<");
    push_number(&mut text, pads.len());
    text.push_str("x2xi64>");
    text
}

/// A window over every axis of an array.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub dimensions: Shape,
    pub strides: Shape,
    pub padding: Pads,
    pub base_dilation: Shape,
    pub window_dilation: Shape,
}

impl Window {
    /// A window from the arguments of a user's call.
    pub(crate) fn new(shape: &[usize], dimensions: &Dims, options: &WindowOptions) -> Result<Self> {
        let dimensions = dimensions.shape("reduce_window")?;
        let sizes = |given: &Option<Dims>| match given {
            Some(given) => given.shape("reduce_window"),
            None => Ok(Shape::from_elem(1, dimensions.len())),
        };
        let (base_dilation, window_dilation) =
            (sizes(&options.base_dilation)?, sizes(&options.window_dilation)?);
        let strides = sizes(&options.window_strides)?;
        // As in JAX, a name means padding of the array before it is dilated.
        let reach: Shape = dimensions.iter().zip(&window_dilation).map(|(n, d)| dilate(*n, *d)).collect();
        let padding = match &options.padding {
            Padding::Explicit(pads) => Pads::from_slice(pads),
            // The check of all parameters says more about other ranks.
            _ if shape.len() != dimensions.len() || strides.len() != dimensions.len() => {
                SmallVec::from_elem((0, 0), dimensions.len())
            }
            padding => padding.pads(shape, &reach, &strides)?,
        };
        Ok(Window { dimensions, strides, padding, base_dilation, window_dilation })
    }

    /// The shape of an operand's windows. JAX checks for all under the name `reduce_window`.
    pub(crate) fn out_shape(&self, operand: &ShapedArray) -> Result<Shape> {
        let rank = self.dimensions.len();
        if operand.ndim() != rank {
            bail!(
                Shape,
                "reduce_window got the wrong number of window_dimensions for operand: got operand shape {} with \
                 window_dimensions {}",
                tuple(operand.shape()),
                tuple(&self.dimensions)
            );
        }
        let others = [
            ("window_strides", &self.strides),
            ("base_dilation", &self.base_dilation),
            ("window_dilation", &self.window_dilation),
        ];
        for (name, values) in others {
            if values.len() != rank {
                bail!(
                    Shape,
                    "reduce_window got inconsistent {name} and window_dimensions: got {name} {} and window_dimensions \
                     {}",
                    tuple(values),
                    tuple(&self.dimensions)
                );
            }
            if values.contains(&0) {
                bail!(Shape, "reduce_window: {name} must be positive, got {}", tuple(values));
            }
        }
        if self.padding.len() != rank {
            bail!(
                Shape,
                "reduce_window: padding must have one pair for each axis of operand {operand}, got {}",
                pairs(&self.padding)
            );
        }
        if self.dimensions.contains(&0) {
            bail!(
                Shape,
                "reduce_window: window_dimensions must be positive, got {}",
                tuple(&self.dimensions)
            );
        }
        (0..rank)
            .map(|i| {
                let size = dilate(operand.shape()[i], self.base_dilation[i]);
                let Some(size) = padded(size, self.padding[i]) else {
                    bail!(
                        Shape,
                        "reduce_window: negative padding {} is larger than operand {operand}",
                        pairs(&self.padding)
                    );
                };
                Ok(windows(size, dilate(self.dimensions[i], self.window_dilation[i]), self.strides[i]))
            })
            .collect()
    }

    /// The same for an operand with one more axis, at `dim`.
    pub(crate) fn with_axis(&self, dim: usize) -> Self {
        let mut out = self.clone();
        for sizes in [&mut out.dimensions, &mut out.strides, &mut out.base_dilation, &mut out.window_dilation]
        {
            sizes.insert(dim, 1);
        }
        out.padding.insert(dim, (0, 0));
        out
    }

    /// Padding of the cotangent, once it is dilated by the strides, for the transposed window.
    pub(crate) fn transposed_padding(&self, operand: &[usize], out: &[usize]) -> Pads {
        let axes = 0..operand.len();
        axes.map(|i| {
            let base = dilate(operand[i], self.base_dilation[i]) as i64;
            let window = dilate(self.dimensions[i], self.window_dilation[i]) as i64;
            let out = dilate(out[i], self.strides[i]) as i64;
            let before = window - self.padding[i].0 - 1;
            (before, base + window - 1 - out - before)
        })
        .collect()
    }

    /// Parameters as JAX prints them.
    pub(crate) fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("base_dilation", Param::Text(tuple(&self.base_dilation))),
            ("padding", Param::Text(pairs(&self.padding))),
            ("window_dilation", Param::Text(tuple(&self.window_dilation))),
            ("window_dimensions", Param::Text(tuple(&self.dimensions))),
            ("window_strides", Param::Text(tuple(&self.strides))),
        ]
    }

    /// `stablehlo.reduce_window` of arrays of one shape, each with its initial value.
    pub(crate) fn reduce(
        &self,
        ctx: &mut LoweringCtx,
        operands: &[Value],
        inits: &[Value],
        outs: &[Type],
        body: impl FnOnce(&mut LoweringCtx, &[Value]) -> Result<Values>,
    ) -> Result<Values> {
        let attrs = format!(
            "base_dilations = {}, padding = {}, window_dilations = {}, window_dimensions = {}, window_strides = {}",
            usize_array(&self.base_dilation),
            pads_attr(&self.padding),
            usize_array(&self.window_dilation),
            usize_array(&self.dimensions),
            usize_array(&self.strides)
        );
        let all: Values = operands.iter().chain(inits).copied().collect();
        let scalars: SmallVec<[Type; 4]> = inits.iter().chain(inits).map(|v| v.ty()).collect();
        ctx.op_with_region("stablehlo.reduce_window", &all, &attrs, outs, &scalars, body)
    }
}
