//! Running sums and products. JAX: `numpy/reductions.py`.

use crate::arguments::{OptAxis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::logic::to_bool;
use crate::numpy::util::{constant, promote_integer, strong};
use crate::numpy::{isnan, where_};

options! {
    /// Options of [`cumsum_with`] and its like.
    pub struct CumulativeOptions {
        /// The dtype to compute in and to give.
        dtype: optional DType,
    }
}

/// Applies a running reduction along one axis, or along the flattened array. JAX: `_cumulative_reduction`.
#[track_caller]
fn cumulative(
    name: &'static str,
    x: &Array,
    axis: OptAxis,
    options: &CumulativeOptions,
    product: bool,
) -> Array {
    jitted(name, (axis, options.dtype), [x], |[x]| accumulated(name, x, axis, options, product))
}

#[track_caller]
fn accumulated(name: &str, x: &Array, axis: OptAxis, options: &CumulativeOptions, product: bool) -> Array {
    let (x, axis) = match axis.get() {
        Some(axis) if x.ndim() > 0 => (x.clone(), axis_of(name, axis, x)),
        Some(axis) => (lax::reshape(x, [1]), axis.position(name, 1).or_throw()),
        None => (lax::reshape(x, [x.size()]), 0),
    };
    let x = if name.starts_with("nan") {
        {
            let neutral = constant(&x, if product { 1.0 } else { 0.0 });
            where_(isnan(&x), neutral, x)
        }
    } else {
        x
    };
    let dtype = match options.dtype {
        Some(dtype) => canonicalize(dtype),
        None if x.dtype().is_bool() => promote_integer(x.dtype()),
        None => x.dtype(),
    };
    // Truth values don't add up; what is nonzero is true.
    let (x, working) = if dtype.is_bool() { (to_bool(&x), promote_integer(dtype)) } else { (x, dtype) };
    let x = strong(&x, working);
    let out = if product { lax::cumprod(&x, axis) } else { lax::cumsum(&x, axis) };
    strong(&out, dtype)
}

macro_rules! running {
    ($($(#[$doc:meta])* $name:ident $with:ident $product:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
            cumulative(stringify!($name), &x.into(), axis.into(), &CumulativeOptions::new(), $product)
        }

        #[doc = concat!("[`", stringify!($name), "`] by the option `dtype`.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`].")]
        #[track_caller]
        pub fn $with(x: impl Into<Array>, axis: impl Into<OptAxis>, options: CumulativeOptions) -> Array {
            cumulative(stringify!($name), &x.into(), axis.into(), &options, $product)
        }
    )*};
}
running! {
    /// The sums of the elements up to each, along an axis, or along the flattened array for `..`.
    ///
    /// # Errors
    /// An axis out of range.
    /// ```
    /// use raxla::{Array, numpy as jnp};
    ///
    /// let x = Array::from([1.0f32, 2.0, 3.0]);
    /// assert_eq!(jnp::cumsum(&x, 0).to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    cumsum cumsum_with false;
    /// The products of the elements up to each, along an axis, or along the flattened array for `..`.
    ///
    /// # Errors
    /// An axis out of range.
    cumprod cumprod_with true;
    /// [`cumsum`] with nan taken as 0.
    ///
    /// # Errors
    /// Those of [`cumsum`].
    nancumsum nancumsum_with false;
    /// [`cumprod`] with nan taken as 1.
    ///
    /// # Errors
    /// Those of [`cumprod`].
    nancumprod nancumprod_with true;
}

options! {
    /// Options of [`cumulative_sum_with`] and [`cumulative_prod_with`].
    pub struct CumulativeArrayOptions {
        /// The dtype to compute in and to give.
        dtype: optional DType,
        /// Does what there is before the first element, 0 or 1, come first?
        include_initial: value bool = false,
    }
}

/// The array API's functions: an axis may be left out of vectors alone.
#[track_caller]
fn accumulated_with(
    name: &'static str,
    x: &Array,
    axis: OptAxis,
    options: &CumulativeArrayOptions,
    product: bool,
) -> Array {
    let axis = match axis.get() {
        Some(axis) => axis_of(name, axis, x),
        None if x.ndim() == 1 => 0,
        None => throw!(Shape, "{name}: an axis is needed unless the array is a vector, got {}", x.aval()),
    };
    let how = CumulativeOptions { dtype: options.dtype };
    let out = if product {
        accumulated(name, x, axis.into(), &how, true)
    } else {
        // Small integers are summed as those of `sum` are.
        jitted("_cumsum_with_promotion", (axis, options.dtype), [x], |[x]| {
            let how = CumulativeOptions { dtype: options.dtype.or(Some(promote_integer(x.dtype()))) };
            accumulated(name, x, axis.into(), &how, false)
        })
    };
    if !options.include_initial {
        return out;
    }
    let mut shape = x.shape().to_vec();
    shape[axis] = 1;
    let first = lax::full(shape, lax::literal(out.dtype(), if product { 1.0 } else { 0.0 }));
    lax::concatenate([first, out], axis)
}

/// The sums of the elements up to each, along an axis; `..` for the only axis of a vector. Small integers become `i32`.
///
/// # Errors
/// `cumulative_sum: an axis is needed unless the array is a vector, got f32[2,3]`; an axis out of range.
/// ```
/// use raxla::numpy::{self as jnp, CumulativeArrayOptions};
/// use raxla::Array;
///
/// let x = Array::from([1.0f32, 2.0, 3.0]);
/// assert_eq!(jnp::cumulative_sum(&x, ..).to_vec::<f32>()?, [1.0, 3.0, 6.0]);
/// let from_zero = jnp::cumulative_sum_with(&x, 0, CumulativeArrayOptions::new().include_initial(true));
/// assert_eq!(from_zero.to_vec::<f32>()?, [0.0, 1.0, 3.0, 6.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn cumulative_sum(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    cumulative_sum_with(x, axis, CumulativeArrayOptions::new())
}

/// [`cumulative_sum`] by options.
///
/// # Errors
/// As [`cumulative_sum`].
#[track_caller]
pub fn cumulative_sum_with(
    x: impl Into<Array>,
    axis: impl Into<OptAxis>,
    options: CumulativeArrayOptions,
) -> Array {
    accumulated_with("cumulative_sum", &x.into(), axis.into(), &options, false)
}

/// The products of the elements up to each, along an axis; `..` for the only axis of a vector.
///
/// # Errors
/// As [`cumulative_sum`].
#[track_caller]
pub fn cumulative_prod(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    cumulative_prod_with(x, axis, CumulativeArrayOptions::new())
}

/// [`cumulative_prod`] by options.
///
/// # Errors
/// As [`cumulative_sum`].
#[track_caller]
pub fn cumulative_prod_with(
    x: impl Into<Array>,
    axis: impl Into<OptAxis>,
    options: CumulativeArrayOptions,
) -> Array {
    accumulated_with("cumulative_prod", &x.into(), axis.into(), &options, true)
}
