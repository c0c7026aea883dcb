//! `reduce_window`: reductions by any function over windows that slide along arrays. JAX: `reduce_window_p`,
//! `lax.reduce_window`. StableHLO: `reduce_window`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::common::{here, old};
use super::reducer::{Monoid, batch_operands, check_inits_constant, reduction};
use crate::arguments::Dims;
use crate::calls::refs;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind;
use crate::error::{Result, bail};
use crate::interpreters::jvp::{instantiate, jvp_jaxpr};
use crate::lax;
use crate::lax::reduce_window::Op;
use crate::lax::window::{Window, WindowOptions};
use crate::mlir::{Type, Value};
use crate::signature::Output;
use crate::tree::Pytree;

/// Combines the elements of each window of `operands` by `computation`, an associative function of scalars whose neutral
/// elements are `init_values`.
///
/// Several operands, of one shape, are reduced together: `computation` takes and returns the tree of one scalar for each.
/// `add`, `max` and `min` from their neutral elements become [`reduce_window_sum`](lax::reduce_window_sum) and so on, which
/// have derivatives in reverse mode; other computations have them in forward mode.
///
/// ```
/// use raxla::{Array, lax};
///
/// let x = Array::from([1.0f32, 2.0, 3.0, 4.0]);
/// let init = Array::scalar(1.0f32);
/// let y = lax::reduce_window(x, init, |a: Array, b: Array| lax::mul(&a, &b), 2)?;
/// assert_eq!(y.to_vec::<f32>()?, [2.0, 6.0, 12.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `computation` and of [`reduce`](lax::reduce); parameters as for
/// [`reduce_window_sum`](lax::reduce_window_sum).
#[track_caller]
pub fn reduce_window<T, O>(
    operand: T,
    init_value: T,
    computation: impl FnOnce(T, T) -> O,
    window_dimensions: impl Into<Dims>,
) -> Result<T>
where
    T: Pytree,
    O: Output<Tree = T>,
{
    reduce_window_with(operand, init_value, computation, window_dimensions, WindowOptions::new())
}

/// [`reduce_window`], with options.
///
/// # Errors
/// As [`reduce_window`].
#[track_caller]
pub fn reduce_window_with<T, O>(
    operand: T,
    init_value: T,
    computation: impl FnOnce(T, T) -> O,
    window_dimensions: impl Into<Dims>,
    options: WindowOptions,
) -> Result<T>
where
    T: Pytree,
    O: Output<Tree = T>,
{
    let dimensions = window_dimensions.into();
    let known = |monoid, x: &Array, _: &Array| {
        let op = match monoid {
            Monoid::Sum => Op::Sum,
            Monoid::Max => Op::Max,
            Monoid::Min => Op::Min,
            _ => return Ok(None),
        };
        Ok(Some(lax::reduce_window::reduce_window(op, x, &dimensions, &options)))
    };
    let prim =
        |jaxpr, x: &Array| Ok(ReduceWindow { jaxpr, window: Window::new(x.shape(), &dimensions, &options)? });
    reduction("reduce_window", operand, init_value, computation, known, prim, here())
}

/// Operands: the arrays, then as many initial values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ReduceWindow {
    jaxpr: Arc<Jaxpr>,
    window: Window,
}

impl Primitive for ReduceWindow {
    fn name(&self) -> &'static str {
        "reduce_window"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = self.window.params();
        params.insert(1, ("jaxpr", Param::Jaxpr(self.jaxpr.clone())));
        params
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.jaxpr]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let (xs, inits) = ins.split_at(ins.len() / 2);
        if xs.iter().zip(inits).any(|(x, init)| !init.shape().is_empty() || init.dtype() != x.dtype()) {
            bail!(Internal, "reduce_window: operands {xs:?} do not fit initial values {inits:?}");
        }
        xs.iter().map(|x| Ok(ShapedArray::new(x.dtype(), &self.window.out_shape(x)?))).collect()
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let results: SmallVec<[Type; 4]> = outs.iter().map(|aval| ctx.ty(aval)).collect();
        let (xs, inits) = ins.split_at(ins.len() / 2);
        self.window.reduce(ctx, xs, inits, &results, |ctx, args| ctx.inline_jaxpr(&self.jaxpr, args))
    }
    /// values and tangents reduced together, by the computation's jvp
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let n = primals.len() / 2;
        let (xs, inits) = primals.split_at(n);
        check_inits_constant("reduce_window", &tangents[n..])?;
        let outs = bind(self.clone(), &refs(primals))?;
        let marks: Vec<bool> = xs.iter().map(|x| x.dtype().is_inexact()).collect();
        let made = jvp_jaxpr(&self.jaxpr, &[marks.clone(), marks.clone()].concat(), &marks)?;
        if !made.consts.is_empty() {
            bail!(Unimplemented, "reduce_window: the derivative of the computation captures arrays");
        }
        // Parameters: both elements, then the tangents of both. What is reduced is an element with its tangent.
        let k = marks.iter().filter(|m| **m).count();
        let order = old((0..n).chain(2 * n..2 * n + k).chain(n..2 * n).chain(2 * n + k..2 * n + 2 * k));
        let jaxpr = made.jaxpr.rearrange(order, made.jaxpr.outvars.clone());
        let marked = || marks.iter().enumerate().filter(|(_, m)| **m).map(|(i, _)| i);
        let dxs = marked().map(|i| instantiate(tangents[i].clone(), &xs[i]));
        let zeros = marked().map(|i| lax::zeros_like(&inits[i]));
        let args: Vec<Array> =
            xs.iter().cloned().chain(dxs).chain(inits.iter().cloned()).chain(zeros).collect();
        let both = bind(ReduceWindow { jaxpr, window: self.window.clone() }, &refs(&args))?;
        let mut douts = both.into_iter().skip(n);
        let douts = marks.iter().map(|m| if *m { douts.next() } else { None }).collect();
        Ok((outs, douts))
    }
    /// windows of one element along the mapped axis
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let moved = batch_operands("reduce_window", axis, args, dims)?;
        let prim = ReduceWindow { jaxpr: self.jaxpr.clone(), window: self.window.with_axis(0) };
        let outs = bind(prim, &refs(&moved))?;
        let dims = SmallVec::from_elem(Some(0), outs.len());
        Ok((outs, dims))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_flow::testing::f32s;
    use crate::core::primitive::Tangent;
    use crate::dtype::DType;
    use crate::error::OrThrow;
    use crate::interpreters::jvp::jvp;
    use crate::lax::testing::{Draw, case, check_rules};

    fn products(x: &Array) -> Result<Array> {
        let by = |a: Array, b: Array| lax::mul(&a, &b);
        reduce_window(x.clone(), lax::full_like(&lax::zeros(x.dtype(), &[]), 1.0), by, 2)
    }

    #[test]
    fn reduce_window_satisfies_the_rules_of_forward_mode() {
        let x = Draw::new(64).uniform(DType::F32, &[4], 0.5, 1.5);
        check_rules([case("reduce_window", [x], |x| products(&x[0]).or_throw()).forward_only()]);
    }

    #[test]
    fn derivatives_are_those_of_forward_mode() {
        let x = Array::from([1.0f32, 2.0, 3.0, 4.0]);
        let dx: Tangent = Some(Array::from([1.0f32, 0.0, 0.0, 1.0]));
        let (outs, tangents) = jvp(|x| Ok(vec![products(&x[0])?]), std::slice::from_ref(&x), &[dx]).unwrap();
        assert_eq!(f32s(&outs[0]), [2.0, 6.0, 12.0]);
        assert_eq!(f32s(tangents[0].as_ref().unwrap()), [2.0, 0.0, 3.0]);
        let e = crate::grad(|x: &Array| Ok(lax::reduce_sum(&products(x)?, [0])))(&x).unwrap_err();
        assert_eq!(e.message(), "reduce_window: transpose is not defined, since it is not linear");
    }

    #[test]
    fn windows_of_mapped_arrays_are_windows_of_each() {
        let x = Array::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let y = crate::vmap(|x: &Array| products(x))(&x).unwrap();
        assert_eq!(f32s(&y), [2.0, 6.0, 20.0, 30.0]);
    }
}
