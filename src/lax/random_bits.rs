//! `random_bits`, `random_split`, `random_fold_in`: what `random` makes of keys. JAX: `random_bits_p` and so on, with the
//! threefry implementation (`jax_threefry_partitionable=True`). StableHLO: a call of `threefry2x32`.
//!
//! A key is two words, the last axis of a `u32` array; the axes before it are those of an array of keys.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one, one_batched, tuple, zero_jvp};
use crate::lax::threefry2x32::hash_values;
use crate::lax::{broadcast_in_dim, move_axis};
use crate::mlir::{Value, Values, usize_array};

/// Random bits, an unsigned integer of 8, 16, 32 or 64 bits for each element of `shape` (and each key).
#[track_caller]
pub(crate) fn random_bits(key: &Array, bit_width: usize, shape: &[usize]) -> Array {
    bind1(RandomBits { bit_width, shape: shape.into() }, &[key])
}

/// New keys, an array of this shape for each key.
#[track_caller]
pub(crate) fn random_split(key: &Array, shape: &[usize]) -> Array {
    bind1(RandomSplit { shape: shape.into() }, &[key])
}

/// A new key from a key and a number (`u32`).
#[track_caller]
pub(crate) fn random_fold_in(key: &Array, data: &Array) -> Array {
    bind1(RandomFoldIn, &[key, data])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RandomBits {
    bit_width: usize,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RandomSplit {
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RandomFoldIn;

/// The shape of an array of keys.
fn keys_shape<'a>(prim: &dyn Primitive, keys: &'a ShapedArray) -> Result<&'a [usize]> {
    match keys.shape() {
        [shape @ .., 2] if keys.dtype() == DType::U32 => Ok(shape),
        _ => bail!(DType, "{}: a key is two words of u32 along the last axis, got {keys}", prim.name()),
    }
}

/// The unsigned dtype of this many bits.
fn unsigned(bit_width: usize) -> Option<DType> {
    [DType::U8, DType::U16, DType::U32, DType::U64].into_iter().find(|d| d.bits() == bit_width)
}

/// Word `index` of each key, with `extra` axes of size one for what is drawn from it.
fn word(ctx: &mut LoweringCtx, keys: Value, index: usize, extra: usize) -> Value {
    let shape = ctx.shape(keys);
    let rank = shape.len() - 1;
    let mut starts = Shape::from_elem(0, rank + 1);
    starts[rank] = index;
    let mut limits = shape.clone();
    limits[rank] = index + 1;
    let mut sliced = shape.clone();
    sliced[rank] = 1;
    let ty = ctx.tensor(DType::U32, &sliced);
    let attrs = format!(
        "limit_indices = {}, start_indices = {}, strides = {}",
        usize_array(&limits),
        usize_array(&starts),
        usize_array(&Shape::from_elem(1, rank + 1))
    );
    let x = ctx.op1("stablehlo.slice", &[keys], &attrs, ty);
    let mut out = Shape::from_slice(&shape[..rank]);
    if rank > 0 {
        out.extend(std::iter::repeat_n(1, extra));
    }
    ctx.reshape(x, &out)
}

/// The row-major index of each element of `shape` as two words, high and low, after `keys_rank` axes of size one.
fn counts(ctx: &mut LoweringCtx, shape: &[usize], keys_rank: usize) -> [Value; 2] {
    let size: usize = shape.iter().product();
    let full: Shape = std::iter::repeat_n(1, keys_rank).chain(shape.iter().copied()).collect();
    if u32::try_from(size).is_ok() {
        let low = ctx.iota(DType::U32, &[size], 0);
        let zero = ctx.full(Scalar::from_i128(DType::U32, 0), &full);
        return [zero, ctx.reshape(low, &full)];
    }
    let index = ctx.iota(DType::U64, &[size], 0);
    let by = ctx.full(Scalar::from_i128(DType::U64, 32), &[size]);
    let high = ctx.elementwise("stablehlo.shift_right_logical", &[index, by], index.ty());
    [high, index].map(|x| {
        let x = ctx.convert(x, DType::U32);
        ctx.reshape(x, &full)
    })
}

/// Two words for each key and each element of `shape`.
fn draw(ctx: &mut LoweringCtx, keys: Value, shape: &[usize]) -> Result<Values> {
    let key = [word(ctx, keys, 0, shape.len()), word(ctx, keys, 1, shape.len())];
    let keys_shape = ctx.shape(keys);
    let keys_shape = &keys_shape[..keys_shape.len() - 1];
    let counts = counts(ctx, shape, keys_shape.len());
    let out: Shape = keys_shape.iter().chain(shape).copied().collect();
    hash_values(ctx, key, counts, &out)
}

/// Pairs of words as keys: along a new last axis.
fn keys(ctx: &mut LoweringCtx, words: &[Value], out: &ShapedArray) -> Value {
    let mut shape = Shape::from_slice(out.shape());
    let axis = shape.len() - 1;
    shape[axis] = 1;
    let words: Values = words.iter().map(|x| ctx.reshape(*x, &shape)).collect();
    let ty = ctx.ty(out);
    ctx.op1("stablehlo.concatenate", &words, &format!("dimension = {axis} : i64"), ty)
}

impl Primitive for RandomBits {
    fn name(&self) -> &'static str {
        "random_bits"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("bit_width", Param::Text(self.bit_width.to_string())),
            ("shape", Param::Text(tuple(&self.shape))),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [key] = check::arity(self, ins)?;
        let Some(dtype) = unsigned(self.bit_width) else {
            bail!(DType, "random_bits: requires 8-, 16-, 32- or 64-bit field width, got {}", self.bit_width)
        };
        let shape: Shape = keys_shape(self, key)?.iter().chain(&self.shape).copied().collect();
        Ok(one(ShapedArray::new(dtype, &shape)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let [x, y] = <[Value; 2]>::try_from(draw(ctx, ins[0], &self.shape)?.as_slice())
            .map_err(|_| crate::error::err!(Internal, "random_bits: two words are drawn"))?;
        if outs[0].dtype() == DType::U64 {
            let (high, low) = (ctx.convert(x, DType::U64), ctx.convert(y, DType::U64));
            let by = ctx.full_like(high, 32.0);
            let high = ctx.elementwise("stablehlo.shift_left", &[high, by], high.ty());
            return Ok(one(ctx.elementwise("stablehlo.or", &[high, low], high.ty())));
        }
        let bits = ctx.elementwise("stablehlo.xor", &[x, y], x.ty());
        Ok(one(ctx.convert(bits, outs[0].dtype())))
    }
    /// Bits have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(self.clone(), primals)
    }
    /// the mapped axis is one more of an array of keys
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        one_batched(random_bits(&move_axis(&args[0], dim, 0), self.bit_width, &self.shape), Some(0))
    }
}

impl Primitive for RandomSplit {
    fn name(&self) -> &'static str {
        "random_split"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("shape", Param::Text(tuple(&self.shape)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [key] = check::arity(self, ins)?;
        let shape: Shape = keys_shape(self, key)?.iter().chain(&self.shape).chain(&[2]).copied().collect();
        Ok(one(ShapedArray::new(DType::U32, &shape)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let words = draw(ctx, ins[0], &self.shape)?;
        Ok(one(keys(ctx, &words, &outs[0])))
    }
    /// Keys have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(self.clone(), primals)
    }
    /// the mapped axis is one more of an array of keys
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        one_batched(random_split(&move_axis(&args[0], dim, 0), &self.shape), Some(0))
    }
}

impl Primitive for RandomFoldIn {
    fn name(&self) -> &'static str {
        "random_fold_in"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [key, data] = check::arity(self, ins)?;
        let shape = keys_shape(self, key)?;
        if data.dtype() != DType::U32 || data.shape() != shape {
            bail!(Shape, "random_fold_in: data must be u32 of the keys' shape {}, got {data}", tuple(shape));
        }
        Ok(one(ShapedArray::new(DType::U32, key.shape())))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let key = [word(ctx, ins[0], 0, 0), word(ctx, ins[0], 1, 0)];
        let shape = ctx.shape(ins[1]);
        let zero = ctx.full(Scalar::from_i128(DType::U32, 0), &shape);
        let words = hash_values(ctx, key, [zero, ins[1]], &shape)?;
        Ok(one(keys(ctx, &words, &outs[0])))
    }
    /// Keys have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(*self, primals)
    }
    /// both operands get the mapped axis in front
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let size = args.iter().zip(dims).find_map(|(x, d)| d.map(|d| x.shape()[d]));
        let Some(size) = size else { bail!(Internal, "random_fold_in: nothing is mapped") };
        let moved: SmallVec<[Array; 2]> = args
            .iter()
            .zip(dims)
            .map(|(x, d)| match d {
                Some(d) => move_axis(x, *d, 0),
                None => {
                    let shape: Shape = std::iter::once(size).chain(x.shape().iter().copied()).collect();
                    broadcast_in_dim(x, &shape, (1..shape.len()).collect::<Shape>())
                }
            })
            .collect();
        one_batched(random_fold_in(&moved[0], &moved[1]), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::with_x64;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    fn key() -> Array {
        Array::from([0u32, 42])
    }

    #[test]
    fn bits_splits_and_folds_of_key_42_are_those_of_jax() {
        let split = random_split(&key(), &[2]).to_vec::<u32>().unwrap();
        assert_eq!(split, [1832780943, 270669613, 64467757, 2916123636]);
        let folded = random_fold_in(&key(), &Array::scalar(7u32)).to_vec::<u32>().unwrap();
        assert_eq!(folded, [2547012911, 1371500959]);
        let bits = random_bits(&key(), 32, &[2, 2]).to_vec::<u32>().unwrap();
        assert_eq!(bits, [2098992034, 2919706841, 2646866425, 2409546199]);
    }

    #[test]
    fn rules() {
        let keys = Draw::new(30).any_bits(DType::U32, &[3, 2]);
        let data = Draw::new(31).any_bits(DType::U32, &[]);
        check_rules([
            case("bits", [key()], |x| random_bits(&x[0], 32, &[3])),
            case("bytes of several keys", [keys], |x| random_bits(&x[0], 8, &[2, 2])),
            case("split", [key()], |x| random_split(&x[0], &[3])),
            case("fold_in", [key(), data], |x| random_fold_in(&x[0], &x[1])),
        ]);
        with_x64(true, || {
            check_rules([case("64 bits", [key()], |x| random_bits(&x[0], 64, &[])).without_vmap()]);
        });
    }

    #[test]
    fn a_key_is_two_words() {
        let e = catch(|| Ok(random_bits(&Array::from([1u32]), 32, &[]))).unwrap_err();
        assert_eq!(e.message(), "random_bits: a key is two words of u32 along the last axis, got u32[1]");
        let e = catch(|| Ok(random_bits(&key(), 33, &[]))).unwrap_err();
        assert_eq!(e.message(), "random_bits: requires 8-, 16-, 32- or 64-bit field width, got 33");
    }
}
