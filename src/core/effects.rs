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
    /// `dce_sink`: nothing happens.
    NoDce = "NoDCE", unordered;
    /// `checkify::check`.
    Check = "Error", unordered;
    /// `Ref::get`.
    Read = "Read", unordered;
    /// `Ref::set`, `Ref::swap`, and the end of a reference.
    Write = "Write", unordered;
    /// `Ref::addupdate`.
    Accum = "Accum", unordered;
    /// `new_ref`: what makes a reference is neither shared nor moved out of a loop.
    NewRef = "InternalMutableArray", unordered;
}

/// A set of effects.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Effects(u16);

impl Effects {
    /// No effects.
    pub(crate) const NONE: Effects = Effects(0);
    const DEBUG: Effects = Effects(1 << Effect::Debug as u8 | 1 << Effect::OrderedDebug as u8);
    const NO_DCE: Effects = Effects(1 << Effect::NoDce as u8);
    const CHECK: Effects = Effects(1 << Effect::Check as u8);
    /// What `io_callback` may have.
    pub(crate) const IO: Effects = Effects(1 << Effect::Io as u8 | 1 << Effect::OrderedIo as u8);

    /// Those that make a reference, or read or write what one refers to. JAX: `RefEffect`, `internal_mutable_array_effect`.
    pub(crate) const REFS: Effects = Effects(
        1 << Effect::Read as u8
            | 1 << Effect::Write as u8
            | 1 << Effect::Accum as u8
            | 1 << Effect::NewRef as u8,
    );
    /// Those of them after which a reference is another.
    pub(crate) const WRITES: Effects =
        Effects(1 << Effect::Write as u8 | 1 << Effect::Accum as u8 | 1 << Effect::NewRef as u8);

    /// What the bodies of `scan`, `while` and `cond` may have. JAX: `control_flow_allowed_effects`.
    pub(crate) const CONTROL_FLOW: Effects =
        Effects(Self::DEBUG.0 | Self::IO.0 | Self::NO_DCE.0 | Self::CHECK.0 | Self::REFS.0);
    /// What a function under `checkpoint` may have that is differentiated, and so runs twice. JAX: `remat_allowed_effects`.
    pub(crate) const CHECKPOINT: Effects = Effects(Self::DEBUG.0 | Self::CHECK.0);

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

    /// Those that are in the first alone.
    pub(crate) fn without(self, other: Effects) -> Effects {
        Effects(self.0 & !other.0)
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
        let refused = self.without(allowed);
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
