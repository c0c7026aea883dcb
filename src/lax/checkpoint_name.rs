//! `checkpoint_name`: the identity, which gives a value a name for policies of `checkpoint`. JAX: `ad_checkpoint.checkpoint_name`,
//! `name_p`.

use std::sync::Arc;

use smallvec::smallvec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Prim, Primitive, Tangent,
};
use crate::core::trace::{bind, bind1_of};
use crate::error::Result;
use crate::mlir::Value;
use crate::tree::{self, Pytree};

/// A tree of arrays as it is, with a name for its values, by which policies of
/// [`checkpoint_with`](crate::checkpoint_with) know them:
/// [`save_only_these_names`](crate::checkpoint_policies::save_only_these_names).
///
/// ```
/// use raxla::prelude::*;
/// use raxla::{CheckpointOptions, checkpoint_name, checkpoint_policies, checkpoint_with, numpy as jnp};
///
/// let options = CheckpointOptions::new().policy(checkpoint_policies::save_only_these_names(["sine"]));
/// let f = checkpoint_with(|x: &Array| jnp::exp(checkpoint_name(&jnp::sin(x), "sine")), options);
/// let slope = grad(f)(&Array::from(0.0))?;
/// assert_eq!(slope.item::<f32>()?, 1.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn checkpoint_name<T: Pytree>(x: &T, name: &str) -> T {
    let prim = Prim::from(Name { name: name.into() });
    tree::map(|x| bind1_of(&prim, &[x]), x)
}

/// The name that an equation gives, if it does.
pub(crate) fn name_of(prim: &Prim) -> Option<&str> {
    prim.as_any().downcast_ref::<Name>().map(|named| &*named.name)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    name: Arc<str>,
}

impl Primitive for Name {
    fn name(&self) -> &'static str {
        "name"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("name", Param::Text(self.name.to_string()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        Ok(Avals::from_slice(ins))
    }
    fn lower(&self, _: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(smallvec![ins[0]])
    }
    /// dy = dx, which has no name
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        Ok((bind(self.clone(), &[&primals[0]])?, smallvec![tangents[0].clone()]))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        Ok((bind(self.clone(), &[&args[0]])?, smallvec![dims[0]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{F32, I32};
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_name() {
        let mut draw = Draw::new(51);
        let cases = [F32, I32].map(|dtype| {
            let x = draw.values(dtype, &[2, 3]);
            case("name", [x], |x| checkpoint_name(&x[0], "it"))
        });
        check_rules(cases);
    }
}
