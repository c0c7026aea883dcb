//! What a CPU client computes on its own threads while the program goes on.
//!
//! A process that ends must wait for it: destructors of C++ would take away what a kernel on another thread is using. What is
//! in flight is asked of the results, which costs a twentieth of a small program's call; so the habit of each program is learnt,
//! and those that are always done when their call returns are not asked again while nothing else is in flight.

use super::at_exit::{at_exit, before_destructors};
use super::buffer::ready_event;
use super::event::RawEvent;
use super::{Client, sys};
use crate::error::Result;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// A run that was not done when its call returned.
struct Run {
    event: RawEvent,
    /// The client's address, which tells whose run it is. The client is not counted: it may be dropped meanwhile, and takes its
    /// runs out first.
    client: NonNull<sys::PJRT_Client>,
    /// The first of its program.
    first: bool,
}

// SAFETY: the event may be sent, and the client is an address only.
unsafe impl Send for Run {}

/// The oldest first.
static RUNS: Mutex<Vec<Run>> = Mutex::new(Vec::new());
/// Whether `RUNS` may hold something: what everybody reads, and few write.
static ANY: AtomicBool = AtomicBool::new(false);

/// Whether a program has always been done when its call returned.
#[derive(Default)]
pub(super) struct Habit(AtomicU8);

impl Habit {
    /// So many calls, with nothing else in flight, tell that it always is.
    const PROMPT: u8 = 8;
    const SLOW: u8 = u8::MAX;

    /// Must a call's results be asked whether they are there?
    #[inline(always)]
    pub(super) fn is_to_be_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != Self::PROMPT || ANY.load(Ordering::Relaxed)
    }

    /// Notes a run of `client`, of which `output` is a result.
    #[cold]
    pub(super) fn note(&self, client: &Client, output: NonNull<sys::PJRT_Buffer>) -> Result<()> {
        // SAFETY: the caller has just been given the output, and a client that is dropped takes its runs out first. Should another
        // thread destroy it while the process ends and waits, the event is an object of its own.
        let event = unsafe { ready_event(client.plugin(), output) }?;
        let mut run = Run { event, client: client.inner().raw(), first: false };
        let alone = !ANY.load(Ordering::Relaxed);
        let calls = self.0.load(Ordering::Relaxed);
        if run.is_done() {
            // Of two threads that note a run at once one may be forgotten, and the habit takes a call more to learn.
            if alone && calls < Self::PROMPT {
                self.0.store(calls + 1, Ordering::Relaxed);
            }
            if !alone {
                forget_done(&mut RUNS.lock().unwrap_or_else(PoisonError::into_inner));
            }
            return Ok(());
        }
        if alone {
            run.first = self.0.swap(Self::SLOW, Ordering::Relaxed) != Self::SLOW;
        }
        static WAIT: Once = Once::new();
        WAIT.call_once(|| at_exit(wait));
        let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        forget_done(&mut runs);
        runs.push(run);
        ANY.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Run {
    /// Done, or failed.
    fn is_done(&self) -> bool {
        self.event.is_ready().unwrap_or(true)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.first {
            // What the program's kernels keep for the next run is there now.
            before_destructors();
        }
    }
}

/// XLA lets so few programs be in flight on a device that asking all of them is short work.
fn forget_done(runs: &mut Vec<Run>) {
    runs.retain(|run| !run.is_done());
    ANY.store(!runs.is_empty(), Ordering::Relaxed);
}

/// Before `client` is destroyed, which waits for its threads.
pub(super) fn forget(client: NonNull<sys::PJRT_Client>) {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner).retain(|run| run.client != client);
}

/// Waits for what is in flight now.
fn wait() {
    let runs = std::mem::take(&mut *RUNS.lock().unwrap_or_else(PoisonError::into_inner));
    for run in runs {
        // The run's error is that of its results.
        let _ = run.event.wait();
    }
}
