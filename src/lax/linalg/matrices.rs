//! What the primitives on matrices share: their checks (JAX: `linalg_shape_rule`), and the parts that derivatives are made of.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Shape, ShapedArray};
use crate::core::primitive::{BatchDim, MappedAxis, Primitive};
use crate::core::small::small;
use crate::dtype::DType;
use crate::error::{Error, Result, bail, err};
use crate::lax::broadcast_in_dim::broadcast_to;
use crate::lax::elementwise::tuple;
use crate::lax::slice::strided_slice;
use crate::lax::transpose::permuted;
use crate::lax::{
    DotOptions, add, broadcasted_iota, conj, convert_element_type, dot_general_with, eq, ge, literal,
    move_batch_axis, select, zeros_like,
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

/// Parts of a factorisation have no derivative of their own in JAX either.
pub(super) fn no_derivative(name: &str) -> Error {
    err!(Differentiation, "{name}: there is no derivative of it; lax::linalg::qr has one")
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

/// As many unit matrices as `x` has matrices, which are square.
pub(super) fn eye_like(x: &Array) -> Array {
    let sizes = sides(x.shape());
    let [row, column] = [0, 1].map(|axis| broadcasted_iota(DType::I32, sizes, axis));
    let eye = convert_element_type(&eq(&row, &column), x.dtype());
    broadcast_to(&eye, Shape::from_slice(x.shape()), small(x.ndim() - 2..x.ndim()))
}
