//! Derivatives of the scatters. JAX: `_scatter_jvp`, `_scatter_extremal_jvp` and their like.
//!
//! Where several updates meet in one element, which of them counts is not known beforehand: it is read back.

use crate::core::array::Array;
use crate::core::primitive::{Jvp, Tangent};
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{add_tangents, one};
use crate::lax::full::{literal, literal_like};
use crate::lax::indexing::GatherScatterMode;
use crate::lax::scatter::{Combine, Scatter};
use crate::lax::{
    add, broadcast_in_dim, div, eq, full_like, iota, mul, reshape, select, sub, zeros, zeros_like,
};

/// Results and tangents of a scatter.
pub(crate) fn jvp(prim: &Scatter, [x, indices, u]: [&Array; 3], dx: &Tangent, du: &Tangent) -> Jvp {
    let (out, tangent) = match prim.combine {
        Combine::Add | Combine::Sub => (prim.apply(x, indices, u), sum(prim, [x, indices], dx, du)),
        Combine::Mul => (prim.apply(x, indices, u), product(prim, [x, indices, u], dx, du)?),
        Combine::Replace if prim.options.unique_indices || (dx.is_none() && du.is_none()) => {
            (prim.apply(x, indices, u), replaced(prim, [x, indices, u], dx, du))
        }
        Combine::Replace => replaced_by_id(prim, [x, indices, u], dx, du),
        Combine::Min | Combine::Max => {
            let out = prim.apply(x, indices, u);
            let tangent = extremum(prim, [x, indices, u], &out, dx, du);
            (out, tangent)
        }
    };
    Ok((one(out), one(tangent)))
}

fn or_zeros(tangent: &Tangent, primal: &Array) -> Array {
    tangent.clone().unwrap_or_else(|| zeros_like(primal))
}

/// d(x ± u) = dx ± du
fn sum(prim: &Scatter, [x, indices]: [&Array; 2], dx: &Tangent, du: &Tangent) -> Tangent {
    match du {
        None => dx.clone(),
        Some(du) => Some(prim.apply(&or_zeros(dx, x), indices, du)),
    }
}

/// d(x u) = dx u + x du
fn product(prim: &Scatter, [x, indices, u]: [&Array; 3], dx: &Tangent, du: &Tangent) -> Result<Tangent> {
    let left = dx.as_ref().map(|dx| prim.apply(dx, indices, u));
    let right = match du {
        None => None,
        Some(_) if !prim.options.unique_indices => {
            bail!(Unimplemented, "scatter-mul gradients are only implemented where unique_indices is true")
        }
        Some(du) => Some(mul(x, &prim.with(Combine::Add).apply(&zeros_like(x), indices, du))),
    };
    Ok(add_tangents(left, right))
}

/// dy = dx with du written to it, if no two updates meet
fn replaced(prim: &Scatter, [x, indices, u]: [&Array; 3], dx: &Tangent, du: &Tangent) -> Tangent {
    if dx.is_none() && du.is_none() {
        return None;
    }
    Some(prim.apply(&or_zeros(dx, x), indices, &or_zeros(du, u)))
}

/// The mode for reading back: what was dropped is not to be found.
fn read_mode(prim: &Scatter) -> GatherScatterMode {
    match prim.options.mode {
        GatherScatterMode::Clip => GatherScatterMode::Clip,
        _ => GatherScatterMode::FillOrDrop,
    }
}

/// Updates may meet, and which wins is up to the compiler: the winners are those whose number is found where they wrote
/// it. Losers and overwritten elements become zero, and the rest is a sum.
fn replaced_by_id(
    prim: &Scatter,
    [x, indices, u]: [&Array; 3],
    dx: &Tangent,
    du: &Tangent,
) -> (Array, Tangent) {
    let ids_shape = prim.per_window(u.shape());
    let count: usize = ids_shape.iter().product();
    let dtype = if count > u32::MAX as usize { DType::U64 } else { DType::U32 };
    let ids = reshape(&add(&iota(dtype, count), &literal(dtype, 1.0)), &ids_shape);
    let axes: Vec<usize> = (0..u.ndim()).collect();
    let ids = broadcast_in_dim(&ids, u.shape(), &axes);
    let written = prim.apply(&zeros(dtype, x.shape()), indices, &ids);
    let kept = eq(&written, &zeros_like(&written));
    // The number of a dropped update is nowhere, so it does not matter what is read for it.
    let winners = eq(&ids, &prim.read(&written, indices, u.shape(), GatherScatterMode::Clip, None));
    let masked = |mask: &Array, x: &Array| select(mask, x, &zeros_like(x));
    let adding = prim.with(Combine::Add);
    let put = |x: &Array, u: &Array| adding.apply(&masked(&kept, x), indices, &masked(&winners, u));
    (put(x, u), Some(put(&or_zeros(dx, x), &or_zeros(du, u))))
}

/// The tangent of an element is the average of those of the updates, and of the old element, that equal the result.
fn extremum(
    prim: &Scatter,
    [x, indices, u]: [&Array; 3],
    out: &Array,
    dx: &Tangent,
    du: &Tangent,
) -> Tangent {
    if dx.is_none() && du.is_none() {
        return None;
    }
    let (dx, du) = (or_zeros(dx, x), or_zeros(du, u));
    let adding = prim.with(Combine::Add);
    let one_of = |mask: &Array| select(mask, &full_like(u, 1.0), &zeros_like(u));
    // Where a dropped update would be read, 1 stands for every count: nothing comes of it, and no division by zero.
    let fill = Scalar::from_f64(x.dtype(), 1.0);
    let read = |x: &Array| prim.read(x, indices, u.shape(), read_mode(prim), Some(fill));
    let count = |marks: &Array| read(&adding.apply(&zeros_like(x), indices, marks));
    let target = read(out);
    let winners = one_of(&eq(u, &target));
    let kept = one_of(&eq(&read(x), &target));
    // How many share the result, and how many updates meet in the element.
    let sharing = add(&count(&winners), &kept);
    let meeting = count(&full_like(u, 1.0));
    // What each of the updates that meet adds to dx, so that kept/sharing of it is left.
    let lost = div(&sub(&div(&kept, &sharing), &literal_like(x, 1.0)), &meeting);
    let change = add(&mul(&read(&dx), &lost), &mul(&du, &div(&winners, &sharing)));
    Some(adding.apply(&dx, indices, &change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{Bool, C64, F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Case, Draw, case, check_rules};
    use crate::lax::{
        ScatterDimensionNumbers, ScatterOptions, scatter_add_with, scatter_max_with, scatter_min_with,
        scatter_mul_with, scatter_sub_with, scatter_with,
    };

    type Function = fn(&Array, &Array, &Array, &ScatterDimensionNumbers, ScatterOptions) -> Array;

    fn numbers(window: &[usize], inserted: &[usize], map: &[usize]) -> ScatterDimensionNumbers {
        ScatterDimensionNumbers {
            update_window_dims: window.into(),
            inserted_window_dims: inserted.into(),
            scatter_dims_to_operand_dims: map.into(),
            ..ScatterDimensionNumbers::default()
        }
    }

    /// Shape of the operand, indices, shape of the updates, numbers, and whether the indices are all different.
    type Spec = (&'static [usize], Array, &'static [usize], ScatterDimensionNumbers, bool);

    fn specs() -> Vec<Spec> {
        let batched = ScatterDimensionNumbers {
            operand_batching_dims: vec![0],
            scatter_indices_batching_dims: vec![0],
            ..numbers(&[], &[1], &[1])
        };
        vec![
            // Rows; out of bounds at both ends.
            (&[3, 2], Array::from([[0], [-1], [5]]), &[3, 2], numbers(&[1], &[0], &[0]), true),
            // Elements, one of them twice.
            (&[3, 2], Array::from([[1, 1], [0, 0], [1, 1]]), &[3], numbers(&[], &[0, 1], &[0, 1]), false),
            // Windows, with the index vector turned around.
            (&[3, 5], Array::from([[3, 0], [0, 1]]), &[2, 2, 2], numbers(&[0, 2], &[], &[1, 0]), true),
            (&[2, 3], Array::from([[1], [2]]), &[2], batched, true),
            (&[3, 0], Array::from([[0], [1]]), &[2, 0], numbers(&[1], &[0], &[0]), true),
            (&[1], Array::from([0]), &[], numbers(&[], &[0], &[0]), true),
        ]
    }

    fn cases(name: &str, f: Function, dtypes: &[DType]) -> Vec<Case> {
        let mut draw = Draw::new(1);
        let mut cases = Vec::new();
        for (n, (shape, indices, updates, numbers, unique)) in specs().into_iter().enumerate() {
            for mode in [GatherScatterMode::Clip, GatherScatterMode::FillOrDrop] {
                // Clamped rows meet.
                let unique = unique && (mode != GatherScatterMode::Clip || indices.shape() != [3, 1]);
                let options = ScatterOptions { unique_indices: unique, mode, ..ScatterOptions::default() };
                // Dtypes other than the first on two of them.
                for d in if n < 2 { dtypes } else { &dtypes[..1] } {
                    let args = [draw.values(*d, shape), indices.clone(), draw.values(*d, updates)];
                    let numbers = numbers.clone();
                    let case =
                        case(name, args, move |x| f(&x[0], &x[1], &x[2], &numbers, options)).mapped(&[0, 2]);
                    // A product's derivative by updates that meet is not implemented, as in JAX.
                    cases.push(if name == "scatter-mul" && !unique && d.is_inexact() {
                        case.wrt(&[0])
                    } else {
                        case
                    });
                }
            }
        }
        cases
    }

    #[test]
    fn rules_of_scatter() {
        check_rules(cases("scatter", scatter_with, &[F32, C64, I32, Bool]));
    }

    #[test]
    fn rules_of_scatter_add_and_sub() {
        check_rules(cases("scatter-add", scatter_add_with, &[F32, C64, I32]));
        check_rules(cases("scatter-sub", scatter_sub_with, &[F32]));
    }

    #[test]
    fn rules_of_scatter_mul() {
        check_rules(cases("scatter-mul", scatter_mul_with, &[F32, I32]));
    }

    #[test]
    fn rules_of_scatter_min_and_max() {
        check_rules(cases("scatter-min", scatter_min_with, &[F32, I32, Bool]));
        check_rules(cases("scatter-max", scatter_max_with, &[F32]));
    }

    #[test]
    fn mapped_indices_become_a_batching_axis() {
        let mut draw = Draw::new(1);
        let all: [(&str, Function); 2] = [("scatter", scatter_with), ("scatter-add", scatter_add_with)];
        check_rules(all.into_iter().flat_map(|(name, f)| {
            let options = ScatterOptions { unique_indices: true, ..ScatterOptions::default() };
            let batched = ScatterDimensionNumbers {
                operand_batching_dims: vec![1],
                scatter_indices_batching_dims: vec![0],
                ..numbers(&[], &[0], &[0])
            };
            [
                (
                    draw.values(F32, &[3, 2]),
                    Array::from([[2], [0]]),
                    draw.values(F32, &[2, 2]),
                    numbers(&[1], &[0], &[0]),
                ),
                (draw.values(F32, &[3, 2]), Array::from([[2], [0]]), draw.values(F32, &[2]), batched),
            ]
            .map(|(x, i, u, numbers)| {
                case(name, [x, i, u], move |x| f(&x[0], &x[1], &x[2], &numbers, options))
            })
        }));
    }

    #[test]
    fn ties_of_scatter_max_share_the_tangent() {
        let (x, u) = (Array::from([1.0f32, 5.0]), Array::from([1.0f32, 1.0, 2.0]));
        let indices = Array::from([[0], [0], [1]]);
        let numbers = numbers(&[], &[0], &[0]);
        let prim = Scatter::new(Combine::Max, F32, numbers, ScatterOptions::default());
        let (dx, du) = (Array::from([3.0f32, 1.0]), Array::from([6.0f32, 9.0, 100.0]));
        let (_, tangents) = super::jvp(&prim, [&x, &indices, &u], &Some(dx), &Some(du)).unwrap();
        let tangent = tangents[0].as_ref().unwrap().to_vec::<f32>().unwrap();
        assert!((tangent[0] - 6.0).abs() < 1e-5 && tangent[1] == 1.0, "{tangent:?}");
    }

    #[test]
    fn dimension_numbers_that_do_not_fit_are_rejected() {
        let mut draw = Draw::new(1);
        let (x, i) = (draw.values(F32, &[3, 2]), Array::from([[0], [1]]));
        let failure = |i: &Array, u: &Array, numbers: ScatterDimensionNumbers| {
            catch(|| Ok(scatter_add_with(&x, i, u, &numbers, ScatterOptions::default())))
                .unwrap_err()
                .message()
                .to_owned()
        };
        let rows = || numbers(&[1], &[0], &[0]);
        assert_eq!(
            failure(&i, &draw.values(F32, &[2]), rows()),
            "scatter: updates tensor must be of rank 2; got 1 for updates f32[2]"
        );
        assert_eq!(
            failure(&i, &draw.values(F32, &[2, 3]), rows()),
            "scatter: bounds of the window dimensions of updates must not exceed the bounds of the corresponding \
             dimensions of operand. For dimension 1, updates bound is 3, operand bound is 2"
        );
        assert_eq!(
            failure(&i, &draw.values(F32, &[3, 2]), rows()),
            "scatter: bounds of the scatter dimensions of updates must be the same as the bounds of the corresponding \
             dimensions of scatter indices. For scatter dimension 0, updates bound is 3, indices bound is 2"
        );
        assert_eq!(
            failure(&i, &draw.values(F32, &[2, 2]), numbers(&[1], &[], &[0])),
            "scatter op has window of size 1; doesn't match operand of rank 2: f32[3,2]"
        );
        assert!(failure(&i, &draw.values(I32, &[2, 2]), rows()).contains("same dtypes, got f32, i32"));
        assert_eq!(
            failure(&x, &draw.values(F32, &[2, 2]), rows()),
            "scatter: indices must have an integer type, got f32[3,2]"
        );
        let bools = draw.values(Bool, &[3, 2]);
        let error = catch(|| Ok(scatter_add_with(&bools, &i, &bools, &rows(), ScatterOptions::default())));
        assert!(error.unwrap_err().message().starts_with("scatter-add does not accept dtype bool"));
    }
}
