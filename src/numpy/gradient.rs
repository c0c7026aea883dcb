//! Derivatives and angles of samples. JAX: `numpy/lax_numpy.py`.

use smallvec::SmallVec;

use crate::arguments::{Axes, Axis, options};
use crate::calls::jit_call::{jitted_list, jitted_some};
use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::{axes_of, axis_of};
use crate::numpy::joining::FromArrays;
use crate::numpy::util::{promote_dtypes, reject_complex, result_type_of, to_inexact};
use crate::numpy::{
    abs, concatenate, cumsum, diff, divide, equal, floor_divide, greater, less, logical_and, mod_, multiply,
    negative, subtract, where_,
};

/// How far samples are apart: the same for all axes, or a list with one entry for each axis. An entry is a number, or the vector
/// of coordinates along the axis.
#[derive(Clone, Debug)]
pub struct Spacings(Vec<Array>);

macro_rules! one_spacing {
    ($($t:ty),*) => {$(
        impl From<$t> for Spacings {
            fn from(all: $t) -> Self {
                Spacings(vec![all.into()])
            }
        }
    )*};
}
one_spacing!(f32, f64, i32, Array, &Array);

impl<T: Into<Array>, const N: usize> From<[T; N]> for Spacings {
    fn from(each: [T; N]) -> Self {
        Spacings(each.into_iter().map(Into::into).collect())
    }
}
impl<T: Into<Array>> From<Vec<T>> for Spacings {
    fn from(each: Vec<T>) -> Self {
        Spacings(each.into_iter().map(Into::into).collect())
    }
}

options! {
    /// Options of [`gradient_with`].
    pub struct GradientOptions {
        /// How far samples are apart, or where they are; 1 if not given. JAX: the arguments behind the array.
        spacing: optional_into Spacings,
    }
}

/// The derivative of samples along each of the axes, `..` for all: differences of both neighbours, at the ends of the one that
/// there is. An array for each axis.
///
/// # Errors
/// `gradient: needs at least two samples along an axis, got f32[1]`; axes out of range or repeated; another number of results
/// than of axes.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let [slope] = jnp::gradient(Array::from([0.0f32, 1.0, 4.0, 9.0]), ..);
/// assert_eq!(slope.to_vec::<f32>()?, [1.0, 2.0, 4.0, 5.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn gradient<R: FromArrays>(f: impl Into<Array>, axes: impl Into<Axes>) -> R {
    gradient_with(f, axes, GradientOptions::new())
}

/// [`gradient`] by options.
///
/// # Errors
/// As [`gradient`]; another number of spacings than one or as many as axes; coordinates of another length than the axis.
/// ```
/// use raxla::numpy::{self as jnp, GradientOptions};
/// use raxla::Array;
///
/// let x = Array::from([0.0f32, 1.0, 3.0]);
/// let [slope] = jnp::gradient_with(&x * 2.0, 0, GradientOptions::new().spacing([&x]));
/// assert_eq!(slope.to_vec::<f32>()?, [2.0, 2.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn gradient_with<R: FromArrays>(
    f: impl Into<Array>,
    axes: impl Into<Axes>,
    options: GradientOptions,
) -> R {
    const NAME: &str = "gradient";
    let (f, spacing) = (f.into(), options.spacing.map_or_else(Vec::new, |spacing| spacing.0));
    let axes = axes_of(NAME, &axes.into(), &f);
    if spacing.len() > 1 && spacing.len() != axes.len() {
        throw!(InvalidArgument, "{NAME}: {} spacings for {} axes", spacing.len(), axes.len());
    }
    if axes.iter().any(|axis| f.shape()[*axis] < 2) {
        throw!(Shape, "{NAME}: needs at least two samples along an axis, got {}", f.aval());
    }
    let args: SmallVec<[&Array; 4]> = [&f].into_iter().chain(&spacing).collect();
    let slopes = jitted_list(NAME, axes.clone(), &args, |args| {
        let (dtype, weak_type) = result_type_of(NAME, &args.iter().collect::<Vec<&Array>>());
        let convert = |x: &Array| lax::convert(x, to_inexact(dtype), weak_type);
        let f = convert(&args[0]);
        let one = |i: usize| match args.len() {
            1 => Array::from(1.0),
            2 => convert(&args[1]),
            _ => convert(&args[i + 1]),
        };
        let mut slopes = Vec::with_capacity(axes.len());
        for (i, axis) in axes.iter().enumerate() {
            slopes.push(slope(&f, &one(i), *axis));
        }
        slopes
    });
    R::from_arrays(NAME, slopes)
}

/// The slices along an axis from one position to another, from the end if negative.
#[track_caller]
fn part(x: &Array, start: impl Into<Option<i64>>, limit: impl Into<Option<i64>>, axis: usize) -> Array {
    lax::slice_along(x, start, limit, 1, axis)
}

#[track_caller]
fn slope(f: &Array, h: &Array, axis: usize) -> Array {
    let upper = subtract(part(f, 1, 2, axis), part(f, 0, 1, axis));
    let lower = subtract(part(f, -1, None, axis), part(f, -2, -1, axis));
    if h.ndim() == 0 {
        let inner = subtract(part(f, 2, None, axis), part(f, None, -2, axis));
        let inner = divide(multiply(inner, 0.5), h);
        return concatenate([divide(upper, h), inner, divide(lower, h)], axis);
    }
    if h.shape() != [f.shape()[axis]] {
        let (h, f) = (h.aval(), f.aval());
        throw!(
            Shape,
            "gradient: a spacing must be a number or as many as the axis {axis} of {f} has, got {h}"
        );
    }
    let mut shape = vec![1; f.ndim()];
    shape[axis] = h.size();
    let x = lax::reshape(h, shape);
    let upper = divide(upper, subtract(part(&x, 1, 2, axis), part(&x, 0, 1, axis)));
    let lower = divide(lower, subtract(part(&x, -1, None, axis), part(&x, -2, -1, axis)));
    let before = subtract(part(&x, 1, -1, axis), part(&x, 0, -2, axis));
    let behind = subtract(part(&x, 2, None, axis), part(&x, 1, -1, axis));
    let both = before.clone() + &behind;
    // The parabola through three samples.
    let left = divide(negative(&behind), &before * &both);
    let middle = divide(&behind - &before, &before * &behind);
    let right = divide(&before, &behind * &both);
    let inner = multiply(left, part(f, 0, -2, axis)) + multiply(middle, part(f, 1, -1, axis));
    let inner = inner + multiply(right, part(f, 2, None, axis));
    concatenate([upper, inner, lower], axis)
}

options! {
    /// Options of [`unwrap_with`].
    pub struct UnwrapOptions {
        /// The smallest step that is taken for a jump; half of the period if not given.
        discont: optional_into Array,
        /// The size of a whole turn.
        period: into Array = 2.0 * std::f64::consts::PI,
    }
}

/// Angles along an axis without the jumps by whole turns of 2π.
///
/// # Errors
/// Complex numbers; an axis out of range.
/// ```
/// use raxla::numpy::{self as jnp, UnwrapOptions};
/// use raxla::Array;
///
/// let hours = Array::from([10, 11, 0, 1]);
/// let clock = jnp::unwrap_with(&hours, -1, UnwrapOptions::new().period(12));
/// assert_eq!(clock.to_vec::<i32>()?, [10, 11, 12, 13]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn unwrap(p: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    unwrap_with(p, axis, UnwrapOptions::new())
}

/// [`unwrap`] by options.
///
/// # Errors
/// As [`unwrap`].
#[track_caller]
pub fn unwrap_with(p: impl Into<Array>, axis: impl Into<Axis>, options: UnwrapOptions) -> Array {
    let (p, axis) = (p.into(), axis.into());
    let axis = axis_of("unwrap", axis, &p);
    let discont = [options.discont.as_ref()];
    jitted_some("unwrap", axis, [&p, &options.period], discont, |[p, period], [discont]| {
        let [p, period] = promote_dtypes("unwrap", [p, period]);
        reject_complex("unwrap", &p);
        if p.shape()[axis] == 0 {
            return p;
        }
        let discont = discont.cloned().unwrap_or_else(|| divide(&period, 2));
        let half = if p.dtype().is_integer() { floor_divide(&period, 2) } else { divide(&period, 2) };
        let steps = diff(&p, axis);
        let turned = subtract(mod_(&steps + &half, &period), &half);
        // Half a turn goes forward if the step did.
        let opposite = logical_and(equal(&turned, negative(&half)), greater(&steps, 0));
        let turned = where_(opposite, &half, turned);
        let correction = where_(less(abs(&steps), discont), 0, subtract(turned, &steps));
        let rest = part(&p, 1, None, axis) + cumsum(correction, axis);
        concatenate([part(&p, 0, 1, axis), rest], axis)
    })
}
