//! Rows for indexing, updates and sorting of `jax.numpy`.

use raxla::numpy::{
    self as jnp, At, BincountOptions, ConvolveMode, ConvolveOptions, DigitizeOptions, GatherScatterMode,
    Index, InterpOptions, NewAxis, Number, QuantileMethod, QuantileOptions, SearchMethod,
    SearchsortedOptions, Side, SortOptions, TakeAlongAxisOptions, TakeMode, TakeOptions,
};
use raxla::{Array, OptAxis};
use serde_json::Value;

use crate::case::{Params, Row};
use crate::row;
use crate::rows_numpy::{axes, opt_axis};

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

fn quantile_options(p: &Params, weights: Option<&Array>) -> QuantileOptions {
    let method = match p.str("method") {
        "lower" => QuantileMethod::Lower,
        "higher" => QuantileMethod::Higher,
        "midpoint" => QuantileMethod::Midpoint,
        "nearest" => QuantileMethod::Nearest,
        "inverted_cdf" => QuantileMethod::InvertedCdf,
        _ => QuantileMethod::Linear,
    };
    let options = QuantileOptions::new().method(method).keepdims(p.bool("keepdims"));
    match weights {
        Some(weights) => options.weights(weights),
        None => options,
    }
}

/// An axis that is -1 unless it was given, and `..` where it was given as `None`.
fn sort_axis(p: &Params) -> OptAxis {
    match p.get("axis") {
        Value::Null if !p.names("axis") => OptAxis::from(-1),
        _ => opt_axis(p),
    }
}

fn sort_options(p: &Params) -> SortOptions {
    SortOptions::new().descending(p.bool("descending")).stable(p.bool_or("stable", true))
}

fn gather_mode(p: &Params) -> GatherScatterMode {
    match p.str("mode") {
        "clip" => GatherScatterMode::Clip,
        "promise_in_bounds" => GatherScatterMode::PromiseInBounds,
        _ => GatherScatterMode::FillOrDrop,
    }
}

/// The part that a case names, by its options.
fn at<'a>(x: &'a [Array], p: &Params, skip: usize) -> At<'a> {
    let mut at = x[0].at(indices(p, &x[skip..]));
    if p.has("mode") {
        at = at.mode(gather_mode(p));
    }
    if p.has("fill_value") {
        at = at.fill_value(p.float("fill_value"));
    }
    at.unique_indices(p.bool("unique_indices"))
        .indices_are_sorted(p.bool("indices_are_sorted"))
        .wrap_negative_indices(p.bool_or("wrap_negative_indices", true))
}

fn search_method(p: &Params) -> SearchMethod {
    match p.str("method") {
        "scan_unrolled" => SearchMethod::ScanUnrolled,
        "sort" => SearchMethod::Sort,
        "compare_all" => SearchMethod::CompareAll,
        _ => SearchMethod::Scan,
    }
}

pub const INDEX: &[&[Row]] = &[&[
    row!("numpy.index", |x, p| x[0].index(indices(p, &x[1..]))),
    row!("numpy.at_get", |x, p| at(x, p, 1).get()),
    row!("numpy.at_set", |x, p| at(x, p, 2).set(&x[1])),
    row!("numpy.at_add", |x, p| at(x, p, 2).add(&x[1])),
    row!("numpy.at_subtract", |x, p| at(x, p, 2).subtract(&x[1])),
    row!("numpy.at_multiply", |x, p| at(x, p, 2).multiply(&x[1])),
    row!("numpy.at_min", |x, p| at(x, p, 2).min(&x[1])),
    row!("numpy.at_max", |x, p| at(x, p, 2).max(&x[1])),
    row!("numpy.take", |x, p| match p.has("mode") {
        false => jnp::take(&x[0], &x[1], opt_axis(p)),
        true => {
            let mode = match p.str("mode") {
                "clip" => TakeMode::Clip,
                "wrap" => TakeMode::Wrap,
                _ => TakeMode::Fill,
            };
            let mut options = TakeOptions::new().mode(mode);
            if p.has("fill_value") {
                options = options.fill_value(p.float("fill_value"));
            }
            jnp::take_with(&x[0], &x[1], opt_axis(p), options)
        }
    }),
    row!("numpy.take_along_axis", |x, p| match p.has("mode") {
        false => jnp::take_along_axis(&x[0], &x[1], opt_axis(p)),
        true => {
            let mut options = TakeAlongAxisOptions::new().mode(gather_mode(p));
            if p.has("fill_value") {
                options = options.fill_value(p.float("fill_value"));
            }
            jnp::take_along_axis_with(&x[0], &x[1], opt_axis(p), options)
        }
    }),
    row!("numpy.sort", |x, p| match p.names("descending") {
        true => jnp::sort_with(&x[0], sort_axis(p), sort_options(p)),
        false => jnp::sort(&x[0], sort_axis(p)),
    }),
    row!("numpy.argsort", |x, p| match p.names("descending") {
        true => jnp::argsort_with(&x[0], sort_axis(p), sort_options(p)),
        false => jnp::argsort(&x[0], sort_axis(p)),
    }),
    row!("numpy.lexsort", |x, _| jnp::lexsort(x, -1)),
    row!("numpy.searchsorted", |x, p| {
        let side = if p.str("side") == "right" { Side::Right } else { Side::Left };
        let options = SearchsortedOptions::new().side(side).method(search_method(p));
        match x.get(2) {
            Some(sorter) => jnp::searchsorted_with(&x[0], &x[1], options.sorter(sorter)),
            None => jnp::searchsorted_with(&x[0], &x[1], options),
        }
    }),
    row!("numpy.digitize", |x, p| {
        let options = DigitizeOptions::new().right(p.bool("right")).method(search_method(p));
        jnp::digitize_with(&x[0], &x[1], options)
    }),
    row!("numpy.quantile", |x, p| jnp::quantile_with(&x[0], &x[1], axes(p), quantile_options(p, x.get(2)))),
    row!("numpy.percentile", |x, p| jnp::percentile_with(
        &x[0],
        &x[1],
        axes(p),
        quantile_options(p, x.get(2))
    )),
    row!("numpy.bincount", |x, p| {
        let mut options = BincountOptions::new();
        if p.has("length") {
            options = options.length(p.usize("length"));
        }
        if let Some(weights) = x.get(1) {
            options = options.weights(weights);
        }
        jnp::bincount_with(&x[0], options)
    }),
    row!("numpy.interp", |x, p| {
        let mut options = InterpOptions::new();
        if p.has("left") {
            options = options.left(p.float("left")).right(p.float("right"));
        }
        if p.has("period") {
            options = options.period(Number::Float(p.float("period")));
        }
        jnp::interp_with(&x[0], &x[1], &x[2], options)
    }),
    row!("numpy.polyval", |x, p| match p.size_or_none("unroll") {
        Some(unroll) => jnp::polyval_with(&x[0], &x[1], jnp::PolyvalOptions::new().unroll(unroll)),
        None => jnp::polyval(&x[0], &x[1]),
    }),
    row!("numpy.convolve", |x, p| {
        let mode = match p.str("mode") {
            "same" => ConvolveMode::Same,
            "valid" => ConvolveMode::Valid,
            _ => ConvolveMode::Full,
        };
        jnp::convolve_with(&x[0], &x[1], ConvolveOptions::new().mode(mode))
    }),
]];
