//! `random_gamma`: samples of gamma distributions, with their derivatives. JAX: `random_gamma_p`. StableHLO: none, expanded here.
//!
//! Marsaglia & Tsang 2000, "A simple method for generating gamma variables": rejection from a cubed normal number.

use std::cell::RefCell;
use std::f64::consts::SQRT_2;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::config::PrngImpl;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Error, Result, bail};
use crate::lax::elementwise::{one, one_batched, tuple};
use crate::lax::emit::{Emitter, Expr, emit};
use crate::lax::random_bits::{draw, in_front, keys_shape};
use crate::lax::threefry2x32::hash_values;
use crate::lax::{div, eq, exp, full_like, literal_like, mul, random_gamma_grad, select};
use crate::mlir::Value;

/// A sample of the gamma distribution of shape parameter `a` and scale 1 for each element of `a`, or its logarithm, which small `a`
/// do not round to zero. The first axes of `a` are those of the array of keys; each element has a key that is split off its own.
#[track_caller]
pub(crate) fn random_gamma(of: PrngImpl, key: &Array, a: &Array, log_space: bool) -> Array {
    bind1(RandomGamma { of, log_space }, &[key, a])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RandomGamma {
    of: PrngImpl,
    log_space: bool,
}

/// The keys of as many draws as there are elements.
#[derive(Clone, Copy)]
struct Keys<'e>([Expr<'e>; 2]);

/// Draws of one dtype, one for each key.
struct Draws<'e> {
    emitter: &'e Emitter<'e>,
    dtype: DType,
    size: usize,
    /// The hash is a function, whose writing may fail.
    failure: RefCell<Option<Error>>,
}

impl<'e> Draws<'e> {
    /// Two words for each key.
    fn hash(&self, keys: Keys<'e>, count: u32) -> Keys<'e> {
        let Keys([first, second]) = keys;
        let count = first.integer(i128::from(count)).value();
        let zero = first.integer(0).value();
        let hashed = self
            .emitter
            .with(|ctx| hash_values(ctx, [first.value(), second.value()], [zero, count], &[self.size]));
        match hashed.as_deref() {
            Ok([first, second]) => Keys([self.emitter.expr(*first), self.emitter.expr(*second)]),
            Ok(_) => keys,
            Err(e) => {
                *self.failure.borrow_mut() = Some(e.clone());
                keys
            }
        }
    }

    /// `N` new keys of each.
    fn split<const N: usize>(&self, keys: Keys<'e>) -> [Keys<'e>; N] {
        std::array::from_fn(|i| self.hash(keys, i as u32))
    }

    /// Uniform numbers in `0..1`: random bits are the mantissa of a number in 1..2.
    fn unit(&self, keys: Keys<'e>) -> Expr<'e> {
        let Keys([high, low]) = self.hash(keys, 0);
        let (unsigned, width, mantissa, one) = match self.dtype {
            DType::BF16 => (DType::U16, 8, 7, 0x3f80),
            DType::F16 => (DType::U16, 16, 10, 0x3c00),
            DType::F64 => (DType::U64, 64, 52, 0x3ff0_0000_0000_0000),
            _ => (DType::U32, 32, 23, 0x3f80_0000),
        };
        let bits = match width {
            64 => {
                let (high, low) = (high.convert(DType::U64), low.convert(DType::U64));
                high.shl(high.integer(32)).or(low)
            }
            8 => high.xor(low).convert(DType::U8).convert(unsigned),
            _ => high.xor(low).convert(unsigned),
        };
        let fraction = bits.shr(bits.integer(width - mantissa));
        fraction.or(bits.integer(one)).bitcast(self.dtype) - 1.0
    }

    /// Standard normal numbers: `√2 erf⁻¹(u)` of `u` in -1..1.
    fn normal(&self, keys: Keys<'e>) -> Expr<'e> {
        let below_one = match self.dtype {
            DType::BF16 => 1.0 - 0.5f64.powi(8),
            DType::F16 => 1.0 - 0.5f64.powi(11),
            DType::F64 => 1.0 - f64::EPSILON / 2.0,
            _ => 1.0 - f64::from(f32::EPSILON) / 2.0,
        };
        let unit = self.unit(keys);
        let low = unit.constant(-below_one);
        let u = low.max(unit * (unit.constant(1.0) - low) + low);
        u.erf_inv() * SQRT_2
    }

    /// A cubed normal number, the square of that number, and a uniform one, until they are accepted.
    fn accepted(&self, keys: Keys<'e>, c: Expr<'e>, d: Expr<'e>) -> Expr<'e> {
        let (zero, one) = (d.constant(0.0), d.constant(1.0));
        let again = |x: Expr<'e>, v: Expr<'e>, u: Expr<'e>| {
            let outside = u.ge(one - x * x * 0.0331);
            outside.and(u.log().ge(x * 0.5 + d * ((one - v) + v.log())))
        };
        let Keys([k0, k1]) = keys;
        let init = [k0, k1, zero, one, d.constant(2.0)];
        let [_, _, _, v, _] = self.emitter.while_loop(
            init,
            |[_, _, x, v, u]| again(x, v, u).any(),
            |old @ [k0, k1, x, v, u]| {
                let rejected = again(x, v, u);
                let [next, x_keys, u_keys] = self.split(Keys([k0, k1]));
                let (x, v) = self.positive(x_keys, c);
                let new = [next.0[0], next.0[1], x * x, v * v * v, self.unit(u_keys)];
                std::array::from_fn(|i| rejected.select(new[i], old[i]))
            },
        );
        v
    }

    /// Normal numbers `x` with `1 + c x > 0`, and that.
    fn positive(&self, keys: Keys<'e>, c: Expr<'e>) -> (Expr<'e>, Expr<'e>) {
        let Keys([k0, k1]) = keys;
        let init = [k0, k1, c.constant(0.0), c.constant(-1.0)];
        let [_, _, x, v] = self.emitter.while_loop(
            init,
            |[_, _, _, v]| v.le(0.0).any(),
            |old @ [k0, k1, _, v]| {
                let missing = v.le(0.0);
                let [next, now] = self.split(Keys([k0, k1]));
                let x = self.normal(now);
                let new = [next.0[0], next.0[1], x, x * c + 1.0];
                std::array::from_fn(|i| missing.select(new[i], old[i]))
            },
        );
        (x, v)
    }

    /// A sample for each key and each `a`.
    fn gamma(&self, keys: Keys<'e>, a: Expr<'e>, log_space: bool) -> Expr<'e> {
        let (zero, one) = (a.constant(0.0), a.constant(1.0));
        // Gamma(a) is Gamma(a + 1) U^(1/a), which is used below 1.
        let large = a.ge(one);
        let boosted = large.select(a, a + 1.0);
        let d = boosted - 1.0 / 3.0;
        let c = a.constant(1.0 / 3.0) / d.sqrt();
        let [keys, boost_keys] = self.split(keys);
        let v = self.accepted(keys, c, d);
        let u = self.unit(boost_keys);
        if log_space {
            let log_u = (-u).log1p();
            let boost = large.or(log_u.eq(0.0)).select(zero, log_u * (one / a));
            return d.log() + v.log() + boost;
        }
        let boost = large.select(one, (one - u).pow(one / a));
        d * v * boost
    }
}

impl Primitive for RandomGamma {
    fn name(&self) -> &'static str {
        "random_gamma"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("log_space", self.log_space.into())]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [key, a] = check::arity(self, ins)?;
        if self.of != PrngImpl::Threefry2x32 {
            bail!(
                Unimplemented,
                "random_gamma: gamma variates are made of keys of threefry2x32 alone, got one of {}",
                self.of
            );
        }
        let keys = keys_shape(self, self.of, key)?;
        if !a.shape().starts_with(keys) {
            bail!(Shape, "random_gamma: the first axes of a must be the keys' {}, got {a}", tuple(keys));
        }
        if !a.dtype().is_float() {
            bail!(DType, "random_gamma does not accept dtype {}", a.dtype());
        }
        Ok(one(*a))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::sink()))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let shape = outs[0].shape();
        let size: usize = shape.iter().product();
        let keys = ctx.shape(ins[0]);
        let each: usize = shape[keys.len() - 1..].iter().product();
        let words = draw(ctx, ins[0], 0, &[each])?;
        let words: Vec<Value> = words.iter().map(|x| ctx.reshape(*x, &[size])).collect();
        let a = ctx.reshape(ins[1], &[size]);
        let sampled = emit(ctx, |e| {
            let draws = Draws { emitter: e, dtype: outs[0].dtype(), size, failure: RefCell::new(None) };
            let out = draws.gamma(Keys([e.expr(words[0]), e.expr(words[1])]), e.expr(a), self.log_space);
            match draws.failure.into_inner() {
                Some(e) => Err(e),
                None => Ok(out.value()),
            }
        })?;
        Ok(one(ctx.reshape(sampled, shape)))
    }
    /// dy = ∂y/∂a da, where the derivative of log y is that of y divided by y
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let [key, a] = primals else { bail!(Internal, "random_gamma: takes 2 operands") };
        let y = bind1(*self, &[key, a]);
        let tangent = tangents[1].as_ref().map(|da| {
            if !self.log_space {
                return mul(da, &random_gamma_grad(a, &y));
            }
            // Rounding may have made it zero.
            let sample = exp(&y);
            let is_zero = eq(&sample, &literal_like(&sample, 0.0));
            let tiny = match a.dtype() {
                DType::F16 => 0.5f64.powi(14),
                DType::F64 => f64::MIN_POSITIVE,
                _ => f64::from(f32::MIN_POSITIVE),
            };
            let sample = select(&is_zero, &full_like(&sample, tiny), &sample);
            mul(da, &div(&random_gamma_grad(a, &sample), &sample))
        });
        Ok((one(y), one(tangent)))
    }
    /// the mapped axis is one more of an array of keys
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let moved = in_front(self, args, dims)?;
        one_batched(random_gamma(self.of, &moved[0], &moved[1], self.log_space), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules, message_of};

    const FRY: PrngImpl = PrngImpl::Threefry2x32;

    fn key() -> Array {
        Array::from([0u32, 42])
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(52);
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let a = draw.uniform(d, &[2, 3], 0.5, 3.0);
            let (one, none) = (draw.uniform(d, &[], 0.5, 3.0), draw.uniform(d, &[0], 0.5, 3.0));
            let f = |log: bool| move |x: &[Array]| random_gamma(FRY, &key(), &x[0], log);
            // A draw is rejected or not, so that no difference of values is their derivative.
            [
                case("random_gamma", [a.clone()], f(false)).without_derivatives().loose(10.0),
                case("of logarithms", [a], f(true)).without_derivatives().loose(10.0),
                case("of a scalar", [one], f(false)).without_derivatives().loose(10.0),
                case("of nothing", [none], f(true)).without_derivatives(),
            ]
        }));
        let (keys, a) = (draw.any_bits(DType::U32, &[2, 2]), draw.uniform(DType::F32, &[2, 3], 0.5, 3.0));
        check_rules([case("several keys", [keys, a], |x| random_gamma(FRY, &x[0], &x[1], false))
            .without_derivatives()
            .loose(10.0)]);
    }

    #[test]
    fn means_are_those_of_the_distribution() {
        for a in [0.3f32, 1.0, 4.5] {
            let draws = random_gamma(FRY, &key(), &Array::from_slice(&[a; 10_000], 10_000), false);
            let draws = draws.to_vec::<f32>().unwrap();
            let mean = draws.iter().sum::<f32>() / 10_000.0;
            // Four standard errors.
            assert!((mean - a).abs() < 4.0 * (a / 10_000.0).sqrt(), "{mean} {a}");
        }
    }

    #[test]
    fn integers_are_rejected() {
        assert_eq!(
            message_of(|| random_gamma(FRY, &key(), &Array::from([1]), false)),
            "random_gamma does not accept dtype i32"
        );
    }

    #[test]
    fn keys_of_the_compilers_generator_are_refused() {
        let key = Array::from([1u32, 2, 3, 4]);
        assert_eq!(
            message_of(|| random_gamma(PrngImpl::Rbg, &key, &Array::from([1.0]), false)),
            "random_gamma: gamma variates are made of keys of threefry2x32 alone, got one of rbg"
        );
    }
}
