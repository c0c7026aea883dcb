//! What a jitted function keeps: traces and programs. JAX: `pjit._cpp_pjit`'s fast path, `pe.trace_to_jaxpr`'s cache.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::CacheStats;
use super::key::TraceKey;
use crate::api::program::{CompiledFn, TracedFn};
use crate::core::array::{Array, Repr};
use crate::core::cache::{Cache, Clear, Counter, Map, Once, register};
use crate::core::config::Config;
use crate::core::placement::InShardings;
use crate::signature::FlatArgs;

/// JAX's limit on the number of programs of one function.
const MAX_PROGRAMS: usize = 8192;

/// Programs that are found without a lock: training and evaluation, say, by turns.
const RECENT: usize = 4;

/// A program of the function, for arguments of certain types in certain places.
pub(super) struct Specialization {
    pub key: TraceKey,
    pub in_shardings: InShardings,
    pub traced: Arc<TracedFn>,
    pub program: Once<CompiledFn>,
}

impl Specialization {
    /// Was it made for these arguments, none of which is a tracer? The committed leaves must be where it runs; without any it must
    /// have been made for none, or say itself where it runs: then it runs there, or on the default device, which is part of the
    /// configuration.
    #[inline]
    pub(super) fn fits(&self, args: &FlatArgs, config: Config) -> bool {
        let key = &self.key;
        if key.config != config || key.avals.len() != args.leaves.len() {
            return false;
        }
        let mut committed = false;
        for (i, (aval, x)) in key.avals.iter().zip(&args.leaves).enumerate() {
            match &x.0 {
                Repr::Device(x) => {
                    if x.aval != *aval {
                        return false;
                    }
                    if x.committed && self.traced.uses(i) {
                        if x.sharding != self.in_shardings.of(i) {
                            return false;
                        }
                        committed = true;
                        continue;
                    }
                }
                Repr::Scalar(_) | Repr::Zero(_) if x.has_aval(aval) => {}
                Repr::Scalar(_) | Repr::Zero(_) | Repr::Ref(_) | Repr::Tracer(_) => return false,
            }
            if !self.in_shardings.is_whole(i) && !self.in_shardings.is_given(i) {
                return false;
            }
        }
        (committed == self.in_shardings.committed || self.in_shardings.fixed) && *key.tokens == *args.tokens
    }
}

type Recent = SmallVec<[Arc<Specialization>; RECENT]>;

pub(super) struct JitCache {
    /// The programs that were used last, the newest first.
    pub recent: ArcSwap<Recent>,
    programs: Cache<Arc<Specialization>>,
    pub traced: Map<TraceKey, Arc<TracedFn>>,
    /// Held while a thread that traces nothing else traces this function, so that it is traced once.
    pub tracing: Mutex<()>,
    pub calls: Counter,
    misses: AtomicU64,
    traces: AtomicU64,
    compiles: AtomicU64,
}

impl JitCache {
    pub(super) fn new() -> Arc<JitCache> {
        let cache = Arc::new(JitCache {
            recent: ArcSwap::default(),
            programs: Cache::new(MAX_PROGRAMS),
            traced: Map::new(MAX_PROGRAMS),
            tracing: Mutex::new(()),
            calls: Counter::default(),
            misses: AtomicU64::new(0),
            traces: AtomicU64::new(0),
            compiles: AtomicU64::new(0),
        });
        register(&cache);
        cache
    }

    /// The program of a trace where its arguments are; `args` are what it was traced for.
    pub(super) fn specialization(
        &self,
        traced: Arc<TracedFn>,
        in_shardings: InShardings,
        args: &FlatArgs,
    ) -> Arc<Specialization> {
        let hash = FxBuildHasher.hash_one((Arc::as_ptr(&traced), in_shardings));
        let is = |known: &Arc<Specialization>| {
            Arc::ptr_eq(&known.traced, &traced) && known.in_shardings == in_shardings
        };
        if let Some(found) = self.programs.find(hash, &is) {
            return found;
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (traced, key) = (traced.clone(), TraceKey::of(args));
        self.programs.insert(
            hash,
            Arc::new(Specialization { key, in_shardings, traced, program: Once::new() }),
            &is,
        )
    }

    /// The next calls with such arguments find the program at once.
    pub(super) fn remember(&self, entry: &Arc<Specialization>) {
        self.recent.rcu(|recent| {
            let others = recent.iter().filter(|other| !Arc::ptr_eq(other, entry)).take(RECENT - 1);
            [entry].into_iter().chain(others).cloned().collect::<Recent>()
        });
    }

    pub(super) fn count_trace(&self) {
        self.traces.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_compile(&self) {
        self.compiles.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> CacheStats {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let misses = read(&self.misses);
        CacheStats {
            traces: read(&self.traces),
            compiles: read(&self.compiles),
            hits: self.calls.get().saturating_sub(misses),
            misses,
            entries: self.programs.len(),
        }
    }
}

impl Clear for JitCache {
    fn clear(&self) {
        self.recent.store(Arc::default());
        self.programs.clear();
        self.traced.clear();
    }
}

/// Is one of them a tracer?
pub(super) fn any_tracer(args: &FlatArgs) -> bool {
    args.leaves.iter().any(Array::is_tracer)
}
