//! Classes of dtypes. NumPy: `issubdtype` and the abstract types; the array API's `isdtype`.

use crate::dtype::DType;

/// A class of dtypes, by NumPy's names without `np.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScalarKind {
    /// Every dtype.
    Generic,
    /// All but `bool`.
    Number,
    /// Integers with and without a sign.
    Integer,
    /// Integers with a sign.
    SignedInteger,
    /// Integers without a sign.
    UnsignedInteger,
    /// Floats and complex numbers.
    Inexact,
    /// Floats of any width.
    Floating,
    /// Complex numbers.
    ComplexFloating,
    /// `bool`.
    Bool,
}

impl ScalarKind {
    /// Is the dtype of this class?
    /// ```
    /// use raxla::{DType, dtypes::ScalarKind};
    /// assert!(ScalarKind::Integer.contains(DType::U4) && !ScalarKind::Integer.contains(DType::Bool));
    /// ```
    pub const fn contains(self, dtype: DType) -> bool {
        match self {
            ScalarKind::Generic => true,
            ScalarKind::Number => dtype.is_integer() || dtype.is_inexact(),
            ScalarKind::Integer => dtype.is_integer(),
            ScalarKind::SignedInteger => dtype.is_signed(),
            ScalarKind::UnsignedInteger => dtype.is_unsigned(),
            ScalarKind::Inexact => dtype.is_inexact(),
            ScalarKind::Floating => dtype.is_float(),
            ScalarKind::ComplexFloating => dtype.is_complex(),
            ScalarKind::Bool => dtype.is_bool(),
        }
    }
}

/// A dtype, or a class of dtypes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KindOrDType {
    /// A class.
    Kind(ScalarKind),
    /// One dtype.
    DType(DType),
}

impl From<ScalarKind> for KindOrDType {
    fn from(kind: ScalarKind) -> Self {
        KindOrDType::Kind(kind)
    }
}

impl From<DType> for KindOrDType {
    fn from(dtype: DType) -> Self {
        KindOrDType::DType(dtype)
    }
}

impl KindOrDType {
    fn contains(self, dtype: DType) -> bool {
        match self {
            KindOrDType::Kind(kind) => kind.contains(dtype),
            KindOrDType::DType(one) => one == dtype,
        }
    }
}

/// Is every dtype of the first class, or the first dtype, in the second?
/// ```
/// use raxla::{DType, dtypes::ScalarKind, numpy as jnp};
/// assert!(jnp::issubdtype(DType::F8E5M2, ScalarKind::Floating));
/// assert!(jnp::issubdtype(ScalarKind::SignedInteger, ScalarKind::Number));
/// assert!(!jnp::issubdtype(DType::I32, DType::I64));
/// ```
pub fn issubdtype(arg1: impl Into<KindOrDType>, arg2: impl Into<KindOrDType>) -> bool {
    let (first, second) = (arg1.into(), arg2.into());
    if let KindOrDType::DType(dtype) = first {
        return second.contains(dtype);
    }
    // No dtype is a class, be it the only one in it.
    let is_class = |x| matches!(x, KindOrDType::Kind(kind) if kind != ScalarKind::Bool);
    if is_class(first) && !is_class(second) {
        return false;
    }
    DType::ALL.into_iter().filter(|dtype| first.contains(*dtype)).all(|dtype| second.contains(dtype))
}

/// Is the dtype one of these, or of one of these classes?
/// ```
/// use raxla::{DType, dtypes::ScalarKind, numpy as jnp};
/// assert!(jnp::isdtype(DType::U8, [ScalarKind::Bool, ScalarKind::UnsignedInteger]));
/// assert!(!jnp::isdtype(DType::U8, [DType::I8]));
/// ```
pub fn isdtype<T: Clone + Into<KindOrDType>>(dtype: DType, kind: impl AsRef<[T]>) -> bool {
    kind.as_ref().iter().any(|kind| kind.clone().into().contains(dtype))
}
