//! Random numbers without hidden state: a draw is a function of a key, and keys are split, never used twice.
//!
//! `cargo run -p raxla-examples --example random_keys`. The same program in JAX is `tests/oracle/examples/random_keys.py`; keys and bits are equal to
//! the bit.

use raxla::prelude::*;
use raxla::random::{self, Key, SplitOptions};

fn main() -> Result<()> {
    let key = random::key(42);
    show("key", &random::key_data(&key))?;

    // One key becomes two that have nothing to do with each other, or with the first.
    let [first, second] = random::split(&key);
    show_words("split", &[&random::key_data(&first), &random::key_data(&second)])?;
    // A key and a number give another key: for the i-th step, the i-th layer.
    show("fold_in", &random::key_data(&random::fold_in(&key, 7)))?;
    show("bits", &random::bits(&key, [4]))?;

    // The same key gives the same number. So a key is used once, and split before.
    show("normal", &random::normal(&key, ()))?;
    show("normal again", &random::normal(&key, ()))?;
    show("normal, first half", &random::normal(&first, ()))?;
    show("normal, second half", &random::normal(&second, ()))?;
    show("uniform", &random::uniform(&key, [3]))?;
    show("randint", &random::randint(&key, [5], 0, 100))?;

    // A generator is a key that is threaded through, like any state. `Key` is a pytree, so `jit` takes and returns it.
    let sample = jit(|key: Key| {
        let [key, subkey] = random::split(&key);
        (key, random::normal(&subkey, ()))
    });
    let mut state = key.clone();
    for _ in 0..3 {
        let x;
        (state, x) = sample(state)?;
        show("sample", &x)?;
    }

    // An array of keys under `vmap`: the draws are those that each key would give alone.
    let keys = random::split_with(&key, SplitOptions::new().num(3));
    show("vmapped", &vmap(|key: &Key| random::normal(key, [2]))(&keys)?)
}

fn show(name: &str, x: &Array) -> Result<()> {
    show_words(name, &[x])
}

fn show_words(name: &str, arrays: &[&Array]) -> Result<()> {
    let mut words = Vec::new();
    for x in arrays {
        match x.dtype() {
            DType::U32 => words.extend(x.to_vec::<u32>()?.iter().map(u32::to_string)),
            DType::I32 => words.extend(x.to_vec::<i32>()?.iter().map(i32::to_string)),
            _ => words.extend(x.to_vec::<f32>()?.iter().map(|x| f64::from(*x).to_string())),
        }
    }
    println!("{name}: {}", words.join(" "));
    Ok(())
}
