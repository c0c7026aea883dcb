//! Values between those on a grid. JAX: `jax.scipy.interpolate`.

use std::borrow::Borrow;

use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::numpy::util::inexact;
use crate::numpy::{
    Index, add, greater, less, less_equal, logical_or, multiply, searchsorted, subtract, where_, zeros,
};

/// How [`RegularGridInterpolator`] makes values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InterpolationMethod {
    /// In proportion to the distances, along all axes.
    #[default]
    Linear,
    /// The nearest one.
    Nearest,
}

options! {
    /// Options of [`RegularGridInterpolator::with`].
    pub struct InterpolatorOptions {
        /// How values are made.
        method: value InterpolationMethod = InterpolationMethod::Linear,
        /// What is given outside of the grid; nan if it is not said.
        fill_value: into Array = f64::NAN,
        /// Is the grid carried on outside, instead?
        extrapolate: value bool = false,
    }
}

/// Values on a grid, whose lines need not be equally far apart, made a function of all points.
///
/// ```
/// use raxla::scipy::interpolate::RegularGridInterpolator;
/// use raxla::Array;
///
/// let (x, y) = (Array::from([0.0f32, 1.0, 3.0]), Array::from([0.0f32, 2.0]));
/// let values = Array::from([[0.0f32, 2.0], [1.0, 3.0], [3.0, 5.0]]);
/// let f = RegularGridInterpolator::new([x, y], values);
/// assert_eq!(f.at(Array::from([[2.0f32, 1.0], [9.0, 1.0]])).index(0).item::<f32>()?, 3.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RegularGridInterpolator {
    grid: Vec<Array>,
    values: Array,
    options: InterpolatorOptions,
}

impl RegularGridInterpolator {
    /// Of the coordinates of the lines along each axis, ascending, and the values, which may have more axes.
    ///
    /// # Errors
    /// `RegularGridInterpolator: 3 vectors of coordinates for the axes of f32[2,2]`; fewer than two lines along an axis, or as many
    /// as there are no values for.
    #[track_caller]
    pub fn new<T: Borrow<Array>>(points: impl AsRef<[T]>, values: impl Into<Array>) -> Self {
        Self::with(points, values, InterpolatorOptions::new())
    }

    /// [`new`](Self::new) by options.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn with<T: Borrow<Array>>(
        points: impl AsRef<[T]>,
        values: impl Into<Array>,
        options: InterpolatorOptions,
    ) -> Self {
        const NAME: &str = "RegularGridInterpolator";
        let grid: Vec<Array> = points.as_ref().iter().map(|p| p.borrow().clone()).collect();
        let values = inexact(&values.into());
        if grid.len() > values.ndim() {
            throw!(Shape, "{NAME}: {} vectors of coordinates for the axes of {}", grid.len(), values.aval());
        }
        for (axis, line) in grid.iter().enumerate() {
            let n = values.shape()[axis];
            if line.shape() != [n] || n < 2 {
                let (line, values) = (line.aval(), values.aval());
                throw!(
                    Shape,
                    "{NAME}: axis {axis} of {values} needs as many coordinates, two or more, got {line}"
                );
            }
        }
        RegularGridInterpolator { grid, values, options }
    }

    /// The values at points, whose coordinates stand along the last axis of `xi`; a vector holds the points of a line, or the
    /// coordinates of points one after the other. JAX: the interpolator is called.
    ///
    /// # Errors
    /// `RegularGridInterpolator: points have 2 coordinates, got f32[4,3]`.
    #[track_caller]
    pub fn at(&self, xi: impl Into<Array>) -> Array {
        let (xi, rank) = (xi.into(), self.grid.len());
        let xi = match xi.ndim() {
            0 => lax::reshape(&xi, [1, 1]),
            1 if rank > 0 && xi.size().is_multiple_of(rank) => lax::reshape(&xi, [xi.size() / rank, rank]),
            _ => xi,
        };
        let (outer, last) = xi.shape().split_at(xi.ndim() - 1);
        if last != [rank] {
            throw!(Shape, "RegularGridInterpolator: points have {rank} coordinates, got {}", xi.aval());
        }
        let count: usize = outer.iter().product();
        let flat = lax::reshape(&xi, [count, rank]);
        let mut outside = zeros((count, DType::Bool));
        let (mut below, mut distances) = (Vec::with_capacity(rank), Vec::with_capacity(rank));
        for (axis, line) in self.grid.iter().enumerate() {
            let x = flat.index((.., axis));
            let last = line.size() as i64 - 2;
            let i = searchsorted(line, &x) - 1;
            let i = where_(less(&i, 0), 0, i);
            let i = where_(greater(&i, last), last, i);
            let (start, end) = (line.index(&i), line.index(&(&i + 1)));
            distances.push(subtract(&x, &start) / subtract(end, start));
            let beyond = logical_or(less(&x, line.index(0)), greater(&x, line.index(-1)));
            outside = logical_or(outside, beyond);
            below.push(i);
        }
        let mut out = match self.options.method {
            InterpolationMethod::Nearest => {
                let nearer = |(i, y): (&Array, &Array)| Index::Array(where_(less_equal(y, 0.5), i, i + 1));
                self.values.index(below.iter().zip(&distances).map(nearer).collect::<Vec<Index>>())
            }
            InterpolationMethod::Linear => self.mean(&below, &distances),
        };
        let inner = &self.values.shape()[rank..];
        if !self.options.extrapolate {
            let others: Vec<usize> = (1..=inner.len()).collect();
            out = where_(lax::expand_dims(&outside, others), &self.options.fill_value, out);
        }
        let shape: Vec<usize> = outer.iter().chain(inner).copied().collect();
        lax::reshape(&out, shape)
    }

    /// The corners around each point in proportion to its distances.
    #[track_caller]
    fn mean(&self, below: &[Array], distances: &[Array]) -> Array {
        let (rank, more) = (below.len(), self.values.ndim() - below.len());
        let mut total = Array::from(0.0);
        for corner in 0..1usize << rank {
            let mut weight = Array::from(1.0);
            let mut at = Vec::with_capacity(rank);
            for axis in 0..rank {
                // The first axis changes slowest.
                let up = corner >> (rank - 1 - axis) & 1 == 1;
                let y = &distances[axis];
                weight = multiply(weight, if up { y.clone() } else { subtract(1, y) });
                at.push(Index::Array(if up { &below[axis] + 1 } else { below[axis].clone() }));
            }
            let others: Vec<usize> = (weight.ndim()..weight.ndim() + more).collect();
            let weight = if more == 0 { weight } else { lax::expand_dims(&weight, others) };
            total = add(total, multiply(self.values.index(at), weight));
        }
        total
    }
}
