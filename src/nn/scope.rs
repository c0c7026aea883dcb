//! [`Scope`]: where a layer takes its parameters and its state from. Flax: `Module` and its `Scope`; Haiku: `get_parameter`.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::initializers::Initializer;
use super::mode::Mode;
use super::params::{NamedTree, join};
use crate::arguments::ShapeDtype;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::trace::{TraceId, innermost, is_live, with_location};
use crate::dtype::DType;
use crate::error::{Loc, OrThrow, Result, caller, throw};
use crate::lax;
use crate::numpy::util::default_float;
use crate::random::{self, Key};

/// A place in a model: where a layer's parameters, state and keys come from, by names below the place's path.
///
/// A layer is a function of a scope and its inputs. It asks for what it needs, and [`init`](super::init) and
/// [`apply`](super::apply) run the same function: the first learns from it which parameters there are, the second gives them.
///
/// ```
/// use raxla::nn::{self, initializers, Mode, Params, Scope};
/// use raxla::prelude::*;
///
/// /// `x` times a vector of the model's own.
/// fn scaled(cx: &Scope, x: &Array) -> Array {
///     x * cx.param("scale", [x.shape()[0]], initializers::ones())
/// }
/// let x = Array::from([1.0f32, 2.0]);
/// let params: Params = nn::init(&raxla::random::key(0), |cx| scaled(&cx.at("first"), &x))?;
/// assert_eq!(params.get("first/scale").map(Array::shape), Some(&[2][..]));
/// let y = nn::apply(&params, Mode::eval(), |cx| scaled(&cx.at("first"), &x))?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct Scope {
    frame: Arc<Frame>,
    path: Arc<str>,
    shared: bool,
    mapped: Option<Arc<Mapped>>,
}

/// What layers below a place get in place of their parameters.
struct Mapped {
    /// The place, and the path of what `map` keeps of its own.
    base: Arc<str>,
    own: String,
    map: Box<Map>,
    /// What was so before, within which this stands.
    outer: Option<Arc<Mapped>>,
}

/// Of a parameter: a place of its own, and the parameter.
type Map = dyn Fn(&Scope, &Array) -> Array + Send + Sync;

/// A run of the model, or of a part of it that stands in a transformation of its own.
pub(super) struct Frame {
    pub(super) run: Arc<Run>,
    /// The path that `params` and `state` begin at.
    pub(super) root: String,
    pub(super) params: NamedTree,
    pub(super) state: Mutex<NamedTree>,
    pub(super) key: Option<Key>,
    /// Of initialisation: how many layers share each name here, outermost first.
    pub(super) stacked: Vec<usize>,
}

/// What all frames of a run have in common.
pub(super) struct Run {
    pub(super) mode: Mode,
    /// Is this [`init`](super::init)?
    pub(super) initial: bool,
    /// Was a state given?
    pub(super) has_state: bool,
    pub(super) seen: Mutex<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    /// What was asked for, in the order of asking; once each.
    pub(super) specs: Vec<Spec>,
    /// Where it was asked for, and by which trace.
    uses: FxHashMap<String, (Option<TraceId>, Loc)>,
    /// How many keys were drawn at each path, and by which trace.
    keys: FxHashMap<String, (Option<TraceId>, u32)>,
}

/// A parameter, or an array of the state.
#[derive(Clone)]
pub(super) struct Spec {
    pub(super) path: String,
    pub(super) kind: Kind,
    /// Of one layer.
    pub(super) aval: ShapedArray,
    pub(super) initializer: Initializer,
    /// Leading axes, one for each stack of layers that it is in.
    pub(super) stacked: Vec<usize>,
    /// Where it was asked for.
    pub(super) loc: Loc,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Param,
    State,
}

impl Scope {
    pub(super) fn new(frame: Arc<Frame>) -> Scope {
        let path = frame.root.as_str().into();
        Scope { frame, path, shared: false, mapped: None }
    }

    /// Is this `init`, where the model is run on avals to learn what it asks for?
    pub(super) fn is_initial(&self) -> bool {
        self.frame.run.initial
    }

    /// The key that those of all paths in this frame are made of.
    pub(super) fn any_key(&self) -> Option<Key> {
        self.frame.key.clone()
    }

    /// The parameters below here.
    pub(super) fn params_below(&self) -> NamedTree {
        self.frame.params.below(self.frame.below(&self.path))
    }

    /// The state below here.
    pub(super) fn state_below(&self) -> NamedTree {
        let state = self.frame.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.below(self.frame.below(&self.path))
    }

    /// Puts the state below here, as it is after a part of the model.
    pub(super) fn put_state_below(&self, after: &NamedTree) -> Result<()> {
        let mut state = self.frame.state.lock().unwrap_or_else(PoisonError::into_inner);
        after
            .iter()
            .try_for_each(|(path, x)| state.set(&join(self.frame.below(&self.path), &path), x.clone()))
    }

    /// This place in a frame of its own.
    pub(super) fn framed(
        &self,
        params: NamedTree,
        state: NamedTree,
        key: Option<Key>,
        stack: Option<usize>,
    ) -> Scope {
        let mut stacked = self.frame.stacked.clone();
        stacked.extend(stack);
        let (run, state) = (self.frame.run.clone(), Mutex::new(state));
        let frame = Frame { run, root: self.path.to_string(), params, state, key, stacked };
        Scope { mapped: self.mapped.clone(), ..Scope::new(Arc::new(frame)) }
    }

    /// This place, where layers get `map` of each parameter. What `map` asks for itself, of a place that is the parameter's own, is
    /// below `own`.
    pub(super) fn mapped(
        &self,
        own: &str,
        map: impl Fn(&Scope, &Array) -> Array + Send + Sync + 'static,
    ) -> Scope {
        let (base, outer) = (self.path.clone(), self.mapped.clone());
        let mapped = Mapped { base, own: join(&self.path, own), map: Box::new(map), outer };
        Scope { mapped: Some(Arc::new(mapped)), ..self.clone() }
    }

    /// The path from the model to here: `decoder/block_3`. Empty for the model.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The place of a layer of this name, or of several names: `at("attention/query")`.
    #[must_use]
    pub fn at(&self, name: impl AsRef<str>) -> Scope {
        Scope { path: join(&self.path, name.as_ref()).into(), ..self.clone() }
    }

    /// This place for a second layer that has the same parameters. Without it two layers of one name are an error.
    #[must_use]
    pub fn shared(&self) -> Scope {
        Scope { shared: true, ..self.clone() }
    }

    /// How the model is run.
    pub fn mode(&self) -> &Mode {
        &self.frame.run.mode
    }

    /// Is the model being trained?
    pub fn is_training(&self) -> bool {
        self.mode().is_training()
    }

    /// A parameter of the layer, in the dtype that the model computes in. [`init`](super::init) makes it by `initializer`.
    ///
    /// # Errors
    /// A parameter that is missing, or has another shape or dtype than asked for; a second layer of the same name.
    #[track_caller]
    pub fn param(&self, name: &str, shape: impl Into<ShapeDtype>, initializer: Initializer) -> Array {
        self.mode().policy.to_compute(&self.raw_param(name, shape, initializer))
    }

    /// [`param`](Self::param) in the dtype that it is kept in, for what must not be computed in 16 bits.
    ///
    /// # Errors
    /// As [`param`](Self::param).
    #[track_caller]
    pub fn raw_param(&self, name: &str, shape: impl Into<ShapeDtype>, initializer: Initializer) -> Array {
        let mut x = self.find(name, Kind::Param, &shape.into(), initializer);
        let mut mapped = &self.mapped;
        while let Some(one) = mapped {
            let path = join(&self.path, name);
            let below = path.strip_prefix(&*one.base).unwrap_or(&path).trim_start_matches('/');
            let own = Scope { path: join(&one.own, below).into(), mapped: None, ..self.clone() };
            x = with_location(caller(), || (one.map)(&own, &x));
            mapped = &one.outer;
        }
        x
    }

    /// An array of the state. [`init_with_state`](super::init_with_state) makes it by `initializer`.
    ///
    /// # Errors
    /// As [`param`](Self::param); a model that is applied without state.
    #[track_caller]
    pub fn state(&self, name: &str, shape: impl Into<ShapeDtype>, initializer: Initializer) -> Array {
        self.find(name, Kind::State, &shape.into(), initializer)
    }

    /// What the state is to be after the model's run.
    ///
    /// # Errors
    /// A name that [`state`](Self::state) was not asked for; another shape or dtype.
    #[track_caller]
    pub fn set_state(&self, name: &str, value: &Array) {
        let path = join(&self.path, name);
        let mut state = self.frame.state.lock().unwrap_or_else(PoisonError::into_inner);
        let below = self.frame.below(&path);
        match state.get(below) {
            None => throw!(InvalidArgument, "set_state: {path} was not asked for before: read it by `state`"),
            Some(old) if old.aval().shape() != value.shape() || old.dtype() != value.dtype() => {
                throw!(InvalidArgument, "set_state: {path} is {}, got {}", old.aval(), value.aval())
            }
            Some(_) => state.set(below, value.clone()).or_throw(),
        }
    }

    /// A key of this place's own, another one each time.
    ///
    /// # Errors
    /// A mode without a key.
    #[track_caller]
    pub fn key(&self) -> Key {
        let Some(key) = self.try_key() else {
            throw!(
                InvalidArgument,
                "{} is random and the model was applied without a key: `Mode::train().key(&key)`",
                self.layer()
            )
        };
        key
    }

    pub(super) fn try_key(&self) -> Option<Key> {
        let key = self.frame.key.as_ref()?;
        let mut seen = self.frame.run.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (trace, count) = seen.keys.entry(self.path.to_string()).or_insert((innermost(), 0));
        if is_over(*trace) {
            (*trace, *count) = (innermost(), 0);
        }
        *count += 1;
        let count = *count;
        drop(seen);
        Some(random::fold_in(&key_of(key, &self.path), count))
    }

    /// The layer's name in messages.
    fn layer(&self) -> &str {
        if self.path.is_empty() { "the model" } else { &self.path }
    }

    #[track_caller]
    fn find(&self, name: &str, kind: Kind, shape: &ShapeDtype, initializer: Initializer) -> Array {
        let path = join(&self.path, name);
        let (dims, dtype) = shape.resolve(&path, default_float()).or_throw();
        let aval = ShapedArray::new(dtype, &dims);
        let (frame, run) = (&*self.frame, &*self.frame.run);
        self.note(&path, kind, aval, initializer);
        let found = match kind {
            Kind::Param => frame.params.get(frame.below(&path)).cloned(),
            Kind::State => {
                let mut state = frame.state.lock().unwrap_or_else(PoisonError::into_inner);
                if run.initial && state.get(frame.below(&path)).is_none() {
                    state.set(frame.below(&path), zeros(&dims, dtype)).or_throw();
                }
                state.get(frame.below(&path)).cloned()
            }
        };
        match found {
            Some(x) if x.shape() == &dims[..] && x.dtype() == dtype => x,
            Some(x) => throw!(
                Shape,
                "{path} is {}, and the model asks for {aval}: did the shape of an input change since init?",
                x.aval()
            ),
            None if run.initial => zeros(&dims, dtype),
            None if kind == Kind::State && !run.has_state => throw!(
                InvalidArgument,
                "{} keeps state ({name}), and the model was applied without: apply((&params, &state), ..)",
                self.layer()
            ),
            None => throw!(
                TreeMismatch,
                "{path}, {aval}, is not among the {}: {}",
                if kind == Kind::Param { "parameters" } else { "state" },
                match kind {
                    Kind::Param => listed(&frame.params),
                    Kind::State => listed(&frame.state.lock().unwrap_or_else(PoisonError::into_inner)),
                }
            ),
        }
    }

    /// Notes that an array is asked for, and refuses a second layer of the same name.
    #[track_caller]
    fn note(&self, path: &str, kind: Kind, aval: ShapedArray, initializer: Initializer) {
        let mut seen = self.frame.run.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let here = (innermost(), caller());
        match seen.uses.get(path).copied() {
            None => {
                let stacked = self.frame.stacked.clone();
                seen.uses.insert(path.to_owned(), here);
                let (path, loc) = (path.to_owned(), here.1);
                seen.specs.push(Spec { path, kind, aval, initializer, stacked, loc });
            }
            // A loop's body is traced more than once; what a trace that is over asked for is asked for again.
            Some((trace, _)) if self.shared || is_over(trace) => {
                seen.uses.insert(path.to_owned(), here);
            }
            Some((_, first)) => {
                drop(seen);
                throw!(
                    InvalidArgument,
                    "two layers are named {}: {path} was asked for at {first} already. Give them names of their own, \
                     `cx.at(\"..\")`, or say that they share it, `cx.shared()`",
                    self.layer()
                )
            }
        }
    }
}

impl Frame {
    /// A path of the model, from this frame's root.
    fn below<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(self.root.as_str()).map_or(path, |below| below.trim_start_matches('/'))
    }
}

fn is_over(trace: Option<TraceId>) -> bool {
    trace.is_some_and(|trace| !is_live(trace))
}

/// The key of a path: the same for the same path, whatever else the model has.
fn key_of(key: &Key, path: &str) -> Key {
    random::fold_in(key, hash_of(path))
}

/// What a key is folded with to be that of a path: FNV-1a of 32 bits, http://www.isthe.com/chongo/tech/comp/fnv. It must stay what it
/// is, or models begin otherwise.
pub(super) fn hash_of(path: &str) -> u32 {
    path.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn zeros(dims: &[usize], dtype: DType) -> Array {
    lax::zeros(dtype, dims)
}

fn listed(tree: &NamedTree) -> String {
    let paths: Vec<String> = tree.iter().map(|(path, array)| format!("{path}, {}", array.aval())).collect();
    if paths.is_empty() { "there are none".to_owned() } else { paths.join("; ") }
}
