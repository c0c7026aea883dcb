//! What array functions do to their operands first: promote dtypes and ranks. JAX: `numpy/util.py`.

use crate::core::array::Array;
use crate::core::aval::{Shape, same_shape};
use crate::core::config::x64_enabled;
use crate::core::scalar::Scalar;
use crate::core::small::small;
use crate::dtype::{DType, promote_types};
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::broadcast_in_dim::broadcast_to;
pub(crate) use crate::lax::common_shape as broadcast_shapes;
use crate::lax::elementwise::incompatible;

/// The dtype that an operation on these arrays computes in, and whether it is weak. JAX: `dtypes.lattice_result_type`.
pub(crate) fn result_type_of(args: &[&Array]) -> (DType, bool) {
    let of = |x: &Array| (x.dtype(), x.weak_type());
    match args {
        [] => (default_float(), true),
        [x] => of(x),
        [x, y] if of(x) == of(y) => of(x),
        [x, y] => promote_types(of(x), of(y), x64_enabled()),
        _ => {
            let types: Vec<(DType, bool)> = args.iter().map(|x| of(x)).collect();
            crate::dtype::result_type(&types, x64_enabled()).unwrap_or((default_float(), true))
        }
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
        d if d.is_inexact() => d,
        DType::I64 | DType::U64 => DType::F64,
        _ => DType::F32,
    }
}

/// `bool` counts as an integer.
pub(crate) fn to_numeric(dtype: DType) -> DType {
    if dtype.is_bool() { default_int() } else { dtype }
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

/// The least number of a dtype, or the greatest: infinity for floats.
pub(crate) fn extreme(dtype: DType, greatest: bool) -> Scalar {
    let sign = if greatest { 1.0 } else { -1.0 };
    match dtype {
        d if d.is_inexact() => Scalar::from_f64(d, sign * f64::INFINITY),
        DType::Bool => Scalar::from_i128(dtype, i128::from(greatest)),
        d => {
            let bits = d.bits() as u32;
            let (least, most) = if d.is_unsigned() {
                (0, (1 << bits) - 1)
            } else {
                (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
            };
            Scalar::from_i128(d, if greatest { most } else { least })
        }
    }
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
fn promote_dtypes_to<const N: usize>(args: [&Array; N], to: fn(DType) -> DType) -> [Array; N] {
    let (dtype, weak_type) = result_type_of(&args);
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
pub(crate) fn promote_dtypes<const N: usize>(args: [&Array; N]) -> [Array; N] {
    promote_dtypes_to(args, |d| d)
}

/// All operands in one dtype and, unless some are scalars, of one rank. JAX: `promote_args`.
#[track_caller]
pub(crate) fn promote_args<const N: usize>(name: &str, args: [&Array; N]) -> [Array; N] {
    promote_shapes(name, promote_dtypes_to(args, |d| d))
}

/// [`promote_args`], where `bool` becomes an integer.
#[track_caller]
pub(crate) fn promote_args_numeric<const N: usize>(name: &str, args: [&Array; N]) -> [Array; N] {
    promote_shapes(name, promote_dtypes_to(args, to_numeric))
}

/// [`promote_args`], where integers become floats.
#[track_caller]
pub(crate) fn promote_args_inexact<const N: usize>(name: &str, args: [&Array; N]) -> [Array; N] {
    promote_shapes(name, promote_dtypes_to(args, to_inexact))
}

/// `x` as a float, for functions like `sin`.
#[track_caller]
pub(crate) fn inexact(x: &Array) -> Array {
    let [x] = promote_dtypes_to([x], to_inexact);
    x
}

/// `x` as a number.
#[track_caller]
pub(crate) fn numeric(x: &Array) -> Array {
    let [x] = promote_dtypes_to([x], to_numeric);
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

/// The default float of the settings in force, for functions that make floats of integers.
#[track_caller]
pub(crate) fn as_default_float(x: &Array) -> Array {
    lax::convert(x, default_float(), false)
}
