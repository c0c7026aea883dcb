//! A call of a jitted function.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::JitOptions;
use super::cache::{JitCache, Specialization, any_tracer};
use super::key::{TraceKey, differences};
use crate::api::program::{CompiledFn, Lowering, TracedFn, leaf_name, lower, path_of};
use crate::calls::jit_call::JitCall;
use crate::core::array::Array;
use crate::core::config::{self, with_debug_key_reuse};
use crate::core::eval::{check_values, log_compile};
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::key_reuse::{self, KeyCall};
use crate::core::leaks;
use crate::core::placement::InShardings;
use crate::core::trace::{self, bind_at, check_live};
use crate::error::{Loc, Result, bail, catch};
use crate::lax::with_sharding_constraint;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Take, made_of_result};
use crate::tree::Token;

pub(crate) struct JitFn {
    pub(super) f: Arc<dyn FlatFn>,
    pub(super) options: JitOptions,
    pub(super) cache: Arc<JitCache>,
}

thread_local! {
    /// Functions that this thread is tracing, to find one that calls itself.
    static TRACING: RefCell<Vec<(usize, TraceKey)>> = const { RefCell::new(Vec::new()) };
}

/// The result of a call, all its leaves in a list.
fn collected(call: impl FnOnce(Take<'_>) -> Result<()>) -> Result<FlatOut> {
    made_of_result(call, |tree, leaves| Ok(FlatOut { leaves: leaves.collect(), tree: tree.clone() }))
}

impl FlatFn for JitFn {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        collected(|take| self.call_into(args, take))
    }

    fn call_into(&self, mut args: FlatArgs, take: Take<'_>) -> Result<()> {
        if config::disable_jit() {
            return catch(|| self.f.call(args))?.give(take);
        }
        let caller = args.caller;
        if trace::is_eval() {
            if config::current().debugs() && !any_tracer(&args) {
                return self.run_watched(args, take).map_err(|e| e.at(caller));
            }
            if let Some(result) = self.run_recent(&mut args, take) {
                args.recycle();
                return result;
            }
            if !any_tracer(&args) {
                return self.run(args, take).map_err(|e| e.at(caller));
            }
        }
        self.bind(&args).map_err(|e| e.at(caller))?.give(take)
    }

    fn name(&self) -> Cow<'static, str> {
        match &self.options.name {
            Some(name) => Cow::Owned(name.clone()),
            None => self.f.name(),
        }
    }
}

impl JitFn {
    /// Runs the compiled program, if there is one for these arguments among those that were used last. It takes the leaves.
    #[inline]
    fn run_recent(&self, args: &mut FlatArgs, take: Take<'_>) -> Option<Result<()>> {
        let config = config::current();
        let recent = self.cache.recent.load();
        for entry in recent.iter() {
            if entry.fits(args, config)
                && let Some(program) = entry.program.get()
            {
                self.cache.calls.add();
                return Some(Self::run_program(entry, program, args, take));
            }
        }
        None
    }

    /// Runs the compiled program, which it finds or makes.
    fn run(&self, mut args: FlatArgs, take: Take<'_>) -> Result<()> {
        self.cache.calls.add();
        let mut traced = self.traced(&args)?;
        if traced.jaxpr.has_refs() {
            if traced.takes_refs() {
                return self.run_with_refs(&traced, args, take);
            }
            traced = traced.discharged()?.traced;
        }
        let in_shardings = traced.in_shardings(&self.name(), &args)?;
        let entry = self.cache.specialization(traced, in_shardings, &args);
        let program = entry.program.get_or_try_init(|| {
            self.cache.count_compile();
            let started = Instant::now();
            let lowering = self.lowering(&entry.traced, &args, Some(entry.in_shardings), false)?;
            let program = CompiledFn::compile(&lowering, entry.in_shardings)?;
            log_compile(format_args!("compiled {}", self.name()), &entry.traced.leaf_avals(), started, None);
            Ok(program)
        })?;
        self.cache.remember(&entry);
        Self::run_program(&entry, program, &mut args, take)
    }

    /// [`run`](Self::run) while keys that are used again, or results that are NaN, are looked for.
    #[cold]
    fn run_watched(&self, args: FlatArgs, take: Take<'_>) -> Result<()> {
        let settings = config::current();
        let traced = self.traced(&args)?;
        if settings.no_execution {
            bail!(Disallowed, "jit: {} would be executed, and no_execution is set", self.name());
        }
        let all = || traced.consts.iter().chain(&args.leaves);
        let mut keys = None;
        if settings.debug_key_reuse {
            let uses = key_reuse::of_jaxpr(&traced.jaxpr)?.of_caller();
            keys = Some(KeyCall::new(&self.name(), args.caller, uses, all())?);
        }
        // What writes to references is not run a second time to see which operation it was.
        let again = settings.checks_values() && !traced.jaxpr.has_refs();
        // Held, so that the program overwrites none.
        let kept: Vec<Array> = if again { all().cloned().collect() } else { Vec::new() };
        let out = collected(|take| self.run(args, take))?;
        if let Some(keys) = keys {
            keys.done(&out.leaves);
        }
        if settings.checks_values()
            && let Err(error) = check_values(&format!("jit of {}", self.name()), &out.leaves)
        {
            if again {
                with_debug_key_reuse(false, || eval_jaxpr(&traced.jaxpr, &[], &kept))?;
            }
            return Err(error);
        }
        out.give(take)
    }

    #[inline]
    fn run_program(
        entry: &Specialization,
        program: &CompiledFn,
        args: &mut FlatArgs,
        take: Take<'_>,
    ) -> Result<()> {
        let traced = &entry.traced;
        let take = |leaves: &mut dyn Iterator<Item = Array>| take(&traced.out_tree, leaves);
        program.run(&traced.consts, &mut args.leaves, take).map_err(|e| e.at(args.caller))
    }

    /// The trace for arguments of these types.
    pub(crate) fn traced(&self, args: &FlatArgs) -> Result<Arc<TracedFn>> {
        let key = TraceKey::of(args);
        let find = || {
            let traced = self.cache.traced.get(&key);
            traced.filter(|traced| traced.consts.iter().all(|x| check_live(x).is_ok()))
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
        if config::no_tracing() {
            bail!(Disallowed, "jit: {} would be traced, and no_tracing is set", self.name());
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
        self.cache.count_trace();
        let started = Instant::now();
        let mut traced = TracedFn::new(&*self.f, args, self.options.keep_unused)?;
        self.place(&mut traced, args)?;
        let traced = Arc::new(traced);
        drop(done);
        if traced.config.debug_key_reuse {
            key_reuse::of_jaxpr(&traced.jaxpr)?;
        }
        log_compile(
            format_args!("traced {}", self.name()),
            &traced.leaf_avals(),
            started,
            Some(&traced.jaxpr),
        );
        if leaks::may_keep(&traced.consts) {
            self.cache.traced.put(key, traced.clone());
        }
        Ok(traced)
    }

    /// Where the options say that arguments and results are.
    fn place(&self, traced: &mut TracedFn, args: &FlatArgs) -> Result<()> {
        let name = || format!("jit of {}", self.name());
        if let Some(shardings) = &self.options.in_shardings {
            let arguments: Vec<&[Token]> = (0..args.args.len()).map(|i| args.arg_tokens(i)).collect();
            let places = shardings.of_arguments(&format!("{} in_shardings", name()), &arguments)?;
            for (i, (place, x)) in places.iter().zip(&args.leaves).enumerate() {
                place
                    .map_or(Ok(()), |place| place.check(x.shape()))
                    .map_err(|e| e.context(format!("{}: {}", name(), leaf_name(args, i))))?;
            }
            traced.in_places = places.into();
        }
        if let Some(shardings) = &self.options.out_shardings {
            let places = shardings.of_result(&format!("{} out_shardings", name()), &traced.out_tree)?;
            for (i, (place, aval)) in places.iter().zip(traced.jaxpr.out_avals()).enumerate() {
                place
                    .map_or(Ok(()), |place| place.check(aval.shape()))
                    .map_err(|e| e.context(format!("{}: {}", name(), path_of(&traced.out_tree, i))))?;
            }
            traced.out_places = places.into();
        }
        Ok(())
    }

    pub(crate) fn lowering(
        &self,
        traced: &TracedFn,
        args: &FlatArgs,
        target: Option<InShardings>,
        by_hand: bool,
    ) -> Result<Lowering> {
        self.lowering_of(traced, &self.donated(args), by_hand, args.caller, target)
    }

    /// [`lowering`](Self::lowering) where more is given away than the arguments say.
    pub(super) fn lowering_of(
        &self,
        traced: &TracedFn,
        donated: &[bool],
        by_hand: bool,
        caller: Loc,
        target: Option<InShardings>,
    ) -> Result<Lowering> {
        let mut lowering = config::with_config(traced.config, || {
            lower(&self.name(), traced, donated, by_hand, caller, target)
        })?;
        lowering.compiler_options = self.options.compiler_options.clone();
        Ok(lowering)
    }

    /// Which leaves of the arguments are given away.
    pub(super) fn donated(&self, args: &FlatArgs) -> Vec<bool> {
        let mut donated = vec![false; args.leaves.len()];
        for span in args.args.iter().filter(|span| span.donated && self.options.donate) {
            donated[span.leaves()].fill(true);
        }
        donated
    }

    /// Records a call in the jaxpr that is being traced.
    fn bind(&self, args: &FlatArgs) -> Result<FlatOut> {
        let traced = self.traced(args)?;
        if traced.jaxpr.has_refs() {
            self.check_refs(&traced, args)?;
        }
        let prim = JitCall {
            name: self.name().as_ref().into(),
            jaxpr: traced.jaxpr.clone(),
            keep_unused: self.options.keep_unused,
            compiler_options: self.options.compiler_options.clone(),
        }
        .into();
        let constrained = |(i, x): (usize, &Array)| {
            with_sharding_constraint::constrained(x, traced.in_places.get(i).copied().flatten(), args.caller)
        };
        let placed = match traced.in_places.is_empty() {
            true => None,
            false => Some(args.leaves.iter().enumerate().map(constrained).collect::<Result<Vec<Array>>>()?),
        };
        let leaves = placed.as_deref().unwrap_or(&args.leaves);
        let refs: smallvec::SmallVec<[&Array; 8]> = traced.consts.iter().chain(leaves).collect();
        let mut outs = bind_at(&prim, &refs, args.caller)?;
        if !traced.out_places.is_empty() {
            for (i, x) in outs.iter_mut().enumerate() {
                *x = with_sharding_constraint::constrained(x, traced.out_place(i), args.caller)?;
            }
        }
        Ok(FlatOut { leaves: outs.into_iter().collect(), tree: traced.out_tree.clone() })
    }

    /// Says why a function that was traced before is traced again: in what the nearest earlier call differs.
    fn explain_miss(&self, key: &TraceKey, args: &FlatArgs) {
        let known = self.cache.traced.pairs();
        let reason = match known.iter().min_by_key(|old| old.0.distance(key)) {
            Some(nearest) => differences(&nearest.0, key, args).join("; "),
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
