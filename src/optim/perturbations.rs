//! Smooth approximations of functions without derivatives. Optax: `optax.perturbations`.

use super::math::sum_of;
use super::trees::tree_random_like;
use super::{Hyperparam, tree_add_scale, tree_scale};
use crate::Pytree;
use crate::api::vmap;
use crate::arguments::{ShapeDtype, options};
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{Error, Result, caller, catch};
use crate::random::{self, Key, SplitOptions};
use crate::signature::Output;
use crate::tree::{self, AnyTree};
use crate::{lax, numpy};

/// What [`make_perturbed_fun`] adds to its argument. Optax: `perturbations.Gumbel`, `perturbations.Normal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Noise {
    /// Gumbel's distribution, under which the mean of the largest is a softmax.
    #[default]
    Gumbel,
    /// The normal distribution.
    Normal,
}

impl Noise {
    fn sample(self, key: &Key, shape: ShapeDtype) -> Array {
        match self {
            Noise::Gumbel => random::gumbel(key, shape),
            Noise::Normal => random::normal(key, shape),
        }
    }

    /// The logarithm of the density, up to a constant.
    fn log_prob(self, x: &Array) -> Array {
        match self {
            Noise::Gumbel => -x - numpy::exp(-x),
            Noise::Normal => -0.5 * numpy::square(x),
        }
    }
}

options! {
    /// Options of [`make_perturbed_fun_with`].
    pub struct PerturbedOptions {
        /// How many results are averaged.
        num_samples: value usize = 1000,
        /// What the noise is multiplied by.
        sigma: into Hyperparam = 0.1,
        /// The noise.
        noise: value Noise = Noise::Gumbel,
        /// Is the result without noise taken off, so that derivatives vary less?
        use_baseline: value bool = true,
    }
}

/// The mean of `fun` of its argument with noise, a function of a key and of that argument. Derivatives of it, of any order, are
/// estimated by values of `fun` alone, which need not have any. Berthet et al. 2020, <https://arxiv.org/abs/2002.08676>; Foerster et al.
/// 2018, <https://arxiv.org/abs/1802.05098>.
///
/// ```
/// use raxla::{numpy as jnp, optim, prelude::*, random};
///
/// let steps = |x: &Array| jnp::sum(jnp::where_(jnp::greater(x, 0.0), 1.0, 0.0), ..);
/// let smooth = optim::make_perturbed_fun(steps);
/// let x = Array::from([0.0f32, 0.0]);
/// let slope = grad(|x: &Array| smooth(&random::key(0), x))(&x)?;
/// assert!(slope.to_vec::<f32>()?.iter().all(|dy| *dy > 1.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Of the function that is returned: what `fun` fails with.
#[track_caller]
pub fn make_perturbed_fun<T: Pytree, O: Output>(
    fun: impl Fn(&T) -> O + Send + Sync,
) -> impl Fn(&Key, &T) -> Result<O::Tree> + Send + Sync {
    make_perturbed_fun_with(fun, PerturbedOptions::new())
}

/// [`make_perturbed_fun`] by options.
///
/// # Errors
/// As [`make_perturbed_fun`].
#[track_caller]
pub fn make_perturbed_fun_with<T: Pytree, O: Output>(
    fun: impl Fn(&T) -> O + Send + Sync,
    options: PerturbedOptions,
) -> impl Fn(&Key, &T) -> Result<O::Tree> + Send + Sync {
    let PerturbedOptions { num_samples, sigma, noise, use_baseline } = options;
    // A closure has no caller: errors are of the line that made it.
    let loc = caller();
    move |key: &Key, x: &T| {
        let x = &AnyTree::new(x);
        let still = |tree: &AnyTree| tree::map(lax::stop_gradient, tree);
        let of =
            |x: &AnyTree| Ok::<_, Error>(AnyTree::from_owned(fun(&still(x).into_typed()?).into_result()?));
        let run = || {
            let baseline = if use_baseline { Some(of(x)?) } else { None };
            let estimate = |key: &Key| -> Result<AnyTree> {
                let drawn = tree_random_like(key, x, |key, shape| noise.sample(key, shape));
                let shifted = still(&tree::map2(|x, z| x + z * &sigma, x, &drawn));
                // The noise again, with a derivative by `x`.
                let again = tree::map2(|x, y| (y - x) / &sigma, x, &shifted);
                let log_prob = sum_of(tree::leaves(&again).iter().map(|z| noise.log_prob(z).sum(..)));
                // 1, whose derivatives are those of the probability.
                let weight = numpy::exp(&log_prob - lax::stop_gradient(&log_prob));
                let out = tree_scale(&weight, &of(&shifted)?);
                Ok(match &baseline {
                    Some(baseline) => tree_add_scale(&out, 1.0 - weight, baseline),
                    None => out,
                })
            };
            let all = vmap(estimate)(&random::split_with(key, SplitOptions::new().num(num_samples)))?;
            tree::map(|x| x.mean(0), &all).into_typed()
        };
        with_location(loc, || catch(run)).map_err(|e| e.at(loc))
    }
}
