//! `gather`: slices at computed positions; linear in the operand. JAX: `gather_p`. StableHLO: `gather`.

use smallvec::SmallVec;

use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::common::arguments::sizes_of;
use crate::lax::elementwise::{one, one_batched, tuple};
use crate::lax::indexing::{
    GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers, index_dtype, last_starts, shifted,
    shifted_with_front,
};
use crate::lax::scatter::{ScatterOptions, scatter_add_with};
use crate::lax::{move_axis, zeros};
use crate::mlir::{Value, usize_array};

options! {
    /// Options of [`gather_with`].
    #[derive(Copy, PartialEq, Eq, Hash)]
    pub struct GatherOptions {
        /// No element is gathered twice: the caller promises it.
        unique_indices: value bool = false,
        /// The index vectors are sorted: the caller promises it.
        indices_are_sorted: value bool = false,
        /// What happens to indices out of bounds.
        mode: value GatherScatterMode = GatherScatterMode::FillOrDrop,
        /// What [`GatherScatterMode::FillOrDrop`] gives. If it is not given: NaN, the lowest signed and the greatest unsigned
        /// integer, `true`.
        fill_value: optional_into Scalar,
    }
}

/// The slices of `operand`, of `slice_sizes`, that start at the index vectors in the last axis of `start_indices`.
///
/// ```
/// use raxla::{Array, lax::{self, GatherDimensionNumbers}};
///
/// let (x, i) = (Array::from([10, 20, 30]), Array::from([[2], [0]]));
/// let numbers = GatherDimensionNumbers {
///     collapsed_slice_dims: vec![0],
///     start_index_map: vec![0],
///     ..Default::default()
/// };
/// assert_eq!(lax::gather(&x, &i, &numbers, 1).to_vec::<i32>()?, [30, 10]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Indices that are not integers; `dimension_numbers` that do not fit the operands, each with its own message.
#[track_caller]
pub fn gather(
    operand: &Array,
    start_indices: &Array,
    dimension_numbers: &GatherDimensionNumbers,
    slice_sizes: impl Into<Dims>,
) -> Array {
    let sizes = sizes_of("gather", &slice_sizes.into());
    gathered(operand, start_indices, dimension_numbers, sizes, GatherOptions::new())
}

/// [`gather`], with options.
///
/// # Errors
/// As [`gather`].
#[track_caller]
pub fn gather_with(
    operand: &Array,
    start_indices: &Array,
    dimension_numbers: &GatherDimensionNumbers,
    slice_sizes: impl Into<Dims>,
    options: GatherOptions,
) -> Array {
    gathered(operand, start_indices, dimension_numbers, sizes_of("gather", &slice_sizes.into()), options)
}

#[track_caller]
fn gathered(
    operand: &Array,
    start_indices: &Array,
    dimension_numbers: &GatherDimensionNumbers,
    slice_sizes: Shape,
    options: GatherOptions,
) -> Array {
    let dtype = operand.dtype();
    let fill_value = match options.mode {
        GatherScatterMode::FillOrDrop => {
            Some(options.fill_value.map_or_else(|| default_fill(dtype), |x| x.convert(dtype)))
        }
        _ => None,
    };
    let prim = Gather {
        dimension_numbers: dimension_numbers.clone(),
        slice_sizes,
        options: GatherOptions { fill_value: fill_value.map(|x| x.with_weak_type(false)), ..options },
    };
    bind1(prim, &[operand, start_indices])
}

fn default_fill(dtype: DType) -> Scalar {
    match dtype {
        DType::Bool => Scalar::from_i128(dtype, 1),
        d if d.is_inexact() => Scalar::from_f64(dtype, f64::NAN),
        d if d.is_signed() => Scalar::from_i128(dtype, -1 << (d.bits() - 1)),
        d => Scalar::from_i128(dtype, (1 << d.bits()) - 1),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gather {
    pub dimension_numbers: GatherDimensionNumbers,
    pub slice_sizes: Shape,
    options: GatherOptions,
}

impl Gather {
    /// The same gather from a tangent: zero where there is none.
    fn linear(&self) -> Gather {
        let mut prim = self.clone();
        if let Some(fill) = &mut prim.options.fill_value {
            *fill = Scalar::from_i128(fill.dtype(), 0);
        }
        prim
    }

    fn emit(&self, ctx: &mut LoweringCtx, operand: Value, indices: Value, out: &ShapedArray) -> Value {
        let index_vector_dim = ctx.shape(indices).len() - 1;
        let attrs = format!(
            "dimension_numbers = {}, indices_are_sorted = {}, slice_sizes = {}",
            self.dimension_numbers.attribute(index_vector_dim),
            self.options.indices_are_sorted,
            usize_array(&self.slice_sizes)
        );
        ctx.op_aval("stablehlo.gather", &[operand, indices], &attrs, out)
    }
}

impl Primitive for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let fill = self.options.fill_value.map_or_else(|| "None".to_owned(), |x| x.to_string());
        vec![
            ("dimension_numbers", Param::Text(self.dimension_numbers.text())),
            ("fill_value", Param::Text(fill)),
            ("indices_are_sorted", Param::from(self.options.indices_are_sorted)),
            ("mode", Param::Text(self.options.mode.text().into())),
            ("slice_sizes", Param::Text(tuple(&self.slice_sizes))),
            ("unique_indices", Param::from(self.options.unique_indices)),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [operand, indices] = check::arity(self, ins)?;
        self.dimension_numbers.check(operand, indices, &self.slice_sizes)?;
        let shape = self.dimension_numbers.out_shape(indices.shape(), &self.slice_sizes);
        Ok(one(ShapedArray::result(&[*operand], &shape, operand.dtype())))
    }
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok((self.slice_sizes.last() == ins[0].shape().last()).then(KeyUses::forward))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (operand, indices, out) = (ins[0], ins[1], &outs[0]);
        if out.size() == 0 {
            return Ok(one(ctx.full(Scalar::from_i128(out.dtype(), 0), out.shape())));
        }
        let Some(fill) = self.options.fill_value else {
            return Ok(one(self.emit(ctx, operand, indices, out)));
        };
        // Out of bounds are the index vectors with any component below 0 or above the last start of a whole slice.
        let dims = &self.dimension_numbers;
        let shape = ctx.shape(operand);
        let indices = ctx.convert(indices, index_dtype(&shape));
        let most = last_starts(ctx, indices, &shape, &self.slice_sizes, &dims.start_index_map);
        let zero = ctx.full_like(indices, 0.0);
        let above = ctx.compare("GE", indices, zero);
        let below = ctx.compare("LE", indices, most);
        let inside = ctx.elementwise("stablehlo.and", &[above, below], above.ty());
        let vectors = ctx.shape(indices).len() - 1;
        let inside = ctx.reduce("stablehlo.and", inside, Scalar::from_i128(DType::Bool, 1), &[vectors]);
        let batch: Shape = (0..out.ndim()).filter(|i| !dims.offset_dims.contains(i)).collect();
        let inside = ctx.broadcast_in_dim(inside, out.shape(), &batch);
        let found = self.emit(ctx, operand, indices, out);
        let fill = ctx.full(fill, out.shape());
        Ok(one(ctx.select(inside, found, fill)))
    }
    /// dy = dx gathered, zero where y is filled
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let [operand, indices] = primals else { bail!(Internal, "gather: takes 2 operands") };
        let out = bind1(self.clone(), &[operand, indices]);
        let tangent = tangents[0].as_ref().map(|dx| bind1(self.linear(), &[dx, indices]));
        Ok((one(out), one(tangent)))
    }
    /// x̄ = ȳ added at the indices to zeros
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let (Some(ct), LinearInput::Linear(operand), Some(indices)) = (&cts[0], &ins[0], ins[1].known())
        else {
            return Ok(SmallVec::from_elem(None, 2));
        };
        let dims = &self.dimension_numbers;
        let scatter_dims = ScatterDimensionNumbers {
            update_window_dims: dims.offset_dims.clone(),
            inserted_window_dims: dims.collapsed_slice_dims.clone(),
            scatter_dims_to_operand_dims: dims.start_index_map.clone(),
            operand_batching_dims: dims.operand_batching_dims.clone(),
            scatter_indices_batching_dims: dims.start_indices_batching_dims.clone(),
        };
        let options = ScatterOptions {
            indices_are_sorted: self.options.indices_are_sorted,
            unique_indices: self.options.unique_indices,
            mode: self.options.mode,
        };
        let zeros = zeros(ct.dtype(), operand.shape());
        let operand_ct = scatter_add_with(&zeros, indices, ct, &scatter_dims, options);
        Ok([Some(operand_ct), None].into_iter().collect())
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let [operand, indices] = args else { bail!(Internal, "gather: takes 2 operands") };
        batch_gather(
            operand,
            indices,
            [dims[0], dims[1]],
            &self.dimension_numbers,
            &self.slice_sizes,
            self.options,
        )
    }
}

/// [`gather`] over a mapped axis: a new offset axis if only the operand is mapped, a new axis of index vectors if only
/// the indices are, a batching axis if both are.
pub(crate) fn batch_gather(
    operand: &Array,
    indices: &Array,
    dims: [BatchDim; 2],
    numbers: &GatherDimensionNumbers,
    slice_sizes: &[usize],
    mut options: GatherOptions,
) -> Batched {
    let mut sizes = Shape::from_slice(slice_sizes);
    let operand = dims[0].map_or_else(|| operand.clone(), |d| move_axis(operand, d, 0));
    let indices = dims[1].map_or_else(|| indices.clone(), |d| move_axis(indices, d, 0));
    let numbers = match dims {
        [Some(_), None] => {
            sizes.insert(0, operand.shape()[0]);
            GatherDimensionNumbers {
                offset_dims: shifted_with_front(&numbers.offset_dims),
                collapsed_slice_dims: shifted(&numbers.collapsed_slice_dims),
                start_index_map: shifted(&numbers.start_index_map),
                operand_batching_dims: shifted(&numbers.operand_batching_dims),
                start_indices_batching_dims: numbers.start_indices_batching_dims.clone(),
            }
        }
        [None, _] => {
            // Over the examples the indices may repeat, and need not be sorted.
            options.unique_indices = false;
            options.indices_are_sorted = false;
            GatherDimensionNumbers {
                offset_dims: shifted(&numbers.offset_dims),
                start_indices_batching_dims: shifted(&numbers.start_indices_batching_dims),
                ..numbers.clone()
            }
        }
        [Some(_), Some(_)] => {
            sizes.insert(0, operand.shape()[0].min(1));
            GatherDimensionNumbers {
                offset_dims: shifted(&numbers.offset_dims),
                collapsed_slice_dims: shifted(&numbers.collapsed_slice_dims),
                start_index_map: shifted(&numbers.start_index_map),
                operand_batching_dims: shifted_with_front(&numbers.operand_batching_dims),
                start_indices_batching_dims: shifted_with_front(&numbers.start_indices_batching_dims),
            }
        }
    };
    one_batched(gather_with(&operand, &indices, &numbers, &sizes, options), Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{Bool, C64, F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    fn numbers(offset: &[usize], collapsed: &[usize], map: &[usize]) -> GatherDimensionNumbers {
        GatherDimensionNumbers {
            offset_dims: offset.into(),
            collapsed_slice_dims: collapsed.into(),
            start_index_map: map.into(),
            ..GatherDimensionNumbers::default()
        }
    }

    #[test]
    fn rules_of_gather() {
        use GatherScatterMode::{Clip, FillOrDrop, PromiseInBounds};
        type Spec = (&'static [usize], Array, GatherDimensionNumbers, &'static [usize]);
        let batched = GatherDimensionNumbers {
            operand_batching_dims: vec![0],
            start_indices_batching_dims: vec![0],
            ..numbers(&[], &[1], &[1])
        };
        let specs: [Spec; 6] = [
            // Rows; out of bounds at both ends.
            (&[3, 2], Array::from([[0], [2], [-1], [5]]), numbers(&[1], &[0], &[0]), &[1, 2]),
            // Single elements, each named twice.
            (&[3, 2], Array::from([[1, 1], [0, 0], [1, 1]]), numbers(&[], &[0, 1], &[0, 1]), &[1, 1]),
            // Windows, with the index vector turned around.
            (&[3, 4], Array::from([[3, 0], [1, 1]]), numbers(&[0, 2], &[], &[1, 0]), &[2, 2]),
            (&[2, 3], Array::from([[1], [2]]), batched, &[1, 1]),
            (&[3, 0], Array::from([[0], [1]]), numbers(&[1], &[0], &[0]), &[1, 0]),
            (&[1], Array::from([0]), numbers(&[], &[0], &[0]), &[1]),
        ];
        let mut draw = Draw::new(1);
        let mut cases = Vec::new();
        for (n, (shape, indices, numbers, sizes)) in specs.into_iter().enumerate() {
            for mode in [Clip, FillOrDrop, PromiseInBounds] {
                let options = GatherOptions { mode, ..GatherOptions::default() };
                // The first and the third have windows out of bounds.
                if mode == PromiseInBounds && (n == 0 || n == 2) {
                    continue;
                }
                let dtypes: &[DType] =
                    if n < 2 && mode == FillOrDrop { &[F32, C64, I32, Bool] } else { &[F32] };
                for d in dtypes.iter().copied() {
                    // A fill value of the user's, since NaN has no central differences.
                    let fill_value = d.is_inexact().then(|| Scalar::from_f64(F32, 7.0));
                    let options = GatherOptions { fill_value, ..options };
                    let numbers = numbers.clone();
                    let args = [draw.values(d, shape), indices.clone()];
                    cases.push(case("gather", args, move |x| {
                        gather_with(&x[0], &x[1], &numbers, sizes, options)
                    }));
                }
            }
        }
        check_rules(cases);
    }

    #[test]
    fn what_is_out_of_bounds_is_filled() {
        let rows = Array::from([[1], [5]]);
        let fill = |x: Array| {
            let options = GatherOptions { mode: GatherScatterMode::FillOrDrop, ..GatherOptions::default() };
            gather_with(&x, &rows, &numbers(&[], &[0], &[0]), [1], options)
        };
        let x = fill(Array::from([1.0f32, 2.0])).to_vec::<f32>().unwrap();
        assert!(x[0] == 2.0 && x[1].is_nan());
        assert_eq!(fill(Array::from([1i8, 2])).to_vec::<i8>().unwrap(), [2, i8::MIN]);
        assert_eq!(fill(Array::from([1u32, 2])).to_vec::<u32>().unwrap(), [2, u32::MAX]);
        assert_eq!(fill(Array::from([true, false])).to_vec::<bool>().unwrap(), [false, true]);
    }

    #[test]
    fn dimension_numbers_that_do_not_fit_are_rejected() {
        let mut draw = Draw::new(1);
        let x = draw.values(F32, &[3, 2]);
        let i = Array::from([[0], [1]]);
        let failure = |i: &Array, numbers: GatherDimensionNumbers, sizes: &[usize]| {
            catch(|| Ok(gather_with(&x, i, &numbers, sizes, GatherOptions::default())))
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(
            failure(&draw.values(F32, &[2, 1]), numbers(&[1], &[0], &[0]), &[1, 2]),
            "gather: indices must have an integer type, got f32[2,1]"
        );
        assert_eq!(
            failure(&i, numbers(&[1], &[0], &[0]), &[1, 3]),
            "slice size at index 1 in gather op is out of range, must be within [0, 2 + 1), got 3"
        );
        assert_eq!(
            failure(&i, numbers(&[1], &[0], &[0]), &[2, 2]),
            "gather op can only collapse slice dims with bound 1, but bound is 2 for index 0"
        );
        assert_eq!(
            failure(&i, numbers(&[1], &[0], &[0, 1]), &[1, 2]),
            "gather op has 2 elements in start_index_map and the bound of the last dimension of indices is 1. These two \
             numbers must be equal"
        );
        assert_eq!(
            failure(&i, numbers(&[2], &[0], &[0]), &[1, 2]),
            "invalid offset_dims set in gather op; valid range is [0, 2); got: 2"
        );
        assert_eq!(
            failure(&i, numbers(&[1, 0], &[], &[0]), &[1, 2]),
            "offset_dims in gather op must be sorted; got (1, 0)"
        );
        assert_eq!(
            failure(&i, numbers(&[1], &[0], &[0]), &[1]),
            "gather op must have one slice size for every input dimension; got slice_sizes=(1,) for operand f32[3,2]"
        );
    }
}
