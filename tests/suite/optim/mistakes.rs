//! What goes wrong, and that it is said at the user's line.

use raxla::nn::Params;
use raxla::optim;
use raxla::prelude::*;

pub fn fails<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, message: &str) {
    let e = result.unwrap_err();
    assert!(e.message().starts_with(message), "{}", e.message());
    assert_eq!(e.kind(), kind, "{e}");
    assert!(e.location().is_some_and(|loc| loc.file().ends_with("mistakes.rs")), "{e:?}");
}

fn pair() -> (Array, Array) {
    (Array::from([1.0f32, 2.0]), Array::from([[3.0f32]]))
}

#[test]
fn numbers_that_are_no_rates_are_refused() {
    use ErrorKind::InvalidArgument;
    let refused = |f: fn() -> optim::GradientTransformation, message: &str| {
        fails(raxla::try_(f), InvalidArgument, message);
    };
    refused(
        || optim::adam(-1e-3),
        "scale_by_learning_rate: learning_rate = -0.001 is negative: an optimiser goes against the gradient by itself",
    );
    refused(|| optim::sgd(f64::NAN), "scale_by_learning_rate: learning_rate = NaN is not finite");
    refused(|| optim::clip_by_global_norm(-1.0), "clip_by_global_norm: max_norm = -1 is negative");
    refused(|| optim::apply_every(0), "apply_every: k = 0: requires at least 1");
    refused(
        || optim::named_chain([("a", optim::sgd(0.1)), ("a", optim::sgd(0.2))]),
        "named_chain: two transformations are named a",
    );
    refused(
        || optim::partition([("a", optim::sgd(0.1)), ("a", optim::sgd(0.2))], |_, _| "a".to_owned()),
        "partition: two transformations are for the label a",
    );
}

#[test]
fn schedules_that_cannot_be_are_refused() {
    use ErrorKind::InvalidArgument;
    let refused = |f: fn() -> optim::Schedule, message: &str| fails(raxla::try_(f), InvalidArgument, message);
    refused(
        || optim::linear_schedule(1.0, 0.0, 0),
        "linear_schedule: transition_steps = 0: requires at least 1",
    );
    refused(
        || optim::cosine_decay_schedule(1.0, -5),
        "cosine_decay_schedule: decay_steps = -5: requires at least 1",
    );
    refused(
        || optim::warmup_cosine_decay_schedule(0.0, 1.0, 20, 10),
        "warmup_cosine_decay_schedule: decay_steps = 10 with warmup_steps = 20: requires more",
    );
    refused(
        || optim::piecewise_constant_schedule(1.0, [(10, -1.0)]),
        "piecewise_constant_schedule: expects non-negative scale factors, got -1 at 10",
    );
    refused(
        || optim::join_schedules([optim::constant_schedule(1.0)], [3]),
        "join_schedules: 1 schedules have 0 boundaries, got 1",
    );
    refused(
        || optim::exponential_decay(1.0, 3, 0.0),
        "exponential_decay: decay_rate = 0: requires a positive number",
    );
}

#[test]
fn a_schedule_asked_beyond_its_end_stays_there() {
    let rate = optim::linear_schedule(1.0, 0.25, 4);
    let at = |step: i32| rate.at(step).item::<f32>().unwrap();
    assert_eq!((at(-3), at(4), at(5), at(i32::MAX)), (1.0, 0.25, 0.25, 0.25));
}

#[test]
fn trees_that_do_not_fit_are_named() {
    let params = pair();
    let tx = optim::adam(0.1);
    let state = tx.init(&params).unwrap();
    let grads = (Array::from([1.0f32, 2.0, 3.0]), params.1.clone());
    fails(
        tx.update(&grads, &state, &params),
        ErrorKind::Shape,
        "the gradients and the parameters: the trees differ in shape at 0: f32[3], and f32[2]",
    );
    let (mut some, mut other) = (Params::default(), Params::default());
    some.set("fc1/kernel", params.0.clone()).unwrap();
    other.set("fc2/kernel", params.0.clone()).unwrap();
    fails(
        tx.update(&some, &tx.init(&other).unwrap(), &other),
        ErrorKind::TreeMismatch,
        r#"the gradients and the parameters: the trees differ in structure at the root: the key "fc1", and the key "fc2""#,
    );
    fails(
        tx.update(&params, &optim::sgd(0.1).init(&params).unwrap(), &params),
        ErrorKind::TreeMismatch,
        "chain: scale_by_adam: tree::unflatten: expected ScaleByAdamState at the root, got ()",
    );
    let one = optim::chain([optim::sgd(0.1)]);
    fails(
        tx.update(&params, &one.init(&params).unwrap(), &params),
        ErrorKind::TreeMismatch,
        "chain: a state of 1 transformations, and 2 transformations: was it made by init of this one?",
    );
    let of_others = tx.init(&(params.0.clone(), params.0.clone(), params.0.clone())).unwrap();
    fails(
        tx.update(&params, &of_others, &params),
        ErrorKind::TreeMismatch,
        "chain: scale_by_adam: tree::map2: the trees differ in structure",
    );
    // In a compiled step as well.
    let step = jit(move |params: &(Array, Array)| -> Result<(Array, Array)> {
        Ok(optim::adam(0.1).update(params, &optim::sgd(0.1).init(params)?, params)?.0)
    });
    fails(step(&params), ErrorKind::TreeMismatch, "chain: scale_by_adam: tree::unflatten: expected");
}

#[test]
fn labels_without_a_transformation_are_named() {
    let tx = optim::partition([("kernel", optim::sgd(0.1))], |path, _| path.to_owned());
    fails(
        tx.init(&pair()),
        ErrorKind::InvalidArgument,
        "partition: 0 has the label 0, for which there is no transformation: there are kernel",
    );
}

#[test]
fn parts_of_a_state_are_found_by_path_and_by_name() {
    let mut params = Params::default();
    params.set("fc1/kernel", Array::from([1.0f32, 2.0])).unwrap();
    let tx = optim::chain((optim::clip(1.0), optim::scale_by_adam(), optim::sgd(0.1)));
    let state = tx.init(&params).unwrap();
    let at = |path: &str| state.get(path).map(|part| part.leaves().to_vec());
    assert_eq!(at(r#"1.mu["fc1"]["kernel"]"#).unwrap()[0].shape(), [2]);
    assert_eq!(at("1.count").unwrap()[0].dtype(), DType::I32);
    assert!(at("1.sigma").is_none());
    let mu: Params = state.find("mu").unwrap().to().unwrap();
    assert_eq!(mu.get("fc1/kernel").unwrap().shape(), [2]);
    let later = state.with("count", &Array::from(7i32)).unwrap();
    assert_eq!(later.get("1.count").unwrap().leaves()[0].item::<i32>().unwrap(), 7);
    let twice = optim::chain((optim::scale_by_adam(), optim::scale_by_adam())).init(&params).unwrap();
    let e = twice.find("count").unwrap_err();
    assert_eq!(e.message(), "several parts of the tree are named count: 0.count, 1.count");
    assert!(
        state
            .find("sigma")
            .unwrap_err()
            .message()
            .starts_with("nothing in the tree is named sigma: PyTreeDef(")
    );
    let e = state.with("mu", &Array::from(0.0)).unwrap_err();
    assert!(e.message().starts_with("with mu: the trees differ in structure"), "{e}");
}
