//! The checks themselves: a primitive with one wrong rule fails the check of that rule.

use std::cell::Cell;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::config::with_enable_checks;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{ErrorKind, Result};
use crate::interpreters::partial_eval::trace_to_jaxpr;
use crate::lax::elementwise::{
    INEXACT, linear_ct, nary_aval, nary_batch, nary_lower, one, one_batched, unary_jvp,
};
use crate::lax::full::literal_like;
use crate::lax::testing::{Draw, case, check_rules};
use crate::lax::{mul, neg, square};
use crate::mlir::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wrong {
    Nothing,
    Types,
    Lowering,
    Jvp,
    SecondOrder,
    Transpose,
    Batch,
}

thread_local! {
    /// How often the types of one with wrong [`Wrong::Types`] were asked for, which are others each time.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

/// Negation, but for one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Broken(Wrong);

impl Primitive for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        if self.0 == Wrong::Types {
            ASKED.set(ASKED.get() + 1);
            return Ok(one(ShapedArray::new(DType::F32, &[ASKED.get()])));
        }
        nary_aval(self, ins, 1, INEXACT)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if self.0 == Wrong::Lowering {
            return Ok(one(ctx.convert(ins[0], DType::I32)));
        }
        nary_lower(ctx, "stablehlo.negate", ins, outs)
    }
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |x, _, dx| match self.0 {
            Wrong::Jvp => dx.clone(),
            // Right at first order; its own derivative is that of x².
            Wrong::SecondOrder => {
                let zero = crate::lax::sub(&crate::lax::stop_gradient(&square(x)), &square(x));
                neg(&mul(dx, &crate::lax::add(&zero, &literal_like(x, 1.0))))
            }
            _ => bind1(*self, &[dx]),
        })
    }
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| if self.0 == Wrong::Transpose { ct.clone() } else { neg(ct) }))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        if self.0 == Wrong::Batch {
            return one_batched(bind1(*self, &[&args[0]]), Some(0));
        }
        nary_batch(*self, args, dims)
    }
}

fn failure(wrong: Wrong) -> String {
    let x = Draw::new(1).values(DType::F32, &[2, 3]);
    let check = || check_rules([case("broken", [x], move |x| bind1(Broken(wrong), &[&x[0]])).combined()]);
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)) {
        Ok(()) => String::new(),
        Err(payload) => payload.downcast_ref::<String>().cloned().unwrap_or_default(),
    }
}

#[test]
fn each_wrong_rule_fails_its_own_check() {
    assert_eq!(failure(Wrong::Nothing), "");
    for (wrong, message) in [
        (Wrong::Lowering, "broken on (f32[2,3]): eager"),
        (Wrong::Jvp, "jvp: result 0[0] has tangent"),
        (Wrong::SecondOrder, "second order: jvp of the jvp"),
        (Wrong::Transpose, "transpose: <ct, J v> ="),
        (Wrong::Batch, "vmap with in_axes [Some(1)]"),
    ] {
        let failure = failure(wrong);
        assert!(failure.contains(message), "{wrong:?}: {failure}");
    }
}

#[test]
fn an_ill_formed_jaxpr_is_refused_while_checks_are_enabled() {
    let avals = [ShapedArray::new(DType::F32, &[3])];
    let trace = || trace_to_jaxpr(&avals, |x| Ok(vec![bind1(Broken(Wrong::Types), &[&x[0]])]));
    assert!(with_enable_checks(false, trace).is_ok());
    let error = with_enable_checks(true, trace).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().starts_with("check_jaxpr: broken gives [f32["), "{error}");
}
