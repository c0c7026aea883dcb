//! Rows for the windows, convolutions, cumulative reductions and sorts of `jax.lax`.

use raxla::Array;
use raxla::lax::{
    self, ApproxKOptions, ConvOptions, ConvTransposeOptions, CumulativeOptions, Padding, SortKeyValOptions,
    SortOptions, WindowOptions,
};

use crate::case::{Params, Row};
use crate::row;

/// Padding as a case has it: a name, or pairs.
pub fn pads(p: &Params, name: &str) -> Padding {
    match p.get(name).as_str().map(str::to_uppercase).as_deref() {
        Some("SAME") => Padding::Same,
        Some("SAME_LOWER") => Padding::SameLower,
        Some("VALID") => Padding::Valid,
        Some(other) => panic!("no padding {other}"),
        None => p.lists(name).iter().map(|l| (l[0], l[1])).collect::<Vec<_>>().into(),
    }
}

pub fn window_options(p: &Params) -> WindowOptions {
    let mut options = WindowOptions::new().padding(pads(p, "padding"));
    if p.has("window_strides") {
        options = options.window_strides(p.ints("window_strides"));
    }
    if p.has("base_dilation") {
        options = options.base_dilation(p.ints("base_dilation"));
    }
    if p.has("window_dilation") {
        options = options.window_dilation(p.ints("window_dilation"));
    }
    options
}

macro_rules! window {
    ($f:path, $x:expr, $p:expr) => {
        $f(&$x[0], $p.ints("window_dimensions"), window_options($p))
    };
}

fn dimension_numbers(p: &Params) -> Option<(&str, &str, &str)> {
    let names = p.get("dimension_numbers").as_array()?;
    let name = |i: usize| names[i].as_str().unwrap();
    Some((name(0), name(1), name(2)))
}

fn conv_options(p: &Params) -> ConvOptions {
    let mut options = ConvOptions::new();
    if p.has("lhs_dilation") {
        options = options.lhs_dilation(p.ints("lhs_dilation"));
    }
    if p.has("rhs_dilation") {
        options = options.rhs_dilation(p.ints("rhs_dilation"));
    }
    if let Some(names) = dimension_numbers(p) {
        options = options.dimension_numbers(names);
    }
    if let Some(count) = p.size_or_none("feature_group_count") {
        options = options.feature_group_count(count);
    }
    if let Some(count) = p.size_or_none("batch_group_count") {
        options = options.batch_group_count(count);
    }
    if let Some(dtype) = p.dtype_or_none("preferred_element_type") {
        options = options.preferred_element_type(dtype);
    }
    options
}

fn conv_transpose(x: &[Array], p: &Params) -> Array {
    let mut options = ConvTransposeOptions::new()
        .transpose_kernel(p.bool("transpose_kernel"))
        .use_consistent_padding(p.bool("use_consistent_padding"));
    if p.has("rhs_dilation") {
        options = options.rhs_dilation(p.ints("rhs_dilation"));
    }
    if let Some(names) = dimension_numbers(p) {
        options = options.dimension_numbers(names);
    }
    lax::conv_transpose(&x[0], &x[1], p.ints("strides"), pads(p, "padding"), options)
}

fn cumulative(p: &Params) -> CumulativeOptions {
    CumulativeOptions::new().reverse(p.bool("reverse"))
}

fn pair((a, b): (Array, Array)) -> Vec<Array> {
    vec![a, b]
}

fn approx_options(p: &Params) -> ApproxKOptions {
    let options = ApproxKOptions::new().reduction_dimension(p.axis("reduction_dimension"));
    let options = options.aggregate_to_topk(p.bool_or("aggregate_to_topk", true));
    if p.has("recall_target") { options.recall_target(p.float("recall_target")) } else { options }
}

pub const LAX_WINDOW: &[&[Row]] = &[&[
    row!("lax.cumsum", |x, p| lax::cumsum_with(&x[0], p.int("axis"), cumulative(p))),
    row!("lax.cumprod", |x, p| lax::cumprod_with(&x[0], p.int("axis"), cumulative(p))),
    row!("lax.cummax", |x, p| lax::cummax_with(&x[0], p.int("axis"), cumulative(p))),
    row!("lax.cummin", |x, p| lax::cummin_with(&x[0], p.int("axis"), cumulative(p))),
    row!("lax.cumlogsumexp", |x, p| lax::cumlogsumexp_with(&x[0], p.int("axis"), cumulative(p))),
    row!("lax.reduce_window_sum", |x, p| window!(lax::reduce_window_sum_with, x, p)),
    row!("lax.reduce_window_max", |x, p| window!(lax::reduce_window_max_with, x, p)),
    row!("lax.reduce_window_min", |x, p| window!(lax::reduce_window_min_with, x, p)),
    Row {
        name: "lax.sort",
        call: |x, p| {
            let options = SortOptions::new().is_stable(p.bool("is_stable")).num_keys(p.usize("num_keys"));
            lax::sort_with(x, p.int("dimension"), options)
        },
    },
    Row {
        name: "lax.sort_key_val",
        call: |x, p| {
            let options = SortKeyValOptions::new().is_stable(p.bool("is_stable"));
            pair(lax::sort_key_val_with(&x[0], &x[1], p.int("dimension"), options))
        },
    },
    Row {
        name: "lax.approx_max_k",
        call: |x, p| pair(lax::approx_max_k_with(&x[0], p.usize("k"), approx_options(p))),
    },
    Row {
        name: "lax.approx_min_k",
        call: |x, p| pair(lax::approx_min_k_with(&x[0], p.usize("k"), approx_options(p))),
    },
    Row { name: "lax.top_k", call: |x, p| pair(lax::top_k(&x[0], p.usize("k"), p.int("axis"))) },
    row!("lax.conv_general_dilated", |x, p| lax::conv_general_dilated(
        &x[0],
        &x[1],
        p.ints("window_strides"),
        pads(p, "padding"),
        conv_options(p)
    )),
    row!("lax.conv_with_general_padding", |x, p| lax::conv_with_general_padding(
        &x[0],
        &x[1],
        p.ints("window_strides"),
        pads(p, "padding"),
        conv_options(p)
    )),
    row!("lax.conv_transpose", |x, p| conv_transpose(x, p)),
    row!("lax.conv_general_dilated_patches", |x, p| lax::conv_general_dilated_patches(
        &x[0],
        p.ints("filter_shape"),
        p.ints("window_strides"),
        pads(p, "padding"),
        conv_options(p)
    )),
    row!("lax.conv_general_dilated_local", |x, p| lax::conv_general_dilated_local(
        &x[0],
        &x[1],
        p.ints("window_strides"),
        pads(p, "padding"),
        p.ints("filter_shape"),
        conv_options(p)
    )),
    row!("lax.scaled_dot", |x, p| {
        let mut options = lax::ScaledDotOptions::new();
        if let Some(scale) = x.get(2) {
            options = options.lhs_scale(scale);
        }
        if let Some(scale) = x.get(3) {
            options = options.rhs_scale(scale);
        }
        if p.has("dims") {
            options = options.dimension_numbers(dot_dims(p));
        }
        if let Some(dtype) = p.dtype_or_none("preferred_element_type") {
            options = options.preferred_element_type(dtype);
        }
        lax::scaled_dot_with(&x[0], &x[1], options)
    }),
    row!("lax.ragged_dot", |x, _| lax::ragged_dot(&x[0], &x[1], &x[2])),
    row!("lax.ragged_dot_general", |x, p| {
        let [a, b, c, d] = ["contract_l", "contract_r", "batch_l", "batch_r"].map(|name| p.ints(name));
        let numbers =
            lax::RaggedDotDimensionNumbers::new(((a, b), (c, d)), p.ints("ragged"), p.ints("group"));
        lax::ragged_dot_general(&x[0], &x[1], &x[2], numbers)
    }),
    row!("lax.padtype_to_pads", |_, p| {
        let sizes = p.ints("in_shape");
        let (window, strides) = (p.ints("window_shape"), p.ints("window_strides"));
        let pads = lax::padtype_to_pads(&sizes, window, strides, pads(p, "padding"));
        let pads: Vec<i32> = pads.iter().flat_map(|(low, high)| [*low as i32, *high as i32]).collect();
        lax::reshape(&Array::from(pads), [sizes.len(), 2])
    }),
    row!("lax.conv", |x, p| lax::conv(&x[0], &x[1], p.ints("window_strides"), pads(p, "padding"))),
]];

/// The dimension numbers of a contraction, `[[lhs_contracting, rhs_contracting], [lhs_batch, rhs_batch]]`.
pub fn dot_dims(p: &Params) -> lax::DotDimensionNumbers {
    let pairs = p.get("dims").as_array().unwrap();
    let pair = |i: usize| {
        let [a, b] = [0, 1].map(|side| -> Vec<i64> {
            pairs[i][side].as_array().unwrap().iter().map(|axis| axis.as_i64().unwrap()).collect()
        });
        (a, b)
    };
    (pair(0), pair(1)).into()
}
