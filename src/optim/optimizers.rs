//! Optimisers: chains of transformations that end with the rate. Optax: `_src/alias.py`.

use super::accumulators::*;
use super::masking::{Mask, chain};
use super::moments::*;
use super::scaling::*;
use super::{GradientTransformation, Hyperparam, Schedule, identity};
use crate::arguments::options;
use crate::dtype::DType;
use crate::random::Key;

/// What stands between the rate and the gradients.
#[track_caller]
pub(super) fn with_rate(
    tx: GradientTransformation,
    learning_rate: impl Into<Schedule>,
) -> GradientTransformation {
    chain((tx, scale_by_learning_rate(learning_rate)))
}

/// With weight decay.
#[track_caller]
pub(super) fn with_decay(
    tx: GradientTransformation,
    weight_decay: Schedule,
    mask: Option<Mask>,
    learning_rate: impl Into<Schedule>,
) -> GradientTransformation {
    chain((tx, decayed_weights_of(weight_decay, mask), scale_by_learning_rate(learning_rate)))
}

options! {
    /// Options of [`sgd_with`].
    pub struct SgdOptions {
        /// Which part of the sum of gradients stays at each step.
        momentum: optional_into Hyperparam,
        /// Nesterov's momentum.
        nesterov: value bool = false,
        /// The dtype of the sum.
        accumulator_dtype: optional DType,
    }
}

/// Stochastic gradient descent.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::sgd_with(0.1, optim::SgdOptions::new().momentum(0.9));
/// let params = Array::from([1.0f32, 2.0]);
/// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
/// assert_eq!(optim::apply_updates(&params, &updates).to_vec::<f32>()?, [0.9, 1.8]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn sgd(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    sgd_with(learning_rate, SgdOptions::new())
}

/// [`sgd`] with momentum.
#[track_caller]
pub fn sgd_with(learning_rate: impl Into<Schedule>, options: SgdOptions) -> GradientTransformation {
    let SgdOptions { momentum, nesterov, accumulator_dtype } = options;
    with_rate(momentum_of(momentum, nesterov, accumulator_dtype), learning_rate)
}

pub(super) fn momentum_of(
    momentum: Option<Hyperparam>,
    nesterov: bool,
    accumulator_dtype: Option<DType>,
) -> GradientTransformation {
    match momentum {
        Some(momentum) => trace_with(momentum, TraceOptions { nesterov, accumulator_dtype }),
        None => identity(),
    }
}

/// Optimisers that are one transformation and a rate.
macro_rules! rated {
    ($($(#[$doc:meta])* $name:ident $with:ident $scale:ident $options:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(learning_rate: impl Into<Schedule>) -> GradientTransformation {
            $with(learning_rate, $options::new())
        }
        #[doc = concat!("[`", stringify!($name), "`] with other constants.")]
        #[track_caller]
        pub fn $with(learning_rate: impl Into<Schedule>, options: $options) -> GradientTransformation {
            with_rate($scale(options), learning_rate)
        }
    )*};
}
rated! {
    /// Adaptive moments: the mean of gradients over the root of their mean square. Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>.
    ///
    /// ```
    /// use raxla::{Array, optim};
    ///
    /// let tx = optim::adam_with(1e-3, optim::AdamOptions::new().b1(0.95));
    /// let params = Array::from([1.0f32]);
    /// assert_eq!(format!("{:?}", tx.init(&params)?), r#"{"0.count": "i32[]", "0.mu": "f32[1]", "0.nu": "f32[1]"}"#);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    adam adam_with scale_by_adam_with ScaleByAdamOptions;
    /// Adam with the largest mean square so far. Reddi et al. 2018, <https://openreview.net/forum?id=ryQu7f-RZ>.
    amsgrad amsgrad_with scale_by_amsgrad_with ScaleByAmsgradOptions;
    /// Adam with the largest size over time. Kingma and Ba 2015, section 7.1.
    adamax adamax_with scale_by_adamax_with ScaleByAdamaxOptions;
    /// Adam with the mean square of the difference from the mean. Zhuang et al. 2020, <https://arxiv.org/abs/2010.07468>.
    adabelief adabelief_with scale_by_belief_with ScaleByBeliefOptions;
    /// The root of the sum of squares of gradients. Duchi et al. 2011, <https://jmlr.org/papers/v12/duchi11a.html>.
    adagrad adagrad_with scale_by_rss_with ScaleByRssOptions;
    /// Adam whose mean square changes slowly. Zaheer et al. 2018.
    yogi yogi_with scale_by_yogi_with ScaleByYogiOptions;
    /// Adam that waits until the variance of its mean square is small. Liu et al. 2020, <https://arxiv.org/abs/1908.03265>.
    radam radam_with scale_by_radam_with ScaleByRadamOptions;
    /// Gradients and their changes. Mokhtari et al. 2019, <https://arxiv.org/abs/1901.08511>.
    optimistic_gradient_descent optimistic_gradient_descent_with scale_by_optimistic_gradient_with OptimisticGradientOptions;
}

pub use super::accumulators::{
    OptimisticGradientOptions as OptimisticGradientDescentOptions, ScaleByRpropOptions as RpropOptions,
    ScaleByRssOptions as AdagradOptions,
};
pub use super::moments::{
    ScaleByAdamOptions as AdamOptions, ScaleByAdamaxOptions as AdamaxOptions,
    ScaleByAmsgradOptions as AmsgradOptions, ScaleByBeliefOptions as AdabeliefOptions,
    ScaleByRadamOptions as RadamOptions, ScaleByYogiOptions as YogiOptions,
};

/// Adam with Nesterov's momentum. Dozat 2016, <https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ>.
#[track_caller]
pub fn nadam(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    adam_with(learning_rate, ScaleByAdamOptions::new().nesterov(true))
}

options! {
    /// Options of [`adamw_with`].
    pub struct AdamWOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 1e-4,
        /// Which parameters decay.
        mask: function Mask,
        /// Nesterov's momentum.
        nesterov: value bool = false,
    }
}

/// Adam with weight decay that the mean square does not change. Loshchilov and Hutter 2019, <https://arxiv.org/abs/1711.05101>.
///
/// ```
/// use raxla::optim::{self, AdamWOptions};
///
/// let rate = optim::warmup_cosine_decay_schedule(0.0, 1e-3, 100, 1000);
/// // Biases and scales do not decay.
/// let tx = optim::adamw_with(rate, AdamWOptions::new().weight_decay(0.01).mask(|_, param| param.ndim() > 1));
/// # let _ = tx;
/// ```
#[track_caller]
pub fn adamw(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    adamw_with(learning_rate, AdamWOptions::new())
}

/// [`adamw`] with other constants, or of some parameters.
#[track_caller]
pub fn adamw_with(learning_rate: impl Into<Schedule>, options: AdamWOptions) -> GradientTransformation {
    let AdamWOptions { b1, b2, eps, eps_root, mu_dtype, weight_decay, mask, nesterov } = options;
    let adam = scale_by_adam_with(ScaleByAdamOptions { b1, b2, eps, eps_root, mu_dtype, nesterov });
    with_decay(adam, weight_decay, mask, learning_rate)
}

/// [`adamw`] with Nesterov's momentum.
#[track_caller]
pub fn nadamw(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    adamw_with(learning_rate, AdamWOptions::new().nesterov(true))
}

options! {
    /// Options of [`adamaxw_with`].
    pub struct AdamaxWOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the largest size stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the size of updates.
        eps: into Hyperparam = 1e-8,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 1e-4,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// [`adamax`] with weight decay.
#[track_caller]
pub fn adamaxw(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    adamaxw_with(learning_rate, AdamaxWOptions::new())
}

/// [`adamaxw`] with other constants, or of some parameters.
#[track_caller]
pub fn adamaxw_with(learning_rate: impl Into<Schedule>, options: AdamaxWOptions) -> GradientTransformation {
    let AdamaxWOptions { b1, b2, eps, weight_decay, mask } = options;
    let tx = scale_by_adamax_with(ScaleByAdamaxOptions { b1, b2, eps });
    with_decay(tx, weight_decay, mask, learning_rate)
}

options! {
    /// Options of [`adan_with`].
    pub struct AdanOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.98,
        /// How much of the mean difference stays at each step.
        b2: into Hyperparam = 0.92,
        /// How much of the mean square stays at each step.
        b3: into Hyperparam = 0.99,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 1e-8,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// Adam with moments of differences of gradients. Xie et al. 2022, <https://arxiv.org/abs/2208.06677>.
#[track_caller]
pub fn adan(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    adan_with(learning_rate, AdanOptions::new())
}

/// [`adan`] with other constants.
#[track_caller]
pub fn adan_with(learning_rate: impl Into<Schedule>, options: AdanOptions) -> GradientTransformation {
    let AdanOptions { b1, b2, b3, eps, eps_root, weight_decay, mask } = options;
    let tx = scale_by_adan_with(ScaleByAdanOptions { b1, b2, b3, eps, eps_root });
    with_decay(tx, weight_decay, mask, learning_rate)
}

options! {
    /// Options of [`lion_with`].
    pub struct LionOptions {
        /// How much of the mean is in an update.
        b1: into Hyperparam = 0.9,
        /// How much of the mean stays at each step.
        b2: into Hyperparam = 0.99,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 1e-3,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// The signs of the mean of gradients. Chen et al. 2023, <https://arxiv.org/abs/2302.06675>.
#[track_caller]
pub fn lion(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    lion_with(learning_rate, LionOptions::new())
}

/// [`lion`] with other constants.
#[track_caller]
pub fn lion_with(learning_rate: impl Into<Schedule>, options: LionOptions) -> GradientTransformation {
    let LionOptions { b1, b2, mu_dtype, weight_decay, mask } = options;
    let tx = scale_by_lion_with(ScaleByLionOptions { b1, b2, mu_dtype, mode: LionMode::Hard });
    with_decay(tx, weight_decay, mask, learning_rate)
}

options! {
    /// Options of [`adadelta_with`].
    pub struct AdadeltaOptions {
        /// How much of the mean squares stays at each step.
        rho: into Hyperparam = 0.9,
        /// Added to the mean squares.
        eps: into Hyperparam = 1e-6,
        /// What of the parameters is added to gradients.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        weight_decay_mask: function Mask,
    }
}

/// Steps by their own root mean square. Zeiler 2012, <https://arxiv.org/abs/1212.5701>.
#[track_caller]
pub fn adadelta(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    adadelta_with(learning_rate, AdadeltaOptions::new())
}

/// [`adadelta`] with other constants.
#[track_caller]
pub fn adadelta_with(learning_rate: impl Into<Schedule>, options: AdadeltaOptions) -> GradientTransformation {
    let AdadeltaOptions { rho, eps, weight_decay, weight_decay_mask } = options;
    chain((
        decayed_weights_of(weight_decay, weight_decay_mask),
        scale_by_adadelta_with(ScaleByAdadeltaOptions { rho, eps }),
        scale_by_learning_rate(learning_rate),
    ))
}

options! {
    /// Options of [`rmsprop_with`].
    pub struct RmspropOptions {
        /// How much of the mean square stays at each step.
        decay: into Hyperparam = 0.9,
        /// Added to the mean square, or to its root.
        eps: into Hyperparam = 1e-8,
        /// What the mean square begins with.
        initial_scale: into Hyperparam = 0.0,
        /// Is `eps` added below the square root?
        eps_in_sqrt: value bool = true,
        /// The variance in place of the mean square.
        centered: value bool = false,
        /// Which part of the sum of updates stays at each step.
        momentum: optional_into Hyperparam,
        /// Nesterov's momentum.
        nesterov: value bool = false,
        /// Is the bias towards the beginning taken out?
        bias_correction: value bool = false,
    }
}

/// The root of the mean square of gradients over time. Hinton's lecture 6.
#[track_caller]
pub fn rmsprop(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    rmsprop_with(learning_rate, RmspropOptions::new())
}

/// [`rmsprop`] with momentum, or centred.
#[track_caller]
pub fn rmsprop_with(learning_rate: impl Into<Schedule>, options: RmspropOptions) -> GradientTransformation {
    let RmspropOptions {
        decay,
        eps,
        initial_scale,
        eps_in_sqrt,
        centered,
        momentum,
        nesterov,
        bias_correction,
    } = options;
    let options = ScaleByRmsOptions { decay, eps, initial_scale, eps_in_sqrt, bias_correction };
    let tx = if centered { scale_by_stddev_with(options) } else { scale_by_rms_with(options) };
    chain((tx, scale_by_learning_rate(learning_rate), momentum_of(momentum, nesterov, None)))
}

options! {
    /// Options of [`noisy_sgd_with`].
    pub struct NoisySgdOptions {
        /// The variance of the noise at the first step.
        eta: into Hyperparam = 0.01,
        /// The power of the step that it falls by.
        gamma: into Hyperparam = 0.55,
    }
}

/// Gradient descent with noise that becomes less. Neelakantan et al. 2014, <https://arxiv.org/abs/1511.06807>.
#[track_caller]
pub fn noisy_sgd(learning_rate: impl Into<Schedule>, key: &Key) -> GradientTransformation {
    noisy_sgd_with(learning_rate, key, NoisySgdOptions::new())
}

/// [`noisy_sgd`] with other noise.
#[track_caller]
pub fn noisy_sgd_with(
    learning_rate: impl Into<Schedule>,
    key: &Key,
    options: NoisySgdOptions,
) -> GradientTransformation {
    with_rate(add_noise(options.eta, options.gamma, key), learning_rate)
}

/// Gradient descent by signs. Bernstein et al. 2018, <https://arxiv.org/abs/1802.04434>.
#[track_caller]
pub fn sign_sgd(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    with_rate(scale_by_sign(), learning_rate)
}

options! {
    /// Options of [`signum_with`].
    pub struct SignumOptions {
        /// How much of the mean stays at each step.
        beta: into Hyperparam = 0.9,
        /// The dtype of the mean.
        accumulator_dtype: optional DType,
    }
}

/// The signs of the mean of gradients over time. Bernstein et al. 2018, <https://arxiv.org/abs/1802.04434>.
#[track_caller]
pub fn signum(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    signum_with(learning_rate, SignumOptions::new())
}

/// [`signum`] with other constants.
#[track_caller]
pub fn signum_with(learning_rate: impl Into<Schedule>, options: SignumOptions) -> GradientTransformation {
    let SignumOptions { beta, accumulator_dtype } = options;
    let mean = ema_with(beta, EmaOptions { debias: false, accumulator_dtype });
    chain((mean, scale_by_sign(), scale_by_learning_rate(learning_rate)))
}

options! {
    /// Options of [`novograd_with`].
    pub struct NovogradOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square norm stays at each step.
        b2: into Hyperparam = 0.25,
        /// Added to the square root.
        eps: into Hyperparam = 1e-6,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// What of the parameters is added.
        weight_decay: into Hyperparam = 0.0,
    }
}

/// Adam with a mean square for each layer. Ginsburg et al. 2019, <https://arxiv.org/abs/1905.11286>.
#[track_caller]
pub fn novograd(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    novograd_with(learning_rate, NovogradOptions::new())
}

/// [`novograd`] with other constants.
#[track_caller]
pub fn novograd_with(learning_rate: impl Into<Schedule>, options: NovogradOptions) -> GradientTransformation {
    let NovogradOptions { b1, b2, eps, eps_root, weight_decay } = options;
    let options = ScaleByNovogradOptions { b1, b2, eps, eps_root, weight_decay, mu_dtype: None };
    with_rate(scale_by_novograd_with(options), learning_rate)
}

options! {
    /// Options of [`optimistic_adam_v2_with`].
    pub struct OptimisticAdamOptions {
        /// How much of the update is taken.
        alpha: into Hyperparam = 1.0,
        /// How much of its change is added.
        beta: into Hyperparam = 1.0,
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// Nesterov's momentum.
        nesterov: value bool = true,
    }
}

/// Adam and the changes of its updates. Daskalakis et al. 2017, <https://arxiv.org/abs/1711.00141>.
#[track_caller]
pub fn optimistic_adam_v2(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    optimistic_adam_v2_with(learning_rate, OptimisticAdamOptions::new())
}

/// [`optimistic_adam_v2`] with other constants.
#[track_caller]
pub fn optimistic_adam_v2_with(
    learning_rate: impl Into<Schedule>,
    options: OptimisticAdamOptions,
) -> GradientTransformation {
    let OptimisticAdamOptions { alpha, beta, b1, b2, eps, eps_root, mu_dtype, nesterov } = options;
    chain((
        scale_by_adam_with(ScaleByAdamOptions { b1, b2, eps, eps_root, mu_dtype, nesterov }),
        scale_by_optimistic_gradient_with(OptimisticGradientOptions { alpha, beta }),
        scale_by_learning_rate(learning_rate),
    ))
}

options! {
    /// Options of [`sm3_with`].
    pub struct Sm3Options {
        /// How much of the mean of updates stays at each step.
        momentum: into Hyperparam = 0.9,
    }
}

/// Adagrad with an accumulator for each row and column. Anil et al. 2019, <https://arxiv.org/abs/1901.11150>.
#[track_caller]
pub fn sm3(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    sm3_with(learning_rate, Sm3Options::new())
}

/// [`sm3`] with other momentum.
#[track_caller]
pub fn sm3_with(learning_rate: impl Into<Schedule>, options: Sm3Options) -> GradientTransformation {
    with_rate(scale_by_sm3_with(ScaleBySm3Options::new().b1(options.momentum)), learning_rate)
}

/// Steps whose sizes depend on whether signs of gradients turn. Riedmiller and Braun 1993.
#[track_caller]
pub fn rprop(learning_rate: impl Into<Hyperparam>) -> GradientTransformation {
    rprop_with(learning_rate, RpropOptions::new())
}

/// [`rprop`] with other constants.
#[track_caller]
pub fn rprop_with(learning_rate: impl Into<Hyperparam>, options: RpropOptions) -> GradientTransformation {
    chain((scale_by_rprop_with(learning_rate, options), scale(-1.0)))
}
