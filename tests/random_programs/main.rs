//! Random programs, nested in every way that there is, under every transformation.
//!
//! A program is made from a seed. Each is checked in the four ways that matter most and in one of the others (the seed says
//! which), and one that fails is made smaller and printed with its seed. `RAXLA_RANDOM_PROGRAMS=1000`, as in CI, runs more than
//! the hundred of every day, `RAXLA_RANDOM_SEED=123` that one alone, which is printed as Rust. One that fails is as well.
//!
//! Three seeds of four give one program for all of their checks, in which every derivative exists. The fourth gives each check
//! a program of its own that may hold what that check can bear: loops without a reverse mode, functions without a forward mode.
//!
//! A program that shows nothing proves nothing: each has a result with a derivative and a nested function that some result
//! needs, and derivatives that come out as zero are counted. `--nocapture` prints what the programs have in them.

mod checks;
mod custom;
mod flat;
mod generate;
mod live;
mod nested;
mod operations;
mod program;
mod rust;
mod shrink;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use raxla::config;

use checks::{BOTH, CHECKS, Outcome};
use live::Statistics;
use program::{Block, Program};

/// How many threads, and so tests, share the work.
const SHARDS: u64 = 4;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What check `check` says of a program. A panic is a failure too.
fn outcome(check: usize, program: &Program, seed: u64) -> Outcome {
    let run = || config::with_x64(true, || (CHECKS[check].run)(program, seed));
    // Compiling takes most of the time, and it is not XLA's optimisations that are tested. Its older emitters compute a value that is
    // used twice once with a fused multiply-add and once without, so that it differs from itself where a rule compares
    // for ties: what fails in this way is compiled as it is by default, which alone is a failure.
    let quickly =
        || config::with_disable_most_optimizations(true, || config::with_disable_fusion_emitters(true, run));
    let caught = |run: &dyn Fn() -> raxla::Result<Outcome>| match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Outcome::Failed(format!("panic: {}", text.unwrap_or_default()))
        }
    };
    if !seed.is_multiple_of(8) {
        let found = caught(&quickly);
        if !matches!(found, Outcome::Failed(_)) {
            return found;
        }
    }
    caught(&run)
}

/// Does each check have its own program?
fn is_loose(seed: u64) -> bool {
    seed / SHARDS % 4 == 3
}

/// The checks of a seed, each with its program.
fn checks_of(seed: u64) -> Vec<(usize, Arc<Program>)> {
    let (always, mut sometimes): (Vec<usize>, Vec<usize>) =
        (0..CHECKS.len()).partition(|i| CHECKS[*i].always);
    let program = |allow| Arc::new(Program::new(generate::program(seed, allow)));
    let strict = program(BOTH);
    if is_loose(seed) {
        sometimes.retain(|i| CHECKS[*i].allow != BOTH);
    }
    let other = sometimes[(seed % sometimes.len() as u64) as usize];
    let of_check = |check: usize| match is_loose(seed) {
        true => program(CHECKS[check].allow),
        false => strict.clone(),
    };
    always.into_iter().chain([other]).map(|check| (check, of_check(check))).collect()
}

/// What check `check` says of this program; panics if it fails.
fn check_program(check: usize, program: &Program, seed: u64) -> Outcome {
    let found = outcome(check, program, seed);
    let Outcome::Failed(message) = found else { return found };
    let fails = |b: &Block| matches!(outcome(check, &Program::new(b.clone()), seed), Outcome::Failed(_));
    let small = Program::new(shrink::shrink((*program.block).clone(), &fails));
    let after = match outcome(check, &small, seed) {
        Outcome::Failed(message) => message,
        _ => "it passes now".to_owned(),
    };
    let jaxpr = config::with_x64(true, || checks::jaxpr(&small, seed));
    let (name, source) = (CHECKS[check].name, rust::source(&small.block));
    panic!("{name} (RAXLA_RANDOM_SEED={seed}): {message}\nsmaller: {after}\n{jaxpr}\n{source}");
}

fn run_shard(shard: u64) {
    static QUIET: Once = Once::new();
    // Panics inside of a check are reported by the check.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let seeds: Vec<u64> = match setting("RAXLA_RANDOM_SEED") {
        Some(seed) if shard == 0 => vec![seed],
        Some(_) => vec![],
        None => {
            (0..setting("RAXLA_RANDOM_PROGRAMS").unwrap_or(100)).filter(|s| s % SHARDS == shard).collect()
        }
    };
    let mut failures = 0;
    let [mut ran, mut inconclusive, mut flat] = [[0; CHECKS.len()]; 3];
    let mut statistics = Statistics::default();
    'seeds: for seed in seeds {
        let programs = checks_of(seed);
        if setting("RAXLA_RANDOM_SEED").is_some() {
            println!("{}", rust::source(&programs[0].1.block));
        }
        // The first, and the others if they are others.
        for (i, (_, program)) in programs.iter().enumerate() {
            if i == 0 || !Arc::ptr_eq(program, &programs[0].1) {
                statistics += Statistics::of(&program.block);
            }
        }
        for (check, program) in programs {
            ran[check] += 1;
            match catch_unwind(AssertUnwindSafe(|| check_program(check, &program, seed))) {
                Ok(Outcome::Flat) => flat[check] += 1,
                Ok(Outcome::Inconclusive) => inconclusive[check] += 1,
                Ok(_) => {}
                Err(payload) => {
                    println!("{}\n", payload.downcast_ref::<String>().cloned().unwrap_or_default());
                    failures += 1;
                }
            }
            if failures >= 5 {
                break 'seeds;
            }
        }
    }
    assert_eq!(failures, 0, "programs failed");
    statistics.check();
    for (i, check) in CHECKS.iter().enumerate() {
        let (name, ran, inconclusive, flat) = (check.name, ran[i], inconclusive[i], flat[i]);
        println!("{name}: {ran} programs, {inconclusive} inconclusive, {flat} with a derivative of zero");
        assert!(inconclusive <= ran / 10 + 1, "{name}: {inconclusive} of {ran} were inconclusive");
        assert!(flat <= ran / 10 + 1, "{name}: {flat} of {ran} had a derivative of zero");
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
