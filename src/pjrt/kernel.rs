//! [`Kernel`]: computations of this crate that programs call by name, by XLA's FFI. JAX: `jaxlib`'s `lapack_kernels`.
//!
//! A kernel has no state, and a custom call of it holds its name and integers: so a program that has some may be kept on disk, for
//! another process has the same.

use bytemuck::Pod;
use smallvec::SmallVec;

use super::ffi::Bytes;
use crate::dtype::DType;
use crate::error::{Result, bail, err};
use crate::lax::linalg::KERNELS;

/// A computation, of its operands and integers alone.
pub(crate) struct Kernel {
    /// What custom calls name it.
    pub name: &'static str,
    /// Fills in the results.
    pub run: fn(&mut KernelCall<'_>) -> Result<()>,
}

impl Kernel {
    /// What the custom calls are named.
    pub(crate) const TARGET: &str = "raxla_kernel";
    /// The attribute that holds the kernel's name.
    pub(crate) const NAME: &str = "kernel";

    pub(super) fn named(name: &str) -> Result<&'static Kernel> {
        let found = KERNELS.iter().find(|kernel| kernel.name == name).copied();
        found.ok_or_else(|| err!(Internal, "{}: there is no kernel {name:?}", Kernel::TARGET))
    }
}

/// One call: integers by name, operands and results, row-major.
pub(crate) struct KernelCall<'f> {
    integers: Vec<(&'f str, i64)>,
    ins: Vec<Bytes<'f, &'f [u8]>>,
    outs: Vec<Bytes<'f, &'f mut [u8]>>,
}

impl<'f> KernelCall<'f> {
    pub(super) fn new(
        integers: Vec<(&'f str, i64)>,
        ins: Vec<Bytes<'f, &'f [u8]>>,
        outs: Vec<Bytes<'f, &'f mut [u8]>>,
    ) -> Self {
        KernelCall { integers, ins, outs }
    }

    /// An integer that is no zero, or is not there.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.integers.iter().any(|(known, value)| *known == name && *value != 0)
    }

    /// The dtype of the first operand.
    pub(crate) fn dtype(&self) -> Result<DType> {
        match self.ins.first() {
            Some(x) => Ok(x.dtype),
            None => bail!(Internal, "a kernel without operands"),
        }
    }

    /// The shape of an operand.
    pub(crate) fn shape(&self, operand: usize) -> SmallVec<[usize; 6]> {
        self.ins[operand].dims.iter().map(|n| *n as usize).collect()
    }

    /// The elements of an operand.
    pub(crate) fn operand<T: Pod>(&self, i: usize) -> Result<&'f [T]> {
        elements(self.ins[i].bytes)
    }

    /// The elements of the results from the first on, as many as there are types, to be filled in. Each can be taken once.
    pub(crate) fn result<T: Pod>(&mut self, i: usize) -> Result<&'f mut [T]> {
        let bytes = std::mem::take(&mut self.outs[i].bytes);
        if bytes.is_empty() {
            return Ok(&mut []);
        }
        bytemuck::try_cast_slice_mut(bytes).map_err(|e| err!(Internal, "a kernel's result: {e}"))
    }
}

fn elements<T: Pod>(bytes: &[u8]) -> Result<&[T]> {
    if bytes.is_empty() {
        return Ok(&[]);
    }
    bytemuck::try_cast_slice(bytes).map_err(|e| err!(Internal, "a kernel's operand: {e}"))
}
