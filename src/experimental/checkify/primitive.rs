//! `check`: an error that stops an eager computation, and that `checkify` makes a value of. JAX: `check_p`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::state::{Entry, State, Structure};
use crate::calls::refs;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::effects::{Effect, Effects};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent,
    Transposed,
};
use crate::core::trace::bind;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::interpreters::batching::move_batch_axis;
use crate::lax;
use crate::mlir::{Value, Values};

/// Operands: the arrays of errors of this structure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Check {
    pub structure: Arc<Structure>,
    /// Does it do nothing unless a `checkify` is around it?
    pub debug: bool,
}

/// Binds the errors of a state. Those of mapped axes are one: the last of them. JAX: `_check_error`.
pub(super) fn bind_errors(mut state: State, debug: bool) -> Result<()> {
    while state.mapped_axes() > 0 {
        state.entries = state.entries.iter().map(last_of).collect();
    }
    let prim = Check { structure: Arc::new(state.structure.clone()), debug };
    bind(prim, &refs(&state.leaves()))?;
    Ok(())
}

/// The last element along the leading axis that had an error.
fn last_of(entry: &Entry) -> Entry {
    let size = entry.pred.shape()[0];
    let marks = lax::convert_element_type(&entry.pred, DType::I32);
    let marks = match entry.pred.ndim() {
        1 => marks,
        n => lax::reduce_max(&marks, (1..n).collect::<Vec<_>>()),
    };
    let back = lax::convert_element_type(&lax::argmax(&lax::rev(&marks, 0), 0), DType::I32);
    let last = lax::sub(&Array::scalar(size as i32 - 1), &back);
    let of = |x: &Array| {
        let part = lax::dynamic_index_in_dim(x, &last, 0);
        lax::reshape(&part, &x.shape()[1..])
    };
    Entry { pred: of(&entry.pred), code: of(&entry.code), payload: entry.payload.iter().map(of).collect() }
}

impl Primitive for Check {
    fn name(&self) -> &'static str {
        "check"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("debug", Param::from(self.debug))]
    }
    fn effects(&self) -> Effects {
        Effect::Check.into()
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(Avals::new())
    }
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        if self.debug {
            return Some(Ok(Arrays::new()));
        }
        let leaves: Vec<Array> = args.iter().map(|x| (*x).clone()).collect();
        let found = State::of((*self.structure).clone(), &leaves).and_then(|state| state.first());
        Some(match found {
            Ok(None) => Ok(Arrays::new()),
            Ok(Some((message, loc))) => Err(Error::new(ErrorKind::FailedCheck, message).at(loc)),
            Err(error) => Err(error),
        })
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        if self.debug {
            return Ok(Values::new());
        }
        bail!(
            InvalidArgument,
            "cannot abstractly evaluate a checkify::check which was not functionalized. This probably means that a `check` was \
             to be staged (by jit, scan …) without functionalizing it through `checkify`"
        )
    }
    /// the primal values are checked
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        bind(self.clone(), &refs(primals))?;
        Ok((Arrays::new(), SmallVec::new()))
    }
    /// nothing goes back through what gives nothing
    fn transpose(&self, _: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(SmallVec::from_elem(None, ins.len()))
    }
    /// one check of all elements
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let args: Vec<Array> =
            args.iter().zip(dims).map(|(x, d)| move_batch_axis(x, *d, 0, axis.size)).collect();
        bind_errors(State::of((*self.structure).clone(), &args)?, self.debug)?;
        Ok((Arrays::new(), SmallVec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::debug_check;
    use crate::DType::F32;
    use crate::error::OrThrow;
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::{full_like, gt, reduce_sum, sin};

    #[test]
    fn rules_of_check() {
        let x = Draw::new(76).uniform(F32, &[2, 3], -1.0, 1.0);
        // One that does nothing is compiled as well.
        check_rules([case("check", [x], |x| {
            let sum = reduce_sum(&x[0], [0, 1]);
            debug_check(gt(&sum, &full_like(&sum, 0.0)), "the sum is {}", &sum).or_throw();
            sin(&x[0])
        })]);
    }
}
