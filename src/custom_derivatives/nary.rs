//! Custom derivatives of this crate's own functions of several arrays. JAX: `custom_jvp` with `defjvp`.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use crate::core::array::Array;
use crate::core::primitive::Tangent;
use crate::core::trace::{CustomCall, bind_custom, caller, with_location};
use crate::error::{OrThrow, Result, bail};
use crate::interpreters::custom_call::record;
use crate::lax;

/// A function of `N` arrays with `M` results, and its derivative. The name and the static parameter tell it from others.
#[derive(Clone, Copy)]
pub(crate) struct CustomNary<const N: usize, const M: usize> {
    pub name: &'static str,
    /// What the function takes besides arrays (`nondiff_argnums`); 0 if nothing.
    pub statics: i64,
    pub f: fn(i64, [&Array; N]) -> [Array; M],
    /// Tangents of the results, from the arguments, the results, and tangents, one of which is there; a missing one is zero.
    pub tangents: NaryRule<N, M>,
}

pub(crate) type NaryRule<const N: usize, const M: usize> =
    fn(i64, [&Array; N], &[Array; M], [Option<&Array>; N]) -> [Array; M];

impl<const N: usize, const M: usize> CustomNary<N, M> {
    /// The function's values, with that derivative.
    #[track_caller]
    pub(crate) fn apply(self, args: [&Array; N]) -> [Array; M] {
        let loc = caller();
        let args = args.map(Array::clone);
        let outs = with_location(loc, || self.bind(&args)).map_err(|e| e.at(loc));
        outs.or_throw()
    }

    fn bind(self, args: &[Array]) -> Result<[Array; M]> {
        let call: Arc<dyn CustomCall> = Arc::new(self);
        match bind_custom(&call, args)?.try_into() {
            Ok(outs) => Ok(outs),
            Err(_) => bail!(Internal, "{}: has {M} results", self.name),
        }
    }
}

impl<const N: usize, const M: usize> CustomCall for CustomNary<N, M> {
    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        Ok((self.f)(self.statics, std::array::from_fn(|i| &args[i])).into())
    }
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        let outs = self.bind(primals)?;
        if tangents.iter().all(Option::is_none) {
            return Ok((outs.into(), vec![None; M]));
        }
        let args = std::array::from_fn(|i| &primals[i]);
        let given = std::array::from_fn(|i| tangents[i].as_ref());
        let douts = (self.tangents)(self.statics, args, &outs, given);
        // A tangent of one argument may be narrower than the result, and has the dtype of the formula.
        let tangents = outs.iter().zip(douts).map(|(y, dy)| {
            let dy = lax::convert(&dy, y.dtype(), y.weak_type());
            let axes: Vec<usize> = (y.ndim().saturating_sub(dy.ndim())..y.ndim()).collect();
            Some(if dy.shape() == y.shape() { dy } else { lax::broadcast_in_dim(&dy, y.shape(), axes) })
        });
        let tangents = tangents.collect();
        Ok((outs.into(), tangents))
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
        let other = (other as &dyn Any).downcast_ref::<Self>();
        other.is_some_and(|other| (self.name, self.statics) == (other.name, other.statics))
    }
}
