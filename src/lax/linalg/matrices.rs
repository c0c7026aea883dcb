//! What the primitives on matrices share: their checks (JAX: `linalg_shape_rule`), and the parts that derivatives are made of.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Shape, ShapedArray};
use crate::core::config::Precision;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, MappedAxis, Prim, Primitive};
use crate::core::small::small;
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{Error, Result, bail, err};
use crate::lax::broadcast_in_dim::broadcast_to;
use crate::lax::elementwise::tuple;
use crate::lax::reduce_sum::summed;
use crate::lax::reshape::reshaped;
use crate::lax::slice::strided_slice;
use crate::lax::transpose::permuted;
use crate::lax::{
    DotOptions, GatherDimensionNumbers, GatherOptions, GatherScatterMode, add, broadcasted_iota, conj,
    convert_element_type, div, dot_general_with, eq, gather_with, ge, literal, move_batch_axis, select,
    zeros_like,
};

/// The dtypes of which matrices have factors: those of LAPACK. JAX has no others on the CPU and on GPUs.
pub(super) const FACTORED: fn(DType) -> bool =
    |dtype| matches!(dtype, DType::F32 | DType::F64 | DType::C64 | DType::C128);

/// The axes that number matrices: each operand's without the last `ranks[i]`, which must be the same of all.
pub(super) fn batch_shape(
    prim: &dyn Primitive,
    ins: &[ShapedArray],
    ranks: &[usize],
) -> Result<&'static [usize]> {
    let name = prim.name();
    let mut batches: SmallVec<[&'static [usize]; 2]> = SmallVec::new();
    for (i, (x, rank)) in ins.iter().zip(ranks).enumerate() {
        if x.ndim() < *rank {
            bail!(
                Shape,
                "Input {i} to {name} must have rank at least {rank}, but got shape={}",
                tuple(x.shape())
            );
        }
        batches.push(&x.shape()[..x.ndim() - rank]);
    }
    for (x, batch) in ins.iter().zip(&batches) {
        if batch.len() != batches[0].len() {
            bail!(
                Shape,
                "All inputs to {name} must have the same number of batch dimensions, but got {} of {} and {} of {x}",
                batches[0].len(),
                ins[0],
                batch.len()
            );
        }
        if *batch != batches[0] {
            bail!(
                Shape,
                "All inputs to {name} must have the same batch dimensions, but got {} of {} and {} of {x}",
                tuple(batches[0]),
                ins[0],
                tuple(batch)
            );
        }
    }
    Ok(batches[0])
}

/// The numbers of rows and of columns.
pub(super) fn sides(shape: &[usize]) -> [usize; 2] {
    [shape[shape.len() - 2], shape[shape.len() - 1]]
}

/// The axes `batch`, and behind them others.
pub(super) fn behind(batch: &[usize], sizes: &[usize]) -> Shape {
    small(batch.iter().chain(sizes).copied())
}

/// The operands with the mapped axis in front, one more of those that number matrices.
pub(super) fn mapped_in_front(axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> SmallVec<[Array; 2]> {
    small(args.iter().zip(dims).map(|(x, dim)| move_batch_axis(x, *dim, 0, axis.size)))
}

/// The same of one more axis that numbers matrices, in front.
pub(super) fn batched_in_front<P: Primitive>(
    prim: P,
    axis: &MappedAxis,
    args: &[Array],
    dims: &[BatchDim],
) -> Batched
where
    Prim: From<P>,
{
    let args = mapped_in_front(axis, args, dims);
    let outs = bind_all(prim, &args.iter().collect::<SmallVec<[&Array; 4]>>());
    let dims = SmallVec::from_elem(Some(0), outs.len());
    Ok((outs, dims))
}

/// Parts of a factorisation have no derivative of their own in JAX either.
pub(super) fn no_derivative(name: &str) -> Error {
    err!(Differentiation, "{name}: there is no derivative of it; lax::linalg::qr has one")
}

/// What has no derivative in JAX either.
pub(super) fn not_differentiable(name: &str) -> Error {
    err!(Differentiation, "{name}: there is no derivative of it")
}

/// What a platform does not have, or a build without the feature.
pub(super) fn unavailable(ctx: &LoweringCtx, name: &str) -> Error {
    if ctx.has_kernels() {
        return err!(
            Unimplemented,
            "{name}: on the CPU it is computed by the crate faer, which is behind a feature: cargo add raxla --features linalg"
        );
    }
    elsewhere(ctx, name)
}

/// What there is on the CPU alone.
pub(super) fn elsewhere(ctx: &LoweringCtx, name: &str) -> Error {
    err!(
        Unimplemented,
        "{name}: it is computed on the CPU only, and this program is for the platform {}",
        ctx.platform()
    )
}

/// The one side of matrices that have to be square.
pub(super) fn square(what: &str, shape: &[usize]) -> Result<usize> {
    let [m, n] = sides(shape);
    if m != n {
        bail!(Shape, "{what}{}", tuple(&[m, n]));
    }
    Ok(n)
}

/// The products of matrices.
pub(super) fn matmul_with(x: &Array, y: &Array, options: DotOptions) -> Array {
    let rank = x.ndim();
    let batch: SmallVec<[usize; 4]> = small(0..rank - 2);
    dot_general_with(x, y, ((rank - 1, rank - 2), (&batch, &batch)), options)
}

/// [`matmul_with`] the precision in force.
pub(super) fn matmul(x: &Array, y: &Array) -> Array {
    matmul_with(x, y, DotOptions::new())
}

/// The complex conjugate; of real numbers they themselves.
pub(super) fn conjugate(x: &Array) -> Array {
    if x.dtype().is_complex() { conj(x) } else { x.clone() }
}

/// The transposes of matrices.
pub(super) fn transposed(x: &Array) -> Array {
    let rank = x.ndim();
    let mut permutation: Shape = small(0..rank);
    permutation.swap(rank - 2, rank - 1);
    permuted(x, permutation)
}

/// The conjugate transposes of matrices.
pub(super) fn adjoint(x: &Array) -> Array {
    conjugate(&transposed(x))
}

/// Rows and columns of matrices: `matrix[.., rows, columns]`.
pub(super) fn block(x: &Array, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Array {
    let rank = x.ndim();
    let (mut starts, mut limits) = (SmallVec::<[usize; 4]>::from_elem(0, rank), Shape::from_slice(x.shape()));
    (starts[rank - 2], limits[rank - 2]) = (rows.start, rows.end);
    (starts[rank - 1], limits[rank - 1]) = (columns.start, columns.end);
    strided_slice(x, &starts, &limits, None)
}

/// For each element of matrices of this shape: is its column at most `k` to the right of the diagonal?
fn is_lower(shape: &[usize], k: i64) -> Array {
    let sizes = sides(shape);
    let row = add(&broadcasted_iota(DType::I32, sizes, 0), &literal(DType::I32, k as f64));
    let mask = ge(&row, &broadcasted_iota(DType::I32, sizes, 1));
    broadcast_to(&mask, Shape::from_slice(shape), small(shape.len() - 2..shape.len()))
}

/// Zeros where the column is more than `k` to the right of the diagonal.
pub(super) fn lower_part(x: &Array, k: i64) -> Array {
    select(&is_lower(x.shape(), k), x, &zeros_like(x))
}

/// Zeros where the column is less than `k` to the right of the diagonal.
pub(super) fn upper_part(x: &Array, k: i64) -> Array {
    select(&is_lower(x.shape(), k - 1), &zeros_like(x), x)
}

/// Half the sum with the conjugate transposes.
pub(super) fn symmetrized(x: &Array) -> Array {
    div(&add(x, &adjoint(x)), &literal(x.dtype(), 2.0))
}

/// The products of matrices, as exact as the platform can.
pub(super) fn exact_matmul(x: &Array, y: &Array) -> Array {
    matmul_with(x, y, DotOptions::new().precision(Precision::Highest))
}

/// One matrix: is it the diagonal?
fn on_diagonal(sizes: [usize; 2]) -> Array {
    let [row, column] = [0, 1].map(|axis| broadcasted_iota(DType::I32, sizes, axis));
    eq(&row, &column)
}

/// The diagonals of matrices.
pub(super) fn diagonal(x: &Array) -> Array {
    let (shape, [m, n]) = (x.shape(), sides(x.shape()));
    let mask = broadcast_to(&on_diagonal([m, n]), Shape::from_slice(shape), small(x.ndim() - 2..x.ndim()));
    // The sum of one element and zeros.
    let (sum_over, rank) = (if m < n { 1 } else { 2 }, x.ndim());
    summed(&select(&mask, x, &zeros_like(x)), small([rank - sum_over]))
}

/// Matrices with these diagonals and zeros elsewhere.
pub(super) fn diagonal_matrix(x: &Array) -> Array {
    let (rank, n) = (x.ndim(), x.shape()[x.ndim() - 1]);
    let shape = behind(&x.shape()[..rank - 1], &[n, n]);
    let spread = broadcast_to(x, shape.clone(), small(0..rank));
    let mask = broadcast_to(&on_diagonal([n, n]), shape, small(rank - 1..rank + 1));
    select(&mask, &spread, &zeros_like(&spread))
}

/// The rows of matrices at these places: `x[.., rows, :]`, `rows: i32[..,k]`.
pub(crate) fn rows_at(x: &Array, rows: &Array) -> Array {
    let rank = x.ndim();
    let batch: Vec<usize> = (0..rank - 2).collect();
    let numbers = GatherDimensionNumbers {
        offset_dims: vec![rank - 1],
        collapsed_slice_dims: vec![rank - 2],
        start_index_map: vec![rank - 2],
        operand_batching_dims: batch.clone(),
        start_indices_batching_dims: batch,
    };
    let mut sizes = vec![1; rank];
    sizes[rank - 1] = x.shape()[rank - 1];
    let options = GatherOptions::new().mode(GatherScatterMode::PromiseInBounds).unique_indices(true);
    let vectors = behind(rows.shape(), &[1]);
    gather_with(x, &reshaped(rows, vectors), &numbers, sizes, options)
}

/// As many unit matrices as `x` has matrices, which are square.
pub(super) fn eye_like(x: &Array) -> Array {
    let sizes = sides(x.shape());
    let [row, column] = [0, 1].map(|axis| broadcasted_iota(DType::I32, sizes, axis));
    let eye = convert_element_type(&eq(&row, &column), x.dtype());
    broadcast_to(&eye, Shape::from_slice(x.shape()), small(x.ndim() - 2..x.ndim()))
}
