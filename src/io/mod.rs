//! Layer 7: trees of arrays in files. JAX: `orbax.checkpoint`; Hugging Face: `safetensors`.
//!
//! ```no_run
//! use raxla::{io, nn, prelude::*, random};
//!
//! let x = Array::from([[1.0f32, 2.0]]);
//! let params = nn::init(&random::key(0), |cx| nn::linear(&cx.at("fc"), &x, 3))?;
//! io::save("model.safetensors", &params)?;
//! let again = io::load("model.safetensors", &params)?;
//! # let _ = again;
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! Files are of the format [safetensors](https://github.com/huggingface/safetensors): other programs read them, and loading one runs
//! nothing that is in it. Each array has the path of its leaf for a name: `params/decoder/block_3/kernel`, `opt/0/count`.

mod names;
mod safetensors;
mod write;

pub use safetensors::{LoadOptions, load, load_named, load_with, save};
