//! Compares with JAX: each line of `tests/fixtures/<family>.jsonl` is a case that JAX has run.
//!
//! Every case runs under `jit`, every third one (all with `ORACLE_ALL=1`) eagerly too; dtype, shape, weak type and value
//! must be JAX's, floats up to the case's limit. `ORACLE_SAMPLE=10` runs every tenth case.
//! A function without a row in the family's table is a failure. Fixtures come from `generate.py`; see `README.md`.

mod case;
mod compare;
mod rows_control_flow;
mod rows_index;
mod rows_lax;
mod rows_lax_index;
mod rows_lax_special;
mod rows_lax_window;
mod rows_nn;
mod rows_numpy;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use case::{Case, Data, Grad, Row};
use raxla::core::config::with_x64;
use raxla::{Array, ErrorKind, jit, lax, vjp};

/// Runs one family; prints how many cases there are, and fails with the first few that differ.
fn family(name: &str, table: &[&[Row]]) {
    let table: HashMap<&str, Row> = table.concat().into_iter().map(|row| (row.name, row)).collect();
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
    let every: usize = std::env::var("ORACLE_SAMPLE").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let cases: Vec<&Case> = cases
        .iter()
        .step_by(every.max(1))
        .filter(|c| only.as_ref().is_none_or(|only| c.id.starts_with(only.as_str())))
        .collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Relaxed)) {
            let result = match table.get(case.function.as_str()) {
                None => Err("no Rust row".to_string()),
                Some(row) => with_x64(case.x64, || run(case, row)),
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

/// One case: eagerly, under jit, and its vector-Jacobian product.
fn run(case: &Case, row: &Row) -> Result<(), String> {
    let args = case.args.iter().map(Data::array).collect::<raxla::Result<Vec<Array>>>();
    let args = args.map_err(|e| e.to_string())?;
    let (call, params) = (row.call, case.params.clone());
    let traced = catch_unwind(AssertUnwindSafe(|| jit(move |x: &Vec<Array>| call(x, &params))(&args)));
    let traced = match traced.map_err(|panic| case::panic_text(&*panic)) {
        Ok(traced) => traced,
        // A row unwraps what returns a `Result`; any other panic is a defect, whatever JAX does.
        Err(panic) if panic.contains("on an `Err` value: ") => {
            Err(raxla::Error::new(ErrorKind::InvalidArgument, panic))
        }
        Err(panic) => return Err(format!("panics under jit: {panic}")),
    };
    if case.error && traced.is_ok() {
        return Err("JAX rejects it, raxla does not under jit".into());
    }
    if !case.error {
        let traced = traced.map_err(|e| format!("fails under jit: {e}"))?;
        compare::all(&traced, &case.out, case.tol).map_err(|e| format!("under jit: {e}"))?;
    }
    if case.error || runs_eagerly(case) {
        let eager = catch_unwind(AssertUnwindSafe(|| (row.call)(&args, &case.params)));
        match (eager, case.error) {
            (Ok(_), true) => return Err("JAX rejects it, raxla does not".into()),
            (Err(_), true) => return Ok(()),
            (Ok(eager), false) => compare::all(&eager, &case.out, case.tol)?,
            (Err(panic), false) => return Err(format!("fails: {}", case::panic_text(&*panic))),
        }
    }
    match &case.grad {
        Some(grad) => differentiate(case, row, grad, args).map_err(|e| format!("vjp: {e}")),
        None => Ok(()),
    }
}

/// An eager run compiles a program for each operation, so only every third case has one, unless `ORACLE_ALL` is set.
fn runs_eagerly(case: &Case) -> bool {
    std::env::var_os("ORACLE_ALL").is_some() || case.id.bytes().map(usize::from).sum::<usize>() % 3 == 0
}

fn differentiate(case: &Case, row: &Row, grad: &Grad, args: Vec<Array>) -> Result<(), String> {
    let floats: Vec<Array> = grad.argnums.iter().map(|i| args[*i].clone()).collect();
    let (call, params, argnums) = (row.call, case.params.clone(), grad.argnums.clone());
    let f = move |xs: Vec<Array>| {
        let mut full = args.clone();
        argnums.iter().zip(xs).for_each(|(i, x)| full[*i] = x);
        call(&full, &params)
    };
    let found = || -> raxla::Result<Vec<Array>> {
        let (outs, pull) = vjp(f, (floats,))?;
        let cts = outs.iter().zip(&grad.ct).map(|(out, ct)| match ct {
            Some(ct) => ct.array(),
            None => Ok(lax::zeros_like(out)),
        });
        let cts = cts.collect::<raxla::Result<Vec<Array>>>()?;
        Ok(pull(cts)?.0)
    };
    let found = catch_unwind(AssertUnwindSafe(found)).map_err(|p| case::panic_text(&*p))?;
    let found = found.map_err(|e| e.to_string())?;
    compare::all(&found, &grad.out, grad.tol)
}

#[test]
fn lax_elementwise() {
    family("lax_elementwise", rows_lax::ELEMENTWISE);
}

#[test]
fn lax_shape() {
    family("lax_shape", rows_lax::SHAPE);
}

#[test]
fn lax_index() {
    family("lax_index", rows_lax_index::LAX_INDEX);
}

#[test]
fn lax_window() {
    family("lax_window", rows_lax_window::LAX_WINDOW);
}

#[test]
fn lax_special() {
    family("lax_special", rows_lax_special::LAX_SPECIAL);
}

#[test]
fn control_flow() {
    family("control_flow", rows_control_flow::CONTROL_FLOW);
}

#[test]
fn numpy_ufunc() {
    family("numpy_ufunc", rows_numpy::UFUNC);
}

#[test]
fn numpy_reduce() {
    family("numpy_reduce", rows_numpy::REDUCE);
}

#[test]
fn numpy_shape() {
    family("numpy_shape", rows_numpy::SHAPE);
}

#[test]
fn nn() {
    family("nn", rows_nn::NN);
}

#[test]
fn numpy_index() {
    family("numpy_index", rows_index::INDEX);
}
