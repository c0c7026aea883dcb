//! [`Program`]: what a plugin compiles.

use super::api::args;
use super::sys;
use std::borrow::Cow;
use std::fmt;

/// The language of a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProgramFormat {
    /// StableHLO, as MLIR text or bytecode.
    Mlir,
    /// A serialised `HloModuleProto`.
    HloProto,
}

impl ProgramFormat {
    const fn name(self) -> &'static str {
        match self {
            ProgramFormat::Mlir => "mlir",
            ProgramFormat::HloProto => "hlo",
        }
    }
}

/// A program for [`Client::compile`](super::Client::compile).
#[derive(Clone)]
pub struct Program<'a> {
    code: Cow<'a, [u8]>,
    format: ProgramFormat,
}

impl<'a> Program<'a> {
    /// A StableHLO module: MLIR text, or MLIR bytecode (a portable artifact). Borrowed or owned.
    pub fn mlir(code: impl Into<Cow<'a, [u8]>>) -> Program<'a> {
        Program { code: code.into(), format: ProgramFormat::Mlir }
    }

    /// A StableHLO module as MLIR text.
    pub fn mlir_text(code: &'a str) -> Program<'a> {
        Program::mlir(code.as_bytes())
    }

    /// A serialised `HloModuleProto`, as `xla-rs`, JAX and TensorFlow write it. HLO text is not served: PJRT names no such
    /// format, and XLA's parser ends the process on some texts that are not well-formed.
    pub fn from_hlo_proto(code: impl Into<Cow<'a, [u8]>>) -> Program<'a> {
        Program { code: code.into(), format: ProgramFormat::HloProto }
    }

    /// The bytes of the program.
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// The language of the program.
    pub fn format(&self) -> ProgramFormat {
        self.format
    }

    /// PJRT's view of the program; it borrows from `self`.
    pub(crate) fn raw(&self) -> sys::PJRT_Program {
        let mut raw = args::<sys::PJRT_Program>();
        // Plugins only read a program that they compile, the field is mutable for other uses of the struct.
        raw.code = self.code.as_ptr().cast_mut().cast();
        raw.code_size = self.code.len();
        raw.format = self.format.name().as_ptr().cast();
        raw.format_size = self.format.name().len();
        raw
    }
}

impl fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({}, {} bytes)", self.format.name(), self.code.len())
    }
}
