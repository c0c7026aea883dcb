//! Rows for indexing, updates and sorting of `jax.numpy`.

use raxla::Array;
use raxla::numpy::{self as jnp, Index, NewAxis, QuantileMethod};
use serde_json::Value;

use crate::case::{Params, Row};
use crate::rows_numpy::axes;
use crate::{reduce_rows, row};

/// The parameter `index` with its arrays.
fn indices(p: &Params, arrays: &[Array]) -> Vec<Index> {
    let parts = p.get("index").as_array().unwrap();
    let part = |v: &Value| match v {
        Value::String(s) if s == "..." => Index::Ellipsis,
        Value::String(_) => Index::from(NewAxis),
        Value::Object(o) => match o.get("array") {
            Some(i) => Index::from(&arrays[i.as_u64().unwrap() as usize]),
            None => {
                let ends = o["slice"].as_array().unwrap();
                Index::Slice {
                    start: ends[0].as_i64(),
                    stop: ends[1].as_i64(),
                    step: ends[2].as_i64().unwrap_or(1),
                }
            }
        },
        i => Index::Int(i.as_i64().unwrap()),
    };
    parts.iter().map(part).collect()
}

fn method(p: &Params) -> QuantileMethod {
    match p.str("method") {
        "lower" => QuantileMethod::Lower,
        "higher" => QuantileMethod::Higher,
        "midpoint" => QuantileMethod::Midpoint,
        "nearest" => QuantileMethod::Nearest,
        _ => QuantileMethod::Linear,
    }
}

/// An axis that is -1 unless it was given, and `..` where it was given as `None`.
fn sort_axis(p: &Params) -> jnp::Axes {
    match p.get("axis") {
        Value::Null if !p.names("axis") => jnp::Axes::from(-1),
        _ => axes(p),
    }
}

pub const INDEX: &[&[Row]] = &[
    reduce_rows!("numpy." jnp: median),
    &[
        row!("numpy.index", |x, p| x[0].index(indices(p, &x[1..]))),
        row!("numpy.at_set", |x, p| x[0].at(indices(p, &x[2..])).set(&x[1])),
        row!("numpy.at_add", |x, p| x[0].at(indices(p, &x[2..])).add(&x[1])),
        row!("numpy.at_subtract", |x, p| x[0].at(indices(p, &x[2..])).subtract(&x[1])),
        row!("numpy.at_multiply", |x, p| x[0].at(indices(p, &x[2..])).multiply(&x[1])),
        row!("numpy.at_min", |x, p| x[0].at(indices(p, &x[2..])).min(&x[1])),
        row!("numpy.at_max", |x, p| x[0].at(indices(p, &x[2..])).max(&x[1])),
        row!("numpy.take", |x, p| jnp::take(&x[0], &x[1], axes(p))),
        row!("numpy.take_along_axis", |x, p| jnp::take_along_axis(&x[0], &x[1], p.int("axis"))),
        row!("numpy.sort", |x, p| jnp::sort(&x[0], sort_axis(p))),
        row!("numpy.argsort", |x, p| jnp::argsort(&x[0], sort_axis(p))),
        row!("numpy.lexsort", |x, _| jnp::lexsort(x, -1)),
        row!("numpy.searchsorted", |x, p| jnp::searchsorted(&x[0], &x[1], p.str("side") == "right")),
        row!("numpy.digitize", |x, p| jnp::digitize(&x[0], &x[1], p.bool("right"))),
        row!("numpy.quantile", |x, p| jnp::quantile(&x[0], &x[1], axes(p), method(p))),
        row!("numpy.percentile", |x, p| jnp::percentile(&x[0], &x[1], axes(p), method(p))),
        row!("numpy.bincount", |x, p| jnp::bincount(&x[0], None, p.usize("length"))),
        row!("numpy.interp", |x, _| jnp::interp(&x[0], &x[1], &x[2])),
        row!("numpy.polyval", |x, _| jnp::polyval(&x[0], &x[1])),
        row!("numpy.convolve", |x, p| jnp::convolve(&x[0], &x[1], p.str("mode"))),
    ],
];
