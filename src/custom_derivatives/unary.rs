//! Custom derivatives of this crate's own functions of one array. JAX: `custom_jvp` with `defjvps`.

use std::any::Any;
use std::borrow::Cow;
use std::slice::from_ref;
use std::sync::Arc;

use crate::core::array::Array;
use crate::core::primitive::Tangent;
use crate::core::trace::{CustomCall, bind_custom, caller, with_location};
use crate::error::{OrThrow, Result};
use crate::interpreters::custom_call::record;

/// A function with its derivative. The name tells it from others.
#[derive(Clone, Copy)]
pub(crate) struct CustomUnary {
    pub name: &'static str,
    pub f: fn(&Array) -> Array,
    /// `dy` from `x`, `y` and `dx`.
    pub tangent: fn(&Array, &Array, &Array) -> Array,
}

impl CustomUnary {
    /// The function's value, with that derivative.
    #[track_caller]
    pub(crate) fn apply(self, x: &Array) -> Array {
        let loc = caller();
        let outs = with_location(loc, || self.bind(x)).map_err(|e| e.at(loc));
        outs.or_throw().swap_remove(0)
    }

    fn bind(self, x: &Array) -> Result<Vec<Array>> {
        let call: Arc<dyn CustomCall> = Arc::new(self);
        bind_custom(&call, from_ref(x))
    }
}

impl CustomCall for CustomUnary {
    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        Ok(vec![(self.f)(&args[0])])
    }
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        let y = self.bind(&primals[0])?;
        let dy = tangents[0].as_ref().map(|dx| (self.tangent)(&primals[0], &y[0], dx));
        Ok((y, vec![dy]))
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
    fn may_capture(&self) -> bool {
        false
    }
    fn same(&self, other: &dyn CustomCall) -> bool {
        (other as &dyn Any).downcast_ref::<Self>().is_some_and(|other| self.name == other.name)
    }
}
