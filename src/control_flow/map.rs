//! `map`: a function of each slice along a leading axis. JAX: `lax.map`.

use super::scan::scan;
use crate::error::Result;
use crate::signature::Output;
use crate::tree::Pytree;

/// `f` of each slice along the leading axis of the leaves of `xs`, one after the other, the results stacked.
///
/// Use `vmap` to have them computed at once; this needs less memory.
///
/// # Errors
/// As [`scan`].
#[track_caller]
pub fn map<X, Y, O>(mut f: impl FnMut(X) -> O, xs: X) -> Result<Y>
where
    X: Pytree,
    Y: Pytree,
    O: Output<Tree = Y>,
{
    let body = |(): (), x: X| -> Result<((), Y)> { Ok(((), f(x).into_result()?)) };
    Ok(scan(body, (), xs)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::array::Array;
    use crate::dtype::DType::I32;
    use crate::lax;

    #[test]
    fn map_applies_a_function_to_each_slice() {
        let y =
            map(|(x, y): (Array, Array)| lax::add(&x, &y), (lax::iota(I32, 3), lax::iota(I32, 3))).unwrap();
        assert_eq!(y.to_vec::<i32>().unwrap(), [0, 2, 4]);
    }
}
