//! Scaled dot-product attention. JAX: `nn.dot_product_attention` with `implementation="xla"`.

use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::elementwise::tuple;
use crate::nn::softmax;
use crate::numpy::util::upcast_f16;
use crate::numpy::{EyeOptions, einsum, tri_with, where_};

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
    }
}

/// `softmax(q kᵀ / sqrt(d)) v` (Vaswani et al. 2017, eq. 1): `query` is `[batch, t, heads, d]`, `key` and `value` are
/// `[batch, s, heads, d]`, the result has the shape of `query`. Key and value may have fewer heads, of which each then
/// serves several of the query's.
///
/// # Errors
/// `dot_product_attention: query, key and value must have rank 4, got (2, 3)`; heads that are not a multiple.
#[track_caller]
pub fn dot_product_attention(
    query: impl Into<Array>,
    key: impl Into<Array>,
    value: impl Into<Array>,
) -> Array {
    dot_product_attention_with(query, key, value, DotProductAttentionOptions::new())
}

/// [`dot_product_attention`] with a bias, a mask, another scale.
///
/// ```
/// use raxla::{Array, nn::{self, DotProductAttentionOptions}, numpy as jnp};
///
/// let x = jnp::reshape(jnp::arange(4.0), (1, 2, 1, 2));
/// let y = nn::dot_product_attention_with(&x, &x, &x, DotProductAttentionOptions::new().is_causal(true));
/// assert_eq!(y.index((0, 0)).to_vec::<f32>()?, [0.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`dot_product_attention`]; a bias or a mask that does not broadcast.
#[track_caller]
pub fn dot_product_attention_with(
    query: impl Into<Array>,
    key: impl Into<Array>,
    value: impl Into<Array>,
    options: DotProductAttentionOptions,
) -> Array {
    let DotProductAttentionOptions { bias, mask, scale, is_causal } = options;
    let (query, key, value) = (query.into(), key.into(), value.into());
    for x in [&query, &key, &value] {
        if x.ndim() != 4 {
            let shape = tuple(x.shape());
            throw!(Shape, "dot_product_attention: query, key and value must have rank 4, got {shape}");
        }
    }
    let (heads, shared) = (query.shape()[2], key.shape()[2]);
    if shared == 0 || heads % shared != 0 {
        throw!(
            Shape,
            "dot_product_attention: the number of query heads must be a multiple of key's, got {heads} and {shared}"
        );
    }
    let groups = heads / shared;
    let (key, value) = match groups {
        1 => (key, value),
        _ => (crate::numpy::repeat(key, groups, 2), crate::numpy::repeat(value, groups, 2)),
    };
    let dtype = query.dtype();
    let wide = upcast_f16(dtype);
    let scale = scale.unwrap_or(1.0 / (query.shape()[3] as f64).sqrt());
    let options = lax::DotOptions::new().preferred_element_type(wide);
    let scores = lax::dot_general_with(&query, &key, ((3, 3), ((0, 2), (0, 2))), options);
    let mut scores = scores * scale;
    if let Some(bias) = bias {
        scores += bias;
    }
    let (t, s) = (query.shape()[1], key.shape()[1]);
    let least = lax::literal(wide, -0.7 * crate::numpy::max_finite(wide));
    if let Some(mask) = mask {
        scores = where_(mask, scores, &least);
    }
    if is_causal {
        scores = where_(tri_with(t, EyeOptions::new().m(s).dtype(DType::Bool)), scores, &least);
    }
    let weights = lax::convert(&softmax(scores, -1), dtype, false);
    einsum("bhts,bshd->bthd", [weights, value])
}
