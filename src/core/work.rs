//! Counts what tracing does, for tests of how it grows with the program: a time says little on a busy machine.

#[cfg(test)]
thread_local! {
    static DONE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// So many steps were done; a count is kept in this crate's own tests alone.
#[inline]
pub(crate) fn count(steps: usize) {
    #[cfg(test)]
    DONE.set(DONE.get() + steps);
    let _ = steps;
}

/// The steps that `body` does.
#[cfg(test)]
pub(crate) fn steps_of(body: impl FnOnce()) -> usize {
    let before = DONE.get();
    body();
    DONE.get() - before
}
