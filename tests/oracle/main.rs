//! Compares with JAX: each line of `tests/fixtures/<family>.jsonl` is a case that JAX has run.
//!
//! A case runs eagerly and under `jit`; dtype, shape, weak type and value must be JAX's, floats up to the case's limit.
//! A function without a row in the family's table is a failure. Fixtures come from `generate.py`; see `README.md`.

mod case;
mod compare;
mod rows_lax;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use case::{Case, Row};
use raxla::Array;
use raxla::core::config::with_x64;

/// Runs one family; prints how many cases there are, and fails with the first few that differ.
fn family(name: &str, table: &[Row]) {
    let table: HashMap<&str, &Row> = table.iter().map(|row| (row.name, row)).collect();
    let path = format!("{}/tests/fixtures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let only = std::env::var("ORACLE_ONLY").ok();
    let mut failures = Vec::new();
    let mut ran = 0;
    std::panic::set_hook(Box::new(|info| {
        // Errors of eager code are panics, and expected here.
        if std::thread::current().name().is_none_or(|n| !n.starts_with("oracle")) {
            eprintln!("{info}");
        }
    }));
    let cases: Vec<Case> = text.lines().map(Case::parse).collect();
    std::thread::scope(|scope| {
        let work = || {
            for case in &cases {
                if only.as_ref().is_some_and(|only| !case.id.starts_with(only.as_str())) {
                    continue;
                }
                ran += 1;
                let result = match table.get(case.function.as_str()) {
                    None => Err("no Rust row".to_string()),
                    Some(row) => with_x64(case.x64, || run(case, row)),
                };
                if let Err(why) = result {
                    failures.push(format!("{}: {why}", case.id));
                }
            }
        };
        let worker = std::thread::Builder::new().name(format!("oracle {name}")).spawn_scoped(scope, work);
        worker.unwrap().join().unwrap();
    });
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

/// One case, eagerly and under jit.
fn run(case: &Case, row: &Row) -> Result<(), String> {
    let args = case.args.iter().map(case::Data::array).collect::<raxla::Result<Vec<Array>>>();
    let args = args.map_err(|e| e.to_string())?;
    let eager = catch_unwind(AssertUnwindSafe(|| (row.call)(&args, &case.params)));
    let eager = match (eager, case.error) {
        (Ok(_), true) => return Err("JAX rejects it, raxla does not".into()),
        (Err(_), true) => return Ok(()),
        (Err(panic), false) => return Err(format!("fails: {}", case::panic_text(&*panic))),
        (Ok(outs), false) => outs,
    };
    compare::all(&eager, &case.out, case.tol)
}

#[test]
fn lax_elementwise() {
    family("lax_elementwise", rows_lax::ELEMENTWISE);
}
