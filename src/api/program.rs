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
use crate::core::jaxpr::{ClosedJaxpr, Jaxpr, Live, Parameter};
use crate::core::lowering::{LoweringCtx, Module};
use crate::core::named_shardings::{self, NamedPlace};
use crate::core::placement::{self, InShardings};
use crate::core::runtime_tokens::Launch;
use crate::core::sharding::{Sharding, Shards};
use crate::core::work;
use crate::dtype::DType;
use crate::error::{Result, bail, err};
use crate::interpreters::discharge::{check_aliases, check_returned, discharge_jaxpr};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
use crate::mlir::Attrs;
use crate::pjrt::{CompilerOptions, Executable};
use crate::signature::{FlatArgs, FlatFn};
use crate::tree::{Leaves, TreeDef, leaf_paths};

/// A traced function.
pub(crate) struct TracedFn {
    /// Parameters: the captured arrays, then the leaves of the arguments.
    pub jaxpr: Arc<Jaxpr>,
    pub consts: Vec<Array>,
    pub out_tree: TreeDef,
    /// The settings it was traced under, which hold of all that is made of it.
    pub config: Config,
    /// Are unused arguments parameters of the program?
    keep_unused: bool,
    /// Where options of `jit` say that the leaves of arguments and results are; empty if they say nothing.
    pub in_places: Box<[Option<Sharding>]>,
    pub out_places: Box<[Option<Sharding>]>,
    used: OnceLock<Box<[bool]>>,
    discharged: OnceLock<DischargedFn>,
    named: OnceLock<Option<NamedPlace>>,
}

/// A traced function without references.
#[derive(Clone)]
pub(crate) struct DischargedFn {
    /// With the same parameters, if none of them is a reference. Else the leaves of the arguments come first and then what was
    /// captured, of which nothing is a constant: references refer to other arrays at each call. Results: those of the
    /// function, then what references refer to in the end.
    pub traced: Arc<TracedFn>,
    /// Which parameters are references that are written to, in the order of the results.
    pub written: Box<[usize]>,
}

impl TracedFn {
    /// Traces `f` for arguments of these types.
    pub(crate) fn new(f: &dyn FlatFn, args: &FlatArgs, keep_unused: bool) -> Result<Self> {
        let config = config::current();
        let (closed, out_tree) = trace(f, args)?;
        check_aliases(&format!("{} for jit", f.describe()), &closed.consts, &args.leaves, |i| {
            leaf_name(args, i)
        })?;
        let (jaxpr, mut consts) = convert_constvars(closed);
        // What is captured does not decide where the program runs: it goes where the arguments are.
        for x in &mut consts {
            if let Repr::Device(x) = &mut x.0 {
                x.committed = false;
            }
        }
        let (used, discharged, named) = Default::default();
        let (in_places, out_places) = Default::default();
        Ok(TracedFn {
            jaxpr,
            consts,
            out_tree,
            config,
            keep_unused,
            in_places,
            out_places,
            used,
            discharged,
            named,
        })
    }

    /// Where an option of `jit` says that result `i` is.
    pub(crate) fn out_place(&self, i: usize) -> Option<Sharding> {
        self.out_places.get(i).copied().flatten()
    }

    /// The devices that the program itself names.
    fn named(&self) -> Result<Option<NamedPlace>> {
        if let Some(found) = self.named.get() {
            return Ok(*found);
        }
        let mut found = named_shardings::of_jaxpr(&self.jaxpr)?;
        for sharding in self.out_places.iter().flatten() {
            let place = NamedPlace::of_option(*sharding);
            found = Some(found.map_or(Ok(place), |first| first.and(place, "jit"))?);
        }
        Ok(*self.named.get_or_init(|| found))
    }

    /// Is a parameter a reference?
    pub(crate) fn takes_refs(&self) -> bool {
        self.jaxpr.invars.iter().any(|v| self.jaxpr.aval(*v).is_ref())
    }

    /// The same without references, made once.
    pub(crate) fn discharged(&self) -> Result<DischargedFn> {
        if let Some(found) = self.discharged.get() {
            return Ok(found.clone());
        }
        let n = self.jaxpr.invars.len();
        let made = config::with_config(self.config, || discharge_jaxpr(&self.jaxpr, &vec![false; n]))?;
        let mut consts = self.consts.clone();
        let (mut jaxpr, mut written) = (made.jaxpr.clone(), Vec::new());
        let (own, captured) = (made.consts.len(), consts.len());
        if self.takes_refs() {
            if own > 0 {
                bail!(Internal, "a program captured arrays while its references were discharged");
            }
            let place = |i: usize| if i < captured { n - captured + i } else { i - captured };
            written = (0..n).filter(|i| made.written[*i]).map(place).collect();
            let params = (captured..n).chain(0..captured).map(Parameter::Old);
            jaxpr = jaxpr.rearrange(params, jaxpr.outvars.clone());
            consts.clear();
        } else {
            consts.splice(0..0, made.consts.iter().cloned());
        }
        let (out_tree, config, keep_unused) = (self.out_tree.clone(), self.config, self.keep_unused);
        let (in_places, out_places) = (self.in_places.clone(), self.out_places.clone());
        let (used, discharged, named) = Default::default();
        let traced = TracedFn {
            jaxpr,
            consts,
            out_tree,
            config,
            keep_unused,
            in_places,
            out_places,
            used,
            discharged,
            named,
        };
        let made = DischargedFn { traced: Arc::new(traced), written: written.into() };
        Ok(self.discharged.get_or_init(|| made).clone())
    }

    /// The types of the arguments.
    pub(crate) fn leaf_avals(&self) -> Vec<ShapedArray> {
        self.jaxpr.in_avals().split_off(self.consts.len())
    }

    /// What is lowered, and the parameters of the program.
    fn live(&self) -> Live {
        let live = self.jaxpr.live();
        if !self.keep_unused {
            return live;
        }
        let leaves = self.consts.len()..self.jaxpr.invars.len();
        let captured = live.params.iter().copied().filter(|i| !leaves.contains(i));
        Live { params: captured.chain(leaves.clone()).collect(), ..live }
    }

    /// Does the program take leaf `i` of the arguments? The others are pruned, so that it does not matter where
    /// they are.
    pub(crate) fn uses(&self, i: usize) -> bool {
        self.used.get_or_init(|| {
            let mut used = vec![false; self.jaxpr.invars.len()];
            self.live().params.into_iter().for_each(|i| used[i] = true);
            used.into()
        })[self.consts.len() + i]
    }

    /// Where the program runs on these leaves: where those that it uses were put, or where it says itself.
    pub(crate) fn in_shardings(&self, name: &str, args: &FlatArgs) -> Result<InShardings> {
        let given = |i: usize| self.in_places.get(i).copied().flatten();
        let committed = |i: usize, x: &Array| x.committed_to().filter(|_| self.uses(i));
        for (i, x) in args.leaves.iter().enumerate().filter(|_| !self.in_places.is_empty()) {
            if let (Some(given), Some(found)) = (given(i), committed(i, x))
                && given != found
            {
                bail!(
                    InvalidArgument,
                    "jit of {name}: the sharding passed to jit does not match the sharding of {}: jit has {given}, and the \
                     argument ({}) is on {found}. Move the argument with device_put, or leave its in_shardings out",
                    leaf_name(args, i),
                    x.aval()
                );
            }
        }
        let places = args.leaves.iter().enumerate().map(|(i, x)| given(i).or_else(|| committed(i, x)));
        let found = placement::common(self.config, places, |i, j| {
            let leaf = |i: usize| (leaf_name(args, i), &args.leaves[i]);
            placement::incompatible(&format!("jit of {name}"), leaf(i), leaf(j))
        })?;
        let named = self.named()?;
        let differ = || match named {
            Some(named) => named.incompatible(&format!("jit of {name}"), found.whole),
            None => err!(Internal, "jit of {name}: nothing names a device"),
        };
        found.asked(&self.in_places, named.map(|named| named.sharding), differ)
    }
}

/// What to call leaf `i` of the arguments: `argument 0.layers[2].weight`.
pub(crate) fn leaf_name(args: &FlatArgs, i: usize) -> String {
    let Some(argument) = args.args.iter().position(|span| span.leaves().contains(&i)) else {
        return "a captured array".into();
    };
    let path = leaf_paths(&args.tokens).get(i).map(ToString::to_string).unwrap_or_default();
    let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
    format!("argument {argument}{dot}{path}")
}

/// Where leaf `i` of a result is: `result.hi`.
pub(crate) fn path_of(tree: &TreeDef, i: usize) -> String {
    tree.leaf_paths().get(i).cloned().unwrap_or_default().with_root("result").to_string()
}

/// The jaxpr of `f` for arguments of these types, and the structure of its result.
pub(crate) fn trace(f: &dyn FlatFn, args: &FlatArgs) -> Result<(ClosedJaxpr, TreeDef)> {
    let avals: Vec<ShapedArray> = args.leaves.iter().map(Array::aval).collect();
    let traced = trace_to_jaxpr_with(&avals, |tracers| {
        let out = f.call(args.with_leaves(tracers))?;
        check_returned(&format!("function {} traced for jit", f.describe()), &out.leaves, tracers, |i| {
            path_of(&out.tree, i)
        })?;
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
    /// Where the arrays are that the function captured.
    consts: Box<[Option<Sharding>]>,
    out_avals: Box<[ShapedArray]>,
    /// What it is compiled with.
    pub compiler_options: CompilerOptions,
    /// Where the module says that results are.
    out_places: Box<[Option<Sharding>]>,
}

#[derive(Clone, Copy)]
struct Kept {
    position: u32,
    /// May the program overwrite it?
    donated: bool,
}

/// Lowers a traced function for arguments in these places, or for one device of any platform, under the present settings, which are
/// to be those of the trace. `donated` says of each leaf of the arguments whether it is given away, `by_hand` whether the module may
/// go to another client than the arguments', so that it says all that may be overwritten.
pub(crate) fn lower(
    name: &str,
    traced: &TracedFn,
    donated: &[bool],
    by_hand: bool,
    caller: &Location<'_>,
    target: Option<InShardings>,
) -> Result<Lowering> {
    // Unused arguments are pruned: neither transferred nor donated.
    let jaxpr = &traced.jaxpr;
    let live = traced.live();
    let kept = &live.params;
    let consts = traced.consts.len();
    let in_avals: Vec<&ShapedArray> = kept.iter().map(|i| jaxpr.aval(jaxpr.invars[*i])).collect();
    let captured: Box<[Option<Sharding>]> = traced.consts.iter().map(placement::sharding_of).collect();
    let place_of = |position: usize| target.map(|target| place_of(&captured, target, position));
    let in_places: Vec<Option<Sharding>> = kept.iter().map(|i| place_of(*i)).collect();
    let out_avals = jaxpr.out_avals();
    let place_of_result = |(i, aval)| match target {
        Some(target) => target.of_result(aval, traced.out_place(i)),
        None => Ok(None),
    };
    let out_places =
        out_avals.iter().enumerate().map(place_of_result).collect::<Result<Vec<Option<Sharding>>>>()?;
    // Where XLA has the results, it also knows which of them a donated buffer can be.
    let undecided = target.is_some_and(|target| !target.is_single()) && out_places.contains(&None);
    let mut wants: Vec<bool> = kept.iter().map(|i| *i >= consts && donated[*i - consts]).collect();
    let given = || {
        let wanted = in_avals.iter().zip(&in_places).zip(&wants).filter(|(_, wants)| **wants);
        wanted.map(|((aval, place), _)| FreeResults::bytes(aval, *place))
    };
    if !by_hand
        && target.is_some_and(|target| !target.whole.client().donation_pays(given().count(), given().sum()))
    {
        wants.fill(false);
    }
    let mut ctx = LoweringCtx::new(&format!("jit_{name}"), target.map(|target| target.whole));
    let mut sharding = |place: Option<Sharding>, aval: &ShapedArray| {
        place.and_then(|place| ctx.sharding_attribute(place, aval.ndim()))
    };
    let mut attrs: Vec<Attrs> = in_places
        .iter()
        .zip(&in_avals)
        .map(|(place, aval)| Attrs(sharding(*place, aval).into_iter().collect()))
        .collect();
    let mut accepted = vec![false; in_avals.len()];
    let mut unusable = Vec::new();
    let effects = jaxpr.effects();
    let tokens = effects.ordered().len();
    let mut free = FreeResults::new(&out_avals, &out_places);
    for (i, aval) in in_avals.iter().enumerate().filter(|(i, _)| wants[*i]) {
        if undecided {
            attrs[i].0.push("jax.buffer_donor = true".into());
            accepted[i] = true;
        } else if let Some(o) = free.take_of_type(aval, in_places[i]) {
            attrs[i].0.push(format!("tf.aliasing_output = {} : i32", tokens + o));
            accepted[i] = true;
        } else if free.take_of_size(aval, in_places[i]).is_some() {
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
        .zip(out_places.iter().zip(&out_avals))
        .map(|(path, (place, aval))| {
            let path = path.to_string();
            let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            let info = format!("jax.result_info = \"result{dot}{}\"", path.escape_default());
            Attrs([info].into_iter().chain(sharding(*place, aval)).collect())
        })
        .collect();
    ctx.write_live("main", true, jaxpr, &live, &attrs, &results)?;
    let module = ctx.finish();
    let kept = kept.iter().zip(accepted).map(|(i, donated)| Kept { position: *i as u32, donated }).collect();
    let (config, consts, out_avals) = (traced.config, captured, out_avals.into());
    let (out_places, compiler_options) = (out_places.into(), CompilerOptions::new());
    Ok(Lowering { module, effects, config, kept, consts, out_avals, compiler_options, out_places })
}

/// Where a program takes a parameter: what the function captured where it is, if that is on all devices of the program, else whole
/// on each.
fn place_of(captured: &[Option<Sharding>], target: InShardings, position: usize) -> Sharding {
    match captured.get(position) {
        None => target.of(position - captured.len()),
        Some(own) => own.filter(|own| !target.is_single() && own.meets(target.whole)).unwrap_or(target.whole),
    }
}

/// Dtype and shape of an array, and where it is.
type TypeAt<'a> = (DType, &'a [usize], Option<Sharding>);

/// Results that no donated buffer has been given to, first come, first served.
struct FreeResults<'a> {
    of_type: FxHashMap<TypeAt<'a>, VecDeque<usize>>,
    of_size: FxHashMap<usize, VecDeque<usize>>,
    taken: Vec<bool>,
}

impl<'a> FreeResults<'a> {
    fn new(avals: &'a [ShapedArray], places: &[Option<Sharding>]) -> Self {
        let (mut of_type, mut of_size): (FxHashMap<_, VecDeque<_>>, FxHashMap<_, VecDeque<_>>) =
            Default::default();
        for (i, (aval, place)) in avals.iter().zip(places).enumerate() {
            of_type.entry((aval.dtype(), aval.shape(), *place)).or_default().push_back(i);
            of_size.entry(Self::bytes(aval, *place)).or_default().push_back(i);
        }
        FreeResults { of_type, of_size, taken: vec![false; avals.len()] }
    }

    /// What each device holds of it.
    fn bytes(aval: &ShapedArray, place: Option<Sharding>) -> usize {
        let parts = place.map_or(1, |place| place.parts());
        aval.size() * aval.dtype().size() / parts
    }

    fn take_of_type(&mut self, aval: &'a ShapedArray, place: Option<Sharding>) -> Option<usize> {
        let results = self.of_type.get_mut(&(aval.dtype(), aval.shape(), place))?;
        Self::take(results, &mut self.taken)
    }

    fn take_of_size(&mut self, aval: &ShapedArray, place: Option<Sharding>) -> Option<usize> {
        let results = self.of_size.get_mut(&Self::bytes(aval, place))?;
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

/// A compiled function on its devices.
pub(crate) struct CompiledFn {
    pub executable: Executable,
    launch: Launch,
    inputs: Box<[Input]>,
    outs: Box<[(ShapedArray, Placement)]>,
    pub in_shardings: InShardings,
    is_single: bool,
}

/// A parameter of the program.
#[derive(Clone, Copy)]
struct Input {
    /// Among the captured arrays and the leaves.
    position: u32,
    /// May the program overwrite it?
    donated: bool,
    sharding: Sharding,
}

impl CompiledFn {
    pub(crate) fn compile(lowering: &Lowering, in_shardings: InShardings) -> Result<Self> {
        Self::compile_with(lowering, in_shardings, &lowering.compiler_options)
    }

    /// [`compile`](Self::compile) with other options than those of the function.
    pub(crate) fn compile_with(
        lowering: &Lowering,
        in_shardings: InShardings,
        options: &CompilerOptions,
    ) -> Result<Self> {
        let InShardings { whole, committed, .. } = in_shardings;
        // A module that was lowered for any platform is for one device.
        let single = vec![Some(whole); lowering.out_avals.len()];
        let said = if in_shardings.is_single() && lowering.out_places.contains(&None) {
            &single[..]
        } else {
            &lowering.out_places
        };
        let executable = compile_module(&lowering.module, whole, said, lowering.config, Some(options))?;
        let launch = Launch::new(lowering.effects, &lowering.module);
        let input = |kept: &Kept| {
            let Kept { position, donated } = *kept;
            Input { position, donated, sharding: place_of(&lowering.consts, in_shardings, position as usize) }
        };
        let inputs = lowering.kept.iter().map(input).collect();
        let places = in_shardings.of_results(&executable, launch.tokens(), said, &lowering.out_avals)?;
        let out = |(aval, sharding)| (aval, Placement { sharding, committed });
        let outs = lowering.out_avals.iter().copied().zip(places).map(out).collect();
        let is_single = in_shardings.is_single();
        let (expected, given) = (launch.tokens() + lowering.out_avals.len(), executable.output_count());
        if expected != given {
            bail!(Internal, "the program gives {given} results for {expected}");
        }
        Ok(CompiledFn { executable, launch, inputs, outs, in_shardings, is_single })
    }

    /// Runs the program and has `take` take its results. `leaves` are given away: a donated buffer that nobody else holds is
    /// overwritten, one that somebody holds is copied.
    pub(crate) fn run(
        &self,
        consts: &[Array],
        leaves: &mut Leaves,
        take: impl FnOnce(&mut dyn Iterator<Item = Array>) -> Result<()>,
    ) -> Result<()> {
        let mut non_donatable = SmallVec::new();
        if self.is_single && self.launch.is_plain() {
            let outs = {
                let copies;
                let list = || self.executable.arguments(self.inputs.len());
                let mut arguments = list();
                if !self.list(consts, leaves, &[], &mut non_donatable, |x| arguments.push(&x[0]))? {
                    copies = self.copies(consts, leaves)?;
                    (arguments, non_donatable) = (list(), SmallVec::new());
                    self.list(consts, leaves, &copies, &mut non_donatable, |x| arguments.push(&x[0]))?;
                }
                arguments.execute(&non_donatable)?
            };
            return self.give(outs.map(|buffer| SmallVec::from_buf([buffer])), leaves, take);
        }
        let copies = self.copies(consts, leaves)?;
        let outs = {
            let mut arguments: SmallVec<[&Shards; 8]> = SmallVec::with_capacity(self.inputs.len());
            self.list(consts, leaves, &copies, &mut non_donatable, |shards| {
                arguments.push(shards);
                Ok(())
            })?;
            let whole = self.in_shardings.whole;
            self.launch.run_sharded(&self.executable, whole, &arguments, &non_donatable)?
        };
        self.give(outs.into_iter(), leaves, take)
    }

    /// Has `take` take the results. The arguments go before that: what they leave is used for the results.
    #[inline]
    fn give(
        &self,
        outs: impl Iterator<Item = Shards>,
        leaves: &mut Leaves,
        take: impl FnOnce(&mut dyn Iterator<Item = Array>) -> Result<()>,
    ) -> Result<()> {
        leaves.clear();
        let results = outs.zip(&self.outs);
        take(&mut results.map(|(shards, (aval, placement))| Array::on_device(shards, *aval, *placement)))
    }

    /// Copies, where the program takes them, of what is elsewhere.
    #[cold]
    fn copies(&self, consts: &[Array], leaves: &[Array]) -> Result<Copies> {
        let mut copies = Copies::new();
        for input in &self.inputs {
            if let BufferRef::Shared(copy) = buffer_on(input.array(consts, leaves), input.sharding)? {
                copies.push(copy);
            }
        }
        Ok(copies)
    }

    /// Gives each argument's buffers to `push`, and notes which must not be overwritten. Gives `false` if what is elsewhere is not
    /// among the copies.
    #[inline]
    fn list<'a>(
        &self,
        consts: &'a [Array],
        leaves: &'a [Array],
        copies: &'a [Arc<Shards>],
        non_donatable: &mut SmallVec<[i64; 16]>,
        mut push: impl FnMut(&'a Shards) -> Result<()>,
    ) -> Result<bool> {
        let mut copies = copies.iter();
        for (i, input) in self.inputs.iter().enumerate() {
            match &input.array(consts, leaves).0 {
                Repr::Device(x) if x.sharding == input.sharding => {
                    if input.donated && !x.array.is_unique() {
                        non_donatable.push(i as i64);
                    }
                    push(&x.shards)?;
                }
                _ => {
                    let Some(copy) = copies.next() else { return Ok(false) };
                    if input.donated {
                        non_donatable.push(i as i64);
                    }
                    push(copy)?;
                }
            }
        }
        Ok(true)
    }
}

impl Input {
    /// What is passed for it.
    #[inline]
    fn array<'a>(&self, consts: &'a [Array], leaves: &'a [Array]) -> &'a Array {
        let position = self.position as usize;
        if position < consts.len() { &consts[position] } else { &leaves[position - consts.len()] }
    }
}

type Copies = SmallVec<[Arc<Shards>; 4]>;

#[cfg(test)]
mod tests;
