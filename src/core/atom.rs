//! The operands of jaxprs. JAX: `core.Var`, `core.Literal`, `core.Atom`.

use crate::core::scalar::Scalar;

/// A variable: an index into [`Jaxpr::avals`](crate::core::jaxpr::Jaxpr::avals).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub(crate) u32);

/// An operand: a variable or a scalar literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Atom {
    /// A variable.
    Var(Var),
    /// A scalar literal.
    Literal(Scalar),
}
