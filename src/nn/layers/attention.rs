//! Attention of several heads, with a cache for decoding and rotary positions. Flax: `linen/attention.py`.

use super::linear::{LinearGeneralOptions, linear_general_with};
use super::normalization::{LayerNormOptions, layer_norm_with};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::trace::{caller, with_location};
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::nn::attention::attention;
use crate::nn::initializers::{self, Initializer};
use crate::nn::{DotProductAttentionOptions, Scope};
use crate::{numpy, random};

options! {
    /// Options of [`multi_head_attention_with`].
    pub struct MultiHeadAttentionOptions {
        /// What keys are made of; the input, if it is not given.
        inputs_k: optional_into Array,
        /// What values are made of; what keys are made of, if it is not given.
        inputs_v: optional_into Array,
        /// Heads of keys and values, each of which serves as many of the queries'; as many as those, if it is not given.
        num_kv_heads: optional usize,
        /// The features of all heads of the queries together; those of the input, if they are not given.
        qkv_features: optional usize,
        /// The features of the result; those of the input, if they are not given.
        out_features: optional usize,
        /// Which scores count: `bool` that broadcasts to `[batch.., heads, t, s]`.
        mask: optional_into Array,
        /// Does each position attend to itself and to earlier ones alone?
        is_causal: value bool = false,
        /// How many positions the cache holds. Given, the input continues what earlier calls had, which is in the state: it attends to all
        /// of that, and to itself causally.
        cache_length: optional usize,
        /// Rotary positions, in keys and queries.
        rotary: optional RotaryOptions,
        /// Are keys and queries normalised, as by [`layer_norm`](super::layer_norm)?
        normalize_qk: value bool = false,
        /// The share of weights that are dropped while training.
        dropout_rate: value f64 = 0.0,
        /// Are the same weights dropped in all heads and examples?
        broadcast_dropout: value bool = true,
        /// Are vectors added?
        use_bias: value bool = true,
        /// How the kernels begin.
        kernel_init: value Initializer = initializers::lecun_normal(),
        /// How the vectors that are added begin.
        bias_init: value Initializer = initializers::zeros(),
        /// How the kernel of the result begins; as the others, if it is not given.
        out_kernel_init: optional Initializer,
        /// How the vector that is added to the result begins; as the others, if it is not given.
        out_bias_init: optional Initializer,
    }
}

/// Attention with `num_heads` heads (Vaswani et al. 2017): `f32[batch.., t, n]` to the same. Flax: `MultiHeadDotProductAttention`.
///
/// Parameters: `query/kernel`, `key/kernel`, `value/kernel`, `f32[n, heads, n / heads]`, with a `bias` of the last two axes, and
/// `out/kernel`, `f32[heads, n / heads, n]`, with its `bias`.
///
/// ```
/// use raxla::nn::{self, Mode, MultiHeadAttentionOptions, RotaryOptions, Scope};
/// use raxla::{lax, random};
///
/// // One token after the other: what came before is in the cache.
/// let token = lax::full([2, 1, 32], 1f32);
/// let options = || MultiHeadAttentionOptions::new().num_kv_heads(2).rotary(RotaryOptions::new());
/// let step = |cx: &Scope| nn::multi_head_attention_with(cx, &token, 8, options().cache_length(100));
/// let (params, mut state) = nn::init_with_state(&random::key(0), step)?;
/// for _ in 0..3 {
///     (_, state) = nn::apply((&params, &state), Mode::eval(), step)?;
/// }
/// assert_eq!(state.get("cache_index").unwrap().item::<i32>()?, 3);
/// assert_eq!(state.get("cached_key").unwrap().shape(), [2, 100, 2, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `multi_head_attention: 3 heads do not divide 16 features`; those of [`Scope::param`].
#[track_caller]
pub fn multi_head_attention(cx: &Scope, x: impl Into<Array>, num_heads: usize) -> Array {
    multi_head_attention_with(cx, x, num_heads, MultiHeadAttentionOptions::new())
}

/// [`multi_head_attention`], with options: what it attends to, masks, heads that share keys, a cache, positions.
///
/// # Errors
/// As [`multi_head_attention`]; masks that do not broadcast; a cache in a model that is applied without state; dropout without a key.
#[track_caller]
pub fn multi_head_attention_with(
    cx: &Scope,
    x: impl Into<Array>,
    num_heads: usize,
    options: MultiHeadAttentionOptions,
) -> Array {
    const NAME: &str = "multi_head_attention";
    let x = x.into();
    let [batch @ .., t, inputs] = x.shape() else {
        throw!(Shape, "{NAME}: the input is [batch.., t, features], got {}", x.aval())
    };
    let (&t, &inputs) = (t, inputs);
    let features = options.qkv_features.unwrap_or(inputs);
    if num_heads == 0 || !features.is_multiple_of(num_heads) {
        throw!(Shape, "{NAME}: {num_heads} heads do not divide {features} features");
    }
    let shared = options.num_kv_heads.unwrap_or(num_heads);
    if shared == 0 || !num_heads.is_multiple_of(shared) {
        throw!(Shape, "{NAME}: {shared} heads of keys do not divide {num_heads} heads");
    }
    let d = features / num_heads;
    let dense = LinearGeneralOptions::new()
        .use_bias(options.use_bias)
        .kernel_init(options.kernel_init.clone())
        .bias_init(options.bias_init.clone());
    // Closures have no caller of their own.
    let here = caller();
    let heads = |name: &str, x: &Array, n: usize| {
        with_location(here, || linear_general_with(&cx.at(name), x, (n, d), dense.clone()))
    };
    let of_keys = options.inputs_k.as_ref().unwrap_or(&x);
    let mut query = heads("query", &x, num_heads);
    let mut key = heads("key", of_keys, shared);
    let mut value = heads("value", options.inputs_v.as_ref().unwrap_or(of_keys), shared);
    if options.normalize_qk {
        let norm = || LayerNormOptions::new().use_bias(false);
        query = layer_norm_with(&cx.at("query_ln"), query, norm());
        key = layer_norm_with(&cx.at("key_ln"), key, norm());
    }
    let cache = options.cache_length.map(|length| Cache::new(cx, batch, length, shared, d));
    if let Some(rotary) = &options.rotary {
        let positions = |n: usize| {
            let positions = numpy::arange(n as i64);
            cache.as_ref().map_or_else(|| positions.clone(), |cache| &positions + &cache.index)
        };
        query = rotary_embedding_with(query, positions(t), rotary.clone());
        key = rotary_embedding_with(&key, positions(key.shape()[batch.len()]), rotary.clone());
    }
    let mut mask = options.mask.clone();
    if let Some(cache) = &cache {
        if key.shape()[batch.len()] != t || t > cache.length {
            throw!(
                Shape,
                "{NAME}: a cache of {} positions cannot take the keys {} for queries {}",
                cache.length,
                key.aval(),
                query.aval()
            );
        }
        let seen;
        (key, value, seen) = cache.append(cx, &key, &value, t, batch.len());
        mask = Some(mask.map_or_else(|| seen.clone(), |mask| numpy::logical_and(mask, &seen)));
    }
    let flat = |x: &Array| {
        let rest = &x.shape()[batch.len()..];
        numpy::reshape(x, [&[batch.iter().product()], rest].concat())
    };
    let (query, key, value) = (flat(&query), flat(&key), flat(&value));
    let mut scores = DotProductAttentionOptions::new().is_causal(options.is_causal && cache.is_none());
    if let Some(mask) = mask {
        scores = scores.mask(flat_mask(&mask, batch, num_heads, t, key.shape()[1]));
    }
    let rate = if cx.is_training() { options.dropout_rate } else { 0.0 };
    let dropped = |weights: Array| {
        if rate == 0.0 {
            return weights;
        }
        let mut shape = weights.shape().to_vec();
        if options.broadcast_dropout {
            shape[..3].fill(1);
        }
        let kept = random::bernoulli(&cx.key(), 1.0 - rate, shape);
        numpy::where_(kept, weights / (1.0 - rate), 0.0)
    };
    let (y, _) = with_location(here, || attention(&query, &key, &value, &scores, false, dropped));
    let y = numpy::reshape(y, [batch, &[t, num_heads, d]].concat());
    let out = dense
        .axis((-2, -1))
        .kernel_init(options.out_kernel_init.unwrap_or(options.kernel_init))
        .bias_init(options.out_bias_init.unwrap_or(options.bias_init));
    linear_general_with(&cx.at("out"), y, options.out_features.unwrap_or(inputs), out)
}

/// `[batch.., heads, t, s]` with one axis for the batch.
#[track_caller]
fn flat_mask(mask: &Array, batch: &[usize], heads: usize, t: usize, s: usize) -> Array {
    if mask.ndim() <= 3 {
        return mask.clone();
    }
    let whole = numpy::broadcast_to(mask, [batch, &[heads, t, s]].concat());
    numpy::reshape(whole, [batch.iter().product(), heads, t, s])
}

/// Keys and values of earlier calls.
struct Cache {
    length: usize,
    keys: Array,
    values: Array,
    /// How many positions are in it.
    index: Array,
}

impl Cache {
    #[track_caller]
    fn new(cx: &Scope, batch: &[usize], length: usize, heads: usize, d: usize) -> Cache {
        let shape = [batch, &[length, heads, d]].concat();
        let keys = cx.state("cached_key", &shape, initializers::zeros());
        let values = cx.state("cached_value", &shape, initializers::zeros());
        let index = cx.state("cache_index", ((), DType::I32), initializers::zeros());
        Cache { length, keys, values, index }
    }

    /// All keys and values, and which of them each of the new positions sees.
    #[track_caller]
    fn append(
        &self,
        cx: &Scope,
        keys: &Array,
        values: &Array,
        t: usize,
        axis: usize,
    ) -> (Array, Array, Array) {
        let with = |name, kept: &Array, new: &Array| {
            let new = lax::convert_element_type(new, kept.dtype());
            let all = lax::dynamic_update_slice_in_dim(kept, &new, &self.index, axis);
            cx.set_state(name, &all);
            cx.mode().to_compute(&all)
        };
        let all = with("cached_key", &self.keys, keys);
        let all_values = with("cached_value", &self.values, values);
        cx.set_state("cache_index", &(&self.index + t as i32));
        let last = numpy::reshape(&self.index + numpy::arange(t as i64), (t, 1));
        (all, all_values, numpy::less_equal(numpy::arange(self.length as i64), last))
    }
}

options! {
    /// Options of [`rotary_embedding_with`].
    pub struct RotaryOptions {
        /// The wave lengths go from 2π to 2π times this.
        base: value f64 = 10_000.0,
        /// Are neighbours the pairs that are turned, and not elements half of the features apart?
        interleaved: value bool = false,
    }
}

/// Positions as angles: features `i` and `i + d / 2` of `x`, `f32[.., t, heads, d]`, are turned as a pair by `position / base^(2i / d)`,
/// so that the product of a query and a key depends on how far apart they stand. `positions` is `i32[t]`. Su et al. 2021.
///
/// ```
/// use raxla::{Array, nn};
///
/// let x = Array::from([[[1.0f32, 0.0]], [[1.0, 0.0]]]);
/// let y = nn::rotary_embedding(&x, [0, 1]).to_vec::<f32>()?;
/// assert!((y[2] - 1f32.cos()).abs() < 1e-6 && (y[3] - 1f32.sin()).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `rotary_embedding: x is [.., t, heads, d] with an even d, got f32[2,1,3]`; as many positions as `t`.
#[track_caller]
pub fn rotary_embedding(x: impl Into<Array>, positions: impl Into<Array>) -> Array {
    rotary_embedding_with(x, positions, RotaryOptions::new())
}

/// [`rotary_embedding`], with options.
///
/// # Errors
/// As [`rotary_embedding`].
#[track_caller]
pub fn rotary_embedding_with(
    x: impl Into<Array>,
    positions: impl Into<Array>,
    options: RotaryOptions,
) -> Array {
    const NAME: &str = "rotary_embedding";
    let (x, positions) = (x.into(), positions.into());
    let (t, d) = match x.shape() {
        [.., t, _, d] if d.is_multiple_of(2) => (*t, *d),
        _ => throw!(Shape, "{NAME}: x is [.., t, heads, d] with an even d, got {}", x.aval()),
    };
    if positions.shape() != [t] {
        throw!(Shape, "{NAME}: positions are i32[{t}], got {}", positions.aval());
    }
    let frequencies: Vec<f64> = (0..d / 2).map(|i| options.base.powf(-((2 * i) as f64) / d as f64)).collect();
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let frequencies = lax::convert_element_type(&Array::from(&frequencies[..]), wide);
    let positions = lax::convert_element_type(&positions, wide);
    let angles = numpy::reshape(positions, (t, 1, 1)) * frequencies;
    // The pairs' two elements along an axis of their own. Slices rather than gathers: their transposes pad, where those of gathers scatter.
    let (axis, pair) = if options.interleaved { (-1, [d / 2, 2]) } else { (-2, [2, d / 2]) };
    let angles = numpy::expand_dims(angles, axis);
    let (cos, sin) = (lax::cos(&angles), lax::sin(&angles));
    let pairs = numpy::reshape(&x, [&x.shape()[..x.ndim() - 1], &pair].concat());
    let [a, b]: [Array; 2] = numpy::split(lax::convert_element_type(&pairs, wide), 2, axis);
    let turned = numpy::concatenate([&a * &cos - &b * &sin, &b * &cos + &a * &sin], axis);
    lax::convert_element_type(&numpy::reshape(turned, x.shape()), x.dtype())
}
