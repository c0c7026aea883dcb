//! Algorithms by the names that `optim_functions.jsonl` has: what `functions.rs` compares besides functions of trees.

use raxla::optim::{self, *};
use raxla::prelude::*;
use raxla::{lax, nn, numpy as jnp};

use super::functions::{Function, Pair, both, key, pair};

fn inverse_root(x: &[Array], p: usize) -> Vec<Array> {
    both(matrix_inverse_pth_root(&x[0], p))
}

type Parts = (Array, Pair, Array);

fn microbatched(x: &[Array], options: MicrobatchOptions) -> Vec<Array> {
    let f = |x: Array| -> Parts {
        let sums = (jnp::sum(3.0 * &x, ..), jnp::sum(jnp::square(&x), 0));
        (&x + 1.0, sums, x.max(..))
    };
    let (a, (b, c), d) = microbatch_with(f, 2, options)(&x[0]).unwrap();
    vec![a, b, c, d]
}

fn accumulated(x: &[Array], accumulator: impl Into<Accumulations>) -> Vec<Array> {
    microbatched(x, MicrobatchOptions::new().accumulator(accumulator))
}

/// The loss of a small model, whose inputs and targets are the last two arrays.
fn model_loss(x: &[Array]) -> impl Fn(&Pair) -> Array + Send + Sync + use<> {
    let (inputs, targets) = (x[2].clone(), x[3].clone());
    move |(w, b)| jnp::mean(jnp::square(jnp::tanh(jnp::matmul(&inputs, w) + b) - &targets), ..)
}

/// A smooth function, and the first and second derivatives of its square.
fn with_derivatives(smooth: impl Fn(&Key, &Array) -> Result<Array> + Send + Sync, x: &Array) -> Vec<Array> {
    let square = |x: &Array| -> Result<Array> { Ok(jnp::sum(jnp::square(smooth(&key(), x)?), ..)) };
    vec![smooth(&key(), x).unwrap(), grad(square)(x).unwrap(), hessian(square)(x).unwrap()]
}

fn fenchel_young(x: &Array, targets: &Array) -> Result<Array> {
    make_fenchel_young_loss(|x: &Array| nn::logsumexp(x, ..))(x, targets)
}

pub const ALGORITHMS: &[(&str, Function)] = &[
    ("power_iteration", |x| both(power_iteration(&x[0]))),
    ("power_iteration v0", |x| {
        both(power_iteration_with(&x[0], PowerIterationOptions::new().v0(&x[1]).num_iters(7)))
    }),
    ("power_iteration key", |x| {
        both(power_iteration_with(&x[0], PowerIterationOptions::new().key(key()).error_tolerance(1e-3)))
    }),
    ("power_iteration_of", |x| {
        let product = |(a, b): Pair| (2.0 * &a + jnp::sum(&b, ..), a + 3.0 * b);
        let (value, vector) =
            power_iteration_of_with(product, pair(x), PowerIterationOptions::new().num_iters(20)).unwrap();
        vec![value, vector.0, vector.1]
    }),
    ("matrix_inverse_pth_root 1", |x| inverse_root(x, 1)),
    ("matrix_inverse_pth_root 2", |x| inverse_root(x, 2)),
    ("matrix_inverse_pth_root 4", |x| inverse_root(x, 4)),
    ("matrix_inverse_pth_root 8", |x| inverse_root(x, 8)),
    ("matrix_inverse_pth_root scalar", |x| inverse_root(x, 3)[..1].to_vec()),
    ("nnls", |x| vec![nnls(&x[0], &x[1], 200)]),
    ("nnls matrix", |x| vec![nnls_with(&x[0], &x[1], 20, NnlsOptions::new().unroll(3))]),
    ("nnls bound", |x| vec![nnls_with(&x[0], &x[1], 20, NnlsOptions::new().bound(30.0))]),
    ("nnls zero", |x| vec![nnls(0.0 * &x[0], &x[1], 3)]),
    ("multi_normal", |x| {
        let normal = multi_normal(&x[0], &x[1]);
        vec![normal.sample([3], &key()), normal.log_prob(&x[2])]
    }),
    ("microbatch sum", |x| accumulated(x, Accumulation::Sum)),
    ("microbatch mean", |x| accumulated(x, Accumulation::Mean)),
    ("microbatch parts", |x| {
        use Accumulation::*;
        accumulated(x, (Concat, (RunningMean, Concat), Concat))
    }),
    ("microbatch axis", |x| {
        use Accumulation::*;
        microbatched(x, MicrobatchOptions::new().accumulator((Concat, Sum, Mean)).in_axes(1))
    }),
    ("microbatch some", |x| {
        use Accumulation::*;
        let options = MicrobatchOptions::new().accumulator((Sum, RunningMean, Concat));
        microbatched(x, options.num_real_microbatches(2))
    }),
    ("microbatch grad", |x| {
        // The parameters that the fixture's script has there.
        let w = jnp::transpose(lax::slice_in_dim(&x[1], 0..4, 1), ..);
        let batch = &x[0];
        let loss = |w: &Array| -> Result<Array> {
            let part = |x: Array| jnp::sum(jnp::square(jnp::tanh(jnp::matmul(x, w))), ..);
            microbatch(part, 3)(batch)
        };
        both(value_and_grad(loss)(&w).unwrap())
    }),
    ("make_fenchel_young_loss", |x| {
        let weights = jnp::arange(3) + 1.0;
        let loss = |s: &Array| -> Result<Array> { Ok(jnp::sum(fenchel_young(s, &x[1])? * &weights, ..)) };
        both(value_and_grad(loss)(&x[0]).unwrap())
    }),
    ("make_fenchel_young_loss vector", |x| vec![fenchel_young(&x[0], &x[1]).unwrap()]),
    ("hvp", |x| both(hvp(model_loss(x), jnp::linspace(-1.0f32, 1.0f32, 15), &pair(x)).unwrap())),
    ("hessian_diag", |x| vec![hessian_diag(model_loss(x), &pair(x)).unwrap()]),
    ("fisher_diag", |x| vec![fisher_diag(model_loss(x), &pair(x)).unwrap()]),
    ("hungarian_algorithm 1 1", |x| both(hungarian_algorithm(&x[0]))),
    ("hungarian_algorithm 4 4", |x| both(hungarian_algorithm(&x[0]))),
    ("hungarian_algorithm 3 7", |x| both(hungarian_algorithm(&x[0]))),
    ("hungarian_algorithm 9 5", |x| both(hungarian_algorithm(&x[0]))),
    ("hungarian_algorithm 12 12", |x| both(jit(hungarian_of)(&x[0]).unwrap())),
    ("hungarian_algorithm vmap", |x| both(vmap(hungarian_of)(&x[0]).unwrap())),
    ("base_hungarian_algorithm 1 1", |x| both(base_hungarian_algorithm(&x[0]))),
    ("base_hungarian_algorithm 4 4", |x| both(base_hungarian_algorithm(&x[0]))),
    ("base_hungarian_algorithm 3 7", |x| both(base_hungarian_algorithm(&x[0]))),
    ("base_hungarian_algorithm 9 5", |x| both(base_hungarian_algorithm(&x[0]))),
    ("base_hungarian_algorithm 12 12", |x| both(jit(base_hungarian_of)(&x[0]).unwrap())),
    ("base_hungarian_algorithm vmap", |x| both(vmap(base_hungarian_of)(&x[0]).unwrap())),
    ("make_perturbed_fun", |x| {
        let f = |x: &Array| jnp::equal(jnp::arange(4), jnp::argmax(x, 0)).astype(DType::F32);
        with_derivatives(
            make_perturbed_fun_with(f, PerturbedOptions::new().num_samples(60).sigma(0.7)),
            &x[0],
        )
    }),
    ("make_perturbed_fun normal", |x| {
        let options = PerturbedOptions::new().num_samples(40).sigma(1.5).noise(Noise::Normal);
        let f = |x: &Array| jnp::sum(jnp::sign(x), ..);
        with_derivatives(make_perturbed_fun_with(f, options.use_baseline(false)), &x[0])
    }),
    ("make_perturbed_fun default", |x| {
        vec![make_perturbed_fun(|x: &Array| jnp::sum(x, ..))(&key(), &x[0]).unwrap()]
    }),
    ("make_perturbed_fun tree", |x| {
        let f = |(x, v): &Pair| (jnp::max(x, 0), jnp::sum(v, ..));
        let smooth = make_perturbed_fun_with(f, PerturbedOptions::new().num_samples(30).sigma(0.5));
        both(smooth(&key(), &pair(x)).unwrap())
    }),
];

fn hungarian_of(costs: &Array) -> Pair {
    hungarian_algorithm(costs)
}

fn base_hungarian_of(costs: &Array) -> Pair {
    base_hungarian_algorithm(costs)
}

fn said<T: std::fmt::Debug>(f: impl FnOnce() -> Result<T>, kind: ErrorKind, message: &str) {
    let e = f().unwrap_err();
    assert!(e.message().starts_with(message), "{}", e.message());
    assert_eq!(e.kind(), kind, "{e}");
    assert!(e.location().is_some_and(|loc| loc.file().ends_with("algorithms.rs")), "{e:?}");
}

#[test]
fn operands_of_other_shapes_are_refused() {
    use ErrorKind::{DType as Dtype, InvalidArgument, Shape, TreeMismatch};
    let (a, b) = (jnp::zeros([2, 3]), jnp::zeros(5));
    let wide = "requires a square matrix of floats, got f32[2,3]";
    said(|| raxla::try_(|| power_iteration(&a)), Shape, &format!("power_iteration: {wide}"));
    said(
        || raxla::try_(|| matrix_inverse_pth_root(&a, 2)),
        Shape,
        &format!("matrix_inverse_pth_root: {wide}"),
    );
    said(
        || raxla::try_(|| matrix_inverse_pth_root(jnp::eye(2), 0)),
        InvalidArgument,
        "matrix_inverse_pth_root: p = 0: requires at least 1",
    );
    said(
        || raxla::try_(|| nnls(&a, &b, 3)),
        Shape,
        "nnls: requires a matrix and as many values as it has rows, got f32[2,3] and f32[5]",
    );
    said(
        || raxla::try_(|| unitwise_clip(&b, jnp::zeros(1), &b)),
        Shape,
        "unitwise_clip: requires norms and gradients of one shape, got f32[5], f32[1] and f32[5]",
    );
    said(
        || raxla::try_(|| hungarian_algorithm(&b)),
        Shape,
        "hungarian_algorithm: requires a matrix of real costs, got f32[5]",
    );
    said(
        || hvp(|x: &Array| jnp::sum(x, ..), &b, &a),
        Shape,
        "hvp: requires a vector with an element for each of the 6 of the parameters, got f32[5]",
    );
    said(
        || fenchel_young(&jnp::zeros(()), &b),
        Shape,
        "fenchel_young_loss: requires scores with an axis, got f32[]",
    );
    let of = |accumulator: Accumulations, size: usize| {
        let options = MicrobatchOptions::new().accumulator(accumulator);
        microbatch_with(|x: Array| jnp::sum(x, ..).astype(DType::I32), size, options)
    };
    said(
        || of(Accumulation::Sum.into(), 2)(&b),
        Shape,
        "microbatch: a batch of 5 is not divided by microbatch_size = 2",
    );
    said(|| of(Accumulation::Mean.into(), 5)(&b), Dtype, "microbatch: requires floats for Mean, got i32[]");
    said(
        || of((Accumulation::Sum,).into(), 5)(&b),
        TreeMismatch,
        "microbatch: the accumulator (Sum) is not of the form of PyTreeDef(*)",
    );
    said(
        || microbatch(|(x, _): Pair| x, 1)(&(a.clone(), b.clone())),
        Shape,
        "microbatch: requires arrays of one size along 0, got f32[5] at 1",
    );
    said(
        || raxla::try_(|| LossScale::new_with(2.0, LossScaleOptions::new().period(0))),
        InvalidArgument,
        "LossScale: period = 0: requires at least 1",
    );
}

#[test]
fn the_power_of_a_root_is_that_which_was_asked_for() {
    // Optax takes the fourth power for the third.
    let root = optim::matrix_inverse_pth_root(Array::from([[8.0f32, 0.0], [0.0, 27.0]]), 3).0;
    let root = root.to_vec::<f32>().unwrap();
    assert!((root[0] - 0.5).abs() < 1e-4 && (root[3] - 1.0 / 3.0).abs() < 1e-4, "{root:?}");
}

#[test]
fn assignments_are_made_of_infinite_costs_too() {
    for f in [hungarian_of, base_hungarian_of] {
        let (i, j) = f(&jnp::full([3, 3], f64::INFINITY));
        let mut pairs: Vec<(i32, i32)> =
            i.to_vec::<i32>().unwrap().into_iter().zip(j.to_vec::<i32>().unwrap()).collect();
        pairs.sort();
        let (mut rows, mut columns): (Vec<i32>, Vec<i32>) = pairs.into_iter().unzip();
        rows.sort();
        columns.sort();
        assert_eq!((rows, columns), (vec![0, 1, 2], vec![0, 1, 2]));
    }
    let (i, j) = hungarian_algorithm(jnp::zeros([0, 3]));
    assert_eq!((i.shape(), j.shape()), (&[0][..], &[0][..]));
}
