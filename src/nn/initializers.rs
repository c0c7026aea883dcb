//! How parameters begin. JAX: `jax.nn.initializers`, with the same draws for the same key.
//!
//! ```
//! use raxla::{nn::initializers, random};
//!
//! let kernel = initializers::lecun_normal().draw(&random::key(42), [784, 128]);
//! assert_eq!(kernel.shape(), [784, 128]);
//! ```

use std::fmt;
use std::sync::Arc;

use crate::arguments::{Axes, Axis, ShapeDtype, options};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::default_float;
use crate::random::{self, Key, OrthogonalOptions, Unscaled};

/// What a parameter of any shape begins with: a function of a key.
#[derive(Clone)]
pub struct Initializer(Kind);

#[derive(Clone)]
enum Kind {
    Constant(f64),
    Uniform(f64),
    Normal(f64),
    TruncatedNormal { stddev: f64, lower: f64, upper: f64 },
    Scaled { scale: f64, mode: Fan, distribution: Distribution, options: VarianceScalingOptions },
    Orthogonal(OrthogonalKernelOptions),
    DeltaOrthogonal(OrthogonalKernelOptions),
    Matrix(Arc<Kind>, usize),
    Custom(Arc<Draw>),
}

type Draw = dyn Fn(&Key, &[usize], DType) -> Array + Send + Sync;

/// Of which number of connections [`variance_scaling`] makes the variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fan {
    /// The number of inputs.
    In,
    /// The number of outputs.
    Out,
    /// Their arithmetic mean.
    Avg,
    /// Their geometric mean.
    GeoAvg,
}

/// What [`variance_scaling`] draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distribution {
    /// Normal numbers of at most two standard deviations.
    TruncatedNormal,
    /// Normal numbers.
    Normal,
    /// Uniform numbers around zero.
    Uniform,
}

options! {
    /// Options of [`variance_scaling_with`]: which axes of a kernel count its inputs and outputs. The others are the receptive field
    /// of a convolution.
    pub struct VarianceScalingOptions {
        /// The axes of the inputs.
        in_axis: into Axes = Axes::from(-2),
        /// The axes of the outputs.
        out_axis: into Axes = Axes::from(-1),
        /// The axes that number independent kernels.
        batch_axis: into Axes = Axes::from(()),
    }
}

impl Initializer {
    /// An initializer of one's own: a function of a key, a shape and a dtype.
    pub fn new(draw: impl Fn(&Key, &[usize], DType) -> Array + Send + Sync + 'static) -> Initializer {
        Initializer(Kind::Custom(Arc::new(draw)))
    }

    /// What a parameter of this shape begins with; of dtype `f32` (`f64` with x64 on) unless another is given.
    ///
    /// # Errors
    /// An integer dtype; a shape of fewer axes than the initializer counts inputs and outputs along.
    #[track_caller]
    pub fn draw(&self, key: &Key, shape: impl Into<ShapeDtype>) -> Array {
        let (shape, dtype) = shape.into().resolve("initializer", default_float()).or_throw();
        self.0.draw(key, &shape, dtype)
    }

    /// The number that it gives each element, if it needs no key.
    pub(super) fn constant(&self) -> Option<f64> {
        match &self.0 {
            Kind::Constant(value) => Some(*value),
            Kind::Matrix(kind, _) => match **kind {
                Kind::Constant(value) => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// What parameters are besides a factor, if they are that.
    pub(super) fn unscaled(&self) -> Option<Unscaled> {
        match &self.0 {
            Kind::Matrix(kind, _) => kind.unscaled(),
            kind => kind.unscaled(),
        }
    }

    /// What parameters of this shape are, and by what they are multiplied, if they are that.
    #[track_caller]
    pub(super) fn scaled(&self, shape: &[usize], dtype: DType) -> Option<(Unscaled, Array)> {
        match &self.0 {
            Kind::Matrix(kind, rows) => kind.scaled(&matrix_shape(shape, *rows), dtype),
            kind => kind.scaled(shape, dtype),
        }
    }

    /// For arrays that are matrices in other shapes: their first `rows` axes count as one, and so do the others; if `rows` is 0, all
    /// as one.
    pub(super) fn matrix(&self, rows: usize) -> Initializer {
        Initializer(Kind::Matrix(Arc::new(self.0.clone()), rows))
    }
}

impl Kind {
    #[track_caller]
    fn draw(&self, key: &Key, shape: &[usize], dtype: DType) -> Array {
        if let Some((unscaled, scale)) = self.scaled(shape, dtype) {
            return unscaled.draw(key, shape, dtype) * scale;
        }
        match self {
            Kind::Constant(value) => lax::full(shape, lax::literal(dtype, *value)),
            Kind::Orthogonal(options) => options.matrix(key, shape, dtype),
            Kind::DeltaOrthogonal(options) => options.in_the_middle(key, shape, dtype),
            Kind::Matrix(kind, rows) => {
                lax::reshape(&kind.draw(key, &matrix_shape(shape, *rows), dtype), shape)
            }
            Kind::Custom(draw) => draw(key, shape, dtype),
            Kind::Uniform(_) | Kind::Normal(_) | Kind::TruncatedNormal { .. } | Kind::Scaled { .. } => {
                throw!(Internal, "initializer: {self} is a distribution that is multiplied by a number")
            }
        }
    }

    fn unscaled(&self) -> Option<Unscaled> {
        Some(match self {
            Kind::Uniform(_) => Unscaled::Uniform(0.0),
            Kind::Normal(_) => Unscaled::Normal,
            // The deviation of what is left of a normal distribution without its tails is not wanted here.
            Kind::TruncatedNormal { lower, upper, .. } => {
                Unscaled::TruncatedNormal { lower: *lower, upper: *upper }
            }
            Kind::Scaled { distribution, .. } => match distribution {
                Distribution::TruncatedNormal => Unscaled::TruncatedNormal { lower: -2.0, upper: 2.0 },
                Distribution::Normal => Unscaled::Normal,
                Distribution::Uniform => Unscaled::Uniform(-1.0),
            },
            _ => return None,
        })
    }

    /// What such parameters are, and by what they are multiplied, if they are that.
    #[track_caller]
    fn scaled(&self, shape: &[usize], dtype: DType) -> Option<(Unscaled, Array)> {
        let number = |x: f64| lax::literal(dtype, x);
        let scale = match self {
            Kind::Uniform(scale) => number(*scale),
            Kind::Normal(stddev) | Kind::TruncatedNormal { stddev, .. } => number(*stddev),
            Kind::Scaled { scale, mode, distribution, options } => {
                let variance = number(scale / options.fan(*mode, shape));
                match distribution {
                    // The standard deviation of a standard normal distribution cut off at ±2.
                    Distribution::TruncatedNormal => lax::sqrt(&variance) / number(0.879_625_661_034_239_8),
                    Distribution::Normal => lax::sqrt(&variance),
                    Distribution::Uniform => lax::sqrt(&(variance * 3.0)),
                }
            }
            _ => return None,
        };
        Some((self.unscaled()?, scale))
    }
}

/// The shape of a matrix of the same elements: the first `rows` axes count as one, and so do the others; if `rows` is 0, all as one.
fn matrix_shape(shape: &[usize], rows: usize) -> Vec<usize> {
    let (rows, columns) = shape.split_at(rows);
    let size = |dims: &[usize]| dims.iter().product::<usize>();
    if rows.is_empty() { vec![size(columns)] } else { vec![size(rows), size(columns)] }
}

impl VarianceScalingOptions {
    /// The number of connections.
    #[track_caller]
    fn fan(&self, mode: Fan, shape: &[usize]) -> f64 {
        if shape.len() < 2 && self.in_axis.given() == Some(&[-2]) {
            throw!(
                Shape,
                "can't compute input and output sizes of a {}-dimensional weights tensor with default in_axis. Must be at \
                 least 2D or specify in_axis explicitly",
                shape.len()
            );
        }
        let size = |axes: &Axes| -> f64 {
            let axes = axes.sorted("variance_scaling", shape.len()).or_throw();
            axes.iter().map(|&axis| shape[axis] as f64).product()
        };
        let (ins, outs) = (size(&self.in_axis), size(&self.out_axis));
        let all: f64 = shape.iter().map(|&n| n as f64).product();
        let field = all / ins / outs / size(&self.batch_axis);
        let (fan_in, fan_out) = (ins * field, outs * field);
        match mode {
            Fan::In => fan_in,
            Fan::Out => fan_out,
            Fan::Avg => (fan_in + fan_out) / 2.0,
            Fan::GeoAvg => (fan_in * fan_out).sqrt(),
        }
    }
}

impl OrthogonalKernelOptions {
    #[track_caller]
    fn matrix(&self, key: &Key, shape: &[usize], dtype: DType) -> Array {
        if shape.len() < 2 {
            throw!(Shape, "orthogonal initializer requires at least a 2D shape, got {shape:?}");
        }
        let axis = self.column_axis.position("orthogonal", shape.len()).or_throw();
        let size: usize = shape.iter().product();
        if size == 0 {
            return lax::full((shape, dtype), 0.0);
        }
        let columns = shape[axis];
        // Matrices of 16-bit floats have no factors, in JAX neither.
        let drawn = if dtype.is_float() && dtype.bits() < 32 { DType::F32 } else { dtype };
        let options = OrthogonalOptions::new().m(columns).dtype(drawn);
        let q = lax::convert_element_type(&random::orthogonal_with(key, size / columns, options), dtype);
        let mut sizes = shape.to_vec();
        sizes.remove(axis);
        sizes.push(columns);
        lax::move_axis(&lax::reshape(&q, sizes), shape.len() - 1, axis) * lax::literal(dtype, self.scale)
    }

    /// A convolution that does to each pixel what the matrix does: all others of its window count nothing.
    #[track_caller]
    fn in_the_middle(&self, key: &Key, shape: &[usize], dtype: DType) -> Array {
        let rank = shape.len();
        if !(3..=5).contains(&rank) {
            throw!(Shape, "delta_orthogonal initializer requires a 3D, 4D or 5D shape, got {shape:?}");
        }
        let (window, sides) = shape.split_at(rank - 2);
        if sides[1] < sides[0] {
            throw!(Shape, "delta_orthogonal: `fan_in` must be less or equal than `fan_out`, got {shape:?}");
        }
        if shape.contains(&0) {
            return lax::full((shape, dtype), 0.0);
        }
        let ones = window.iter().map(|_| 1);
        let matrix = lax::reshape(
            &self.matrix(key, sides, dtype),
            ones.chain(sides.iter().copied()).collect::<Vec<usize>>(),
        );
        let around = window.iter().map(|&n| ((n as i64 - 1) / 2, n as i64 / 2, 0));
        let around: Vec<_> = around.chain([(0, 0, 0); 2]).collect();
        lax::pad(&matrix, lax::literal(dtype, 0.0), around)
    }
}

/// What two draws have in common: those that are equal can be drawn by one computation.
impl PartialEq for Initializer {
    fn eq(&self, other: &Initializer) -> bool {
        match (&self.0, &other.0) {
            (Kind::Custom(a), Kind::Custom(b)) => Arc::ptr_eq(a, b),
            (Kind::Custom(_), _) | (_, Kind::Custom(_)) => false,
            (Kind::Matrix(a, n), Kind::Matrix(b, m)) => {
                n == m && Initializer((**a).clone()) == Initializer((**b).clone())
            }
            (a, b) => a.to_string() == b.to_string(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Constant(value) => write!(f, "constant({value})"),
            Kind::Uniform(scale) => write!(f, "uniform({scale})"),
            Kind::Normal(stddev) => write!(f, "normal({stddev})"),
            Kind::TruncatedNormal { stddev, lower, upper } => {
                write!(f, "truncated_normal({stddev}, {lower}, {upper})")
            }
            Kind::Scaled { scale, mode, distribution, options } => {
                write!(f, "variance_scaling({scale}, {mode:?}, {distribution:?}, {options:?})")
            }
            Kind::Orthogonal(options) => write!(f, "orthogonal({options:?})"),
            Kind::DeltaOrthogonal(options) => write!(f, "delta_orthogonal({options:?})"),
            Kind::Matrix(kind, rows) => write!(f, "{kind} of {rows} axes by the others"),
            Kind::Custom(_) => f.write_str("initializer"),
        }
    }
}

impl fmt::Debug for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Zeros.
#[track_caller]
pub fn zeros() -> Initializer {
    constant(0.0)
}

/// Ones.
#[track_caller]
pub fn ones() -> Initializer {
    constant(1.0)
}

/// The same number everywhere.
#[track_caller]
pub fn constant(value: f64) -> Initializer {
    Initializer(Kind::Constant(value))
}

/// Uniform numbers in `0..scale`. JAX's default scale is 0.01.
#[track_caller]
pub fn uniform(scale: f64) -> Initializer {
    Initializer(Kind::Uniform(scale))
}

/// Normal numbers of this standard deviation. JAX's default is 0.01.
#[track_caller]
pub fn normal(stddev: f64) -> Initializer {
    Initializer(Kind::Normal(stddev))
}

options! {
    /// Options of [`truncated_normal_with`].
    pub struct TruncatedNormalOptions {
        /// Where the tail of small numbers is cut off, in standard deviations.
        lower: value f64 = -2.0,
        /// Where the tail of large numbers is cut off, in standard deviations.
        upper: value f64 = 2.0,
    }
}

/// Normal numbers of this standard deviation, without those beyond two of them. JAX's default is 0.01.
#[track_caller]
pub fn truncated_normal(stddev: f64) -> Initializer {
    truncated_normal_with(stddev, TruncatedNormalOptions::new())
}

/// [`truncated_normal`] cut off elsewhere.
#[track_caller]
pub fn truncated_normal_with(stddev: f64, options: TruncatedNormalOptions) -> Initializer {
    let TruncatedNormalOptions { lower, upper } = options;
    Initializer(Kind::TruncatedNormal { stddev, lower, upper })
}

/// Numbers of variance `scale / n`, where `n` is the number of connections that `mode` says.
#[track_caller]
pub fn variance_scaling(scale: f64, mode: Fan, distribution: Distribution) -> Initializer {
    variance_scaling_with(scale, mode, distribution, VarianceScalingOptions::new())
}

/// [`variance_scaling`] of kernels with other axes.
#[track_caller]
pub fn variance_scaling_with(
    scale: f64,
    mode: Fan,
    distribution: Distribution,
    options: VarianceScalingOptions,
) -> Initializer {
    Initializer(Kind::Scaled { scale, mode, distribution, options })
}

macro_rules! scaled {
    ($($(#[$doc:meta])* $name:ident $with:ident $scale:literal $mode:ident $distribution:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name() -> Initializer {
            $with(VarianceScalingOptions::new())
        }
        #[doc = concat!("[`", stringify!($name), "`] of kernels with other axes.")]
        #[track_caller]
        pub fn $with(options: VarianceScalingOptions) -> Initializer {
            variance_scaling_with($scale, Fan::$mode, Distribution::$distribution, options)
        }
    )*};
}
scaled! {
    /// Glorot and Bengio 2010: [`variance_scaling`] of 1 by the mean number of inputs and outputs, uniform.
    glorot_uniform glorot_uniform_with 1.0 Avg Uniform;
    /// Glorot and Bengio 2010: [`variance_scaling`] of 1 by the mean number of inputs and outputs, truncated normal.
    glorot_normal glorot_normal_with 1.0 Avg TruncatedNormal;
    /// Klambauer et al. 2017, LeCun et al. 1998: [`variance_scaling`] of 1 by the number of inputs, uniform.
    lecun_uniform lecun_uniform_with 1.0 In Uniform;
    /// Klambauer et al. 2017, LeCun et al. 1998: [`variance_scaling`] of 1 by the number of inputs, truncated normal.
    lecun_normal lecun_normal_with 1.0 In TruncatedNormal;
    /// He et al. 2015: [`variance_scaling`] of 2 by the number of inputs, uniform.
    he_uniform he_uniform_with 2.0 In Uniform;
    /// He et al. 2015: [`variance_scaling`] of 2 by the number of inputs, truncated normal.
    he_normal he_normal_with 2.0 In TruncatedNormal;
}
pub use {
    glorot_normal as xavier_normal, glorot_normal_with as xavier_normal_with,
    glorot_uniform as xavier_uniform, glorot_uniform_with as xavier_uniform_with,
    he_normal as kaiming_normal, he_normal_with as kaiming_normal_with, he_uniform as kaiming_uniform,
    he_uniform_with as kaiming_uniform_with,
};

options! {
    /// Options of [`orthogonal_with`] and [`delta_orthogonal_with`].
    pub struct OrthogonalKernelOptions {
        /// What the matrix is multiplied by.
        scale: value f64 = 1.0,
        /// The axis of the columns; all others are those of the rows.
        column_axis: into Axis = -1,
    }
}

/// Saxe et al. 2014, arXiv:1312.6120: a random matrix with orthonormal columns, or rows if they are fewer. In 16 bits it is that of `f32`
/// rounded; JAX refuses them.
///
/// ```
/// use raxla::{nn::initializers, numpy as jnp, random};
///
/// let w = initializers::orthogonal().draw(&random::key(42), [6, 3]);
/// let one = jnp::matmul(jnp::matrix_transpose(&w), &w);
/// assert!((one - jnp::eye(3)).abs().max(..).item::<f32>()? < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn orthogonal() -> Initializer {
    orthogonal_with(OrthogonalKernelOptions::new())
}

/// [`orthogonal`] by options.
#[track_caller]
pub fn orthogonal_with(options: OrthogonalKernelOptions) -> Initializer {
    Initializer(Kind::Orthogonal(options))
}

/// Xiao et al. 2018, arXiv:1806.05393: for kernels of convolutions over one to three axes, `[.., fan_in, fan_out]` with
/// `fan_in <= fan_out`. In the middle of the window is a matrix as [`orthogonal`] draws it, and elsewhere are zeros.
#[track_caller]
pub fn delta_orthogonal() -> Initializer {
    delta_orthogonal_with(OrthogonalKernelOptions::new())
}

/// [`delta_orthogonal`] by options.
#[track_caller]
pub fn delta_orthogonal_with(options: OrthogonalKernelOptions) -> Initializer {
    Initializer(Kind::DeltaOrthogonal(options))
}
