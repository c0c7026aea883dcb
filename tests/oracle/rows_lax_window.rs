//! Rows for the windows, convolutions, cumulative reductions and sorts of `jax.lax`.

use raxla::Array;
use raxla::lax::{self, Padding};

use crate::case::{Params, Row};
use crate::row;

/// Padding as a case has it: a name, or pairs.
pub enum Pads {
    Named(String),
    Explicit(Vec<(i64, i64)>),
}

pub fn pads(p: &Params, name: &str) -> Pads {
    match p.get(name).as_str() {
        Some(name) => Pads::Named(name.into()),
        None => Pads::Explicit(p.lists(name).iter().map(|l| (l[0], l[1])).collect()),
    }
}

impl<'a> From<&'a Pads> for Padding<'a> {
    fn from(pads: &'a Pads) -> Self {
        match pads {
            Pads::Named(name) => Padding::Named(name),
            Pads::Explicit(pads) => Padding::Explicit(pads),
        }
    }
}

pub fn usizes_or_none(p: &Params, name: &str) -> Option<Vec<usize>> {
    p.has(name).then(|| p.usizes(name))
}

macro_rules! window {
    ($f:path, $x:expr, $p:expr) => {
        $f(
            &$x[0],
            &$p.usizes("window_dimensions"),
            &$p.usizes("window_strides"),
            &pads($p, "padding"),
            usizes_or_none($p, "base_dilation").as_deref(),
            usizes_or_none($p, "window_dilation").as_deref(),
        )
    };
}

fn dimension_numbers(p: &Params) -> Option<(&str, &str, &str)> {
    let names = p.get("dimension_numbers").as_array()?;
    let name = |i: usize| names[i].as_str().unwrap();
    Some((name(0), name(1), name(2)))
}

fn conv(x: &[Array], p: &Params) -> Array {
    lax::conv_general_dilated(
        &x[0],
        &x[1],
        &p.usizes("window_strides"),
        &pads(p, "padding"),
        usizes_or_none(p, "lhs_dilation").as_deref(),
        usizes_or_none(p, "rhs_dilation").as_deref(),
        dimension_numbers(p),
        p.size_or_none("feature_group_count").unwrap_or(1),
        p.size_or_none("batch_group_count").unwrap_or(1),
        None,
        p.dtype_or_none("preferred_element_type"),
    )
}

fn pair((a, b): (Array, Array)) -> Vec<Array> {
    vec![a, b]
}

pub const LAX_WINDOW: &[&[Row]] = &[&[
    row!("lax.cumsum", |x, p| lax::cumsum(&x[0], p.usize("axis"), p.bool("reverse"))),
    row!("lax.cumprod", |x, p| lax::cumprod(&x[0], p.usize("axis"), p.bool("reverse"))),
    row!("lax.cummax", |x, p| lax::cummax(&x[0], p.usize("axis"), p.bool("reverse"))),
    row!("lax.cummin", |x, p| lax::cummin(&x[0], p.usize("axis"), p.bool("reverse"))),
    row!("lax.cumlogsumexp", |x, p| lax::cumlogsumexp(&x[0], p.usize("axis"), p.bool("reverse"))),
    row!("lax.reduce_window_sum", |x, p| window!(lax::reduce_window_sum, x, p)),
    row!("lax.reduce_window_max", |x, p| window!(lax::reduce_window_max, x, p)),
    row!("lax.reduce_window_min", |x, p| window!(lax::reduce_window_min, x, p)),
    Row {
        name: "lax.sort",
        call: |x, p| lax::sort(x, p.int("dimension"), p.bool("is_stable"), p.usize("num_keys")),
    },
    Row {
        name: "lax.sort_key_val",
        call: |x, p| pair(lax::sort_key_val(&x[0], &x[1], p.int("dimension"), p.bool("is_stable"))),
    },
    Row { name: "lax.top_k", call: |x, p| pair(lax::top_k(&x[0], p.usize("k"), p.int("axis"))) },
    row!("lax.conv_general_dilated", |x, p| conv(x, p)),
    row!("lax.conv_with_general_padding", |x, p| lax::conv_with_general_padding(
        &x[0],
        &x[1],
        &p.usizes("window_strides"),
        &pads(p, "padding"),
        usizes_or_none(p, "lhs_dilation").as_deref(),
        usizes_or_none(p, "rhs_dilation").as_deref(),
        None,
        None
    )),
    row!("lax.conv_transpose", |x, p| lax::conv_transpose(
        &x[0],
        &x[1],
        &p.usizes("strides"),
        &pads(p, "padding"),
        usizes_or_none(p, "rhs_dilation").as_deref(),
        dimension_numbers(p),
        p.bool("transpose_kernel"),
        None,
        None,
        p.bool("use_consistent_padding")
    )),
    row!("lax.conv_general_dilated_patches", |x, p| lax::conv_general_dilated_patches(
        &x[0],
        &p.usizes("filter_shape"),
        &p.usizes("window_strides"),
        &pads(p, "padding"),
        usizes_or_none(p, "lhs_dilation").as_deref(),
        usizes_or_none(p, "rhs_dilation").as_deref(),
        dimension_numbers(p),
        None,
        None
    )),
    row!("lax.padtype_to_pads", |_, p| {
        let (sizes, window, strides) =
            (p.usizes("in_shape"), p.usizes("window_shape"), p.usizes("window_strides"));
        let pads = lax::padtype_to_pads(&sizes, &window, &strides, p.str("padding")).unwrap();
        let pads: Vec<i32> = pads.iter().flat_map(|(low, high)| [*low as i32, *high as i32]).collect();
        lax::reshape(&Array::from(pads), &[sizes.len(), 2])
    }),
    row!("lax.conv", |x, p| lax::conv(
        &x[0],
        &x[1],
        &p.usizes("window_strides"),
        &pads(p, "padding"),
        None,
        None
    )),
]];
