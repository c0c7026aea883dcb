//! `random_bits`, `random_split`, `random_fold_in`: what `random` makes of keys. JAX: `random_bits_p` and so on, with
//! `jax_threefry_partitionable=True`. StableHLO: a call of `threefry2x32`, or `rng_bit_generator`.
//!
//! A key is two or four words, the last axis of a `u32` array; the axes before it are those of an array of keys.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::config::PrngImpl;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one, one_batched, tuple, zero_jvp};
use crate::lax::rng_bit_generator::{RandomAlgorithm, generate};
use crate::lax::threefry2x32::hash_values;
use crate::lax::{broadcast_in_dim, move_axis};
use crate::mlir::{Type, Value, Values, usize_array};

/// Random bits, an unsigned integer of 8, 16, 32 or 64 bits for each element of `shape` (and each key).
#[track_caller]
pub(crate) fn random_bits(of: PrngImpl, key: &Array, bit_width: usize, shape: &[usize]) -> Array {
    bind1(RandomBits { of, bit_width, shape: shape.into() }, &[key])
}

/// New keys, an array of this shape for each key.
#[track_caller]
pub(crate) fn random_split(of: PrngImpl, key: &Array, shape: &[usize]) -> Array {
    bind1(RandomSplit { of, shape: shape.into() }, &[key])
}

/// A new key from a key and a number (`u32`), of each of an array of keys and the numbers of an array, or of one of both.
#[track_caller]
pub(crate) fn random_fold_in(of: PrngImpl, key: &Array, data: &Array) -> Array {
    bind1(RandomFoldIn { of }, &[key, data])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RandomBits {
    of: PrngImpl,
    bit_width: usize,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RandomSplit {
    of: PrngImpl,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RandomFoldIn {
    of: PrngImpl,
}

/// The shape of an array of keys.
pub(super) fn keys_shape<'a>(
    prim: &dyn Primitive,
    of: PrngImpl,
    keys: &'a ShapedArray,
) -> Result<&'a [usize]> {
    match keys.shape() {
        [shape @ .., words] if keys.dtype() == DType::U32 && *words == of.words() => Ok(shape),
        _ => {
            let (prim, words) = (prim.name(), of.words());
            bail!(DType, "{prim}: a key of {of} is {words} words of u32 along the last axis, got {keys}")
        }
    }
}

/// The unsigned dtype of this many bits.
fn unsigned(bit_width: usize) -> Option<DType> {
    [DType::U8, DType::U16, DType::U32, DType::U64].into_iter().find(|d| d.bits() == bit_width)
}

/// A slice of this type: starts, limits, and the stride along the last axis but one.
fn sliced_to(
    ctx: &mut LoweringCtx,
    x: Value,
    (starts, limits, stride): (&[usize], &[usize], usize),
    ty: Type,
) -> Value {
    let mut strides = Shape::from_elem(1, starts.len());
    if let Some(last) = starts.len().checked_sub(2) {
        strides[last] = stride;
    }
    let attrs = format!(
        "limit_indices = {}, start_indices = {}, strides = {}",
        usize_array(limits),
        usize_array(starts),
        usize_array(&strides)
    );
    ctx.op1("stablehlo.slice", &[x], &attrs, ty)
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
    let x = sliced_to(ctx, keys, (&starts, &limits, 1), ty);
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

/// Two words for each key, of which these are read from this one on, and each element of `shape`.
pub(super) fn draw(ctx: &mut LoweringCtx, keys: Value, first: usize, shape: &[usize]) -> Result<Values> {
    let key = [word(ctx, keys, first, shape.len()), word(ctx, keys, first + 1, shape.len())];
    let keys_shape = ctx.shape(keys);
    let keys_shape = &keys_shape[..keys_shape.len() - 1];
    let counts = counts(ctx, shape, keys_shape.len());
    let out: Shape = keys_shape.iter().chain(shape).copied().collect();
    hash_values(ctx, key, counts, &out)
}

/// Operands with the mapped axis in front of each. JAX: `batching.bdim_at_front`.
pub(super) fn in_front(
    prim: &dyn Primitive,
    args: &[Array],
    dims: &[BatchDim],
) -> Result<SmallVec<[Array; 2]>> {
    let size = args.iter().zip(dims).find_map(|(x, d)| d.map(|d| x.shape()[d]));
    let Some(size) = size else { bail!(Internal, "{}: nothing is mapped", prim.name()) };
    let moved = args.iter().zip(dims).map(|(x, d)| match d {
        Some(d) => move_axis(x, *d, 0),
        None => {
            let shape: Shape = std::iter::once(size).chain(x.shape().iter().copied()).collect();
            broadcast_in_dim(x, &shape, (1..shape.len()).collect::<Shape>())
        }
    });
    Ok(moved.collect())
}

/// Bits by the compiler's generator, for each of an array of keys and each element of `shape`: all from the first key.
fn generated(ctx: &mut LoweringCtx, keys: Value, shape: &[usize], dtype: DType) -> Value {
    let all = ctx.shape(keys);
    let rank = all.len() - 1;
    let out: Shape = all[..rank].iter().chain(shape).copied().collect();
    if all.contains(&0) {
        return ctx.full(Scalar::from_i128(dtype, 0), &out);
    }
    let limits = first_of(&all);
    let ty = ctx.tensor(DType::U32, &limits);
    let key = sliced_to(ctx, keys, (&Shape::from_elem(0, rank + 1), &limits, 1), ty);
    let key = ctx.reshape(key, &[4]);
    generate(ctx, key, (&out, dtype), RandomAlgorithm::Default)[1]
}

/// Where the slice ends that holds the first key alone.
fn first_of(shape: &[usize]) -> Shape {
    let mut limits = Shape::from_elem(1, shape.len());
    limits[shape.len() - 1] = shape[shape.len() - 1];
    limits
}

/// Words as keys: along a new last axis.
fn keys(ctx: &mut LoweringCtx, words: &[Value], out: &ShapedArray) -> Value {
    let mut shape = Shape::from_slice(out.shape());
    let axis = shape.len() - 1;
    shape[axis] = 1;
    let words: Values = words.iter().map(|x| ctx.reshape(*x, &shape)).collect();
    let ty = ctx.ty(out);
    ctx.op1("stablehlo.concatenate", &words, &format!("dimension = {axis} : i64"), ty)
}

/// Ten keys are drawn for each, of which the first is it.
fn every_tenth(ctx: &mut LoweringCtx, key: Value, shape: &[usize], out: &ShapedArray) -> Value {
    let num: usize = shape.iter().product();
    let all = generated(ctx, key, &[10 * num, 4], DType::U32);
    let limits = ctx.shape(all);
    let mut sliced = limits.clone();
    let axis = sliced.len() - 2;
    sliced[axis] = num;
    let ty = ctx.tensor(DType::U32, &sliced);
    let some = sliced_to(ctx, all, (&Shape::from_elem(0, limits.len()), &limits, 10), ty);
    ctx.reshape(some, out.shape())
}

/// The last of ten keys that are drawn from each number, taken for a seed.
fn tenth_of_seeds(ctx: &mut LoweringCtx, data: Value) -> Value {
    let shape = ctx.shape(data);
    let seeds: Shape = shape.iter().copied().chain([1]).collect();
    let low = ctx.reshape(data, &seeds);
    let zero = ctx.full(Scalar::from_i128(DType::U32, 0), &seeds);
    let of: Shape = shape.iter().copied().chain([4]).collect();
    let of = ShapedArray::new(DType::U32, &of);
    let key = keys(ctx, &[zero, low, zero, low], &of);
    let all = generated(ctx, key, &[10, 4], DType::U32);
    let limits = ctx.shape(all);
    let (mut starts, mut sliced) = (Shape::from_elem(0, limits.len()), limits.clone());
    let axis = limits.len() - 2;
    (starts[axis], sliced[axis]) = (9, 1);
    let ty = ctx.tensor(DType::U32, &sliced);
    let last = sliced_to(ctx, all, (&starts, &limits, 1), ty);
    ctx.reshape(last, of.shape())
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
        let shape: Shape = keys_shape(self, self.of, key)?.iter().chain(&self.shape).copied().collect();
        Ok(one(ShapedArray::new(dtype, &shape)))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::sink()))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if self.of != PrngImpl::Threefry2x32 {
            return Ok(one(generated(ctx, ins[0], &self.shape, outs[0].dtype())));
        }
        let [x, y] = <[Value; 2]>::try_from(draw(ctx, ins[0], 0, &self.shape)?.as_slice())
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
        one_batched(random_bits(self.of, &move_axis(&args[0], dim, 0), self.bit_width, &self.shape), Some(0))
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
        let keys = keys_shape(self, self.of, key)?;
        let shape: Shape = keys.iter().chain(&self.shape).chain(&[self.of.words()]).copied().collect();
        Ok(one(ShapedArray::new(DType::U32, &shape)))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::split()))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if self.of == PrngImpl::UnsafeRbg {
            return Ok(one(every_tenth(ctx, ins[0], &self.shape, &outs[0])));
        }
        // Each half of a key of four words is one of Threefry's.
        let mut words = Values::new();
        for first in (0..self.of.words()).step_by(2) {
            words.extend(draw(ctx, ins[0], first, &self.shape)?);
        }
        Ok(one(keys(ctx, &words, &outs[0])))
    }
    /// Keys have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(self.clone(), primals)
    }
    /// the mapped axis is one more of an array of keys
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        one_batched(random_split(self.of, &move_axis(&args[0], dim, 0), &self.shape), Some(0))
    }
}

impl Primitive for RandomFoldIn {
    fn name(&self) -> &'static str {
        "random_fold_in"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [key, data] = check::arity(self, ins)?;
        let shape = keys_shape(self, self.of, key)?;
        let fits = data.shape() == shape || shape.is_empty() || data.ndim() == 0;
        if data.dtype() != DType::U32 || !fits {
            bail!(Shape, "random_fold_in: data must be u32 of the keys' shape {}, got {data}", tuple(shape));
        }
        let shape = if shape.is_empty() { data.shape() } else { shape };
        let all: Shape = shape.iter().copied().chain([self.of.words()]).collect();
        Ok(one(ShapedArray::new(DType::U32, &all)))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::source()))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let all = outs[0].shape();
        let shape = &all[..all.len() - 1];
        if self.of == PrngImpl::UnsafeRbg {
            let words = [ins[0], tenth_of_seeds(ctx, ins[1])].map(|x| {
                let rank = ctx.shape(x).len();
                let dims: Shape = (all.len() - rank..all.len()).collect();
                ctx.broadcast_in_dim(x, all, &dims)
            });
            return Ok(one(ctx.elementwise("stablehlo.xor", &words, words[0].ty())));
        }
        let like = ctx.shape(ins[1]);
        let zero = ctx.full(Scalar::from_i128(DType::U32, 0), &like);
        let mut words = Values::new();
        for first in (0..self.of.words()).step_by(2) {
            let key = [word(ctx, ins[0], first, 0), word(ctx, ins[0], first + 1, 0)];
            words.extend(hash_values(ctx, key, [zero, ins[1]], shape)?);
        }
        Ok(one(keys(ctx, &words, &outs[0])))
    }
    /// Keys have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(*self, primals)
    }
    /// both operands get the mapped axis in front, unless one of them is one key or one number for all
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let one = |i: usize, rank: usize| dims[i].is_none() && args[i].ndim() == rank;
        if one(0, 1) || one(1, 0) {
            let moved = |i: usize| dims[i].map_or_else(|| args[i].clone(), |dim| move_axis(&args[i], dim, 0));
            return one_batched(random_fold_in(self.of, &moved(0), &moved(1)), Some(0));
        }
        let moved = in_front(self, args, dims)?;
        one_batched(random_fold_in(self.of, &moved[0], &moved[1]), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::with_x64;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    const FRY: PrngImpl = PrngImpl::Threefry2x32;

    fn key() -> Array {
        Array::from([0u32, 42])
    }

    #[test]
    fn bits_splits_and_folds_of_key_42_are_those_of_jax() {
        let split = random_split(FRY, &key(), &[2]).to_vec::<u32>().unwrap();
        assert_eq!(split, [1832780943, 270669613, 64467757, 2916123636]);
        let folded = random_fold_in(FRY, &key(), &Array::scalar(7u32)).to_vec::<u32>().unwrap();
        assert_eq!(folded, [2547012911, 1371500959]);
        let bits = random_bits(FRY, &key(), 32, &[2, 2]).to_vec::<u32>().unwrap();
        assert_eq!(bits, [2098992034, 2919706841, 2646866425, 2409546199]);
    }

    #[test]
    fn rules() {
        let keys = Draw::new(30).any_bits(DType::U32, &[3, 2]);
        let data = Draw::new(31).any_bits(DType::U32, &[]);
        check_rules([
            case("bits", [key()], |x| random_bits(FRY, &x[0], 32, &[3])),
            case("bytes of several keys", [keys], |x| random_bits(FRY, &x[0], 8, &[2, 2])),
            case("split", [key()], |x| random_split(FRY, &x[0], &[3])),
            case("fold_in", [key(), data], |x| random_fold_in(FRY, &x[0], &x[1])),
        ]);
        with_x64(true, || {
            check_rules([case("64 bits", [key()], |x| random_bits(FRY, &x[0], 64, &[])).without_vmap()]);
        });
    }

    #[test]
    fn rules_of_the_compilers_generator() {
        let mut draw = Draw::new(32);
        let mut words = |shape: &[usize]| draw.any_bits(DType::U32, shape);
        for of in [PrngImpl::Rbg, PrngImpl::UnsafeRbg] {
            // Draws of several keys are those of the first, and no loop.
            check_rules([
                case("bits", [words(&[4])], move |x| random_bits(of, &x[0], 32, &[3])).without_vmap(),
                case("bytes of several keys", [words(&[3, 4])], move |x| random_bits(of, &x[0], 8, &[2]))
                    .without_vmap(),
                case("split", [words(&[4])], move |x| random_split(of, &x[0], &[3])).without_vmap(),
                case("of no keys", [words(&[0, 4])], move |x| random_bits(of, &x[0], 8, &[2])).without_vmap(),
                case("fold_in", [words(&[4]), words(&[])], move |x| random_fold_in(of, &x[0], &x[1]))
                    .without_vmap(),
                case("of an array", [words(&[2, 4]), words(&[])], move |x| random_fold_in(of, &x[0], &x[1]))
                    .without_vmap(),
            ]);
        }
        check_rules([
            case("split", [words(&[4])], |x| random_split(PrngImpl::Rbg, &x[0], &[3])),
            case("fold_in", [words(&[4]), words(&[])], |x| random_fold_in(PrngImpl::Rbg, &x[0], &x[1])),
        ]);
    }

    #[test]
    fn a_key_is_two_words() {
        let e = catch(|| Ok(random_bits(FRY, &Array::from([1u32]), 32, &[]))).unwrap_err();
        assert_eq!(
            e.message(),
            "random_bits: a key of threefry2x32 is 2 words of u32 along the last axis, got u32[1]"
        );
        let e = catch(|| Ok(random_bits(FRY, &key(), 33, &[]))).unwrap_err();
        assert_eq!(e.message(), "random_bits: requires 8-, 16-, 32- or 64-bit field width, got 33");
    }
}
