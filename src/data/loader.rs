//! Batches of a data set, made on threads. PyTorch: `DataLoader`; Grain: `DataLoader`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::dataset::Dataset;
use super::plan::Plan;
use super::row::Example;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::config;
use crate::error::{Loc, Result, bail, caller, catch, err};
use crate::random::Key;

/// What becomes of the rows at the end of an epoch that are too few for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rest {
    /// They are a smaller batch, for which a jitted function is compiled once more.
    Keep,
    /// They are left out.
    Drop,
    /// The last of them is repeated: [`Batch::mask`] says which rows count.
    Pad,
}

options! {
    /// Options of [`Loader::new_with`].
    pub struct LoaderOptions {
        /// The rows come in an order that is drawn with the key: for epoch `i` in `random::permutation(&fold_in(&key, i), rows)`.
        shuffle: optional Key,
        /// What becomes of the rows that are too few for a batch.
        rest: value Rest = Rest::Keep,
        /// How often the data set is gone through; `u64::MAX` is without end.
        epochs: value u64 = 1,
        /// Threads that make batches and put them on the device; with zero the one that asks for them does. The batches and their
        /// order are the same.
        workers: value usize = 1,
        /// Batches that are made ahead, by all workers together.
        prefetch: value usize = 2,
    }
}

/// One batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch<B> {
    /// The rows, along the first axis of each array.
    pub data: B,
    /// How many rows count; the others are padding.
    pub rows: usize,
    /// How many rows there are.
    pub size: usize,
    /// Which epoch it belongs to.
    pub epoch: u64,
    /// Which batch of its epoch it is.
    pub index: u64,
}

impl<B> Batch<B> {
    /// Which rows are no padding: `bool[size]`.
    #[track_caller]
    pub fn mask(&self) -> Array {
        let mask: Vec<bool> = (0..self.size).map(|i| i < self.rows).collect();
        Array::from(mask)
    }
}

/// Batches of a data set: in order or shuffled, once or often, made ahead by threads.
///
/// ```
/// use raxla::data::{Loader, LoaderOptions, Rest, InMemory};
/// use raxla::{prelude::*, random};
///
/// let table = InMemory::from_rows((0..10).map(|i| ([i as f32, 1.0], i)))?;
/// let options = LoaderOptions::new().shuffle(random::key(0)).rest(Rest::Drop).epochs(2);
/// let loader = Loader::new_with(table, 4, options)?;
/// let mut seen = 0;
/// for batch in &loader {
///     let (x, y) = batch?.data;
///     assert_eq!((x.shape(), y.shape()), (&[4, 2][..], &[4][..]));
///     seen += 1;
/// }
/// assert_eq!((seen, loader.batches_per_epoch()), (4, 2));
/// # Ok::<(), raxla::Error>(())
/// ```
pub struct Loader<D> {
    shared: Arc<Shared<D>>,
    options: LoaderOptions,
}

struct Shared<D> {
    dataset: D,
    plan: Plan,
}

impl<D: Dataset> Shared<D> {
    fn batch(&self, number: u64) -> Result<Batch<<D::Row as Example>::Batch>> {
        let (indices, rows) = self.plan.indices(number)?;
        let data = catch(|| self.dataset.gather(&indices)?.upload::<D::Row>())?;
        let per_epoch = self.plan.batches_per_epoch();
        Ok(Batch { data, rows, size: indices.len(), epoch: number / per_epoch, index: number % per_epoch })
    }
}

impl<D: Dataset> Loader<D> {
    /// Batches of `batch_size` rows, in order, once.
    ///
    /// # Errors
    /// A data set without rows; a batch size of zero.
    #[track_caller]
    pub fn new(dataset: D, batch_size: usize) -> Result<Self> {
        Self::new_with(dataset, batch_size, LoaderOptions::new())
    }

    /// [`new`](Self::new), with options.
    ///
    /// # Errors
    /// As [`new`](Self::new); a batch larger than the data set, where the rest is dropped.
    #[track_caller]
    pub fn new_with(dataset: D, batch_size: usize, options: LoaderOptions) -> Result<Self> {
        let here = caller();
        check(dataset.len(), batch_size, options.rest).map_err(|e| e.at(here))?;
        let plan = Plan::new(dataset.len(), batch_size, options.rest, options.shuffle.clone());
        Ok(Loader { shared: Arc::new(Shared { dataset, plan }), options })
    }

    /// The data set.
    pub fn dataset(&self) -> &D {
        &self.shared.dataset
    }

    /// How many batches an epoch has.
    pub fn batches_per_epoch(&self) -> u64 {
        self.shared.plan.batches_per_epoch()
    }

    /// All batches of all epochs.
    #[track_caller]
    pub fn iter(&self) -> Batches<<D::Row as Example>::Batch> {
        self.run(0, self.batches())
    }

    /// The batches of one epoch, also of one beyond the number of epochs.
    #[track_caller]
    pub fn epoch(&self, epoch: u64) -> Batches<<D::Row as Example>::Batch> {
        let start = epoch.saturating_mul(self.batches_per_epoch());
        self.run(start, start.saturating_add(self.batches_per_epoch()))
    }

    /// The batches after the first `done` of all epochs, for a run that was interrupted: those that the iteration would have given.
    ///
    /// ```
    /// use raxla::data::{Loader, LoaderOptions, InMemory};
    /// use raxla::random;
    ///
    /// let table = InMemory::from_rows(0..8)?;
    /// let loader = Loader::new_with(table, 2, LoaderOptions::new().shuffle(random::key(1)))?;
    /// let mut batches = loader.iter();
    /// batches.next();
    /// let done = batches.position(); // 1: where each step takes a batch, the number of the checkpoint's step
    /// let next = batches.next().transpose()?.map(|batch| batch.data.to_vec::<i32>()).transpose()?;
    /// let again = loader.resume(done)?.next().transpose()?;
    /// assert_eq!(again.map(|batch| batch.data.to_vec::<i32>()).transpose()?, next);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// `resume: 9 batches are done, and the loader has 4 in each of 2 epochs`.
    #[track_caller]
    pub fn resume(&self, done: u64) -> Result<Batches<<D::Row as Example>::Batch>> {
        if done > self.batches() {
            let e = err!(
                InvalidArgument,
                "resume: {done} batches are done, and the loader has {} in each of {} epochs",
                self.batches_per_epoch(),
                self.options.epochs
            );
            return Err(e.at(caller()));
        }
        Ok(self.run(done, self.batches()))
    }

    /// How many batches all epochs have.
    pub fn batches(&self) -> u64 {
        self.options.epochs.saturating_mul(self.batches_per_epoch())
    }

    #[track_caller]
    fn run(&self, start: u64, end: u64) -> Batches<<D::Row as Example>::Batch> {
        // More workers than batches have nothing to do.
        let workers = self.options.workers.min(usize::try_from(end - start).unwrap_or(usize::MAX));
        let shared = Arc::clone(&self.shared);
        let here: Box<dyn Fn(u64) -> _ + Send> = Box::new(move |number| shared.batch(number));
        let mut batches = Batches { next: start, end, start, at: caller(), here, workers: Vec::new() };
        for i in 0..workers as u64 {
            // Each has a batch in its hands besides those that wait.
            let ahead = self.options.prefetch.div_ceil(workers).saturating_sub(1);
            let (sender, receiver) = sync_channel(ahead);
            let shared = Arc::clone(&self.shared);
            // The device and the width of numbers are those of the thread that asks.
            let config = config::current();
            let work = move || {
                config::with_config(config, || {
                    for number in (start + i..end).step_by(workers) {
                        let batch = shared.batch(number);
                        let failed = batch.is_err();
                        // Nobody listens any more once the iterator is gone.
                        if sender.send(batch).is_err() || failed {
                            return;
                        }
                    }
                });
            };
            match Builder::new().name(format!("data worker {i}")).spawn(work) {
                Ok(thread) => {
                    batches.workers.push(Worker { receiver: Some(receiver), thread: Some(thread) });
                }
                // Without threads the one that asks does it all.
                Err(_) => {
                    batches.workers.clear();
                    break;
                }
            }
        }
        batches
    }
}

fn check(rows: usize, batch_size: usize, rest: Rest) -> Result<()> {
    if rows == 0 {
        bail!(InvalidArgument, "loader: the data set is empty");
    }
    if batch_size == 0 {
        bail!(InvalidArgument, "loader: batch_size is 0");
    }
    if i32::try_from(rows).is_err() {
        bail!(InvalidArgument, "loader: {rows} rows are more than a permutation of 32-bit integers has");
    }
    if rest == Rest::Drop && batch_size > rows {
        bail!(
            InvalidArgument,
            "loader: batch_size = {batch_size} is larger than the data set of {rows} rows, of which Rest::Drop leaves nothing"
        );
    }
    Ok(())
}

impl<D> Clone for Loader<D> {
    fn clone(&self) -> Self {
        Loader { shared: Arc::clone(&self.shared), options: self.options.clone() }
    }
}

impl<D: Dataset> std::fmt::Debug for Loader<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plan = &self.shared.plan;
        let mut out = f.debug_struct("Loader");
        out.field("rows", &plan.rows).field("batch_size", &plan.batch_size).field("rest", &plan.rest);
        out.field("epochs", &self.options.epochs).finish_non_exhaustive()
    }
}

impl<D: Dataset> IntoIterator for &Loader<D> {
    type Item = Result<Batch<<D::Row as Example>::Batch>>;
    type IntoIter = Batches<<D::Row as Example>::Batch>;
    #[track_caller]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An iteration over batches. It ends after the first error, which is of the line where it began. Its threads end when it is dropped, which waits for the rows that they
/// are reading.
pub struct Batches<B> {
    /// The number of the next batch, and where they begin and end.
    next: u64,
    start: u64,
    end: u64,
    /// The user's line that errors are of, which a worker does not know.
    at: Loc,
    here: Box<dyn Fn(u64) -> Result<Batch<B>> + Send>,
    /// Batch `start + n` is made by worker `n % workers.len()`.
    workers: Vec<Worker<B>>,
}

struct Worker<B> {
    receiver: Option<Receiver<Result<Batch<B>>>>,
    thread: Option<JoinHandle<()>>,
}

impl<B> Worker<B> {
    fn receive(&mut self) -> Result<Batch<B>> {
        if let Some(Ok(batch)) = self.receiver.as_ref().map(Receiver::recv) {
            return batch;
        }
        // It ended before its time, and a panic is the one way to: it goes on here.
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            _ => bail!(Internal, "a worker of a loader ended before its last batch"),
        }
    }
}

impl<B> Drop for Worker<B> {
    fn drop(&mut self) {
        // A worker that waits for room learns of it by that.
        drop(self.receiver.take());
        if let Some(thread) = self.thread.take() {
            // Its panic concerns nobody any more.
            let _ = thread.join();
        }
    }
}

impl<B> Batches<B> {
    /// How many batches of all epochs are done, for [`Loader::resume`]: those that were made ahead and not asked for do not count.
    pub fn position(&self) -> u64 {
        self.next
    }
}

impl<B> Iterator for Batches<B> {
    type Item = Result<Batch<B>>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let count = self.workers.len() as u64;
        let batch = match count {
            0 => (self.here)(self.next),
            _ => self.workers[((self.next - self.start) % count) as usize].receive(),
        };
        match batch {
            Ok(_) => self.next += 1,
            // The position stays before the batch which failed.
            Err(_) => {
                self.end = self.next;
                self.workers.iter_mut().for_each(|worker| drop(worker.receiver.take()));
                self.workers.clear();
            }
        }
        Some(batch.map_err(|e| e.at(self.at)))
    }
}

impl<B> Drop for Batches<B> {
    fn drop(&mut self) {
        // All of them stop at once, before the first is waited for.
        self.workers.iter_mut().for_each(|worker| drop(worker.receiver.take()));
    }
}

impl<B> std::fmt::Debug for Batches<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("next", &self.next).field("end", &self.end).finish_non_exhaustive()
    }
}
