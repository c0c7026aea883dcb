//! Layer 7: trees of arrays in files. JAX: `orbax.checkpoint`, `jax.numpy.save`; Hugging Face: `safetensors`.
//!
//! ```
//! use raxla::{io, nn, prelude::*, random};
//!
//! let x = Array::from([[1.0f32, 2.0]]);
//! let params = nn::init(&random::key(0), |cx| nn::linear(&cx.at("fc"), &x, 3))?;
//! # let directory = std::env::temp_dir().join(format!("raxla-doc-io-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! let file = directory.join("model.safetensors");
//! io::save(&file, &params)?;
//! let again = io::load(&file, &params)?;
//! assert_eq!(again.get("fc/kernel").map(Array::shape), Some(&[2, 3][..]));
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! Files are of the format [safetensors](https://github.com/huggingface/safetensors), or NumPy's if their names end in `.npz` or
//! `.npy`: other programs read them, and loading one runs nothing that is in it. Each array has the path of its leaf for a name:
//! `params/decoder/block_3/kernel`, `opt/0/count`.
//!
//! | you want | write |
//! |---|---|
//! | one tree in one file | [`save`], [`load`] |
//! | a part of it, or into another model | [`load_with`] with [`LoadOptions`] |
//! | what another program wrote | [`load_named`], [`load_array`] |
//! | what a run has learned so far, again and again; to go on after a crash | [`CheckpointManager`] |
//!
//! An array is read from its place in the file, one after the other: the host holds the header and one array, and of a part of a file
//! only that part is read. Mapping the file into memory would save no copy, as each array is copied to its device anyway, and would let
//! whoever cuts off the file end this process.

mod checkpoint_manager;
mod contents;
mod file;
mod names;
mod npy;
mod npz;
mod safetensors;
mod steps;
mod write;

pub use checkpoint_manager::{CheckpointManager, CheckpointManagerOptions, CheckpointOptions};
pub use file::{LoadOptions, SaveOptions, load, load_array, load_named, load_with, save, save_with};
pub use steps::BestMode;
