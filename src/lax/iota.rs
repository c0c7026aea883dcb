//! `iota`: counts along one axis. JAX: `iota_p`. StableHLO: `iota`.

use crate::arguments::{Axis, Dims};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::config::canonicalize;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail, throw};
use crate::lax::common::arguments::sizes_of;
use crate::lax::elementwise::{one, tuple};
use crate::mlir::Value;

/// The numbers `0, 1, …, size - 1` in `dtype`.
///
/// # Errors
/// `iota does not accept dtype bool`.
#[track_caller]
pub fn iota(dtype: DType, size: usize) -> Array {
    bind1(Iota { dtype: canonicalize(dtype), shape: Shape::from_slice(&[size]), dimension: 0 }, &[])
}

/// An array of this shape whose elements are their positions along axis `dimension`.
///
/// Shape `[2, 3]`, dimension 1: `[[0, 1, 2], [0, 1, 2]]`.
///
/// # Errors
/// `iota dimension must be between 0 and len(shape), got dimension=2 for shape=(2, 3)`; dtype `bool`.
#[track_caller]
pub fn broadcasted_iota(dtype: DType, shape: impl Into<Dims>, dimension: impl Into<Axis>) -> Array {
    iota_along(dtype, sizes_of("broadcasted_iota", &shape.into()), dimension.into())
}

#[track_caller]
fn iota_along(dtype: DType, shape: Shape, dimension: Axis) -> Array {
    let Ok(dimension) = dimension.position("iota", shape.len()) else {
        throw!(
            Shape,
            "iota dimension must be between 0 and len(shape), got dimension={dimension} for shape={}",
            tuple(&shape)
        );
    };
    bind1(Iota { dtype: canonicalize(dtype), shape, dimension }, &[])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Iota {
    dtype: DType,
    shape: Shape,
    dimension: usize,
}

impl Primitive for Iota {
    fn name(&self) -> &'static str {
        "iota"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("dimension", Param::Text(self.dimension.to_string())),
            ("dtype", Param::Text(self.dtype.name().into())),
            ("shape", Param::Text(tuple(&self.shape))),
            ("sharding", Param::Text("None".into())),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [] = check::arity(self, ins)?;
        if self.dtype.is_bool() {
            bail!(DType, "iota does not accept dtype bool: convert an integer iota");
        }
        if self.dimension >= self.shape.len() {
            bail!(
                Shape,
                "iota dimension must be between 0 and len(shape), got dimension={} for shape={}",
                self.dimension,
                tuple(&self.shape)
            );
        }
        Ok(one(ShapedArray::new(self.dtype, &self.shape)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, _: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        // XLA's compiler for the CPU ends the process on it (TensorFlow 2.21's), or finds no memory for it.
        if ctx.platform() == "cpu" && outs[0].size() >= 1 << 36 {
            bail!(Runtime, "iota: out of memory: {} has {} elements", outs[0], outs[0].size());
        }
        Ok(one(ctx.iota(self.dtype, &self.shape, self.dimension)))
    }
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        bail!(Internal, "iota: has no operand to differentiate by")
    }
    fn batch(&self, _: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
        bail!(Internal, "iota: has no operand that could be mapped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{BF16, Bool, C64, F32, I32, I64, U8};
    use crate::error::catch;
    use crate::lax::testing::{case, check_rules};

    #[test]
    fn iota_counts() {
        assert_eq!(iota(I32, 3).to_vec::<i32>().unwrap(), [0, 1, 2]);
        assert_eq!(broadcasted_iota(F32, [2, 2], 0).to_vec::<f32>().unwrap(), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(iota(I64, 1).dtype(), I32);
        let dtypes = [F32, BF16, C64, I32, U8];
        let sizes = [0, 1, 300];
        check_rules(
            dtypes
                .into_iter()
                .flat_map(|d| sizes.map(|n| case("iota", [], move |_| iota(d, n)).without_vmap())),
        );
    }

    #[test]
    fn iota_of_bool_or_of_a_missing_axis_is_rejected() {
        assert_eq!(message(|| iota(Bool, 3)), "iota does not accept dtype bool: convert an integer iota");
        assert_eq!(
            message(|| broadcasted_iota(F32, [2], 1)),
            "iota dimension must be between 0 and len(shape), got dimension=1 for shape=(2,)"
        );
    }

    fn message(f: impl FnOnce() -> Array) -> String {
        catch(|| Ok(f())).unwrap_err().message().to_owned()
    }
}
