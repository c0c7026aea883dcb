//! Compares with JAX: each line of `tests/fixtures/<family>.jsonl` is a case that JAX has run.
//!
//! Every third case runs (all of them with `RAXLA_TESTS=all`, every tenth with `ORACLE_SAMPLE=10`), under `jit`, every third of them (all with
//! `ORACLE_ALL=1`) eagerly too, every fourth of them optimised, and gradients run in one of the two ways; `ORACLE_TURN=n` chooses other cases, thirds and halves. dtype,
//! shape, weak type and value must be JAX's, floats up to the case's limit, and what JAX rejects an error of raxla's that names the cause.
//! A function without a row in the family's table is a failure. Fixtures come from `generate.py`; see `README.md`.

mod case;
mod compare;
mod jaxprs;
mod rows_control_flow;
mod rows_factors;
mod rows_images;
mod rows_index;
mod rows_lax;
mod rows_lax_index;
mod rows_lax_small;
mod rows_lax_special;
mod rows_lax_window;
mod rows_linalg;
mod rows_nn;
mod rows_numpy;
mod rows_numpy_fft;
mod rows_numpy_linalg;
mod rows_numpy_rest;
mod rows_numpy_sets;
mod rows_scipy;
mod rows_scipy_linalg;
mod rows_scipy_solvers;
mod rows_transformations;
mod values;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use case::{Case, Data, Grad, Row, Tolerance};
use raxla::config::{with_disable_fusion_emitters, with_disable_most_optimizations, with_x64};
use raxla::{Array, ErrorKind, jit, lax, vjp};

/// Runs one family of at least `floor` cases; prints how many there are, and fails with the first few that differ.
fn family(name: &str, floor: usize, tables: &[&[&[Row]]]) {
    let table: HashMap<&str, Row> = tables.concat().concat().into_iter().map(|row| (row.name, row)).collect();
    let path = format!("{}/tests/fixtures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let only = std::env::var("ORACLE_ONLY").ok();
    std::panic::set_hook(Box::new(|info| {
        // Errors of eager code are panics, and expected here.
        if std::thread::current().name().is_none_or(|n| !n.starts_with("oracle")) {
            eprintln!("{info}");
        }
    }));
    let cases: Vec<Case> = text.lines().map(Case::parse).collect();
    assert!(cases.len() >= floor, "{path} has {} cases only; there were {floor} and more", cases.len());
    let all = only.is_some() || runs_all();
    let every = number("ORACLE_SAMPLE").unwrap_or(if all { 1 } else { 3 }).max(1);
    let first = number("ORACLE_TURN").unwrap_or(0) % every;
    let cases: Vec<&Case> = cases
        .iter()
        .skip(first)
        .step_by(every)
        .filter(|c| only.as_ref().is_none_or(|only| c.id.starts_with(only.as_str())))
        .collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Relaxed)) {
            let result = match table.get(case.function.as_str()) {
                None => Err("no Rust row".to_string()),
                Some(row) => run_cheaply(case, row),
            };
            if let Err(why) = result {
                failures.lock().unwrap().push(format!("{}: {why}", case.id));
            }
        }
    };
    // Compilation takes most of the time, and takes it in parallel.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            std::thread::Builder::new().name(format!("oracle {name}")).spawn_scoped(scope, work).unwrap();
        }
    });
    let (ran, mut failures) = (cases.len(), failures.into_inner().unwrap());
    failures.sort();
    println!("oracle {name}: {ran} cases, {} differ from JAX", failures.len());
    if !failures.is_empty() {
        let shown = failures.len().min(400);
        panic!(
            "{} of {ran} cases of {name} differ from JAX:\n{}",
            failures.len(),
            failures[..shown].join("\n")
        );
    }
}

/// Optimised programs take more than twice as long to compile, so only every fourth case is, and every other one with
/// `RAXLA_TESTS=all`; and what differs: those emitters of XLA that compile fast are wrong in places.
fn run_cheaply(case: &Case, row: &Row) -> Result<(), String> {
    let run = |plainly| {
        with_disable_most_optimizations(plainly, || {
            with_disable_fusion_emitters(plainly, || with_x64(case.x64, || run(case, row)))
        })
    };
    let every = if runs_all() { 2 } else { 4 };
    match (turn(case) / 6).is_multiple_of(every) {
        true => run(false),
        false => run(true).or_else(|_| run(false)),
    }
}

/// One case: eagerly, under jit, and its vector-Jacobian product.
fn run(case: &Case, row: &Row) -> Result<(), String> {
    let args = case.args.iter().map(Data::array).collect::<raxla::Result<Vec<Array>>>();
    let args = args.map_err(|e| e.to_string())?;
    let (call, params) = (row.call, case.params.clone());
    let traced = catch_unwind(AssertUnwindSafe(|| jit(move |x: &Vec<Array>| call(x, &params))(&args)));
    let traced = match traced.map_err(|panic| case::panic_text(&*panic)) {
        Ok(traced) => traced.map_err(|e| (Some(e.kind()), e.message().to_string())),
        // A row unwraps what returns a `Result`; any other panic is a defect, whatever JAX does.
        Err(panic) => match case::unwrapped(&panic) {
            Some((kind, message)) => Err((kind, message)),
            None => return Err(format!("panics under jit: {panic}")),
        },
    };
    if case.known() {
        // The shape depends on values: JAX needs them, and so does raxla.
        return match traced {
            Ok(_) => Err("JAX needs to know values, raxla does not under jit".into()),
            Err((Some(ErrorKind::Concretization), _)) => eagerly(case, row, args),
            Err((kind, e)) => {
                Err(format!("values are not known: fails with an error of kind {kind:?} under jit: {e}"))
            }
        };
    }
    if case.error {
        return match traced {
            Ok(_) => Err("JAX rejects it, raxla does not under jit".into()),
            Err((kind, message)) => rejects(case, row, &args, kind, &message),
        };
    }
    let traced = traced.map_err(|(_, e)| format!("fails under jit: {e}"))?;
    compare::all(&traced, &case.out, case.tol).map_err(|e| format!("under jit: {e}"))?;
    if runs_eagerly(case) {
        return eagerly(case, row, args);
    }
    differentiated(case, row, args)
}

/// A case eagerly, and its vector-Jacobian product.
fn eagerly(case: &Case, row: &Row, args: Vec<Array>) -> Result<(), String> {
    let eager = catch_unwind(AssertUnwindSafe(|| (row.call)(&args, &case.params)));
    let eager = eager.map_err(|panic| format!("fails: {}", case::panic_text(&*panic)))?;
    compare::all(&eager, &case.out, case.tol)?;
    differentiated(case, row, args)
}

fn differentiated(case: &Case, row: &Row, args: Vec<Array>) -> Result<(), String> {
    match &case.grad {
        Some(grad) => differentiate(case, row, grad, args),
        None => Ok(()),
    }
}

/// What JAX rejects, raxla rejects under jit and eagerly with the same message, which is of a kind that blames the caller.
fn rejects(
    case: &Case,
    row: &Row,
    args: &[Array],
    kind: Option<ErrorKind>,
    message: &str,
) -> Result<(), String> {
    use ErrorKind::{Compile, Internal, Io, Plugin, Runtime, UnexpectedTracer};
    match kind {
        // An inverse transform of another length than it says: JAX, too, leaves it to the compiler.
        Some(Compile) if case.id == "lax.fft/36" => {}
        None | Some(Internal | Compile | Runtime | Plugin | Io | UnexpectedTracer) => {
            return Err(format!("JAX rejects it, raxla with an error of kind {kind:?} under jit: {message}"));
        }
        Some(_) => {}
    }
    let eager = match catch_unwind(AssertUnwindSafe(|| (row.call)(args, &case.params))) {
        Ok(_) => return Err("JAX rejects it, raxla does not".into()),
        Err(panic) => case::panic_text(&*panic),
    };
    if eager.contains("\n  at src/") {
        return Err(format!("names a line of raxla's own rather than the caller's: {eager}"));
    }
    // An error of eager code is a panic with its message and its line; one that a row unwraps has its kind before it.
    let said =
        case::unwrapped(&eager).map_or_else(|| case::without_line(&eager).to_string(), |(_, said)| said);
    // The compiler's messages name the place in the program.
    match said == message || kind == Some(Compile) {
        true => Ok(()),
        false => Err(format!("fails with another error eagerly than under jit: {eager}\nand not: {message}")),
    }
}

/// A number of the case's own, and of the turn.
fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().and_then(|n| n.parse().ok())
}

fn turn(case: &Case) -> usize {
    let turn = number("ORACLE_TURN").unwrap_or(0);
    case.id.bytes().map(usize::from).sum::<usize>().wrapping_add(turn)
}

/// An eager run compiles a program for each operation, so only every third case has one, unless `ORACLE_ALL` is set.
fn runs_eagerly(case: &Case) -> bool {
    std::env::var_os("ORACLE_ALL").is_some() || turn(case).is_multiple_of(3)
}

fn runs_all() -> bool {
    std::env::var("RAXLA_TESTS").is_ok_and(|v| v == "all")
}

fn differentiate(case: &Case, row: &Row, grad: &Grad, args: Vec<Array>) -> Result<(), String> {
    let floats: Vec<Array> = grad.argnums.iter().map(|i| args[*i].clone()).collect();
    let cts: raxla::Result<Vec<Option<Array>>> =
        grad.ct.iter().map(|ct| ct.as_ref().map(Data::array).transpose()).collect();
    let cts = cts.map_err(|e| e.to_string())?;
    let (call, params, argnums) = (row.call, case.params.clone(), grad.argnums.clone());
    let pulled = move |floats: &Vec<Array>| -> raxla::Result<Vec<Array>> {
        let (full, params, argnums) = (args.clone(), params.clone(), argnums.clone());
        let f = move |xs: Vec<Array>| {
            let mut full = full.clone();
            argnums.iter().zip(xs).for_each(|(i, x)| full[*i] = x);
            call(&full, &params)
        };
        let (outs, pull) = vjp(f, (floats,))?;
        let cts = outs.iter().zip(&cts).map(|(out, ct)| ct.clone().unwrap_or_else(|| lax::full_like(out, 0)));
        Ok(pull(&cts.collect())?.0)
    };
    let one =
        |way: &str, tol: Tolerance, found: &dyn Fn() -> raxla::Result<Vec<Array>>| -> Result<(), String> {
            let found = catch_unwind(AssertUnwindSafe(found)).map_err(|p| case::panic_text(&*p));
            let found = found.and_then(|found| found.map_err(|e| e.to_string()));
            let result = found.and_then(|found| compare::all(&found, &grad.out, tol));
            result.map_err(|e| format!("vjp{way}: {e}"))
        };
    // Every other case's gradient is one program, the others' are operations.
    let all = std::env::var_os("ORACLE_ALL").is_some();
    let jitted = (turn(case) / 3).is_multiple_of(2) && !case.known();
    if (all || jitted) && !case.known() {
        // XLA contracts multiplications and additions of one program, and JAX ran operations.
        let tol = Tolerance { ulp: grad.tol.ulp + 4, ..grad.tol };
        one(" under jit", tol, &|| jit(pulled.clone())(&floats))?;
    }
    if all || !jitted {
        one("", grad.tol, &|| pulled(&floats))?;
    }
    Ok(())
}

/// Rows of functions that have several families of cases.
const EVERY: &[&[&[Row]]] = &[
    rows_lax::ELEMENTWISE,
    rows_lax::SHAPE,
    rows_lax_index::LAX_INDEX,
    rows_lax_window::LAX_WINDOW,
    rows_lax_special::LAX_SPECIAL,
    rows_control_flow::CONTROL_FLOW,
    rows_numpy::UFUNC,
    rows_numpy::REDUCE,
    rows_numpy::SHAPE,
    rows_nn::NN,
    rows_index::INDEX,
    rows_factors::FACTORS,
    rows_linalg::LINALG,
    rows_numpy_linalg::NUMPY_LINALG,
    rows_numpy_fft::FFT,
    rows_numpy_sets::SETS,
    rows_numpy_rest::REST,
    rows_lax_small::LAX_SMALL,
    rows_images::IMAGES,
    rows_scipy_linalg::SCIPY_LINALG,
    rows_scipy::SPECIAL,
    rows_scipy::STATS,
    rows_scipy_solvers::SCIPY_SOLVERS,
];

macro_rules! families {
    ($($name:ident($floor:literal): $tables:expr;)*) => {
        $(#[test]
        fn $name() {
            family(stringify!($name), $floor, $tables);
        })*
    };
}

// The number is how many cases there are at least, nine tenths of those there were: a file that lost some does not pass.
families! {
    lax_elementwise(930): &[rows_lax::ELEMENTWISE];
    lax_shape(230): &[rows_lax::SHAPE];
    lax_index(480): &[rows_lax_index::LAX_INDEX];
    lax_window(450): &[rows_lax_window::LAX_WINDOW];
    lax_special(295): &[rows_lax_special::LAX_SPECIAL];
    linalg(161): &[rows_linalg::LINALG];
    linalg_factors(225): &[rows_factors::FACTORS];
    numpy_linalg(180): &[rows_numpy_linalg::NUMPY_LINALG];
    scipy_solvers(45): &[rows_scipy_solvers::SCIPY_SOLVERS];
    scipy_linalg(200): &[rows_scipy_linalg::SCIPY_LINALG];
    control_flow(310): &[rows_control_flow::CONTROL_FLOW];
    transformations(60): &[rows_transformations::TRANSFORMATIONS];
    numpy_ufunc(1640): &[rows_numpy::UFUNC];
    numpy_reduce(710): &[rows_numpy::REDUCE];
    numpy_shape(585): &[rows_numpy::SHAPE];
    nn(200): &[rows_nn::NN];
    scipy_special(300): &[rows_scipy::SPECIAL];
    scipy_stats(400): &[rows_scipy::STATS];
    numpy_index(260): &[rows_index::INDEX, rows_numpy::REDUCE];
    numpy_fft(139): &[rows_numpy_fft::FFT];
    numpy_sets(234): &[rows_numpy_sets::SETS];
    numpy_rest(231): &[rows_numpy_rest::REST];
    lax_small(39): &[rows_lax_small::LAX_SMALL];
    images(221): &[rows_images::IMAGES];
    wide(590): EVERY;
    dtypes8(585): EVERY;
    gradients(168): EVERY;
    weak_gradients(90): EVERY;
    every(2460): EVERY;
}
