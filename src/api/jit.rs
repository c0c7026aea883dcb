//! `jit`: trace once, compile once, run many times. JAX: `jax.jit`, `pjit._cpp_pjit`.

mod cache;
mod function;
mod key;
mod with_refs;

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, LazyLock};

use crate::api::aot;
use crate::arguments::options;
use crate::core::cache::{Clear, Map};
use crate::core::sharding::ShardingTree;
use crate::pjrt::CompilerOptions;
use crate::signature::{Call, FlatFn, Fun, Function, Signature, Traceable, type_key};
use cache::JitCache;
pub(crate) use function::JitFn;

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
        Some(key) => SHARED.get_or_insert_with((key, options.clone()), JitCache::new),
        None => JitCache::new(),
    };
    let inner = Arc::new(JitFn { f: M::into_flat(f), options, cache });
    Jit { fun: Fun::from_flat(inner.clone()), inner }
}

/// Functions without captures whose traces and programs are kept; those of others live as long as they do.
const MAX_SHARED: usize = 4096;

/// By the function's type, for those without captures.
static SHARED: LazyLock<Map<(TypeId, JitOptions), Arc<JitCache>>> = LazyLock::new(|| Map::new(MAX_SHARED));

options! {
    /// Options of [`jit_with`].
    #[derive(PartialEq, Eq, Hash)]
    pub struct JitOptions {
        /// May buffers of arguments passed by value be reused for results? JAX says which in `donate_argnums`.
        donate: value bool = true,
        /// Where the arguments are to be: a sharding for all, or a tuple with an entry for each argument, `None` where the argument itself
        /// decides. One that was put elsewhere is an error, any other is moved there.
        in_shardings: optional_into ShardingTree,
        /// Where the results are to be; `None` where XLA decides. The program runs on the devices of these shardings.
        out_shardings: optional_into ShardingTree,
        /// The name of the compiled module, if not the function's.
        name: optional_into String,
        /// Are arguments that the function does not use parameters of the program all the same? Then where they are counts, too.
        keep_unused: value bool = false,
        /// XLA's debug options. A call fails with the compiler's error, `No such compile option: 'xla_…'`, for a name or a value that it does not
        /// take. The program of the function has them, as its transformed versions have, and no program that the function is only a part of:
        /// lowering such a one fails with `compiler_options can only be passed to top-level jit`.
        compiler_options: into CompilerOptions = CompilerOptions::new(),
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
        self.inner.cache.stats()
    }

    /// Forgets every trace and compiled program of this function.
    pub fn clear_cache(&self) {
        self.inner.cache.clear();
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
