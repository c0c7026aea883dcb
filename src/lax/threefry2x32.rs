//! `threefry2x32`: the hash behind `random`. JAX: `random/threefry2x32.py`, `threefry2x32_p`. StableHLO: integer
//! arithmetic in a private function.
//!
//! Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": Threefry-2x32 with 20 rounds.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{broadcast_shape, broadcast_values};
use crate::lax::{expand_dims, move_axis};
use crate::mlir::{Value, Values};

/// Hashes the counts `(x1, x2)` with the key `(k1, k2)`: two words of random bits for each. All are `u32`, scalars or
/// of one shape.
///
/// # Errors
/// `arguments to threefry2x32 must have u32 type, got ...`; shapes that do not fit.
#[track_caller]
pub fn threefry2x32(k1: &Array, k2: &Array, x1: &Array, x2: &Array) -> (Array, Array) {
    let mut outs = bind_all(Threefry2x32, &[k1, k2, x1, x2]);
    let second = outs.swap_remove(1);
    (outs.swap_remove(0), second)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Threefry2x32;

/// Rotations of the even and of the odd groups of four rounds.
const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];

/// Mixed into the third word of the key schedule.
const PARITY: u32 = 0x1BD1_1BDA;

fn constant(ctx: &mut LoweringCtx, value: u32) -> Value {
    ctx.constant(Scalar::from_i128(DType::U32, i128::from(value)))
}

/// Writes elementwise operations on one type.
struct Words<'a> {
    ctx: &'a mut LoweringCtx,
    like: Value,
}

impl Words<'_> {
    fn op(&mut self, name: &str, x: Value, y: Value) -> Value {
        self.ctx.elementwise(name, &[x, y], self.like.ty())
    }

    /// A word for every element.
    fn spread(&mut self, x: Value) -> Value {
        let shape = self.ctx.shape(self.like);
        let dims: SmallVec<[usize; 4]> = (0..self.ctx.shape(x).len()).collect();
        self.ctx.broadcast_in_dim(x, &shape, &dims)
    }

    fn add_word(&mut self, x: Value, word: Value) -> Value {
        let word = self.spread(word);
        self.op("stablehlo.add", x, word)
    }

    /// One round: `x0 += x1; x1 = rotate_left(x1, r) ^ x0`.
    fn round(&mut self, x: [Value; 2], rotation: u32) -> [Value; 2] {
        let sum = self.op("stablehlo.add", x[0], x[1]);
        let left = constant(self.ctx, rotation);
        let right = constant(self.ctx, 32 - rotation);
        let (left, right) = (self.spread(left), self.spread(right));
        let high = self.op("stablehlo.shift_left", x[1], left);
        let low = self.op("stablehlo.shift_right_logical", x[1], right);
        let rotated = self.op("stablehlo.or", high, low);
        [sum, self.op("stablehlo.xor", sum, rotated)]
    }
}

/// The hash, unrolled: five groups of four rounds, and a word of the key schedule after each.
///
/// JAX has a loop over the groups on the CPU, where the hash would otherwise be inlined into each place that uses it. Here it is a
/// function that is called, which compiles faster still and runs at three times the speed.
fn body(ctx: &mut LoweringCtx, args: &[Value]) -> Result<Values> {
    let [k0, k1, x0, x1] = *args else { bail!(Internal, "threefry2x32: takes 4 operands") };
    let key = k0.ty();
    let parity = constant(ctx, PARITY);
    let shape = ctx.shape(k0);
    let parity = ctx.broadcast_in_dim(parity, &shape, &[]);
    let k2 = ctx.elementwise("stablehlo.xor", &[k0, k1], key);
    let k2 = ctx.elementwise("stablehlo.xor", &[k2, parity], key);
    let schedule = [k0, k1, k2];
    let mut words = Words { ctx, like: x0 };
    let mut x = [words.add_word(x0, k0), words.add_word(x1, k1)];
    for group in 0..5 {
        for rotation in ROTATIONS[group % 2] {
            x = words.round(x, rotation);
        }
        let count = constant(words.ctx, group as u32 + 1);
        let second = words.add_word(x[1], schedule[(group + 2) % 3]);
        x = [words.add_word(x[0], schedule[(group + 1) % 3]), words.add_word(second, count)];
    }
    Ok(Values::from_slice(&x))
}

/// Calls the hash, as a function that the module has once for each shape.
pub(crate) fn hash_values(
    ctx: &mut LoweringCtx,
    key: [Value; 2],
    counts: [Value; 2],
    shape: &[usize],
) -> Result<Values> {
    let counts = broadcast_values(ctx, &counts, shape);
    // A key of two scalars stays scalar inside of the function.
    let scalar_key = key.iter().all(|k| ctx.shape(*k).is_empty());
    let key = if scalar_key { Values::from_slice(&key) } else { broadcast_values(ctx, &key, shape) };
    let ty = counts[0].ty();
    ctx.call_helper("threefry2x32", &[key[0], key[1], counts[0], counts[1]], &[ty, ty], body)
}

impl Primitive for Threefry2x32 {
    fn name(&self) -> &'static str {
        "threefry2x32"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        if ins.len() != 4 || ins.iter().any(|a| a.dtype() != DType::U32) {
            bail!(DType, "arguments to threefry2x32 must have u32 type, got {ins:?}");
        }
        let aval = ShapedArray::new(DType::U32, &broadcast_shape(self, ins)?);
        Ok(SmallVec::from_elem(aval, 2))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let [k1, k2, x1, x2] = *ins else { bail!(Internal, "threefry2x32: takes 4 operands") };
        hash_values(ctx, [k1, k2], [x1, x2], outs[0].shape())
    }
    /// Bits have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        let refs: SmallVec<[&Array; 4]> = primals.iter().collect();
        Ok((bind_all(*self, &refs), SmallVec::from_elem(None, 2)))
    }
    /// elementwise: the mapped axis goes in front of every operand of rank above zero
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let ranks = args.iter().zip(dims).map(|(x, d)| if d.is_some() { x.ndim() } else { x.ndim() + 1 });
        let rank = ranks.max().unwrap_or(1);
        let moved: SmallVec<[Array; 4]> = args
            .iter()
            .zip(dims)
            .map(|(x, d)| match d {
                Some(d) => {
                    let x = move_axis(x, *d, 0);
                    let missing: SmallVec<[usize; 4]> = (x.ndim()..rank).collect();
                    if missing.is_empty() { x } else { expand_dims(&x, &missing) }
                }
                None if x.ndim() == 0 => x.clone(),
                None => expand_dims(x, [0]),
            })
            .collect();
        let refs: SmallVec<[&Array; 4]> = moved.iter().collect();
        Ok((bind_all(*self, &refs), SmallVec::from_elem(Some(0), 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    fn hash(key: [u32; 2], count: [u32; 2]) -> [u32; 2] {
        let word = |x: u32| Array::scalar(x);
        let (a, b) = threefry2x32(&word(key[0]), &word(key[1]), &word(count[0]), &word(count[1]));
        [a.item::<u32>().unwrap(), b.item::<u32>().unwrap()]
    }

    #[test]
    fn known_answers_of_the_paper() {
        // Random123's kat_vectors.
        assert_eq!(hash([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(hash([u32::MAX; 2], [u32::MAX; 2]), [0x1cb9_96fc, 0xbb00_2be7]);
        assert_eq!(hash([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3]), [0xc492_3a9c, 0x483d_f7a0]);
    }

    #[test]
    fn keys_may_be_arrays() {
        let keys = Array::from_slice(&[0u32, u32::MAX], [2, 1]);
        let counts = Array::from_slice(&[0u32, u32::MAX], [1, 2]);
        let (a, _) = threefry2x32(&keys, &keys, &counts, &counts);
        assert_eq!(a.shape(), [2, 2]);
        let a = a.to_vec::<u32>().unwrap();
        assert_eq!((a[0], a[3]), (0x6b20_0159, 0x1cb9_96fc));
    }
    #[test]
    fn rules() {
        let mut draw = Draw::new(1);
        let mut words = |shape: &[usize]| draw.any_bits(DType::U32, shape);
        let hash = |x: &[Array]| threefry2x32(&x[0], &x[1], &x[2], &x[3]);
        check_rules([
            case("scalar key", [words(&[]), words(&[]), words(&[3]), words(&[3])], hash),
            case("array key", [words(&[2, 1]), words(&[2, 1]), words(&[1, 3]), words(&[1, 3])], hash),
        ]);
    }

    #[test]
    fn other_dtypes_are_rejected() {
        let (k, x) = (Array::scalar(1u32), Array::scalar(1i32));
        let e = catch(|| Ok(threefry2x32(&k, &k, &x, &x))).unwrap_err();
        assert!(
            e.message().starts_with("arguments to threefry2x32 must have u32 type, got [u32[], u32[], i32[]")
        );
    }
}
