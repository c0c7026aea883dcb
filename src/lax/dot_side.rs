//! The axes of a contraction's operands. JAX: `dimension_numbers` of `dot_general`.

use std::ops::Range;

use smallvec::SmallVec;

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::core::aval::{Shape, ShapedArray};
use crate::core::small::small;
use crate::error::{Result, bail, throw};
use crate::lax::elementwise::tuple;

/// The axes of one operand.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct DotSide {
    pub(crate) contracting: Shape,
    pub(crate) batch: Shape,
}

impl Clone for DotSide {
    fn clone(&self) -> Self {
        // Faster than `SmallVec::clone`, which goes element by element.
        DotSide { contracting: Shape::from_slice(&self.contracting), batch: Shape::from_slice(&self.batch) }
    }
}

impl DotSide {
    /// The axes of `operand` that a user named.
    #[track_caller]
    pub(super) fn new(name: &str, contracting: &Axes, batch: &Axes, operand: &Array) -> DotSide {
        let rank = operand.ndim() as i64;
        let wrapped = |axes: &Axes| -> SmallVec<[i64; 4]> {
            let axes = axes.given().unwrap_or_default().iter();
            small(axes.map(|axis| if *axis < 0 { axis + rank } else { *axis }))
        };
        let (contracting, batch) = (wrapped(contracting), wrapped(batch));
        if contracting.iter().chain(&batch).any(|axis| !(0..rank).contains(axis)) {
            throw!(
                Shape,
                "dot_general requires {name} dimension numbers to be nonnegative and less than the number of axes of \
                 the {name} value, got {name}_batch of {batch:?} and {name}_contracting of {contracting:?} for {name} of \
                 rank {rank}"
            );
        }
        let positions = |axes: SmallVec<[i64; 4]>| -> Shape { small(axes.iter().map(|axis| *axis as usize)) };
        DotSide { contracting: positions(contracting), batch: positions(batch) }
    }

    /// The axes that the result keeps from this operand alone.
    pub(crate) fn kept(&self, rank: usize) -> impl Iterator<Item = usize> + '_ {
        (0..rank).filter(|a| !self.contracting.contains(a) && !self.batch.contains(a))
    }

    /// The permutation that makes an array like this operand of one whose axes are those of the batch, those that are kept, and then
    /// those in `contracted`.
    pub(crate) fn permutation_back(&self, rank: usize, contracted: impl Iterator<Item = usize>) -> Shape {
        let axes = self.batch.iter().copied().chain(self.kept(rank)).chain(contracted);
        let mut permutation: Shape = small(0..rank);
        axes.enumerate().for_each(|(i, axis)| permutation[axis] = i);
        permutation
    }

    /// The same for an operand with one more axis, at `dim`.
    pub(super) fn shifted(&self, dim: usize) -> DotSide {
        let shift = |axes: &[usize]| -> Shape { axes.iter().map(|a| a + usize::from(*a >= dim)).collect() };
        DotSide { contracting: shift(&self.contracting), batch: shift(&self.batch) }
    }

    /// Are all axes there, and each named once? Else [`check`](Self::check) says what is wrong.
    pub(super) fn fits(&self, rank: usize) -> bool {
        let mut named = 0u64;
        rank <= 64
            && self.batch.iter().chain(&self.contracting).all(|axis| {
                let new = *axis < rank && named >> axis & 1 == 0;
                named |= if new { 1 << axis } else { 0 };
                new
            })
    }

    pub(super) fn check(&self, name: &str, operand: &ShapedArray) -> Result<()> {
        let (batch, contracting, rank) = (&self.batch, &self.contracting, operand.ndim());
        if self.fits(rank) {
            return Ok(());
        }
        if batch.iter().chain(contracting).any(|a| *a >= rank) {
            bail!(
                Shape,
                "dot_general requires {name} dimension numbers to be nonnegative and less than the number of axes of \
                 the {name} value, got {name}_batch of {} and {name}_contracting of {} for {name} of rank {rank}",
                tuple(batch),
                tuple(contracting)
            );
        }
        let repeats = |axes: &[usize]| axes.iter().enumerate().any(|(i, a)| axes[..i].contains(a));
        if repeats(batch) {
            bail!(
                Shape,
                "dot_general requires {name} batch dimensions to be distinct, got {name}_batch {}",
                tuple(batch)
            );
        }
        if repeats(contracting) {
            bail!(
                Shape,
                "dot_general requires {name} contracting dimensions to be distinct, got {name}_contracting {}",
                tuple(contracting)
            );
        }
        if batch.iter().any(|a| contracting.contains(a)) {
            bail!(
                Shape,
                "dot_general requires {name} batch dimensions to be disjoint from contracting dimensions, got \
                 {name}_batch {} and {name}_contracting {}",
                tuple(batch),
                tuple(contracting)
            );
        }
        Ok(())
    }
}

/// Which axes of a contraction's result are those of the batch, kept from the left operand, and kept from the right one.
pub(crate) fn axes_of_result(batch: usize, kept_from_lhs: usize, rank: usize) -> [Range<usize>; 3] {
    [0..batch, batch..batch + kept_from_lhs, batch + kept_from_lhs..rank]
}
