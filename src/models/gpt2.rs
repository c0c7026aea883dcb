//! GPT-2. Radford et al. 2019; Hugging Face: `GPT2LMHeadModel`.

use serde_json::Value;

use super::pretrained::{Architecture, Config, Part, Source};
use crate::core::array::Array;
use crate::error::{Result, bail, throw};
use crate::nn::initializers::zeros;
use crate::nn::{self, LayerNormOptions, MultiHeadAttentionOptions, Scope};
use crate::{DType, numpy};

/// The sizes of a GPT-2, by the names of its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt2 {
    /// Tokens that there are.
    pub vocab_size: usize,
    /// The longest sequence.
    pub n_positions: usize,
    /// Features of a position.
    pub n_embd: usize,
    /// Blocks.
    pub n_layer: usize,
    /// Heads of each block's attention.
    pub n_head: usize,
    /// Features within a block's perceptron.
    pub n_inner: usize,
    /// Added to the variance in its norms.
    pub layer_norm_epsilon: f64,
}

impl Architecture for Gpt2 {
    const PREFIX: &'static str = "transformer.";

    fn sizes(json: &Value) -> Result<Self> {
        let config = Config::of("gpt2", json)?;
        let activation = config.string("activation_function", "gelu_new")?;
        if !["gelu_new", "gelu_pytorch_tanh"].contains(&activation) {
            bail!(Unimplemented, "gpt2: the activation function is gelu_new, got {activation}");
        }
        for (name, usual) in [
            ("scale_attn_weights", true),
            ("scale_attn_by_inverse_layer_idx", false),
            ("tie_word_embeddings", true),
        ] {
            config.must_be(name, usual)?;
        }
        let n_embd = config.size("n_embd", Some(768))?;
        Ok(Gpt2 {
            vocab_size: config.size("vocab_size", Some(50257))?,
            n_positions: config.size("n_positions", Some(1024))?,
            n_embd,
            n_layer: config.size("n_layer", Some(12))?,
            n_head: config.size("n_head", Some(12))?,
            n_inner: config.size("n_inner", Some(4 * n_embd))?,
            layer_norm_epsilon: config.number("layer_norm_epsilon", 1e-5)?,
        })
    }

    #[track_caller]
    fn forward(&self, cx: &Scope, tokens: &Array, cache_length: Option<usize>) -> Array {
        let &[_, t] = tokens.shape() else {
            throw!(Shape, "gpt2: tokens are i32[batch, t], got {}", tokens.aval())
        };
        let longest = cache_length.unwrap_or(t);
        if longest > self.n_positions {
            throw!(Shape, "gpt2: there are {} positions, got {longest}", self.n_positions);
        }
        let norm = |cx: &Scope, x: &Array| {
            nn::layer_norm_with(cx, x, LayerNormOptions::new().epsilon(self.layer_norm_epsilon))
        };
        let mut positions = numpy::arange(t as i64);
        if cache_length.is_some() {
            let first = cx.state("position", ((), DType::I32), zeros());
            cx.set_state("position", &(&first + t as i32));
            positions += first;
        }
        let table = cx.at("wte");
        let mut x = nn::embed(&table, tokens, self.vocab_size, self.n_embd)
            + nn::embed(&cx.at("wpe"), positions, self.n_positions, self.n_embd);
        for i in 0..self.n_layer {
            let cx = cx.at(format!("h_{i}"));
            let mut attention = MultiHeadAttentionOptions::new().is_causal(true);
            if let Some(length) = cache_length {
                attention = attention.cache_length(length);
            }
            let y = norm(&cx.at("ln_1"), &x);
            x += nn::multi_head_attention_with(&cx.at("attn"), y, self.n_head, attention);
            let y = nn::linear(&cx.at("c_fc"), norm(&cx.at("ln_2"), &x), self.n_inner);
            x += nn::linear(&cx.at("c_proj"), nn::gelu(y), self.n_embd);
        }
        nn::attend(&table, norm(&cx.at("ln_f"), &x), self.vocab_size)
    }

    fn source(path: &str) -> Option<Source> {
        let (block, rest) = match path.strip_prefix("h_").and_then(|rest| rest.split_once('/')) {
            Some((i, rest)) => (format!("h.{i}."), rest),
            None => (String::new(), path),
        };
        let (layer, array) = rest.rsplit_once('/')?;
        let (layer, part) = match layer {
            // One matrix of the three beside each other.
            "attn/query" => ("attn.c_attn", Part::OfColumns(0, 3)),
            "attn/key" => ("attn.c_attn", Part::OfColumns(1, 3)),
            "attn/value" => ("attn.c_attn", Part::OfColumns(2, 3)),
            "attn/out" => ("attn.c_proj", Part::Whole),
            "c_fc" => ("mlp.c_fc", Part::Whole),
            "c_proj" => ("mlp.c_proj", Part::Whole),
            other => (other, Part::Whole),
        };
        let array = if array == "bias" { "bias" } else { "weight" };
        Some(Source { name: format!("{block}{layer}.{array}"), part })
    }

    fn is_passed_over(name: &str) -> bool {
        // Masks, and the table again.
        name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") || name == "lm_head.weight"
    }
}
