//! Scalars into files. clu: `metric_writers`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::events::Events;
use super::scalars::{Number, named};
use super::text::{Csv, JsonLines};
use crate::error::{Result, bail, caller};
use crate::tree::Pytree;

/// What is logged at one step.
pub(super) struct Row {
    pub(super) step: u64,
    /// Seconds since 1970.
    pub(super) time: f64,
    pub(super) scalars: Vec<(String, Number)>,
}

pub(super) trait Sink: Send {
    /// Writes a row, whole: it is in the file when this returns.
    fn write(&mut self, row: &Row) -> Result<()>;
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Writes scalars by step and name, into as many files as one likes.
///
/// ```
/// use raxla::{prelude::*, train::Logger};
/// # let directory = std::env::temp_dir().join(format!("raxla-logger-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let (csv, runs) = (directory.join("log.csv"), directory.join("runs"));
///
/// #[derive(Pytree)]
/// struct Seen { loss: Array, rate: Array }
///
/// let mut log = Logger::new().csv(&csv)?.tensorboard(&runs)?;
/// log.scalars(0, &Array::from(2.5f32))?;
/// log.scalars(1, &Seen { loss: Array::from(1.25f32), rate: Array::from(0.1f32) })?;
/// assert_eq!(std::fs::read_to_string(&csv)?, "step,loss,rate\n0,2.5,\n1,1.25,0.1\n");
/// // What began again at a checkpoint of step 1 forgets what the first run did from there on.
/// let mut log = Logger::from_step(1).csv(&csv)?;
/// log.scalars(1, &Array::from(1.5f32))?;
/// assert_eq!(std::fs::read_to_string(&csv)?, "step,loss,rate\n0,2.5,\n1,1.5,\n");
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// A row is in the files when [`scalars`](Logger::scalars) returns. That waits for the numbers: where steps are short, log every
/// hundredth.
pub struct Logger {
    from: u64,
    last: Option<u64>,
    sinks: Vec<Box<dyn Sink>>,
}

impl Logger {
    /// A logger without files, which begins at step 0.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a logger without files is of no use")]
    pub fn new() -> Logger {
        Logger::from_step(0)
    }

    /// A logger that goes on from a step: of what the files have, rows before it stay.
    #[must_use]
    pub fn from_step(step: u64) -> Logger {
        Logger { from: step, last: None, sinks: Vec::new() }
    }

    /// Into a table with a column for each name. A name that comes later adds one; what a row lacks is empty.
    ///
    /// # Errors
    /// A file that can't be written; one that is there and no log.
    #[track_caller]
    pub fn csv(self, path: impl AsRef<Path>) -> Result<Logger> {
        let csv = Csv::open(path.as_ref(), self.from);
        self.with(csv)
    }

    /// Into lines like `{"step":1,"loss":1.25}`. What is not finite is `null`, as JSON has no word for it.
    ///
    /// # Errors
    /// A file that can't be written; one that is there and no log.
    #[track_caller]
    pub fn json_lines(self, path: impl AsRef<Path>) -> Result<Logger> {
        let lines = JsonLines::open(path.as_ref(), self.from);
        self.with(lines)
    }

    /// Into an event file in a directory, which `tensorboard --logdir` shows. Names with slashes are groups there.
    ///
    /// # Errors
    /// A directory that can't be written.
    #[track_caller]
    pub fn tensorboard(self, directory: impl AsRef<Path>) -> Result<Logger> {
        let events = Events::create(directory.as_ref(), self.from);
        self.with(events)
    }

    #[track_caller]
    fn with(mut self, sink: Result<impl Sink + 'static>) -> Result<Logger> {
        let here = caller();
        self.sinks.push(Box::new(sink.map_err(|e| e.at(here))?));
        Ok(self)
    }

    /// Writes the scalars of a tree, each by its path. Several calls of one step are several rows.
    ///
    /// # Errors
    /// `Logger::scalars: step 3 comes after step 5`; a leaf that is not one number; a name with a control character, or `step`;
    /// a file that can't be written; what the numbers' computation failed with.
    #[track_caller]
    pub fn scalars<T: Pytree>(&mut self, step: u64, values: &T) -> Result<()> {
        let here = caller();
        self.write(step, values).map_err(|e| e.at(here))
    }

    fn write<T: Pytree>(&mut self, step: u64, values: &T) -> Result<()> {
        let op = "Logger::scalars";
        match self.last {
            Some(last) if step < last => bail!(InvalidArgument, "{op}: step {step} comes after step {last}"),
            None if step < self.from => {
                bail!(InvalidArgument, "{op}: step {step} of a logger that goes on from step {}", self.from)
            }
            _ => {}
        }
        let named = named(op, values)?;
        for (name, _) in &named {
            if name == "step" || name.is_empty() || name.contains(char::is_control) {
                bail!(InvalidArgument, "{op}: {name:?} is no name for a scalar");
            }
        }
        let scalars = named.into_iter().map(|(name, x)| {
            let number = Number::read(&name, &x)?;
            Ok((name, number))
        });
        let row = Row { step, time: now(), scalars: scalars.collect::<Result<_>>()? };
        for sink in &mut self.sinks {
            sink.write(&row)?;
        }
        self.last = Some(step);
        Ok(())
    }
}
