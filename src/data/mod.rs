//! Layer 7: data sets and the batches that a training loop goes through. PyTorch: `torch.utils.data`; JAX's ecosystem: Grain.
//!
//! ```
//! use raxla::data::{Dataset, Loader, LoaderOptions, Rest, InMemory};
//! use raxla::{prelude::*, random};
//!
//! let table = InMemory::from_rows((0..1000).map(|i| ([i as f32, -1.0], i % 10)))?;
//! let scaled = table.map(|([a, b], label)| Ok(([a / 1000.0, b], label)));
//! let options = LoaderOptions::new().shuffle(random::key(0)).rest(Rest::Drop).workers(2).epochs(3);
//! for batch in &Loader::new_with(scaled, 64, options)? {
//!     let (x, y): (Array, Array) = batch?.data;
//!     assert_eq!((x.shape(), y.shape()), (&[64, 2][..], &[64][..]));
//! }
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! A [`Dataset`] finds rows by their index; [`map`](Dataset::map) and [`select`](Dataset::select) make others of it. A [`Loader`]
//! makes batches on threads and puts them on the device ahead of time. Which rows a batch has, and in which order, depends on the
//! data set's length, the batch size and the key alone: not on the number of workers, nor on when a run was stopped and resumed.
//!
//! | data | reader | feature |
//! |---|---|---|
//! | arrays, rows in memory | [`InMemory`] | `data` |
//! | CSV | [`CsvFile`] | `data` |
//! | MNIST's format | [`read_idx`] | `data` |
//! | text as bytes, windows of tokens | [`byte_tokens`], [`TokenWindows`] | `data` |
//! | PNG and JPEG, folders of classes | `read_image`, `ImageFolder` | `data-images` |
//! | text by a trained tokenizer | `Tokenizer` | `data-text` |
//! | Parquet and Arrow | `read_parquet`, `read_arrow` | `data-parquet` |
//! | npy and npz | `io::load_array`, `io::load_named`, and [`InMemory::from_arrays`] | `io` |

mod csv;
mod dataset;
mod host;
mod idx;
#[cfg(feature = "data-images")]
mod images;
mod loader;
#[cfg(feature = "data-parquet")]
mod parquet;
mod plan;
mod row;
mod text;
#[cfg(feature = "data-text")]
mod tokenizer;

pub use csv::{CsvFile, CsvOptions};
pub use dataset::{Dataset, InMemory, Mapped, Selected};
pub use host::HostBuffer;
pub use idx::read_idx;
#[cfg(feature = "data-images")]
pub use images::{Channels, ImageFolder, ImageOptions, read_image, read_image_with};
pub use loader::{Batch, Batches, Loader, LoaderOptions, Rest};
#[cfg(feature = "data-parquet")]
pub use parquet::{ColumnsOptions, read_arrow, read_arrow_with, read_parquet, read_parquet_with};
pub use row::{BatchReader, Columns, Example, RowReader, RowWriter};
pub use text::{TokenWindows, TokenWindowsOptions, byte_text, byte_tokens};
#[cfg(feature = "data-text")]
pub use tokenizer::Tokenizer;
