//! Named values: options of a client, attributes of a plugin or device, properties of an executable.

use super::api::{args, slice, string};
use super::sys;
use std::ffi::c_char;
use std::fmt;

/// A value of an option or attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionValue {
    /// Text.
    String(String),
    /// An integer.
    Int64(i64),
    /// A list of integers.
    Int64List(Vec<i64>),
    /// A number.
    Float(f32),
    /// A flag.
    Bool(bool),
}

/// A name and its value.
pub type NamedValue = (String, OptionValue);

impl OptionValue {
    /// The integer or number as `f64`.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            OptionValue::Int64(v) => Some(*v as f64),
            OptionValue::Float(v) => Some(f64::from(*v)),
            _ => None,
        }
    }

    /// The integer.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            OptionValue::Int64(v) => Some(*v),
            _ => None,
        }
    }

    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            OptionValue::String(v) => Some(v),
            _ => None,
        }
    }

    /// The list of integers.
    pub fn as_i64_list(&self) -> Option<&[i64]> {
        match self {
            OptionValue::Int64List(v) => Some(v),
            _ => None,
        }
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::String(v) => write!(f, "{v:?}"),
            OptionValue::Int64(v) => write!(f, "{v}"),
            OptionValue::Int64List(v) => write!(f, "{v:?}"),
            OptionValue::Float(v) => write!(f, "{v}"),
            OptionValue::Bool(v) => write!(f, "{v}"),
        }
    }
}

impl From<&str> for OptionValue {
    fn from(v: &str) -> Self {
        OptionValue::String(v.to_owned())
    }
}
impl From<String> for OptionValue {
    fn from(v: String) -> Self {
        OptionValue::String(v)
    }
}
impl From<i64> for OptionValue {
    fn from(v: i64) -> Self {
        OptionValue::Int64(v)
    }
}
impl From<Vec<i64>> for OptionValue {
    fn from(v: Vec<i64>) -> Self {
        OptionValue::Int64List(v)
    }
}
impl From<f32> for OptionValue {
    fn from(v: f32) -> Self {
        OptionValue::Float(v)
    }
}
impl From<bool> for OptionValue {
    fn from(v: bool) -> Self {
        OptionValue::Bool(v)
    }
}

/// PJRT's view of `options`; it borrows from them.
pub(crate) fn to_raw(options: &[NamedValue]) -> Vec<sys::PJRT_NamedValue> {
    let convert = |(name, value): &NamedValue| {
        let mut raw = args::<sys::PJRT_NamedValue>();
        raw.name = name.as_ptr().cast::<c_char>();
        raw.name_size = name.len();
        raw.value_size = 1;
        match value {
            OptionValue::String(v) => {
                raw.type_ = sys::PJRT_NamedValue_kString;
                raw.__bindgen_anon_1.string_value = v.as_ptr().cast::<c_char>();
                raw.value_size = v.len();
            }
            OptionValue::Int64(v) => {
                raw.type_ = sys::PJRT_NamedValue_kInt64;
                raw.__bindgen_anon_1.int64_value = *v;
            }
            OptionValue::Int64List(v) => {
                raw.type_ = sys::PJRT_NamedValue_kInt64List;
                raw.__bindgen_anon_1.int64_array_value = v.as_ptr();
                raw.value_size = v.len();
            }
            OptionValue::Float(v) => {
                raw.type_ = sys::PJRT_NamedValue_kFloat;
                raw.__bindgen_anon_1.float_value = *v;
            }
            OptionValue::Bool(v) => {
                raw.type_ = sys::PJRT_NamedValue_kBool;
                raw.__bindgen_anon_1.bool_value = *v;
            }
        }
        raw
    };
    options.iter().map(convert).collect()
}

/// Copies a plugin's named values; values of a type that this crate does not know are left out.
///
/// # Safety
/// `data` is null or points to `len` named values that stay valid during the call.
pub(crate) unsafe fn from_raw(data: *const sys::PJRT_NamedValue, len: usize) -> Vec<NamedValue> {
    // SAFETY: the caller's promise covers the array and everything it points to; the union is read by its tag.
    unsafe {
        let convert = |raw: &sys::PJRT_NamedValue| {
            let value = &raw.__bindgen_anon_1;
            let value = match raw.type_ {
                sys::PJRT_NamedValue_kString => {
                    OptionValue::String(string(value.string_value, raw.value_size))
                }
                sys::PJRT_NamedValue_kInt64 => OptionValue::Int64(value.int64_value),
                sys::PJRT_NamedValue_kInt64List => {
                    OptionValue::Int64List(slice(value.int64_array_value, raw.value_size).to_vec())
                }
                sys::PJRT_NamedValue_kFloat => OptionValue::Float(value.float_value),
                sys::PJRT_NamedValue_kBool => OptionValue::Bool(value.bool_value),
                _ => return None,
            };
            Some((string(raw.name, raw.name_size), value))
        };
        slice(data, len).iter().filter_map(convert).collect()
    }
}
