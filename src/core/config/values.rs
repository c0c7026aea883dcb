//! The types of settings: what a variable of the environment says of each, and another value for tests.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::sharding::Sharding;

/// Precision of `f32` matrix products on hardware that has several. JAX: `jax_default_matmul_precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// The platform's fastest (JAX's default).
    #[default]
    Default,
    /// Better than the default where the platform has something between.
    High,
    /// Full precision of the operands' dtype.
    Highest,
}

/// How bits are made of a key. JAX: `PRNGImpl`, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrngImpl {
    /// Threefry-2x32, which gives the same bits everywhere. JAX: `"threefry2x32"`.
    #[default]
    Threefry2x32,
    /// The compiler's generator, which is faster on some platforms and gives other bits on each; keys are split by Threefry. Under
    /// `vmap` all draws are made from the first of the mapped keys. JAX: `"rbg"`.
    Rbg,
    /// [`Rbg`](Self::Rbg), where keys are split by the compiler's generator too, in a way that nobody has studied. JAX: `"unsafe_rbg"`.
    UnsafeRbg,
}

impl PrngImpl {
    /// How many words a key has.
    pub(crate) fn words(self) -> usize {
        match self {
            PrngImpl::Threefry2x32 => 2,
            PrngImpl::Rbg | PrngImpl::UnsafeRbg => 4,
        }
    }

    /// As JAX writes it in the dtype of keys.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            PrngImpl::Threefry2x32 => "fry",
            PrngImpl::Rbg => "rbg",
            PrngImpl::UnsafeRbg => "urbg",
        }
    }
}

/// JAX's name of it.
impl fmt::Display for PrngImpl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PrngImpl::Threefry2x32 => "threefry2x32",
            PrngImpl::Rbg => "rbg",
            PrngImpl::UnsafeRbg => "unsafe_rbg",
        })
    }
}

/// What happens where an operand of a function of [`numpy`](crate::numpy) gets new axes, as in NumPy, because others have more. JAX:
/// `jax_numpy_rank_promotion`, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RankPromotion {
    /// It gets them (JAX's default).
    #[default]
    Allow,
    /// It gets them, and a warning is logged.
    Warn,
    /// It is an error.
    Raise,
}

/// Which operands of different dtypes meet in functions of [`numpy`](crate::numpy). JAX: `jax_numpy_dtype_promotion`, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DTypePromotion {
    /// Those that have a common dtype (JAX's default).
    #[default]
    Standard,
    /// Arrays of one dtype, and numbers that it holds.
    Strict,
}

/// What happens to a transfer between a device and the host, or another device. A transfer that a program asks for by name is explicit;
/// one that comes of something else that it does is implicit. JAX: the levels of `jax.transfer_guard`, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferGuard {
    /// It happens (JAX's default).
    #[default]
    Allow,
    /// If it is implicit it is logged.
    Log,
    /// If it is implicit it is an error.
    Disallow,
    /// It is logged.
    LogExplicit,
    /// It is an error.
    DisallowExplicit,
}

/// A setting's value, as a variable has it.
pub(super) trait FromVariable: Sized {
    fn from_variable(text: &str) -> Option<Self>;
}

impl FromVariable for bool {
    fn from_variable(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "0" | "false" | "off" | "no" => Some(false),
            "1" | "true" | "on" | "yes" => Some(true),
            _ => None,
        }
    }
}

impl FromVariable for Precision {
    fn from_variable(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "default" => Some(Precision::Default),
            "high" => Some(Precision::High),
            "highest" => Some(Precision::Highest),
            _ => None,
        }
    }
}

impl FromVariable for PrngImpl {
    fn from_variable(text: &str) -> Option<Self> {
        let all = [PrngImpl::Threefry2x32, PrngImpl::Rbg, PrngImpl::UnsafeRbg];
        all.into_iter().find(|of| of.to_string() == text.to_ascii_lowercase())
    }
}

macro_rules! by_name {
    ($($t:ident { $($name:literal: $value:ident),* })*) => {$(
        impl FromVariable for $t {
            fn from_variable(text: &str) -> Option<Self> {
                match text.to_ascii_lowercase().as_str() {
                    $($name => Some($t::$value),)*
                    _ => None,
                }
            }
        }

        /// JAX's name of it.
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($t::$value => $name,)*
                })
            }
        }

        #[cfg(test)]
        impl Another for $t {
            fn another(&self) -> Self {
                let all = [$($t::$value),*];
                let other = all.into_iter().find(|value| value != self);
                other.unwrap_or(*self)
            }
        }
    )*};
}
by_name! {
    RankPromotion { "allow": Allow, "warn": Warn, "raise": Raise }
    DTypePromotion { "standard": Standard, "strict": Strict }
    TransferGuard {
        "allow": Allow, "log": Log, "disallow": Disallow, "log_explicit": LogExplicit, "disallow_explicit": DisallowExplicit
    }
}

impl FromVariable for Option<PathBuf> {
    fn from_variable(text: &str) -> Option<Self> {
        Some(Some(text.into()))
    }
}

impl FromVariable for Duration {
    fn from_variable(text: &str) -> Option<Self> {
        Duration::try_from_secs_f64(text.parse().ok()?).ok()
    }
}

/// A device is not named by a variable.
impl FromVariable for Option<Sharding> {
    fn from_variable(_: &str) -> Option<Self> {
        None
    }
}

pub(super) fn from_variable<T: FromVariable>(name: Option<&str>) -> Option<T> {
    let name = name?;
    let text = std::env::var_os(name).filter(|text| !text.is_empty())?;
    let value = text.to_str().and_then(T::from_variable);
    if value.is_none() {
        tracing::warn!(target: "raxla::config", "{name}={} is not understood, and has no effect", text.display());
    }
    value
}

#[cfg(test)]
pub(super) trait Another {
    fn another(&self) -> Self;
}
#[cfg(test)]
mod another {
    use super::*;

    impl Another for bool {
        fn another(&self) -> Self {
            !self
        }
    }
    impl Another for Precision {
        fn another(&self) -> Self {
            if *self == Precision::High { Precision::Highest } else { Precision::High }
        }
    }
    impl Another for PrngImpl {
        fn another(&self) -> Self {
            if *self == PrngImpl::Rbg { PrngImpl::Threefry2x32 } else { PrngImpl::Rbg }
        }
    }
    impl Another for Option<PathBuf> {
        fn another(&self) -> Self {
            if self.is_some() { None } else { Some(std::env::temp_dir().join("raxla-another")) }
        }
    }
    impl Another for Duration {
        fn another(&self) -> Self {
            *self + Duration::from_secs(3600)
        }
    }
    impl Another for Option<Sharding> {
        fn another(&self) -> Self {
            if self.is_some() { None } else { Sharding::of_default_device().ok() }
        }
    }
}
