//! [`HostCall`]: functions of this process that compiled programs call, by XLA's FFI. JAX: `jaxlib`'s
//! `xla_ffi_python_cpu_callback`.
//!
//! One handler is registered with a plugin, once. A custom call of it names a function by its number, under which a table has
//! it for as long as its [`HostCall`] lives. Beside it is the handler of [`Kernel`]s, which are named, and of which a process has
//! the same as any other.

use super::api::{args, slice};
use super::event::as_callback;
use super::kernel::{Kernel, KernelCall};
use super::{Client, Plugin, sys};
use crate::dtype::{DType, pack, unpack};
use crate::error::{Error, ErrorKind, Result, bail, err};
use rustc_hash::FxHashMap;
use std::any::Any;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::CString;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

/// The bytes of the arguments, and where those of the results go: each array row-major, elements little-endian.
type Function = dyn Fn(&[&[u8]], &mut [&mut [u8]]) -> Result<()> + Send + Sync;

/// A function of this process that programs call by its number while this lives.
pub struct HostCall {
    id: u64,
    name: &'static str,
    loc: &'static Location<'static>,
    function: Box<Function>,
}

/// By number. A program that outlives its functions gets an error, not a function that is gone.
static TABLE: LazyLock<RwLock<FxHashMap<u64, Weak<HostCall>>>> = LazyLock::new(RwLock::default);

impl HostCall {
    /// What the custom call is named.
    pub(crate) const TARGET: &str = "raxla_host_call";
    /// The attribute of the custom call that holds the number.
    pub(crate) const ID: &str = "id";

    /// `name` and `loc` are those of the operation whose function it is, for messages.
    pub(crate) fn new(
        name: &'static str,
        loc: &'static Location<'static>,
        function: impl Fn(&[&[u8]], &mut [&mut [u8]]) -> Result<()> + Send + Sync + 'static,
    ) -> Arc<HostCall> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let call = Arc::new(HostCall { id, name, loc, function: Box::new(function) });
        let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(id, Arc::downgrade(&call));
        call
    }

    /// The number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The operation's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The user's line.
    pub(crate) fn loc(&self) -> &'static Location<'static> {
        self.loc
    }
}

impl Drop for HostCall {
    fn drop(&mut self) {
        TABLE.write().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl fmt::Debug for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostCall({}, {})", self.id, self.name)
    }
}

impl Client {
    /// Lets programs of this client call functions and [kernels](super::kernel) of this process.
    ///
    /// # Errors
    /// `Unimplemented` if the plugin has no FFI, or its programs do not run on the host, so that what they would hand over
    /// is no memory of this process.
    pub(crate) fn register_host_calls(&self) -> Result<()> {
        self.plugin().register_host_calls(self.platform_name())
    }
}

/// What XLA calls.
type Handler = unsafe extern "C" fn(*mut sys::XLA_FFI_CallFrame) -> *mut sys::XLA_FFI_Error;

impl Plugin {
    /// Lets programs for a platform of the plugin call functions and kernels of this process.
    pub(super) fn register_host_calls(self, platform: &str) -> Result<()> {
        static REGISTERED: Mutex<Vec<Plugin>> = Mutex::new(Vec::new());
        let plugin = self;
        if platform != "cpu" {
            bail!(
                Unimplemented,
                "programs call functions of the host on the CPU only, and this one is for the platform {platform}"
            );
        }
        let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
        if registered.contains(&plugin) {
            return Ok(());
        }
        let Some(extension) = plugin.extension(sys::PJRT_Extension_Type_FFI) else {
            bail!(
                Unimplemented,
                "{} has no FFI extension, by which programs call functions of the host",
                plugin.path().display()
            );
        };
        let handlers: [(&str, Handler); 2] = [(HostCall::TARGET, handler), (Kernel::TARGET, kernel_handler)];
        for (target, handler) in handlers {
            let mut a = args::<sys::PJRT_FFI_Register_Handler_Args>();
            a.target_name = target.as_ptr().cast();
            a.target_name_size = target.len();
            a.handler = handler as *mut _;
            a.platform_name = platform.as_ptr().cast();
            a.platform_name_size = platform.len();
            // SAFETY: an extension of this type is this struct, static data of a library that is never unloaded; the strings
            // are borrowed for the call, and the handler is a function of this process.
            unsafe {
                let register = (*extension.cast::<sys::PJRT_FFI_Extension>()).register_handler;
                let register = register.ok_or_else(|| plugin.missing("PJRT_FFI_Register_Handler"))?;
                plugin.check(register(&raw mut a), ErrorKind::Compile)?;
            }
        }
        registered.push(plugin);
        Ok(())
    }
}

/// The handler of [`HostCall`]s.
unsafe extern "C" fn handler(frame: *mut sys::XLA_FFI_CallFrame) -> *mut sys::XLA_FFI_Error {
    // SAFETY: XLA passes its call frame.
    unsafe { respond(frame, call) }
}

/// The handler of [`Kernel`]s.
unsafe extern "C" fn kernel_handler(frame: *mut sys::XLA_FFI_CallFrame) -> *mut sys::XLA_FFI_Error {
    // SAFETY: XLA passes its call frame.
    unsafe { respond(frame, call_kernel) }
}

/// Answers XLA. Nothing unwinds out of it.
///
/// # Safety
/// `frame` is what XLA passed to a handler.
unsafe fn respond(
    frame: *mut sys::XLA_FFI_CallFrame,
    run: impl FnOnce(&sys::XLA_FFI_CallFrame) -> Result<()>,
) -> *mut sys::XLA_FFI_Error {
    // SAFETY: XLA passes a call frame that is valid and unchanged during the call, except for the metadata that it asks for.
    let frame = unsafe { &*frame };
    // SAFETY: the chain of extensions is as valid as the frame; one of this type is this struct, to be filled in.
    unsafe {
        if let Some(extension) = frame.extension_start.as_ref()
            && extension.type_ == sys::XLA_FFI_Extension_Metadata
        {
            let extension = frame.extension_start.cast::<sys::XLA_FFI_Metadata_Extension>();
            let metadata = (*extension).metadata;
            (*metadata).api_version.major_version = sys::XLA_FFI_API_MAJOR as i32;
            (*metadata).api_version.minor_version = sys::XLA_FFI_API_MINOR as i32;
            return null_mut();
        }
    }
    if frame.stage != sys::XLA_FFI_ExecutionStage_EXECUTE {
        return null_mut();
    }
    let mut outcome = Ok(());
    as_callback(|| outcome = run(frame));
    match outcome {
        Ok(()) => null_mut(),
        // SAFETY: as above.
        Err(e) => unsafe { raise(frame, e) },
    }
}

/// An attribute of a custom call.
enum Attribute<'f> {
    Integer(i64),
    Text(&'f str),
}

/// The attributes that are integers of 64 bits or texts, with their names; others are none of ours.
///
/// # Safety
/// `frame` is what XLA passed to a handler.
unsafe fn attributes(frame: &sys::XLA_FFI_CallFrame) -> Vec<(&str, Attribute<'_>)> {
    // SAFETY: the caller's promise: arrays of as many pointers as their sizes say, to what their types say.
    unsafe {
        let text =
            |span: &sys::XLA_FFI_ByteSpan| std::str::from_utf8(slice(span.ptr.cast::<u8>(), span.len)).ok();
        let attribute = |i: usize| {
            let (name, value) = (&**frame.attrs.names.add(i), *frame.attrs.attrs.add(i));
            let value = match *frame.attrs.types.add(i) {
                sys::XLA_FFI_AttrType_SCALAR => {
                    let scalar = &*value.cast::<sys::XLA_FFI_Scalar>();
                    if scalar.dtype != sys::XLA_FFI_DataType_S64 {
                        return None;
                    }
                    Attribute::Integer(scalar.value.cast::<i64>().read_unaligned())
                }
                sys::XLA_FFI_AttrType_STRING => {
                    Attribute::Text(text(&*value.cast::<sys::XLA_FFI_ByteSpan>())?)
                }
                _ => return None,
            };
            Some((text(name)?, value))
        };
        (0..frame.attrs.size as usize).filter_map(attribute).collect()
    }
}

/// An operand or a result of a custom call: its type, and its bytes, row-major.
pub(super) struct Bytes<'f, B> {
    pub dtype: DType,
    pub dims: &'f [i64],
    pub bytes: B,
}

impl<B> Bytes<'_, B> {
    /// The number of elements.
    fn size(&self) -> usize {
        self.dims.iter().map(|n| *n as usize).product()
    }
}

/// The operands and the results that are no tokens.
///
/// # Safety
/// `frame` is what XLA passed to a handler, and `'f` ends with the call.
#[allow(clippy::type_complexity, reason = "operands and results")]
unsafe fn buffers<'f>(
    frame: &sys::XLA_FFI_CallFrame,
) -> Result<(Vec<Bytes<'f, &'f [u8]>>, Vec<Bytes<'f, &'f mut [u8]>>)> {
    // SAFETY: the caller's promise: arrays of as many pointers as their sizes say, to what their types say.
    unsafe {
        let mut ins = Vec::with_capacity(frame.args.size as usize);
        for &arg in slice(frame.args.args, frame.args.size as usize) {
            let buffer = &*arg.cast::<sys::XLA_FFI_Buffer>();
            if let Some((dtype, dims, size)) = type_of(buffer)? {
                ins.push(Bytes { dtype, dims, bytes: slice(buffer.data.cast::<u8>(), size) });
            }
        }
        let mut outs = Vec::with_capacity(frame.rets.size as usize);
        for &ret in slice(frame.rets.rets, frame.rets.size as usize) {
            let buffer = &*ret.cast::<sys::XLA_FFI_Buffer>();
            if let Some((dtype, dims, size)) = type_of(buffer)? {
                // Nobody else reads or writes a result during the call, and no result is an argument.
                let bytes = match size {
                    0 => &mut [][..],
                    size => std::slice::from_raw_parts_mut(buffer.data.cast::<u8>(), size),
                };
                outs.push(Bytes { dtype, dims, bytes });
            }
        }
        Ok((ins, outs))
    }
}

/// Calls the function that a frame names.
fn call(frame: &sys::XLA_FFI_CallFrame) -> Result<()> {
    // SAFETY: it is handed on by `respond`.
    let (attributes, (ins, outs)) = unsafe { (attributes(frame), buffers(frame)?) };
    let id = attributes.iter().find_map(|(name, value)| match value {
        Attribute::Integer(id) if *name == HostCall::ID => Some(*id as u64),
        _ => None,
    });
    let Some(id) = id else { bail!(Internal, "{}: a custom call without a number", HostCall::TARGET) };
    let found = TABLE.read().unwrap_or_else(PoisonError::into_inner).get(&id).and_then(Weak::upgrade);
    let Some(call) = found else { bail!(Internal, "{}: the function {id} is gone", HostCall::TARGET) };
    let ins: Vec<Cow<'_, [u8]>> = ins.into_iter().map(unpacked).collect();
    let ins: Vec<&[u8]> = ins.iter().map(|x| &**x).collect();
    let mut outs: Vec<Out<'_>> = outs.into_iter().map(Out::new).collect();
    let run =
        AssertUnwindSafe(|| (call.function)(&ins, &mut outs.iter_mut().map(Out::bytes).collect::<Vec<_>>()));
    // The panic's hook has reported it, with a backtrace if one was asked for.
    let result = catch_unwind(run).unwrap_or_else(|payload| Err(panicked(payload.as_ref())));
    result.map_err(|e| e.context(call.name).at(call.loc))?;
    outs.into_iter()
        .filter(|out| out.dtype.is_sub_byte())
        .for_each(|out| pack(&out.host, out.dtype, out.device));
    Ok(())
}

/// A byte for each element, of fewer bits too.
fn unpacked<'f>(x: Bytes<'f, &'f [u8]>) -> Cow<'f, [u8]> {
    match x.dtype.is_sub_byte() {
        true => Cow::Owned(unpack(x.bytes, x.dtype, x.size())),
        false => Cow::Borrowed(x.bytes),
    }
}

/// Where the bytes of a result go.
struct Out<'a> {
    dtype: DType,
    device: &'a mut [u8],
    /// A byte for each element of fewer bits, to be packed.
    host: Vec<u8>,
}

impl<'a> Out<'a> {
    fn new(x: Bytes<'a, &'a mut [u8]>) -> Self {
        let host = vec![0; if x.dtype.is_sub_byte() { x.size() } else { 0 }];
        Out { dtype: x.dtype, device: x.bytes, host }
    }

    fn bytes(&mut self) -> &mut [u8] {
        if self.dtype.is_sub_byte() { &mut self.host } else { self.device }
    }
}

/// Calls the kernel that a frame names.
fn call_kernel(frame: &sys::XLA_FFI_CallFrame) -> Result<()> {
    // SAFETY: it is handed on by `respond`.
    let (attributes, (ins, outs)) = unsafe { (attributes(frame), buffers(frame)?) };
    let (mut name, mut integers) = ("", Vec::new());
    for (key, value) in attributes {
        match value {
            Attribute::Integer(x) => integers.push((key, x)),
            Attribute::Text(text) if key == Kernel::NAME => name = text,
            Attribute::Text(_) => {}
        }
    }
    let kernel = Kernel::named(name)?;
    let mut call = KernelCall::new(integers, ins, outs);
    let run = AssertUnwindSafe(|| (kernel.run)(&mut call));
    let result = catch_unwind(run).unwrap_or_else(|payload| Err(panicked(payload.as_ref())));
    result.map_err(|e| e.context(kernel.name))
}

fn panicked(payload: &(dyn Any + Send)) -> Error {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    err!(Runtime, "the function panicked: {}", text.unwrap_or("with a value that is no text"))
}

/// Dtype, dimensions and bytes; `None` for a token.
///
/// # Safety
/// The buffer's dimensions are as many as its rank says, and live for `'f`.
unsafe fn type_of<'f>(buffer: &sys::XLA_FFI_Buffer) -> Result<Option<(DType, &'f [i64], usize)>> {
    if buffer.dtype == sys::XLA_FFI_DataType_TOKEN {
        return Ok(None);
    }
    let Some(dtype) = dtype_of(buffer.dtype) else {
        bail!(Unimplemented, "{}: elements of XLA's type {}", HostCall::TARGET, buffer.dtype)
    };
    // SAFETY: the caller's promise.
    let dims = unsafe { slice(buffer.dims, buffer.rank as usize) };
    Ok(Some((dtype, dims, dtype.packed_size(dims.iter().map(|n| *n as usize).product()))))
}

fn dtype_of(dtype: sys::XLA_FFI_DataType) -> Option<DType> {
    Some(match dtype {
        sys::XLA_FFI_DataType_PRED => DType::Bool,
        sys::XLA_FFI_DataType_S2 => DType::I2,
        sys::XLA_FFI_DataType_S4 => DType::I4,
        sys::XLA_FFI_DataType_S8 => DType::I8,
        sys::XLA_FFI_DataType_S16 => DType::I16,
        sys::XLA_FFI_DataType_S32 => DType::I32,
        sys::XLA_FFI_DataType_S64 => DType::I64,
        sys::XLA_FFI_DataType_U2 => DType::U2,
        sys::XLA_FFI_DataType_U4 => DType::U4,
        sys::XLA_FFI_DataType_U8 => DType::U8,
        sys::XLA_FFI_DataType_U16 => DType::U16,
        sys::XLA_FFI_DataType_U32 => DType::U32,
        sys::XLA_FFI_DataType_U64 => DType::U64,
        sys::XLA_FFI_DataType_F4E2M1FN => DType::F4E2M1FN,
        sys::XLA_FFI_DataType_F8E3M4 => DType::F8E3M4,
        sys::XLA_FFI_DataType_F8E4M3 => DType::F8E4M3,
        sys::XLA_FFI_DataType_F8E4M3B11FNUZ => DType::F8E4M3B11FNUZ,
        sys::XLA_FFI_DataType_F8E4M3FN => DType::F8E4M3FN,
        sys::XLA_FFI_DataType_F8E4M3FNUZ => DType::F8E4M3FNUZ,
        sys::XLA_FFI_DataType_F8E5M2 => DType::F8E5M2,
        sys::XLA_FFI_DataType_F8E5M2FNUZ => DType::F8E5M2FNUZ,
        sys::XLA_FFI_DataType_F8E8M0FNU => DType::F8E8M0FNU,
        sys::XLA_FFI_DataType_BF16 => DType::BF16,
        sys::XLA_FFI_DataType_F16 => DType::F16,
        sys::XLA_FFI_DataType_F32 => DType::F32,
        sys::XLA_FFI_DataType_F64 => DType::F64,
        sys::XLA_FFI_DataType_C64 => DType::C64,
        sys::XLA_FFI_DataType_C128 => DType::C128,
        _ => return None,
    })
}

/// Errors on their way through XLA, which hands on text alone: the latest, with a number that stands in the text.
static RAISED: Mutex<VecDeque<(u64, Error)>> = Mutex::new(VecDeque::new());
/// A run that fails hands its error to each of its results, and there may be several such runs at a time.
const MAX_RAISED: usize = 64;
const MARK: &str = " [raxla error ";

/// # Safety
/// `frame` is what XLA passed to the handler.
unsafe fn raise(frame: &sys::XLA_FFI_CallFrame, error: Error) -> *mut sys::XLA_FFI_Error {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let text = format!("{error}{MARK}{number}]").replace('\0', "\\0");
    let mut raised = RAISED.lock().unwrap_or_else(PoisonError::into_inner);
    if raised.len() == MAX_RAISED {
        raised.pop_front();
    }
    raised.push_back((number, error));
    drop(raised);
    // No NUL is left in the text.
    let text = CString::new(text).unwrap_or_default();
    let mut a = args::<sys::XLA_FFI_Error_Create_Args>();
    a.message = text.as_ptr();
    a.errc = sys::XLA_FFI_Error_Code_INTERNAL;
    // SAFETY: the frame's table of functions is valid during the call; XLA copies the text and owns the error.
    unsafe {
        match (*frame.api).XLA_FFI_Error_Create {
            Some(create) => create(&raw mut a),
            None => null_mut(),
        }
    }
}

/// The error that a function raised, of which XLA kept the text.
pub(super) fn raised(message: &str) -> Option<Error> {
    let (_, rest) = message.rsplit_once(MARK)?;
    let number: u64 = rest.split(']').next()?.parse().ok()?;
    let raised = RAISED.lock().unwrap_or_else(PoisonError::into_inner);
    raised.iter().find(|(n, _)| *n == number).map(|(_, e)| e.clone())
}
