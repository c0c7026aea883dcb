//! Collectives: operations across named axes that enclosing `vmap`s bind. JAX: `lax.parallel` (`psum_p`, `pmax_p`,
//! `pmin_p`, `all_gather_p`, `ppermute_p`, `axis_index_p`).
//!
//! The trace that binds the axis replaces them by operations along it, so they never reach the compiler.
//!
//! Axes are one name or several; several are one axis, along which the last name changes fastest. What is reduced or sent
//! may be any tree of arrays.

mod rules;

use crate::arguments::{Axis, options};
use crate::core::array::Array;
use crate::core::axis::AxisNames;
use crate::core::trace::{self, bind1, caller, with_location};
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax;
use crate::lax::full::literal;
use crate::tree::{self, Pytree};
use rules::{AllGather, AllReduce, AxisIndex, Kind, PPermute, pairs};

/// The size of a named axis, or of several: the product. JAX: `lax.axis_size`.
///
/// # Errors
/// `unbound axis name: i` (kind `UnboundAxisName`).
#[track_caller]
pub fn axis_size(axis_name: impl Into<AxisNames>) -> usize {
    size_of(&axis_name.into()).or_throw()
}

/// The position of this example along the named axes, an `i32`.
///
/// # Errors
/// `unbound axis name: i`
#[track_caller]
pub fn axis_index(axis_name: impl Into<AxisNames>) -> Array {
    let axes = axis_name.into();
    size_of(&axes).or_throw();
    index_of(&axes)
}

/// The sum of `x` over the named axes, the same in every example. `bool` counts as `i32`.
///
/// ```
/// use raxla::{lax, prelude::*};
///
/// let share = |x: &Array| x / lax::psum(x, "batch");
/// let shares = vmap_with(share, VmapOptions::new().axis_name("batch"));
/// assert_eq!(shares(&Array::from([1.0f32, 3.0]))?.to_vec::<f32>()?, [0.25, 0.75]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `unbound axis name: i`; an axis that is named twice.
#[track_caller]
pub fn psum<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>) -> T {
    reduce(Kind::Sum, x, axis_name.into())
}

/// The mean of `x` over the named axes; of integers it is a float.
///
/// # Errors
/// As [`psum`].
#[track_caller]
pub fn pmean<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>) -> T {
    let axes = axis_name.into();
    let size = size_of(&axes).or_throw() as f64;
    let sums = reduce(Kind::Sum, x, axes);
    each(&sums, |sum| {
        let sum =
            if sum.dtype().is_inexact() { sum.clone() } else { lax::convert_element_type(sum, DType::F32) };
        lax::div(&sum, &literal(sum.dtype(), size))
    })
}

/// The maximum of `x` over the named axes. It has no derivative, as in JAX.
///
/// # Errors
/// As [`psum`].
#[track_caller]
pub fn pmax<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>) -> T {
    reduce(Kind::Max, x, axis_name.into())
}

/// The minimum of `x` over the named axes. It has no derivative, as in JAX.
///
/// # Errors
/// As [`psum`].
#[track_caller]
pub fn pmin<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>) -> T {
    reduce(Kind::Min, x, axis_name.into())
}

options! {
    /// Options of [`all_gather_with`].
    pub struct AllGatherOptions {
        /// Where the new axis stands in the result; with `tiled`, the axis to concatenate along.
        axis: into Axis = 0,
        /// Are the values concatenated along an axis that they have, rather than stacked?
        tiled: value bool = false,
    }
}

options! {
    /// Options of [`psum_scatter_with`].
    pub struct PsumScatterOptions {
        /// The axis that is divided among the examples.
        scatter_dimension: into Axis = 0,
        /// Does the axis stay, each example with its part? Otherwise it is of the size of the named axes, and goes.
        tiled: value bool = false,
    }
}

options! {
    /// Options of [`all_to_all_with`].
    pub struct AllToAllOptions {
        /// Is `split_axis` divided, and are the parts concatenated along `concat_axis`? Otherwise `split_axis` is of the size of
        /// the named axes and goes, and `concat_axis` is new.
        tiled: value bool = false,
    }
}

/// The values of `x` in all examples, stacked along a new leading axis, the same in every example.
///
/// # Errors
/// `unbound axis name: i`
#[track_caller]
pub fn all_gather<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>) -> T {
    all_gather_with(x, axis_name, AllGatherOptions::new())
}

/// The values of `x` in all examples, stacked along a new axis, or concatenated.
///
/// # Errors
/// `unbound axis name: i`; an axis out of range.
#[track_caller]
pub fn all_gather_with<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>, options: AllGatherOptions) -> T {
    let axes = axis_name.into();
    let size = size_of(&axes).or_throw();
    each(x, |x| {
        let new = usize::from(!options.tiled);
        let axis = options.axis.position("all_gather", x.ndim() + new).or_throw();
        let all = gather(x, &axes, axis);
        if !options.tiled {
            return all;
        }
        let mut shape = x.shape().to_vec();
        shape[axis] *= size;
        lax::reshape(&all, &shape)
    })
}

/// The sum of `x` over the named axes, of which each example gets its own slice along the leading axis. That is of the size of
/// the named axes, and goes.
///
/// # Errors
/// `unbound axis name: i`; an axis of another size.
#[track_caller]
pub fn psum_scatter<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>) -> T {
    psum_scatter_with(x, axis_name, PsumScatterOptions::new())
}

/// The sum of `x` over the named axes, of which each example gets its own part along an axis.
///
/// # Errors
/// `unbound axis name: i`; an axis of another size than the named axes, with `tiled` one that they do not divide.
#[track_caller]
pub fn psum_scatter_with<T: Pytree>(
    x: &T,
    axis_name: impl Into<AxisNames>,
    options: PsumScatterOptions,
) -> T {
    let axes = axis_name.into();
    let size = size_of(&axes).or_throw();
    each(x, |x| {
        let axis = options.scatter_dimension.position("psum_scatter", x.ndim()).or_throw();
        let parts = parts("psum_scatter", x, axis, &axes, size, options.tiled);
        own_slice(&reduce(Kind::Sum, &parts, axes.clone()), &axes, axis)
    })
}

/// Example `j`'s slice `i` along `split_axis` becomes example `i`'s slice `j` along the new axis `concat_axis`: the mapped
/// axis and `split_axis` change places.
///
/// # Errors
/// `unbound axis name: i`; a `split_axis` of another size than the named axes.
#[track_caller]
pub fn all_to_all<T: Pytree>(
    x: &T,
    axis_name: impl Into<AxisNames>,
    split_axis: impl Into<Axis>,
    concat_axis: impl Into<Axis>,
) -> T {
    all_to_all_with(x, axis_name, split_axis, concat_axis, AllToAllOptions::new())
}

/// [`all_to_all`], also of an axis that stays.
///
/// # Errors
/// As [`all_to_all`]; with `tiled` a `split_axis` that the named axes do not divide.
#[track_caller]
pub fn all_to_all_with<T: Pytree>(
    x: &T,
    axis_name: impl Into<AxisNames>,
    split_axis: impl Into<Axis>,
    concat_axis: impl Into<Axis>,
    options: AllToAllOptions,
) -> T {
    let axes = axis_name.into();
    let size = size_of(&axes).or_throw();
    let (split_axis, concat_axis) = (split_axis.into(), concat_axis.into());
    each(x, |x| {
        let split = split_axis.position("all_to_all", x.ndim()).or_throw();
        let concat = concat_axis.position("all_to_all", x.ndim()).or_throw();
        let parts = parts("all_to_all", x, split, &axes, size, options.tiled);
        // The examples in front, without the axis that chose among their parts.
        let all = own_slice(&gather(&parts, &axes, 0), &axes, split + 1);
        if !options.tiled {
            return lax::move_axis(&all, 0, concat);
        }
        let mut shape = all.shape()[1..].to_vec();
        shape[concat] *= size;
        lax::reshape(&lax::move_axis(&all, 0, concat), &shape)
    })
}

/// `x` with an axis of the size of the named axes at `axis`: the one that is there, or with `tiled` a new one before it.
#[track_caller]
fn parts(name: &str, x: &Array, axis: usize, axes: &AxisNames, size: usize, tiled: bool) -> Array {
    if !tiled {
        check_axis(name, x, axis, axes).or_throw();
        return x.clone();
    }
    let n = x.shape()[axis];
    if !n.is_multiple_of(size) {
        throw!(
            Shape,
            "{name}: the named axes are of size {size}, which does not divide axis {axis} of operand {}",
            x.aval()
        );
    }
    let mut shape = x.shape().to_vec();
    shape.splice(axis..=axis, [size, n / size]);
    lax::reshape(x, &shape)
}

/// Sends `x` along the named axes: for each `(from, to)` in `perm`, example `to` gets the value of example `from`; an
/// example that no pair sends to gets zeros.
///
/// # Errors
/// `unbound axis name: i`; an index out of range; two pairs from or to one example.
#[track_caller]
pub fn ppermute<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>, perm: &[(usize, usize)]) -> T {
    let axes = axis_name.into();
    let size = size_of(&axes).or_throw();
    check_permutation(&axes, size, perm).or_throw();
    each(x, |x| match axes[..] {
        [axis_name] => bind1(PPermute { axis_name, perm: perm.into() }, &[x]),
        _ => {
            let mut sources = vec![None; size];
            perm.iter().for_each(|(from, to)| sources[*to] = Some(*from));
            let (all, index) = (gather(x, &axes, 0), index_of(&axes));
            let table: Vec<i32> = sources.iter().map(|from| from.unwrap_or(0) as i32).collect();
            let source = lax::dynamic_index_along(&Array::from(table), &index, 0);
            let value = lax::dynamic_index_along(&all, &source, 0);
            let sent: Vec<bool> = sources.iter().map(Option::is_some).collect();
            let sent = lax::dynamic_index_along(&Array::from(sent), &index, 0);
            lax::select(&lax::broadcast(&sent, value.shape()), &value, &lax::zeros_like(&value))
        }
    })
}

/// The product of the sizes.
fn size_of(axes: &AxisNames) -> Result<usize> {
    let mut size = 1;
    for (i, name) in axes.iter().enumerate() {
        size *= trace::axis_size(*name)?;
        if axes[..i].contains(name) {
            bail!(InvalidArgument, "axis names must differ, got {axes}");
        }
    }
    Ok(size)
}

/// `f` of each leaf, on behalf of the caller's line.
#[track_caller]
fn each<T: Pytree>(tree: &T, f: impl FnMut(&Array) -> Array) -> T {
    with_location(caller(), || tree::map(f, tree))
}

#[track_caller]
fn reduce<T: Pytree>(kind: Kind, x: &T, axes: AxisNames) -> T {
    size_of(&axes).or_throw();
    each(x, |x| {
        if axes.is_empty() {
            return x.clone();
        }
        let prim = AllReduce { kind, axes: axes.clone() };
        if kind == Kind::Sum && x.dtype().is_bool() {
            return bind1(prim, &[&lax::convert_element_type(x, DType::I32)]);
        }
        bind1(prim, &[x])
    })
}

/// Row-major over the names: the last changes fastest.
fn index_of(axes: &AxisNames) -> Array {
    let one = |i: usize| bind1(AxisIndex { axis_name: axes[i] }, &[]);
    let Some(first) = (!axes.is_empty()).then(|| one(0)) else { return literal(DType::I32, 0.0) };
    (1..axes.len()).fold(first, |index, i| {
        let size = trace::axis_size(axes[i]).or_throw();
        lax::add(&lax::mul(&index, &literal(DType::I32, size as f64)), &one(i))
    })
}

/// Gathers along one name after the other, the last first, and makes one axis of theirs.
fn gather(x: &Array, axes: &AxisNames, axis: usize) -> Array {
    let mut shape = x.shape().to_vec();
    let mut size = 1;
    let stacked = axes.iter().rev().fold(x.clone(), |x, name| {
        let axis_size = trace::axis_size(*name).or_throw();
        size *= axis_size;
        bind1(AllGather { all_gather_dimension: axis, axis_name: *name, axis_size }, &[&x])
    });
    if axes.len() == 1 {
        return stacked;
    }
    shape.insert(axis.min(shape.len()), size);
    lax::reshape(&stacked, &shape)
}

fn check_axis(what: &str, x: &Array, axis: usize, axes: &AxisNames) -> Result<()> {
    let size = size_of(axes)?;
    match x.shape().get(axis) {
        Some(n) if *n == size => Ok(()),
        _ => bail!(
            Shape,
            "{what}: axis {axis} of operand {} must have the size of the named axes {axes}, {size}",
            x.aval()
        ),
    }
}

fn check_permutation(axes: &AxisNames, size: usize, perm: &[(usize, usize)]) -> Result<()> {
    for (i, (from, to)) in perm.iter().enumerate() {
        if *from >= size || *to >= size {
            bail!(
                InvalidArgument,
                "ppermute: perm[{i}] = ({from}, {to}) is out of range for the named axes {axes} of size {size}"
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
}

/// The slice along `axis` whose number is this example's.
fn own_slice(x: &Array, axes: &AxisNames, axis: usize) -> Array {
    lax::dynamic_index_along(x, index_of(axes), axis)
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
        assert_eq!(values(&|x| all_gather(x, "i")), [1.0, 2.0, 4.0, 1.0, 2.0, 4.0, 1.0, 2.0, 4.0]);
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
        let nine = Array::from_slice(&nine, [3, 3]);
        let values = |f: &dyn Fn(&Array) -> Array, x: &Array| over_i(f, x).unwrap();
        assert_eq!(f32s(&values(&|x| psum_scatter(x, "i"), &nine)), [9.0, 12.0, 15.0]);
        let swapped = values(&|x| all_to_all(x, "i", 0, 0), &nine);
        assert_eq!(f32s(&swapped), [0.0, 3.0, 6.0, 1.0, 4.0, 7.0, 2.0, 5.0, 8.0]);
        let six = Array::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], [3, 2]);
        let columns = values(&|x| all_gather_with(x, "i", AllGatherOptions::new().axis(1)), &six);
        assert_eq!(
            (columns.shape(), &f32s(&columns)[..6]),
            (&[3, 2, 3][..], &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0][..])
        );
        let tiled = values(&|x| all_gather_with(x, "i", AllGatherOptions::new().tiled(true)), &six);
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
            |a: &[Array]| Ok(vec![lax::mul(&all_gather(&a[0], "i"), &Array::from([1.0f32, 10.0, 100.0]))]);
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
        let six = Array::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], [2, 3]);
        let run = |name: &'static str| {
            let f = move |a: &[Array]| Ok(vec![psum(&a[0], name)]);
            let inner = move |a: &[Array]| vmap_named(Some("j"), f, a, &[Some(0)]);
            f32s(&vmap_named(Some("i"), inner, std::slice::from_ref(&six), &[Some(0)]).unwrap()[0])
        };
        assert_eq!(run("j"), [3.0, 3.0, 3.0, 12.0, 12.0, 12.0]);
        assert_eq!(run("i"), [3.0, 5.0, 7.0, 3.0, 5.0, 7.0]);
    }

    // Expected values are JAX's, from `jax.vmap(jax.vmap(f, axis_name='j'), axis_name='i')`; JAX refuses to gather and to
    // permute over several mapped axes, where they are those of `jax.shard_map`.
    #[test]
    fn several_axes_are_one_that_is_row_major() {
        let six = Array::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], [2, 3]);
        let run = |f: &dyn Fn(&Array) -> Array, x: &Array| {
            let inner = |a: &[Array]| vmap_named(Some("j"), |a: &[Array]| Ok(vec![f(&a[0])]), a, &[Some(0)]);
            vmap_named(Some("i"), inner, std::slice::from_ref(x), &[Some(0)]).unwrap().swap_remove(0)
        };
        let floats = |f: &dyn Fn(&Array) -> Array| f32s(&run(f, &six));
        assert_eq!(floats(&|x| psum(x, ("i", "j"))), [15.0; 6]);
        assert_eq!(floats(&|x| psum(x, ["j".to_owned(), "i".to_owned()])), [15.0; 6]);
        assert_eq!(floats(&|x| psum(x, ())), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(floats(&|x| pmean(x, vec!["i", "j"])), [2.5; 6]);
        assert_eq!(floats(&|x| pmax(x, ("i", "j"))), [5.0; 6]);
        assert_eq!(floats(&|x| pmin(x, ["i", "j"].as_slice())), [0.0; 6]);
        assert_eq!(run(&|_| axis_index(("i", "j")), &six).to_vec::<i32>().unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(run(&|_| axis_index(("j", "i")), &six).to_vec::<i32>().unwrap(), [0, 2, 4, 1, 3, 5]);
        assert_eq!(floats(&|_| Array::from(axis_size(("i", "j")) as f32)), [6.0; 6]);
        let cycle: Vec<(usize, usize)> = (0..5).map(|i| (i, i + 1)).collect();
        assert_eq!(floats(&|x| ppermute(x, ("i", "j"), &cycle)), [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        let gathered = run(&|x| all_gather(x, ("i", "j")), &six);
        assert_eq!(
            (gathered.shape(), &f32s(&gathered)[30..]),
            (&[2, 3, 6][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..])
        );
        let gathered = run(&|x| all_gather(x, ("j", "i")), &six);
        assert_eq!(f32s(&gathered)[..6], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let block: Vec<f32> = (0..36u8).map(f32::from).collect();
        let block = Array::from_slice(&block, [2, 3, 6]);
        let swapped = f32s(&run(&|x| all_to_all(x, ("i", "j"), 0, 0), &block));
        assert_eq!((&swapped[..6], swapped[35]), (&[0.0, 6.0, 12.0, 18.0, 24.0, 30.0][..], 35.0));
        let scattered = run(&|x| psum_scatter(x, ("i", "j")), &block);
        assert_eq!(f32s(&scattered), [90.0, 96.0, 102.0, 108.0, 114.0, 120.0]);
        let sum_of_sines = |a: &[Array]| Ok(vec![psum(&lax::sin(&a[0]), ("i", "j"))]);
        let inner = |a: &[Array]| vmap_named(Some("j"), |a: &[Array]| grad(sum_of_sines, a), a, &[Some(0)]);
        let found = f32s(&vmap_named(Some("i"), inner, std::slice::from_ref(&six), &[Some(0)]).unwrap()[0]);
        let expected = [6.0f32, 3.241_813_7, -2.496_881, -5.939_955, -3.921_861_6, 1.701_973_2];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
    }

    #[test]
    fn trees_are_reduced_leaf_by_leaf() {
        let f = |a: &[Array]| {
            let (sum, rest) = psum(&(a[0].clone(), vec![lax::neg(&a[0])]), "i");
            Ok([vec![sum], rest].concat())
        };
        let found = vmap_named(Some("i"), f, &[x()], &[Some(0)]).unwrap();
        assert_eq!((f32s(&found[0]), f32s(&found[1])), (vec![7.0; 3], vec![-7.0; 3]));
    }

    #[test]
    fn an_axis_named_twice_is_refused() {
        let e = over_i(|x| psum(x, ("i", "i")), &x()).unwrap_err();
        assert_eq!(e.message(), "axis names must differ, got ('i', 'i')");
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

    /// What JAX gives with `tiled=True`.
    #[test]
    fn tiled_collectives_divide_and_concatenate_axes_that_stay() {
        let x = Array::from_slice(&(0..16).map(|i| i as f32).collect::<Vec<f32>>(), (2, 4, 2));
        let run = |f: &(dyn Fn(&Array) -> Array + Send + Sync)| {
            let y = crate::api::vmap_with(f, crate::api::VmapOptions::new().axis_name("i"))(&x).unwrap();
            (y.shape().to_vec(), y.to_vec::<f32>().unwrap())
        };
        let (shape, values) = run(&|x| psum_scatter_with(x, "i", PsumScatterOptions::new().tiled(true)));
        assert_eq!(shape, [2, 2, 2]);
        assert_eq!(values, [8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0]);
        let tiled = AllToAllOptions::new().tiled(true);
        let (shape, values) = run(&|x| all_to_all_with(x, "i", 0, 1, tiled.clone()));
        assert_eq!(shape, [2, 2, 4]);
        let columns = [0.0, 1.0, 8.0, 9.0, 2.0, 3.0, 10.0, 11.0, 4.0, 5.0, 12.0, 13.0, 6.0, 7.0, 14.0, 15.0];
        assert_eq!(values, columns);
        let (shape, values) = run(&|x| all_to_all_with(x, "i", 0, 0, tiled.clone()));
        assert_eq!(shape, [2, 4, 2]);
        let rows = [0.0, 1.0, 2.0, 3.0, 8.0, 9.0, 10.0, 11.0, 4.0, 5.0, 6.0, 7.0, 12.0, 13.0, 14.0, 15.0];
        assert_eq!(values, rows);
        let f =
            |x: &Array| psum_scatter_with(x, "i", PsumScatterOptions::new().scatter_dimension(0).tiled(true));
        let odd = Array::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let e = crate::api::vmap_with(f, crate::api::VmapOptions::new().axis_name("i"))(&odd).unwrap_err();
        assert!(
            e.message().contains("psum_scatter: the named axes are of size 2, which does not divide axis 0"),
            "{e}"
        );
    }
}
