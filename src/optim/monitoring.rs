//! Measures of updates, kept in the state. Optax: `transforms/_monitoring.py`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::accumulators::ema;
use super::{GradientTransformation, Hyperparam, OptState};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::numpy;
use crate::tree::{self, AnyTree};

#[derive(Pytree)]
struct SnapshotState {
    measurement: BTreeMap<String, Array>,
}

/// Keeps what a function says of the last updates in the state, under a name. Updates stay as they are.
///
/// ```
/// use raxla::{Array, optim};
///
/// let norm = optim::snapshot("norm", |updates| optim::global_norm(updates));
/// let tx = optim::chain((norm, optim::sgd(0.1)));
/// let grads = Array::from([3.0f32, 4.0]);
/// let (_, state) = tx.update(&grads, &tx.init(&grads)?, &grads)?;
/// assert_eq!(state.find("norm")?.to::<Array>()?.item::<f32>()?, 5.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn snapshot(
    measure_name: &str,
    measure: impl Fn(&AnyTree) -> Array + Send + Sync + 'static,
) -> GradientTransformation {
    let (name, measure) = (measure_name.to_owned(), Arc::new(measure));
    let (name_too, measure_too) = (name.clone(), measure.clone());
    let state = |name: &str, value| SnapshotState { measurement: [(name.to_owned(), value)].into() };
    GradientTransformation::new(
        "snapshot",
        move |params| Ok(state(&name_too, measure_too(params))),
        move |updates, _, _| {
            let next = state(&name, measure(&updates));
            Ok((updates, next))
        },
    )
}

#[derive(Pytree)]
struct MonitorState {
    measurements: BTreeMap<String, Array>,
    measure_states: BTreeMap<String, OptState>,
}

/// [`snapshot`] whose value is the mean over time, of which `decay` stays at each step. Optax: `monitor` of `measure_with_ema`.
#[track_caller]
pub fn monitor_with_ema(
    measure_name: &str,
    measure: impl Fn(&AnyTree) -> Array + Send + Sync + 'static,
    decay: impl Into<Hyperparam>,
) -> GradientTransformation {
    let (name, mean) = (measure_name.to_owned(), ema(decay));
    let measure = Arc::new(measure);
    let (name_too, mean_too, measure_too) = (name.clone(), mean.clone(), measure.clone());
    let state = |name: &str, value: Array, state| -> Result<MonitorState> {
        let (measurements, measure_states) =
            ([(name.to_owned(), value)].into(), [(format!("{name}_state"), state)].into());
        Ok(MonitorState { measurements, measure_states })
    };
    GradientTransformation::new(
        "monitor",
        move |params| {
            let value = measure_too(params);
            let inner = mean_too.init_any(&AnyTree::new(&value))?;
            state(&name_too, numpy::zeros_like(value), inner)
        },
        move |updates, last: MonitorState, cx| {
            let own = format!("{name}_state");
            let old = AnyTree::new(&last.measure_states).find(&own)?;
            let (value, inner) = mean.update_any(AnyTree::new(&measure(&updates)), &old, cx)?;
            Ok((updates, state(&name, value.into_typed()?, inner)?))
        },
    )
}

#[derive(Pytree)]
struct DistanceState {
    max_dist: AnyTree,
    grad_sum_of_squares: AnyTree,
    init_params: AnyTree,
}

options! {
    /// Options of [`scale_by_distance_over_gradients_with`].
    pub struct DistanceOverGradientsOptions {
        /// The first distance, relative to the norm of a parameter.
        reps_rel: into Hyperparam = 1e-6,
        /// Added to the sums of squares.
        eps: into Hyperparam = 1e-8,
        /// The dtype in which the first parameters are kept.
        param_dtype: value DType = DType::F32,
        /// What steps are multiplied by.
        global_scale: into Hyperparam = 1.0,
    }
}

/// Steps by how far a parameter has come, over the sum of its gradients' squares. Ivgi et al. 2023, <https://arxiv.org/abs/2302.12022>.
#[track_caller]
pub fn scale_by_distance_over_gradients() -> GradientTransformation {
    scale_by_distance_over_gradients_with(DistanceOverGradientsOptions::new())
}

/// [`scale_by_distance_over_gradients`] with other constants.
#[track_caller]
pub fn scale_by_distance_over_gradients_with(
    options: DistanceOverGradientsOptions,
) -> GradientTransformation {
    let DistanceOverGradientsOptions { reps_rel, eps, param_dtype, global_scale } = options;
    let norm = |x: &Array| numpy::sqrt(numpy::square(x).sum(..));
    GradientTransformation::new(
        "scale_by_distance_over_gradients",
        move |params| {
            Ok(DistanceState {
                max_dist: tree::map(|x| (1.0 + norm(x)) * &reps_rel, params),
                grad_sum_of_squares: tree::map(|_| numpy::zeros(1), params),
                init_params: tree::map(|x| x.astype(param_dtype), params),
            })
        },
        move |updates, state: DistanceState, cx| {
            let far = |d: &Array, x: &Array, first: &Array| numpy::maximum(d, norm(&(x - first)));
            let max_dist = tree::map3(far, &state.max_dist, cx.params, &state.init_params);
            let sums = tree::map2(|s, g| s + numpy::square(g).sum(..), &state.grad_sum_of_squares, &updates);
            let scaled = |g: &Array, d: &Array, s: &Array| d / numpy::sqrt(s + &eps) * &global_scale * g;
            let updates = tree::map3(scaled, &updates, &max_dist, &sums);
            let init_params = state.init_params;
            Ok((updates, DistanceState { max_dist, grad_sum_of_squares: sums, init_params }))
        },
    )
}
