//! Elements reduced by segments. JAX: `jax.ops`.

use crate::arguments::options;
use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
use crate::numpy::nonzero::known_size;
use crate::numpy::util::{extreme, strong};
use crate::numpy::{
    GatherScatterMode, Index, ReduceOptions, floor_divide, max, max_with, min_with, prod_with, sum_with,
};

options! {
    /// Options of [`segment_sum_with`] and its like.
    pub struct SegmentOptions {
        /// How many segments there are: those beyond are left out. It must be given where the ids are traced.
        num_segments: optional usize,
        /// The caller's word that ids ascend.
        indices_are_sorted: value bool = false,
        /// The caller's word that no id occurs twice.
        unique_indices: value bool = false,
        /// How many elements are reduced together before their results are, for more exact sums and products.
        bucket_size: optional usize,
        /// What happens to ids out of range: they are left out if nothing else is said.
        mode: value GatherScatterMode = GatherScatterMode::FillOrDrop,
    }
}

/// What makes one of the elements of a segment.
#[derive(Clone, Copy)]
enum Reduce {
    Sum,
    Prod,
    Max,
    Min,
}

#[track_caller]
fn reduced(name: &str, reduce: Reduce, data: &Array, ids: &Array, options: &SegmentOptions) -> Array {
    if !ids.dtype().is_integer() {
        throw!(DType, "{name}: segment_ids must be integers, got {}", ids.aval());
    }
    if ids.ndim() != 1 || data.shape().first() != Some(&ids.size()) {
        let (data, ids) = (data.aval(), ids.aval());
        throw!(
            Shape,
            "{name}: segment_ids must be a vector, as long as the first axis of data, got {ids} for {data}"
        );
    }
    let count = match options.num_segments {
        Some(count) => count,
        None if ids.size() == 0 => throw!(Shape, "{name}: without segment_ids num_segments must be given"),
        None => known_segments(name, ids),
    };
    let dtype = data.dtype();
    let identity = match reduce {
        Reduce::Sum => lax::literal(dtype, 0.0),
        Reduce::Prod => lax::literal(dtype, 1.0),
        Reduce::Max => Array::from(extreme(dtype, false)),
        Reduce::Min => Array::from(extreme(dtype, true)),
    };
    let mut shape = data.shape()[1..].to_vec();
    shape.insert(0, count);
    let mut at = vec![Index::from(ids)];
    if let Some(size) = options.bucket_size {
        if size == 0 {
            throw!(InvalidArgument, "{name}: a bucket has at least one element");
        }
        shape.insert(0, ids.size().div_ceil(size));
        at.insert(0, Index::Array(floor_divide(lax::iota(crate::DType::I32, ids.size()), size)));
    }
    let start = lax::full(shape, identity);
    let at = start
        .at(at)
        .mode(options.mode)
        .indices_are_sorted(options.indices_are_sorted)
        .unique_indices(options.unique_indices)
        .wrap_negative_indices(false);
    let out = match reduce {
        Reduce::Sum => at.add(data),
        Reduce::Prod => at.multiply(data),
        Reduce::Max => at.max(data),
        Reduce::Min => at.min(data),
    };
    if options.bucket_size.is_none() {
        return out;
    }
    let none = ReduceOptions::new();
    let out = match reduce {
        Reduce::Sum => sum_with(out, 0, none),
        Reduce::Prod => prod_with(out, 0, none),
        Reduce::Max => max_with(out, 0, none),
        Reduce::Min => min_with(out, 0, none),
    };
    strong(&out, dtype)
}

/// One more than the largest id.
#[track_caller]
fn known_segments(name: &str, ids: &Array) -> usize {
    let largest = max(ids, ..);
    match largest.item::<i64>() {
        Ok(largest) => (largest + 1).max(0) as usize,
        Err(_) => known_size(&format!("{name} without num_segments"), &largest),
    }
}

macro_rules! segments {
    ($($(#[$doc:meta])* $name:ident $with:ident $reduce:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(data: impl Into<Array>, segment_ids: impl Into<Array>) -> Array {
            $with(data, segment_ids, SegmentOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "`] by options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`]; a bucket of no elements.")]
        #[track_caller]
        pub fn $with(data: impl Into<Array>, segment_ids: impl Into<Array>, options: SegmentOptions) -> Array {
            reduced(stringify!($name), Reduce::$reduce, &data.into(), &segment_ids.into(), &options)
        }
    )*};
}
segments! {
    /// The sums of the elements along the first axis that have the same id: an element for each id from 0 on, zero where there are none.
    ///
    /// # Errors
    /// Ids that are not integers, or not as many as elements; traced ones, unless [`segment_sum_with`] is told `num_segments`.
    /// ```
    /// use raxla::ops::{self, SegmentOptions};
    /// use raxla::prelude::*;
    ///
    /// let (data, ids) = (Array::from([1.0f32, 2.0, 3.0, 4.0]), Array::from([0, 2, 0, 2]));
    /// assert_eq!(ops::segment_sum(&data, &ids).to_vec::<f32>()?, [4.0, 0.0, 6.0]);
    /// let sums = jit(|x: &Array, ids: &Array| ops::segment_sum_with(x, ids, SegmentOptions::new().num_segments(2)));
    /// assert_eq!(sums(&data, &ids)?.to_vec::<f32>()?, [4.0, 0.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    segment_sum segment_sum_with Sum;
    /// The products of the elements along the first axis that have the same id; one where there are none.
    ///
    /// # Errors
    /// As [`segment_sum`].
    segment_prod segment_prod_with Prod;
    /// The largest of the elements along the first axis that have the same id; the least number of the dtype where there are none.
    ///
    /// # Errors
    /// As [`segment_sum`].
    segment_max segment_max_with Max;
    /// The smallest of the elements along the first axis that have the same id; the greatest number of the dtype where there are none.
    ///
    /// # Errors
    /// As [`segment_sum`].
    segment_min segment_min_with Min;
}
