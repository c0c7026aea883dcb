//! npy and npz files: those that NumPy wrote (`tests/oracle/numpy_files.py`), those that it reads, and such as are none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use raxla::io::{self, LoadOptions, SaveOptions};
use raxla::prelude::*;
use raxla::{ErrorKind, numpy as jnp};

use super::{Directory, bits};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/numpy").join(name)
}

/// What the script names `numbers`.
fn numbers<const N: usize>(dtype: DType, shape: [usize; N]) -> Array {
    let x = jnp::arange(shape.iter().product::<usize>() as i32).astype(dtype);
    // Not by a product of complex numbers, which would make zeroes of both signs.
    let x = if dtype.is_complex() { lax_complex(&x) } else { x };
    jnp::reshape(x, shape)
}

fn lax_complex(x: &Array) -> Array {
    let part = if x.dtype() == DType::C64 { DType::F32 } else { DType::F64 };
    let real = jnp::real(x).astype(part);
    raxla::lax::complex(&real, &(0.0 - 0.5 * &real))
}

fn with_x64(body: impl FnOnce()) {
    raxla::config::with_x64(true, body);
}

/// Those that the format has a name for.
fn every_dtype() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| !dtype.is_small_float() && !dtype.is_sub_byte())
}

#[test]
fn dtypes_without_a_name_in_the_format_are_read_as_those_of_like() {
    let directory = Directory::new("nameless");
    let file = directory.file("a.npy");
    let ones = jnp::ones(([3], DType::F8E4M3FN));
    io::save(&file, &ones).unwrap();
    assert_eq!(fs::read(&file).unwrap(), fs::read(fixture("float8.npy")).unwrap());
    for dtype in DType::ALL.into_iter().filter(|d| d.is_small_float() || d.is_sub_byte()) {
        for name in ["a.npy", "a.npz"] {
            let x = jnp::ones(([2, 3], dtype));
            let file = directory.file(name);
            io::save(&file, &x).unwrap();
            assert_eq!(bits(&io::load(&file, &jnp::zeros_like(&x)).unwrap()), bits(&x), "{dtype}");
            let other = io::load(&file, &jnp::zeros(([2, 3], DType::U8))).map(|_| ()).unwrap_err();
            assert_eq!(other.kind(), ErrorKind::TreeMismatch, "{other}");
        }
    }
    assert_eq!(
        io::load_array(fixture("float8.npy")).unwrap_err().message(),
        format!(
            "{}: value is <V1[3]: NumPy's format has no name for floats of eight bits and integers of four, so the file does not say \
             which it is: load takes the dtype of `like`",
            fixture("float8.npy").display()
        )
    );
}

#[test]
fn arrays_that_numpy_wrote_are_read() {
    with_x64(|| {
        let is = |name: &str, expected: Array| {
            let read = io::load_array(fixture(name)).unwrap();
            assert_eq!(bits(&read), bits(&expected), "{name}");
            assert_eq!(bits(&io::load(fixture(name), &jnp::zeros_like(&expected)).unwrap()), bits(&expected));
        };
        for dtype in every_dtype() {
            is(&format!("{}.npy", dtype.name()), numbers(dtype, [2, 3]));
        }
        for dtype in [DType::I16, DType::U64, DType::F16, DType::F64, DType::C64, DType::C128] {
            is(&format!("big_{}.npy", dtype.name()), numbers(dtype, [2, 3]));
        }
        is("fortran.npy", numbers(DType::F32, [2, 3, 4]));
        is("fortran_big.npy", numbers(DType::C64, [2, 3, 4]));
        is("scalar.npy", numbers(DType::F32, []));
        is("vector.npy", numbers(DType::F32, [5]));
        is("empty.npy", numbers(DType::F32, [0, 3]));
        is("version_2.npy", numbers(DType::F32, [2, 3]));
        is("version_3.npy", numbers(DType::F32, [2, 3]));
    });
    // As JAX has it without x64.
    assert_eq!(io::load_array(fixture("int64.npy")).unwrap().dtype(), DType::I32);
}

fn archive() -> BTreeMap<String, Array> {
    let arrays = [
        ("bf16", numbers(DType::BF16, [2, 3])),
        ("float32", numbers(DType::F32, [30, 40])),
        ("fortran", numbers(DType::F32, [2, 3, 4])),
        ("layer/bias", numbers(DType::I8, [2, 3])),
        ("scalar", numbers(DType::U32, [])),
    ];
    arrays.map(|(name, x)| (name.to_owned(), x)).into()
}

#[test]
fn archives_that_numpy_wrote_are_read() {
    for name in ["stored.npz", "compressed.npz"] {
        let read = io::load_named(fixture(name)).unwrap();
        assert_eq!(bits(&read), bits(&archive()), "{name}");
        assert_eq!(bits(&io::load(fixture(name), &archive()).unwrap()), bits(&archive()), "{name}");
    }
    let mut part = archive();
    part.remove("float32");
    part.insert("new".into(), jnp::ones([2]));
    let options = LoadOptions::new().allow_missing(true).allow_unexpected(true);
    let read = io::load_with(fixture("stored.npz"), &part, options).unwrap();
    assert_eq!(bits(&read), bits(&part));
}

#[test]
fn arrays_are_written_to_the_byte_as_numpy_writes_them() {
    let directory = Directory::new("npy-bytes");
    with_x64(|| {
        let same = |name: &str, x: Array| {
            let file = directory.file(name);
            io::save(&file, &x).unwrap();
            assert_eq!(fs::read(&file).unwrap(), fs::read(fixture(name)).unwrap(), "{name}");
        };
        for dtype in every_dtype() {
            same(&format!("{}.npy", dtype.name()), numbers(dtype, [2, 3]));
        }
        same("scalar.npy", numbers(DType::F32, []));
        same("vector.npy", numbers(DType::F32, [5]));
        same("empty.npy", numbers(DType::F32, [0, 3]));
    });
}

#[test]
fn trees_come_back_from_archives_to_the_bit() {
    let directory = Directory::new("npz-tree");
    let file = directory.file("a.npz");
    let tree = super::training();
    for compressed in [false, true] {
        io::save_with(&file, &tree, SaveOptions::new().compressed(compressed)).unwrap();
        let like = raxla::tree::map(|x| jnp::zeros_like(x), &tree);
        assert_eq!(bits(&io::load(&file, &like).unwrap()), bits(&tree));
    }
    // Names that are paths, or would be.
    let names = ["/a", "a/../b", "..", "a\\b", "", "ü", "a.npy", "a:b"];
    let strange: BTreeMap<String, Array> =
        (0..).zip(names).map(|(i, name)| (name.to_owned(), Array::from(i))).collect();
    io::save(&file, &strange).unwrap();
    assert_eq!(bits(&io::load(&file, &strange).unwrap()), bits(&strange));
    // What a file is, it says itself.
    let renamed = directory.file("b.safetensors");
    fs::rename(&file, &renamed).unwrap();
    assert_eq!(bits(&io::load(&renamed, &strange).unwrap()), bits(&strange));
    let zeros = jnp::zeros([1000, 100]);
    let size = |options: SaveOptions| {
        io::save_with(&file, &zeros, options).unwrap();
        fs::metadata(&file).unwrap().len()
    };
    assert!(size(SaveOptions::new().compressed(true)) * 100 < size(SaveOptions::new()));
}

/// Runs the script with a Python that has NumPy and `ml_dtypes`, if there is one.
fn numpy_reads(directory: &Path) -> Option<String> {
    let python = std::env::var("RAXLA_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let has = Command::new(&python).args(["-c", "import ml_dtypes, numpy"]).output();
    if !has.is_ok_and(|out| out.status.success()) {
        println!("skipped: {python} has no NumPy with ml_dtypes; set RAXLA_TEST_PYTHON");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/numpy_files.py");
    let out = Command::new(&python).arg(script).arg("--read").arg(directory).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

#[test]
fn numpy_reads_what_is_written() {
    let directory = Directory::new("numpy-reads");
    let hex = |x: &Array| x.to_bytes().unwrap().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let tuple = |x: &Array| match x.shape() {
        [n] => format!("({n},)"),
        sizes => format!("({})", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let line = |name: &str, x: &Array| format!("{name} {} {} {}", x.dtype().name(), tuple(x), hex(x));
    let mut expected = Vec::new();
    with_x64(|| {
        let all: BTreeMap<String, Array> =
            every_dtype().map(|dtype| (format!("x/{}", dtype.name()), numbers(dtype, [2, 3]))).collect();
        for (name, compressed) in [("a.npz", true), ("b.npz", false)] {
            io::save_with(directory.file(name), &all, SaveOptions::new().compressed(compressed)).unwrap();
            expected.extend(all.iter().map(|(array, x)| line(&format!("{name} {array}"), x)));
        }
        let arrays = [numbers(DType::F32, []), numbers(DType::BF16, [5]), numbers(DType::I64, [0, 3])];
        for (i, x) in arrays.iter().enumerate() {
            io::save(directory.file(&format!("c{i}.npy")), x).unwrap();
            expected.push(line(&format!("c{i}.npy"), x));
        }
    });
    if let Some(read) = numpy_reads(&directory.0) {
        assert_eq!(read.lines().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn what_is_no_file_of_numpy_is_an_error_with_its_reason() {
    let directory = Directory::new("npy-mistakes");
    let said = |path: &Path| {
        let e = io::load_named(path).map(|_| ()).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Io | ErrorKind::DType), "{e}");
        let name = path.parent().unwrap().to_str().unwrap();
        e.message().replace(name, "DIR")
    };
    assert_eq!(said(&fixture("text.npy")), "DIR/text.npy: value is <U2[2], a dtype that raxla lacks");
    assert_eq!(said(&fixture("object.npy")), "DIR/object.npy: value is |O[2], a dtype that raxla lacks");
    assert_eq!(said(&fixture("time.npy")), "DIR/time.npy: value is <M8[D][1], a dtype that raxla lacks");
    assert_eq!(
        said(&fixture("record.npy")),
        "DIR/record.npy: value is [('a', '<i4'), ('b', '<f4', (2,))][1], a dtype that raxla lacks"
    );
    let written = |name: &str, data: &[u8]| {
        let path = directory.file(name);
        fs::write(&path, data).unwrap();
        said(&path)
    };
    let good = fs::read(fixture("float32.npy")).unwrap();
    assert_eq!(written("a.npy", b""), "DIR/a.npy is no npy file: it does not begin as an npy file does");
    assert_eq!(written("a.npy", &good[..50]), "DIR/a.npy is no npy file: it is cut off in its header");
    assert_eq!(
        written("a.npy", &good[..good.len() - 4]),
        "DIR/a.npy is no npy file: it is cut off or damaged: f32[2,3] does not have 20 bytes"
    );
    assert_eq!(
        written("a.npy", &[&good[..], b"x"].concat()),
        "DIR/a.npy is no npy file: it is cut off or damaged: f32[2,3] does not have 25 bytes"
    );
    assert_eq!(
        written("a.npy", &[&good[..6], &[9], &good[7..]].concat()),
        "DIR/a.npy is no npy file: it is of version 9 of the format, which is unknown"
    );
    let huge = "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }";
    let huge = [b"\x93NUMPY\x01\x00", &(huge.len() as u16).to_le_bytes()[..], huge.as_bytes()].concat();
    assert_eq!(
        written("a.npy", &huge),
        "DIR/a.npy is no npy file: it is cut off or damaged: f32[4611686018427387904,8] does not have 0 bytes"
    );
    let header = |text: &str| {
        let mut text = text.as_bytes().to_vec();
        text.resize(118, b' ');
        [&good[..10], &text, &good[128..]].concat()
    };
    assert_eq!(
        written("a.npy", &header("{'descr': '<f4'}")),
        "DIR/a.npy is no npy file: its header is \"{'descr': '<f4'}\""
    );
    let stored = fs::read(fixture("stored.npz")).unwrap();
    for cut in [3, 40, stored.len() / 2, stored.len() - 1] {
        let said = written("a.npz", &stored[..cut]);
        assert!(said.starts_with("DIR/a.npz is no npz file, or is cut off: "), "{said}");
    }
    let x = jnp::ones([2]);
    let fails = |result: Result<()>, expected: &str| {
        let e = result.unwrap_err();
        assert_eq!(e.message().replace(directory.0.to_str().unwrap(), "DIR"), expected);
        assert!(e.location().unwrap().file().ends_with("numpy_files.rs"));
    };
    fails(
        io::save(directory.file("b.npy"), &(x.clone(), x.clone())),
        "save: DIR/b.npy can hold one array, and the tree has 2: end its name in .npz",
    );
    fails(
        io::save_with(directory.file("b.safetensors"), &x, SaveOptions::new().compressed(true)),
        "save: DIR/b.safetensors can't be compressed: only an npz file can",
    );
    fails(
        io::load_array(fixture("stored.npz")).map(|_| ()),
        &format!("load_array: {} has 5 arrays: use load_named", fixture("stored.npz").display()),
    );
    fails(
        io::load(fixture("fortran.npy"), &x).map(|_| ()),
        &format!(
            "{} does not fit:\n  value is f32[2,3,4], expected f32[2]",
            fixture("fortran.npy").display()
        ),
    );
}

#[test]
fn damaged_archives_are_errors_and_no_panics() {
    let directory = Directory::new("npz-malformed");
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let small = |name: &str, options: SaveOptions| {
        let file = directory.file(name);
        let x = numbers(DType::F32, [3, 4]);
        if name == "a.npy" {
            io::save(&file, &x).unwrap();
        } else {
            io::save_with(
                &file,
                &BTreeMap::from(["a", "b/c"].map(|name| (name.to_owned(), x.clone()))),
                options,
            )
            .unwrap();
        }
        let good = io::load_named(&file).unwrap();
        (file.clone(), fs::read(&file).unwrap(), good)
    };
    let files = [
        small("a.npy", SaveOptions::new()),
        small("a.npz", SaveOptions::new()),
        small("b.npz", SaveOptions::new().compressed(true)),
    ];
    for (file, good, arrays) in files {
        let archive = file.extension().unwrap() == "npz";
        for len in 0..good.len() {
            fs::write(&file, &good[..len]).unwrap();
            assert!(io::load_named(&file).is_err(), "cut off at {len}");
        }
        // A flipped bit of an archive is an error, or one of what does not matter, such as dates, or of a name.
        for bit in (0..good.len() * 8).filter(|_| archive) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, &bad).unwrap();
            if let Ok(read) = io::load_named(&file) {
                assert!(read.len() == arrays.len(), "bit {bit}");
                let (read, arrays) = (read.into_values(), arrays.values().cloned());
                assert_eq!(bits(&read.collect::<Vec<_>>()), bits(&arrays.collect::<Vec<_>>()), "bit {bit}");
            }
        }
        for _ in 0..3_500 {
            let mut bad = good.clone();
            for _ in 0..1 + next(4) {
                let byte = b"'[](){}:,019<>f\0\xff"[next(17)];
                let at = next(bad.len());
                bad[at] = byte;
            }
            fs::write(&file, &bad).unwrap();
            if let Err(e) = io::load_named(&file) {
                assert!(matches!(e.kind(), ErrorKind::Io | ErrorKind::DType), "{e}");
            }
        }
    }
}
