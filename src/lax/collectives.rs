//! Collectives: operations across a named axis that an enclosing `vmap` binds. JAX: `lax.parallel` (`psum_p`, `pmax_p`,
//! `pmin_p`, `all_gather_p`, `ppermute_p`, `axis_index_p`).
//!
//! The trace that binds the axis replaces them by operations along it, so they never reach the compiler.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, Lowered, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::{self, bind1};
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail};
use crate::lax;
use crate::lax::elementwise::{linear_ct, one, one_batched, unary_jvp};
use crate::lax::full::literal;
use crate::mlir::Value;

/// The size of a named axis. JAX: `lax.axis_size`.
///
/// # Errors
/// `unbound axis name: i` (kind `UnboundAxisName`).
#[track_caller]
pub fn axis_size(axis_name: &'static str) -> usize {
    trace::axis_size(axis_name).or_throw()
}

/// The position of this example along a named axis, an `i32`.
///
/// # Errors
/// `unbound axis name: i`
#[track_caller]
pub fn axis_index(axis_name: &'static str) -> Array {
    axis_size(axis_name);
    bind1(AxisIndex { axis_name: [axis_name] }, &[])
}

/// The sum of `x` over a named axis, the same in every example. `bool` counts as `i32`.
///
/// # Errors
/// `unbound axis name: i`
#[track_caller]
pub fn psum(x: &Array, axis_name: &'static str) -> Array {
    reduce(Kind::Sum, x, axis_name)
}

/// The mean of `x` over a named axis; of integers it is a float.
///
/// # Errors
/// `unbound axis name: i`
#[track_caller]
pub fn pmean(x: &Array, axis_name: &'static str) -> Array {
    let sum = psum(x, axis_name);
    let sum = if sum.dtype().is_inexact() { sum } else { lax::convert_element_type(&sum, DType::F32) };
    lax::div(&sum, &literal(sum.dtype(), axis_size(axis_name) as f64))
}

/// The maximum of `x` over a named axis. It has no derivative, as in JAX.
///
/// # Errors
/// `unbound axis name: i`
#[track_caller]
pub fn pmax(x: &Array, axis_name: &'static str) -> Array {
    reduce(Kind::Max, x, axis_name)
}

/// The minimum of `x` over a named axis. It has no derivative, as in JAX.
///
/// # Errors
/// `unbound axis name: i`
#[track_caller]
pub fn pmin(x: &Array, axis_name: &'static str) -> Array {
    reduce(Kind::Min, x, axis_name)
}

/// The values of `x` in all examples, stacked along a new axis `axis`, the same in every example.
///
/// # Errors
/// `unbound axis name: i`; `axis` beyond the rank.
#[track_caller]
pub fn all_gather(x: &Array, axis_name: &'static str, axis: usize) -> Array {
    let axis_size = axis_size(axis_name);
    bind1(AllGather { all_gather_dimension: axis, axis_name: [axis_name], axis_size }, &[x])
}

/// [`all_gather`] along an axis that `x` has: the values are concatenated. JAX: `tiled=True`.
///
/// # Errors
/// As [`all_gather`].
#[track_caller]
pub fn all_gather_tiled(x: &Array, axis_name: &'static str, axis: usize) -> Array {
    let stacked = all_gather(x, axis_name, axis);
    let mut shape = x.shape().to_vec();
    match shape.get_mut(axis) {
        Some(n) => *n *= axis_size(axis_name),
        None => crate::error::throw(crate::error::err!(
            Shape,
            "all_gather_tiled: axis = {axis} is out of range for operand {}",
            x.aval()
        )),
    }
    lax::reshape(&stacked, &shape)
}

/// This example's slice along `axis` of the sum of `x` over a named axis, whose size is that of `axis`.
/// JAX: `psum_scatter` with `tiled=False`.
///
/// # Errors
/// `unbound axis name: i`; an axis of another size.
#[track_caller]
pub fn psum_scatter(x: &Array, axis_name: &'static str, axis: usize) -> Array {
    check_axis("psum_scatter", x, axis, axis_name).or_throw();
    own_slice(&psum(x, axis_name), axis_name, axis)
}

/// Example `j`'s slice `i` along `split_axis` becomes example `i`'s slice `j` along the new axis `concat_axis`: the mapped
/// axis and `split_axis` change places. JAX: `tiled=False`.
///
/// # Errors
/// `unbound axis name: i`; a `split_axis` of another size than the named axis.
#[track_caller]
pub fn all_to_all(x: &Array, axis_name: &'static str, split_axis: usize, concat_axis: usize) -> Array {
    check_axis("all_to_all", x, split_axis, axis_name).or_throw();
    let all = all_gather(x, axis_name, 0);
    lax::move_axis(&own_slice(&all, axis_name, split_axis + 1), 0, concat_axis)
}

/// Sends `x` along a named axis: for each `(from, to)` in `perm`, example `to` gets the value of example `from`; an
/// example that no pair sends to gets zeros.
///
/// # Errors
/// `unbound axis name: i`; an index out of range; two pairs from or to one example.
#[track_caller]
pub fn ppermute(x: &Array, axis_name: &'static str, perm: &[(usize, usize)]) -> Array {
    let size = axis_size(axis_name);
    let check = || {
        for (i, (from, to)) in perm.iter().enumerate() {
            if *from >= size || *to >= size {
                bail!(
                    InvalidArgument,
                    "ppermute: perm[{i}] = ({from}, {to}) is out of range for axis {axis_name} of size {size}"
                );
            }
            if perm[..i].iter().any(|(f, t)| f == from || t == to) {
                bail!(
                    InvalidArgument,
                    "ppermute: perm sources and destinations must be unique, got {}",
                    pairs(perm)
                );
            }
        }
        Ok(())
    };
    check().or_throw();
    bind1(PPermute { axis_name: [axis_name], perm: perm.into() }, &[x])
}

fn check_axis(what: &str, x: &Array, axis: usize, axis_name: &str) -> Result<()> {
    let size = trace::axis_size(axis_name)?;
    match x.shape().get(axis) {
        Some(n) if *n == size => Ok(()),
        _ => bail!(
            Shape,
            "{what}: axis {axis} of operand {} must have the size of axis {axis_name}, {size}",
            x.aval()
        ),
    }
}

/// The slice along `axis` whose number is this example's.
fn own_slice(x: &Array, axis_name: &'static str, axis: usize) -> Array {
    lax::dynamic_index_in_dim(x, axis_index(axis_name), axis as i64, false)
}

fn pairs(perm: &[(usize, usize)]) -> String {
    let comma = if perm.len() == 1 { "," } else { "" };
    let items: Vec<String> = perm.iter().map(|(from, to)| format!("({from}, {to})")).collect();
    format!("({}{comma})", items.join(", "))
}

fn axes_param(axis_name: &[&str]) -> Param {
    Param::Text(format!("('{}',)", axis_name.join("', '")))
}

/// What the compiler would be asked for if no trace bound the axis.
fn unbound(prim: &dyn Primitive) -> Lowered {
    bail!(
        UnboundAxisName,
        "unbound axis name: {}. No enclosing vmap binds it, but {} refers to it",
        prim.axis_names().join(", "),
        prim.name()
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Max,
    Min,
}

#[track_caller]
fn reduce(kind: Kind, x: &Array, axis_name: &'static str) -> Array {
    axis_size(axis_name);
    let prim = AllReduce { kind, axis_name: [axis_name] };
    if kind == Kind::Sum && x.dtype().is_bool() {
        return bind1(prim, &[&lax::convert_element_type(x, DType::I32)]);
    }
    bind1(prim, &[x])
}

/// `psum`, `pmax` and `pmin`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AllReduce {
    kind: Kind,
    axis_name: [&'static str; 1],
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
        vec![("axes", axes_param(&self.axis_name)), ("axis_index_groups", Param::Text("None".into()))]
    }
    fn axis_names(&self) -> Vec<&'static str> {
        self.axis_name.to_vec()
    }
    fn abstract_eval(&self, ins: &[&ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        Ok(one(x.clone()))
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> Lowered {
        unbound(self)
    }
    /// d psum(x) = psum(dx)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        if self.kind != Kind::Sum {
            bail!(Differentiation, "differentiation rule for '{}' not implemented", self.name());
        }
        unary_jvp(self.clone(), primals, tangents, |_, _, dx| bind1(self.clone(), &[dx]))
    }
    /// x̄ = psum(ȳ)
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| bind1(self.clone(), &[ct])))
    }
    fn batch(&self, args: &[Array], dims: &[BatchDim]) -> Batched {
        one_batched(bind1(self.clone(), &[&args[0]]), dims[0])
    }
    /// a reduction along the axis
    fn batch_named(&self, _: &'static str, size: usize, args: &[Array], dims: &[BatchDim]) -> Batched {
        let x = &args[0];
        let out = match (dims[0], self.kind) {
            (Some(dim), Kind::Sum) => lax::reduce_sum(x, &[dim]),
            (Some(dim), Kind::Max) => lax::reduce_max(x, &[dim]),
            (Some(dim), Kind::Min) => lax::reduce_min(x, &[dim]),
            (None, Kind::Sum) => lax::mul(x, &literal(x.dtype(), size as f64)),
            (None, _) => x.clone(),
        };
        one_batched(out, None)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AxisIndex {
    axis_name: [&'static str; 1],
}

impl Primitive for AxisIndex {
    fn name(&self) -> &'static str {
        "axis_index"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis_name", Param::Text(self.axis_name[0].into()))]
    }
    fn axis_names(&self) -> Vec<&'static str> {
        self.axis_name.to_vec()
    }
    fn abstract_eval(&self, ins: &[&ShapedArray]) -> Result<Avals> {
        let [] = check::arity(self, ins)?;
        Ok(one(ShapedArray::new(DType::I32, &[])))
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> Lowered {
        unbound(self)
    }
    /// no arguments, no tangents
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        Ok((one(bind1(self.clone(), &[])), one(None)))
    }
    fn batch(&self, _: &[Array], _: &[BatchDim]) -> Batched {
        one_batched(bind1(self.clone(), &[]), None)
    }
    /// 0, 1, 2 … along the axis
    fn batch_named(&self, _: &'static str, size: usize, _: &[Array], _: &[BatchDim]) -> Batched {
        one_batched(lax::iota(DType::I32, size), Some(0))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AllGather {
    all_gather_dimension: usize,
    axis_name: [&'static str; 1],
    axis_size: usize,
}

impl Primitive for AllGather {
    fn name(&self) -> &'static str {
        "all_gather"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("all_gather_dimension", Param::Text(self.all_gather_dimension.to_string())),
            ("axis_index_groups", Param::Text("None".into())),
            ("axis_name", axes_param(&self.axis_name)),
            ("axis_size", Param::Text(self.axis_size.to_string())),
            ("tiled", Param::Text("False".into())),
        ]
    }
    fn axis_names(&self) -> Vec<&'static str> {
        self.axis_name.to_vec()
    }
    fn abstract_eval(&self, ins: &[&ShapedArray]) -> Result<Avals> {
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
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> Lowered {
        unbound(self)
    }
    /// dy = dx of all examples
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(self.clone(), primals, tangents, |_, _, dx| bind1(self.clone(), &[dx]))
    }
    /// x̄ = this example's slice of the sum of ȳ
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let name = self.axis_name[0];
        let sum = AllReduce { kind: Kind::Sum, axis_name: self.axis_name };
        Ok(linear_ct(cts, ins, |ct| {
            let index = bind1(AxisIndex { axis_name: [name] }, &[]);
            let axis = self.all_gather_dimension as i64;
            lax::dynamic_index_in_dim(&bind1(sum, &[ct]), &index, axis, false)
        }))
    }
    fn batch(&self, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let x = lax::move_axis(&args[0], dim, 0);
        let prim = AllGather { all_gather_dimension: self.all_gather_dimension + 1, ..self.clone() };
        one_batched(bind1(prim, &[&x]), Some(0))
    }
    /// the axis itself, as an axis of the result
    fn batch_named(&self, _: &'static str, size: usize, args: &[Array], dims: &[BatchDim]) -> Batched {
        let to = self.all_gather_dimension;
        one_batched(lax::move_batch_axis(&args[0], dims[0], to, size), None)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PPermute {
    axis_name: [&'static str; 1],
    perm: SmallVec<[(usize, usize); 4]>,
}

impl Primitive for PPermute {
    fn name(&self) -> &'static str {
        "ppermute"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis_name", axes_param(&self.axis_name)), ("perm", Param::Text(pairs(&self.perm)))]
    }
    fn axis_names(&self) -> Vec<&'static str> {
        self.axis_name.to_vec()
    }
    fn abstract_eval(&self, ins: &[&ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        Ok(one(x.clone()))
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> Lowered {
        unbound(self)
    }
    /// dy = dx sent along
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(self.clone(), primals, tangents, |_, _, dx| bind1(self.clone(), &[dx]))
    }
    /// x̄ = ȳ sent back
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let back = self.perm.iter().map(|(from, to)| (*to, *from)).collect();
        let prim = PPermute { perm: back, ..self.clone() };
        Ok(linear_ct(cts, ins, |ct| bind1(prim, &[ct])))
    }
    fn batch(&self, args: &[Array], dims: &[BatchDim]) -> Batched {
        one_batched(bind1(self.clone(), &[&args[0]]), dims[0])
    }
    /// slices along the axis in another order
    fn batch_named(&self, _: &'static str, size: usize, args: &[Array], dims: &[BatchDim]) -> Batched {
        if dims[0].is_none() && self.perm.len() == size {
            return one_batched(args[0].clone(), None);
        }
        let x = lax::move_batch_axis(&args[0], dims[0], 0, size);
        let slices: Vec<Array> = (0..size)
            .map(|to| match self.perm.iter().find(|(_, t)| *t == to) {
                Some((from, _)) => lax::slice_in_dim(&x, *from as i64, *from as i64 + 1, 1, 0),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_flow::testing::{f32s, grad, jit, vmap_named};
    use crate::error::ErrorKind;
    use crate::interpreters::jvp::jvp;

    fn x() -> Array {
        Array::from([1.0f32, 2.0, 4.0])
    }

    fn over_i(f: impl Fn(&Array) -> Array, x: &Array) -> Result<Array> {
        let f = |a: &[Array]| Ok(vec![f(&a[0])]);
        Ok(vmap_named(Some("i"), f, std::slice::from_ref(x), &[Some(0)])?.swap_remove(0))
    }

    // Expected values are JAX's, from `jax.vmap(f, axis_name='i')`.
    #[test]
    fn collectives_reduce_and_move_along_the_mapped_axis() {
        let values = |f: &dyn Fn(&Array) -> Array| f32s(&over_i(f, &x()).unwrap());
        assert_eq!(values(&|x| psum(x, "i")), [7.0; 3]);
        assert_eq!(values(&|x| pmax(x, "i")), [4.0; 3]);
        assert_eq!(values(&|x| pmin(x, "i")), [1.0; 3]);
        assert_eq!(values(&|_| psum(&Array::scalar(2.0f32), "i")), [6.0; 3]);
        assert_eq!(values(&|x| all_gather(x, "i", 0)), [1.0, 2.0, 4.0, 1.0, 2.0, 4.0, 1.0, 2.0, 4.0]);
        assert_eq!(values(&|x| ppermute(x, "i", &[(0, 1), (1, 2), (2, 0)])), [4.0, 1.0, 2.0]);
        assert_eq!(values(&|x| ppermute(x, "i", &[(0, 1), (1, 2)])), [0.0, 1.0, 2.0]);
        let index = over_i(|_| axis_index("i"), &x()).unwrap();
        assert_eq!(index.to_vec::<i32>().unwrap(), [0, 1, 2]);
        let mean = over_i(|x| pmean(x, "i"), &Array::from([0i32, 1, 2])).unwrap();
        assert_eq!(f32s(&mean), [1.0; 3]);
        let count = over_i(|x| psum(x, "i"), &Array::from([true, false, true])).unwrap();
        assert_eq!(count.to_vec::<i32>().unwrap(), [2; 3]);
    }

    #[test]
    fn collectives_of_matrices() {
        let nine: Vec<f32> = (0..9u8).map(f32::from).collect();
        let nine = Array::from_slice(&nine, &[3, 3]);
        let values = |f: &dyn Fn(&Array) -> Array, x: &Array| over_i(f, x).unwrap();
        assert_eq!(f32s(&values(&|x| psum_scatter(x, "i", 0), &nine)), [9.0, 12.0, 15.0]);
        let swapped = values(&|x| all_to_all(x, "i", 0, 0), &nine);
        assert_eq!(f32s(&swapped), [0.0, 3.0, 6.0, 1.0, 4.0, 7.0, 2.0, 5.0, 8.0]);
        let six = Array::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], &[3, 2]);
        let columns = values(&|x| all_gather(x, "i", 1), &six);
        assert_eq!(
            (columns.shape(), &f32s(&columns)[..6]),
            (&[3, 2, 3][..], &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0][..])
        );
        let tiled = values(&|x| all_gather_tiled(x, "i", 0), &six);
        assert_eq!((tiled.shape(), &f32s(&tiled)[..6]), (&[3, 6][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..]));
    }

    #[test]
    fn gradients_inside_and_outside_of_the_mapped_axis() {
        let f = |a: &[Array]| Ok(vec![psum(&lax::sin(&a[0]), "i")]);
        let mapped = |a: &[Array]| vmap_named(Some("i"), f, a, &[Some(0)]);
        let inside = |a: &[Array]| vmap_named(Some("i"), |a: &[Array]| grad(f, a), a, &[Some(0)]);
        let jitted = |a: &[Array]| vmap_named(Some("i"), |a: &[Array]| jit(|a| grad(f, a), a), a, &[Some(0)]);
        let split = |a: &[Array]| vmap_named(Some("i"), |a: &[Array]| grad(|a| jit(f, a), a), a, &[Some(0)]);
        let expected = [1.0f32, 2.0, 4.0].map(|x| 3.0 * x.cos());
        for g in [grad(mapped, &[x()]), inside(&[x()]), jitted(&[x()]), split(&[x()]), jit(inside, &[x()])] {
            let found = f32s(&g.unwrap()[0]);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
        }
        let gathered =
            |a: &[Array]| Ok(vec![lax::mul(&all_gather(&a[0], "i", 0), &Array::from([1.0f32, 10.0, 100.0]))]);
        let found = vmap_named(Some("i"), |a: &[Array]| grad(gathered, a), &[x()], &[Some(0)]).unwrap();
        assert_eq!(f32s(&found[0]), [3.0, 30.0, 300.0]);
        let sent = |a: &[Array]| Ok(vec![lax::mul(&ppermute(&a[0], "i", &[(0, 1), (1, 2), (2, 0)]), &a[0])]);
        let found = vmap_named(Some("i"), |a: &[Array]| grad(sent, a), &[x()], &[Some(0)]).unwrap();
        assert_eq!(f32s(&found[0]), [6.0, 5.0, 3.0]);
        let e = jvp(
            |a| vmap_named(Some("i"), |a: &[Array]| Ok(vec![pmax(&a[0], "i")]), a, &[Some(0)]),
            &[x()],
            &[Some(x())],
        );
        assert!(e.is_ok(), "along the axis it is an ordinary maximum");
    }

    #[test]
    fn nested_axes_are_told_apart() {
        let six = Array::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], &[2, 3]);
        let run = |name: &'static str| {
            let f = move |a: &[Array]| Ok(vec![psum(&a[0], name)]);
            let inner = move |a: &[Array]| vmap_named(Some("j"), f, a, &[Some(0)]);
            f32s(&vmap_named(Some("i"), inner, std::slice::from_ref(&six), &[Some(0)]).unwrap()[0])
        };
        assert_eq!(run("j"), [3.0, 3.0, 3.0, 12.0, 12.0, 12.0]);
        assert_eq!(run("i"), [3.0, 5.0, 7.0, 3.0, 5.0, 7.0]);
    }

    #[test]
    fn an_unbound_axis_is_its_own_error() {
        let e = jit(|a| Ok(vec![psum(&a[0], "i")]), &[x()]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::UnboundAxisName);
        assert!(e.message().starts_with("unbound axis name: i"), "{e}");
        assert!(e.location().unwrap().file().ends_with("collectives.rs"), "{e}");
        let e = over_i(|x| psum(x, "j"), &x()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::UnboundAxisName);
        let e = over_i(|x| ppermute(x, "i", &[(0, 1), (2, 1)]), &x()).unwrap_err();
        assert_eq!(
            e.message(),
            "ppermute: perm sources and destinations must be unique, got ((0, 1), (2, 1))"
        );
    }
}
