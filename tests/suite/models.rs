//! `nn`: models as functions of a scope, their parameters and state, and what goes wrong with them.

use raxla::nn::{self, DropoutOptions, Mode, NamedTree, Params, Policy, Scope, State, initializers};
use raxla::prelude::*;
use raxla::random::{self, Key, SplitOptions};
use raxla::{checkpoint, lax, numpy as jnp};

fn key() -> Key {
    random::key(0)
}

fn mlp(cx: &Scope, x: &Array) -> Array {
    nn::linear(&cx.at("fc2"), nn::relu(nn::linear(&cx.at("fc1"), x, 8)), 2)
}

fn inputs() -> Array {
    jnp::reshape(jnp::arange(12.0f32), (4, 3)) / 12.0
}

fn values(params: &NamedTree, path: &str) -> Vec<f32> {
    params.get(path).unwrap().to_vec().unwrap()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0))
}

/// Counts how often it was run, in its state.
fn counted(cx: &Scope, x: &Array) -> Array {
    let count = cx.state("count", (), initializers::zeros());
    cx.set_state("count", &(&count + 1.0));
    x * count
}

fn paths(params: &Params) -> Vec<String> {
    params.iter().map(|(path, _)| path).collect()
}

#[test]
fn one_function_gives_init_and_apply() {
    let x = inputs();
    let params = nn::init(&key(), |cx| mlp(cx, &x)).unwrap();
    assert_eq!(paths(&params), ["fc1/bias", "fc1/kernel", "fc2/bias", "fc2/kernel"]);
    let y = nn::apply(&params, Mode::eval(), |cx| mlp(cx, &x)).unwrap();
    let get = |path: &str| params.get(path).unwrap();
    let hidden = nn::relu(jnp::matmul(&x, get("fc1/kernel")) + get("fc1/bias"));
    let by_hand = jnp::matmul(hidden, get("fc2/kernel")) + get("fc2/bias");
    assert_eq!(y.to_vec::<f32>().unwrap(), by_hand.to_vec::<f32>().unwrap());
}

#[test]
fn a_parameter_begins_the_same_whatever_else_the_model_has() {
    let x = inputs();
    let one = nn::init(&key(), |cx| nn::linear(&cx.at("fc1"), &x, 8)).unwrap();
    let two = nn::init(&key(), |cx| mlp(cx, &x)).unwrap();
    let bits = |params: &Params| values(params, "fc1/kernel");
    assert_eq!(bits(&one), bits(&two));
    assert_ne!(bits(&one), nn::init(&random::key(1), |cx| mlp(cx, &x)).map(|p| bits(&p)).unwrap());
    // Those of one shape differ from each other.
    let like = nn::init(&key(), |cx| nn::linear(&cx.at("a"), nn::linear(&cx.at("b"), &x, 3), 3));
    let like = like.unwrap();
    let [a, b] = ["a/kernel", "b/kernel"].map(|path| like.get(path).unwrap().to_vec::<f32>().unwrap());
    assert_ne!(a, b);
}

#[test]
fn state_goes_in_and_comes_out() {
    let x = Array::from(2.0f32);
    let f = |cx: &Scope| counted(&cx.at("counter"), &x);
    let (params, mut state) = nn::init_with_state(&key(), f).unwrap();
    let alone = nn::init_state(&key(), f).unwrap();
    assert!(alone.iter().map(|(path, _)| path).eq(state.iter().map(|(path, _)| path)));
    assert!(params.is_empty());
    let step = jit(|state: &State, x: &Array| {
        nn::apply((&Params::default(), state), Mode::eval(), |cx| counted(&cx.at("counter"), x))
    });
    for i in 0..3 {
        let y;
        (y, state) = step(&state, &x).unwrap();
        assert_eq!(y.item::<f32>().unwrap(), 2.0 * i as f32);
    }
    assert_eq!(state.get("counter/count").unwrap().item::<f32>().unwrap(), 3.0);
}

#[test]
fn models_go_through_every_transformation() {
    let x = inputs();
    let params = nn::init(&key(), |cx| mlp(cx, &x)).unwrap();
    let loss = |params: &Params, x: &Array| {
        Ok(jnp::sum(jnp::square(nn::apply(params, Mode::train(), |cx| mlp(cx, x))?), ..))
    };
    let plain = grad(loss)(&params, &x).unwrap();
    let kernel = |params: &Params| values(params, "fc1/kernel");
    assert!(close(&kernel(&jit(grad(loss))(&params, &x).unwrap()), &kernel(&plain)));
    assert!(close(&kernel(&grad(checkpoint(loss))(&params, &x).unwrap()), &kernel(&plain)));
    // An ensemble: parameters with a leading axis.
    let keys = random::split_with(&key(), SplitOptions::new().num(3));
    let many = vmap(|key: &Key| nn::init(key, |cx| mlp(cx, &x)))(&keys).unwrap();
    assert_eq!(many.get("fc1/kernel").unwrap().shape(), [3, 3, 8]);
    let all = vmap(|params: &Params| nn::apply(params, Mode::eval(), |cx| mlp(cx, &x)))(&many).unwrap();
    assert_eq!(all.shape(), [3, 4, 2]);
    // Inside of a loop that shares them.
    let cell = |cx: &Scope| {
        let body = |h: Array, x: Array| {
            let h = jnp::tanh(nn::linear(cx, jnp::concatenate([&h, &x], 0), 5));
            (h.clone(), h)
        };
        lax::scan(body, jnp::zeros([5]), x.clone()).map(|(_, hs)| hs)
    };
    let params = nn::init(&key(), cell).unwrap();
    assert_eq!(params.get("kernel").unwrap().shape(), [8, 5]);
    assert_eq!(nn::apply(&params, Mode::eval(), cell).unwrap().shape(), [4, 5]);
}

#[test]
fn repeated_layers_are_a_loop_over_stacked_parameters() {
    let x = inputs();
    let block = |cx: &Scope, x: Array| {
        let y = counted(&cx.at("counter"), &nn::linear(&cx.at("fc"), &x, 3));
        &x + nn::dropout(&cx.at("drop"), y, 0.5)
    };
    let deep = |cx: &Scope| nn::repeat(&cx.at("blocks"), 4, x.clone(), block);
    let (params, state) = nn::init_with_state(&key(), deep).unwrap();
    assert_eq!(params.get("blocks/fc/kernel").unwrap().shape(), [4, 3, 3]);
    let ones = State::from((*state.map_with_path(|_, x| x + 1.0)).clone());
    let (y, after) = nn::apply((&params, &ones), Mode::eval(), deep).unwrap();
    assert_eq!(values(&after, "blocks/counter/count"), [2.0; 4]);
    // The same, layer by layer.
    let mut z = x.clone();
    for i in 0..4 {
        let layer = params.at("blocks").map_with_path(|_, x| x.index(i));
        z = nn::apply((&layer, &ones.at("blocks").map_with_path(|_, x| x.index(i))), Mode::eval(), |cx| {
            block(cx, z.clone())
        })
        .unwrap()
        .0;
    }
    let (y, z) = (y.to_vec::<f32>().unwrap(), z.to_vec::<f32>().unwrap());
    assert!(close(&y, &z), "{y:?} {z:?}");
    // Each layer drops others.
    let (dropped, _) = nn::apply((&params, &ones), Mode::train().key(&key()), deep).unwrap();
    assert_ne!(dropped.to_vec::<f32>().unwrap(), y);
    // However deep, the program is one loop.
    let program = |n: usize| {
        let deep = |cx: &Scope| {
            nn::repeat(&cx.at("blocks"), n, x.clone(), |cx: &Scope, x: Array| nn::linear(cx, x, 3))
        };
        let params = nn::init(&key(), deep).unwrap();
        let apply = |params: &Params| nn::apply(params, Mode::eval(), deep);
        make_jaxpr(apply)(&params).unwrap().to_string().len()
    };
    assert!(program(64).abs_diff(program(2)) < 20);
}

#[test]
fn what_is_computed_again_has_the_same_state_and_gradient() {
    let x = inputs();
    let layer = |cx: &Scope, x: &Array| nn::gelu(counted(cx, &nn::linear(cx, x, 3)));
    let plain = |cx: &Scope| layer(&cx.at("a"), &x);
    let again = |cx: &Scope| nn::remat(&cx.at("a"), &x, layer);
    let (params, state) = nn::init_with_state(&key(), plain).unwrap();
    let ones = state.map_with_path(|_, x| x + 1.0);
    let gradient = |f: &(dyn Fn(&Scope) -> Array + Send + Sync)| {
        let loss = |params: &Params| {
            let (y, state) = nn::apply((params, &ones), Mode::train(), f)?;
            Ok((jnp::sum(y, ..), state))
        };
        grad_with(loss, GradOptions::new().has_aux())(&params).unwrap()
    };
    let ((a, s), (b, t)) = (gradient(&plain), gradient(&again));
    assert!(close(&values(&a, "a/kernel"), &values(&b, "a/kernel")));
    for state in [s, t] {
        assert_eq!(state.get("a/count").unwrap().item::<f32>().unwrap(), 2.0);
    }
}

#[test]
fn dropout_drops_by_its_key_and_only_while_training() {
    let x = jnp::ones([64, 64]);
    let f = |cx: &Scope| nn::dropout(&cx.at("drop"), &x, 0.25);
    let run = |mode: Mode| nn::apply(&Params::default(), mode, f).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(run(Mode::eval()), vec![1.0; 4096]);
    let dropped = run(Mode::train().key(&key()));
    let kept = dropped.iter().filter(|x| **x != 0.0).count();
    assert!(dropped.iter().all(|x| *x == 0.0 || (*x - 4.0 / 3.0).abs() < 1e-6));
    assert!((2900..3250).contains(&kept), "{kept}");
    assert_eq!(dropped, run(Mode::train().key(&key())));
    assert_ne!(dropped, run(Mode::train().key(&random::key(1))));
    let rows = |cx: &Scope| nn::dropout_with(cx, &x, 0.5, DropoutOptions::new().broadcast_dims(-1));
    let rows = nn::apply(&Params::default(), Mode::train().key(&key()), rows).unwrap();
    for row in rows.to_vec::<f32>().unwrap().chunks(64) {
        assert!(row.iter().all(|x| *x == row[0]));
    }
}

#[test]
fn one_policy_makes_a_model_compute_in_another_precision() {
    let x = inputs();
    let params = nn::init(&key(), |cx| mlp(cx, &x)).unwrap();
    let seen = |cx: &Scope| {
        let y = nn::linear(&cx.at("fc1"), &x, 8);
        assert_eq!(y.dtype(), DType::BF16);
        nn::linear(&cx.at("fc2"), nn::layer_norm_with(cx, y, plain_norm()), 2)
    };
    let mode = || Mode::train().policy(Policy::mixed(DType::BF16));
    assert_eq!(nn::apply(&params, mode(), seen).unwrap().dtype(), DType::F32);
    let loss = |params: &Params| Ok(jnp::sum(nn::apply(params, mode(), seen)?, ..));
    // Parameters and gradients stay what they are.
    assert_eq!(grad(loss)(&params).unwrap().get("fc1/kernel").unwrap().dtype(), DType::F32);
}

fn plain_norm() -> nn::LayerNormOptions {
    nn::LayerNormOptions::new().use_bias(false).use_scale(false)
}

#[test]
fn freezing_replacing_and_looking_at_parameters_are_a_line_each() {
    let x = inputs();
    let params = nn::init(&key(), |cx| mlp(cx, &x)).unwrap();
    let (head, body) = params.split(|path| path.starts_with("fc2/"));
    let loss = |head: &Params| {
        Ok(jnp::sum(nn::apply(&body.clone().merged(head), Mode::train(), |cx| mlp(cx, &x))?, ..))
    };
    assert_eq!(paths(&grad(loss)(&head).unwrap()), ["fc2/bias", "fc2/kernel"]);
    let other = nn::init(&random::key(7), |cx| mlp(cx, &x)).unwrap();
    let (new_head, _) = other.split(|path| path.starts_with("fc2/"));
    let replaced = params.clone().merged(&new_head);
    assert_eq!(values(&replaced, "fc1/kernel"), values(&params, "fc1/kernel"));
    assert_ne!(values(&replaced, "fc2/kernel"), values(&params, "fc2/kernel"));
    let decayed = params.map_with_path(|path, x| if path.ends_with("kernel") { x * 0.0 } else { x + 1.0 });
    assert_eq!(values(&decayed, "fc1/bias"), [1.0; 8]);
    assert_eq!(values(&decayed, "fc1/kernel"), [0.0; 24]);
}

#[test]
fn a_table_shows_what_a_model_consists_of() {
    let x = inputs();
    let table = nn::tabulate(|cx| {
        counted(&cx.at("counter"), &mlp(cx, &x));
    });
    let table = table.unwrap();
    assert_eq!(table.parameter_count(), 3 * 8 + 8 + 8 * 2 + 2);
    let expected = "\
fc1/kernel     f32[3,8]          24
fc1/bias       f32[8]             8
fc2/kernel     f32[8,2]          16
fc2/bias       f32[2]             2
counter/count  f32[]              1  state
50 parameters";
    assert_eq!(table.to_string(), expected);
}

/// What the message begins with, and that it names a line of this file.
fn fails<T: std::fmt::Debug>(result: Result<T>, message: &str) {
    let e = result.unwrap_err();
    assert!(e.message().starts_with(message), "{}", e.message());
    assert!(e.location().is_some_and(|loc| loc.file().ends_with("models.rs")), "{e:?}");
}

#[test]
fn mistakes_name_the_parameter_and_the_line() {
    let x = inputs();
    let params = nn::init(&key(), |cx| mlp(cx, &x)).unwrap();
    let twice = |cx: &Scope| nn::linear(&cx.at("fc"), nn::linear(&cx.at("fc"), &x, 3), 3);
    fails(
        nn::init(&key(), twice),
        "two layers are named fc: fc/kernel was asked for at tests/suite/models.rs:",
    );
    fails(
        nn::apply(&Params::default(), Mode::eval(), |cx| mlp(cx, &x)),
        "fc1/kernel, f32[3,8], is not among the parameters: there are none",
    );
    fails(
        nn::apply(&params, Mode::eval(), |cx| mlp(cx, &jnp::ones([2, 5]))),
        "fc1/kernel is f32[3,8], and the model asks for f32[5,8]: did the shape of an input change since init?",
    );
    fails(
        nn::apply(&params, Mode::eval(), |cx| nn::linear(&cx.at("fc1"), &x, 8)),
        "parameters that the model does not read: fc2/bias, fc2/kernel",
    );
    nn::apply(&params, Mode::eval().allow_unused(), |cx| nn::linear(&cx.at("fc1"), &x, 8)).unwrap();
    fails(
        nn::apply(&Params::default(), Mode::eval(), |cx| counted(&cx.at("c"), &x)),
        "c keeps state (count), and the model was applied without: apply((&params, &state), ..)",
    );
    fails(nn::init(&key(), |cx| counted(cx, &x)), "the model has state (count): call init_with_state");
    fails(
        nn::apply(&Params::default(), Mode::train(), |cx| nn::dropout(&cx.at("drop"), &x, 0.5)),
        "drop is random and the model was applied without a key: `Mode::train().key(&key)`",
    );
    fails(
        nn::apply(&Params::default(), Mode::eval(), |cx| cx.set_state("count", &x)),
        "set_state: count was not asked for before: read it by `state`",
    );
    let wrong = |cx: &Scope| {
        cx.state("count", (), initializers::zeros());
        cx.set_state("count", &x);
    };
    fails(nn::init_with_state(&key(), wrong), "set_state: count is f32[], got f32[4,3]");
    let flat = |cx: &Scope| cx.param("w", [3], initializers::lecun_normal());
    fails(nn::init(&key(), flat), "can't compute input and output sizes of a 1-dimensional weights tensor");
}
