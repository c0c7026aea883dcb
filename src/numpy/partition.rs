//! Arrays divided at an element, and complex numbers in order. JAX: `numpy/sorting.py`.

use crate::arguments::Axis;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::indexing::Index;
use crate::numpy::swapaxes;
use crate::numpy::util::default_int;

/// The array with its axis last, which axis that is, and the position of the element.
#[track_caller]
fn divided(name: &str, x: &Array, kth: i64, axis: Axis) -> (Array, usize, usize) {
    if x.dtype().is_complex() {
        throw!(DType, "{name}: there is no partition of complex numbers, got {}", x.aval());
    }
    let axis = axis_of(name, axis, x);
    let at = Axis::from(kth).position(name, x.shape()[axis]).map_err(|_| {
        let n = x.shape()[axis];
        crate::error::err!(
            Shape,
            "{name}: kth = {kth} is out of bounds for the {n} elements of axis {axis} of {}",
            x.aval()
        )
    });
    (swapaxes(x, axis, -1), axis, at.or_throw())
}

/// What the smallest elements are the largest of. Zero is the smallest unsigned integer, and its negative too.
#[track_caller]
fn negated(x: &Array) -> Array {
    if x.dtype().is_unsigned() { lax::neg(&(x + 1)) } else { lax::neg(x) }
}

/// The array divided along an axis: first the smallest elements up to the one that [`sort`](super::sort) has at position `kth`,
/// which is in its place, then the larger ones.
///
/// # Errors
/// Complex numbers; a position or an axis out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = jnp::partition(Array::from([6, 8, 4, 3, 1, 9, 7]), 2, -1);
/// assert_eq!(x.index(2).item::<i32>()?, 4);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn partition(x: impl Into<Array>, kth: i64, axis: impl Into<Axis>) -> Array {
    let axis = axis.into();
    jitted("partition", (kth, axis), [&x.into()], |[x]| {
        let (x, axis, kth) = divided("partition", x, kth, axis);
        let rank = x.ndim();
        let (least, _) = lax::top_k(&negated(&x), kth + 1, -1);
        let least = if x.dtype().is_unsigned() { lax::neg(&least) - 1 } else { lax::neg(&least) };
        let (most, _) = lax::top_k(&x, x.shape()[rank - 1] - kth - 1, -1);
        swapaxes(lax::concatenate([least, most], rank - 1), -1, axis)
    })
}

/// Where the elements of [`partition`] come from.
///
/// # Errors
/// As [`partition`].
#[track_caller]
pub fn argpartition(x: impl Into<Array>, kth: i64, axis: impl Into<Axis>) -> Array {
    let axis = axis.into();
    jitted("argpartition", (kth, axis), [&x.into()], |[x]| {
        let (x, axis, kth) = divided("argpartition", x, kth, axis);
        let rank = x.ndim();
        let (_, least) = lax::top_k(&negated(&x), kth + 1, -1);
        // The others, each once.
        let mut at: Vec<Index> = (0..rank - 1)
            .map(|d| Index::Array(lax::broadcasted_iota(default_int(), least.shape(), d)))
            .collect();
        at.push(Index::Array(least.clone()));
        let others = lax::full(x.shape(), lax::literal(DType::F32, 1.0)).at(at).set(0);
        let (_, most) = lax::top_k(&others, x.shape()[rank - 1] - kth - 1, -1);
        swapaxes(lax::concatenate([least, most], rank - 1), -1, axis)
    })
}

/// The elements in ascending order along the last axis, as complex numbers: by their real parts first.
///
/// # Errors
/// A scalar.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = jnp::sort_complex(Array::from([3.0f32, 1.0]));
/// assert_eq!((x.aval().to_string(), jnp::real(&x).to_vec::<f32>()?), ("c64[2]".to_string(), vec![1.0, 3.0]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn sort_complex(x: impl Into<Array>) -> Array {
    jitted("sort_complex", (), [&x.into()], |[x]| {
        let wide = x.dtype().bits() == 64;
        lax::convert_element_type(&lax::sort(x, -1), if wide { DType::C128 } else { DType::C64 })
    })
}
