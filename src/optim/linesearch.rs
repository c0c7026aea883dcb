//! Searches for the size of a step. Optax: `_src/linesearch.py`.

use super::math::{self, select, tree_add_scale, tree_scale, tree_vdot, zeros_like};
use super::transformation::ValueFn;
use super::{Context, GradientTransformation, Hyperparam, OptState};
use crate::Pytree;
use crate::api::value_and_grad;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail, caller};
use crate::tree::{self, AnyTree};
use crate::{lax, numpy};

/// What a line search begins with: the loss, its gradient, and the function that computes it.
pub(super) fn beginning<'a>(cx: &'a Context<'_>) -> Result<(&'a Array, &'a AnyTree, &'a ValueFn<'a>)> {
    match (&cx.value, &cx.grad, cx.value_fn) {
        (Some(value), Some(grad), Some(f)) => Ok((value, grad, f)),
        _ => bail!(
            InvalidArgument,
            "needs the loss, its gradient and the function that computes it: \
             update_with(.., ExtraArgs::new().value(loss).grad(grads).value_fn(&f))"
        ),
    }
}

/// The dtype of the loss of parameters: theirs, real.
pub(super) fn value_dtype(params: &AnyTree) -> DType {
    params.leaves().first().map_or(DType::F32, |p| p.dtype().real())
}

pub(super) fn number(dtype: DType, x: f64) -> Array {
    numpy::full(((), dtype), x)
}

#[derive(Pytree)]
struct BacktrackingInfo {
    num_linesearch_steps: Array,
    decrease_error: Array,
}

#[derive(Pytree)]
struct BacktrackingState {
    learning_rate: Array,
    value: Array,
    grad: Option<AnyTree>,
    info: BacktrackingInfo,
}

options! {
    /// Options of [`scale_by_backtracking_linesearch_with`].
    pub struct BacktrackingOptions {
        /// Which part of the decrease that the slope promises is enough.
        slope_rtol: into Hyperparam = 1e-4,
        /// What a step is multiplied by that was too large.
        decrease_factor: into Hyperparam = 0.8,
        /// What the step before is multiplied by to begin with.
        increase_factor: into Hyperparam = 1.5,
        /// The largest step.
        max_learning_rate: into Hyperparam = 1.0,
        /// Which lack of decrease is accepted.
        atol: into Hyperparam = 0.0,
        /// Which lack of decrease is accepted, relative to the value.
        rtol: into Hyperparam = 0.0,
        /// Are the value and the gradient at the new point kept, for [`value_and_grad_from_state`]?
        store_grad: value bool = false,
    }
}

/// Makes a step smaller until it decreases the loss enough. Armijo 1966.
///
/// `update_with` needs the loss, its gradient and the function.
/// ```
/// use raxla::optim::{self, ExtraArgs};
/// use raxla::prelude::*;
///
/// let loss = |w: &Array| -> Result<Array> { Ok((w * w).sum(..)) };
/// let tx = optim::chain((optim::sgd(1.0), optim::scale_by_backtracking_linesearch(15)));
/// let mut w = Array::from([1.0f32, 2.0, 3.0]);
/// let mut state = tx.init(&w)?;
/// for _ in 0..5 {
///     let (value, grads) = value_and_grad(loss)(&w)?;
///     let args = ExtraArgs::new().value(value).grad(grads.clone()).value_fn(&loss);
///     let updates;
///     (updates, state) = tx.update_with(&grads, &state, &w, args)?;
///     w = optim::apply_updates(&w, &updates);
/// }
/// assert!(loss(&w)?.item::<f32>()? < 0.1);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn scale_by_backtracking_linesearch(max_backtracking_steps: usize) -> GradientTransformation {
    scale_by_backtracking_linesearch_with(max_backtracking_steps, BacktrackingOptions::new())
}

/// A step of the search: the rate, the value there, the gradient there if it is kept, the lack of decrease, the count.
type Search = (Array, Array, Option<AnyTree>, Array, Array);

/// [`scale_by_backtracking_linesearch`] with other constants.
#[track_caller]
pub fn scale_by_backtracking_linesearch_with(
    max_backtracking_steps: usize,
    options: BacktrackingOptions,
) -> GradientTransformation {
    let store_grad = options.store_grad;
    let max_steps = i32::try_from(max_backtracking_steps).unwrap_or(i32::MAX);
    GradientTransformation::new(
        "scale_by_backtracking_linesearch",
        move |params| {
            let dtype = value_dtype(params);
            let infinite = number(dtype, f64::INFINITY);
            Ok(BacktrackingState {
                learning_rate: number(dtype, 1.0),
                value: infinite.clone(),
                grad: store_grad.then(|| zeros_like(params)),
                info: BacktrackingInfo { num_linesearch_steps: math::zero_count(), decrease_error: infinite },
            })
        },
        move |updates, state: BacktrackingState, cx| {
            let (value, grad, f) = beginning(cx)?;
            let dtype = state.value.dtype();
            let slope = slope_along(grad, &updates);
            let enough = |error: &Array| numpy::less_equal(error, &options.atol);
            let error_of = |rate: &Array, new: &Array| {
                let bound = value * (1.0 + &options.rtol) + rate * &slope * &options.slope_rtol;
                let error = new - bound;
                numpy::maximum(numpy::where_(numpy::isnan(&error), f64::INFINITY, error), 0.0)
            };
            let body = |(rate, _, grad, _, count): Search| -> Result<Search> {
                let smaller = &rate * &options.decrease_factor;
                let rate = numpy::where_(numpy::greater(&count, 0), smaller, rate).astype(dtype);
                let point = tree_add_scale(cx.params, &rate, &updates);
                let (new, grad) = if store_grad {
                    // The gradient of the last point is the one that stays.
                    let (new, grad) = value_and_grad(|p: &AnyTree| f(p))(&point)?;
                    (new, Some(grad))
                } else {
                    (f(&point)?, grad)
                };
                let error = error_of(&rate, &new).astype(dtype);
                Ok((rate, new.astype(dtype), grad, error, count + 1))
            };
            let begin =
                numpy::minimum(&state.learning_rate * &options.increase_factor, &options.max_learning_rate);
            let infinite = number(dtype, f64::INFINITY);
            let init: Search = (
                begin.astype(dtype),
                value.astype(dtype),
                store_grad.then(|| zeros_like(cx.params)),
                infinite,
                math::zero_count(),
            );
            let goes_on = |(_, _, _, error, count): &Search| {
                numpy::logical_and(numpy::logical_not(enough(error)), numpy::less_equal(count, max_steps))
            };
            let (rate, new_value, new_grad, error, count) = lax::while_loop(goes_on, body, init)?;
            // Rather no step than one to where the loss is no number.
            let rate = numpy::where_(numpy::isinf(&error), 0.0, rate).astype(dtype);
            let state = BacktrackingState {
                learning_rate: rate.clone(),
                value: new_value,
                grad: new_grad,
                info: BacktrackingInfo { num_linesearch_steps: count, decrease_error: error },
            };
            Ok((tree_scale(rate, &updates), state))
        },
    )
}

/// The derivative of the loss along updates.
pub(super) fn slope_along(grad: &AnyTree, updates: &AnyTree) -> Array {
    let conj = tree::map(|g| if g.dtype().is_complex() { g.conj() } else { g.clone() }, grad);
    numpy::real(tree_vdot(&conj, updates))
}

/// The value and the gradient that a line search has left in the state, computed anew if it has left none.
///
/// # Errors
/// A state without `value` and `grad`; those of `value_fn`.
#[track_caller]
pub fn value_and_grad_from_state<P: Pytree>(
    value_fn: &(dyn Fn(&P) -> Result<Array> + Send + Sync),
    params: &P,
    state: &OptState,
) -> Result<(Array, P)> {
    let loc = caller();
    let run = || {
        let kept: (Array, AnyTree) = (state.find("value")?.into_typed()?, state.find("grad")?);
        let known = numpy::isfinite(&kept.0);
        let params = AnyTree::new(params);
        let (value, grad): (Array, AnyTree) = lax::cond(
            known,
            |(_, kept): (AnyTree, (Array, AnyTree))| Ok(kept),
            |(params, _): (AnyTree, (Array, AnyTree))| {
                value_and_grad(|p: &AnyTree| -> Result<Array> { value_fn(&p.to()?) })(&params)
            },
            (params, kept),
        )?;
        Ok((value, grad.into_typed()?))
    };
    crate::error::catch(run).map_err(|e| e.at(loc))
}

#[derive(Pytree)]
struct ZoomInfo {
    num_linesearch_steps: Array,
    decrease_error: Array,
    curvature_error: Array,
}

#[derive(Pytree)]
struct ZoomLinesearchState {
    learning_rate: Array,
    value: Array,
    grad: AnyTree,
    info: ZoomInfo,
}

/// Where [`scale_by_zoom_linesearch`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InitialGuess {
    /// At 1: for Newton's methods.
    One,
    /// At the step before.
    Keep,
}

options! {
    /// Options of [`scale_by_zoom_linesearch_with`].
    pub struct ZoomOptions {
        /// The largest step.
        max_learning_rate: optional_into Hyperparam,
        /// Which error of the conditions is accepted.
        tol: into Hyperparam = 0.0,
        /// What a step is multiplied by until an interval is found.
        increase_factor: into Hyperparam = 2.0,
        /// Which part of the decrease that the slope promises is enough.
        slope_rtol: into Hyperparam = 1e-4,
        /// Which part of the slope may be left.
        curv_rtol: into Hyperparam = 0.9,
        /// How near values are to each other that an approximate decrease is enough.
        approx_dec_rtol: into Hyperparam = 1e-6,
        /// The interval at which the search ends.
        stepsize_precision: into Hyperparam = 1e-5,
        /// Where it begins.
        initial_guess_strategy: value InitialGuess = InitialGuess::Keep,
    }
}

/// A point on the line.
#[derive(Clone, Pytree)]
struct Point {
    stepsize: Array,
    value: Array,
    slope: Array,
}

/// A point that decreases the loss, whatever the slope is there.
#[derive(Clone, Pytree)]
struct SafePoint {
    stepsize: Array,
    value: Array,
    grad: AnyTree,
}

#[derive(Clone, Pytree)]
struct Zoom {
    count: Array,
    at: Point,
    grad: AnyTree,
    decrease_error: Array,
    curvature_error: Array,
    interval_found: Array,
    done: Array,
    failed: Array,
    low: Point,
    high: Point,
    cubic_ref: Array,
    value_cubic_ref: Array,
    safe: SafePoint,
}

/// What does not change during a search.
struct Line<'a> {
    f: &'a ValueFn<'a>,
    params: &'a AnyTree,
    updates: &'a AnyTree,
    guess: Array,
    begin: Point,
    max_steps: i32,
    options: &'a ZoomOptions,
}

impl Line<'_> {
    fn point(&self, stepsize: Array) -> Result<(Point, AnyTree)> {
        let params = tree_add_scale(self.params, &stepsize, self.updates);
        let (value, grad) = value_and_grad(|p: &AnyTree| (self.f)(p))(&params)?;
        let slope = slope_along(&grad, self.updates);
        Ok((Point { stepsize, value, slope }, grad))
    }

    /// How far a point is from decreasing the loss enough. Nocedal and Wright 1999, (3.7a); Hager and Zhang 2006, (23).
    fn decrease_error(&self, at: &Point) -> Array {
        let (options, begin) = (self.options, &self.begin);
        let error = &at.value - &begin.value - &at.stepsize * &begin.slope * &options.slope_rtol;
        let approximate = &at.slope - &begin.slope * (2.0 * &options.slope_rtol - 1.0);
        let apart = &at.value - &begin.value - numpy::abs(&begin.value) * &options.approx_dec_rtol;
        violated(numpy::minimum(numpy::maximum(approximate, apart), error))
    }

    /// How far a point is from being flat enough. Nocedal and Wright 1999, (3.7b).
    fn curvature_error(&self, at: &Point) -> Array {
        violated(numpy::abs(&at.slope) - numpy::abs(&self.begin.slope) * &self.options.curv_rtol)
    }

    /// A larger step, until an interval with a good one is found. Nocedal and Wright 1999, algorithm 3.5.
    fn search_interval(&self, state: Zoom) -> Result<Zoom> {
        let first = numpy::equal(&state.count, 0);
        let mut stepsize =
            numpy::where_(&first, &self.guess, &state.at.stepsize * &self.options.increase_factor);
        let mut at_end = numpy::array(false);
        if let Some(max) = &self.options.max_learning_rate {
            at_end = numpy::greater_equal(&stepsize, max);
            stepsize = numpy::minimum(stepsize, max);
        }
        let (new, grad) = self.point(stepsize)?;
        let (decrease_error, curvature_error) = (self.decrease_error(&new), self.curvature_error(&new));
        let good = numpy::less_equal(numpy::maximum(&decrease_error, &curvature_error), &self.options.tol);
        let safe = safe_point(&new, &grad);
        let safe = select(&numpy::less_equal(&decrease_error, &self.options.tol), &safe, &state.safe);
        let rises = numpy::greater_equal(&new.value, &state.at.value);
        let rises = numpy::logical_and(rises, numpy::logical_not(first));
        let set_high = numpy::logical_or(numpy::greater(&decrease_error, 0.0), rises);
        let uphill = numpy::greater_equal(&new.slope, 0.0);
        let set_low = numpy::logical_and(uphill, numpy::logical_not(&set_high));
        let low = select(&set_low, &new, &state.at);
        let high = select(&set_low, &state.at, &new);
        let found = numpy::logical_or(numpy::logical_or(set_high, set_low), &good);
        let stuck = numpy::logical_and(at_end, numpy::logical_not(&found));
        let done = numpy::logical_or(good, stuck);
        let count = math::safe_increment(&state.count);
        let over = numpy::greater_equal(&count, self.max_steps);
        Ok(Zoom {
            failed: numpy::logical_and(over, numpy::logical_not(&done)),
            cubic_ref: low.stepsize.clone(),
            value_cubic_ref: low.value.clone(),
            at: new,
            interval_found: found,
            count,
            grad,
            decrease_error,
            curvature_error,
            done,
            low,
            high,
            safe,
        })
    }

    /// A point inside of the interval, by interpolation. Nocedal and Wright 1999, algorithm 3.6.
    fn zoom(&self, state: Zoom) -> Result<Zoom> {
        let Zoom { low, high, cubic_ref, value_cubic_ref, .. } = &state;
        let width = numpy::abs(&high.stepsize - &low.stepsize);
        let left = numpy::minimum(&high.stepsize, &low.stepsize);
        let right = numpy::maximum(&high.stepsize, &low.stepsize);
        let inside = |x: &Array, part: f64| {
            let margin = &width * part;
            numpy::logical_and(numpy::greater(x, &left + &margin), numpy::less(x, &right - &margin))
        };
        let cubic = cubic_minimum(low, high, cubic_ref, value_cubic_ref);
        let quadratic = quadratic_minimum(low, high);
        let bisection = (&low.stepsize + &high.stepsize) / 2.0;
        let middle = numpy::where_(inside(&quadratic, 0.1), &quadratic, bisection);
        let middle = numpy::where_(inside(&cubic, 0.2), &cubic, middle);
        let (new, grad) = self.point(middle)?;
        let (decrease_error, curvature_error) = (self.decrease_error(&new), self.curvature_error(&new));
        let done = numpy::less_equal(numpy::maximum(&decrease_error, &curvature_error), &self.options.tol);
        let better = numpy::logical_and(
            numpy::less_equal(&decrease_error, &self.options.tol),
            numpy::less(&new.value, &state.safe.value),
        );
        let safe = select(&better, &safe_point(&new, &grad), &state.safe);
        let set_high = numpy::logical_or(
            numpy::greater(&decrease_error, 0.0),
            numpy::greater_equal(&new.value, &low.value),
        );
        let secant = &new.slope * (&high.stepsize - &low.stepsize);
        let set_low = numpy::logical_not(&set_high);
        let turned = numpy::logical_and(numpy::greater_equal(secant, 0.0), &set_low);
        let new_high = select(&turned, low, &select(&set_high, &new, high));
        let new_low = select(&set_low, &new, low);
        let moved = numpy::logical_or(&set_high, &turned);
        let either = |x: &Array, y: &Array| numpy::where_(&moved, x, y);
        let count = math::safe_increment(&state.count);
        let over = numpy::greater_equal(&count, self.max_steps);
        let small = numpy::less_equal(&width, &self.options.stepsize_precision);
        let small = numpy::logical_and(small, numpy::greater(&safe.stepsize, 0.0));
        let failed = numpy::logical_and(numpy::logical_or(over, small), numpy::logical_not(&done));
        Ok(Zoom {
            cubic_ref: either(&high.stepsize, &low.stepsize),
            value_cubic_ref: either(&high.value, &low.value),
            interval_found: state.interval_found.clone(),
            at: new,
            low: new_low,
            high: new_high,
            count,
            grad,
            decrease_error,
            curvature_error,
            done,
            failed,
            safe,
        })
    }

    fn step(&self, state: Zoom) -> Result<Zoom> {
        let old = state.clone();
        let state: Zoom = lax::cond(
            state.interval_found.clone(),
            |s: Zoom| Ok(math::cast_like(&self.zoom(s)?, &old)),
            |s: Zoom| Ok(math::cast_like(&self.search_interval(s)?, &old)),
            state,
        )?;
        // A search that failed takes what it has that decreases the loss.
        let usable =
            numpy::logical_or(numpy::greater(&state.safe.stepsize, 0.0), numpy::isinf(&state.decrease_error));
        let take = numpy::logical_and(&state.failed, usable);
        let at = Point {
            stepsize: numpy::where_(&take, &state.safe.stepsize, &state.at.stepsize),
            value: numpy::where_(&take, &state.safe.value, &state.at.value),
            slope: state.at.slope.clone(),
        };
        let grad = select(&take, &state.safe.grad, &state.grad);
        Ok(math::cast_like(&Zoom { at, grad, ..state }, &old))
    }
}

fn safe_point(at: &Point, grad: &AnyTree) -> SafePoint {
    SafePoint { stepsize: at.stepsize.clone(), value: at.value.clone(), grad: grad.clone() }
}

/// What of an error is positive; of no number, infinity.
fn violated(error: Array) -> Array {
    let error = numpy::maximum(error, 0.0);
    numpy::where_(numpy::isnan(&error), f64::INFINITY, error)
}

/// The minimum of the cubic through three points, with its slope at the first.
fn cubic_minimum(a: &Point, b: &Point, c: &Array, fc: &Array) -> Array {
    let (db, dc) = (&b.stepsize - &a.stepsize, c - &a.stepsize);
    let (rb, rc) = (&b.value - &a.value - &a.slope * &db, fc - &a.value - &a.slope * &dc);
    let below = numpy::square(&db * &dc) * (&db - &dc);
    let third = (numpy::square(&dc) * &rb - numpy::square(&db) * &rc) / &below;
    let second = (lax::integer_pow(&db, 3) * rc - lax::integer_pow(&dc, 3) * rb) / below;
    let radical = numpy::square(&second) - 3.0 * &third * &a.slope;
    &a.stepsize + (numpy::sqrt(radical) - second) / (3.0 * third)
}

/// The minimum of the parabola through two points, with its slope at the first.
fn quadratic_minimum(a: &Point, b: &Point) -> Array {
    let db = &b.stepsize - &a.stepsize;
    let second = (&b.value - &a.value - &a.slope * &db) / numpy::square(db);
    &a.stepsize - &a.slope / (2.0 * second)
}

/// A step that decreases the loss and flattens its slope enough: the strong Wolfe conditions. Nocedal and Wright 1999, section 3.5.
///
/// `update_with` needs the loss, its gradient and the function, as [`scale_by_backtracking_linesearch`] does.
#[track_caller]
pub fn scale_by_zoom_linesearch(max_linesearch_steps: usize) -> GradientTransformation {
    scale_by_zoom_linesearch_with(max_linesearch_steps, ZoomOptions::new())
}

/// [`scale_by_zoom_linesearch`] with other constants.
#[track_caller]
pub fn scale_by_zoom_linesearch_with(
    max_linesearch_steps: usize,
    options: ZoomOptions,
) -> GradientTransformation {
    let max_steps = i32::try_from(max_linesearch_steps).unwrap_or(i32::MAX);
    GradientTransformation::new(
        "scale_by_zoom_linesearch",
        |params| {
            let dtype = value_dtype(params);
            let infinite = number(dtype, f64::INFINITY);
            Ok(ZoomLinesearchState {
                learning_rate: number(dtype, 1.0),
                value: infinite.clone(),
                grad: zeros_like(params),
                info: ZoomInfo {
                    num_linesearch_steps: math::zero_count(),
                    decrease_error: infinite.clone(),
                    curvature_error: infinite,
                },
            })
        },
        move |updates, state: ZoomLinesearchState, cx| {
            let (value, grad, f) = beginning(cx)?;
            let dtype = state.value.dtype();
            let zero = number(dtype, 0.0);
            let slope = slope_along(grad, &updates).astype(dtype);
            let begin = Point { stepsize: zero.clone(), value: value.astype(dtype), slope };
            let guess = match options.initial_guess_strategy {
                InitialGuess::One => number(dtype, 1.0),
                InitialGuess::Keep => state.learning_rate.clone(),
            };
            let line = Line {
                f,
                params: cx.params,
                updates: &updates,
                guess,
                begin: begin.clone(),
                max_steps,
                options: &options,
            };
            let (infinite, no) = (number(dtype, f64::INFINITY), numpy::array(false));
            let init = Zoom {
                count: math::zero_count(),
                at: begin.clone(),
                grad: grad.clone(),
                decrease_error: infinite.clone(),
                curvature_error: infinite,
                interval_found: no.clone(),
                done: no.clone(),
                failed: no,
                low: begin.clone(),
                high: begin.clone(),
                cubic_ref: zero,
                value_cubic_ref: begin.value.clone(),
                safe: safe_point(&begin, grad),
            };
            let goes_on = |s: &Zoom| numpy::logical_not(numpy::logical_or(&s.done, &s.failed));
            let end = lax::while_loop(goes_on, |s: Zoom| line.step(s), init)?;
            let rate = end.at.stepsize.clone();
            let next = ZoomLinesearchState {
                learning_rate: rate.clone(),
                value: end.at.value,
                grad: end.grad,
                info: ZoomInfo {
                    num_linesearch_steps: end.count,
                    decrease_error: end.decrease_error,
                    curvature_error: end.curvature_error,
                },
            };
            Ok((tree_scale(rate, &updates), next))
        },
    )
}
