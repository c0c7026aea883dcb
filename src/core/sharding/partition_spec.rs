//! Along which axes of a mesh an array is cut. JAX: `jax.sharding.PartitionSpec`, `jax.P`.

use std::fmt;

use smallvec::SmallVec;

use crate::core::axis::{AxisName, AxisNames};

/// For each axis of an array, along which axes of a mesh it is cut: what [`P!`](crate::P!) makes. Axes of the array behind the last
/// entry are whole. It prints as in JAX.
///
/// ```
/// use raxla::P;
///
/// assert_eq!(P!["data", None].to_string(), "P('data', None)");
/// assert_eq!(P![("x", "y")].to_string(), "P(('x', 'y'),)");
/// assert_eq!(P![P::UNCONSTRAINED, "x"].to_string(), "P(UNCONSTRAINED, 'x')");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PartitionSpec(SmallVec<[PartitionEntry; 2]>);

impl PartitionSpec {
    /// An entry of an axis that [`with_sharding_constraint`](crate::lax::with_sharding_constraint) says nothing about.
    pub const UNCONSTRAINED: PartitionEntry = PartitionEntry(None);

    /// One entry for each axis of the array: for lists that are made while the program runs. Else see [`P!`](crate::P!).
    pub fn new(entries: impl IntoIterator<Item = PartitionEntry>) -> Self {
        PartitionSpec(entries.into_iter().collect())
    }

    /// The entries.
    pub fn entries(&self) -> &[PartitionEntry] {
        &self.0
    }

    /// Without what says nothing: whole axes at the end.
    pub(super) fn trimmed(mut self) -> Self {
        while self.0.last().is_some_and(|entry| entry.0.as_ref().is_some_and(|names| names.is_empty())) {
            self.0.pop();
        }
        self
    }

    /// The same for arrays with one more axis, at this position.
    pub(super) fn with_entry(&self, axis: usize, entry: PartitionEntry) -> Self {
        let mut entries = self.0.clone();
        while entries.len() < axis {
            entries.push(AxisNames::default().into());
        }
        entries.insert(axis, entry);
        PartitionSpec(entries)
    }
}

impl From<&PartitionSpec> for PartitionSpec {
    fn from(spec: &PartitionSpec) -> Self {
        spec.clone()
    }
}

/// Along which axes of a mesh one axis of an array is cut: a name, a tuple of names of which the first is the slowest to change,
/// or `None`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionEntry(Option<AxisNames>);

impl PartitionEntry {
    /// The axes of the mesh; `None` if nothing is said.
    pub fn axis_names(&self) -> Option<&[AxisName]> {
        self.0.as_deref()
    }
}

// `None` is an entry because this is the one `Option`.
impl From<Option<&str>> for PartitionEntry {
    fn from(name: Option<&str>) -> Self {
        PartitionEntry(Some(name.map(AxisNames::from).unwrap_or_default()))
    }
}

macro_rules! from_names {
    ($([$($parameter:tt)*] $t:ty;)*) => {$(
        impl<$($parameter)*> From<$t> for PartitionEntry {
            fn from(names: $t) -> Self {
                PartitionEntry(Some(names.into()))
            }
        }
    )*};
}
from_names! {
    [] &str;
    [] String;
    [] AxisName;
    [] AxisNames;
    [] ();
    [A: Into<AxisName>] (A,);
    [A: Into<AxisName>, B: Into<AxisName>] (A, B);
    [A: Into<AxisName>, B: Into<AxisName>, C: Into<AxisName>] (A, B, C);
    [A: Into<AxisName>, const N: usize] [A; N];
    [A: Into<AxisName>] Vec<A>;
}

/// As JAX: `P('x', None, ('y', 'z'))`, `P('x',)`.
impl fmt::Display for PartitionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P(")?;
        for (i, entry) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            match entry.axis_names() {
                None => f.write_str("UNCONSTRAINED")?,
                Some([]) => f.write_str("None")?,
                Some([name]) => write!(f, "'{name}'")?,
                Some(names) => names.iter().copied().collect::<AxisNames>().fmt(f)?,
            }
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}

/// A [`PartitionSpec`](crate::sharding::PartitionSpec): `P!["data", None, ("x", "y")]`. JAX: `jax.P`.
///
/// An entry for each axis of an array is the name of an axis of a mesh, several names, or `None` for an axis that is whole. Axes
/// behind the last entry are whole: `P![]` is a copy on each device.
///
/// ```
/// use raxla::{P, sharding::PartitionSpec};
///
/// let model = String::from("model");
/// assert_eq!(P!["data", None, model].to_string(), "P('data', None, 'model')");
/// assert_eq!(P![], PartitionSpec::default());
/// ```
#[macro_export]
macro_rules! P {
    ($($entry:expr),* $(,)?) => {
        $crate::sharding::PartitionSpec::new([$($crate::sharding::PartitionEntry::from($entry)),*])
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_written_in_every_form() {
        let names = vec!["x".to_owned(), "y".to_owned()];
        let spec = P![None, "x", ("x",), ["x", "y"], names, (), AxisName::from("z"), ("a", "b", "c")];
        assert_eq!(spec.to_string(), "P(None, 'x', 'x', ('x', 'y'), ('x', 'y'), None, 'z', ('a', 'b', 'c'))");
        assert_eq!(P![].to_string(), "P()");
        assert_eq!(P![(), "x", None, None].trimmed(), P![None, "x"]);
        let free = PartitionSpec::UNCONSTRAINED;
        assert_eq!(P!["x"].with_entry(2, free.clone()), P!["x", None, free.clone()]);
        assert_eq!(P!["x"].with_entry(0, free.clone()), P![free, "x"]);
    }
}
