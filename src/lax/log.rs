//! `log`, `log1p`. JAX: `log_p`, `log1p_p`. StableHLO: `log`, `log_plus_one`.

use crate::core::array::Array;
use crate::lax::accuracy::{ResultAccuracy, accurate, op};
use crate::lax::elementwise::INEXACT;
use crate::lax::full::literal_like;
use crate::lax::{add, div};

accurate! {
    /// Elementwise natural logarithm; float or complex.
    ///
    /// # Errors
    /// `log does not accept dtype i32`.
    log log_with Log: "log", INEXACT, op("stablehlo.log"), log_tangent;
    /// Elementwise `log(1 + x)`, exact for small `x`; float or complex.
    log1p log1p_with Log1p: "log1p", INEXACT, op("stablehlo.log_plus_one"), log1p_tangent;
}

/// dy = dx / x
fn log_tangent(x: &Array, _: &Array, dx: &Array, _: ResultAccuracy) -> Array {
    div(dx, x)
}

/// dy = dx / (x + 1)
fn log1p_tangent(x: &Array, _: &Array, dx: &Array, _: ResultAccuracy) -> Array {
    div(dx, &add(x, &literal_like(x, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, INEXACTS, case, check_rules};

    #[test]
    fn rules_of_logarithms() {
        let mut draw = Draw::new(3);
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], 0.3, 2.0)];
            [case("log", x.clone(), |x| log(&x[0])), case("log1p", x.clone(), |x| log1p(&x[0]))]
        }));
    }
}
