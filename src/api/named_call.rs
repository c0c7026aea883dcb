//! `named_call`: a function in a scope of its name. JAX: `jax.named_call`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::arguments::options;
use crate::core::name_stack::named_scope;
use crate::error::Result;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Traceable};

options! {
    /// Options of [`named_call_with`].
    pub struct NamedCallOptions {
        /// The name of the scope, if not the function's.
        name: optional_into String,
    }
}

/// `f`, whose operations stand in a [`named_scope`](crate::named_scope()) of the function's name.
///
/// ```
/// use raxla::{named_call, numpy as jnp, prelude::*};
///
/// fn layer(x: &Array) -> Array {
///     jnp::tanh(x)
/// }
/// let text = jit(named_call(layer)).lower()(&Array::from(0.5))?.as_text().to_owned();
/// assert!(text.contains("/layer/tanh"));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `f`.
#[track_caller]
pub fn named_call<'f, F, M>(f: F) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    named_call_with(f, NamedCallOptions::new())
}

/// [`named_call`] with a name.
///
/// # Errors
/// Those of `f`.
#[track_caller]
pub fn named_call_with<'f, F, M>(f: F, options: NamedCallOptions) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let f = M::into_flat(f);
    let name = options.name.map_or_else(|| f.name(), Cow::Owned);
    Fun::from_flat(Arc::new(NamedCall { f, name }))
}

struct NamedCall<'f> {
    f: Arc<dyn FlatFn + 'f>,
    name: Cow<'static, str>,
}

impl FlatFn for NamedCall<'_> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        named_scope(&self.name, || self.f.call(args))
    }
    fn name(&self) -> Cow<'static, str> {
        self.f.name()
    }
    fn describe(&self) -> String {
        self.f.describe()
    }
}
