//! A call of a jitted function that takes or captures references. JAX: `pjit`'s calls with mutable arguments.
//!
//! The program takes what they refer to and gives what they refer to afterwards, in the same buffers where nobody else holds those.

use std::sync::Arc;

use super::function::JitFn;
use crate::api::program::{CompiledFn, DischargedFn, TracedFn, leaf_name};
use crate::core::array::Array;
use crate::core::mutable::Held;
use crate::core::placement::InShardings;
use crate::error::Result;
use crate::interpreters::discharge::{Locked, check_aliases};
use crate::signature::{FlatArgs, FlatFn, OutLeaves, Take};

impl JitFn {
    /// Refuses a reference that is passed twice, or was captured too.
    pub(super) fn check_refs(&self, traced: &TracedFn, args: &FlatArgs) -> Result<()> {
        let what = format!("{} for jit", self.f.describe());
        check_aliases(&what, &traced.consts, &args.leaves, |i| leaf_name(args, i))
    }

    /// Runs the compiled program, which it finds or makes, on what the references refer to.
    pub(super) fn run_with_refs(
        &self,
        traced: &Arc<TracedFn>,
        mut args: FlatArgs,
        take: Take<'_>,
    ) -> Result<()> {
        self.check_refs(traced, &args)?;
        let DischargedFn { traced: pure, written } = traced.discharged()?;
        args.leaves.extend(traced.consts.iter().cloned());
        let refs = args.leaves.clone();
        let mut locked = Locked::new(&self.name(), refs.iter())?;
        for (i, leaf) in args.leaves.iter_mut().enumerate() {
            if let Some(held) = locked.at(i) {
                *leaf = held.value()?.clone();
            }
        }
        let in_shardings = pure.in_shardings(&self.name(), &args)?;
        let entry = self.cache.specialization(pure, in_shardings, &args);
        let program = entry.program.get_or_try_init(|| {
            self.cache.count_compile();
            self.compile_with_refs(&entry.traced, &args, &written, entry.in_shardings)
        })?;
        // Nobody else holds what is overwritten.
        for i in &written {
            if let Some(held) = locked.at(*i) {
                args.leaves[*i].take();
                args.leaves[*i] = held.take()?;
            }
        }
        let results = traced.jaxpr.outvars.len();
        let caller = args.caller;
        let run = program.run(&[], &mut args.leaves, |outs: &mut dyn Iterator<Item = Array>| {
            let leaves: OutLeaves = Iterator::take(&mut *outs, results).collect();
            for (i, value) in written.iter().zip(outs) {
                if let Some(held) = locked.at(*i) {
                    *held = Held::Value(value);
                }
            }
            take(&traced.out_tree, &mut leaves.into_iter())
        });
        if run.is_err() && !args.leaves.is_empty() {
            // It has not begun.
            for i in &written {
                if let Some(held) = locked.at(*i) {
                    *held = Held::Value(args.leaves[*i].clone());
                }
            }
        }
        run.map_err(|e| e.at(caller))
    }

    fn compile_with_refs(
        &self,
        pure: &TracedFn,
        args: &FlatArgs,
        written: &[usize],
        in_shardings: InShardings,
    ) -> Result<CompiledFn> {
        let mut donated = self.donated(args);
        written.iter().for_each(|i| donated[*i] = true);
        let lowering = self.lowering_of(pure, &donated, false, args.caller, Some(in_shardings))?;
        CompiledFn::compile(&lowering, in_shardings)
    }
}
