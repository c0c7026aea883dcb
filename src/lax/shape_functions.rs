//! Functions of shapes: what convolutions and windows give, arrays brought to the rank or the shape of others. JAX: `lax.conv_shape_tuple`
//! and its like.

use std::borrow::Borrow;

use crate::arguments::{Axes, Dims, options};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::arguments::{axes_of, sizes_of};
use crate::lax::conv_dimension_numbers::{ConvDimensionNumbers, ConvSpec};
use crate::lax::conv_transpose::transposed_pads;
use crate::lax::elementwise::tuple;
use crate::lax::window::{Padding, dilate, padded, windows};
use crate::lax::{
    GatherDimensionNumbers, add, broadcast, concatenate, convert, expand_dims, gather, literal, lt, rem,
    select,
};

/// The dtype of an array.
///
/// ```
/// use raxla::{Array, DType, lax};
///
/// assert_eq!(lax::dtype(&Array::from([1.0f32])), DType::F32);
/// ```
#[track_caller]
pub fn dtype(x: &Array) -> DType {
    x.dtype()
}

/// `x` with as many leading axes of size one as make `rank` axes.
///
/// # Errors
/// `broadcast_to_rank: f32[2,3] has more than 1 axes`.
#[track_caller]
pub fn broadcast_to_rank(x: &Array, rank: usize) -> Array {
    let Some(more) = rank.checked_sub(x.ndim()) else {
        throw!(Shape, "broadcast_to_rank: {} has more than {rank} axes", x.aval());
    };
    if more == 0 { x.clone() } else { broadcast(x, vec![1; more]) }
}

/// `arr` copied to the shape of `like_arr`.
///
/// # Errors
/// `broadcast_like: f32[2] does not broadcast to the shape of f32[3]`.
/// ```
/// use raxla::{Array, lax};
///
/// let x = lax::broadcast_like(&Array::from([1.0f32, 2.0]), &Array::from([[0.0f32, 0.0], [0.0, 0.0]]));
/// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0, 1.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn broadcast_like(arr: &Array, like_arr: &Array) -> Array {
    let (from, to) = (arr.shape(), like_arr.shape());
    if crate::lax::common_shape(&[from, to]).ok().as_deref() != Some(to) {
        throw!(
            Shape,
            "broadcast_like: {} does not broadcast to the shape of {}",
            arr.aval(),
            like_arr.aval()
        );
    }
    if from == to {
        return arr.clone();
    }
    let dims: Vec<usize> = (to.len() - from.len()..to.len()).collect();
    crate::lax::broadcast_in_dim(arr, to, dims)
}

/// Sizes as a vector of integers.
///
/// # Errors
/// A negative size.
#[track_caller]
pub fn shape_as_value(shape: impl Into<Dims>) -> Array {
    let shape = sizes_of("shape_as_value", &shape.into());
    let wide = shape.iter().any(|n| *n > i32::MAX as usize);
    let sizes: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
    if wide {
        return Array::from(sizes);
    }
    Array::from(sizes.into_iter().map(|n| n as i32).collect::<Vec<i32>>())
}

/// The elements or slices of `src` at positions `idxs` along some of its axes: a vector of integers for each of `axes`. They go
/// round where they are out of range.
///
/// # Errors
/// Positions that are no vectors of integers; another number of them than of axes; axes out of range or repeated.
/// ```
/// use raxla::{Array, lax};
///
/// let x = Array::from([[1, 2], [3, 4]]);
/// let at = [Array::from([0, 1]), Array::from([1, -1])];
/// assert_eq!(lax::index_take(&x, &at, (0, 1)).to_vec::<i32>()?, [2, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn index_take<T: Borrow<Array>>(src: &Array, idxs: impl AsRef<[T]>, axes: impl Into<Axes>) -> Array {
    const NAME: &str = "index_take";
    let axes = axes_of(NAME, &axes.into(), src);
    let idxs: Vec<&Array> = idxs.as_ref().iter().map(Borrow::borrow).collect();
    if idxs.len() != axes.len() || idxs.is_empty() {
        throw!(InvalidArgument, "{NAME}: {} vectors of positions for {} axes", idxs.len(), axes.len());
    }
    let mut columns = Vec::with_capacity(idxs.len());
    for (x, axis) in idxs.iter().zip(&axes) {
        if x.ndim() != 1 || !x.dtype().is_integer() {
            throw!(DType, "{NAME}: positions must be vectors of integers, got {}", x.aval());
        }
        // Those below zero count from the end.
        let n = literal(x.dtype(), src.shape()[*axis] as f64);
        let rest = rem(x, &n);
        let wrapped = select(&lt(&rest, &literal(x.dtype(), 0.0)), &add(&rest, &n), &rest);
        columns.push(expand_dims(&convert(&wrapped, DType::I32, false), [1]));
    }
    let mut slice_sizes = src.shape().to_vec();
    axes.iter().for_each(|axis| slice_sizes[*axis] = 1);
    let numbers = GatherDimensionNumbers {
        offset_dims: (1..=src.ndim() - axes.len()).collect(),
        collapsed_slice_dims: {
            let mut sorted = axes.to_vec();
            sorted.sort_unstable();
            sorted
        },
        start_index_map: axes.to_vec(),
        ..Default::default()
    };
    gather(src, &concatenate(&columns, 1), &numbers, slice_sizes)
}

/// The axes of the operands and of the result of a convolution, as strings name them: batch, features and spatial ones.
///
/// # Errors
/// Names that do not fit.
/// ```
/// use raxla::lax;
///
/// let axes = lax::conv_general_permutations(("NHWC", "HWIO", "NHWC"));
/// assert_eq!((&axes.lhs_spec[..], &axes.rhs_spec[..]), (&[0, 3, 1, 2][..], &[3, 2, 0, 1][..]));
/// ```
#[track_caller]
pub fn conv_general_permutations(dimension_numbers: (&str, &str, &str)) -> ConvDimensionNumbers {
    // Sizes do not matter.
    let (lhs, rhs) = (vec![1; dimension_numbers.0.len()], vec![1; dimension_numbers.1.len()]);
    ConvSpec::from(dimension_numbers).resolve(&lhs, &rhs).or_throw()
}

options! {
    /// Options of [`conv_shape_tuple_with`].
    pub struct ConvShapeOptions {
        /// How many groups the batch is divided into.
        batch_group_count: value usize = 1,
    }
}

/// The shape of the convolution of arrays of these shapes, `NCHW` and `OIHW`.
///
/// # Errors
/// Lists of different lengths; strides of zero; padding that cuts off more than there is.
/// ```
/// use raxla::lax;
///
/// let shape = lax::conv_shape_tuple([2, 3, 8, 8], [4, 3, 3, 3], [1, 2], lax::Padding::Valid);
/// assert_eq!(shape, [2, 4, 6, 3]);
/// ```
#[track_caller]
pub fn conv_shape_tuple(
    lhs_shape: impl Into<Dims>,
    rhs_shape: impl Into<Dims>,
    strides: impl Into<Dims>,
    pads: impl Into<Padding>,
) -> Vec<usize> {
    conv_shape_tuple_with(lhs_shape, rhs_shape, strides, pads, ConvShapeOptions::new())
}

/// [`conv_shape_tuple`] by options.
///
/// # Errors
/// As [`conv_shape_tuple`]; groups that do not divide the batch.
#[track_caller]
pub fn conv_shape_tuple_with(
    lhs_shape: impl Into<Dims>,
    rhs_shape: impl Into<Dims>,
    strides: impl Into<Dims>,
    pads: impl Into<Padding>,
    options: ConvShapeOptions,
) -> Vec<usize> {
    const NAME: &str = "conv_shape_tuple";
    let (lhs, rhs) = (sizes_of(NAME, &lhs_shape.into()), sizes_of(NAME, &rhs_shape.into()));
    let strides = sizes_of(NAME, &strides.into());
    shape_of(NAME, &lhs, &rhs, &strides, &pads.into(), options.batch_group_count).or_throw()
}

/// The shape of a convolution of arrays whose batch and features stand in front.
fn shape_of(
    name: &str,
    lhs: &[usize],
    rhs: &[usize],
    strides: &[usize],
    pads: &Padding,
    groups: usize,
) -> Result<Vec<usize>> {
    let (Some(space), Some(window)) = (lhs.get(2..), rhs.get(2..)) else {
        bail!(
            Shape,
            "{name}: shapes have two axes besides the spatial ones, got {} and {}",
            tuple(lhs),
            tuple(rhs)
        );
    };
    if strides.contains(&0) || groups == 0 {
        bail!(InvalidArgument, "{name}: strides and groups must be positive");
    }
    if window.len() != space.len() || strides.len() != space.len() {
        let (lhs, rhs, strides) = (tuple(lhs), tuple(rhs), tuple(strides));
        bail!(Shape, "{name}: shapes {lhs} and {rhs} and strides {strides} are of different spatial axes");
    }
    let pads = pads.pads(space, window, strides)?;
    if pads.len() != space.len() {
        bail!(Shape, "{name}: {} pads for {} spatial axes", pads.len(), space.len());
    }
    if !lhs[0].is_multiple_of(groups) {
        bail!(Shape, "{name}: {groups} groups do not divide a batch of {}", lhs[0]);
    }
    let mut out = vec![lhs[0] / groups, rhs[0]];
    for (i, n) in space.iter().enumerate() {
        let Some(n) = padded(*n, pads[i]) else {
            bail!(Shape, "{name}: negative padding is larger than {}", tuple(space));
        };
        out.push(windows(n, window[i], strides[i]));
    }
    Ok(out)
}

/// The sizes at these positions.
fn taken(sizes: &[usize], at: &[usize]) -> Shape {
    at.iter().map(|i| sizes[*i]).collect()
}

/// The sizes put at these positions.
fn placed(sizes: &[usize], at: &[usize]) -> Vec<usize> {
    let mut out = vec![0; sizes.len()];
    at.iter().zip(sizes).for_each(|(i, n)| out[*i] = *n);
    out
}

/// The shape of a convolution of arrays of these shapes, whose axes `dimension_numbers` names.
///
/// # Errors
/// As [`conv_shape_tuple`]; names that do not fit.
#[track_caller]
pub fn conv_general_shape_tuple(
    lhs_shape: impl Into<Dims>,
    rhs_shape: impl Into<Dims>,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    dimension_numbers: impl Into<ConvSpec>,
) -> Vec<usize> {
    const NAME: &str = "conv_general_shape_tuple";
    let (lhs, rhs) = (sizes_of(NAME, &lhs_shape.into()), sizes_of(NAME, &rhs_shape.into()));
    let strides = sizes_of(NAME, &window_strides.into());
    let axes = dimension_numbers.into().resolve(&lhs, &rhs).or_throw();
    let (lhs, rhs) = (taken(&lhs, &axes.lhs_spec), taken(&rhs, &axes.rhs_spec));
    placed(&shape_of(NAME, &lhs, &rhs, &strides, &padding.into(), 1).or_throw(), &axes.out_spec)
}

/// The shape of a transposed convolution of arrays of these shapes, whose axes `dimension_numbers` names.
///
/// # Errors
/// As [`conv_general_shape_tuple`].
#[track_caller]
pub fn conv_transpose_shape_tuple(
    lhs_shape: impl Into<Dims>,
    rhs_shape: impl Into<Dims>,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    dimension_numbers: impl Into<ConvSpec>,
) -> Vec<usize> {
    const NAME: &str = "conv_transpose_shape_tuple";
    let (lhs, rhs) = (sizes_of(NAME, &lhs_shape.into()), sizes_of(NAME, &rhs_shape.into()));
    let strides = sizes_of(NAME, &window_strides.into());
    let axes = dimension_numbers.into().resolve(&lhs, &rhs).or_throw();
    let (lhs, rhs) = (taken(&lhs, &axes.lhs_spec), taken(&rhs, &axes.rhs_spec));
    let (Some(space), Some(window)) = (lhs.get(2..), rhs.get(2..)) else {
        throw!(
            Shape,
            "{NAME}: shapes have two axes besides the spatial ones, got {} and {}",
            tuple(&lhs),
            tuple(&rhs)
        );
    };
    let pads = match padding.into() {
        Padding::Explicit(pads) => pads,
        named => transposed_pads(window, &strides, &named).or_throw(),
    };
    if strides.len() != space.len() || pads.len() != space.len() {
        throw!(Shape, "{NAME}: {} strides and {} pads for {} axes", strides.len(), pads.len(), space.len());
    }
    let mut out = vec![lhs[0], rhs[0]];
    for (i, n) in space.iter().enumerate() {
        let plain = (*n as i64 - 1) * strides[i] as i64 - window[i] as i64 + 2;
        out.push((plain + pads[i].0 + pads[i].1).max(0) as usize);
    }
    placed(&out, &axes.out_spec)
}

options! {
    /// Options of [`reduce_window_shape_tuple_with`].
    pub struct WindowShapeOptions {
        /// The operand is taken with `base_dilation - 1` elements between any two; 1 along each axis if it is not given.
        base_dilation: optional_into Dims,
        /// The window takes every so-manieth element; 1 along each axis if it is not given.
        window_dilation: optional_into Dims,
    }
}

/// The shape of a reduction over windows of an array of this shape.
///
/// # Errors
/// Lists of different lengths; strides of zero; padding that cuts off more than there is.
/// ```
/// use raxla::lax;
///
/// assert_eq!(lax::reduce_window_shape_tuple(8, 3, 2, lax::Padding::Valid), [3]);
/// ```
#[track_caller]
pub fn reduce_window_shape_tuple(
    operand_shape: impl Into<Dims>,
    window_dimensions: impl Into<Dims>,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
) -> Vec<usize> {
    let options = WindowShapeOptions::new();
    reduce_window_shape_tuple_with(operand_shape, window_dimensions, window_strides, padding, options)
}

/// [`reduce_window_shape_tuple`] by options.
///
/// # Errors
/// As [`reduce_window_shape_tuple`].
#[track_caller]
pub fn reduce_window_shape_tuple_with(
    operand_shape: impl Into<Dims>,
    window_dimensions: impl Into<Dims>,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    options: WindowShapeOptions,
) -> Vec<usize> {
    const NAME: &str = "reduce_window_shape_tuple";
    let operand = sizes_of(NAME, &operand_shape.into());
    let window = sizes_of(NAME, &window_dimensions.into());
    let strides = sizes_of(NAME, &window_strides.into());
    let dilation = |given: &Option<Dims>| {
        given.as_ref().map_or_else(|| Shape::from_elem(1, operand.len()), |dims| sizes_of(NAME, dims))
    };
    let (base, wide) = (dilation(&options.base_dilation), dilation(&options.window_dilation));
    let lists = [&window, &strides, &base, &wide];
    if lists.iter().any(|list| list.len() != operand.len()) || strides.contains(&0) {
        throw!(
            Shape,
            "{NAME}: windows and strides must be positive, one for each axis of {}",
            tuple(&operand)
        );
    }
    let sizes: Vec<usize> = operand.iter().zip(&base).map(|(n, d)| dilate(*n, *d)).collect();
    let reach: Vec<usize> = window.iter().zip(&wide).map(|(n, d)| dilate(*n, *d)).collect();
    let pads = padding.into().pads(&sizes, &reach, &strides).or_throw();
    if pads.len() != sizes.len() {
        throw!(Shape, "{NAME}: {} pads for {} axes", pads.len(), sizes.len());
    }
    let mut out = Vec::with_capacity(sizes.len());
    for (i, n) in sizes.iter().enumerate() {
        let Some(n) = padded(*n, pads[i]) else {
            throw!(Shape, "{NAME}: negative padding is larger than {}", tuple(&operand));
        };
        out.push(windows(n, reach[i], strides[i]));
    }
    out
}
