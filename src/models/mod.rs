//! Layer 7: language models that others trained, from Hugging Face's files; behind the feature `io`.
//!
//! A model is a function of a [`Scope`](crate::nn::Scope) like any other; its configuration reads `config.json`, and [`Pretrained::load`]
//! the arrays of `model.safetensors`, or of the files that `model.safetensors.index.json` names, into the model's parameters.
//!
//! ```no_run
//! use raxla::models::{Gpt2, Pretrained};
//! use raxla::{nn, prelude::*};
//!
//! let config = Gpt2::read("gpt2")?;
//! let params = config.load("gpt2")?;
//! let tokens = Array::from([[464, 3280, 318]]);
//! let logits = nn::apply(&params, nn::Mode::eval(), |cx| config.logits(cx, &tokens))?;
//! # let _ = logits;
//! # Ok::<(), raxla::Error>(())
//! ```

mod gpt2;
mod llama;
mod pretrained;
mod sampling;

pub use gpt2::Gpt2;
pub use llama::Llama;
pub use pretrained::Pretrained;
pub use sampling::{SamplingOptions, sample, sample_with};
