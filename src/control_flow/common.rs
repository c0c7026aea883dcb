//! What the primitives of control flow share: tracing of bodies, constants, and checks of types.
//! JAX: `lax/control_flow/common.py`.

use std::panic::Location;
use std::sync::Arc;

use crate::core::array::{Array, Identity};
use crate::core::aval::ShapedArray;
use crate::core::config::x64_enabled;
use crate::core::jaxpr::{ClosedJaxpr, Jaxpr, Loc, Parameter};
use crate::core::primitive::{Arrays, BatchDim, Prim};
use crate::core::remap::Remap;
use crate::core::trace::bind_at;
use crate::dtype::promote_types;
use crate::error::{Result, bail};
use crate::interpreters::batching::move_batch_axis;
use crate::interpreters::discharge::check_returned;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
use crate::lax;
use crate::signature::FlatOut;
use crate::tree::TreeDef;

/// A traced function: its jaxpr without constants, what it captured, and the structure of its result.
pub(super) struct Traced {
    pub jaxpr: Arc<Jaxpr>,
    pub consts: Vec<Array>,
    pub out_tree: TreeDef,
}

/// Traces a function of flat arrays.
pub(super) fn trace(avals: &[ShapedArray], f: impl FnOnce(&[Array]) -> Result<FlatOut>) -> Result<Traced> {
    let (closed, out_tree) = trace_to_jaxpr_with(avals, |args| {
        let out = f(args)?;
        check_returned("a function traced for a loop or a branch", &out.leaves, args, |i| {
            out.tree.leaf_paths().get(i).cloned().unwrap_or_default().with_root("result").to_string()
        })?;
        Ok((out.leaves.into_vec(), out.tree))
    })?;
    let (jaxpr, consts) = convert_constvars(closed);
    Ok(Traced { jaxpr, consts, out_tree })
}

/// `0..n` as parameters of a rearranged jaxpr.
pub(super) fn old(range: impl IntoIterator<Item = usize>) -> impl Iterator<Item = Parameter> {
    range.into_iter().map(Parameter::Old)
}

/// Jaxprs whose leading parameters are their own constants (arrays, each once, and no scalars), with the constants of all as
/// leading parameters.
pub(crate) fn join_consts(parts: Vec<(Arc<Jaxpr>, Vec<Array>)>) -> (Vec<Arc<Jaxpr>>, Vec<Array>) {
    let (mut all, mut at): (Vec<Array>, Remap<Identity>) = Default::default();
    let mut positions: Vec<Vec<usize>> = Vec::new();
    for (_, consts) in &parts {
        let found = consts.iter().map(|x| {
            let (position, new) = at.insert(x.identity());
            if new {
                all.push(x.clone());
            }
            position
        });
        positions.push(found.collect());
    }
    let jaxprs = parts.iter().zip(positions).map(|((jaxpr, consts), positions)| {
        if consts.len() == all.len() && positions.iter().enumerate().all(|(i, p)| i == *p) {
            return jaxpr.clone();
        }
        let own: Remap<usize> = positions.into_iter().collect();
        let leading = all.iter().enumerate().map(|(i, x)| own.parameter(i, || x.aval()));
        jaxpr.rearrange(leading.chain(old(consts.len()..jaxpr.invars.len())), jaxpr.outvars.clone())
    });
    (jaxprs.collect(), all)
}

/// Binds at the user's line.
pub(super) fn bind_all_at(prim: impl Into<Prim>, args: &[Array], loc: Loc) -> Result<Arrays> {
    bind_at(&prim.into(), &args.iter().collect::<Vec<_>>(), loc)
}

/// Marks in `a` what is marked in `b`; was anything new?
pub(crate) fn unite(a: &mut [bool], b: &[bool]) -> bool {
    let mut grown = false;
    for (a, b) in a.iter_mut().zip(b) {
        grown |= *b && !*a;
        *a |= *b;
    }
    grown
}

pub(super) fn count(marks: &[bool]) -> usize {
    marks.iter().filter(|m| **m).count()
}

/// The mapped axis moved to `to`; made by broadcasting if the operand is to be mapped and is not.
pub(super) fn to_front(x: &Array, dim: BatchDim, mapped: bool, to: usize, size: usize) -> Array {
    if mapped { move_batch_axis(x, dim, to, size) } else { x.clone() }
}

/// How two types differ, in JAX's words: `the shapes do not match`.
pub(crate) fn difference(a: &ShapedArray, b: &ShapedArray) -> String {
    let mut found = Vec::new();
    if a.dtype() != b.dtype() {
        found.push("the dtypes do not match");
    }
    if a.shape() != b.shape() {
        found.push("the shapes do not match");
    }
    found.join(", and ")
}

/// Weakly typed initial values in the dtype that the body gives them; were there any? JAX:
/// `_promote_weak_typed_inputs`.
pub(super) fn promote_weak(init: &mut [Array], outs: &[ShapedArray]) -> bool {
    if init.len() != outs.len() {
        return false;
    }
    let mut changed = false;
    for (x, out) in init.iter_mut().zip(outs) {
        if x.weak_type() && !x.aval().matches(out) {
            let of = (x.dtype(), true);
            // Without a common dtype it stays what it is, and the carry changes its type.
            let to = promote_types(of, (out.dtype(), out.weak_type()), x64_enabled());
            if let Ok((dtype, _)) = to
                && dtype != x.dtype()
            {
                *x = lax::convert_element_type(x, dtype);
                changed = true;
            }
        }
    }
    changed
}

/// The error for a carry that changes its type. JAX: `_check_carry_type`.
pub(super) fn check_carry(
    what: &str,
    in_tree: &TreeDef,
    in_avals: &[ShapedArray],
    out_tree: &TreeDef,
    out_avals: &[ShapedArray],
) -> Result<()> {
    if in_tree != out_tree {
        bail!(
            Carry,
            "{what} function carry input and carry output must have the same pytree structure, but they differ {}.\n\
             Revise the function so that the carry output has the same pytree structure as the carry input",
            in_tree.first_difference(out_tree).unwrap_or_default()
        );
    }
    let mut differ = Vec::new();
    for (path, (a, b)) in in_tree.leaf_paths().into_iter().zip(in_avals.iter().zip(out_avals)) {
        if !a.matches(b) {
            let component = if path.is_empty() { "carry" } else { "carry component" };
            let path = if path.is_empty() { String::new() } else { format!(" {}", path.with_root("carry")) };
            differ.push(format!(
                "the input {component}{path} has type {a} but the corresponding output carry component has type {b}, \
                 so {}",
                difference(a, b)
            ));
        }
    }
    if differ.is_empty() {
        return Ok(());
    }
    let list = match differ.len() {
        1 => format!(" {}", differ.swap_remove(0)),
        _ => differ.iter().map(|d| format!("\n  * {d}")).collect::<Vec<_>>().join(";"),
    };
    bail!(
        Carry,
        "{what} function carry input and carry output must have equal types, but they differ:{list}.\nRevise the \
         function so that all output types match the corresponding input types"
    )
}

/// The line of the caller.
#[track_caller]
pub(super) fn here() -> &'static Location<'static> {
    crate::core::trace::caller()
}

/// A jaxpr's constants as leading parameters, for a jaxpr that a rule traced.
pub(super) fn hoist(closed: ClosedJaxpr) -> (Arc<Jaxpr>, Vec<Array>) {
    convert_constvars(closed)
}
