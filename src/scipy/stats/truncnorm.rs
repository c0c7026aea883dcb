//! The normal distribution between two bounds. JAX: `jax.scipy.stats.truncnorm`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use super::norm;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::lax;
use crate::nn::{LogsumexpOptions, logsumexp_with};
use crate::numpy::util::{broadcast_arrays_array, promote_args_inexact};
use crate::numpy::{exp, greater, greater_equal, less, less_equal, log1p, ones_like, stack, where_};
use crate::scipy::special::{log_ndtr, ndtr};

distribution! { "truncnorm", LocScaleOptions: loc, scale;
    /// The logarithm of the density between the bounds `a` and `b` of the standard distribution.
    logpdf logpdf_with(x, a, b) = log_density;
    /// The density between the bounds `a` and `b` of the standard distribution.
    pdf pdf_with(x, a, b) = |args| lax::exp(&log_density(args));
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x, a, b) = log_below;
    /// The probability of at most `x`.
    cdf cdf_with(x, a, b) = |args| lax::exp(&log_below(args));
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x, a, b) = log_above;
    /// The probability of more than `x`.
    sf sf_with(x, a, b) = |args| lax::exp(&log_above(args));
}

/// `log(eˣ - eʸ)`
#[track_caller]
fn log_difference(x: Array, y: Array) -> Array {
    let signs = stack([ones_like(&x), -ones_like(&y)], 0);
    logsumexp_with(stack([x, y], 0), 0, LogsumexpOptions::new().b(signs))
}

/// The logarithm of the probability between `a` and `b`, from that tail in which both are.
#[track_caller]
fn log_mass(a: &Array, b: &Array) -> Array {
    let [a, b] = broadcast_arrays_array("truncnorm", [a.clone(), b.clone()]);
    let (left, right) = (less_equal(&b, 0), greater(&a, 0));
    let central = !(left | &right);
    let (low, high) = (where_(&right, -&b, &a), where_(&right, -&a, &b));
    let tail = log_difference(log_ndtr(high), log_ndtr(low));
    where_(central, log1p(-ndtr(&a) - ndtr(-b)), tail)
}

#[track_caller]
fn log_density(args: [Array; 5]) -> Array {
    jitted("logpdf", "truncnorm", args.each_ref(), |[x, a, b, loc, scale]| {
        let normal = norm::logpdf_with(x, LocScaleOptions::new().loc(loc).scale(scale));
        let value = lax::sub(&normal, &log_mass(a, b));
        let y = standard(x, loc, scale);
        let value = where_(less(&y, a) | greater(&y, b), f64::NEG_INFINITY, value);
        where_(greater_equal(a, b), f64::NAN, value)
    })
}

#[track_caller]
fn log_below(args: [Array; 5]) -> Array {
    jitted("logcdf", "truncnorm", args.each_ref(), |[x, a, b, loc, scale]| {
        let [x, a, b] = broadcast_arrays_array("truncnorm", [x.clone(), a.clone(), b.clone()]);
        let x = standard(&x, loc, scale);
        let all = log_mass(&a, &b);
        let below = log_mass(&a, &x) - &all;
        let above = log_mass(&x, &b) - all;
        let value = where_(greater(&x, &a), &below, 0);
        let value = where_(greater(&below, -0.1), log1p(-exp(above)), value);
        let value = where_(less_equal(&x, &a), f64::NEG_INFINITY, value);
        let value = where_(greater_equal(&x, &b), 0, value);
        where_(greater_equal(a, b), f64::NAN, value)
    })
}

#[track_caller]
fn log_above([x, a, b, loc, scale]: [Array; 5]) -> Array {
    log_below([-x, -b, -a, -loc, scale])
}
