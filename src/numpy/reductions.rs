//! Sums, products, extrema and truth over axes. JAX: `numpy/reductions.py`.
//!
//! Axes are given as [`Axes`]: `..` for all of them, an integer, or several: `sum(&x, ..)`, `sum(&x, -1)`,
//! `sum(&x, (0, 1))`. The rest is in [`ReduceOptions`]: `sum_with(&x, -1, ReduceOptions::new().keepdims(true))`.

use crate::arguments::{Axes, options};
use crate::calls::jit_call::jitted_some;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::sorted_axes_of;
use crate::numpy::util::{
    constant, default_int, extreme, numeric, promote_integer, reject_small_integers, strong, upcast_f16,
};
use crate::numpy::where_;

options! {
    /// Options of reductions: [`sum_with`], [`max_with`], [`mean_with`](super::mean_with), [`all_with`],
    /// [`argmax_with`](super::argmax_with) and their like. Each takes those that JAX's function has, and refuses others.
    ///
    /// ```
    /// use raxla::numpy::{self as jnp, ReduceOptions};
    /// use raxla::{Array, DType};
    ///
    /// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// let kept = jnp::sum_with(&x, 1, ReduceOptions::new().keepdims(true).dtype(DType::BF16));
    /// assert_eq!(kept.aval().to_string(), "bf16[2,1]");
    /// let large = jnp::sum_with(&x, .., ReduceOptions::new().where_(jnp::greater(&x, 1.5)).initial(10.0));
    /// assert_eq!(large.item::<f32>()?, 19.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub struct ReduceOptions {
        /// The dtype to compute in and to give.
        dtype: optional DType,
        /// A number that is reduced together with the elements.
        initial: optional_into Array,
        /// Only elements where this `bool` array is true count. It broadcasts to the array.
        where_: optional_into Array,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
        /// Are small integers summed as `i32` (`i64` with x64)?
        promote_integers: value bool = true,
    }
}

impl ReduceOptions {
    /// Refuses what the function does not know. `keepdims` is known to all.
    ///
    /// # Errors
    /// `max: there is no option dtype`.
    #[track_caller]
    pub(super) fn only(&self, name: &str, known: &[&str]) {
        let given = [
            ("dtype", self.dtype.is_some()),
            ("initial", self.initial.is_some()),
            ("where_", self.where_.is_some()),
            ("promote_integers", !self.promote_integers),
        ];
        if let Some((option, _)) = given.iter().find(|(option, given)| *given && !known.contains(option)) {
            throw!(InvalidArgument, "{name}: there is no option {option}");
        }
    }

    /// `body` as one equation: its arguments are `x` and the options that are arrays.
    #[track_caller]
    pub(super) fn jitted(
        &self,
        name: &'static str,
        x: &Array,
        axes: &Axes,
        body: impl FnOnce(&Array, &ReduceOptions) -> Array,
    ) -> Array {
        let statics = (axes.clone(), self.dtype, self.keepdims, self.promote_integers);
        let optional = [self.initial.as_ref(), self.where_.as_ref()];
        jitted_some(name, statics, [x], optional, |[x], [initial, where_]| {
            let (initial, where_) = (initial.cloned(), where_.cloned());
            body(x, &ReduceOptions { initial, where_, ..self.clone() })
        })
    }
}

/// The reductions that the others are made of. An enum rather than a table of functions: a call through a pointer would lose
/// the caller's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    Sum,
    Prod,
    Max,
    Min,
    All,
    Any,
}
use Reduction::{All, Any, Max, Min, Prod, Sum};

impl Reduction {
    #[track_caller]
    fn over(self, x: &Array, dims: &[usize]) -> Array {
        match self {
            Sum => lax::reduce_sum(x, dims),
            Prod => lax::reduce_prod(x, dims),
            Max => lax::reduce_max(x, dims),
            Min => lax::reduce_min(x, dims),
            All => lax::reduce_and(x, dims),
            Any => lax::reduce_or(x, dims),
        }
    }

    /// Two elements made one.
    #[track_caller]
    fn both(self, x: &Array, y: &Array) -> Array {
        match self {
            Sum => lax::add(x, y),
            Prod => lax::mul(x, y),
            Max => lax::max(x, y),
            Min => lax::min(x, y),
            All => lax::bitwise_and(x, y),
            Any => lax::bitwise_or(x, y),
        }
    }

    /// What changes nothing.
    fn identity(self, dtype: DType) -> Array {
        match self {
            Sum | Any => lax::literal(dtype, 0.0),
            Prod | All => lax::literal(dtype, 1.0),
            Max => Array::from(extreme(dtype, false)),
            Min => Array::from(extreme(dtype, true)),
        }
    }

    /// Does it add up: are integers promoted, and halves computed in `f32`?
    fn adds(self) -> bool {
        matches!(self, Sum | Prod)
    }
}

/// The mask of an option `where_`, which must be of `bool`.
#[track_caller]
pub(crate) fn check_mask<'a>(name: &str, mask: Option<&'a Array>) -> Option<&'a Array> {
    if let Some(mask) = mask.filter(|mask| !mask.dtype().is_bool()) {
        throw!(DType, "{name}: where_ must be a boolean array, got {}", mask.aval());
    }
    mask
}

/// A reduction by its options. JAX: `_reduction`.
#[track_caller]
pub(super) fn reduce(name: &str, kind: Reduction, x: &Array, axes: &Axes, options: &ReduceOptions) -> Array {
    let dims = sorted_axes_of(name, axes, x);
    let mask = check_mask(name, options.where_.as_ref());
    if options.initial.is_none() && matches!(kind, Max | Min) {
        if mask.is_some() {
            throw!(InvalidArgument, "{name}: has no identity, so the option where_ needs initial as well");
        }
        if dims.iter().any(|d| x.shape()[*d] == 0) {
            throw!(
                Shape,
                "{name}: zero-size array to reduction operation {name} which has no identity, got {}",
                x.aval()
            );
        }
    }
    if kind.adds() && options.dtype.is_none() && options.promote_integers {
        reject_small_integers(name, x);
    }
    let number = if kind.adds() { numeric(x) } else { x.clone() };
    let x = &number;
    let dtype = match options.dtype {
        Some(dtype) => canonicalize(dtype),
        None if kind.adds() && options.promote_integers => promote_integer(x.dtype()),
        None => x.dtype(),
    };
    // Truth values add and multiply as they do in logic.
    let kind = match kind {
        Sum if dtype.is_bool() => Any,
        Prod if dtype.is_bool() => All,
        kind => kind,
    };
    let working = if kind.adds() { upcast_f16(dtype) } else { dtype };
    let mut x = strong(x, working);
    if let Some(mask) = mask {
        x = where_(mask, x, kind.identity(working));
    }
    let mut out = kind.over(&x, &dims);
    if let Some(initial) = &options.initial {
        if initial.ndim() != 0 {
            throw!(Shape, "{name}: initial must be a scalar, got {}", initial.aval());
        }
        out = kind.both(&strong(initial, working), &out);
    }
    if options.keepdims {
        out = lax::expand_dims(&out, &dims);
    }
    strong(&out, dtype)
}

/// A function and its form with options.
macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $with:ident $kind:ident $known:expr, $example:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
            reduce(stringify!($name), $kind, &x.into(), &axes.into(), &ReduceOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "`] by the options ", $example, ".")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`]; an `initial` that is no scalar, a `where_` that is not of `bool`; an option")]
        /// that JAX's function does not have.
        #[track_caller]
        pub fn $with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
            options.only(stringify!($name), $known);
            reduce(stringify!($name), $kind, &x.into(), &axes.into(), &options)
        }
    )*};
}
reductions! {
    /// The sum over `axes`. Small integers and `bool` are summed as `i32` (`i64` with x64), unsigned ones as `u32`.
    ///
    /// # Errors
    /// `sum: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
    /// ```
    /// use raxla::{Array, numpy as jnp};
    ///
    /// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(jnp::sum(&x, ..).item::<f32>()?, 10.0);
    /// assert_eq!(jnp::sum(&x, 0).to_vec::<f32>()?, [4.0, 6.0]);
    /// assert_eq!(jnp::sum(&x, (0, -1)).item::<f32>()?, 10.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    sum sum_with Sum &["dtype", "initial", "where_", "promote_integers"],
        "`dtype`, `initial`, `where_`, `keepdims`, `promote_integers`";
    /// The product over `axes`, in the dtype of [`sum`].
    ///
    /// # Errors
    /// `prod: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
    prod prod_with Prod &["dtype", "initial", "where_", "promote_integers"],
        "`dtype`, `initial`, `where_`, `keepdims`, `promote_integers`";
    /// The largest element over `axes`; nan if there is one.
    ///
    /// # Errors
    /// `max: zero-size array to reduction operation max which has no identity, got f32[0]`; an axis out of range or
    /// repeated.
    max max_with Max &["initial", "where_"], "`initial`, `where_`, `keepdims`; a `where_` needs an `initial`";
    /// The smallest element over `axes`; nan if there is one.
    ///
    /// # Errors
    /// `min: zero-size array to reduction operation min which has no identity, got f32[0]`; an axis out of range or
    /// repeated.
    min min_with Min &["initial", "where_"], "`initial`, `where_`, `keepdims`; a `where_` needs an `initial`";
    /// [`max`].
    amax amax_with Max &["initial", "where_"], "`initial`, `where_`, `keepdims`; a `where_` needs an `initial`";
    /// [`min`].
    amin amin_with Min &["initial", "where_"], "`initial`, `where_`, `keepdims`; a `where_` needs an `initial`";
}

/// Are all elements over `axes` nonzero? True if there are none.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn all(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    all_with(x, axes, ReduceOptions::new())
}

/// [`all`] by the options `where_` and `keepdims`.
///
/// # Errors
/// As [`all`]; a `where_` that is not of `bool`; other options.
#[track_caller]
pub fn all_with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
    options.only("all", &["where_"]);
    reduce("all", All, &lax::convert(&x.into(), DType::Bool, false), &axes.into(), &options)
}

/// Is any element over `axes` nonzero? False if there are none.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn any(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    any_with(x, axes, ReduceOptions::new())
}

/// [`any`] by the options `where_` and `keepdims`.
///
/// # Errors
/// As [`any`]; a `where_` that is not of `bool`; other options.
#[track_caller]
pub fn any_with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
    options.only("any", &["where_"]);
    reduce("any", Any, &lax::convert(&x.into(), DType::Bool, false), &axes.into(), &options)
}

/// The largest less the smallest element over `axes`.
///
/// # Errors
/// Those of [`max`].
#[track_caller]
pub fn ptp(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    ptp_with(x, axes, ReduceOptions::new())
}

/// [`ptp`] by the option `keepdims`.
///
/// # Errors
/// Those of [`max`]; other options.
#[track_caller]
pub fn ptp_with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
    options.only("ptp", &[]);
    let axes = axes.into();
    options.jitted("_ptp", &x.into(), &axes, |x, options| {
        lax::sub(&reduce("ptp", Max, x, &axes, options), &reduce("ptp", Min, x, &axes, options))
    })
}

/// How many elements over `axes` are not zero.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn count_nonzero(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    count_nonzero_with(x, axes, ReduceOptions::new())
}

/// [`count_nonzero`] by the option `keepdims`.
///
/// # Errors
/// An axis out of range or repeated; other options.
#[track_caller]
pub fn count_nonzero_with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
    options.only("count_nonzero", &[]);
    let axes = axes.into();
    options.jitted("count_nonzero", &x.into(), &axes, |x, options| {
        let nonzero = lax::ne(x, &constant(x, 0.0));
        reduce("count_nonzero", Sum, &nonzero, &axes, &options.clone().dtype(default_int()))
    })
}
