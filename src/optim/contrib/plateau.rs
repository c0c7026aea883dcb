//! A scale that falls when the loss does not. Optax: `contrib/_reduce_on_plateau.py`.

use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::numpy;
use crate::optim::GradientTransformation;
use crate::optim::math::{safe_increment, select, zero_count};
use crate::tree;

options! {
    /// Options of [`reduce_on_plateau_with`].
    pub struct PlateauOptions {
        /// What the scale is multiplied by.
        factor: value f64 = 0.1,
        /// After how many values without improvement.
        patience: value usize = 10,
        /// Which part of the best value is an improvement.
        rtol: value f64 = 1e-4,
        /// What of it is an improvement.
        atol: value f64 = 0.0,
        /// How many values are then not looked at.
        cooldown: value usize = 0,
        /// How many losses a value is the mean of.
        accumulation_size: value usize = 1,
        /// The smallest scale.
        min_scale: value f64 = 0.0,
    }
}

#[derive(Clone, Pytree)]
struct PlateauState {
    scale: Array,
    best_value: Array,
    plateau_count: Array,
    cooldown_count: Array,
    count: Array,
    avg_value: Array,
}

/// Multiplies updates by a number that becomes smaller when the loss does not any more. `update_with` needs the loss.
#[track_caller]
pub fn reduce_on_plateau() -> GradientTransformation {
    reduce_on_plateau_with(PlateauOptions::new())
}

/// [`reduce_on_plateau`] with other constants.
///
/// # Panics
/// `reduce_on_plateau: factor = 2: requires a number between 0 and 1`; tolerances that are negative, or both zero, at the caller's line.
#[track_caller]
pub fn reduce_on_plateau_with(options: PlateauOptions) -> GradientTransformation {
    let PlateauOptions { factor, patience, rtol, atol, cooldown, accumulation_size, min_scale } = options;
    if factor <= 0.0 || factor >= 1.0 || factor.is_nan() {
        throw!(InvalidArgument, "reduce_on_plateau: factor = {factor}: requires a number between 0 and 1");
    }
    if !(0.0..=1.0).contains(&rtol) || atol < 0.0 || rtol + atol == 0.0 {
        throw!(
            InvalidArgument,
            "reduce_on_plateau: rtol = {rtol}, atol = {atol}: requires rtol between 0 and 1, atol of at least 0, and one of them positive"
        );
    }
    GradientTransformation::new(
        "reduce_on_plateau",
        |params| {
            let floats = || params.leaves().iter().map(|p| p.dtype().real()).filter(|dtype| dtype.is_float());
            let least = floats().min_by_key(|dtype| dtype.bits()).unwrap_or(DType::F32);
            let most = floats().max_by_key(|dtype| dtype.bits()).unwrap_or(DType::F32);
            Ok(PlateauState {
                scale: numpy::ones(((), least)),
                best_value: numpy::full(((), most), f64::INFINITY),
                plateau_count: zero_count(),
                cooldown_count: zero_count(),
                count: zero_count(),
                avg_value: numpy::zeros(((), most)),
            })
        },
        move |updates, state: PlateauState, cx| {
            let dtype = state.avg_value.dtype();
            let count = safe_increment(&state.count);
            let value = cx.value()?.astype(dtype);
            let mean = ((&state.count * &state.avg_value + value) / &count).astype(dtype);
            let running = PlateauState { avg_value: mean.clone(), count: count.clone(), ..state.clone() };
            // What becomes of it once so many losses are there.
            let improved = numpy::less(&mean, &state.best_value * (1.0 - rtol) - atol);
            let row = numpy::where_(&improved, zero_count(), safe_increment(&state.plateau_count));
            let cooling = numpy::greater(&state.cooldown_count, 0);
            let over = numpy::logical_and(numpy::equal(&row, patience), numpy::logical_not(&cooling));
            let smaller =
                numpy::maximum(numpy::where_(&over, &state.scale * factor, &state.scale), min_scale);
            let fresh = numpy::where_(&over, cooldown, 0).astype(DType::I32);
            let reset = numpy::logical_or(&cooling, &over);
            let looked = PlateauState {
                scale: numpy::where_(&cooling, &state.scale, smaller).astype(state.scale.dtype()),
                best_value: numpy::where_(&improved, &mean, &state.best_value),
                plateau_count: numpy::where_(reset, zero_count(), row),
                cooldown_count: numpy::where_(&cooling, &state.cooldown_count - 1, fresh),
                count: zero_count(),
                avg_value: numpy::zeros_like(&mean),
            };
            let next = select(&numpy::equal(count, accumulation_size), &looked, &running);
            Ok((tree::map(|g| g * &next.scale, &updates), next))
        },
    )
}
