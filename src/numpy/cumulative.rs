//! Running sums and products. JAX: `numpy/reductions.py`.

use crate::arguments::{OptAxis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::OrThrow;
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
