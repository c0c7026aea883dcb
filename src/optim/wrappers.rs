//! Optimisers around other optimisers. Optax: `transforms/_accumulation.py`, `_conditionality.py`, `_src/lookahead.py`, `schedules/_inject.py`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::math::{self, cast_like, safe_increment, select, zero_count, zeros_like, zeros_of};
use super::{Context, GradientTransformation, Hyperparam, OptState, Schedule};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::custom_derivatives::custom_vjp;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, caller, throw};
use crate::tree::{self, AnyTree};
use crate::{lax, numpy};

/// Are all elements of a tree finite?
#[track_caller]
pub(super) fn all_finite<T: Pytree>(tree: &T) -> Array {
    let each = tree::leaves(tree).into_iter().map(|x| numpy::all(numpy::isfinite(x), ..));
    each.reduce(|x, y| numpy::logical_and(x, y)).unwrap_or_else(|| numpy::array(true))
}

#[derive(Pytree)]
struct ApplyIfFiniteState {
    notfinite_count: Array,
    last_finite: Array,
    total_notfinite: Array,
    inner_state: OptState,
}

/// `inner`, but where an update is not finite it is zero, unless that happened more than so many times in a row.
#[track_caller]
pub fn apply_if_finite(
    inner: GradientTransformation,
    max_consecutive_errors: usize,
) -> GradientTransformation {
    let of_init = inner.clone();
    GradientTransformation::new(
        "apply_if_finite",
        move |params| {
            Ok(ApplyIfFiniteState {
                notfinite_count: zero_count(),
                last_finite: numpy::array(true),
                total_notfinite: zero_count(),
                inner_state: of_init.init_any(params)?,
            })
        },
        move |updates, state: ApplyIfFiniteState, cx| {
            let finite = all_finite(&updates);
            let count = |count: &Array| safe_increment(count);
            let row = numpy::where_(&finite, zero_count(), count(&state.notfinite_count));
            let go_on = numpy::logical_or(&finite, numpy::greater(&row, max_consecutive_errors));
            let (updates, inner_state) = conditionally(&inner, go_on, updates, state.inner_state, cx, true)?;
            let total = numpy::where_(&finite, &state.total_notfinite, count(&state.total_notfinite));
            let state = ApplyIfFiniteState {
                notfinite_count: row,
                last_finite: finite,
                total_notfinite: total,
                inner_state,
            };
            Ok((updates, state))
        },
    )
}

/// `inner` if `condition`; else the updates as they are, or zeros, and the same state.
fn conditionally(
    inner: &GradientTransformation,
    condition: Array,
    updates: AnyTree,
    state: OptState,
    cx: &Context<'_>,
    zeros: bool,
) -> Result<(AnyTree, OptState)> {
    lax::cond(
        condition,
        |(updates, state): (AnyTree, OptState)| inner.update_any(updates, &state, cx),
        |(updates, state): (AnyTree, OptState)| {
            let updates = if zeros { zeros_like(&updates) } else { updates };
            Ok((updates, state))
        },
        (updates, state),
    )
}

#[derive(Pytree)]
struct ConditionalState {
    inner_state: OptState,
    step: Array,
}

fn conditional(
    name: &'static str,
    inner: GradientTransformation,
    condition: impl Fn(&Array) -> Array + Send + Sync + 'static,
    zeros: bool,
) -> GradientTransformation {
    let of_init = inner.clone();
    GradientTransformation::new(
        name,
        move |params| Ok(ConditionalState { inner_state: of_init.init_any(params)?, step: zero_count() }),
        move |updates, ConditionalState { inner_state, step }, cx| {
            let (updates, inner_state) =
                conditionally(&inner, condition(&step), updates, inner_state, cx, zeros)?;
            Ok((updates, ConditionalState { inner_state, step: safe_increment(step) }))
        },
    )
}

/// `inner` at those steps at which a function of the step is true; at others updates stay as they are.
#[track_caller]
pub fn conditionally_transform(
    inner: GradientTransformation,
    should_transform_fn: impl Fn(&Array) -> Array + Send + Sync + 'static,
) -> GradientTransformation {
    conditional("conditionally_transform", inner, should_transform_fn, false)
}

/// `inner` at those steps at which a function of the step is true; at others updates are zero.
#[track_caller]
pub fn conditionally_mask(
    inner: GradientTransformation,
    should_transform_fn: impl Fn(&Array) -> Array + Send + Sync + 'static,
) -> GradientTransformation {
    conditional("conditionally_mask", inner, should_transform_fn, true)
}

/// Whether [`multi_steps`] leaves gradients out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SkipUpdates {
    /// Those with an element that is not finite. Optax: `skip_not_finite`.
    NotFinite,
    /// Those whose squared norm is not less than this. Optax: `skip_large_updates`.
    Large {
        /// The squared norm.
        max_squared_norm: f64,
    },
}

options! {
    /// Options of [`multi_steps_with`].
    pub struct MultiStepsOptions {
        /// Is the mean of gradients taken? Else their sum.
        use_grad_mean: value bool = true,
        /// Which gradients are left out.
        should_skip_update_fn: optional SkipUpdates,
        /// The dtype of the mean.
        accumulator_dtype: value DType = DType::F32,
    }
}

#[derive(Pytree)]
struct MultiStepsState {
    mini_step: Array,
    gradient_step: Array,
    inner_opt_state: OptState,
    acc_grads: AnyTree,
    skip_state: BTreeMap<String, Array>,
}

/// A step of `opt` for every `k` gradients, with their mean; the updates in between are zero. Optax: `MultiSteps`.
///
/// `k` may be a function of the number of steps made.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::multi_steps(optim::sgd(1.0), 2);
/// let (params, state) = (Array::from(0.0f32), tx.init(&Array::from(0.0f32))?);
/// let (first, state) = tx.update(&Array::from(1.0f32), &state, &params)?;
/// let (second, _) = tx.update(&Array::from(3.0f32), &state, &params)?;
/// assert_eq!((first.item::<f32>()?, second.item::<f32>()?), (0.0, -2.0));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn multi_steps(
    opt: GradientTransformation,
    every_k_schedule: impl Into<Schedule>,
) -> GradientTransformation {
    multi_steps_with(opt, every_k_schedule, MultiStepsOptions::new())
}

/// [`multi_steps`] that leaves some gradients out, or adds them up.
#[track_caller]
pub fn multi_steps_with(
    opt: GradientTransformation,
    every_k_schedule: impl Into<Schedule>,
    options: MultiStepsOptions,
) -> GradientTransformation {
    let every: Schedule = every_k_schedule.into();
    if let Some(k) = every.constant().and_then(Hyperparam::number).filter(|k| *k < 1.0 || k.fract() != 0.0) {
        throw!(InvalidArgument, "multi_steps: every_k_schedule = {k}: requires an integer of at least 1");
    }
    let MultiStepsOptions { use_grad_mean, should_skip_update_fn: skip, accumulator_dtype } = options;
    let (of_init, skip_of_init) = (opt.clone(), skip.clone());
    GradientTransformation::new(
        "multi_steps",
        move |params| {
            let skip_state = match &skip_of_init {
                Some(skip) => skip.ask(&zeros_like(params)).1,
                None => BTreeMap::new(),
            };
            Ok(MultiStepsState {
                mini_step: zero_count(),
                gradient_step: zero_count(),
                inner_opt_state: of_init.init_any(params)?,
                acc_grads: zeros_of(params, Some(accumulator_dtype)),
                skip_state,
            })
        },
        move |updates, state: MultiStepsState, cx| {
            let step = |(updates, state): (AnyTree, MultiStepsState)| {
                one_of_many(&opt, &every, use_grad_mean, accumulator_dtype, updates, state, cx)
            };
            let Some(skip) = &skip else { return step((updates, state)) };
            let (should_skip, skip_state) = skip.ask(&updates);
            let state = MultiStepsState { skip_state, ..state };
            lax::cond(
                should_skip,
                |(updates, state): (AnyTree, MultiStepsState)| (zeros_like(&updates), state),
                step,
                (updates, state),
            )
        },
    )
}

impl SkipUpdates {
    fn ask(&self, updates: &AnyTree) -> (Array, BTreeMap<String, Array>) {
        let count = |x: &Array| numpy::logical_not(numpy::isfinite(x)).astype(DType::I32).sum(..);
        let (name, measure, skip) = match self {
            SkipUpdates::NotFinite => {
                let counts = updates.leaves().iter().map(count);
                let count = counts.fold(zero_count(), |x, y| x + y);
                let skip = numpy::greater(&count, 0);
                ("num_not_finite", count, skip)
            }
            SkipUpdates::Large { max_squared_norm } => {
                let squares = math::norm_sq(updates);
                // Of no number too.
                let skip = numpy::logical_not(numpy::less(&squares, *max_squared_norm));
                ("norm_squared", squares, skip)
            }
        };
        let state = [("should_skip".to_owned(), skip.clone()), (name.to_owned(), measure)];
        (skip, state.into())
    }
}

fn one_of_many(
    opt: &GradientTransformation,
    every: &Schedule,
    use_grad_mean: bool,
    dtype: DType,
    updates: AnyTree,
    state: MultiStepsState,
    cx: &Context<'_>,
) -> Result<(AnyTree, MultiStepsState)> {
    let k = every.at(&state.gradient_step).astype(DType::I32);
    let add = |g: &Array, acc: &Array| match use_grad_mean {
        // Welford's algorithm.
        true => acc + (g - acc) / (&state.mini_step + 1),
        false => g + acc,
    };
    let acc = tree::map2(add, &updates, &state.acc_grads);
    let (new, inner) = opt.update_any(cast_like(&acc, &updates), &state.inner_opt_state, cx)?;
    let emit = numpy::equal(&state.mini_step, &k - 1);
    let kept = |new: &Array, old: &Array| numpy::where_(&emit, new, old).astype(old.dtype());
    let next = MultiStepsState {
        mini_step: safe_increment(&state.mini_step) % k,
        gradient_step: numpy::where_(&emit, safe_increment(&state.gradient_step), &state.gradient_step),
        inner_opt_state: tree::map2(kept, &inner, &state.inner_opt_state),
        acc_grads: tree::map(|acc| numpy::where_(&emit, 0, acc).astype(dtype), &acc),
        skip_state: state.skip_state,
    };
    Ok((tree::map(|u| &emit * u, &new), next))
}

/// Was the last update of a [`multi_steps`] a step of its optimiser? Optax: `MultiSteps.has_updated`.
///
/// # Errors
/// A state of another optimiser, or of one with several of them.
#[track_caller]
pub fn has_updated(state: &OptState) -> Result<Array> {
    let [mini, steps] = ["mini_step", "gradient_step"].map(|name| state.find(name)?.into_typed::<Array>());
    Ok(numpy::logical_and(numpy::equal(mini?, 0), numpy::greater(steps?, 0)))
}

/// Parameters that are trained by [`lookahead`]: fast ones, which gradients are of, and slow ones, which are the result.
#[derive(Clone, Debug, Pytree)]
pub struct LookaheadParams<P: Pytree> {
    /// Those of the fast optimiser.
    pub fast: P,
    /// Those that follow.
    pub slow: P,
}

impl<P: Pytree + Clone> LookaheadParams<P> {
    /// Both the same.
    pub fn init_synced(params: P) -> Self {
        LookaheadParams { fast: params.clone(), slow: params }
    }
}

options! {
    /// Options of [`lookahead_with`].
    pub struct LookaheadOptions {
        /// Does the fast optimiser begin anew at each synchronisation?
        reset_state: value bool = false,
    }
}

#[derive(Pytree)]
struct LookaheadState {
    fast_state: OptState,
    steps_since_sync: Array,
}

/// Every so many steps of a fast optimiser, goes from the slow parameters towards the fast ones, and begins anew there. Zhang et al.
/// 2019, <https://arxiv.org/abs/1907.08610>.
///
/// Parameters are [`LookaheadParams`]; gradients are of the fast ones, in the same struct, and what is given for the slow ones is not
/// looked at.
#[track_caller]
pub fn lookahead(
    fast_optimizer: GradientTransformation,
    sync_period: usize,
    slow_step_size: impl Into<Hyperparam>,
) -> GradientTransformation {
    lookahead_with(fast_optimizer, sync_period, slow_step_size, LookaheadOptions::new())
}

/// The two halves of [`LookaheadParams`].
fn halves(params: &AnyTree) -> Result<[AnyTree; 2]> {
    match [params.get("fast"), params.get("slow")] {
        [Some(fast), Some(slow)] => Ok([fast, slow]),
        _ => bail!(TreeMismatch, "requires LookaheadParams, got {}", params.structure()),
    }
}

/// [`lookahead`] that begins anew at each synchronisation.
#[track_caller]
pub fn lookahead_with(
    fast_optimizer: GradientTransformation,
    sync_period: usize,
    slow_step_size: impl Into<Hyperparam>,
    options: LookaheadOptions,
) -> GradientTransformation {
    if sync_period == 0 {
        throw!(InvalidArgument, "lookahead: sync_period = 0: requires at least 1");
    }
    let (slow_step, fast_of_init) = (slow_step_size.into(), fast_optimizer.clone());
    let period = i32::try_from(sync_period).unwrap_or(i32::MAX);
    GradientTransformation::new(
        "lookahead",
        move |params| {
            let [fast, _] = halves(params)?;
            Ok(LookaheadState { fast_state: fast_of_init.init_any(&fast)?, steps_since_sync: zero_count() })
        },
        move |updates, state: LookaheadState, cx| {
            let [[grads, _], [fast, slow]] = [halves(&updates)?, halves(cx.params)?];
            let (new, mut fast_state) =
                fast_optimizer.update_any(grads, &state.fast_state, &cx.with_params(&fast))?;
            let sync = numpy::equal(&state.steps_since_sync, period - 1);
            let difference = tree::map3(|f, u, s| f + u - s, &fast, &new, &slow);
            let slow_updates = tree::map(|d| &sync * d * &slow_step, &difference);
            let rest = 1.0 - &slow_step;
            let fast_updates = tree::map2(|u, d| u - &sync * d * &rest, &new, &difference);
            if options.reset_state {
                fast_state = select(&sync, &fast_optimizer.init_any(&fast)?, &fast_state);
            }
            let both = [fast_updates, slow_updates].map(|half| half.leaves().to_vec()).concat();
            let updates = AnyTree::from_parts(updates.structure().clone(), both)?;
            Ok((
                updates,
                LookaheadState { fast_state, steps_since_sync: (state.steps_since_sync + 1) % period },
            ))
        },
    )
}

#[derive(Pytree)]
struct InjectHyperparamsState {
    count: Array,
    hyperparams: BTreeMap<String, Array>,
    inner_state: OptState,
}

/// The hyperparameters that [`inject_hyperparams`] hands to its optimiser, by name.
#[derive(Clone, Debug)]
pub struct Hyperparams(BTreeMap<String, Array>);

impl Hyperparams {
    /// The value of one.
    ///
    /// # Panics
    /// There is none of this name, at the caller's line.
    #[track_caller]
    pub fn get(&self, name: &str) -> Array {
        match self.0.get(name) {
            Some(value) => value.clone(),
            None => {
                let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
                throw!(
                    InvalidArgument,
                    "inject_hyperparams: there is no hyperparameter {name}: there are {}",
                    names.join(", ")
                )
            }
        }
    }
}

/// An optimiser whose hyperparameters are part of its state, so that they can be read, and changed from outside of a compiled step.
/// Those that are functions of the step are computed anew at each.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::inject_hyperparams(
///     |h| optim::adam_with(h.get("learning_rate"), optim::AdamOptions::new().b1(h.get("b1"))),
///     [("learning_rate", optim::linear_schedule(1.0, 0.0, 10)), ("b1", 0.9.into())],
/// );
/// let params = Array::from([1.0f32]);
/// let state = tx.init(&params)?;
/// let (_, state) = tx.update(&params, &state, &params)?;
/// let (_, state) = tx.update(&params, &state, &params)?;
/// assert_eq!(state.find("learning_rate")?.to::<Array>()?.item::<f32>()?, 0.9);
/// let state = state.with("b1", &Array::from(0.5f32))?;
/// # let _ = state;
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn inject_hyperparams<'a>(
    inner_factory: impl Fn(&Hyperparams) -> GradientTransformation + Send + Sync + 'static,
    hyperparams: impl IntoIterator<Item = (&'a str, Schedule)>,
) -> GradientTransformation {
    let schedules: Arc<BTreeMap<String, Schedule>> =
        Arc::new(hyperparams.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let factory = Arc::new(inner_factory);
    // In the widest float dtype of the parameters, as Optax has it.
    let dtype = |params: &AnyTree| {
        let floats = params.leaves().iter().map(|p| p.dtype().real()).filter(|dtype| dtype.is_float());
        floats.max_by_key(|dtype| dtype.bits()).unwrap_or(DType::F32)
    };
    let (schedules_too, factory_too) = (schedules.clone(), factory.clone());
    GradientTransformation::new(
        "inject_hyperparams",
        move |params| {
            let count = zero_count();
            let value = |(name, schedule): (&String, &Schedule)| {
                (name.clone(), schedule.at(&count).astype(dtype(params)))
            };
            let hyperparams: BTreeMap<String, Array> = schedules_too.iter().map(value).collect();
            let inner_state = factory_too(&Hyperparams(hyperparams.clone())).init_any(params)?;
            Ok(InjectHyperparamsState { count, hyperparams, inner_state })
        },
        move |updates, state: InjectHyperparamsState, cx| {
            let mut hyperparams = state.hyperparams;
            for (name, schedule) in schedules.iter().filter(|(_, schedule)| schedule.constant().is_none()) {
                hyperparams.insert(name.clone(), schedule.at(&state.count).astype(dtype(cx.params)));
            }
            let inner = factory(&Hyperparams(hyperparams.clone()));
            let (updates, inner_state) = inner.update_any(updates, &state.inner_state, cx)?;
            let count = safe_increment(state.count);
            Ok((updates, InjectHyperparamsState { count, hyperparams, inner_state }))
        },
    )
}

/// `inner` on one vector of all parameters. Many small ones are then one operation each.
#[track_caller]
pub fn flatten(inner: GradientTransformation) -> GradientTransformation {
    let flat = |tree: &AnyTree| -> Result<AnyTree> {
        if tree.leaves().is_empty() {
            bail!(InvalidArgument, "flatten: there are no parameters");
        }
        let parts: Vec<Array> = tree.leaves().iter().map(numpy::ravel).collect();
        Ok(AnyTree::new(&numpy::concatenate(&parts, 0)))
    };
    let of_init = inner.clone();
    GradientTransformation::new(
        "flatten",
        move |params| of_init.init_any(&flat(params)?),
        move |updates, state: OptState, cx| {
            let (long, state) =
                inner.update_any(flat(&updates)?, &state, &cx.with_params(&flat(cx.params)?))?;
            let (long, mut at) = (long.into_typed::<Array>()?, 0);
            let part = |like: &Array| {
                let part = lax::slice_in_dim(&long, at..at + like.size(), 0);
                at += like.size();
                numpy::reshape(part, like.shape())
            };
            Ok((tree::map(part, &updates), state))
        },
    )
}

/// Gradients scaled for the backward pass: the identity, whose derivative is multiplied by `scale`. Optax: `scale_gradient`.
#[track_caller]
pub fn scale_gradient<T: Pytree>(inputs: &T, scale: f64) -> T {
    let f = custom_vjp(
        |x: &Array| x.clone(),
        |x: &Array| (x.clone(), ()),
        move |(): (), ct: Array| (ct * scale,),
    );
    let one = |x: &Array| if scale == 0.0 { lax::stop_gradient(x) } else { f(x).or_throw() };
    with_location(caller(), || tree::map(one, inputs))
}
