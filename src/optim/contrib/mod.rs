//! Optimisers that Optax has in `optax.contrib`.

mod adaptive;
mod ademamix;
mod complex_valued;
mod distance;
mod galore;
mod mechanize;
mod momo;
mod parameter_free;
mod plateau;
mod privacy;
mod sam;
mod schedule_free;
mod sophia;

pub use adaptive::*;
pub use ademamix::*;
pub use complex_valued::*;
pub use distance::*;
pub use galore::*;
pub use mechanize::*;
pub use momo::*;
pub use parameter_free::*;
pub use plateau::*;
pub use privacy::*;
pub use sam::*;
pub use schedule_free::*;
pub use sophia::*;

use super::Hyperparam;
use super::math::tree_vdot;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::numpy;
use crate::tree::AnyTree;

/// The dtype of numbers that parameters are multiplied by: the narrowest of theirs, so that none of them is promoted. Of complex
/// parameters it is that of their parts: rates and distances are real, which Optax's are not.
fn narrowest_float(params: &AnyTree) -> DType {
    let floats = params.leaves().iter().map(|p| p.dtype().real()).filter(|dtype| dtype.is_float());
    floats.min_by_key(|dtype| dtype.bits()).unwrap_or(DType::F32)
}

/// The inner product of two trees as real vectors.
#[track_caller]
fn real_vdot(x: &AnyTree, y: &AnyTree) -> Array {
    numpy::real(tree_vdot(x, y))
}

/// Fails for a known number that is not positive.
#[track_caller]
fn require_positive(op: &str, name: &str, value: &Hyperparam) {
    if let Some(x) = value.number().filter(|x| *x <= 0.0 || !x.is_finite()) {
        throw!(InvalidArgument, "{op}: {name} = {x}: requires a positive number");
    }
}
