//! What the CPU computes by functions of this process. JAX: `jaxlib`'s `lapack_kernels`.
//!
//! Each is a [`Kernel`]: it takes matrices row-major, as many as the leading axes number, one after another on the thread that XLA
//! calls it from; several programs may run several at a time. What factors of singular values and of eigenvalues come from is the
//! crate `faer`, behind the feature `linalg`; the others follow LAPACK's algorithms, whose conventions (pivots, signs, what a packed
//! factor holds) JAX has.

mod field;
mod lu;
mod reflections;
mod schur;
mod tridiagonal;

#[cfg(feature = "linalg")]
mod decompositions;

use num_complex::Complex;

use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::pjrt::{Kernel, KernelCall};

#[cfg(feature = "linalg")]
pub(super) use decompositions::{GEEV, GESDD, HEEVD};
use field::Field;
pub(super) use lu::GETRF;
pub(super) use reflections::{GEHRD, GEQP3, SYTRD};
pub(super) use schur::GEES;
pub(super) use tridiagonal::{CHOLESKY_UPDATE, GTSV};

/// All that programs may call.
pub(crate) static KERNELS: &[&Kernel] = &[
    &CHOLESKY_UPDATE,
    &GEES,
    &GEHRD,
    &GEQP3,
    &GETRF,
    &GTSV,
    &SYTRD,
    #[cfg(feature = "linalg")]
    &GEEV,
    #[cfg(feature = "linalg")]
    &GESDD,
    #[cfg(feature = "linalg")]
    &HEEVD,
    #[cfg(test)]
    &tests::PANICS,
];

/// A computation that is generic in its numbers.
trait Generic {
    fn run<T: Field>(call: &mut KernelCall<'_>) -> Result<()>;
}

/// Runs it with the numbers that the first operand has.
fn dispatch<G: Generic>(call: &mut KernelCall<'_>) -> Result<()> {
    match call.dtype()? {
        DType::F32 => G::run::<f32>(call),
        DType::F64 => G::run::<f64>(call),
        DType::C64 => G::run::<Complex<f32>>(call),
        DType::C128 => G::run::<Complex<f64>>(call),
        dtype => bail!(Internal, "a kernel for {dtype}"),
    }
}

const fn kernel<G: Generic>(name: &'static str) -> Kernel {
    Kernel { name, run: dispatch::<G> }
}

/// Rows and columns of the matrices of an operand.
fn sides(call: &KernelCall<'_>, operand: usize) -> [usize; 2] {
    let shape = call.shape(operand);
    [shape[shape.len() - 2], shape[shape.len() - 1]]
}

/// The parts of a slice of `n` elements each: none if there are no elements.
fn parts<T>(x: &[T], n: usize) -> impl Iterator<Item = &[T]> {
    x.chunks_exact(n.max(1))
}

/// [`parts`] to be filled in.
fn parts_mut<T>(x: &mut [T], n: usize) -> impl Iterator<Item = &mut [T]> {
    x.chunks_exact_mut(n.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::array::Array;
    use crate::core::aval::{Avals, ShapedArray};
    use crate::core::lowering::LoweringCtx;
    use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
    use crate::core::trace::bind;
    use crate::mlir::Value;

    pub(super) static PANICS: Kernel = Kernel { name: "panics", run: |_| panic!("on purpose") };

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    struct Panics;

    impl Primitive for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }
        fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
            Ok(ins.iter().copied().collect())
        }
        fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
            ctx.kernel_call(&PANICS, &[], ins, outs)
        }
        fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
            bail!(Differentiation, "not differentiated")
        }
        fn batch(&self, _: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
            bail!(Unimplemented, "not batched")
        }
    }

    #[test]
    fn a_panic_of_a_kernel_is_an_error_of_the_call() {
        let x = Array::from([1.0f32, 2.0]);
        let error = bind(Panics, &[&x]).and_then(|outs| outs[0].to_vec::<f32>()).unwrap_err();
        assert!(error.message().contains("panics") && error.message().contains("on purpose"), "{error}");
    }

    #[test]
    fn kernels_have_names_of_their_own() {
        let mut names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
