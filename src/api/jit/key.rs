//! What a trace depends on, and how two calls differ in it.

use crate::api::program::leaf_name;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::axis::AxisName;
use crate::core::config::{self, Config};
use crate::core::trace;
use crate::signature::FlatArgs;
use crate::tree::{Token, first_difference};

/// What a traced function depends on besides the function.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TraceKey {
    pub tokens: Box<[Token]>,
    pub avals: Box<[ShapedArray]>,
    pub config: Config,
    axes: Vec<(AxisName, usize)>,
}

impl TraceKey {
    pub(super) fn of(args: &FlatArgs) -> Self {
        TraceKey {
            tokens: args.tokens.as_slice().into(),
            avals: args.leaves.iter().map(Array::aval).collect(),
            config: config::current(),
            axes: trace::axis_env(),
        }
    }

    /// In how many parts two keys differ.
    pub(super) fn distance(&self, other: &TraceKey) -> usize {
        fn unequal<T: PartialEq>(a: &[T], b: &[T]) -> usize {
            a.len().abs_diff(b.len()) + a.iter().zip(b).filter(|(a, b)| a != b).count()
        }
        // Of two arguments that differ, the one of the same dtype or shape is nearer.
        let dtypes = self.avals.iter().zip(&*other.avals).filter(|(a, b)| a.dtype() != b.dtype()).count();
        let shapes = self.avals.iter().zip(&*other.avals).filter(|(a, b)| a.shape() != b.shape()).count();
        unequal(&self.tokens, &other.tokens)
            + unequal(&self.avals, &other.avals)
            + dtypes
            + shapes
            + self.config.differences(&other.config).len()
            + usize::from(self.axes != other.axes)
    }
}

/// In what two keys differ, in words. `args` are those of `new`.
pub(super) fn differences(old: &TraceKey, new: &TraceKey, args: &FlatArgs) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(difference) = first_difference(&old.tokens, &new.tokens) {
        found.push(format!("the structure of the arguments differs: {difference}"));
    } else {
        let typed =
            |aval: &ShapedArray| format!("{}{aval}", if aval.weak_type() { "weakly typed " } else { "" });
        for (i, (a, b)) in old.avals.iter().zip(&*new.avals).enumerate().filter(|(_, (a, b))| a != b) {
            found.push(format!("{} was {} and is {}", leaf_name(args, i), typed(a), typed(b)));
        }
    }
    for (words, was, is) in old.config.differences(&new.config) {
        found.push(format!("{words} was {was} and is {is}"));
    }
    if old.axes != new.axes {
        found.push(format!("the named axes were {:?} and are {:?}", old.axes, new.axes));
    }
    found
}
