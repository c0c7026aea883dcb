//! Where the user called a transformed function.
//!
//! `fast(x)` goes through a `dyn Fn`, and `#[track_caller]` does not reach through one. But the call first dereferences
//! `fast`, and that is an ordinary method, called at the user's line. It notes the line for this thread, and the
//! function behind the `dyn Fn` takes it. The arguments are evaluated in between, and may call other transformed
//! functions (or this one), so the notes form a stack. Someone who takes the reference without calling it leaves a note
//! behind, so the stack is short and forgets its oldest.

use std::cell::Cell;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells one [`Call`](super::Call) from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallKey(u64);

impl CallKey {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        CallKey(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

const DEPTH: usize = 8;
type Note = Option<(CallKey, &'static Location<'static>)>;

thread_local! {
    static NOTES: [Cell<Note>; DEPTH] = const { [const { Cell::new(None) }; DEPTH] };
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

/// `key` is about to be called at `location`.
#[inline]
pub(super) fn note(key: CallKey, location: &'static Location<'static>) {
    let next = NEXT.get();
    NOTES.with(|notes| notes[next % DEPTH].set(Some((key, location))));
    NEXT.set(next.wrapping_add(1));
}

/// Where `key`, which is being called, was called. Forgets the notes made since, which no call took.
#[inline]
pub(super) fn take(key: CallKey) -> Option<&'static Location<'static>> {
    let next = NEXT.get();
    NOTES.with(|notes| {
        for back in 1..=DEPTH {
            let at = next.wrapping_sub(back);
            match notes[at % DEPTH].get() {
                Some((noted, location)) if noted == key => {
                    notes[at % DEPTH].set(None);
                    NEXT.set(at);
                    return Some(location);
                }
                _ => {}
            }
        }
        None
    })
}
