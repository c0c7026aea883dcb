//! Mistakes made on purpose: what each message says, and whose line it names.
//!
//! A test makes one mistake, checks the message and the line, and makes the call again without the mistake: a failure leaves
//! nothing behind. `UPDATE_EXPECT=1` rewrites the expected messages.

mod arguments;
mod autodiff;
mod control_flow;
mod panics;
mod shapes;
pub mod support;
mod tracers;
