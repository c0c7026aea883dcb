//! Which conversions keep what. NumPy: `can_cast`.

use crate::arguments::options;
use crate::core::scalar::Scalar;
use crate::dtype::DType;

/// What a conversion may lose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Casting {
    /// Nothing is converted.
    No,
    /// Not even the order of bytes, in which dtypes here do not differ.
    Equiv,
    /// Every value is kept.
    #[default]
    Safe,
    /// Values may be lost within a kind: a narrower float, or an integer without a sign for one with.
    SameKind,
    /// Anything.
    Unsafe,
}

options! {
    /// Options of [`can_cast_with`].
    pub struct CanCastOptions {
        /// What may be lost.
        casting: value Casting = Casting::Safe,
    }
}

/// Does every value of `from` have an equal one of `to`, as NumPy sees it?
///
/// As in NumPy, integers of 64 bits fit into `f64`. What NumPy says of the dtypes of `ml_dtypes` follows no rule, so that
/// `float8_e4m3` fits into `float8_e3m4`; here it is what is said of all others.
/// ```
/// use raxla::{DType, numpy as jnp};
/// assert!(jnp::can_cast(DType::I32, DType::F64) && !jnp::can_cast(DType::I32, DType::F32));
/// assert!(jnp::can_cast(DType::F8E4M3FN, DType::F32));
/// ```
pub fn can_cast(from: DType, to: DType) -> bool {
    can_cast_with(from, to, CanCastOptions::new())
}

/// [`can_cast`] by another rule.
/// ```
/// use raxla::{DType, numpy as jnp, numpy::{CanCastOptions, Casting}};
/// let same_kind = CanCastOptions::new().casting(Casting::SameKind);
/// assert!(jnp::can_cast_with(DType::F64, DType::F32, same_kind.clone()));
/// assert!(!jnp::can_cast_with(DType::F64, DType::I64, same_kind));
/// ```
pub fn can_cast_with(from: DType, to: DType, options: CanCastOptions) -> bool {
    match options.casting {
        Casting::No | Casting::Equiv => from == to,
        Casting::Safe => is_safe(from, to),
        Casting::SameKind => is_safe(from, to) || is_of_kind(from, to),
        Casting::Unsafe => true,
    }
}

/// Fewer than eight bits, or a float of eight.
const fn is_small(dtype: DType) -> bool {
    dtype.is_small_float() || dtype.is_sub_byte()
}

fn is_safe(from: DType, to: DType) -> bool {
    if from == to {
        return true;
    }
    if from == DType::Float0 || to == DType::Float0 {
        return false;
    }
    if is_small(from) || is_small(to) {
        return from.bits() <= 8 && keeps_every_value(from, to);
    }
    // Floats, and parts of complex numbers, that hold integers of so many bits.
    let float = to.real().bits() * usize::from(to.is_inexact());
    match from {
        DType::Bool => true,
        d if d.is_signed() => to.is_signed() && to.bits() > d.bits() || float >= (2 * d.bits()).min(64),
        d if d.is_unsigned() => to.is_integer() && to.bits() > d.bits() || float >= (2 * d.bits()).min(64),
        d if d.is_float() => {
            to.is_inexact() && to.real().bits() > d.bits() || to.is_complex() && to.real() == d
        }
        d => to.is_complex() && to.bits() > d.bits(),
    }
}

/// Does each value of a dtype of one byte come back from `to`?
fn keeps_every_value(from: DType, to: DType) -> bool {
    let values = 1 << if from.is_bool() { 1 } else { from.bits() };
    (0..values).map(|bits| Scalar::from_bytes(from, &[bits as u8])).all(|x: Scalar| {
        let y = x.convert(to);
        x.to_f64() == y.to_f64() || x.to_f64().is_nan() && y.to_f64().is_nan()
    })
}

/// Of the same kind, or of one that holds the other: `bool`, unsigned, signed, float, complex.
fn is_of_kind(from: DType, to: DType) -> bool {
    let rank = |d: DType| {
        [d.is_bool(), d.is_unsigned(), d.is_signed(), d.is_float()].iter().position(|is| *is).unwrap_or(4)
    };
    rank(from) <= rank(to)
}
