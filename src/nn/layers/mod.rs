//! Layers: functions of a [`Scope`](super::Scope) and their inputs. Flax: `flax.linen`.

mod attention;
mod convolution;
mod dropout;
mod einsum;
mod linear;
mod normalization;
mod pooling;
mod recurrent;
mod sequential;
mod transforms;
mod weights;

pub use attention::*;
pub use convolution::*;
pub use dropout::*;
pub use einsum::*;
pub use linear::*;
pub use normalization::*;
pub use pooling::*;
pub use recurrent::*;
pub use sequential::*;
pub use transforms::*;
pub use weights::*;
