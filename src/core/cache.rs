//! Caches: bounded, the least recently used goes first, and [`clear_caches`] empties all of them. JAX: `jax._src.util.cache`,
//! `jax.clear_caches`.
//!
//! Errors are not kept: what failed, for lack of memory perhaps, is tried again. See [`Once`].

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::error::Result;

/// Values by hash. Looking one up takes a lock that readers share.
pub(crate) struct Cache<T>(Arc<Shared<T>>);

struct Shared<T> {
    limit: usize,
    /// Counts uses, to tell which is the oldest.
    clock: AtomicU64,
    table: RwLock<HashTable<Slot<T>>>,
}

struct Slot<T> {
    hash: u64,
    used: AtomicU64,
    value: T,
}

/// What [`clear_caches`] knows of a cache.
pub(crate) trait Clear: Send + Sync {
    fn clear(&self);
}

static CACHES: Mutex<Vec<Weak<dyn Clear>>> = Mutex::new(Vec::new());

/// Empties every cache: of compiled operations, of jitted functions, of their traces and of scalars on devices, on all threads.
/// JAX: `jax.clear_caches`.
pub fn clear_caches() {
    let caches: Vec<_> =
        CACHES.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
    // Not under the lock: what is dropped may have caches.
    caches.iter().for_each(|cache| cache.clear());
}

/// Has [`clear_caches`] clear `cache` too, as long as it is there.
pub(crate) fn register<T: Clear + 'static>(cache: &Arc<T>) {
    let weak: Weak<T> = Arc::downgrade(cache);
    let mut caches = CACHES.lock().unwrap_or_else(PoisonError::into_inner);
    // Each time that the list would grow, those that are gone leave it.
    if caches.len() == caches.capacity() {
        caches.retain(|cache| cache.strong_count() > 0);
    }
    caches.push(weak);
}

impl<T: Clone + Send + Sync + 'static> Cache<T> {
    /// For at most `limit` values.
    pub(crate) fn new(limit: usize) -> Self {
        let (clock, table) = (AtomicU64::new(0), RwLock::new(HashTable::new()));
        let shared = Arc::new(Shared { limit, clock, table });
        register(&shared);
        Cache(shared)
    }

    /// The value with this hash that `is` the one.
    pub(crate) fn find(&self, hash: u64, is: &dyn Fn(&T) -> bool) -> Option<T> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        let slot = table.find(hash, |slot| slot.hash == hash && is(&slot.value))?;
        slot.used.store(self.0.tick(), Ordering::Relaxed);
        Some(slot.value.clone())
    }

    /// Keeps `value`, unless another thread was faster: then its value is the one. Gives what is kept.
    pub(crate) fn insert(&self, hash: u64, value: T, is: &dyn Fn(&T) -> bool) -> T {
        let dropped;
        let kept = {
            let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = table.find(hash, |slot| slot.hash == hash && is(&slot.value)) {
                return slot.value.clone();
            }
            dropped = if table.len() >= self.0.limit { self.0.evict(&mut table) } else { Vec::new() };
            let slot = Slot { hash, used: AtomicU64::new(self.0.tick()), value: value.clone() };
            table.insert_unique(hash, slot, |slot| slot.hash);
            value
        };
        // Not under the lock: what is dropped may have caches.
        drop(dropped);
        kept
    }

    /// Takes out the value with this hash that `is` the one.
    pub(crate) fn remove(&self, hash: u64, is: &dyn Fn(&T) -> bool) -> Option<T> {
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        let entry = table.find_entry(hash, |slot| slot.hash == hash && is(&slot.value)).ok()?;
        Some(entry.remove().0.value)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn clear(&self) {
        self.0.clear();
    }

    /// Every value, in no order.
    pub(crate) fn values(&self) -> Vec<T> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        table.iter().map(|slot| slot.value.clone()).collect()
    }
}

impl<T> Shared<T> {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes out the eighth that was not used for longest, so that this is rare.
    fn evict(&self, table: &mut HashTable<Slot<T>>) -> Vec<Slot<T>> {
        let mut used: Vec<u64> = table.iter().map(|slot| slot.used.load(Ordering::Relaxed)).collect();
        let last = (self.limit / 8).min(used.len().saturating_sub(1));
        let (_, last, _) = used.select_nth_unstable(last);
        let last = *last;
        table.extract_if(|slot| slot.used.load(Ordering::Relaxed) <= last).collect()
    }
}

impl<T: Send + Sync> Clear for Shared<T> {
    fn clear(&self) {
        let old = std::mem::take(&mut *self.table.write().unwrap_or_else(PoisonError::into_inner));
        drop(old);
    }
}

/// A [`Cache`] of values by key.
pub(crate) struct Map<K, V>(Cache<Arc<(K, V)>>);

impl<K, V> Map<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// For at most `limit` values.
    pub(crate) fn new(limit: usize) -> Self {
        Map(Cache::new(limit))
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.0.find(FxBuildHasher.hash_one(key), &|pair| pair.0 == *key).map(|pair| pair.1.clone())
    }

    /// Keeps `value`, in place of another for the same key.
    pub(crate) fn put(&self, key: K, value: V) {
        let hash = FxBuildHasher.hash_one(&key);
        self.0.remove(hash, &|pair| pair.0 == key);
        self.0.insert(hash, Arc::new((key, value)), &|_| false);
    }

    /// The value for `key`, which `make` gives if there is none.
    pub(crate) fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> V {
        let hash = FxBuildHasher.hash_one(&key);
        if let Some(found) = self.0.find(hash, &|pair| pair.0 == key) {
            return found.1.clone();
        }
        let pair = Arc::new((key, make()));
        self.0.insert(hash, pair.clone(), &|other| other.0 == pair.0).1.clone()
    }

    pub(crate) fn clear(&self) {
        self.0.clear();
    }

    /// Every key and value, in no order.
    pub(crate) fn pairs(&self) -> Vec<Arc<(K, V)>> {
        self.0.values()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A value that the first thread to need it makes, while others wait for it alone. If making it fails, the next tries again.
pub(crate) struct Once<T> {
    value: OnceLock<T>,
    making: Mutex<()>,
}

impl<T> Once<T> {
    pub(crate) const fn new() -> Self {
        Once { value: OnceLock::new(), making: Mutex::new(()) }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.get()
    }

    pub(crate) fn get_or_try_init(&self, make: impl FnOnce() -> Result<T>) -> Result<&T> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let made = make()?;
        Ok(self.value.get_or_init(|| made))
    }
}

/// Counts what many threads do often, each in a place of its own so that they don't wait for each other. The places are made
/// when there is something to count.
#[derive(Default)]
pub(crate) struct Counter(OnceLock<Box<[Place; 8]>>);

#[derive(Default)]
#[repr(align(128))]
struct Place(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static PLACE: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        let places = self.0.get_or_init(Box::default);
        places[PLACE.with(|place| *place) % places.len()].0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0
            .get()
            .into_iter()
            .flat_map(|places| places.iter())
            .map(|place| place.0.load(Ordering::Relaxed))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::bail;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Map::new(16);
        for i in 0..1000 {
            cache.put(i, i);
            assert_eq!(cache.get(&0), Some(0), "used each time, lost after {i}");
            assert!(cache.len() <= 16);
        }
        assert_eq!((cache.get(&999), cache.get(&1)), (Some(999), None));
        let recent = (985..1000).filter(|i| cache.get(i).is_some()).count();
        assert!(recent >= 13, "{recent}");
    }

    #[test]
    fn the_first_value_for_a_key_stays_and_put_replaces_it() {
        let cache = Map::new(8);
        assert_eq!(cache.get_or_insert_with("a", || 1), 1);
        assert_eq!(cache.get_or_insert_with("a", || 2), 1);
        cache.put("a", 3);
        assert_eq!((cache.get(&"a"), cache.len()), (Some(3), 1));
        let tiny = Map::new(1);
        (0..3).for_each(|i| tiny.put(i, i));
        assert_eq!((tiny.len(), tiny.get(&2)), (1, Some(2)));
    }

    #[test]
    fn caches_that_are_gone_are_forgotten() {
        (0..10_000).for_each(|_| drop(Cache::<u8>::new(1)));
        assert!(CACHES.lock().unwrap().len() < 5000);
    }

    #[test]
    fn what_failed_is_tried_again_and_what_was_made_is_not() {
        let once = Once::new();
        let fail = || -> Result<u8> { bail!(Runtime, "out of memory") };
        assert!(once.get_or_try_init(fail).is_err() && once.get().is_none());
        assert_eq!(*once.get_or_try_init(|| Ok(1)).unwrap(), 1);
        assert_eq!(*once.get_or_try_init(fail).unwrap(), 1);
        let (once, made) = (Once::new(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| once.get_or_try_init(|| Ok(made.fetch_add(1, Ordering::Relaxed))).unwrap());
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}
