//! `jit`: trace once, compile once, run many times. JAX: `jax.jit`, `pjit._cpp_pjit`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use hashbrown::HashTable;
use rustc_hash::{FxHashMap, FxHasher};

use crate::api::aot;
use crate::api::program::{Lowering, Program, Traced, leaf_name, lower};
use crate::arguments::options;
use crate::calls::jit_call::JitCall;
use crate::core::array::{Array, Placement, Repr};
use crate::core::aval::ShapedArray;
use crate::core::axis::AxisName;
use crate::core::config::{self, Config};
use crate::core::sharding::Sharding;
use crate::core::trace::{self, bind_at, check_live};
use crate::error::{Result, bail, catch};
use crate::signature::{Call, FlatArgs, FlatFn, FlatOut, Fun, Function, Signature, Traceable, type_key};
use crate::tree::{Token, first_difference};

/// Compiles `f`: the first call with arguments of new types traces `f` and compiles the trace, later calls run it.
///
/// Side effects of `f` happen while it is traced, and never again. Arguments that `f` takes by value are donated: their
/// buffers are reused for results if nobody else holds them. Arrays that `f` captures become inputs of the compiled
/// program; other captured values are compiled in.
///
/// The result is called like `f`, gives a `Result`, and can be transformed again. Applying `jit` anew to a function
/// item or to a closure without captures finds what was compiled before; a closure with captures is a new function
/// each time, so keep the jitted function rather than making it in a loop.
///
/// ```
/// use raxla::prelude::*;
///
/// let double = jit(|x: &Array| x * 2.0);
/// assert_eq!(double(&Array::from([1.0f32, 2.0]))?.to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Calls fail with what `f` fails with while it is traced, at the line that failed; with `Compile` or `Runtime` errors
/// of XLA; and with `InvalidArgument` for arguments on different devices.
#[track_caller]
pub fn jit<F, M>(f: F) -> Jit<M::Sig>
where
    F: Function<M>,
    M: Traceable<'static, F>,
{
    jit_with(f, JitOptions::default())
}

/// [`jit`] with options.
///
/// ```
/// use raxla::api::{JitOptions, jit_with};
/// use raxla::prelude::*;
///
/// let double = jit_with(|x: Array| &x + &x, JitOptions::new().name("double").donate(false));
/// assert!(double.lower()(Array::from(1.0f32))?.as_text().contains("@jit_double"));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn jit_with<F, M>(f: F, options: JitOptions) -> Jit<M::Sig>
where
    F: Function<M>,
    M: Traceable<'static, F>,
{
    let cache = match type_key::<F>() {
        // The same code without captures is the same function.
        Some(key) => {
            let mut shared =
                SHARED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
            shared.entry((key, options.clone())).or_default().clone()
        }
        None => Arc::default(),
    };
    let inner = Arc::new(JitFn { f: M::into_flat(f), options, cache });
    Jit { fun: Fun::from_flat(inner.clone()), inner }
}

type Shared = Mutex<FxHashMap<(std::any::TypeId, JitOptions), Arc<Cache>>>;
static SHARED: OnceLock<Shared> = OnceLock::new();

options! {
    /// Options of [`jit_with`].
    #[derive(PartialEq, Eq, Hash)]
    pub struct JitOptions {
        /// May buffers of arguments passed by value be reused for results? JAX says which in `donate_argnums`.
        donate: value bool = true,
        /// The name of the compiled module, if not the function's.
        name: optional_into String,
    }
}

/// A jitted function: called like the function it came from.
pub struct Jit<S: Signature> {
    fun: Fun<'static, S>,
    inner: Arc<JitFn>,
}

impl<S: Signature> Clone for Jit<S> {
    fn clone(&self) -> Self {
        Jit { fun: self.fun.clone(), inner: self.inner.clone() }
    }
}

/// A panic in a traced function leaves no state of the transformation half changed.
impl<S: Signature> UnwindSafe for Jit<S> {}
impl<S: Signature> RefUnwindSafe for Jit<S> {}

impl<S: Signature> fmt::Debug for Jit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jit({})", self.inner.name())
    }
}

impl<S: Signature> Deref for Jit<S> {
    type Target = S::Callee<'static, S::Out>;
    #[inline]
    #[track_caller]
    fn deref(&self) -> &Self::Target {
        &self.fun
    }
}

/// The marker of [`Jit`]s.
pub struct Jitted<S>(PhantomData<S>);

impl<S: Signature> Function<Jitted<S>> for Jit<S> {}
impl<S: Signature> Function<Jitted<S>> for &Jit<S> {}

impl<'f, S: Signature> Traceable<'f, Jit<S>> for Jitted<S> {
    type Sig = S;
    fn into_flat(function: Jit<S>) -> Arc<dyn FlatFn + 'f> {
        function.inner
    }
}
impl<'f, S: Signature> Traceable<'f, &Jit<S>> for Jitted<S> {
    type Sig = S;
    fn into_flat(function: &Jit<S>) -> Arc<dyn FlatFn + 'f> {
        function.inner.clone()
    }
}

impl<S: Signature> Jit<S> {
    /// Traces without lowering: `f.trace()(&params, &x)?.jaxpr()`.
    #[track_caller]
    pub fn trace(&self) -> Call<'static, S, aot::Traced<S>> {
        let inner = self.inner.clone();
        Call::new(move |args| {
            let traced = inner.traced(&args).map_err(|e| e.at(args.caller))?;
            Ok(aot::Traced::new(inner.clone(), traced, args))
        })
    }

    /// Traces and lowers without compiling: `f.lower()(&params, &x)?.as_text()`.
    #[track_caller]
    pub fn lower(&self) -> Call<'static, S, aot::Lowered<S>> {
        let inner = self.inner.clone();
        Call::new(move |args| {
            let traced = inner.traced(&args).map_err(|e| e.at(args.caller))?;
            aot::Traced::new(inner.clone(), traced, args).lower()
        })
    }

    /// How often the function was traced, compiled, and found compiled.
    pub fn cache_stats(&self) -> CacheStats {
        let cache = &self.inner.cache;
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let misses = read(&cache.misses);
        CacheStats {
            traces: read(&cache.traces),
            compiles: read(&cache.compiles),
            hits: read(&cache.calls) - misses,
            misses,
            entries: cache.entries.read().unwrap_or_else(PoisonError::into_inner).len(),
        }
    }

    /// Forgets every trace and compiled program of this function.
    pub fn clear_cache(&self) {
        let cache = &self.inner.cache;
        cache.recent.store(None);
        cache.entries.write().unwrap_or_else(PoisonError::into_inner).clear();
        cache.traced.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What a jitted function's cache has done. JAX: `_cache_size`, and the events of `jax.monitoring`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// How often the function was traced.
    pub traces: u64,
    /// How often a trace was compiled.
    pub compiles: u64,
    /// Calls that found a compiled program.
    pub hits: u64,
    /// Calls that did not.
    pub misses: u64,
    /// Compiled programs that are held.
    pub entries: usize,
}

/// JAX's limit on the number of programs of one function.
const MAX_ENTRIES: usize = 8192;

/// What a traced function depends on besides the function.
#[derive(Clone, PartialEq, Eq, Hash)]
struct TraceKey {
    tokens: Box<[Token]>,
    avals: Box<[ShapedArray]>,
    config: Config,
    axes: Vec<(AxisName, usize)>,
}

impl TraceKey {
    /// In how many parts two keys differ.
    fn distance(&self, other: &TraceKey) -> usize {
        fn unequal<T: PartialEq>(a: &[T], b: &[T]) -> usize {
            a.len().abs_diff(b.len()) + a.iter().zip(b).filter(|(a, b)| a != b).count()
        }
        // Of two arguments that differ, the one of the same dtype or shape is nearer.
        let dtypes = self.avals.iter().zip(&*other.avals).filter(|(a, b)| a.dtype() != b.dtype()).count();
        let shapes = self.avals.iter().zip(&*other.avals).filter(|(a, b)| a.shape() != b.shape()).count();
        unequal(&self.tokens, &other.tokens)
            + unequal(&self.avals, &other.avals)
            + dtypes
            + shapes
            + self.config.differences(&other.config).len()
            + usize::from(self.axes != other.axes)
    }
}

struct Entry {
    key: TraceKey,
    placement: Placement,
    traced: Arc<Traced>,
    /// Filled by the first thread that needs it; the others wait for it alone.
    program: OnceLock<Result<Program>>,
}

impl Entry {
    /// Was it made for arguments of these types in these places?
    fn fits(&self, args: &FlatArgs, config: Config) -> bool {
        self.key.config == config
            && self.key.avals.len() == args.leaves.len()
            && self.key.avals.iter().zip(&args.leaves).all(|(aval, x)| x.has_aval(aval))
            && *self.key.tokens == *args.tokens
            && self.is_placed_for(&args.leaves)
    }

    /// Are the committed leaves where it runs? Without any it must have been made for none: then it runs on the default
    /// device, which is part of the configuration.
    fn is_placed_for(&self, leaves: &[Array]) -> bool {
        let mut committed = false;
        for (i, x) in leaves.iter().enumerate() {
            if let Repr::Device(x) = &x.0
                && x.committed
                && self.traced.uses(i)
            {
                if x.sharding != self.placement.sharding {
                    return false;
                }
                committed = true;
            }
        }
        committed == self.placement.committed
    }
}

#[derive(Default)]
struct Cache {
    /// The entry of the last call: most functions are called with one type of arguments.
    recent: ArcSwapOption<Entry>,
    entries: RwLock<HashTable<(u64, Arc<Entry>)>>,
    traced: RwLock<FxHashMap<TraceKey, Arc<Traced>>>,
    /// Held while a thread that traces nothing else traces this function, so that it is traced once.
    tracing: Mutex<()>,
    calls: AtomicU64,
    misses: AtomicU64,
    traces: AtomicU64,
    compiles: AtomicU64,
}

pub(crate) struct JitFn {
    f: Arc<dyn FlatFn>,
    options: JitOptions,
    cache: Arc<Cache>,
}

thread_local! {
    /// Functions that this thread is tracing, to find one that calls itself.
    static TRACING: RefCell<Vec<(usize, TraceKey)>> = const { RefCell::new(Vec::new()) };
}

impl FlatFn for JitFn {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        if config::disable_jit() {
            return catch(|| self.f.call(args));
        }
        if trace::is_eval() && !args.leaves.iter().any(Array::is_tracer) {
            return self.run(&args).map_err(|e| e.at(args.caller));
        }
        self.bind(&args).map_err(|e| e.at(args.caller))
    }

    fn name(&self) -> Cow<'static, str> {
        match &self.options.name {
            Some(name) => Cow::Owned(name.clone()),
            None => self.f.name(),
        }
    }
}

impl JitFn {
    /// Runs the compiled program.
    fn run(&self, args: &FlatArgs) -> Result<FlatOut> {
        self.cache.calls.fetch_add(1, Ordering::Relaxed);
        let config = config::current();
        let recent = self.cache.recent.load();
        if let Some(entry) = &*recent
            && entry.fits(args, config)
            && let Some(Ok(program)) = entry.program.get()
        {
            return Self::run_program(entry, program, args);
        }
        drop(recent);
        let entry = self.entry(args, config)?;
        let program = entry.program.get_or_init(|| {
            self.cache.compiles.fetch_add(1, Ordering::Relaxed);
            let target = Some(entry.placement.sharding);
            Program::compile(&self.lowering(&entry.traced, args, target)?, entry.placement)
        });
        let program = match program {
            Ok(program) => program,
            Err(e) => return Err(e.clone()),
        };
        self.cache.recent.store(Some(entry.clone()));
        Self::run_program(&entry, program, args)
    }

    fn run_program(entry: &Entry, program: &Program, args: &FlatArgs) -> Result<FlatOut> {
        let leaves = program.run(&entry.traced.consts, &args.leaves)?;
        Ok(FlatOut { leaves, tree: entry.traced.out_tree.clone() })
    }

    fn entry(&self, args: &FlatArgs, config: Config) -> Result<Arc<Entry>> {
        let mut hasher = FxHasher::default();
        args.tokens.hash(&mut hasher);
        for x in &args.leaves {
            (x.shape(), x.dtype(), x.weak_type()).hash(&mut hasher);
        }
        config.hash(&mut hasher);
        let hash = hasher.finish();
        let same = |(h, e): &(u64, Arc<Entry>)| *h == hash && e.fits(args, config);
        let found = {
            let entries = self.cache.entries.read().unwrap_or_else(PoisonError::into_inner);
            entries.find(hash, same).map(|(_, e)| e.clone())
        };
        if let Some(entry) = found {
            return Ok(entry);
        }
        self.cache.misses.fetch_add(1, Ordering::Relaxed);
        let traced = self.traced(args)?;
        let placement = traced.placement(&self.name(), args)?;
        let key = trace_key(args);
        let entry = Arc::new(Entry { key, placement, traced, program: OnceLock::new() });
        let mut entries = self.cache.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        // Another thread may have been faster.
        Ok(entries.entry(hash, same, |(h, _)| *h).or_insert((hash, entry)).get().1.clone())
    }

    /// The trace for arguments of these types.
    pub(crate) fn traced(&self, args: &FlatArgs) -> Result<Arc<Traced>> {
        let key = trace_key(args);
        let find = || {
            let traced = self.cache.traced.read().unwrap_or_else(PoisonError::into_inner);
            traced.get(&key).cloned().filter(|t| t.consts.iter().all(|x| check_live(x).is_ok()))
        };
        if let Some(found) = find() {
            return Ok(found);
        }
        // A thread that traces already waits for nobody: two functions that call each other could wait for ever.
        let _alone = if trace::is_eval() {
            Some(self.cache.tracing.lock().unwrap_or_else(PoisonError::into_inner))
        } else {
            None
        };
        if let Some(found) = find() {
            return Ok(found);
        }
        if config::explain_cache_misses() {
            self.explain_miss(&key, args);
        }
        let me = Arc::as_ptr(&self.cache).addr();
        if TRACING.with_borrow(|stack| stack.iter().any(|(id, k)| *id == me && *k == key)) {
            bail!(
                InvalidArgument,
                "jit: {} calls itself with arguments of the same types while it is traced, so tracing would never end",
                self.name()
            );
        }
        TRACING.with_borrow_mut(|stack| stack.push((me, key.clone())));
        struct Done;
        impl Drop for Done {
            fn drop(&mut self) {
                TRACING.with_borrow_mut(Vec::pop);
            }
        }
        let done = Done;
        self.cache.traces.fetch_add(1, Ordering::Relaxed);
        let started = std::time::Instant::now();
        let traced = Arc::new(Traced::new(&*self.f, args)?);
        drop(done);
        tracing::debug!(
            target: "raxla::jit",
            "traced {} in {:?}: {} equations",
            self.name(),
            started.elapsed(),
            traced.jaxpr.eqn_count()
        );
        let mut cache = self.cache.traced.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_ENTRIES {
            cache.clear();
        }
        cache.insert(key, traced.clone());
        Ok(traced)
    }

    pub(crate) fn lowering(
        &self,
        traced: &Traced,
        args: &FlatArgs,
        target: Option<Sharding>,
    ) -> Result<Lowering> {
        let mut donated = vec![false; args.leaves.len()];
        for span in args.args.iter().filter(|span| span.donated && self.options.donate) {
            donated[span.leaves()].fill(true);
        }
        lower(&self.name(), traced, &donated, args.caller, target)
    }

    /// Records a call in the jaxpr that is being traced.
    fn bind(&self, args: &FlatArgs) -> Result<FlatOut> {
        let traced = self.traced(args)?;
        let prim = JitCall { name: self.name().as_ref().into(), jaxpr: traced.jaxpr.clone() }.into();
        let refs: smallvec::SmallVec<[&Array; 8]> = traced.consts.iter().chain(&args.leaves).collect();
        let outs = bind_at(&prim, &refs, args.caller)?;
        Ok(FlatOut { leaves: outs.into_iter().collect(), tree: traced.out_tree.clone() })
    }

    /// Says why a function that was traced before is traced again: in what the nearest earlier call differs.
    fn explain_miss(&self, key: &TraceKey, args: &FlatArgs) {
        let cache = self.cache.traced.read().unwrap_or_else(PoisonError::into_inner);
        let reason = match cache.keys().min_by_key(|old| old.distance(key)) {
            Some(nearest) => differences(nearest, key, args).join("; "),
            None => "it was not traced before, or this is another function object (a closure with captures)"
                .into(),
        };
        tracing::warn!(
            target: "raxla::jit",
            "tracing cache miss of {}, called at {}: {reason}",
            self.name(),
            args.caller
        );
    }
}

fn trace_key(args: &FlatArgs) -> TraceKey {
    TraceKey {
        tokens: args.tokens.as_slice().into(),
        avals: args.leaves.iter().map(Array::aval).collect(),
        config: config::current(),
        axes: trace::axis_env(),
    }
}

/// In what two keys differ, in words. `args` are those of `new`.
fn differences(old: &TraceKey, new: &TraceKey, args: &FlatArgs) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(difference) = first_difference(&old.tokens, &new.tokens) {
        found.push(format!("the structure of the arguments differs: {difference}"));
    } else {
        let typed =
            |aval: &ShapedArray| format!("{}{aval}", if aval.weak_type() { "weakly typed " } else { "" });
        for (i, (a, b)) in old.avals.iter().zip(&*new.avals).enumerate().filter(|(_, (a, b))| a != b) {
            found.push(format!("{} was {} and is {}", leaf_name(args, i), typed(a), typed(b)));
        }
    }
    for (words, was, is) in old.config.differences(&new.config) {
        found.push(format!("{words} was {was} and is {is}"));
    }
    if old.axes != new.axes {
        found.push(format!("the named axes were {:?} and are {:?}", old.axes, new.axes));
    }
    found
}
