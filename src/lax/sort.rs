//! `sort`: sorts arrays together along one axis. JAX: `sort_p`. StableHLO: `sort`.

use std::borrow::Borrow;

use smallvec::{SmallVec, smallvec};

use crate::arguments::{Axis, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{Result, bail, throw};
use crate::lax::common::arguments::axis_of;
use crate::lax::elementwise::tuple;
use crate::lax::gather::{GatherOptions, gather_with};
use crate::lax::indexing::{GatherDimensionNumbers, GatherScatterMode};
use crate::lax::narrow;
use crate::lax::{broadcast_in_dim, broadcasted_iota, expand_dims, move_axis};
use crate::mlir::{Type, Value, Values};

options! {
    /// Options of [`sort_with`].
    pub struct SortOptions {
        /// Do equal elements keep their order?
        is_stable: value bool = true,
        /// How many of the operands are keys: the first ones, in lexicographic order.
        num_keys: value usize = 1,
    }
}

options! {
    /// Options of [`sort_key_val_with`].
    pub struct SortKeyValOptions {
        /// Do equal keys keep their order?
        is_stable: value bool = true,
    }
}

/// What [`sort`] takes: an array, or several that are sorted together, and of which as many come back.
pub trait SortOperands {
    /// An array for an array, `[Array; N]` for `[_; N]`, a `Vec` for a slice or a `Vec`.
    type Sorted;
    #[doc(hidden)]
    fn operands(&self) -> SmallVec<[&Array; 4]>;
    #[doc(hidden)]
    fn sorted(&self, outs: Vec<Array>) -> Self::Sorted;
}

impl SortOperands for Array {
    type Sorted = Array;
    fn operands(&self) -> SmallVec<[&Array; 4]> {
        std::iter::once(self).collect()
    }
    fn sorted(&self, mut outs: Vec<Array>) -> Array {
        outs.swap_remove(0)
    }
}

impl<T: Borrow<Array>, const N: usize> SortOperands for [T; N] {
    type Sorted = [Array; N];
    fn operands(&self) -> SmallVec<[&Array; 4]> {
        self.iter().map(Borrow::borrow).collect()
    }
    fn sorted(&self, outs: Vec<Array>) -> [Array; N] {
        // As many come out as went in; if not, the operands are as good as anything.
        outs.try_into().unwrap_or_else(|_| std::array::from_fn(|i| self[i].borrow().clone()))
    }
}

impl<T: Borrow<Array>> SortOperands for [T] {
    type Sorted = Vec<Array>;
    fn operands(&self) -> SmallVec<[&Array; 4]> {
        self.iter().map(Borrow::borrow).collect()
    }
    fn sorted(&self, outs: Vec<Array>) -> Vec<Array> {
        outs
    }
}

impl<T: Borrow<Array>> SortOperands for Vec<T> {
    type Sorted = Vec<Array>;
    fn operands(&self) -> SmallVec<[&Array; 4]> {
        self.iter().map(Borrow::borrow).collect()
    }
    fn sorted(&self, outs: Vec<Array>) -> Vec<Array> {
        outs
    }
}

/// Sorts an array along `dimension` (JAX's default is -1), or several together by the first of them.
///
/// Numbers ascend: `-inf < ... < 0 = -0 < ... < inf < NaN`; complex numbers by real, then imaginary part. Equal elements keep
/// their order.
///
/// ```
/// use raxla::{Array, lax};
///
/// let (x, y) = (Array::from([3, 1, 2]), Array::from([30, 10, 20]));
/// assert_eq!(lax::sort(&x, -1).to_vec::<i32>()?, [1, 2, 3]);
/// let [_, y] = lax::sort(&[&x, &y], -1);
/// assert_eq!(y.to_vec::<i32>()?, [10, 20, 30]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `arguments to sort must have equal shapes, got: (2, 3) (3, 2)`; no operand; an axis out of bounds.
#[track_caller]
pub fn sort<S: SortOperands + ?Sized>(operands: &S, dimension: impl Into<Axis>) -> S::Sorted {
    operands.sorted(sort_together(&operands.operands(), dimension.into(), true, 1))
}

/// [`sort`], with options.
///
/// # Errors
/// As [`sort`]; `num_keys=3 must be between 1 and len(operand)=2`.
#[track_caller]
pub fn sort_with<S: SortOperands + ?Sized>(
    operands: &S,
    dimension: impl Into<Axis>,
    options: SortOptions,
) -> S::Sorted {
    let SortOptions { is_stable, num_keys } = options;
    operands.sorted(sort_together(&operands.operands(), dimension.into(), is_stable, num_keys))
}

/// [`sort_with`] of references.
#[track_caller]
fn sort_together(operands: &[&Array], dimension: Axis, is_stable: bool, num_keys: usize) -> Vec<Array> {
    let Some(first) = operands.first() else { throw!(InvalidArgument, "sort requires at least one operand") };
    let dimension = axis_of("sort", dimension, first);
    bind_all(Sort { dimension, is_stable, num_keys }, operands).into_vec()
}

/// Sorts `keys` along `dimension` (JAX's default is -1), and `values` along with them.
///
/// # Errors
/// As [`sort`].
#[track_caller]
pub fn sort_key_val(keys: &Array, values: &Array, dimension: impl Into<Axis>) -> (Array, Array) {
    sort_pair(keys, values, dimension.into(), true)
}

/// [`sort_key_val`], with options.
///
/// # Errors
/// As [`sort`].
#[track_caller]
pub fn sort_key_val_with(
    keys: &Array,
    values: &Array,
    dimension: impl Into<Axis>,
    options: SortKeyValOptions,
) -> (Array, Array) {
    sort_pair(keys, values, dimension.into(), options.is_stable)
}

#[track_caller]
fn sort_pair(keys: &Array, values: &Array, dimension: Axis, is_stable: bool) -> (Array, Array) {
    let mut outs = sort_together(&[keys, values], dimension, is_stable, 1);
    let values = outs.swap_remove(1);
    (outs.swap_remove(0), values)
}

/// `x` at `indices` along `axis`, for each place along the other axes.
pub(super) fn take_along(x: &Array, indices: &Array, axis: usize, mode: GatherScatterMode) -> Array {
    let rank = x.ndim();
    let others: Vec<usize> = (0..rank).filter(|i| *i != axis).collect();
    let numbers = GatherDimensionNumbers {
        offset_dims: Vec::new(),
        collapsed_slice_dims: vec![axis],
        start_index_map: vec![axis],
        operand_batching_dims: others.clone(),
        start_indices_batching_dims: others,
    };
    let options = GatherOptions { mode, ..GatherOptions::default() };
    gather_with(x, &expand_dims(indices, [rank]), &numbers, vec![1; rank], options)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sort {
    dimension: usize,
    is_stable: bool,
    num_keys: usize,
}

/// Zeros of one sign, and one NaN, so that the total order of floats has them equal.
fn canonical(ctx: &mut LoweringCtx, x: Value) -> Value {
    let zero = ctx.full_like(x, 0.0);
    let is_zero = ctx.compare("EQ", x, zero);
    let nan = ctx.full_like(x, f64::NAN);
    let is_nan = ctx.compare("NE", x, x);
    let x = ctx.select(is_zero, zero, x);
    ctx.select(is_nan, nan, x)
}

/// The parts of a key, each with its comparison.
fn key_parts(ctx: &mut LoweringCtx, x: Value) -> SmallVec<[(Value, &'static str); 2]> {
    let dtype = ctx.dtype(x);
    if dtype.is_complex() {
        let ty = ctx.tensor(dtype.real(), &[]);
        let parts = ["stablehlo.real", "stablehlo.imag"];
        return parts
            .iter()
            .map(|part| {
                let x = ctx.op1(part, &[x], "", ty);
                (canonical(ctx, x), "TOTALORDER")
            })
            .collect();
    }
    match dtype {
        d if d.is_float() => smallvec![(canonical(ctx, x), "TOTALORDER")],
        d if d.is_signed() => smallvec![(x, "SIGNED")],
        _ => smallvec![(x, "UNSIGNED")],
    }
}

/// Is the first of each pair of `args` in front of the second, in lexicographic order of the keys?
fn in_front(ctx: &mut LoweringCtx, args: &[Value], num_keys: usize) -> Result<Values> {
    let mut parts: Vec<(Value, Value, &str)> = Vec::new();
    for pair in args.chunks_exact(2).take(num_keys) {
        let (x, y) = (key_parts(ctx, pair[0]), key_parts(ctx, pair[1]));
        parts.extend(x.into_iter().zip(y).map(|((x, kind), (y, _))| (x, y, kind)));
    }
    let flag = ctx.tensor(DType::Bool, &[]);
    let mut found: Option<Value> = None;
    for (x, y, kind) in parts.into_iter().rev() {
        let less = ctx.compare_as("LT", kind, x, y);
        found = Some(match found {
            None => less,
            Some(rest) => {
                let equal = ctx.compare_as("EQ", kind, x, y);
                let rest = ctx.elementwise("stablehlo.and", &[equal, rest], flag);
                ctx.elementwise("stablehlo.or", &[less, rest], flag)
            }
        });
    }
    match found {
        Some(found) => Ok(Values::from_slice(&[found])),
        None => bail!(Internal, "sort: there is no key"),
    }
}

impl Primitive for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let is_stable = if self.is_stable { "True" } else { "False" };
        vec![
            ("dimension", Param::Text(self.dimension.to_string())),
            ("is_stable", Param::Text(is_stable.into())),
            ("num_keys", Param::Text(self.num_keys.to_string())),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let Some(first) = ins.first() else { bail!(InvalidArgument, "sort requires at least one operand") };
        if self.num_keys == 0 || self.num_keys > ins.len() {
            bail!(
                InvalidArgument,
                "sort: num_keys={} must be between 1 and len(operand)={}",
                self.num_keys,
                ins.len()
            );
        }
        if ins.iter().any(|a| a.shape() != first.shape()) {
            let shapes: Vec<String> = ins.iter().map(|a| tuple(a.shape())).collect();
            bail!(Shape, "arguments to sort must have equal shapes, got: {}", shapes.join(" "));
        }
        Ok(Avals::from_slice(ins))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let attrs = format!("dimension = {} : i64, is_stable = {}", self.dimension, self.is_stable);
        // The compiler for the CPU sorts no packed elements rightly.
        let ins: SmallVec<[Value; 2]> = ins.iter().map(|x| narrow::unpacked(ctx, *x)).collect();
        let results: SmallVec<[Type; 2]> = ins.iter().map(|x| x.ty()).collect();
        let dtypes: SmallVec<[DType; 2]> = ins.iter().map(|x| ctx.dtype(*x)).collect();
        let pairs = dtypes.iter().flat_map(|d| [*d, *d]);
        let args: SmallVec<[Type; 4]> = pairs.map(|dtype| ctx.tensor(dtype, &[])).collect();
        let sorted = ctx.op_with_region("stablehlo.sort", &ins, &attrs, &results, &args, |ctx, args| {
            in_front(ctx, args, self.num_keys)
        })?;
        Ok(sorted.iter().zip(outs).map(|(x, out)| narrow::packed(ctx, *x, out.dtype())).collect())
    }
    /// dy = dx in the order of x
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let indices = broadcasted_iota(DType::U32, primals[0].shape(), self.dimension);
        let refs: SmallVec<[&Array; 4]> = primals.iter().chain([&indices]).collect();
        let mut outs = bind_all(self.clone(), &refs);
        let Some(order) = outs.pop() else { bail!(Internal, "sort: no results") };
        let tangents = tangents.iter().map(|dx| {
            let dx = dx.as_ref()?;
            Some(take_along(dx, &order, self.dimension, GatherScatterMode::PromiseInBounds))
        });
        Ok((outs, tangents.collect()))
    }
    /// what is not mapped is copied; a dimension at or after the mapped axis shifts by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let Some((like, dim)) = args.iter().zip(dims).find_map(|(x, d)| d.map(|d| (x, d))) else {
            bail!(Internal, "sort: nothing is mapped")
        };
        let shape = Shape::from_slice(like.shape());
        let others: Shape = (0..shape.len()).filter(|i| *i != dim).collect();
        let moved: SmallVec<[Array; 4]> = args
            .iter()
            .zip(dims)
            .map(|(x, d)| match d {
                Some(d) => move_axis(x, *d, dim),
                None => broadcast_in_dim(x, &shape, &others),
            })
            .collect();
        let prim = Sort { dimension: self.dimension + usize::from(dim <= self.dimension), ..self.clone() };
        let refs: SmallVec<[&Array; 4]> = moved.iter().collect();
        Ok((bind_all(prim, &refs), SmallVec::from_elem(Some(dim), args.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules() {
        let mut draw = Draw::new(20);
        let mut distinct = |dtype, shape: &[usize]| draw.distinct(dtype, shape);
        check_rules([
            case("one", [distinct(DType::F32, &[2, 5])], |x| sort(x, -1)),
            case("first axis", [distinct(DType::C64, &[3, 2])], |x| {
                sort_with(x, 0, SortOptions::new().is_stable(false))
            }),
            case("ints", [distinct(DType::U8, &[5])], |x| sort(x, 0)),
        ]);
        let mut draw = Draw::new(21);
        let (keys, values) = (draw.distinct(DType::I32, &[2, 3]), draw.values(DType::F32, &[2, 3]));
        check_rules([
            case("key and value", [keys.clone(), values], |x| sort_key_val(&x[0], &x[1], 1)),
            case("two keys", [crate::lax::zeros_like(&keys), keys], |x| {
                sort_with(x, 1, SortOptions::new().num_keys(2))
            }),
        ]);
    }

    #[test]
    fn nan_is_last_and_zeros_are_equal() {
        let x = Array::from([f32::NAN, 0.0, f32::INFINITY, -0.0, -f32::NAN, f32::NEG_INFINITY]);
        let i = Array::from([0, 1, 2, 3, 4, 5].map(|i: i32| i));
        let (_, order) = sort_key_val(&x, &i, 0);
        assert_eq!(order.to_vec::<i32>().unwrap(), [5, 1, 3, 2, 0, 4]);
    }

    #[test]
    fn operands_and_parameters_are_checked() {
        let (x, y) = (Array::from([[1.0f32, 2.0]]), Array::from([[1.0f32], [2.0]]));
        let message = |operands: &[&Array], dimension, num_keys| {
            let e = catch(|| Ok(sort_with(operands, dimension, SortOptions::new().num_keys(num_keys))))
                .unwrap_err();
            e.message().to_owned()
        };
        assert_eq!(message(&[&x, &y], 0, 1), "arguments to sort must have equal shapes, got: (1, 2) (2, 1)");
        assert_eq!(message(&[&x], 0, 2), "sort: num_keys=2 must be between 1 and len(operand)=1");
        assert_eq!(
            message(&[&x], 2, 1),
            "sort: axis 2 is out of bounds for array of dimension 2, got operand f32[1,2]"
        );
        assert_eq!(message(&[], 0, 1), "sort requires at least one operand");
    }
}
