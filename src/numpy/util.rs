//! What array functions do to their operands first: promote dtypes and ranks. JAX: `numpy/util.py`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Shape, same_shape};
use crate::core::config::{RankPromotion, numpy_rank_promotion, promote, x64_enabled};
use crate::core::scalar::Scalar;
use crate::core::small::small;
use crate::dtype::DType;
use crate::error::{OrThrow, caller, throw};
use crate::lax;
use crate::lax::broadcast_in_dim::broadcast_to;
pub(crate) use crate::lax::common_shape as broadcast_shapes;
use crate::lax::elementwise::{incompatible, tuple};
use crate::lax::extremum::{highest, lowest};

/// The dtype that an operation on these arrays computes in, and whether it is weak. JAX: `dtypes.lattice_result_type`.
#[track_caller]
pub(crate) fn result_type_of(name: &str, args: &[&Array]) -> (DType, bool) {
    let of = |x: &Array| (x.dtype(), x.weak_type());
    let found = match args {
        [] => return (default_float(), true),
        [x] => return of(x),
        [x, y] if of(x) == of(y) => return of(x),
        [x, y] => promote(&[of(x), of(y)]),
        _ => promote(&args.iter().map(|x| of(x)).collect::<SmallVec<[(DType, bool); 4]>>()),
    };
    match found {
        Ok(found) => found,
        Err(e) => throw(e.context(name)),
    }
}

/// `f32`, or `f64` while x64 is on.
pub(crate) fn default_float() -> DType {
    if x64_enabled() { DType::F64 } else { DType::F32 }
}

/// `i32`, or `i64` while x64 is on.
pub(crate) fn default_int() -> DType {
    if x64_enabled() { DType::I64 } else { DType::I32 }
}

/// The dtype in which functions like `sin` take values of `dtype`. JAX: `dtypes.to_inexact_dtype`.
pub(crate) fn to_inexact(dtype: DType) -> DType {
    match dtype {
        // JAX leaves integers of two bits what they are, of which no function that wants floats takes one.
        d if d.is_inexact() || matches!(d, DType::I2 | DType::U2 | DType::Float0) => d,
        DType::I64 | DType::U64 => DType::F64,
        _ => DType::F32,
    }
}

/// `bool` counts as an integer.
pub(crate) fn to_numeric(dtype: DType) -> DType {
    if dtype.is_bool() { DType::I32 } else { dtype }
}

/// The dtype in which sums of `dtype` are computed and given. JAX: `_promote_integer_dtype`.
pub(crate) fn promote_integer(dtype: DType) -> DType {
    let int = default_int();
    match dtype {
        DType::Bool => int,
        d if d.is_unsigned() && d.bits() < int.bits() => {
            if int == DType::I64 {
                DType::U64
            } else {
                DType::U32
            }
        }
        d if d.is_signed() && d.bits() < int.bits() => int,
        d => d,
    }
}

/// The least number of a dtype, or the greatest: infinity for floats that have one.
pub(crate) fn extreme(dtype: DType, greatest: bool) -> Scalar {
    if greatest { highest(dtype) } else { lowest(dtype) }
}

/// `f32` for `bf16` and `f16`, so that sums do not lose digits.
pub(crate) fn upcast_f16(dtype: DType) -> DType {
    if matches!(dtype, DType::BF16 | DType::F16) { DType::F32 } else { dtype }
}

/// `x` in `dtype`, strongly typed.
#[track_caller]
pub(crate) fn strong(x: &Array, dtype: DType) -> Array {
    lax::convert(x, dtype, false)
}

/// All operands in one dtype, changed by `to`.
#[track_caller]
fn promote_dtypes_to<const N: usize>(name: &str, args: [&Array; N], to: fn(DType) -> DType) -> [Array; N] {
    let (dtype, weak_type) = result_type_of(name, &args);
    let dtype = to(dtype);
    let mut out = args.map(Array::clone);
    for x in &mut out {
        if x.dtype() != dtype || x.weak_type() != weak_type {
            *x = lax::convert(x, dtype, weak_type);
        }
    }
    out
}

/// All operands in one dtype. JAX: `promote_dtypes`.
#[track_caller]
pub(crate) fn promote_dtypes<const N: usize>(name: &str, args: [&Array; N]) -> [Array; N] {
    promote_dtypes_to(name, args, |d| d)
}

/// All operands in one dtype and, unless some are scalars, of one rank. JAX: `promote_args`.
#[track_caller]
pub(crate) fn promote_args<const N: usize>(name: &str, args: [&Array; N]) -> [Array; N] {
    promote_shapes(name, promote_dtypes_to(name, args, |d| d))
}

/// [`promote_args`], where `bool` becomes an integer.
#[track_caller]
pub(crate) fn promote_args_numeric<const N: usize>(name: &str, args: [&Array; N]) -> [Array; N] {
    promote_shapes(name, promote_dtypes_to(name, args, to_numeric))
}

/// [`promote_args`], where integers become floats.
#[track_caller]
pub(crate) fn promote_args_inexact<const N: usize>(name: &str, args: [&Array; N]) -> [Array; N] {
    promote_shapes(name, promote_dtypes_to(name, args, to_inexact))
}

/// `x` as a float, for functions like `sin`.
#[track_caller]
pub(crate) fn inexact(x: &Array) -> Array {
    let [x] = promote_dtypes_to("", [x], to_inexact);
    x
}

/// `x` as a number.
#[track_caller]
pub(crate) fn numeric(x: &Array) -> Array {
    let [x] = promote_dtypes_to("", [x], to_numeric);
    x
}

/// Operands of different ranks get leading axes; scalars and axes of size one are left to the primitive.
#[track_caller]
pub(crate) fn promote_shapes<const N: usize>(name: &str, mut args: [Array; N]) -> [Array; N] {
    let first = args[0].shape();
    if args.iter().all(|x| same_shape(x.shape(), first) || x.ndim() == 0) {
        return args;
    }
    let shapes = args.each_ref().map(Array::shape);
    if broadcast_shapes(&shapes).is_err() {
        throw!(Shape, "{name} got incompatible shapes for broadcasting: {}", incompatible(&shapes));
    }
    let rank = args.iter().map(Array::ndim).max().unwrap_or(0);
    if args.iter().any(|x| x.ndim() < rank && x.ndim() > 0) {
        note_rank_promotion(name, &shapes);
    }
    for x in &mut args {
        if x.ndim() < rank && x.ndim() > 0 {
            // New axes in front.
            let (new, old) = (rank - x.ndim(), x.shape());
            let shape: Shape = small(std::iter::repeat_n(1, new).chain(old.iter().copied()));
            *x = broadcast_to(x, shape, small(new..rank));
        }
    }
    args
}

/// Operands of these shapes get axes of others: says so, or ends with an error, if the setting `numpy_rank_promotion` asks for it.
#[track_caller]
pub(crate) fn note_rank_promotion(name: &str, shapes: &[&[usize]]) {
    let how = numpy_rank_promotion();
    if how == RankPromotion::Allow {
        return;
    }
    let shapes: Vec<String> = shapes.iter().map(|shape| tuple(shape)).collect();
    let shapes = shapes.join(", ");
    if how == RankPromotion::Raise {
        throw!(
            Shape,
            "{name}: operands of shapes {shapes} have several ranks, and numpy_rank_promotion is raise: give the smaller ones their \
             axes by expand_dims or reshape"
        );
    }
    let at = caller();
    tracing::warn!(target: "raxla::numpy", "{name}: operands of shapes {shapes} have several ranks, at {at}");
}

/// Operands copied to their common shape.
#[track_caller]
pub(crate) fn broadcast_arrays_array<const N: usize>(name: &str, args: [Array; N]) -> [Array; N] {
    let shape = match broadcast_shapes(&args.each_ref().map(Array::shape)) {
        Ok(shape) => shape,
        Err(e) => Err(e.context(name)).or_throw(),
    };
    args.map(|x| broadcast_to_shape(&x, &shape))
}

/// `x` copied along leading axes and axes of size one. The shapes are compatible.
#[track_caller]
pub(crate) fn broadcast_to_shape(x: &Array, shape: &[usize]) -> Array {
    if x.shape() == shape {
        return x.clone();
    }
    broadcast_to(x, Shape::from_slice(shape), small(shape.len() - x.ndim()..shape.len()))
}

/// A scalar of `x`'s dtype, weakly typed if `x` is a weakly typed scalar. JAX: `_lax_const`.
pub(crate) fn constant(x: &Array, value: f64) -> Array {
    Array::from(Scalar::from_f64(x.dtype(), value).with_weak_type(x.weak_type() && x.ndim() == 0))
}

/// A strongly typed scalar of `x`'s dtype. JAX: `_constant_like`.
pub(crate) fn strong_constant(x: &Array, value: f64) -> Array {
    Array::from(Scalar::from_f64(x.dtype(), value))
}

/// Ends with an error unless the dtype is one that the function is defined for.
#[track_caller]
pub(crate) fn reject_complex(name: &str, x: &Array) {
    if x.dtype().is_complex() {
        throw!(DType, "{name} does not support complex-valued inputs, got {}", x.aval());
    }
}

/// Ends with an error at floats of eight bits and fewer, of whose bits the function knows nothing, in JAX neither.
#[track_caller]
pub(crate) fn reject_small_floats(name: &str, x: &Array) {
    if x.dtype().is_small_float() {
        throw!(
            DType,
            "{name} does not take floats of eight or fewer bits, got {}: convert by astype",
            x.aval()
        );
    }
}

/// Ends with an error at integers of two and four bits, for which JAX has no dtype to compute in.
#[track_caller]
pub(crate) fn reject_small_integers(name: &str, x: &Array) {
    if x.dtype().is_integer() && x.dtype().is_sub_byte() {
        throw!(
            DType,
            "{name}: JAX says no dtype of {} to compute in: say one, or convert by astype",
            x.aval()
        );
    }
}

/// The default float of the settings in force, for functions that make floats of integers.
#[track_caller]
pub(crate) fn as_default_float(x: &Array) -> Array {
    lax::convert(x, default_float(), false)
}

/// An array of these numbers in this float dtype.
#[track_caller]
pub(crate) fn table(dtype: DType, numbers: &[f64], shape: &[usize]) -> Array {
    let of = |x: &f64| Scalar::from_f64(dtype, *x).bytes();
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| of(x).into_iter().take(dtype.size())).collect();
    Array::from_bytes(&bytes, dtype, shape).or_throw()
}
