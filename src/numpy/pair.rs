//! Functions that give a second result when an option asks for it. JAX: `returned=True`, `retstep=True`, `return_sign=True`.

use crate::core::array::Array;

/// Options with which a function gives a pair: what [`AverageOptions::returned`](super::AverageOptions::returned) and
/// [`LinspaceOptions::retstep`](super::LinspaceOptions::retstep) make.
#[derive(Clone, Debug)]
pub struct Pair<O>(pub(crate) O);

/// Options `O`, with which a function gives an array, or a [`Pair`] of them, with which it gives two.
pub trait MaybePair<O>: sealed::Sealed<O> {
    /// What the function gives.
    type Output;
    /// Are two results asked for?
    #[doc(hidden)]
    const PAIR: bool;
    /// The options.
    #[doc(hidden)]
    fn into_options(self) -> O;
    /// What is asked for of both results.
    #[doc(hidden)]
    fn output(first: Array, second: Array) -> Self::Output;
}

mod sealed {
    pub trait Sealed<O> {}
    impl<O> Sealed<O> for O {}
    impl<O> Sealed<O> for super::Pair<O> {}
}

impl<O> MaybePair<O> for O {
    type Output = Array;
    const PAIR: bool = false;
    fn into_options(self) -> O {
        self
    }
    fn output(first: Array, _: Array) -> Array {
        first
    }
}

impl<O> MaybePair<O> for Pair<O> {
    type Output = (Array, Array);
    const PAIR: bool = true;
    fn into_options(self) -> O {
        self.0
    }
    fn output(first: Array, second: Array) -> (Array, Array) {
        (first, second)
    }
}
