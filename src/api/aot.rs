//! Ahead of time: lowering and compiling by hand. JAX: `jax.stages`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use crate::api::jit::JitFn;
use crate::api::program::{CompiledFn, Lowering, TracedFn, leaf_name};
use crate::core::array::{Array, Repr};
use crate::core::aval::ShapedArray;
use crate::core::config::no_execution;
use crate::core::jaxpr::Jaxpr;
use crate::core::placement;
use crate::core::sharding::Sharding;
use crate::error::{Result, bail, err};
use crate::pjrt::{CompilerOptions, Executable};
use crate::signature::{Call, FlatArgs, FlatFn, Signature, Take, made_of_result};
use crate::tree::{self, Token, first_difference};

/// A traced function: a jaxpr that is not lowered yet. From [`Jit::trace`](crate::api::Jit::trace).
pub struct Traced<S: Signature> {
    function: Arc<JitFn>,
    traced: Arc<TracedFn>,
    args: FlatArgs,
    signature: PhantomData<fn() -> S>,
}

impl<S: Signature> Traced<S> {
    pub(crate) fn new(function: Arc<JitFn>, traced: Arc<TracedFn>, args: FlatArgs) -> Self {
        Traced { function, traced, args, signature: PhantomData }
    }

    /// The jaxpr; captured arrays are its leading parameters.
    pub fn jaxpr(&self) -> &Jaxpr {
        &self.traced.jaxpr
    }

    /// Avals of the leaves of the result.
    pub fn out_avals(&self) -> Vec<ShapedArray> {
        self.traced.jaxpr.out_avals()
    }

    /// Lowers to StableHLO.
    ///
    /// # Errors
    /// A primitive that cannot be lowered.
    pub fn lower(self) -> Result<Lowered<S>> {
        let traced = match self.traced.jaxpr.has_refs() {
            true if self.traced.takes_refs() => bail!(
                Unimplemented,
                "{}: lowering by hand of a function that takes or captures array references",
                self.function.name()
            ),
            true => self.traced.discharged()?.traced,
            false => self.traced,
        };
        // Where there is no device, or several are asked for, the module is one for any platform.
        let target = traced.in_shardings(&self.function.name(), &self.args).ok();
        let lowering =
            self.function.lowering(&traced, &self.args, target, true).map_err(|e| e.at(self.args.caller))?;
        Ok(Lowered::new(self.function.name(), lowering, traced, self.args))
    }
}

impl<S: Signature> fmt::Debug for Traced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.jaxpr(), f)
    }
}

/// A lowered function: StableHLO that is not compiled yet. From [`Jit::lower`](crate::api::Jit::lower).
pub struct Lowered<S: Signature> {
    name: Cow<'static, str>,
    lowering: Lowering,
    traced: Arc<TracedFn>,
    tokens: Box<[Token]>,
    avals: Box<[ShapedArray]>,
    args: FlatArgs,
    signature: PhantomData<fn() -> S>,
}

impl<S: Signature> Lowered<S> {
    fn new(name: Cow<'static, str>, lowering: Lowering, traced: Arc<TracedFn>, args: FlatArgs) -> Self {
        let tokens = args.tokens.as_slice().into();
        let avals = args.leaves.iter().map(Array::aval).collect();
        Lowered { name, lowering, traced, tokens, avals, args, signature: PhantomData }
    }

    /// The module as StableHLO text, with the Rust locations of its operations.
    pub fn as_text(&self) -> &str {
        &self.lowering.module.text
    }

    /// The jaxpr that was lowered; captured arrays are its leading parameters.
    pub fn jaxpr(&self) -> &Jaxpr {
        &self.traced.jaxpr
    }

    /// Avals of the leaves of the result.
    pub fn out_avals(&self) -> Vec<ShapedArray> {
        self.traced.jaxpr.out_avals()
    }

    /// Compiles for the device that the arguments are committed to, else for the default device.
    ///
    /// # Errors
    /// XLA rejects the module; arguments that are committed to different devices.
    #[track_caller]
    pub fn compile(&self) -> Result<Compiled<S>> {
        self.compile_with(CompilerOptions::new())
    }

    /// [`compile`](Self::compile) with some of XLA's debug options besides those of the function, whose values these replace.
    ///
    /// ```
    /// use raxla::prelude::*;
    ///
    /// let lowered = jit(|x: &Array| x * 2.0).lower()(&Array::from(1.5f32))?;
    /// let double = lowered.compile_with([("xla_backend_optimization_level", 0)])?;
    /// assert_eq!(double(&Array::from(1.5f32))?.item::<f32>()?, 3.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`compile`](Self::compile); `No such compile option: 'xla_…'`, and values that an option does not take.
    #[track_caller]
    pub fn compile_with(&self, compiler_options: impl Into<CompilerOptions>) -> Result<Compiled<S>> {
        let caller = Location::caller();
        let in_shardings = self.traced.in_shardings(&self.name, &self.args).map_err(|e| e.at(caller))?;
        let options = self.lowering.compiler_options.with(&compiler_options.into());
        let program = CompiledFn::compile_with(&self.lowering, in_shardings, &options);
        let program = Arc::new(program.map_err(|e| e.at(caller))?);
        let (run, traced) = (program.clone(), self.traced.clone());
        let (tokens, avals) = (self.tokens.clone(), self.avals.clone());
        let call = Call::new(move |mut args: FlatArgs| {
            let checked = check(&tokens, &avals, &args).and_then(|()| check_placement(&run, &traced, &args));
            checked.map_err(|e| e.at(args.caller))?;
            if no_execution() {
                let error =
                    err!(Disallowed, "a compiled function would be executed, and no_execution is set");
                return Err(error.at(args.caller));
            }
            let call = |take: Take<'_>| {
                let take = |leaves: &mut dyn Iterator<Item = Array>| take(&traced.out_tree, leaves);
                run.run(&traced.consts, &mut args.leaves, take).map_err(|e| e.at(args.caller))
            };
            made_of_result(call, tree::rebuild)
        });
        Ok(Compiled { program, call })
    }
}

impl<S: Signature> fmt::Debug for Lowered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_text())
    }
}

/// A compiled function: called like the original, with arguments of the types that it was compiled for.
pub struct Compiled<S: Signature> {
    program: Arc<CompiledFn>,
    call: Call<'static, S>,
}

impl<S: Signature> Compiled<S> {
    /// The executable: its cost, its memory, its optimised program.
    pub fn executable(&self) -> &Executable {
        &self.program.executable
    }
}

impl<S: Signature> Deref for Compiled<S> {
    type Target = S::Callee<'static, S::Out>;
    #[track_caller]
    fn deref(&self) -> &Self::Target {
        &self.call
    }
}

impl<S: Signature> fmt::Debug for Compiled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compiled")
    }
}

/// Arguments that were put on another device are not moved; others are.
fn check_placement(program: &CompiledFn, traced: &TracedFn, args: &FlatArgs) -> Result<()> {
    for (i, x) in args.leaves.iter().enumerate() {
        let sharding = program.in_shardings.of(i);
        if let Repr::Device(d) = &x.0
            && d.committed
            && d.sharding != sharding
            && traced.uses(i)
        {
            let same_devices = d.sharding.devices() == sharding.devices();
            let words = |at: Sharding| if same_devices { at.to_string() } else { placement::names(at) };
            bail!(
                InvalidArgument,
                "argument devices differ from the device for which this computation was compiled: {} ({}) is on {}, \
                 and the computation runs on {}. Move the argument with device_put, or compile for arguments \
                 that are there",
                leaf_name(args, i),
                x.aval(),
                words(d.sharding),
                words(sharding)
            );
        }
    }
    Ok(())
}

fn check(tokens: &[Token], avals: &[ShapedArray], args: &FlatArgs) -> Result<()> {
    if let Some(difference) = first_difference(tokens, &args.tokens) {
        bail!(TreeMismatch, "function compiled with another structure of arguments: {difference}");
    }
    for (i, (aval, x)) in avals.iter().zip(&args.leaves).enumerate() {
        if !aval.matches(&x.aval()) {
            bail!(
                InvalidArgument,
                "argument types differ from the types for which this computation was compiled: {} was compiled for \
                 {aval} and called with {}",
                leaf_name(args, i),
                x.aval()
            );
        }
    }
    Ok(())
}
