//! `io::CheckpointManager`: steps that are there whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use raxla::io::{BestMode, CheckpointManager, CheckpointManagerOptions, CheckpointOptions, LoadOptions};
use raxla::nn::{self, Mode, Params, Scope, State};
use raxla::prelude::*;
use raxla::{ErrorKind, numpy as jnp, optim, random};

use super::{Directory, bits};
use crate::process;

fn options() -> CheckpointManagerOptions {
    CheckpointManagerOptions::new()
}

fn saved(manager: &CheckpointManager) -> Vec<u64> {
    manager.wait_until_finished().unwrap();
    manager.all_steps().unwrap()
}

/// What is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|x| x.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn message<T>(result: Result<T>, directory: &Directory) -> String {
    let e = result.map(|_| ()).unwrap_err();
    assert!(e.location().unwrap().file().ends_with("checkpoints.rs"), "{e}");
    e.message().replace(directory.0.to_str().unwrap(), "DIR")
}

#[derive(Clone, Pytree)]
struct Run {
    params: Params,
    state: State,
    opt: optim::OptState,
    key: random::Key,
    /// How many examples were seen: weakly typed, as Rust's numbers are.
    position: Array,
}

fn forward(cx: &Scope, x: &Array) -> Array {
    let hidden = nn::linear(&cx.at("hidden"), x, 8);
    let hidden = nn::relu(nn::batch_norm(&cx.at("norm"), hidden));
    nn::linear(&cx.at("out"), nn::dropout(&cx.at("drop"), hidden, 0.5), 1)
}

#[test]
fn a_run_that_goes_on_from_a_checkpoint_is_that_which_never_stopped_to_the_bit() {
    let directory = Directory::new("resume");
    let data = random::normal(&random::key(1), [64, 3]);
    let tx = optim::adamw(1e-2);
    let init = tx.clone();
    let fresh = |seed: u64| {
        let x = jnp::zeros([4, 3]);
        let (params, state) = nn::init_with_state(&random::key(seed), |cx| forward(cx, &x)).unwrap();
        let opt = init.init(&params).unwrap();
        Run { params, state, opt, key: random::key(seed + 1), position: Array::from(0) }
    };
    static TRACES: AtomicUsize = AtomicUsize::new(0);
    let train = jit(move |run: Run| -> Result<Run> {
        TRACES.fetch_add(1, Ordering::Relaxed);
        let rows = jnp::remainder(&run.position + jnp::arange(4), 64);
        let batch = jnp::take(&data, &rows, 0);
        let [key, drop] = random::split(&run.key);
        let loss = |params: &Params| {
            let mode = Mode::train().key(&drop);
            let (y, state) = nn::apply((params, &run.state), mode, |cx| forward(cx, &batch))?;
            Ok((jnp::mean(jnp::square(y - jnp::sum(&batch, 1).reshape((4, 1))), ..), state))
        };
        let (grads, state) = grad_with(loss, GradOptions::new().has_aux())(&run.params)?;
        let (updates, opt) = tx.update(&grads, &run.opt, &run.params)?;
        let params = optim::apply_updates(&run.params, &updates);
        Ok(Run { params, state, opt, key, position: &run.position + 4 })
    });
    let mut whole = fresh(0);
    for _ in 0..12 {
        whole = train(whole).unwrap();
    }
    for stop in [1, 5, 11] {
        let directory = directory.file(&stop.to_string());
        let manager = CheckpointManager::new(&directory).unwrap();
        let mut first = fresh(0);
        for step in 1..=stop {
            first = train(first).unwrap();
            // Donated to the next step while it is written.
            assert!(manager.save(step, &first).unwrap());
        }
        drop(train(first).unwrap());
        manager.close().unwrap();
        let manager = CheckpointManager::new(&directory).unwrap();
        let step = manager.latest_step().unwrap().unwrap();
        assert_eq!(step, stop);
        let mut rest = manager.restore(step, &fresh(77)).unwrap();
        assert_eq!(rest.position.item::<u64>().unwrap(), 4 * stop);
        assert!(rest.position.weak_type());
        for _ in step..12 {
            rest = train(rest).unwrap();
        }
        assert_eq!(bits(&rest), bits(&whole), "after {stop}");
    }
    assert_eq!(TRACES.load(Ordering::Relaxed), 1, "what is restored is of the types that were saved");
}

#[test]
fn what_is_saved_is_what_was_there_however_it_is_donated() {
    let directory = Directory::new("donated");
    let manager = CheckpointManager::new(&directory.0).unwrap();
    let next = jit(|x: Array| x + 1.0);
    let mut x = jnp::zeros([200_000]);
    for step in 0..20 {
        manager.save(step, &x).unwrap();
        x = next(x).unwrap();
    }
    manager.wait_until_finished().unwrap();
    for step in 0..20 {
        let there = manager.restore(step, &x).unwrap().to_vec::<f32>().unwrap();
        assert!(there.iter().all(|x| *x == step as f32), "{step}");
    }
}

#[test]
fn the_last_steps_and_the_best_are_kept() {
    let directory = Directory::new("kept");
    let x = Array::from([1.0f32, 2.0]);
    let last = CheckpointManager::new_with(directory.file("last"), options().max_to_keep(2)).unwrap();
    assert_eq!((last.latest_step().unwrap(), last.best_step().unwrap()), (None, None));
    for step in 0..5 {
        assert!(last.should_save(step));
        assert!(last.save(step, &x).unwrap());
        assert!(!last.should_save(step), "it is on its way to the disk");
    }
    assert_eq!(saved(&last), [3, 4]);
    assert_eq!((last.latest_step().unwrap(), last.best_step().unwrap()), (Some(4), Some(4)));
    assert_eq!(names(last.directory()), [".lock", "3", "4"]);

    let kept = options().max_to_keep(1).keep_period(4).best_metric("loss").best_mode(BestMode::Min);
    let best = CheckpointManager::new_with(directory.file("best"), kept.clone()).unwrap();
    let losses = [5.0, 3.0, 2.0, f64::NAN, 4.0, 2.0, f64::NEG_INFINITY, 6.0, 7.0, 8.0];
    for (step, loss) in (1..).zip(losses) {
        best.save_with(step, &x, CheckpointOptions::new().metric("loss", loss).metric("accuracy", 0.5))
            .unwrap();
    }
    assert_eq!(saved(&best), [4, 6, 8, 10]);
    assert_eq!((best.best_step().unwrap(), best.latest_step().unwrap()), (Some(6), Some(10)));
    assert_eq!(best.metrics(6).unwrap(), BTreeMap::from([("loss".into(), 2.0), ("accuracy".into(), 0.5)]));
    assert!(best.metrics(4).unwrap()["loss"].is_nan());
    best.save(11, &x).unwrap();
    assert_eq!(saved(&best), [4, 6, 8, 11], "a step without metrics is none of the best");
    drop(best);
    let two = CheckpointManager::new_with(
        directory.file("best"),
        kept.best_to_keep(2).best_mode(BestMode::Max).keep_period(100),
    );
    let two = two.unwrap();
    two.save_with(12, &x, CheckpointOptions::new().metric("loss", 1.0)).unwrap();
    assert_eq!(saved(&two), [6, 8, 12]);
    assert_eq!(two.best_step().unwrap(), Some(8));
    let all = CheckpointManager::new(directory.file("all")).unwrap();
    (0..9).for_each(|step| assert!(all.save(step, &x).unwrap()));
    assert_eq!(saved(&all), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    all.delete(3).unwrap();
    all.delete(8).unwrap();
    assert_eq!(saved(&all), [0, 1, 2, 4, 5, 6, 7]);
    assert!(all.save(8, &x).unwrap());
}

#[test]
fn steps_between_intervals_are_not_saved_unless_they_are_forced() {
    let directory = Directory::new("interval");
    let manager = CheckpointManager::new_with(&directory.0, options().save_interval_steps(5)).unwrap();
    let x = Array::from(1);
    let done: Vec<u64> = (3..13).filter(|step| manager.save(*step, &x).unwrap()).collect();
    assert_eq!(done, [3, 5, 10]);
    assert!(manager.save_with(13, &x, CheckpointOptions::new().force(true)).unwrap());
    assert_eq!(saved(&manager), [3, 5, 10, 13]);
}

#[test]
fn one_manager_writes_and_others_may_look_on() {
    let directory = Directory::new("lock");
    let x = Array::from(1.0);
    let writer = CheckpointManager::new(&directory.0).unwrap();
    writer.save(1, &x).unwrap();
    writer.wait_until_finished().unwrap();
    assert_eq!(
        message(CheckpointManager::new(&directory.0), &directory),
        "another CheckpointManager writes to DIR: close it first, or open this one with read_only(true)"
    );
    let reader = CheckpointManager::new_with(&directory.0, options().read_only(true)).unwrap();
    writer.save(2, &x).unwrap();
    writer.close().unwrap();
    assert_eq!(reader.latest_step().unwrap(), Some(2));
    assert_eq!(reader.restore(2, &x).unwrap().item::<f32>().unwrap(), 1.0);
    assert!(!reader.should_save(3));
    assert_eq!(message(reader.save(3, &x), &directory), "save: the manager of DIR is read_only");
    assert_eq!(message(reader.delete(2), &directory), "delete: the manager of DIR is read_only");
    CheckpointManager::new(&directory.0).unwrap();
}

#[test]
fn mistakes_with_checkpoints_are_named() {
    let directory = Directory::new("mistakes");
    let x = Array::from([1.0f32, 2.0]);
    let manager = CheckpointManager::new_with(&directory.0, options().best_metric("loss")).unwrap();
    assert_eq!(
        message(manager.restore(3, &x), &directory),
        "DIR has no checkpoint of step 3: the steps that are there: none"
    );
    manager.save(1, &x).unwrap();
    manager.save(2, &x).unwrap();
    assert_eq!(
        message(manager.restore(3, &x), &directory),
        "DIR has no checkpoint of step 3: the steps that are there: 1, 2"
    );
    assert_eq!(manager.restore(3, &x).map(|_| ()).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(
        message(manager.metrics(3), &directory),
        "DIR has no checkpoint of step 3: the steps that are there: 1, 2"
    );
    assert_eq!(
        message(manager.delete(3), &directory),
        "DIR has no checkpoint of step 3: the steps that are there: 1, 2"
    );
    assert_eq!(
        message(manager.save(2, &x), &directory),
        "save: step 2 is not after step 2, the last in DIR: go on from there, or delete the steps after the one that you go on from"
    );
    assert_eq!(
        message(manager.save_with(3, &x, CheckpointOptions::new().metric("accuracy", 1.0)), &directory),
        "save: the best checkpoints are those by loss, and the metrics of step 3 are accuracy"
    );
    // Another structure.
    let e = manager.restore(1, &(x.clone(), x.clone())).map(|_| ()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TreeMismatch);
    assert_eq!(
        message(manager.restore(1, &(x.clone(), x.clone())), &directory),
        "DIR/1/state.safetensors does not fit:\n  missing: 0, f32[2]\n  missing: 1, f32[2]\n  unexpected: value, f32[2]"
    );
    let part = LoadOptions::new().allow_missing(true).allow_unexpected(true);
    manager.restore_with(1, &(x.clone(), x.clone()), part).unwrap();
    // A file that is cut off, or not there.
    let file = directory.0.join("1/state.safetensors");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 3]).unwrap();
    assert_eq!(
        message(manager.restore(1, &x), &directory),
        "DIR/1/state.safetensors is cut off or damaged: its arrays have 8 bytes, and there are 5"
    );
    fs::remove_file(&file).unwrap();
    assert_eq!(manager.all_steps().unwrap(), [2], "a directory without a tree is no step");
    // Metrics that are none.
    fs::write(directory.0.join("2/metrics.json"), "{").unwrap();
    assert!(message(manager.metrics(2), &directory).starts_with("DIR/2/metrics.json is damaged: EOF"));
    raxla::config::with_x64(true, || {
        let x = jnp::zeros(([2], DType::C128));
        assert_eq!(
            message(manager.save(3, &x), &directory),
            "save: value is c128[2], which safetensors files have no type for"
        );
    });
    let manager = Arc::new(manager);
    let traced = Arc::clone(&manager);
    let traced = jit(move |x: &Array| -> Result<Array> { traced.save(4, x).map(|_| x.clone()) })(&x);
    assert_eq!(traced.unwrap_err().kind(), ErrorKind::Concretization);
    assert!(manager.save(4, &x).unwrap());
    manager.wait_until_finished().unwrap();
    // Directories that are none.
    let file = directory.file("file");
    fs::write(&file, "x").unwrap();
    let said = message(CheckpointManager::new(&file), &directory);
    assert!(said.starts_with("could not make the directory DIR/file: "), "{said}");
    let absent = options().create(false);
    let said = message(CheckpointManager::new_with(directory.file("absent"), absent), &directory);
    assert!(said.starts_with("could not read DIR/absent: "), "{said}");
    assert!(!directory.file("absent").exists());
    for zero in [options().save_interval_steps(0), options().keep_period(0), options().max_to_keep(0)] {
        assert_eq!(
            message(CheckpointManager::new_with(&directory.0, zero), &directory),
            "CheckpointManager: save_interval_steps, keep_period and max_to_keep are at least 1"
        );
    }
}

#[test]
fn what_the_thread_failed_with_is_told_by_the_next_call() {
    let directory = Directory::new("late");
    let runs = directory.file("runs");
    let x = Array::from([1.0f32, 2.0]);
    for next in ["wait", "save", "restore", "close"] {
        let manager = CheckpointManager::new(&runs).unwrap();
        manager.save(1, &x).unwrap();
        manager.wait_until_finished().unwrap();
        // Something that can't be written over lies where the next step is to be.
        fs::create_dir_all(runs.join("2/x")).unwrap();
        let saved = manager.save(2, &x);
        assert!(saved.unwrap(), "the call that started it has nothing to tell");
        let said = match next {
            "wait" => message(manager.wait_until_finished(), &directory),
            "save" => message(manager.save(3, &x), &directory),
            "restore" => message(manager.restore(1, &x), &directory),
            _ => {
                let said = message(manager.close(), &directory);
                fs::remove_dir_all(&runs).unwrap();
                assert!(
                    said.starts_with("the checkpoint of step 2: could not write DIR/runs/.2.part: "),
                    "{said}"
                );
                continue;
            }
        };
        assert!(said.starts_with("the checkpoint of step 2: could not write DIR/runs/.2.part: "), "{said}");
        // It is told once, and nothing is left of it: the step can be saved when it can be written.
        manager.wait_until_finished().unwrap();
        assert_eq!(names(&runs), [".lock", "1", "2"]);
        fs::remove_dir_all(runs.join("2")).unwrap();
        assert!(manager.save(2, &x).unwrap());
        assert_eq!(saved_and_dropped(manager), [1, 2]);
        fs::remove_dir_all(&runs).unwrap();
    }
    let now = CheckpointManager::new_with(&runs, options().enable_async_checkpointing(false)).unwrap();
    fs::create_dir_all(runs.join("2/x")).unwrap();
    let said = message(now.save(2, &x), &directory);
    assert!(said.starts_with("the checkpoint of step 2: could not write DIR/runs/.2.part: "), "{said}");
    now.save(3, &x).unwrap();
    assert_eq!(now.all_steps().unwrap(), [3], "it is there when the call returns");
}

fn saved_and_dropped(manager: CheckpointManager) -> Vec<u64> {
    let all = saved(&manager);
    manager.close().unwrap();
    all
}

#[test]
fn what_else_lies_in_the_directory_is_left_alone() {
    let directory = Directory::new("others");
    for other in ["notes", "007", "-1", "5.old", ".x.part", "7"] {
        fs::create_dir_all(directory.file(other)).unwrap();
    }
    fs::write(directory.file("8"), "a file").unwrap();
    for half in [".3.part/x", ".4.deleted/x"] {
        fs::create_dir_all(directory.file(half)).unwrap();
    }
    let reader = CheckpointManager::new_with(&directory.0, options().read_only(true)).unwrap();
    assert!(directory.file(".3.part").exists(), "it may be another's");
    assert_eq!(reader.latest_step().unwrap(), None);
    let manager = CheckpointManager::new_with(&directory.0, options().max_to_keep(1)).unwrap();
    manager.save(1, &Array::from(1)).unwrap();
    manager.save(2, &Array::from(1)).unwrap();
    assert_eq!(saved(&manager), [2]);
    assert_eq!(names(&directory.0), ["-1", ".lock", ".x.part", "007", "2", "5.old", "7", "8", "notes"]);
}

const WRITER: &str = "RAXLA_TEST_CHECKPOINTS";
/// Numbers that no device sees, so that a process begins to write at once.
const LEAVES: usize = 100;

fn numbers(step: u64) -> BTreeMap<String, Array> {
    (0..LEAVES)
        .map(|i| (format!("layer_{i}/kernel"), Array::scalar(step as f32 + i as f32 / 128.0)))
        .collect()
}

/// Saves one step after the other until it is killed.
#[test]
fn writer() {
    let Ok(directory) = std::env::var(WRITER) else { return };
    let manager = CheckpointManager::new_with(directory, options().max_to_keep(2)).unwrap();
    for step in manager.latest_step().unwrap().map_or(0, |step| step + 1).. {
        manager.save(step, &numbers(step)).unwrap();
    }
}

#[test]
fn a_process_that_is_killed_200_times_leaves_whole_checkpoints() {
    let directory = Directory::new("killed-often");
    let mut writer = process::tests(["--exact", "io::checkpoints::writer"]);
    let writer = writer.env(WRITER, &directory.0).stdout(Stdio::null()).stderr(Stdio::null());
    let reader = CheckpointManager::new_with(&directory.0, options().read_only(true)).unwrap();
    let latest = || reader.latest_step().unwrap();
    let mut halves = 0;
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..200 {
        let before = latest();
        let mut child = writer.spawn().unwrap();
        let start = Instant::now();
        while latest() <= before {
            assert!(
                child.try_wait().unwrap().is_none() && start.elapsed().as_secs() < 60,
                "it does not write"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(random % 12_000));
        child.kill().unwrap();
        child.wait().unwrap();
        halves +=
            usize::from(names(&directory.0).iter().any(|name| name.starts_with('.') && name != ".lock"));
        let found = latest();
        assert!(found > before, "{found:?} after {before:?}");
        let manager = CheckpointManager::new(&directory.0).unwrap();
        let steps = manager.all_steps().unwrap();
        // There may be more than two: each that was killed before it deleted one leaves it to the next.
        assert_eq!(steps.last().copied(), found);
        for step in &steps {
            assert_eq!(bits(&manager.restore(*step, &numbers(0)).unwrap()), bits(&numbers(*step)), "{step}");
        }
        let whole: Vec<String> = steps.iter().map(u64::to_string).collect();
        let mut left = names(&directory.0);
        left.retain(|name| name != ".lock");
        assert_eq!(
            BTreeMap::from_iter(left.iter().map(|x| (x, ()))),
            whole.iter().map(|x| (x, ())).collect()
        );
    }
    let manager = CheckpointManager::new_with(&directory.0, options().max_to_keep(2)).unwrap();
    manager.save(u64::MAX, &numbers(0)).unwrap();
    assert_eq!(saved(&manager).len(), 2, "which deletes them all");
    assert!(halves > 20, "only {halves} were killed while they wrote");
    println!("{halves} of 200 were killed while a step was half written or deleted");
}
