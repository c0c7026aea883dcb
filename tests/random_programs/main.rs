//! Random programs, nested in every way that there is, under every transformation.
//!
//! A program is made from a seed. Each is checked in the four ways that matter most and in one of the others (the seed says
//! which), and one that fails is made smaller and printed with its seed. `RAXLA_RANDOM_PROGRAMS=1000`, as in CI, runs more than
//! the two hundred of every day, `RAXLA_RANDOM_SEED=123` that one alone.

mod checks;
mod generate;
mod program;
mod shrink;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use raxla::config;

use checks::{CHECKS, Outcome};
use program::Block;

/// How many threads, and so tests, share the work.
const SHARDS: u64 = 4;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What check `check` says of a program. A panic is a failure too.
fn outcome(check: usize, block: &Block, seed: u64) -> Outcome {
    let block = Arc::new(block.clone());
    let run = || config::with_x64(true, || (CHECKS[check].run)(&block, seed));
    // Compiling takes most of the time, and it is not XLA's optimisations that are tested.
    let run = || if seed % 8 == 0 { run() } else { config::with_most_optimizations_disabled(run) };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Outcome::Failed(format!("panic: {}", text.unwrap_or_default()))
        }
    }
}

/// The checks of the program with this seed.
fn checks_of(seed: u64) -> impl Iterator<Item = usize> {
    let (always, sometimes): (Vec<usize>, Vec<usize>) = (0..CHECKS.len()).partition(|i| CHECKS[*i].always);
    let other = sometimes[(seed % sometimes.len() as u64) as usize];
    always.into_iter().chain([other])
}

/// What check `check` says of the program with this seed, if anything; panics if it fails.
fn check_seed(check: usize, seed: u64) -> bool {
    let block = generate::program(seed, CHECKS[check].allow);
    match outcome(check, &block, seed) {
        Outcome::Passed => true,
        Outcome::Inconclusive => false,
        Outcome::Failed(message) => {
            let fails = |b: &Block| matches!(outcome(check, b, seed), Outcome::Failed(_));
            let small = shrink::shrink(block, &fails);
            let after = match outcome(check, &small, seed) {
                Outcome::Failed(message) => message,
                _ => "it passes now".to_owned(),
            };
            let jaxpr = config::with_x64(true, || checks::jaxpr(&Arc::new(small.clone()), seed));
            panic!(
                "{} (RAXLA_RANDOM_SEED={seed}): {message}\nsmaller: {after}\n{jaxpr}\n{small:#?}",
                CHECKS[check].name
            );
        }
    }
}

fn run_shard(shard: u64) {
    static QUIET: Once = Once::new();
    // Panics inside of a check are reported by the check.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let seeds: Vec<u64> = match setting("RAXLA_RANDOM_SEED") {
        Some(seed) if shard == 0 => vec![seed],
        Some(_) => vec![],
        None => {
            (0..setting("RAXLA_RANDOM_PROGRAMS").unwrap_or(200)).filter(|s| s % SHARDS == shard).collect()
        }
    };
    let mut failures = 0;
    let (mut ran, mut inconclusive) = ([0; CHECKS.len()], [0; CHECKS.len()]);
    for (seed, check) in seeds.iter().flat_map(|seed| checks_of(*seed).map(move |check| (*seed, check))) {
        ran[check] += 1;
        match catch_unwind(|| check_seed(check, seed)) {
            Ok(true) => {}
            Ok(false) => inconclusive[check] += 1,
            Err(payload) => {
                println!("{}\n", payload.downcast_ref::<String>().cloned().unwrap_or_default());
                failures += 1;
            }
        }
        if failures >= 5 {
            break;
        }
    }
    assert_eq!(failures, 0, "programs failed");
    for ((check, ran), inconclusive) in CHECKS.iter().zip(ran).zip(inconclusive) {
        println!("{}: {ran} programs, {inconclusive} inconclusive", check.name);
        assert!(inconclusive <= ran / 10 + 1, "{}: {inconclusive} of {ran} were inconclusive", check.name);
    }
}

#[test]
fn random_programs_agree_with_themselves_1_of_4() {
    run_shard(0);
}

#[test]
fn random_programs_agree_with_themselves_2_of_4() {
    run_shard(1);
}

#[test]
fn random_programs_agree_with_themselves_3_of_4() {
    run_shard(2);
}

#[test]
fn random_programs_agree_with_themselves_4_of_4() {
    run_shard(3);
}
