//! Layers that normalise what goes through them. Flax: `linen/normalization.py`.

use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::core::axis::AxisNames;
use crate::core::trace::{caller, with_location};
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::nn::Scope;
use crate::nn::initializers::{self, Initializer};
use crate::numpy::{self, ReduceOptions, mean_with};

/// Options that all of them have, and their own.
macro_rules! norm_options {
    ($(#[$meta:meta])* $name:ident, $epsilon:literal, { $($rows:tt)* }) => {
        options! {
            $(#[$meta])*
            pub struct $name {
                /// Added to the variance.
                epsilon: value f64 = $epsilon,
                /// Is an array added to the result?
                use_bias: value bool = true,
                /// Is the result multiplied by an array?
                use_scale: value bool = true,
                /// How the array that is added begins.
                bias_init: value Initializer = initializers::zeros(),
                /// How the array that is multiplied by begins.
                scale_init: value Initializer = initializers::ones(),
                /// Named axes over which the statistics are taken as well.
                axis_name: optional_into AxisNames,
                /// Only elements where this `bool` array is true count in the statistics. It broadcasts to the input.
                mask: optional_into Array,
                /// Is the variance taken as the mean of squares less the square of the mean, for which the input is read once?
                use_fast_variance: value bool = true,
                $($rows)*
            }
        }

        impl $name {
            fn common(&self) -> Norm {
                let given = |is, init: &Initializer| if is { Some(init.clone()) } else { None };
                Norm {
                    epsilon: self.epsilon,
                    bias: given(self.use_bias, &self.bias_init),
                    scale: given(self.use_scale, &self.scale_init),
                    axis_name: self.axis_name.clone(),
                    mask: self.mask.clone(),
                    use_fast_variance: self.use_fast_variance,
                }
            }
        }
    };
}

/// What all of them need to know.
struct Norm {
    epsilon: f64,
    bias: Option<Initializer>,
    scale: Option<Initializer>,
    axis_name: Option<AxisNames>,
    mask: Option<Array>,
    use_fast_variance: bool,
}

impl Norm {
    /// Means over axes, which stay with size one, and over the named axes.
    #[track_caller]
    fn means<const N: usize>(&self, cx: &Scope, xs: [&Array; N], axes: &[usize]) -> [Array; N] {
        let here = caller();
        xs.map(|x| {
            let kept = ReduceOptions { where_: self.mask.clone(), ..ReduceOptions::new().keepdims(true) };
            with_location(here, || {
                let mean = mean_with(x, axes, kept);
                match &self.axis_name {
                    // In init the axes are not bound: it wants to know shapes alone.
                    Some(names) if !cx.is_initial() => lax::pmean(&mean, names.clone()),
                    _ => mean,
                }
            })
        })
    }

    /// Mean and variance over axes, which stay with size one.
    #[track_caller]
    fn moments(&self, cx: &Scope, x: &Array, axes: &[usize]) -> (Array, Array) {
        let x = &widened(x);
        if self.use_fast_variance {
            let [mean, squares] = self.means(cx, [x, &lax::square(x)], axes);
            // Rounding must not make it negative.
            let variance = numpy::maximum(0.0, squares - lax::square(&mean));
            return (mean, variance);
        }
        let [mean] = self.means(cx, [x], axes);
        let [variance] = self.means(cx, [&lax::square(&(x - &mean))], axes);
        (mean, variance)
    }

    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, the last two along `features`.
    #[track_caller]
    fn normalize(
        self,
        cx: &Scope,
        x: &Array,
        mean: Option<&Array>,
        variance: Array,
        features: &[usize],
    ) -> Array {
        let sizes: Vec<usize> = features.iter().map(|&axis| x.shape()[axis]).collect();
        let mut broad = vec![1; x.ndim()];
        features.iter().for_each(|&axis| broad[axis] = x.shape()[axis]);
        let here = caller();
        let parameter =
            |name, init| with_location(here, || numpy::reshape(cx.raw_param(name, &sizes, init), &broad));
        let mut factor = lax::rsqrt(&(variance + self.epsilon));
        if let Some(init) = self.scale {
            factor *= parameter("scale", init);
        }
        let mut y = widened(x);
        if let Some(mean) = mean {
            y -= mean;
        }
        y *= factor;
        if let Some(init) = self.bias {
            y += parameter("bias", init);
        }
        cx.mode().to_compute(&y)
    }
}

/// 16-bit floats as `f32`: sums of many of them would lose too much.
fn widened(x: &Array) -> Array {
    match x.dtype() {
        DType::BF16 | DType::F16 => lax::convert_element_type(x, DType::F32),
        _ => x.clone(),
    }
}

norm_options! {
    /// Options of [`layer_norm_with`].
    LayerNormOptions, 1e-6, {
        /// The axes over which mean and variance are taken.
        reduction_axes: into Axes = Axes::from(-1),
        /// The axes of scale and bias.
        feature_axes: into Axes = Axes::from(-1),
    }
}

/// `x` less its mean over the last axis, divided by its standard deviation, times `scale`, plus `bias`. Ba et al. 2016. Flax:
/// `LayerNorm`.
///
/// Parameters: `scale` and `bias`, `f32[n]`.
///
/// # Errors
/// A scalar input; those of [`Scope::param`].
#[track_caller]
pub fn layer_norm(cx: &Scope, x: impl Into<Array>) -> Array {
    layer_norm_with(cx, x, LayerNormOptions::new())
}

/// [`layer_norm`], with options.
///
/// # Errors
/// As [`layer_norm`]; an axis out of range.
#[track_caller]
pub fn layer_norm_with(cx: &Scope, x: impl Into<Array>, options: LayerNormOptions) -> Array {
    let x = x.into();
    let axes = options.reduction_axes.sorted("layer_norm", x.ndim()).or_throw();
    let features = options.feature_axes.sorted("layer_norm", x.ndim()).or_throw();
    let norm = options.common();
    let (mean, variance) = norm.moments(cx, &x, &axes);
    norm.normalize(cx, &x, Some(&mean), variance, &features)
}

options! {
    /// Options of [`rms_norm_with`].
    pub struct RmsNormOptions {
        /// Added to the mean of squares.
        epsilon: value f64 = 1e-6,
        /// Is the result multiplied by an array?
        use_scale: value bool = true,
        /// How the array that is multiplied by begins.
        scale_init: value Initializer = initializers::ones(),
        /// Named axes over which the mean is taken as well.
        axis_name: optional_into AxisNames,
        /// Only elements where this `bool` array is true count in the mean. It broadcasts to the input.
        mask: optional_into Array,
        /// The axes over which the mean is taken.
        reduction_axes: into Axes = Axes::from(-1),
        /// The axes of the scale.
        feature_axes: into Axes = Axes::from(-1),
    }
}

/// `x` divided by the root of the mean of its squares over the last axis, times `scale`. Zhang and Sennrich 2019. Flax: `RMSNorm`.
///
/// Parameter: `scale`, `f32[n]`.
///
/// # Errors
/// A scalar input; those of [`Scope::param`].
#[track_caller]
pub fn rms_norm(cx: &Scope, x: impl Into<Array>) -> Array {
    rms_norm_with(cx, x, RmsNormOptions::new())
}

/// [`rms_norm`], with options.
///
/// # Errors
/// As [`rms_norm`]; an axis out of range.
#[track_caller]
pub fn rms_norm_with(cx: &Scope, x: impl Into<Array>, options: RmsNormOptions) -> Array {
    let x = x.into();
    let axes = options.reduction_axes.sorted("rms_norm", x.ndim()).or_throw();
    let features = options.feature_axes.sorted("rms_norm", x.ndim()).or_throw();
    let RmsNormOptions { epsilon, axis_name, mask, .. } = options;
    let scale = if options.use_scale { Some(options.scale_init) } else { None };
    let norm = Norm { epsilon, bias: None, scale, axis_name, mask, use_fast_variance: true };
    let [squares] = norm.means(cx, [&lax::square(&widened(&x))], &axes);
    norm.normalize(cx, &x, None, squares, &features)
}

norm_options! {
    /// Options of [`group_norm_with`].
    GroupNormOptions, 1e-6, {
        /// How many features a group has. If it is given, it decides, and not the number of groups.
        group_size: optional usize,
        /// The axes over which mean and variance are taken, the last one among them; all but the first if they are not given.
        reduction_axes: optional_into Axes,
    }
}

/// `x` normalised as by [`layer_norm`], but over all axes except the first, and over each of `num_groups` groups of its features, the
/// last axis, alone. Wu and He 2018. Flax: `GroupNorm`.
///
/// Parameters: `scale` and `bias`, `f32[n]`.
///
/// # Errors
/// `group_norm: the number of groups divides that of features, got 32 and 12`; those of [`Scope::param`].
#[track_caller]
pub fn group_norm(cx: &Scope, x: impl Into<Array>, num_groups: usize) -> Array {
    group_norm_with(cx, x, num_groups, GroupNormOptions::new())
}

/// [`group_norm`], with options.
///
/// # Errors
/// As [`group_norm`]; axes without the last.
#[track_caller]
pub fn group_norm_with(
    cx: &Scope,
    x: impl Into<Array>,
    num_groups: usize,
    options: GroupNormOptions,
) -> Array {
    const NAME: &str = "group_norm";
    let x = x.into();
    let Some((&features, rest)) = x.shape().split_last() else {
        throw!(Shape, "{NAME}: the input has a last axis, got {}", x.aval())
    };
    let last = rest.len();
    let mut axes = match &options.reduction_axes {
        Some(axes) => axes.sorted(NAME, x.ndim()).or_throw().to_vec(),
        None => (1..last).chain([last]).collect(),
    };
    if axes.last() != Some(&last) {
        throw!(
            InvalidArgument,
            "{NAME}: reduction_axes have the last axis, that of the features, got {axes:?}"
        );
    }
    let size = options.group_size;
    if let Some(size) = size.filter(|size| *size == 0 || !features.is_multiple_of(*size)) {
        throw!(Shape, "{NAME}: group_size divides the number of features, got {size} and {features}");
    }
    let groups = size.map_or(num_groups, |size| features / size);
    if groups == 0 || !features.is_multiple_of(groups) {
        throw!(Shape, "{NAME}: the number of groups divides that of features, got {groups} and {features}");
    }
    let size = features / groups;
    let grouped = |x: &Array| numpy::reshape(x, [rest, &[groups, size]].concat());
    let mut norm = options.common();
    norm.mask = norm.mask.map(|mask| grouped(&numpy::broadcast_to(mask, x.shape())));
    if let Some(axis) = axes.last_mut() {
        *axis = last + 1;
    }
    let (mean, variance) = norm.moments(cx, &grouped(&x), &axes);
    // Each group's for each of its features.
    let spread = |x: Array| {
        let mut shape = x.shape().to_vec();
        shape[last + 1] = size;
        let x = numpy::broadcast_to(x, &shape);
        shape.truncate(last);
        numpy::reshape(x, [&shape[..], &[features]].concat())
    };
    norm.normalize(cx, &x, Some(&spread(mean)), spread(variance), &[last])
}

norm_options! {
    /// Options of [`instance_norm_with`].
    InstanceNormOptions, 1e-6, {
        /// The axes of the features; the statistics are taken over all others but the first.
        feature_axes: into Axes = Axes::from(-1),
    }
}

/// `x` normalised as by [`layer_norm`], but over the axes between the first and the last: each feature of each example alone.
/// Ulyanov et al. 2016. Flax: `InstanceNorm`.
///
/// Parameters: `scale` and `bias`, `f32[n]`.
///
/// # Errors
/// A scalar input; those of [`Scope::param`].
#[track_caller]
pub fn instance_norm(cx: &Scope, x: impl Into<Array>) -> Array {
    instance_norm_with(cx, x, InstanceNormOptions::new())
}

/// [`instance_norm`], with options.
///
/// # Errors
/// As [`instance_norm`]; features along the first axis.
#[track_caller]
pub fn instance_norm_with(cx: &Scope, x: impl Into<Array>, options: InstanceNormOptions) -> Array {
    let x = x.into();
    let features = options.feature_axes.sorted("instance_norm", x.ndim()).or_throw();
    if features.contains(&0) {
        throw!(InvalidArgument, "instance_norm: the first axis numbers examples, it is none of features");
    }
    let axes: Vec<usize> = (1..x.ndim()).filter(|axis| !features.contains(axis)).collect();
    let norm = options.common();
    let (mean, variance) = norm.moments(cx, &x, &axes);
    norm.normalize(cx, &x, Some(&mean), variance, &features)
}

norm_options! {
    /// Options of [`batch_norm_with`].
    BatchNormOptions, 1e-5, {
        /// Is `x` normalised by the running statistics? Unless it is given, they are moved while training and used otherwise.
        use_running_average: optional bool,
        /// The axes of the features; the statistics are taken over all others.
        axis: into Axes = Axes::from(-1),
        /// The share of the running statistics that stays at each step.
        momentum: value f64 = 0.99,
    }
}

/// While training, `x` normalised over all axes but the last, by the statistics of the batch, which move those that run; else by those.
/// Ioffe and Szegedy 2015. Flax: `BatchNorm`.
///
/// Parameters: `scale` and `bias`, `f32[n]`. State: `mean` and `var`, `f32[n]`.
///
/// ```
/// use raxla::{nn::{self, Mode, Scope}, prelude::*, random};
///
/// let x = Array::from([[1.0f32], [3.0]]);
/// let model = |cx: &Scope| nn::batch_norm(&cx.at("norm"), &x);
/// let (params, state) = nn::init_with_state(&random::key(0), model)?;
/// let (y, state) = nn::apply((&params, &state), Mode::train(), model)?;
/// assert!((y.to_vec::<f32>()?[1] - 1.0).abs() < 1e-4);
/// assert!((state.get("norm/mean").unwrap().item::<f32>()? - 0.02).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A scalar input; a model that is applied without state; those of [`Scope::param`].
#[track_caller]
pub fn batch_norm(cx: &Scope, x: impl Into<Array>) -> Array {
    batch_norm_with(cx, x, BatchNormOptions::new())
}

/// [`batch_norm`], with options: an `axis_name`, say, for statistics over several devices.
///
/// # Errors
/// As [`batch_norm`]; an axis out of range; an axis name that is not bound.
#[track_caller]
pub fn batch_norm_with(cx: &Scope, x: impl Into<Array>, options: BatchNormOptions) -> Array {
    let x = x.into();
    let features = options.axis.sorted("batch_norm", x.ndim()).or_throw();
    let axes: Vec<usize> = (0..x.ndim()).filter(|axis| !features.contains(axis)).collect();
    let sizes: Vec<usize> = features.iter().map(|&axis| x.shape()[axis]).collect();
    let mut broad = vec![1; x.ndim()];
    features.iter().for_each(|&axis| broad[axis] = x.shape()[axis]);
    let mean = cx.state("mean", &sizes, initializers::zeros());
    let variance = cx.state("var", &sizes, initializers::ones());
    let norm = options.common();
    if options.use_running_average.unwrap_or(!cx.is_training()) {
        let mean = numpy::reshape(mean, &broad);
        return norm.normalize(cx, &x, Some(&mean), numpy::reshape(variance, &broad), &features);
    }
    let of_batch = norm.moments(cx, &x, &axes);
    let stays = options.momentum;
    for (name, old, new) in [("mean", mean, &of_batch.0), ("var", variance, &of_batch.1)] {
        let moved = &old * stays + numpy::reshape(new, &sizes) * (1.0 - stays);
        cx.set_state(name, &lax::convert_element_type(&moved, old.dtype()));
    }
    norm.normalize(cx, &x, Some(&of_batch.0), of_batch.1, &features)
}
