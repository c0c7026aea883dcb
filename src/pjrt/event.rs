//! [`Event`]: the completion of enqueued work, to be waited for or awaited.

use super::api::args;
use super::{Client, Plugin, sys};
use crate::error::{ErrorKind, Result, err};
use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// The completion of enqueued work, with its error. [`wait`](Event::wait) blocks; `.await` works in any executor.
///
/// Dropping an event does not cancel the work.
pub struct Event {
    /// Declared before the client, dropped before it.
    raw: RawEvent,
    client: Client,
    /// Set by the first `poll`; shared with the plugin's callback, which may outlive the event.
    shared: Option<Arc<Mutex<Shared>>>,
}

#[derive(Default)]
struct Shared {
    result: Option<Result<()>>,
    waker: Option<Waker>,
}

// SAFETY: the PJRT C API lets any thread use an event, several at once.
unsafe impl Send for Event {}
// SAFETY: as above; the only state of its own changes through `&mut`.
unsafe impl Sync for Event {}

/// An [`Event`] whose client somebody else keeps alive.
pub(super) struct RawEvent {
    plugin: Plugin,
    raw: NonNull<sys::PJRT_Event>,
}

// SAFETY: the PJRT C API lets any thread use an event, several at once.
unsafe impl Send for RawEvent {}
// SAFETY: as above; it has no state of its own.
unsafe impl Sync for RawEvent {}

impl Drop for RawEvent {
    fn drop(&mut self) {
        let mut a = args::<sys::PJRT_Event_Destroy_Args>();
        a.event = self.raw.as_ptr();
        // SAFETY: `self` owns the event and is its last user; callbacks registered on it own what they touch. The
        // client is alive, by the promise of `new`. An error cannot be reported from here.
        let _ = unsafe { call!(self.plugin, Runtime, PJRT_Event_Destroy, a) };
    }
}

impl RawEvent {
    /// # Safety
    /// `raw` is an event of a client of `plugin` that nobody else owns, and the client lives until the event is dropped.
    pub(super) unsafe fn new(plugin: Plugin, raw: NonNull<sys::PJRT_Event>) -> RawEvent {
        RawEvent { plugin, raw }
    }

    pub(super) fn is_ready(&self) -> Result<bool> {
        let mut a = args::<sys::PJRT_Event_IsReady_Args>();
        a.event = self.raw.as_ptr();
        // SAFETY: `self` owns the event.
        unsafe { call!(self.plugin, Runtime, PJRT_Event_IsReady, a) }?;
        Ok(a.is_ready)
    }

    pub(super) fn wait(&self) -> Result<()> {
        let mut a = args::<sys::PJRT_Event_Await_Args>();
        a.event = self.raw.as_ptr();
        // SAFETY: `self` owns the event.
        unsafe { call!(self.plugin, Runtime, PJRT_Event_Await, a) }
    }
}

impl Event {
    /// # Safety
    /// `raw` is an event of `client` that nobody else owns.
    pub(crate) unsafe fn from_raw(client: &Client, raw: NonNull<sys::PJRT_Event>) -> Event {
        // SAFETY: the caller's promise; the event holds the client and drops it last.
        Event::new(unsafe { RawEvent::new(client.plugin(), raw) }, client)
    }

    /// An event of `client`, which it holds.
    pub(super) fn new(raw: RawEvent, client: &Client) -> Event {
        Event { raw, client: client.clone(), shared: None }
    }

    /// Has the work completed or failed?
    ///
    /// # Errors
    /// Those of the plugin, not that of the work.
    pub fn is_ready(&self) -> Result<bool> {
        self.raw.is_ready()
    }

    /// Blocks this thread until the work has completed.
    ///
    /// # Errors
    /// The error of the work.
    pub fn wait(&self) -> Result<()> {
        self.raw.wait()
    }

    /// Calls `f` with the outcome of the work once it is known, on a thread of the plugin or, if it is known already,
    /// on this one. `f` should be short. The event may be dropped before that.
    ///
    /// # Errors
    /// Those of the plugin; then `f` is dropped without a call.
    pub fn on_ready(&self, f: impl FnOnce(Result<()>) + Send + 'static) -> Result<()> {
        let callback = Box::new(Callback { plugin: self.client.plugin(), f: Box::new(f) });
        let user_arg = Box::into_raw(callback);
        let mut a = args::<sys::PJRT_Event_OnReady_Args>();
        a.event = self.raw.raw.as_ptr();
        a.callback = Some(run_callback);
        a.user_arg = user_arg.cast();
        // SAFETY: `self` owns the event. The callback owns `user_arg` and is called exactly once, on any thread, even
        // after the event is destroyed; all that it touches is in the box.
        let result = unsafe { call!(self.client.plugin(), Runtime, PJRT_Event_OnReady, a) };
        if result.is_err() {
            // SAFETY: the plugin refused the callback, so the box is still ours alone.
            drop(unsafe { Box::from_raw(user_arg) });
        }
        result
    }
}

struct Callback {
    plugin: Plugin,
    f: Box<dyn FnOnce(Result<()>) + Send>,
}

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Is this thread inside a callback of a plugin, where a client must not be destroyed?
pub(crate) fn in_callback() -> bool {
    IN_CALLBACK.get()
}

/// Runs `f` as a callback of a plugin: it must not unwind into C++, nor destroy a client on the client's own thread.
pub(crate) fn as_callback(f: impl FnOnce()) {
    let before = IN_CALLBACK.replace(true);
    // The panic has been reported by its hook; there is no caller to hand it to.
    let _ = catch_unwind(AssertUnwindSafe(f));
    IN_CALLBACK.set(before);
}

unsafe extern "C" fn run_callback(error: *mut sys::PJRT_Error, user_arg: *mut c_void) {
    as_callback(|| {
        // SAFETY: `user_arg` is the box that `on_ready` leaked for this one call.
        let callback = unsafe { Box::from_raw(user_arg.cast::<Callback>()) };
        // The plugin passes ownership of `error`; `check` frees it.
        (callback.f)(callback.plugin.check(error, ErrorKind::Runtime));
    });
}

impl Future for Event {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.shared.is_none() {
            let shared = Arc::new(Mutex::new(Shared::default()));
            let theirs = Arc::clone(&shared);
            self.on_ready(move |result| {
                let waker = {
                    let mut shared = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                    shared.result = Some(result);
                    shared.waker.take()
                };
                // Outside the lock: waking may poll at once.
                if let Some(waker) = waker {
                    waker.wake();
                }
            })?;
            self.shared = Some(shared);
        }
        let Some(shared) = &self.shared else {
            return Poll::Ready(Err(err!(Internal, "an event without its shared state")));
        };
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        match &shared.result {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                match &mut shared.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => shared.waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.is_ready() {
            Ok(true) => "Event(ready)",
            Ok(false) => "Event(pending)",
            Err(_) => "Event(?)",
        })
    }
}
