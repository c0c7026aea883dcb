//! The precision of contractions. JAX: `lax.Precision`, `canonicalize_precision`.

use crate::core::config::{self, Precision};
use crate::core::primitive::Param;

/// The precision of a contraction: one for both operands, or one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DotPrecision(pub(crate) [Precision; 2]);

impl From<Precision> for DotPrecision {
    fn from(precision: Precision) -> Self {
        DotPrecision([precision; 2])
    }
}

impl From<(Precision, Precision)> for DotPrecision {
    fn from((lhs, rhs): (Precision, Precision)) -> Self {
        DotPrecision([lhs, rhs])
    }
}

/// What was given, or the setting in force.
pub(crate) fn precision_in_force(given: Option<DotPrecision>) -> DotPrecision {
    given.unwrap_or_else(|| config::current().matmul_precision.into())
}

/// How a jaxpr prints a precision that is not the default.
pub(crate) fn precision_param(precision: DotPrecision) -> Option<(&'static str, Param)> {
    if precision == Precision::Default.into() {
        return None;
    }
    let [lhs, rhs] = precision.0.map(precision_name);
    Some(("precision", Param::Text(format!("(Precision.{lhs}, Precision.{rhs})"))))
}

pub(crate) fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Default => "DEFAULT",
        Precision::High => "HIGH",
        Precision::Highest => "HIGHEST",
    }
}

/// The attribute `precision_config` of a contraction.
pub(crate) fn precision_attr(precision: DotPrecision) -> String {
    let [lhs, rhs] = precision.0.map(precision_name);
    format!("precision_config = [#stablehlo<precision {lhs}>, #stablehlo<precision {rhs}>]")
}
