//! `train`: what is in the files that a training loop leaves, and what goes wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use raxla::metrics::{Average, Metric, Welford};
use raxla::numpy as jnp;
use raxla::prelude::*;
use raxla::train::{Figure, Logger, Progress, SaveImageOptions, save_image, save_image_with};

/// A directory of a test's own, which goes with it.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("raxla-train-{test}-{}", std::process::id()));
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

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn scalars<const N: usize>(values: [(&str, f32); N]) -> BTreeMap<String, Array> {
    values.map(|(name, x)| (name.to_owned(), Array::from(x))).into()
}

#[track_caller]
fn fails<T>(result: Result<T>, kind: ErrorKind, message: &str) {
    let e = result.map(|_| ()).unwrap_err();
    assert!(e.message().starts_with(message), "{}", e.message());
    assert_eq!(e.kind(), kind, "{e}");
    assert!(e.location().is_some_and(|at| at.file().ends_with("suite/train.rs")), "{e:?}");
}

#[test]
fn a_table_gets_a_column_for_each_name() {
    let directory = Directory::new("csv");
    let csv = directory.file("log.csv");
    let mut log = Logger::new().csv(&csv).unwrap();
    assert_eq!(text(&csv), "");
    log.scalars(0, &Array::from(2.5f32)).unwrap();
    log.scalars(1, &scalars([("loss", 0.1), ("a,\"b\"", f32::NAN)])).unwrap();
    log.scalars(1, &scalars([("rate", 1e-9)])).unwrap();
    log.scalars(20, &(Array::from(7u8), Array::from(true))).unwrap();
    let expected = "step,loss,\"a,\"\"b\"\"\",rate,0,1\n0,2.5,,,,\n1,0.1,NaN,,,\n1,,,1e-9,,\n20,,,,7,1\n";
    assert_eq!(text(&csv), expected);
    // The names are found again.
    let mut log = Logger::from_step(20).csv(&csv).unwrap();
    log.scalars(20, &scalars([("a,\"b\"", 3.0)])).unwrap();
    assert_eq!(text(&csv), expected.replace("20,,,,7,1", "20,,3.0,,,"));
}

#[test]
fn lines_of_json_are_that() {
    let directory = Directory::new("json");
    let path = directory.file("log.jsonl");
    let mut log = Logger::new().json_lines(&path).unwrap();
    log.scalars(0, &scalars([("loss", 2.5), ("\"quoted\" é", -0.1)])).unwrap();
    log.scalars(3, &scalars([("loss", f32::INFINITY)])).unwrap();
    assert_eq!(
        text(&path),
        "{\"step\":0,\"\\\"quoted\\\" é\":-0.1,\"loss\":2.5}\n{\"step\":3,\"loss\":null}\n"
    );
    for line in text(&path).lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn a_run_that_began_again_leaves_what_an_uninterrupted_one_leaves() {
    let directory = Directory::new("again");
    let log = |name: &str, from: u64| {
        let log = Logger::from_step(from).csv(directory.file(&format!("{name}.csv"))).unwrap();
        log.json_lines(directory.file(&format!("{name}.jsonl"))).unwrap()
    };
    let run = |log: &mut Logger, steps: std::ops::Range<u64>| {
        steps.for_each(|step| log.scalars(step, &Array::from(1.0 / (step + 1) as f32)).unwrap());
    };
    run(&mut log("whole", 0), 0..10);
    run(&mut log("killed", 0), 0..8);
    // The writer was killed in the middle of a line.
    for end in ["csv", "jsonl"] {
        let path = directory.file(&format!("killed.{end}"));
        fs::write(&path, text(&path) + "{\"step\":1").unwrap();
    }
    run(&mut log("killed", 6), 6..10);
    for end in ["csv", "jsonl"] {
        let [whole, killed] = ["whole", "killed"].map(|name| text(&directory.file(&format!("{name}.{end}"))));
        assert_eq!(whole, killed);
    }
    // A new run has the file to itself.
    run(&mut log("killed", 0), 0..1);
    assert_eq!(text(&directory.file("killed.csv")), "step,loss\n0,1.0\n");
}

/// The records of an event file, less their framing.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let (bytes, mut records, mut at) = (fs::read(path).unwrap(), Vec::new(), 0);
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        records.push(bytes[at + 12..at + 12 + length].to_vec());
        at += 16 + length;
    }
    records
}

#[test]
fn each_logger_writes_an_event_file_of_its_own() {
    let directory = Directory::new("events");
    let runs = directory.file("runs/first");
    for from in [0, 2] {
        let mut log = Logger::from_step(from).tensorboard(&runs).unwrap();
        (from..from + 3).for_each(|step| log.scalars(step, &Array::from(0.5f32)).unwrap());
    }
    let mut files: Vec<PathBuf> = fs::read_dir(&runs).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2);
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("events.out.tfevents."), "{name}");
        // The version, the beginning, three steps; what is in them is compared with TensorBoard's in `src/train/events.rs`.
        let records = records(file);
        assert_eq!(records.len(), 5);
        assert!(records[0].ends_with(b"brain.Event:2") && records[4].windows(4).any(|x| x == b"loss"));
    }
}

#[derive(Pytree, Metric, Clone, Default)]
struct Evaluation {
    loss: Average,
    noise: Welford,
}

#[test]
fn what_metrics_compute_is_logged_by_name() {
    let directory = Directory::new("metrics");
    let csv = directory.file("log.csv");
    let x = Array::from([1.0f32, 3.0]);
    let seen = Evaluation { loss: Average::empty().update(&x), noise: Welford::empty().update(&x) };
    Logger::new().csv(&csv).unwrap().scalars(5, &seen.compute()).unwrap();
    let header = "step,loss,noise/mean,noise/standard_error_of_mean,noise/standard_deviation";
    assert_eq!(text(&csv), format!("{header}\n5,2.0,2.0,0.70710677,1.0\n"));
}

#[test]
fn what_is_no_scalar_and_steps_that_go_backwards_are_refused() {
    use ErrorKind::{InvalidArgument, Shape};
    let directory = Directory::new("mistakes");
    let csv = directory.file("log.csv");
    let mut log = Logger::new().csv(&csv).unwrap();
    log.scalars(5, &Array::from(1.0f32)).unwrap();
    let vector = BTreeMap::from([("losses".to_owned(), jnp::zeros([3]))]);
    fails(log.scalars(6, &vector), Shape, "Logger::scalars: losses is f32[3], and not one real number");
    let complex = jnp::zeros(((), DType::C64));
    fails(log.scalars(6, &complex), Shape, "Logger::scalars: loss is c64[], and not one real number");
    let backwards = log.scalars(3, &Array::from(1.0f32));
    fails(backwards, InvalidArgument, "Logger::scalars: step 3 comes after step 5");
    for name in ["step", "", "two\nlines"] {
        let message = format!("Logger::scalars: {name:?} is no name for a scalar");
        fails(log.scalars(6, &scalars([(name, 1.0)])), InvalidArgument, &message);
    }
    let mut resumed = Logger::from_step(6).csv(&csv).unwrap();
    let early = resumed.scalars(5, &Array::from(1.0f32));
    fails(early, InvalidArgument, "Logger::scalars: step 5 of a logger that goes on from step 6");
    let traced = jit(|x: &Array| Logger::new().scalars(0, x).map(|()| x.clone()))(&Array::from(1.0f32));
    fails(traced, ErrorKind::Concretization, "loss: ");
    // Nothing of that is in the file.
    assert_eq!(text(&csv), "step,loss\n5,1.0\n");
}

#[test]
fn files_that_cannot_be_written_are_named() {
    use ErrorKind::Io;
    let directory = Directory::new("unwritable");
    let file = directory.file("a-file");
    fs::write(&file, "height,weight\n1.80,75\n").unwrap();
    let below = file.join("log");
    // Whether it is read first, or written.
    fails(Logger::new().csv(&below), Io, "could not ");
    fails(Logger::new().json_lines(directory.file("none/log")), Io, "could not write ");
    fails(Logger::new().tensorboard(&below), Io, "could not write ");
    let line = Figure::new("x", "y").line("", [0.0f32, 1.0], [0.0f32, 1.0]);
    fails(line.save(&below), Io, "could not write ");
    // What is there and no log is left alone.
    fails(
        Logger::new().csv(&file),
        Io,
        &format!("{} is no log: its first column is not named step", file.display()),
    );
    fails(
        Logger::new().json_lines(&file),
        Io,
        &format!("{}:1: no log: no object with a step", file.display()),
    );
    assert_eq!(text(&file), "height,weight\n1.80,75\n");
    fs::write(&file, "step,loss\nfirst,75\n").unwrap();
    fails(Logger::new().csv(&file), Io, &format!("{}:2: \"first\" is no step", file.display()));
}

/// Width, height, and the points of a picture.
fn decoded(path: &Path) -> (u32, u32, png::ColorType, Vec<u8>) {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut points = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut points).unwrap();
    assert_eq!(info.bit_depth, png::BitDepth::Eight);
    (info.width, info.height, info.color_type, points)
}

/// Where the picture is coloured like that, roughly: the share of its 800 × 600 points.
fn share(path: &Path, colour: [u8; 3]) -> f64 {
    let (width, height, format, pixels) = decoded(path);
    assert_eq!((width, height, format), (800, 600, png::ColorType::Rgb));
    pixels.chunks_exact(3).filter(|pixel| **pixel == colour).count() as f64 / (800.0 * 600.0)
}

#[test]
fn curves_are_drawn() {
    let directory = Directory::new("figure");
    let path = directory.file("loss.png");
    let steps = jnp::arange(200);
    let losses = jnp::exp(steps.astype(DType::F32) * -0.05);
    let figure = Figure::new("step", "loss").line("training", &steps, &losses).points(
        "evaluation",
        &steps,
        &losses * 2,
    );
    let (blue, red) = ([31, 119, 180], [214, 39, 40]);
    figure.save(&path).unwrap();
    let linear = share(&path, blue);
    assert!((0.0005..0.02).contains(&linear), "{linear}");
    assert!((0.002..0.05).contains(&share(&path, red)));
    // A falling exponential is a straight line, and drawn elsewhere.
    figure.clone().log_y().save(&path).unwrap();
    assert!(share(&path, blue) > 0.0005);
    assert_ne!(share(&path, blue), linear);
    // What can't be drawn is left out; so a loss that diverged still gives a picture.
    let diverged = jnp::where_(jnp::less(&steps, 100), &losses, f32::NAN);
    Figure::new("", "").line("", &steps, diverged).save(&path).unwrap();
    assert!(share(&path, blue) > 0.0002);
    // One point, or several of one height, have an axis as well.
    Figure::new("", "").points("", [1], [0]).points("", [1, 2], [1e-9, 1e-9]).save(&path).unwrap();
    assert!(share(&path, red) > 0.0);
}

#[test]
fn the_legend_has_lines_for_lines_and_points_for_points() {
    let directory = Directory::new("legend");
    let path = directory.file("legend.png");
    let (x, y) = ([0.0f32, 1.0], [0.0f32, 1.0]);
    let blue = [31, 119, 180];
    // Of the points of that colour that follow each other in a row.
    let longest = |figure: Figure| {
        figure.save(&path).unwrap();
        let (width, _, _, pixels) = decoded(&path);
        let rows = pixels.chunks_exact(3 * width as usize);
        let runs = rows.flat_map(|row| {
            row.chunks_exact(3).scan(0, |run, pixel| {
                *run = if pixel == blue { *run + 1 } else { 0 };
                Some(*run)
            })
        });
        runs.max().unwrap()
    };
    let points = longest(Figure::new("", "").points("data", x, y));
    assert!((5..=8).contains(&points), "{points}");
    let line = longest(Figure::new("", "").line("model", x, y));
    assert!((19..=22).contains(&line), "{line}");
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    use ErrorKind::{InvalidArgument, Shape};
    let directory = Directory::new("nothing");
    let path = directory.file("nothing.png");
    let nothing = format!("Figure::save: there is no point to draw in {}", path.display());
    fails(Figure::new("x", "y").save(&path), InvalidArgument, &nothing);
    let nan = Figure::new("x", "y").line("training", [0, 1], [f32::NAN, f32::INFINITY]);
    fails(nan.save(&path), InvalidArgument, &nothing);
    let negative = Figure::new("x", "y").line("training", [0, 1], [-1.0f32, 0.0]).log_y();
    fails(negative.save(&path), InvalidArgument, &nothing);
    let uneven = Figure::new("x", "y").line("training", [0, 1, 2], [1.0f32, 2.0]);
    fails(uneven.save(&path), Shape, "Figure::save: training has i32[3] for x and f32[2] for y");
    assert!(!path.exists());
    let traced = jit(move |x: &Array| Figure::new("", "").line("", x, x).save(&path).map(|()| x.clone()));
    fails(traced(&jnp::zeros([2])), ErrorKind::Concretization, "the value of a tracer was read");
}

#[test]
fn a_bar_takes_what_a_logger_takes() {
    let mut progress = Progress::new(2);
    progress.step(&()).unwrap();
    let both = BTreeMap::from([("losses".to_owned(), jnp::zeros([3]))]);
    fails(
        progress.step(&both),
        ErrorKind::Shape,
        "Progress::step: losses is f32[3], and not one real number",
    );
    progress.step(&scalars([("loss", 1.0), ("accuracy", 0.5)])).unwrap();
}

#[test]
fn an_array_is_in_the_file_as_it_is() {
    use png::ColorType::Grayscale;
    let directory = Directory::new("image");
    let path = directory.file("image.png");
    let all: Vec<u8> = (0..=255).collect();
    let bytes = Array::from(&all[..]).reshape([8, 32]);
    let expected = (32, 8, Grayscale, all);
    save_image(&path, &bytes).unwrap();
    assert_eq!(decoded(&path), expected);
    let floats = bytes.astype(DType::F32) / 255.0;
    for dtype in [DType::F32, DType::F16] {
        save_image(&path, floats.astype(dtype)).unwrap();
        assert_eq!(decoded(&path), expected, "{dtype}");
    }
    // bf16 has 8 binary digits, of which a byte wants them all.
    save_image(&path, floats.astype(DType::BF16)).unwrap();
    let near = decoded(&path).3.into_iter().zip(&expected.3).all(|(x, y)| x.abs_diff(*y) <= 1);
    assert!(near);
    save_image(&path, [[-0.5f32, f32::NEG_INFINITY, 0.5], [1.5, f32::INFINITY, 1.0]]).unwrap();
    assert_eq!(decoded(&path), (3, 2, Grayscale, vec![0, 0, 128, 255, 255, 255]));
}

#[test]
fn pictures_are_laid_in_a_grid() {
    use png::ColorType::{Grayscale, Rgb, Rgba};
    let directory = Directory::new("grid");
    let path = directory.file("grid.png");
    let three = Array::from([[[1u8, 2]], [[3, 4]], [[5, 6]]]);
    // About square, filled row by row, two points apart.
    save_image(&path, &three).unwrap();
    let blank = [0; 6];
    let square = [&[1, 2, 0, 0, 3, 4], &blank[..], &blank[..], &[5, 6, 0, 0, 0, 0]].concat();
    assert_eq!(decoded(&path), (6, 4, Grayscale, square));
    // Scaled, which what is between them is not; there are no more columns than pictures.
    let options = SaveImageOptions::new().columns(100).padding(1).scale(2);
    save_image_with(&path, &three, options.clone()).unwrap();
    let row = [1, 1, 2, 2, 0, 3, 3, 4, 4, 0, 5, 5, 6, 6];
    assert_eq!(decoded(&path), (14, 2, Grayscale, [row, row].concat()));
    save_image_with(&path, &three, options.columns(1).scale(1)).unwrap();
    assert_eq!(decoded(&path), (2, 5, Grayscale, vec![1, 2, 0, 0, 3, 4, 0, 0, 5, 6]));
    // Channels stay together.
    let bytes = |n: u8| Array::from((1..=n).collect::<Vec<u8>>());
    let options = SaveImageOptions::new().padding(1).scale(2);
    save_image_with(&path, bytes(6).reshape([2, 1, 1, 3]), options).unwrap();
    let row = [1, 2, 3, 1, 2, 3, 0, 0, 0, 4, 5, 6, 4, 5, 6];
    assert_eq!(decoded(&path), (5, 2, Rgb, [row, row].concat()));
    save_image(&path, bytes(8).reshape([1, 2, 1, 4])).unwrap();
    assert_eq!(decoded(&path), (1, 2, Rgba, (1..=8).collect()));
    save_image(&path, bytes(2).reshape([1, 1, 2, 1])).unwrap();
    assert_eq!(decoded(&path), (2, 1, Grayscale, vec![1, 2]));
}

#[test]
fn what_is_no_picture_is_refused() {
    use ErrorKind::{InvalidArgument, Io, Shape};
    let directory = Directory::new("no-picture");
    let path = directory.file("image.png");
    let expected = "save_image: expected [height, width], [n, height, width] or [n, height, width, channels] with 1, 3 or 4 \
                    channels, got f32";
    for shape in [&[][..], &[3], &[1, 8, 8, 2], &[1, 1, 8, 8, 3]] {
        fails(save_image(&path, jnp::zeros(shape)), Shape, expected);
    }
    let empty = "save_image: there is nothing to see in f32[0,8,8]";
    fails(save_image(&path, jnp::zeros([0, 8, 8])), Shape, empty);
    for dtype in [DType::I32, DType::Bool, DType::C64] {
        let message = format!("save_image: expected floats from 0 to 1, or u8, got {dtype}[2,2]");
        fails(save_image(&path, jnp::zeros(([2, 2], dtype))), ErrorKind::DType, &message);
    }
    let nan = Array::from([[0.0f32, 1.0], [f32::NAN, 0.0]]);
    fails(save_image(&path, nan), InvalidArgument, "save_image: element 2 of f32[2,2] is NaN");
    let image = jnp::zeros([2, 2]);
    let with = |options| save_image_with(&path, &image, options);
    let zero = "save_image: columns and scale are at least 1, got ";
    fails(with(SaveImageOptions::new().columns(0)), InvalidArgument, &format!("{zero}0 and 1"));
    fails(with(SaveImageOptions::new().scale(0)), InvalidArgument, &format!("{zero}1 and 0"));
    for scale in [1 << 30, usize::MAX] {
        let message =
            format!("save_image: 1 × 1 pictures of 2 × 2, scaled by {scale} and 2 apart, are too large");
        fails(with(SaveImageOptions::new().scale(scale)), InvalidArgument, &message);
    }
    assert!(!path.exists());
    fails(save_image(path.join("below.png"), &image), Io, "could not write ");
    let traced = jit(move |x: &Array| save_image(&path, x).map(|()| x.clone()))(&image);
    fails(traced, ErrorKind::Concretization, "the value of a tracer was read");
}
