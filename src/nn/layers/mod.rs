//! Layers: functions of a [`Scope`](super::Scope) and their inputs. Flax: `flax.linen`.

mod dropout;
mod linear;
mod normalization;
mod transforms;

pub use dropout::*;
pub use linear::*;
pub use normalization::*;
pub use transforms::*;
