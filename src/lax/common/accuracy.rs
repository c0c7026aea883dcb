//! How exact elementary functions must be. JAX: `lax.AccuracyMode`, `lax.Tolerance`. StableHLO: `result_accuracy`.

use std::fmt;

use crate::arguments::options;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{LoweredValues, Param};
use crate::error::throw;
use crate::lax::elementwise::{broadcast_values, one};
use crate::mlir::Value;

/// How exact the result of an elementary function must be. A [`Tolerance`] converts into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccuracyMode {
    /// As exact as the plugin finds good.
    Default,
    /// As exact as the plugin can.
    Highest,
    /// Within bounds.
    Tolerance(Tolerance),
}

/// By how much a result may be off. A plugin that cannot keep it refuses to compile; those for the CPU take any.
///
/// ```
/// use raxla::lax::{self, AccuracyOptions, Tolerance};
/// use raxla::Array;
///
/// let options = AccuracyOptions::new().accuracy(Tolerance::new().atol(1e-5).ulps(1));
/// let y = lax::exp_with(&Array::from([0.0f32]), options);
/// assert_eq!(y.to_vec::<f32>()?, [1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Tolerance {
    // Bits of `f64`, so that they hash and compare.
    atol: u64,
    rtol: u64,
    ulps: u64,
}

impl Tolerance {
    /// No bounds, of which at least one must be set.
    #[must_use]
    pub fn new() -> Self {
        Tolerance::default()
    }
    /// An absolute bound.
    #[must_use]
    pub fn atol(mut self, atol: f64) -> Self {
        self.atol = atol.to_bits();
        self
    }
    /// A bound relative to the result.
    #[must_use]
    pub fn rtol(mut self, rtol: f64) -> Self {
        self.rtol = rtol.to_bits();
        self
    }
    /// A bound in units in the last place.
    #[must_use]
    pub fn ulps(mut self, ulps: u32) -> Self {
        self.ulps = ulps.into();
        self
    }

    /// The bounds that are set, by their names.
    fn bounds(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let bounds = [("atol", f64::from_bits(self.atol)), ("rtol", f64::from_bits(self.rtol))];
        bounds.into_iter().filter(|(_, bound)| *bound != 0.0)
    }
}

impl fmt::Debug for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [atol, rtol] = [self.atol, self.rtol].map(f64::from_bits);
        write!(f, "Tolerance(atol={atol:?}, rtol={rtol:?}, ulps={})", self.ulps)
    }
}

impl From<Tolerance> for AccuracyMode {
    fn from(tolerance: Tolerance) -> Self {
        AccuracyMode::Tolerance(tolerance)
    }
}

options! {
    /// Options of elementary functions: [`exp_with`](crate::lax::exp_with), [`sin_with`](crate::lax::sin_with) and their like.
    pub struct AccuracyOptions {
        /// How exact the result must be: an [`AccuracyMode`] or a [`Tolerance`].
        accuracy: optional_into AccuracyMode,
    }
}

/// What a primitive holds of [`AccuracyOptions`].
pub(crate) type ResultAccuracy = Option<AccuracyMode>;

/// The accuracy that options ask for.
///
/// # Errors
/// `exp: a tolerance must have at least one of atol, rtol and ulps`; a negative one.
#[track_caller]
pub(crate) fn checked(name: &str, options: &AccuracyOptions) -> ResultAccuracy {
    if let Some(AccuracyMode::Tolerance(tolerance)) = &options.accuracy {
        if *tolerance == Tolerance::new() {
            throw!(InvalidArgument, "{name}: a tolerance must have at least one of atol, rtol and ulps");
        }
        if let Some((bound, value)) =
            tolerance.bounds().find(|(_, value)| !(value.is_finite() && *value > 0.0))
        {
            throw!(InvalidArgument, "{name}: a tolerance must not be negative, got {bound}={value}");
        }
    }
    options.accuracy
}

/// As JAX prints it.
pub(crate) fn params(accuracy: ResultAccuracy) -> Vec<(&'static str, Param)> {
    let text = match accuracy {
        None => return Vec::new(),
        Some(AccuracyMode::Default) => "AccuracyMode.DEFAULT".to_string(),
        Some(AccuracyMode::Highest) => "AccuracyMode.HIGHEST".to_string(),
        Some(AccuracyMode::Tolerance(tolerance)) => format!("{tolerance:?}"),
    };
    vec![("accuracy", Param::Text(text))]
}

/// The attribute of the operation; none for what it means without one.
pub(crate) fn attribute(accuracy: ResultAccuracy) -> String {
    let fields = match accuracy {
        None | Some(AccuracyMode::Default) => return String::new(),
        Some(AccuracyMode::Highest) => "mode = #stablehlo.result_accuracy_mode<HIGHEST>".to_string(),
        Some(AccuracyMode::Tolerance(tolerance)) => {
            let mut fields = String::new();
            for (name, bound) in tolerance.bounds() {
                fields += &format!("{name} = {bound:.17e}, ");
            }
            if tolerance.ulps > 0 {
                fields += &format!("ulps = {}, ", tolerance.ulps);
            }
            fields + "mode = #stablehlo.result_accuracy_mode<TOLERANCE>"
        }
    };
    format!(" {{result_accuracy = #stablehlo.result_accuracy<{fields}>}}")
}

/// Lowers to this operation of StableHLO.
pub(crate) fn op(
    name: &'static str,
) -> impl Fn(ResultAccuracy, &mut LoweringCtx, &[Value], &[ShapedArray]) -> LoweredValues {
    move |accuracy, ctx, ins, outs| {
        let ins = broadcast_values(ctx, ins, outs[0].shape());
        let ty = ctx.ty(&outs[0]);
        Ok(one(ctx.elementwise_with(name, &ins, &attribute(accuracy), ty)))
    }
}

/// Functions with an option `accuracy`, and their primitives: names, dtypes, the lowering, and the tangent of the result as a
/// function of `x`, `y`, `dx` and the accuracy.
macro_rules! accurate {
    ($($(#[$doc:meta])* $name:ident $with:ident $prim:ident: $text:literal, $accepts:expr, $lower:expr, $tangent:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(x: &Array) -> Array {
            $crate::core::trace::bind1($prim { accuracy: None }, &[x])
        }

        #[doc = concat!("[`", $text, "`] as exact as the option says.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", $text, "`]; `", $text, ": a tolerance must have at least one of atol, rtol and ulps`.")]
        #[track_caller]
        pub fn $with(x: &Array, options: $crate::lax::AccuracyOptions) -> Array {
            let accuracy = $crate::lax::accuracy::checked($text, &options);
            $crate::core::trace::bind1($prim { accuracy }, &[x])
        }

        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        struct $prim {
            accuracy: $crate::lax::accuracy::ResultAccuracy,
        }
        impl $crate::core::primitive::Primitive for $prim {
            fn name(&self) -> &'static str {
                $text
            }
            fn params(&self) -> Vec<(&'static str, $crate::core::primitive::Param)> {
                $crate::lax::accuracy::params(self.accuracy)
            }
            fn abstract_eval(
                &self,
                ins: &[$crate::core::aval::ShapedArray],
            ) -> $crate::error::Result<$crate::core::aval::Avals> {
                $crate::lax::elementwise::nary_aval(self, ins, 1, $accepts)
            }
            fn lower(
                &self,
                ctx: &mut $crate::core::lowering::LoweringCtx,
                ins: &[$crate::mlir::Value],
                outs: &[$crate::core::aval::ShapedArray],
            ) -> $crate::core::primitive::LoweredValues {
                $lower(self.accuracy, ctx, ins, outs)
            }
            fn jvp(
                &self,
                primals: &[Array],
                tangents: &[$crate::core::primitive::Tangent],
            ) -> $crate::core::primitive::Jvp {
                let tangent = |x: &Array, y: &Array, dx: &Array| $tangent(x, y, dx, self.accuracy);
                $crate::lax::elementwise::unary_jvp(*self, primals, tangents, tangent)
            }
            fn batch(
                &self,
                _: &$crate::core::primitive::MappedAxis,
                args: &[Array],
                dims: &[$crate::core::primitive::BatchDim],
            ) -> $crate::core::primitive::Batched {
                $crate::lax::elementwise::nary_batch(*self, args, dims)
            }
        }
    )*};
}
pub(crate) use accurate;
