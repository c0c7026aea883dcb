//! Layers that multiply by a matrix, and tables of vectors. Flax: `linen/linear.py`.

use crate::arguments::{Axes, Dims, options};
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::nn::Scope;
use crate::nn::initializers::{self, Initializer};
use crate::{lax, numpy};

options! {
    /// Options of [`linear_with`].
    pub struct LinearOptions {
        /// Is a vector added?
        use_bias: value bool = true,
        /// How the matrix begins.
        kernel_init: value Initializer = initializers::lecun_normal(),
        /// How the vector begins.
        bias_init: value Initializer = initializers::zeros(),
    }
}

/// `x @ kernel + bias` along the last axis: `f32[.., n]` to `f32[.., features]`. Flax: `Dense`.
///
/// Parameters: `kernel`, `f32[n, features]`, and `bias`, `f32[features]`.
///
/// ```
/// use raxla::{nn, prelude::*, random};
///
/// let x = Array::from([[1.0f32, 2.0]]);
/// let params = nn::init(&random::key(0), |cx| nn::linear(cx, &x, 3))?;
/// let y = nn::apply(&params, nn::Mode::eval(), |cx| nn::linear(cx, &x, 3))?;
/// assert_eq!(y.shape(), [1, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A scalar input; those of [`Scope::param`].
#[track_caller]
pub fn linear(cx: &Scope, x: impl Into<Array>, features: usize) -> Array {
    linear_of(cx, &x.into(), features, &LinearOptions::new())
}

/// [`linear`], with options.
///
/// # Errors
/// As [`linear`].
#[track_caller]
pub fn linear_with(cx: &Scope, x: impl Into<Array>, features: usize, options: LinearOptions) -> Array {
    linear_of(cx, &x.into(), features, &options)
}

#[track_caller]
fn linear_of(cx: &Scope, x: &Array, features: usize, options: &LinearOptions) -> Array {
    let Some(&inputs) = x.shape().last() else {
        throw!(Shape, "linear: the input has a last axis, got {}", x.aval())
    };
    let kernel = cx.param("kernel", [inputs, features], options.kernel_init.clone());
    let y = numpy::matmul(cx.mode().to_compute(x), kernel);
    if !options.use_bias {
        return y;
    }
    y + cx.param("bias", [features], options.bias_init.clone())
}

options! {
    /// Options of [`linear_general_with`].
    pub struct LinearGeneralOptions {
        /// The axes of the input that are summed over.
        axis: into Axes = Axes::from(-1),
        /// Leading axes, each element of which has a kernel and a bias of its own.
        batch_dims: into Axes = Axes::from(()),
        /// Is an array added?
        use_bias: value bool = true,
        /// How the kernel begins: as a matrix from all axes that are summed over to all features.
        kernel_init: value Initializer = initializers::lecun_normal(),
        /// How the array that is added begins.
        bias_init: value Initializer = initializers::zeros(),
    }
}

/// [`linear`] to features of several axes: `f32[.., n]` to `f32[.., features..]`. Flax: `DenseGeneral`.
///
/// Parameters: `kernel`, `f32[n, features..]`, and `bias`, `f32[features..]`.
///
/// ```
/// use raxla::{nn, prelude::*, random};
///
/// let x = Array::from([[1.0f32, 2.0, 3.0]]);
/// let heads = |cx: &nn::Scope| nn::linear_general(cx, &x, (4, 5));
/// let params = nn::init(&random::key(0), heads)?;
/// assert_eq!(params.get("kernel").map(Array::shape), Some(&[3, 4, 5][..]));
/// assert_eq!(nn::apply(&params, nn::Mode::eval(), heads)?.shape(), [1, 4, 5]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A scalar input; those of [`Scope::param`].
#[track_caller]
pub fn linear_general(cx: &Scope, x: impl Into<Array>, features: impl Into<Dims>) -> Array {
    linear_general_with(cx, x, features, LinearGeneralOptions::new())
}

/// [`linear_general`], with options.
///
/// # Errors
/// As [`linear_general`]; an axis out of range; batch axes that do not lead.
#[track_caller]
pub fn linear_general_with(
    cx: &Scope,
    x: impl Into<Array>,
    features: impl Into<Dims>,
    options: LinearGeneralOptions,
) -> Array {
    const NAME: &str = "linear_general";
    let x = x.into();
    let features = features.into().shape(NAME).or_throw();
    let axes = options.axis.positions(NAME, x.ndim()).or_throw();
    let batch = options.batch_dims.sorted(NAME, x.ndim()).or_throw();
    if !batch.iter().copied().eq(0..batch.len()) {
        throw!(InvalidArgument, "{NAME}: batch_dims are the leading axes, got {batch:?}");
    }
    let sizes = |axes: &[usize]| axes.iter().map(|&axis| x.shape()[axis]).collect::<Vec<usize>>();
    let rows = batch.len() + axes.len();
    let kernel = [&sizes(&batch)[..], &sizes(&axes), &features].concat();
    let kernel = cx.param("kernel", kernel, options.kernel_init.matrix(rows));
    let summed = Vec::from_iter(batch.len()..rows);
    let y = lax::dot_general(&cx.mode().to_compute(&x), &kernel, ((&axes, summed), (&batch, &batch)));
    if !options.use_bias {
        return y;
    }
    let bias = cx.param("bias", [&sizes(&batch)[..], &features].concat(), options.bias_init.matrix(0));
    // The result has the batch, what is left of the input, and the features.
    let mut broad = vec![1; y.ndim()];
    broad[..batch.len()].copy_from_slice(&sizes(&batch));
    broad[y.ndim() - features.len()..].copy_from_slice(&features);
    y + numpy::reshape(bias, broad)
}

options! {
    /// Options of [`embed_with`].
    pub struct EmbedOptions {
        /// How the table begins.
        embedding_init: value Initializer = default_embedding(),
    }
}

/// Variance 1 by the number of features, as in Flax.
fn default_embedding() -> Initializer {
    use initializers::{Distribution, Fan, VarianceScalingOptions};
    let axes = VarianceScalingOptions::new().out_axis(0).in_axis(1);
    initializers::variance_scaling_with(1.0, Fan::In, Distribution::Normal, axes)
}

/// The rows of a table: integers `i32[..]` below `num_embeddings` to `f32[.., features]`. Flax: `Embed`.
///
/// Parameter: `embedding`, `f32[num_embeddings, features]`. [`attend`] uses the same table for the way back.
///
/// # Errors
/// Inputs that are no integers; those of [`Scope::param`].
#[track_caller]
pub fn embed(cx: &Scope, ids: impl Into<Array>, num_embeddings: usize, features: usize) -> Array {
    embed_with(cx, ids, num_embeddings, features, EmbedOptions::new())
}

/// [`embed`], with options.
///
/// # Errors
/// As [`embed`].
#[track_caller]
pub fn embed_with(
    cx: &Scope,
    ids: impl Into<Array>,
    num_embeddings: usize,
    features: usize,
    options: EmbedOptions,
) -> Array {
    let ids = ids.into();
    if !ids.dtype().is_integer() {
        throw!(DType, "embed: the input is integers, got {}", ids.aval());
    }
    let table = cx.param("embedding", [num_embeddings, features], options.embedding_init);
    numpy::take(table, ids, 0)
}

/// The products of `x` with every row of the table of an [`embed`]: `f32[.., features]` to `f32[.., num_embeddings]`. Flax:
/// `Embed.attend`.
///
/// ```
/// use raxla::{nn, prelude::*, random};
///
/// let ids = Array::from([0, 2, 1]);
/// let tied = |cx: &nn::Scope| {
///     let table = cx.at("token");
///     let x = nn::embed(&table, &ids, 5, 8);
///     nn::attend(&table, x, 5)
/// };
/// let params = nn::init(&random::key(0), tied)?;
/// assert_eq!(params.len(), 1);
/// assert_eq!(nn::apply(&params, nn::Mode::eval(), tied)?.shape(), [3, 5]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A scalar input; those of [`Scope::param`].
#[track_caller]
pub fn attend(cx: &Scope, x: impl Into<Array>, num_embeddings: usize) -> Array {
    let x = x.into();
    let Some(&features) = x.shape().last() else {
        throw!(Shape, "attend: the input has a last axis, got {}", x.aval())
    };
    let table = cx.shared().param("embedding", [num_embeddings, features], default_embedding());
    numpy::matmul(cx.mode().to_compute(&x), lax::transpose(&table, (1, 0)))
}
