//! Arrays put together of blocks. JAX: `numpy/lax_numpy.py`.

use crate::calls::jit_call::jitted_list;
use crate::core::array::Array;
use crate::error::{Result, bail};
use crate::lax;
use crate::numpy::concatenate;

/// What [`block`] puts together: an array or a number, or a list of blocks.
#[derive(Clone, Debug)]
pub struct Blocks(Repr);

#[derive(Clone, Debug)]
enum Repr {
    One(Array),
    List(Vec<Blocks>),
}

macro_rules! one_block {
    ($($t:ty),*) => {$(
        impl From<$t> for Blocks {
            fn from(x: $t) -> Self {
                Blocks(Repr::One(x.into()))
            }
        }
    )*};
}
one_block!(Array, &Array, i32, f32, f64, bool);

impl<B: Into<Blocks>, const N: usize> From<[B; N]> for Blocks {
    fn from(list: [B; N]) -> Self {
        Blocks(Repr::List(list.into_iter().map(Into::into).collect()))
    }
}
impl<B: Into<Blocks>> From<Vec<B>> for Blocks {
    fn from(list: Vec<B>) -> Self {
        Blocks(Repr::List(list.into_iter().map(Into::into).collect()))
    }
}

impl Blocks {
    /// Its arrays, and how its lists are nested.
    fn flatten<'a>(&'a self, arrays: &mut Vec<&'a Array>, nesting: &mut String) {
        match &self.0 {
            Repr::One(x) => {
                arrays.push(x);
                nesting.push('*');
            }
            Repr::List(list) => {
                nesting.push('[');
                list.iter().for_each(|block| block.flatten(arrays, nesting));
                nesting.push(']');
            }
        }
    }

    /// The same blocks of other arrays, put together, and how deep lists are nested.
    #[track_caller]
    fn joined(&self, arrays: &mut impl Iterator<Item = Array>) -> Result<(Array, usize)> {
        let list = match &self.0 {
            Repr::One(x) => return Ok((arrays.next().unwrap_or_else(|| x.clone()), 1)),
            Repr::List(list) => list,
        };
        let mut parts = Vec::with_capacity(list.len());
        for block in list {
            parts.push(block.joined(arrays)?);
        }
        let Some(depth) = parts.first().map(|(_, depth)| *depth) else {
            bail!(InvalidArgument, "block: there is nothing in a list");
        };
        if parts.iter().any(|(_, other)| *other != depth) {
            bail!(InvalidArgument, "block: lists must be nested equally deep");
        }
        let rank = parts.iter().map(|(x, _)| x.ndim()).max().unwrap_or(0).max(depth);
        let mut raised = Vec::with_capacity(parts.len());
        for (x, _) in &parts {
            raised.push(lax::broadcast(x, vec![1; rank - x.ndim()]));
        }
        Ok((concatenate(&raised, -(depth as i64)), depth + 1))
    }
}

/// One array of blocks: the innermost lists are joined along the last axis, those around them along the one before, and so on.
///
/// # Errors
/// `block: lists must be nested equally deep`; empty lists; blocks that do not fit.
/// ```
/// use raxla::numpy as jnp;
///
/// let (a, b) = (jnp::ones([2, 2]), jnp::zeros([2, 1]));
/// let x = jnp::block([[&a, &b], [&b, &a]]);
/// assert_eq!(x.shape(), [4, 3]);
/// ```
#[track_caller]
pub fn block(arrays: impl Into<Blocks>) -> Array {
    let blocks = arrays.into();
    let (mut arrays, mut nesting) = (Vec::new(), String::new());
    blocks.flatten(&mut arrays, &mut nesting);
    jitted_list("block", nesting, &arrays, |arrays| {
        let joined = blocks.joined(&mut arrays.iter().cloned());
        crate::error::OrThrow::or_throw(joined).0
    })
}
