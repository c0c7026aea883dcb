//! `rng_bit_generator`: the compiler's own generator of random bits. JAX: `rng_bit_generator_p`. StableHLO: `rng_bit_generator`.

use smallvec::smallvec;

use crate::arguments::{ShapeDtype, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::config::canonicalize;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::elementwise::tuple;
use crate::lax::{dynamic_update_index_in_dim, index_along, move_axis};
use crate::mlir::{Value, Values};

/// How [`rng_bit_generator`] makes bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RandomAlgorithm {
    /// As the platform likes best.
    #[default]
    Default,
    /// Threefry-2x32.
    ThreeFry,
    /// Philox-4x32.
    Philox,
}

impl RandomAlgorithm {
    /// As StableHLO and, after `RNG_`, JAX write it.
    fn name(self) -> &'static str {
        match self {
            RandomAlgorithm::Default => "DEFAULT",
            RandomAlgorithm::ThreeFry => "THREE_FRY",
            RandomAlgorithm::Philox => "PHILOX",
        }
    }
}

options! {
    /// Options of [`rng_bit_generator_with`].
    pub struct RngBitGeneratorOptions {
        /// How the bits are made.
        algorithm: value RandomAlgorithm = RandomAlgorithm::Default,
    }
}

/// Random bits from a key, `u32[4]` or `u64[2]`, and the key to be used next: `u32` unless another unsigned dtype of 8, 16, 32 or 64 bits is
/// given. Other platforms and versions of the compiler give other bits; [`random`](crate::random) always gives the same.
///
/// Under `vmap` all bits are made from the first of the mapped keys, as in JAX.
///
/// ```
/// use raxla::{Array, DType, lax};
///
/// let key = Array::from([1u32, 2, 3, 4]);
/// let (next, bits) = lax::rng_bit_generator(&key, ([2, 3], DType::U8));
/// assert_eq!((next.shape(), bits.shape(), bits.dtype()), (&[4][..], &[2, 3][..], DType::U8));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `rng_bit_generator: unsupported dtype i32`; `rng_bit_generator: a key is u32[4] or u64[2], got u32[2]`.
#[track_caller]
pub fn rng_bit_generator(key: &Array, shape: impl Into<ShapeDtype>) -> (Array, Array) {
    rng_bit_generator_with(key, shape, RngBitGeneratorOptions::new())
}

/// [`rng_bit_generator`] by one algorithm.
///
/// # Errors
/// As [`rng_bit_generator`].
#[track_caller]
pub fn rng_bit_generator_with(
    key: &Array,
    shape: impl Into<ShapeDtype>,
    options: RngBitGeneratorOptions,
) -> (Array, Array) {
    let (shape, dtype) = shape.into().resolve("rng_bit_generator", DType::U32).or_throw();
    let dtype = canonicalize(dtype);
    if !dtype.is_unsigned() || dtype.is_sub_byte() {
        throw!(DType, "rng_bit_generator: unsupported dtype {dtype}");
    }
    bits_of(RngBitGenerator { shape, dtype, algorithm: options.algorithm }, key)
}

#[track_caller]
fn bits_of(generator: RngBitGenerator, key: &Array) -> (Array, Array) {
    let mut outs = bind_all(generator, &[key]);
    let bits = outs.swap_remove(1);
    (outs.swap_remove(0), bits)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RngBitGenerator {
    shape: Shape,
    dtype: DType,
    algorithm: RandomAlgorithm,
}

/// The next key and the bits of one key, `u32[4]` or `u64[2]`.
pub(super) fn generate(
    ctx: &mut LoweringCtx,
    key: Value,
    (shape, dtype): (&[usize], DType),
    algorithm: RandomAlgorithm,
) -> [Value; 2] {
    let wide = ctx.tensor(DType::U64, &[2]);
    let words = ctx.dtype(key) == DType::U32;
    let state = if words {
        let pairs = ctx.reshape(key, &[2, 2]);
        ctx.op1("stablehlo.bitcast_convert", &[pairs], "", wide)
    } else {
        key
    };
    let attrs = format!("rng_algorithm = #stablehlo<rng_algorithm {}>", algorithm.name());
    let bits = ctx.tensor(dtype, shape);
    let outs = ctx.op("stablehlo.rng_bit_generator", &[state], &attrs, &[wide, bits]);
    let (next, bits) = (outs[0], outs[1]);
    if !words {
        return [next, bits];
    }
    let pairs = ctx.tensor(DType::U32, &[2, 2]);
    let next = ctx.op1("stablehlo.bitcast_convert", &[next], "", pairs);
    [ctx.reshape(next, &[4]), bits]
}

impl Primitive for RngBitGenerator {
    fn name(&self) -> &'static str {
        "rng_bit_generator"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("algorithm", Param::Text(format!("RNG_{}", self.algorithm.name()))),
            ("dtype", Param::Text(self.dtype.name().into())),
            ("out_sharding", Param::Text("None".into())),
            ("shape", Param::Text(tuple(&self.shape))),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [key] = check::arity(self, ins)?;
        if !matches!((key.dtype(), key.shape()), (DType::U32, [4]) | (DType::U64, [2])) {
            bail!(DType, "rng_bit_generator: a key is u32[4] or u64[2], got {key}");
        }
        Ok(smallvec![*key, ShapedArray::new(self.dtype, &self.shape)])
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let outs = generate(ctx, ins[0], (&self.shape, self.dtype), self.algorithm);
        Ok(Values::from_slice(&outs))
    }
    /// Bits have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        Ok((bind_all(self.clone(), &[&primals[0]]), smallvec![None, None]))
    }
    /// all bits from the first key, which alone is followed by another
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let keys = move_axis(&args[0], dim, 0);
        let shape: Shape = keys.shape()[..1].iter().chain(&self.shape).copied().collect();
        if keys.shape()[0] == 0 {
            let nothing = crate::lax::full(&shape, crate::lax::literal(self.dtype, 0.0));
            return Ok((smallvec![keys, nothing], smallvec![Some(0), Some(0)]));
        }
        let all = RngBitGenerator { shape, ..self.clone() };
        let (next, bits) = bits_of(all, &index_along(&keys, 0, 0));
        let keys = dynamic_update_index_in_dim(&keys, &next, 0, 0);
        Ok((smallvec![keys, bits], smallvec![Some(0), Some(0)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::with_x64;
    use crate::lax::testing::{case, check_rules, message_of};
    use crate::vmap;

    fn key() -> Array {
        Array::from([1u32, 2, 3, 4])
    }

    #[test]
    fn rules() {
        let of = |algorithm, dtype| {
            move |x: &[Array]| {
                let options = RngBitGeneratorOptions::new().algorithm(algorithm);
                rng_bit_generator_with(&x[0], ([2, 3], dtype), options)
            }
        };
        let cases = [RandomAlgorithm::Default, RandomAlgorithm::ThreeFry, RandomAlgorithm::Philox]
            .into_iter()
            .flat_map(|a| [DType::U8, DType::U16, DType::U32].map(|d| (a, d)));
        // Batching is no loop.
        check_rules(cases.map(|(a, d)| case("rng_bit_generator", [key()], of(a, d)).without_vmap()));
        check_rules([case("of nothing", [key()], |x| rng_bit_generator(&x[0], [0, 2])).without_vmap()]);
        with_x64(true, || {
            let key = Array::from([1u64, 2]);
            check_rules([
                case("of a wide key", [key], of(RandomAlgorithm::Philox, DType::U64)).without_vmap()
            ]);
        });
    }

    #[test]
    fn mapped_keys_give_the_bits_of_the_first() {
        let keys = Array::from([[1u32, 2, 3, 4], [5, 6, 7, 8]]);
        let (next, bits) = vmap(|key: &Array| rng_bit_generator(key, [3]))(&keys).unwrap();
        let (first, all) = rng_bit_generator(&key(), [2, 3]);
        assert_eq!(bits.to_vec::<u32>().unwrap(), all.to_vec::<u32>().unwrap());
        let expected = [first.to_vec::<u32>().unwrap(), vec![5, 6, 7, 8]].concat();
        assert_eq!(next.to_vec::<u32>().unwrap(), expected);
    }

    #[test]
    fn keys_and_dtypes_are_checked() {
        assert_eq!(
            message_of(|| rng_bit_generator(&Array::from([1u32, 2]), 3)),
            "rng_bit_generator: a key is u32[4] or u64[2], got u32[2]"
        );
        assert_eq!(
            message_of(|| rng_bit_generator(&key(), (3, DType::I32))),
            "rng_bit_generator: unsupported dtype i32"
        );
    }
}
