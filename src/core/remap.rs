//! New positions of what is rearranged: parameters, results, residuals, captured arrays.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::core::work;

/// From keys (old positions, operands, identities of arrays) to positions, in constant time.
#[derive(Debug)]
pub(crate) struct Remap<K> {
    at: FxHashMap<K, usize>,
    len: usize,
}

impl<K: Eq + Hash> Remap<K> {
    /// The position of a key.
    pub(crate) fn get(&self, key: &K) -> Option<usize> {
        work::count(1);
        self.at.get(key).copied()
    }

    /// The position of a key, which comes last if it is new; is it?
    pub(crate) fn insert(&mut self, key: K) -> (usize, bool) {
        work::count(1);
        let position = *self.at.entry(key).or_insert(self.len);
        let new = position == self.len;
        self.len += usize::from(new);
        (position, new)
    }

    /// The position of a key in `keys`, to which it is appended if it is new.
    pub(crate) fn push(&mut self, key: K, keys: &mut Vec<K>) -> usize
    where
        K: Clone,
    {
        let (position, new) = self.insert(key.clone());
        if new {
            keys.push(key);
        }
        position
    }
}

impl<K> Default for Remap<K> {
    fn default() -> Self {
        Remap { at: FxHashMap::default(), len: 0 }
    }
}

/// Positions as they stand; a key that occurs twice has its first.
impl<K: Eq + Hash> FromIterator<K> for Remap<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut remap = Remap::default();
        for key in keys {
            remap.at.entry(key).or_insert(remap.len);
            remap.len += 1;
        }
        remap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_first_position() {
        let remap: Remap<char> = "abac".chars().collect();
        assert_eq!(['a', 'b', 'c', 'd'].map(|c| remap.get(&c)), [Some(0), Some(1), Some(3), None]);
    }

    #[test]
    fn new_keys_come_last() {
        let (mut remap, mut keys) = (Remap::default(), Vec::new());
        let found: Vec<usize> = "abacb".chars().map(|c| remap.push(c, &mut keys)).collect();
        assert_eq!((found, keys), (vec![0, 1, 0, 2, 1], vec!['a', 'b', 'c']));
    }
}
