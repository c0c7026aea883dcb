//! Scaled dot-product attention. JAX: `nn.dot_product_attention` with `implementation="xla"`.

use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::core::trace::{caller, with_location};
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax;
use crate::lax::elementwise::tuple;
use crate::nn::{logsumexp, softmax};
use crate::numpy::util::{to_inexact, upcast_f16};
use crate::numpy::{
    DotOptions, EyeOptions, MaybePair, Pair, einsum, einsum_with, logical_and, tri_with, where_,
};

options! {
    /// Options of [`dot_product_attention_with`].
    pub struct DotProductAttentionOptions {
        /// Added to the scores `[batch, heads, t, s]`, to which it broadcasts.
        bias: optional_into Array,
        /// Of `bool`: which scores count. It broadcasts to them.
        mask: optional_into Array,
        /// What the scores are multiplied by; `1 / sqrt(d)` unless it is given.
        scale: optional f64,
        /// Does each position attend to itself and to earlier ones alone?
        is_causal: value bool = false,
        /// How many positions of each query in the batch count: `i32[batch]`. The result is zero at the others.
        query_seq_lengths: optional_into Array,
        /// How many positions of each key and value in the batch count: `i32[batch]`.
        key_value_seq_lengths: optional_into Array,
        /// How many positions before and after its own each position attends to: a pair, or one number for both.
        local_window_size: optional_into Dims,
    }
}

impl DotProductAttentionOptions {
    /// The result is then a pair: the attention, and the logarithms of the sums that softmax divides by, of shape
    /// `[batch, t, heads]`, through which no gradient runs. JAX: `return_residual=True`.
    #[must_use]
    pub fn return_residual(self) -> Pair<Self> {
        Pair(self)
    }
}

/// `softmax(q kᵀ / sqrt(d)) v` (Vaswani et al. 2017, eq. 1): `query` is `[batch, t, heads, d]`, `key` and `value` are
/// `[batch, s, heads, d]`, the result has the shape of `query`; the batch may be left out. Key and value may have fewer
/// heads, of which each then serves several of the query's.
///
/// # Errors
/// `dot_product_attention: query must have rank 3 or 4, got f32[2,3]`; shapes and dtypes that do not fit each other; heads
/// that are not a multiple.
#[track_caller]
pub fn dot_product_attention(
    query: impl Into<Array>,
    key: impl Into<Array>,
    value: impl Into<Array>,
) -> Array {
    dot_product_attention_with(query, key, value, DotProductAttentionOptions::new())
}

/// [`dot_product_attention`] with a bias, a mask, another scale; and the sums by
/// [`return_residual`](DotProductAttentionOptions::return_residual).
///
/// ```
/// use raxla::{Array, nn::{self, DotProductAttentionOptions}, numpy as jnp};
///
/// let x = jnp::reshape(jnp::arange(4.0), (1, 2, 1, 2));
/// let y = nn::dot_product_attention_with(&x, &x, &x, DotProductAttentionOptions::new().is_causal(true));
/// assert_eq!(y.index((0, 0)).to_vec::<f32>()?, [0.0, 1.0]);
/// // Itself alone.
/// let y = nn::dot_product_attention_with(&x, &x, &x, DotProductAttentionOptions::new().local_window_size(0));
/// assert_eq!(y.to_vec::<f32>()?, x.to_vec::<f32>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`dot_product_attention`]; `dot_product_attention: mask must be bool, got f32[1,1,2,2]`; a bias or a mask that does not
/// broadcast; lengths that are not `i32[batch]`.
#[track_caller]
pub fn dot_product_attention_with<SomeOptions: MaybePair<DotProductAttentionOptions>>(
    query: impl Into<Array>,
    key: impl Into<Array>,
    value: impl Into<Array>,
    options: SomeOptions,
) -> SomeOptions::Output {
    let (query, key, value) = (query.into(), key.into(), value.into());
    let options = options.into_options();
    // Closures have no caller of their own.
    let (result, residual) = with_location(caller(), || {
        attention(&query, &key, &value, &options, SomeOptions::PAIR, |weights| weights)
    });
    SomeOptions::output(result, residual)
}

const NAME: &str = "dot_product_attention";

/// With a batch of one, if it was left out.
fn batched(name: &str, x: &Array) -> Array {
    match x.ndim() {
        3 => lax::expand_dims(x, 0),
        4 => x.clone(),
        _ => throw!(Shape, "{NAME}: {name} must have rank 3 or 4, got {}", x.aval()),
    }
}

/// Refuses operands that do not fit those of the query.
fn check(query: &Array, key: &Array, value: &Array) -> Result<()> {
    let (q, k) = (query.shape(), key.shape());
    if k != value.shape() || key.dtype() != value.dtype() {
        bail!(
            Shape,
            "{NAME}: key and value must have one shape and one dtype, got {} and {}",
            key.aval(),
            value.aval()
        );
    }
    if query.dtype() != key.dtype() {
        bail!(DType, "{NAME}: query and key must have one dtype, got {} and {}", query.aval(), key.aval());
    }
    if q[0] != k[0] || q[3] != k[3] {
        bail!(
            Shape,
            "{NAME}: query and key must have the same batch and the same size of heads, got {} and {}",
            query.aval(),
            key.aval()
        );
    }
    if k[2] == 0 || !q[2].is_multiple_of(k[2]) {
        bail!(
            Shape,
            "{NAME}: the number of query heads must be a multiple of key's, got {} and {}, of {} and {}",
            q[2],
            k[2],
            query.aval(),
            key.aval()
        );
    }
    Ok(())
}

/// The window as positions before and after.
fn window(size: &Dims) -> Result<[usize; 2]> {
    match size.shape(NAME)?[..] {
        [both] => Ok([both, both]),
        [before, after] => Ok([before, after]),
        _ => bail!(InvalidArgument, "{NAME}: local_window_size is one size or two, got {size:?}"),
    }
}

/// `dropped` is what is done to the weights `[batch, key heads, query heads of each, t, s]`.
pub(super) fn attention(
    query: &Array,
    key: &Array,
    value: &Array,
    options: &DotProductAttentionOptions,
    return_residual: bool,
    dropped: impl FnOnce(Array) -> Array,
) -> (Array, Array) {
    let shape = query.shape();
    let (query, key, value) = (&batched("query", query), &batched("key", key), &batched("value", value));
    check(query, key, value).or_throw();
    let (batch, t, heads, d) = (query.shape()[0], query.shape()[1], query.shape()[2], query.shape()[3]);
    let (s, shared) = (key.shape()[1], key.shape()[2]);
    let groups = heads / shared;
    // The heads that one head of the keys serves have an axis of their own, g.
    let grouped = |name: &str, x: &Array| {
        let x = if x.ndim() < 4 { lax::expand_dims(x, Vec::from_iter(0..4 - x.ndim())) } else { x.clone() };
        let scores = [batch, heads, t, s];
        let fits = x.ndim() == 4 && x.shape().iter().zip(scores).all(|(n, m)| *n == 1 || *n == m);
        if !fits {
            throw!(Shape, "{NAME}: {name} must broadcast to the scores {}, got {}", tuple(&scores), x.aval());
        }
        let [b, n, t, s] = [0, 1, 2, 3].map(|i| x.shape()[i]);
        let (n, g) = if n == 1 { (1, 1) } else { (shared, groups) };
        lax::reshape(&x, [b, n, g, t, s])
    };
    let dtype = query.dtype();
    let wide = upcast_f16(to_inexact(dtype));
    let precise = DotOptions::new().preferred_element_type(wide);
    // An axis of one group would be one more for XLA to move around its products.
    let scores = if groups == 1 {
        lax::reshape(&einsum_with("btnd,bsnd->bnts", [query, key], precise.into()), [batch, shared, 1, t, s])
    } else {
        let queries = lax::reshape(query, [batch, t, shared, groups, d]);
        einsum_with("btngd,bsnd->bngts", [&queries, key], precise.into())
    };
    let scale = options.scale.unwrap_or(1.0 / (d as f64).sqrt());
    let mut scores = lax::mul(&scores, &lax::literal(wide, scale));
    if let Some(bias) = &options.bias {
        scores = lax::convert(&(scores + grouped("bias", bias)), wide, false);
    }

    let mut counts: Option<Array> = None;
    let mut only = |mask: Array| {
        counts = Some(match counts.take() {
            Some(counts) => logical_and(counts, mask),
            None => mask,
        });
    };
    if let Some(mask) = &options.mask {
        if !mask.dtype().is_bool() {
            throw!(DType, "{NAME}: mask must be bool, got {}", mask.aval());
        }
        only(grouped("mask", mask));
    }
    if options.is_causal {
        only(tri_with(t, EyeOptions::new().m(s).dtype(DType::Bool)));
    }
    if let Some(size) = &options.local_window_size {
        let [before, after] = window(size).or_throw().map(|n| lax::literal(DType::I32, n as f64));
        let positions = |axis: usize| lax::broadcasted_iota(DType::I32, [t, s], axis);
        only(lax::le(&positions(0), &lax::add(&positions(1), &before)));
        only(lax::ge(&positions(0), &lax::sub(&positions(1), &after)));
    }
    // Which of n positions of each example count, where its positions stand along `axis` of the scores.
    let within = |name: &str, lengths: &Array, n: usize, axis: usize| {
        if lengths.dtype() != DType::I32 || lengths.shape() != [batch] {
            throw!(Shape, "{NAME}: {name} must be i32[{batch}], got {}", lengths.aval());
        }
        let positions = lax::broadcasted_iota(DType::I32, [batch, n], 1);
        let within = lax::lt(&positions, &lax::expand_dims(lengths, 1));
        let mut shape = [batch, 1, 1, 1, 1];
        shape[axis] = n;
        lax::reshape(&within, shape)
    };
    let query_counts =
        options.query_seq_lengths.as_ref().map(|lengths| within("query_seq_lengths", lengths, t, 3));
    if let Some(mask) = &query_counts {
        only(mask.clone());
    }
    if let Some(lengths) = &options.key_value_seq_lengths {
        only(within("key_value_seq_lengths", lengths, s, 4));
    }
    if let Some(counts) = counts {
        // Finite also in f32, in which softmax computes.
        let least = -0.7 * crate::numpy::max_finite(wide).min(f64::from(f32::MAX));
        scores = where_(counts, scores, lax::literal(wide, least));
    }

    let scores = lax::convert(&scores, DType::F32, false);
    let weights = dropped(lax::convert(&softmax(&scores, -1), dtype, false));
    let mut result = if groups == 1 {
        let weights = lax::reshape(&weights, [batch, shared, t, s]);
        lax::reshape(&einsum("bnts,bsnd->btnd", [&weights, value]), [batch, t, shared, 1, d])
    } else {
        einsum("bngts,bsnd->btngd", [&weights, value])
    };
    if let Some(counts) = query_counts {
        let counts = lax::reshape(&counts, [batch, t, 1, 1, 1]);
        result = lax::mul(&result, &lax::convert(&counts, dtype, false));
    }
    let residual = match return_residual {
        true => {
            let sums = lax::convert(&logsumexp(&scores, -1), dtype, false);
            let sums = lax::stop_gradient(&lax::transpose(&sums, [0, 3, 1, 2]));
            lax::reshape(&sums, &shape[..shape.len() - 1])
        }
        false => result.clone(),
    };
    (lax::reshape(&result, shape), residual)
}
