//! Parameters from Hugging Face's files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::core::array::Array;
use crate::core::trace::caller;
use crate::error::{Result, bail, err};
use crate::nn::{self, Params, Row, Scope};
use crate::{DType, io, lax, numpy};

/// What each model says of itself.
pub trait Architecture: Send + Sized + Sync {
    /// What the names of the files' arrays may begin with.
    const PREFIX: &'static str;

    /// Its sizes, of a `config.json`.
    fn sizes(json: &Value) -> Result<Self>;

    /// Tokens `i32[batch, t]` to logits `f32[batch, t, vocab_size]`.
    #[track_caller]
    fn forward(&self, cx: &Scope, tokens: &Array, cache_length: Option<usize>) -> Array;

    /// The array of the files that a parameter is made of.
    fn source(path: &str) -> Option<Source>;

    /// Is an array of the files none of the model's?
    fn is_passed_over(name: &str) -> bool;
}

impl<M: Architecture> Pretrained for M {}

/// A model whose configuration and parameters are in Hugging Face's files.
pub trait Pretrained: Architecture {
    /// Its sizes, of the text of a `config.json`.
    ///
    /// # Errors
    /// Text that is no JSON; a number that is missing or none; what the model does not do.
    #[track_caller]
    fn from_json(text: &str) -> Result<Self> {
        let here = caller();
        let json = serde_json::from_str(text).map_err(|e| err!(Io, "the configuration is no JSON: {e}"));
        json.and_then(|json| Self::sizes(&json)).map_err(|e| e.at(here))
    }

    /// Its sizes, of the file `config.json` in a directory.
    ///
    /// # Errors
    /// `Io` if there is none, or it is no JSON; as [`from_json`](Pretrained::from_json).
    #[track_caller]
    fn read(directory: impl AsRef<Path>) -> Result<Self> {
        let here = caller();
        let path = directory.as_ref().join("config.json");
        json(&path).and_then(|json| Self::sizes(&json)).map_err(|e| e.at(here))
    }

    /// The logits of the token after each one: `i32[batch, t]` to `f32[batch, t, vocab_size]`.
    ///
    /// # Errors
    /// Tokens of another shape or dtype; more than there are positions.
    #[track_caller]
    fn logits(&self, cx: &Scope, tokens: impl Into<Array>) -> Array {
        self.forward(cx, &tokens.into(), None)
    }

    /// [`logits`](Pretrained::logits) of tokens that continue those of earlier calls, of which keys and values are in the model's state:
    /// `cache_length` tokens at most.
    ///
    /// # Errors
    /// As [`logits`](Pretrained::logits).
    #[track_caller]
    fn next_logits(&self, cx: &Scope, tokens: impl Into<Array>, cache_length: usize) -> Array {
        self.forward(cx, &tokens.into(), Some(cache_length))
    }

    /// Its parameters, of a safetensors file, or of a directory with `model.safetensors` or `model.safetensors.index.json`. They have
    /// the model's dtypes, whatever the files' are.
    ///
    /// # Errors
    /// `Io` if a file can't be read, is none of its format or is damaged; `TreeMismatch` with what is missing, unexpected or of another
    /// shape, by the files' names.
    #[track_caller]
    fn load(&self, path: impl AsRef<Path>) -> Result<Params> {
        let here = caller();
        params_of(self, path.as_ref()).map_err(|e| e.at(here))
    }
}

/// An array of a file, and what of it a parameter is.
pub struct Source {
    pub(super) name: String,
    pub(super) part: Part,
}

pub(super) enum Part {
    Whole,
    /// PyTorch's kernels are `[outputs, inputs]`.
    Transposed,
    /// One of several that stand beside each other in the last axis.
    OfColumns(usize, usize),
}

fn params_of<M: Architecture>(model: &M, path: &Path) -> Result<Params> {
    let mut arrays = BTreeMap::new();
    for file in files(path)? {
        for (name, array) in io::load_named(&file)? {
            let name = name.strip_prefix(M::PREFIX).map_or(name.clone(), str::to_owned);
            arrays.insert(name, array);
        }
    }
    let tokens = numpy::zeros(([1, 1], DType::I32));
    let table = nn::tabulate(|cx| model.forward(cx, &tokens, None))?;
    let mut params = Params::default();
    let (mut used, mut bad) = (BTreeSet::new(), Vec::new());
    for row in table.rows() {
        let Some(Source { name, part }) = M::source(&row.path) else {
            bail!(Internal, "{} has no name in the files", row.path)
        };
        match arrays.get(&name) {
            None => bad.push(format!("{name} is missing")),
            Some(array) => match made_of(array, &part, row) {
                Some(param) => params.set(&row.path, param)?,
                None => bad.push(format!("{name} is {}, for {} {}", array.aval(), row.path, row.aval)),
            },
        }
        used.insert(name);
    }
    let others = arrays.keys().filter(|name| !used.contains(*name) && !M::is_passed_over(name));
    bad.extend(others.map(|name| format!("{name} is unexpected")));
    if !bad.is_empty() {
        bad.dedup();
        const SHOWN: usize = 10;
        let more = bad.len().saturating_sub(SHOWN);
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        bail!(TreeMismatch, "{}: {}{rest}", path.display(), bad[..bad.len().min(SHOWN)].join("; "));
    }
    Ok(params)
}

/// The parameter of a row, if the array has as many rows and columns as it needs.
fn made_of(array: &Array, part: &Part, row: &Row) -> Option<Array> {
    let shape = row.aval.shape();
    let array = match *part {
        Part::Whole => array.clone(),
        Part::Transposed if array.ndim() == 2 => lax::transpose(array, (1, 0)),
        Part::Transposed => return None,
        Part::OfColumns(i, n) => {
            let last = *array.shape().last()?;
            if !last.is_multiple_of(n) {
                return None;
            }
            lax::slice_in_dim(array, i * (last / n)..(i + 1) * (last / n), -1)
        }
    };
    // Heads are an axis of their own here.
    let heads: &[usize] = array.shape();
    let fits = match (heads, shape) {
        (&[r, c], &[a, b, d]) => (r == a && c == b * d) || (r == a * b && c == d),
        (&[n], &[a, b]) => n == a * b,
        (theirs, ours) => theirs == ours,
    };
    fits.then(|| lax::convert_element_type(&numpy::reshape(array, shape), row.aval.dtype()))
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).map_err(|e| err!(Io, "could not read {}: {e}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| err!(Io, "{} is no JSON: {e}", path.display()))
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (one, index) = (path.join("model.safetensors"), path.join("model.safetensors.index.json"));
    if one.exists() || !index.exists() {
        return Ok(vec![one]);
    }
    let json = json(&index)?;
    let Some(map) = json["weight_map"].as_object() else {
        bail!(Io, "{} has no weight_map", index.display())
    };
    let names: BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
    if let Some(name) =
        names.iter().find(|name| Path::new(name).components().count() != 1 || name.contains(".."))
    {
        bail!(Io, "{} names a file elsewhere: {name}", index.display());
    }
    Ok(names.into_iter().map(|name| path.join(name)).collect())
}

/// A `config.json`, whose values may be left out.
pub(super) struct Config<'a> {
    model: &'static str,
    json: &'a Value,
}

impl<'a> Config<'a> {
    pub(super) fn of(model: &'static str, json: &'a Value) -> Result<Self> {
        match json["model_type"].as_str() {
            _ if !json.is_object() => {
                bail!(InvalidArgument, "{model}: the configuration is no object: {json}")
            }
            Some(other) if other != model => {
                bail!(InvalidArgument, "{model}: the configuration is of a {other}")
            }
            _ => Ok(Config { model, json }),
        }
    }

    fn get<T>(
        &self,
        name: &str,
        default: Option<T>,
        what: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<T> {
        match &self.json[name] {
            Value::Null => default.ok_or_else(|| err!(InvalidArgument, "{}: {name} is missing", self.model)),
            value => read(value)
                .ok_or_else(|| err!(InvalidArgument, "{}: {name} is {what}, got {value}", self.model)),
        }
    }

    pub(super) fn size(&self, name: &str, default: Option<usize>) -> Result<usize> {
        self.get(name, default, "a size", |v| v.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    pub(super) fn number(&self, name: &str, default: f64) -> Result<f64> {
        self.get(name, Some(default), "a number", Value::as_f64)
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        self.get(name, Some(default), "true or false", Value::as_bool)
    }

    pub(super) fn string(&self, name: &str, default: &'static str) -> Result<&'a str> {
        self.get(name, Some(default), "a string", Value::as_str)
    }

    pub(super) fn must_be(&self, name: &str, usual: bool) -> Result<()> {
        if self.flag(name, usual)? != usual {
            bail!(Unimplemented, "{}: {name} is {usual} alone", self.model);
        }
        Ok(())
    }

    pub(super) fn must_be_null(&self, name: &str) -> Result<()> {
        match &self.json[name] {
            Value::Null => Ok(()),
            value => bail!(Unimplemented, "{}: {name} is null alone, got {value}", self.model),
        }
    }
}
