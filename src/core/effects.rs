//! What a program does besides computing its results. JAX: `_src/effects.py`.
//!
//! An effect is a property of a primitive, and so of every jaxpr that holds one. It keeps the equation where it is: nothing
//! removes it because nobody reads its results, nothing runs it a second time. Of an unordered kind the equations of one run
//! may happen in any order. An ordered one is threaded: each program takes a token for it and gives the next, so that its
//! equations happen in the order of the program, and programs in the order of their calls (see `core::runtime_tokens`).

use std::fmt;
use std::ops::BitOr;

use crate::error::{Result, bail};

macro_rules! effects {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident;)*) => {
        /// One effect. A new one is a line here, a place in the sets below, and a primitive that has it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Effect { $($(#[$doc])* $name,)* }

        impl Effect {
            const ALL: &[Effect] = &[$(Effect::$name),*];
            /// How many there are.
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// JAX's name.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Effect::$name => $text,)* }
            }
        }

        impl Effects {
            /// Those of which the order matters.
            const ORDERED: Effects = Effects(0 $(| effects!(@ordered $kind, $name))*);
        }
    };
    (@ordered ordered, $name:ident) => { 1 << Effect::$name as u8 };
    (@ordered unordered, $name:ident) => { 0 };
}

effects! {
    /// `debug::print!`, `debug::callback`.
    Debug = "Debug", unordered;
    /// The same, ordered.
    OrderedDebug = "OrderedDebug", ordered;
    /// `io_callback`.
    Io = "IO", unordered;
    /// The same, ordered.
    OrderedIo = "OrderedIO", ordered;
}

/// A set of effects.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Effects(u16);

impl Effects {
    /// No effects.
    pub(crate) const NONE: Effects = Effects(0);
    const DEBUG: Effects = Effects(1 << Effect::Debug as u8 | 1 << Effect::OrderedDebug as u8);
    /// What `io_callback` may have.
    pub(crate) const IO: Effects = Effects(1 << Effect::Io as u8 | 1 << Effect::OrderedIo as u8);

    /// What the bodies of `scan`, `while` and `cond` may have. JAX: `control_flow_allowed_effects`.
    pub(crate) const CONTROL_FLOW: Effects = Effects(Self::DEBUG.0 | Self::IO.0);
    /// What a function under `checkpoint` may have that is differentiated, and so runs twice. JAX: `remat_allowed_effects`.
    pub(crate) const CHECKPOINT: Effects = Self::DEBUG;

    /// Is there none?
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Is this one among them?
    pub(crate) fn contains(self, effect: Effect) -> bool {
        !self.and(effect.into()).is_empty()
    }

    /// Those that are in both.
    pub(crate) fn and(self, other: Effects) -> Effects {
        Effects(self.0 & other.0)
    }

    /// Those whose order matters: each has a token.
    pub(crate) fn ordered(self) -> Effects {
        self.and(Self::ORDERED)
    }

    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// One after the other, always in the same order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Effect> {
        Effect::ALL.iter().copied().filter(move |e| self.0 & 1 << *e as u8 != 0)
    }

    /// Refuses those that are not among `allowed`.
    pub(crate) fn check(self, allowed: Effects, place: &str) -> Result<()> {
        let refused = Effects(self.0 & !allowed.0);
        if refused.is_empty() {
            return Ok(());
        }
        bail!(Unimplemented, "effects not supported in {place}: {refused:?}")
    }
}

impl From<Effect> for Effects {
    fn from(effect: Effect) -> Self {
        Effects(1 << effect as u8)
    }
}

impl BitOr for Effects {
    type Output = Effects;
    fn bitor(self, other: Effects) -> Effects {
        Effects(self.0 | other.0)
    }
}

impl FromIterator<Effects> for Effects {
    fn from_iter<I: IntoIterator<Item = Effects>>(sets: I) -> Self {
        sets.into_iter().fold(Effects::NONE, BitOr::bitor)
    }
}

/// `{Debug, OrderedIO}`.
impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Effect::name).collect();
        write!(f, "{{{}}}", names.join(", "))
    }
}
