//! Layer 7: what a training loop shows and keeps of itself. Flax: `clu.metric_writers`, `clu.periodic_actions`.
//!
//! | what | feature |
//! |---|---|
//! | [`Logger`]: scalars into CSV, JSON lines, TensorBoard | `train` |
//! | [`Progress`]: a bar with step, loss and steps a second | `progress` |
//! | [`Figure`]: learning curves as PNG | `plot` |
//! | [`save_image`]: arrays as pictures, PNG | `plot` |
//!
//! ```no_run
//! # #[cfg(all(feature = "train", feature = "progress", feature = "plot"))] {
//! use raxla::{numpy as jnp, prelude::*, train};
//!
//! let step = jit(|w: Array| -> Result<(Array, Array)> {
//!     let (loss, grads) = value_and_grad(|w: &Array| (w * w).sum(..))(&w)?;
//!     Ok((loss, w - grads * 0.1))
//! });
//! let mut w = Array::from([1.0f32, -2.0]);
//! let mut log = train::Logger::new().csv("log.csv")?.tensorboard("runs/first")?;
//! let mut progress = train::Progress::new(100);
//! let mut losses = Vec::new();
//! for i in 0..100 {
//!     let loss;
//!     (loss, w) = step(w)?;
//!     log.scalars(i, &loss)?;
//!     progress.step(&loss)?;
//!     losses.push(loss.item::<f32>()?);
//! }
//! train::Figure::new("step", "loss").line("training", jnp::arange(100), losses).save("loss.png")?;
//! # }
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! Scalars are a tree of arrays of one element, and are called by their paths in it: `accuracy`, `noise/mean`; so what
//! [`metrics`](crate::metrics) compute is logged as it is. A tree that is one array is called `loss`.

#[cfg(feature = "train")]
mod events;
#[cfg(feature = "plot")]
mod figure;
#[cfg(feature = "plot")]
mod image;
#[cfg(feature = "train")]
mod logger;
#[cfg(feature = "progress")]
mod progress;
#[cfg(any(feature = "train", feature = "progress"))]
mod scalars;
#[cfg(feature = "train")]
mod text;

#[cfg(feature = "plot")]
pub use figure::Figure;
#[cfg(feature = "plot")]
pub use image::{SaveImageOptions, save_image, save_image_with};
#[cfg(feature = "train")]
pub use logger::Logger;
#[cfg(feature = "progress")]
pub use progress::Progress;
