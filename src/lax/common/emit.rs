//! Expressions of StableHLO, for lowerings that expand to formulas. JAX: `mlir.lower_fun`.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::core::lowering::LoweringCtx;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::mlir::{Type, Value};

/// A module that formulas are written to.
pub(crate) struct Emitter<'c>(RefCell<&'c mut LoweringCtx>);

/// A value of that module: operators and methods append the operation that they name.
#[derive(Clone, Copy)]
pub(crate) struct Expr<'e> {
    emitter: &'e Emitter<'e>,
    value: Value,
}

/// Runs `body`, which writes formulas to `ctx`.
pub(crate) fn emit<R>(ctx: &mut LoweringCtx, body: impl for<'e> FnOnce(&'e Emitter<'e>) -> R) -> R {
    body(&Emitter(RefCell::new(ctx)))
}

impl<'e> Emitter<'e> {
    pub(crate) fn expr(&'e self, value: Value) -> Expr<'e> {
        Expr { emitter: self, value }
    }

    /// What writes to the module other than formulas.
    pub(crate) fn with<R>(&'e self, body: impl FnOnce(&mut LoweringCtx) -> R) -> R {
        body(&mut self.0.borrow_mut())
    }

    /// `while`: repeats `body` on the carried values as long as `cond` holds of them.
    pub(crate) fn while_loop<const N: usize>(
        &'e self,
        init: [Expr<'e>; N],
        cond: impl FnOnce([Expr<'e>; N]) -> Expr<'e>,
        body: impl FnOnce([Expr<'e>; N]) -> [Expr<'e>; N],
    ) -> [Expr<'e>; N] {
        let operands = init.map(|x| x.value);
        let types = operands.map(Value::ty);
        let outs = self.0.borrow_mut().begin_op_with_regions("stablehlo.while", &operands, &types);
        let region = |types: &[Type]| {
            let args = self.0.borrow_mut().begin_region(types);
            std::array::from_fn(|i| self.expr(args[i]))
        };
        let condition = cond(region(&types)).value;
        self.0.borrow_mut().end_region(&[condition]);
        let next = body(region(&types)).map(|x| x.value);
        self.0.borrow_mut().end_region(&next);
        self.0.borrow_mut().end_op_with_regions(&operands, "", &outs);
        std::array::from_fn(|i| self.expr(outs[i]))
    }
}

/// An operand: an expression, or a number that takes the other's shape and dtype.
pub(crate) trait Operand<'e> {
    fn like(self, other: Expr<'e>) -> Expr<'e>;
}
impl<'e> Operand<'e> for Expr<'e> {
    fn like(self, _: Expr<'e>) -> Expr<'e> {
        self
    }
}
impl<'e> Operand<'e> for f64 {
    fn like(self, other: Expr<'e>) -> Expr<'e> {
        other.constant(self)
    }
}

impl<'e> Expr<'e> {
    pub(crate) fn value(self) -> Value {
        self.value
    }

    pub(crate) fn dtype(self) -> DType {
        self.emitter.0.borrow().dtype(self.value)
    }

    /// A constant of the same shape and dtype.
    pub(crate) fn constant(self, x: f64) -> Self {
        self.emitter.expr(self.emitter.0.borrow_mut().full_like(self.value, x))
    }

    /// An integer constant of the same shape and dtype, exactly.
    pub(crate) fn integer(self, x: i128) -> Self {
        let mut ctx = self.emitter.0.borrow_mut();
        let shape = ctx.shape(self.value);
        let scalar = Scalar::from_i128(ctx.dtype(self.value), x);
        self.emitter.expr(ctx.full(scalar, &shape))
    }

    fn op(self, name: &str, others: &[Expr<'e>]) -> Self {
        let mut operands = crate::mlir::Values::from_slice(&[self.value]);
        operands.extend(others.iter().map(|x| x.value));
        self.emitter.expr(self.emitter.0.borrow_mut().elementwise(name, &operands, self.value.ty()))
    }

    /// An operation in generic form, with a result of another dtype.
    fn generic(self, name: &str, others: &[Expr<'e>], dtype: DType) -> Self {
        let mut operands = crate::mlir::Values::from_slice(&[self.value]);
        operands.extend(others.iter().map(|x| x.value));
        let mut ctx = self.emitter.0.borrow_mut();
        let shape = ctx.shape(self.value);
        let ty = ctx.tensor(dtype, &shape);
        self.emitter.expr(ctx.op1(name, &operands, "", ty))
    }

    fn compare(self, direction: &str, other: impl Operand<'e>) -> Self {
        let other = other.like(self);
        self.emitter.expr(self.emitter.0.borrow_mut().compare(direction, self.value, other.value))
    }

    /// `on_true` where this is true.
    pub(crate) fn select(self, on_true: impl Operand<'e>, on_false: Expr<'e>) -> Self {
        let on_true = on_true.like(on_false);
        self.emitter.expr(self.emitter.0.borrow_mut().select(self.value, on_true.value, on_false.value))
    }

    pub(crate) fn convert(self, dtype: DType) -> Self {
        self.emitter.expr(self.emitter.0.borrow_mut().convert(self.value, dtype))
    }

    /// The same bits as numbers of another dtype of this size.
    pub(crate) fn bitcast(self, dtype: DType) -> Self {
        self.generic("stablehlo.bitcast_convert", &[], dtype)
    }

    /// Is any element true?
    pub(crate) fn any(self) -> Self {
        let mut ctx = self.emitter.0.borrow_mut();
        let axes: Vec<usize> = (0..ctx.shape(self.value).len()).collect();
        let init = Scalar::from_i128(DType::Bool, 0);
        self.emitter.expr(ctx.reduce("stablehlo.or", self.value, init, &axes))
    }

    /// A scalar in the shape of `other`.
    pub(crate) fn broadcast_like(self, other: Expr<'e>) -> Self {
        let mut ctx = self.emitter.0.borrow_mut();
        let shape = ctx.shape(other.value);
        self.emitter.expr(ctx.broadcast_in_dim(self.value, &shape, &[]))
    }

    /// A scalar constant.
    pub(crate) fn scalar(self, x: Scalar) -> Self {
        self.emitter.expr(self.emitter.0.borrow_mut().constant(x))
    }

    pub(crate) fn real(self) -> Self {
        self.generic("stablehlo.real", &[], self.dtype().real())
    }
    pub(crate) fn imag(self) -> Self {
        self.generic("stablehlo.imag", &[], self.dtype().real())
    }
    pub(crate) fn complex(self, imag: Expr<'e>) -> Self {
        let dtype = if self.dtype() == DType::F64 { DType::C128 } else { DType::C64 };
        self.generic("stablehlo.complex", &[imag], dtype)
    }
    pub(crate) fn is_finite(self) -> Self {
        self.generic("stablehlo.is_finite", &[], DType::Bool)
    }
    pub(crate) fn is_nan(self) -> Self {
        self.ne(self)
    }
    pub(crate) fn reciprocal(self) -> Self {
        self.constant(1.0) / self
    }
}

/// A row for each operation: method, StableHLO name, operands.
macro_rules! methods {
    (unary { $($f:ident: $name:literal),* } binary { $($g:ident: $op:literal),* } compare { $($c:ident: $d:literal),* }
     chlo { $($h:ident: $chlo:literal),* }) => {
        impl<'e> Expr<'e> {
            $(pub(crate) fn $f(self) -> Self {
                self.op($name, &[])
            })*
            $(pub(crate) fn $g(self, other: impl Operand<'e>) -> Self {
                self.op($op, &[other.like(self)])
            })*
            $(pub(crate) fn $c(self, other: impl Operand<'e>) -> Self {
                self.compare($d, other)
            })*
            $(pub(crate) fn $h(self) -> Self {
                self.generic($chlo, &[], self.dtype())
            })*
        }
    };
}
methods! {
    unary {
        abs: "stablehlo.abs", exp: "stablehlo.exponential", expm1: "stablehlo.exponential_minus_one",
        log: "stablehlo.log", log1p: "stablehlo.log_plus_one", sqrt: "stablehlo.sqrt", sin: "stablehlo.sine",
        cos: "stablehlo.cosine", not: "stablehlo.not"
    }
    binary {
        and: "stablehlo.and", or: "stablehlo.or", xor: "stablehlo.xor", rem: "stablehlo.remainder",
        max: "stablehlo.maximum", pow: "stablehlo.power", shl: "stablehlo.shift_left",
        shr: "stablehlo.shift_right_logical", sar: "stablehlo.shift_right_arithmetic"
    }
    compare { eq: "EQ", ne: "NE", lt: "LT", le: "LE", gt: "GT", ge: "GE" }
    chlo { lgamma: "chlo.lgamma", digamma: "chlo.digamma", erf_inv: "chlo.erf_inv" }
}

/// A row for each operator.
macro_rules! operators {
    ($($trait:ident, $f:ident: $name:literal;)*) => {$(
        impl<'e, T: Operand<'e>> $trait<T> for Expr<'e> {
            type Output = Self;
            fn $f(self, other: T) -> Self {
                self.op($name, &[other.like(self)])
            }
        }
    )*};
}
operators! {
    Add, add: "stablehlo.add";
    Sub, sub: "stablehlo.subtract";
    Mul, mul: "stablehlo.multiply";
    Div, div: "stablehlo.divide";
}

impl Neg for Expr<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.op("stablehlo.negate", &[])
    }
}
