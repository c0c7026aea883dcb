//! `reduce`: reduction by any function. JAX: `reduce_p`, `lax.reduce`. StableHLO: `reduce`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::common::here;
use super::reducer::{Monoid, batch_operands, check_inits_constant, reduction};
use crate::arguments::Axes;
use crate::calls::refs;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind;
use crate::error::{Result, bail};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::interpreters::jvp::jvp;
use crate::lax::elementwise::tuple;
use crate::lax::{self, convert};
use crate::mlir::{Type, Value, usize_array};
use crate::signature::Output;
use crate::tree::Pytree;

/// Combines the elements of `operands` along `dimensions` by `computation`, an associative function of scalars whose neutral
/// elements are `init_values`.
///
/// Several operands, of one shape, are reduced together: `computation` takes and returns the tree of one scalar for each.
/// A computation that is just `add`, `mul`, `max`, `min`, `bitwise_and`, `bitwise_or` or `bitwise_xor`, from its neutral
/// element, becomes [`reduce_sum`](lax::reduce_sum) and so on.
///
/// ```
/// use raxla::{Array, lax};
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// let y = lax::reduce(x, Array::scalar(1.0f32), |a: Array, b: Array| lax::mul(&a, &b), 1)?;
/// assert_eq!(y.to_vec::<f32>()?, [2.0, 12.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `computation`; `reduce found non-scalar initial value: f32[2]`; operands of several shapes; initial values or
/// results of other dtypes or structures; a computation that captures traced values; axes that repeat or are out of range.
/// Derivatives with respect to initial values.
#[track_caller]
pub fn reduce<T, O>(
    operands: T,
    init_values: T,
    computation: impl FnOnce(T, T) -> O,
    dimensions: impl Into<Axes>,
) -> Result<T>
where
    T: Pytree,
    O: Output<Tree = T>,
{
    let (dimensions, loc) = (dimensions.into(), here());
    let positions = |x: &Array| dimensions.positions("reduce", x.ndim());
    let known = |monoid, x: &Array, init: &Array| {
        let axes = positions(x)?;
        let reduced = match monoid {
            Monoid::Sum => lax::reduce_sum(x, &axes),
            Monoid::Prod => lax::reduce_prod(x, &axes),
            Monoid::Max => lax::reduce_max(x, &axes),
            Monoid::Min => lax::reduce_min(x, &axes),
            Monoid::Or => lax::reduce_or(x, &axes),
            Monoid::And => lax::reduce_and(x, &axes),
            Monoid::Xor => lax::reduce_xor(x, &axes),
        };
        Ok(Some(convert(&reduced, x.dtype(), x.weak_type() && init.weak_type())))
    };
    let prim = |jaxpr, x: &Array| Ok(Reduce { jaxpr, dimensions: positions(x)?.into_iter().collect() });
    reduction("reduce", operands, init_values, computation, known, prim, loc)
}

/// Operands: the arrays, then as many initial values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reduce {
    jaxpr: Arc<Jaxpr>,
    dimensions: Shape,
}

impl Reduce {
    /// The reduction as a tree of computations on whole arrays, which has derivatives. JAX: `_reduce_jvp`, which pairs the
    /// first half with the second instead.
    fn tree(&self, xs: &[Array], inits: &[Array]) -> Result<Vec<Array>> {
        let shape = xs[0].shape();
        let kept: Shape = (0..shape.len()).filter(|i| !self.dimensions.contains(i)).collect();
        let out_shape: Shape = kept.iter().map(|i| shape[*i]).collect();
        let rest: usize = out_shape.iter().product();
        let mut n: usize = self.dimensions.iter().map(|i| shape[*i]).product();
        if n == 0 || rest == 0 {
            return Ok(inits.iter().map(|x| lax::full(&out_shape, x)).collect());
        }
        // The reduced axes in front, as one, and the others as one behind it.
        let reduced = (0..shape.len()).filter(|i| self.dimensions.contains(i));
        let order: Shape = reduced.chain(kept.iter().copied()).collect();
        let mut xs: Vec<Array> =
            xs.iter().map(|x| lax::reshape(&lax::transpose(x, &order), [n, rest])).collect();
        while n > 1 {
            // Neighbours, since the computation need not be commutative.
            let half = n.div_ceil(2);
            let missing = (2 * half - n) as i64;
            for (x, init) in xs.iter_mut().zip(inits) {
                let even = lax::pad(x, init.clone(), [(0, missing, 0), (0, 0, 0)]);
                *x = lax::reshape(&even, [half, 2, rest]);
            }
            let part = |i| xs.iter().map(move |x| lax::index_along(x, i, 1));
            let pairs: Vec<Array> = part(0).chain(part(1)).map(|x| lax::reshape(&x, [half * rest])).collect();
            let dims = vec![Some(0); pairs.len()];
            let scalar = |args: &[Array]| Ok((eval_jaxpr(&self.jaxpr, &[], args)?, ()));
            let (outs, dims, ()) = batch(scalar, &pairs, &dims, None, half * rest)?;
            let outs = outs.iter().zip(dims).map(|(x, d)| move_batch_axis(x, d, 0, half * rest));
            xs = outs.map(|x| lax::reshape(&x, [half, rest])).collect();
            n = half;
        }
        Ok(xs.iter().map(|x| lax::reshape(x, &out_shape)).collect())
    }
}

impl Primitive for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("dimensions", Param::Text(tuple(&self.dimensions))),
            ("jaxpr", Param::Jaxpr(self.jaxpr.clone())),
        ]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.jaxpr]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let (xs, inits) = ins.split_at(ins.len() / 2);
        for (x, init) in xs.iter().zip(inits) {
            check::axes(self, "dimensions", &self.dimensions, x)?;
            if !init.shape().is_empty() || init.dtype() != x.dtype() || x.shape() != xs[0].shape() {
                bail!(Internal, "reduce: operands {xs:?} do not fit initial values {inits:?}");
            }
        }
        let outs = xs.iter().zip(inits);
        let outs = outs.map(|(x, init)| {
            x.without_axes(&self.dimensions).with_weak_type(x.weak_type() && init.weak_type())
        });
        Ok(outs.collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let attrs = format!("dimensions = {}", usize_array(&self.dimensions));
        let results: SmallVec<[Type; 4]> = outs.iter().map(|aval| ctx.ty(aval)).collect();
        let inits = &ins[ins.len() / 2..];
        let scalars: SmallVec<[Type; 4]> = inits.iter().chain(inits).map(|v| v.ty()).collect();
        ctx.op_with_region("stablehlo.reduce", ins, &attrs, &results, &scalars, |ctx, args| {
            ctx.inline_jaxpr(&self.jaxpr, args)
        })
    }
    /// that of the same reduction as a tree of computations
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let n = primals.len() / 2;
        let (xs, inits) = primals.split_at(n);
        check_inits_constant("reduce", &tangents[n..])?;
        let (outs, tangents) = jvp(|xs| self.tree(xs, inits), xs, &tangents[..n])?;
        Ok((outs.into_iter().collect(), tangents.into_iter().collect()))
    }
    /// dimensions shift by one
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let moved = batch_operands("reduce", axis, args, dims)?;
        let dimensions = self.dimensions.iter().map(|d| d + 1).collect();
        let outs = bind(Reduce { jaxpr: self.jaxpr.clone(), dimensions }, &refs(&moved))?;
        let dims = SmallVec::from_elem(Some(0), outs.len());
        Ok((outs, dims))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules};

    type Pair = (Array, Array);

    fn scalar(like: &Array, value: f64) -> Array {
        lax::full_like(&lax::zeros(like.dtype(), &[]), value)
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(40);
        let x = draw.values(DType::F32, &[2, 3]);
        // Not a monoid that has a primitive: products from 1 of 1 + x.
        let by = |a: Array, b: Array| a.clone() + b.clone() + a * b;
        let (p, q) = (draw.values(DType::F32, &[3, 2]), draw.values(DType::F32, &[3, 2]));
        let affine = |(a, b): Pair, (c, d): Pair| (&a * &c, b * c + d);
        check_rules([
            case("reduce", [x.clone()], move |x| reduce(x[0].clone(), scalar(&x[0], 0.0), by, 1).unwrap()),
            case("both axes", [x], move |x| reduce(x[0].clone(), scalar(&x[0], 0.0), by, ..).unwrap()),
            case("pairs", [p, q], move |x| {
                let init = (scalar(&x[0], 1.0), scalar(&x[0], 0.0));
                let (a, b) = reduce((x[0].clone(), x[1].clone()), init, affine, 0).unwrap();
                vec![a, b]
            }),
        ]);
    }

    #[test]
    fn a_known_computation_is_a_known_reduction() {
        let name = |computation: fn(&Array, &Array) -> Array, init: f32| {
            let trace = move |x: &Array| {
                reduce(x.clone(), Array::scalar(init), move |a: Array, b: Array| computation(&a, &b), 0)
            };
            let text = crate::make_jaxpr(trace)(&Array::from([1.0f32, 2.0])).unwrap().to_string();
            text.split_once(" = ").map(|(_, rest)| rest.split(['[', ' ']).next().unwrap_or("").to_owned())
        };
        assert_eq!(name(lax::add, 0.0).as_deref(), Some("reduce_sum"));
        assert_eq!(name(lax::mul, 1.0).as_deref(), Some("reduce_prod"));
        assert_eq!(name(|a, b| lax::max(b, a), f32::NEG_INFINITY).as_deref(), Some("reduce_max"));
        assert_eq!(name(lax::min, f32::INFINITY).as_deref(), Some("reduce_min"));
        assert_eq!(name(lax::add, 1.0).as_deref(), Some("reduce"));
        assert_eq!(name(lax::sub, 0.0).as_deref(), Some("reduce"));
    }

    #[test]
    fn operands_and_computations_are_checked() {
        let x = || Array::from([1.0f32, 2.0]);
        let message = |init: Array, computation: fn(Array, Array) -> Array| {
            reduce(x(), init, computation, 0).unwrap_err().message().to_owned()
        };
        assert_eq!(message(x(), |a, _| a), "reduce found non-scalar initial value: f32[2]");
        assert_eq!(
            message(Array::scalar(1i32), |a, _| a),
            "reduce: operand dtypes should match corresponding initial value dtypes, got f32[2] and i32[]"
        );
        assert_eq!(
            message(Array::scalar(1.0f32), |a, b| lax::lt(&a, &b)),
            "reduce: computation must return the types of init_values, got bool[] for f32[]"
        );
        let scale = Array::scalar(3.0f32);
        let by = |a: Array, b: Array| (a + b) * &scale;
        assert_eq!(reduce(x(), Array::scalar(0.0f32), by, ()).unwrap().shape(), [2]);
    }
}
