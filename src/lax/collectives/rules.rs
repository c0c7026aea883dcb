//! The primitives of the collectives. The trace that binds an axis replaces them by operations along it.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::axis::{AxisName, AxisNames};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax;
use crate::lax::elementwise::{linear_ct, linear_jvp, one, one_batched};
use crate::lax::full::literal;
use crate::mlir::Value;

pub(super) fn pairs(perm: &[(usize, usize)]) -> String {
    let comma = if perm.len() == 1 { "," } else { "" };
    let items: Vec<String> = perm.iter().map(|(from, to)| format!("({from}, {to})")).collect();
    format!("({}{comma})", items.join(", "))
}

/// What is left over the axes of a mesh, once each `vmap` has replaced its own.
fn lower(prim: &dyn Primitive, ctx: &LoweringCtx) -> LoweredValues {
    for name in prim.axis_names() {
        ctx.axis_size(name)?;
    }
    bail!(Unimplemented, "{}: collectives over the devices of a mesh are not lowered", prim.name())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Sum,
    Max,
    Min,
}

/// `psum`, `pmax` and `pmin`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AllReduce {
    pub kind: Kind,
    pub axes: AxisNames,
}

impl Primitive for AllReduce {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sum => "psum",
            Kind::Max => "pmax",
            Kind::Min => "pmin",
        }
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axes", Param::Text(self.axes.to_string())), ("axis_index_groups", Param::Text("None".into()))]
    }
    fn axis_names(&self) -> Vec<AxisName> {
        self.axes.to_vec()
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        Ok(one(*x))
    }
    fn lower(&self, ctx: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        lower(self, ctx)
    }
    /// d psum(x) = psum(dx)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        if self.kind != Kind::Sum {
            bail!(Differentiation, "differentiation rule for '{}' not implemented", self.name());
        }
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = psum(ȳ)
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| bind1(self.clone(), &[ct])))
    }
    /// a reduction along the axis, then over the other names
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let x = &args[0];
        let Some(name) = axis.name else { return one_batched(bind1(self.clone(), &[x]), dims[0]) };
        let out = match (dims[0], self.kind) {
            (Some(dim), Kind::Sum) => lax::reduce_sum(x, [dim]),
            (Some(dim), Kind::Max) => lax::reduce_max(x, [dim]),
            (Some(dim), Kind::Min) => lax::reduce_min(x, [dim]),
            (None, Kind::Sum) => lax::mul(x, &literal(x.dtype(), axis.size as f64)),
            (None, _) => x.clone(),
        };
        let axes: AxisNames = self.axes.iter().copied().filter(|other| *other != name).collect();
        if axes.is_empty() {
            return one_batched(out, None);
        }
        one_batched(bind1(AllReduce { axes, kind: self.kind }, &[&out]), None)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AxisIndex {
    pub axis_name: AxisName,
}

impl Primitive for AxisIndex {
    fn name(&self) -> &'static str {
        "axis_index"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis_name", Param::Text(self.axis_name.to_string()))]
    }
    fn axis_names(&self) -> Vec<AxisName> {
        vec![self.axis_name]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [] = check::arity(self, ins)?;
        Ok(one(ShapedArray::new(DType::I32, &[])))
    }
    fn lower(&self, ctx: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        lower(self, ctx)
    }
    /// no arguments, no tangents
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        Ok((one(bind1(self.clone(), &[])), one(None)))
    }
    /// 0, 1, 2 … along the axis
    fn batch(&self, axis: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
        match axis.name {
            Some(_) => one_batched(lax::iota(DType::I32, axis.size), Some(0)),
            None => one_batched(bind1(self.clone(), &[]), None),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AllGather {
    pub all_gather_dimension: usize,
    pub axis_name: AxisName,
    pub axis_size: usize,
}

impl Primitive for AllGather {
    fn name(&self) -> &'static str {
        "all_gather"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("all_gather_dimension", Param::Text(self.all_gather_dimension.to_string())),
            ("axis_index_groups", Param::Text("None".into())),
            ("axis_name", Param::Text(AxisNames::from(self.axis_name).to_string())),
            ("axis_size", Param::Text(self.axis_size.to_string())),
            ("tiled", Param::Text("False".into())),
        ]
    }
    fn axis_names(&self) -> Vec<AxisName> {
        vec![self.axis_name]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        if self.all_gather_dimension > x.ndim() {
            bail!(
                Shape,
                "all_gather: axis = {} is out of range for operand {x} (rank {})",
                self.all_gather_dimension,
                x.ndim()
            );
        }
        Ok(one(x.with_axis(self.all_gather_dimension, self.axis_size)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        lower(self, ctx)
    }
    /// dy = dx of all examples
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = this example's slice of the sum of ȳ
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let name = self.axis_name;
        let sum = AllReduce { kind: Kind::Sum, axes: name.into() };
        Ok(linear_ct(cts, ins, |ct| {
            let index = bind1(AxisIndex { axis_name: name }, &[]);
            let axis = self.all_gather_dimension;
            lax::dynamic_index_along(&bind1(sum, &[ct]), &index, axis)
        }))
    }
    /// the axis itself, as an axis of the result
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        if axis.name.is_some() {
            let to = self.all_gather_dimension;
            return one_batched(lax::move_batch_axis(&args[0], dims[0], to, axis.size), None);
        }
        let dim = check::mapped(self, dims)?;
        let x = lax::move_axis(&args[0], dim, 0);
        let prim = AllGather { all_gather_dimension: self.all_gather_dimension + 1, ..self.clone() };
        one_batched(bind1(prim, &[&x]), Some(0))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PPermute {
    pub axis_name: AxisName,
    pub perm: SmallVec<[(usize, usize); 4]>,
}

impl Primitive for PPermute {
    fn name(&self) -> &'static str {
        "ppermute"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("axis_name", Param::Text(AxisNames::from(self.axis_name).to_string())),
            ("perm", Param::Text(pairs(&self.perm))),
        ]
    }
    fn axis_names(&self) -> Vec<AxisName> {
        vec![self.axis_name]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        Ok(one(*x))
    }
    fn lower(&self, ctx: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        lower(self, ctx)
    }
    /// dy = dx sent along
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ sent back
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let back = self.perm.iter().map(|(from, to)| (*to, *from)).collect();
        let prim = PPermute { perm: back, ..self.clone() };
        Ok(linear_ct(cts, ins, |ct| bind1(prim, &[ct])))
    }
    /// slices along the axis in another order
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let size = axis.size;
        if axis.name.is_none() {
            return one_batched(bind1(self.clone(), &[&args[0]]), dims[0]);
        }
        if dims[0].is_none() && self.perm.len() == size {
            return one_batched(args[0].clone(), None);
        }
        let x = lax::move_batch_axis(&args[0], dims[0], 0, size);
        let slices: Vec<Array> = (0..size)
            .map(|to| match self.perm.iter().find(|(_, t)| *t == to) {
                Some((from, _)) => lax::slice_along(&x, *from as i64, *from as i64 + 1, 1, 0),
                None => {
                    let mut shape = x.shape().to_vec();
                    shape[0] = 1;
                    lax::zeros(x.dtype(), &shape)
                }
            })
            .collect();
        let slices: Vec<&Array> = slices.iter().collect();
        one_batched(lax::concatenate(&slices, 0), Some(0))
    }
}
