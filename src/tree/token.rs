//! The alphabet of a [`TreeDef`](super::TreeDef): one token a node, in preorder.
//! JAX: the node vector of `jaxlib/pytree.h`.
//!
//! A token must be cheap to make and to compare, since a jitted call flattens its arguments into tokens and compares
//! them with those in its cache. So a token is 24 bytes, short keys and small static values are stored inline, and a
//! struct's names sit behind one `&'static` pointer.

use std::any::{Any, TypeId};
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One node of a flattened structure. The node's children follow it, depth first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Token {
    /// An array.
    Leaf,
    /// `None`: a node without children, as in JAX.
    None,
    /// `Some`, with one child. It tells `Some(None)` from `None`, and is not part of a path.
    Some,
    /// A tuple of so many elements; `()` is the empty one.
    Tuple(u32),
    /// `[T; N]`.
    Array(u32),
    /// `Vec<T>` of so many elements.
    Vec(u32),
    /// A struct, or the variant of an enum; its children are its fields.
    Node(&'static NodeInfo),
    /// A map of so many entries; its children are [`Token::Key`]s in the order of the keys.
    Dict(u32),
    /// The key of the one child.
    Key(KeyToken),
    /// A value that belongs to the structure: a `#[pytree(static)]` field or a [`Static`](super::Static).
    Static(StaticToken),
}

// A bigger token would still be right, but every call moves and compares them.
const _: () = assert!(size_of::<Token>() <= 24);

impl Token {
    /// The number of children.
    pub fn arity(&self) -> usize {
        match self {
            Token::Leaf | Token::None | Token::Static(_) => 0,
            Token::Some | Token::Key(_) => 1,
            Token::Tuple(n) | Token::Array(n) | Token::Vec(n) | Token::Dict(n) => *n as usize,
            Token::Node(info) => info.fields.len(),
        }
    }
}

/// In words, for messages: `a leaf`, `a Vec of length 3`.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Leaf => f.write_str("a leaf"),
            Token::None => f.write_str("None"),
            Token::Some => f.write_str("Some"),
            Token::Tuple(0) => f.write_str("()"),
            Token::Tuple(n) => write!(f, "a tuple of length {n}"),
            Token::Array(n) => write!(f, "an array of length {n}"),
            Token::Vec(n) => write!(f, "a Vec of length {n}"),
            Token::Node(info) => f.write_str(info.name),
            Token::Dict(n) => write!(f, "a map of {n} entries"),
            Token::Key(key) => write!(f, "the key {key}"),
            Token::Static(value) => write!(f, "the static value {value:?}"),
        }
    }
}

/// The name and the fields of a struct or of a variant. `#[derive(Pytree)]` writes them.
pub struct NodeInfo {
    name: &'static str,
    fields: &'static [&'static str],
    named: bool,
    variant: u32,
    type_id: fn() -> TypeId,
}

impl NodeInfo {
    /// A struct (`variant` 0) or the `variant`-th variant of an enum, of the type whose `TypeId::of` is given.
    /// `named` says whether fields are named; otherwise `fields` are `"0"`, `"1"` …
    pub const fn new(
        name: &'static str,
        fields: &'static [&'static str],
        named: bool,
        variant: u32,
        type_id: fn() -> TypeId,
    ) -> Self {
        NodeInfo { name, fields, named, variant, type_id }
    }
    /// `Params`, or `Shape::Circle` for a variant.
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// The fields, static ones included, in order of declaration.
    pub fn fields(&self) -> &'static [&'static str] {
        self.fields
    }
    /// Does it have named fields?
    pub fn is_named(&self) -> bool {
        self.named
    }
}

impl PartialEq for NodeInfo {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // The pointers of one type's info are nearly always the same, but rustc may copy a constant.
        std::ptr::eq(self, other) || (self.variant == other.variant && (self.type_id)() == (other.type_id)())
    }
}
impl Eq for NodeInfo {}
impl Hash for NodeInfo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.type_id)().hash(state);
        self.variant.hash(state);
    }
}
impl Debug for NodeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The key of a map's entry.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyToken(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    // Inline, so that flattening a map of parameters allocates nothing.
    Short(u8, [u8; SHORT]),
    // Two allocations, but one word: the token stays small.
    Long(Arc<Box<str>>),
    Signed(i64),
    Unsigned(u64),
    Bool(bool),
    Char(char),
}

const SHORT: usize = 14;

impl KeyToken {
    fn str(s: &str) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..s.len()) {
            Some(inline) => {
                inline.copy_from_slice(s.as_bytes());
                KeyToken(Repr::Short(s.len() as u8, bytes))
            }
            None => KeyToken(Repr::Long(Arc::new(s.into()))),
        }
    }

    /// The text of a string key.
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Short(len, bytes) => std::str::from_utf8(&bytes[..*len as usize]).ok(),
            Repr::Long(s) => Some(s),
            _ => None,
        }
    }
}

/// As a Rust literal: `"weight"`, `3`.
impl fmt::Display for KeyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Short(..) | Repr::Long(_) => write!(f, "{:?}", self.as_str().unwrap_or_default()),
            Repr::Signed(i) => write!(f, "{i}"),
            Repr::Unsigned(i) => write!(f, "{i}"),
            Repr::Bool(b) => write!(f, "{b}"),
            Repr::Char(c) => write!(f, "{c:?}"),
        }
    }
}
impl Debug for KeyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What may be the key of a map that is a pytree: strings, integers, `bool` and `char`.
#[diagnostic::on_unimplemented(
    message = "a map with keys `{Self}` is not a pytree",
    label = "its keys are not strings, integers, `bool` or `char`",
    note = "of the types of strings, `String`, `Box<str>` and `Arc<str>` are keys"
)]
pub trait MapKey: Ord + 'static {
    /// The key as part of a structure.
    fn to_token(&self) -> KeyToken;
    /// The key again, if `token` came from this type.
    fn from_token(token: &KeyToken) -> Option<Self>
    where
        Self: Sized;
}

macro_rules! string_keys {
    ($($t:ty)*) => {$(
        impl MapKey for $t {
            #[inline]
            fn to_token(&self) -> KeyToken {
                KeyToken::str(self)
            }
            fn from_token(token: &KeyToken) -> Option<Self> {
                token.as_str().map(Into::into)
            }
        }
    )*};
}
string_keys!(String Box<str> Arc<str>);

macro_rules! integer_keys {
    ($($variant:ident: $wide:ty: $($t:ty)*;)*) => {$($(
        impl MapKey for $t {
            #[inline]
            fn to_token(&self) -> KeyToken {
                KeyToken(Repr::$variant(*self as $wide))
            }
            fn from_token(token: &KeyToken) -> Option<Self> {
                match token.0 {
                    Repr::$variant(i) => i.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*)*};
}
integer_keys!(Signed: i64: i8 i16 i32 i64 isize; Unsigned: u64: u8 u16 u32 u64 usize; Bool: bool: bool; Char: char: char;);

/// A value that belongs to a tree's structure and so to the cache key of a jitted function. Implemented for every type
/// with the bounds below; wrap floats by their bits (`#[pytree(static)]` does that for `f32` and `f64` fields).
pub trait StaticValue: Any + Debug + Send + Sync {
    /// The value as `Any`.
    fn as_any(&self) -> &dyn Any;
    /// `==`, false for another type.
    fn dyn_eq(&self, other: &dyn StaticValue) -> bool;
    /// `Hash`.
    fn dyn_hash(&self, state: &mut dyn Hasher);
}

impl<T: Clone + Eq + Hash + Debug + Send + Sync + 'static> StaticValue for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn dyn_eq(&self, other: &dyn StaticValue) -> bool {
        other.as_any().downcast_ref::<T>() == Some(self)
    }
    fn dyn_hash(&self, mut state: &mut dyn Hasher) {
        TypeId::of::<T>().hash(&mut state);
        self.hash(&mut state);
    }
}

/// A [`StaticValue`] in a structure.
#[derive(Clone)]
pub struct StaticToken(StaticRepr);

#[derive(Clone)]
enum StaticRepr {
    // Sizes, flags and modes are what most static fields hold; these need no allocation on each call.
    Small(Small, u64),
    Dyn(Arc<dyn StaticValue>),
}

macro_rules! small {
    ($($kind:ident $t:ty: |$x:ident| $to:expr, |$bits:ident| $from:expr, $show:expr;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        enum Small { $($kind),* }

        impl StaticToken {
            /// A static value as part of a structure.
            #[inline]
            pub fn new<T: Clone + StaticValue>(value: &T) -> Self {
                // The type is known, so all but one of these comparisons are folded away.
                let any: &dyn Any = value.as_any();
                $(if let Some(&$x) = any.downcast_ref::<$t>() {
                    return StaticToken(StaticRepr::Small(Small::$kind, $to));
                })*
                StaticToken(StaticRepr::Dyn(Arc::new(value.clone())))
            }

            /// The value again, if it is a `T`.
            pub fn get<T: Clone + 'static>(&self) -> Option<T> {
                match &self.0 {
                    $(&StaticRepr::Small(Small::$kind, $bits) => {
                        let value: $t = $from;
                        (&value as &dyn Any).downcast_ref::<T>().cloned()
                    })*
                    StaticRepr::Dyn(value) => (**value).as_any().downcast_ref::<T>().cloned(),
                }
            }
        }

        impl Debug for StaticToken {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match &self.0 {
                    $(&StaticRepr::Small(Small::$kind, $bits) => {
                        let $x: $t = $from;
                        Debug::fmt(&$show, f)
                    })*
                    StaticRepr::Dyn(value) => value.fmt(f),
                }
            }
        }
    };
}
small! {
    Bool bool: |x| x as u64, |bits| bits != 0, x;
    U8 u8: |x| x as u64, |bits| bits as u8, x;
    U16 u16: |x| x as u64, |bits| bits as u16, x;
    U32 u32: |x| x as u64, |bits| bits as u32, x;
    U64 u64: |x| x, |bits| bits, x;
    Usize usize: |x| x as u64, |bits| bits as usize, x;
    I8 i8: |x| x as u64, |bits| bits as i8, x;
    I16 i16: |x| x as u64, |bits| bits as i16, x;
    I32 i32: |x| x as u64, |bits| bits as i32, x;
    I64 i64: |x| x as u64, |bits| bits as i64, x;
    Isize isize: |x| x as u64, |bits| bits as isize, x;
    F32 F32Bits: |x| x.0 as u64, |bits| F32Bits(bits as u32), f32::from_bits(x.0);
    F64 F64Bits: |x| x.0, |bits| F64Bits(bits), f64::from_bits(x.0);
}

impl PartialEq for StaticToken {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (StaticRepr::Small(k, a), StaticRepr::Small(l, b)) => k == l && a == b,
            (StaticRepr::Dyn(a), StaticRepr::Dyn(b)) => (**a).dyn_eq(&**b),
            _ => false,
        }
    }
}
impl Eq for StaticToken {}
impl Hash for StaticToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            StaticRepr::Small(kind, bits) => (kind, bits).hash(state),
            StaticRepr::Dyn(value) => (**value).dyn_hash(state),
        }
    }
}

/// An `f32` compared by its bits, so that it can be a static value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct F32Bits(pub u32);
/// An `f64` compared by its bits, so that it can be a static value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct F64Bits(pub u64);

impl Debug for F32Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f32::from_bits(self.0).fmt(f)
    }
}
impl Debug for F64Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f64::from_bits(self.0).fmt(f)
    }
}
