//! `scatter_apply`: a function of the elements at computed positions. JAX: `lax.scatter_apply`, whose equation is `scatter` too.

use super::common::{here, trace};
use super::reducer::literal_consts;
use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::effects::Effects;
use crate::core::trace::bind_at;
use crate::error::{Result, bail, catch};
use crate::lax;
use crate::lax::arguments::sizes_of;
use crate::lax::indexing::{GatherScatterMode, ScatterDimensionNumbers};
use crate::lax::scatter::Scatter;
use crate::signature::{FlatOut, Output};

options! {
    /// Options of [`scatter_apply_with`].
    pub struct ScatterApplyOptions {
        /// The shape that updates would have, as [`scatter`](lax::scatter) takes them: it says how many elements the windows have.
        update_shape: into Dims = (),
        /// The index vectors are sorted: the caller promises it.
        indices_are_sorted: value bool = false,
        /// No element is written twice: the caller promises it.
        unique_indices: value bool = false,
        /// What happens to indices out of bounds.
        mode: value GatherScatterMode = GatherScatterMode::FillOrDrop,
    }
}

/// [`scatter_apply_with`] for one index vector and a window of one element.
///
/// # Errors
/// As [`scatter_apply_with`].
#[track_caller]
pub fn scatter_apply<O: Output<Tree = Array>>(
    operand: &Array,
    scatter_indices: &Array,
    func: impl FnOnce(Array) -> O,
    dimension_numbers: &ScatterDimensionNumbers,
) -> Result<Array> {
    scatter_apply_with(operand, scatter_indices, func, dimension_numbers, ScatterApplyOptions::new())
}

/// `operand` with `func`, a function of a scalar, applied to the elements of its windows: of one that several index vectors name, as often.
///
/// It has no derivatives, as in JAX.
///
/// ```
/// use raxla::lax::{self, ScatterApplyOptions, ScatterDimensionNumbers};
/// use raxla::Array;
///
/// let x = Array::from([1.0f32, 2.0, 3.0]);
/// let mut numbers = ScatterDimensionNumbers::default();
/// (numbers.inserted_window_dims, numbers.scatter_dims_to_operand_dims) = (vec![0], vec![0]);
/// let options = ScatterApplyOptions::new().update_shape([3]);
/// let y = lax::scatter_apply_with(&x, &Array::from([[0], [2], [2]]), |x: Array| x * 2.0, &numbers, options)?;
/// assert_eq!(y.to_vec::<f32>()?, [2.0, 2.0, 12.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `func`; `scatter_apply: func must return f32[], got f32[2]`; a function that captures traced values; what
/// [`scatter`](lax::scatter) refuses of indices and of `dimension_numbers`. A derivative with respect to `operand`.
#[track_caller]
pub fn scatter_apply_with<O: Output<Tree = Array>>(
    operand: &Array,
    scatter_indices: &Array,
    func: impl FnOnce(Array) -> O,
    dimension_numbers: &ScatterDimensionNumbers,
    options: ScatterApplyOptions,
) -> Result<Array> {
    let loc = here();
    let ScatterApplyOptions { update_shape, indices_are_sorted, unique_indices, mode } = options;
    let update_shape = sizes_of("scatter_apply", &update_shape);
    let run = || {
        let element = ShapedArray::new(operand.dtype(), &[]);
        // The second is the update, which nothing is computed of.
        let avals = [element, element];
        let traced = trace(&avals, |args| Ok(FlatOut::from_tree(&func(args[0].clone()).into_result()?)))?;
        let traced = literal_consts("scatter_apply: func", &avals, traced)?;
        let out = traced.jaxpr.out_avals()[0];
        if !out.matches(&element) {
            bail!(DType, "scatter_apply: func must return {element}, got {out}");
        }
        traced.jaxpr.effects().check(Effects::NONE, "the function of `scatter_apply`")?;
        let options = lax::ScatterOptions::new()
            .indices_are_sorted(indices_are_sorted)
            .unique_indices(unique_indices)
            .mode(mode);
        let prim = Scatter::applying(traced.jaxpr, operand.dtype(), dimension_numbers.clone(), options);
        let updates = lax::zeros(operand.dtype(), &update_shape);
        Ok(bind_at(&prim.into(), &[operand, scatter_indices, &updates], loc)?.swap_remove(0))
    };
    catch(run).map_err(|e| e.at(loc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{F32, I32};
    use crate::lax::testing::{Draw, case, check_rules};

    fn numbers() -> ScatterDimensionNumbers {
        ScatterDimensionNumbers {
            inserted_window_dims: vec![0],
            scatter_dims_to_operand_dims: vec![0],
            ..ScatterDimensionNumbers::default()
        }
    }

    fn four() -> ScatterApplyOptions {
        ScatterApplyOptions::new().update_shape([4])
    }

    #[test]
    fn rules_of_scatter_apply() {
        let (x, indices) = (Draw::new(77).values(F32, &[5]), Array::from([[1], [3], [1], [9]]));
        let clip = four().mode(GatherScatterMode::Clip);
        let of = |options: ScatterApplyOptions| {
            move |x: &[Array]| {
                let f = |x: Array| lax::add(&lax::mul(&x, &x), &Array::scalar(1.0f32));
                scatter_apply_with(&x[0], &x[1], f, &numbers(), options.clone()).unwrap()
            }
        };
        check_rules([
            case("scatter", [x.clone(), indices.clone()], of(four())).without_derivatives(),
            case("scatter", [x, indices], of(clip)).without_derivatives(),
        ]);
    }

    #[test]
    fn what_scatter_apply_does_not_accept() {
        let (x, indices) = (Array::from([1.0f32; 5]), Array::from([[1], [3], [1], [9]]));
        let with = |f: fn(Array) -> Array, options| {
            scatter_apply_with(&x, &indices, f, &numbers(), options).unwrap_err()
        };
        assert_eq!(
            with(|x| lax::convert_element_type(&x, I32), four()).message(),
            "scatter_apply: func must return f32[], got i32[]"
        );
        assert_eq!(
            with(|x| lax::broadcast(&x, [2]), four()).message(),
            "scatter_apply: func must return f32[], got f32[2]"
        );
        assert!(with(|x| x, ScatterApplyOptions::new()).message().contains("must be of rank 1"));
        let error = crate::api::jvp(
            |x: &Array| scatter_apply_with(x, &indices, |x: Array| x * 2.0, &numbers(), four()),
            (&x,),
            (&x,),
        );
        assert!(error.unwrap_err().message().starts_with("scatter_apply: it has no derivative"));
        let captured = Array::from([1.0f32, 2.0]);
        let error = scatter_apply_with(
            &x,
            &indices,
            |x: Array| x * lax::reduce_sum(&captured, 0),
            &numbers(),
            four(),
        );
        assert!(error.unwrap_err().message().contains("may capture scalars whose value is known"));
    }
}
