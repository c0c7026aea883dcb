//! Kernel density estimation. JAX: `jax.scipy.stats.gaussian_kde`.

use std::f64::consts::PI;

use super::multivariate_normal::{diagonal, whitened};
use crate::Pytree;
use crate::arguments::{Dims, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::elementwise::tuple;
use crate::lax::linalg::cholesky;
use crate::numpy::linalg::inv;
use crate::numpy::util::{constant, inexact, promote_dtypes, reject_complex};
use crate::numpy::{
    CovOptions, atleast_1d, atleast_2d, cov_with, dot, exp, log, power, prod, sqrt, square, squeeze, sum,
    take, transpose,
};
use crate::random::{
    ChoiceOptions, Key, WrapKeyDataOptions, choice_with, key_data, key_impl, multivariate_normal, split,
    wrap_key_data_with,
};
use crate::scipy::special::{logsumexp, ndtr};

/// How wide the kernels of [`gaussian_kde`] are, in units of the deviations of the data.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum BwMethod {
    /// Scott's rule: `neff^(-1 / (d + 4))`.
    #[default]
    Scott,
    /// Silverman's rule: `(neff (d + 2) / 4)^(-1 / (d + 4))`.
    Silverman,
    /// This number. A rule of one's own is a function of the data that gives it.
    Factor(Array),
}

impl From<f64> for BwMethod {
    fn from(factor: f64) -> Self {
        BwMethod::Factor(factor.into())
    }
}

impl From<Array> for BwMethod {
    fn from(factor: Array) -> Self {
        BwMethod::Factor(factor)
    }
}

impl From<&Array> for BwMethod {
    fn from(factor: &Array) -> Self {
        BwMethod::Factor(factor.clone())
    }
}

options! {
    /// Options of [`gaussian_kde_with`].
    pub struct GaussianKdeOptions {
        /// How wide the kernels are: a rule, or a number.
        bw_method: into BwMethod = BwMethod::Scott,
        /// How much each vector counts: one number each, whose sum is made 1.
        weights: optional_into Array,
    }
}

/// An estimate of a density from vectors drawn from it: a normal distribution about each of them. See [`gaussian_kde`].
///
/// It is a tree of its arrays, so that it goes through `jit`, `vmap` and `grad`.
#[derive(Clone, Debug, Pytree)]
pub struct GaussianKde {
    /// The effective number of vectors, `1 / Σ weights²`.
    pub neff: Array,
    /// The vectors as columns: `(d, n)`.
    pub dataset: Array,
    /// How much each vector counts: `(n)`.
    pub weights: Array,
    /// The covariance of each kernel: `(d, d)`.
    pub covariance: Array,
    /// Its inverse.
    pub inv_cov: Array,
}

/// An estimate of the density from which the columns of `dataset`, `(d, n)`, were drawn, or the numbers of a vector: a normal distribution
/// about each, as wide as Scott's rule says.
///
/// ```
/// use raxla::scipy::stats;
///
/// let kde = stats::gaussian_kde([-1.0f32, 0.0, 0.5, 2.0]);
/// let density = kde.evaluate([0.0f32, 9.0]).to_vec::<f32>()?;
/// assert!(density[0] > 0.2 && density[1] < 1e-3);
/// assert!((kde.integrate_box_1d(-20.0, 20.0).item::<f32>()? - 1.0).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `gaussian_kde: the dataset must have more than one element, got f32[1]`; more than two axes; complex numbers.
#[track_caller]
pub fn gaussian_kde(dataset: impl Into<Array>) -> GaussianKde {
    gaussian_kde_with(dataset, GaussianKdeOptions::new())
}

/// [`gaussian_kde`] of kernels of another width, or of weighted vectors.
///
/// ```
/// use raxla::scipy::stats::{self, BwMethod, GaussianKdeOptions};
///
/// let options = GaussianKdeOptions::new().bw_method(BwMethod::Silverman).weights([1.0f32, 1.0, 2.0]);
/// let kde = stats::gaussian_kde_with([0.0f32, 1.0, 3.0], options);
/// assert_eq!(kde.weights.to_vec::<f32>()?, [0.25, 0.25, 0.5]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`gaussian_kde`]; weights that are no vector of one number for each column.
#[track_caller]
pub fn gaussian_kde_with(dataset: impl Into<Array>, options: GaussianKdeOptions) -> GaussianKde {
    const NAME: &str = "gaussian_kde";
    let dataset = atleast_2d(dataset);
    reject_complex(NAME, &dataset);
    let [d, n] = *dataset.shape() else {
        throw!(Shape, "{NAME}: the dataset must have one or two axes, got {}", dataset.aval())
    };
    if dataset.size() < 2 {
        throw!(
            InvalidArgument,
            "{NAME}: the dataset must have more than one element, got {}",
            dataset.aval()
        );
    }
    let (dataset, weights) = match &options.weights {
        None => {
            let dataset = inexact(&dataset);
            let weights = lax::full([n], constant(&dataset, 1.0 / n as f64));
            (dataset, weights)
        }
        Some(weights) => {
            let [dataset, weights] = promote_dtypes(NAME, [&inexact(&dataset), &inexact(weights)]);
            let weights = atleast_1d(weights);
            if weights.shape() != [n] {
                throw!(Shape, "{NAME}: the weights must be a vector of {n} numbers, got {}", weights.aval());
            }
            let weights = &weights / sum(&weights, ..);
            (dataset, weights)
        }
    };
    let neff = 1 / sum(square(&weights), ..);
    let exponent = -1.0 / (d as f64 + 4.0);
    let factor = match options.bw_method {
        BwMethod::Scott => power(&neff, exponent),
        BwMethod::Silverman => power(&neff * (d as f64 + 2.0) / 4.0, exponent),
        BwMethod::Factor(factor) => factor,
    };
    if factor.ndim() != 0 {
        throw!(Shape, "{NAME}: bw_method must be a number, got {}", factor.aval());
    }
    let of_data = atleast_2d(cov_with(&dataset, CovOptions::new().aweights(&weights)));
    let inverse = inv(&of_data);
    let factor = square(factor);
    GaussianKde { neff, dataset, weights, covariance: of_data * &factor, inv_cov: inverse / factor }
}

impl GaussianKde {
    /// The number of components of a vector.
    pub fn d(&self) -> usize {
        self.dataset.shape()[0]
    }

    /// The number of vectors.
    pub fn n(&self) -> usize {
        self.dataset.shape()[1]
    }

    /// The density at `points`, `(d, m)`, or at numbers where `d` is 1, or at one vector: `(m)`. JAX calls the estimate, too.
    ///
    /// # Errors
    /// `gaussian_kde: points have dimension 3, the dataset has dimension 2`; complex numbers.
    #[track_caller]
    pub fn evaluate(&self, points: impl Into<Array>) -> Array {
        self.kernels(&points.into(), false)
    }

    /// [`evaluate`](Self::evaluate).
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[track_caller]
    pub fn pdf(&self, x: impl Into<Array>) -> Array {
        self.kernels(&x.into(), false)
    }

    /// The logarithm of the density.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[track_caller]
    pub fn logpdf(&self, x: impl Into<Array>) -> Array {
        self.kernels(&x.into(), true)
    }

    /// The integral of the product with the density of a normal distribution.
    ///
    /// # Errors
    /// `gaussian_kde: the mean must have 2 components, got f32[3]`; a covariance of other sizes.
    #[track_caller]
    pub fn integrate_gaussian(&self, mean: impl Into<Array>, cov: impl Into<Array>) -> Array {
        let (d, mean, cov) = (self.d(), atleast_1d(squeeze(mean, ..)), atleast_2d(cov));
        if mean.shape() != [d] {
            throw!(Shape, "gaussian_kde: the mean must have {d} components, got {}", mean.aval());
        }
        if cov.shape() != [d, d] {
            throw!(Shape, "gaussian_kde: the covariance must have {d} rows and columns, got {}", cov.aval());
        }
        self.convolved(&(&self.covariance + cov), &lax::expand_dims(&mean, -1)).index(0)
    }

    /// The probability of a number between `low` and `high`.
    ///
    /// # Errors
    /// `gaussian_kde: integrate_box_1d is of numbers, the dataset has dimension 2`; limits that are no scalars.
    #[track_caller]
    pub fn integrate_box_1d(&self, low: impl Into<Array>, high: impl Into<Array>) -> Array {
        let (low, high) = (low.into(), high.into());
        if self.d() != 1 {
            let d = self.d();
            throw!(Shape, "gaussian_kde: integrate_box_1d is of numbers, the dataset has dimension {d}");
        }
        if let Some(x) = [&low, &high].into_iter().find(|x| x.ndim() > 0) {
            throw!(Shape, "gaussian_kde: the limits of integrate_box_1d must be scalars, got {}", x.aval());
        }
        let args = [&self.dataset, &self.weights, &self.covariance, &low, &high];
        jitted("integrate_box_1d", (), args, |[dataset, weights, covariance, low, high]| {
            let sigma = squeeze(sqrt(covariance), ..);
            let below = |limit: &Array| ndtr(lax::reshape(&((limit - dataset) / &sigma), weights.shape()));
            sum(weights * (below(high) - below(low)), ..)
        })
    }

    /// The integral of the product with another estimate, of vectors of as many components.
    ///
    /// # Errors
    /// `gaussian_kde: estimates of 2 and of 3 dimensions`.
    #[track_caller]
    pub fn integrate_kde(&self, other: &GaussianKde) -> Array {
        if self.d() != other.d() {
            throw!(Shape, "gaussian_kde: estimates of {} and of {} dimensions", self.d(), other.d());
        }
        let (small, large) = if self.n() < other.n() { (self, other) } else { (other, self) };
        let products = large.convolved(&(&self.covariance + &other.covariance), &small.dataset);
        sum(products * &small.weights, ..)
    }

    /// Vectors drawn from the estimate: `(d, *shape)`, where several axes have one size.
    ///
    /// ```
    /// use raxla::{random, scipy::stats};
    ///
    /// let kde = stats::gaussian_kde([[0.0f32, 1.0, 2.0], [0.5, 0.0, 3.0]]);
    /// assert_eq!(kde.resample(&random::key(42), 5).shape(), [2, 5]);
    /// ```
    ///
    /// # Errors
    /// `gaussian_kde: resample takes one axis, or several of one size, got shape (3, 2)`; an array of keys.
    #[track_caller]
    pub fn resample(&self, key: &Key, shape: impl Into<Dims>) -> Array {
        let shape = shape.into().shape("gaussian_kde.resample").or_throw();
        if shape.iter().any(|n| *n != shape[0]) {
            let shape = tuple(&shape);
            throw!(Shape, "gaussian_kde: resample takes one axis, or several of one size, got shape {shape}");
        }
        let of = key_impl(key);
        let words = key_data(key.single("gaussian_kde.resample"));
        let args = [&self.dataset, &self.weights, &self.covariance, &words];
        jitted("resample", (shape.clone(), of), args, |[dataset, weights, covariance, words]| {
            let [d, n] = [dataset.shape()[0], dataset.shape()[1]];
            let key = wrap_key_data_with(words, WrapKeyDataOptions::new().impl_(of));
            let [ind_key, eps_key] = split(&key);
            let ind = choice_with(&ind_key, n, &shape, ChoiceOptions::new().p(weights));
            let mean = lax::full([d], lax::literal_like(covariance, 0.0));
            let eps = multivariate_normal(&eps_key, mean, covariance, (&shape, dataset.dtype()));
            take(dataset, ind, 1) + transpose(eps, ..)
        })
    }

    /// The points as columns.
    #[track_caller]
    fn columns(&self, points: &Array) -> Array {
        reject_complex("gaussian_kde", points);
        let (points, d) = (atleast_2d(points), self.d());
        match *points.shape() {
            [rows, _] if rows == d => points,
            [1, columns] if columns == d => lax::reshape(&points, [d, 1]),
            [rows, _] => {
                throw!(Shape, "gaussian_kde: points have dimension {rows}, the dataset has dimension {d}")
            }
            _ => throw!(Shape, "gaussian_kde: points must have one or two axes, got {}", points.aval()),
        }
    }

    /// The sum of the kernels at each point, or its logarithm.
    #[track_caller]
    fn kernels(&self, points: &Array, in_log: bool) -> Array {
        let points = self.columns(points);
        let args = [&self.dataset, &self.weights, &points, &self.inv_cov];
        jitted("_gaussian_kernel_eval", in_log, args, |args| {
            let [dataset, weights, points, precision] =
                promote_dtypes("gaussian_kde", args).map(|x| inexact(&x));
            let d = dataset.shape()[0];
            let whitening = cholesky(&precision);
            let rows = |x: Array| dot(transpose(x, ..), &whitening);
            let log_norm = sum(log(diagonal(&whitening)), ..) - 0.5 * d as f64 * (2.0 * PI).ln();
            let (dataset, points) = (rows(dataset), lax::expand_dims(&rows(points), 1));
            let exponents = log_norm - 0.5 * sum(square(dataset - points), -1);
            match in_log {
                true => logsumexp(log(weights) + exponents, 1),
                false => sum(weights * exp(exponents), 1),
            }
        })
    }

    /// The integrals of the products with normal densities about the columns of `means`, of the covariance that both have together.
    #[track_caller]
    fn convolved(&self, covariance: &Array, means: &Array) -> Array {
        let (d, n, m) = (self.d(), self.n(), means.shape()[1]);
        let factor = cholesky(covariance);
        let norm = 1.0 / ((2.0 * PI).sqrt().powi(d as i32) * prod(diagonal(&factor), ..));
        let differences = lax::expand_dims(&self.dataset, 1) - lax::expand_dims(means, 2);
        let rows = transpose(lax::reshape(&differences, [d, m * n]), ..);
        let squares = lax::reshape(&sum(square(whitened(&factor, &rows)), -1), [m, n]);
        norm * sum(exp(-0.5 * squares) * &self.weights, 1)
    }
}
