//! Functions with derivatives of their own, with errors as leading arguments and results. JAX: `custom_jvp_call_rule`,
//! `custom_vjp_call_rule`.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use crate::core::array::Array;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::Jaxpr;
use crate::core::primitive::{Ct, Tangent};
use crate::core::trace::{CustomBackward, CustomCall, CustomForward};
use crate::error::Result;
use crate::interpreters::custom_call::record;

/// The function with its checks. Its rules hand the errors on as they are.
pub(super) struct Checked {
    pub inner: Arc<dyn CustomCall>,
    /// Parameters: `consts`, the errors, `captured`, the arguments. Results: the errors, the function's.
    pub jaxpr: Arc<Jaxpr>,
    pub consts: Vec<Array>,
    pub captured: Vec<Array>,
    /// How many arrays the errors are.
    pub errors: usize,
}

impl CustomCall for Checked {
    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        let (errors, args) = args.split_at(self.errors);
        let args: Vec<Array> =
            self.consts.iter().chain(errors).chain(&self.captured).chain(args).cloned().collect();
        eval_jaxpr(&self.jaxpr, &[], &args)
    }

    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        let (errors, primals) = primals.split_at(self.errors);
        let (outs, out_tangents) = self.inner.jvp(primals, &tangents[self.errors..])?;
        let none = std::iter::repeat_n(None, self.errors);
        Ok((errors.iter().cloned().chain(outs).collect(), none.chain(out_tangents).collect()))
    }

    fn fwd(&self, primals: &[Array], perturbed: &[bool]) -> Option<Result<CustomForward>> {
        let (errors, primals) = primals.split_at(self.errors);
        let forward = self.inner.fwd(primals, &perturbed[self.errors..])?;
        Some(forward.map(|forward| CustomForward {
            outs: errors.iter().cloned().chain(forward.outs).collect(),
            residuals: forward.residuals,
            backward: Arc::new(Backward { inner: forward.backward, errors: self.errors }),
        }))
    }

    fn record(self: Arc<Self>, args: &[Array]) -> Result<Vec<Array>> {
        record(self, args)
    }
    fn primitive_name(&self) -> &'static str {
        self.inner.primitive_name()
    }
    fn function_name(&self) -> Cow<'static, str> {
        self.inner.function_name()
    }
    fn reverse_rules(&self) -> Option<[String; 2]> {
        self.inner.reverse_rules()
    }
    fn may_capture(&self) -> bool {
        true
    }
    fn same(&self, other: &dyn CustomCall) -> bool {
        (other as &dyn Any).downcast_ref::<Checked>().is_some_and(|other| {
            self.errors == other.errors && self.jaxpr == other.jaxpr && self.inner.same(&*other.inner)
        })
    }
}

struct Backward {
    inner: Arc<dyn CustomBackward>,
    errors: usize,
}

impl CustomBackward for Backward {
    /// errors have no cotangents
    fn apply(&self, residuals: &[Array], cts: &[Ct]) -> Result<Vec<Ct>> {
        let found = self.inner.apply(residuals, &cts[self.errors..])?;
        Ok(std::iter::repeat_n(None, self.errors).chain(found).collect())
    }
}
