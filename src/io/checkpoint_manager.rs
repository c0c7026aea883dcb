//! Checkpoints of a run. JAX: `orbax.checkpoint.CheckpointManager`.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::contents::Contents;
use super::file::{LoadOptions, load_from};
use super::safetensors;
use super::steps::{BestMode, Keep, MetricValues, Steps};
use super::write::failed;
use crate::arguments::options;
use crate::error::{Loc, Result, bail, caller, err};
use crate::tree::Pytree;

options! {
    /// Options of [`CheckpointManager::new_with`].
    pub struct CheckpointManagerOptions {
        /// Every how many steps does [`save`](CheckpointManager::save) save? The first step that it sees is saved whatever it is.
        save_interval_steps: value u64 = 1,
        /// How many of the last steps are kept? All, if nothing is said.
        max_to_keep: optional usize,
        /// Steps that are a multiple of this are kept, too.
        keep_period: optional u64,
        /// The metric by which the best steps are kept, too.
        best_metric: optional_into String,
        /// Is a larger metric better, or a smaller one?
        best_mode: value BestMode = BestMode::Max,
        /// How many of the best steps are kept?
        best_to_keep: value usize = 1,
        /// Is the directory made if it is not there?
        create: value bool = true,
        /// Is nothing written or deleted? Such a manager may look on while another writes.
        read_only: value bool = false,
        /// Are files written on a thread, while the run goes on?
        enable_async_checkpointing: value bool = true,
    }
}

options! {
    /// Options of [`CheckpointManager::save_with`].
    pub struct CheckpointOptions {
        /// Numbers by which checkpoints are compared.
        metrics: value MetricValues = MetricValues::new(),
        /// Is it saved whatever the interval says?
        force: value bool = false,
    }
}

impl CheckpointOptions {
    /// One more of the [`metrics`](Self::metrics).
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> Self {
        self.metrics.insert(name.into(), value);
        self
    }
}

/// Checkpoints of a run: a directory with a directory for each step.
///
/// A step is there whole or not at all, whenever the process or the machine stops. A checkpoint is one tree of all that the
/// run needs to go on: parameters, the optimiser's state, keys, the position in the data. A run that goes on
/// from one computes what it would have computed had it never stopped, to the bit.
///
/// ```
/// use raxla::io::{CheckpointManager, CheckpointManagerOptions};
/// use raxla::{prelude::*, random};
///
/// #[derive(Clone, Pytree)]
/// struct TrainState {
///     weight: Array,
///     key: random::Key,
///     /// The next step, which is also the position in the data.
///     step: Array,
/// }
///
/// let train = jit(|state: TrainState| {
///     let [key, noise] = random::split(&state.key);
///     let weight = state.weight * 0.9 + random::normal(&noise, [3]);
///     TrainState { weight, key, step: state.step + 1 }
/// });
/// let fresh = || TrainState { weight: Array::from([0.0f32; 3]), key: random::key(0), step: Array::from(0) };
/// # let directory = std::env::temp_dir().join(format!("raxla-doc-manager-{}", std::process::id()));
/// let run = |until: u64| -> Result<TrainState> {
///     let options = CheckpointManagerOptions::new().save_interval_steps(10).max_to_keep(2);
///     let manager = CheckpointManager::new_with(&directory, options)?;
///     let mut state = fresh();
///     if let Some(step) = manager.latest_step()? {
///         state = manager.restore(step, &state)?;
///     }
///     for step in state.step.item::<u64>()?..until {
///         state = train(state)?;
///         manager.save(step + 1, &state)?;
///     }
///     manager.close()?;
///     Ok(state)
/// };
/// run(25)?; // saves steps 1, 10 and 20, keeps 10 and 20
/// let resumed = run(50)?; // goes on from 20
///
/// let mut whole = fresh();
/// for _ in 0..50 {
///     whole = train(whole)?;
/// }
/// assert_eq!(resumed.weight.to_bytes()?, whole.weight.to_bytes()?);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// While a manager that may write is open, no other of the same directory can be, in this process or another; any number of
/// `read_only` ones can.
#[derive(Debug)]
pub struct CheckpointManager {
    steps: Steps,
    options: CheckpointManagerOptions,
    /// Locked, unless this one only reads.
    lock: Option<File>,
    saving: Mutex<Saving>,
}

#[derive(Debug, Default)]
struct Saving {
    /// The last step, be it still on its way to the disk.
    last: Option<u64>,
    writer: Option<JoinHandle<Result<()>>>,
}

impl CheckpointManager {
    /// The checkpoints in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// As [`new_with`](Self::new_with).
    #[track_caller]
    pub fn new(directory: impl AsRef<Path>) -> Result<Self> {
        Self::new_with(directory, CheckpointManagerOptions::new())
    }

    /// [`new`](Self::new) with options. What a process that was killed has left half done is removed.
    ///
    /// # Errors
    /// A directory that can't be made or read, that is none, or that another manager writes to; an interval or a period of zero;
    /// no step to keep.
    #[track_caller]
    pub fn new_with(directory: impl AsRef<Path>, options: CheckpointManagerOptions) -> Result<Self> {
        let here = caller();
        Self::open(directory.as_ref(), options).map_err(|e| e.at(here))
    }

    fn open(directory: &Path, options: CheckpointManagerOptions) -> Result<Self> {
        if options.save_interval_steps == 0
            || options.keep_period == Some(0)
            || options.max_to_keep == Some(0)
        {
            bail!(
                InvalidArgument,
                "CheckpointManager: save_interval_steps, keep_period and max_to_keep are at least 1"
            );
        }
        if options.create && !options.read_only {
            fs::create_dir_all(directory)
                .map_err(|e| failed("could not make the directory", directory, &e))?;
        }
        let steps = Steps(directory.to_owned());
        let last = steps.all()?.last().copied();
        let lock = if options.read_only { None } else { Some(lock(directory)?) };
        if lock.is_some() {
            steps.clean()?;
        }
        Ok(CheckpointManager { steps, options, lock, saving: Mutex::new(Saving { last, writer: None }) })
    }

    /// Where the checkpoints are.
    pub fn directory(&self) -> &Path {
        &self.steps.0
    }

    /// The steps that are on the disk, in their order: not the one that is being written.
    ///
    /// # Errors
    /// The directory can't be read.
    #[track_caller]
    pub fn all_steps(&self) -> Result<Vec<u64>> {
        let here = caller();
        self.steps.all().map(|steps| steps.into_iter().collect()).map_err(|e| e.at(here))
    }

    /// The last of [`all_steps`](Self::all_steps).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn latest_step(&self) -> Result<Option<u64>> {
        let here = caller();
        self.steps.all().map(|steps| steps.last().copied()).map_err(|e| e.at(here))
    }

    /// The step with the best metric, and of several the last; without a `best_metric` the last step.
    ///
    /// A metric that is no finite number is never the best.
    ///
    /// # Errors
    /// The directory or the metrics can't be read.
    #[track_caller]
    pub fn best_step(&self) -> Result<Option<u64>> {
        let here = caller();
        let Some(metric) = &self.options.best_metric else { return self.latest_step() };
        let best = self.steps.by_metric(metric, self.options.best_mode);
        best.map(|steps| steps.first().copied()).map_err(|e| e.at(here))
    }

    /// The metrics that a step was saved with. One that was infinite comes back as NaN.
    ///
    /// # Errors
    /// No such step; the file can't be read.
    #[track_caller]
    pub fn metrics(&self, step: u64) -> Result<MetricValues> {
        let here = caller();
        self.require(step).and_then(|()| self.steps.metrics(step)).map_err(|e| e.at(here))
    }

    /// Would [`save`](Self::save) save this step? It would if there is no checkpoint yet, or if the step is a multiple of the interval.
    pub fn should_save(&self, step: u64) -> bool {
        self.lock.is_some() && self.is_due(step, self.saving().last)
    }

    fn is_due(&self, step: u64, last: Option<u64>) -> bool {
        last.is_none_or(|last| step > last && step.is_multiple_of(self.options.save_interval_steps))
    }

    /// Saves a tree as the checkpoint of a step, if it is due by the interval. Returns whether it was.
    ///
    /// It waits until the step before is written and the tree's values are computed, copies them to the host, and has a thread write
    /// them. So the tree may be donated to the next step at once.
    ///
    /// # Errors
    /// A step that is not after the last one; what the writing of the step *before* failed with, in which case this one is not saved;
    /// `complex128`; what an array's computation failed with.
    #[track_caller]
    pub fn save<T: Pytree>(&self, step: u64, tree: &T) -> Result<bool> {
        self.save_with(step, tree, CheckpointOptions::new())
    }

    /// [`save`](Self::save) with metrics, or whatever the interval says.
    ///
    /// # Errors
    /// As [`save`](Self::save); metrics without the manager's `best_metric`.
    #[track_caller]
    pub fn save_with<T: Pytree>(&self, step: u64, tree: &T, options: CheckpointOptions) -> Result<bool> {
        let here = caller();
        let save = || -> Result<bool> {
            let mut saving = self.saving();
            if !self.begin(&mut saving, step, &options)? {
                return Ok(false);
            }
            let contents = Contents::of(tree)?;
            safetensors::check(&contents)?;
            self.write(&mut saving, step, contents, options.metrics, here)?;
            Ok(true)
        };
        save().map_err(|e| e.at(here))
    }

    /// Is this step to be saved? Then nothing is being written.
    fn begin(&self, saving: &mut Saving, step: u64, options: &CheckpointOptions) -> Result<bool> {
        let directory = self.directory().display();
        if self.lock.is_none() {
            bail!(InvalidArgument, "save: the manager of {directory} is read_only");
        }
        if saving.writer.as_ref().is_some_and(JoinHandle::is_finished) {
            self.finish(saving)?;
        }
        if let Some(last) = saving.last.filter(|last| step <= *last) {
            bail!(
                InvalidArgument,
                "save: step {step} is not after step {last}, the last in {directory}: go on from there, or delete the steps after \
                 the one that you go on from"
            );
        }
        if let Some(metric) = &self.options.best_metric
            && !options.metrics.is_empty()
            && !options.metrics.contains_key(metric)
        {
            let names: Vec<&str> = options.metrics.keys().map(String::as_str).collect();
            bail!(
                InvalidArgument,
                "save: the best checkpoints are those by {metric}, and the metrics of step {step} are {}",
                names.join(", ")
            );
        }
        let saves = options.force || self.is_due(step, saving.last);
        if saves {
            self.finish(saving)?;
        }
        Ok(saves)
    }

    fn write(
        &self,
        saving: &mut Saving,
        step: u64,
        contents: Contents,
        metrics: MetricValues,
        here: Loc,
    ) -> Result<()> {
        let (steps, keep) = (self.steps.clone(), self.keep());
        let write = move || {
            let written = steps.write(step, &contents, &metrics).and_then(|()| steps.prune(&keep));
            written.map_err(|e| e.context(format_args!("the checkpoint of step {step}")).at(here))
        };
        let writer = thread::Builder::new().name("checkpoint".into()).spawn(write);
        saving.writer = Some(writer.map_err(|e| err!(Io, "save: there is no thread to be had: {e}"))?);
        saving.last = Some(step);
        if self.options.enable_async_checkpointing { Ok(()) } else { self.finish(saving) }
    }

    fn keep(&self) -> Keep {
        let options = &self.options;
        Keep {
            last: options.max_to_keep,
            period: options.keep_period,
            best: options.best_to_keep,
            metric: options.best_metric.clone(),
            mode: options.best_mode,
        }
    }

    /// Waits until what is being written is on the disk.
    ///
    /// # Errors
    /// What writing it failed with.
    #[track_caller]
    pub fn wait_until_finished(&self) -> Result<()> {
        let here = caller();
        self.finish(&mut self.saving()).map_err(|e| e.at(here))
    }

    /// Waits, and gives the directory free for another manager. Dropping it does, too, but has nobody to tell of errors.
    ///
    /// # Errors
    /// As [`wait_until_finished`](Self::wait_until_finished).
    #[track_caller]
    pub fn close(self) -> Result<()> {
        self.wait_until_finished()
    }

    /// The tree that was saved as a step, of the structure, shapes and dtypes of `like`.
    ///
    /// # Errors
    /// No such step; as [`load`](super::load); what writing the last step failed with.
    #[track_caller]
    pub fn restore<T: Pytree>(&self, step: u64, like: &T) -> Result<T> {
        self.restore_with(step, like, LoadOptions::new())
    }

    /// [`restore`](Self::restore) of a part.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    #[track_caller]
    pub fn restore_with<T: Pytree>(&self, step: u64, like: &T, options: LoadOptions) -> Result<T> {
        let here = caller();
        let restore = || {
            self.finish(&mut self.saving())?;
            self.require(step)?;
            load_from(&self.steps.state(step), like, &options)
        };
        restore().map_err(|e| e.at(here))
    }

    /// Deletes a step.
    ///
    /// # Errors
    /// No such step; it can't be deleted; what writing the last step failed with.
    #[track_caller]
    pub fn delete(&self, step: u64) -> Result<()> {
        let here = caller();
        let delete = || {
            let mut saving = self.saving();
            self.finish(&mut saving)?;
            if self.lock.is_none() {
                bail!(InvalidArgument, "delete: the manager of {} is read_only", self.directory().display());
            }
            self.require(step)?;
            self.steps.delete(step)?;
            saving.last = self.steps.all()?.last().copied();
            Ok(())
        };
        delete().map_err(|e| e.at(here))
    }

    fn require(&self, step: u64) -> Result<()> {
        let all = self.steps.all()?;
        if all.contains(&step) {
            return Ok(());
        }
        let all: Vec<String> = all.iter().map(u64::to_string).collect();
        let others = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        bail!(
            Io,
            "{} has no checkpoint of step {step}: the steps that are there: {others}",
            self.directory().display()
        )
    }

    fn saving(&self) -> MutexGuard<'_, Saving> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the thread, whose error is told once.
    fn finish(&self, saving: &mut Saving) -> Result<()> {
        let Some(writer) = saving.writer.take() else { return Ok(()) };
        let written =
            writer.join().unwrap_or_else(|_| Err(err!(Internal, "the thread of a checkpoint panicked")));
        if written.is_err() {
            saving.last = self.steps.all()?.last().copied();
        }
        written
    }
}

impl Drop for CheckpointManager {
    fn drop(&mut self) {
        if let Err(e) = self.finish(&mut self.saving()) {
            tracing::error!("{e}");
        }
        // Closing the file would not do while a process that was just started has yet to close its copy.
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}

/// Keeps other managers from writing, until it is unlocked or the process ends, however it does.
fn lock(directory: &Path) -> Result<File> {
    let path: PathBuf = directory.join(".lock");
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(|e| failed("could not write", &path, &e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!(
            InvalidArgument,
            "another CheckpointManager writes to {}: close it first, or open this one with read_only(true)",
            directory.display()
        ),
        // File systems that have no locks.
        Err(TryLockError::Error(e)) if e.kind() != ErrorKind::Unsupported => {
            Err(failed("could not lock", &path, &e))
        }
        _ => Ok(file),
    }
}
