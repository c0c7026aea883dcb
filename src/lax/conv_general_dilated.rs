//! `conv_general_dilated`: convolution of any rank, linear in each operand. JAX: `conv_general_dilated_p`. StableHLO: `convolution`.

use smallvec::SmallVec;

use crate::arguments::Dims;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::config;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, err};
use crate::lax::conv_dimension_numbers::{
    ConvDimensionNumbers, ConvOptions, merge_axis, split_axis, swapped,
};
use crate::lax::convert_element_type::convert;
use crate::lax::dot_general::{DotOptions, contraction_dtype};
use crate::lax::elementwise::{ANY, bilinear_jvp, one, one_batched, one_dtype, tuple};
use crate::lax::narrow;
use crate::lax::precision::{DotPrecision, precision_attr, precision_in_force, precision_param};
use crate::lax::window::{Padding, Pads, dilate, padded, pads_attr, pairs, windows};
use crate::lax::{rev, zeros};
use crate::mlir::{Value, push_list, push_number, usize_array};

/// Convolves `lhs` (a batch of inputs) with the kernel `rhs`, which is not flipped.
///
/// `f32[N,C,H,W]`, `f32[O,I,h,w]` -> `f32[N,O,H',W']` unless [`ConvOptions::dimension_numbers`] name other orders.
/// `window_strides` and `padding` have one entry for each spatial axis, in the kernel's order.
///
/// ```
/// use raxla::{DType, lax::{self, ConvOptions, Padding}};
///
/// let (x, kernel) = (lax::full([8, 32, 32, 3], 1f32), lax::full([3, 3, 3, 16], 0.5f32));
/// let options = ConvOptions::new().dimension_numbers(("NHWC", "HWIO", "NHWC"));
/// let y = lax::conv_general_dilated(&x, &kernel, (2, 2), Padding::Same, options);
/// // A sum of 3 × 3 × 3 halves.
/// assert_eq!(y.index((0, 1, 1, 0)).item::<f32>()?, 13.5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `conv_general_dilated lhs feature dimension size divided by feature_group_count must equal the rhs input feature
/// dimension size, but 3 // 1 != 2`; parameters of wrong lengths; a named padding together with `lhs_dilation`.
#[track_caller]
pub fn conv_general_dilated(
    lhs: &Array,
    rhs: &Array,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    options: ConvOptions,
) -> Array {
    convolution(lhs, rhs, &window_strides.into(), &padding.into(), &options)
}

#[track_caller]
pub(crate) fn convolution(
    lhs: &Array,
    rhs: &Array,
    strides: &Dims,
    padding: &Padding,
    options: &ConvOptions,
) -> Array {
    let prim = ConvGeneralDilated::new(lhs.shape(), rhs.shape(), strides, padding, options).or_throw();
    bind1(prim, &[lhs, rhs])
}

/// [`conv_general_dilated`] without dilation, groups or other orders of axes.
///
/// # Errors
/// As [`conv_general_dilated`].
#[track_caller]
pub fn conv(lhs: &Array, rhs: &Array, window_strides: impl Into<Dims>, padding: impl Into<Padding>) -> Array {
    convolution(lhs, rhs, &window_strides.into(), &padding.into(), &ConvOptions::new())
}

/// [`conv`], with options.
///
/// # Errors
/// As [`conv`].
#[track_caller]
pub fn conv_with(
    lhs: &Array,
    rhs: &Array,
    window_strides: impl Into<Dims>,
    padding: impl Into<Padding>,
    options: DotOptions,
) -> Array {
    let DotOptions { precision, preferred_element_type } = options;
    let options = ConvOptions { precision, preferred_element_type, ..ConvOptions::new() };
    convolution(lhs, rhs, &window_strides.into(), &padding.into(), &options)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ConvGeneralDilated {
    window_strides: Shape,
    padding: Pads,
    lhs_dilation: Shape,
    rhs_dilation: Shape,
    dims: ConvDimensionNumbers,
    feature_group_count: usize,
    batch_group_count: usize,
    precision: DotPrecision,
    preferred_element_type: Option<DType>,
}

impl ConvGeneralDilated {
    /// The convolution of a user's call.
    fn new(
        lhs: &[usize],
        rhs: &[usize],
        strides: &Dims,
        padding: &Padding,
        options: &ConvOptions,
    ) -> Result<Self> {
        let name = "conv_general_dilated";
        let dims = options.dimension_numbers.resolve(lhs, rhs)?;
        let sizes = |given: &Option<Dims>| match given {
            Some(given) => given.shape(name),
            None => Ok(Shape::from_elem(1, lhs.len().saturating_sub(2))),
        };
        let (lhs_dilation, rhs_dilation) = (sizes(&options.lhs_dilation)?, sizes(&options.rhs_dilation)?);
        if !matches!(padding, Padding::Explicit(_)) && lhs_dilation.iter().any(|d| *d != 1) {
            bail!(
                InvalidArgument,
                "string padding is not implemented for transposed convolution using this op. Please either exactly \
                 specify the required padding or use conv_transpose"
            );
        }
        let window_strides = strides.shape(name)?;
        let spatial: Shape = dims.lhs_spec.iter().skip(2).map(|i| lhs[*i]).collect();
        let kernel = dims.rhs_spec.iter().skip(2).zip(&rhs_dilation);
        let kernel: Shape = kernel.map(|(i, d)| dilate(rhs[*i], *d)).collect();
        let padding = match padding {
            // The check of all parameters says more about other lengths.
            Padding::Same | Padding::SameLower if window_strides.len() != spatial.len() => {
                Pads::from_elem((0, 0), spatial.len())
            }
            padding => padding.pads(&spatial, &kernel, &window_strides)?,
        };
        Ok(ConvGeneralDilated {
            padding,
            window_strides,
            lhs_dilation,
            rhs_dilation,
            dims,
            feature_group_count: options.feature_group_count,
            batch_group_count: options.batch_group_count,
            precision: precision_in_force(options.precision),
            preferred_element_type: options.preferred_element_type.map(config::canonicalize),
        })
    }

    fn apply(&self, lhs: &Array, rhs: &Array) -> Array {
        bind1(self.clone(), &[lhs, rhs])
    }

    /// Sizes of the spatial axes, once dilated: of the input, of the kernel, and of the result by the strides.
    fn dilated(&self, lhs: &[usize], rhs: &[usize], out: &[usize]) -> [SmallVec<[i64; 4]>; 3] {
        let sizes = |shape: &[usize], spec: &[usize], by: &[usize]| -> SmallVec<[i64; 4]> {
            let axes = spec.iter().skip(2).zip(by);
            axes.map(|(i, d)| dilate(shape[*i], *d) as i64).collect()
        };
        [
            sizes(lhs, &self.dims.lhs_spec, &self.lhs_dilation),
            sizes(rhs, &self.dims.rhs_spec, &self.rhs_dilation),
            sizes(out, &self.dims.out_spec, &self.window_strides),
        ]
    }

    /// x̄ = ȳ convolved with the flipped kernel, its features exchanged
    fn transpose_lhs(&self, ct: &Array, lhs: &ShapedArray, rhs: &Array) -> Array {
        let ConvDimensionNumbers { lhs_spec, rhs_spec, out_spec } = &self.dims;
        let groups = self.feature_group_count.max(self.batch_group_count);
        let mut kernel = rhs.clone();
        if groups > 1 {
            kernel = merge_axis(rhs_spec[0], rhs_spec[1], &split_axis(rhs_spec[0], groups, &kernel));
        }
        let [input, window, out] = self.dilated(lhs.shape(), rhs.shape(), ct.shape());
        let padding = (0..window.len()).map(|i| {
            let before = window[i] - self.padding[i].0 - 1;
            (before, input[i] + window[i] - 1 - out[i] - before)
        });
        let prim = ConvGeneralDilated {
            window_strides: self.lhs_dilation.clone(),
            padding: padding.collect(),
            lhs_dilation: self.window_strides.clone(),
            rhs_dilation: self.rhs_dilation.clone(),
            dims: ConvDimensionNumbers {
                lhs_spec: out_spec.clone(),
                rhs_spec: swapped(rhs_spec),
                out_spec: lhs_spec.clone(),
            },
            feature_group_count: groups,
            batch_group_count: 1,
            precision: self.precision,
            preferred_element_type: self.preferred_element_type,
        };
        let kernel = convert(&rev(&kernel, &rhs_spec[2..]), ct.dtype(), false);
        let out = convert(&prim.apply(ct, &kernel), lhs.dtype(), false);
        if self.batch_group_count > 1 {
            return merge_axis(lhs_spec[1], lhs_spec[0], &split_axis(lhs_spec[1], groups, &out));
        }
        out
    }

    /// k̄ = x convolved with ȳ, batch and features exchanged
    fn transpose_rhs(&self, ct: &Array, lhs: &Array, rhs: &ShapedArray) -> Ct {
        if ct.size() == 0 {
            // A kernel without elements would not do.
            return None;
        }
        let ConvDimensionNumbers { lhs_spec, rhs_spec, out_spec } = &self.dims;
        let [input, window, out] = self.dilated(lhs.shape(), rhs.shape(), ct.shape());
        let padding = (0..window.len()).map(|i| {
            let low = self.padding[i].0;
            (low, out[i] - input[i] + window[i] - low - 1)
        });
        let prim = ConvGeneralDilated {
            window_strides: self.rhs_dilation.clone(),
            padding: padding.collect(),
            lhs_dilation: self.lhs_dilation.clone(),
            rhs_dilation: self.window_strides.clone(),
            dims: ConvDimensionNumbers {
                lhs_spec: swapped(lhs_spec),
                rhs_spec: swapped(out_spec),
                out_spec: swapped(rhs_spec),
            },
            feature_group_count: self.batch_group_count,
            batch_group_count: self.feature_group_count,
            precision: self.precision,
            preferred_element_type: self.preferred_element_type,
        };
        let lhs = convert(lhs, ct.dtype(), false);
        Some(convert(&prim.apply(&lhs, ct), rhs.dtype(), false))
    }

    fn check_groups(&self, lhs: &ShapedArray, rhs: &ShapedArray) -> Result<()> {
        let (features, batches) = (self.feature_group_count, self.batch_group_count);
        for (name, count) in [("feature_group_count", features), ("batch_group_count", batches)] {
            if count == 0 {
                bail!(Shape, "conv_general_dilated {name} must be a positive integer, got {count}");
            }
        }
        let ConvDimensionNumbers { lhs_spec, rhs_spec, .. } = &self.dims;
        let (inputs, outputs) = (lhs.shape()[lhs_spec[1]], rhs.shape()[rhs_spec[0]]);
        let kernel_inputs = rhs.shape()[rhs_spec[1]];
        if !inputs.is_multiple_of(features) {
            bail!(
                Shape,
                "conv_general_dilated feature_group_count must divide lhs feature dimension size, but {features} does \
                 not divide {inputs}"
            );
        }
        if inputs / features != kernel_inputs {
            bail!(
                Shape,
                "conv_general_dilated lhs feature dimension size divided by feature_group_count must equal the rhs \
                 input feature dimension size, but {inputs} // {features} != {kernel_inputs} for operands {lhs} and {rhs}"
            );
        }
        let batch = lhs.shape()[lhs_spec[0]];
        if !batch.is_multiple_of(batches) {
            bail!(
                Shape,
                "conv_general_dilated batch_group_count must divide lhs batch dimension size, but {batches} does not \
                 divide {batch}"
            );
        }
        for (name, count) in [("feature_group_count", features), ("batch_group_count", batches)] {
            if !outputs.is_multiple_of(count) {
                bail!(
                    Shape,
                    "conv_general_dilated rhs output feature dimension size must be a multiple of {name}, but \
                     {outputs} is not a multiple of {count}"
                );
            }
        }
        if batches > 1 && features > 1 {
            bail!(
                Shape,
                "at most one of batch_group_count and feature_group_count may be > 1, got batch_group_count={batches} \
                 and feature_group_count={features}"
            );
        }
        Ok(())
    }

    fn out_shape(&self, lhs: &ShapedArray, rhs: &ShapedArray) -> Result<Shape> {
        let ConvDimensionNumbers { lhs_spec, rhs_spec, out_spec } = &self.dims;
        let spatial = rhs_spec.len() - 2;
        let lengths = [
            ("window_strides", self.window_strides.len()),
            ("padding", self.padding.len()),
            ("lhs_dilation", self.lhs_dilation.len()),
            ("rhs_dilation", self.rhs_dilation.len()),
        ];
        for (name, len) in lengths {
            if len != spatial {
                bail!(
                    Shape,
                    "conv_general_dilated window and {name} must have the same number of dimensions, but got \
                     {spatial} and {len} for operands {lhs} and {rhs} of rank {}",
                    lhs.ndim()
                );
            }
        }
        for (name, values) in [
            ("window_strides", &self.window_strides),
            ("lhs_dilation", &self.lhs_dilation),
            ("rhs_dilation", &self.rhs_dilation),
        ] {
            if values.contains(&0) {
                bail!(Shape, "conv_general_dilated {name} must be positive, got {}", tuple(values));
            }
        }
        let mut shape = Shape::from_elem(0, spatial + 2);
        shape[out_spec[0]] = lhs.shape()[lhs_spec[0]] / self.batch_group_count;
        shape[out_spec[1]] = rhs.shape()[rhs_spec[0]];
        for i in 0..spatial {
            let size = dilate(lhs.shape()[lhs_spec[i + 2]], self.lhs_dilation[i]);
            let size = padded(size, self.padding[i]).ok_or_else(|| {
                err!(
                    Shape,
                    "negative padding is larger than the size of the corresponding dimension: got padding={} for \
                     operand {lhs}",
                    pairs(&self.padding)
                )
            })?;
            let window = dilate(rhs.shape()[rhs_spec[i + 2]], self.rhs_dilation[i]);
            shape[out_spec[i + 2]] = windows(size, window, self.window_strides[i]);
        }
        Ok(shape)
    }
}

impl Primitive for ConvGeneralDilated {
    fn name(&self) -> &'static str {
        "conv_general_dilated"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let text = |s: String| Param::Text(s);
        let ConvDimensionNumbers { lhs_spec, rhs_spec, out_spec } = &self.dims;
        let numbers = format!(
            "ConvDimensionNumbers(lhs_spec={}, rhs_spec={}, out_spec={})",
            tuple(lhs_spec),
            tuple(rhs_spec),
            tuple(out_spec)
        );
        vec![
            ("batch_group_count", text(self.batch_group_count.to_string())),
            ("dimension_numbers", text(numbers)),
            ("feature_group_count", text(self.feature_group_count.to_string())),
            ("lhs_dilation", text(tuple(&self.lhs_dilation))),
            ("out_sharding", text("None".into())),
            ("padding", text(pairs(&self.padding))),
            precision_param(self.precision).unwrap_or(("precision", text("None".into()))),
            ("preferred_element_type", text(self.preferred_element_type.map_or("None", |d| d.name()).into())),
            ("rhs_dilation", text(tuple(&self.rhs_dilation))),
            ("window_strides", text(tuple(&self.window_strides))),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [lhs, rhs] = check::arity(self, ins)?;
        if lhs.ndim() != rhs.ndim() || lhs.ndim() < 2 {
            bail!(
                Shape,
                "conv_general_dilated lhs and rhs must have the same number of dimensions, two or more, but got {} and \
                 {}",
                tuple(lhs.shape()),
                tuple(rhs.shape())
            );
        }
        let dtype = one_dtype(self, ins, ANY)?;
        if self.dims.rhs_spec[2..].iter().any(|axis| rhs.shape()[*axis] == 0) {
            bail!(Shape, "conv_general_dilated: a spatial size of rhs is 0, got {}", tuple(rhs.shape()));
        }
        self.check_groups(lhs, rhs)?;
        let shape = self.out_shape(lhs, rhs)?;
        let dtype = contraction_dtype("conv_general_dilated", dtype, dtype, self.preferred_element_type)?;
        Ok(one(ShapedArray::result(ins, &shape, dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        narrow::refuse(ctx, "conv_general_dilated", ins, narrow::TWO_BITS)?;
        let ConvDimensionNumbers { lhs_spec, rhs_spec, out_spec } = &self.dims;
        let spatial = rhs_spec.len() - 2;
        let mut attrs = String::with_capacity(1024);
        let number = |attrs: &mut String, before: &str, n: usize| {
            attrs.push_str(before);
            push_number(attrs, n);
        };
        let axes = |attrs: &mut String, before: &str, axes: &[usize]| {
            attrs.push_str(before);
            push_list(attrs, axes);
        };
        number(&mut attrs, "batch_group_count = ", self.batch_group_count);
        attrs.push_str(" : i64, dimension_numbers = #stablehlo.conv<raw ");
        number(&mut attrs, "input_batch_dimension = ", lhs_spec[0]);
        number(&mut attrs, ", input_feature_dimension = ", lhs_spec[1]);
        axes(&mut attrs, ", input_spatial_dimensions = ", &lhs_spec[2..]);
        number(&mut attrs, ", kernel_input_feature_dimension = ", rhs_spec[1]);
        number(&mut attrs, ", kernel_output_feature_dimension = ", rhs_spec[0]);
        axes(&mut attrs, ", kernel_spatial_dimensions = ", &rhs_spec[2..]);
        number(&mut attrs, ", output_batch_dimension = ", out_spec[0]);
        number(&mut attrs, ", output_feature_dimension = ", out_spec[1]);
        axes(&mut attrs, ", output_spatial_dimensions = ", &out_spec[2..]);
        number(&mut attrs, ">, feature_group_count = ", self.feature_group_count);
        let reversal = if spatial == 0 { "" } else { ": " };
        for (before, value) in [
            (" : i64, lhs_dilation = ", &*usize_array(&self.lhs_dilation)),
            (", padding = ", &pads_attr(&self.padding)),
            (", ", &precision_attr(self.precision)),
            (", rhs_dilation = ", &usize_array(&self.rhs_dilation)),
            (", window_reversal = array<i1", reversal),
            ("", &vec!["false"; spatial].join(", ")),
            (">, window_strides = ", &usize_array(&self.window_strides)),
        ] {
            attrs.push_str(before);
            attrs.push_str(value);
        }
        let convolve = |ctx: &mut LoweringCtx, x: Value, y: Value, dtype: DType| {
            ctx.op_aval("stablehlo.convolution", &[x, y], &attrs, &outs[0].with_dtype(dtype))
        };
        let (x, y, dtype) = (ins[0], ins[1], outs[0].dtype());
        if !ctx.dtype(x).is_complex() {
            return Ok(one(convolve(ctx, x, y, dtype)));
        }
        // XLA has no complex convolution on the GPU and a slow one on the CPU. Gauss: three real products for one.
        let part = |ctx: &mut LoweringCtx, name: &str, v: Value| {
            let (real, shape) = (ctx.dtype(v).real(), ctx.shape(v));
            let ty = ctx.tensor(real, &shape);
            ctx.op1(name, &[v], "", ty)
        };
        let [xr, yr] = [x, y].map(|v| part(ctx, "stablehlo.real", v));
        let [xi, yi] = [x, y].map(|v| part(ctx, "stablehlo.imag", v));
        let real = dtype.real();
        let x_sum = ctx.elementwise("stablehlo.add", &[xr, xi], xr.ty());
        let y_difference = ctx.elementwise("stablehlo.subtract", &[yi, yr], yr.ty());
        let y_sum = ctx.elementwise("stablehlo.add", &[yr, yi], yr.ty());
        let a = convolve(ctx, x_sum, yr, real);
        let b = convolve(ctx, xr, y_difference, real);
        let c = convolve(ctx, xi, y_sum, real);
        let re = ctx.elementwise("stablehlo.subtract", &[a, c], a.ty());
        let im = ctx.elementwise("stablehlo.add", &[a, b], a.ty());
        Ok(one(ctx.op_aval("stablehlo.complex", &[re, im], "", &outs[0])))
    }
    /// d(x ∗ k) = dx ∗ k + x ∗ dk
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        bilinear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ ∗ flipped k, or k̄ = x ∗ ȳ
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [lhs, rhs] = ins else { bail!(Internal, "conv_general_dilated: takes 2 operands") };
        check::bilinear(self, lhs, rhs)?;
        let Some(ct) = &cts[0] else { return Ok(SmallVec::from_elem(None, 2)) };
        let cts = match (lhs, rhs) {
            (LinearInput::Linear(lhs), LinearInput::Known(rhs)) => {
                [Some(self.transpose_lhs(ct, lhs, rhs)), None]
            }
            (LinearInput::Known(lhs), LinearInput::Linear(rhs)) => [None, self.transpose_rhs(ct, lhs, rhs)],
            _ => [None, None],
        };
        Ok(cts.into_iter().collect())
    }
    /// the mapped axis goes into the batch, the features or the groups
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let (lhs, rhs) = (&args[0], &args[1]);
        let ConvDimensionNumbers { lhs_spec, rhs_spec, out_spec } = &self.dims;
        let size = match (dims[0], dims[1]) {
            (Some(d), _) => lhs.shape()[d],
            (_, Some(d)) => rhs.shape()[d],
            _ => bail!(Internal, "conv_general_dilated: nothing is mapped"),
        };
        if size == 0 {
            let unbatched = |x: &Array, d: BatchDim| d.map_or(x.aval(), |d| x.aval().without_axes(&[d]));
            let (x, y) = (unbatched(lhs, dims[0]), unbatched(rhs, dims[1]));
            let aval = self.abstract_eval(&[x, y])?.swap_remove(0).with_axis(0, 0);
            return one_batched(zeros(aval.dtype(), aval.shape()), Some(0));
        }
        let groups = self.feature_group_count.max(self.batch_group_count);
        let (out, dim) = match (dims[0], dims[1]) {
            (Some(l), Some(r)) => {
                let mut prim = self.clone();
                let lhs = if self.batch_group_count > 1 {
                    prim.batch_group_count *= size;
                    merge_axis(l, lhs_spec[0], lhs)
                } else {
                    prim.feature_group_count *= size;
                    merge_axis(l, lhs_spec[1], lhs)
                };
                (prim.apply(&lhs, &merge_axis(r, rhs_spec[0], rhs)), out_spec[1])
            }
            (Some(l), None) if self.batch_group_count == 1 => {
                (self.apply(&merge_axis(l, lhs_spec[0], lhs), rhs), out_spec[0])
            }
            (Some(l), None) => {
                // Groups stay outermost in the batch, the mapped axis comes next.
                let lhs = inside_groups(lhs, l, lhs_spec[0], groups);
                (self.apply(&lhs, rhs), out_spec[0])
            }
            (_, Some(r)) if groups == 1 => (self.apply(lhs, &merge_axis(r, rhs_spec[0], rhs)), out_spec[1]),
            (_, Some(r)) => {
                // Groups stay outermost in the features, the mapped axis comes next; so they are in the result.
                let rhs = inside_groups(rhs, r, rhs_spec[0], groups);
                let out = split_axis(out_spec[1], groups, &self.apply(lhs, &rhs));
                let out = split_axis(out_spec[1] + 1, size, &out);
                return one_batched(merge_axis(out_spec[1], out_spec[1] + 1, &out), Some(out_spec[1]));
            }
            (None, None) => bail!(Internal, "conv_general_dilated: nothing is mapped"),
        };
        one_batched(split_axis(dim, size, &out), Some(dim))
    }
}

/// The mapped axis `dim` of `x` merged into `axis` (counted without it) within each of its groups.
fn inside_groups(x: &Array, dim: usize, axis: usize, groups: usize) -> Array {
    let x = split_axis(axis + usize::from(dim <= axis), groups, x);
    let x = merge_axis(dim + usize::from(axis < dim), axis + 1, &x);
    merge_axis(axis, axis, &x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Precision;
    use crate::error::catch;
    use crate::lax::testing::{Case, Draw, case, check_rules};

    fn x(seed: u64, dtype: DType, lhs: &[usize], rhs: &[usize]) -> [Array; 2] {
        let mut draw = Draw::new(seed);
        [draw.values(dtype, lhs), draw.values(dtype, rhs)]
    }

    fn grouped(name: &str, lhs: &[usize], rhs: &[usize], features: usize, batches: usize) -> Case {
        case(name, x(10, DType::F32, lhs, rhs), move |x| {
            let options = ConvOptions::new()
                .dimension_numbers(("NCW", "OIW", "NCW"))
                .feature_group_count(features)
                .batch_group_count(batches);
            conv_general_dilated(&x[0], &x[1], 1, Padding::Same, options)
        })
    }

    #[test]
    fn rules() {
        check_rules([
            case("conv", x(11, DType::F32, &[2, 2, 4, 3], &[3, 2, 2, 2]), |x| {
                conv_with(
                    &x[0],
                    &x[1],
                    [1, 2],
                    Padding::Same,
                    DotOptions::new().precision(Precision::Highest),
                )
            }),
            case("dilated", x(12, DType::F32, &[1, 5, 2], &[2, 2, 3]), |x| {
                let options = ConvOptions::new()
                    .dimension_numbers(("NWC", "WIO", "NCW"))
                    .lhs_dilation(2)
                    .rhs_dilation(3);
                conv_general_dilated(&x[0], &x[1], 2, [(2, -1)], options)
            }),
            case("complex", x(13, DType::C64, &[1, 1, 4], &[1, 1, 2]), |x| {
                conv(&x[0], &x[1], 1, Padding::Valid)
            }),
            case("no spatial axes", x(14, DType::F32, &[2, 3], &[4, 3]), |x| {
                conv(&x[0], &x[1], (), Padding::Valid)
            }),
        ]);
    }

    #[test]
    fn rules_with_groups() {
        check_rules([
            grouped("feature groups", &[2, 4, 3], &[4, 2, 2], 2, 1),
            grouped("batch groups", &[4, 2, 3], &[4, 2, 2], 1, 2),
        ]);
    }

    #[test]
    fn parameters_are_checked() {
        let [lhs, rhs] = x(15, DType::F32, &[1, 3, 4], &[2, 2, 2]);
        let e = catch(|| Ok(conv(&lhs, &rhs, 1, Padding::Same))).unwrap_err();
        assert_eq!(
            e.message(),
            "conv_general_dilated lhs feature dimension size divided by feature_group_count must equal the rhs input \
             feature dimension size, but 3 // 1 != 2 for operands f32[1,3,4] and f32[2,2,2]"
        );
        let [lhs, rhs] = x(15, DType::F32, &[1, 2, 4], &[2, 2, 2]);
        let e = catch(|| Ok(conv(&lhs, &rhs, [1, 1], Padding::Valid))).unwrap_err();
        assert_eq!(
            e.message(),
            "conv_general_dilated window and window_strides must have the same number of dimensions, but got 1 and 2 for \
             operands f32[1,2,4] and f32[2,2,2] of rank 3"
        );
    }
}
