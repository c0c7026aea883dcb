//! PJRT: the one interface to XLA, and the one place in the crate with `unsafe`. JAX: `xla_client`, `xla_bridge`.
//!
//! A [`Plugin`] is a shared library that exports `GetPjrtApi`; a [`Client`] is one instance of its platform with
//! [`Device`]s; it compiles a [`Program`] into an [`Executable`], which maps [`Buffer`]s to [`Buffer`]s.
//!
//! Invariant: every handle owns what keeps it valid. A [`Buffer`], [`Executable`], [`Event`] or [`Device`] holds its
//! client, a client holds its plugin, and a plugin is never unloaded, so handles may be dropped in any order and on any
//! thread.
//!
//! Invariant: no call takes a process-wide lock except the loading of a plugin.
//!
//! Invariant: a `SAFETY` comment names who owns what is passed and how long it lives. Threads are named only where they matter:
//! the PJRT C API lets any thread call any function on any handle, several at once, but for destroying it, which Rust's ownership
//! sees to; and callbacks, which run on a thread of the runtime or, if their event is ready already, on the caller's.
#![allow(unsafe_code)]

#[macro_use]
mod api;
mod at_exit;
mod buffer;
mod client;
mod client_options;
mod compiled;
mod compiler_options;
mod device;
pub mod discovery;
mod event;
mod executable;
mod ffi;
mod host;
mod identity;
mod in_flight;
mod kernel;
mod memory;
mod options;
mod output_tiles;
mod packages;
mod plugin;
mod pooled;
mod program;
mod search;
#[rustfmt::skip]
pub(crate) mod sys;
mod topology;
mod transfer;
mod value;

pub(crate) use at_exit::at_exit;
pub use buffer::{Buffer, ExternalReference};
pub use client::{Client, CpuOptions};
pub use compiled::{CompiledProgram, MemoryStats};
pub use compiler_options::{CompilerOptions, OptionOverride};
pub use device::{Device, DeviceDescription, DeviceMemoryStats};
pub use event::Event;
pub(crate) use event::in_callback;
pub use executable::{Executable, Outputs};
pub(crate) use ffi::HostCall;
pub use host::{HostBufferSemantics, HostTransfer};
pub(crate) use kernel::{Kernel, KernelCall};
pub use memory::Memory;
pub use options::{CompileOptions, DeviceAssignment};
pub use output_tiles::OutputTiles;
pub use plugin::Plugin;
pub(crate) use pooled::Pooled;
pub use program::{Program, ProgramFormat};
pub use topology::Topology;
pub use transfer::AsyncTransferManager;
pub use value::{NamedValue, OptionValue};
