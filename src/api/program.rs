//! A traced function as a compiled program: which arguments it takes, which it may overwrite, and how it is run.
//! JAX: `pxla.MeshComputation`, `MeshExecutable`.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::core::array::{Array, Placement, Repr};
use crate::core::aval::ShapedArray;
use crate::core::config::{self, Config};
use crate::core::effects::Effects;
use crate::core::eval::{BufferRef, buffer_on, compile_module};
use crate::core::jaxpr::{ClosedJaxpr, Jaxpr};
use crate::core::lowering::{LoweringCtx, Module};
use crate::core::placement;
use crate::core::runtime_tokens::Launch;
use crate::core::sharding::{Sharding, Shards};
use crate::core::work;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
use crate::mlir::Attrs;
use crate::pjrt::{Buffer, Executable};
use crate::signature::{FlatArgs, FlatFn, OutLeaves};
use crate::tree::{Leaves, TreeDef, leaf_paths};

/// A traced function.
pub(crate) struct TracedFn {
    /// Parameters: the captured arrays, then the leaves of the arguments.
    pub jaxpr: Arc<Jaxpr>,
    pub consts: Vec<Array>,
    pub out_tree: TreeDef,
    /// The settings it was traced under, which hold of all that is made of it.
    pub config: Config,
    used: OnceLock<Box<[bool]>>,
}

impl TracedFn {
    /// Traces `f` for arguments of these types.
    pub(crate) fn new(f: &dyn FlatFn, args: &FlatArgs) -> Result<Self> {
        let config = config::current();
        let (closed, out_tree) = trace(f, args)?;
        let (jaxpr, mut consts) = convert_constvars(closed);
        // What is captured does not decide where the program runs: it goes where the arguments are.
        for x in &mut consts {
            if let Repr::Device(x) = &mut x.0 {
                x.committed = false;
            }
        }
        Ok(TracedFn { jaxpr, consts, out_tree, config, used: OnceLock::new() })
    }

    /// Does the program depend on leaf `i` of the arguments? The others are pruned, so that it does not matter where
    /// they are.
    pub(crate) fn uses(&self, i: usize) -> bool {
        self.used.get_or_init(|| {
            let (_, kept) = self.jaxpr.dce(&vec![true; self.jaxpr.outvars.len()]);
            let mut used = vec![false; self.jaxpr.invars.len()];
            kept.into_iter().for_each(|i| used[i] = true);
            used.into()
        })[self.consts.len() + i]
    }

    /// Where the program runs on these leaves: where those that it uses were put.
    pub(crate) fn placement(&self, name: &str, args: &FlatArgs) -> Result<Placement> {
        let at: SmallVec<[usize; 8]> = (0..args.leaves.len())
            .filter(|i| matches!(&args.leaves[*i].0, Repr::Device(x) if x.committed && self.uses(*i)))
            .collect();
        placement::common(self.config, at.iter().map(|i| &args.leaves[*i]), |i, j| {
            let leaf = |i: usize| (leaf_name(args, i), &args.leaves[i]);
            placement::incompatible(&format!("jit of {name}"), leaf(at[i]), leaf(at[j]))
        })
    }
}

/// What to call leaf `i` of the arguments: `argument 0.layers[2].weight`.
pub(crate) fn leaf_name(args: &FlatArgs, i: usize) -> String {
    let argument = args.args.iter().position(|span| span.leaves().contains(&i)).unwrap_or(0);
    let path = leaf_paths(&args.tokens).get(i).map(ToString::to_string).unwrap_or_default();
    let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
    format!("argument {argument}{dot}{path}")
}

/// The jaxpr of `f` for arguments of these types, and the structure of its result.
pub(crate) fn trace(f: &dyn FlatFn, args: &FlatArgs) -> Result<(ClosedJaxpr, TreeDef)> {
    let avals: Vec<ShapedArray> = args.leaves.iter().map(Array::aval).collect();
    let traced = trace_to_jaxpr_with(&avals, |tracers| {
        let out = f.call(args.with_leaves(tracers))?;
        Ok((out.leaves.into_vec(), out.tree))
    });
    traced.map_err(|e| e.at(args.caller))
}

/// A lowered function: the module, and how to call what it compiles to.
pub(crate) struct Lowering {
    pub module: Module,
    effects: Effects,
    /// The settings it was traced under.
    config: Config,
    /// Parameters of the module besides tokens, as positions among the captured arrays and the leaves.
    kept: Box<[Kept]>,
    out_avals: Box<[ShapedArray]>,
}

#[derive(Clone, Copy)]
struct Kept {
    position: u32,
    /// May the program overwrite it?
    donated: bool,
}

/// Lowers a traced function for the devices of a sharding, or for one of any platform. `donated` says of each leaf of the
/// arguments whether it is given away.
pub(crate) fn lower(
    name: &str,
    traced: &TracedFn,
    donated: &[bool],
    caller: &Location<'_>,
    target: Option<Sharding>,
) -> Result<Lowering> {
    config::with_config(traced.config, || lower_here(name, traced, donated, caller, target))
}

fn lower_here(
    name: &str,
    traced: &TracedFn,
    donated: &[bool],
    caller: &Location<'_>,
    target: Option<Sharding>,
) -> Result<Lowering> {
    // Unused arguments are pruned: neither transferred nor donated.
    let mut jaxpr = traced.jaxpr.clone();
    let mut live = jaxpr.live();
    let mut kept = live.params.clone();
    if live.partly {
        let (thinned, params) = jaxpr.dce(&vec![true; jaxpr.outvars.len()]);
        live = thinned.live();
        (jaxpr, kept) = (Arc::new(thinned), params);
    }
    let consts = traced.consts.len();
    let in_avals: Vec<&ShapedArray> = live.params.iter().map(|i| jaxpr.aval(jaxpr.invars[*i])).collect();
    let out_avals = jaxpr.out_avals();
    let mut wants: Vec<bool> = kept.iter().map(|i| *i >= consts && donated[*i - consts]).collect();
    let given =
        || in_avals.iter().zip(&wants).filter(|(_, wants)| **wants).map(|(aval, _)| FreeResults::bytes(aval));
    if target.is_some_and(|target| !target.client().donation_pays(given().count(), given().sum())) {
        wants.fill(false);
    }
    let mut attrs: Vec<Attrs> = vec![Attrs::default(); in_avals.len()];
    let mut accepted = vec![false; in_avals.len()];
    let mut unusable = Vec::new();
    let effects = jaxpr.effects();
    let tokens = effects.ordered().len();
    let mut free = FreeResults::new(&out_avals);
    for (i, aval) in in_avals.iter().enumerate().filter(|(i, _)| wants[*i]) {
        if let Some(o) = free.take_of_type(aval) {
            attrs[i].0.push(format!("tf.aliasing_output = {} : i32", tokens + o));
            accepted[i] = true;
        } else if free.take_of_size(aval).is_some() {
            attrs[i].0.push("jax.buffer_donor = true".into());
            accepted[i] = true;
        } else {
            unusable.push(aval.to_string());
        }
    }
    if !unusable.is_empty() {
        tracing::debug!(
            target: "raxla::jit",
            "{name} ({caller}): some donated buffers were not usable: {}. No result has their size",
            unusable.join(", ")
        );
    }
    let paths = traced.out_tree.leaf_paths();
    let results: Vec<Attrs> = paths
        .iter()
        .map(|path| {
            let path = path.to_string();
            let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            Attrs(vec![format!("jax.result_info = \"result{dot}{}\"", path.escape_default())])
        })
        .collect();
    let mut ctx = LoweringCtx::new(&format!("jit_{name}"), target);
    ctx.write_live("main", true, &jaxpr, &live, &attrs, &results)?;
    let module = ctx.finish();
    let kept = kept.iter().zip(accepted).map(|(i, donated)| Kept { position: *i as u32, donated }).collect();
    Ok(Lowering { module, effects, config: traced.config, kept, out_avals: out_avals.into() })
}

/// Results that no donated buffer has been given to, first come, first served.
struct FreeResults<'a> {
    of_type: FxHashMap<(DType, &'a [usize]), VecDeque<usize>>,
    of_size: FxHashMap<usize, VecDeque<usize>>,
    taken: Vec<bool>,
}

impl<'a> FreeResults<'a> {
    fn new(avals: &'a [ShapedArray]) -> Self {
        let (mut of_type, mut of_size): (FxHashMap<_, VecDeque<_>>, FxHashMap<_, VecDeque<_>>) =
            Default::default();
        for (i, aval) in avals.iter().enumerate() {
            of_type.entry((aval.dtype(), aval.shape())).or_default().push_back(i);
            of_size.entry(Self::bytes(aval)).or_default().push_back(i);
        }
        FreeResults { of_type, of_size, taken: vec![false; avals.len()] }
    }

    fn bytes(aval: &ShapedArray) -> usize {
        aval.size() * aval.dtype().size()
    }

    fn take_of_type(&mut self, aval: &'a ShapedArray) -> Option<usize> {
        let results = self.of_type.get_mut(&(aval.dtype(), aval.shape()))?;
        Self::take(results, &mut self.taken)
    }

    fn take_of_size(&mut self, aval: &ShapedArray) -> Option<usize> {
        let results = self.of_size.get_mut(&Self::bytes(aval))?;
        Self::take(results, &mut self.taken)
    }

    /// Each result stands in two queues, and is passed over in one when the other has given it.
    fn take(results: &mut VecDeque<usize>, taken: &mut [bool]) -> Option<usize> {
        while let Some(i) = results.pop_front() {
            work::count(1);
            if !std::mem::replace(&mut taken[i], true) {
                return Some(i);
            }
        }
        None
    }
}

/// A compiled function on the devices of a sharding.
pub(crate) struct CompiledFn {
    pub executable: Executable,
    launch: Launch,
    kept: Box<[Kept]>,
    out_avals: Box<[ShapedArray]>,
    pub placement: Placement,
}

impl CompiledFn {
    pub(crate) fn compile(lowering: &Lowering, placement: Placement) -> Result<Self> {
        let executable = compile_module(&lowering.module, placement.sharding, lowering.config)?;
        let launch = Launch::new(lowering.effects, &lowering.module);
        let (kept, out_avals) = (lowering.kept.clone(), lowering.out_avals.clone());
        Ok(CompiledFn { executable, launch, kept, out_avals, placement })
    }

    /// Runs the program. `leaves` are given away: a donated buffer that nobody else holds is overwritten, one that
    /// somebody holds is copied.
    pub(crate) fn run(&self, consts: &[Array], leaves: Leaves) -> Result<OutLeaves> {
        let sharding = self.placement.sharding;
        let input = |kept: &Kept| {
            let position = kept.position as usize;
            if position < consts.len() { &consts[position] } else { &leaves[position - consts.len()] }
        };
        // What is elsewhere is copied first, since the list of arguments borrows the copies.
        let mut copies: SmallVec<[Arc<Shards>; 4]> = SmallVec::new();
        for kept in &self.kept {
            let x = input(kept);
            if matches!(&x.0, Repr::Device(x) if x.sharding == sharding) {
                continue;
            }
            if let BufferRef::Shared(copy) = buffer_on(x, sharding)? {
                copies.push(copy);
            }
        }
        let mut non_donatable: SmallVec<[i64; 16]> = SmallVec::new();
        let mut results = OutLeaves::with_capacity(self.out_avals.len());
        let mut take = |buffer, aval: &ShapedArray| {
            results.push(Array::on_device(SmallVec::from_buf([buffer]), *aval, self.placement));
        };
        let expected = self.out_avals.len();
        let count = if self.launch.is_plain() {
            let mut arguments = self.executable.arguments(self.kept.len());
            self.list(input, &copies, &mut non_donatable, |buffer| arguments.push(buffer))?;
            let outs = arguments.execute(&non_donatable)?;
            let count = outs.len();
            for (buffer, aval) in outs.zip(&self.out_avals) {
                take(buffer?, aval);
            }
            count
        } else {
            let mut arguments: SmallVec<[&Buffer; 8]> = SmallVec::with_capacity(self.kept.len());
            self.list(input, &copies, &mut non_donatable, |buffer| {
                arguments.push(buffer);
                Ok(())
            })?;
            let outs = self.launch.run(&self.executable, sharding, &arguments, &non_donatable)?;
            let count = outs.len();
            outs.into_iter().zip(&self.out_avals).for_each(|(buffer, aval)| take(buffer, aval));
            count
        };
        if count != expected {
            bail!(Internal, "the program gave {count} results for {expected}");
        }
        Ok(results)
    }

    /// Gives each argument's buffer to `push`, and notes which must not be overwritten.
    #[inline]
    fn list<'a>(
        &self,
        input: impl Fn(&Kept) -> &'a Array,
        copies: &'a [Arc<Shards>],
        non_donatable: &mut SmallVec<[i64; 16]>,
        mut push: impl FnMut(&'a Buffer) -> Result<()>,
    ) -> Result<()> {
        let mut copies = copies.iter();
        for (i, kept) in self.kept.iter().enumerate() {
            match &input(kept).0 {
                Repr::Device(x) if x.sharding == self.placement.sharding => {
                    if kept.donated && Arc::strong_count(&x.array) != 1 {
                        non_donatable.push(i as i64);
                    }
                    push(&x.shards[0])?;
                }
                _ => {
                    if kept.donated {
                        non_donatable.push(i as i64);
                    }
                    let Some(copy) = copies.next() else { bail!(Internal, "an argument was not copied") };
                    push(&copy[0])?;
                }
            }
        }
        Ok(())
    }
}
