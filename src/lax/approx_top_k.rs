//! `approx_max_k`, `approx_min_k`: about the largest or least elements along an axis, and where they are. JAX: `approx_top_k_p`.
//! StableHLO: `custom_call` of `ApproxTopK`.

use smallvec::{SmallVec, smallvec};

use crate::arguments::{Axis, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{Result, bail, throw};
use crate::lax::common::arguments::axis_of;
use crate::lax::indexing::GatherScatterMode;
use crate::lax::sort::take_along;
use crate::mlir::Value;

options! {
    /// Options of [`approx_max_k_with`] and [`approx_min_k_with`].
    pub struct ApproxKOptions {
        /// The axis along which is searched.
        reduction_dimension: into Axis = -1,
        /// Which share of the true `k` is found, in the mean.
        recall_target: value f64 = 0.95,
        /// The size of the whole of which the operand is a part, from which the recall is reckoned.
        reduction_input_size_override: optional usize,
        /// Are the results the `k` best of those that were found, in order? If not there are more of them, in any order.
        aggregate_to_topk: value bool = true,
    }
}

/// About the `k` largest elements along the last axis, and their indices as `i32`: fast on a TPU, which finds them by
/// [an algorithm of its own](https://arxiv.org/abs/2206.14286); exact elsewhere.
///
/// ```
/// use raxla::{Array, lax};
///
/// let (values, indices) = lax::approx_max_k(&Array::from([1.0f32, 4.0, 3.0]), 2);
/// assert_eq!((values.to_vec::<f32>()?, indices.to_vec::<i32>()?), (vec![4.0, 3.0], vec![1, 2]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `k must be positive, got 0`; `k must be smaller than the size of reduction_dim 3, got 4`; an operand that is not floating, or a
/// scalar.
#[track_caller]
pub fn approx_max_k(operand: &Array, k: usize) -> (Array, Array) {
    approx_max_k_with(operand, k, ApproxKOptions::new())
}

/// [`approx_max_k`] with options.
///
/// # Errors
/// As [`approx_max_k`]; `recall_target` outside of `(0, 1]`.
#[track_caller]
pub fn approx_max_k_with(operand: &Array, k: usize, options: ApproxKOptions) -> (Array, Array) {
    approx("approx_max_k", operand, k, true, options)
}

/// About the `k` least elements along the last axis, and their indices as `i32`; see [`approx_max_k`].
///
/// # Errors
/// As [`approx_max_k`].
#[track_caller]
pub fn approx_min_k(operand: &Array, k: usize) -> (Array, Array) {
    approx_min_k_with(operand, k, ApproxKOptions::new())
}

/// [`approx_min_k`] with options.
///
/// # Errors
/// As [`approx_max_k_with`].
#[track_caller]
pub fn approx_min_k_with(operand: &Array, k: usize, options: ApproxKOptions) -> (Array, Array) {
    approx("approx_min_k", operand, k, false, options)
}

#[track_caller]
fn approx(name: &str, operand: &Array, k: usize, is_max_k: bool, options: ApproxKOptions) -> (Array, Array) {
    let ApproxKOptions {
        reduction_dimension,
        recall_target,
        reduction_input_size_override,
        aggregate_to_topk,
    } = options;
    if operand.ndim() == 0 {
        throw!(Shape, "{name}: approx_top_k operand must have >= 1 dimension, got {}", operand.aval());
    }
    if !(recall_target > 0.0 && recall_target <= 1.0) {
        throw!(InvalidArgument, "{name}: recall_target must be in (0, 1], got {recall_target}");
    }
    let prim = ApproxTopK {
        k,
        axis: axis_of(name, reduction_dimension, operand),
        recall: recall_target.to_bits(),
        is_max_k,
        input_size: reduction_input_size_override,
        aggregate: aggregate_to_topk,
    };
    let mut outs = bind_all(prim, &[operand]);
    let indices = outs.swap_remove(1);
    (outs.swap_remove(0), indices)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ApproxTopK {
    k: usize,
    axis: usize,
    /// The bits of the target.
    recall: u64,
    is_max_k: bool,
    input_size: Option<usize>,
    aggregate: bool,
}

impl ApproxTopK {
    fn recall(&self) -> f64 {
        f64::from_bits(self.recall)
    }

    /// How many results there are of `size` elements along the axis. XLA: `ApproxTopKReductionOutputSize`.
    fn output_size(&self, size: usize, rank: usize) -> usize {
        if self.aggregate {
            return self.k;
        }
        // Lanes, and of vectors the elements that are searched together.
        let tiling = if rank == 1 { 1024 } else { 128 };
        if size <= tiling {
            return size;
        }
        let tiles = size.div_ceil(tiling);
        if self.k == 1 {
            return tiling;
        }
        if self.recall() == 1.0 {
            return size;
        }
        let wanted = ((1.0 - self.k as f64) / self.recall().ln()) as usize;
        let wanted = wanted.max(tiling).min(size);
        let reduction = (self.input_size.unwrap_or(size) / wanted).checked_ilog2().unwrap_or(0);
        if reduction == 0 {
            return size;
        }
        let reduction = reduction.min(tiles.next_power_of_two().ilog2());
        tiles.div_ceil(1 << reduction) * tiling
    }
}

impl Primitive for ApproxTopK {
    fn name(&self) -> &'static str {
        "approx_top_k"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let text = |x: &dyn std::fmt::Display| Param::Text(x.to_string());
        let size = self.input_size.map_or_else(|| "-1".to_owned(), |n| n.to_string());
        vec![
            ("aggregate_to_topk", Param::from(self.aggregate)),
            ("is_max_k", Param::from(self.is_max_k)),
            ("k", text(&self.k)),
            ("recall_target", text(&self.recall())),
            ("reduction_dimension", text(&self.axis)),
            ("reduction_input_size_override", text(&size)),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        if self.k == 0 {
            bail!(InvalidArgument, "approx_top_k: k must be positive, got 0");
        }
        let size = x.shape()[self.axis];
        if size < self.k {
            bail!(
                InvalidArgument,
                "approx_top_k: k must be smaller than the size of reduction_dim {size}, got {}",
                self.k
            );
        }
        if !x.dtype().is_float() {
            bail!(DType, "approx_top_k: operand must be a floating type, got {x}");
        }
        let values = x.with_size(self.axis, self.output_size(size, x.ndim()));
        Ok([values, values.with_dtype(DType::I32).with_weak_type(false)].into_iter().collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (dtype, shape) = (ctx.dtype(ins[0]), ctx.shape(ins[0]));
        let positions = ctx.iota(DType::I32, &shape, self.axis);
        let worst = if self.is_max_k { f64::NEG_INFINITY } else { f64::INFINITY };
        let worst = ctx.constant(Scalar::from_f64(dtype, worst));
        let nowhere = ctx.constant(Scalar::from_f64(DType::I32, -1.0));
        let (name, direction) = match self.is_max_k {
            true => ("top_k_gt_comparator", "GT"),
            false => ("top_k_lt_comparator", "LT"),
        };
        // Two values, then their positions.
        let (value, position) = (ctx.tensor(dtype, &[]), ctx.tensor(DType::I32, &[]));
        let truth = ctx.tensor(DType::Bool, &[]);
        let comparator = ctx.helper(name, &[value, value, position, position], &[truth], |ctx, args| {
            Ok(smallvec![ctx.compare(direction, args[0], args[1])])
        })?;
        let config = format!(
            "aggregate_to_topk = {}, is_fallback = {}, recall_target = {:.9e} : f32, reduction_dim = {} : i64, \
             reduction_input_size_override = {} : i64, top_k = {} : i64",
            self.aggregate,
            ctx.platform() != "tpu",
            self.recall() as f32,
            self.axis,
            self.input_size.map_or(-1, |n| n as i64),
            self.k
        );
        let attrs = format!(
            "backend_config = \"\", call_target_name = \"ApproxTopK\", called_computations = [@{comparator}], \
             mhlo.backend_config = {{{config}}}"
        );
        let types: Vec<_> = outs.iter().map(|aval| ctx.ty(aval)).collect();
        Ok(ctx.op("stablehlo.custom_call", &[ins[0], positions, worst, nowhere], &attrs, &types))
    }
    /// dy = dx at the indices
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let outs = bind_all(self.clone(), &[&primals[0]]);
        let at = |dx: &Array| take_along(dx, &outs[1], self.axis, GatherScatterMode::PromiseInBounds);
        let tangent = tangents[0].as_ref().map(at);
        Ok((outs, smallvec![tangent, None]))
    }
    /// an axis at or after the mapped axis shifts by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let prim = ApproxTopK { axis: self.axis + usize::from(dim <= self.axis), ..self.clone() };
        Ok((bind_all(prim, &[&args[0]]), SmallVec::from_elem(Some(dim), 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, case, check_rules, message_of};

    #[test]
    fn rules_of_approx_top_k() {
        let mut draw = Draw::new(72);
        let mut distinct = |shape: &[usize]| draw.distinct(DType::F32, shape);
        let first = || ApproxKOptions::new().reduction_dimension(0);
        check_rules([
            case("last axis", [distinct(&[2, 5])], |x| approx_max_k(&x[0], 3)),
            case("first axis", [distinct(&[4, 2])], move |x| approx_min_k_with(&x[0], 2, first())),
        ]);
    }

    #[test]
    fn there_are_as_many_results_as_in_jax() {
        let cases = [
            (1000, 1, 10, 0.95, None, 1000),
            (2000, 2, 10, 0.95, None, 256),
            (2000, 1, 10, 0.95, None, 2000),
            (20000, 2, 10, 0.95, None, 384),
            (200000, 1, 10, 0.95, None, 2048),
            (100000, 2, 1, 0.95, None, 128),
            (100000, 2, 10, 1.0, None, 100000),
            (100000, 2, 10, 0.5, Some(200000), 128),
            (5000, 2, 3, 0.9, None, 256),
            (129, 2, 3, 0.9, None, 129),
            (130000, 2, 100, 0.99, None, 16256),
        ];
        for (size, rank, k, recall, input_size, expected) in cases {
            let recall = f64::to_bits(recall);
            let prim = ApproxTopK { k, axis: 0, recall, is_max_k: true, input_size, aggregate: false };
            assert_eq!(prim.output_size(size, rank), expected, "{size} {rank} {k}");
        }
    }

    #[test]
    fn parameters_are_checked() {
        let x = Array::from([1.0f32, 2.0, 3.0]);
        let of = |x: &Array, k| message_of(|| approx_max_k(x, k));
        assert_eq!(of(&x, 0), "approx_top_k: k must be positive, got 0");
        assert_eq!(of(&x, 4), "approx_top_k: k must be smaller than the size of reduction_dim 3, got 4");
        assert_eq!(of(&Array::from([1, 2]), 1), "approx_top_k: operand must be a floating type, got i32[2]");
        assert!(of(&Array::scalar(1f32), 1).contains(">= 1 dimension"));
        let options = ApproxKOptions::new().recall_target(0.0);
        let message = message_of(|| approx_max_k_with(&x, 1, options));
        assert_eq!(message, "approx_max_k: recall_target must be in (0, 1], got 0");
    }
}
