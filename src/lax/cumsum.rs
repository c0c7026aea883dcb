//! `cumsum`, `cumprod`, `cummax`, `cummin`, `cumlogsumexp`: running reductions along an axis. JAX: `cumsum_p` and so on.
//! StableHLO: `reduce_window` with a window over all that came before, which XLA turns into a tree.

use crate::arguments::{Axis, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::associative_scan::{AssociativeScanOptions, scan_flat};
use crate::lax::common::arguments::axis_of;
use crate::lax::elementwise::{INEXACT, NUMBER, linear_ct, one, one_batched, one_dtype, tuple, unary_jvp};
use crate::lax::extremum::{extremum, highest, lowest};
use crate::lax::logaddexp::{Base, logaddexp, logaddexp_tangent, logaddexp_value};
use crate::lax::window::{Pads, Window};
use crate::lax::{add, div, eq, full_like, max, min, mul, select, zeros_like};
use crate::mlir::{Value, Values};

options! {
    /// Options of the running reductions: [`cumsum_with`] and its like.
    pub struct CumulativeOptions {
        /// From each element on, instead of up to each?
        reverse: value bool = false,
    }
}

macro_rules! cumulative {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $op:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        #[doc = concat!("`", stringify!($name), ": axis 3 is out of bounds for array of dimension 2, got operand f32[2,3]`; dtypes that have no such reduction.")]
        #[track_caller]
        pub fn $name(operand: &Array, axis: impl Into<Axis>) -> Array {
            cumulative(Op::$op, operand, axis.into(), false)
        }

        #[doc = concat!("[`", stringify!($name), "`], with options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`].")]
        #[track_caller]
        pub fn $with(operand: &Array, axis: impl Into<Axis>, options: CumulativeOptions) -> Array {
            cumulative(Op::$op, operand, axis.into(), options.reverse)
        }
    )*};
}
cumulative! {
    /// Sums of all elements up to each along `axis`: `[1, 2, 3]` -> `[1, 3, 6]`.
    cumsum, cumsum_with: Sum;
    /// Products of all elements up to each along `axis`.
    cumprod, cumprod_with: Prod;
    /// The largest of all elements up to each along `axis`.
    cummax, cummax_with: Max;
    /// The smallest of all elements up to each along `axis`.
    cummin, cummin_with: Min;
    /// `log Σ exp` of all elements up to each along `axis`; inexact.
    cumlogsumexp, cumlogsumexp_with: LogSumExp;
}

#[track_caller]
fn cumulative(op: Op, operand: &Array, axis: Axis, reverse: bool) -> Array {
    bind1(Cumulative { op, axis: axis_of(op.name(), axis, operand), reverse }, &[operand])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Sum,
    Prod,
    Max,
    Min,
    LogSumExp,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Op::Sum => "cumsum",
            Op::Prod => "cumprod",
            Op::Max => "cummax",
            Op::Min => "cummin",
            Op::LogSumExp => "cumlogsumexp",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cumulative {
    op: Op,
    axis: usize,
    reverse: bool,
}

/// 1 where `x` alone is `z`, 1/2 where `y` is too, 0 elsewhere.
fn share(x: &Array, z: &Array, y: &Array) -> Array {
    let one = full_like(z, 1.0);
    let hit = select(&eq(x, z), &one, &zeros_like(z));
    div(&hit, &select(&eq(y, z), &full_like(z, 2.0), &one))
}

/// One step on pairs of a value and its tangent.
fn dual_step(op: Op, a: &[Array], b: &[Array]) -> Vec<Array> {
    let ([a, da], [b, db]) = (a, b) else { return Vec::new() };
    match op {
        Op::Sum => vec![add(a, b), add(da, db)],
        Op::Prod => vec![mul(a, b), add(&mul(da, b), &mul(a, db))],
        Op::Max | Op::Min => {
            let z = if op == Op::Max { max(a, b) } else { min(a, b) };
            let dz = add(&mul(da, &share(a, &z, b)), &mul(db, &share(b, &z, a)));
            vec![z, dz]
        }
        Op::LogSumExp => {
            let z = logaddexp(a, b);
            let dz = add(&logaddexp_tangent(Base::E, a, &z, da), &logaddexp_tangent(Base::E, b, &z, db));
            vec![z, dz]
        }
    }
}

impl Primitive for Cumulative {
    fn name(&self) -> &'static str {
        self.op.name()
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis", Param::Text(self.axis.to_string())), ("reverse", Param::from(self.reverse))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        one_dtype(self, ins, if self.op == Op::LogSumExp { INEXACT } else { NUMBER })?;
        if self.axis >= x.ndim() {
            bail!(
                Shape,
                "{}: axis {} is out of bounds for array of shape {}",
                self.name(),
                self.axis,
                tuple(x.shape())
            );
        }
        Ok(one(*x))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (dtype, rank, size) = (outs[0].dtype(), outs[0].ndim(), outs[0].shape()[self.axis]);
        if size == 0 {
            return Ok(one(ins[0]));
        }
        let mut dimensions = Shape::from_elem(1, rank);
        dimensions[self.axis] = size;
        let mut padding = Pads::from_elem((0, 0), rank);
        let before = size as i64 - 1;
        padding[self.axis] = if self.reverse { (0, before) } else { (before, 0) };
        let ones = Shape::from_elem(1, rank);
        let window = Window {
            dimensions,
            strides: ones.clone(),
            padding,
            base_dilation: ones.clone(),
            window_dilation: ones,
        };
        let init = match self.op {
            Op::Sum => Scalar::from_f64(dtype, 0.0),
            Op::Prod => Scalar::from_f64(dtype, 1.0),
            Op::Max | Op::LogSumExp => lowest(dtype),
            Op::Min => highest(dtype),
        };
        let (init, ty) = (ctx.constant(init), ctx.ty(&outs[0]));
        window.reduce(ctx, ins, &[init], &[ty], |ctx, args| {
            let out = match self.op {
                Op::Sum => ctx.elementwise("stablehlo.add", args, init.ty()),
                Op::Prod => ctx.elementwise("stablehlo.multiply", args, init.ty()),
                Op::Max | Op::Min => extremum(ctx, self.op == Op::Max, args[0], args[1]),
                Op::LogSumExp => logaddexp_value(ctx, Base::E, args[0], args[1]),
            };
            Ok(Values::from_slice(&[out]))
        })
    }
    /// sum: dy = cumsum(dx); others: a scan of pairs of values and tangents
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        if self.op == Op::Sum {
            return unary_jvp(self.clone(), primals, tangents, |_, _, dx| {
                cumsum_with(dx, self.axis, CumulativeOptions::new().reverse(self.reverse))
            });
        }
        let Some(dx) = &tangents[0] else {
            return Ok((one(bind1(self.clone(), &[&primals[0]])), one(None)));
        };
        let pair = vec![primals[0].clone(), dx.clone()];
        let options = AssociativeScanOptions::new().reverse(self.reverse).axis(self.axis);
        let outs = scan_flat(&mut |a, b| Ok(dual_step(self.op, a, b)), pair, &options)?;
        let [y, dy] = outs.as_slice() else { bail!(Internal, "{}: scans pairs", self.name()) };
        Ok((one(y.clone()), one(Some(dy.clone()))))
    }
    /// sum: x̄ = cumsum(ȳ) from the other end
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        if self.op != Op::Sum {
            bail!(Differentiation, "{}: transpose is not defined, since it is not linear", self.name());
        }
        Ok(linear_ct(cts, ins, |ct| {
            cumsum_with(ct, self.axis, CumulativeOptions::new().reverse(!self.reverse))
        }))
    }
    /// an axis at or after the mapped axis shifts by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let prim = Cumulative { axis: self.axis + usize::from(self.axis >= dim), ..self.clone() };
        one_batched(bind1(prim, &[&args[0]]), Some(dim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules() {
        let mut draw = Draw::new(24);
        let mut x = |dtype, shape: &[usize]| [draw.distinct(dtype, shape)];
        check_rules([
            case("sum", x(DType::C64, &[2, 3]), |x| cumsum(&x[0], 1)),
            case("sum from the end", x(DType::F32, &[3, 2]), |x| {
                cumsum_with(&x[0], 0, CumulativeOptions::new().reverse(true))
            }),
            case("prod", x(DType::F32, &[1, 3]), |x| {
                cumprod_with(&x[0], 1, CumulativeOptions::new().reverse(true))
            }),
            case("max", x(DType::F32, &[3]), |x| cummax(&x[0], 0)),
            case("min", x(DType::F32, &[2, 1]), |x| {
                cummin_with(&x[0], 0, CumulativeOptions::new().reverse(true))
            }),
            case("logsumexp", x(DType::F32, &[3]), |x| cumlogsumexp(&x[0], 0)),
            case("ints", x(DType::I8, &[2, 4]), |x| cummax(&x[0], 1)),
        ]);
    }

    #[test]
    fn parameters_are_checked() {
        let e = catch(|| Ok(cumsum(&Array::from([[1.0f32]]), 3))).unwrap_err();
        assert_eq!(
            e.message(),
            "cumsum: axis 3 is out of bounds for array of dimension 2, got operand f32[1,1]"
        );
        let e = catch(|| Ok(cummax(&Array::from([true]), 0))).unwrap_err();
        assert!(e.message().starts_with("cummax does not accept dtype bool"));
    }
}
