//! Layer 1: a writer of StableHLO text. It names no primitive. StableHLO spec: "Programs".
//!
//! Values and types are small numbers, and a type is rendered once, so that emitting an operation is little more than
//! copying its text. The commonest operations are written in StableHLO's short form, all others in MLIR's generic form.

mod numbers;

use std::fmt::Write;
use std::hash::BuildHasher;
use std::panic::Location;
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use crate::dtype::DType;
pub use numbers::{i64_array, list, push_integer, push_list, push_number, usize_array};

/// A type of a module that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type(u32);

/// A value of a module that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    id: u32,
    ty: Type,
}

impl Value {
    /// The value's type.
    pub fn ty(self) -> Type {
        self.ty
    }
}

/// Where an operation comes from.
#[derive(Clone, Debug)]
pub struct Place {
    /// The user's line.
    pub line: &'static Location<'static>,
    /// Its name with those of the scopes around it, if it stands in one: `jit(step)/layer/tanh`.
    pub name: Option<Arc<str>>,
}

/// The results of one operation.
pub type Values = SmallVec<[Value; 2]>;

/// Attributes of an argument or result of a function, each already written as `name = value`.
#[derive(Clone, Debug, Default)]
pub struct Attrs(pub Vec<String>);

#[derive(Debug)]
struct TypeData {
    text: String,
    /// `None` for types that are not ranked tensors.
    tensor: Option<(DType, SmallVec<[usize; 4]>)>,
}

/// A block of a module that is being written: what one block defines, it alone may use, and the blocks inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Block(u32);

/// A module that is being written.
#[derive(Debug)]
pub struct Builder {
    types: Vec<TypeData>,
    /// Those that are ranked tensors, by dtype and shape.
    tensors: HashTable<Type>,
    next_value: u32,
    /// The blocks that are being written, outermost first, and how many there were.
    blocks: Vec<Block>,
    block_count: u32,
    /// What stands before the functions.
    declarations: String,
    /// Where that goes in the module's text.
    head: usize,
    /// The module's text, or that of a function that is being written.
    out: String,
    /// Text that is interrupted by a function that another one asked for.
    interrupted: Vec<String>,
    /// Finished functions that others asked for.
    functions: Vec<String>,
    /// Locations by address: they are `'static`, so an address names one.
    locations: FxHashMap<usize, u32>,
    /// Names of operations, with the line under them.
    named: FxHashMap<(Arc<str>, u32), u32>,
    location_defs: String,
    place: Option<Place>,
    /// The text `" loc(#loc3)"` for `place`.
    loc_text: String,
}

impl Builder {
    /// An empty module named `name`.
    pub fn new(name: &str, num_partitions: usize) -> Self {
        let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let attributes = format!("mhlo.num_partitions = {num_partitions} : i32, mhlo.num_replicas = 1 : i32");
        let out = format!("module @{clean} attributes {{{attributes}}} {{\n");
        Builder {
            types: Vec::new(),
            tensors: HashTable::new(),
            next_value: 0,
            blocks: Vec::new(),
            block_count: 0,
            declarations: String::new(),
            head: out.len(),
            out,
            interrupted: Vec::new(),
            functions: Vec::new(),
            locations: FxHashMap::default(),
            named: FxHashMap::default(),
            location_defs: String::new(),
            place: None,
            loc_text: String::new(),
        }
    }

    /// Adds to what stands before the functions of the module.
    pub fn declare(&mut self, text: &str) {
        self.declarations.push_str(text);
    }

    /// Makes room for the text of about so many operations.
    pub fn reserve(&mut self, operations: usize) {
        self.out.reserve(128 * operations);
    }

    /// The block that operations are written to.
    pub fn block(&self) -> Block {
        self.blocks.last().copied().unwrap_or_default()
    }

    fn begin_block(&mut self) {
        self.block_count += 1;
        self.blocks.push(Block(self.block_count));
    }

    /// The ranked tensor type of this dtype and shape.
    pub fn tensor(&mut self, dtype: DType, shape: &[usize]) -> Type {
        let hash = FxBuildHasher.hash_one((dtype, shape));
        let tensor = |ty: &Type| self.types[ty.0 as usize].tensor.as_ref();
        let is = |ty: &Type| tensor(ty).is_some_and(|(d, s)| *d == dtype && s.iter().eq(shape));
        if let Some(ty) = self.tensors.find(hash, is) {
            return *ty;
        }
        let mut text = String::from("tensor<");
        for n in shape {
            push_number(&mut text, *n);
            text.push('x');
        }
        text.push_str(dtype.mlir_name());
        text.push('>');
        let ty = Type(self.types.len() as u32);
        self.types.push(TypeData { text, tensor: Some((dtype, SmallVec::from_slice(shape))) });
        let types = &self.types;
        self.tensors.insert_unique(hash, ty, |ty| {
            let tensor = types[ty.0 as usize].tensor.as_ref();
            FxBuildHasher.hash_one(tensor.map(|(d, s)| (*d, &s[..])).unwrap_or((DType::Bool, &[])))
        });
        ty
    }

    /// A type that is not a ranked tensor, by its text.
    pub fn other_type(&mut self, text: &str) -> Type {
        if let Some(i) = self.types.iter().position(|t| t.text == text) {
            return Type(i as u32);
        }
        self.types.push(TypeData { text: text.to_owned(), tensor: None });
        Type(self.types.len() as u32 - 1)
    }

    /// The text of a type.
    pub fn type_text(&self, ty: Type) -> &str {
        &self.types[ty.0 as usize].text
    }

    /// The shape of a tensor value; empty for other types.
    pub fn shape(&self, value: Value) -> SmallVec<[usize; 4]> {
        SmallVec::from_slice(self.dims(value))
    }

    /// [`shape`](Self::shape), borrowed.
    pub fn dims(&self, value: Value) -> &[usize] {
        self.types[value.ty.0 as usize].tensor.as_ref().map_or(&[], |(_, s)| s)
    }

    /// The dtype of a tensor value; `bool` for other types.
    pub fn dtype(&self, value: Value) -> DType {
        self.types[value.ty.0 as usize].tensor.as_ref().map_or(DType::Bool, |(d, _)| *d)
    }

    /// The line that operations come from at present.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.place.as_ref().map(|place| place.line)
    }

    /// Where operations come from at present.
    pub fn place(&self) -> Option<Place> {
        self.place.clone()
    }

    /// Operations that follow come from there.
    pub fn set_place(&mut self, place: Place) {
        let same = |old: &Place| std::ptr::eq(old.line, place.line) && old.name == place.name;
        if self.place.as_ref().is_some_and(same) {
            return;
        }
        let mut id = self.line(place.line);
        if let Some(name) = &place.name {
            let n = self.next_location();
            let defs = &mut self.location_defs;
            id = *self.named.entry((name.clone(), id)).or_insert_with(|| {
                let _ = write!(defs, "#loc{n} = loc(\"");
                for byte in name.bytes() {
                    let _ = match byte {
                        b'"' | b'\\' | 0..b' ' | 127.. => write!(defs, "\\{byte:02X}"),
                        _ => write!(defs, "{}", char::from(byte)),
                    };
                }
                let _ = writeln!(defs, "\"(#loc{id}))");
                n
            });
        }
        self.place = Some(place);
        self.loc_text.clear();
        self.loc_text.push_str(" loc(#loc");
        push_number(&mut self.loc_text, id as usize);
        self.loc_text.push_str(")\n");
    }

    fn next_location(&self) -> u32 {
        (self.locations.len() + self.named.len()) as u32 + 1
    }

    /// The number of a line's location.
    fn line(&mut self, loc: &'static Location<'static>) -> u32 {
        let n = self.next_location();
        *self.locations.entry(std::ptr::from_ref(loc) as usize).or_insert_with(|| {
            let (out, file) = (&mut self.location_defs, loc.file());
            out.push_str("#loc");
            push_number(out, n as usize);
            out.push_str(" = loc(\"");
            let plain = |c: u8| (b' '..=b'~').contains(&c) && !matches!(c, b'"' | b'\'' | b'\\');
            if file.bytes().all(plain) {
                out.push_str(file);
            } else {
                out.extend(file.escape_default());
            }
            out.push_str("\":");
            push_number(out, loc.line() as usize);
            out.push(':');
            push_number(out, loc.column() as usize);
            out.push_str(")\n");
            n
        })
    }

    fn end_op(&mut self) {
        if self.loc_text.is_empty() {
            self.out.push('\n');
        } else {
            self.out.push_str(&self.loc_text);
        }
    }

    fn push_value(&mut self, value: Value) {
        self.out.push('%');
        push_number(&mut self.out, value.id as usize);
    }

    fn push_values(&mut self, values: &[Value]) {
        for (i, v) in values.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.push_value(*v);
        }
    }

    fn push_type(&mut self, ty: Type) {
        self.out.push_str(&self.types[ty.0 as usize].text);
    }

    fn push_types(&mut self, types: impl Iterator<Item = Type>) {
        for (i, ty) in types.enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.push_type(ty);
        }
    }

    /// A fresh value that nothing defines yet: block arguments.
    fn fresh(&mut self, ty: Type) -> Value {
        self.next_value += 1;
        Value { id: self.next_value, ty }
    }

    /// An operation whose operands and result have one type, in short form: `%2 = stablehlo.add %0, %1 : t`.
    pub fn elementwise(&mut self, name: &str, operands: &[Value], ty: Type) -> Value {
        self.elementwise_with(name, operands, "", ty)
    }

    /// [`elementwise`](Self::elementwise) with attributes: ` {result_accuracy = …}`.
    pub fn elementwise_with(&mut self, name: &str, operands: &[Value], attributes: &str, ty: Type) -> Value {
        let result = self.fresh(ty);
        self.push_value(result);
        self.out.push_str(" = ");
        self.out.push_str(name);
        self.out.push(' ');
        self.push_values(operands);
        self.out.push_str(attributes);
        self.out.push_str(" : ");
        self.push_type(ty);
        self.end_op();
        result
    }

    /// An operation with one result in short form: `%2 = name %0, %1<middle> : (t0, t1) -> t`.
    pub fn short(
        &mut self,
        name: &str,
        operands: &[Value],
        middle: impl FnOnce(&mut String),
        result: Type,
    ) -> Value {
        let value = self.fresh(result);
        self.push_value(value);
        self.out.push_str(" = ");
        self.out.push_str(name);
        self.out.push(' ');
        self.push_values(operands);
        middle(&mut self.out);
        self.out.push_str(" : (");
        self.push_types(operands.iter().map(|v| v.ty));
        self.out.push_str(") -> ");
        self.push_type(result);
        self.end_op();
        value
    }

    /// An operation whose result has the type of its operand, which stands once behind it: `op %0 middle : type`.
    pub fn annotate(&mut self, name: &str, operand: Value, middle: &str) -> Value {
        let value = self.fresh(operand.ty);
        self.push_value(value);
        self.out.push_str(" = ");
        self.out.push_str(name);
        self.out.push(' ');
        self.push_values(&[operand]);
        self.out.push(' ');
        self.out.push_str(middle);
        self.out.push_str(" : ");
        self.push_type(operand.ty);
        self.end_op();
        value
    }

    /// `stablehlo.constant` with the text of its elements, as they stand in `dense<…>`.
    pub fn dense(&mut self, elements: &str, ty: Type) -> Value {
        let value = self.fresh(ty);
        self.push_value(value);
        self.out.push_str(" = stablehlo.constant dense<");
        self.out.push_str(elements);
        self.out.push_str("> : ");
        self.push_type(ty);
        self.end_op();
        value
    }

    /// `stablehlo.reduce` of one operand by one elementwise operation.
    pub fn reduce_by(&mut self, body: &str, x: Value, init: Value, axes: &[usize], ty: Type) -> Value {
        let value = self.fresh(ty);
        self.push_value(value);
        self.out.push_str(" = stablehlo.reduce(");
        self.push_value(x);
        self.out.push_str(" init: ");
        self.push_value(init);
        self.out.push_str(") applies ");
        self.out.push_str(body);
        self.out.push_str(" across dimensions = ");
        push_list(&mut self.out, axes);
        self.out.push_str(" : (");
        self.push_types([x.ty, init.ty].into_iter());
        self.out.push_str(") -> ");
        self.push_type(ty);
        self.end_op();
        value
    }

    /// `stablehlo.compare` of two values of one type.
    pub fn comparison(&mut self, direction: &str, kind: &str, lhs: Value, rhs: Value, ty: Type) -> Value {
        let value = self.fresh(ty);
        self.push_value(value);
        self.out.push_str(" = stablehlo.compare ");
        self.out.push_str(direction);
        self.out.push_str(", ");
        self.push_values(&[lhs, rhs]);
        self.out.push_str(", ");
        self.out.push_str(kind);
        self.out.push_str(" : (");
        self.push_types([lhs.ty, rhs.ty].into_iter());
        self.out.push_str(") -> ");
        self.push_type(ty);
        self.end_op();
        value
    }

    /// An operation in generic form. `attrs` is the inside of the attribute dictionary.
    pub fn op(&mut self, name: &str, operands: &[Value], attrs: &str, results: &[Type]) -> Values {
        self.op_head(name, operands, results, |b, values| {
            b.op_tail(operands, attrs, values);
        })
    }

    /// An operation with one result in generic form.
    pub fn op1(&mut self, name: &str, operands: &[Value], attrs: &str, result: Type) -> Value {
        self.op(name, operands, attrs, &[result])[0]
    }

    fn op_head(
        &mut self,
        name: &str,
        operands: &[Value],
        results: &[Type],
        tail: impl FnOnce(&mut Self, &Values),
    ) -> Values {
        let values: Values = results.iter().map(|ty| self.fresh(*ty)).collect();
        if !values.is_empty() {
            self.push_values(&values);
            self.out.push_str(" = ");
        }
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\"(");
        self.push_values(operands);
        self.out.push(')');
        tail(self, &values);
        values
    }

    fn op_tail(&mut self, operands: &[Value], attrs: &str, results: &[Value]) {
        if !attrs.is_empty() {
            self.out.push_str(" {");
            self.out.push_str(attrs);
            self.out.push('}');
        }
        self.out.push_str(" : (");
        self.push_types(operands.iter().map(|v| v.ty));
        self.out.push_str(") -> (");
        self.push_types(results.iter().map(|v| v.ty));
        self.out.push(')');
        self.end_op();
    }

    /// Begins an operation with regions; follow with [`begin_region`](Self::begin_region) and
    /// [`end_region`](Self::end_region) for each region and with [`end_op_with_regions`](Self::end_op_with_regions).
    pub fn begin_op_with_regions(&mut self, name: &str, operands: &[Value], results: &[Type]) -> Values {
        self.op_head(name, operands, results, |b, _| b.out.push_str(" ("))
    }

    /// Begins a region with one block, and gives the block's arguments.
    pub fn begin_region(&mut self, args: &[Type]) -> Values {
        if self.out.ends_with('}') {
            self.out.push_str(", ");
        }
        self.out.push('{');
        self.begin_block();
        let values: Values = args.iter().map(|ty| self.fresh(*ty)).collect();
        if !values.is_empty() {
            self.out.push_str("\n^bb0(");
            for (i, v) in values.iter().enumerate() {
                if i > 0 {
                    self.out.push_str(", ");
                }
                self.push_value(*v);
                self.out.push_str(": ");
                self.push_type(v.ty);
            }
            self.out.push_str("):");
        }
        self.out.push('\n');
        values
    }

    /// Ends a region with `stablehlo.return`.
    pub fn end_region(&mut self, results: &[Value]) {
        self.op("stablehlo.return", results, "", &[]);
        self.blocks.pop();
        self.out.push('}');
    }

    /// Ends an operation with regions; `operands` and `results` as at its beginning.
    pub fn end_op_with_regions(&mut self, operands: &[Value], attrs: &str, results: &[Value]) {
        self.out.push(')');
        self.op_tail(operands, attrs, results);
    }

    /// Begins a function, interrupting the one that is being written. Attributes are those of the first arguments and results.
    pub fn begin_function(
        &mut self,
        name: &str,
        public: bool,
        args: &[Type],
        results: &[Type],
        [arg_attrs, result_attrs]: [&[Attrs]; 2],
    ) -> Values {
        if !self.blocks.is_empty() {
            self.interrupted.push(std::mem::take(&mut self.out));
        }
        self.begin_block();
        let visibility = if public { "public" } else { "private" };
        let _ = write!(self.out, "func.func {visibility} @{name}(");
        let mut values = Values::new();
        for (i, ty) in args.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            let value = self.fresh(*ty);
            self.push_value(value);
            self.out.push_str(": ");
            self.push_type(*ty);
            self.push_attrs(arg_attrs.get(i));
            values.push(value);
        }
        self.out.push_str(") -> (");
        for (i, ty) in results.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.push_type(*ty);
            self.push_attrs(result_attrs.get(i));
        }
        self.out.push_str(") {\n");
        values
    }

    fn push_attrs(&mut self, attrs: Option<&Attrs>) {
        let Some(Attrs(attrs)) = attrs.filter(|attrs| !attrs.0.is_empty()) else { return };
        for (i, attr) in attrs.iter().enumerate() {
            self.out.push_str(if i == 0 { " {" } else { ", " });
            self.out.push_str(attr);
        }
        self.out.push('}');
    }

    /// Ends the function that is being written, and goes on with the one that it interrupted.
    pub fn end_function(&mut self, results: &[Value]) {
        self.out.push_str("return");
        if !results.is_empty() {
            self.out.push(' ');
            self.push_values(results);
            self.out.push_str(" : ");
            self.push_types(results.iter().map(|v| v.ty));
        }
        self.end_op();
        self.out.push_str("}\n");
        self.blocks.pop();
        if let Some(outer) = self.interrupted.pop() {
            self.functions.push(std::mem::replace(&mut self.out, outer));
        }
    }

    /// Calls a function of this module.
    pub fn call(&mut self, name: &str, operands: &[Value], results: &[Type]) -> Values {
        self.op_head("func.call", operands, results, |b, values| {
            b.out.push_str(" {callee = @");
            b.out.push_str(name);
            b.out.push('}');
            b.op_tail(operands, "", values);
        })
    }

    /// The whole module.
    pub fn finish(mut self) -> String {
        if !self.declarations.is_empty() {
            self.out.insert_str(self.head, &self.declarations);
        }
        for text in self.functions.iter().map(String::as_str).chain(["}\n", &self.location_defs]) {
            self.out.push_str(text);
        }
        self.out
    }
}
