//! `reduce_window_sum`, `reduce_window_max`, `reduce_window_min`: reductions over windows that slide along an array.
//! JAX: `reduce_window_sum_p` and so on. StableHLO: `reduce_window`.

use crate::arguments::Dims;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::error::{OrThrow, Result, bail};
use crate::lax::elementwise::{ANY, NUMBER, linear_ct, one, one_batched, one_dtype, unary_jvp};
use crate::lax::extremum::{extremum, highest, lowest};
use crate::lax::full::literal_like;
use crate::lax::pad;
use crate::lax::select_and_gather_add::select_and_gather_add;
use crate::lax::window::{Window, WindowOptions};
use crate::mlir::{Value, Values};

macro_rules! windows {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $op:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// `reduce_window got the wrong number of window_dimensions for operand: ...`; parameters of other lengths, or zero.
        #[track_caller]
        pub fn $name(operand: &Array, window_dimensions: impl Into<Dims>) -> Array {
            reduce_window(Op::$op, operand, &window_dimensions.into(), &WindowOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "`], with options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`].")]
        #[track_caller]
        pub fn $with(operand: &Array, window_dimensions: impl Into<Dims>, options: WindowOptions) -> Array {
            reduce_window(Op::$op, operand, &window_dimensions.into(), &options)
        }
    )*};
}
windows! {
    /// The sum of each window: `f32[4]`, windows of 2 -> `f32[3]`. By default windows start at each element and there is no
    /// padding.
    reduce_window_sum, reduce_window_sum_with: Sum;
    /// The largest element of each window. Padding counts as the dtype's lowest value.
    ///
    /// ```
    /// use raxla::{Array, lax::{self, Padding, WindowOptions}};
    ///
    /// let x = Array::from([3, 1, 4, 1, 5]);
    /// let options = WindowOptions::new().window_strides(2).padding(Padding::Same);
    /// assert_eq!(lax::reduce_window_max_with(&x, 2, options).to_vec::<i32>()?, [3, 4, 5]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    reduce_window_max, reduce_window_max_with: Max;
    /// The smallest element of each window. Padding counts as the dtype's highest value.
    reduce_window_min, reduce_window_min_with: Min;
}

/// The reduction of windows by an operation.
#[track_caller]
pub(crate) fn reduce_window(op: Op, operand: &Array, dimensions: &Dims, options: &WindowOptions) -> Array {
    let window = Window::new(operand.shape(), dimensions, options);
    bind1(ReduceWindow { op, window: window.or_throw() }, &[operand])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Sum,
    Max,
    Min,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ReduceWindow {
    op: Op,
    window: Window,
}

impl Primitive for ReduceWindow {
    fn name(&self) -> &'static str {
        match self.op {
            Op::Sum => "reduce_window_sum",
            Op::Max => "reduce_window_max",
            Op::Min => "reduce_window_min",
        }
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        self.window.params()
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        one_dtype(self, ins, if self.op == Op::Sum { NUMBER } else { ANY })?;
        Ok(one(x.with_shape(&self.window.out_shape(x)?)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let dtype = outs[0].dtype();
        let init = match self.op {
            Op::Sum => Scalar::from_f64(dtype, 0.0),
            Op::Max => lowest(dtype),
            Op::Min => highest(dtype),
        };
        let (init, ty) = (ctx.constant(init), ctx.ty(&outs[0]));
        self.window.reduce(ctx, ins, &[init], &[ty], |ctx, args| {
            let out = match self.op {
                Op::Sum => ctx.elementwise("stablehlo.add", args, init.ty()),
                Op::Max | Op::Min => extremum(ctx, self.op == Op::Max, args[0], args[1]),
            };
            Ok(Values::from_slice(&[out]))
        })
    }
    /// sum: dy = the sum of dx over the window; max, min: dy = dx where the window's extremum is
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(self.clone(), primals, tangents, |x, _, dx| match self.op {
            Op::Sum => bind1(self.clone(), &[dx]),
            Op::Max | Op::Min => select_and_gather_add(dx, x, self.op == Op::Max, self.window.clone()),
        })
    }
    /// sum: x̄ᵢ = Σ ȳ over the windows that hold i, again a sum over windows
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        if self.op != Op::Sum {
            bail!(Differentiation, "{}: transpose is not defined, since it is not linear", self.name());
        }
        Ok(linear_ct(cts, ins, |ct| {
            let window = &self.window;
            let pads = window.transposed_padding(ins[0].aval().shape(), ct.shape());
            let config: Vec<(i64, i64, i64)> = (pads.iter().zip(&window.strides))
                .map(|((low, high), stride)| (*low, *high, *stride as i64 - 1))
                .collect();
            let ct = pad(ct, literal_like(ct, 0.0), &config);
            let rank = pads.len();
            let window = Window {
                dimensions: window.dimensions.clone(),
                strides: window.base_dilation.clone(),
                padding: smallvec::SmallVec::from_elem((0, 0), rank),
                base_dilation: Shape::from_elem(1, rank),
                window_dilation: window.window_dilation.clone(),
            };
            bind1(ReduceWindow { op: Op::Sum, window }, &[&ct])
        }))
    }
    /// windows of one element along the mapped axis
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let prim = ReduceWindow { op: self.op, window: self.window.with_axis(dim) };
        one_batched(bind1(prim, &[&args[0]]), Some(dim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::error::catch;
    use crate::lax::Padding;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules() {
        let mut draw = Draw::new(8);
        let mut distinct = |dtype, shape: &[usize]| draw.distinct(dtype, shape);
        let x =
            |shape: &[usize], distinct: &mut dyn FnMut(DType, &[usize]) -> Array| distinct(DType::F32, shape);
        check_rules([
            case("reduce_window_sum", [x(&[3, 6], &mut distinct)], |x| {
                reduce_window_sum_with(
                    &x[0],
                    [1, 3],
                    WindowOptions::new().window_strides([1, 2]).padding(Padding::Same),
                )
            }),
            case("dilated sum", [x(&[7, 2], &mut distinct)], |x| {
                let pads = [(1, -1), (0, 2)];
                reduce_window_sum_with(
                    &x[0],
                    [2, 2],
                    WindowOptions::new()
                        .window_strides([2, 1])
                        .padding(pads)
                        .base_dilation([2, 1])
                        .window_dilation([3, 1]),
                )
            }),
            case("reduce_window_max", [x(&[4, 4], &mut distinct)], |x| {
                reduce_window_max_with(&x[0], [2, 2], WindowOptions::new().window_strides([2, 2]))
            }),
            case("padded max", [x(&[5], &mut distinct)], |x| {
                reduce_window_max_with(
                    &x[0],
                    [2],
                    WindowOptions::new().window_strides([1]).padding(Padding::SameLower),
                )
            }),
            case("reduce_window_min", [x(&[5], &mut distinct)], |x| {
                reduce_window_min_with(&x[0], [3], WindowOptions::new().window_strides([2]).padding([(1, 1)]))
            }),
            case("dilated base of max", [x(&[3], &mut distinct)], |x| {
                reduce_window_max_with(
                    &x[0],
                    [2],
                    WindowOptions::new().window_strides([1]).base_dilation([2]),
                )
            }),
            case("ints", [distinct(DType::I8, &[5])], |x| {
                reduce_window_max_with(
                    &x[0],
                    [3],
                    WindowOptions::new().window_strides([1]).padding(Padding::Same),
                )
            }),
        ]);
    }

    #[test]
    fn parameters_are_checked() {
        let x = Array::from([1.0f32, 2.0]);
        let message = |dims: &[usize], strides: &[usize], padding: Padding| {
            let e = catch(|| {
                Ok(reduce_window_sum_with(
                    &x,
                    dims,
                    WindowOptions::new().window_strides(strides).padding(padding),
                ))
            })
            .unwrap_err();
            e.message().to_owned()
        };
        assert_eq!(
            message(&[1, 1], &[1, 1], Padding::Valid),
            "reduce_window got the wrong number of window_dimensions for operand: got operand shape (2,) with \
             window_dimensions (1, 1)"
        );
        assert_eq!(
            message(&[1], &[1, 1], Padding::Valid),
            "reduce_window got inconsistent window_strides and window_dimensions: got window_strides (1, 1) and \
             window_dimensions (1,)"
        );
    }
}
