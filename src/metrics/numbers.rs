//! Metrics of numbers. Flax: `nnx.metrics.Average`, `Welford`.

use super::{Metric, check_alike, count, numbers};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::numpy::{self, ReduceOptions};

options! {
    /// Options of updates.
    pub struct UpdateOptions {
        /// Only numbers where this `bool` array is true count. It broadcasts to them.
        where_: optional_into Array,
    }
}

impl UpdateOptions {
    fn reduce(&self) -> ReduceOptions {
        match &self.where_ {
            Some(mask) => ReduceOptions::new().where_(mask),
            None => ReduceOptions::new(),
        }
    }

    /// How many numbers of `values` count.
    #[track_caller]
    fn count(&self, values: &Array) -> Array {
        match &self.where_ {
            Some(mask) => {
                numpy::count_nonzero(numpy::broadcast_to(mask, values.shape()), ..).astype(DType::I32)
            }
            None => count(values.size()),
        }
    }

    #[track_caller]
    fn sum(&self, values: &Array) -> Array {
        numpy::sum_with(values, .., self.reduce())
    }
}

fn zero() -> Array {
    Array::scalar(0f32)
}

/// `n` as a divisor that is not zero.
fn at_least_one(n: &Array) -> Array {
    numpy::maximum(n, 1).astype(DType::F32)
}

/// The mean of all numbers. Flax: `nnx.metrics.Average`.
///
/// ```
/// use raxla::{metrics::{Average, Metric, UpdateOptions}, prelude::*};
///
/// let mut loss = Average::empty();
/// loss = loss.update(Array::from([1.0f32, 2.0, 3.0, 4.0]));
/// assert_eq!(loss.compute().item::<f32>()?, 2.5);
/// // The last two only fill the batch up.
/// let real = Array::from([true, true, false, false]);
/// loss = loss.update_with(Array::from([4.0f32, 4.0, 0.0, 0.0]), UpdateOptions::new().where_(real));
/// assert_eq!(loss.compute().item::<f32>()?, 3.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Pytree, Clone, Debug)]
pub struct Average {
    total: Array,
    count: Array,
}

impl Average {
    /// The average of nothing, which is NaN.
    #[must_use]
    pub fn empty() -> Average {
        Average { total: zero(), count: count(0) }
    }

    /// With more numbers.
    #[must_use]
    #[track_caller]
    pub fn update(&self, values: impl Into<Array>) -> Average {
        self.update_with(values, UpdateOptions::new())
    }

    /// [`update`](Average::update) with some of them.
    #[must_use]
    #[track_caller]
    pub fn update_with(&self, values: impl Into<Array>, options: UpdateOptions) -> Average {
        let values = numbers("Average::update", values.into());
        self.merge(&Average { total: options.sum(&values), count: options.count(&values) })
    }
}

impl Default for Average {
    fn default() -> Self {
        Average::empty()
    }
}

impl Metric for Average {
    type Value = Array;

    fn reset(&self) -> Self {
        Average::empty()
    }

    fn merge(&self, other: &Self) -> Self {
        check_alike("Average", self, other);
        Average { total: &self.total + &other.total, count: &self.count + &other.count }
    }

    fn compute(&self) -> Array {
        &self.total / self.count.astype(DType::F32)
    }
}

/// What [`Welford`] gives. Flax: `nnx.metrics.Statistics`.
#[derive(Pytree, Clone, Debug)]
pub struct Statistics {
    /// The mean; 0 of nothing.
    pub mean: Array,
    /// The standard deviation over the root of the number of numbers.
    pub standard_error_of_mean: Array,
    /// The root of the mean squared distance from the mean.
    pub standard_deviation: Array,
}

/// Mean and standard deviation of all numbers, without the squares that cancel. Flax: `nnx.metrics.Welford`.
///
/// ```
/// use raxla::{metrics::{Metric, Welford}, prelude::*};
///
/// let seen = Welford::empty().update(Array::from([1.0f32, 2.0])).update(Array::from([3.0f32, 4.0])).compute();
/// assert_eq!(seen.mean.item::<f32>()?, 2.5);
/// assert_eq!(seen.standard_deviation.item::<f32>()?, 1.25f32.sqrt());
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Pytree, Clone, Debug)]
pub struct Welford {
    count: Array,
    mean: Array,
    m2: Array,
}

impl Welford {
    /// Of nothing.
    #[must_use]
    pub fn empty() -> Welford {
        Welford { count: count(0), mean: zero(), m2: zero() }
    }

    /// With more numbers.
    #[must_use]
    #[track_caller]
    pub fn update(&self, values: impl Into<Array>) -> Welford {
        self.update_with(values, UpdateOptions::new())
    }

    /// [`update`](Welford::update) with some of them.
    #[must_use]
    #[track_caller]
    pub fn update_with(&self, values: impl Into<Array>, options: UpdateOptions) -> Welford {
        let values = numbers("Welford::update", values.into());
        let count = options.count(&values);
        let mean = options.sum(&values) / at_least_one(&count);
        let m2 = options.sum(&numpy::square(values - &mean));
        self.merge(&Welford { count, mean, m2 })
    }
}

impl Default for Welford {
    fn default() -> Self {
        Welford::empty()
    }
}

impl Metric for Welford {
    type Value = Statistics;

    fn reset(&self) -> Self {
        Welford::empty()
    }

    // Chan, Golub & LeVeque 1979, (2.1).
    fn merge(&self, other: &Self) -> Self {
        check_alike("Welford", self, other);
        let count = &self.count + &other.count;
        let (own, more) = (self.count.astype(DType::F32), other.count.astype(DType::F32));
        let share = more / at_least_one(&count);
        let delta = &other.mean - &self.mean;
        let mean = &self.mean + &delta * &share;
        Welford { count, mean, m2: &self.m2 + &other.m2 + numpy::square(delta) * own * share }
    }

    fn compute(&self) -> Statistics {
        let count = self.count.astype(DType::F32);
        let standard_deviation = numpy::sqrt(&self.m2 / &count);
        let standard_error_of_mean = &standard_deviation / numpy::sqrt(count);
        Statistics { mean: self.mean.clone(), standard_error_of_mean, standard_deviation }
    }
}

macro_rules! extremes {
    ($($name:ident: $reduce:ident, $merge:ident, $start:expr, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Pytree, Clone, Debug)]
        pub struct $name {
            value: Array,
        }

        impl $name {
            /// Of nothing: an infinity.
            #[must_use]
            pub fn empty() -> $name {
                $name { value: Array::scalar($start) }
            }

            /// With more numbers.
            #[must_use]
            #[track_caller]
            pub fn update(&self, values: impl Into<Array>) -> $name {
                self.update_with(values, UpdateOptions::new())
            }

            /// [`update`](Self::update) with some of them.
            #[must_use]
            #[track_caller]
            pub fn update_with(&self, values: impl Into<Array>, options: UpdateOptions) -> $name {
                let values = numbers(concat!(stringify!($name), "::update"), values.into());
                self.merge(&$name { value: numpy::$reduce(values, .., options.reduce().initial($start)) })
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $name::empty()
            }
        }

        impl Metric for $name {
            type Value = Array;

            fn reset(&self) -> Self {
                $name::empty()
            }

            fn merge(&self, other: &Self) -> Self {
                check_alike(stringify!($name), self, other);
                $name { value: numpy::$merge(&self.value, &other.value) }
            }

            fn compute(&self) -> Array {
                self.value.clone()
            }
        }
    )*};
}
extremes! {
    Max: max_with, maximum, f32::NEG_INFINITY, "The greatest of all numbers; NaN if one is.";
    Min: min_with, minimum, f32::INFINITY, "The least of all numbers; NaN if one is.";
}
