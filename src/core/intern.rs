//! Values of which there is one each, so that copying, comparing and hashing one is a matter of its address.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

/// The values of one type. They are never freed: a program has few names, devices, settings and types of arrays, and each that
/// it met once it tends to meet again.
pub(crate) struct Interner<T: 'static>(Mutex<HashTable<&'static T>>);

impl<T: Eq + Hash> Interner<T> {
    pub(crate) const fn new() -> Self {
        Interner(Mutex::new(HashTable::new()))
    }

    /// The one that equals `value`. Takes a lock, so it is not for a call that is cached.
    pub(crate) fn intern<Q>(&self, value: &Q) -> Interned<T>
    where
        T: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = T> + ?Sized,
    {
        let hash = |value: &Q| FxBuildHasher.hash_one(value);
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = table.entry(
            hash(value),
            |known| Borrow::<Q>::borrow(*known) == value,
            |known| hash(Borrow::<Q>::borrow(*known)),
        );
        Interned(entry.or_insert_with(|| Box::leak(Box::new(value.to_owned()))).get())
    }
}

/// One of the values of an [`Interner`].
pub(crate) struct Interned<T: 'static>(&'static T);

impl<T> Interned<T> {
    /// The value.
    #[inline]
    pub(crate) fn get(self) -> &'static T {
        self.0
    }
}

impl<T> Clone for Interned<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Interned<T> {}

impl<T> Deref for Interned<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.0
    }
}

impl<T> PartialEq for Interned<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl<T> Eq for Interned<T> {}

impl<T> Hash for Interned<T> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(std::ptr::from_ref(self.0).addr());
    }
}

impl<T: fmt::Debug> fmt::Debug for Interned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        static WORDS: Interner<String> = Interner::new();
        let (a, b) = (WORDS.intern("a"), WORDS.intern("b"));
        assert!(a == WORDS.intern("a") && a != b);
        assert_eq!(
            (a.as_str(), std::ptr::from_ref(a.get())),
            ("a", std::ptr::from_ref(WORDS.intern("a").get()))
        );
        for i in 0..1000 {
            assert_eq!(*WORDS.intern(i.to_string().as_str()), i.to_string());
        }
        assert!(WORDS.intern("b") == b);
    }
}
