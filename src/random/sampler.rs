//! Samplers run as one compiled program, and stand as one equation in a jaxpr. JAX: the `jit` decorators of `random`.

use smallvec::SmallVec;

use super::key::Key;
use crate::arguments::{Dims, ShapeDtype};
use crate::calls::jit_call;
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::config::{canonicalize, x64_enabled};
use crate::dtype::{DType, promote_types};
use crate::error::{OrThrow, throw};
use crate::lax::elementwise::tuple;

/// The result of `body`, which is traced once for each name, shape, dtype and `extra`, kind of the key, and types of arguments. `body`
/// captures no arrays.
#[track_caller]
pub(super) fn jitted(
    name: &'static str,
    shape: &[usize],
    dtype: DType,
    extra: i64,
    key: &Key,
    args: &[&Array],
    body: impl FnOnce(&Key, &[Array]) -> Array,
) -> Array {
    let of = key.of();
    let sizes = (Shape::from_slice(shape), dtype, extra, of);
    let all: SmallVec<[&Array; 4]> = std::iter::once(key.words()).chain(args.iter().copied()).collect();
    jit_call::jitted_list(name, sizes, &all, |all| body(&Key::of_words(of, all[0].clone()), &all[1..]))
}

/// Random bits, an unsigned integer of 8, 16, 32 or 64 bits for each element of `shape`.
#[track_caller]
pub(super) fn random_bits(key: &Key, bit_width: usize, shape: &[usize]) -> Array {
    crate::lax::random_bits(key.of(), key.words(), bit_width, shape)
}

/// New keys, an array of this shape.
#[track_caller]
pub(super) fn random_split(key: &Key, shape: &[usize]) -> Key {
    Key::of_words(key.of(), crate::lax::random_split(key.of(), key.words(), shape))
}

/// The sizes.
#[track_caller]
pub(super) fn sizes(name: &str, shape: &Dims) -> Shape {
    shape.shape(name).or_throw()
}

/// The shape, and the dtype in force; `default` unless one was given.
#[track_caller]
pub(super) fn shape_dtype(name: &str, of: &ShapeDtype, default: DType) -> (Shape, DType) {
    let (shape, dtype) = of.resolve(name, default).or_throw();
    (shape, canonicalize(dtype))
}

/// Two of this shape.
pub(super) fn stacked(shape: &[usize]) -> Shape {
    std::iter::once(2).chain(shape.iter().copied()).collect()
}

/// Ends with an error if a parameter's dtype holds numbers that `dtype` doesn't. JAX: `_check_all_safe_to_cast`.
#[track_caller]
pub(super) fn check_castable(name: &str, x: &Array, dtype: DType) {
    let common = promote_types((x.dtype(), x.weak_type()), (dtype, false), x64_enabled());
    if common.map_or(true, |(common, _)| common != dtype) {
        let from = x.dtype();
        throw!(DType, "In arguments to {name}, cannot safely cast argument of type {from} to {dtype}");
    }
}

/// Can arrays of these shapes be broadcast to `shape`? JAX: `random._check_shape`.
#[track_caller]
pub(super) fn check_shape(name: &str, shape: &[usize], params: &[&Array]) {
    let shapes: Vec<&[usize]> = params.iter().map(|x| x.shape()).collect();
    check_sizes(name, shape, &shapes);
}

/// [`check_shape`] of shapes.
#[track_caller]
pub(super) fn check_sizes(name: &str, shape: &[usize], params: &[&[usize]]) {
    for of in params {
        let fits = of.len() <= shape.len()
            && of.iter().rev().zip(shape.iter().rev()).all(|(m, n)| *m == 1 || m == n);
        if !fits {
            let shapes: Vec<String> = params.iter().map(|x| tuple(x)).collect();
            throw!(
                Shape,
                "{name} parameter shapes must be broadcast-compatible with shape argument, and the result of \
                 broadcasting the shapes must equal the shape argument, but got result {} for shape argument {}",
                shapes.join(", "),
                tuple(shape)
            );
        }
    }
}

/// `x` with axes of size one in front, up to this rank; scalars stay.
#[track_caller]
pub(super) fn to_rank(x: &Array, rank: usize) -> Array {
    if x.ndim() == 0 || x.ndim() == rank {
        return x.clone();
    }
    let axes: Shape = (0..rank.saturating_sub(x.ndim())).collect();
    crate::lax::expand_dims(x, &axes)
}

/// `x` broadcast to this shape, as NumPy does.
#[track_caller]
pub(super) fn to_shape(x: &Array, shape: &[usize]) -> Array {
    let dims: Shape = (shape.len().saturating_sub(x.ndim())..shape.len()).collect();
    crate::lax::broadcast_in_dim(x, shape, &dims)
}
