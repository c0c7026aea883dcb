//! Checkpoints on the disk: a directory for each step, which is there whole or not at all.
//!
//! ```text
//! runs/1/.lock                    held by the manager that writes
//! runs/1/100/state.safetensors    the tree
//! runs/1/100/metrics.json         {"loss":0.25}
//! runs/1/.200.part                while it is written, or what a process that was killed left
//! runs/1/.50.deleted              while it is deleted, likewise
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::safetensors;
use super::write::{failed, put, sync, sync_directory};
use crate::error::{Result, err};

const STATE: &str = "state.safetensors";
const METRICS: &str = "metrics.json";
const PART: &str = ".part";
const DELETED: &str = ".deleted";

/// Metrics by name.
pub(super) type MetricValues = BTreeMap<String, f64>;

/// Is a checkpoint better for a larger metric or for a smaller one?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BestMode {
    /// A larger one: accuracy.
    #[default]
    Max,
    /// A smaller one: loss.
    Min,
}

/// Which steps are kept.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    pub last: Option<usize>,
    pub period: Option<u64>,
    pub best: usize,
    pub metric: Option<String>,
    pub mode: BestMode,
}

#[derive(Clone, Debug)]
pub(super) struct Steps(pub PathBuf);

impl Steps {
    pub fn state(&self, step: u64) -> PathBuf {
        self.0.join(step.to_string()).join(STATE)
    }

    fn hidden(&self, step: u64, ending: &str) -> PathBuf {
        self.0.join(format!(".{step}{ending}"))
    }

    fn names(&self) -> Result<Vec<String>> {
        let names = || -> io::Result<Vec<String>> {
            // What is no Unicode is nothing of ours.
            fs::read_dir(&self.0)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        names().map_err(|e| failed("could not read", &self.0, &e))
    }

    /// The steps that are there, in their order. What else lies in the directory is left alone.
    pub fn all(&self) -> Result<BTreeSet<u64>> {
        let steps = self.names()?.into_iter().filter_map(|name| {
            let step: u64 = name.parse().ok()?;
            (step.to_string() == name && self.state(step).exists()).then_some(step)
        });
        Ok(steps.collect())
    }

    /// Removes what processes left that were killed.
    pub fn clean(&self) -> Result<()> {
        for name in self.names()? {
            let step = name.strip_suffix(PART).or_else(|| name.strip_suffix(DELETED));
            if step.and_then(|step| step.strip_prefix('.')).is_some_and(|step| step.parse::<u64>().is_ok()) {
                let path = self.0.join(name);
                remove(&path).map_err(|e| failed("could not remove", &path, &e))?;
            }
        }
        Ok(())
    }

    /// Puts a step there.
    pub fn write(&self, step: u64, contents: &Contents, metrics: &MetricValues) -> Result<()> {
        let part = self.hidden(step, PART);
        let unwritable = |e: io::Error| failed("could not write", &part, &e);
        let all = || {
            remove(&part).and_then(|()| fs::create_dir(&part)).map_err(unwritable)?;
            let state = part.join(STATE);
            safetensors::write(contents, &state)?;
            sync(&state).map_err(unwritable)?;
            if !metrics.is_empty() {
                let file = part.join(METRICS);
                let json = serde_json::to_vec(metrics).map_err(|e| err!(Io, "metrics: {e}"))?;
                fs::write(&file, json).and_then(|()| sync(&file)).map_err(unwritable)?;
            }
            let to = self.0.join(step.to_string());
            sync_directory(&part).and_then(|()| put(&part, &to)).map_err(unwritable)
        };
        all().inspect_err(|_| drop(remove(&part)))
    }

    /// Removes a step.
    pub fn delete(&self, step: u64) -> Result<()> {
        let (from, hidden) = (self.0.join(step.to_string()), self.hidden(step, DELETED));
        // Whole until the moment that it is gone.
        let all = || remove(&hidden).and_then(|()| fs::rename(&from, &hidden)).and_then(|()| remove(&hidden));
        all().map_err(|e| failed("could not remove", &from, &e))
    }

    /// The metrics that were saved with a step. What JSON has no number for, infinity among it, comes back as NaN.
    pub fn metrics(&self, step: u64) -> Result<MetricValues> {
        let path = self.0.join(step.to_string()).join(METRICS);
        let text = match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(MetricValues::new()),
            read => read.map_err(|e| failed("could not read", &path, &e))?,
        };
        let metrics: BTreeMap<String, Option<f64>> =
            serde_json::from_slice(&text).map_err(|e| err!(Io, "{} is damaged: {e}", path.display()))?;
        Ok(metrics.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
    }

    /// The steps that have the metric, the best first, and of several that are as good the last.
    pub fn by_metric(&self, metric: &str, mode: BestMode) -> Result<Vec<u64>> {
        let mut scored = Vec::new();
        for step in self.all()? {
            if let Some(value) = self.metrics(step)?.get(metric).filter(|value| value.is_finite()) {
                scored.push((if mode == BestMode::Max { -value } else { *value }, step));
            }
        }
        scored.sort_by(|(a, s), (b, t)| a.total_cmp(b).then(t.cmp(s)));
        Ok(scored.into_iter().map(|(_, step)| step).collect())
    }

    /// Deletes the steps that are not to be kept.
    pub fn prune(&self, keep: &Keep) -> Result<()> {
        let Some(last) = keep.last else { return Ok(()) };
        let all = self.all()?;
        let mut kept: BTreeSet<u64> = all.iter().rev().take(last).copied().collect();
        kept.extend(all.iter().filter(|step| keep.period.is_some_and(|period| step.is_multiple_of(period))));
        if let Some(metric) = &keep.metric {
            kept.extend(self.by_metric(metric, keep.mode)?.into_iter().take(keep.best));
        }
        all.difference(&kept).try_for_each(|step| self.delete(*step))
    }
}

/// Removes a directory, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
