//! `debug_key_reuse` refuses the programs that it refuses in JAX: tests/fixtures/key_reuse.json, made by tests/oracle/key_reuse.py.

use std::collections::BTreeMap;
use std::sync::Arc;

use raxla::config::{with_debug_key_reuse, with_debug_nans};
use raxla::prelude::*;
use raxla::random::{
    self, Key, SplitOptions, fold_in, key_data, normal, split, split_with, uniform, wrap_key_data,
};
use raxla::{ErrorKind, Result, checkpoint, device_put, lax, numpy as jnp, try_};

type Program = Arc<dyn Fn(&Key) -> Result<Array> + Send + Sync>;

fn draw(key: &Key) -> Array {
    uniform(key, ())
}

fn keys(key: &Key) -> Key {
    split_with(key, SplitOptions::new().num(3))
}

/// A number that depends on all of these keys, and uses none.
fn sum(keys: &Key) -> Array {
    jnp::sum(key_data(keys), ..).astype(DType::F32)
}

fn zero() -> Array {
    Array::scalar(0f32)
}

fn one() -> Array {
    Array::scalar(1f32)
}

fn three() -> Array {
    jnp::arange(3).astype(DType::F32)
}

fn split_in_turn(key: Key, _: Array) -> (Key, Array) {
    let [key, own] = split(&key);
    (key, draw(&own))
}

fn below(x: &Array, limit: impl Into<Array>) -> Array {
    jnp::less(x, limit)
}

macro_rules! programs {
    ($($name:literal: |$key:ident| $body:expr;)*) => {
        vec![$(($name, Arc::new(|$key: &Key| -> Result<Array> { $body }) as Program)),*]
    };
}

fn programs() -> Vec<(&'static str, Program)> {
    let mut all = straight();
    all.extend(arrays());
    all.extend(jitted());
    all.extend(controlled());
    all.extend(differentiated());
    all
}

fn straight() -> Vec<(&'static str, Program)> {
    programs! {
        "draw once": |key| Ok(draw(key));
        "draw twice": |key| Ok(draw(key) + draw(key));
        "draw from two distributions": |key| Ok(draw(key) + normal(key, ()));
        "draw after split": |key| {
            let [a, b] = split(key);
            Ok(draw(key) + sum(&a) + sum(&b))
        };
        "split after draw": |key| {
            let x = draw(key);
            let [a, b] = split(key);
            Ok(x + sum(&a) + sum(&b))
        };
        "split twice": |key| {
            let [a, _b] = split(key);
            let [c, _d] = split(key);
            Ok(sum(&a) + sum(&c))
        };
        "draw from each of split": |key| {
            let [a, b] = split(key);
            Ok(draw(&a) + draw(&b))
        };
        "draw twice from one of split": |key| {
            let [a, b] = split(key);
            Ok(draw(&a) + draw(&b) + normal(&a, ()))
        };
        "draw after fold in": |key| {
            let new = fold_in(key, 1);
            Ok(draw(&new) + draw(key))
        };
        "fold in twice": |key| Ok(draw(&fold_in(key, 1)) + draw(&fold_in(key, 1)));
        "fold in after draw": |key| Ok(draw(key) + draw(&fold_in(key, 1)));
        "draw from a clone": |key| {
            let again = random::clone(key);
            Ok(draw(key) + draw(&again))
        };
        "draw from a clone of a used key": |key| Ok(draw(key) + draw(&random::clone(key)));
        "draw twice from a clone": |key| {
            let again = random::clone(key);
            Ok(draw(&again) + draw(&again))
        };
        "wrap twice": |key| {
            let words = key_data(key);
            Ok(draw(&wrap_key_data(&words)) + draw(&wrap_key_data(&words)))
        };
        "key data of a used key": |key| Ok(draw(key) + sum(key));
        "two keys of one seed": |key| Ok(draw(&random::key(3)) + draw(&random::key(3)) + draw(key));
        "unused draw": |key| {
            let _ = draw(key);
            Ok(draw(key))
        };
        "permutation and draw": |key| Ok(jnp::sum(random::permutation(key, 3), ..) + draw(key));
        "gamma twice": |key| Ok(random::gamma(key, 2.0, ()) + random::gamma(key, 2.0, ()));
        "bits twice": |key| Ok(random::bits(key, ()) + random::bits(key, ()));
        "device put and draw": |key| Ok(draw(&device_put(key, &raxla::devices()?[0])));
    }
}

fn arrays() -> Vec<(&'static str, Program)> {
    programs! {
        "elements": |key| {
            let keys = keys(key);
            Ok(draw(&keys.at(0)) + draw(&keys.at(2)))
        };
        "an element twice": |key| {
            let keys = keys(key);
            Ok(draw(&keys.at(1)) + normal(&keys.at(1), ()))
        };
        "an element and all": |key| {
            let keys = keys(key);
            let x = draw(&keys.at(0));
            Ok(x + jnp::sum(vmap(draw)(&keys)?, ..))
        };
        "all and an element": |key| {
            let keys = keys(key);
            let x = jnp::sum(vmap(draw)(&keys)?, ..);
            Ok(x + draw(&keys.at(0)))
        };
        "vmap over keys": |key| vmap(draw)(&keys(key));
        "vmap twice over keys": |key| {
            let keys = keys(key);
            Ok(vmap(draw)(&keys)? + vmap(|key: &Key| normal(key, ()))(&keys)?)
        };
        "vmap of reuse": |key| vmap(|key: &Key| draw(key) + draw(key))(&keys(key));
        "vmap of split": |key| {
            let f = |key: &Key| {
                let [a, b] = split(key);
                draw(&a) + draw(&b)
            };
            vmap(f)(&keys(key))
        };
        "vmap over seeds": |key| {
            Ok(vmap(|seed: &Array| draw(&random::key(seed)))(&jnp::arange(3))? + draw(key))
        };
        "vmap over seeds of reuse": |key| {
            let f = |seed: &Array| {
                let key = random::key(seed);
                draw(&key) + draw(&key)
            };
            Ok(vmap(f)(&jnp::arange(3))? + draw(key))
        };
        "vmap that captures": |key| vmap(|x: &Array| x + draw(key))(&three());
        "vmap that captures a used key": |key| {
            let y = draw(key);
            Ok(vmap(|x: &Array| x + draw(key))(&three())? + y)
        };
    }
}

fn jitted() -> Vec<(&'static str, Program)> {
    programs! {
        "jit once": |key| jit(draw)(key);
        "jit twice": |key| {
            let f = jit(|key: &Key| draw(key));
            Ok(f(key)? + f(key)?)
        };
        "jit of reuse": |key| jit(|key: &Key| draw(key) + draw(key))(key);
        "jit after draw": |key| Ok(draw(key) + jit(|key: &Key| draw(key))(key)?);
        "draw after jit": |key| Ok(jit(|key: &Key| draw(key))(key)? + draw(key));
        "jit that captures": |key| {
            let key = key.clone();
            jit(move |x: &Array| x + draw(&key))(&one())
        };
        "jit that captures twice": |key| {
            let key = key.clone();
            let f = jit(move |x: &Array| x + draw(&key));
            f(&f(&one())?)
        };
        "jit that makes its key twice": |key| {
            let f = jit(|x: &Array| x + draw(&random::key(1)));
            Ok(f(&f(&one())?)? + draw(key))
        };
        "jit that passes a key on": |key| Ok(draw(&jit(|key: &Key| key.clone())(key)?));
        "jit that gives a used key": |key| {
            let (x, key) = jit(|key: &Key| (draw(key), key.clone()))(key)?;
            Ok(x + draw(&key))
        };
        "jit that gives a key that it made and used": |key| {
            let f = |x: &Array| {
                let key = random::key(1);
                (x + draw(&key), key)
            };
            let (x, made) = jit(f)(&one())?;
            Ok(x + draw(&made) + draw(key))
        };
        "jit that gives new keys": |key| {
            let f = jit(|key: &Key| {
                let [new, own] = split(key);
                (draw(&own), new)
            });
            let (x, key) = f(key)?;
            let (y, key) = f(&key)?;
            Ok(x + y + draw(&key))
        };
        "jit of one key twice": |key| jit(|a: &Key, b: &Key| draw(a) + sum(b))(key, key);
        "jit of elements": |key| jit(|keys: &Key| draw(&keys.at(0)) + draw(&keys.at(1)))(&keys(key));
        "jit of an element and that element": |key| {
            let keys = keys(key);
            Ok(jit(|keys: &Key| draw(&keys.at(0)))(&keys)? + draw(&keys.at(0)))
        };
        "jit of an element and another": |key| {
            let keys = keys(key);
            Ok(jit(|keys: &Key| draw(&keys.at(0)))(&keys)? + draw(&keys.at(1)))
        };
        "nested jit of reuse": |key| {
            let inner = jit(|key: &Key| draw(key));
            jit(move |key: &Key| -> Result<Array> { Ok(inner(key)? + inner(key)?) })(key)
        };
        "donated key": |key| {
            let [a, b] = jit(|key: Key| split::<2>(&key))(key.clone())?;
            Ok(draw(&a) + draw(&b))
        };
    }
}

fn controlled() -> Vec<(&'static str, Program)> {
    programs! {
        "scan over keys": |key| Ok(lax::scan(|c: Array, key: Key| (c + draw(&key), ()), zero(), keys(key))?.0);
        "scan twice over keys": |key| {
            let keys = keys(key);
            let f = |c: Array, key: Key| (c + draw(&key), ());
            let (x, ()) = lax::scan(f, zero(), keys.clone())?;
            Ok(lax::scan(f, x, keys)?.0)
        };
        "scan that captures": |key| Ok(lax::scan(|c: Array, _: Array| (c + draw(key), ()), zero(), three())?.0);
        "scan that folds in": |key| {
            Ok(lax::scan(|c: Array, i: Array| (c + draw(&fold_in(key, i)), ()), zero(), jnp::arange(3))?.0)
        };
        "scan that carries a split key": |key| Ok(lax::scan(split_in_turn, key.clone(), three())?.1);
        "scan that carries a used key": |key| {
            let f = |key: Key, _: Array| {
                let x = draw(&key);
                (key, x)
            };
            Ok(lax::scan(f, key.clone(), three())?.1)
        };
        "scan that carries two keys": |key| {
            let f = |keys: [Key; 2], x: Array| (split::<2>(&keys[0]), x);
            let ([a, b], _) = lax::scan(f, split::<2>(key), three())?;
            Ok(draw(&a) + draw(&b))
        };
        "scan of reuse": |key| {
            Ok(lax::scan(|c: Array, key: Key| (c + draw(&key) + draw(&key), ()), zero(), keys(key))?.0)
        };
        "draw after scan": |key| {
            let (last, x) = lax::scan(split_in_turn, key.clone(), three())?;
            Ok(x + draw(&last))
        };
        "draw from what was carried at first": |key| {
            let (_, x) = lax::scan(split_in_turn, key.clone(), three())?;
            Ok(x + draw(key))
        };
        "while that captures": |key| {
            lax::while_loop(|x: &Array| below(x, 3.0), |x: Array| x + 1.0 + draw(key), zero())
        };
        "while whose condition captures": |key| {
            lax::while_loop(|x: &Array| below(x, draw(key) + 3.0), |x: Array| x + 1.0, zero())
        };
        "while that carries a split key": |key| {
            let f = |(key, x): (Key, Array)| {
                let [key, own] = split(&key);
                (key, x + 1.0 + draw(&own))
            };
            Ok(lax::while_loop(|(_, x): &(Key, Array)| below(x, 3.0), f, (key.clone(), zero()))?.1)
        };
        "while that carries a used key": |key| {
            let f = |(key, x): (Key, Array)| {
                let x = x + 1.0 + draw(&key);
                (key, x)
            };
            Ok(lax::while_loop(|(_, x): &(Key, Array)| below(x, 3.0), f, (key.clone(), zero()))?.1)
        };
        "while whose condition uses what is carried": |key| {
            let cond = |(key, x): &(Key, Array)| below(x, draw(key));
            Ok(lax::while_loop(cond, |(key, x): (Key, Array)| (key, x + 1.0), (key.clone(), zero()))?.1)
        };
        "while whose condition and body use a key": |key| {
            let f = |(key, x): (Key, Array)| {
                let [key, own] = split(&key);
                (key, x + 1.0 + draw(&own))
            };
            Ok(lax::while_loop(|(key, x): &(Key, Array)| below(x, draw(key)), f, (key.clone(), zero()))?.1)
        };
        "fori loop that captures": |key| lax::fori_loop(0, 3, |_: Array, x: Array| x + draw(key), zero());
        "fori loop that folds in": |key| {
            lax::fori_loop(0, 3, |i: Array, x: Array| x + draw(&fold_in(key, i)), zero())
        };
        "map over keys": |key| lax::map(|key: Key| draw(&key), keys(key));
        "cond of two draws": |key| lax::cond(true, |key: Key| draw(&key), |key: Key| normal(&key, ()), key.clone());
        "cond of one draw and draw": |key| {
            Ok(lax::cond(true, |_: Key| one(), |key: Key| normal(&key, ()), key.clone())? + draw(key))
        };
        "cond without draw and draw": |key| {
            Ok(lax::cond(true, |_: Key| one(), |_: Key| zero(), key.clone())? + draw(key))
        };
        "cond of a used key": |key| {
            let x = draw(key);
            Ok(x + lax::cond(true, |key: Key| draw(&key), |key: Key| normal(&key, ()), key.clone())?)
        };
        "cond that captures": |key| lax::cond(true, |()| draw(key), |()| normal(key, ()), ());
        "cond with a key for each branch": |key| {
            let first = |(a, _): (Key, Key)| draw(&a);
            let [a, b] = split(key);
            lax::cond(true, first, |(_, b): (Key, Key)| normal(&b, ()), (a, b))
        };
        "cond with a key for each branch and draw": |key| {
            let first = |(a, _): (Key, Key)| draw(&a);
            let [a, b] = split(key);
            let x = lax::cond(true, first, |(_, b): (Key, Key)| normal(&b, ()), (a, b.clone()))?;
            Ok(x + draw(&b))
        };
        "cond of reuse": |key| lax::cond(true, |key: Key| draw(&key) + draw(&key), |_: Key| one(), key.clone());
        "switch of three draws": |key| {
            let all: [&dyn Fn(Key) -> Array; 3] = [&|key| draw(&key), &|key| normal(&key, ()), &|_| zero()];
            lax::switch(1, &all, key.clone())
        };
    }
}

fn differentiated() -> Vec<(&'static str, Program)> {
    programs! {
        "grad once": |key| grad(|x: &Array| x * draw(key))(&one());
        "grad and draw": |key| Ok(grad(|x: &Array| x * draw(key))(&one())? + draw(key));
        "grad with a key": |key| grad(|x: &Array, key: &Key| x * draw(key))(&one(), key);
        "grad with a key twice": |key| {
            let f = grad(|x: &Array, key: &Key| x * draw(key));
            Ok(f(&one(), key)? + f(&one(), key)?)
        };
        "grad of reuse": |key| grad(|x: &Array| x * draw(key) * draw(key))(&one());
        "grad of jit": |key| grad(jit(|x: &Array, key: &Key| jnp::sin(x * draw(key))))(&one(), key);
        "grad of scan": |key| {
            let f = |x: &Array| -> Result<Array> {
                Ok(lax::scan(|c: Array, key: Key| (jnp::sin(c * draw(&key)), ()), x.clone(), keys(key))?.0)
            };
            grad(f)(&one())
        };
        "grad of checkpoint": |key| grad(checkpoint(|x: &Array| jnp::sin(x * draw(key))))(&one());
        "checkpoint of reuse": |key| checkpoint(|x: &Array| x * draw(key) + draw(key))(&one());
        "vmap of grad": |key| {
            vmap(grad(|x: &Array, key: &Key| jnp::sin(x * draw(key))))(&three(), &keys(key))
        };
    }
}

/// Is it refused, for a key that is used again?
fn refused(run: impl FnOnce(&Key) -> Result<Array>) -> bool {
    let result = with_debug_key_reuse(true, || {
        let key = random::key(0);
        try_(|| run(&key)).and_then(|result| result)
    });
    match result {
        Ok(x) => x.block_until_ready().is_err(),
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::KeyReuse, "{e}");
            let file = e.location().map_or("", |at| at.file());
            assert!(
                file.ends_with("key_reuse.rs") && e.message().contains("key_reuse.rs:")
                    || e.message().contains("each time"),
                "{e}"
            );
            true
        }
    }
}

#[test]
fn programs_that_jax_refuses_are_refused() {
    let text = include_str!("../fixtures/key_reuse.json");
    let recorded: BTreeMap<String, BTreeMap<String, bool>> = serde_json::from_str(text).unwrap();
    let mut differ = Vec::new();
    let all = programs();
    assert_eq!(all.len(), recorded.len());
    super::quickly(|| {
        for (name, f) in all {
            let of_jax = &recorded[name];
            let eager = refused(|key| f(key));
            let of_jit = refused(|key| jit(move |key: &Key| f(key))(key));
            // What a backward pass computes again is refused in JAX, though it is the same draw, unless it is jitted.
            let expected = of_jax["eager"] && name != "grad of checkpoint";
            if (eager, of_jit) != (expected, of_jax["jit"]) {
                differ.push(format!("{name}: {eager}, jitted {of_jit}; in JAX {of_jax:?}"));
            }
        }
    });
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn both_uses_are_named_with_their_lines() {
    with_debug_key_reuse(true, || {
        let key = random::key(0);
        let first = line!() + 1;
        let _ = normal(&key, [2]);
        let second = line!() + 1;
        let e = try_(|| random::gamma(&key, 2.0, [2])).unwrap_err();
        let expected = format!(
            "gamma: the key that is argument 0 was used already, by normal at tests/suite/key_reuse.rs:{first}:17. Split it and use each of \
             the new keys once; random::clone gives the same draws again"
        );
        assert_eq!(e.message(), expected);
        assert_eq!(e.location().unwrap().line(), second);
        // In a jitted function, of another jitted function.
        let line = line!() + 1;
        let f = jit(|key: &Key| random::gamma(key, 2.0, ()) * uniform(key, ()));
        let e = f(&random::key(0)).unwrap_err();
        assert!(
            e.message().starts_with("uniform: the key that is argument 0 was used already, by gamma at "),
            "{e}"
        );
        assert!(e.message().contains(&format!("key_reuse.rs:{line}:33")), "{e}");
        assert_eq!(e.location().unwrap().line(), line);
        // A loop names what it runs.
        let line = line!() + 1;
        let body = |c: Array, _: Array| (c + uniform(&key, ()), ());
        let e = lax::scan(body, Array::scalar(0f32), jnp::arange(3)).unwrap_err();
        assert!(
            e.message()
                .starts_with("the body of scan uses a key again each time that it runs: uniform takes a key"),
            "{e}"
        );
        assert_eq!(e.location().unwrap().line(), line);
    });
}

#[test]
fn without_the_setting_nothing_is_refused_or_remembered() {
    let key = random::key(0);
    let f = jit(|key: &Key| draw(key) + draw(key));
    f(&key).unwrap();
    assert!(with_debug_key_reuse(true, || f(&key)).is_err());
    f(&key).unwrap();
    draw(&key);
    // The uses so far do not count.
    with_debug_key_reuse(true, || draw(&key));
    assert!(with_debug_key_reuse(true, || try_(|| draw(&key))).is_err());
}

#[test]
fn a_program_that_looks_for_nan_too_uses_its_keys_once() {
    let f = jit(|key: &Key| jnp::log(draw(key) - 2.0));
    let e = with_debug_key_reuse(true, || with_debug_nans(true, || f(&random::key(0)))).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::FloatingPoint, "{e}");
}

#[test]
fn each_function_of_random_uses_its_key_once() {
    let shape = [2, 3];
    let p = || Array::from([0.2f32, 0.3, 0.5]);
    type Draw = Box<dyn Fn(&Key)>;
    macro_rules! draws { ($($f:expr),* $(,)?) => { vec![$(Box::new(move |k: &Key| { let _ = $f(k); }) as Draw),*] }; }
    let all = draws![
        |k| random::uniform(k, shape),
        |k| random::normal(k, shape),
        |k| random::bits(k, shape),
        |k| random::truncated_normal(k, -1.0, 1.0, shape),
        |k| random::exponential(k, shape),
        |k| random::gumbel(k, shape),
        |k| random::laplace(k, shape),
        |k| random::cauchy(k, shape),
        |k| random::randint(k, shape, 0, 9),
        |k| random::bernoulli(k, 0.5, shape),
        |k| random::categorical(k, p()),
        |k| random::choice(k, 5, shape),
        |k| random::permutation(k, 5),
        |k| random::rademacher(k, shape),
        |k| random::gamma(k, 2.0, shape),
        |k| random::beta(k, 2.0, 3.0, shape),
        |k| random::dirichlet(k, p(), [2]),
        |k| random::t(k, 3.0, shape),
        |k| random::poisson(k, 3.0, shape),
        |k| random::binomial(k, 9.0, 0.5, shape),
        |k| random::geometric(k, 0.5, shape),
        |k| random::ball(k, 3, [2]),
        |k| random::orthogonal(k, 3),
        |k| random::multivariate_normal(k, [0.0, 1.0], jnp::eye(2), [3]),
    ];
    super::quickly(|| {
        with_debug_key_reuse(true, || {
            for (i, draw) in all.iter().enumerate() {
                let key = random::key(i);
                draw(&key);
                let e = try_(|| draw(&key)).unwrap_err();
                assert_eq!(e.kind(), ErrorKind::KeyReuse, "{i}: {e}");
            }
        });
    });
}
