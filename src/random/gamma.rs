//! Samplers that are made of gamma variates. JAX: `jax.random.gamma`, `beta`, `dirichlet` and so on.

use super::continuous::{exponential_words, floats, maxwell_words, normal_words, parametrised};
use super::discrete::rademacher_words;
use super::key::Key;
use super::sampler::{check_shape, check_sizes, jitted, random_split, to_shape};
use crate::arguments::{ShapeDtype, options};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax::{
    add, convert_element_type, div, exp, expand_dims, literal_like, max, mul, random_gamma, sqrt, sub,
};
use crate::nn::softmax;
use crate::numpy::util::broadcast_shapes;
use crate::numpy::{abs, power, sum};

/// Numbers of the gamma distribution of shape parameter `a` and scale 1; `a` may be an array that broadcasts to `shape`; `f32` (`f64`
/// with x64 on) unless another float dtype is given. It has a derivative in `a`: that of the sample at a fixed quantile.
///
/// ```
/// use raxla::random;
///
/// let x = random::gamma(&random::key(42), [0.5f32, 2.0, 10.0], 3);
/// assert!(x.to_vec::<f32>()?.iter().all(|x| *x > 0.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// ``dtype argument to `gamma` must be a float dtype, got i32``; shapes that do not fit; an array of keys.
#[track_caller]
pub fn gamma(key: &Key, a: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    let (shape, dtype) = floats("gamma", shape.into(), false);
    gamma_words(key.single("gamma"), &a.into(), &shape, dtype, false)
}

/// The logarithm of [`gamma`]. It tells apart the draws of a small `a`, which [`gamma`] rounds to zero.
///
/// # Errors
/// As [`gamma`].
#[track_caller]
pub fn loggamma(key: &Key, a: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    let (shape, dtype) = floats("loggamma", shape.into(), false);
    gamma_words(key.single("loggamma"), &a.into(), &shape, dtype, true)
}

/// [`gamma`] or [`loggamma`] from the words of a key.
#[track_caller]
fn gamma_words(key: &Key, a: &Array, shape: &[usize], dtype: DType, log_space: bool) -> Array {
    check_shape("gamma", shape, &[a]);
    let a = convert_element_type(a, dtype);
    jitted("_gamma", shape, dtype, i64::from(log_space), key, &[&a], |key, args| {
        random_gamma(key.of(), key.words(), &to_shape(&args[0], shape), log_space)
    })
}

/// The two keys that a key is split into.
fn two(key: &Key) -> [Key; 2] {
    let keys = random_split(key, &[2]);
    [keys.at(0), keys.at(1)]
}

/// Numbers of the beta distribution of parameters `a` and `b`, which may be arrays that broadcast to `shape`; `f32` (`f64` with x64 on)
/// unless another float dtype is given.
///
/// # Errors
/// ``dtype argument to `beta` must be a float dtype, got i32``; a dtype into which a parameter cannot be cast safely; shapes that do
/// not fit; an array of keys.
#[track_caller]
pub fn beta(key: &Key, a: impl Into<Array>, b: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    let params = [a.into(), b.into()];
    parametrised("beta", "_beta", key, params, shape.into(), |key, [a, b], shape, dtype| {
        let [a_key, b_key] = two(key);
        let a = gamma_words(&a_key, a, shape, dtype, true);
        let b = gamma_words(&b_key, b, shape, dtype, true);
        // A / (A + B) of numbers whose logarithms may be far below zero.
        let most = max(&a, &b);
        let (a, b) = (exp(&sub(&a, &most)), exp(&sub(&b, &most)));
        div(&a, &add(&a, &b))
    })
}

/// Vectors of the Dirichlet distribution with the concentrations `alpha` along its last axis: `(*shape, n)` of `alpha` `(…, n)`, whose
/// other axes broadcast to `shape`; `f32` (`f64` with x64 on) unless another float dtype is given.
///
/// # Errors
/// `dirichlet requires alpha.ndim >= 1, got alpha.ndim == 0`; a dtype that is no float; shapes that do not fit; an array of keys.
#[track_caller]
pub fn dirichlet(key: &Key, alpha: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    dirichlet_of(key, &alpha.into(), shape.into())
}

#[track_caller]
fn dirichlet_of(key: &Key, alpha: &Array, of: ShapeDtype) -> Array {
    let (mut shape, dtype) = floats("dirichlet", of, false);
    let [batch @ .., n] = alpha.shape() else {
        throw!(Shape, "dirichlet requires alpha.ndim >= 1, got alpha.ndim == 0")
    };
    check_sizes("dirichlet", &shape, &[batch]);
    shape.push(*n);
    let (key, alpha) = (key.single("dirichlet"), convert_element_type(alpha, dtype));
    jitted("_dirichlet", &shape, dtype, 0, key, &[&alpha], |key, args| {
        softmax(gamma_words(key, &args[0], &shape, dtype, true), -1)
    })
}

/// Numbers of Student's t distribution with `df` degrees of freedom, which may be an array that broadcasts to `shape`; `f32` (`f64` with
/// x64 on) unless another float dtype is given.
///
/// # Errors
/// As [`beta`].
#[track_caller]
pub fn t(key: &Key, df: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    parametrised("t", "_t", key, [df.into()], shape.into(), |key, [df], shape, dtype| {
        let [n_key, g_key] = two(key);
        let n = normal_words(&n_key, shape, dtype);
        let half = div(df, &literal_like(df, 2.0));
        let g = gamma_words(&g_key, &half, shape, dtype, false);
        mul(&n, &sqrt(&div(&to_shape(&half, shape), &g)))
    })
}

/// Numbers of the χ² distribution with `df` degrees of freedom, which may be an array that broadcasts to `shape`; `f32` (`f64` with x64
/// on) unless another float dtype is given.
///
/// # Errors
/// As [`beta`].
#[track_caller]
pub fn chisquare(key: &Key, df: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    parametrised("chisquare", "_chisquare", key, [df.into()], shape.into(), |key, [df], shape, dtype| {
        chisquare_words(key, df, shape, dtype)
    })
}

#[track_caller]
fn chisquare_words(key: &Key, df: &Array, shape: &[usize], dtype: DType) -> Array {
    let two = literal_like(df, 2.0);
    mul(&exp(&gamma_words(key, &div(df, &two), shape, dtype, true)), &two)
}

/// Numbers of the F distribution with `dfnum` and `dfden` degrees of freedom, which may be arrays that broadcast to `shape`; `f32`
/// (`f64` with x64 on) unless another float dtype is given.
///
/// # Errors
/// As [`beta`].
#[track_caller]
pub fn f(key: &Key, dfnum: impl Into<Array>, dfden: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    let params = [dfnum.into(), dfden.into()];
    parametrised("f", "_f", key, params, shape.into(), |key, [dfnum, dfden], shape, dtype| {
        let [den_key, num_key] = two(key);
        let mean = |key: &Key, df: &Array| div(&chisquare_words(key, df, shape, dtype), &to_shape(df, shape));
        div(&mean(&num_key, dfnum), &mean(&den_key, dfden))
    })
}

/// Numbers of the generalised normal distribution, of density `exp(-|x|ᵖ)` up to a factor: Laplace's for `p` of 1, a normal one for 2;
/// `f32` (`f64` with x64 on) unless another float dtype is given.
///
/// # Errors
/// A dtype that is no float; an array of keys.
#[track_caller]
pub fn generalized_normal(key: &Key, p: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    let (shape, dtype) = floats("generalized_normal", shape.into(), false);
    generalized_normal_words(key.single("generalized_normal"), &p.into(), &shape, dtype)
}

#[track_caller]
fn generalized_normal_words(key: &Key, p: &Array, shape: &[usize], dtype: DType) -> Array {
    jitted("_generalized_normal", shape, dtype, 0, key, &[p], |key, args| {
        let [g_key, sign_key] = two(key);
        let inverse = 1.0 / &args[0];
        let g = gamma_words(&g_key, &inverse, shape, dtype, false);
        rademacher_words(&sign_key, shape, dtype) * power(g, inverse)
    })
}

options! {
    /// Options of [`ball_with`].
    pub struct BallOptions {
        /// The norm `(Σ |xᵢ|ᵖ)^(1/p)` by which the ball is one.
        p: into Array = 2,
    }
}

/// Points of the unit ball of `d` dimensions, each as likely as any other: `(*shape, d)`; `f32` (`f64` with x64 on) unless another
/// float dtype is given.
///
/// ```
/// use raxla::{numpy as jnp, random};
///
/// let x = random::ball(&random::key(42), 3, 100);
/// assert!(jnp::sum(jnp::square(x), -1).max(..).item::<f32>()? <= 1.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A dtype that is no float; an array of keys.
#[track_caller]
pub fn ball(key: &Key, d: usize, shape: impl Into<ShapeDtype>) -> Array {
    ball_of(key, d, shape.into(), &BallOptions::new().p)
}

/// [`ball`] of another norm.
///
/// # Errors
/// As [`ball`].
#[track_caller]
pub fn ball_with(key: &Key, d: usize, shape: impl Into<ShapeDtype>, options: BallOptions) -> Array {
    ball_of(key, d, shape.into(), &options.p)
}

/// Barthe, Guédon, Mendelson & Naor 2005, "A probabilistic approach to the geometry of the lₚⁿ-ball", theorem 1.
#[track_caller]
fn ball_of(key: &Key, d: usize, of: ShapeDtype, p: &Array) -> Array {
    let (shape, dtype) = floats("ball", of, false);
    jitted("_ball", &shape, dtype, d as i64, key.single("ball"), &[p], |key, args| {
        let ([g_key, e_key], p) = (two(key), &args[0]);
        let all: Shape = shape.iter().copied().chain([d]).collect();
        let g = generalized_normal_words(&g_key, p, &all, dtype);
        let e = exponential_words(&e_key, &shape, dtype);
        let norm = power(sum(power(abs(&g), p), -1) + e, 1.0 / p);
        g / expand_dims(&norm, -1)
    })
}

/// `loc ± scale m` of Maxwell numbers `m`, each sign as likely as the other. The shape of the parameters is behind `shape`, as in JAX; an
/// empty `shape` stands for theirs. `f32` (`f64` with x64 on) unless another float dtype is given.
///
/// # Errors
/// A dtype that is no float; parameters whose shapes do not broadcast; an array of keys.
#[track_caller]
pub fn double_sided_maxwell(
    key: &Key,
    loc: impl Into<Array>,
    scale: impl Into<Array>,
    shape: impl Into<ShapeDtype>,
) -> Array {
    double_sided_maxwell_of(key, &loc.into(), &scale.into(), shape.into())
}

#[track_caller]
fn double_sided_maxwell_of(key: &Key, loc: &Array, scale: &Array, of: ShapeDtype) -> Array {
    let (shape, dtype) = floats("double_sided_maxwell", of, false);
    let params = broadcast_shapes(&[loc.shape(), scale.shape()]);
    let params = params.map_err(|e| e.context("double_sided_maxwell")).or_throw();
    let first = if shape.is_empty() { Shape::from_slice(&params) } else { shape };
    let shape: Shape = first.into_iter().chain(params).collect();
    let key = key.single("double_sided_maxwell");
    jitted("_double_sided_maxwell", &shape, dtype, 0, key, &[loc, scale], |key, args| {
        let [m_key, sign_key] = two(key);
        let (loc, scale) = (&args[0], &args[1]);
        let sign = rademacher_words(&sign_key, &shape, dtype);
        sign * maxwell_words(&m_key, &shape, dtype) * scale + loc
    })
}
