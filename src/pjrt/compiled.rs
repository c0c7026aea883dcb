//! [`CompiledProgram`]: what the compiler made of a program, for this process's devices or for others.

use super::api::{args, slice, string};
use super::buffer::dtype_of;
use super::value::{NamedValue, from_raw};
use super::{Client, Plugin, Topology, sys};
use crate::dtype::DType;
use crate::error::Result;
use std::ffi::c_char;
use std::fmt;
use std::ptr::NonNull;

/// A compiled program. One that was compiled for a [`Topology`](super::Topology) can be examined and serialised here,
/// and run where such devices are.
pub struct CompiledProgram {
    raw: NonNull<sys::PJRT_Executable>,
    plugin: Plugin,
    _owner: Owner,
}

/// What a program was compiled for, which must outlive it: a plugin may answer questions about the program from there.
pub(crate) enum Owner {
    Client(#[allow(dead_code, reason = "held, not read")] Client),
    Topology(#[allow(dead_code, reason = "held, not read")] Topology),
}

// SAFETY: the PJRT C API lets any thread use an executable, several at once; `CompiledProgram` has no state of its own.
unsafe impl Send for CompiledProgram {}
// SAFETY: as above.
unsafe impl Sync for CompiledProgram {}

impl Drop for CompiledProgram {
    fn drop(&mut self) {
        let mut a = args::<sys::PJRT_Executable_Destroy_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle and is its last user; its client or topology is dropped after this. An
        // error cannot be reported from here.
        let _ = unsafe { call!(self.plugin, Runtime, PJRT_Executable_Destroy, a) };
    }
}

/// Bytes that a program needs on each device (and, with `host_`, on the host).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Code.
    pub generated_code_size: i64,
    /// Arguments.
    pub argument_size: i64,
    /// Outputs.
    pub output_size: i64,
    /// Arguments that outputs reuse: what donation saves.
    pub alias_size: i64,
    /// Scratch.
    pub temp_size: i64,
    /// Code on the host.
    pub host_generated_code_size: i64,
    /// Arguments on the host.
    pub host_argument_size: i64,
    /// Outputs on the host.
    pub host_output_size: i64,
    /// Arguments on the host that outputs reuse.
    pub host_alias_size: i64,
    /// Scratch on the host.
    pub host_temp_size: i64,
    /// The most that is in use at once, where the platform says.
    pub peak_memory: i64,
}

impl CompiledProgram {
    /// # Safety
    /// `raw` is a handle of `plugin`, compiled for `owner`, that nobody else owns.
    pub(crate) unsafe fn from_raw(
        plugin: Plugin,
        owner: Owner,
        raw: NonNull<sys::PJRT_Executable>,
    ) -> CompiledProgram {
        CompiledProgram { raw, plugin, _owner: owner }
    }

    /// The name of the module.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn name(&self) -> Result<String> {
        let mut a = args::<sys::PJRT_Executable_Name_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle, whose lifetime the string has.
        unsafe {
            call!(self.plugin, Runtime, PJRT_Executable_Name, a)?;
            Ok(string(a.executable_name, a.executable_name_size))
        }
    }

    /// The number of replicas.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn num_replicas(&self) -> Result<usize> {
        let mut a = args::<sys::PJRT_Executable_NumReplicas_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle.
        unsafe { call!(self.plugin, Runtime, PJRT_Executable_NumReplicas, a) }?;
        Ok(a.num_replicas)
    }

    /// The number of partitions.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn num_partitions(&self) -> Result<usize> {
        let mut a = args::<sys::PJRT_Executable_NumPartitions_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle.
        unsafe { call!(self.plugin, Runtime, PJRT_Executable_NumPartitions, a) }?;
        Ok(a.num_partitions)
    }

    /// The number of outputs on each device.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn num_outputs(&self) -> Result<usize> {
        let mut a = args::<sys::PJRT_Executable_NumOutputs_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle.
        unsafe { call!(self.plugin, Runtime, PJRT_Executable_NumOutputs, a) }?;
        Ok(a.num_outputs)
    }

    /// Bytes of machine code, where the platform says.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn generated_code_size(&self) -> Result<i64> {
        let mut a = args::<sys::PJRT_Executable_SizeOfGeneratedCodeInBytes_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle.
        unsafe { call!(self.plugin, Runtime, PJRT_Executable_SizeOfGeneratedCodeInBytes, a) }?;
        Ok(a.size_in_bytes)
    }

    /// A text that is the same for the same program, options and compiler.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) where the platform has none.
    pub fn fingerprint(&self) -> Result<Vec<u8>> {
        let mut a = args::<sys::PJRT_Executable_Fingerprint_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle, whose lifetime the bytes have.
        unsafe {
            call!(self.plugin, Runtime, PJRT_Executable_Fingerprint, a)?;
            Ok(slice(a.executable_fingerprint.cast::<u8>(), a.executable_fingerprint_size).to_vec())
        }
    }

    /// XLA's estimate of the program's cost, such as `flops` and `bytes accessed`.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) where the platform has none.
    pub fn cost_analysis(&self) -> Result<Vec<NamedValue>> {
        let mut a = args::<sys::PJRT_Executable_GetCostAnalysis_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle, whose lifetime the properties have.
        unsafe {
            call!(self.plugin, Runtime, PJRT_Executable_GetCostAnalysis, a)?;
            Ok(from_raw(a.properties, a.num_properties))
        }
    }

    /// Bytes that the program needs.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) where the platform does not say.
    pub fn memory_stats(&self) -> Result<MemoryStats> {
        let mut a = args::<sys::PJRT_Executable_GetCompiledMemoryStats_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle.
        unsafe { call!(self.plugin, Runtime, PJRT_Executable_GetCompiledMemoryStats, a) }?;
        Ok(MemoryStats {
            generated_code_size: a.generated_code_size_in_bytes,
            argument_size: a.argument_size_in_bytes,
            output_size: a.output_size_in_bytes,
            alias_size: a.alias_size_in_bytes,
            temp_size: a.temp_size_in_bytes,
            host_generated_code_size: a.host_generated_code_size_in_bytes,
            host_argument_size: a.host_argument_size_in_bytes,
            host_output_size: a.host_output_size_in_bytes,
            host_alias_size: a.host_alias_size_in_bytes,
            host_temp_size: a.host_temp_size_in_bytes,
            peak_memory: a.peak_memory_in_bytes,
        })
    }

    /// The element type of each output.
    ///
    /// # Errors
    /// [`ErrorKind::DType`](crate::ErrorKind::DType) for a type that raxla has no [`DType`] for.
    pub fn output_dtypes(&self) -> Result<Vec<DType>> {
        let mut a = args::<sys::PJRT_Executable_OutputElementTypes_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle, whose lifetime the array has.
        let types = unsafe {
            call!(self.plugin, Runtime, PJRT_Executable_OutputElementTypes, a)?;
            slice(a.output_types, a.num_output_types)
        };
        types.iter().map(|&t| dtype_of(t)).collect()
    }

    /// The shape of each output on one device.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn output_dims(&self) -> Result<Vec<Vec<usize>>> {
        let mut a = args::<sys::PJRT_Executable_OutputDimensions_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle, whose lifetime the arrays have; `dims` is as long as the sum of the ranks.
        let (ranks, mut dims) = unsafe {
            call!(self.plugin, Runtime, PJRT_Executable_OutputDimensions, a)?;
            let ranks = slice(a.dim_sizes, a.num_outputs);
            (ranks, slice(a.dims, ranks.iter().sum()))
        };
        let mut shapes = Vec::with_capacity(ranks.len());
        for &rank in ranks {
            let (shape, rest) = dims.split_at(rank);
            shapes.push(shape.iter().map(|&d| d as usize).collect());
            dims = rest;
        }
        Ok(shapes)
    }

    /// The kind of memory of each output.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) where the platform does not say.
    pub fn output_memory_kinds(&self) -> Result<Vec<String>> {
        let mut a = args::<sys::PJRT_Executable_OutputMemoryKinds_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle, whose lifetime the arrays and strings have.
        unsafe {
            call!(self.plugin, Runtime, PJRT_Executable_OutputMemoryKinds, a)?;
            let kinds: &[*const c_char] = slice(a.memory_kinds, a.num_outputs);
            let sizes = slice(a.memory_kind_sizes, a.num_outputs);
            Ok(kinds.iter().zip(sizes).map(|(&kind, &size)| string(kind, size)).collect())
        }
    }

    /// The optimised program and its format: `hlo`, a `HloModuleProto`; `hlo_with_config`; `mlir`.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) where the platform keeps none.
    pub fn optimized_program(&self) -> Result<(String, Vec<u8>)> {
        let mut program = args::<sys::PJRT_Program>();
        let mut a = args::<sys::PJRT_Executable_OptimizedProgram_Args>();
        a.executable = self.raw.as_ptr();
        a.program = &raw mut program;
        // SAFETY: `self` owns the handle. The first call asks for the size, the second fills a buffer of that size;
        // the plugin owns the format, for as long as the handle lives.
        unsafe {
            call!(self.plugin, Runtime, PJRT_Executable_OptimizedProgram, a)?;
            let mut code = vec![0_u8; program.code_size];
            program.code = code.as_mut_ptr().cast();
            call!(self.plugin, Runtime, PJRT_Executable_OptimizedProgram, a)?;
            code.truncate(program.code_size);
            Ok((string(program.format, program.format_size), code))
        }
    }

    /// Bytes for [`Client::deserialize_and_load`], good for the same platform and version.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) for a program or a platform that cannot.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        let mut a = args::<sys::PJRT_Executable_Serialize_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the handle. The bytes belong to `serialized_executable`, which is freed once, here, after
        // they are copied.
        unsafe {
            call!(self.plugin, Runtime, PJRT_Executable_Serialize, a)?;
            let bytes = slice(a.serialized_bytes.cast::<u8>(), a.serialized_bytes_size).to_vec();
            if let Some(deleter) = a.serialized_executable_deleter {
                deleter(a.serialized_executable);
            }
            Ok(bytes)
        }
    }
}

impl fmt::Debug for CompiledProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompiledProgram({})", self.name().unwrap_or_default())
    }
}
