//! Names of axes, which `vmap` binds and collectives refer to. JAX: `core.AxisName`.

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::core::intern::{Interned, Interner};

/// The name of an axis. It is interned, so that it copies and compares as an address does; any string can be one.
///
/// ```
/// use raxla::lax::AxisName;
///
/// let layer = 3;
/// assert_eq!(AxisName::from(format!("layer{layer}")), AxisName::from("layer3"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AxisName(Interned<String>);

impl AxisName {
    /// The name as text.
    pub fn as_str(self) -> &'static str {
        self.0.get()
    }

    /// A number that no other name has.
    pub(crate) fn id(self) -> usize {
        std::ptr::from_ref(self.0.get()).addr()
    }
}

impl From<&str> for AxisName {
    fn from(name: &str) -> Self {
        static NAMES: Interner<String> = Interner::new();
        AxisName(NAMES.intern(name))
    }
}
impl From<String> for AxisName {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}
impl From<&String> for AxisName {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}
impl From<&&str> for AxisName {
    fn from(name: &&str) -> Self {
        (*name).into()
    }
}
impl From<&AxisName> for AxisName {
    fn from(name: &AxisName) -> Self {
        *name
    }
}

impl fmt::Display for AxisName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for AxisName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// One axis name or several, the first of which is the slowest to change: `"i"`, `("i", "j")`, `["i", "j"]`, a slice, a `Vec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AxisNames(SmallVec<[AxisName; 2]>);

impl AxisNames {
    /// The same, of which there is one. Takes a lock.
    pub(crate) fn interned(&self) -> &'static AxisNames {
        static LISTS: Interner<AxisNames> = Interner::new();
        LISTS.intern(self).get()
    }
}

impl Deref for AxisNames {
    type Target = [AxisName];
    fn deref(&self) -> &[AxisName] {
        &self.0
    }
}

impl FromIterator<AxisName> for AxisNames {
    fn from_iter<I: IntoIterator<Item = AxisName>>(names: I) -> Self {
        AxisNames(names.into_iter().collect())
    }
}

/// As Python writes a tuple: `('i',)`.
impl fmt::Display for AxisNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, name) in self.0.iter().enumerate() {
            write!(f, "{}'{name}'", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}

macro_rules! one_name {
    ($($t:ty)*) => {$(
        impl From<$t> for AxisNames {
            fn from(name: $t) -> Self {
                AxisNames(smallvec::smallvec![name.into()])
            }
        }
    )*};
}
one_name!(&str &&str String &String AxisName &AxisName);

macro_rules! several_names {
    ($($name:ident)*) => {
        impl<$($name: Into<AxisName>),*> From<($($name,)*)> for AxisNames {
            #[allow(non_snake_case, reason = "the types' names serve for the values")]
            fn from(($($name,)*): ($($name,)*)) -> Self {
                AxisNames(SmallVec::from_iter([$($name.into()),*] as [AxisName; _]))
            }
        }
    };
}
several_names!();
several_names!(A);
several_names!(A B);
several_names!(A B C);
several_names!(A B C D);

impl<T: Into<AxisName>, const N: usize> From<[T; N]> for AxisNames {
    fn from(names: [T; N]) -> Self {
        names.into_iter().map(Into::into).collect()
    }
}
impl<T: Into<AxisName> + Clone, const N: usize> From<&[T; N]> for AxisNames {
    fn from(names: &[T; N]) -> Self {
        names.as_slice().into()
    }
}
impl<T: Into<AxisName> + Clone> From<&[T]> for AxisNames {
    fn from(names: &[T]) -> Self {
        names.iter().cloned().map(Into::into).collect()
    }
}
impl<T: Into<AxisName>> From<Vec<T>> for AxisNames {
    fn from(names: Vec<T>) -> Self {
        names.into_iter().map(Into::into).collect()
    }
}
impl From<&AxisNames> for AxisNames {
    fn from(names: &AxisNames) -> Self {
        names.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_every_form() {
        let names = |names: AxisNames| names.to_string();
        assert_eq!(names("i".into()), "('i',)");
        assert_eq!(names(String::from("i").into()), "('i',)");
        let both = "('i', 'j')";
        assert_eq!(names(("i", String::from("j")).into()), both);
        assert_eq!(names(["i", "j"].into()), both);
        assert_eq!(names((&["i", "j"]).into()), both);
        assert_eq!(names(vec!["i".to_owned(), "j".to_owned()].into()), both);
        assert_eq!(names([AxisName::from("i"), "j".into()].as_slice().into()), both);
        assert_eq!(names(().into()), "()");
    }

    #[test]
    fn equal_names_are_one() {
        let i = AxisName::from("i");
        assert!(i == AxisName::from(String::from("i")) && i.id() == AxisName::from("i").id());
        assert!(i != AxisName::from("j") && i.id() != AxisName::from("j").id());
    }
}
