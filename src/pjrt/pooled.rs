//! [`Pooled`]: an `Arc` whose memory each thread keeps for its next ones.
//!
//! A call with a thousand results makes a thousand handles, and the next call drops them. The allocator has no room for so many blocks in
//! what it keeps at hand, and merges and splits them again each time; what is kept here is bounded too, but fits such calls. A block is a
//! line of the processor's cache, so that asking a handle's count, type, place and buffer is one access to memory.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// A counted reference to a `T`, as `Arc` is. A `T` and the count fit into a line of 64 bytes, or it does not compile.
pub(crate) struct Pooled<T>(NonNull<Block<T>>);

#[repr(C, align(64))]
struct Block<T> {
    count: AtomicUsize,
    value: T,
}

// SAFETY: as `Arc`: handles on several threads give `&T`, and the last one drops the `T` wherever it is.
unsafe impl<T: Send + Sync> Send for Pooled<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Pooled<T> {}

impl<T> Pooled<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        const { assert!(Layout::new::<Block<T>>().size() == BLOCK.size()) };
        let block = take_block().cast::<Block<T>>();
        // SAFETY: the block is ours alone, and has the size and the alignment of a `Block<T>`, as asserted.
        unsafe { block.write(Block { count: AtomicUsize::new(1), value }) };
        Pooled(block)
    }

    /// Is there no other handle? Then there will be none, until this one is cloned.
    #[inline]
    pub(crate) fn is_unique(&self) -> bool {
        // Acquire: what other threads did before they dropped theirs has happened.
        self.block().count.load(Ordering::Acquire) == 1
    }

    /// The same for all clones, and no other's while one of them is there.
    #[inline]
    pub(crate) fn addr(&self) -> usize {
        self.0.as_ptr().addr()
    }

    #[inline]
    fn block(&self) -> &Block<T> {
        // SAFETY: a block that has a handle is alive, and `self` is one.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Clone for Pooled<T> {
    #[inline]
    fn clone(&self) -> Self {
        let before = self.block().count.fetch_add(1, Ordering::Relaxed);
        if before > isize::MAX as usize {
            // Only by handles that were leaked; a count that begins anew would free what is in use.
            std::process::abort();
        }
        Pooled(self.0)
    }
}

impl<T> Deref for Pooled<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.block().value
    }
}

impl<T> Drop for Pooled<T> {
    #[inline]
    fn drop(&mut self) {
        // The only handle needs no atomic subtraction, for nobody else can clone it.
        if !self.is_unique() {
            if self.block().count.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            fence(Ordering::Acquire);
        }
        // SAFETY: this was the last handle, so the value is ours alone, and so is its block once it is dropped.
        unsafe {
            self.0.as_mut().drop_value();
            keep_block(self.0.cast());
        }
    }
}

impl<T> Block<T> {
    /// # Safety
    /// The value is not used again.
    #[inline]
    unsafe fn drop_value(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::drop_in_place(&raw mut self.value) };
    }
}

/// What a block is, whatever is in it.
const BLOCK: Layout = Layout::new::<Block<[u8; 56]>>();
/// As many are kept by each thread: one mebibyte.
const KEPT: usize = (1 << 20) / BLOCK.size();

/// Blocks that nobody uses, each of which begins with the address of the next.
struct Pool {
    first: Cell<*mut Free>,
    count: Cell<usize>,
}

struct Free {
    next: *mut Free,
}

thread_local! {
    static POOL: Pool = const { Pool { first: Cell::new(null_mut()), count: Cell::new(0) } };
}

/// A block that nobody uses, with anything in it.
#[inline]
fn take_block() -> NonNull<u8> {
    match POOL.try_with(Pool::take) {
        Ok(Some(block)) => block,
        // None is kept, or the thread is at its end.
        _ => new_block(),
    }
}

#[cold]
fn new_block() -> NonNull<u8> {
    // SAFETY: the size is not zero.
    match NonNull::new(unsafe { alloc(BLOCK) }) {
        Some(block) => block,
        None => handle_alloc_error(BLOCK),
    }
}

/// # Safety
/// The block is one of [`take_block`]'s that nobody uses.
#[inline]
unsafe fn keep_block(block: NonNull<u8>) {
    // SAFETY: the caller's promise.
    if !POOL.try_with(|pool| unsafe { pool.keep(block) }).unwrap_or(false) {
        // SAFETY: `new_block` made it with this layout, and nobody uses it.
        unsafe { dealloc(block.as_ptr(), BLOCK) };
    }
}

impl Pool {
    #[inline]
    fn take(&self) -> Option<NonNull<u8>> {
        let block = NonNull::new(self.first.get())?;
        // SAFETY: blocks of the list are alive and begin with a `Free`; only this thread knows of them.
        self.first.set(unsafe { block.as_ref() }.next);
        self.count.set(self.count.get() - 1);
        Some(block.cast())
    }

    /// Puts a block into the list, if it is not full.
    ///
    /// # Safety
    /// As [`keep_block`].
    #[inline]
    unsafe fn keep(&self, block: NonNull<u8>) -> bool {
        if self.count.get() >= KEPT {
            return false;
        }
        let block = block.cast::<Free>();
        // SAFETY: the block is ours alone, larger than a `Free` and aligned for it.
        unsafe { block.write(Free { next: self.first.get() }) };
        self.first.set(block.as_ptr());
        self.count.set(self.count.get() + 1);
        true
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        while let Some(block) = self.take() {
            // SAFETY: `new_block` made it with this layout, and nobody uses it.
            unsafe { dealloc(block.as_ptr(), BLOCK) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A value that says how many there are of it.
    struct Counted(Arc<AtomicUsize>);

    impl Counted {
        fn new(alive: &Arc<AtomicUsize>) -> Self {
            alive.fetch_add(1, Ordering::Relaxed);
            Counted(alive.clone())
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_value_lives_as_long_as_its_last_handle() {
        let alive = Arc::new(AtomicUsize::new(0));
        let first = Pooled::new(Counted::new(&alive));
        assert!(first.is_unique() && first.addr().is_multiple_of(64));
        let second = first.clone();
        assert!(!first.is_unique() && first.addr() == second.addr());
        drop(first);
        assert!(second.is_unique());
        assert_eq!(alive.load(Ordering::Relaxed), 1);
        drop(second);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_block_is_used_again_by_the_thread_that_freed_it() {
        let first = Pooled::new(1u64);
        let addr = first.addr();
        drop(first);
        let second = Pooled::new(2u32);
        assert_eq!((second.addr(), *second), (addr, 2));
        let many: Vec<_> = (0..2 * KEPT).map(Pooled::new).collect();
        drop(many);
        assert_eq!(POOL.with(|pool| pool.count.get()), KEPT);
    }

    #[test]
    fn handles_may_be_cloned_and_dropped_on_any_thread() {
        let alive = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let shared = Pooled::new(Counted::new(&alive));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    let mine = shared.clone();
                    scope.spawn(move || (0..100).for_each(|_| drop(mine.clone())));
                }
                drop(shared);
            });
            assert_eq!(alive.load(Ordering::Relaxed), 0);
        }
    }
}
