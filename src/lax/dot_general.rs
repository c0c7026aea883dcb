//! `dot_general`: contraction of two arrays; linear in each. JAX: `dot_general_p`. StableHLO: `dot_general`.

use smallvec::SmallVec;

use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::config;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::small::small;
use crate::core::trace::bind1;
use crate::dtype::{DType, Format};
use crate::error::{OrThrow, Result, bail};
use crate::lax::convert_element_type::convert;
use crate::lax::dot_side::{DotSide, axes_of_result};
use crate::lax::elementwise::{bilinear_jvp, one, one_batched, tuple};
use crate::lax::narrow;
use crate::lax::precision::{DotPrecision, precision_in_force, precision_name, precision_param};
use crate::lax::transpose::permuted;
use crate::mlir::{Value, list, push_list};

/// `((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch))`: axes that are summed over in pairs, and axes that go
/// through both operands in pairs, as in `(([2], [1]), ([0], [0]))`, `((1, 0), ((), ()))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DotDimensionNumbers {
    contracting: (Axes, Axes),
    batch: (Axes, Axes),
}

impl<A, B, C, D> From<((A, B), (C, D))> for DotDimensionNumbers
where
    A: Into<Axes>,
    B: Into<Axes>,
    C: Into<Axes>,
    D: Into<Axes>,
{
    fn from(((lhs, rhs), (lhs_batch, rhs_batch)): ((A, B), (C, D))) -> Self {
        DotDimensionNumbers {
            contracting: (lhs.into(), rhs.into()),
            batch: (lhs_batch.into(), rhs_batch.into()),
        }
    }
}

impl DotDimensionNumbers {
    /// Of `lhs` and of `rhs`.
    #[track_caller]
    pub(crate) fn sides(&self, lhs: &Array, rhs: &Array) -> [DotSide; 2] {
        let Dims { lhs, rhs } = Dims::new(self, lhs, rhs);
        [lhs, rhs]
    }

    /// [`sides`](Self::sides) of operands that fit each other, as [`dot_general`] has it.
    #[track_caller]
    pub(crate) fn checked_sides(&self, lhs: &Array, rhs: &Array) -> [DotSide; 2] {
        let dot = DotGeneral::new(self, lhs, rhs, &DotOptions::new());
        dot.abstract_eval(&[lhs.aval(), rhs.aval()]).or_throw();
        [dot.dims.lhs, dot.dims.rhs]
    }
}

options! {
    /// Options of the contractions [`dot_general_with`], [`batch_matmul_with`](crate::lax::batch_matmul_with) and [`conv_with`](crate::lax::conv_with).
    pub struct DotOptions {
        /// The precision, of both operands or of each. If it is not given it is the setting in force
        /// ([`with_matmul_precision`](crate::core::config::with_matmul_precision)).
        precision: optional_into DotPrecision,
        /// The dtype to sum in and to return.
        preferred_element_type: optional DType,
    }
}

/// The contraction of `lhs` and `rhs`: products summed over the contracting axes, for each index of the batch axes.
///
/// The result has the batch axes first, then what is left of `lhs`, then of `rhs`:
/// `f32[2,3,4]`, `f32[2,4,5]`, `((2, 1), (0, 0))` -> `f32[2,3,5]`. The operands' dtypes may differ; the result has the wider.
///
/// ```
/// use raxla::{Array, lax};
///
/// let (x, y) = (Array::from([[1.0f32, 2.0], [3.0, 4.0]]), Array::from([1.0f32, 10.0]));
/// let z = lax::dot_general(&x, &y, ((1, 0), ((), ())));
/// assert_eq!(z.to_vec::<f32>()?, [21.0, 43.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `dot_general requires contracting dimensions to have the same shape, got (3,) and (4,) for operands …`; dimension numbers that are
/// out of range or repeated.
#[track_caller]
pub fn dot_general(lhs: &Array, rhs: &Array, dimension_numbers: impl Into<DotDimensionNumbers>) -> Array {
    contraction(lhs, rhs, &dimension_numbers.into(), &DotOptions::new())
}

/// [`dot_general`], with options.
///
/// ```
/// use raxla::{Array, DType, lax::{self, DotOptions}};
///
/// let x = lax::full(([4], DType::BF16), 1.0);
/// let options = DotOptions::new().preferred_element_type(DType::F32);
/// assert_eq!(lax::dot_general_with(&x, &x, ((0, 0), ((), ())), options).dtype(), DType::F32);
/// ```
///
/// # Errors
/// As [`dot_general`]; a `preferred_element_type` that is narrower than the operands' integers.
#[track_caller]
pub fn dot_general_with(
    lhs: &Array,
    rhs: &Array,
    dimension_numbers: impl Into<DotDimensionNumbers>,
    options: DotOptions,
) -> Array {
    contraction(lhs, rhs, &dimension_numbers.into(), &options)
}

#[track_caller]
fn contraction(lhs: &Array, rhs: &Array, numbers: &DotDimensionNumbers, options: &DotOptions) -> Array {
    bind1(DotGeneral::new(numbers, lhs, rhs, options), &[lhs, rhs])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Dims {
    lhs: DotSide,
    rhs: DotSide,
}

impl Dims {
    #[track_caller]
    fn new(numbers: &DotDimensionNumbers, lhs: &Array, rhs: &Array) -> Self {
        Dims {
            lhs: DotSide::new("lhs", &numbers.contracting.0, &numbers.batch.0, lhs),
            rhs: DotSide::new("rhs", &numbers.contracting.1, &numbers.batch.1, rhs),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct DotGeneral {
    dims: Dims,
    precision: DotPrecision,
    preferred_element_type: Option<DType>,
}

/// Has this product of matrices batch dimensions? `None` if it is none.
pub(crate) fn has_batch_dimensions(prim: &crate::core::primitive::Prim) -> Option<bool> {
    prim.as_any().downcast_ref::<DotGeneral>().map(|dot| !dot.dims.lhs.batch.is_empty())
}

fn pick(shape: &[usize], axes: &[usize]) -> Shape {
    small(axes.iter().map(|a| shape[*a]))
}

/// Do axes that belong together have one size?
fn pairs(x: &ShapedArray, x_axes: &[usize], y: &ShapedArray, y_axes: &[usize]) -> bool {
    x_axes.len() == y_axes.len() && x_axes.iter().zip(y_axes).all(|(a, b)| x.shape()[*a] == y.shape()[*b])
}

/// Orders dtypes by how much they hold: complex, exponent, mantissa, width, sign.
fn dtype_rank(dtype: DType) -> (bool, i32, i32, usize, bool) {
    let (exponent, mantissa) = match dtype.real() {
        DType::BF16 => (128, 7),
        DType::F16 => (16, 10),
        DType::F32 => (128, 23),
        DType::F64 => (1024, 52),
        real => match Format::of(real) {
            Some(format) => (format.max_exponent(), format.parts().0),
            None => (-1, -1),
        },
    };
    let bits = if dtype.is_bool() { 1 } else { dtype.bits() };
    (dtype.is_complex(), exponent, mantissa, bits, !dtype.is_unsigned())
}

/// The dtype of a contraction's result.
pub(crate) fn contraction_dtype(
    name: &str,
    lhs: DType,
    rhs: DType,
    preferred_element_type: Option<DType>,
) -> Result<DType> {
    let wider = if lhs == rhs || dtype_rank(lhs) >= dtype_rank(rhs) { lhs } else { rhs };
    if lhs != rhs && dtype_rank(lhs) == dtype_rank(rhs) {
        bail!(DType, "{name} argument type error: {}, {}", lhs.name(), rhs.name());
    }
    match preferred_element_type {
        Some(preferred) if preferred != wider => {
            if !wider.is_float() && preferred.bits() < wider.bits() {
                bail!(
                    DType,
                    "{name}: preferred_element_type must not be narrower than the original type, got \
                     preferred_element_type of {} for result type of {}",
                    preferred.name(),
                    wider.name()
                );
            }
            Ok(preferred)
        }
        _ => Ok(wider),
    }
}

impl DotGeneral {
    #[track_caller]
    fn new(numbers: &DotDimensionNumbers, lhs: &Array, rhs: &Array, options: &DotOptions) -> Self {
        let dims = Dims::new(numbers, lhs, rhs);
        let precision = precision_in_force(options.precision);
        let preferred_element_type = options.preferred_element_type.map(config::canonicalize);
        DotGeneral { dims, precision, preferred_element_type }
    }

    fn apply(&self, lhs: &Array, rhs: &Array) -> Array {
        bind1(self.clone(), &[lhs, rhs])
    }

    fn with_dims(&self, dims: Dims) -> Self {
        DotGeneral { dims, precision: self.precision, preferred_element_type: self.preferred_element_type }
    }

    /// The cotangent of the operand `x`, whose axes are `x_side`, from that of the result; `y` is the other operand.
    fn transpose_one(
        &self,
        ct: &Array,
        x: &ShapedArray,
        x_side: &DotSide,
        y: &Array,
        y_side: &DotSide,
        x_is_lhs: bool,
    ) -> Array {
        let batch = x_side.batch.len();
        let y_kept: Shape = small(y_side.kept(y.ndim()));
        let from_lhs = if x_is_lhs { x_side.kept(x.ndim()).count() } else { y_kept.len() };
        let [of_batch, of_lhs, of_rhs] = axes_of_result(batch, from_lhs, ct.ndim());
        let of_y = if x_is_lhs { of_rhs } else { of_lhs };
        let dims = Dims {
            lhs: DotSide { contracting: small(of_y), batch: small(of_batch) },
            rhs: DotSide { contracting: y_kept, batch: Shape::from_slice(&y_side.batch) },
        };
        let product = self.with_dims(dims).apply(ct, y);
        // The product has the axes batch, kept from x, then those contracted before, in the order of `y`'s axes.
        let pairs = y_side.contracting.iter().copied().zip(x_side.contracting.iter().copied());
        let mut pairs: SmallVec<[(usize, usize); 4]> = small(pairs);
        pairs.sort_unstable();
        let permutation = x_side.permutation_back(x.ndim(), pairs.iter().map(|(_, x)| *x));
        convert(&permuted(&product, permutation), x.dtype(), false)
    }
}

impl Primitive for DotGeneral {
    fn name(&self) -> &'static str {
        "dot_general"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let Dims { lhs, rhs } = &self.dims;
        let numbers = format!(
            "(({}, {}), ({}, {}))",
            list(&lhs.contracting),
            list(&rhs.contracting),
            list(&lhs.batch),
            list(&rhs.batch)
        );
        let preferred =
            self.preferred_element_type.map(|d| ("preferred_element_type", Param::Text(d.name().into())));
        let mut params = vec![("dimension_numbers", Param::Text(numbers))];
        params.extend(precision_param(self.precision));
        params.extend(preferred);
        params
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x, y] = check::arity(self, ins)?;
        check::no_float0(self, ins)?;
        let Dims { lhs, rhs } = &self.dims;
        if lhs.batch.len() != rhs.batch.len() {
            bail!(
                Shape,
                "dot_general requires equal numbers of lhs_batch and rhs_batch dimensions, got lhs_batch {} and \
                 rhs_batch {}",
                tuple(&lhs.batch),
                tuple(&rhs.batch)
            );
        }
        lhs.check("lhs", x)?;
        rhs.check("rhs", y)?;
        if !pairs(x, &lhs.batch, y, &rhs.batch) {
            let (l, r) = (pick(x.shape(), &lhs.batch), pick(y.shape(), &rhs.batch));
            bail!(
                Shape,
                "dot_general requires lhs batch dimensions and rhs batch dimensions to have the same shape, got {} \
                 and {}",
                tuple(&l),
                tuple(&r)
            );
        }
        if !pairs(x, &lhs.contracting, y, &rhs.contracting) {
            let (l, r) = (pick(x.shape(), &lhs.contracting), pick(y.shape(), &rhs.contracting));
            bail!(
                Shape,
                "dot_general requires contracting dimensions to have the same shape, got {} and {} for operands {x} \
                 and {y}",
                tuple(&l),
                tuple(&r)
            );
        }
        let mut shape = pick(x.shape(), &lhs.batch);
        lhs.kept(x.ndim()).for_each(|a| shape.push(x.shape()[a]));
        rhs.kept(y.ndim()).for_each(|a| shape.push(y.shape()[a]));
        let dtype = contraction_dtype("dot_general", x.dtype(), y.dtype(), self.preferred_element_type)?;
        Ok(one(ShapedArray::result(ins, &shape, dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (mut lhs, mut rhs) = (ins[0], ins[1]);
        let dtypes = [ctx.dtype(lhs), ctx.dtype(rhs)];
        let lacks = if dtypes.contains(&outs[0].dtype()) { narrow::TWO_BITS } else { narrow::SUB_BYTE };
        narrow::refuse(ctx, "dot_general", ins, lacks)?;
        // One float of eight bits may not hold what another does.
        let eight_bits = |d: DType| d.is_small_float() && !d.is_sub_byte() && d != DType::F8E4M3B11FNUZ;
        if dtypes[0] != dtypes[1] && !dtypes.into_iter().all(eight_bits) {
            // Backends accept few mixtures of dtypes.
            lhs = ctx.convert(lhs, outs[0].dtype());
            rhs = ctx.convert(rhs, outs[0].dtype());
        }
        let Dims { lhs: l, rhs: r } = &self.dims;
        let middle = |out: &mut String| {
            if !l.batch.is_empty() {
                out.push_str(", batching_dims = ");
                push_list(out, &l.batch);
                out.push_str(" x ");
                push_list(out, &r.batch);
            }
            out.push_str(", contracting_dims = ");
            push_list(out, &l.contracting);
            out.push_str(" x ");
            push_list(out, &r.contracting);
            let [lhs, rhs] = self.precision.0.map(precision_name);
            out.push_str(", precision = [");
            out.push_str(lhs);
            out.push_str(", ");
            out.push_str(rhs);
            out.push(']');
        };
        let ty = ctx.ty(&outs[0]);
        Ok(one(ctx.short("stablehlo.dot_general", &[lhs, rhs], middle, ty)))
    }
    /// d(x · y) = dx · y + x · dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        bilinear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = z̄ · y over the axes of y alone, or ȳ = z̄ · x over those of x alone
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [x, y] = ins else { bail!(Internal, "dot_general: takes 2 operands") };
        check::bilinear(self, x, y)?;
        let Some(ct) = &cts[0] else { return Ok(ins.iter().map(|_| None).collect()) };
        let Dims { lhs, rhs } = &self.dims;
        let x_ct = match (x, y) {
            (LinearInput::Linear(x), LinearInput::Known(y)) => {
                Some(self.transpose_one(ct, x, lhs, y, rhs, true))
            }
            _ => None,
        };
        let y_ct = match (x, y) {
            (LinearInput::Known(x), LinearInput::Linear(y)) => {
                Some(self.transpose_one(ct, y, rhs, x, lhs, false))
            }
            _ => None,
        };
        Ok(SmallVec::from_buf([x_ct, y_ct]))
    }
    /// mapped on both sides: one more batch axis; on one side: one more axis that the result keeps
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let (x, y) = (&args[0], &args[1]);
        let Dims { lhs, rhs } = &self.dims;
        let (dims, out) = match (dims[0], dims[1]) {
            (Some(l), Some(r)) => {
                let (mut lhs, mut rhs) = (lhs.shifted(l), rhs.shifted(r));
                lhs.batch.insert(0, l);
                rhs.batch.insert(0, r);
                (Dims { lhs, rhs }, 0)
            }
            (Some(l), None) => {
                let side = lhs.shifted(l);
                let before = side.kept(x.ndim()).filter(|a| *a < l).count();
                let out = side.batch.len() + before;
                (Dims { lhs: side, rhs: rhs.clone() }, out)
            }
            (None, Some(r)) => {
                let side = rhs.shifted(r);
                let before = side.kept(y.ndim()).filter(|a| *a < r).count();
                let out = x.ndim() - lhs.contracting.len() + before;
                (Dims { lhs: lhs.clone(), rhs: side }, out)
            }
            (None, None) => bail!(Internal, "dot_general: nothing is mapped"),
        };
        one_batched(self.with_dims(dims).apply(x, y), Some(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Precision;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::{DotProductOptions, batch_matmul, batch_matmul_with, dot, dot_with};

    fn message(body: impl FnOnce() -> Array) -> String {
        catch(|| Ok(body())).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_matrix_product_and_a_batch_of_them() {
        let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
        let y = Array::from([[5.0f32, 6.0, 7.0], [8.0, 9.0, 10.0]]);
        assert_eq!(dot(&x, &y).to_vec::<f32>().unwrap(), [21., 24., 27., 47., 54., 61.]);
        let x = Array::from_slice(&[1i32, 2, 3, 4], [2, 1, 2]);
        let y = Array::from_slice(&[5i32, 6, 7, 8], [2, 2, 1]);
        let z = batch_matmul(&x, &y);
        assert_eq!((z.shape(), z.to_vec::<i32>().unwrap()), (&[2, 1, 1][..], vec![17, 53]));
    }

    #[test]
    fn the_wider_dtype_or_the_preferred_one_is_the_results() {
        let x = Array::from([half::bf16::ONE; 3]);
        let y = Array::from([2.0f32; 3]);
        assert_eq!(dot(&x, &y).item::<f32>().unwrap(), 6.0);
        let options =
            DotProductOptions::new().precision(Precision::Highest).preferred_element_type(DType::F32);
        let z = dot_with(&x, &x, options);
        assert_eq!(z.item::<f32>().unwrap(), 3.0);
    }

    #[test]
    fn dot_takes_dimension_numbers() {
        let x = Array::from([[1i32, 2], [3, 4]]);
        let rows = DotProductOptions::new().dimension_numbers(((1, 1), (0, 0)));
        assert_eq!(dot_with(&x, &x, rows).to_vec::<i32>().unwrap(), [5, 25]);
    }

    #[test]
    fn mismatched_dimensions_are_errors_in_jaxs_words() {
        let x = Array::from([[1.0f32, 2.0]]);
        assert_eq!(
            message(|| dot_general(&x, &x, (([1], [0]), ((), ())))),
            "dot_general requires contracting dimensions to have the same shape, got (2,) and (1,) for operands \
             f32[1,2] and f32[1,2]"
        );
        assert_eq!(
            message(|| dot_general(&x, &x, (([2], [0]), ((), ())))),
            "dot_general requires lhs dimension numbers to be nonnegative and less than the number of axes of the lhs \
             value, got lhs_batch of [] and lhs_contracting of [2] for lhs of rank 2"
        );
        assert_eq!(
            message(|| dot_general(&x, &x, (([0], [0]), ([0], [0])))),
            "dot_general requires lhs batch dimensions to be disjoint from contracting dimensions, got lhs_batch (0,) \
             and lhs_contracting (0,)"
        );
        assert!(message(|| dot(&x, &x)).contains("lhs_shape=(1, 2) rhs_shape=(1, 2)"));
        assert_eq!(
            message(|| batch_matmul(&Array::from([1.0f32]), &x)),
            "arguments to batch_matmul must be at least 2D, got 1, 2"
        );
    }
    #[test]
    fn rules() {
        use DType::{BF16, C64, F32, I32};
        let mut draw = Draw::new(2);
        let mut values = |dtype, shape: &[usize]| draw.values(dtype, shape);
        check_rules([
            case("matmul", [values(F32, &[2, 3]), values(F32, &[3, 4])], |x| dot(&x[0], &x[1])),
            case("matvec", [values(C64, &[2, 3]), values(C64, &[3])], |x| dot(&x[0], &x[1])),
            case("ints", [values(I32, &[2, 3]), values(I32, &[3])], |x| dot(&x[0], &x[1])),
            case("mixed", [values(BF16, &[3]), values(F32, &[3])], |x| dot(&x[0], &x[1])),
            case("batch", [values(F32, &[2, 1, 3]), values(F32, &[2, 3, 2])], |x| {
                batch_matmul_with(&x[0], &x[1], DotOptions::new().precision(Precision::Highest))
            }),
            case("permuted axes", [values(F32, &[2, 3, 4, 5]), values(F32, &[4, 5, 2, 6])], |x| {
                dot_general(&x[0], &x[1], (([3, 2], [1, 0]), ([0], [2])))
            }),
            case("two batch axes", [values(F32, &[2, 3, 4]), values(F32, &[3, 4, 2])], |x| {
                dot_general(&x[0], &x[1], (([2], [1]), ([1, 0], [0, 2])))
            }),
            case("outer", [values(F32, &[2]), values(F32, &[3])], |x| {
                dot_general(&x[0], &x[1], (((), ()), ((), ())))
            }),
        ]);
    }
}
