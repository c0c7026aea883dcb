//! Vector quantisation. JAX: `jax.scipy.cluster.vq`.

use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
use crate::numpy::linalg::norm;
use crate::numpy::util::{inexact, promote_dtypes};
use crate::numpy::{argmin, min, subtract};

/// For each observation the row of `code_book` that is nearest, and how far it is. Observations are the rows of a matrix, or the
/// numbers of a vector.
///
/// # Errors
/// `vq: takes two matrices or two vectors, got f32[2,3] and f32[3]`; rows of different lengths.
/// ```
/// use raxla::Array;
/// use raxla::scipy::cluster::vq::vq;
///
/// let (codes, distances) = vq(Array::from([[0.0f32, 1.0], [5.0, 5.0]]), Array::from([[5.0f32, 4.0], [0.0, 0.0]]));
/// assert_eq!((codes.to_vec::<i32>()?, distances.to_vec::<f32>()?), (vec![1, 0], vec![1.0, 1.0]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn vq(obs: impl Into<Array>, code_book: impl Into<Array>) -> (Array, Array) {
    let [obs, codes] = promote_dtypes("vq", [&inexact(&obs.into()), &inexact(&code_book.into())]);
    let [obs, codes] = match (obs.ndim(), codes.ndim()) {
        (1, 1) => [lax::expand_dims(&obs, [1]), lax::expand_dims(&codes, [1])],
        (2, 2) => [obs, codes],
        _ => throw!(Shape, "vq: takes two matrices or two vectors, got {} and {}", obs.aval(), codes.aval()),
    };
    if obs.shape()[1] != codes.shape()[1] {
        throw!(
            Shape,
            "vq: observations and codes must be equally long, got {} and {}",
            obs.aval(),
            codes.aval()
        );
    }
    if codes.shape()[0] == 0 {
        throw!(Shape, "vq: there are no codes, got {}", codes.aval());
    }
    let distances = norm(subtract(lax::expand_dims(&obs, [1]), lax::expand_dims(&codes, [0])), -1);
    (argmin(&distances, -1), min(&distances, -1))
}
