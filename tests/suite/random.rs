//! `random` against JAX: every case of tests/fixtures/random.jsonl, which tests/oracle/prng.py writes.

use raxla::nn::initializers::{
    self, Distribution, Fan, Initializer, OrthogonalKernelOptions, TruncatedNormalOptions,
    VarianceScalingOptions,
};
use raxla::random::{
    self, BallOptions, BernoulliOptions, CategoricalOptions, ChoiceOptions, CovarianceMethod, GumbelOptions,
    Key, KeyOptions, MultivariateNormalOptions, OrthogonalOptions, PermutationOptions, PrngImpl,
    SamplingMode, SplitOptions, UniformOptions, WrapKeyDataOptions,
};
use raxla::{Array, DType, Dims, Scalar, ShapeDtype, config, lax, numpy};
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

/// A number, or nested lists of numbers as an array of the case's dtype (`f32` if that is of integers).
fn numbers(v: &Value, name: &str) -> Array {
    fn flatten(v: &Value, shape: &mut Vec<usize>, depth: usize, out: &mut Vec<f64>) {
        match v.as_array() {
            Some(list) => {
                if shape.len() == depth {
                    shape.push(list.len());
                }
                list.iter().for_each(|v| flatten(v, shape, depth + 1, out));
            }
            None => out.push(v.as_f64().unwrap_or_else(|| v.as_str().unwrap().parse().unwrap())),
        }
    }
    if let Some(x) = v.as_f64() {
        return Array::from(x);
    }
    let (mut shape, mut out) = (Vec::new(), Vec::new());
    flatten(v, &mut shape, 0, &mut out);
    let dtype = dtype(if name.contains("int") { "float32" } else { name });
    config::with_x64(true, || lax::convert_element_type(&Array::from_slice(&out, shape), dtype))
}

/// The sampler in whose name a case's ends.
fn sampler(name: &str) -> fn(&Key, Array, Vec<usize>) -> Array {
    match name {
        "grad_gamma" | "vmap_gamma" => random::gamma,
        "grad_loggamma" | "vmap_loggamma" => random::loggamma,
        _ => random::poisson,
    }
}

/// What the case's function gives here.
fn run(c: &Value) -> Array {
    let seed = c["seed"].as_i64().unwrap();
    let key = match c["impl"].as_str() {
        Some("rbg") => random::key_with(seed, KeyOptions::new().impl_(PrngImpl::Rbg)),
        Some(_) => random::key_with(seed, KeyOptions::new().impl_(PrngImpl::UnsafeRbg)),
        None => random::key(seed),
    };
    let several = || random::split_with(&key, SplitOptions::new().num(3));
    let shape = || sizes(&c["shape"]);
    let of = || match c["dtype"].as_str() {
        Some(name) => ShapeDtype::from((shape(), dtype(name))),
        None => shape().into(),
    };
    let mode = || match c["mode"].as_str() {
        Some("high") => SamplingMode::High,
        Some("highest") => SamplingMode::Highest,
        _ => SamplingMode::Low,
    };
    let real = |name: &str| Array::from(c[name].as_f64().unwrap());
    let integer = |name: &str| Array::from(c[name].as_i64().unwrap());
    let flag = |name: &str| c[name].as_bool().unwrap();
    let axis = || c["axis"].as_i64().unwrap();
    let param = |name: &str| numbers(&c[name], c["dtype"].as_str().unwrap_or("float32"));
    let choices = || ChoiceOptions::new().replace(flag("replace"));
    let matrix = || lax::reshape(&Array::from((0..12).map(|i| i as f32).collect::<Vec<_>>()), [3, 4]);
    match c["fn"].as_str().unwrap() {
        "key" => random::key_data(&key),
        "split" => {
            let num: Dims = match &c["num"] {
                Value::Array(_) => sizes(&c["num"]).into(),
                n => n.as_i64().unwrap().into(),
            };
            random::key_data(&random::split_with(&key, SplitOptions::new().num(num)))
        }
        "fold_in" => random::key_data(&random::fold_in(&key, integer("data"))),
        "bits" => random::bits(&key, of()),
        "uniform" => {
            let options = UniformOptions::new().minval(real("lo")).maxval(real("hi"));
            random::uniform_with(&key, of(), options)
        }
        "normal" => random::normal(&key, of()),
        "exponential" => random::exponential(&key, of()),
        "gumbel" => random::gumbel_with(&key, of(), GumbelOptions::new().mode(mode())),
        "laplace" => random::laplace(&key, of()),
        "logistic" => random::logistic(&key, of()),
        "cauchy" => random::cauchy(&key, of()),
        "maxwell" => random::maxwell(&key, of()),
        "truncated_normal" => random::truncated_normal(&key, real("lo"), real("hi"), of()),
        "pareto" => random::pareto(&key, real("p"), of()),
        "rayleigh" => random::rayleigh(&key, real("p"), of()),
        "wald" => random::wald(&key, real("p"), of()),
        "lognormal" => random::lognormal(&key, real("p"), of()),
        "weibull_min" => random::weibull_min(&key, real("p"), real("q"), of()),
        "randint" => random::randint(&key, of(), integer("lo"), integer("hi")),
        "bernoulli" => random::bernoulli_with(&key, real("p"), shape(), BernoulliOptions::new().mode(mode())),
        "rademacher" => random::rademacher(&key, of()),
        "permutation" => random::permutation(&key, integer("n")),
        "permutation_array" => {
            let options = PermutationOptions::new().axis(axis()).independent(flag("independent"));
            random::permutation_with(&key, matrix(), options)
        }
        "choice" => random::choice_with(&key, integer("n"), shape(), choices()),
        "choice_array" => random::choice_with(&key, matrix(), shape(), choices().axis(axis())),
        "choice_weighted" => {
            let options = choices().p([0.1f32, 0.2, 0.3, 0.4]).mode(mode());
            random::choice_with(&key, 4, shape(), options)
        }
        "categorical" => {
            let logits = lax::log(&Array::from([[0.1f32, 0.2, 0.7], [0.5, 0.25, 0.25]]));
            let mut options = CategoricalOptions::new().axis(axis()).replace(flag("replace")).mode(mode());
            if c["shape"].is_array() {
                options = options.shape(shape());
            }
            random::categorical_with(&key, logits, options)
        }
        "orthogonal" => {
            let options = OrthogonalOptions::new().shape(shape()).dtype(of().dtype().unwrap());
            let options = match c["m"].as_u64() {
                Some(m) => options.m(m as usize),
                None => options,
            };
            random::orthogonal_with(&key, c["n"].as_u64().unwrap() as usize, options)
        }
        "gamma" => random::gamma(&key, param("p"), of()),
        "loggamma" => random::loggamma(&key, param("p"), of()),
        "chisquare" => random::chisquare(&key, param("p"), of()),
        "t" => random::t(&key, param("p"), of()),
        "beta" => random::beta(&key, param("p"), param("q"), of()),
        "f" => random::f(&key, param("p"), param("q"), of()),
        "dirichlet" => random::dirichlet(&key, param("p"), of()),
        "generalized_normal" => random::generalized_normal(&key, param("p"), of()),
        "ball" => {
            let d = c["n"].as_u64().unwrap() as usize;
            match c["p"].is_null() {
                true => random::ball(&key, d, of()),
                false => random::ball_with(&key, d, of(), BallOptions::new().p(param("p"))),
            }
        }
        "triangular" => random::triangular(&key, param("p"), param("q"), param("r"), of()),
        "double_sided_maxwell" => random::double_sided_maxwell(&key, param("p"), param("q"), of()),
        "binomial" => random::binomial(&key, param("p"), param("q"), of()),
        "multinomial" => random::multinomial(&key, param("p"), param("q"), of()),
        "poisson" => random::poisson(&key, param("p"), of()),
        "geometric" => random::geometric(&key, param("p"), of()),
        name @ ("grad_gamma" | "grad_loggamma") => {
            let draw = sampler(name);
            let draw = move |a: &Array| numpy::sum(draw(&key, a.clone(), a.shape().to_vec()), ..);
            raxla::grad(draw)(&param("p")).unwrap()
        }
        name @ ("vmap_gamma" | "vmap_loggamma" | "vmap_poisson") => {
            let draw = sampler(name);
            let (keys, a) = (random::split_with(&key, SplitOptions::new().num(3)), param("p"));
            raxla::vmap(move |key: &Key| draw(key, a.clone(), a.shape().to_vec()))(&keys).unwrap()
        }
        "vmap_normal" => raxla::vmap(|key: &Key| random::normal(key, [2]))(&several()).unwrap(),
        "vmap_split" => {
            let split = |key: &Key| random::split_with(key, SplitOptions::new());
            random::key_data(&raxla::vmap(split)(&several()).unwrap())
        }
        "vmap_fold_in" => {
            random::key_data(&raxla::vmap(|key: &Key| random::fold_in(key, 5))(&several()).unwrap())
        }
        "vmap_fold_in_data" => {
            let keys = raxla::vmap(move |i: &Array| random::fold_in(&key, i))(&Array::from([0, 1, 2]));
            random::key_data(&keys.unwrap())
        }
        "multivariate_normal" => {
            let (mean, cov) = (Array::from([1.0f32, -1.0]), Array::from([[2.0f32, 0.5], [0.5, 1.0]]));
            let by = |method| {
                let options = MultivariateNormalOptions::new().method(method);
                let x = random::multivariate_normal_with(&key, &mean, &cov, shape(), options);
                numpy::abs(x - &mean)
            };
            match c["mode"].as_str().unwrap() {
                "cholesky" => random::multivariate_normal(&key, &mean, &cov, shape()),
                "eigh" => by(CovarianceMethod::Eigh),
                _ => {
                    let covs = Array::from([[[2.0f32, 0.5], [0.5, 1.0]], [[1.0, 0.0], [0.0, 4.0]]]);
                    random::multivariate_normal(&key, numpy::zeros(([3, 1, 2], DType::F32)), covs, shape())
                }
            }
        }
        name => initializer(name, c).draw(&key, of()),
    }
}

/// The case's initializer.
fn initializer(name: &str, c: &Value) -> Initializer {
    let number = |name: &str| c[name].as_f64().unwrap();
    match name {
        "glorot_uniform" => initializers::glorot_uniform(),
        "glorot_normal" => initializers::glorot_normal(),
        "lecun_uniform" => initializers::lecun_uniform(),
        "lecun_normal" => initializers::lecun_normal(),
        "he_uniform" => initializers::he_uniform(),
        "he_normal" => initializers::he_normal(),
        "init_uniform" => initializers::uniform(number("p")),
        "init_normal" => initializers::normal(number("p")),
        "init_constant" => initializers::constant(number("p")),
        "init_truncated_normal" => {
            let options = TruncatedNormalOptions::new().lower(number("lo")).upper(number("hi"));
            initializers::truncated_normal_with(number("p"), options)
        }
        "init_orthogonal" | "init_delta_orthogonal" => {
            let options =
                OrthogonalKernelOptions::new().scale(number("p")).column_axis(c["axis"].as_i64().unwrap());
            match name {
                "init_orthogonal" => initializers::orthogonal_with(options),
                _ => initializers::delta_orthogonal_with(options),
            }
        }
        "variance_scaling" => {
            let mode = match c["mode"].as_str().unwrap() {
                "fan_in" => Fan::In,
                "fan_out" => Fan::Out,
                "fan_avg" => Fan::Avg,
                _ => Fan::GeoAvg,
            };
            let distribution = match c["of"].as_str().unwrap() {
                "truncated_normal" => Distribution::TruncatedNormal,
                "normal" => Distribution::Normal,
                _ => Distribution::Uniform,
            };
            let options = VarianceScalingOptions::new().in_axis((0, 2)).out_axis(1).batch_axis(3);
            initializers::variance_scaling_with(0.7, mode, distribution, options)
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
        _ if dtype.is_small_float() => Scalar::from_bytes(dtype, x).to_f64(),
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
    // LAPACK and XLA factor a matrix in another order, so that an element of Q carries the rounding of its whole column, of norm 1.
    let least = if c["fn"].as_str().unwrap().ends_with("orthogonal") { 1.0 } else { 0.25 };
    for (x, y) in floats(want, &a).into_iter().zip(floats(want, &b)) {
        let same = x == y || x.is_nan() && y.is_nan();
        // The distance to a number that is no number is none either, and not within any limit.
        let near = (x - y).abs() <= 8.0 * ulp * y.abs().max(least);
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
        let [a, b] = random::split(key);
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
    assert_eq!(random::key_data(&made).to_vec::<u32>().unwrap(), [0, 42]);
    assert_eq!(format!("{:?}", random::key(42)), "Array((), dtype=key<fry>) overlaying:\n[0 42]");
}

#[test]
fn arrays_of_keys_are_indexed_and_rejected_by_samplers() {
    let keys = random::split_with(&random::key(42), SplitOptions::new());
    assert_eq!(keys.shape(), [2]);
    assert_eq!(random::key_data(&keys.at(-1)).to_vec::<u32>().unwrap(), [64467757, 2916123636]);
    let [a, _] = random::split(&random::key(42));
    assert_eq!(random::key_data(&a).to_vec::<u32>().unwrap(), [1832780943, 270669613]);
    let [one, two, three] = random::split(&random::key(42));
    let all = random::split_with(&random::key(42), SplitOptions::new().num(3));
    for (of_array, iterated) in [one, two, three].iter().zip(&all) {
        let [x, y] = [of_array, &iterated].map(|key| random::key_data(key).to_vec::<u32>().unwrap());
        assert_eq!(x, y);
    }
    let e = raxla::jit(|keys: &Key| random::normal(keys, ()))(&keys).unwrap_err();
    assert_eq!(
        e.message(),
        "normal accepts a single key, but was given a key array of shape (2,) != (). Use vmap for batching"
    );
}

#[test]
fn what_samplers_refuse_is_said_at_the_users_line() {
    let key = random::key(42);
    type Draw = fn(&Key) -> Array;
    let cases: [(Draw, &str); 12] = [
        (
            |k| random::normal(k, (2, DType::I32)),
            "dtype argument to `normal` must be a float or complex dtype, got i32",
        ),
        (|k| random::normal(k, (2, -1)), "normal: shape (2, -1) has a negative size"),
        (
            |k| random::bits(k, (2, DType::I32)),
            "dtype argument to `bits` must be an unsigned int dtype, got i32",
        ),
        (|k| random::gumbel(k, (2, DType::C64)), "dtype argument to `gumbel` must be a float dtype, got c64"),
        (|k| random::randint(k, (2, DType::F32), 0, 1), "randint only accepts integer dtypes, got f32"),
        (|k| random::bernoulli(k, 1, [2]), "bernoulli probability `p` must have a floating dtype, got i32"),
        (
            |k| random::bernoulli_with(k, 0.5, [2], BernoulliOptions::new().mode(SamplingMode::Highest)),
            "bernoulli: got mode='highest', expected 'high' or 'low'",
        ),
        (
            |k| random::pareto(k, Array::from([1f32]), ([2], DType::BF16)),
            "In arguments to pareto, cannot safely cast argument of type f32 to bf16",
        ),
        (
            |k| random::choice_with(k, 3, 4, ChoiceOptions::new().replace(false)),
            "choice: cannot take a larger sample (size 4) than population (size 3) without replacement",
        ),
        (
            |k| random::permutation_with(k, [1, 2], PermutationOptions::new().axis(1)),
            "permutation: axis 1 is out of bounds for array of dimension 1",
        ),
        (
            |k| random::categorical_with(k, [0f32; 3], CategoricalOptions::new().shape(4).replace(false)),
            "Number of samples without replacement (4) cannot exceed number of categories (3)",
        ),
        (
            |k| random::truncated_normal(k, [0f32; 2], 1.0, [3]),
            "truncated_normal parameter shapes must be broadcast-compatible with shape argument, and the result of \
             broadcasting the shapes must equal the shape argument, but got result (2,), () for shape argument (3,)",
        ),
    ];
    for (f, message) in cases {
        let e = raxla::jit(f)(&key).unwrap_err();
        assert_eq!(e.message(), message);
        assert!(e.location().unwrap().file().ends_with(file!()), "{e}");
    }
}

#[test]
fn normal_vectors_have_their_covariance_by_each_factor() {
    let (mean, cov) = (Array::from([1.0f32, -1.0]), Array::from([[2.0f32, 0.5], [0.5, 1.0]]));
    for method in [CovarianceMethod::Cholesky, CovarianceMethod::Eigh, CovarianceMethod::Svd] {
        let options = MultivariateNormalOptions::new().method(method);
        let x = random::multivariate_normal_with(&random::key(7), &mean, &cov, 20_000, options);
        let found = numpy::cov(numpy::transpose(&x, ..));
        // Five standard errors, of which the largest is 0.02.
        assert!(numpy::abs(found - &cov).max(..).item::<f32>().unwrap() < 0.1, "{method:?}");
        let found = numpy::mean(&x, 0) - &mean;
        assert!(numpy::abs(found).max(..).item::<f32>().unwrap() < 0.05, "{method:?}");
    }
}

#[test]
fn keys_of_two_kinds_are_not_mixed() {
    let key = random::key_with(1, KeyOptions::new().impl_(PrngImpl::Rbg));
    assert_eq!(key.to_string(), "Array((), dtype=key<rbg>) overlaying:\n[0 1 0 1]");
    let either = lax::cond(true, |key: Key| key, |_: Key| random::key(3), key.clone());
    assert!(either.is_err());
    let of = WrapKeyDataOptions::new().impl_(PrngImpl::UnsafeRbg);
    let message = raxla::try_(|| random::wrap_key_data_with([1u32, 2], of)).unwrap_err();
    assert_eq!(
        message.message(),
        "wrap_key_data: keys of unsafe_rbg are u32 with a last axis of size 4, got u32[2]"
    );
    let message = raxla::try_(|| random::poisson(&key, 1.0, ())).unwrap_err();
    assert_eq!(message.message(), "`poisson` is only implemented for the threefry2x32 RNG, not rbg");
    let message = raxla::try_(|| random::gamma(&key, 1.0, ())).unwrap_err();
    assert!(message.message().contains("threefry2x32 alone, got one of rbg"));
}

#[test]
fn the_default_kind_of_keys_is_a_setting() {
    let key = config::with_default_prng_impl(PrngImpl::Rbg, || random::key(0));
    assert_eq!((random::key_impl(&key), key.shape().len()), (PrngImpl::Rbg, 0));
    let bits = raxla::jit(|key: &Key| random::bits(key, 4))(&key).unwrap();
    assert_eq!(bits.to_vec::<u32>().unwrap(), random::bits(&key, 4).to_vec::<u32>().unwrap());
}
