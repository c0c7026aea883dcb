//! [`CompilerOptions`], what a user says to the compiler. JAX: `compiler_options`.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A value for one of XLA's debug options. Numbers compare by their bits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OptionOverride {
    /// Text, or the name of an enum's value.
    String(String),
    /// A flag.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Double(f64),
}

impl OptionOverride {
    /// What it compares and hashes by.
    fn key(&self) -> (Option<&str>, Option<bool>, Option<i64>, Option<u64>) {
        match self {
            OptionOverride::String(x) => (Some(x), None, None, None),
            OptionOverride::Bool(x) => (None, Some(*x), None, None),
            OptionOverride::Int(x) => (None, None, Some(*x), None),
            OptionOverride::Double(x) => (None, None, None, Some(x.to_bits())),
        }
    }
}

impl PartialEq for OptionOverride {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for OptionOverride {}

impl Hash for OptionOverride {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// As Python prints it.
impl fmt::Display for OptionOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionOverride::String(x) => write!(f, "'{x}'"),
            OptionOverride::Bool(true) => f.write_str("True"),
            OptionOverride::Bool(false) => f.write_str("False"),
            OptionOverride::Int(x) => write!(f, "{x}"),
            OptionOverride::Double(x) => write!(f, "{x:?}"),
        }
    }
}

impl From<&str> for OptionOverride {
    fn from(x: &str) -> Self {
        OptionOverride::String(x.into())
    }
}
impl From<String> for OptionOverride {
    fn from(x: String) -> Self {
        OptionOverride::String(x)
    }
}
impl From<bool> for OptionOverride {
    fn from(x: bool) -> Self {
        OptionOverride::Bool(x)
    }
}
impl From<i32> for OptionOverride {
    fn from(x: i32) -> Self {
        OptionOverride::Int(x.into())
    }
}
impl From<i64> for OptionOverride {
    fn from(x: i64) -> Self {
        OptionOverride::Int(x)
    }
}
impl From<f64> for OptionOverride {
    fn from(x: f64) -> Self {
        OptionOverride::Double(x)
    }
}

/// XLA's debug options by name (`xla_…`). JAX: `compiler_options`.
///
/// ```
/// use raxla::pjrt::CompilerOptions;
///
/// let options = CompilerOptions::new().set("xla_embed_ir_in_executable", true).set("xla_backend_optimization_level", 1);
/// assert_eq!(options.len(), 2);
/// assert_eq!(CompilerOptions::from([("xla_backend_optimization_level", 1)]).len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CompilerOptions(pub(super) BTreeMap<String, OptionOverride>);

impl CompilerOptions {
    /// None is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this value for one of them: `true`, `1`, `0.5`, or the name of an enum's value. A plugin whose XLA does not know the name, or takes no
    /// such value, refuses to compile.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<OptionOverride>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is none set?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These, and those of `other`, whose values count where both have one.
    pub(crate) fn with(&self, other: &CompilerOptions) -> Self {
        let mut all = self.clone();
        all.0.extend(other.0.clone());
        all
    }
}

impl<K: Into<String>, V: Into<OptionOverride>, const N: usize> From<[(K, V); N]> for CompilerOptions {
    fn from(options: [(K, V); N]) -> Self {
        CompilerOptions(options.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// As Python prints the dict.
impl fmt::Display for CompilerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<String> = self.0.iter().map(|(name, value)| format!("'{name}': {value}")).collect();
        write!(f, "{{{}}}", entries.join(", "))
    }
}
