//! Llama, and what has its form: Mistral without a window, SmolLM, TinyLlama. Touvron et al. 2023; Hugging Face: `LlamaForCausalLM`.

use serde_json::Value;

use super::pretrained::{Architecture, Config, Part, Source};
use crate::core::array::Array;
use crate::error::{Result, bail, throw};
use crate::nn::{self, LinearOptions, MultiHeadAttentionOptions, RmsNormOptions, RotaryOptions, Scope};

/// The sizes of a Llama, by the names of its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Llama {
    /// Tokens that there are.
    pub vocab_size: usize,
    /// The longest sequence that it was trained for.
    pub max_position_embeddings: usize,
    /// Features of a position.
    pub hidden_size: usize,
    /// Features within a block's perceptron.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads of the queries.
    pub num_attention_heads: usize,
    /// Heads of keys and values, each of which serves as many of the queries'.
    pub num_key_value_heads: usize,
    /// Features of a head.
    pub head_dim: usize,
    /// Added to the mean of squares in its norms.
    pub rms_norm_eps: f64,
    /// The base of the rotary positions' wave lengths.
    pub rope_theta: f64,
    /// Is the table of tokens that of the logits as well?
    pub tie_word_embeddings: bool,
}

impl Architecture for Llama {
    const PREFIX: &'static str = "model.";

    fn sizes(json: &Value) -> Result<Self> {
        let config = Config::of("llama", json)?;
        let activation = config.string("hidden_act", "silu")?;
        if activation != "silu" {
            bail!(Unimplemented, "llama: the activation function is silu, got {activation}");
        }
        config.must_be("attention_bias", false)?;
        config.must_be("mlp_bias", false)?;
        config.must_be_null("rope_scaling")?;
        config.must_be_null("sliding_window")?;
        let heads = config.size("num_attention_heads", None)?;
        let hidden_size = config.size("hidden_size", None)?;
        if heads == 0 || !hidden_size.is_multiple_of(heads) {
            bail!(InvalidArgument, "llama: {heads} heads do not divide {hidden_size} features");
        }
        Ok(Llama {
            vocab_size: config.size("vocab_size", None)?,
            max_position_embeddings: config.size("max_position_embeddings", Some(2048))?,
            hidden_size,
            intermediate_size: config.size("intermediate_size", None)?,
            num_hidden_layers: config.size("num_hidden_layers", None)?,
            num_attention_heads: heads,
            num_key_value_heads: config.size("num_key_value_heads", Some(heads))?,
            head_dim: config.size("head_dim", Some(hidden_size / heads))?,
            rms_norm_eps: config.number("rms_norm_eps", 1e-6)?,
            rope_theta: config.number("rope_theta", 10_000.0)?,
            tie_word_embeddings: config.flag("tie_word_embeddings", false)?,
        })
    }

    #[track_caller]
    fn forward(&self, cx: &Scope, tokens: &Array, cache_length: Option<usize>) -> Array {
        let &[_, t] = tokens.shape() else {
            throw!(Shape, "llama: tokens are i32[batch, t], got {}", tokens.aval())
        };
        let longest = cache_length.unwrap_or(t);
        if longest > self.max_position_embeddings {
            throw!(Shape, "llama: there are {} positions, got {longest}", self.max_position_embeddings);
        }
        let norm = |cx: &Scope, x: &Array| {
            nn::rms_norm_with(cx, x, RmsNormOptions::new().epsilon(self.rms_norm_eps))
        };
        let linear = |cx: &Scope, x: &Array, features: usize| {
            nn::linear_with(cx, x, features, LinearOptions::new().use_bias(false))
        };
        let table = cx.at("embed_tokens");
        let mut x = nn::embed(&table, tokens, self.vocab_size, self.hidden_size);
        for i in 0..self.num_hidden_layers {
            let cx = cx.at(format!("layers_{i}"));
            let mut attention = MultiHeadAttentionOptions::new()
                .is_causal(true)
                .use_bias(false)
                .qkv_features(self.num_attention_heads * self.head_dim)
                .num_kv_heads(self.num_key_value_heads)
                .rotary(RotaryOptions::new().base(self.rope_theta));
            if let Some(length) = cache_length {
                attention = attention.cache_length(length);
            }
            let y = norm(&cx.at("input_layernorm"), &x);
            let heads = self.num_attention_heads;
            x += nn::multi_head_attention_with(&cx.at("self_attn"), y, heads, attention);
            let y = norm(&cx.at("post_attention_layernorm"), &x);
            let gate = nn::silu(linear(&cx.at("gate_proj"), &y, self.intermediate_size));
            let y = gate * linear(&cx.at("up_proj"), &y, self.intermediate_size);
            x += linear(&cx.at("down_proj"), &y, self.hidden_size);
        }
        let x = norm(&cx.at("norm"), &x);
        match self.tie_word_embeddings {
            true => nn::attend(&table, x, self.vocab_size),
            false => linear(&cx.at("lm_head"), &x, self.vocab_size),
        }
    }

    fn source(path: &str) -> Option<Source> {
        let (block, rest) = match path.strip_prefix("layers_").and_then(|rest| rest.split_once('/')) {
            Some((i, rest)) => (format!("layers.{i}."), rest),
            None => (String::new(), path),
        };
        let (layer, array) = rest.rsplit_once('/')?;
        let layer = match layer {
            "self_attn/query" => "self_attn.q_proj",
            "self_attn/key" => "self_attn.k_proj",
            "self_attn/value" => "self_attn.v_proj",
            "self_attn/out" => "self_attn.o_proj",
            "gate_proj" => "mlp.gate_proj",
            "up_proj" => "mlp.up_proj",
            "down_proj" => "mlp.down_proj",
            other => other,
        };
        let part = if array == "kernel" { Part::Transposed } else { Part::Whole };
        Some(Source { name: format!("{block}{layer}.weight"), part })
    }

    fn is_passed_over(name: &str) -> bool {
        name.ends_with(".rotary_emb.inv_freq")
    }
}
