//! Rows for the gathers, scatters and dynamic slices of `jax.lax`.

use raxla::lax::{
    self, GatherDimensionNumbers, GatherOptions, GatherScatterMode, ScatterDimensionNumbers, ScatterOptions,
};
use raxla::{Array, Result, Scalar};

use crate::case::{Params, Row};
use crate::row;

fn lists(p: &Params) -> [Vec<usize>; 5] {
    let lists = p.lists("dims");
    std::array::from_fn(|i| lists[i].iter().map(|n| *n as usize).collect())
}

fn mode(p: &Params) -> GatherScatterMode {
    match p.str("mode") {
        "clip" => GatherScatterMode::Clip,
        "promise_in_bounds" => GatherScatterMode::PromiseInBounds,
        _ => GatherScatterMode::FillOrDrop,
    }
}

fn gather(x: &[Array], p: &Params) -> Array {
    let [
        offset_dims,
        collapsed_slice_dims,
        start_index_map,
        operand_batching_dims,
        start_indices_batching_dims,
    ] = lists(p);
    let numbers = GatherDimensionNumbers {
        offset_dims,
        collapsed_slice_dims,
        start_index_map,
        operand_batching_dims,
        start_indices_batching_dims,
    };
    let mut options = GatherOptions::new()
        .unique_indices(p.bool("unique_indices"))
        .indices_are_sorted(p.bool("indices_are_sorted"))
        .mode(mode(p));
    if p.has("fill_value") {
        options = options.fill_value(Scalar::from(p.int("fill_value")));
    }
    lax::gather_with(&x[0], &x[1], &numbers, p.ints("slice_sizes"), options)
}

fn scatter_numbers(p: &Params) -> (ScatterDimensionNumbers, ScatterOptions) {
    let [
        update_window_dims,
        inserted_window_dims,
        scatter_dims_to_operand_dims,
        operand_batching_dims,
        scatter_indices_batching_dims,
    ] = lists(p);
    let numbers = ScatterDimensionNumbers {
        update_window_dims,
        inserted_window_dims,
        scatter_dims_to_operand_dims,
        operand_batching_dims,
        scatter_indices_batching_dims,
    };
    let options = ScatterOptions::new()
        .unique_indices(p.bool("unique_indices"))
        .indices_are_sorted(p.bool("indices_are_sorted"))
        .mode(mode(p));
    (numbers, options)
}

fn scatter_apply(x: &[Array], p: &Params) -> Result<Array> {
    let numbers = scatter_numbers(p).0;
    let options = lax::ScatterApplyOptions::new()
        .update_shape(p.ints("update_shape"))
        .unique_indices(p.bool("unique_indices"))
        .indices_are_sorted(p.bool("indices_are_sorted"))
        .mode(mode(p));
    lax::scatter_apply_with(&x[0], &x[1], |v: Array| &v * &v + 1, &numbers, options)
}

/// A call, not a pointer to a function, which would not know its caller.
macro_rules! scatter {
    ($f:path, $x:expr, $p:expr) => {{
        let (numbers, options) = scatter_numbers($p);
        $f(&$x[0], &$x[1], &$x[2], &numbers, options)
    }};
}

pub const LAX_INDEX: &[&[Row]] = &[&[
    row!("lax.scatter_apply", |x, p| scatter_apply(x, p).unwrap()),
    row!("lax.gather", |x, p| gather(x, p)),
    row!("lax.scatter", |x, p| scatter!(lax::scatter_with, x, p)),
    row!("lax.scatter_add", |x, p| scatter!(lax::scatter_add_with, x, p)),
    row!("lax.scatter_sub", |x, p| scatter!(lax::scatter_sub_with, x, p)),
    row!("lax.scatter_mul", |x, p| scatter!(lax::scatter_mul_with, x, p)),
    row!("lax.scatter_min", |x, p| scatter!(lax::scatter_min_with, x, p)),
    row!("lax.scatter_max", |x, p| scatter!(lax::scatter_max_with, x, p)),
    row!("lax.dynamic_slice", |x, p| match allow_negative(p) {
        Some(options) => lax::dynamic_slice_with(&x[0], &x[1..], p.ints("slice_sizes"), options),
        None => lax::dynamic_slice(&x[0], &x[1..], p.ints("slice_sizes")),
    }),
    row!("lax.dynamic_update_slice", |x, p| match allow_negative(p) {
        Some(options) => lax::dynamic_update_slice_with(&x[0], &x[1], &x[2..], options),
        None => lax::dynamic_update_slice(&x[0], &x[1], &x[2..]),
    }),
    row!("lax.dynamic_slice_in_dim", |x, p| lax::dynamic_slice_in_dim(
        &x[0],
        &x[1],
        p.usize("slice_size"),
        p.int("axis")
    )),
    row!("lax.dynamic_index_in_dim", |x, p| lax::dynamic_index_in_dim_with(
        &x[0],
        &x[1],
        p.int("axis"),
        lax::DynamicIndexOptions::new().keepdims(p.bool("keepdims"))
    )),
    row!("lax.dynamic_update_slice_in_dim", |x, p| lax::dynamic_update_slice_in_dim(
        &x[0],
        &x[1],
        &x[2],
        p.int("axis")
    )),
    row!("lax.dynamic_update_index_in_dim", |x, p| lax::dynamic_update_index_in_dim(
        &x[0],
        &x[1],
        &x[2],
        p.int("axis")
    )),
]];

/// One answer, or one for each axis.
fn allow_negative(p: &Params) -> Option<lax::DynamicSliceOptions> {
    let options = lax::DynamicSliceOptions::new();
    match p.get("allow_negative_indices") {
        serde_json::Value::Bool(all) => Some(options.allow_negative_indices(*all)),
        serde_json::Value::Array(each) => {
            let each = each.iter().map(|one| one.as_bool().unwrap());
            Some(options.allow_negative_indices(each.collect::<Vec<_>>()))
        }
        _ => None,
    }
}
