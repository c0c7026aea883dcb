//! [`init`] and [`apply`]: one function, the forward pass, gives both. Flax: `Module.init`, `Module.apply`, `Module.tabulate`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::draw::draw;
use super::mode::Mode;
use super::params::{NamedTree, Params, State};
use super::scope::{Frame, Kind, Run, Scope, Seen, Spec};
use crate::core::aval::ShapedArray;
use crate::error::{Result, bail, caller, catch, err};
use crate::interpreters::partial_eval::trace_to_jaxpr_with;
use crate::random::{self, Key};
use crate::signature::{FlatOut, Output};
use crate::tree::{self, Pytree};
use rustc_hash::FxHashSet;

fn run(mode: Mode, initial: bool, has_state: bool) -> Arc<Run> {
    Arc::new(Run { mode, initial, has_state, seen: Mutex::new(Seen::default()) })
}

fn frame(run: &Arc<Run>, params: NamedTree, state: NamedTree) -> Arc<Frame> {
    let (run, key) = (run.clone(), run.mode.key.clone());
    Arc::new(Frame { run, root: String::new(), params, state: Mutex::new(state), key, stacked: Vec::new() })
}

/// What a model asks for, by running it on avals alone.
fn specs<R: Output>(f: impl FnOnce(&Scope) -> R) -> Result<Vec<Spec>> {
    let mode = Mode::train().key(&random::key(0));
    let run = run(mode, true, true);
    let frame = frame(&run, NamedTree::default(), NamedTree::default());
    trace_to_jaxpr_with(&[], |_| {
        let out = FlatOut::from_tree(&f(&Scope::new(frame.clone())).into_result()?);
        Ok((out.leaves.into_vec(), ()))
    })?;
    let mut seen = run.seen.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut seen.specs))
}

/// The parameters of a model without state.
///
/// `f` is the forward pass. It is traced, so that inputs of the right shapes and dtypes are all it needs, and nothing of it is
/// computed; then a few programs draw the parameters, the same for all of a kind. Each comes from a key made of `key` and its path.
///
/// ```
/// use raxla::{nn, prelude::*, random};
///
/// let x = Array::from([[1.0f32, 2.0]]);
/// let params = nn::init(&random::key(0), |cx| nn::linear(&cx.at("fc"), &x, 3))?;
/// assert_eq!(params.get("fc/kernel").map(Array::shape), Some(&[2, 3][..]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What `f` fails with; a model that has state.
#[track_caller]
pub fn init<R: Output>(key: &Key, f: impl FnOnce(&Scope) -> R) -> Result<Params> {
    let (params, state) = init_with_state(key, f)?;
    if let Some((path, _)) = state.iter().next() {
        let e = err!(InvalidArgument, "the model has state ({path}): call init_with_state");
        return Err(e.at(caller()));
    }
    Ok(params)
}

/// The parameters and the state of a model.
///
/// # Errors
/// What `f` fails with.
#[track_caller]
pub fn init_with_state<R: Output>(key: &Key, f: impl FnOnce(&Scope) -> R) -> Result<(Params, State)> {
    drawn(key, &specs(f).map_err(|e| e.at(caller()))?)
}

/// The state of a model whose parameters come from elsewhere: an empty cache, for example. No parameter is drawn.
///
/// # Errors
/// What `f` fails with.
#[track_caller]
pub fn init_state<R: Output>(key: &Key, f: impl FnOnce(&Scope) -> R) -> Result<State> {
    let mut specs = specs(f).map_err(|e| e.at(caller()))?;
    specs.retain(|spec| matches!(spec.kind, Kind::State));
    drawn(key, &specs).map(|(_, state)| state)
}

fn drawn(key: &Key, specs: &[Spec]) -> Result<(Params, State)> {
    let (mut params, mut state) = (Params::default(), State::default());
    for (spec, array) in specs.iter().zip(draw(key, specs)?) {
        match spec.kind {
            Kind::Param => params.set(&spec.path, array)?,
            Kind::State => state.set(&spec.path, array)?,
        }
    }
    Ok((params, state))
}

/// What a model is applied with, `&params` or `(&params, &state)`, and so what it returns besides its result.
pub trait Variables {
    /// `T`, or `(T, State)`.
    type Output<T: Pytree>;
    #[doc(hidden)]
    fn parts(&self) -> (&Params, Option<&State>);
    #[doc(hidden)]
    fn output<T: Pytree>(out: T, state: NamedTree) -> Self::Output<T>;
}

impl Variables for &Params {
    type Output<T: Pytree> = T;
    fn parts(&self) -> (&Params, Option<&State>) {
        (self, None)
    }
    fn output<T: Pytree>(out: T, _: NamedTree) -> T {
        out
    }
}

impl Variables for (&Params, &State) {
    type Output<T: Pytree> = (T, State);
    fn parts(&self) -> (&Params, Option<&State>) {
        (self.0, Some(self.1))
    }
    fn output<T: Pytree>(out: T, state: NamedTree) -> (T, State) {
        (out, state.into())
    }
}

/// Runs a model's forward pass `f` with `&params`, or with `(&params, &state)`; then it returns the new state as well.
///
/// It adds nothing to a compiled program: names are looked up while `f` is traced.
///
/// ```
/// use raxla::nn::{self, Mode, Params, Scope};
/// use raxla::{prelude::*, random};
///
/// fn mlp(cx: &Scope, x: &Array) -> Array {
///     let x = nn::relu(nn::linear(&cx.at("fc1"), x, 8));
///     nn::linear(&cx.at("fc2"), &x, 1)
/// }
/// let x = Array::from([[1.0f32, 2.0]]);
/// let params = nn::init(&random::key(0), |cx| mlp(cx, &x))?;
/// let loss = |params: &Params, x: &Array| -> Result<Array> {
///     Ok(nn::apply(params, Mode::train(), |cx| mlp(cx, x))?.sum(..))
/// };
/// let gradient: Params = jit(grad(loss))(&params, &x)?;
/// assert_eq!(gradient.len(), 4);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What `f` fails with; parameters that are missing, not read, or of another shape.
#[track_caller]
pub fn apply<V: Variables, R: Output>(
    variables: V,
    mode: Mode,
    f: impl FnOnce(&Scope) -> R,
) -> Result<V::Output<R::Tree>> {
    let (params, state) = variables.parts();
    let (policy, allow_unused) = (mode.policy, mode.allow_unused);
    let run = run(mode, false, state.is_some());
    let frame =
        frame(&run, (**params).clone(), state.map_or_else(NamedTree::default, |state| (**state).clone()));
    let here = caller();
    let out = catch(|| f(&Scope::new(frame.clone())).into_result()).map_err(|e| e.at(here))?;
    let out = tree::map(|x| policy.to_output(x), &out);
    if !allow_unused {
        check_used(params, &run).map_err(|e| e.at(here))?;
    }
    let state = frame.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(V::output(out, state))
}

fn check_used(params: &Params, run: &Run) -> Result<()> {
    let seen = run.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let read: FxHashSet<&str> =
        seen.specs.iter().filter(|spec| spec.kind == Kind::Param).map(|spec| spec.path.as_str()).collect();
    let unread: Vec<String> =
        params.iter().map(|(path, _)| path).filter(|path| !read.contains(path.as_str())).collect();
    if !unread.is_empty() {
        bail!(
            TreeMismatch,
            "parameters that the model does not read: {} (`Mode::allow_unused` if that is as it should be)",
            unread.join(", ")
        );
    }
    Ok(())
}

/// What a model consists of: [`tabulate`].
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Row>,
}

/// A parameter or an array of the state, in a [`Table`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// Its path.
    pub path: String,
    /// Its shape and dtype.
    pub aval: ShapedArray,
    /// Is it state?
    pub is_state: bool,
}

impl Table {
    /// What the model asks for, in the order in which it does.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The number of elements of all parameters together.
    pub fn parameter_count(&self) -> usize {
        self.rows.iter().filter(|row| !row.is_state).map(|row| row.aval.size()).sum()
    }
}

/// What a model consists of, without computing anything. It prints as a table. Flax: `tabulate`.
///
/// ```
/// use raxla::{nn, prelude::*};
///
/// let x = Array::from([[1.0f32, 2.0]]);
/// let table = nn::tabulate(|cx| nn::linear(&cx.at("fc"), &x, 3))?;
/// assert_eq!(table.parameter_count(), 9);
/// println!("{table}");
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What `f` fails with.
#[track_caller]
pub fn tabulate<R: Output>(f: impl FnOnce(&Scope) -> R) -> Result<Table> {
    let specs = specs(f).map_err(|e| e.at(caller()))?;
    let row = |spec: Spec| {
        let shape: Vec<usize> = spec.stacked.iter().chain(spec.aval.shape()).copied().collect();
        let aval = ShapedArray::new(spec.aval.dtype(), &shape);
        Row { path: spec.path, aval, is_state: spec.kind == Kind::State }
    };
    Ok(Table { rows: specs.into_iter().map(row).collect() })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let avals: Vec<String> = self.rows.iter().map(|row| row.aval.to_string()).collect();
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let paths = width(&mut self.rows.iter().map(|row| row.path.len()));
        let shapes = width(&mut avals.iter().map(String::len));
        for (row, aval) in self.rows.iter().zip(&avals) {
            let note = if row.is_state { "  state" } else { "" };
            writeln!(f, "{:paths$}  {aval:shapes$}  {:>10}{note}", row.path, row.aval.size())?;
        }
        write!(f, "{} parameters", self.parameter_count())
    }
}
