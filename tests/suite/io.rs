//! `io`: trees in files, whole or not at all.

mod checkpoints;
mod numpy_files;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use raxla::io::{self, LoadOptions};
use raxla::nn::Params;
use raxla::prelude::*;
use raxla::{ErrorKind, numpy as jnp, random, tree};

use crate::process;

/// A directory of a test's own, which goes with it.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("raxla-io-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Pytree)]
struct Training {
    params: Params,
    moments: (Vec<Array>, Option<Array>),
    key: random::Key,
    #[pytree(static)]
    width: usize,
}

fn training() -> Training {
    let mut params = Params::default();
    params.set("fc1/kernel", Array::from([[1.0f32, -0.0], [f32::NAN, f32::INFINITY]])).unwrap();
    params.set("fc1/bias", Array::from([1, 2, 3])).unwrap();
    let moments = (vec![jnp::zeros([0, 3]), Array::from(true)], Some(jnp::ones(([2], DType::BF16))));
    Training { params, moments, key: random::key(7), width: 3 }
}

fn bits(tree: &impl Pytree) -> Vec<(String, Vec<u8>)> {
    let leaves = tree::leaves_with_path(tree).into_iter();
    leaves.map(|(path, x)| (format!("{path}: {:?}", x.aval()), x.to_bytes().unwrap())).collect()
}

#[test]
fn a_tree_comes_back_to_the_bit() {
    let directory = Directory::new("tree");
    let file = directory.file("training.safetensors");
    let before = training();
    io::save(&file, &before).unwrap();
    let like = tree::map(|x| jnp::zeros_like(x), &before);
    assert_eq!(bits(&io::load(&file, &like).unwrap()), bits(&before));
    let named = io::load_named(&file).unwrap();
    let names: Vec<&str> = named.keys().map(String::as_str).collect();
    let expected =
        ["key/data", "moments/0/0", "moments/0/1", "moments/1", "params/fc1/bias", "params/fc1/kernel"];
    assert_eq!(names, expected);
    // Every dtype that the format has.
    let mut refused = Vec::new();
    for dtype in DType::ALL {
        raxla::config::with_x64(true, || {
            let x = jnp::ones(([3, 2], dtype));
            match io::save(&file, &x) {
                Ok(()) => {
                    assert_eq!(bits(&io::load(&file, &jnp::zeros_like(&x)).unwrap()), bits(&x), "{dtype}")
                }
                Err(e) => refused.push(e.message().to_string()),
            }
        });
    }
    let lacking = ["i2", "i4", "u2", "u4", "f8_e3m4", "f8_e4m3", "f8_e4m3b11fnuz", "c128"];
    assert_eq!(
        refused,
        lacking.map(|dtype| format!("save: value is {dtype}[3,2], which safetensors files have no type for"))
    );
    let odd = jnp::ones(([3], DType::F4E2M1FN));
    assert_eq!(
        io::save(&file, &odd).unwrap_err().message(),
        "save: value is f4_e2m1fn[3], of which safetensors files hold even numbers"
    );
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn what_does_not_fit_is_listed_by_name() {
    let directory = Directory::new("fit");
    let file = directory.file("a.safetensors");
    io::save(&file, &training()).unwrap();
    let mut other = training();
    other.params = Params::default();
    other.params.set("fc1/kernel", jnp::ones([2, 5])).unwrap();
    other.params.set("head/kernel", jnp::ones([2])).unwrap();
    let e = io::load(&file, &other).map(|_| ()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TreeMismatch);
    let expected = format!(
        "{} does not fit:
  params/fc1/kernel is f32[2,2], expected f32[2,5]
  missing: params/head/kernel, f32[2]
  unexpected: params/fc1/bias, i32[3]",
        file.display()
    );
    assert_eq!(e.message(), expected);
    assert!(e.location().unwrap().file().ends_with("io.rs"));
    other.params.set("fc1/kernel", jnp::ones([2, 2])).unwrap();
    let part = LoadOptions::new().allow_missing(true).allow_unexpected(true);
    let loaded = io::load_with(&file, &other, part).unwrap();
    assert_eq!(loaded.params.get("head/kernel").unwrap().to_vec::<f32>().unwrap(), [1.0, 1.0]);
    assert!(loaded.params.get("fc1/kernel").unwrap().to_vec::<f32>().unwrap()[2].is_nan());
    let mut wider = training();
    wider.width = 4;
    let e = io::load(&file, &wider).map(|_| ()).unwrap_err();
    assert!(e.message().contains("the file's structure is"), "{}", e.message());
}

#[test]
fn a_bit_that_changed_is_noticed() {
    let directory = Directory::new("bits");
    let file = directory.file("a.safetensors");
    let state = training();
    io::save(&file, &state).unwrap();
    let good = fs::read(&file).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    // Every bit of the arrays, and of the header all that can be told from white space and from other metadata.
    for bit in (header * 8)..(good.len() * 8) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &bad).unwrap();
        assert_eq!(io::load(&file, &state).map(|_| ()).unwrap_err().kind(), ErrorKind::Io, "bit {bit}");
    }
    for bit in 0..header * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &bad).unwrap();
        if let Ok(loaded) = io::load(&file, &state) {
            assert_eq!(bits(&loaded), bits(&state), "bit {bit}");
        }
    }
}

#[test]
fn one_tree_gives_the_same_bytes_each_time() {
    let directory = Directory::new("bytes");
    let files = [0, 1, 2, 3].map(|i| directory.file(&format!("{i}.safetensors")));
    let bytes = files.map(|file| {
        io::save(&file, &training()).unwrap();
        fs::read(file).unwrap()
    });
    assert!(bytes.iter().all(|other| *other == bytes[0]));
}

#[test]
fn of_a_part_nothing_else_is_read_and_what_is_read_is_checked() {
    let directory = Directory::new("part");
    let file = directory.file("a.safetensors");
    let both = || BTreeMap::from([("a".to_owned(), jnp::zeros([4])), ("b".to_owned(), jnp::ones([4]))]);
    io::save(&file, &both()).unwrap();
    // The last byte is one of `b`.
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let one = |name: &str| {
        let like = BTreeMap::from([(name.to_owned(), jnp::zeros([4]))]);
        io::load_with(&file, &like, LoadOptions::new().allow_unexpected(true))
    };
    assert_eq!(one("a").unwrap()["a"].to_vec::<f32>().unwrap(), [0.0; 4]);
    for e in [one("b").map(|_| ()).unwrap_err(), io::load(&file, &both()).map(|_| ()).unwrap_err()] {
        let expected =
            format!("{} is damaged: the digest of b is another than the file says", file.display());
        assert_eq!((e.kind(), e.message()), (ErrorKind::Io, &*expected));
    }
}

#[test]
fn what_is_no_such_file_is_an_error() {
    let directory = Directory::new("malformed");
    let file = directory.file("a.safetensors");
    let state = training();
    assert_eq!(io::load(&file, &state).map(|_| ()).unwrap_err().kind(), ErrorKind::Io);
    io::save(&file, &state).unwrap();
    let good = fs::read(&file).unwrap();
    let fails = |bad: &[u8], what: &str| {
        fs::write(&file, bad).unwrap();
        let e = io::load_named(&file).map(|_| ()).unwrap_err();
        assert!(e.message().contains("a.safetensors"), "{what}: {e}");
    };
    for len in 0..good.len() {
        fails(&good[..len], "cut off");
    }
    fails(&[u64::MAX.to_le_bytes().as_slice(), &good[8..]].concat(), "an endless header");
    fails(&[&good[..], b"x"].concat(), "more");
}

const WRITER: &str = "RAXLA_TEST_WRITER";

/// Writes one file again and again until it is killed.
#[test]
fn writer() {
    let Ok(file) = std::env::var(WRITER) else { return };
    for i in 0.. {
        io::save(&file, &BTreeMap::from([("x".to_owned(), jnp::zeros([100_000]) + f64::from(i % 7))]))
            .unwrap();
    }
}

#[test]
fn a_writer_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let directory = Directory::new("killed");
    let file = directory.file("a.safetensors");
    let whole = |path: &Path| {
        let x = io::load_named(path).unwrap().remove("x").unwrap().to_vec::<f32>().unwrap();
        assert!(x.len() == 100_000 && x.iter().all(|y| *y == x[0]));
    };
    io::save(&file, &BTreeMap::from([("x".to_owned(), jnp::ones([100_000]))])).unwrap();
    let mut writer = process::tests(["--exact", "io::writer"]);
    let writer = writer.env(WRITER, &file).stdout(Stdio::null()).stderr(Stdio::null());
    for i in 0..40 {
        let mut child = writer.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(150 + i * 7));
        child.kill().unwrap();
        child.wait().unwrap();
        whole(&file);
    }
}
