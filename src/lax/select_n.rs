//! `select_n`: picks each element from one of several arrays; linear in these. JAX: `select_n_p`. StableHLO: `select`.

use std::borrow::Borrow;

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::error::{Result, bail, throw};
use crate::lax::elementwise::{full_batched, one, one_batched, tuple};
use crate::lax::full::literal_like;
use crate::lax::{eq, zeros_like};
use crate::mlir::Value;

/// Elementwise `on_true` where `pred`, else `on_false`: arrays of one dtype and shape; `pred` is `bool`, of that shape or
/// a scalar.
///
/// # Errors
/// As [`select_n`].
#[track_caller]
pub fn select(pred: &Array, on_true: &Array, on_false: &Array) -> Array {
    bind1(SelectN, &[pred, on_false, on_true])
}

/// Elementwise `cases[which]`: arrays of one dtype and shape; `which` is an integer, or `bool` if there are at most two, of
/// that shape or a scalar. Out of range, the result is one of the cases.
///
/// # Errors
/// `select_n() must have at least one case`; `select cases must have the same shapes, got [(2,), (3,)]`; a `which` of another
/// shape or dtype.
#[track_caller]
pub fn select_n<T: Borrow<Array>>(which: &Array, cases: impl AsRef<[T]>) -> Array {
    let cases = cases.as_ref().iter().map(Borrow::borrow);
    let args: SmallVec<[&Array; 4]> = std::iter::once(which).chain(cases).collect();
    if args.len() == 1 {
        throw!(InvalidArgument, "select_n() must have at least one case");
    }
    bind1(SelectN, &args)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SelectN;

/// The case where `which < offset + half`, and so on down to one.
fn lower_cases(ctx: &mut LoweringCtx, which: Value, offset: usize, cases: &[Value]) -> Value {
    if cases.len() == 1 {
        return cases[0];
    }
    let half = cases.len() / 2;
    let (dtype, shape) = (ctx.dtype(which), ctx.shape(which));
    let bound = ctx.full(Scalar::from_i128(dtype, (offset + half) as i128), &shape);
    let lower = ctx.compare("LT", which, bound);
    let on_true = lower_cases(ctx, which, offset, &cases[..half]);
    let on_false = lower_cases(ctx, which, offset + half, &cases[half..]);
    ctx.select(lower, on_true, on_false)
}

impl Primitive for SelectN {
    fn name(&self) -> &'static str {
        "select_n"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [which, cases @ ..] = ins else { bail!(Internal, "select_n: takes operands") };
        let [first, others @ ..] = cases else { bail!(Internal, "select_n: takes a case") };
        if let Some(other) = others.iter().find(|a| a.dtype() != first.dtype()) {
            bail!(
                DType,
                "select requires arguments to have the same dtypes, got {}, {}",
                first.dtype(),
                other.dtype()
            );
        }
        if others.iter().any(|a| a.shape() != first.shape()) {
            let shapes: Vec<String> = cases.iter().map(|a| tuple(a.shape())).collect();
            bail!(Shape, "select cases must have the same shapes, got [{}]", shapes.join(", "));
        }
        if which.ndim() > 0 && which.shape() != first.shape() {
            bail!(
                Shape,
                "select `which` must be scalar or have the same shape as cases, got `which` shape {} but case shape {}",
                tuple(which.shape()),
                tuple(first.shape())
            );
        }
        if which.dtype().is_inexact() {
            bail!(DType, "select `which` must be boolean or integer type, got {}", which.dtype());
        }
        if which.dtype().is_bool() && cases.len() > 2 {
            bail!(InvalidArgument, "select with boolean `which` cannot have > 2 cases");
        }
        Ok(one((*first).clone().with_weak_type(check::all_weak(cases))))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let (which, cases) = (ins[0], &ins[1..]);
        Ok(one(if ctx.dtype(which).is_bool() && cases.len() == 2 {
            ctx.select(which, cases[1], cases[0])
        } else {
            lower_cases(ctx, which, 0, cases)
        }))
    }
    /// dy = the tangent of the case that is picked
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let refs: SmallVec<[&Array; 4]> = primals.iter().collect();
        let out = bind1(*self, &refs);
        let tangent = tangents[1..].iter().flatten().next().map(|g| {
            let zeros = zeros_like(g);
            let cases = tangents[1..].iter().map(|g| g.as_ref().unwrap_or(&zeros));
            let refs: SmallVec<[&Array; 4]> = std::iter::once(&primals[0]).chain(cases).collect();
            bind1(*self, &refs)
        });
        Ok((one(out), one(tangent)))
    }
    /// the cotangent of each case is ȳ where that case is picked, 0 elsewhere
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let (Some(ct), Some(which)) = (&cts[0], ins[0].known()) else {
            bail!(Differentiation, "select_n: not linear in `which`")
        };
        let zeros = zeros_like(ct);
        let case = |(i, x): (usize, &LinearInput)| {
            x.is_linear().then(|| {
                if !which.dtype().is_bool() {
                    select(&eq(which, &literal_like(which, i as f64)), ct, &zeros)
                } else if i == 0 {
                    select(which, &zeros, ct)
                } else {
                    select(which, ct, &zeros)
                }
            })
        };
        Ok(std::iter::once(None).chain(ins[1..].iter().enumerate().map(case)).collect())
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let first = dims[1];
        let same = first.is_some() && dims[1..].iter().all(|d| *d == first);
        let fits = match dims[0] {
            None => args[0].ndim() == 0,
            dim => dim == first && args[0].ndim() == args[1].ndim(),
        };
        if same && fits {
            let refs: SmallVec<[&Array; 4]> = args.iter().collect();
            return one_batched(bind1(*self, &refs), first);
        }
        let keep_scalar: SmallVec<[bool; 4]> = (0..args.len()).map(|i| i == 0).collect();
        let args = full_batched(args, dims, &keep_scalar);
        let refs: SmallVec<[&Array; 4]> = args.iter().collect();
        one_batched(bind1(*self, &refs), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules, message_of};

    #[test]
    fn rules_of_select() {
        let mut draw = Draw::new(30);
        check_rules([DType::F32, DType::F64, DType::C64, DType::I32, DType::Bool].into_iter().flat_map(
            |d| {
                let x = [draw.values(d, &[2, 3]), draw.values(d, &[2, 3])];
                let shapes: [&[usize]; 2] = [&[], &[2, 3]];
                shapes.map(|shape| {
                    let args = [draw.values(DType::Bool, shape), x[0].clone(), x[1].clone()];
                    case("select", args, |x| select(&x[0], &x[1], &x[2]))
                })
            },
        ));
    }

    #[test]
    fn rules_of_select_n() {
        let mut draw = Draw::new(31);
        let shapes: [&[usize]; 2] = [&[], &[3]];
        check_rules([DType::I32, DType::U8].into_iter().flat_map(|which| {
            shapes.map(|shape| {
                let mut args = vec![draw.uniform(which, shape, 0.0, 3.0)];
                args.extend((0..3).map(|_| draw.values(DType::F32, &[3])));
                case("select_n", args, |x| select_n(&x[0], [&x[1], &x[2], &x[3]]))
            })
        }));
    }

    #[test]
    fn what_select_n_does_not_accept() {
        let (p, x, y) = (Array::from([true, false]), Array::from([1.0f32, 2.0]), Array::from([1.0f32]));
        assert_eq!(message_of(|| select_n::<Array>(&p, [])), "select_n() must have at least one case");
        assert_eq!(
            message_of(|| select(&p, &x, &y)),
            "select cases must have the same shapes, got [(1,), (2,)]"
        );
        assert!(
            message_of(|| select(&p, &y, &y))
                .starts_with("select `which` must be scalar or have the same shape")
        );
        assert_eq!(
            message_of(|| select(&x, &x, &x)),
            "select `which` must be boolean or integer type, got f32"
        );
        assert_eq!(
            message_of(|| select_n(&p, [&x, &x, &x])),
            "select with boolean `which` cannot have > 2 cases"
        );
    }
}
