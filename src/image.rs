//! Images in other sizes. JAX: `jax.image`.

use crate::arguments::{Axes, Dims, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax::arguments::{axes_of, sizes_of};
use crate::lax::elementwise::tuple;
use crate::lax::{self, DotOptions, DotPrecision};
use crate::numpy::util::{inexact, promote_dtypes, strong};
use crate::numpy::{
    Index, ReduceOptions, abs, clip, divide, equal, greater_equal, less_equal, logical_and, maximum, minimum,
    multiply, sin, subtract, sum_with, where_,
};

/// How [`resize`] makes an element of those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResizeMethod {
    /// The nearest one.
    Nearest,
    /// In proportion to the distances, along all axes: bilinear for two.
    Linear,
    /// A Lanczos kernel of radius 3.
    Lanczos3,
    /// A Lanczos kernel of radius 5.
    Lanczos5,
    /// Keys' cubic kernel.
    Cubic,
    /// The cubic kernel of PyTorch and OpenCV, where there is no antialiasing.
    CubicPytorch,
    /// In proportion to the area.
    Area,
}

impl ResizeMethod {
    /// How far the kernel reaches.
    fn radius(self) -> usize {
        match self {
            ResizeMethod::Lanczos3 => 3,
            ResizeMethod::Lanczos5 => 5,
            ResizeMethod::Cubic | ResizeMethod::CubicPytorch => 2,
            _ => 1,
        }
    }

    /// The kernel at distances `x`.
    #[track_caller]
    fn weights(self, x: &Array) -> Array {
        let beyond = |x: &Array, radius: f64, inside: Array| where_(greater_equal(x, radius), 0.0, inside);
        match self {
            ResizeMethod::Lanczos3 | ResizeMethod::Lanczos5 => {
                let (pi, radius) = (std::f64::consts::PI, self.radius() as f64);
                let y =
                    multiply(multiply(radius, sin(multiply(pi, x))), sin(divide(multiply(pi, x), radius)));
                let square = multiply(multiply(pi * pi, lax::square(x)), 1.0);
                let divisor = where_(crate::numpy::not_equal(x, 0), square, 1);
                let near = where_(crate::numpy::greater(x, 1e-3), divide(y, divisor), 1);
                where_(crate::numpy::greater(x, radius), 0.0, near)
            }
            // Keys 1981, "Cubic convolution interpolation for digital image processing", with a = -0.5.
            ResizeMethod::Cubic => {
                let near = (x * 1.5 - 2.5) * x * x + 1.0;
                let far = ((x * -0.5 + 2.5) * x - 4.0) * x + 2.0;
                beyond(x, 2.0, where_(greater_equal(x, 1.0), far, near))
            }
            // The same with a = -0.75.
            ResizeMethod::CubicPytorch => {
                let a = -0.75;
                let near = (x * (a + 2.0) - (a + 3.0)) * x * x + 1.0;
                let far = ((x * a - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
                beyond(x, 2.0, where_(greater_equal(x, 1.0), far, near))
            }
            _ => maximum(0, subtract(1, abs(x))),
        }
    }
}

options! {
    /// Options of [`resize_with`] and [`scale_and_translate_with`].
    pub struct ResizeOptions {
        /// Does the kernel grow with the elements that become one, so that fine patterns leave no trace?
        antialias: value bool = true,
        /// How exact products are on accelerators.
        precision: into DotPrecision = crate::core::config::Precision::Highest,
    }
}

/// The image in another shape, of as many axes; those whose size changes are resized. Integers become floats, unless the nearest
/// element is taken.
///
/// # Errors
/// `resize: shape (2, 2) must have as many axes as f32[3]`.
/// ```
/// use raxla::image::{self, ResizeMethod};
/// use raxla::Array;
///
/// let x = Array::from([[0.0f32, 2.0], [4.0, 6.0]]);
/// assert_eq!(image::resize(&x, (1, 2), ResizeMethod::Linear).to_vec::<f32>()?, [2.0, 4.0]);
/// assert_eq!(image::resize(&x, (2, 4), ResizeMethod::Nearest).index(0).to_vec::<f32>()?, [0.0, 0.0, 2.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn resize(image: impl Into<Array>, shape: impl Into<Dims>, method: ResizeMethod) -> Array {
    resize_with(image, shape, method, ResizeOptions::new())
}

/// [`resize`] by options.
///
/// # Errors
/// As [`resize`].
#[track_caller]
pub fn resize_with(
    image: impl Into<Array>,
    shape: impl Into<Dims>,
    method: ResizeMethod,
    options: ResizeOptions,
) -> Array {
    let (image, shape) = (image.into(), sizes_of("resize", &shape.into()));
    let ResizeOptions { antialias, precision } = options;
    jitted("_resize", (shape.clone(), method, antialias, precision), [&image], |[image]| {
        same_rank("resize", image, &shape);
        let changed: Vec<usize> = (0..shape.len()).filter(|d| shape[*d] != image.shape()[*d]).collect();
        if method == ResizeMethod::Nearest {
            return changed.iter().fold(image.clone(), |x, axis| nearest(&x, *axis, shape[*axis]));
        }
        let image = inexact(image);
        let scale = |d: &usize| match shape[*d] {
            0 => 1.0,
            n => n as f64 / image.shape()[*d] as f64,
        };
        let scales: Vec<Array> = changed.iter().map(|d| Array::from(scale(d))).collect();
        let still = vec![Array::from(0.0); changed.len()];
        let how = Warp { method, antialias, precision };
        how.apply(&image, &shape, &changed, &scales, &still)
    })
}

#[track_caller]
fn same_rank(name: &str, image: &Array, shape: &[usize]) {
    if shape.len() != image.ndim() {
        throw!(Shape, "{name}: shape {} must have as many axes as {}", tuple(shape), image.aval());
    }
}

#[track_caller]
fn nearest(x: &Array, axis: usize, n: usize) -> Array {
    let m = x.shape()[axis];
    let at = divide(multiply(lax::iota(DType::F32, n) + 0.5, m), n);
    let at = strong(&lax::floor(&strong(&at, DType::F32)), DType::I32);
    let mut parts = vec![Index::from(crate::numpy::Colon); axis];
    parts.push(Index::Array(at));
    x.index(parts)
}

/// The image scaled and then moved along some axes, in an array of another shape: the element at `i` comes from
/// `(i + 0.5 - translation) / scale - 0.5`. `scale` and `translation` have a number for each of the axes, and derivatives.
///
/// # Errors
/// As [`resize`]; the method `Nearest`; other numbers of numbers than of axes.
/// ```
/// use raxla::image::{self, ResizeMethod};
/// use raxla::Array;
///
/// let x = Array::from([1.0f32, 2.0, 3.0]);
/// let moved = image::scale_and_translate(&x, 3, 0, Array::from([1.0f32]), Array::from([1.0f32]), ResizeMethod::Linear);
/// assert_eq!(moved.to_vec::<f32>()?, [0.0, 1.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn scale_and_translate(
    image: impl Into<Array>,
    shape: impl Into<Dims>,
    spatial_dims: impl Into<Axes>,
    scale: impl Into<Array>,
    translation: impl Into<Array>,
    method: ResizeMethod,
) -> Array {
    scale_and_translate_with(image, shape, spatial_dims, scale, translation, method, ResizeOptions::new())
}

/// [`scale_and_translate`] by options.
///
/// # Errors
/// As [`scale_and_translate`].
#[track_caller]
pub fn scale_and_translate_with(
    image: impl Into<Array>,
    shape: impl Into<Dims>,
    spatial_dims: impl Into<Axes>,
    scale: impl Into<Array>,
    translation: impl Into<Array>,
    method: ResizeMethod,
    options: ResizeOptions,
) -> Array {
    const NAME: &str = "scale_and_translate";
    let (image, shape) = (inexact(&image.into()), sizes_of(NAME, &shape.into()));
    same_rank(NAME, &image, &shape);
    if method == ResizeMethod::Nearest {
        throw!(InvalidArgument, "{NAME}: there is no method Nearest");
    }
    let dims = axes_of(NAME, &spatial_dims.into(), &image);
    let [scale, translation] = promote_dtypes(NAME, [&inexact(&scale.into()), &inexact(&translation.into())]);
    for x in [&scale, &translation] {
        if x.shape() != [dims.len()] {
            throw!(
                Shape,
                "{NAME}: scale and translation must be vectors of {} numbers, got {}",
                dims.len(),
                x.aval()
            );
        }
    }
    let one_by_one = |x: &Array| -> Vec<Array> { (0..dims.len()).map(|i| x.index(i)).collect() };
    let how = Warp { method, antialias: options.antialias, precision: options.precision };
    how.apply(&image, &shape, &dims, &one_by_one(&scale), &one_by_one(&translation))
}

/// How images are warped.
struct Warp {
    method: ResizeMethod,
    antialias: bool,
    precision: DotPrecision,
}

impl Warp {
    #[track_caller]
    fn apply(&self, image: &Array, shape: &[usize], dims: &[usize], scale: &[Array], by: &[Array]) -> Array {
        let mut out = image.clone();
        for (i, axis) in dims.iter().enumerate() {
            let weights = self.matrix(image.shape()[*axis], shape[*axis], &scale[i], &by[i]);
            let options = DotOptions::new().precision(self.precision);
            let numbers = (([*axis], [0]), ([0; 0], [0; 0]));
            let product = lax::dot_general_with(&out, &strong(&weights, image.dtype()), numbers, options);
            out = lax::move_axis(&product, image.ndim() - 1, *axis);
        }
        out
    }

    /// How much each of `m` elements counts in each of `n`. JAX: `compute_weight_mat`.
    #[track_caller]
    fn matrix(&self, m: usize, n: usize, scale: &Array, by: &Array) -> Array {
        let pytorch = self.method == ResizeMethod::CubicPytorch;
        let method = if pytorch && self.antialias { ResizeMethod::Cubic } else { self.method };
        let edge = pytorch && !self.antialias;
        let dtype = crate::numpy::util::result_type_of("image", &[scale, by]).0;
        let inverse = divide(1.0, scale);
        let grown = if self.antialias { maximum(&inverse, 1.0) } else { Array::from(1.0) };
        let to = lax::iota(dtype, n);
        let sample = subtract(multiply(&to + 0.5, &inverse), multiply(by, &inverse)) - 0.5;
        let beyond = if edge { method.radius() } else { 0 };
        let from = lax::iota(dtype, m + 2 * beyond) - beyond as f64;
        let (row, column) = (|x: &Array| lax::expand_dims(x, [0]), |x: &Array| lax::expand_dims(x, [1]));
        let mut weights = if method == ResizeMethod::Area {
            let left = subtract(multiply(&to, &inverse), multiply(by, &inverse));
            let right = &left + &inverse;
            let start = lax::iota(dtype, m);
            let end = &start + 1.0;
            let overlap = subtract(minimum(row(&right), column(&end)), maximum(row(&left), column(&start)));
            maximum(0.0, overlap)
        } else {
            method.weights(&divide(abs(subtract(row(&sample), column(&from))), grown))
        };
        if edge {
            // What is outside counts for the edge.
            let rows = clip(strong(&from, DType::I32), 0, m as i64 - 1);
            let start = lax::zeros(dtype, &[m, n]);
            weights = start.at((column(&rows), row(&lax::iota(DType::I32, n)))).add(weights);
        }
        let total = sum_with(&weights, 0, ReduceOptions::new().keepdims(true));
        let there = crate::numpy::greater(abs(&total), 1000.0 * f64::from(f32::EPSILON));
        let divisor = where_(equal(&total, 0), 1, &total);
        let weights = where_(there, divide(weights, divisor), 0);
        if edge {
            return weights;
        }
        let inside = logical_and(greater_equal(&sample, -0.5), less_equal(&sample, m as f64 - 0.5));
        where_(row(&inside), weights, 0)
    }
}
