//! Arrays in other shapes and arrangements. JAX: `numpy/lax_numpy.py`.

use std::borrow::Borrow;

use crate::core::array::Array;
use crate::error::{OrThrow, Result, bail, err};
use crate::lax;
use crate::lax::elementwise::tuple;
use crate::numpy::axes::Axes;
use crate::numpy::util::{broadcast_shapes, broadcast_to_shape, canonical_axis};

/// The same elements in another shape, in row-major order. One size may be -1: it follows from the others.
///
/// # Errors
/// `reshape: cannot reshape array of shape (2, 3) (size 6) into shape (4,) (size 4)`
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::reshape(jnp::arange(6), &[2, -1]).shape(), [2, 3]);
/// ```
#[track_caller]
pub fn reshape(x: impl Into<Array>, shape: &[i64]) -> Array {
    let x = x.into();
    let sizes = known_sizes(&x, shape).or_throw();
    lax::reshape(&x, &sizes)
}

fn known_sizes(x: &Array, shape: &[i64]) -> Result<Vec<usize>> {
    let text = || {
        let sizes: Vec<String> = shape.iter().map(i64::to_string).collect();
        if sizes.len() == 1 { format!("({},)", sizes[0]) } else { format!("({})", sizes.join(", ")) }
    };
    let from = || format!("array of shape {} (size {})", tuple(x.shape()), x.size());
    if shape.iter().filter(|n| **n == -1).count() > 1 {
        bail!(Shape, "reshape: can only specify one unknown axis size with a `-1` value, got {}", text());
    }
    if let Some(n) = shape.iter().find(|n| **n < -1) {
        bail!(Shape, "reshape: sizes must be -1 or at least 0, got {n} in {}", text());
    }
    let known: usize = shape.iter().filter(|n| **n != -1).map(|n| *n as usize).product();
    let unknown = shape.contains(&-1);
    if unknown && (known == 0 || !x.size().is_multiple_of(known)) {
        bail!(
            Shape,
            "reshape: cannot reshape {} into shape {} because the product of specified axis sizes ({known}) does not \
             evenly divide {}",
            from(),
            text(),
            x.size()
        );
    }
    if !unknown && known != x.size() {
        bail!(Shape, "reshape: cannot reshape {} into shape {} (size {known})", from(), text());
    }
    Ok(shape.iter().map(|n| if *n == -1 { x.size() / known } else { *n as usize }).collect())
}

/// All elements in row-major order: an array of rank 1.
#[track_caller]
pub fn ravel(x: impl Into<Array>) -> Array {
    let x = x.into();
    lax::reshape(&x, &[x.size()])
}

/// The axes in reverse order.
#[track_caller]
pub fn transpose(x: impl Into<Array>) -> Array {
    let x = x.into();
    let order: Vec<usize> = (0..x.ndim()).rev().collect();
    lax::transpose(&x, &order)
}

/// The axes in another order: axis `i` of the result is axis `axes[i]` of `x`. JAX: `jnp.permute_dims`.
///
/// # Errors
/// `axes` that are not a permutation of the axes of `x`.
#[track_caller]
pub fn permute_dims(x: impl Into<Array>, axes: &[i64]) -> Array {
    let x = x.into();
    let order: Vec<usize> = axes.iter().map(|a| canonical_axis("transpose", *a, x.ndim())).collect();
    lax::transpose(&x, &order)
}

/// The last two axes exchanged.
///
/// # Errors
/// `matrix_transpose: array must be at least 2-dimensional, got f32[3]`
#[track_caller]
pub fn matrix_transpose(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.ndim() < 2 {
        return Err(err!(Shape, "matrix_transpose: array must be at least 2-dimensional, got {}", x.aval()))
            .or_throw();
    }
    swapaxes(x, -1, -2)
}

/// Two axes exchanged.
///
/// # Errors
/// `swapaxes: axis 2 is out of bounds for array of dimension 2`
#[track_caller]
pub fn swapaxes(x: impl Into<Array>, axis1: i64, axis2: i64) -> Array {
    let x = x.into();
    let (a, b) = (canonical_axis("swapaxes", axis1, x.ndim()), canonical_axis("swapaxes", axis2, x.ndim()));
    let mut order: Vec<usize> = (0..x.ndim()).collect();
    order.swap(a, b);
    lax::transpose(&x, &order)
}

/// Axes moved to other positions; the others keep their order.
///
/// # Errors
/// `moveaxis: source and destination must have the same number of axes, got 1 and 2`; axes out of range or repeated.
#[track_caller]
pub fn moveaxis(x: impl Into<Array>, source: &[i64], destination: &[i64]) -> Array {
    let x = x.into();
    let n = x.ndim();
    if source.len() != destination.len() {
        return Err(err!(
            Shape,
            "moveaxis: source and destination must have the same number of axes, got {} and {}",
            source.len(),
            destination.len()
        ))
        .or_throw();
    }
    let at =
        |axes: &[i64]| -> Vec<usize> { axes.iter().map(|a| canonical_axis("moveaxis", *a, n)).collect() };
    let (source, destination) = (at(source), at(destination));
    let mut order: Vec<usize> = (0..n).filter(|a| !source.contains(a)).collect();
    let mut pairs: Vec<(usize, usize)> = destination.into_iter().zip(source).collect();
    pairs.sort_unstable();
    for (to, from) in pairs {
        order.insert(to.min(order.len()), from);
    }
    lax::transpose(&x, &order)
}

/// Axis `axis` moved before axis `start`. JAX: `jnp.rollaxis`.
///
/// # Errors
/// Axes out of range.
#[track_caller]
pub fn rollaxis(x: impl Into<Array>, axis: i64, start: i64) -> Array {
    let x = x.into();
    let n = x.ndim();
    let from = canonical_axis("rollaxis", axis, n);
    // From -n to n.
    let start = canonical_axis("rollaxis", start, n + usize::from(start >= 0));
    let to = if from < start { start - 1 } else { start };
    lax::move_axis(&x, from, to)
}

/// New axes of size one, which stand at these positions of the result.
///
/// # Errors
/// `expand_dims: axis 5 is out of bounds for array of dimension 3`; a repeated axis.
#[track_caller]
pub fn expand_dims(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    let rank = x.ndim() + axes.len();
    let dims = axes.resolve("expand_dims", rank).or_throw();
    lax::expand_dims(&x, &dims)
}

/// Drops axes of size one: `..` drops all of them.
///
/// # Errors
/// `squeeze: cannot select an axis to squeeze out which has size not equal to one, got shape=(2, 3) and axes [0]`
#[track_caller]
pub fn squeeze(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    let mut dims = axes.resolve("squeeze", x.ndim()).or_throw();
    if axes.is_all() {
        dims.retain(|d| x.shape()[*d] == 1);
    }
    if dims.iter().any(|d| x.shape()[*d] != 1) {
        return Err(err!(
            Shape,
            "squeeze: cannot select an axis to squeeze out which has size not equal to one, got shape={} and axes \
             {dims:?}",
            tuple(x.shape())
        ))
        .or_throw();
    }
    lax::squeeze_axes(&x, &dims)
}

/// All arrays copied to their common shape.
///
/// # Errors
/// `incompatible shapes for broadcasting: shapes=[(3,), (4,)]`
#[track_caller]
pub fn broadcast_arrays<T: Borrow<Array>>(arrays: &[T]) -> Vec<Array> {
    let shapes: Vec<&[usize]> = arrays.iter().map(|x| x.borrow().shape()).collect();
    let shape = broadcast_shapes(&shapes).or_throw();
    arrays.iter().map(|x| broadcast_to_shape(x.borrow(), &shape)).collect()
}

/// `x` with at least one axis.
#[track_caller]
pub fn atleast_1d(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.ndim() == 0 { lax::expand_dims(&x, &[0]) } else { x }
}

/// `x` with at least two axes; a vector becomes a row.
#[track_caller]
pub fn atleast_2d(x: impl Into<Array>) -> Array {
    let x = x.into();
    match x.ndim() {
        0 => lax::expand_dims(&x, &[0, 1]),
        1 => lax::expand_dims(&x, &[0]),
        _ => x,
    }
}

/// `x` with at least three axes.
#[track_caller]
pub fn atleast_3d(x: impl Into<Array>) -> Array {
    let x = x.into();
    match x.ndim() {
        0 => lax::expand_dims(&x, &[0, 1, 2]),
        1 => lax::expand_dims(&x, &[0, 2]),
        2 => lax::expand_dims(&x, &[2]),
        _ => x,
    }
}

/// `x` repeated side by side, `reps[i]` times along axis `i`.
#[track_caller]
pub fn tile(x: impl Into<Array>, reps: &[usize]) -> Array {
    let x = x.into();
    let rank = x.ndim().max(reps.len());
    let pad = |v: &[usize]| -> Vec<usize> {
        std::iter::repeat_n(1, rank - v.len()).chain(v.iter().copied()).collect()
    };
    let (sizes, reps) = (pad(x.shape()), pad(reps));
    // Axes (reps[0], sizes[0], reps[1], …), then merged in pairs.
    let spread: Vec<usize> = reps.iter().zip(&sizes).flat_map(|(r, n)| [*r, *n]).collect();
    let dims: Vec<usize> = (0..rank).map(|i| 2 * i + 1).collect();
    let copies = lax::broadcast_in_dim(&lax::reshape(&x, &sizes), &spread, &dims);
    let merged: Vec<usize> = reps.iter().zip(&sizes).map(|(r, n)| r * n).collect();
    lax::reshape(&copies, &merged)
}

/// Each element repeated `repeats` times along an axis; `..` flattens first.
///
/// # Errors
/// An axis out of range; more than one axis.
#[track_caller]
pub fn repeat(x: impl Into<Array>, repeats: usize, axis: impl Into<Axes>) -> Array {
    let x = x.into();
    let (x, axis) = match axis.into().single("repeat").or_throw() {
        None => (ravel(&x), 0),
        Some(axis) => {
            let axis = canonical_axis("repeat", axis, x.ndim());
            (x, axis)
        }
    };
    let mut spread = x.shape().to_vec();
    spread.insert(axis + 1, repeats);
    let dims: Vec<usize> = (0..spread.len()).filter(|d| *d != axis + 1).collect();
    let mut merged = x.shape().to_vec();
    merged[axis] *= repeats;
    lax::reshape(&lax::broadcast_in_dim(&x, &spread, &dims), &merged)
}

/// The elements in reverse order along axes.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn flip(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let x = x.into();
    let dims = axes.into().resolve("flip", x.ndim()).or_throw();
    lax::rev(&x, &dims)
}

/// [`flip`] along the second axis.
///
/// # Errors
/// An array of fewer than two axes.
#[track_caller]
pub fn fliplr(x: impl Into<Array>) -> Array {
    flip(x, 1)
}

/// [`flip`] along the first axis.
///
/// # Errors
/// A scalar.
#[track_caller]
pub fn flipud(x: impl Into<Array>) -> Array {
    flip(x, 0)
}

/// The elements moved by `shift` along axes, those that fall off entering at the other end. `..` flattens meanwhile.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn roll(x: impl Into<Array>, shift: i64, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    if axes.is_all() {
        let flat = roll(ravel(&x), shift, 0);
        return lax::reshape(&flat, x.shape());
    }
    let dims = axes.resolve("roll", x.ndim()).or_throw();
    dims.iter().fold(x, |x, axis| {
        let n = x.shape()[*axis] as i64;
        if n == 0 || shift.rem_euclid(n) == 0 {
            return x;
        }
        let cut = n - shift.rem_euclid(n);
        let axis_ = *axis as i64;
        let (left, right) =
            (lax::slice_in_dim(&x, 0, cut, 1, axis_), lax::slice_in_dim(&x, cut, n, 1, axis_));
        lax::concatenate(&[right, left], *axis)
    })
}

/// The plane of two axes turned by `k` right angles, from the first axis towards the second.
///
/// # Errors
/// Axes out of range; `rot90: axes must be different`.
#[track_caller]
pub fn rot90(x: impl Into<Array>, k: i64, axes: (i64, i64)) -> Array {
    let x = x.into();
    let (a, b) = (canonical_axis("rot90", axes.0, x.ndim()), canonical_axis("rot90", axes.1, x.ndim()));
    if a == b {
        return Err(err!(InvalidArgument, "rot90: axes must be different, got {a}")).or_throw();
    }
    let (a, b) = (a as i64, b as i64);
    match k.rem_euclid(4) {
        0 => x,
        1 => swapaxes(flip(x, b), a, b),
        2 => flip(flip(x, a), b),
        _ => flip(swapaxes(x, a, b), b),
    }
}

/// How [`pad`] fills what it adds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PadMode {
    /// With this value.
    Constant(Array),
    /// With the element at the edge.
    Edge,
    /// With the mirror image, without the edge itself.
    Reflect,
    /// With the mirror image, edge included.
    Symmetric,
    /// With the elements of the other end.
    Wrap,
}

impl<T: Into<Array>> From<T> for PadMode {
    fn from(value: T) -> Self {
        PadMode::Constant(value.into())
    }
}

/// `x` with `(before, after)` elements more along each axis: `pad(&x, &[(1, 1), (0, 2)], 0)`.
///
/// # Errors
/// `pad: pad_width must have one entry for each axis of f32[3], got 2`; an empty axis to be filled from itself.
#[track_caller]
pub fn pad(x: impl Into<Array>, pad_width: &[(usize, usize)], mode: impl Into<PadMode>) -> Array {
    let x = x.into();
    let widths = if pad_width.len() == 1 { vec![pad_width[0]; x.ndim()] } else { pad_width.to_vec() };
    if widths.len() != x.ndim() {
        return Err(err!(
            Shape,
            "pad: pad_width must have one entry for each axis of {}, got {}",
            x.aval(),
            widths.len()
        ))
        .or_throw();
    }
    let mode = mode.into();
    if let PadMode::Constant(value) = &mode {
        let value = lax::convert(value, x.dtype(), x.weak_type());
        let config: Vec<(i64, i64, i64)> = widths.iter().map(|(l, h)| (*l as i64, *h as i64, 0)).collect();
        return lax::pad(&x, value, &config);
    }
    widths.iter().enumerate().fold(x, |x, (axis, (low, high))| pad_axis(x, axis, *low, *high, &mode))
}

#[track_caller]
fn pad_axis(x: Array, axis: usize, low: usize, high: usize, mode: &PadMode) -> Array {
    let n = x.shape()[axis];
    if low == 0 && high == 0 {
        return x;
    }
    if n == 0 {
        return Err(err!(
            Shape,
            "pad: axis {axis} of {} is empty and can only be padded by a constant",
            x.aval()
        ))
        .or_throw();
    }
    let n = n as i64;
    // Where each element of the result comes from, as runs of consecutive positions.
    let source = |i: i64| match mode {
        PadMode::Edge | PadMode::Constant(_) => i.clamp(0, n - 1),
        PadMode::Wrap => i.rem_euclid(n),
        PadMode::Symmetric => {
            let j = i.rem_euclid(2 * n);
            if j < n { j } else { 2 * n - 1 - j }
        }
        PadMode::Reflect if n == 1 => 0,
        PadMode::Reflect => {
            let j = i.rem_euclid(2 * n - 2);
            if j < n { j } else { 2 * n - 2 - j }
        }
    };
    let positions: Vec<i64> = (-(low as i64)..n + high as i64).map(source).collect();
    let mut parts: Vec<Array> = Vec::new();
    let mut start = 0;
    while start < positions.len() {
        let step = positions.get(start + 1).map_or(1, |next| next - positions[start]);
        // A jump ends a run of one.
        let step = if step.abs() > 1 { 1 } else { step };
        let mut end = start + 1;
        while end < positions.len() && positions[end] - positions[end - 1] == step {
            end += 1;
        }
        let (first, last) = (positions[start], positions[end - 1]);
        let axis_ = axis as i64;
        parts.push(match step {
            0 => repeat(lax::slice_in_dim(&x, first, first + 1, 1, axis_), end - start, axis_),
            _ if first <= last => lax::slice_in_dim(&x, first, last + 1, 1, axis_),
            _ => lax::rev(&lax::slice_in_dim(&x, last, first + 1, 1, axis_), &[axis]),
        });
        start = end;
    }
    lax::concatenate(&parts, axis)
}

/// The differences of neighbours along an axis, `n` times over.
///
/// # Errors
/// An axis out of range; a scalar.
#[track_caller]
pub fn diff(x: impl Into<Array>, n: usize, axis: i64) -> Array {
    let x = x.into();
    let axis = canonical_axis("diff", axis, x.ndim()) as i64;
    (0..n).fold(x, |x, _| {
        let size = x.shape()[axis as usize] as i64;
        let front = lax::slice_in_dim(&x, 1.min(size), size, 1, axis);
        let back = lax::slice_in_dim(&x, 0, (size - 1).max(0), 1, axis);
        if x.dtype().is_bool() { lax::ne(&front, &back) } else { lax::sub(&front, &back) }
    })
}

/// The differences of neighbours of the flattened array.
///
/// # Errors
/// `sub does not accept dtype bool`
#[track_caller]
pub fn ediff1d(x: impl Into<Array>) -> Array {
    let x = ravel(x);
    let n = x.size();
    let part =
        |start: usize, limit: usize| lax::slice_in_dim(&x, Some(start as i64), Some(limit as i64), 1, 0);
    lax::sub(&part(1.min(n), n), &part(0, n.saturating_sub(1)))
}
