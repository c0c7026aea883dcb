//! Samplers run as one compiled program, and stand as one equation in a jaxpr. JAX: the `jit` decorators of `random`.

use crate::control_flow::jit_call;
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax::elementwise::tuple;

/// The result of `body`, which is traced once for each name, shape, dtype and `extra`, and types of arguments. `body`
/// captures no arrays.
#[track_caller]
pub(super) fn jitted(
    name: &'static str,
    shape: &[usize],
    dtype: DType,
    extra: i64,
    args: &[&Array],
    body: impl FnOnce(&[Array]) -> Array,
) -> Array {
    let sizes = shape.iter().map(|n| *n as i64);
    jit_call::jitted(name, sizes.chain([dtype as i64, extra]), args, body)
}

/// Can arrays of these shapes be broadcast to `shape`? JAX: `random._check_shape`.
#[track_caller]
pub(super) fn check_shape(name: &str, shape: &[usize], params: &[&Array]) {
    for x in params {
        let fits = x.ndim() <= shape.len()
            && x.shape().iter().rev().zip(shape.iter().rev()).all(|(m, n)| *m == 1 || m == n);
        if !fits {
            let shapes: Vec<String> = params.iter().map(|x| tuple(x.shape())).collect();
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
