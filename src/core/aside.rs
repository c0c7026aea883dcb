//! What few arrays have besides their buffers: it is in a table, so that each array has room for no more than a number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::core::key_uses::KeyState;
use crate::core::sharding::HostCopies;
use crate::error::Result;

/// The number of an array's entry in the table; 0 if it has none.
#[derive(Default)]
pub(crate) struct Aside(AtomicU64);

#[derive(Default)]
struct Entry {
    keys: Option<KeyState>,
    host: Option<Arc<HostCopy>>,
}

/// The elements of an array on the host, or on their way there. JAX: `ArrayImpl._npy_value`.
pub(crate) struct HostCopy(Mutex<Progress>);

enum Progress {
    UnderWay(HostCopies),
    Done(Result<Arc<Vec<u8>>>),
}

/// By numbers, which are not used again.
static ENTRIES: Mutex<Option<FxHashMap<u64, Entry>>> = Mutex::new(None);
static NUMBERS: AtomicU64 = AtomicU64::new(0);

fn entries() -> MutexGuard<'static, Option<FxHashMap<u64, Entry>>> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Aside {
    /// What is remembered of the array's keys, if it is known to be keys.
    pub(crate) fn keys(&self) -> Option<KeyState> {
        self.get(|entry| entry.keys.clone())
    }

    /// The same, which says from now on that these are keys.
    pub(crate) fn keys_or_new(&self) -> KeyState {
        self.get_or_make(|entry| entry.keys.get_or_insert_default().clone())
    }

    /// The elements on the host, if they were asked for.
    #[inline]
    pub(crate) fn host_copy(&self) -> Option<Arc<HostCopy>> {
        self.get(|entry| entry.host.clone())
    }

    /// Keeps the elements, unless some are kept.
    pub(crate) fn keep_host_copy(&self, copies: HostCopies) {
        let copy = Arc::new(HostCopy(Mutex::new(Progress::UnderWay(copies))));
        // Another thread's is dropped without the lock.
        let _other = self.get_or_make(|entry| match &entry.host {
            None => entry.host.replace(copy),
            Some(_) => Some(copy),
        });
    }

    #[inline]
    fn get<T>(&self, f: impl FnOnce(&Entry) -> Option<T>) -> Option<T> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            number => entries().as_ref().and_then(|entries| f(entries.get(&number)?)),
        }
    }

    fn get_or_make<T>(&self, f: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = entries();
        // It changes under the lock alone.
        let mut number = self.0.load(Ordering::Relaxed);
        if number == 0 {
            number = NUMBERS.fetch_add(1, Ordering::Relaxed) + 1;
            self.0.store(number, Ordering::Relaxed);
        }
        f(entries.get_or_insert_default().entry(number).or_default())
    }
}

impl Drop for Aside {
    #[inline]
    fn drop(&mut self) {
        let number = *self.0.get_mut();
        if number != 0 {
            forget(number);
        }
    }
}

#[cold]
fn forget(number: u64) {
    let entry = entries().as_mut().and_then(|entries| entries.remove(&number));
    drop(entry);
}

impl HostCopy {
    /// The elements in row-major order. Waits for them.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let bytes = self.finished()?;
        Ok(bytes.to_vec())
    }

    fn finished(&self) -> Result<Arc<Vec<u8>>> {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *progress {
            Progress::Done(bytes) => bytes.clone(),
            Progress::UnderWay(copies) => {
                let bytes = copies.finish().map(Arc::new);
                *progress = Progress::Done(bytes.clone());
                bytes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::DType;
    use crate::core::array::{Array, Placement, Repr};
    use crate::core::aval::ShapedArray;
    use crate::core::sharding::{Sharding, Shards};

    #[test]
    fn a_copy_begins_before_the_elements_are_there() {
        let sharding = Sharding::of_default_device().unwrap();
        let memory = sharding.device().default_memory().unwrap();
        let manager = sharding.client().async_transfer_manager(&[(DType::U8, &[2, 1])], &memory).unwrap();
        let shards = Shards::from_buf([manager.retrieve_buffer(0).unwrap()]);
        let aval = ShapedArray::new(DType::U8, &[2, 1]);
        let x = Array::on_device(shards, aval, Placement { sharding, committed: false });
        x.copy_to_host_async().unwrap();
        assert!(!x.is_ready().unwrap());
        std::thread::scope(|scope| {
            let reads: Vec<_> = (0..3).map(|_| scope.spawn(|| x.clone().to_vec::<u8>().unwrap())).collect();
            manager.transfer(0, vec![3, 4], 0, true).unwrap().wait().unwrap();
            for read in reads {
                assert_eq!(read.join().unwrap(), [3, 4]);
            }
        });
    }

    #[test]
    fn what_is_beside_an_array_goes_with_its_last_clone() {
        let x = Array::from([1.0f32, 2.0]);
        let y = x.clone();
        let number = |x: &Array| match &x.0 {
            Repr::Device(x) => x.aside.0.load(super::Ordering::Relaxed),
            _ => 0,
        };
        assert_eq!(number(&x), 0);
        x.copy_to_host_async().unwrap().copy_to_host_async().unwrap();
        let number = number(&y);
        let is_there = || super::entries().as_ref().is_some_and(|entries| entries.contains_key(&number));
        assert!(number != 0 && is_there());
        drop(x);
        assert!(is_there());
        assert_eq!(y.to_vec::<f32>().unwrap(), [1.0, 2.0]);
        drop(y);
        assert!(!is_there());
    }
}
