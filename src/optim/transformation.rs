//! [`GradientTransformation`]: what all of the module is made of. Optax: `_src/base.py`, `_src/update.py`.

use std::fmt;
use std::sync::Arc;

use super::math;
use crate::Pytree;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{Result, bail, caller, catch};
use crate::tree::{self, AnyTree, Path};

/// The state of an optimiser: a tree. Its parts have the names that they have in Optax: `1.mu["fc1"]["kernel"]`.
pub type OptState = AnyTree;

/// A pair of functions: one that makes a state for parameters, and one that makes better updates of updates, at first gradients.
///
/// It is an ordinary value: it can be stored, returned and cloned, and used inside [`jit`](crate::jit()) and other transformations;
/// it has no type parameters, and the state is an [`OptState`] whatever it is made of.
///
/// ```
/// use raxla::{optim, prelude::*};
///
/// #[derive(Pytree, Clone)]
/// struct TrainState { params: (Array, Array), opt: optim::OptState }
///
/// let tx = optim::adam(0.1);
/// let params = (Array::from([1.0f32, 2.0]), Array::from(3.0f32));
/// let opt = tx.init(&params)?;
/// let step = jit(move |state: TrainState| -> Result<TrainState> {
///     let loss = |(w, b): &(Array, Array)| (w * w).sum(..) + b * b;
///     let grads = grad(loss)(&state.params)?;
///     let (updates, opt) = tx.update(&grads, &state.opt, &state.params)?;
///     Ok(TrainState { params: optim::apply_updates(&state.params, &updates), opt })
/// });
/// let mut state = TrainState { params, opt };
/// for _ in 0..200 { state = step(state)?; }
/// assert!(state.params.1.item::<f32>()?.abs() < 0.1);
/// assert_eq!(state.opt.find("count")?.leaves()[0].item::<i32>()?, 200);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct GradientTransformation(Arc<Inner>);

struct Inner {
    name: &'static str,
    /// Are gradients those of examples, with an axis more than the parameters?
    of_examples: bool,
    init: Box<Init>,
    update: Box<Update>,
}

type Init = dyn Fn(&AnyTree) -> Result<AnyTree> + Send + Sync;
type Update = dyn Fn(AnyTree, &AnyTree, &Context<'_>) -> Result<(AnyTree, AnyTree)> + Send + Sync;
/// A function of parameters that some optimisers ask for.
pub(super) type ValueFn<'a> = dyn Fn(&AnyTree) -> Result<Array> + Send + Sync + 'a;

/// What an update may look at besides gradients and state.
#[derive(Clone)]
#[non_exhaustive]
pub struct Context<'a> {
    /// The parameters.
    pub params: &'a AnyTree,
    /// The loss, if it was given.
    pub value: Option<Array>,
    /// The gradient that a line search begins with, if it was given.
    pub grad: Option<AnyTree>,
    pub(super) value_fn: Option<&'a ValueFn<'a>>,
}

impl<'a> Context<'a> {
    /// The same for other parameters.
    #[must_use]
    pub fn with_params<'b>(&self, params: &'b AnyTree) -> Context<'b>
    where
        'a: 'b,
    {
        Context { params, value: self.value.clone(), grad: self.grad.clone(), value_fn: self.value_fn }
    }

    /// The function that computes the loss.
    pub(super) fn value_fn(&self) -> Result<&'a ValueFn<'a>> {
        match self.value_fn {
            Some(f) => Ok(f),
            None => {
                bail!(InvalidArgument, "needs the function: update_with(.., ExtraArgs::new().value_fn(&f))")
            }
        }
    }

    /// The loss.
    ///
    /// # Errors
    /// It was not given.
    pub fn value(&self) -> Result<&Array> {
        match &self.value {
            Some(value) => Ok(value),
            None => {
                bail!(InvalidArgument, "needs the loss: update_with(.., ExtraArgs::new().value(loss))")
            }
        }
    }
}

impl GradientTransformation {
    /// A transformation of one's own: `init` makes the state, of any type that is a tree, from parameters; `update` makes new updates
    /// and a new state. Parameters and updates come as trees without a type: [`tree::map`] and the like work on them.
    ///
    /// ```
    /// use raxla::{Array, optim::{self, GradientTransformation}, tree};
    ///
    /// /// Adds to each gradient the one before.
    /// fn momentum_of_one() -> GradientTransformation {
    ///     GradientTransformation::new(
    ///         "momentum_of_one",
    ///         |params| Ok(optim::zeros_like(params)),
    ///         |updates, last, _| Ok((tree::map2(|u, l| u + l, &updates, &last), updates)),
    ///     )
    /// }
    /// let tx = optim::chain((momentum_of_one(), optim::scale(-0.1)));
    /// let params = Array::from(1.0f32);
    /// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
    /// assert_eq!(updates.item::<f32>()?, -0.1);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn new<S: Pytree>(
        name: &'static str,
        init: impl Fn(&AnyTree) -> Result<S> + Send + Sync + 'static,
        update: impl Fn(AnyTree, S, &Context<'_>) -> Result<(AnyTree, S)> + Send + Sync + 'static,
    ) -> GradientTransformation {
        Self::made(name, false, init, update)
    }

    /// [`new`](Self::new) of gradients with a leading axis for the examples that they are of.
    pub(super) fn of_examples<S: Pytree>(
        name: &'static str,
        init: impl Fn(&AnyTree) -> Result<S> + Send + Sync + 'static,
        update: impl Fn(AnyTree, S, &Context<'_>) -> Result<(AnyTree, S)> + Send + Sync + 'static,
    ) -> GradientTransformation {
        Self::made(name, true, init, update)
    }

    /// [`new`](Self::new) of the gradients that `first` takes, if there is one.
    pub(super) fn beginning_with<S: Pytree>(
        first: Option<&GradientTransformation>,
        name: &'static str,
        init: impl Fn(&AnyTree) -> Result<S> + Send + Sync + 'static,
        update: impl Fn(AnyTree, S, &Context<'_>) -> Result<(AnyTree, S)> + Send + Sync + 'static,
    ) -> GradientTransformation {
        Self::made(name, first.is_some_and(|tx| tx.0.of_examples), init, update)
    }

    fn made<S: Pytree>(
        name: &'static str,
        of_examples: bool,
        init: impl Fn(&AnyTree) -> Result<S> + Send + Sync + 'static,
        update: impl Fn(AnyTree, S, &Context<'_>) -> Result<(AnyTree, S)> + Send + Sync + 'static,
    ) -> GradientTransformation {
        GradientTransformation(Arc::new(Inner {
            name,
            of_examples,
            init: Box::new(move |params| Ok(AnyTree::from_owned(init(params)?))),
            update: Box::new(move |updates, state, cx| {
                let (updates, state) = update(updates, state.to()?, cx)?;
                Ok((updates, AnyTree::from_owned(state)))
            }),
        }))
    }

    /// What it is called in messages.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The state to begin with.
    ///
    /// # Errors
    /// Parameters that the optimiser does not take.
    #[track_caller]
    pub fn init<P: Pytree>(&self, params: &P) -> Result<OptState> {
        let loc = caller();
        let params = AnyTree::new(params);
        with_location(loc, || self.init_any(&params)).map_err(|e| e.at(loc))
    }

    /// Updates to be added to the parameters, and the next state, of gradients.
    ///
    /// # Errors
    /// Gradients or a state of another structure than the parameters'; an optimiser that needs more than these (see
    /// [`update_with`](Self::update_with)).
    #[track_caller]
    pub fn update<P: Pytree>(&self, grads: &P, state: &OptState, params: &P) -> Result<(P, OptState)> {
        self.update_with(grads, state, params, ExtraArgs::new())
    }

    /// [`update`](Self::update) with what some optimisers need besides: the loss, the function that computes it.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    #[track_caller]
    pub fn update_with<P: Pytree>(
        &self,
        grads: &P,
        state: &OptState,
        params: &P,
        options: ExtraArgs<'_, P>,
    ) -> Result<(P, OptState)> {
        let loc = caller();
        let run = || {
            let (updates, params) = (AnyTree::new(grads), AnyTree::new(params));
            if !self.0.of_examples {
                updates.check_like(&params).map_err(|e| e.context("the gradients and the parameters"))?;
            }
            let value_fn = options.value_fn.map(|f| move |params: &AnyTree| f(&params.to()?));
            let cx = Context {
                params: &params,
                value: options.value.clone(),
                grad: options.grad.as_ref().map(AnyTree::new),
                value_fn: value_fn.as_ref().map(|f| f as &ValueFn<'_>),
            };
            let (updates, state) = self.update_any(updates, state, &cx)?;
            Ok((updates.into_typed()?, state))
        };
        with_location(loc, || catch(run)).map_err(|e| e.at(loc))
    }

    /// [`init`](Self::init) of a tree without a type, for transformations that are made of others.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn init_any(&self, params: &AnyTree) -> Result<OptState> {
        catch(|| (self.0.init)(params)).map_err(|e| e.context(self.0.name))
    }

    /// [`update`](Self::update) of trees without a type, for transformations that are made of others.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn update_any(
        &self,
        updates: AnyTree,
        state: &OptState,
        cx: &Context<'_>,
    ) -> Result<(AnyTree, OptState)> {
        catch(|| (self.0.update)(updates, state, cx)).map_err(|e| e.context(self.0.name))
    }
}

/// Where a leaf is, in words.
pub(super) fn place(path: &Path) -> String {
    if path.steps().is_empty() { "at the root".to_owned() } else { format!("at {path}") }
}

/// Fails unless each gradient has the shape of its parameter and a leading axis, of one size, for examples: that size.
pub(super) fn check_examples(grads: &AnyTree, params: &AnyTree) -> Result<usize> {
    if let Some(difference) = grads.structure().first_difference(params.structure()) {
        bail!(TreeMismatch, "the gradients and the parameters: the trees differ in structure {difference}");
    }
    let size = grads.leaves().first().and_then(|g| g.shape().first()).copied();
    for ((path, g), p) in grads.iter().zip(params.leaves()) {
        if g.shape().split_first().map(|(n, rest)| (Some(*n), rest)) != Some((size, p.shape())) {
            bail!(
                Shape,
                "requires gradients of examples, with a leading axis of one size for them: got {} {}, of a parameter {}",
                g.aval(),
                place(&path),
                p.aval()
            );
        }
    }
    Ok(size.unwrap_or(1))
}

impl fmt::Debug for GradientTransformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GradientTransformation({})", self.0.name)
    }
}

/// What [`GradientTransformation::update_with`] takes besides gradients, state and parameters.
#[non_exhaustive]
pub struct ExtraArgs<'a, P> {
    value: Option<Array>,
    grad: Option<P>,
    value_fn: Option<&'a TypedFn<'a, P>>,
}

type TypedFn<'a, P> = dyn Fn(&P) -> Result<Array> + Send + Sync + 'a;

impl<P> Default for ExtraArgs<'_, P> {
    fn default() -> Self {
        ExtraArgs { value: None, grad: None, value_fn: None }
    }
}

impl<'a, P: Pytree> ExtraArgs<'a, P> {
    /// None of it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The loss at the parameters.
    #[must_use]
    pub fn value(mut self, value: impl Into<Array>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// The gradient of the loss at the parameters.
    #[must_use]
    pub fn grad(mut self, grad: P) -> Self {
        self.grad = Some(grad);
        self
    }

    /// The function that computes the loss from parameters.
    #[must_use]
    pub fn value_fn(mut self, f: &'a (dyn Fn(&P) -> Result<Array> + Send + Sync + 'a)) -> Self {
        self.value_fn = Some(f);
        self
    }
}

/// A transformation without state.
#[track_caller]
pub fn stateless(
    f: impl Fn(AnyTree, &AnyTree) -> Result<AnyTree> + Send + Sync + 'static,
) -> GradientTransformation {
    named_stateless("stateless", f)
}

pub(super) fn named_stateless(
    name: &'static str,
    f: impl Fn(AnyTree, &AnyTree) -> Result<AnyTree> + Send + Sync + 'static,
) -> GradientTransformation {
    GradientTransformation::new(name, |_| Ok(()), move |updates, (), cx| Ok((f(updates, cx.params)?, ())))
}

/// A transformation without state: a function of each update and its parameter.
#[track_caller]
pub fn stateless_with_tree_map(
    f: impl Fn(&Array, &Array) -> Array + Send + Sync + 'static,
) -> GradientTransformation {
    stateless(move |updates, params| tree::try_map2(|u, p| Ok(f(u, p)), &updates, params))
}

/// Leaves updates as they are.
#[track_caller]
pub fn identity() -> GradientTransformation {
    named_stateless("identity", |updates, _| Ok(updates))
}

/// Makes updates zero, so that parameters stay as they are.
#[track_caller]
pub fn set_to_zero() -> GradientTransformation {
    named_stateless("set_to_zero", |updates, _| Ok(math::zeros_like(&updates)))
}

/// The parameters with the updates added, of the dtypes of the parameters.
///
/// # Panics
/// Trees of different structures, at the caller's line.
#[track_caller]
pub fn apply_updates<P: Pytree>(params: &P, updates: &P) -> P {
    let add = |p: &Array, u: &Array| (p + u).astype(p.dtype());
    with_location(caller(), || tree::map2(add, params, updates))
}

/// `step_size * new + (1 - step_size) * old`: an average of parameters over time, by Polyak.
#[track_caller]
pub fn incremental_update<P: Pytree>(
    new_tensors: &P,
    old_tensors: &P,
    step_size: impl Into<super::Hyperparam>,
) -> P {
    let step_size = step_size.into();
    let rest = 1.0 - &step_size;
    let mix = |new: &Array, old: &Array| new * &step_size + old * &rest;
    with_location(caller(), || tree::map2(mix, new_tensors, old_tensors))
}

/// `new_tensors` at each step that is a multiple of `update_period`, else `old_tensors`.
#[track_caller]
pub fn periodic_update<P: Pytree>(
    new_tensors: &P,
    old_tensors: &P,
    steps: impl Into<Array>,
    update_period: impl Into<Array>,
) -> P {
    let now = crate::numpy::equal(steps.into() % update_period.into(), 0);
    let either = |new: &Array, old: &Array| crate::numpy::where_(&now, new, old);
    with_location(caller(), || tree::map2(either, new_tensors, old_tensors))
}
