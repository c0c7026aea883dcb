//! Evaluation: what `bind` does when nothing is being traced. JAX: `core.EvalTrace`, `dispatch.apply_primitive`.
//!
//! There is no second implementation of an operation: its lowering is compiled as a program of its own, once for each
//! combination of primitive, avals, settings and device, and run.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashTable;
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use crate::core::array::{Array, DeviceArray, Repr};
use crate::core::aval::{Avals, ShapedArray};
use crate::core::compilation_cache;
use crate::core::config::{self, Config};
use crate::core::lowering::{LoweringCtx, Module};
use crate::core::placement::{self, copy_to};
use crate::core::primitive::{Arrays, Prim};
use crate::core::runtime_tokens::Launch;
use crate::core::scalar::Scalar;
use crate::core::sharding::{Sharding, Shards};
use crate::core::trace::unexpected_tracer;
use crate::error::Result;
use crate::pjrt::{Buffer, CompileOptions, Device, Executable, Program};

/// One compiled application of a primitive.
struct Entry {
    prim: Prim,
    ins: SmallVec<[ShapedArray; 2]>,
    config: Config,
    sharding: Sharding,
    /// Filled by the first thread that needs it; the others wait for it alone.
    compiled: OnceLock<Result<Compiled>>,
}

struct Compiled {
    executable: Executable,
    launch: Launch,
    outs: Avals,
}

type Cache = HashTable<(u64, Arc<Entry>)>;

static SHARED: Mutex<Cache> = Mutex::new(HashTable::new());

thread_local! {
    /// In front of `SHARED`, so that a hit takes no lock.
    static LOCAL: RefCell<Cache> = const { RefCell::new(HashTable::new()) };
    /// Host scalars that are on a device already.
    static SCALARS: RefCell<FxHashMap<(Scalar, Sharding), Arc<Shards>>> = RefCell::default();
}

/// Compiled primitives that are kept: JAX's limit on what `jax._src.util.cache` holds.
const MAX_ENTRIES: usize = 4096;

/// Scalars kept on the device by one thread.
const MAX_SCALARS: usize = 256;

/// The buffers of an array: its own, or that of a host scalar or of a copy on another device.
pub(crate) enum BufferRef<'a> {
    Array(&'a DeviceArray),
    Shared(Arc<Shards>),
}

impl BufferRef<'_> {
    /// The part on the first device.
    pub(crate) fn buffer(&self) -> &Buffer {
        match self {
            BufferRef::Array(x) => &x.shards[0],
            BufferRef::Shared(x) => &x[0],
        }
    }
}

/// The buffers in a place of an array that is no tracer: a copy, if the array is elsewhere.
pub(crate) fn buffer_on(x: &Array, sharding: Sharding) -> Result<BufferRef<'_>> {
    match &x.0 {
        Repr::Device(x) if x.sharding == sharding => Ok(BufferRef::Array(x)),
        Repr::Device(d) => Ok(BufferRef::Shared(Arc::new(copy_to(&d.shards, x, sharding)?))),
        Repr::Scalar(x) => scalar_on(x.with_weak_type(false), sharding).map(BufferRef::Shared),
        Repr::Tracer(t) => Err(unexpected_tracer(t)),
    }
}

fn scalar_on(x: Scalar, sharding: Sharding) -> Result<Arc<Shards>> {
    SCALARS.with_borrow_mut(|scalars| {
        if let Some(buffer) = scalars.get(&(x, sharding)) {
            return Ok(buffer.clone());
        }
        let buffer = Arc::new(sharding.put(&x.bytes()[..x.dtype().size()], x.dtype(), &[])?);
        if scalars.len() >= MAX_SCALARS {
            scalars.clear();
        }
        scalars.insert((x, sharding), buffer.clone());
        Ok(buffer)
    })
}

/// Applies a primitive to arrays on a device.
pub(crate) fn process(prim: &Prim, args: &[&Array]) -> Result<Arrays> {
    if let Some(outs) = prim.eval(args) {
        return outs;
    }
    let placement = placement::common(config::current(), args.iter().copied(), |i, j| {
        let name = |i: usize| (format!("argument {i}"), args[i]);
        placement::incompatible(prim.name(), name(i), name(j))
    })?;
    let sharding = placement.sharding;
    // Where it runs is in the key of its own.
    let config = config::current_placed();
    let mut hasher = FxHasher::default();
    prim.hash(&mut hasher);
    for x in args {
        match &x.0 {
            Repr::Device(x) => x.aval.hash(&mut hasher),
            Repr::Scalar(x) => (x.dtype(), x.weak_type()).hash(&mut hasher),
            Repr::Tracer(t) => return Err(unexpected_tracer(t)),
        }
    }
    config.hash(&mut hasher);
    sharding.hash(&mut hasher);
    let hash = hasher.finish();
    let same = |(h, e): &(u64, Arc<Entry>)| {
        *h == hash
            && e.sharding == sharding
            && e.config == config
            && e.ins.len() == args.len()
            && e.ins.iter().zip(args).all(|(aval, x)| x.has_aval(aval))
            && e.prim == *prim
    };
    let entry = LOCAL.with_borrow(|cache| cache.find(hash, same).map(|(_, e)| e.clone()));
    let entry = match entry {
        Some(entry) => entry,
        None => {
            let new = || {
                let ins = args.iter().map(|x| x.aval()).collect();
                (
                    hash,
                    Arc::new(Entry { prim: prim.clone(), ins, config, sharding, compiled: OnceLock::new() }),
                )
            };
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.len() >= MAX_ENTRIES {
                shared.clear();
            }
            let entry = shared.entry(hash, same, |(h, _)| *h).or_insert_with(new).get().1.clone();
            drop(shared);
            LOCAL.with_borrow_mut(|cache| {
                if cache.len() >= MAX_ENTRIES {
                    cache.clear();
                }
                cache.insert_unique(hash, (hash, entry.clone()), |(h, _)| *h);
            });
            entry
        }
    };
    let compiled = entry.compiled.get_or_init(|| compile(&entry)).as_ref().map_err(Clone::clone)?;
    let buffers =
        args.iter().map(|x| buffer_on(x, sharding)).collect::<Result<SmallVec<[BufferRef<'_>; 4]>>>()?;
    let refs: SmallVec<[&Buffer; 4]> = buffers.iter().map(BufferRef::buffer).collect();
    let outs = compiled.launch.run(&compiled.executable, sharding, &refs, &[])?;
    let outs = outs.into_iter().zip(&compiled.outs);
    Ok(outs.map(|(buffer, aval)| Array::on_device(SmallVec::from_buf([buffer]), *aval, placement)).collect())
}

fn compile(entry: &Entry) -> Result<Compiled> {
    let ins: SmallVec<[&ShapedArray; 4]> = entry.ins.iter().collect();
    let outs = entry.prim.abstract_eval(&ins)?;
    let mut ctx = LoweringCtx::new(&format!("jit_{}", entry.prim.name()), Some(entry.sharding));
    let arg_types = ins.iter().map(|aval| ctx.ty(aval)).collect();
    let result_types = outs.iter().map(|aval| ctx.ty(aval)).collect();
    let effects = entry.prim.effects();
    ctx.write_body("main", true, effects, arg_types, result_types, [&[], &[]], |ctx, args| {
        entry.prim.lower(ctx, args, &outs)
    })?;
    let module = ctx.finish();
    let executable = compile_module(&module, entry.sharding, entry.config)?;
    let launch = Launch::new(effects, &module);
    Ok(Compiled { executable, launch, outs })
}

/// Compiles a module for the devices of a sharding.
pub(crate) fn compile_module(module: &Module, sharding: Sharding, config: Config) -> Result<Executable> {
    let text = &module.text;
    tracing::debug!(target: "raxla::lowering", "{text}");
    let ids: SmallVec<[i32; 8]> = sharding.devices().iter().map(Device::id).collect();
    let mut options = CompileOptions::for_devices(&ids);
    let client = sharding.client();
    if config.disable_most_optimizations {
        options = options.without_most_optimizations();
    }
    if module.host_calls.is_empty() {
        return compilation_cache::compile(client, text, &options);
    }
    // Not kept on disk: another process has other functions.
    client.compile(&Program::mlir_text(text), &options)
}

/// Empties this thread's and the shared cache of compiled primitives. JAX: `jax.clear_caches`.
pub fn clear_caches() {
    LOCAL.with_borrow_mut(HashTable::clear);
    SCALARS.with_borrow_mut(FxHashMap::clear);
    SHARED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
