//! Evaluation: what `bind` does when nothing is being traced. JAX: `core.EvalTrace`, `dispatch.apply_primitive`.
//!
//! There is no second implementation of an operation: its lowering is compiled as a program of its own, once for each
//! combination of primitive, avals, settings and device, and run.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use rustc_hash::FxHasher;
use smallvec::SmallVec;

use crate::core::array::{Array, DeviceArray, Placement, Repr};
use crate::core::aval::ShapedArray;
use crate::core::cache::{Cache, Map, Once};
use crate::core::compilation_cache;
use crate::core::config::{self, Config, log_compiles, with_debug_key_reuse};
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::Jaxpr;
use crate::core::key_reuse;
use crate::core::lowering::{LoweringCtx, Module};
use crate::core::mutable::not_an_array;
use crate::core::named_shardings;
use crate::core::placement::{self, InShardings, copy_to};
use crate::core::primitive::{Arrays, Prim};
use crate::core::runtime_tokens::Launch;
use crate::core::scalar::Scalar;
use crate::core::sharding::{Sharding, Shards};
use crate::core::tracer::unexpected_tracer;
use crate::core::transfer::{self, Transfer};
use crate::error::{Loc, Result, bail};
use crate::mlir::Attrs;
use crate::pjrt::{Buffer, CompileOptions, CompilerOptions, Device, Executable, Program};

/// One compiled application of a primitive.
struct CompiledOp {
    prim: Prim,
    ins: SmallVec<[ShapedArray; 2]>,
    config: Config,
    shardings: InShardings,
    program: Once<OpOutcome>,
}

struct OpProgram {
    executable: Executable,
    launch: Launch,
    outs: SmallVec<[(ShapedArray, Placement); 1]>,
}

/// What became of a primitive and the places of its arguments.
enum OpOutcome {
    Program(OpProgram),
    /// The primitive itself names other devices.
    Elsewhere(InShardings),
}

/// Compiled primitives that are kept: JAX's limit on what `jax._src.util.cache` holds.
const MAX_OPS: usize = 4096;

/// Scalars kept on the device by one thread.
const MAX_SCALARS: usize = 256;

static SHARED: LazyLock<Cache<Arc<CompiledOp>>> = LazyLock::new(|| Cache::new(MAX_OPS));

thread_local! {
    /// In front of `SHARED`, so that a hit takes no lock that others take.
    static LOCAL: Cache<Arc<CompiledOp>> = Cache::new(MAX_OPS);
    /// Host scalars that are on a device already.
    static SCALARS: Map<(Scalar, Sharding), Arc<Shards>> = Map::new(MAX_SCALARS);
}

/// The buffers of an array: its own, or that of a host scalar or of a copy on another device.
pub(crate) enum BufferRef<'a> {
    Array(&'a DeviceArray),
    Shared(Arc<Shards>),
}

impl BufferRef<'_> {
    /// The part on the first device, which is the array if there is one.
    #[inline]
    pub(crate) fn buffer(&self) -> &Buffer {
        &self.shards()[0]
    }

    #[inline]
    pub(crate) fn shards(&self) -> &Shards {
        match self {
            BufferRef::Array(x) => &x.shards,
            BufferRef::Shared(x) => x,
        }
    }
}

/// The buffers in a place of an array that is no tracer: a copy, if the array is elsewhere.
pub(crate) fn buffer_on(x: &Array, sharding: Sharding) -> Result<BufferRef<'_>> {
    match &x.0 {
        Repr::Device(x) if x.sharding == sharding => Ok(BufferRef::Array(x)),
        Repr::Device(d) => {
            Ok(BufferRef::Shared(Arc::new(copy_to(&d.shards, x, sharding, Transfer::Implicit)?)))
        }
        Repr::Scalar(x) => {
            // Whether it is there already does not matter: a program is refused, or it is not.
            transfer::to_device(Transfer::Implicit, || x.aval())?;
            scalar_on(x.with_weak_type(false), sharding).map(BufferRef::Shared)
        }
        Repr::Zero(aval) => {
            let shards = sharding.put(&x.to_bytes()?, aval.dtype(), aval.shape())?;
            Ok(BufferRef::Shared(Arc::new(shards)))
        }
        Repr::Ref(cell) => Err(not_an_array(&cell.aval)),
        Repr::Tracer(t) => Err(unexpected_tracer(t)),
    }
}

fn scalar_on(x: Scalar, sharding: Sharding) -> Result<Arc<Shards>> {
    SCALARS.with(|scalars| {
        if let Some(shards) = scalars.get(&(x, sharding)) {
            return Ok(shards);
        }
        let shards = Arc::new(sharding.put(&x.bytes()[..x.dtype().size()], x.dtype(), &[])?);
        scalars.put((x, sharding), shards.clone());
        Ok(shards)
    })
}

/// Applies a primitive to arrays on a device, on behalf of the line `loc`.
pub(crate) fn process(prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
    let settings = config::current();
    if !settings.debugs() {
        return apply(prim, args);
    }
    if settings.no_execution {
        let unexecuted = || bail!(Disallowed, "{}: would be executed, and no_execution is set", prim.name());
        return prim.eval(args).unwrap_or_else(unexecuted);
    }
    if settings.debug_key_reuse {
        return key_reuse::watched(prim, args, loc, || apply_and_check(prim, args));
    }
    apply_and_check(prim, args)
}

#[cold]
fn apply_and_check(prim: &Prim, args: &[&Array]) -> Result<Arrays> {
    let outs = apply(prim, args)?;
    if config::current().checks_values()
        && let Err(error) = check_values(prim.name(), &outs)
    {
        // Which operation of the function was it?
        if let ("jit", [jaxpr]) = (prim.name(), &prim.sub_jaxprs()[..]) {
            let args: Vec<Array> = args.iter().map(|x| (*x).clone()).collect();
            with_debug_key_reuse(false, || eval_jaxpr(jaxpr, &[], &args))?;
        }
        return Err(error);
    }
    Ok(outs)
}

/// Refuses what `debug_nans` and `debug_infs` look for.
pub(crate) fn check_values(name: &str, results: &[Array]) -> Result<()> {
    let settings = config::current();
    for x in results.iter().filter(|x| x.dtype().is_inexact()) {
        let bytes = x.read(Transfer::Own)?;
        for element in bytes.chunks_exact(x.dtype().size()) {
            let value = Scalar::from_bytes(x.dtype(), element);
            let parts = [value.to_f64(), value.imag()];
            if settings.debug_nans && parts.iter().any(|part| part.is_nan()) {
                bail!(FloatingPoint, "{name}: a result {} has NaN, and debug_nans is on", x.aval());
            }
            if settings.debug_infs && parts.iter().any(|part| part.is_infinite()) {
                bail!(
                    FloatingPoint,
                    "{name}: a result {} has an infinite value, and debug_infs is on",
                    x.aval()
                );
            }
        }
    }
    Ok(())
}

fn apply(prim: &Prim, args: &[&Array]) -> Result<Arrays> {
    if let Some(outs) = prim.eval(args) {
        return outs;
    }
    let committed = args.iter().map(|x| x.committed_to());
    let shardings = placement::common(config::current(), committed, |i, j| {
        let name = |i: usize| (format!("argument {i}"), args[i]);
        placement::incompatible(prim.name(), name(i), name(j))
    })?;
    apply_in(prim, args, shardings)
}

/// Applies a primitive to arrays that are or go to these places.
fn apply_in(prim: &Prim, args: &[&Array], shardings: InShardings) -> Result<Arrays> {
    // Where it runs is in the key of its own.
    let config = config::current_placed();
    let mut hasher = FxHasher::default();
    prim.hash(&mut hasher);
    for x in args {
        match &x.0 {
            Repr::Device(x) => x.aval.hash(&mut hasher),
            Repr::Scalar(x) => (x.dtype(), x.weak_type()).hash(&mut hasher),
            Repr::Zero(aval) => aval.hash(&mut hasher),
            Repr::Ref(cell) => return Err(not_an_array(&cell.aval).context(prim.name())),
            Repr::Tracer(t) => return Err(unexpected_tracer(t)),
        }
    }
    config.hash(&mut hasher);
    shardings.hash(&mut hasher);
    let hash = hasher.finish();
    let same = |known: &Arc<CompiledOp>| {
        known.shardings == shardings
            && known.config == config
            && known.ins.len() == args.len()
            && known.ins.iter().zip(args).all(|(aval, x)| x.has_aval(aval))
            && known.prim == *prim
    };
    let entry = LOCAL.with(|local| {
        local.find(hash, &same).unwrap_or_else(|| {
            let entry = SHARED.find(hash, &same).unwrap_or_else(|| {
                let ins = args.iter().map(|x| x.aval()).collect();
                let new = CompiledOp { prim: prim.clone(), ins, config, shardings, program: Once::new() };
                SHARED.insert(hash, Arc::new(new), &same)
            });
            local.insert(hash, entry, &same)
        })
    });
    let compiled = entry.program.get_or_try_init(|| compile(&entry))?;
    let compiled = match compiled {
        OpOutcome::Program(program) => program,
        OpOutcome::Elsewhere(shardings) => return apply_in(prim, args, *shardings),
    };
    let buffers = args.iter().enumerate().map(|(i, x)| buffer_on(x, shardings.of(i)));
    let buffers = buffers.collect::<Result<SmallVec<[BufferRef<'_>; 4]>>>()?;
    let outs = compiled.outs.iter();
    let array = |(shards, (aval, placement)): (Shards, &(ShapedArray, Placement))| {
        Array::on_device(shards, *aval, *placement)
    };
    if shardings.is_single() {
        let refs: SmallVec<[&Buffer; 4]> = buffers.iter().map(BufferRef::buffer).collect();
        let buffers = compiled.launch.run(&compiled.executable, shardings.whole, &refs, &[])?;
        return Ok(buffers
            .into_iter()
            .map(|buffer| Shards::from_buf([buffer]))
            .zip(outs)
            .map(array)
            .collect());
    }
    let refs: SmallVec<[&Shards; 4]> = buffers.iter().map(BufferRef::shards).collect();
    let results = compiled.launch.run_sharded(&compiled.executable, shardings.whole, &refs, &[])?;
    Ok(results.into_iter().zip(outs).map(array).collect())
}

/// Logs what took its time since then, as a warning while `log_compiles` is on: a compilation, or the trace that gave `jaxpr`.
pub(crate) fn log_compile(
    what: fmt::Arguments<'_>,
    avals: &[ShapedArray],
    started: Instant,
    jaxpr: Option<&Jaxpr>,
) {
    let seconds = started.elapsed().as_secs_f64();
    let types = || avals.iter().map(ShapedArray::to_string).collect::<Vec<_>>().join(", ");
    let count = || jaxpr.map(|jaxpr| format!(": {} equations", jaxpr.eqn_count())).unwrap_or_default();
    if log_compiles() {
        tracing::warn!(target: "raxla::jit", "{what} for {} in {seconds:.3} s{}", types(), count());
    } else {
        tracing::debug!(target: "raxla::jit", "{what} for {} in {seconds:.3} s{}", types(), count());
    }
}

fn compile(entry: &CompiledOp) -> Result<OpOutcome> {
    let started = Instant::now();
    let (ins, shardings) = (&entry.ins, entry.shardings);
    if let Some(named) = named_shardings::of_primitive(&entry.prim)? {
        let asked = shardings
            .asked(&[], Some(named.sharding), || named.incompatible(entry.prim.name(), shardings.whole))?;
        if !shardings.committed {
            return Ok(OpOutcome::Elsewhere(asked));
        }
    }
    let outs = entry.prim.abstract_eval(ins)?;
    let mut ctx = LoweringCtx::new(&format!("jit_{}", entry.prim.name()), Some(shardings.whole));
    let arg_types = ins.iter().map(|aval| ctx.ty(aval)).collect();
    let result_types = outs.iter().map(|aval| ctx.ty(aval)).collect();
    let effects = entry.prim.effects();
    let mut attrs = |sharding: Option<Sharding>, aval: &ShapedArray| {
        Attrs(
            sharding.and_then(|sharding| ctx.sharding_attribute(sharding, aval.ndim())).into_iter().collect(),
        )
    };
    let of_args: Vec<Attrs> =
        ins.iter().enumerate().map(|(i, aval)| attrs(Some(shardings.of(i)), aval)).collect();
    let asked = entry.prim.sharding().filter(|sharding| !sharding.is_unconstrained());
    let said =
        outs.iter().map(|aval| shardings.of_result(aval, asked)).collect::<Result<SmallVec<[_; 1]>>>()?;
    let of_results: Vec<Attrs> = said.iter().zip(&outs).map(|(said, aval)| attrs(*said, aval)).collect();
    ctx.write_body("main", true, effects, arg_types, result_types, [&of_args, &of_results], |ctx, args| {
        entry.prim.lower(ctx, args, &outs)
    })?;
    let module = ctx.finish();
    let options = entry.prim.compiler_options();
    let executable = compile_module(&module, shardings.whole, &said, entry.config, options)?;
    let launch = Launch::new(effects, &module);
    let places = shardings.of_results(&executable, launch.tokens(), &said, &outs)?;
    log_compile(format_args!("compiled {}", key_reuse::name_of(&*entry.prim)), ins, started, None);
    let committed = shardings.committed;
    let places = places.into_iter().map(|sharding| Placement { sharding, committed });
    Ok(OpOutcome::Program(OpProgram { executable, launch, outs: outs.into_iter().zip(places).collect() }))
}

/// Compiles a module for the devices of a sharding. `said` are the places of its results that it says.
pub(crate) fn compile_module(
    module: &Module,
    sharding: Sharding,
    said: &[Option<Sharding>],
    config: Config,
    compiler_options: Option<&CompilerOptions>,
) -> Result<Executable> {
    let text = &module.text;
    tracing::debug!(target: "raxla::lowering", "{text}");
    let ids: SmallVec<[i32; 8]> = sharding.devices().iter().map(Device::id).collect();
    let mut options = CompileOptions::for_devices(&ids);
    if said.iter().any(Option::is_none) {
        options.allow_spmd_sharding_propagation_to_output = said.iter().map(Option::is_none).collect();
    }
    let client = sharding.client();
    if config.disable_most_optimizations {
        options = options.without_most_optimizations();
    }
    if config.disable_fusion_emitters {
        options = options.without_fusion_emitters();
    }
    if let Some(compiler_options) = compiler_options {
        options = options.with_compiler_options(compiler_options);
    }
    if module.host_calls.is_empty() {
        return compilation_cache::compile(client, text, &options);
    }
    // Not kept on disk: another process has other functions.
    client.compile(&Program::mlir_text(text), &options)
}
