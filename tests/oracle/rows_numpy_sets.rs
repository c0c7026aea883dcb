//! Rows for `jax.numpy`: results whose shape depends on values, sets, insertion and deletion, positions.

use raxla::numpy::{
    self as jnp, ChooseOptions, CompressOptions, DeleteOptions, DiagOptions, GatherScatterMode, Index,
    IndexMode, IntersectOptions, IsinMethod, IsinOptions, MaskIndicesOptions, Order, PutAlongAxisOptions,
    PutMode, PutOptions, RavelMultiIndexOptions, SetOptions, SizeOptions, TriIndicesFromOptions, Trim,
    TrimZerosOptions, UniqueOptions,
};
use raxla::{Array, Axes};
use serde_json::Value;

use crate::case::{Params, Row};
use crate::row;
use crate::rows_numpy::{opt_axis, pair};

/// A size if there is one, and the array behind the first `count` as what fills up.
fn sizes(x: &[Array], p: &Params, count: usize) -> SizeOptions {
    let mut options = SizeOptions::new();
    if p.has("size") {
        options = options.size(p.usize("size"));
    }
    if let Some(fill) = x.get(count) {
        options = options.fill_value(fill);
    }
    options
}

fn compress_options(x: &[Array], p: &Params) -> CompressOptions {
    let mut options = CompressOptions::new();
    if p.has("size") {
        options = options.size(p.usize("size"));
    }
    if let Some(fill) = x.get(2) {
        options = options.fill_value(fill);
    }
    options
}

fn unique_options(x: &[Array], p: &Params) -> UniqueOptions {
    let mut options = UniqueOptions::new()
        .return_index(p.bool("return_index"))
        .return_inverse(p.bool("return_inverse"))
        .return_counts(p.bool("return_counts"))
        .equal_nan(p.bool_or("equal_nan", true));
    if p.has("size") {
        options = options.size(p.usize("size"));
    }
    if let Some(fill) = x.get(1) {
        options = options.fill_value(fill);
    }
    options
}

fn set_options(x: &[Array], p: &Params) -> SetOptions {
    let mut options = SetOptions::new().assume_unique(p.bool("assume_unique"));
    if p.has("size") {
        options = options.size(p.usize("size"));
    }
    if let Some(fill) = x.get(2) {
        options = options.fill_value(fill);
    }
    options
}

fn intersect_options(x: &[Array], p: &Params) -> IntersectOptions {
    let mut options = IntersectOptions::new()
        .assume_unique(p.bool("assume_unique"))
        .return_indices(p.bool("return_indices"));
    if p.has("size") {
        options = options.size(p.usize("size"));
    }
    if let Some(fill) = x.get(2) {
        options = options.fill_value(fill);
    }
    options
}

/// By the short form where a case has no options.
macro_rules! sets {
    ($($name:ident $with:ident $options:ident)*) => {
        &[$(row!(concat!("numpy.", stringify!($name)), |x, p| match plain(p) {
            true => jnp::$name(&x[0], &x[1]),
            false => jnp::$with(&x[0], &x[1], $options(x, p)),
        })),*]
    };
}

fn plain(p: &Params) -> bool {
    !p.has("size") && !p.has("assume_unique") && !p.has("return_indices")
}

fn union_options(x: &[Array], p: &Params) -> SizeOptions {
    sizes(x, p, 2)
}

fn isin_options(p: &Params) -> IsinOptions {
    let method = match p.str("method") {
        "compare_all" => IsinMethod::CompareAll,
        "binary_search" => IsinMethod::BinarySearch,
        "sort" => IsinMethod::Sort,
        _ => IsinMethod::Auto,
    };
    IsinOptions::new().method(method).invert(p.bool("invert")).assume_unique(p.bool("assume_unique"))
}

/// What is inserted or deleted: an integer, a slice, or an array.
fn object(p: &Params, array: Option<&Array>) -> Index {
    match p.get("obj") {
        Value::String(_) => Index::from(array.unwrap()),
        Value::Object(o) => {
            let ends = o["slice"].as_array().unwrap();
            Index::Slice {
                start: ends[0].as_i64(),
                stop: ends[1].as_i64(),
                step: ends[2].as_i64().unwrap_or(1),
            }
        }
        _ => Index::Int(p.int("obj")),
    }
}

fn axes(p: &Params) -> Axes {
    match p.has("axis") {
        true => Axes::from(p.ints("axis")),
        false => Axes::from(..),
    }
}

fn index_mode(p: &Params) -> IndexMode {
    match p.str("mode") {
        "wrap" => IndexMode::Wrap,
        "clip" => IndexMode::Clip,
        "ignore" => IndexMode::Ignore,
        _ => IndexMode::Raise,
    }
}

fn ravel_options(p: &Params) -> RavelMultiIndexOptions {
    let order = if p.str("order") == "F" { Order::F } else { Order::C };
    let options = RavelMultiIndexOptions::new().mode(index_mode(p)).order(order);
    if p.has("dtype") { options.dtype(p.dtype("dtype")) } else { options }
}

pub const SETS: &[&[Row]] = &[
    sets!(union1d union1d_with union_options setdiff1d setdiff1d_with set_options setxor1d setxor1d_with set_options),
    &[
        Row {
            name: "numpy.nonzero",
            call: |x, p| match p.has("size") {
                true => jnp::nonzero_with(&x[0], sizes(x, p, 1)),
                false => jnp::nonzero(&x[0]),
            },
        },
        row!("numpy.flatnonzero", |x, p| match p.has("size") {
            true => jnp::flatnonzero_with(&x[0], sizes(x, p, 1)),
            false => jnp::flatnonzero(&x[0]),
        }),
        row!("numpy.argwhere", |x, p| match p.has("size") {
            true => jnp::argwhere_with(&x[0], sizes(x, p, 1)),
            false => jnp::argwhere(&x[0]),
        }),
        Row {
            name: "numpy.mask_indices",
            call: |_, p| {
                let upper = p.str("func") == "triu";
                let mask = |x: &Array, k: i64| {
                    let options = DiagOptions::new().k(k);
                    if upper { jnp::triu_with(x, options) } else { jnp::tril_with(x, options) }
                };
                let mut options = MaskIndicesOptions::new().k(p.int_or("k", 0));
                if p.has("size") {
                    options = options.size(p.usize("size"));
                }
                pair(jnp::mask_indices_with(p.usize("n"), mask, options).unwrap())
            },
        },
        row!("numpy.trim_zeros", |x, p| {
            let trim = match p.str("trim") {
                "f" => Trim::Front,
                "b" => Trim::Back,
                _ => Trim::Both,
            };
            jnp::trim_zeros_with(&x[0], axes(p), TrimZerosOptions::new().trim(trim))
        }),
        row!("numpy.compress", |x, p| match p.has("size") {
            true => jnp::compress_with(&x[0], &x[1], opt_axis(p), compress_options(x, p)),
            false => jnp::compress(&x[0], &x[1], opt_axis(p)),
        }),
        row!("numpy.extract", |x, p| match p.has("size") {
            true => jnp::extract_with(&x[0], &x[1], compress_options(x, p)),
            false => jnp::extract(&x[0], &x[1]),
        }),
        Row { name: "numpy.unique", call: |x, p| jnp::unique_with(&x[0], opt_axis(p), unique_options(x, p)) },
        Row {
            name: "numpy.unique_all",
            call: |x, p| {
                let found = jnp::unique_all_with(&x[0], sizes(x, p, 1));
                vec![found.values, found.indices, found.inverse_indices, found.counts]
            },
        },
        Row {
            name: "numpy.unique_counts",
            call: |x, p| {
                let found = jnp::unique_counts_with(&x[0], sizes(x, p, 1));
                vec![found.values, found.counts]
            },
        },
        Row {
            name: "numpy.unique_inverse",
            call: |x, p| {
                let found = jnp::unique_inverse_with(&x[0], sizes(x, p, 1));
                vec![found.values, found.inverse_indices]
            },
        },
        row!("numpy.unique_values", |x, p| jnp::unique_values_with(&x[0], sizes(x, p, 1))),
        Row {
            name: "numpy.intersect1d",
            call: |x, p| match plain(p) {
                true => vec![jnp::intersect1d(&x[0], &x[1])],
                false => jnp::intersect1d_with(&x[0], &x[1], intersect_options(x, p)),
            },
        },
        row!("numpy.isin", |x, p| jnp::isin_with(&x[0], &x[1], isin_options(p))),
        row!("numpy.delete", |x, p| {
            let options = DeleteOptions::new().assume_unique_indices(p.bool("assume_unique_indices"));
            jnp::delete_with(&x[0], object(p, x.get(1)), opt_axis(p), options)
        }),
        row!("numpy.insert", |x, p| jnp::insert(&x[0], object(p, x.get(2)), &x[1], opt_axis(p))),
        row!("numpy.place", |x, _| jnp::place(&x[0], &x[1], &x[2])),
        row!("numpy.put", |x, p| {
            let mode = match p.str("mode") {
                "clip" => PutMode::Clip,
                "wrap" => PutMode::Wrap,
                _ => PutMode::Drop,
            };
            jnp::put_with(&x[0], &x[1], &x[2], PutOptions::new().mode(mode))
        }),
        row!("numpy.put_along_axis", |x, p| match p.str("mode") {
            "clip" => {
                let options = PutAlongAxisOptions::new().mode(GatherScatterMode::Clip);
                jnp::put_along_axis_with(&x[0], &x[1], &x[2], opt_axis(p), options)
            }
            _ => jnp::put_along_axis(&x[0], &x[1], &x[2], opt_axis(p)),
        }),
        row!("numpy.fill_diagonal", |x, _| jnp::fill_diagonal(&x[0], &x[1])),
        Row { name: "numpy.diag_indices_from", call: |x, _| jnp::diag_indices_from(&x[0]) },
        Row {
            name: "numpy.tril_indices_from",
            call: |x, p| {
                let options = TriIndicesFromOptions::new().k(p.int_or("k", 0));
                pair(jnp::tril_indices_from_with(&x[0], options))
            },
        },
        Row {
            name: "numpy.triu_indices_from",
            call: |x, p| {
                let options = TriIndicesFromOptions::new().k(p.int_or("k", 0));
                pair(jnp::triu_indices_from_with(&x[0], options))
            },
        },
        Row { name: "numpy.ix_", call: |x, _| jnp::ix_(x) },
        row!("numpy.choose", |x, p| jnp::choose_with(
            &x[0],
            &x[1..],
            ChooseOptions::new().mode(index_mode(p))
        )),
        row!("numpy.ravel_multi_index", |x, p| jnp::ravel_multi_index_with(
            x,
            p.usizes("dims"),
            ravel_options(p)
        )),
        Row { name: "numpy.unravel_index", call: |x, p| jnp::unravel_index(&x[0], p.usizes("shape")) },
        row!("numpy.resize", |x, p| jnp::resize(&x[0], p.ints("new_shape"))),
    ],
];
