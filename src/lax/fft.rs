//! `fft`: discrete Fourier transforms of the last axes; linear. JAX: `fft_p`, `lax.fft`. StableHLO: `fft`.

use crate::arguments::Dims;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail, throw};
use crate::lax::common::arguments::sizes_of;
use crate::lax::elementwise::{batch_in_front, linear_ct, linear_jvp, one, tuple};
use crate::lax::{
    bitwise_and, broadcast_in_dim, conj, convert_element_type, div, full, full_like, ge, iota, literal, lt,
    mul, select,
};
use crate::mlir::{Value, usize_array};

/// Which transform [`fft`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FftType {
    /// Complex to complex, forward.
    Fft,
    /// Complex to complex, inverse: divided by the number of elements.
    Ifft,
    /// Real to complex, forward: the last axis has `n / 2 + 1` elements, the others follow by symmetry.
    Rfft,
    /// The inverse of [`Rfft`](Self::Rfft): divided by the number of elements.
    Irfft,
}

impl FftType {
    fn text(self) -> &'static str {
        match self {
            FftType::Fft => "FFT",
            FftType::Ifft => "IFFT",
            FftType::Rfft => "RFFT",
            FftType::Irfft => "IRFFT",
        }
    }
}

/// The discrete Fourier transform of `x` over its last axes, as many as `fft_lengths` has entries.
///
/// `fft_lengths` are the sizes of the real or untransformed side: `c64[2,8]`, `Fft`, `[8]` -> `c64[2,8]`; `f32[2,8]`, `Rfft`,
/// `[8]` -> `c64[2,5]`; `c64[2,5]`, `Irfft`, `[8]` -> `f32[2,8]`. Operands become complex (for `Rfft`: float).
///
/// ```
/// use raxla::{Array, lax::{self, FftType}};
/// let x = Array::from([1.0f32, 0.0, 0.0, 0.0]);
/// let y = lax::fft(&x, FftType::Rfft, 4);
/// assert_eq!(lax::real(&y).to_vec::<f32>()?, [1.0, 1.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `only real valued inputs supported for rfft`; more lengths than axes, or lengths that are not the operand's sizes.
#[track_caller]
pub fn fft(x: &Array, fft_type: FftType, fft_lengths: impl Into<Dims>) -> Array {
    transform(x, fft_type, &sizes_of("fft", &fft_lengths.into()))
}

#[track_caller]
fn transform(x: &Array, fft_type: FftType, fft_lengths: &[usize]) -> Array {
    let dtype = x.dtype();
    let x = match fft_type {
        FftType::Rfft if dtype.is_complex() => {
            throw!(DType, "only real valued inputs supported for rfft");
        }
        FftType::Rfft if dtype.is_float() => x.clone(),
        FftType::Rfft => convert_element_type(x, if dtype.bits() == 64 { DType::F64 } else { DType::F32 }),
        _ if dtype.is_complex() => x.clone(),
        _ => convert_element_type(x, if dtype.bits() == 64 { DType::C128 } else { DType::C64 }),
    };
    if fft_lengths.is_empty() {
        return x;
    }
    bind1(Fft { fft_type, fft_lengths: fft_lengths.into() }, &[&x])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Fft {
    fft_type: FftType,
    fft_lengths: Shape,
}

impl Fft {
    /// `x` with what stands for itself and for its mirror image counted twice: `by` is `mul` or `div`. The first element of
    /// the last axis, and the middle one if the transform has even length, stand for themselves.
    fn count_mirrored(&self, x: &Array, by: fn(&Array, &Array) -> Array) -> Array {
        let axis = x.ndim() - 1;
        let n = x.shape()[axis];
        let end = n as i32 - 1 + (self.last() % 2) as i32;
        let at = iota(DType::I32, n);
        let bound = |i: i32| full([n], Array::scalar(i));
        let twice = bitwise_and(&ge(&at, &bound(1)), &lt(&at, &bound(end)));
        let twice = broadcast_in_dim(&twice, x.shape(), [axis]);
        select(&twice, &by(x, &full_like(x, 2.0)), x)
    }

    fn last(&self) -> usize {
        self.fft_lengths[self.fft_lengths.len() - 1]
    }

    fn apply(&self, x: &Array, fft_type: FftType) -> Array {
        fft(x, fft_type, &self.fft_lengths)
    }
}

impl Primitive for Fft {
    fn name(&self) -> &'static str {
        "fft"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("fft_lengths", Param::Text(tuple(&self.fft_lengths))),
            ("fft_type", Param::Text((self.fft_type as usize).to_string())),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let (kind, lengths) = (self.fft_type.text(), &self.fft_lengths[..]);
        let n = lengths.len();
        if n > x.ndim() {
            bail!(
                Shape,
                "FFT input shape {} must have at least as many input dimensions as fft_lengths {}",
                tuple(x.shape()),
                tuple(lengths)
            );
        }
        let last = &x.shape()[x.ndim() - n..];
        let mut shape = Shape::from_slice(x.shape());
        let end = shape.len() - 1;
        let dtype = match self.fft_type {
            FftType::Rfft => {
                if !matches!(x.dtype(), DType::F32 | DType::F64) {
                    bail!(DType, "RFFT input must be f32 or f64, got {}", x.dtype());
                }
                if self.last() == 0 {
                    bail!(
                        Shape,
                        "RFFT of an axis without elements, in an input of shape {}",
                        tuple(x.shape())
                    );
                }
                shape[end] = self.last() / 2 + 1;
                if x.dtype() == DType::F32 { DType::C64 } else { DType::C128 }
            }
            _ if !x.dtype().is_complex() => {
                bail!(DType, "{kind} input must be c64 or c128, got {}", x.dtype())
            }
            FftType::Irfft => {
                shape[end] = self.last();
                x.dtype().real()
            }
            _ => x.dtype(),
        };
        // The last axis of an inverse real transform is what it is: the rest follows by symmetry.
        let checked = if self.fft_type == FftType::Irfft { n - 1 } else { n };
        if last[..checked] != lengths[..checked] {
            bail!(
                Shape,
                "{kind} input shape {} minor dimensions must be equal to fft_lengths {}",
                tuple(x.shape()),
                tuple(lengths)
            );
        }
        Ok(one(ShapedArray::new(dtype, &shape)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let attrs = format!(
            "fft_length = {}, fft_type = #stablehlo<fft_type {}>",
            usize_array(&self.fft_lengths),
            self.fft_type.text()
        );
        Ok(one(ctx.op_aval("stablehlo.fft", &[ins[0]], &attrs, &outs[0])))
    }
    /// dy = the transform of dx
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = the same transform of ȳ, since the matrix is symmetric; for the real ones the inverse one of each other, with
    /// elements that stand for two counted twice
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| {
            let count = self.fft_lengths.iter().product::<usize>() as f64;
            match self.fft_type {
                FftType::Fft | FftType::Ifft => bind1(self.clone(), &[ct]),
                FftType::Rfft => {
                    let out = self.apply(&self.count_mirrored(&conj(ct), div), FftType::Irfft);
                    mul(&out, &literal(out.dtype(), count))
                }
                FftType::Irfft => {
                    let out = self.count_mirrored(&self.apply(ct, FftType::Rfft), mul);
                    conj(&mul(&out, &literal(out.dtype(), 1.0 / count)))
                }
            }
        }))
    }
    /// the mapped axis goes in front
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batch_in_front(self.clone(), args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::zeros;

    #[test]
    fn rules() {
        let mut draw = Draw::new(60);
        let mut x = |dtype, shape: &[usize]| draw.values(dtype, shape);
        check_rules([
            case("fft", [x(DType::C64, &[2, 3])], |x| fft(&x[0], FftType::Fft, [3])),
            case("ifft", [x(DType::C64, &[2, 3])], |x| fft(&x[0], FftType::Ifft, [2, 3])),
            case("rfft", [x(DType::F32, &[2, 4])], |x| fft(&x[0], FftType::Rfft, [4])),
            case("odd rfft", [x(DType::F32, &[2, 3])], |x| fft(&x[0], FftType::Rfft, [2, 3])),
            case("irfft", [x(DType::C64, &[2, 3])], |x| fft(&x[0], FftType::Irfft, [4])),
            case("odd irfft", [x(DType::C64, &[2])], |x| fft(&x[0], FftType::Irfft, [3])),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        let message = |x: &Array, fft_type, lengths: &[usize]| {
            catch(|| Ok(fft(x, fft_type, lengths))).unwrap_err().message().to_owned()
        };
        let x = Array::from([1.0f32, 2.0]);
        assert_eq!(
            message(&zeros(DType::C64, &[2]), FftType::Rfft, &[2]),
            "only real valued inputs supported for rfft"
        );
        assert_eq!(
            message(&x, FftType::Rfft, &[3]),
            "RFFT input shape (2,) minor dimensions must be equal to fft_lengths (3,)"
        );
        assert_eq!(
            message(&x, FftType::Fft, &[2, 2]),
            "FFT input shape (2,) must have at least as many input dimensions as fft_lengths (2, 2)"
        );
    }
}
