//! [`Mode`]: how a model is applied.

use crate::core::array::Array;
use crate::dtype::DType;
use crate::lax;
use crate::random::Key;

/// How [`apply`](super::apply) runs a model: for training or evaluation, with what randomness, in what precision.
///
/// ```
/// use raxla::{DType, nn::{Mode, Policy}, random};
///
/// let evaluate = Mode::eval();
/// let train = Mode::train().key(&random::key(0)).policy(Policy::mixed(DType::BF16));
/// assert!(train.is_training() && !evaluate.is_training());
/// ```
#[derive(Clone, Debug)]
pub struct Mode {
    training: bool,
    pub(super) key: Option<Key>,
    pub(super) policy: Policy,
    pub(super) allow_unused: bool,
}

impl Mode {
    fn new(training: bool) -> Mode {
        Mode { training, key: None, policy: Policy::default(), allow_unused: false }
    }

    /// Training: dropout drops, and BatchNorm normalises by the batch and moves its statistics.
    #[must_use]
    pub fn train() -> Mode {
        Mode::new(true)
    }

    /// Evaluation: dropout is the identity, and BatchNorm normalises by its statistics.
    #[must_use]
    pub fn eval() -> Mode {
        Mode::new(false)
    }

    /// The key of what is random in the model. Each layer draws from a key of its own, made of this one and its path.
    #[must_use]
    pub fn key(mut self, key: &Key) -> Mode {
        self.key = Some(key.clone());
        self
    }

    /// In what precision it computes.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Mode {
        self.policy = policy;
        self
    }

    /// Parameters that the model does not read are no error.
    #[must_use]
    pub fn allow_unused(mut self) -> Mode {
        self.allow_unused = true;
        self
    }

    /// `x` in the dtype that the model computes in, if it is a float.
    pub fn to_compute(&self, x: &Array) -> Array {
        self.policy.to_compute(x)
    }

    /// Is it [`Mode::train`]?
    pub fn is_training(&self) -> bool {
        self.training
    }
}

/// The dtypes of parameters, of computation and of results. Micikevicius et al. 2018, "Mixed precision training"; `jmp.Policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    compute: Option<DType>,
    output: Option<DType>,
}

impl Policy {
    /// Floating-point inputs and parameters of layers are cast to `compute`, results of the model to `f32`. Parameters stay what
    /// they are, and so do sums that normalisation layers take.
    #[must_use]
    pub fn mixed(compute: DType) -> Policy {
        Policy { compute: Some(compute), output: Some(DType::F32) }
    }

    /// The dtype of the model's floating-point results; unset, what it computed in.
    #[must_use]
    pub fn output(mut self, dtype: DType) -> Policy {
        self.output = Some(dtype);
        self
    }

    pub(super) fn to_compute(self, x: &Array) -> Array {
        cast(x, self.compute)
    }

    pub(super) fn to_output(self, x: &Array) -> Array {
        cast(x, self.output)
    }
}

/// Integers and `bool` stay what they are.
fn cast(x: &Array, to: Option<DType>) -> Array {
    match to {
        Some(dtype) if x.dtype().is_float() => lax::convert_element_type(x, dtype),
        _ => x.clone(),
    }
}
