//! Settings that forbid things forbid what they forbid in JAX: tests/fixtures/settings.json, made by tests/oracle/settings.py.
//!
//! The programs that log are alone in their process: another thread without a subscriber that came first to the place that warns would
//! have `tracing` switch it off for all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use raxla::api::{JitOptions, eval_shape, jit_with};
use raxla::config::{self, DTypePromotion, RankPromotion, TransferGuard};
use raxla::pjrt::{CompilerOptions, OptionOverride};
use raxla::prelude::*;
use raxla::{checkpoint, custom_jvp, device_put, devices, lax, nn, num_complex, numpy as jnp, random, try_};

use super::process;
use super::warnings::Warnings;

type Forbidden = BTreeMap<String, bool>;

fn recorded(what: &str) -> Forbidden {
    let text = include_str!("../fixtures/settings.json");
    let mut all: BTreeMap<String, Forbidden> = serde_json::from_str(text).unwrap();
    all.remove(what).unwrap()
}

/// Compares with what is recorded, apart from programs where raxla differs.
fn compare(what: &str, kinds: &[ErrorKind], found: Vec<(&str, Result<()>)>, differ: &[&str]) {
    let recorded = recorded(what);
    assert_eq!(found.len(), recorded.len(), "{what}");
    let mut wrong = Vec::new();
    for (name, result) in found {
        if let Err(e) = &result {
            assert!(kinds.contains(&e.kind()), "{what}, {name}: {e:?}");
            assert!(
                e.location().is_some_and(|at| at.file().ends_with("forbidding.rs")),
                "{what}, {name}: {e}"
            );
        }
        if result.is_err() != (recorded[name] != differ.contains(&name)) {
            wrong.push(format!("{name}: {result:?}, in JAX refused: {}", recorded[name]));
        }
    }
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// Each program's error, if it has one; `$e` may use `?`.
macro_rules! programs {
    ($with:expr; $($name:literal: $e:expr;)*) => {{
        vec![$(($name, {
            let run = || -> Result<()> { let _ = $e; Ok(()) };
            $with(&mut || try_(run).and_then(|result| result))
        })),*]
    }};
}

#[test]
fn ranks_are_promoted_where_jax_promotes_them() {
    let (vector, matrix, row) = (jnp::ones([3]), jnp::ones([2, 3]), jnp::ones([1, 3]));
    let with =
        |body: &mut dyn FnMut() -> Result<()>| config::with_numpy_rank_promotion(RankPromotion::Raise, body);
    let found = super::quickly(|| {
        programs! { with;
            "vector and matrix": &vector + &matrix;
            "number and matrix": 2.0 + &matrix;
            "scalar and matrix": Array::scalar(2f32) + &matrix;
            "row and matrix": &row + &matrix;
            "maximum": jnp::maximum(&vector, &matrix);
            "power": jnp::power(&matrix, &vector);
            "less": jnp::less(&matrix, &vector);
            "logical_and": jnp::logical_and(&vector, &matrix);
            "arctan2": jnp::arctan2(&vector, &matrix);
            "hypot": jnp::hypot(&vector, &matrix);
            "logaddexp": jnp::logaddexp(&vector, &matrix);
            "where": jnp::where_(jnp::greater(&matrix, 0), &vector, 0.0);
            "where of scalars": jnp::where_(jnp::greater(&matrix, 0), 1.0, 0.0);
            "clip": jnp::clip(&matrix, &vector, 2.0);
            "isclose": jnp::isclose(&matrix, &vector);
            "less the mean": &matrix - jnp::mean(&matrix, 0);
            "less the mean that keeps its axis":
                &matrix - jnp::mean_with(&matrix, 0, jnp::ReduceOptions::new().keepdims(true));
            "matmul": jnp::matmul(&matrix, &vector);
            "dot": jnp::dot(&matrix, &vector);
            "einsum": jnp::einsum("ij,j->i", [&matrix, &vector]);
            "outer": jnp::outer(&vector, &vector);
            "broadcast_arrays": jnp::broadcast_arrays::<_, [Array; 2]>([&vector, &matrix]);
            "broadcast_to": jnp::broadcast_to(&vector, [2, 3]);
            "vectorize": jnp::vectorize(|x: &Array, y: &Array| x * y)(&vector, &matrix)?;
            "vectorize of a number": jnp::vectorize(|x: &Array, y: &Array| x * y)(&Array::from(2.0), &matrix)?;
            "var": jnp::var(&matrix, 0);
            "softmax": nn::softmax(&matrix, -1);
            "cumsum": jnp::cumsum(&matrix, 1);
            "sort": jnp::sort(&matrix, -1);
            "jit of vector and matrix": jit(|x: &Array, y: &Array| x + y)(&vector, &matrix)?;
        }
    });
    compare("rank promotion", &[ErrorKind::Shape], found, &[]);
    let e = with(&mut || try_(|| &vector * &matrix).map(drop)).unwrap_err();
    assert_eq!(
        e.message(),
        "multiply: operands of shapes (3,), (2, 3) have several ranks, and numpy_rank_promotion is raise: give the smaller ones their axes \
         by expand_dims or reshape"
    );
}

#[test]
fn compiler_options_are_taken_where_jax_takes_them() {
    let x = jnp::ones([3]);
    let double =
        |options: CompilerOptions| jit_with(|x: &Array| x * 2.0, JitOptions::new().compiler_options(options));
    let level = |value: OptionOverride| CompilerOptions::new().set("xla_backend_optimization_level", value);
    let set = |name: &str, value: OptionOverride| CompilerOptions::new().set(name, value);
    let no_effort = || level(0.into());
    let compiled = |of_jit: CompilerOptions, of_compile: CompilerOptions| -> Result<Array> {
        double(of_jit).lower()(&x)?.compile_with(of_compile)?(&x)
    };
    let none = CompilerOptions::new;
    let with_options = double(no_effort());
    let wrong = || set("xla_nonsense", true.into());
    let found = programs! { |body: &mut dyn FnMut() -> Result<()>| body();
        "jit": double(no_effort())(&x)?;
        "compile": compiled(none(), no_effort())?;
        "text": double(level("0".into()))(&x)?;
        "text for a flag": double(set("xla_embed_ir_in_executable", "True".into()))(&x)?;
        "a value of an enum": double(set("xla_gpu_enable_command_buffer", "FUSION".into()))(&x)?;
        "no such value of an enum": double(set("xla_gpu_enable_command_buffer", "nonsense".into()))(&x)?;
        "no such name": double(wrong())(&x)?;
        "no such name when compiling": compiled(none(), wrong())?;
        "a fraction for an integer": double(level(1.5.into()))(&x)?;
        "an integer for a flag": double(set("xla_embed_ir_in_executable", 1.into()))(&x)?;
        "other text for a flag": double(set("xla_embed_ir_in_executable", "yes".into()))(&x)?;
        "another value when compiling": compiled(level(7.into()), no_effort())?;
        "a wrong value when compiling": compiled(no_effort(), level("q".into()))?;
        "a wrong value that is replaced": compiled(level("q".into()), no_effort())?;
        "vmap": vmap(&with_options)(&x)?;
        "jvp": jvp(&with_options, (&x,), (&x,))?;
        "vmap of a wrong one": vmap(double(wrong()))(&x)?;
        "eval_shape": eval_shape(&with_options)(&x)?;
        "jit of it": jit(&with_options)(&x)?;
        "scan of it": lax::map(|x: Array| with_options(&x), x.clone())?;
        "grad of it": grad(|x: &Array| -> Result<Array> { Ok(jnp::sum(with_options(x)?, ..)) })(&x)?;
    };
    let kinds = [ErrorKind::Compile, ErrorKind::InvalidArgument];
    // JAX stages the linear part, and refuses that.
    compare("options of jit", &kinds, found, &["grad of it"]);
}

#[test]
fn dtypes_are_promoted_where_strict_jax_promotes_them() {
    let (f, h) = (Array::from([1f32, 2.0]), Array::from([1f32, 2.0]).astype(DType::F16));
    let c = f.astype(DType::C64);
    let (i, i8, b) = (Array::from([1i32, 2]), Array::from([1i8, 2]), Array::from([true, false]));
    let with = |body: &mut dyn FnMut() -> Result<()>| {
        config::with_numpy_dtype_promotion(DTypePromotion::Strict, body)
    };
    let two = num_complex::Complex::new(0f32, 2.0);
    let found = super::quickly(|| {
        programs! { with;
            "i32 and f32": &i + &f;
            "f32 and an integer": &f + 1;
            "i32 and an integer": &i + 1;
            "i32 and a float": &i + 1.5;
            "bool and an integer": jnp::add(&b, 1);
            "bool and i32": &b + &i;
            "i8 and i32": &i8 + &i;
            "f32 and f16": &f + &h;
            "c64 and f32": &c + &f;
            "c64 and a float": &c + 1.5;
            "f32 and a complex number": jnp::multiply(&f, two);
            "two numbers": jnp::add(1, 1.5);
            "where": jnp::where_(&b, &i, &f);
            "where and a number": jnp::where_(&b, &f, 0.0);
            "where of i32 and a float": jnp::where_(&b, &i, 0.0);
            "maximum": jnp::maximum(&f, &i);
            "power of an integer": jnp::power(&f, 2);
            "power of i32": jnp::power(&f, &i);
            "power of i32 by a float": jnp::power(&i, 2.0);
            "less": jnp::less(&f, &i);
            "equal": jnp::equal(&i, &f);
            "logical_and": jnp::logical_and(&i, &f);
            "mean of i32": jnp::mean(&i, ..);
            "sum of bool": jnp::sum(&b, ..);
            "sum of i8": jnp::sum(&i8, ..);
            "var of i32": jnp::var(&i, ..);
            "std of f16": jnp::std(&h, ..);
            "i32 divided": jnp::true_divide(&i, 2);
            "i32 divided by i32": jnp::true_divide(&i, &i);
            "f32 floor-divided": jnp::floor_divide(&f, 2);
            "i32 modulo": jnp::remainder(&i, 2);
            "clip": jnp::clip(&f, 0, 1);
            "clip of i32 to floats": jnp::clip(&i, 0.0, 1.0);
            "matmul": jnp::matmul(&f, &h);
            "dot of i32 and f32": jnp::dot(&i, &f);
            "concatenate": jnp::concatenate([&f, &h], 0);
            "stack of one dtype": jnp::stack([&f, &f], 0);
            "isclose": jnp::isclose(&f, &h);
            "isclose of one dtype": jnp::isclose(&f, &f);
            "exp of i32": jnp::exp(&i);
            "sqrt of i32": jnp::sqrt(&i);
            "linspace": jnp::linspace(0, 1, 5);
            "arange": jnp::arange(0..4);
            "cumsum of i8": jnp::cumsum(&i8, 0);
            "einsum": jnp::einsum("i,i->", [&f, &h]);
            "softmax of f16": nn::softmax(&h, -1);
            "gelu": nn::gelu(&f);
            "average of i32": jnp::average(&i, ..);
            "median": jnp::median(&f, ..);
            "quantile": jnp::quantile(&f, 0.5, ..);
            "argmax": jnp::argmax(&f, ..);
            "round": jnp::round(&f);
            "logsumexp": nn::logsumexp(&f, ..);
            "normal": random::normal(&random::key(0), [3]);
            "randint": random::randint(&random::key(0), [3], 0, 9);
            "result_type": jnp::result_type([&f, &h]);
            "result_type of one dtype": jnp::result_type([&f, &f]);
            "promote_types": jnp::promote_types(DType::F32, DType::I32);
            "grad": grad(|x: &Array| jnp::sum(jnp::power(x, 2) * 3.0, ..))(&f)?;
            "jit of i32 and f32": jit(|x: &Array, y: &Array| x + y)(&i, &f)?;
        }
    });
    compare("dtype promotion", &[ErrorKind::DType], found, &[]);
    let e = with(&mut || try_(|| &i * &f).map(drop)).unwrap_err();
    assert_eq!(
        e.message(),
        "multiply: i32 and f32 have no implicit promotion while numpy_dtype_promotion is strict. Convert one by astype"
    );
}

#[test]
fn transfers_are_refused_where_jax_refuses_them() -> Result<()> {
    let f = Array::from([1f32, 2.0]);
    let device = devices()?[0].clone();
    let program = jit(|x: &Array, y: &Array| x + y);
    let key = random::key(3);
    for (what, level, differ) in [
        ("disallow", TransferGuard::Disallow, &["device_put to another device"][..0]),
        // On the one device of this process nothing moves.
        ("disallow_explicit", TransferGuard::DisallowExplicit, &["device_put to another device"]),
    ] {
        let with = |body: &mut dyn FnMut() -> Result<()>| {
            // Made before, so that it is compiled.
            let _ = body();
            config::with_transfer_guard(level, body)
        };
        let found = programs! { with;
            "an array of numbers": Array::from([1f32, 2.0]);
            "device_put of a number": device_put(&Array::from(2.0), &device);
            "array and number": &f + 2.0;
            "array and array": &f + &f;
            "program of a number": program(&f, &Array::from(2.0))?;
            "program of arrays": program(&f, &f)?;
            "ones": jnp::ones([3]);
            "element": lax::index_in_dim(&f, 0, 0);
            "random key": random::key(0);
            "random numbers": random::normal(&key, [3]);
            "sum": jnp::sum(&f, ..);
            "device_put to another device": device_put(&f, &device);
        };
        compare(what, &[ErrorKind::Disallowed], found, differ);
    }
    // What asks for the transfer by name is explicit, and what does not is implicit.
    let implicit = config::with_transfer_guard(TransferGuard::Disallow, || {
        let ok = [
            f.to_vec::<f32>().is_ok(),
            f.to_bytes().is_ok(),
            try_(|| Array::from_slice(&[1f32], [1])).is_ok(),
        ];
        assert_eq!(ok, [true; 3]);
        assert!(f.to_string().contains("implicit device-to-host transfer of f32[2]"), "{f}");
        let one = Array::from_slice(&[1f32], [1]);
        assert!(jnp::greater(&one, &one).truth().is_err());
        one.item::<f32>().unwrap_err()
    });
    assert_eq!(
        implicit.message(),
        "implicit device-to-host transfer of f32[1], and transfer_guard_device_to_host is disallow"
    );
    let explicit =
        config::with_transfer_guard_device_to_host(TransferGuard::DisallowExplicit, || f.to_vec::<f32>());
    assert!(explicit.unwrap_err().message().starts_with("explicit device-to-host transfer of f32[2]"));
    // A direction of its own.
    config::with_transfer_guard_host_to_device(TransferGuard::Disallow, || f.to_vec::<f32>().map(drop))
}

#[test]
fn tracing_and_execution_are_refused_where_jax_refuses_them() -> Result<()> {
    let f = Array::from([1f32, 2.0]);
    let traced = jit(|x: &Array| x * 2.0);
    traced(&f)?;
    let compiled = jit(|x: &Array| x * 3.0).lower()(&f)?.compile()?;
    let with = |body: &mut dyn FnMut() -> Result<()>| config::with_no_tracing(true, body);
    let found = programs! { with;
        "jit of a known type": traced(&f)?;
        "jit of another type": traced(&Array::from([1f32, 2.0, 3.0]))?;
        "make_jaxpr": make_jaxpr(|x: &Array| x * 2.0)(&f)?;
        "scan": lax::scan(|c: Array, x: Array| (&c + &x, x), Array::scalar(0f32), f.clone())?;
    };
    compare("no_tracing", &[ErrorKind::Disallowed], found, &[]);
    let with = |body: &mut dyn FnMut() -> Result<()>| config::with_no_execution(true, body);
    let found = programs! { with;
        "jit": traced(&f)?;
        "operation": lax::sin(&f);
        "make_jaxpr": make_jaxpr(|x: &Array| x * 2.0)(&f)?;
        "compile": jit(|x: &Array| x * 2.0).lower()(&f)?.compile()?;
        "compiled": compiled(&f)?;
        "device_put": device_put(&f, &devices()?[0]);
        "read": f.to_vec::<f32>()?;
    };
    compare("no_execution", &[ErrorKind::Disallowed], found, &[]);
    assert_eq!(traced(&f)?.to_vec::<f32>()?, [2.0, 4.0]);
    Ok(())
}

static STORED: Mutex<Vec<Array>> = Mutex::new(Vec::new());

fn leak(x: &Array) -> Array {
    STORED.lock().unwrap().push(x * 3.0);
    x * 2.0
}

fn keep(x: &Array) -> Array {
    x * 2.0 * 3.0
}

fn closure(x: &Array) -> Result<Array> {
    let own = x.clone();
    let g = jit(move |y: &Array| y * &own);
    Ok(g(x)? + g(x)?)
}

#[test]
fn tracers_that_outlive_their_trace_are_found() {
    let one = Array::scalar(1f32);
    let f = Array::from([1f32, 2.0]);
    let custom = custom_jvp(|x: &Array| x * x, |(x,): (Array,), (dx,): (Array,)| (&x * &x, x * 3.0 * dx));
    let with = |body: &mut dyn FnMut() -> Result<()>| config::with_check_tracer_leaks(true, body);
    let found = programs! { with;
        "jit": jit(leak)(&one)?;
        "grad": grad(leak)(&one)?;
        "jvp": jvp(leak, (&one,), (&one,))?;
        "vmap": vmap(leak)(&f)?;
        "scan": lax::scan(|c: Array, x: Array| (leak(&c), x), one.clone(), f.clone())?;
        "cond": lax::cond(true, |x: Array| leak(&x), |x: Array| keep(&x), one.clone())?;
        "jit of vmap": jit(vmap(leak))(&f)?;
        "grad of jit": grad(jit(leak))(&one)?;
        "jit, no leak": jit(keep)(&one)?;
        "grad, no leak": grad(keep)(&one)?;
        "vmap of grad of jit, no leak": vmap(grad(jit(keep)))(&f)?;
        "scan, no leak": lax::scan(|c: Array, x: Array| (keep(&c), x), one.clone(), f.clone())?;
        "closure, no leak": jit(closure)(&one)?;
        "grad of a closure, no leak": grad(jit(closure))(&one)?;
        "custom_jvp, no leak": jit(grad(custom.clone()))(&one)?;
        "checkpoint, no leak": grad(checkpoint(keep))(&one)?;
        "grad of scan, no leak": grad(|x: &Array| -> Result<Array> {
            let body = |c: Array, y: Array| (jnp::sin(c) * &y * x, y);
            Ok(lax::scan(body, x.clone(), f.clone())?.0)
        })(&one)?;
        "hessian, no leak": hessian(|x: &Array| x * x * x)(&one)?;
    };
    STORED.lock().unwrap().clear();
    // JAX does not look at what `grad` and `jvp` alone leave behind.
    compare("leaks", &[ErrorKind::UnexpectedTracer], found, &["grad", "jvp"]);
    let line = line!() + 3;
    let stored = Arc::new(Mutex::new(Vec::new()));
    let f = jit(move |x: &Array| {
        stored.lock().unwrap().push(jnp::sin(x));
        x * 2.0
    });
    let e = config::with_check_tracer_leaks(true, || f(&one)).unwrap_err();
    assert!(e.message().starts_with("leaked tracer: JitTracer(f32[]) is still there"), "{e}");
    assert_eq!(e.location().unwrap().line(), line, "{e}");
    assert!(e.location().unwrap().file().ends_with("forbidding.rs"), "{e}");
}

#[test]
fn what_programs_do_under_the_checks_is_what_they_do_without() -> Result<()> {
    #[derive(Pytree, Clone)]
    struct Layer {
        weight: Array,
        key: Key,
    }
    let loss = |layer: &Layer, x: &Array| -> Result<Array> {
        let step = |h: Array, x: Array| (jnp::tanh(jnp::matmul(&h, &layer.weight) + x), ());
        let noise = random::normal(&layer.key, [2]);
        let (h, ()) = lax::scan(step, noise, x.clone())?;
        Ok(jnp::sum(h, ..))
    };
    let layer = Layer { weight: jnp::eye(2) * 0.5, key: random::key(1) };
    let x = jnp::ones([3, 2]);
    let run = || {
        jit(move |w: &Array, layer: &Layer, x: &Array| -> Result<Array> {
            let layer = layer.clone();
            grad(move |w: &Array, x: &Array| loss(&Layer { weight: w.clone(), key: layer.key.clone() }, x))(
                w, x,
            )
        })(&layer.weight, &layer, &x)
    };
    let plain = run()?.to_vec::<f32>()?;
    let checked = config::with_check_tracer_leaks(true, || config::with_enable_checks(true, run))?;
    assert_eq!(plain, checked.to_vec::<f32>()?);
    Ok(())
}

/// Run by the test below in a process of its own.
#[test]
fn worker() -> Result<()> {
    if std::env::var("RAXLA_TEST_FORBIDDING").is_err() {
        return Ok(());
    }
    // From the environment: all three, and the one that has a variable of its own.
    assert_eq!(config::transfer_guard_host_to_device(), TransferGuard::Log);
    assert_eq!(config::transfer_guard_device_to_host(), TransferGuard::LogExplicit);
    config::set_transfer_guard(TransferGuard::Allow);
    let warned = Warnings::of("raxla::");
    tracing::subscriber::with_default(warned.clone(), || -> Result<()> {
        let taken = || warned.taken();
        let x = Array::from([1f32, 2.0]);
        let f = jit(|x: &Array| jnp::sin(x) * 2.0);
        f(&x)?;
        assert_eq!(taken(), [""; 0]);
        config::with_log_compiles(true, || f(&Array::from([1f32])))?;
        let said = taken();
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        let [traced, compiled] = said[..] else { panic!("{said:?}") };
        assert!(
            traced.starts_with("traced ")
                && traced.contains(" for f32[1] in 0.")
                && traced.ends_with(": 2 equations"),
            "{traced}"
        );
        assert!(compiled.starts_with("compiled ") && compiled.contains(" for f32[1] in "), "{compiled}");
        config::with_log_compiles(true, || f(&Array::from([1f32])))?;
        assert_eq!(taken(), [""; 0]);
        config::with_transfer_guard(TransferGuard::Log, || x.to_vec::<f32>())?;
        assert_eq!(taken(), [""; 0]);
        config::with_transfer_guard(TransferGuard::LogExplicit, || x.to_vec::<f32>())?;
        let said = taken();
        assert!(
            said.len() == 1 && said[0].starts_with("explicit device-to-host transfer of f32[2], at "),
            "{said:?}"
        );
        config::with_numpy_rank_promotion(RankPromotion::Warn, || &x + jnp::ones([2, 2]));
        let said = taken();
        assert!(
            said.len() == 1
                && said[0].starts_with("add: operands of shapes (2,), (2, 2) have several ranks, at "),
            "{said:?}"
        );
        Ok(())
    })?;
    println!("the worker is done");
    Ok(())
}

#[test]
fn what_is_to_be_logged_is_logged() {
    let mut command = process::tests(["forbidding::worker"]);
    let settings = [
        ("RAXLA_TEST_FORBIDDING", "1"),
        ("RAXLA_TRANSFER_GUARD", "log"),
        ("RAXLA_TRANSFER_GUARD_DEVICE_TO_HOST", "log_explicit"),
    ];
    let out = command.envs(settings).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && stdout.contains("the worker is done"), "{stdout}{stderr}");
}
