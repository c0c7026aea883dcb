//! `select_and_gather_add`, `select_and_scatter_add`: the derivatives of `reduce_window_max` and `reduce_window_min`;
//! linear in the tangent. JAX: `select_and_gather_add_p`, `select_and_scatter_add_p`. StableHLO: `reduce_window` of
//! pairs, `select_and_scatter`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one, one_batched, tuple};
use crate::lax::extremum::{highest, lowest};
use crate::lax::window::{Pads, Window, pads_attr, pairs};
use crate::lax::{broadcast_in_dim, move_axis, pad, strided_slice};
use crate::mlir::{Value, Values, usize_array};

/// For each window over `operand`, the element of `tangents` where the window's extremum is (the first of several).
#[track_caller]
pub(crate) fn select_and_gather_add(tangents: &Array, operand: &Array, max: bool, window: Window) -> Array {
    bind1(SelectAndGatherAdd { max, window }, &[tangents, operand])
}

/// Adds each element of `source` to zeros of `operand`'s shape, where the extremum of its window is.
#[track_caller]
fn select_and_scatter_add(
    source: &Array,
    operand: &Array,
    max: bool,
    dimensions: &[usize],
    strides: &[usize],
    padding: &[(i64, i64)],
) -> Array {
    let prim = SelectAndScatterAdd {
        max,
        dimensions: dimensions.into(),
        strides: strides.into(),
        padding: padding.into(),
    };
    bind1(prim, &[source, operand])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SelectAndGatherAdd {
    max: bool,
    window: Window,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SelectAndScatterAdd {
    max: bool,
    dimensions: Shape,
    strides: Shape,
    padding: Pads,
}

fn select_param(max: bool) -> (&'static str, Param) {
    ("select_prim", Param::Text(if max { "ge" } else { "le" }.into()))
}

/// The value that no element of a window loses against.
fn identity(max: bool, dtype: DType) -> Scalar {
    if max { lowest(dtype) } else { highest(dtype) }
}

/// Results and tangents of an operation that is linear in its first operand and piecewise constant in its second.
fn first_operand_jvp(prim: impl Primitive + Clone, primals: &[Array], tangents: &[Tangent]) -> Jvp {
    let [source, operand] = primals else { bail!(Internal, "{}: takes 2 operands", prim.name()) };
    let tangent = tangents[0].as_ref().map(|dx| bind1(prim.clone(), &[dx, operand]));
    Ok((one(bind1(prim, &[source, operand])), one(tangent)))
}

/// Both operands with the mapped axis in front.
fn both_in_front(args: &[Array], dims: &[BatchDim]) -> [Array; 2] {
    let mut mapped = args.iter().zip(dims).filter_map(|(x, d)| d.map(|d| x.shape()[d]));
    let size = mapped.next().unwrap_or(1);
    let front = |i: usize| match dims[i] {
        Some(d) => move_axis(&args[i], d, 0),
        None => {
            let x = &args[i];
            let shape: Shape = std::iter::once(size).chain(x.shape().iter().copied()).collect();
            broadcast_in_dim(x, &shape, (1..shape.len()).collect::<Shape>())
        }
    };
    [front(0), front(1)]
}

impl Primitive for SelectAndGatherAdd {
    fn name(&self) -> &'static str {
        "select_and_gather_add"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = self.window.params();
        params.insert(2, select_param(self.max));
        params
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [tangents, x] = check::arity(self, ins)?;
        if tangents.shape() != x.shape() {
            bail!(
                Shape,
                "select_and_gather_add tangents and operand shapes must match, got {} and {}",
                tuple(tangents.shape()),
                tuple(x.shape())
            );
        }
        Ok(one(tangents.with_shape(&self.window.out_shape(x)?).with_weak_type(check::all_weak(ins))))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let [tangents, x] = *ins else { bail!(Internal, "select_and_gather_add: takes 2 operands") };
        let dtype = ctx.dtype(x);
        let init = ctx.constant(identity(self.max, dtype));
        let zero = ctx.constant(Scalar::from_f64(outs[0].dtype(), 0.0));
        let tys = [ctx.tensor(dtype, outs[0].shape()), ctx.ty(&outs[0])];
        let direction = if self.max { "GE" } else { "LE" };
        let results = self.window.reduce(ctx, &[x, tangents], &[init, zero], &tys, |ctx, args| {
            let [x, dx, y, dy] = *args else { bail!(Internal, "select_and_gather_add: reduces pairs") };
            let which = ctx.compare(direction, x, y);
            Ok(Values::from_slice(&[ctx.select(which, x, y), ctx.select(which, dx, dy)]))
        })?;
        Ok(one(results[1]))
    }
    /// dy = the gather of dx
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        first_operand_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ scattered to where it was gathered
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let Window { dimensions, strides, padding, base_dilation, window_dilation } = &self.window;
        if window_dilation.iter().any(|d| *d != 1) {
            bail!(
                Unimplemented,
                "VJP not implemented for select_and_gather (MaxPool) with window dilation, got window_dilation={}",
                tuple(window_dilation)
            );
        }
        let (Some(ct), Some(operand)) = (&cts[0], ins[1].known()) else {
            return Ok(SmallVec::from_elem(None, 2));
        };
        let scatter = |x: &Array| select_and_scatter_add(ct, x, self.max, dimensions, strides, padding);
        let result = if base_dilation.iter().all(|d| *d == 1) {
            scatter(operand)
        } else {
            let config: Vec<(i64, i64, i64)> = base_dilation.iter().map(|d| (0, 0, *d as i64 - 1)).collect();
            let x = pad(operand, Array::from(identity(self.max, operand.dtype())), &config);
            let starts = Shape::from_elem(0, x.ndim());
            strided_slice(&scatter(&x), &starts, x.shape(), Some(base_dilation))
        };
        Ok([Some(result).filter(|_| ins[0].is_linear()), None].into_iter().collect())
    }
    /// windows of one element along the mapped axis
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let [tangents, x] = both_in_front(args, dims);
        one_batched(select_and_gather_add(&tangents, &x, self.max, self.window.with_axis(0)), Some(0))
    }
}

impl Primitive for SelectAndScatterAdd {
    fn name(&self) -> &'static str {
        "select_and_scatter_add"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("padding", Param::Text(pairs(&self.padding))),
            select_param(self.max),
            ("window_dimensions", Param::Text(tuple(&self.dimensions))),
            ("window_strides", Param::Text(tuple(&self.strides))),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [source, x] = check::arity(self, ins)?;
        Ok(one(source.with_shape(x.shape()).with_weak_type(check::all_weak(ins))))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let [source, x] = *ins else { bail!(Internal, "select_and_scatter_add: takes 2 operands") };
        let (dtype, shape) = (ctx.dtype(x), ctx.shape(x));
        // XLA's CPU and GPU backends fail on padding here, so the operand is padded and the result cut.
        let padded_shape: Shape =
            shape.iter().zip(&self.padding).map(|(n, (l, h))| (*n as i64 + l + h).max(0) as usize).collect();
        let is_padded = self.padding.iter().any(|p| *p != (0, 0));
        let list = |f: fn(&(i64, i64)) -> i64| crate::mlir::i64_array(self.padding.iter().map(f));
        let zero = Scalar::from_f64(outs[0].dtype(), 0.0);
        let mut operand = x;
        if is_padded {
            let init = ctx.constant(identity(self.max, dtype));
            let ty = ctx.tensor(dtype, &padded_shape);
            let attrs = format!(
                "edge_padding_low = {}, edge_padding_high = {}, interior_padding = {}",
                list(|p| p.0),
                list(|p| p.1),
                usize_array(&Shape::from_elem(0, shape.len()))
            );
            operand = ctx.op1("stablehlo.pad", &[x, init], &attrs, ty);
        }
        let zero = ctx.constant(zero);
        let ty = ctx.tensor(outs[0].dtype(), &padded_shape);
        let operands = [operand, source, zero];
        let attrs = format!(
            "padding = {}, window_dimensions = {}, window_strides = {}",
            pads_attr(&SmallVec::<[(i64, i64); 4]>::from_elem((0, 0), shape.len())),
            usize_array(&self.dimensions),
            usize_array(&self.strides)
        );
        let scalar = ctx.tensor(dtype, &[]);
        let results = ctx.begin_op_with_regions("stablehlo.select_and_scatter", &operands, &[ty]);
        let args = ctx.begin_region(&[scalar, scalar]);
        let which = ctx.compare(if self.max { "GE" } else { "LE" }, args[0], args[1]);
        ctx.end_region(&[which]);
        let args = ctx.begin_region(&[zero.ty(), zero.ty()]);
        let sum = ctx.elementwise("stablehlo.add", &args, zero.ty());
        ctx.end_region(&[sum]);
        ctx.end_op_with_regions(&operands, &attrs, &results);
        if !is_padded {
            return Ok(results);
        }
        // Undoes the padding: cuts what was added, and adds zeros for what was cut.
        let ty = ctx.ty(&outs[0]);
        let attrs = format!(
            "edge_padding_low = {}, edge_padding_high = {}, interior_padding = {}",
            list(|p| -p.0),
            list(|p| -p.1),
            usize_array(&Shape::from_elem(0, shape.len()))
        );
        Ok(one(ctx.op1("stablehlo.pad", &[results[0], zero], &attrs, ty)))
    }
    /// dy = the scatter of dx
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        first_operand_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ gathered from where it was scattered to
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let (Some(ct), Some(operand)) = (&cts[0], ins[1].known()) else {
            return Ok(SmallVec::from_elem(None, 2));
        };
        let rank = self.dimensions.len();
        let window = Window {
            dimensions: self.dimensions.clone(),
            strides: self.strides.clone(),
            padding: self.padding.clone(),
            base_dilation: Shape::from_elem(1, rank),
            window_dilation: Shape::from_elem(1, rank),
        };
        let gathered = select_and_gather_add(ct, operand, self.max, window);
        Ok([Some(gathered).filter(|_| ins[0].is_linear()), None].into_iter().collect())
    }
    /// windows of one element along the mapped axis
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let [source, x] = both_in_front(args, dims);
        let with_front =
            |sizes: &Shape| -> Shape { std::iter::once(1).chain(sizes.iter().copied()).collect() };
        let padding: Pads = std::iter::once((0, 0)).chain(self.padding.iter().copied()).collect();
        let (dimensions, strides) = (with_front(&self.dimensions), with_front(&self.strides));
        one_batched(select_and_scatter_add(&source, &x, self.max, &dimensions, &strides, &padding), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::catch;
    use crate::lax::WindowOptions;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules() {
        let mut draw = Draw::new(9);
        let (source, x) = (draw.values(DType::F32, &[3]), draw.distinct(DType::F32, &[5]));
        let scatter = |padding: [(i64, i64); 1]| {
            move |x: &[Array]| select_and_scatter_add(&x[0], &x[1], true, &[3], &[2], &padding)
        };
        let cut = draw.values(DType::F32, &[2]);
        check_rules([
            case("scatter", [source, x.clone()], scatter([(1, 1)])).wrt(&[0]),
            case("scatter, cut", [cut, x], scatter([(-1, 1)])).wrt(&[0]),
        ]);
    }

    #[test]
    fn shapes_must_match() {
        let (x, y) = (Array::from([1.0f32]), Array::from([1.0f32, 2.0]));
        let window = Window::new(&[1], &1.into(), &WindowOptions::new()).unwrap();
        let e = catch(|| Ok(select_and_gather_add(&x, &y, true, window))).unwrap_err();
        assert_eq!(
            e.message(),
            "select_and_gather_add tangents and operand shapes must match, got (1,) and (2,)"
        );
    }
}
