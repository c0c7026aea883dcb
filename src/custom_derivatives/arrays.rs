//! Custom derivatives of functions over plain lists of arrays, for the functions of this crate.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::sync::Arc;

use crate::core::array::Array;
use crate::core::primitive::Tangent;
use crate::core::trace::{CustomCall, bind_custom, caller, with_location};
use crate::error::Result;
use crate::interpreters::custom_call::record;

/// Applies `f` to `args`, and has its derivative computed by `rule`: from primal values and tangents to results and
/// their tangents. `None` is a symbolic zero; at least one of the tangents is not. `rule` may use nothing but its
/// arguments and what it captures.
#[allow(dead_code, reason = "numpy and nn are to use it")]
#[track_caller]
pub(crate) fn custom_jvp_arrays<F, R>(
    name: &'static str,
    f: F,
    rule: R,
    args: &[&Array],
) -> Result<Vec<Array>>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    R: Fn(&[Array], &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> + Send + Sync + 'static,
{
    let loc = caller();
    let args: Vec<Array> = args.iter().map(|x| (*x).clone()).collect();
    let call: Arc<dyn CustomCall> = Arc::new(ArraysCall { name, f, rule });
    with_location(loc, || bind_custom(&call, &args)).map_err(|e| e.at(loc))
}

#[allow(dead_code, reason = "numpy and nn are to use it")]
struct ArraysCall<F, R> {
    name: &'static str,
    f: F,
    rule: R,
}

impl<F, R> CustomCall for ArraysCall<F, R>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    R: Fn(&[Array], &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> + Send + Sync + 'static,
{
    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        (self.f)(args)
    }
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        (self.rule)(primals, tangents)
    }
    fn record(self: Arc<Self>, args: &[Array]) -> Result<Vec<Array>> {
        record(self, args)
    }
    fn primitive_name(&self) -> &'static str {
        "custom_jvp_call"
    }
    fn function_name(&self) -> Cow<'static, str> {
        self.name.into()
    }
    fn same(&self, other: &dyn CustomCall) -> bool {
        // Closures that capture nothing are equal if their types are; others only if they are one and the same.
        let stateless = size_of::<F>() == 0 && size_of::<R>() == 0;
        let other = other as &dyn Any;
        stateless && other.type_id() == TypeId::of::<Self>()
    }
}
