//! `random` against JAX: every case of tests/fixtures/random.jsonl, which tests/oracle/prng.py writes.

use raxla::random::{self, Key};
use raxla::{Array, DType, config, lax};
use serde_json::Value;

fn dtype(name: &str) -> DType {
    DType::ALL.into_iter().find(|d| d.name() == name).unwrap()
}

fn sizes(v: &Value) -> Vec<usize> {
    v.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

fn bytes(v: &Value) -> Vec<u8> {
    let hex = v["data"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// What the case's function gives here.
fn run(c: &Value) -> Array {
    let key = random::key(c["seed"].as_i64().unwrap());
    let shape = || sizes(&c["shape"]);
    let of = || dtype(c["dtype"].as_str().unwrap());
    let real = |name: &str| Array::from(c[name].as_f64().unwrap());
    let integer = |name: &str| Array::from(c[name].as_i64().unwrap());
    let flag = |name: &str| c[name].as_bool().unwrap();
    let axis = || c["axis"].as_i64().unwrap();
    let matrix = || lax::reshape(&Array::from((0..12).map(|i| i as f32).collect::<Vec<_>>()), &[3, 4]);
    match c["fn"].as_str().unwrap() {
        "key" => key.key_data().clone(),
        "split_n" => random::split_n(&key, c["n"].as_u64().unwrap() as usize).key_data().clone(),
        "fold_in" => random::fold_in(&key, integer("data")).key_data().clone(),
        "bits" => random::bits(&key, shape(), of()),
        "uniform" => random::uniform_dtype(&key, shape(), of(), real("lo"), real("hi")),
        "normal" => random::normal_dtype(&key, shape(), of()),
        "exponential" => random::exponential_dtype(&key, shape(), of()),
        "gumbel" => random::gumbel_dtype(&key, shape(), of()),
        "laplace" => random::laplace_dtype(&key, shape(), of()),
        "logistic" => random::logistic_dtype(&key, shape(), of()),
        "cauchy" => random::cauchy_dtype(&key, shape(), of()),
        "maxwell" => random::maxwell_dtype(&key, shape(), of()),
        "truncated_normal" => random::truncated_normal(&key, real("lo"), real("hi"), shape(), of()),
        "pareto" => random::pareto(&key, real("p"), shape(), of()),
        "rayleigh" => random::rayleigh(&key, real("p"), shape(), of()),
        "wald" => random::wald(&key, real("p"), shape(), of()),
        "lognormal" => random::lognormal(&key, real("p"), shape(), of()),
        "weibull_min" => random::weibull_min(&key, real("p"), real("q"), shape(), of()),
        "randint" => random::randint_dtype(&key, shape(), integer("lo"), integer("hi"), of()),
        "bernoulli" => random::bernoulli(&key, real("p"), shape()),
        "rademacher" => random::rademacher(&key, shape(), of()),
        "permutation" => random::permutation(&key, integer("n"), 0, false),
        "permutation_array" => random::permutation(&key, matrix(), axis(), flag("independent")),
        "choice" => random::choice(&key, integer("n"), shape(), flag("replace"), None, 0),
        "choice_array" => random::choice(&key, matrix(), shape(), flag("replace"), None, axis()),
        "choice_weighted" => {
            let p = Array::from([0.1f32, 0.2, 0.3, 0.4]);
            random::choice(&key, 4, shape(), flag("replace"), Some(&p), 0)
        }
        "categorical" => {
            let logits = lax::log(&Array::from([[0.1f32, 0.2, 0.7], [0.5, 0.25, 0.25]]));
            let shape = c["shape"].as_array().map(|_| shape());
            random::categorical(&key, &logits, axis(), shape.as_deref())
        }
        "vmap_normal" => {
            let keys = random::split_n(&key, 3);
            raxla::vmap(|key: &Key| random::normal(key, [2]))(&keys).unwrap()
        }
        other => panic!("no row for {other}"),
    }
}

/// The elements of a float array.
fn floats(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    let wide = |x: &[u8]| match dtype {
        DType::F64 => f64::from_le_bytes(x.try_into().unwrap()),
        DType::F16 => half::f16::from_le_bytes(x.try_into().unwrap()).to_f64(),
        DType::BF16 => half::bf16::from_le_bytes(x.try_into().unwrap()).to_f64(),
        _ => f64::from(f32::from_le_bytes(x.try_into().unwrap())),
    };
    bytes.chunks_exact(dtype.real().size()).map(wide).collect()
}

/// Integers exactly; floats to a few units in the last place, since XLA contracts `a * b + c` where the CPU can.
fn check(c: &Value) -> Result<(), String> {
    let found = run(c);
    let out = &c["out"];
    let (want, shape) = (dtype(out["dtype"].as_str().unwrap()), sizes(&out["shape"]));
    if found.dtype() != want || found.shape() != shape || found.weak_type() {
        return Err(format!("is {:?}, expected {want}{shape:?}", found.aval()));
    }
    let (a, b) = (found.to_bytes().unwrap(), bytes(out));
    if !want.is_inexact() {
        return if a == b { Ok(()) } else { Err(format!("is {found}, expected bytes {b:02x?}")) };
    }
    let ulp = match want.real() {
        DType::BF16 => 2f64.powi(-7),
        DType::F16 => 2f64.powi(-10),
        DType::F64 => 2f64.powi(-52),
        _ => 2f64.powi(-23),
    };
    for (x, y) in floats(want, &a).into_iter().zip(floats(want, &b)) {
        let same = x == y || x.is_nan() && y.is_nan();
        // The distance to a number that is no number is none either, and not within any limit.
        let near = (x - y).abs() <= 8.0 * ulp * y.abs().max(0.25);
        if !same && !near {
            return Err(format!("has {x}, expected {y}"));
        }
    }
    Ok(())
}

#[test]
fn draws_are_those_of_jax() {
    let mut failures = Vec::new();
    for line in include_str!("../fixtures/random.jsonl").lines() {
        let c: Value = serde_json::from_str(line).unwrap();
        let x64 = c["x64"].as_bool().unwrap_or(false);
        if let Err(e) = config::with_x64(x64, || check(&c)) {
            let mut case = c.clone();
            case.as_object_mut().unwrap().remove("out");
            failures.push(format!("{case}: {e}"));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn keys_go_through_jit_and_draws_stay_the_same() {
    let draw = |key: &Key| {
        let (a, b) = random::split(key);
        let c = random::fold_in(&b, 7);
        lax::add(&random::normal(&a, [3]), &random::uniform(&c, &[3][..]))
    };
    let key = random::key(42);
    let jitted = raxla::jit(draw)(&key).unwrap();
    let (jitted, eager) = (jitted.to_vec::<f32>().unwrap(), draw(&key).to_vec::<f32>().unwrap());
    // One program or several: XLA may round a multiplication and an addition once or twice.
    assert!(jitted.iter().zip(&eager).all(|(x, y)| (x - y).abs() < 1e-6), "{jitted:?} {eager:?}");
}

#[test]
fn a_traced_seed_gives_the_same_key() {
    let made = raxla::jit(|seed: &Array| random::key(seed))(&Array::scalar(42i32)).unwrap();
    assert_eq!(made.key_data().to_vec::<u32>().unwrap(), [0, 42]);
    assert_eq!(format!("{:?}", random::key(42)), "Array((), dtype=key<fry>) overlaying:\n[0 42]");
}

#[test]
fn arrays_of_keys_are_indexed_and_rejected_by_samplers() {
    let keys = random::split_n(&random::key(42), 2);
    assert_eq!(keys.shape(), [2]);
    assert_eq!(keys.at(-1).key_data().to_vec::<u32>().unwrap(), [64467757, 2916123636]);
    let [a, _] = random::split_into(&random::key(42));
    assert_eq!(a.key_data().to_vec::<u32>().unwrap(), [1832780943, 270669613]);
    let e = raxla::jit(|keys: &Key| random::normal(keys, ()))(&keys).unwrap_err();
    assert_eq!(
        e.message(),
        "normal accepts a single key, but was given a key array of shape (2,) != (). Use vmap for batching"
    );
}
