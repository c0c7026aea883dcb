//! Cases as they stand in a fixture, and rows that say what Rust function a case calls.

use std::any::Any;

use raxla::{Array, Axis, DType, ErrorKind, Result, lax};
use serde_json::Value;

/// A function by JAX's name, and how to call it.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub call: fn(&[Array], &Params) -> Vec<Array>,
}

/// A row that is called with arguments `x` and parameters `p`, and gives one array.
#[macro_export]
macro_rules! row {
    ($name:expr, |$x:pat_param, $p:pat_param| $body:expr) => {
        $crate::case::Row { name: $name, call: |$x, $p| vec![$body] }
    };
}

/// Rows of functions of one array.
#[macro_export]
macro_rules! unary_rows {
    ($root:literal $module:ident: $($name:ident)*) => {
        &[$($crate::case::Row {
            name: concat!($root, stringify!($name)),
            call: |x, _| vec![$module::$name(&x[0])],
        }),*]
    };
}

/// Rows of functions of two arrays.
#[macro_export]
macro_rules! binary_rows {
    ($root:literal $module:ident: $($name:ident)*) => {
        &[$($crate::case::Row {
            name: concat!($root, stringify!($name)),
            call: |x, _| vec![$module::$name(&x[0], &x[1])],
        }),*]
    };
}

/// Rows of reductions: by the short form where a case has no options, which may be arrays behind the first.
#[macro_export]
macro_rules! reduce_rows {
    ($root:literal $module:ident $options:path, $axes:path: $($name:ident $with:ident)*) => {
        &[$($crate::case::Row {
            name: concat!($root, stringify!($name)),
            call: |x, p| vec![match $options(p, &x[1..]) {
                Some(options) => $module::$with(&x[0], $axes(p), options),
                None => $module::$name(&x[0], $axes(p)),
            }],
        }),*]
    };
}

/// An array of a fixture.
pub struct Data {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub weak: bool,
    pub bytes: Vec<u8>,
}

impl Data {
    fn parse(v: &Value) -> Data {
        let hex = v["data"].as_str().unwrap().as_bytes();
        let digit = |c: u8| (c as char).to_digit(16).unwrap() as u8;
        Data {
            dtype: dtype(v["dtype"].as_str().unwrap()),
            shape: integers(&v["shape"]).into_iter().map(|n| n as usize).collect(),
            weak: v["weak"].as_bool().unwrap_or(false),
            bytes: hex.chunks_exact(2).map(|c| digit(c[0]) << 4 | digit(c[1])).collect(),
        }
    }

    /// The array. A weak one is a number, broadcast.
    pub fn array(&self) -> Result<Array> {
        let x = Array::from_bytes(&self.bytes, self.dtype, &self.shape)?;
        if !self.weak {
            return Ok(x);
        }
        let one = &self.bytes[..self.dtype.size()];
        let one = Array::from_bytes(one, self.dtype, ())?;
        let number = match self.dtype {
            DType::I32 => Array::from(one.item::<i32>()?),
            DType::F32 => Array::from(one.item::<f32>()?),
            DType::C64 => Array::from(one.item::<num_complex::Complex<f32>>()?),
            other => panic!("no weak {other} in fixtures"),
        };
        Ok(lax::full(&self.shape, number))
    }
}

/// How far floats may be off.
#[derive(Clone, Copy, Default)]
pub struct Tolerance {
    /// Units in the last place of the output's dtype.
    pub ulp: u64,
    /// Absolute difference.
    pub abs: f64,
}

impl Tolerance {
    fn parse(v: &Value) -> Tolerance {
        Tolerance { ulp: v["ulp"].as_u64().unwrap_or(0), abs: v["abs"].as_f64().unwrap_or(0.0) }
    }
}

/// What `jax.vjp` gave.
pub struct Grad {
    pub argnums: Vec<usize>,
    pub ct: Vec<Option<Data>>,
    pub out: Vec<Data>,
    pub tol: Tolerance,
}

/// One line of a fixture.
pub struct Case {
    pub id: String,
    pub function: String,
    pub args: Vec<Data>,
    pub params: Params,
    pub x64: bool,
    pub out: Vec<Data>,
    pub grad: Option<Grad>,
    pub tol: Tolerance,
    pub error: bool,
}

impl Case {
    pub fn parse(line: &str) -> Case {
        let v: Value = serde_json::from_str(line).unwrap();
        let arrays =
            |v: &Value| v.as_array().map(|a| a.iter().map(Data::parse).collect()).unwrap_or_default();
        let tol = Tolerance::parse(&v["tol"]);
        let grad = v.get("grad").map(|g| Grad {
            argnums: integers(&g["argnums"]).into_iter().map(|n| n as usize).collect(),
            ct: g["ct"].as_array().unwrap().iter().map(|c| (!c.is_null()).then(|| Data::parse(c))).collect(),
            out: arrays(&g["out"]),
            tol: g.get("tol").map_or(tol, Tolerance::parse),
        });
        Case {
            id: v["id"].as_str().unwrap().into(),
            function: v["fn"].as_str().unwrap().into(),
            args: arrays(&v["args"]),
            params: Params(v["params"].clone()),
            x64: v["x64"].as_bool().unwrap_or(false),
            out: arrays(&v["out"]),
            grad,
            tol,
            error: v["error"].as_bool().unwrap_or(false),
        }
    }

    /// Is it one that JAX runs eagerly alone, because it needs to know values?
    pub fn known(&self) -> bool {
        self.params.bool("known")
    }
}

/// The parameters of a call, by JAX's names.
#[derive(Clone)]
pub struct Params(Value);

impl Params {
    /// The raw JSON value.
    pub fn get(&self, name: &str) -> &Value {
        &self.0[name]
    }
    /// Was it given, be it as `None`?
    pub fn names(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }
    /// Was it given, and not `None`?
    pub fn has(&self, name: &str) -> bool {
        !self.0[name].is_null()
    }
    pub fn int(&self, name: &str) -> i64 {
        self.0[name].as_i64().unwrap_or_else(|| panic!("no integer {name}"))
    }
    pub fn int_or(&self, name: &str, default: i64) -> i64 {
        self.0[name].as_i64().unwrap_or(default)
    }
    pub fn float(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("no number {name}"))
    }
    pub fn bool(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or(false)
    }
    pub fn axis(&self, name: &str) -> Axis {
        self.int(name).into()
    }
    pub fn bool_or(&self, name: &str, default: bool) -> bool {
        self.0[name].as_bool().unwrap_or(default)
    }
    pub fn str(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or("")
    }
    /// A list of names.
    pub fn strs(&self, name: &str) -> Vec<&str> {
        self.0[name].as_array().map(|a| a.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }
    /// A list of integers, or one.
    pub fn ints(&self, name: &str) -> Vec<i64> {
        integers(&self.0[name])
    }
    /// A list of positions or sizes, or one.
    pub fn usizes(&self, name: &str) -> Vec<usize> {
        self.ints(name).into_iter().map(|n| n as usize).collect()
    }
    pub fn usize(&self, name: &str) -> usize {
        self.int(name) as usize
    }
    pub fn dtype(&self, name: &str) -> DType {
        dtype(self.str(name))
    }
    pub fn dtype_or_none(&self, name: &str) -> Option<DType> {
        self.has(name).then(|| self.dtype(name))
    }
    pub fn size_or_none(&self, name: &str) -> Option<usize> {
        self.has(name).then(|| self.usize(name))
    }
    /// A list of lists of integers.
    pub fn lists(&self, name: &str) -> Vec<Vec<i64>> {
        self.0[name].as_array().map(|a| a.iter().map(integers).collect()).unwrap_or_default()
    }
}

fn integers(v: &Value) -> Vec<i64> {
    match v {
        Value::Array(a) => a.iter().map(|n| n.as_i64().unwrap()).collect(),
        Value::Number(n) => vec![n.as_i64().unwrap()],
        _ => Vec::new(),
    }
}

fn dtype(name: &str) -> DType {
    DType::ALL.into_iter().find(|d| d.name() == name).unwrap_or_else(|| panic!("no dtype {name}"))
}

/// What a panic said.
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
        (Some(s), _) => s.clone(),
        (_, Some(s)) => (*s).to_string(),
        _ => "a panic without a message".into(),
    }
}

/// The message of an error without the line that it is at.
pub fn without_line(message: &str) -> &str {
    message.split_once("\n  at ").map_or(message, |(message, _)| message)
}

/// The kind and the message of the error that a row unwrapped, if a panic is of that: `Error` prints both.
pub fn unwrapped(panic: &str) -> Option<(Option<ErrorKind>, String)> {
    use ErrorKind::*;
    let (_, error) = panic.split_once("on an `Err` value: ")?;
    let (kind, message) = error.split_once(": ")?;
    let kinds = [
        Shape,
        DType,
        InvalidArgument,
        TreeMismatch,
        Carry,
        Branch,
        Differentiation,
        UnboundAxisName,
        Concretization,
    ];
    let kind = kinds.into_iter().find(|k| format!("{k:?}") == kind);
    Some((kind, without_line(message).to_string()))
}
