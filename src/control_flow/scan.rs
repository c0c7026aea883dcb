//! `scan`: a loop with a carry over the leading axis of arrays. JAX: `scan_p`, `lax.scan`. StableHLO: `while`.

mod rules;

use std::sync::Arc;

use super::common::{bind_all_at, check_carry, here, promote_weak, trace};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::jaxpr::{Jaxpr, Loc};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, Linearized, Lowered, Param, Prim, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{Result, bail, catch};
use crate::mlir::{Value, Values, i64_array};
use crate::signature::{FlatOut, Output};
use crate::tree::{Pytree, TreeDef, Unflattener};

/// How [`scan_with`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    /// The number of iterations; needed only if `xs` has no leaves.
    pub length: Option<usize>,
    /// Begin at the end of `xs`. Results are in the order of `xs` still.
    pub reverse: bool,
    /// Iterations in one turn of the compiled loop.
    pub unroll: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        ScanOptions { length: None, reverse: false, unroll: 1 }
    }
}

/// Runs `f` over the leading axis of the leaves of `xs`, carrying state along: `f` takes the carry and one slice of
/// `xs`, and returns the next carry and one slice of the second result.
///
/// ```no_run
/// use raxla::{lax, Array};
///
/// let (sum, sums) = lax::scan(
///     |sum: Array, x: Array| {
///         let sum = lax::add(&sum, &x);
///         (sum.clone(), sum)
///     },
///     Array::scalar(0.0f32),
///     Array::from([1.0f32, 2.0, 3.0]),
/// )?;
/// assert_eq!(sum.item::<f32>()?, 6.0);
/// assert_eq!(sums.to_vec::<f32>()?, [1.0, 3.0, 6.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// The loop is compiled as one operation, whatever its length. `f` is traced once, or twice if the carry begins with a plain
/// number and goes on with another dtype. It may use arrays of its surroundings.
///
/// # Errors
/// Those of `f`. `scan body function carry input and carry output must have equal types, but they differ: …` (kind
/// `Carry`); leaves of `xs` with different leading axes; `xs` without leaves (see [`scan_with`]).
#[track_caller]
pub fn scan<C, X, Y, O>(f: impl FnMut(C, X) -> O, init: C, xs: X) -> Result<(C, Y)>
where
    C: Pytree,
    X: Pytree,
    Y: Pytree,
    O: Output<Tree = (C, Y)>,
{
    scan_with(f, init, xs, ScanOptions::default())
}

/// [`scan`] with a length, in reverse, or unrolled.
///
/// # Errors
/// As [`scan`]; ``scan got `length` argument of 4 which disagrees with leading axis sizes [3]``.
#[track_caller]
pub fn scan_with<C, X, Y, O>(
    mut f: impl FnMut(C, X) -> O,
    init: C,
    xs: X,
    options: ScanOptions,
) -> Result<(C, Y)>
where
    C: Pytree,
    X: Pytree,
    Y: Pytree,
    O: Output<Tree = (C, Y)>,
{
    let loc = here();
    let init = FlatOut::from_tree(&init);
    let xs = FlatOut::from_tree(&xs);
    let (carry_tree, xs_tree) = (init.tree.clone(), xs.tree.clone());
    let num_carry = init.leaves.len();
    let mut body = |args: &[Array]| {
        let carry = unflatten(&carry_tree, &args[..num_carry])?;
        let x = unflatten(&xs_tree, &args[num_carry..])?;
        let (carry, y) = f(carry, x).into_result()?;
        Ok((FlatOut::from_tree(&carry), FlatOut::from_tree(&y)))
    };
    let run = catch(|| scan_flat("scan body", &mut body, init, &xs, options, loc));
    let (carry, ys) = run.map_err(|e| e.at(loc))?;
    Ok((carry.into_tree()?, ys.into_tree()?))
}

pub(super) fn unflatten<T: Pytree>(tree: &TreeDef, leaves: &[Array]) -> Result<T> {
    T::unflatten_from(&mut Unflattener::new(tree.tokens(), &mut leaves.iter().cloned()))
}

type Body<'a> = dyn FnMut(&[Array]) -> Result<(FlatOut, FlatOut)> + 'a;

/// [`scan_with`] over flat trees; `what` names the body in messages.
pub(super) fn scan_flat(
    what: &str,
    body: &mut Body<'_>,
    init: FlatOut,
    xs: &FlatOut,
    options: ScanOptions,
    loc: Loc,
) -> Result<(FlatOut, FlatOut)> {
    let length = scan_length(&xs.leaves, options.length)?;
    if options.unroll == 0 {
        bail!(InvalidArgument, "scan: unroll must be a positive integer, got 0");
    }
    let slices = xs.leaves.iter().map(|x| x.aval().without_axes(&[0]));
    let slices: Vec<ShapedArray> = slices.collect();
    let mut carry: Vec<Array> = init.leaves.into_vec();
    let num_carry = carry.len();
    loop {
        let carry_avals: Vec<ShapedArray> = carry.iter().map(Array::aval).collect();
        let avals: Vec<ShapedArray> = carry_avals.iter().chain(&slices).cloned().collect();
        let mut trees = None;
        let traced = trace(&avals, |args| {
            let (mut carry, ys) = body(args)?;
            trees = Some((carry.tree.clone(), ys.tree, carry.leaves.len()));
            carry.leaves.extend(ys.leaves);
            Ok(carry)
        })?;
        let Some((carry_tree, ys_tree, carry_out)) = trees else {
            bail!(Internal, "scan: no body was traced")
        };
        let out_avals = &traced.jaxpr.out_avals()[..carry_out];
        if carry_tree == init.tree && promote_weak(&mut carry, out_avals) {
            continue;
        }
        check_carry(what, &init.tree, &carry_avals, &carry_tree, out_avals)?;
        let prim = Scan {
            jaxpr: traced.jaxpr,
            length,
            reverse: options.reverse,
            num_consts: traced.consts.len(),
            num_carry,
            unroll: options.unroll,
        };
        let args: Vec<Array> =
            traced.consts.into_iter().chain(carry).chain(xs.leaves.iter().cloned()).collect();
        let mut outs = bind_all_at(prim, &args, loc)?;
        let ys = outs.drain(num_carry..).collect();
        let carry = FlatOut { leaves: outs.into_iter().collect(), tree: carry_tree };
        return Ok((carry, FlatOut { leaves: ys, tree: ys_tree }));
    }
}

fn scan_length(xs: &[Array], given: Option<usize>) -> Result<usize> {
    let mut sizes = Vec::new();
    for x in xs {
        match x.shape().first() {
            Some(n) => sizes.push(*n),
            None => bail!(Shape, "scan got value with no leading axis to scan over: {}", x.aval()),
        }
    }
    let list = || sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    match (sizes.first(), given) {
        (_, Some(length)) if sizes.iter().any(|n| *n != length) => {
            bail!(
                Shape,
                "scan got `length` argument of {length} which disagrees with leading axis sizes [{}]",
                list()
            )
        }
        (_, Some(length)) => Ok(length),
        (Some(first), None) if sizes.iter().any(|n| n != first) => {
            bail!(Shape, "scan got values with different leading axis sizes: {}", list())
        }
        (Some(first), None) => Ok(*first),
        (None, None) => {
            bail!(
                InvalidArgument,
                "scan got no values to scan over and `length` not provided (see scan_with)"
            )
        }
    }
}

/// The loop. Operands: constants, carries, arrays to scan over; results: carries, stacked results. The jaxpr takes
/// and gives the same, with slices in place of arrays.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scan {
    pub jaxpr: Arc<Jaxpr>,
    pub length: usize,
    pub reverse: bool,
    pub num_consts: usize,
    pub num_carry: usize,
    pub unroll: usize,
}

fn python_bool(x: bool) -> Param {
    Param::Text(if x { "True" } else { "False" }.into())
}

impl Primitive for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let number = |n: usize| Param::Text(n.to_string());
        vec![
            ("jaxpr", Param::Jaxpr(self.jaxpr.clone())),
            ("length", number(self.length)),
            ("num_carry", number(self.num_carry)),
            ("num_consts", number(self.num_consts)),
            ("reverse", python_bool(self.reverse)),
            ("unroll", number(self.unroll)),
        ]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.jaxpr]
    }
    fn has_effects(&self) -> bool {
        self.jaxpr.has_effects()
    }
    fn axis_names(&self) -> Vec<&'static str> {
        self.jaxpr.axis_names().to_vec()
    }
    fn abstract_eval(&self, ins: &[&ShapedArray]) -> Result<Avals> {
        let params = self.jaxpr.in_avals();
        let first_x = self.num_consts + self.num_carry;
        let fits = ins.len() == params.len()
            && ins.iter().zip(&params).enumerate().all(|(i, (x, p))| {
                if i < first_x { x.matches(p) } else { x.matches(&p.with_axis(0, self.length)) }
            });
        if !fits {
            bail!(Internal, "scan: operands {ins:?} do not fit the body's parameters {params:?}");
        }
        let outs = self.jaxpr.out_avals();
        let carry_in = &params[self.num_consts..first_x];
        if let Some((a, b)) = carry_in.iter().zip(&outs).find(|(a, b)| !a.matches(b)) {
            bail!(Internal, "scan: the body takes a carry {a} and gives {b}");
        }
        let outs = outs.into_iter().enumerate();
        Ok(outs.map(|(i, a)| if i < self.num_carry { a } else { a.with_axis(0, self.length) }).collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> Lowered {
        let (consts, rest) = ins.split_at(self.num_consts);
        let (init, xs) = rest.split_at(self.num_carry);
        let mut state: Values = init.into();
        for aval in &outs[self.num_carry..] {
            state.push(ctx.full(Scalar::from_f64(aval.dtype, 0.0), &aval.shape));
        }
        let unroll = self.unroll.min(self.length.max(1));
        let (turns, rest) = (self.length / unroll, self.length % unroll);
        // A loop of one turn is none.
        let (turns, rest) = if turns <= 1 { (0, self.length) } else { (turns, rest) };
        if turns > 0 {
            let first = ctx.constant(Scalar::from_i128(DType::I32, 0));
            let mut operands = Values::from_slice(&[first]);
            operands.extend(state.iter().copied());
            let types: Vec<_> = operands.iter().map(|v| v.ty()).collect();
            let results = ctx.begin_op_with_regions("stablehlo.while", &operands, &types);
            let args = ctx.begin_region(&types);
            let limit = ctx.constant(Scalar::from_i128(DType::I32, (turns * unroll) as i128));
            let more = ctx.compare("LT", args[0], limit);
            ctx.end_region(&[more]);
            let args = ctx.begin_region(&types);
            let mut i = args[0];
            let mut inner: Values = args[1..].into();
            let one = ctx.constant(Scalar::from_i128(DType::I32, 1));
            for _ in 0..unroll {
                inner = self.lower_step(ctx, i, consts, &inner, xs)?;
                i = ctx.elementwise("stablehlo.add", &[i, one], i.ty());
            }
            inner.insert(0, i);
            ctx.end_region(&inner);
            ctx.end_op_with_regions(&operands, "", &results);
            state = results[1..].into();
        }
        for i in self.length - rest..self.length {
            let i = ctx.constant(Scalar::from_i128(DType::I32, i as i128));
            state = self.lower_step(ctx, i, consts, &state, xs)?;
        }
        Ok(state)
    }
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        self.jvp_rule(primals, tangents)
    }
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Option<Linearized>> {
        self.linearize_rule(primals, nonzero).map(Some)
    }
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        self.transpose_rule(cts, ins)
    }
    fn batch(&self, args: &[Array], dims: &[BatchDim]) -> Batched {
        self.batch_rule(None, super::common::mapped_size(args, dims), args, dims)
    }
    fn batch_named(&self, name: &'static str, size: usize, args: &[Array], dims: &[BatchDim]) -> Batched {
        self.batch_rule(Some(name), size, args, dims)
    }
    fn dce(&self, used: &mut [bool]) -> Option<(Prim, Vec<usize>)> {
        Some(self.dce_rule(used))
    }
}

impl Scan {
    /// One iteration: `state` holds the carries and the stacked results so far.
    fn lower_step(
        &self,
        ctx: &mut LoweringCtx,
        i: Value,
        consts: &[Value],
        state: &[Value],
        xs: &[Value],
    ) -> Result<Values> {
        let at = if self.reverse {
            let last = ctx.constant(Scalar::from_i128(DType::I32, self.length as i128 - 1));
            ctx.elementwise("stablehlo.subtract", &[last, i], i.ty())
        } else {
            i
        };
        let zero = ctx.constant(Scalar::from_i128(DType::I32, 0));
        let starts = |at: Value, rank: usize| {
            let mut starts = vec![zero; rank];
            starts[0] = at;
            starts
        };
        let (carry, ys) = state.split_at(self.num_carry);
        let mut args: Vec<Value> = consts.iter().chain(carry).copied().collect();
        for x in xs {
            let mut sizes = ctx.shape(*x);
            sizes[0] = 1;
            let dtype = ctx.dtype(*x);
            let ty = ctx.tensor(dtype, &sizes);
            let operands: Vec<Value> = [*x].into_iter().chain(starts(at, sizes.len())).collect();
            let attrs = format!("slice_sizes = {}", i64_array(sizes.iter().map(|n| *n as i64)));
            let slice = ctx.op1("stablehlo.dynamic_slice", &operands, &attrs, ty);
            args.push(ctx.reshape(slice, &sizes[1..]));
        }
        let outs = ctx.inline_jaxpr(&self.jaxpr, &args)?;
        let (carry, slices) = outs.split_at(self.num_carry);
        let mut state: Values = carry.into();
        for (y, slice) in ys.iter().zip(slices) {
            let mut sizes = ctx.shape(*y);
            sizes[0] = 1;
            let update = ctx.reshape(*slice, &sizes);
            let operands: Vec<Value> = [*y, update].into_iter().chain(starts(at, sizes.len())).collect();
            state.push(ctx.op1("stablehlo.dynamic_update_slice", &operands, "", y.ty()));
        }
        Ok(state)
    }
}
