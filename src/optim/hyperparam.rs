//! [`Hyperparam`]: a number that an optimiser is made with. [`Schedule`]: one that changes with the steps.

use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::Arc;

use crate::core::array::Array;
use crate::error::throw;
use crate::numpy;

/// A number that an optimiser is made with: one that is known, and then weakly typed, or an array of one element, as from
/// [`inject_hyperparams`](super::inject_hyperparams).
///
/// What is computed of known numbers alone is computed in `f64`, as in Python: `1 - 0.999` has all its digits.
#[derive(Clone, Debug)]
pub struct Hyperparam(Value);

#[derive(Clone, Debug)]
enum Value {
    Number(f64),
    Array(Array),
}

impl Hyperparam {
    /// The number, if it is known.
    pub fn number(&self) -> Option<f64> {
        match &self.0 {
            Value::Number(x) => Some(*x),
            Value::Array(_) => None,
        }
    }

    fn with(self, other: Hyperparam, f: fn(f64, f64) -> f64, g: fn(Array, Array) -> Array) -> Hyperparam {
        match (self.0, other.0) {
            (Value::Number(x), Value::Number(y)) => f(x, y).into(),
            (x, y) => g(Hyperparam(x).into(), Hyperparam(y).into()).into(),
        }
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident;)*) => {$(
        impl<T: Into<Hyperparam>> $trait<T> for &Hyperparam {
            type Output = Hyperparam;
            #[track_caller]
            fn $method(self, other: T) -> Hyperparam {
                self.clone().with(other.into(), f64::$method, |x, y| x.$method(y))
            }
        }
        impl<T: Into<Hyperparam>> $trait<T> for Hyperparam {
            type Output = Hyperparam;
            #[track_caller]
            fn $method(self, other: T) -> Hyperparam {
                self.with(other.into(), f64::$method, |x, y| x.$method(y))
            }
        }
        impl $trait<Hyperparam> for f64 {
            type Output = Hyperparam;
            #[track_caller]
            fn $method(self, other: Hyperparam) -> Hyperparam {
                Hyperparam::from(self).$method(other)
            }
        }
        impl $trait<&Hyperparam> for f64 {
            type Output = Hyperparam;
            #[track_caller]
            fn $method(self, other: &Hyperparam) -> Hyperparam {
                Hyperparam::from(self).$method(other)
            }
        }
    )*};
}
operators! {
    Add add;
    Sub sub;
    Mul mul;
    Div div;
}

impl Neg for &Hyperparam {
    type Output = Hyperparam;
    #[track_caller]
    fn neg(self) -> Hyperparam {
        match &self.0 {
            Value::Number(x) => (-x).into(),
            Value::Array(x) => (-x).into(),
        }
    }
}

macro_rules! numbers {
    ($($t:ty),*) => {$(
        impl From<$t> for Hyperparam {
            fn from(x: $t) -> Self {
                Hyperparam(Value::Number(f64::from(x)))
            }
        }
        impl From<$t> for Schedule {
            fn from(x: $t) -> Self {
                Schedule(Rate::Constant(x.into()))
            }
        }
    )*};
}
numbers!(f64, f32, i32);

impl From<Array> for Hyperparam {
    fn from(x: Array) -> Self {
        Hyperparam(Value::Array(x))
    }
}
impl From<&Array> for Hyperparam {
    fn from(x: &Array) -> Self {
        Hyperparam(Value::Array(x.clone()))
    }
}
impl From<&Hyperparam> for Hyperparam {
    fn from(x: &Hyperparam) -> Self {
        x.clone()
    }
}
impl From<Hyperparam> for Array {
    fn from(x: Hyperparam) -> Array {
        match x.0 {
            Value::Number(x) => x.into(),
            Value::Array(x) => x,
        }
    }
}
impl From<&Hyperparam> for Array {
    fn from(x: &Hyperparam) -> Array {
        x.clone().into()
    }
}

/// A number that may change with the steps: a [`Hyperparam`], or a function of the count of steps, which is an `i32` array, also
/// while a program is traced. Optax: `ScalarOrSchedule`.
///
/// Functions that take `impl Into<Schedule>` take numbers, arrays, closures `|step: &Array| ..` and what the functions of
/// [`schedules`](super::schedules) return.
/// ```
/// use raxla::{Array, optim};
///
/// let rate = optim::linear_schedule(1.0, 0.0, 10);
/// assert_eq!(rate.at(5).item::<f32>()?, 0.5);
/// // Before the first step and after the last it is what it is there.
/// assert_eq!(rate.at(1000).item::<f32>()?, 0.0);
/// let tx = optim::sgd(|step: &Array| 0.1 / (step + 1));
/// # let _ = tx;
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct Schedule(Rate);

#[derive(Clone)]
enum Rate {
    Constant(Hyperparam),
    Function(Arc<dyn Fn(&Array) -> Array + Send + Sync>),
}

impl Schedule {
    /// A function of the count of steps.
    pub fn new(f: impl Fn(&Array) -> Array + Send + Sync + 'static) -> Schedule {
        Schedule(Rate::Function(Arc::new(f)))
    }

    /// The value at a step, counted from 0.
    #[track_caller]
    pub fn at(&self, step: impl Into<Array>) -> Array {
        match &self.0 {
            Rate::Constant(value) => value.into(),
            Rate::Function(f) => f(&numpy::asarray(step)),
        }
    }

    /// The value at a step, which stays a number where it is known.
    #[track_caller]
    pub(super) fn value(&self, step: &Array) -> Hyperparam {
        match &self.0 {
            Rate::Constant(value) => value.clone(),
            Rate::Function(f) => f(step).into(),
        }
    }

    /// The value, if it is the same at all steps.
    pub fn constant(&self) -> Option<&Hyperparam> {
        match &self.0 {
            Rate::Constant(value) => Some(value),
            Rate::Function(_) => None,
        }
    }

    /// A schedule whose values are made of those of this one.
    #[must_use]
    #[track_caller]
    pub fn map(
        &self,
        known: impl Fn(&Hyperparam) -> Hyperparam,
        f: impl Fn(Array) -> Array + Send + Sync + 'static,
    ) -> Schedule {
        match &self.0 {
            Rate::Constant(value) => Schedule(Rate::Constant(known(value))),
            Rate::Function(schedule) => {
                let schedule = schedule.clone();
                Schedule::new(move |step| f(schedule(step)))
            }
        }
    }

    /// Fails for a number that is no rate.
    #[track_caller]
    pub(super) fn checked(self, op: &str, name: &str) -> Schedule {
        match self.constant().and_then(Hyperparam::number) {
            Some(x) if x < 0.0 => throw!(
                InvalidArgument,
                "{op}: {name} = {x} is negative: an optimiser goes against the gradient by itself"
            ),
            Some(x) if !x.is_finite() => throw!(InvalidArgument, "{op}: {name} = {x} is not finite"),
            _ => self,
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rate::Constant(value) => write!(f, "{value:?}"),
            Rate::Function(_) => f.write_str("a function of the step"),
        }
    }
}

impl<F: Fn(&Array) -> Array + Send + Sync + 'static> From<F> for Schedule {
    fn from(f: F) -> Self {
        Schedule::new(f)
    }
}
impl From<Hyperparam> for Schedule {
    fn from(x: Hyperparam) -> Self {
        Schedule(Rate::Constant(x))
    }
}
impl From<&Hyperparam> for Schedule {
    fn from(x: &Hyperparam) -> Self {
        Schedule(Rate::Constant(x.clone()))
    }
}
impl From<Array> for Schedule {
    fn from(x: Array) -> Self {
        Schedule(Rate::Constant(x.into()))
    }
}
impl From<&Array> for Schedule {
    fn from(x: &Array) -> Self {
        Schedule(Rate::Constant(x.into()))
    }
}
impl From<&Schedule> for Schedule {
    fn from(x: &Schedule) -> Self {
        x.clone()
    }
}
