//! Compiled programs on disk: what is written is found by the next process, what is damaged is compiled anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use raxla::api::{JitOptions, jit_with};
use raxla::pjrt::{CompileOptions, Program, discovery};
use raxla::prelude::*;
use raxla::{config, debug, lax, numpy as jnp};

use crate::process;

/// A directory that is removed at the end.
struct TemporaryDir(PathBuf);

impl TemporaryDir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("raxla-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        TemporaryDir(dir)
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn entries(dir: &Path) -> Vec<(PathBuf, SystemTime)> {
    let files = fs::read_dir(dir).map(|files| files.map(|file| file.unwrap().path()).collect());
    let mut files: Vec<PathBuf> = files.unwrap_or_default();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::metadata(file).unwrap().modified().unwrap())).collect()
}

const DIR: &str = "RAXLA_TEST_CACHE";

/// Run by the test below in processes of its own: the settings are those of a process.
#[test]
fn worker() -> Result<()> {
    let Ok(dir) = std::env::var(DIR) else { return Ok(()) };
    config::set_compilation_cache_dir(Some(dir.into()));
    config::set_persistent_cache_min_compile_time(Duration::ZERO);
    // Two results, a donated argument, a constant that is hoisted.
    let weights = jnp::arange(3) * 0.5;
    let step = jit(move |state: Array, x: &Array| {
        let state = state + jnp::sin(x) * &weights;
        (jnp::sum(&state, ..), state)
    });
    let mut state = jnp::zeros([3]);
    let mut total = Array::scalar(0f32);
    for _ in 0..3 {
        (total, state) = step(state, &Array::from([1.0f32, 2.0, 3.0]))?;
    }
    // A program that calls a function of this process, which another has not.
    let looks = |x: &Array| {
        debug::print!("{x}");
        x * 2.0
    };
    jit_with(looks, JitOptions::default().name("looks"))(&Array::from(1.0))?;
    println!("result: {} {:?}", total.item::<f32>()?, state.to_vec::<f32>()?);
    Ok(())
}

fn run(dir: &Path) -> String {
    let mut worker = process::tests(["--exact", "compilation_cache::worker"]);
    let output = worker.env(DIR, dir).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().find(|line| line.contains("result:")).expect("the worker prints its result").to_owned()
}

#[test]
fn a_later_process_finds_what_an_earlier_one_compiled() {
    let dir = TemporaryDir::new("cache");
    let first = run(&dir.0);
    let written = entries(&dir.0);
    assert!(written.iter().any(|(file, _)| file.to_string_lossy().contains("jit_")), "{written:?}");
    let names = |part| written.iter().any(|(file, _)| file.to_string_lossy().contains(part));
    assert!(!names(".part") && !names("jit_looks"), "{written:?}");

    assert_eq!(run(&dir.0), first);
    assert_eq!(entries(&dir.0), written, "everything was found, nothing written");

    // Half an entry, and an empty one.
    let whole = fs::read(&written[0].0).unwrap();
    fs::write(&written[0].0, &whole[..whole.len() / 2]).unwrap();
    fs::write(&written[1].0, b"").unwrap();
    assert_eq!(run(&dir.0), first);
    assert_eq!(fs::read(&written[0].0).unwrap().len(), whole.len(), "written again");
    assert!(!fs::read(&written[1].0).unwrap().is_empty());
}

#[test]
fn a_directory_that_cannot_be_written_is_no_error() {
    let file = TemporaryDir::new("no-directory");
    fs::write(&file.0, "a file").unwrap();
    run(&file.0);
    fs::remove_file(&file.0).unwrap();
}

const PROGRAM: &str = "RAXLA_TEST_PROGRAM";

/// Run by the test below: writes a program that calls a kernel, or loads and runs it without having lowered any.
#[test]
fn kernel_worker() -> Result<()> {
    let Ok(path) = std::env::var(PROGRAM) else { return Ok(()) };
    let client = discovery::client("cpu")?;
    if !Path::new(&path).exists() {
        let lowered =
            jit(|x: &Array| lax::linalg::lu(x).0).lower()(&Array::from([[1.0f32, 2.0], [4.0, 4.0]]))?;
        let executable = client.compile(&Program::mlir_text(lowered.as_text()), &CompileOptions::new())?;
        fs::write(&path, executable.serialize()?).unwrap();
        return Ok(());
    }
    let executable = client.deserialize_and_load(&fs::read(&path).unwrap(), None)?;
    let bytes: Vec<u8> = [1.0f32, 2.0, 4.0, 4.0].iter().flat_map(|x| x.to_ne_bytes()).collect();
    let x = client.buffer_from_host(&bytes, DType::F32, &[2, 2], &client.default_device()?)?;
    let outs = executable.execute(&[&x], &[])?;
    let mut bytes = [0; 16];
    outs[0].to_host_sync(&mut bytes)?;
    let found: Vec<f32> = bytes.chunks(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect();
    assert_eq!(found, [4.0, 4.0, 0.25, 1.0]);
    Ok(())
}

#[test]
fn a_program_with_kernels_runs_in_a_process_that_has_lowered_none() {
    let file = TemporaryDir::new("kernel-program");
    for _ in 0..2 {
        let mut worker = process::tests(["--exact", "compilation_cache::kernel_worker"]);
        let output = worker.env(PROGRAM, &file.0).output().unwrap();
        let [out, error] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(output.status.success() && out.contains("1 passed"), "{out}{error}");
    }
    fs::remove_file(&file.0).unwrap();
}
