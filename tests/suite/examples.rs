//! The examples print what the same programs print in JAX: `tests/oracle/examples/record.py` has recorded it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The directory of the examples, built with this test's profile. Cargo builds them for `cargo test`, but not for
/// `cargo test --test suite`, which would then run old ones.
fn built() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--examples", "--quiet", "--manifest-path"]);
        cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
        if cfg!(feature = "data-text") {
            cargo.args(["--features", "data-text"]);
        }
        // target/<profile>/deps/suite-<hash>
        let this = std::env::current_exe().unwrap();
        let profile = this.parent().unwrap().parent().unwrap();
        if profile.file_name().is_some_and(|name| name == "release") {
            cargo.arg("--release");
        }
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        let out = cargo.output().unwrap();
        assert!(out.status.success(), "{cargo:?}: {}", String::from_utf8_lossy(&out.stderr));
        profile.join("examples")
    })
}

/// Runs an example in an empty directory of its own; returns that and what it printed.
fn run(example: &str, arguments: &[&str]) -> (PathBuf, Output) {
    let table = arguments.last().map(|path| Path::new(path).file_stem().unwrap().to_string_lossy());
    let name = format!("example-{example}-{}", table.unwrap_or_default());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    let out = run_in(&directory, example, arguments);
    (directory, out)
}

fn run_in(directory: &Path, example: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(built().join(example));
    command.args(arguments).current_dir(directory).env("RAXLA_PLATFORMS", "cpu").output().unwrap()
}

/// Words are equal, or numbers within `ulps` units in the last place of an `f32`.
fn agree(ours: &str, theirs: &str, ulps: f64) -> bool {
    if ours == theirs {
        return true;
    }
    let (Ok(x), Ok(y)) = (ours.parse::<f64>(), theirs.parse::<f64>()) else { return false };
    (x - y).abs() <= ulps * f64::from(f32::EPSILON) * x.abs().max(y.abs())
}

/// Compares an example's output with what JAX printed; returns its directory.
fn prints_what_jax_prints(example: &str, arguments: &[&str], recorded: &str, ulps: f64) -> PathBuf {
    let (directory, ours) = printed(example, arguments);
    is_what_jax_prints(example, &ours, recorded, ulps);
    directory
}

fn printed(example: &str, arguments: &[&str]) -> (PathBuf, String) {
    let (directory, out) = run(example, arguments);
    assert!(out.status.success(), "{example}: {}", String::from_utf8_lossy(&out.stderr));
    (directory, String::from_utf8(out.stdout).unwrap())
}

fn is_what_jax_prints(example: &str, ours: &str, recorded: &str, ulps: f64) {
    let path = format!("{}/tests/fixtures/examples/{recorded}.txt", env!("CARGO_MANIFEST_DIR"));
    let theirs = std::fs::read_to_string(path).unwrap();
    let same_words = |(ours, theirs): (&str, &str)| {
        let (ours, theirs): (Vec<_>, Vec<_>) = (ours.split(' ').collect(), theirs.split(' ').collect());
        ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(x, y)| agree(x, y, ulps))
    };
    let same =
        ours.lines().count() == theirs.lines().count() && ours.lines().zip(theirs.lines()).all(same_words);
    assert!(same, "{example} prints\n{ours}\nJAX prints\n{theirs}");
}

fn is_a_picture(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.len() > 5000, "{}", path.display());
}

fn data(name: &str) -> String {
    format!("{}/examples/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn counter() {
    prints_what_jax_prints("counter", &[], "counter", 0.0);
}

#[test]
fn random_keys() {
    prints_what_jax_prints("random_keys", &[], "random_keys", 4.0);
}

#[test]
fn linear_regression() {
    let directory = prints_what_jax_prints("linear_regression", &[], "linear_regression", 4.0);
    is_a_picture(&directory.join("linear_regression.png"));
}

#[test]
fn linear_regression_of_one_column() {
    let arguments = ["--data", &data("engel.csv")];
    let directory = prints_what_jax_prints("linear_regression", &arguments, "linear_regression_engel", 16.0);
    is_a_picture(&directory.join("linear_regression.png"));
}

#[test]
fn optimizer_state() {
    prints_what_jax_prints("optimizer_state", &[], "optimizer_state", 16.0);
}

#[test]
fn batch_norm() {
    prints_what_jax_prints("batch_norm", &[], "batch_norm", 64.0);
}

/// Eight steps of Adam amplify what the last bits of a sum differ by.
#[test]
fn digits_cnn() {
    let directory = prints_what_jax_prints("digits_cnn", &[], "digits_cnn", 800.0);
    assert!(directory.join("digits_cnn.safetensors").exists());
}

/// Losses differ by less than one unit, and as much between XLA's instruction sets.
#[test]
fn rnn() {
    prints_what_jax_prints("rnn", &[], "rnn", 16.0);
}

/// Losses differ by two units at most, and as much between XLA's instruction sets.
#[test]
fn vae() {
    let directory = prints_what_jax_prints("vae", &[], "vae", 16.0);
    is_a_picture(&directory.join("vae.png"));
}

/// The second iteration follows 32 steps of Adam.
#[test]
fn ppo() {
    prints_what_jax_prints("ppo", &[], "ppo", 800.0);
}

/// Losses are printed in four digits, which all instruction sets of XLA have in common.
#[test]
fn sharded_mlp() {
    prints_what_jax_prints("sharded_mlp", &[], "sharded_mlp", 0.0);
}

/// All of its 300 steps, of which JAX has run the first eight.
#[test]
fn char_lm() {
    let (directory, ours) = printed("char_lm", &[]);
    let (steps, bar) = ours.trim_end().rsplit_once('\n').unwrap();
    is_what_jax_prints("char_lm", steps, "char_lm", 800.0);
    assert_eq!(bar, "less than 2.1 nats a character of held-out text: true");
    is_a_picture(&directory.join("char_lm/losses.png"));
}

#[test]
fn an_interrupted_char_lm_ends_as_one_that_was_not_interrupted() {
    let (whole, out) = run("char_lm", &["--until", "6"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let (parts, out) = run("char_lm", &["--until", "3"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let out = run_in(&parts, "char_lm", &["--until", "6"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains("goes on after step 3"), "{said}");
    let file = "char_lm/6/state.safetensors";
    let (whole, parts) = (std::fs::read(whole.join(file)).unwrap(), std::fs::read(parts.join(file)).unwrap());
    assert!(whole == parts, "the checkpoints differ");
}

#[cfg(feature = "data-text")]
#[test]
fn gpt2() {
    let model = format!("{}/tests/fixtures/pretrained/gpt2_that_writes", env!("CARGO_MANIFEST_DIR"));
    let greedy = [&model, "--prompt", "to the", "--temperature", "0", "--tokens", "99"];
    prints_what_jax_prints("gpt2", &greedy, "gpt2", 0.0);
    // Of the likeliest alone the likeliest is drawn.
    prints_what_jax_prints("gpt2", &[&model, "--prompt", "to the", "--top-k", "1"], "gpt2", 0.0);
    let (_, out) = run("gpt2", &["nothing"]);
    let message = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success());
    assert!(message.contains("nothing has no config.json") && message.contains("hf download"), "{message}");
}

#[test]
fn a_table_that_is_none_is_refused_with_its_line() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("words.csv");
    std::fs::write(&path, "height,weight\n1.80,75\n1.75,heavy\n").unwrap();
    let (_, out) = run("linear_regression", &["--data", path.to_str().unwrap()]);
    let message = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success());
    assert!(message.contains("words.csv:3: weight is no number: \"heavy\""), "{message}");
}
