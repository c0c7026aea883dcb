//! Layer 5: primitives that hold jaxprs. JAX: `lax.control_flow`, `pjit`.

pub(crate) mod jit_call;
#[cfg(test)]
pub(crate) mod testing;

use crate::core::aval::ShapedArray;

/// How two types differ, in JAX's words: `the shapes do not match`.
pub(crate) fn difference(a: &ShapedArray, b: &ShapedArray) -> String {
    let mut found = Vec::new();
    if a.dtype != b.dtype {
        found.push("the dtypes do not match");
    }
    if a.shape != b.shape {
        found.push("the shapes do not match");
    }
    found.join(", and ")
}
