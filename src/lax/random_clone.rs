//! `random_wrap`, `random_unwrap`, `random_clone`: words that become keys, keys that become words, and keys that count as new ones. They
//! change nothing, and are there for `debug_key_reuse` alone. JAX: `random_wrap_p`, `random_unwrap_p`, `random_clone_p`. StableHLO: nothing.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::config::debug_key_reuse;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::elementwise::{batch_in_front, one, zero_jvp};
use crate::mlir::Value;

/// Words as keys that nobody has used.
#[track_caller]
pub(crate) fn random_wrap(words: Array) -> Array {
    marked(Words::Wrap, words)
}

/// The words of keys, which are none.
#[track_caller]
pub(crate) fn random_unwrap(keys: &Array) -> Array {
    marked(Words::Unwrap, keys.clone())
}

/// The same keys, as if nobody had used them.
#[track_caller]
pub(crate) fn random_clone(keys: &Array) -> Array {
    marked(Words::Clone, keys.clone())
}

#[track_caller]
fn marked(prim: Words, x: Array) -> Array {
    if debug_key_reuse() { bind1(prim, &[&x]) } else { x }
}

/// What becomes of the words of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Words {
    Wrap,
    Unwrap,
    Clone,
}

impl Primitive for Words {
    fn name(&self) -> &'static str {
        match self {
            Words::Wrap => "random_wrap",
            Words::Unwrap => "random_unwrap",
            Words::Clone => "random_clone",
        }
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        Ok(one(*x))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(match self {
            Words::Wrap | Words::Clone => Some(KeyUses::source()),
            Words::Unwrap => None,
        })
    }
    fn lower(&self, _: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(ins[0]))
    }
    /// Keys have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(*self, primals)
    }
    /// the mapped axis is one more of an array of keys
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batch_in_front(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_what_marks_keys() {
        let keys = Draw::new(35).any_bits(DType::U32, &[3, 2]);
        check_rules([
            case("random_wrap", [keys.clone()], |x| bind1(Words::Wrap, &[&x[0]])),
            case("random_unwrap", [keys.clone()], |x| bind1(Words::Unwrap, &[&x[0]])),
            case("random_clone", [keys], |x| bind1(Words::Clone, &[&x[0]])),
        ]);
    }
}
