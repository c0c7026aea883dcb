//! Losses of a maximum. Optax: `losses/_fenchel_young.py`.

use crate::api::vmap;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{Result, bail, caller, catch};
use crate::numpy;
use crate::signature::Output;

/// The Fenchel-Young loss of a maximum: a function of scores and targets, `max_fun(scores) - ⟨targets, scores⟩` of each vector along the
/// last axis, `f32[..,n]`, `f32[..,n]` -> `f32[..]`. `max_fun` makes one number of a vector. Blondel et al. 2020,
/// <https://arxiv.org/abs/1901.02324>.
///
/// ```
/// use raxla::{Array, nn, optim};
///
/// let loss = optim::make_fenchel_young_loss(|scores: &Array| nn::logsumexp(scores, ..));
/// let (scores, targets) = (Array::from([1.0f32, 2.0]), Array::from([0.0f32, 1.0]));
/// let theirs = optim::softmax_cross_entropy(&scores, &targets).item::<f32>()?;
/// assert!((loss(&scores, &targets)?.item::<f32>()? - theirs).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Of the loss: scores without an axis; shapes that do not broadcast; what `max_fun` fails with.
#[track_caller]
pub fn make_fenchel_young_loss<O: Output<Tree = Array>>(
    max_fun: impl Fn(&Array) -> O + Send + Sync,
) -> impl Fn(&Array, &Array) -> Result<Array> + Send + Sync {
    // A closure has no caller: errors are of the line that made it.
    let loc = caller();
    move |scores: &Array, targets: &Array| {
        let of_one = |x: &Array| max_fun(x).into_result();
        let loss = || {
            let [leading @ .., n] = scores.shape() else {
                bail!(Shape, "fenchel_young_loss: requires scores with an axis, got {}", scores.aval())
            };
            let largest = match leading {
                [] => of_one(scores)?,
                _ => {
                    let rows = numpy::reshape(scores, [leading.iter().product(), *n]);
                    numpy::reshape(vmap(of_one)(&rows)?, leading.to_vec())
                }
            };
            Ok(largest - numpy::vecdot(targets, scores, -1))
        };
        with_location(loc, || catch(loss)).map_err(|e| e.at(loc))
    }
}
