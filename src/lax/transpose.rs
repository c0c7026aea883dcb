//! `transpose`: permutes axes; linear. JAX: `transpose_p`. StableHLO: `transpose`.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::small::small;
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::common::arguments::axis_of;
use crate::lax::elementwise::{linear_ct, linear_jvp, one, one_batched, tuple};
use crate::mlir::Value;

/// Permutes axes: axis `i` of the result is axis `permutation[i]` of `operand`.
///
/// # Errors
/// `transpose permutation isn't a permutation of operand dimensions, got permutation (0, 0) for operand f32[2,3]`
#[track_caller]
pub fn transpose(operand: &Array, permutation: impl Into<Axes>) -> Array {
    let axes = permutation.into();
    let order: Shape = match axes.given() {
        // One that is named twice is the primitive's to refuse, which says more.
        Some(given) => small(given.iter().map(|axis| axis_of("transpose", (*axis).into(), operand))),
        None => small(0..operand.ndim()),
    };
    permuted(operand, order)
}

/// [`transpose`] for rules, which know positions.
#[track_caller]
pub(crate) fn permuted(operand: &Array, permutation: Shape) -> Array {
    if permutation.len() == operand.ndim() && permutation.iter().enumerate().all(|(i, p)| i == *p) {
        return operand.clone();
    }
    bind1(Transpose { permutation }, &[operand])
}

/// Moves axis `from` to position `to`.
#[track_caller]
pub(crate) fn move_axis(x: &Array, from: usize, to: usize) -> Array {
    if from == to {
        return x.clone();
    }
    let mut permutation: Shape = small((0..x.ndim()).filter(|i| *i != from));
    permutation.insert(to, from);
    permuted(x, permutation)
}

/// `x` with the mapped axis at `to`: moved there, or made by broadcasting if `x` is not mapped.
pub(crate) fn move_batch_axis(x: &Array, dim: BatchDim, to: usize, axis_size: usize) -> Array {
    match dim {
        Some(from) => move_axis(x, from, to),
        None => {
            let mut shape = x.shape().to_vec();
            shape.insert(to, axis_size);
            let dims: Vec<usize> = (0..shape.len()).filter(|i| *i != to).collect();
            crate::lax::broadcast_in_dim(x, &shape, &dims)
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Transpose {
    permutation: Shape,
}

impl Primitive for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("permutation", Param::Text(tuple(&self.permutation)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let p = &self.permutation;
        if p.len() != x.ndim() || (0..x.ndim()).any(|i| !p.contains(&i)) {
            bail!(
                Shape,
                "transpose permutation isn't a permutation of operand dimensions, got permutation {} for operand {x}",
                tuple(p)
            );
        }
        let shape: Shape = small(p.iter().map(|i| x.shape()[*i]));
        Ok(one(x.with_shape(&shape)))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        let last = self.permutation.last();
        Ok((last == self.permutation.len().checked_sub(1).as_ref()).then(KeyUses::forward))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(ctx.transpose(ins[0], &self.permutation)))
    }
    /// dy = dx permuted
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ permuted back
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| {
            let mut inverse = Shape::from_slice(&self.permutation);
            self.permutation.iter().enumerate().for_each(|(i, p)| inverse[*p] = i);
            permuted(ct, inverse)
        }))
    }
    /// the mapped axis stays where it is in the result's front
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let shifted = self.permutation.iter().map(|p| if *p >= dim { p + 1 } else { *p });
        one_batched(permuted(&args[0], small(std::iter::once(dim).chain(shifted))), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::error::{ErrorKind, catch};
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_transpose() {
        let mut draw = Draw::new(109);
        let cases: [(&[usize], &[usize]); 4] =
            [(&[2, 3], &[1, 0]), (&[2, 3, 4], &[2, 0, 1]), (&[], &[]), (&[0, 2], &[1, 0])];
        check_rules(cases.into_iter().flat_map(|(shape, permutation)| {
            [DType::F32, DType::F16, DType::C64, DType::I32, DType::Bool]
                .map(|d| case("transpose", [draw.values(d, shape)], move |x| transpose(&x[0], permutation)))
        }));
    }

    #[test]
    fn what_is_no_permutation_is_rejected() {
        let x = Array::from([[1.0f32, 2.0]]);
        assert_eq!(catch(|| Ok(transpose(&x, [0, 0]))).unwrap_err().kind(), ErrorKind::Shape);
        assert_eq!(catch(|| Ok(transpose(&x, [0]))).unwrap_err().kind(), ErrorKind::Shape);
    }
}
