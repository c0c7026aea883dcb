//! Where the largest and the smallest elements are. JAX: `numpy/lax_numpy.py`.

use crate::arguments::OptAxis;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::nan_reductions::without_nan;
use crate::numpy::reductions::ReduceOptions;
use crate::numpy::util::{constant, default_int, reject_complex};
use crate::numpy::{all_with, isnan, where_};

#[track_caller]
fn arg_extremum(
    name: &'static str,
    x: &Array,
    axis: OptAxis,
    options: &ReduceOptions,
    largest: bool,
    skip_nan: bool,
) -> Array {
    options.only(name, &[]);
    if !skip_nan {
        return positions_of(name, x, axis, options, largest, false);
    }
    let jit = if largest { "_nanargmax" } else { "_nanargmin" };
    jitted(jit, (axis, options.keepdims), [x], |[x]| positions_of(name, x, axis, options, largest, true))
}

#[track_caller]
fn positions_of(
    name: &str,
    x: &Array,
    axis: OptAxis,
    options: &ReduceOptions,
    largest: bool,
    skip_nan: bool,
) -> Array {
    reject_complex(name, x);
    let rank = x.ndim();
    let (flat, at) = match axis.get() {
        None => (lax::reshape(x, [x.size()]), 0),
        Some(axis) => (x.clone(), axis.position(name, rank).or_throw()),
    };
    if flat.shape()[at] == 0 {
        throw!(Shape, "attempt to get {name} of an empty sequence, got {}", x.aval());
    }
    let skip_nan = skip_nan && x.dtype().is_inexact();
    let numbers = if skip_nan {
        without_nan(&flat, if largest { f64::NEG_INFINITY } else { f64::INFINITY })
    } else {
        flat.clone()
    };
    let mut out = if largest {
        lax::argmax_with(&numbers, at, lax::ArgOptions::new().index_dtype(default_int()))
    } else {
        lax::argmin_with(&numbers, at, lax::ArgOptions::new().index_dtype(default_int()))
    };
    if skip_nan {
        let nothing = all_with(isnan(&flat), at, ReduceOptions::new());
        out = where_(nothing, constant(&out, -1.0), out);
    }
    match (options.keepdims, axis.get()) {
        (true, None) => lax::reshape(&out, vec![1; rank]),
        (true, Some(_)) => lax::expand_dims(&out, [at]),
        (false, _) => out,
    }
}

macro_rules! positions {
    ($($(#[$doc:meta])* $name:ident $with:ident $largest:literal $skip_nan:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
            let name = stringify!($name);
            arg_extremum(name, &x.into(), axis.into(), &ReduceOptions::new(), $largest, $skip_nan)
        }

        #[doc = concat!("[`", stringify!($name), "`] by the option `keepdims`.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`]; other options.")]
        #[track_caller]
        pub fn $with(x: impl Into<Array>, axis: impl Into<OptAxis>, options: ReduceOptions) -> Array {
            arg_extremum(stringify!($name), &x.into(), axis.into(), &options, $largest, $skip_nan)
        }
    )*};
}
positions! {
    /// Where the largest element along an axis is, or in the flattened array for `..`: the first of several, that of the
    /// first nan.
    ///
    /// # Errors
    /// An axis out of range; no elements: `attempt to get argmax of an empty sequence, got f32[0]`; complex elements.
    /// ```
    /// use raxla::{Array, numpy as jnp};
    ///
    /// let x = Array::from([[1, 9], [7, 3]]);
    /// assert_eq!(jnp::argmax(&x, 1).to_vec::<i32>()?, [1, 0]);
    /// assert_eq!(jnp::argmax(&x, ..).item::<i32>()?, 1);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    argmax argmax_with true false;
    /// Where the smallest element along an axis is, or in the flattened array for `..`.
    ///
    /// # Errors
    /// Those of [`argmax`].
    argmin argmin_with false false;
    /// [`argmax`] of what is not nan; -1 if nothing else is there.
    ///
    /// # Errors
    /// Those of [`argmax`].
    nanargmax nanargmax_with true true;
    /// [`argmin`] of what is not nan; -1 if nothing else is there.
    ///
    /// # Errors
    /// Those of [`argmax`].
    nanargmin nanargmin_with false true;
}
