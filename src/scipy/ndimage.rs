//! Elements of arrays between their positions. JAX: `jax.scipy.ndimage`.

use std::borrow::Borrow;

use crate::arguments::options;
use crate::calls::jit_call::jitted_list;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::{broadcast_shapes, strong};
use crate::numpy::{
    Index, abs, clip, floor, floor_divide, greater_equal, less, logical_and, multiply, remainder, subtract,
    where_,
};

/// What stands beyond the edges of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CoordinateMode {
    /// One value: `k k | a b c | k k`.
    #[default]
    Constant,
    /// The element at the edge: `a a | a b c | c c`.
    Nearest,
    /// The array again: `b c | a b c | a b`.
    Wrap,
    /// The array backwards, without the element at the edge: `c b | a b c | b a`.
    Mirror,
    /// The array backwards: `b a | a b c | c b`.
    Reflect,
}

options! {
    /// Options of [`map_coordinates_with`].
    pub struct MapCoordinatesOptions {
        /// What stands beyond the edges.
        mode: value CoordinateMode = CoordinateMode::Constant,
        /// The value of the mode [`Constant`](CoordinateMode::Constant).
        cval: into Array = 0.0,
    }
}

/// The elements at coordinates that need not be integers, an array for each axis, which broadcast: of `order` 0 the nearest ones,
/// of 1 means in proportion to the distances along all axes. Zeros beyond the edges.
///
/// # Errors
/// `map_coordinates: takes coordinates along each of the 2 axes of f32[3,4], got 1`; another order.
/// ```
/// use raxla::scipy::ndimage::map_coordinates;
/// use raxla::Array;
///
/// let x = Array::from([[0.0f32, 1.0], [2.0, 3.0]]);
/// let middle = map_coordinates(&x, [Array::from(0.5), Array::from(0.5)], 1);
/// assert_eq!(middle.item::<f32>()?, 1.5);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn map_coordinates<T: Borrow<Array>>(
    input: impl Into<Array>,
    coordinates: impl AsRef<[T]>,
    order: usize,
) -> Array {
    map_coordinates_with(input, coordinates, order, MapCoordinatesOptions::new())
}

/// [`map_coordinates`] by options.
///
/// # Errors
/// As [`map_coordinates`].
#[track_caller]
pub fn map_coordinates_with<T: Borrow<Array>>(
    input: impl Into<Array>,
    coordinates: impl AsRef<[T]>,
    order: usize,
    options: MapCoordinatesOptions,
) -> Array {
    const NAME: &str = "map_coordinates";
    let (input, mode) = (input.into(), options.mode);
    let coordinates: Vec<&Array> = coordinates.as_ref().iter().map(Borrow::borrow).collect();
    if coordinates.len() != input.ndim() {
        let (n, x) = (coordinates.len(), input.aval());
        throw!(Shape, "{NAME}: takes coordinates along each of the {} axes of {x}, got {n}", input.ndim());
    }
    if order > 1 {
        throw!(InvalidArgument, "{NAME}: order must be 0 or 1, got {order}");
    }
    if coordinates.is_empty() {
        throw!(Shape, "{NAME}: takes an array with axes, got {}", input.aval());
    }
    let shapes: Vec<&[usize]> = coordinates.iter().map(|c| c.shape()).collect();
    broadcast_shapes(&shapes).map_err(|e| e.context(NAME)).or_throw();
    let cval = strong(&options.cval, input.dtype());
    let mut args = vec![&input, &cval];
    args.extend(coordinates);
    jitted_list("_map_coordinates", (order, mode), &args, |args| {
        interpolated(&args[0], &args[1], &args[2..], order, mode)
    })
}

/// A position with its weight, and whether it is inside.
type Node = (Array, Option<Array>, Array);

#[track_caller]
fn rounded(x: &Array) -> Array {
    if x.dtype().is_inexact() { lax::round(x) } else { x.clone() }
}

#[track_caller]
fn mirrored(index: &Array, size: i64) -> Array {
    let half = size - 1;
    abs(subtract(remainder(index + half, 2 * half), half))
}

#[track_caller]
fn fixed(index: &Array, size: i64, mode: CoordinateMode) -> Array {
    match mode {
        CoordinateMode::Constant => index.clone(),
        CoordinateMode::Nearest => clip(index, 0, size - 1),
        CoordinateMode::Wrap => remainder(index, size),
        CoordinateMode::Mirror => mirrored(index, size),
        CoordinateMode::Reflect => floor_divide(mirrored(&(multiply(2, index) + 1), 2 * size + 1) - 1, 2),
    }
}

/// The positions that make the element at a coordinate.
#[track_caller]
fn nodes(coordinate: &Array, size: usize, order: usize, mode: CoordinateMode) -> Vec<Node> {
    let size = size as i64;
    let node = |index: Array, weight: Array| {
        let inside = (mode == CoordinateMode::Constant)
            .then(|| logical_and(greater_equal(&index, 0), less(&index, size)));
        (fixed(&index, size, mode), inside, weight)
    };
    if order == 0 {
        let index = strong(&rounded(coordinate), DType::I32);
        return vec![node(index, lax::literal(coordinate.dtype(), 1.0))];
    }
    let lower = floor(coordinate);
    let above = subtract(coordinate, &lower);
    let below = subtract(1, &above);
    let index = strong(&lower, DType::I32);
    let next = &index + 1;
    vec![node(index, below), node(next, above)]
}

#[track_caller]
fn interpolated(x: &Array, cval: &Array, at: &[Array], order: usize, mode: CoordinateMode) -> Array {
    // Every choice of one position along each axis.
    let mut choices: Vec<Vec<Node>> = vec![Vec::new()];
    for (coordinate, size) in at.iter().zip(x.shape()) {
        let nodes = nodes(coordinate, *size, order, mode);
        let mut longer = Vec::with_capacity(choices.len() * nodes.len());
        for choice in &choices {
            for node in &nodes {
                let mut choice = choice.clone();
                choice.push(node.clone());
                longer.push(choice);
            }
        }
        choices = longer;
    }
    let mut total: Option<Array> = None;
    for choice in choices {
        let index: Vec<Index> = choice.iter().map(|(index, _, _)| Index::from(index)).collect();
        let mut element = x.index(index);
        let inside =
            choice.iter().filter_map(|(_, inside, _)| inside.clone()).reduce(|a, b| logical_and(a, b));
        if let Some(inside) = inside {
            element = where_(inside, element, cval);
        }
        let weights = choice.into_iter().map(|(_, _, weight)| weight);
        let part = match weights.reduce(|a, b| multiply(a, b)) {
            Some(weight) => multiply(weight, element),
            None => element,
        };
        total = Some(total.map_or_else(|| part.clone(), |total| total + &part));
    }
    let total = total.unwrap_or_else(|| x.clone());
    let total = if x.dtype().is_integer() { rounded(&total) } else { total };
    strong(&total, x.dtype())
}
