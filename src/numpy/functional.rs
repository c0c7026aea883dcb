//! Functions of functions. JAX: `numpy/lax_numpy.py`, `numpy/array_constructors.py`.

use crate::api::vmap;
use crate::arguments::{Axes, Axis, Dims, options};
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::{Result, bail, caller, catch, with_location, without_location};
use crate::lax;
use crate::lax::arguments::{axes_of, axis_of, sizes_of};
use crate::numpy::joining::FromArrays;
use crate::numpy::nonzero::{SizeOptions, positions};
use crate::numpy::util::{default_float, strong};
use crate::numpy::{ArangeOptions, arange_with, argmax, broadcast_to, cumsum, moveaxis, ones};

use crate::numpy::logic::to_bool;
use crate::signature::Output;

/// Runs `body` at the line that called the function, and gives what it throws.
#[track_caller]
fn here<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let loc = caller();
    catch(|| with_location(loc, body)).map_err(|e| e.at(loc))
}

options! {
    /// Options of [`mask_indices_with`].
    pub struct MaskIndicesOptions {
        /// The diagonal that the function is told.
        k: value i64 = 0,
        /// How many positions there are. It must be given where the mask is traced.
        size: optional usize,
    }
}

/// The rows and columns where `mask_func(matrix, k)` of an `n` by `n` matrix of ones is not zero.
///
/// # Errors
/// As [`nonzero`](super::nonzero); a function that does not give a matrix.
/// ```
/// use raxla::numpy::{self as jnp, DiagOptions};
///
/// let upper = |x: &raxla::Array, k: i64| jnp::triu_with(x, DiagOptions::new().k(k));
/// let (rows, columns) = jnp::mask_indices(2, upper)?;
/// assert_eq!((rows.to_vec::<i32>()?, columns.to_vec::<i32>()?), (vec![0, 0, 1], vec![0, 1, 1]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn mask_indices<O>(n: usize, mask_func: impl Fn(&Array, i64) -> O) -> Result<(Array, Array)>
where
    O: Output<Tree = Array>,
{
    mask_indices_with(n, mask_func, MaskIndicesOptions::new())
}

/// [`mask_indices`] by options.
///
/// # Errors
/// As [`mask_indices`].
#[track_caller]
pub fn mask_indices_with<O>(
    n: usize,
    mask_func: impl Fn(&Array, i64) -> O,
    options: MaskIndicesOptions,
) -> Result<(Array, Array)>
where
    O: Output<Tree = Array>,
{
    here(|| {
        let square = ones([n, n]);
        let mask = without_location(|| mask_func(&square, options.k).into_result())?;
        if mask.ndim() != 2 {
            bail!(Shape, "mask_indices: mask_func must give a matrix, got {}", mask.aval());
        }
        let sizes = SizeOptions { size: options.size, fill_value: None };
        let [rows, columns] =
            FromArrays::from_arrays("mask_indices", positions("mask_indices", &mask, &sizes));
        Ok((rows, columns))
    })
}

/// `func1d` of each vector along an axis; the axes of what it gives stand where the axis did.
///
/// # Errors
/// Those of the function; an axis out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// let sums = jnp::apply_along_axis(|row: &Array| jnp::sum(row, ..), 1, &x)?;
/// assert_eq!(sums.to_vec::<f32>()?, [3.0, 7.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn apply_along_axis<O>(
    func1d: impl Fn(&Array) -> O + Send + Sync,
    axis: impl Into<Axis>,
    x: impl Into<Array>,
) -> Result<Array>
where
    O: Output<Tree = Array>,
{
    let (x, axis) = (x.into(), axis.into());
    here(|| {
        let axis = axis_of("apply_along_axis", axis, &x);
        let rows = moveaxis(&x, axis, -1);
        let (others, n) = rows.shape().split_at(x.ndim() - 1);
        let f = |row: &Array| without_location(|| func1d(row).into_result());
        if others.is_empty() {
            return f(&x);
        }
        let out = vmap(f)(&lax::reshape(&rows, [others.iter().product::<usize>(), n[0]]))?;
        let inner = &out.shape()[1..];
        let shape: Vec<usize> = others.iter().chain(inner).copied().collect();
        // The axes behind the one that was taken come behind those of the results.
        let (from, count) = (others.len(), inner.len());
        let order: Vec<usize> = (0..axis).chain(from..from + count).chain(axis..from).collect();
        Ok(lax::transpose(&lax::reshape(&out, shape), order))
    })
}

/// `func(x, axis)` for one axis after the other. It gives an array without the axis, or with size one there: that is then kept.
///
/// # Errors
/// Those of the function; `apply_over_axes: the function must keep the number of axes or take one away`; axes out of range.
/// ```
/// use raxla::numpy as jnp;
/// use raxla::Array;
///
/// let x = jnp::ones([2, 3, 4]);
/// let sums = jnp::apply_over_axes(|x: &Array, axis: usize| jnp::sum(x, axis), &x, (0, 2))?;
/// assert_eq!((sums.shape(), sums.to_vec::<f32>()?), (&[1, 3, 1][..], vec![8.0; 3]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn apply_over_axes<O>(
    func: impl Fn(&Array, usize) -> O,
    x: impl Into<Array>,
    axes: impl Into<Axes>,
) -> Result<Array>
where
    O: Output<Tree = Array>,
{
    let (x, axes) = (x.into(), axes.into());
    here(|| {
        let mut x = x;
        for axis in axes_of("apply_over_axes", &axes, &x) {
            let y = without_location(|| func(&x, axis).into_result())?;
            x = match (y.ndim(), x.ndim()) {
                (n, m) if n == m => y,
                (n, m) if n + 1 == m => lax::expand_dims(&y, [axis]),
                _ => bail!(
                    Shape,
                    "apply_over_axes: the function must keep the number of axes or take one away, got {} for {}",
                    y.aval(),
                    x.aval()
                ),
            };
        }
        Ok(x)
    })
}

options! {
    /// Options of [`fromfunction_with`].
    pub struct FromfunctionOptions {
        /// The dtype of the positions; `f32` if not given.
        dtype: optional DType,
    }
}

/// The array of this shape whose elements are `function` of their positions, floats. The function takes a list with the position
/// along each axis, scalars: it is mapped over all of them.
///
/// # Errors
/// Those of the function; a negative size.
/// ```
/// use raxla::numpy as jnp;
/// use raxla::Array;
///
/// let table = jnp::fromfunction(|at: &[Array]| &at[0] * 10.0 + &at[1], (2, 3))?;
/// assert_eq!(table.to_vec::<f32>()?, [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn fromfunction<O>(
    function: impl Fn(&[Array]) -> O + Send + Sync,
    shape: impl Into<Dims>,
) -> Result<Array>
where
    O: Output<Tree = Array>,
{
    fromfunction_with(function, shape, FromfunctionOptions::new())
}

/// [`fromfunction`] by options.
///
/// # Errors
/// As [`fromfunction`].
#[track_caller]
pub fn fromfunction_with<O>(
    function: impl Fn(&[Array]) -> O + Send + Sync,
    shape: impl Into<Dims>,
    options: FromfunctionOptions,
) -> Result<Array>
where
    O: Output<Tree = Array>,
{
    let shape = shape.into();
    here(|| {
        let shape = sizes_of("fromfunction", &shape);
        let f = |at: &[Array]| without_location(|| function(at).into_result());
        if shape.is_empty() {
            return f(&[]);
        }
        let how = ArangeOptions::new().dtype(options.dtype.map_or_else(default_float, canonicalize));
        let size: usize = shape.iter().product();
        let mut places = Vec::with_capacity(shape.len());
        for (axis, n) in shape.iter().enumerate() {
            let along = arange_with(*n, how.clone());
            places.push(lax::reshape(&lax::broadcast_in_dim(&along, &shape, [axis]), [size]));
        }
        let out = vmap(|at: &Vec<Array>| f(at))(&places)?;
        let full: Vec<usize> = shape.iter().chain(&out.shape()[1..]).copied().collect();
        Ok(lax::reshape(&out, full))
    })
}

/// What [`piecewise`] gives where a condition holds: a value, or a function of the elements.
pub struct Piece<'f>(Part<'f>);

enum Part<'f> {
    Value(Array),
    Function(Box<dyn Fn(&Array) -> Array + Send + Sync + 'f>),
}

impl<'f> Piece<'f> {
    /// A number.
    pub fn value(value: impl Into<Array>) -> Self {
        Piece(Part::Value(value.into()))
    }

    /// A function of one element.
    pub fn function(f: impl Fn(&Array) -> Array + Send + Sync + 'f) -> Self {
        Piece(Part::Function(Box::new(f)))
    }

    #[track_caller]
    fn of(&self, x: &Array) -> Array {
        match &self.0 {
            Part::Value(value) => strong(value, x.dtype()),
            Part::Function(f) => strong(&without_location(|| f(x)), x.dtype()),
        }
    }
}

/// For each element of `x` the piece of the first of the conditions `condlist` that holds, in the dtype of `x`. One piece more than
/// conditions is for those where none holds, else they become zero. A scalar condition is for all elements.
///
/// # Errors
/// Those of the functions; `piecewise: with 2 conditions, either 2 or 3 pieces are expected, got 1`; conditions that do not broadcast.
/// ```
/// use raxla::numpy::{self as jnp, Piece};
/// use raxla::Array;
///
/// let x = Array::from([-4.0f32, -1.0, 2.0]);
/// let conditions = [jnp::less(&x, -2.0), jnp::greater(&x, 0.0)];
/// let pieces = [Piece::value(-2.0), Piece::function(|x: &Array| x * x), Piece::function(|x: &Array| x * 0.5)];
/// assert_eq!(jnp::piecewise(&x, conditions, &pieces)?.to_vec::<f32>()?, [-2.0, -0.5, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn piecewise<T: std::borrow::Borrow<Array>>(
    x: impl Into<Array>,
    condlist: impl AsRef<[T]>,
    funclist: &[Piece<'_>],
) -> Result<Array> {
    let (x, conditions) = (x.into(), condlist.as_ref());
    let (n, m) = (conditions.len(), funclist.len());
    here(|| {
        if n == 0 || (m != n && m != n + 1) {
            bail!(
                InvalidArgument,
                "piecewise: with {n} conditions, either {n} or {} pieces are expected, got {m}",
                n + 1
            );
        }
        // Piece 0 is for where nothing holds.
        let mut rows = vec![lax::zeros(DType::Bool, x.shape())];
        for condition in conditions {
            rows.push(broadcast_to(to_bool(condition.borrow()), x.shape()));
        }
        let which = argmax(cumsum(crate::numpy::stack(rows, 0), 0), 0);
        let zero = Piece::value(0);
        let order: Vec<&Piece<'_>> = if m == n {
            [&zero].into_iter().chain(funclist).collect()
        } else {
            funclist.last().into_iter().chain(&funclist[..n]).collect()
        };
        let choose = |which: &Array, x: &Array| {
            let branches: Vec<Box<dyn Fn(Array) -> Array + '_>> = order
                .iter()
                .map(|piece| -> Box<dyn Fn(Array) -> Array + '_> { Box::new(|x: Array| piece.of(&x)) })
                .collect();
            let branches: Vec<&dyn Fn(Array) -> Array> = branches.iter().map(|b| &**b).collect();
            lax::switch(which, &branches, x.clone())
        };
        if x.ndim() == 0 {
            return choose(&which, &x);
        }
        let flat = |x: &Array| lax::reshape(x, [x.size()]);
        Ok(lax::reshape(&vmap(choose)(&flat(&which), &flat(&x))?, x.shape()))
    })
}
