//! What Optax gives besides the updates of `table.rs`: states, parameters of another structure, functions of trees
//! (`tests/oracle/optax_functions.py`).

use crate::quickly;
use half::bf16;
use num_complex::Complex;
use raxla::nn::Params;
use raxla::numpy::CloseOptions;
use raxla::optim::{self, *};
use raxla::prelude::*;
use raxla::{numpy as jnp, random};
use serde_json::Value;

use super::algorithms::ALGORITHMS;
use super::table::{Step, difference, floats, params, values};

fn fixture(kind: &str) -> Vec<Value> {
    let text = include_str!("../../fixtures/optim_functions.jsonl");
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let cases: Vec<Value> = all.filter(|case| case["kind"] == kind).collect();
    assert!(!cases.is_empty(), "no cases of {kind}");
    cases
}

fn names(x: &Value) -> Vec<&str> {
    x.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn named<'a, T>(table: &'a [(&str, T)], case: &Value) -> &'a T {
    let name = case["name"].as_str().unwrap();
    &table.iter().find(|(own, _)| *own == name).unwrap_or_else(|| panic!("the table has no {name}")).1
}

/// As `difference`, of numbers among which some are none: those must be the same.
fn difference_of_any(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let finite = |xs: &[f32], ys: &[f32]| -> Vec<f32> {
        xs.iter().zip(ys).map(|(x, y)| if y.is_finite() { *x } else { 0.0 }).collect()
    };
    let same = |(x, y): (&f32, &f32)| y.is_finite() || x == y || (x.is_nan() && y.is_nan());
    if !ours.iter().zip(theirs).all(same) {
        return f32::INFINITY;
    }
    difference(&finite(ours, theirs), &finite(theirs, theirs))
}

/// What those minimise that ask for more gradients than they are given.
fn bent(params: &Params) -> Result<Array> {
    let term = |(i, (_, w)): (usize, (String, &Array))| {
        jnp::sum(jnp::power(w, 4) / 4.0 + jnp::square(w - 0.5 * (i + 1) as f64), ..)
    };
    Ok(params.iter().enumerate().map(term).reduce(|x, y| x + y).unwrap_or_else(|| jnp::zeros(())))
}

fn sharp(options: SamOptions) -> GradientTransformation {
    sam_with(adam(0.1), chain((normalize(), sgd_with(0.05, SgdOptions::new().momentum(0.5)))), options)
}

fn is_matrix(_: &str, param: &Array) -> bool {
    param.ndim() > 1
}

type Run = fn() -> GradientTransformation;

const RUNS: &[(&str, Run)] = &[
    ("sam momentum", || sharp(SamOptions::new().reset_state(false))),
    ("sam sync_period", || sharp(SamOptions::new().sync_period(3))),
    ("sam opaque", || sharp(SamOptions::new().opaque_mode(true))),
    ("sam opaque sync_period", || {
        sharp(SamOptions::new().sync_period(4).reset_state(false).opaque_mode(true))
    }),
    ("ema biased", || ema_with(0.9, EmaOptions::new().debias(false))),
    ("ema accumulator_dtype", || ema_with(0.9, EmaOptions::new().accumulator_dtype(DType::BF16))),
    ("monitor_with_ema", || monitor_with_ema("norm", |updates| global_norm(updates), 0.9)),
    ("snapshot", || snapshot("norm", |updates| global_norm(updates))),
    ("scale_by_distance_over_gradients", scale_by_distance_over_gradients),
    ("scale_by_distance_over_gradients constants", || {
        let options = DistanceOverGradientsOptions::new().reps_rel(1e-2).eps(1e-4).global_scale(-2.0);
        scale_by_distance_over_gradients_with(options)
    }),
    ("selective_transform", || selective_transform(adam(0.1), is_matrix)),
    ("selective_transform none", || selective_transform(adam(0.1), |_, _| false)),
    ("apply_if_finite recovers", || apply_if_finite(adam(0.1), 2)),
    ("apply_if_finite gives in", || apply_if_finite(sgd(0.1), 2)),
    ("multi_steps not finite", || {
        multi_steps_with(adam(0.1), 2, MultiStepsOptions::new().should_skip_update_fn(SkipUpdates::NotFinite))
    }),
    ("inject_hyperparams values", || {
        let factory =
            |h: &Hyperparams| sgd_with(h.get("learning_rate"), SgdOptions::new().momentum(h.get("momentum")));
        let rate = Schedule::new(|step: &Array| 0.5 / (step + 1));
        inject_hyperparams(factory, [("learning_rate", rate), ("momentum", 0.8.into())])
    }),
];

#[test]
fn updates_and_states_are_those_of_optax_at_each_step() {
    quickly(|| {
        let cases = fixture("run");
        assert_eq!(cases.len(), RUNS.len());
        let mut wrong = Vec::new();
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let tx = named(RUNS, &case)();
            let mut at = params("float32", &case["params"]);
            let mut state = tx.init(&at).unwrap();
            let step = jit(move |params: Params, state: OptState, grads: &Params| -> Result<Step> {
                let args = ExtraArgs::new().value_fn(&bent);
                let (updates, state) = tx.update_with(grads, &state, &params, args)?;
                Ok((optim::apply_updates(&params, &updates), state, updates))
            });
            for (i, theirs) in case["updates"].as_array().unwrap().iter().enumerate() {
                let grads = params("float32", &case["grads"][i]);
                let updates;
                (at, state, updates) = step(at, state, &grads).unwrap_or_else(|e| panic!("{name}: {e}"));
                for ((path, ours), theirs) in updates.iter().zip(theirs.as_array().unwrap()) {
                    let difference = difference_of_any(&values(ours), &floats(theirs));
                    if difference > 2e-6 {
                        wrong.push(format!("{name}: step {i}, {path}: {difference:e}"));
                    }
                }
                for (what, theirs) in case["state"][i].as_object().unwrap() {
                    let ours = state.find(what).unwrap().to::<Array>().unwrap();
                    let difference = difference_of_any(&values(&ours), &floats(theirs));
                    if difference > 2e-6 {
                        wrong.push(format!("{name}: step {i}, {what} is {ours}, not {:?}", floats(theirs)));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn lookahead_moves_both_halves_as_that_of_optax() {
    type Both = LookaheadParams<Params>;
    for case in fixture("lookahead") {
        let name = case["name"].as_str().unwrap();
        let options = LookaheadOptions::new().reset_state(name == "lookahead reset");
        let tx = lookahead_with(adam(0.1), 3, 0.4, options);
        let mut at = LookaheadParams::init_synced(params("float32", &case["params"]));
        let mut state = tx.init(&at).unwrap();
        let step = jit(move |at: Both, state: OptState, grads: &Both| -> Result<(Both, OptState, Both)> {
            let (updates, state) = tx.update(grads, &state, &at)?;
            Ok((optim::apply_updates(&at, &updates), state, updates))
        });
        for (i, theirs) in case["updates"].as_array().unwrap().iter().enumerate() {
            let grads = LookaheadParams::init_synced(params("float32", &case["grads"][i]));
            let updates;
            (at, state, updates) = step(at, state, &grads).unwrap_or_else(|e| panic!("{name}: {e}"));
            let halves = updates.fast.iter().chain(updates.slow.iter());
            for ((path, ours), theirs) in halves.zip(theirs.as_array().unwrap()) {
                let difference = difference(&values(ours), &floats(theirs));
                assert!(difference < 2e-6, "{name}: step {i}, {path}: {difference:e}");
            }
        }
    }
}

fn argument(x: &Value) -> Array {
    let shape: Vec<usize> =
        x["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let numbers = floats(&x["data"]);
    let array = match x["dtype"].as_str().unwrap() {
        "float32" => Array::from(numbers),
        "bfloat16" => Array::from(numbers.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>()),
        "complex64" => Array::from(numbers.chunks(2).map(|z| Complex::new(z[0], z[1])).collect::<Vec<_>>()),
        "int32" => Array::from(numbers).astype(DType::I32),
        other => panic!("no such dtype: {other}"),
    };
    jnp::reshape(array, shape)
}

pub type Pair = (Array, Array);

pub fn pair(x: &[Array]) -> Pair {
    (x[0].clone(), x[1].clone())
}

fn pairs(x: &[Array]) -> (Pair, Pair) {
    (pair(x), pair(&x[2..]))
}

pub fn both((x, y): Pair) -> Vec<Array> {
    vec![x, y]
}

fn of_order(order: i64, x: &[Array]) -> Vec<Array> {
    vec![optim::update_moment(&x[0], &x[1], 0.9, order)]
}

fn of_norm(order: i64, x: &[Array]) -> Vec<Array> {
    vec![optim::update_moment_per_elem_norm(&x[0], &x[1], 0.9, order)]
}

pub fn key() -> Key {
    random::key(7)
}

pub type Function = fn(&[Array]) -> Vec<Array>;

const FUNCTIONS: &[(&str, Function)] = &[
    ("bias_correction", |x| both(optim::bias_correction(&pair(x), 0.9, 3))),
    ("bias_correction bfloat16", |x| vec![optim::bias_correction(&x[0], 0.999, 2)]),
    ("update_moment 1", |x| of_order(1, x)),
    ("update_moment 2", |x| of_order(2, x)),
    ("update_moment 3", |x| of_order(3, x)),
    ("update_infinity_moment", |x| vec![update_infinity_moment(&x[0], &x[1].abs(), 0.9, 1e-3)]),
    ("update_moment_per_elem_norm complex 1", |x| of_norm(1, x)),
    ("update_moment_per_elem_norm complex 2", |x| of_norm(2, x)),
    ("update_moment_per_elem_norm complex 3", |x| of_norm(3, x)),
    ("update_moment_per_elem_norm complex 4", |x| of_norm(4, x)),
    ("update_moment_per_elem_norm real 2", |x| of_norm(2, x)),
    ("update_moment_per_elem_norm real 3", |x| of_norm(3, x)),
    ("tree_norm_with", |x| {
        let all = [TreeNorm::L1, TreeNorm::L2, TreeNorm::Inf].into_iter();
        let each = all.flat_map(|ord| [false, true].map(|s| TreeNormOptions::new().ord(ord).squared(s)));
        each.map(|options| tree_norm_with(&pair(x), options)).collect()
    }),
    ("tree_vdot", |x| vec![tree_vdot(&pairs(x).0, &pairs(x).1)]),
    ("tree_vdot complex", |x| vec![tree_vdot(&x[0], &x[1])]),
    ("tree_add_scale", |x| both(tree_add_scale(&pairs(x).0, -0.3, &pairs(x).1))),
    ("tree_scale", |x| both(tree_scale(0.7, &pair(x)))),
    ("full_like", |x| both(full_like(&pair(x), 0.3))),
    ("tree_allclose", |x| {
        let (nan, x) = (&x[1], &x[0]);
        let two = (x.clone(), nan.clone());
        vec![
            tree_allclose(x, &(x * (1.0 + 1e-6))),
            tree_allclose(x, &(x * (1.0 + 1e-4))),
            tree_allclose_with(x, &(x * (1.0 + 1e-4)), CloseOptions::new().rtol(1e-3)),
            tree_allclose(nan, nan),
            tree_allclose_with(&two, &two, CloseOptions::new().equal_nan(true)),
        ]
    }),
    ("tree_batch_shape", |x| both(tree_batch_shape(&pair(x), [2, 3]))),
    ("tree_random_like", |x| both(tree_random_like(&key(), &pair(x), random::normal))),
    ("tree_random_like uniform", |x| both(tree_random_like(&key(), &pair(x), random::uniform))),
    ("tree_split_key_like", |x| {
        let halves = |key: &Key| {
            let words = random::key_data(key);
            jnp::stack(&[jnp::right_shift(&words, 16u32), jnp::bitwise_and(&words, 0xffffu32)], 0)
        };
        tree_split_key_like(&key(), &pair(x)).iter().map(halves).collect()
    }),
    ("tree_map_params", |x| {
        let tx = chain((scale_by_adam(), trace(0.9), scale_by_schedule(|_: &Array| Array::from(1.0))));
        let state = tx.init(&pair(x)).unwrap();
        let f = |x: &Array, param: Option<&Array>| param.map_or_else(|| x + 7, |param| x + 2.0 * param);
        tree_map_params(&tx, f, &state, &pair(x)).unwrap().leaves().to_vec()
    }),
    ("safe_norm", |x| {
        vec![safe_norm(&x[0], 0.1), safe_norm(&x[0] * 0.0, 0.1), safe_root_mean_squares(&x[0], 0.1)]
    }),
    ("scale_gradient", |x| {
        let loss = |x: &Array| jnp::sum(jnp::square(scale_gradient(x, 0.3)), ..);
        vec![grad(loss)(&x[0]).unwrap()]
    }),
    ("unitwise_clip", |x| vec![unitwise_clip(unitwise_norm(&x[0]), 0.7 * unitwise_norm(&x[1]), &x[0])]),
];

#[test]
fn functions_give_what_those_of_optax_give() {
    quickly(|| {
        let cases = fixture("function");
        let all = [FUNCTIONS, ALGORITHMS].concat();
        assert_eq!(cases.len(), all.len());
        let mut wrong = Vec::new();
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let args: Vec<Array> = case["args"].as_array().unwrap().iter().map(argument).collect();
            let ours = named(&all, &case)(&args);
            let theirs = case["results"].as_array().unwrap();
            assert_eq!(ours.len(), theirs.len(), "{name}");
            for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let shape: Vec<u64> = ours.shape().iter().map(|&n| n as u64).collect();
                assert_eq!(theirs["shape"], serde_json::json!(shape), "{name}, {i}");
                // Words of keys are compared as numbers.
                if name != "tree_split_key_like" {
                    assert_eq!(theirs["dtype"].as_str().unwrap(), ours.dtype().name(), "{name}, {i}");
                }
                let (ours_are, theirs_are) = (values(ours), floats(&theirs["data"]));
                // How far the root is off is itself what rounding leaves, which differs between processors.
                let is_rounding = name.starts_with("matrix_inverse_pth_root") && i == 1;
                let small = |x: &[f32]| x.iter().all(|x| x.abs() < 1e-6);
                if is_rounding && small(&ours_are) && small(&theirs_are) {
                    continue;
                }
                let difference = difference_of_any(&ours_are, &theirs_are);
                if difference > 1e-6 {
                    wrong.push(format!("{name}, {i}: {difference:e}: {ours}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn dtypes_of_trees_are_those_of_optax() {
    let dtype = |name: &str| *DType::ALL.iter().find(|dtype| dtype.name() == name).unwrap();
    for case in fixture("dtype") {
        let tree: Vec<Array> =
            names(&case["names"]).into_iter().map(|name| jnp::zeros((2, dtype(name)))).collect();
        let by = |handler| TreeDtypeOptions::new().mixed_dtype_handler(handler);
        let options = match case["handler"].as_str() {
            None => TreeDtypeOptions::new(),
            Some("promote") => by(MixedDtypes::Promote),
            Some("highest") => by(MixedDtypes::Highest),
            _ => by(MixedDtypes::Lowest),
        };
        let ours = raxla::try_(|| tree_dtype_with(&tree, options.clone()));
        if let Err(e) = &ours {
            assert_eq!(e.kind(), ErrorKind::DType, "{e}");
            assert!(e.location().is_some_and(|loc| loc.file().ends_with("functions.rs")), "{e:?}");
        }
        assert_eq!(ours.ok().map(DType::name), case["dtype"].as_str(), "{case}");
    }
}

#[test]
fn all_of_a_name_are_found_where_optax_finds_them() {
    let inject = inject_hyperparams(
        |h: &Hyperparams| sgd(h.get("learning_rate")),
        [("learning_rate", Schedule::new(|step: &Array| 0.5 / (step + 1)))],
    );
    let inner = named_chain([("inner", chain((trace(0.9), scale_by_adam())))]);
    let tx = chain((scale_by_adam(), inner, inject));
    let mut at = Params::default();
    for path in ["a/bias", "a/kernel", "b/kernel"] {
        at.set(path, jnp::zeros(2)).unwrap();
    }
    let state = tx.init(&at).unwrap();
    for case in fixture("paths") {
        let mut ours: Vec<String> = state
            .find_all(case["name"].as_str().unwrap())
            .iter()
            .map(|(path, _)| path.with_slashes())
            .collect();
        ours.sort();
        assert_eq!(ours, names(&case["paths"]));
    }
}

#[test]
fn a_loss_scale_changes_as_that_of_jmp() {
    for case in fixture("loss_scale") {
        let mut scale = LossScale::new_with(floats(&case["first"])[0], LossScaleOptions::new().period(3));
        let adjust = jit(|scale: LossScale, finite: &Array| {
            scale.adjusted(&jnp::where_(finite, jnp::ones(2), f64::NAN)).0
        });
        let finite = case["finite"].as_array().unwrap().iter().map(|x| x == 1);
        for (finite, theirs) in finite.zip(floats(&case["values"]).chunks(2)) {
            scale = adjust(scale, &jnp::array(finite)).unwrap();
            let leaves = tree::leaves(&scale);
            let counter = leaves[1].item::<i32>().unwrap();
            assert_eq!(
                (scale.value().item::<f32>().unwrap(), counter),
                (theirs[0], theirs[1] as i32),
                "{case}"
            );
        }
    }
}

#[test]
fn the_parameters_in_a_state_are_found_whatever_the_optimiser() {
    let mut at = Params::default();
    at.set("fc/bias", Array::from([1.0f32, 2.0])).unwrap();
    at.set("fc/kernel", Array::from([[3.0f32, 4.0]])).unwrap();
    // Each moment is replaced by its parameter, and all else by 7.
    let seen = |tx: &GradientTransformation| -> Vec<Vec<f32>> {
        let f = |x: &Array, param: Option<&Array>| match param {
            Some(param) => param.clone(),
            None => jnp::full_like(x, 7),
        };
        let state = tree_map_params(tx, f, &tx.init(&at).unwrap(), &at).unwrap();
        assert_eq!(state.structure(), tx.init(&at).unwrap().structure());
        state.leaves().iter().map(values).collect()
    };
    let (bias, kernel, other) = (vec![1.0, 2.0], vec![3.0, 4.0], vec![7.0]);
    let all = [other.clone(), bias.clone(), kernel.clone(), bias.clone(), kernel.clone()];
    assert_eq!(seen(&scale_by_adam()), all);
    let matrices = [other.clone(), kernel.clone(), kernel.clone()];
    assert_eq!(seen(&masked(scale_by_adam(), |path, _| path == "fc/kernel")), matrices);
    let parts = [("bias", trace(0.9)), ("kernel", scale_by_adam())];
    let split = partition(parts, |path, _| path.trim_start_matches("fc/").to_owned());
    assert_eq!(seen(&split), [&[bias.clone()][..], &matrices].concat());
    assert_eq!(seen(&multi_steps(trace(0.9), 2)).len(), 2 + 2 + 2);
    // A vector of all parameters is none of them.
    assert_eq!(seen(&flatten(trace(0.9))), [vec![7.0; 4]]);
    let tx = lookahead(trace(0.9), 2, 0.5);
    let two = LookaheadParams::init_synced(at.clone());
    let state = tree_map_params(&tx, |x, p| p.unwrap_or(x).clone(), &tx.init(&two).unwrap(), &two).unwrap();
    assert_eq!(state.leaves().iter().map(values).collect::<Vec<_>>(), [bias, kernel, vec![0.0]]);
    let e = tree_map_params(&adam(0.1), |x, _| x.clone(), &state, &at).unwrap_err();
    assert!(e.message().starts_with("tree_map_params: the state is not one of this optimiser"), "{e}");
    assert!(e.location().is_some_and(|loc| loc.file().ends_with("functions.rs")), "{e:?}");
}
