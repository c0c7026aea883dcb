//! Histograms. JAX: `numpy/lax_numpy.py`.

use crate::arguments::{Integer, options};
use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
use crate::numpy::placing::{IndexMode, RavelMultiIndexOptions, ravelled};
use crate::numpy::sorting::{SearchsortedOptions, Side};
use crate::numpy::util::{inexact, promote_dtypes, strong, to_inexact};
use crate::numpy::{
    BincountOptions, LinspaceOptions, bincount_with, diff, divide, equal, linspace_with, max, min, ones_like,
    ptp, searchsorted_with, stack, sum, where_,
};

/// The bins of a histogram along one axis: how many there are, or the vector of their edges.
#[derive(Clone, Debug)]
pub struct Bins(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Count(usize),
    Edges(Array),
}

/// The bins of a histogram of several axes: the same for each, or a list with those of each.
#[derive(Clone, Debug)]
pub struct BinsOfAxes(Vec<Bins>);

impl<I: Integer> From<I> for Bins {
    fn from(count: I) -> Self {
        Bins(Repr::Count(count.to_i64().max(0) as usize))
    }
}
impl From<Array> for Bins {
    fn from(edges: Array) -> Self {
        Bins(Repr::Edges(edges))
    }
}
impl From<&Array> for Bins {
    fn from(edges: &Array) -> Self {
        Bins(Repr::Edges(edges.clone()))
    }
}
impl<B: Into<Bins>> From<B> for BinsOfAxes {
    fn from(all: B) -> Self {
        BinsOfAxes(vec![all.into()])
    }
}
impl<B: Into<Bins>, const N: usize> From<[B; N]> for BinsOfAxes {
    fn from(each: [B; N]) -> Self {
        BinsOfAxes(each.into_iter().map(Into::into).collect())
    }
}
impl<B: Into<Bins>> From<Vec<B>> for BinsOfAxes {
    fn from(each: Vec<B>) -> Self {
        BinsOfAxes(each.into_iter().map(Into::into).collect())
    }
}

/// The least and the largest value that bins of each axis count: a pair for each, `None` for those of the values.
#[derive(Clone, Debug)]
pub struct RangeOfAxes(Vec<Option<Array>>);

impl<const N: usize> From<[(f64, f64); N]> for RangeOfAxes {
    fn from(each: [(f64, f64); N]) -> Self {
        each.map(Some).into()
    }
}
impl<const N: usize> From<[Option<(f64, f64)>; N]> for RangeOfAxes {
    fn from(each: [Option<(f64, f64)>; N]) -> Self {
        RangeOfAxes(each.into_iter().map(|range| range.map(|(low, high)| Array::from([low, high]))).collect())
    }
}
impl From<Vec<Option<Array>>> for RangeOfAxes {
    fn from(each: Vec<Option<Array>>) -> Self {
        RangeOfAxes(each)
    }
}

options! {
    /// Options of [`histogram_with`] and [`histogram_bin_edges_with`].
    pub struct HistogramOptions {
        /// How many bins, or their edges.
        bins: into Bins = 10,
        /// The least and the largest value that counts; those of the values if not given.
        range: optional_into Array,
        /// What each value counts: an array of the same shape.
        weights: optional_into Array,
        /// Are the counts divided so that the integral is one?
        density: value bool = false,
    }
}

options! {
    /// Options of [`histogram2d_with`] and [`histogramdd_with`].
    pub struct HistogramddOptions {
        /// How many bins, or their edges, for all axes or for each.
        bins: into BinsOfAxes = 10,
        /// The least and the largest value along each axis that counts; those of the values if not given.
        range: optional_into RangeOfAxes,
        /// What each point counts.
        weights: optional_into Array,
        /// Are the counts divided so that the integral is one?
        density: value bool = false,
    }
}

#[track_caller]
fn edges(name: &str, x: &Array, bins: &Bins, range: Option<&Array>) -> Array {
    let dtype = to_inexact(x.dtype());
    let count = match &bins.0 {
        Repr::Edges(edges) if edges.ndim() == 1 => return strong(edges, dtype),
        Repr::Edges(edges) => {
            throw!(Shape, "{name}: bins must be a number or a vector of edges, got {}", edges.aval())
        }
        Repr::Count(count) => *count,
    };
    let range = match range {
        Some(range) => range.clone(),
        None if x.size() == 0 => {
            throw!(Shape, "{name}: without elements there is no range, got {}", x.aval())
        }
        None => stack([min(x, ..), max(x, ..)], 0),
    };
    if range.shape() != [2] {
        throw!(Shape, "{name}: range must be two numbers, got {}", range.aval());
    }
    let range = strong(&range, dtype);
    let point = equal(ptp(&range, ..), 0);
    let end = |i: i64, by: f64| {
        let end = range.index(i);
        where_(&point, &end + by, &end)
    };
    linspace_with(end(0, -0.5), end(1, 0.5), count + 1, LinspaceOptions::new().dtype(dtype))
}

/// The edges of ten bins of one width from the least to the largest of the values.
///
/// # Errors
/// No values.
#[track_caller]
pub fn histogram_bin_edges(x: impl Into<Array>) -> Array {
    histogram_bin_edges_with(x, HistogramOptions::new())
}

/// [`histogram_bin_edges`] by options, of which `weights` and `density` change nothing.
///
/// # Errors
/// As [`histogram_bin_edges`]; bins and a range of shapes that do not fit.
#[track_caller]
pub fn histogram_bin_edges_with(x: impl Into<Array>, options: HistogramOptions) -> Array {
    edges("histogram_bin_edges", &x.into(), &options.bins, options.range.as_ref())
}

/// Values and their weights in one dtype of floats.
#[track_caller]
fn weighed(name: &str, x: &Array, weights: Option<&Array>) -> (Array, Array) {
    match weights {
        None => {
            let x = inexact(x);
            let ones = ones_like(&x);
            (x, ones)
        }
        Some(weights) => {
            let [x, weights] = promote_dtypes(name, [&inexact(x), &inexact(weights)]);
            (x, weights)
        }
    }
}

/// How many of the values are in each of ten bins of one width, and the bins' eleven edges. A bin holds its left edge, the last
/// one both.
///
/// # Errors
/// No values.
/// ```
/// use raxla::numpy::{self as jnp, HistogramOptions};
/// use raxla::Array;
///
/// let x = Array::from([0.0f32, 0.4, 0.6, 1.0]);
/// let (counts, edges) = jnp::histogram_with(&x, HistogramOptions::new().bins(2));
/// assert_eq!((counts.to_vec::<f32>()?, edges.to_vec::<f32>()?), (vec![2.0, 2.0], vec![0.0, 0.5, 1.0]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn histogram(x: impl Into<Array>) -> (Array, Array) {
    histogram_with(x, HistogramOptions::new())
}

/// [`histogram`] by options.
///
/// # Errors
/// As [`histogram`]; weights of another shape; bins and a range of shapes that do not fit.
#[track_caller]
pub fn histogram_with(x: impl Into<Array>, options: HistogramOptions) -> (Array, Array) {
    const NAME: &str = "histogram";
    let (x, weights) = (x.into(), options.weights.as_ref());
    if let Some(weights) = weights.filter(|w| w.shape() != x.shape()) {
        throw!(
            Shape,
            "{NAME}: weights must have the shape of the values, got {} for {}",
            weights.aval(),
            x.aval()
        );
    }
    let (x, weights) = weighed(NAME, &x, weights);
    let edges = edges(NAME, &x, &options.bins, options.range.as_ref());
    let right = SearchsortedOptions::new().side(Side::Right);
    let last = edges.size() - 1;
    let at = searchsorted_with(&edges, &x, right);
    let at = where_(equal(&x, edges.index(-1)), last, at);
    let counts = lax::zeros(weights.dtype(), &[edges.size()]).at(&at).add(weights).index(1..);
    if !options.density {
        return (counts, edges);
    }
    let total = sum(&counts, ..);
    (divide(divide(counts, diff(&edges, -1)), total), edges)
}

/// How many of the points `(x, y)` are in each of ten by ten bins, and the bins' edges along both axes.
///
/// # Errors
/// As [`histogramdd`]; vectors of different lengths.
#[track_caller]
pub fn histogram2d(x: impl Into<Array>, y: impl Into<Array>) -> (Array, Array, Array) {
    histogram2d_with(x, y, HistogramddOptions::new())
}

/// [`histogram2d`] by options.
///
/// # Errors
/// As [`histogram2d`] and [`histogramdd_with`].
#[track_caller]
pub fn histogram2d_with(
    x: impl Into<Array>,
    y: impl Into<Array>,
    options: HistogramddOptions,
) -> (Array, Array, Array) {
    const NAME: &str = "histogram2d";
    let (x, y) = (x.into(), y.into());
    if x.ndim() != 1 || x.shape() != y.shape() {
        throw!(Shape, "{NAME}: takes two vectors of one length, got {} and {}", x.aval(), y.aval());
    }
    let (counts, mut edges) = counted(NAME, &stack([x, y], 1), &options);
    let second = edges.swap_remove(1);
    (counts, edges.swap_remove(0), second)
}

/// How many of the points, the rows of a matrix, are in each of ten bins along every axis, integers, and the bins' edges along each.
///
/// # Errors
/// `histogramdd: takes a matrix whose rows are points, got f32[3]`; no points.
/// ```
/// use raxla::numpy::{self as jnp, HistogramddOptions};
/// use raxla::Array;
///
/// let points = Array::from([[0.0f32, 0.0], [1.0, 1.0], [0.9, 0.1]]);
/// let (counts, edges) = jnp::histogramdd_with(&points, HistogramddOptions::new().bins(2));
/// assert_eq!(counts.to_vec::<i32>()?, [1, 0, 1, 1]);
/// assert_eq!(edges.len(), 2);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn histogramdd(sample: impl Into<Array>) -> (Array, Vec<Array>) {
    histogramdd_with(sample, HistogramddOptions::new())
}

/// [`histogramdd`] by options.
///
/// # Errors
/// As [`histogramdd`]; another number of weights than of points; bins or ranges of another number of axes.
#[track_caller]
pub fn histogramdd_with(sample: impl Into<Array>, options: HistogramddOptions) -> (Array, Vec<Array>) {
    counted("histogramdd", &sample.into(), &options)
}

#[track_caller]
fn counted(name: &str, sample: &Array, options: &HistogramddOptions) -> (Array, Vec<Array>) {
    let [n, rank] = *sample.shape() else {
        throw!(Shape, "{name}: takes a matrix whose rows are points, got {}", sample.aval());
    };
    if let Some(weights) = options.weights.as_ref().filter(|w| w.shape() != [n]) {
        throw!(
            Shape,
            "{name}: there must be one weight for each point of {}, got {}",
            sample.aval(),
            weights.aval()
        );
    }
    let (bins, ranges) = (&options.bins.0, options.range.as_ref());
    if bins.len() != 1 && bins.len() != rank {
        throw!(Shape, "{name}: bins of {} axes for points of {rank}", bins.len());
    }
    if let Some(ranges) = ranges.filter(|ranges| ranges.0.len() != rank) {
        throw!(Shape, "{name}: ranges of {} axes for points of {rank}", ranges.0.len());
    }
    let (sample, weights) = weighed(name, sample, options.weights.as_ref());
    let (mut places, mut all_edges) = (Vec::new(), Vec::new());
    for axis in 0..rank {
        let x = sample.index((.., axis));
        let bins = &bins[if bins.len() == 1 { 0 } else { axis }];
        let range = ranges.and_then(|ranges| ranges.0[axis].as_ref());
        let edges = edges(name, &x, bins, range);
        let at = searchsorted_with(&edges, &x, SearchsortedOptions::new().side(Side::Right));
        places.push(where_(equal(&x, edges.index(-1)), &at - 1, at));
        all_edges.push(edges);
    }
    // One more bin at each end for what is outside.
    let sizes: Vec<usize> = all_edges.iter().map(|edges| edges.size() + 1).collect();
    let places: Vec<&Array> = places.iter().collect();
    let flat = ravelled(name, &places, &sizes, &RavelMultiIndexOptions::new().mode(IndexMode::Clip));
    let counting = BincountOptions::new().length(sizes.iter().product());
    let counting = if options.weights.is_some() { counting.weights(weights) } else { counting };
    let counts = lax::reshape(&bincount_with(flat, counting), &sizes);
    let limits: Vec<usize> = sizes.iter().map(|n| n - 1).collect();
    let mut counts = lax::slice(&counts, vec![1; rank], limits);
    if options.density {
        counts = strong(&counts, sample.dtype());
        counts = divide(&counts, sum(&counts, ..));
        for (axis, edges) in all_edges.iter().enumerate() {
            let others: Vec<usize> = (0..rank).filter(|d| *d != axis).collect();
            counts = divide(counts, lax::expand_dims(&diff(edges, -1), others));
        }
    }
    (counts, all_edges)
}
