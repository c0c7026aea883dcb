//! `argmax`, `argmin`: where the extremum along an axis is. JAX: `argmax_p`, `argmin_p`. StableHLO: `reduce` of values
//! and indices together.

use crate::arguments::{Axis, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::config::canonicalize;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::common::arguments::axis_of;
use crate::lax::elementwise::{ORDERED, one, one_batched, one_dtype, tuple, zero_jvp};
use crate::lax::extremum::{highest, lowest};
use crate::lax::narrow;
use crate::mlir::{Value, Values};

options! {
    /// Options of [`argmax_with`] and [`argmin_with`].
    pub struct ArgOptions {
        /// The dtype of the result: `i32` (`i64` with x64 on) if it is not given.
        index_dtype: value DType = DType::I64,
    }
}

macro_rules! extrema {
    ($($name:ident, $with:ident: $max:literal, $what:literal;)*) => {$(
        #[doc = concat!("The index of the ", $what, " element along `axis`, which is dropped: the first of several, that of the first NaN.")]
        ///
        /// # Errors
        #[doc = concat!("`", stringify!($name), ": axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]`; an axis of size zero.")]
        #[track_caller]
        pub fn $name(operand: &Array, axis: impl Into<Axis>) -> Array {
            arg_extremum(stringify!($name), $max, operand, axis.into(), DType::I64)
        }

        #[doc = concat!("[`", stringify!($name), "`], with options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`]; `index_dtype must be an integer type, but got f32`.")]
        #[track_caller]
        pub fn $with(operand: &Array, axis: impl Into<Axis>, options: ArgOptions) -> Array {
            arg_extremum(stringify!($name), $max, operand, axis.into(), options.index_dtype)
        }
    )*};
}
extrema! {
    argmax, argmax_with: true, "largest";
    argmin, argmin_with: false, "smallest";
}

#[track_caller]
fn arg_extremum(name: &str, max: bool, operand: &Array, axis: Axis, index_dtype: DType) -> Array {
    let axis = axis_of(name, axis, operand);
    bind1(ArgExtremum { max, axis, index_dtype: canonicalize(index_dtype) }, &[operand])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ArgExtremum {
    max: bool,
    axis: usize,
    index_dtype: DType,
}

/// The value and index of one of two: the one beyond the other, a NaN before anything, of equals that in front.
fn pick(ctx: &mut LoweringCtx, max: bool, args: &[Value]) -> Result<Values> {
    let [x, i, y, j] = *args else { bail!(Internal, "argmax: reduces pairs") };
    let flag = ctx.tensor(DType::Bool, &[]);
    let mut value = ctx.compare(if max { "GT" } else { "LT" }, x, y);
    if ctx.dtype(x).is_inexact() {
        let nan = ctx.compare("NE", x, x);
        value = ctx.elementwise("stablehlo.or", &[value, nan], flag);
    }
    let equal = ctx.compare("EQ", x, y);
    let in_front = ctx.compare("LT", i, j);
    let tie = ctx.elementwise("stablehlo.and", &[equal, in_front], flag);
    let index = ctx.elementwise("stablehlo.or", &[value, tie], flag);
    Ok(Values::from_slice(&[ctx.select(value, x, y), ctx.select(index, i, j)]))
}

impl Primitive for ArgExtremum {
    fn name(&self) -> &'static str {
        if self.max { "argmax" } else { "argmin" }
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("axes", Param::Text(tuple(&[self.axis]))),
            ("index_dtype", Param::Text(self.index_dtype.name().into())),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let Some(n) = x.shape().get(self.axis) else {
            bail!(Shape, "{}: invalid axis {} for operand shape {}", self.name(), self.axis, tuple(x.shape()))
        };
        if *n == 0 {
            bail!(
                Shape,
                "argmin and argmax require non-empty reduced dimension, got operand.shape={} axis={}",
                tuple(x.shape()),
                self.axis
            );
        }
        one_dtype(self, ins, ORDERED)?;
        if !self.index_dtype.is_integer() {
            bail!(DType, "index_dtype must be an integer type, but got {}", self.index_dtype);
        }
        let out = x.without_axes(&[self.axis]);
        Ok(one(out.with_dtype(self.index_dtype).with_weak_type(false)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let x = ins[0];
        narrow::refuse(ctx, self.name(), ins, narrow::TWO_BITS)?;
        let (dtype, shape) = (ctx.dtype(x), ctx.shape(x));
        let indices = ctx.iota(self.index_dtype, &shape, self.axis);
        let identity = ctx.constant(if self.max { lowest(dtype) } else { highest(dtype) });
        let zero = ctx.constant(Scalar::from_i128(self.index_dtype, 0));
        let values_ty = ctx.tensor(dtype, outs[0].shape());
        let indices_ty = ctx.ty(&outs[0]);
        let (value, index) = (identity.ty(), zero.ty());
        let results = ctx.op_with_region(
            "stablehlo.reduce",
            &[x, indices, identity, zero],
            &format!("dimensions = array<i64: {}>", self.axis),
            &[values_ty, indices_ty],
            &[value, index, value, index],
            |ctx, args| pick(ctx, self.max, args),
        )?;
        Ok(one(results[1]))
    }
    /// Indices have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(self.clone(), primals)
    }
    /// an axis at or after the mapped axis shifts by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let axis = self.axis + usize::from(self.axis >= dim);
        let out = bind1(ArgExtremum { axis, ..self.clone() }, &[&args[0]]);
        one_batched(out, Some(dim - usize::from(axis < dim)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};
    use num_complex::Complex;

    #[test]
    fn rules() {
        let mut draw = Draw::new(7);
        let mut values = |dtype, shape: &[usize]| draw.values(dtype, shape);
        check_rules([
            case("argmax", [values(DType::F32, &[2, 3])], |x| {
                argmax_with(&x[0], 1, ArgOptions::new().index_dtype(DType::I32))
            }),
            case("argmin", [values(DType::I8, &[3, 2])], |x| {
                argmin_with(&x[0], 0, ArgOptions::new().index_dtype(DType::U8))
            }),
            case("bool", [values(DType::Bool, &[5])], |x| {
                argmax_with(&x[0], 0, ArgOptions::new().index_dtype(DType::I32))
            }),
        ]);
    }

    #[test]
    fn the_first_of_equals_and_the_first_nan_are_found() {
        let at = |x: &[f32]| {
            let x = Array::from(x);
            [
                argmax_with(&x, 0, ArgOptions::new().index_dtype(DType::I32)),
                argmin_with(&x, 0, ArgOptions::new().index_dtype(DType::I32)),
            ]
            .map(|i| i.item::<i32>().unwrap())
        };
        assert_eq!(at(&[1.0, 3.0, 3.0, 1.0]), [1, 0]);
        assert_eq!(at(&[1.0, f32::NAN, 3.0, f32::NAN]), [1, 1]);
        assert_eq!(at(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), [0, 0]);
        assert_eq!(at(&[0.0, -0.0]), [0, 0]);
    }

    #[test]
    fn parameters_are_checked() {
        let x = Array::from([[1.0f32]]);
        let message = |axis, dtype| {
            catch(|| Ok(argmax_with(&x, axis, ArgOptions::new().index_dtype(dtype))))
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(
            message(2, DType::I32),
            "argmax: axis 2 is out of bounds for array of dimension 2, got operand f32[1,1]"
        );
        assert_eq!(message(0, DType::F32), "index_dtype must be an integer type, but got f32");
        let e = catch(|| {
            Ok(argmax_with(
                &Array::from([Complex::new(1.0f32, 0.0)]),
                0,
                ArgOptions::new().index_dtype(DType::I32),
            ))
        })
        .unwrap_err();
        assert!(e.message().starts_with("argmax does not accept dtype c64"), "{e}");
        let e = catch(|| {
            Ok(argmin_with(
                &Array::from_slice::<f32>(&[], &[0]),
                0,
                ArgOptions::new().index_dtype(DType::I32),
            ))
        })
        .unwrap_err();
        assert_eq!(
            e.message(),
            "argmin and argmax require non-empty reduced dimension, got operand.shape=(0,) axis=0"
        );
    }
}
