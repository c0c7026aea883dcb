//! What the special functions share.

use crate::control_flow::while_loop;
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::strong_constant;

/// `Σ cᵢ xⁿ⁻ⁱ`, the highest power first, by Horner's scheme from zero on: not a number where `x` is infinite. JAX: `jnp.polyval`.
#[track_caller]
pub(crate) fn polyval(coefficients: &[f64], x: &Array) -> Array {
    let horner = |sum: Array, c: &f64| lax::add(&lax::mul(&sum, x), &strong_constant(x, *c));
    coefficients.iter().fold(lax::full_like(x, 0.0), horner)
}

/// One polynomial divided by another.
#[track_caller]
pub(crate) fn rational(above: &[f64], below: &[f64], x: &Array) -> Array {
    lax::div(&polyval(above, x), &polyval(below, x))
}

/// The distance from 1 to the next number.
pub(crate) fn epsilon(x: &Array) -> f64 {
    match x.dtype() {
        DType::BF16 => 0.5f64.powi(7),
        DType::F16 => 0.5f64.powi(10),
        DType::F64 => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    }
}

/// The value of the last condition that holds, else `default`. All are of one shape. JAX: `jnp.piecewise`.
#[track_caller]
pub(crate) fn piecewise<const N: usize>(pieces: [(Array, Array); N], default: Array) -> Array {
    let replaced = |out: Array, (condition, value): (Array, Array)| {
        let value = if value.ndim() == 0 { lax::full(out.shape(), value) } else { value };
        lax::select(&condition, &value, &out)
    };
    pieces.into_iter().fold(default, replaced)
}

/// Replaces the arrays, all of one shape, by `body` of them wherever `cond` holds, as long as it does anywhere. JAX: `while_loop` under
/// `vmap`.
#[track_caller]
pub(crate) fn while_each<const N: usize>(
    init: [Array; N],
    cond: impl Fn(&[Array; N]) -> Array,
    body: impl Fn(&[Array; N]) -> [Array; N],
) -> [Array; N] {
    let any = |state: &[Array; N]| {
        let active = cond(state);
        lax::reduce_or(&active, (0..active.ndim()).collect::<Shape>())
    };
    let turn = |state: [Array; N]| -> [Array; N] {
        let (active, next) = (cond(&state), body(&state));
        std::array::from_fn(|i| lax::select(&active, &next[i], &state[i]))
    };
    while_loop(any, turn, init).or_throw()
}

/// Ends with an error unless `x` is of `f32` or `f64`.
#[track_caller]
pub(crate) fn check_wide(name: &str, x: &Array) {
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        throw!(DType, "{name} accepts f32 and f64 alone, got {}", x.aval());
    }
}

/// The sum of those terms that are there. JAX: what `defjvps` makes of its rules.
#[track_caller]
pub(crate) fn sum_of_terms<const N: usize>(terms: [Option<Array>; N]) -> Array {
    terms.into_iter().flatten().reduce(|x, y| x + y).unwrap_or_else(|| Array::from(0.0))
}

/// `x` in `f32` if it has 16 bits, for formulas with more digits than these have.
#[track_caller]
pub(crate) fn in_wide(x: &Array, f: impl FnOnce(&Array) -> Array) -> Array {
    match x.dtype() {
        DType::F16 | DType::BF16 => {
            let wide = lax::convert(x, DType::F32, false);
            lax::convert(&f(&wide), x.dtype(), false)
        }
        _ => f(x),
    }
}
