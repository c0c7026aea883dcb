//! Reductions of what is not nan. JAX: `numpy/reductions.py`.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::numpy::reductions::{ReduceOptions, Reduction, reduce};
use crate::numpy::util::constant;
use crate::numpy::{all_with, isnan, where_};

/// `x` with `value` where it is nan.
#[track_caller]
pub(super) fn without_nan(x: &Array, value: f64) -> Array {
    if x.dtype().is_inexact() { where_(isnan(x), constant(x, value), x) } else { x.clone() }
}

/// [`reduce`] of what is not nan; nan where there is nothing else, for those that have no identity.
#[track_caller]
fn of_numbers(name: &'static str, kind: Reduction, x: &Array, axes: &Axes, options: &ReduceOptions) -> Array {
    options.jitted(name, x, axes, |x, options| numbers_reduced(name, kind, x, axes, options))
}

#[track_caller]
fn numbers_reduced(name: &str, kind: Reduction, x: &Array, axes: &Axes, options: &ReduceOptions) -> Array {
    let neutral = match kind {
        Reduction::Prod => 1.0,
        Reduction::Max => f64::NEG_INFINITY,
        Reduction::Min => f64::INFINITY,
        _ => 0.0,
    };
    let out = reduce(name, kind, &without_nan(x, neutral), axes, options);
    if neutral.is_finite() || !x.dtype().is_inexact() || options.initial.is_some() {
        return out;
    }
    let nothing = all_with(isnan(x), axes.clone(), ReduceOptions::new().keepdims(options.keepdims));
    where_(nothing, constant(&out, f64::NAN), out)
}

macro_rules! nan_reductions {
    ($($name:ident $with:ident $plain:ident $plain_with:ident $kind:ident $known:expr, $empty:literal;)*) => {$(
        #[doc = concat!("[`", stringify!($plain), "`](super::", stringify!($plain), ") of what is not nan", $empty, ".")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($plain), "`](super::", stringify!($plain), ").")]
        #[track_caller]
        pub fn $name(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
            of_numbers(stringify!($name), Reduction::$kind, &x.into(), &axes.into(), &ReduceOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "`] by the options of [`", stringify!($plain_with), "`](super::",
            stringify!($plain_with), ").")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($plain_with), "`](super::", stringify!($plain_with), ").")]
        #[track_caller]
        pub fn $with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
            options.only(stringify!($name), $known);
            of_numbers(stringify!($name), Reduction::$kind, &x.into(), &axes.into(), &options)
        }
    )*};
}
nan_reductions! {
    nansum nansum_with sum sum_with Sum &["dtype", "initial", "where_"], "";
    nanprod nanprod_with prod prod_with Prod &["dtype", "initial", "where_"], "";
    nanmax nanmax_with max max_with Max &["initial", "where_"], "; nan if nothing else is there";
    nanmin nanmin_with min min_with Min &["initial", "where_"], "; nan if nothing else is there";
}
