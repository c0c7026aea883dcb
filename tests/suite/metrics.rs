//! `metrics`: what Flax and NumPy give (`tests/oracle/metrics.py`), in every place, and what goes wrong.

use crate::quickly;
use raxla::metrics::*;
use raxla::prelude::*;
use raxla::{lax, numpy as jnp};
use serde_json::Value;

fn array(x: &Value) -> Array {
    let shape: Vec<usize> =
        x["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let number = |x: &Value| match x {
        Value::Null => f64::NAN,
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::String(s) => s.parse().unwrap(),
        x => x.as_f64().unwrap(),
    };
    let data: Vec<f64> = x["data"].as_array().unwrap().iter().map(number).collect();
    match x["dtype"].as_str().unwrap() {
        "float32" => Array::from_slice(&data.iter().map(|x| *x as f32).collect::<Vec<_>>(), shape),
        "int32" => Array::from_slice(&data.iter().map(|x| *x as i32).collect::<Vec<_>>(), shape),
        "bool" => Array::from_slice(&data.iter().map(|x| *x != 0.0).collect::<Vec<_>>(), shape),
        other => panic!("{other}"),
    }
}

fn list(x: &Value) -> Vec<Vec<Array>> {
    let inner = |x: &Value| x.as_array().unwrap().iter().map(array).collect();
    x.as_array().unwrap().iter().map(inner).collect()
}

fn numbers(x: &Array) -> Vec<f32> {
    x.astype(DType::F32).to_vec().unwrap()
}

#[track_caller]
fn agree(ours: &[Array], theirs: &[Array], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (x, y) in ours.iter().zip(theirs) {
        assert_eq!((x.shape(), x.dtype()), (y.shape(), y.dtype()), "{what}");
        for (x, y) in numbers(x).into_iter().zip(numbers(y)) {
            let same = x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= tolerance * y.abs().max(1.0);
            assert!(same, "{what}: {x}, expected {y}");
        }
    }
}

/// Eagerly, under `jit`, by merging what each batch gives, and, where batches are alike, in a `scan` and by `vmap` and `reduce`.
fn gives<M: Metric + Sync>(
    case: &Value,
    empty: M,
    update: fn(&M, &[Array]) -> M,
    values: fn(&M) -> Vec<Array>,
) {
    let name = case["case"].as_str().unwrap();
    let (batches, expected) = (list(&case["batches"]), list(&case["values"]));
    let check = |metric: &M, at: usize, how: &str| {
        agree(&values(metric), &expected[at], 1e-6, &format!("{name}, {how}, after {at} batches"));
    };
    let (mut eager, mut jitted, mut merged) = (empty.clone(), empty.clone(), empty.clone());
    let step = jit(move |metric: &M, batch: &Vec<Array>| update(metric, batch));
    for (i, batch) in batches.iter().enumerate() {
        check(&eager, i, "eagerly");
        eager = update(&eager, batch);
        jitted = step(&jitted, batch).unwrap();
        check(&jitted, i + 1, "jitted");
        merged = merged.merge(&update(&empty, batch)).merge(&empty);
        check(&merged, i + 1, "merged");
    }
    check(&eager, batches.len(), "eagerly");
    check(&eager.reset(), 0, "reset");
    if batches.iter().all(|batch| batch.iter().zip(&batches[0]).all(|(x, y)| x.aval() == y.aval())) {
        let columns = 0..batches[0].len();
        let stack =
            |i: usize| jnp::stack(batches.iter().map(|batch| batch[i].clone()).collect::<Vec<_>>(), 0);
        let stacked: Vec<Array> = columns.map(stack).collect();
        let (scanned, _) = lax::scan(
            |metric: M, batch: Vec<Array>| (update(&metric, &batch), ()),
            empty.clone(),
            stacked.clone(),
        )
        .unwrap();
        check(&scanned, batches.len(), "scanned");
        let each = vmap(|batch: &Vec<Array>| update(&empty, batch))(&stacked).unwrap();
        check(&each.reduce().unwrap(), batches.len(), "reduced");
    }
}

#[test]
fn values_are_those_of_flax_and_numpy() {
    quickly(|| {
        let path = format!("{}/tests/fixtures/metrics.json", env!("CARGO_MANIFEST_DIR"));
        let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(cases.len(), 12);
        for case in &cases {
            let confusion =
                |m: &ConfusionMatrix| vec![m.compute(), m.precision(), m.recall(), m.f1(), m.accuracy()];
            match case["case"].as_str().unwrap() {
                name if name.starts_with("average") => {
                    gives(case, Average::empty(), |m, b| m.update(&b[0]), |m| vec![m.compute()]);
                }
                name if name.starts_with("welford") => gives(
                    case,
                    Welford::empty(),
                    |m, b| m.update(&b[0]),
                    |m| {
                        let Statistics { mean, standard_error_of_mean, standard_deviation, .. } = m.compute();
                        vec![mean, standard_error_of_mean, standard_deviation]
                    },
                ),
                "accuracy by a threshold" => {
                    let by = |m: &Accuracy, b: &[Array]| {
                        m.update_with(&b[0], &b[1], ClassificationOptions::new().threshold(0.5))
                    };
                    gives(case, Accuracy::empty(), by, |m| vec![m.compute()]);
                }
                name if name.starts_with("accuracy") => {
                    gives(case, Accuracy::empty(), |m, b| m.update(&b[0], &b[1]), |m| vec![m.compute()]);
                }
                "max" => gives(case, Max::empty(), |m, b| m.update(&b[0]), |m| vec![m.compute()]),
                "min" => gives(case, Min::empty(), |m, b| m.update(&b[0]), |m| vec![m.compute()]),
                "confusion matrix" => {
                    gives(case, ConfusionMatrix::new(4), |m, b| m.update(&b[0], &b[1]), confusion);
                }
                "confusion matrix of padded labels" => {
                    gives(case, ConfusionMatrix::new(3), |m, b| m.update(&b[0], &b[1]), confusion);
                }
                other => panic!("no metric for the case {other}"),
            }
        }
    });
}

#[test]
fn what_a_mask_leaves_out_does_not_count() {
    let x = Array::from([[1.0f32, 5.0], [f32::NAN, 3.0], [2.0, f32::INFINITY]]);
    let mask = jnp::isfinite(&x);
    let (kept, options) = (Array::from([1.0f32, 5.0, 3.0, 2.0]), UpdateOptions::new().where_(&mask));
    let number = |x: Array| x.item::<f32>().unwrap();
    let average = Average::empty().update_with(&x, options.clone());
    assert_eq!(number(average.compute()), number(Average::empty().update(&kept).compute()));
    let (ours, theirs) = (
        Welford::empty().update_with(&x, options.clone()).compute(),
        Welford::empty().update(&kept).compute(),
    );
    assert_eq!(number(ours.standard_deviation), number(theirs.standard_deviation));
    assert_eq!(number(Max::empty().update_with(&x, options.clone()).compute()), 5.0);
    assert_eq!(number(Min::empty().update_with(&x, options).compute()), 1.0);
    // A batch of which nothing counts changes nothing.
    let nothing = UpdateOptions::new().where_(Array::from(false));
    let seen = Welford::empty().update(&kept);
    let same = seen.update_with(&x, nothing.clone()).compute();
    assert_eq!(number(same.mean), number(seen.compute().mean));
    assert!(number(Average::empty().update_with(&x, nothing).compute()).is_nan());
    // Of a batch that was filled up.
    let logits = Array::from([[1.0f32, 0.0], [0.0, 1.0], [0.0, 0.0]]);
    let real = ClassificationOptions::new().where_(Array::from([true, true, false]));
    let seen = Accuracy::empty().update_with(&logits, Array::from([0, 0, 0]), real);
    assert_eq!(number(seen.compute()), 0.5);
}

#[test]
fn sixteen_bit_numbers_are_summed_in_32() {
    let x = jnp::full(([1000], DType::BF16), 1.0);
    assert_eq!(
        Average::empty().update(&x).update(Array::from(0.0f32)).compute().item::<f32>().unwrap(),
        1000.0 / 1001.0
    );
}

#[derive(Pytree, Metric, Clone)]
struct Evaluation {
    loss: Average,
    noise: Welford,
    confusion: ConfusionMatrix,
}

impl Evaluation {
    fn of(classes: usize) -> Self {
        let confusion = ConfusionMatrix::new(classes);
        Evaluation { loss: Average::empty(), noise: Welford::empty(), confusion }
    }
    fn update(&self, x: &Array) -> Self {
        let class = jnp::greater(x, 0.5).astype(DType::I32);
        Evaluation {
            loss: self.loss.update(x),
            noise: self.noise.update(x),
            confusion: self.confusion.update(&class, &class),
        }
    }
}

#[test]
fn a_struct_of_metrics_is_one() {
    let (x, y) = (Array::from([0.25f32, 0.75]), Array::from([0.5f32, 2.5]));
    let seen = Evaluation::of(2).update(&x).merge(&Evaluation::of(2).update(&y));
    let values = seen.compute();
    let names: Vec<String> =
        tree::leaves_with_path(&values).iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(values.keys().collect::<Vec<_>>(), ["confusion", "loss", "noise"]);
    assert_eq!(names.len(), 5, "{names:?}");
    assert_eq!(values["loss"].to::<Array>().unwrap().item::<f32>().unwrap(), 1.0);
    assert_eq!(values["confusion"].to::<Array>().unwrap().to_vec::<i32>().unwrap(), [2, 0, 0, 2]);
    assert!(seen.reset().loss.compute().item::<f32>().unwrap().is_nan());
    // In and out of a jitted step, whose result is the same type.
    let step = jit(|seen: Evaluation, x: &Array| seen.update(x));
    let seen = step(step(Evaluation::of(2), &x).unwrap(), &y).unwrap();
    assert_eq!(seen.loss.compute().item::<f32>().unwrap(), 1.0);
    assert_eq!(step.cache_stats().traces, 1);
}

#[track_caller]
fn refused<T>(kind: ErrorKind, f: impl Fn() -> T, message: &str) {
    let e = raxla::try_(&f).map(|_| ()).unwrap_err();
    assert_eq!((e.kind(), e.message()), (kind, message));
    assert!(e.location().is_some_and(|at| at.file().ends_with("suite/metrics.rs")), "{e}");
}

#[test]
fn metrics_of_different_shapes_are_not_merged() {
    use ErrorKind::Shape;
    refused(
        Shape,
        || ConfusionMatrix::new(2).merge(&ConfusionMatrix::new(3)),
        "ConfusionMatrix::merge: the trees differ in shape at counts: i32[2,2], and i32[3,3]",
    );
    refused(
        Shape,
        || Evaluation::of(2).merge(&Evaluation::of(3)),
        "Evaluation::merge: the trees differ in shape at confusion.counts: i32[2,2], and i32[3,3]",
    );
    let stack = vmap(|x: &Array| Average::empty().update(x))(&jnp::zeros([4, 2])).unwrap();
    refused(
        Shape,
        || stack.merge(&Average::empty()),
        "Average::merge: the trees differ in shape at total: f32[4], and f32[]",
    );
    refused(
        Shape,
        || stack.update(Array::from(1.0f32)),
        "Average::merge: the trees differ in shape at total: f32[4], and f32[]",
    );
    let alone = Average::empty().reduce().map(|_| ()).unwrap_err();
    assert_eq!(alone.message(), "reduce: requires a stack of metrics, and total is f32[]");
}

#[test]
fn what_a_metric_does_not_take_is_refused() {
    use ErrorKind::{DType as Type, InvalidArgument, Shape};
    let logits = jnp::zeros([8, 10]);
    let labels = |n: usize| jnp::zeros(([n], DType::I32));
    refused(
        Shape,
        || Accuracy::empty().update(&logits, labels(7)),
        "Accuracy::update: requires a label for each row of logits, got i32[7] for f32[8,10]",
    );
    refused(
        Shape,
        || Accuracy::empty().update_with(&logits, labels(8), ClassificationOptions::new().threshold(0.5)),
        "Accuracy::update: requires a label for each logit, got i32[8] for f32[8,10]",
    );
    refused(
        Type,
        || Accuracy::empty().update(&logits, jnp::zeros([8])),
        "Accuracy::update: requires labels of an integer dtype, got f32[8]",
    );
    refused(
        Shape,
        || Accuracy::empty().update(Array::from(1.0f32), Array::from(1)),
        "Accuracy::update: logits f32[] have no axis of classes",
    );
    refused(
        Shape,
        || ConfusionMatrix::new(3).update(labels(8), labels(7)),
        "ConfusionMatrix::update: predictions and labels differ in shape: i32[8], and i32[7]",
    );
    refused(
        Type,
        || ConfusionMatrix::new(3).update(jnp::zeros([8]), labels(8)),
        "ConfusionMatrix::update: requires predictions of an integer dtype, got f32[8]",
    );
    refused(
        InvalidArgument,
        || ConfusionMatrix::new(0),
        "ConfusionMatrix::new: classes = 0: requires 1 to 46340",
    );
    refused(
        Type,
        || Average::empty().update(jnp::zeros(([2], DType::C64))),
        "Average::update: requires real numbers, got c64[2]",
    );
}
