//! `pad`: adds (or with negative widths removes) elements at the edges and between; linear. JAX: `pad_p`. StableHLO:
//! `pad`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one, one_batched, tuple};
use crate::lax::full::literal_like;
use crate::lax::{broadcast, broadcast_in_dim, full, reduce_sum, select, strided_slice, sub, zeros_like};
use crate::mlir::{Value, i64_array};

/// Widths of one axis: before, after, and between any two elements. The first two may be negative.
type Padding = (i64, i64, i64);

/// Pads `operand` with the scalar `padding_value`. Each axis has its `(low, high, interior)` in `padding_config`: how many
/// elements to add before, after, and between any two neighbours. Negative `low` and `high` remove elements.
///
/// `[1, 2]` with `(1, 0, 2)` -> `[p, 1, p, p, 2]`.
///
/// # Errors
/// Operands of different dtypes; a `padding_config` that has not one entry for each axis; negative interior padding; a
/// negative size in the result.
#[track_caller]
pub fn pad(
    operand: &Array,
    padding_value: impl Into<Array>,
    padding_config: impl AsRef<[(i64, i64, i64)]>,
) -> Array {
    bind1(Pad { padding_config: padding_config.as_ref().into() }, &[operand, &padding_value.into()])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pad {
    padding_config: SmallVec<[Padding; 4]>,
}

/// The padding of every axis as Python prints it.
fn config_text(config: &[Padding]) -> String {
    let items: Vec<String> = config.iter().map(|(l, h, i)| format!("({l}, {h}, {i})")).collect();
    match items.as_slice() {
        [x] => format!("({x},)"),
        _ => format!("({})", items.join(", ")),
    }
}

impl Primitive for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("padding_config", Param::Text(config_text(&self.padding_config)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x, value] = check::arity(self, ins)?;
        let config = &self.padding_config;
        if x.dtype() != value.dtype() {
            bail!(
                DType,
                "pad operand and padding_value must be same dtype: got {} and {}",
                x.dtype(),
                value.dtype()
            );
        }
        if value.ndim() != 0 {
            bail!(Shape, "pad: padding_value must be a scalar; got shape {}", tuple(value.shape()));
        }
        if config.len() != x.ndim() {
            bail!(
                Shape,
                "pad: length of padding_config must equal the number of axes of operand, got padding_config {} for \
                 operand shape {}",
                config_text(config),
                tuple(x.shape())
            );
        }
        if config.iter().any(|(_, _, interior)| *interior < 0) {
            bail!(
                Shape,
                "pad: interior padding in padding_config must be nonnegative, got padding_config {}",
                config_text(config)
            );
        }
        let size = |(n, (low, high, interior)): (&usize, &Padding)| {
            let n = *n as i64;
            low + high + if n == 0 { 0 } else { n + (n - 1) * interior }
        };
        let sizes: SmallVec<[i64; 4]> = x.shape().iter().zip(config).map(size).collect();
        if sizes.iter().any(|n| *n < 0) {
            let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
            bail!(
                Shape,
                "pad: Dimension size after padding is not at least 0, got result shape ({}), for padding_config {} and \
                 operand shape {}",
                sizes.join(", "),
                config_text(config),
                tuple(x.shape())
            );
        }
        let shape: Shape = sizes.iter().map(|n| *n as usize).collect();
        Ok(one(ShapedArray::result(ins, &shape, x.dtype())))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let config = &self.padding_config;
        let attrs = format!(
            "edge_padding_high = {}, edge_padding_low = {}, interior_padding = {}",
            i64_array(config.iter().map(|p| p.1)),
            i64_array(config.iter().map(|p| p.0)),
            i64_array(config.iter().map(|p| p.2))
        );
        Ok(one(ctx.op_aval("stablehlo.pad", ins, &attrs, &outs[0])))
    }
    /// d pad(x, v) = pad(dx, dv)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = bind1(self.clone(), &[&primals[0], &primals[1]]);
        let dx = tangents[0].clone().unwrap_or_else(|| zeros_like(&primals[0]));
        let dv = tangents[1].clone().unwrap_or_else(|| literal_like(&primals[1], 0.0));
        Ok((one(out), one(Some(bind1(self.clone(), &[&dx, &dv])))))
    }
    /// x̄ = ȳ unpadded; v̄ = sum(ȳ) - sum(x̄)
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [x, value] = ins else { bail!(Internal, "pad: takes 2 operands") };
        let Some(ct) = &cts[0] else { return Ok(SmallVec::from_elem(None, 2)) };
        // Only the elements of the operand that are still in the result have a cotangent; the rest get the zeros of
        // the negative-padding round trip.
        let edges: Vec<Padding> = self.padding_config.iter().map(|(l, h, _)| (-l, -h, 0)).collect();
        let inner = pad(ct, literal_like(ct, 0.0), &edges);
        let strides: Shape = self.padding_config.iter().map(|p| p.2 as usize + 1).collect();
        let x_ct = strided_slice(&inner, &vec![0; ct.ndim()], inner.shape(), Some(&strides));
        let total = |ct: &Array| reduce_sum(ct, (0..ct.ndim()).collect::<Vec<_>>());
        let v_ct = value.is_linear().then(|| sub(&total(ct), &total(&x_ct)));
        Ok([x.is_linear().then_some(x_ct), v_ct].into_iter().collect())
    }
    /// the mapped axis is not padded; mapped padding values are selected where the operand is not
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let [x, value] = args else { bail!(Internal, "pad: takes 2 operands") };
        let (x, dim) = match dims[0] {
            Some(dim) => (x.clone(), dim),
            None => (broadcast(x, &value.shape()[..1]), 0),
        };
        let mut config = self.padding_config.clone();
        config.insert(dim, (0, 0, 0));
        if dims[1].is_none() {
            return one_batched(pad(&x, value, &config), Some(dim));
        }
        let inside = full(x.shape(), true);
        let inside = pad(&inside, false, &config);
        let zero = Scalar::from_i128(x.dtype(), 0).with_weak_type(x.weak_type());
        let x = pad(&x, zero, &config);
        let value = broadcast_in_dim(value, x.shape(), [dim]);
        one_batched(select(&inside, &x, &value), Some(dim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{Bool, C64, F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_pad() {
        let mut draw = Draw::new(1);
        let cases: [(&[usize], &[Padding]); 7] = [
            (&[3], &[(1, 2, 0)]),
            (&[3], &[(-1, 2, 0)]),
            (&[3], &[(-1, -2, 2)]),
            (&[2, 3], &[(0, 1, 1), (2, -1, 0)]),
            (&[0], &[(1, 1, 3)]),
            (&[1, 2], &[(0, 0, 5), (-2, 1, 1)]),
            (&[], &[]),
        ];
        check_rules(cases.into_iter().enumerate().flat_map(|(n, (shape, config))| {
            let dtypes: &[_] = if n % 3 == 0 { &[F32, C64, I32, Bool] } else { &[F32] };
            dtypes
                .iter()
                .map(|d| {
                    let args = [draw.values(*d, shape), draw.values(*d, &[])];
                    case("pad", args, move |x| pad(&x[0], &x[1], config))
                })
                .collect::<Vec<_>>()
        }));
    }

    #[test]
    fn pad_of_what_does_not_fit_is_rejected() {
        let x = Draw::new(1).values(F32, &[3]);
        assert_eq!(
            message(|| pad(&x, 1, [(0, 0, 0)])),
            "pad operand and padding_value must be same dtype: got f32 and i32"
        );
        assert_eq!(
            message(|| pad(&x, 1.0, [])),
            "pad: length of padding_config must equal the number of axes of operand, got padding_config () for operand \
             shape (3,)"
        );
        assert_eq!(
            message(|| pad(&x, 1.0, [(0, 0, -1)])),
            "pad: interior padding in padding_config must be nonnegative, got padding_config ((0, 0, -1),)"
        );
        assert_eq!(
            message(|| pad(&x, 1.0, [(-2, -2, 0)])),
            "pad: Dimension size after padding is not at least 0, got result shape (-1), for padding_config \
             ((-2, -2, 0),) and operand shape (3,)"
        );
        assert_eq!(
            message(|| pad(&x, &x, [(0, 0, 0)])),
            "pad: padding_value must be a scalar; got shape (3,)"
        );
    }

    fn message(f: impl FnOnce() -> Array) -> String {
        catch(|| Ok(f())).unwrap_err().message().to_owned()
    }
}
