//! Products that sum: dot, matmul, tensordot and their like. JAX: `numpy/tensor_contractions.py`.

use smallvec::SmallVec;

use crate::arguments::{Axes, Axis, Integer, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
pub use crate::lax::DotOptions;
use crate::lax::arguments::{axes_of, axis_of};
use crate::numpy::util::{promote_args, promote_dtypes, result_type_of};
use crate::numpy::{concatenate, conjugate, multiply, ravel};

/// Axes of both operands.
type Pairs<'a> = (&'a [usize], &'a [usize]);

/// `dot_general` with promotion; the result has the promoted type.
#[track_caller]
fn contract(
    name: &str,
    x: &Array,
    y: &Array,
    over: Pairs<'_>,
    batch: Pairs<'_>,
    options: &DotOptions,
) -> Array {
    for (what, (xs, ys)) in [("contracted", over), ("leading", batch)] {
        if xs.len() != ys.len() {
            throw!(Shape, "{name}: as many axes of both must be {what}, got {} and {}", xs.len(), ys.len());
        }
        if let Some((i, j)) = xs.iter().zip(ys).find(|(i, j)| x.shape()[**i] != y.shape()[**j]) {
            throw!(
                Shape,
                "{name}: {what} axes must have the same size, got {} (axis {i}) and {} (axis {j}) of {} and {}",
                x.shape()[*i],
                y.shape()[*j],
                x.aval(),
                y.aval()
            );
        }
    }
    let (dtype, weak_type) = result_type_of(name, &[x, y]);
    let [x, y] = promote_dtypes(name, [x, y]);
    let mut how = options.clone();
    how.preferred_element_type.get_or_insert(dtype);
    let out = lax::dot_general_with(&x, &y, (over, batch), how);
    match options.preferred_element_type {
        Some(_) => out,
        None => lax::convert(&out, dtype, weak_type),
    }
}

macro_rules! products {
    ($($(#[$doc:meta])* $name:ident $with:ident $of:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(x: impl Into<Array>, y: impl Into<Array>) -> Array {
            $of(stringify!($name), &x.into(), &y.into(), &DotOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "`] by options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`].")]
        #[track_caller]
        pub fn $with(x: impl Into<Array>, y: impl Into<Array>, options: DotOptions) -> Array {
            $of(stringify!($name), &x.into(), &y.into(), &options)
        }
    )*};
}
products! {
    /// The product of matrices, of stacks of matrices (leading axes broadcast), or with vectors.
    ///
    /// `f32[2,3] @ f32[3,4]` -> `f32[2,4]`; `f32[5,2,3] @ f32[3]` -> `f32[5,2]`.
    ///
    /// # Errors
    /// `matmul: operand 1 must have at least one axis, got f32[2,3] and f32[]`;
    /// `matmul: contracted axes must have the same size, got 3 (axis 1) and 2 (axis 0) of f32[2,3] and f32[2,2]`.
    /// ```
    /// use raxla::{Array, numpy as jnp};
    ///
    /// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// let y = Array::from([1.0f32, 10.0]);
    /// assert_eq!(jnp::matmul(&x, &y).to_vec::<f32>()?, [21.0, 43.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    matmul matmul_with matrices;
    /// NumPy's dot: like [`matmul`] for vectors and matrices, a product with scalars, and for more axes the sum over the last
    /// of `x` and the last but one of `y`.
    ///
    /// # Errors
    /// `dot: contracted axes must have the same size, got 3 (axis 0) and 2 (axis 0) of f32[3] and f32[2]`
    dot dot_with dots;
    /// The sum of products of the flattened arrays, the first one conjugated.
    ///
    /// # Errors
    /// Sizes that differ.
    vdot vdot_with flat_dots;
    /// The sum of products over the last axes of both.
    ///
    /// # Errors
    /// Sizes that differ.
    inner inner_with inners;
}

#[track_caller]
fn matrices(name: &str, x: &Array, y: &Array, options: &DotOptions) -> Array {
    for (i, operand) in [x, y].into_iter().enumerate() {
        if operand.ndim() == 0 {
            throw!(
                Shape,
                "{name}: operand {i} must have at least one axis, got {} and {}",
                x.aval(),
                y.aval()
            );
        }
    }
    let (rows, columns) = (x.ndim() > 1, y.ndim() > 1);
    let (x_batch, y_batch) = (x.ndim().saturating_sub(2), y.ndim().saturating_sub(2));
    if x_batch == 0 && y_batch == 0 {
        return contract(name, x, y, (&[x.ndim() - 1], &[0]), (&[], &[]), options);
    }
    // Leading axes: equal ones are batched; one of size one, or missing, leaves the other's free.
    let rank = x_batch.max(y_batch);
    let size = |a: &Array, n: usize, i: usize| (i + n >= rank).then(|| a.shape()[i + n - rank]);
    let sizes: Vec<(Option<usize>, Option<usize>)> =
        (0..rank).map(|i| (size(x, x_batch, i), size(y, y_batch, i))).collect();
    if sizes.iter().any(|s| matches!(s, (Some(m), Some(n)) if m != n && *m != 1 && *n != 1)) {
        throw!(Shape, "{name}: leading axes do not broadcast, got {} and {}", x.aval(), y.aval());
    }
    let drop_x: Vec<usize> = (0..rank)
        .filter(|i| matches!(sizes[*i], (Some(1), Some(n)) if n != 1))
        .map(|i| i + x_batch - rank)
        .collect();
    let drop_y: Vec<usize> = (0..rank)
        .filter(|i| matches!(sizes[*i], (Some(n), Some(1)) if n != 1))
        .map(|i| i + y_batch - rank)
        .collect();
    let (x, y) = (lax::squeeze(x, &drop_x), lax::squeeze(y, &drop_y));
    let (mut at_x, mut at_y) = (0, 0);
    let (mut batch_x, mut batch_y) = (Vec::new(), Vec::new());
    // For each leading axis of the result: is it batched, or free in x, or free in y?
    let mut kinds = Vec::new();
    for pair in sizes {
        let (in_x, in_y) = match pair {
            (Some(1), Some(n)) if n != 1 => (false, true),
            (Some(n), Some(1)) if n != 1 => (true, false),
            (m, n) => (m.is_some(), n.is_some()),
        };
        kinds.push((in_x, in_y));
        if in_x && in_y {
            batch_x.push(at_x);
            batch_y.push(at_y);
        }
        at_x += usize::from(in_x);
        at_y += usize::from(in_y);
    }
    let inner = if columns { y.ndim() - 2 } else { y.ndim() - 1 };
    let out = contract(name, &x, &y, (&[x.ndim() - 1], &[inner]), (&batch_x, &batch_y), options);
    // The product has the batched axes, then x's free ones and rows, then y's free ones and columns.
    let n = batch_x.len();
    let free_x = kinds.iter().filter(|k| **k == (true, false)).count();
    let start_y = n + free_x + usize::from(rows);
    let (mut b, mut fx, mut fy) = (0, n, start_y);
    let next = |k: &mut usize| {
        *k += 1;
        *k - 1
    };
    let mut order: Vec<usize> = kinds
        .iter()
        .map(|kind| match kind {
            (true, true) => next(&mut b),
            (true, false) => next(&mut fx),
            _ => next(&mut fy),
        })
        .collect();
    if rows {
        order.push(n + free_x);
    }
    if columns {
        order.push(out.ndim() - 1);
    }
    lax::transpose(&out, &order)
}

#[track_caller]
pub(super) fn dots(name: &str, x: &Array, y: &Array, options: &DotOptions) -> Array {
    if x.ndim() == 0 || y.ndim() == 0 {
        return contract(name, x, y, (&[], &[]), (&[], &[]), options);
    }
    let inner = y.ndim().saturating_sub(2);
    contract(name, x, y, (&[x.ndim() - 1], &[inner]), (&[], &[]), options)
}

#[track_caller]
fn flat_dots(name: &str, x: &Array, y: &Array, options: &DotOptions) -> Array {
    dots(name, &ravel(conjugate(x)), &ravel(y), options)
}

#[track_caller]
fn inners(name: &str, x: &Array, y: &Array, options: &DotOptions) -> Array {
    if x.ndim() == 0 || y.ndim() == 0 {
        return contract(name, x, y, (&[], &[]), (&[], &[]), options);
    }
    contract(name, x, y, (&[x.ndim() - 1], &[y.ndim() - 1]), (&[], &[]), options)
}

/// The sum of products along an axis of both, the first one conjugated; other axes broadcast.
///
/// # Errors
/// Sizes that differ; an axis out of range.
#[track_caller]
pub fn vecdot(x: impl Into<Array>, y: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    vecdot_with(x, y, axis, DotOptions::new())
}

/// [`vecdot`] by options.
///
/// # Errors
/// As [`vecdot`].
#[track_caller]
pub fn vecdot_with(
    x: impl Into<Array>,
    y: impl Into<Array>,
    axis: impl Into<Axis>,
    options: DotOptions,
) -> Array {
    let (x, y, axis) = (x.into(), y.into(), axis.into());
    let x = lax::move_axis(&x, axis_of("vecdot", axis, &x), x.ndim() - 1);
    let y = lax::move_axis(&y, axis_of("vecdot", axis, &y), y.ndim() - 1);
    let row = lax::expand_dims(&conjugate(&x), [x.ndim() - 1]);
    let out = matrices("vecdot", &row, &lax::expand_dims(&y, [y.ndim()]), &options);
    lax::squeeze(&out, [out.ndim() - 2, out.ndim() - 1])
}

/// Matrices times vectors, in the last axes of each; other axes broadcast: `f32[5,2,3]`, `f32[3]` -> `f32[5,2]`.
///
/// # Errors
/// Those of [`matmul`]; a scalar.
#[track_caller]
pub fn matvec(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("matvec", (), [&x.into(), &y.into()], |[x, y]| {
        at_least("matvec", [(x, 2), (y, 1)]);
        if y.ndim() == 1 {
            return contract(
                "matvec",
                x,
                y,
                (&[x.ndim() - 1], &[y.ndim() - 1]),
                (&[], &[]),
                &DotOptions::new(),
            );
        }
        let out = matrices("matvec", x, &lax::expand_dims(y, [y.ndim()]), &DotOptions::new());
        lax::squeeze(&out, [out.ndim() - 1])
    })
}

/// Vectors, conjugated, times matrices, in the last axes of each; other axes broadcast: `f32[2]`, `f32[5,2,3]` ->
/// `f32[5,3]`.
///
/// # Errors
/// Those of [`matmul`]; a scalar.
#[track_caller]
pub fn vecmat(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("vecmat", (), [&x.into(), &y.into()], |[x, y]| {
        at_least("vecmat", [(x, 1), (y, 2)]);
        let x = conjugate(x);
        if x.ndim() == 1 {
            return contract("vecmat", &x, y, (&[0], &[y.ndim() - 2]), (&[], &[]), &DotOptions::new());
        }
        let row = lax::expand_dims(&x, [x.ndim() - 1]);
        let out = matrices("vecmat", &row, y, &DotOptions::new());
        lax::squeeze(&out, [out.ndim() - 2])
    })
}

#[track_caller]
fn at_least(name: &str, operands: [(&Array, usize); 2]) {
    for (i, (x, rank)) in operands.into_iter().enumerate() {
        if x.ndim() < rank {
            throw!(Shape, "{name}: operand {i} must have at least {rank} axes, got {}", x.aval());
        }
    }
}

/// The products of every element of `x` with every one of `y`, both flattened: a matrix.
#[track_caller]
pub fn outer(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_dtypes("outer", [&x.into(), &y.into()]);
    multiply(lax::expand_dims(&ravel(x), [1]), lax::expand_dims(&ravel(y), [0]))
}

/// Over which axes [`tensordot`] sums: how many, or which.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contracting {
    /// This many last axes of the first with as many first axes of the second.
    Last(usize),
    /// These axes of the first, each with that of the second in the same place.
    Pairs(Axes, Axes),
}

impl<I: Integer> From<I> for Contracting {
    fn from(n: I) -> Self {
        Contracting::Last(n.to_i64().max(0) as usize)
    }
}
impl<A: Into<Axes>, B: Into<Axes>> From<(A, B)> for Contracting {
    fn from((x, y): (A, B)) -> Self {
        Contracting::Pairs(x.into(), y.into())
    }
}

/// The sum of products over some axes of both: `tensordot(&x, &y, 2)`, `tensordot(&x, &y, ([0, 2], [1, 0]))`.
///
/// # Errors
/// `tensordot: requires as many axes as it sums over, got 3 for f32[2,3] and f32[3,4]`; sizes that differ.
#[track_caller]
pub fn tensordot(x: impl Into<Array>, y: impl Into<Array>, axes: impl Into<Contracting>) -> Array {
    tensor_product(&x.into(), &y.into(), &axes.into(), &DotOptions::new())
}

/// [`tensordot`] by options.
///
/// # Errors
/// As [`tensordot`].
#[track_caller]
pub fn tensordot_with(
    x: impl Into<Array>,
    y: impl Into<Array>,
    axes: impl Into<Contracting>,
    options: DotOptions,
) -> Array {
    tensor_product(&x.into(), &y.into(), &axes.into(), &options)
}

#[track_caller]
fn tensor_product(x: &Array, y: &Array, axes: &Contracting, options: &DotOptions) -> Array {
    let (over_x, over_y): (SmallVec<[usize; 4]>, SmallVec<[usize; 4]>) = match axes {
        Contracting::Last(n) => {
            if *n > x.ndim() || *n > y.ndim() {
                let (x, y) = (x.aval(), y.aval());
                throw!(Shape, "tensordot: requires as many axes as it sums over, got {n} for {x} and {y}");
            }
            ((x.ndim() - n..x.ndim()).collect(), (0..*n).collect())
        }
        Contracting::Pairs(a, b) => (axes_of("tensordot", a, x), axes_of("tensordot", b, y)),
    };
    contract("tensordot", x, y, (&over_x, &over_y), (&[], &[]), options)
}

/// Kronecker's product: `y` in place of every element of `x`, multiplied by it.
#[track_caller]
pub fn kron(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("kron", (), [&x.into(), &y.into()], |[x, y]| kronecker(x, y))
}

#[track_caller]
fn kronecker(x: &Array, y: &Array) -> Array {
    let rank = x.ndim().max(y.ndim());
    let lead = |a: &Array| lax::expand_dims(a, (0..rank - a.ndim()).collect::<Vec<_>>());
    let (x, y) = (lead(x), lead(y));
    let sizes: Vec<usize> = x.shape().iter().zip(y.shape()).map(|(m, n)| m * n).collect();
    let (odd, even): (Vec<usize>, Vec<usize>) = (0..2 * rank).partition(|i| i % 2 == 1);
    let product = multiply(lax::expand_dims(&x, &odd), lax::expand_dims(&y, &even));
    lax::reshape(&product, &sizes)
}

options! {
    /// Options of [`cross_with`].
    pub struct CrossOptions {
        /// The axis of the components of the first array.
        axisa: into Axis = -1,
        /// The axis of the components of the second array.
        axisb: into Axis = -1,
        /// The axis of the components of the result.
        axisc: into Axis = -1,
        /// All three of them.
        axis: optional_into Axis,
    }
}

/// The cross product of vectors of three components along the last axes; other axes broadcast. A missing third component is
/// 0, and two plane vectors give the third component alone.
///
/// # Errors
/// `cross: vectors must have 2 or 3 components, got f32[4] and f32[3]`
#[track_caller]
pub fn cross(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    cross_product(&x.into(), &y.into(), &CrossOptions::new())
}

/// [`cross`] by options.
///
/// # Errors
/// As [`cross`]; axes out of range.
#[track_caller]
pub fn cross_with(x: impl Into<Array>, y: impl Into<Array>, options: CrossOptions) -> Array {
    cross_product(&x.into(), &y.into(), &options)
}

#[track_caller]
fn cross_product(x: &Array, y: &Array, options: &CrossOptions) -> Array {
    let axis = |one: Axis| options.axis.unwrap_or(one);
    let axes = [axis(options.axisa), axis(options.axisb), axis(options.axisc)];
    jitted("cross", axes, [x, y], |[x, y]| crossed(x, y, axes))
}

#[track_caller]
fn crossed(x: &Array, y: &Array, [axisa, axisb, axisc]: [Axis; 3]) -> Array {
    let [x, y] = promote_dtypes("cross", [x, y]);
    let x = lax::move_axis(&x, axis_of("cross", axisa, &x), x.ndim() - 1);
    let y = lax::move_axis(&y, axis_of("cross", axisb, &y), y.ndim() - 1);
    let components = |a: &Array| a.shape()[a.ndim() - 1];
    if !matches!((components(&x), components(&y)), (2 | 3, 2 | 3)) {
        throw!(Shape, "cross: vectors must have 2 or 3 components, got {} and {}", x.aval(), y.aval());
    }
    let plane = components(&x) == 2 && components(&y) == 2;
    let mut operands = [x, y];
    for a in &mut operands {
        if components(a) == 2 && !plane {
            let last = a.ndim() - 1;
            let third = lax::zeros_like(&lax::slice_along(a, 0, 1, 1, last));
            *a = concatenate([&*a, &third], last);
        }
    }
    let [x, y] = promote_args("cross", operands.each_ref());
    let part = |a: &Array, i: i64| lax::index_along(a, i, -1);
    let component = |i: i64, j: i64| {
        let left = multiply(part(&x, i), part(&y, j));
        crate::numpy::subtract(left, multiply(part(&x, j), part(&y, i)))
    };
    if plane {
        return component(0, 1);
    }
    let out = lax::stack(&[component(1, 2), component(2, 0), component(0, 1)], -1);
    lax::move_axis(&out, out.ndim() - 1, axis_of("cross", axisc, &out))
}
