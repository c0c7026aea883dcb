//! Rows for `jax.numpy`: histograms, differences, covariance, polynomials, bits, partitions, quantiles without nan, blocks,
//! functions of functions.

use raxla::numpy::{
    self as jnp, BitOrder, Blocks, ConvolveMode, CorrcoefOptions, CorrelateOptions, CovOptions,
    CumulativeArrayOptions, FromfunctionOptions, GradientOptions, HistogramOptions, HistogramddOptions,
    LikeOptions, PackbitsOptions, Piece, PolyTrimOptions, PolyderOptions, PolyfitCov, PolyfitOptions,
    PolyintOptions, QuantileMethod, QuantileOptions, ReduceOptions, RootsOptions, Sections,
    UnpackbitsOptions, UnwrapOptions,
};
use raxla::{Array, Axes};
use serde_json::Value;

use crate::case::{Params, Row};
use crate::row;
use crate::rows_numpy::{axes, opt_axis, pair};

/// The array that a case has for a parameter, behind the first `count`.
fn given<'a>(x: &'a [Array], p: &Params, count: usize, name: &str) -> Option<&'a Array> {
    let at = p.strs("arrays").iter().position(|n| *n == name)?;
    x.get(count + at)
}

fn histogram_options(x: &[Array], p: &Params) -> HistogramOptions {
    let mut options = HistogramOptions::new().density(p.bool("density"));
    if p.has("bins") {
        options = options.bins(p.usize("bins"));
    }
    if let Some(edges) = given(x, p, 1, "bins") {
        options = options.bins(edges);
    }
    if p.has("range") {
        let range: Vec<f32> = p.ints("range").into_iter().map(|n| n as f32).collect();
        options = options.range(range);
    }
    match given(x, p, 1, "weights") {
        Some(weights) => options.weights(weights),
        None => options,
    }
}

fn histogramdd_options(x: &[Array], p: &Params, count: usize) -> HistogramddOptions {
    let mut options = HistogramddOptions::new().density(p.bool("density"));
    match p.get("bins") {
        Value::Null => {}
        Value::Array(_) => options = options.bins(p.usizes("bins")),
        _ => options = options.bins(p.usize("bins")),
    }
    if let Some(ranges) = p.get("range").as_array() {
        let one = |range: &Value| {
            let ends = range.as_array()?;
            let ends: Vec<f32> = ends.iter().map(|n| n.as_f64().unwrap() as f32).collect();
            Some(Array::from(ends))
        };
        options = options.range(ranges.iter().map(one).collect::<Vec<_>>());
    }
    match given(x, p, count, "weights") {
        Some(weights) => options.weights(weights),
        None => options,
    }
}

fn cov_options(x: &[Array], p: &Params) -> CovOptions {
    let mut options = CovOptions::new().rowvar(p.bool_or("rowvar", true)).bias(p.bool("bias"));
    if let Some(y) = given(x, p, 1, "y") {
        options = options.y(y);
    }
    if let Some(w) = given(x, p, 1, "fweights") {
        options = options.fweights(w);
    }
    if let Some(w) = given(x, p, 1, "aweights") {
        options = options.aweights(w);
    }
    if p.has("ddof") {
        options = options.ddof(p.int("ddof"));
    }
    if p.has("dtype") { options.dtype(p.dtype("dtype")) } else { options }
}

fn corrcoef_options(x: &[Array], p: &Params) -> CorrcoefOptions {
    let mut options = CorrcoefOptions::new().rowvar(p.bool_or("rowvar", true));
    if let Some(y) = given(x, p, 1, "y") {
        options = options.y(y);
    }
    if p.has("dtype") { options.dtype(p.dtype("dtype")) } else { options }
}

fn correlate_options(p: &Params) -> CorrelateOptions {
    let mode = match p.str("mode") {
        "same" => ConvolveMode::Same,
        "full" => ConvolveMode::Full,
        _ => ConvolveMode::Valid,
    };
    let options = CorrelateOptions::new().mode(mode);
    match p.has("preferred_element_type") {
        true => options.preferred_element_type(p.dtype("preferred_element_type")),
        false => options,
    }
}

fn bit_order(p: &Params) -> BitOrder {
    if p.str("bitorder") == "little" { BitOrder::Little } else { BitOrder::Big }
}

fn quantile_options(x: &[Array], p: &Params) -> QuantileOptions {
    let method = match p.str("method") {
        "lower" => QuantileMethod::Lower,
        "higher" => QuantileMethod::Higher,
        "midpoint" => QuantileMethod::Midpoint,
        "nearest" => QuantileMethod::Nearest,
        "inverted_cdf" => QuantileMethod::InvertedCdf,
        _ => QuantileMethod::Linear,
    };
    let options = QuantileOptions::new().method(method).keepdims(p.bool("keepdims"));
    match x.get(2) {
        Some(weights) => options.weights(weights),
        None => options,
    }
}

fn cumulative_options(p: &Params) -> CumulativeArrayOptions {
    let options = CumulativeArrayOptions::new().include_initial(p.bool("include_initial"));
    if p.has("dtype") { options.dtype(p.dtype("dtype")) } else { options }
}

/// The axis of a sort, the last one unless it is given.
fn axis_or_last(p: &Params) -> i64 {
    p.int_or("axis", -1)
}

fn blocks(shape: &Value, x: &[Array]) -> Blocks {
    match shape.as_array() {
        Some(list) => list.iter().map(|s| blocks(s, x)).collect::<Vec<Blocks>>().into(),
        None => Blocks::from(&x[shape.as_u64().unwrap() as usize]),
    }
}

fn pieces(p: &Params) -> Vec<Piece<'static>> {
    let one = |v: &Value| match v {
        Value::String(s) if s == "square" => Piece::function(|x: &Array| x * x),
        Value::String(_) => Piece::function(|x: &Array| x * 0.5),
        v => Piece::value(v.as_f64().unwrap()),
    };
    p.get("pieces").as_array().unwrap().iter().map(one).collect()
}

fn along(x: &Array, p: &Params) -> Array {
    let out = match p.str("func") {
        "sum" => jnp::apply_along_axis(|x: &Array| jnp::sum(x, ..), p.axis("axis"), x),
        "sort" => jnp::apply_along_axis(|x: &Array| jnp::sort(x, -1), p.axis("axis"), x),
        _ => jnp::apply_along_axis(|x: &Array| jnp::outer(x, x), p.axis("axis"), x),
    };
    out.unwrap()
}

fn sections(p: &Params) -> Sections {
    match p.get("indices_or_sections").as_u64() {
        Some(n) => Sections::Equal(n as usize),
        None => Sections::At(p.ints("indices_or_sections")),
    }
}

pub const REST: &[&[Row]] = &[&[
    Row {
        name: "numpy.polyfit",
        call: |x, p| {
            let mut options = PolyfitOptions::new().full(p.has("full") && p.bool("full"));
            if p.has("cov") {
                let unscaled = p.str("cov") == "unscaled";
                options = options.cov(if unscaled { PolyfitCov::Unscaled } else { PolyfitCov::Scaled });
            }
            if let Some(w) = x.get(2) {
                options = options.w(w);
            }
            let found = jnp::polyfit_with(&x[0], &x[1], p.usize("deg"), options);
            let full = found.full.into_iter().flat_map(|(resids, rank, s, _)| [resids, rank, s]);
            std::iter::once(found.p).chain(full).chain(found.cov).collect()
        },
    },
    row!("numpy.roots", |x, p| {
        let strip_zeros = !p.has("strip_zeros") || p.bool("strip_zeros");
        jnp::sort(jnp::roots_with(&x[0], RootsOptions::new().strip_zeros(strip_zeros)), -1)
    }),
    Row {
        name: "numpy.histogram",
        call: |x, p| match x.len() == 1 && !p.has("bins") && !p.has("density") {
            true => pair(jnp::histogram(&x[0])),
            false => pair(jnp::histogram_with(&x[0], histogram_options(x, p))),
        },
    },
    row!("numpy.histogram_bin_edges", |x, p| match x.len() == 1 && !p.has("bins") {
        true => jnp::histogram_bin_edges(&x[0]),
        false => jnp::histogram_bin_edges_with(&x[0], histogram_options(x, p)),
    }),
    Row {
        name: "numpy.histogram2d",
        call: |x, p| {
            let (counts, first, second) = jnp::histogram2d_with(&x[0], &x[1], histogramdd_options(x, p, 2));
            vec![counts, first, second]
        },
    },
    Row {
        name: "numpy.histogramdd",
        call: |x, p| {
            let (counts, edges) = jnp::histogramdd_with(&x[0], histogramdd_options(x, p, 1));
            [counts].into_iter().chain(edges).collect()
        },
    },
    Row {
        name: "numpy.gradient",
        call: |x, p| {
            let axes = if p.has("axis") { Axes::from(p.ints("axis")) } else { Axes::from(..) };
            match &x[1..] {
                [] => jnp::gradient(&x[0], axes),
                [one] => jnp::gradient_with(&x[0], axes, GradientOptions::new().spacing(one)),
                all => jnp::gradient_with(&x[0], axes, GradientOptions::new().spacing(all.to_vec())),
            }
        },
    },
    row!("numpy.unwrap", |x, p| {
        let mut options = UnwrapOptions::new();
        if let Some(discont) = given(x, p, 1, "discont") {
            options = options.discont(discont);
        }
        if let Some(period) = given(x, p, 1, "period") {
            options = options.period(period);
        }
        jnp::unwrap_with(&x[0], axis_or_last(p), options)
    }),
    row!("numpy.cov", |x, p| jnp::cov_with(&x[0], cov_options(x, p))),
    row!("numpy.corrcoef", |x, p| jnp::corrcoef_with(&x[0], corrcoef_options(x, p))),
    row!("numpy.kaiser", |x, p| jnp::kaiser(p.usize("M"), &x[0])),
    row!("numpy.polyadd", |x, _| jnp::polyadd(&x[0], &x[1])),
    row!("numpy.polysub", |x, _| jnp::polysub(&x[0], &x[1])),
    row!("numpy.polymul", |x, p| {
        let options = PolyTrimOptions::new().trim_leading_zeros(p.bool("trim_leading_zeros"));
        jnp::polymul_with(&x[0], &x[1], options)
    }),
    Row {
        name: "numpy.polydiv",
        call: |x, p| {
            let options = PolyTrimOptions::new().trim_leading_zeros(p.bool("trim_leading_zeros"));
            pair(jnp::polydiv_with(&x[0], &x[1], options))
        },
    },
    row!("numpy.polyder", |x, p| match p.has("m") {
        true => jnp::polyder_with(&x[0], PolyderOptions::new().m(p.usize("m"))),
        false => jnp::polyder(&x[0]),
    }),
    row!("numpy.polyint", |x, p| {
        let options = PolyintOptions::new().m(p.usize("m"));
        match x.get(1) {
            Some(k) => jnp::polyint_with(&x[0], options.k(k)),
            None => jnp::polyint_with(&x[0], options),
        }
    }),
    row!("numpy.poly", |x, _| jnp::poly(&x[0])),
    row!("numpy.correlate", |x, p| jnp::correlate_with(&x[0], &x[1], correlate_options(p))),
    row!("numpy.packbits", |x, p| {
        jnp::packbits_with(&x[0], opt_axis(p), PackbitsOptions::new().bitorder(bit_order(p)))
    }),
    row!("numpy.unpackbits", |x, p| {
        let options = UnpackbitsOptions::new().bitorder(bit_order(p));
        let options = if p.has("count") { options.count(p.usize("count")) } else { options };
        jnp::unpackbits_with(&x[0], opt_axis(p), options)
    }),
    row!("numpy.partition", |x, p| jnp::partition(&x[0], p.int("kth"), axis_or_last(p))),
    row!("numpy.argpartition", |x, p| jnp::argpartition(&x[0], p.int("kth"), axis_or_last(p))),
    row!("numpy.sort_complex", |x, _| jnp::sort_complex(&x[0])),
    row!("numpy.nanquantile", |x, p| {
        jnp::nanquantile_with(&x[0], &x[1], axes(p), quantile_options(x, p))
    }),
    row!("numpy.nanpercentile", |x, p| {
        jnp::nanpercentile_with(&x[0], &x[1], axes(p), quantile_options(x, p))
    }),
    row!("numpy.nanmedian", |x, p| {
        jnp::nanmedian_with(&x[0], axes(p), ReduceOptions::new().keepdims(p.bool("keepdims")))
    }),
    row!("numpy.cumulative_sum", |x, p| jnp::cumulative_sum_with(&x[0], opt_axis(p), cumulative_options(p))),
    row!("numpy.cumulative_prod", |x, p| {
        jnp::cumulative_prod_with(&x[0], opt_axis(p), cumulative_options(p))
    }),
    row!("numpy.apply_along_axis", |x, p| along(&x[0], p)),
    row!("numpy.apply_over_axes", |x, p| {
        let keepdims = p.bool("keepdims");
        let sum = |x: &Array, axis: usize| jnp::sum_with(x, axis, ReduceOptions::new().keepdims(keepdims));
        jnp::apply_over_axes(sum, &x[0], p.ints("axes")).unwrap()
    }),
    row!("numpy.fromfunction", |_, p| {
        let f = |at: &[Array]| {
            let sum = at.iter().cloned().reduce(|a, b| a + b);
            sum.map_or_else(|| Array::scalar(3.0f32), |sum| sum * 2)
        };
        let options = FromfunctionOptions::new();
        let options = if p.has("dtype") { options.dtype(p.dtype("dtype")) } else { options };
        jnp::fromfunction_with(f, p.ints("shape"), options).unwrap()
    }),
    row!("numpy.piecewise", |x, p| jnp::piecewise(&x[0], &x[1..], &pieces(p)).unwrap()),
    row!("numpy.block", |x, p| jnp::block(blocks(p.get("shape"), x))),
    row!("numpy.iscomplex", |x, _| jnp::iscomplex(&x[0])),
    row!("numpy.isreal", |x, _| jnp::isreal(&x[0])),
    row!("numpy.copy", |x, _| jnp::copy(&x[0])),
    row!("numpy.empty_like", |x, p| match p.has("dtype") {
        true => {
            let options = LikeOptions::new().dtype(p.dtype("dtype")).shape(p.usizes("shape"));
            jnp::empty_like_with(&x[0], options)
        }
        false => jnp::empty_like(&x[0]),
    }),
    Row { name: "numpy.dsplit", call: |x, p| jnp::dsplit(&x[0], sections(p)) },
    row!("numpy.pow", |x, _| jnp::pow(&x[0], &x[1])),
]];
