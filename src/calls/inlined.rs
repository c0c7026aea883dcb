//! Runs a jaxpr with the jaxprs that it calls by `jit` written out.

use super::jit_call::JitCall;
use super::{CallPrimitive, refs};
use crate::core::array::Array;
use crate::core::eval_jaxpr::eval_jaxpr_by;
use crate::core::jaxpr::Jaxpr;
use crate::core::trace::bind_at;
use crate::error::Result;

/// Binds each equation of a jaxpr without constants under the current trace, those of jitted functions as its own.
pub(super) fn eval_inlined(jaxpr: &Jaxpr, args: &[Array]) -> Result<Vec<Array>> {
    eval_jaxpr_by(jaxpr, &[], args, |eqn, inputs| match eqn.prim.as_any().downcast_ref::<JitCall>() {
        Some(call) => Ok(eval_inlined(CallPrimitive::jaxpr(call), inputs)?.into()),
        None => bind_at(&eqn.prim, &refs(inputs), eqn.loc),
    })
}
