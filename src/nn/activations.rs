//! Elementwise activations. JAX: `nn/functions.py`.

use std::f64::consts::{PI, SQRT_2};

use crate::arguments::{Axis, options};
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::custom_derivatives::CustomUnary;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::util::{inexact, strong_constant};
use crate::numpy::{greater, greater_equal, less, less_equal, logaddexp, maximum, minimum, where_};

/// `max(x, 0)`. Its derivative at 0 is 0.
///
/// ```
/// use raxla::{Array, nn};
///
/// assert_eq!(nn::relu(Array::from([-1.0f32, 2.0])).to_vec::<f32>()?, [0.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn relu(x: impl Into<Array>) -> Array {
    let f = |x: &Array| jitted("relu", (), [x], |[x]| maximum(x, 0));
    let tangent =
        |x: &Array, _: &Array, dx: &Array| lax::select(&greater(x, 0), dx, &lax::full_like(dx, 0.0));
    CustomUnary { name: "relu", f, tangent }.apply(&x.into())
}

/// `min(max(x, 0), 6)`. Its derivative at 0 and at 6 is 0.
#[track_caller]
pub fn relu6(x: impl Into<Array>) -> Array {
    let f = |x: &Array| jitted("relu6", (), [x], |[x]| minimum(maximum(x, 0), 6.0));
    let tangent = |x: &Array, _: &Array, dx: &Array| {
        let inside = lax::bitwise_and(&greater(x, 0), &less(x, 6));
        lax::select(&inside, dx, &lax::full_like(dx, 0.0))
    };
    CustomUnary { name: "relu6", f, tangent }.apply(&x.into())
}

/// An argument, or its default.
fn or(x: Option<&Array>, default: impl Into<Array>) -> Array {
    x.cloned().unwrap_or_else(|| default.into())
}

/// The logistic function `1 / (1 + e^-x)`.
#[track_caller]
pub fn sigmoid(x: impl Into<Array>) -> Array {
    lax::logistic(&x.into())
}

/// `log(1 + e^x)`.
#[track_caller]
pub fn softplus(x: impl Into<Array>) -> Array {
    jitted("softplus", (), [&x.into()], |[x]| logaddexp(x, 0))
}

options! {
    /// Options of [`squareplus_with`].
    pub struct SquareplusOptions {
        /// How smooth the corner is; 0 is [`relu`]. 4, if not given.
        b: optional_into Array,
    }
}

/// A softplus without exponentials: `(x + sqrt(x² + 4)) / 2`.
#[track_caller]
pub fn squareplus(x: impl Into<Array>) -> Array {
    squareplus_with(x, SquareplusOptions::new())
}

/// [`squareplus`] with another smoothness.
#[track_caller]
pub fn squareplus_with(x: impl Into<Array>, options: SquareplusOptions) -> Array {
    jitted_some("squareplus", (), [&x.into()], [options.b.as_ref()], |[x], [b]| {
        let b = or(b, 4);
        let root = crate::numpy::sqrt(crate::numpy::square(x) + b);
        (x + root) / 2.0
    })
}

/// 0 up to -1, `x` from 1, a parabola between: `(x + 1)² / 4`.
#[track_caller]
pub fn sparse_plus(x: impl Into<Array>) -> Array {
    jitted("sparse_plus", (), [&x.into()], |[x]| {
        let low = less_equal(x, -1.0);
        let upper = where_(greater_equal(x, 1.0), x, crate::numpy::power(x + 1.0, 2) / 4.0);
        where_(low, 0.0, upper)
    })
}

/// The derivative of [`sparse_plus`]: `(x + 1) / 2`, from 0 to 1.
#[track_caller]
pub fn sparse_sigmoid(x: impl Into<Array>) -> Array {
    jitted("sparse_sigmoid", (), [&x.into()], |[x]| 0.5 * crate::numpy::clip(x + 1.0, 0.0, 2.0))
}

/// `x / (1 + |x|)`.
#[track_caller]
pub fn soft_sign(x: impl Into<Array>) -> Array {
    jitted("soft_sign", (), [&x.into()], |[x]| x / (crate::numpy::abs(x) + 1))
}

/// `x sigmoid(x)`, also called swish.
#[track_caller]
pub fn silu(x: impl Into<Array>) -> Array {
    jitted("silu", (), [&x.into()], |[x]| lax::mul(x, &lax::logistic(x)))
}

/// [`silu`].
#[track_caller]
pub fn swish(x: impl Into<Array>) -> Array {
    silu(x)
}

/// `x tanh(softplus(x))`.
#[track_caller]
pub fn mish(x: impl Into<Array>) -> Array {
    jitted("mish", (), [&x.into()], |[x]| x * crate::numpy::tanh(softplus(x)))
}

/// `log(sigmoid(x))`.
#[track_caller]
pub fn log_sigmoid(x: impl Into<Array>) -> Array {
    jitted("log_sigmoid", (), [&x.into()], |[x]| lax::neg(&softplus(lax::neg(x))))
}

options! {
    /// Options of [`elu_with`] and [`celu_with`].
    pub struct EluOptions {
        /// Minus the limit for large negative `x`; 1, if not given.
        alpha: optional_into Array,
    }
}

/// `x` above 0, `e^x - 1` below.
#[track_caller]
pub fn elu(x: impl Into<Array>) -> Array {
    elu_with(x, EluOptions::new())
}

/// `x` above 0, `α (e^x - 1)` below.
///
/// ```
/// use raxla::{Array, nn::{self, EluOptions}};
///
/// let y = nn::elu_with(Array::from([-100.0f32, 1.0]), EluOptions::new().alpha(2.0));
/// assert_eq!(y.to_vec::<f32>()?, [-2.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn elu_with(x: impl Into<Array>, options: EluOptions) -> Array {
    jitted_some("elu", (), [&x.into()], [options.alpha.as_ref()], |[x], [alpha]| {
        let positive = greater(x, 0);
        // The exponential must not overflow where it is not selected: its gradient would be nan.
        let safe = where_(greater(x, 0.0), 0.0, x);
        where_(positive, x, or(alpha, 1.0) * crate::numpy::expm1(safe))
    })
}

/// `max(x, 0) + e^min(x, 0) - 1`.
#[track_caller]
pub fn celu(x: impl Into<Array>) -> Array {
    celu_with(x, EluOptions::new())
}

/// `max(x, 0) + α (e^(min(x, 0)/α) - 1)`.
#[track_caller]
pub fn celu_with(x: impl Into<Array>, options: EluOptions) -> Array {
    jitted_some("celu", (), [&x.into()], [options.alpha.as_ref()], |[x], [alpha]| {
        let alpha = or(alpha, 1.0);
        maximum(x, 0.0) + &alpha * crate::numpy::expm1(minimum(x, 0.0) / &alpha)
    })
}

/// Klambauer et al. 2017: [`elu`] scaled so that mean and variance persist from layer to layer.
#[track_caller]
pub fn selu(x: impl Into<Array>) -> Array {
    const ALPHA: f64 = 1.673_263_242_354_377_2;
    const SCALE: f64 = 1.050_700_987_355_480_5;
    jitted("selu", (), [&x.into()], |[x]| SCALE * elu_with(x, EluOptions::new().alpha(ALPHA)))
}

options! {
    /// Options of [`leaky_relu_with`].
    pub struct LeakyReluOptions {
        /// The slope below 0; 0.01, if not given.
        negative_slope: optional_into Array,
    }
}

/// `x` above 0, `x / 100` below.
#[track_caller]
pub fn leaky_relu(x: impl Into<Array>) -> Array {
    leaky_relu_with(x, LeakyReluOptions::new())
}

/// [`leaky_relu`] with another slope below 0.
#[track_caller]
pub fn leaky_relu_with(x: impl Into<Array>, options: LeakyReluOptions) -> Array {
    jitted_some("leaky_relu", (), [&x.into()], [options.negative_slope.as_ref()], |[x], [slope]| {
        where_(greater_equal(x, 0), x, or(slope, 0.01) * x)
    })
}

options! {
    /// Options of [`gelu_with`].
    pub struct GeluOptions {
        /// By `tanh` rather than with the error function?
        approximate: value bool = true,
    }
}

/// The Gaussian error linear unit `x Φ(x)`, approximately, by `tanh`.
#[track_caller]
pub fn gelu(x: impl Into<Array>) -> Array {
    gelu_with(x, GeluOptions::new())
}

/// The Gaussian error linear unit `x Φ(x)`: approximately, by `tanh`, or with the error function.
#[track_caller]
pub fn gelu_with(x: impl Into<Array>, options: GeluOptions) -> Array {
    let x = inexact(&x.into());
    if options.approximate {
        // Hendrycks and Gimpel 2016, eq. 2.
        let constant = strong_constant;
        let scale = constant(&x, (2.0 / PI).sqrt());
        let cube = lax::integer_pow(&x, 3);
        let inner = lax::add(&x, &lax::mul(&constant(&x, 0.044715), &cube));
        let tanh = lax::tanh(&lax::mul(&scale, &inner));
        let cdf = lax::mul(&constant(&x, 0.5), &lax::add(&constant(&x, 1.0), &tanh));
        return lax::mul(&x, &cdf);
    }
    let tail = lax::erfc(&lax::div(&lax::neg(&x), &strong_constant(&x, SQRT_2)));
    lax::mul(&lax::mul(&strong_constant(&x, 0.5), &x), &tail)
}

/// `min(max(x, -1), 1)`.
#[track_caller]
pub fn hard_tanh(x: impl Into<Array>) -> Array {
    jitted("hard_tanh", (), [&x.into()], |[x]| where_(greater(x, 1), 1, where_(less(x, -1), -1, x)))
}

/// `relu6(x + 3) / 6`.
#[track_caller]
pub fn hard_sigmoid(x: impl Into<Array>) -> Array {
    jitted("hard_sigmoid", (), [&x.into()], |[x]| relu6(x + 3.0) / 6.0)
}

/// `x hard_sigmoid(x)`.
#[track_caller]
pub fn hard_silu(x: impl Into<Array>) -> Array {
    jitted("hard_silu", (), [&x.into()], |[x]| x * hard_sigmoid(x))
}

/// [`hard_silu`].
#[track_caller]
pub fn hard_swish(x: impl Into<Array>) -> Array {
    hard_silu(x)
}

/// The identity.
#[track_caller]
pub fn identity(x: impl Into<Array>) -> Array {
    x.into()
}

/// The first half of `x` along an axis, gated by the sigmoid of the second half.
///
/// # Errors
/// `glu: axis 1 of f32[2,3] must have an even size`; an axis out of range.
#[track_caller]
pub fn glu(x: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    let x = x.into();
    let axis = axis_of("glu", axis.into(), &x);
    if !x.shape()[axis].is_multiple_of(2) {
        throw!(Shape, "glu: axis {axis} of {} must have an even size", x.aval());
    }
    jitted("glu", axis, [&x], |[x]| {
        let halves: [Array; 2] = crate::numpy::split(x, 2, axis);
        &halves[0] * sigmoid(&halves[1])
    })
}

/// `x` within `-limit` and `limit`, softly: `limit tanh(x / limit)`.
#[track_caller]
pub fn soft_cap(x: impl Into<Array>, limit: f64) -> Array {
    limit * crate::numpy::tanh(x.into() / limit)
}
