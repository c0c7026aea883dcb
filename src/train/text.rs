//! Logs as text: tables, and a JSON object a line.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::logger::{Row, Sink};
use super::scalars::Number;
use crate::error::{Error, Result, bail};

/// A file of lines, which grows at its end.
struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// Opens a file, of whose lines those stay that `keep` wants.
    fn open(path: &Path, keep: impl Fn(usize, &str) -> Result<bool>) -> Result<(Lines, Vec<String>)> {
        let text = match fs::read_to_string(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|e| Error::from(e).context(format!("could not read {}", path.display())))?,
        };
        let mut kept = Vec::new();
        for (i, line) in text.split_inclusive('\n').enumerate() {
            // What was cut off when the writer was killed.
            let Some(line) = line.strip_suffix('\n') else { break };
            if keep(i, line)? {
                kept.push(line.to_owned());
            }
        }
        Ok((Lines::replace(path, &kept)?, kept))
    }

    /// Another file in the place of the one that is there.
    fn replace(path: &Path, lines: &[String]) -> Result<Lines> {
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
        let file = written.and_then(|()| OpenOptions::new().append(true).open(path));
        let file = file.map_err(|e| {
            let _ = fs::remove_file(&part);
            could_not_write(path, e)
        })?;
        Ok(Lines { path: path.to_owned(), file })
    }

    fn push(&mut self, mut line: String) -> Result<()> {
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(|e| could_not_write(&self.path, e))
    }
}

pub(super) fn could_not_write(path: &Path, e: io::Error) -> Error {
    Error::from(e).context(format!("could not write {}", path.display()))
}

/// A table with a column for each name.
pub(super) struct Csv {
    lines: Lines,
    names: Vec<String>,
}

impl Csv {
    pub(super) fn open(path: &Path, from: u64) -> Result<Csv> {
        let (lines, kept) = Lines::open(path, |i, line| {
            if i == 0 {
                return match fields(line).first() {
                    Some(first) if first == "step" => Ok(true),
                    _ => bail!(Io, "{} is no log: its first column is not named step", path.display()),
                };
            }
            let first = line.split(',').next().unwrap_or_default();
            match first.parse::<u64>() {
                Ok(step) => Ok(step < from),
                Err(_) => bail!(Io, "{}:{}: {first:?} is no step", path.display(), i + 1),
            }
        })?;
        let names = kept.first().map_or_else(Vec::new, |header| fields(header).split_off(1));
        Ok(Csv { lines, names })
    }

    /// A column for each name that has none.
    fn widen(&mut self, row: &Row) -> Result<()> {
        let is_new = |name: &&String| !self.names.contains(name);
        let new: Vec<String> = row.scalars.iter().map(|(name, _)| name).filter(is_new).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        self.names.extend(new.iter().cloned());
        let header = self.names.iter().fold("step".to_owned(), |header, name| header + "," + &field(name));
        let path = self.lines.path.clone();
        let text = fs::read_to_string(&path).map_err(|e| could_not_write(&path, e))?;
        let commas = ",".repeat(new.len());
        let rows = text.lines().skip(1).map(|line| format!("{line}{commas}"));
        self.lines = Lines::replace(&path, &[header].into_iter().chain(rows).collect::<Vec<_>>())?;
        Ok(())
    }
}

impl Sink for Csv {
    fn write(&mut self, row: &Row) -> Result<()> {
        self.widen(row)?;
        let mut line = row.step.to_string();
        for name in &self.names {
            line.push(',');
            if let Some((_, number)) = row.scalars.iter().find(|(own, _)| own == name) {
                push_number(&mut line, number);
            }
        }
        self.lines.push(line)
    }
}

/// As few digits as give the number again.
fn push_number(line: &mut String, number: &Number) {
    // Writing into a string does not fail.
    let _ = match number {
        Number::Single(x) => write!(line, "{x:?}"),
        Number::Double(x) => write!(line, "{x:?}"),
        Number::Integer(n) => write!(line, "{n}"),
    };
}

/// A name between commas: RFC 4180.
fn field(name: &str) -> String {
    if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

/// The names of a header.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let (mut quoted, mut characters) = (false, line.trim_end_matches('\r').chars().peekable());
    while let Some(c) = characters.next() {
        match c {
            // Twice within quotes it is one; else it begins or ends them.
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                fields.iter_mut().last().into_iter().for_each(|field| field.push('"'));
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.iter_mut().last().into_iter().for_each(|field| field.push(c)),
        }
    }
    fields
}

/// An object a line.
pub(super) struct JsonLines(Lines);

impl JsonLines {
    pub(super) fn open(path: &Path, from: u64) -> Result<JsonLines> {
        let (lines, _) = Lines::open(path, |i, line| {
            let object: Option<serde_json::Value> = serde_json::from_str(line).ok();
            match object.as_ref().and_then(|object| object.get("step")?.as_u64()) {
                Some(step) => Ok(step < from),
                None => bail!(Io, "{}:{}: no log: no object with a step", path.display(), i + 1),
            }
        })?;
        Ok(JsonLines(lines))
    }
}

impl Sink for JsonLines {
    fn write(&mut self, row: &Row) -> Result<()> {
        let mut line = format!("{{\"step\":{}", row.step);
        for (name, number) in &row.scalars {
            let name = serde_json::Value::from(name.as_str());
            let _ = write!(line, ",{name}:");
            match number {
                Number::Single(x) if !x.is_finite() => line.push_str("null"),
                Number::Double(x) if !x.is_finite() => line.push_str("null"),
                number => push_number(&mut line, number),
            }
        }
        line.push('}');
        self.0.push(line)
    }
}
