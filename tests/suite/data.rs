//! `data`: the same batches in the same order, whoever makes them; readers of files.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use raxla::data::{
    self, Batch, BatchReader, CsvFile, CsvOptions, Dataset, Example, HostBuffer, InMemory, Loader,
    LoaderOptions, Rest, RowReader, RowWriter, TokenWindows, TokenWindowsOptions,
};
use raxla::prelude::*;
use raxla::{ErrorKind, random};

#[cfg(feature = "data-images")]
mod images;
#[cfg(feature = "data-parquet")]
mod parquet;
#[cfg(feature = "data-text")]
mod tokenizers;

/// A directory of a test's own, which goes with it.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("raxla-data-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.file(name), contents).unwrap();
        self.file(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file that `tests/oracle/data_files.py` wrote.
#[cfg(any(feature = "data-images", feature = "data-parquet", feature = "data-text"))]
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data").join(name)
}

/// What Python reads in them.
#[cfg(any(feature = "data-images", feature = "data-text"))]
fn expected() -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(fixture("expected.json")).unwrap()).unwrap()
}

fn numbers(n: i32) -> InMemory<i32> {
    InMemory::from_rows(0..n).unwrap()
}

fn ints(batch: raxla::Result<Batch<Array>>) -> Vec<i32> {
    batch.unwrap().data.to_vec().unwrap()
}

fn all<D: Dataset<Row = i32>>(loader: &Loader<D>) -> Vec<Vec<i32>> {
    loader.iter().map(ints).collect()
}

fn message<T>(result: raxla::Result<T>) -> String {
    result.map(|_| ()).unwrap_err().message().to_owned()
}

/// Waits for `done`, which a thread makes true.
fn eventually(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn batches_come_in_order_and_the_rest_is_kept_dropped_or_padded() {
    let loader = |rest| Loader::new_with(numbers(5), 2, LoaderOptions::new().rest(rest)).unwrap();
    assert_eq!(all(&loader(Rest::Keep)), [vec![0, 1], vec![2, 3], vec![4]]);
    assert_eq!(all(&loader(Rest::Drop)), [[0, 1], [2, 3]]);
    let padded: Vec<_> = loader(Rest::Pad).iter().map(Result::unwrap).collect();
    assert_eq!(padded[2].data.to_vec::<i32>().unwrap(), [4, 4]);
    assert_eq!(padded[2].mask().to_vec::<bool>().unwrap(), [true, false]);
    assert_eq!((padded[2].rows, padded[2].size, padded[2].index), (1, 2, 2));
    assert_eq!(padded[1].mask().to_vec::<bool>().unwrap(), [true, true]);
    assert_eq!(loader(Rest::Keep).batches_per_epoch(), 3);
    assert_eq!(loader(Rest::Drop).batches_per_epoch(), 2);
}

#[test]
fn a_shuffled_epoch_is_the_permutation_of_its_key() {
    let key = random::key(3);
    let options = || LoaderOptions::new().shuffle(random::key(3)).epochs(3);
    let loader = Loader::new_with(numbers(10), 4, options()).unwrap();
    let seen: Vec<i32> = all(&loader).concat();
    for epoch in 0..3 {
        let expected = random::permutation(&random::fold_in(&key, epoch as u32), 10).to_vec::<i32>().unwrap();
        assert_eq!(seen[epoch * 10..][..10], expected);
    }
    assert_ne!(seen[..10], seen[10..20]);
    let again = Loader::new_with(numbers(10), 4, options()).unwrap();
    assert_eq!(all(&again).concat(), seen);
    let third: Vec<i32> = loader.epoch(2).flat_map(ints).collect();
    assert_eq!(third, seen[20..]);
}

/// Slower the earlier the row: workers would overtake each other if they could.
struct Uneven;

impl Dataset for Uneven {
    type Row = i32;
    fn len(&self) -> usize {
        37
    }
    fn get(&self, index: usize) -> raxla::Result<i32> {
        std::thread::sleep(Duration::from_micros((37 - index as u64) * 20));
        Ok(index as i32)
    }
}

#[test]
fn the_order_is_the_same_whatever_the_number_of_workers() {
    let loader = |workers, prefetch| {
        let options = LoaderOptions::new().shuffle(random::key(1)).epochs(3).workers(workers);
        Loader::new_with(Uneven, 5, options.prefetch(prefetch)).unwrap()
    };
    let expected = all(&loader(0, 0));
    assert_eq!(expected.len(), 24);
    for (workers, prefetch) in [(1, 0), (1, 2), (2, 1), (3, 8), (4, 4), (100, 3)] {
        assert_eq!(all(&loader(workers, prefetch)), expected, "{workers} workers, {prefetch} ahead");
    }
}

#[test]
fn an_interrupted_iteration_goes_on_where_it_was() {
    let options = || LoaderOptions::new().shuffle(random::key(5)).epochs(2).workers(2).rest(Rest::Pad);
    let loader = || Loader::new_with(numbers(11), 3, options()).unwrap();
    let whole = all(&loader());
    assert_eq!((whole.len() as u64, loader().batches_per_epoch()), (loader().batches(), 4));
    for stop in 0..=whole.len() {
        let mut batches = loader().iter();
        assert_eq!(batches.by_ref().take(stop).map(ints).collect::<Vec<_>>(), whole[..stop]);
        assert_eq!(batches.position(), stop as u64);
        let mut rest = loader().resume(batches.position()).unwrap();
        assert_eq!(rest.by_ref().map(ints).collect::<Vec<_>>(), whole[stop..], "after {stop} batches");
        assert_eq!(rest.position(), 8);
    }
    assert_eq!(
        message(loader().resume(9)),
        "resume: 9 batches are done, and the loader has 4 in each of 2 epochs"
    );
}

#[test]
fn datasets_are_mapped_and_selected_from() {
    let shared = Arc::new(numbers(10));
    let odd = shared.clone().select((0..10).filter(|i| i % 2 == 1)).unwrap().map(|x| Ok(x * x));
    assert_eq!((odd.len(), odd.get(2).unwrap()), (5, 25));
    assert_eq!(all(&Loader::new(odd, 3).unwrap()), [vec![1, 9, 25], vec![49, 81]]);
    let part = shared.clone().select([7, 3]).unwrap();
    assert_eq!(all(&Loader::new(part, 2).unwrap()), [[7, 3]]);
    assert_eq!(message(shared.select([10])), "select: index 10 of 10 rows");
}

struct Point {
    at: Vec<f32>,
    label: bool,
}

#[derive(Clone, Pytree)]
struct Points {
    at: Array,
    label: Array,
}

impl Example for Point {
    type Batch = Points;
    fn write(&self, out: &mut RowWriter<'_>) -> raxla::Result<()> {
        self.at.write(out)?;
        self.label.write(out)
    }
    fn read(src: &mut RowReader<'_>) -> raxla::Result<Self> {
        Ok(Point { at: Example::read(src)?, label: Example::read(src)? })
    }
    fn batch(src: &mut BatchReader<'_>) -> raxla::Result<Points> {
        Ok(Points { at: src.array()?, label: src.array()? })
    }
}

#[test]
fn rows_may_be_structs() {
    let points = (0..4).map(|i| Point { at: vec![i as f32, 0.5], label: i > 1 });
    let table = InMemory::from_rows(points).unwrap();
    assert_eq!(table.get(3).unwrap().at, [3.0, 0.5]);
    let options = LoaderOptions::new().shuffle(random::key(0));
    let batch = Loader::new_with(table, 4, options).unwrap().iter().next().unwrap().unwrap().data;
    let (at, label) = (batch.at.to_vec::<f32>().unwrap(), batch.label.to_vec::<bool>().unwrap());
    assert!(at.chunks(2).zip(&label).all(|(at, label)| *label == (at[0] > 1.0) && at[1] == 0.5));
    assert_eq!(batch.at.shape(), [4, 2]);
}

#[test]
fn rows_that_follow_each_other_are_not_copied_on_the_host() {
    let x = HostBuffer::new(&(0..12).collect::<Vec<i32>>(), [6, 2]).unwrap();
    let table = InMemory::<HostBuffer>::from_columns([x.clone()]).unwrap();
    let part = table.gather(&[2, 3, 4]).unwrap();
    assert_eq!(part.buffers()[0].bytes().as_ptr(), x.bytes()[16..].as_ptr());
    assert_eq!(table.get(5).unwrap().bytes().as_ptr(), x.bytes()[40..].as_ptr());
    let other = table.gather(&[5, 0]).unwrap();
    assert_eq!(other.buffers()[0].to_vec::<i32>().unwrap(), [10, 11, 0, 1]);
    assert_eq!(other.buffers()[0].shape(), [2, 2]);
}

/// Counts the rows that were asked for; of some there is an error, of others a panic.
struct Counted {
    asked: Arc<AtomicUsize>,
    fails: Option<usize>,
    panics: Option<usize>,
}

impl Dataset for Counted {
    type Row = i32;
    fn len(&self) -> usize {
        1000
    }
    fn get(&self, index: usize) -> raxla::Result<i32> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.fails == Some(index) {
            return Err(Error::other("the disk is gone"));
        }
        assert!(self.panics != Some(index), "row {index} is a bug");
        Ok(index as i32)
    }
}

#[test]
fn an_error_in_a_worker_reaches_whoever_iterates_and_ends_the_iteration() {
    for workers in [0, 1, 3] {
        let dataset = Counted { asked: Arc::default(), fails: Some(45), panics: None };
        let loader = Loader::new_with(dataset, 10, LoaderOptions::new().workers(workers)).unwrap();
        let mut batches = loader.iter();
        for i in 0..4 {
            assert_eq!(ints(batches.next().unwrap())[0], i * 10);
        }
        let e = batches.next().unwrap().map(|_| ()).unwrap_err();
        assert_eq!((e.message(), e.kind()), ("row 45: the disk is gone", ErrorKind::Other));
        assert!(batches.next().is_none());
        assert_eq!(batches.position(), 4);
    }
}

#[test]
fn a_panic_in_a_worker_goes_on_where_the_batch_is_asked_for() {
    let dataset = Counted { asked: Arc::default(), fails: None, panics: Some(15) };
    let loader = Loader::new_with(dataset, 10, LoaderOptions::new().workers(2)).unwrap();
    let mut batches = loader.iter();
    assert_eq!(ints(batches.next().unwrap())[9], 9);
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batches.next().is_some())).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "row 15 is a bug");
}

#[test]
fn dropping_an_iterator_stops_its_threads() {
    let dataset = Arc::new(Counted { asked: Arc::default(), fails: None, panics: None });
    let asked = dataset.asked.clone();
    let options = LoaderOptions::new().workers(3).prefetch(3).epochs(u64::MAX);
    let loader = Loader::new_with(dataset.clone(), 10, options).unwrap();
    let mut batches = loader.iter();
    assert_eq!(ints(batches.next().unwrap())[0], 0);
    // Each worker holds one batch that it can't hand over, at most.
    eventually(|| asked.load(Ordering::Relaxed) >= 40);
    std::thread::sleep(Duration::from_millis(50));
    assert!(asked.load(Ordering::Relaxed) <= 70, "workers do not run ahead without end");
    drop(batches);
    drop(loader);
    // What the threads held is gone: nobody but this function has the data set.
    assert_eq!(Arc::strong_count(&dataset), 1);
    let before = asked.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(asked.load(Ordering::Relaxed), before);
}

#[test]
fn batches_are_made_ahead_by_the_number_that_is_asked_for() {
    let dataset = Arc::new(Counted { asked: Arc::default(), fails: None, panics: None });
    let asked = dataset.asked.clone();
    let loader = Loader::new_with(dataset, 10, LoaderOptions::new().prefetch(4)).unwrap();
    let batches = loader.iter();
    eventually(|| asked.load(Ordering::Relaxed) >= 40);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(asked.load(Ordering::Relaxed), 40);
    drop(batches);
}

#[test]
fn batches_have_the_settings_of_the_thread_that_iterates() {
    raxla::config::with_x64(true, || {
        let table = InMemory::from_rows([1.0f64, 2.0]).unwrap();
        let batch = Loader::new(table, 2).unwrap().iter().next().unwrap().unwrap();
        assert_eq!(batch.data.dtype(), DType::F64);
    });
    let table = InMemory::from_rows([1.0f64, 2.0]).unwrap();
    assert_eq!(Loader::new(table, 2).unwrap().iter().next().unwrap().unwrap().data.dtype(), DType::F32);
}

#[test]
fn loaders_that_would_give_nothing_are_refused() {
    let none = || numbers(3).select([]).unwrap();
    assert_eq!(message(Loader::new(none(), 2)), "loader: the data set is empty");
    assert_eq!(message(Loader::new(numbers(3), 0)), "loader: batch_size is 0");
    let dropping = LoaderOptions::new().rest(Rest::Drop);
    let e = Loader::new_with(numbers(3), 4, dropping).map(|_| ()).unwrap_err();
    assert_eq!(
        e.message(),
        "loader: batch_size = 4 is larger than the data set of 3 rows, of which Rest::Drop leaves nothing"
    );
    assert!(e.location().unwrap().file().ends_with("data.rs"));
    assert_eq!(all(&Loader::new(numbers(3), 4).unwrap()), [[0, 1, 2]]);
}

#[test]
fn rows_of_different_shapes_are_named() {
    let ragged = numbers(5).map(|i| Ok((i, vec![0f32; if i == 3 { 4 } else { 2 }])));
    let mut batches = Loader::new(ragged, 5).unwrap().iter();
    let e = batches.next().unwrap().map(|_| ()).unwrap_err();
    assert_eq!(
        (e.kind(), e.message()),
        (ErrorKind::Shape, "row 3: leaf 1 is f32[4], and f32[2] in the row before it")
    );
    let rows = [vec![1, 2], vec![3]];
    assert_eq!(
        message(InMemory::from_rows(rows)),
        "table: row 1: leaf 0 is i32[1], and i32[2] in the row before it"
    );
    assert_eq!(message(InMemory::<i32>::from_rows([])), "table: there are no rows");
    let (x, y) = (Array::from([1, 2]), Array::from([1.0f32, 2.0, 3.0]));
    assert_eq!(
        message(InMemory::<(i32, f32)>::from_arrays(&(&x, &y).pair())),
        "table: column 0 has 2 rows, and column 1 has 3"
    );
    assert_eq!(message(InMemory::<f32>::from_arrays(&x)), "table: leaf 0 of a row is i32[], expected f32[]");
    assert_eq!(
        message(InMemory::<i32>::from_arrays(&vec![x.clone(), x])),
        "table: rows of this type have 1 leaves, and there are 2 columns"
    );
}

trait Pair {
    fn pair(self) -> (Array, Array);
}

impl Pair for (&Array, &Array) {
    fn pair(self) -> (Array, Array) {
        (self.0.clone(), self.1.clone())
    }
}

fn idx(kind: u8, sizes: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

#[test]
fn idx_files_are_read_compressed_or_not() {
    let directory = Directory::new("idx");
    let images = idx(0x08, &[2, 2, 3], &(0..12).collect::<Vec<u8>>());
    let x = data::read_idx(directory.write("a", &images)).unwrap();
    assert_eq!((x.shape(), x.to_vec::<u8>().unwrap()), (&[2, 2, 3][..], (0..12).collect()));
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(&images).unwrap();
    let again = data::read_idx(directory.write("a.gz", gz.finish().unwrap())).unwrap();
    assert_eq!((again.shape(), again.bytes()), (x.shape(), x.bytes()));
    let floats: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    let x = data::read_idx(directory.write("f", idx(0x0d, &[2], &floats))).unwrap();
    assert_eq!(x.to_vec::<f32>().unwrap(), [1.5, -2.0]);
    let shorts: Vec<u8> = [-3i16, 300].iter().flat_map(|x| x.to_be_bytes()).collect();
    let x = data::read_idx(directory.write("s", idx(0x0b, &[1, 2], &shorts))).unwrap();
    assert_eq!((x.shape(), x.to_vec::<i16>().unwrap()), (&[1, 2][..], vec![-3, 300]));
}

#[test]
fn idx_files_that_are_none_or_cut_off_are_refused() {
    let directory = Directory::new("idx-bad");
    let refused = |bytes: Vec<u8>| {
        let path = directory.write("x", bytes);
        let e = data::read_idx(&path).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Io);
        e.message().replace(path.to_str().unwrap(), "x")
    };
    let elements: Vec<u8> = (0..12).collect();
    assert_eq!(
        refused(idx(8, &[2, 2, 3], &elements[..7])),
        "x is cut off: u8[2,2,3] has 12 bytes, and the file has 7"
    );
    assert_eq!(
        refused(idx(8, &[2, 2], &elements)),
        "x has more than its header says: u8[2,2] has 4 bytes, and the file has more"
    );
    // A header that asks for 4 GiB allocates what the file has.
    assert_eq!(
        refused(idx(8, &[u32::MAX], &elements)),
        "x is cut off: u8[4294967295] has 4294967295 bytes, and the file has 12"
    );
    let no_memory = refused(idx(8, &[u32::MAX; 3], &elements));
    assert!(no_memory.starts_with("x is no IDX file: no memory holds u8["), "{no_memory}");
    assert_eq!(refused(idx(8, &[2, 2, 3], &[])[..9].to_vec()), "x is cut off: its header says 3 sizes");
    assert_eq!(refused(idx(0x0a, &[2], &elements)), "x is no IDX file: it has no type 0x0a");
    let none = "x is no IDX file: it does not begin with two zeros, a type and a number of axes";
    assert_eq!(refused(b"PNG and so on".to_vec()), none);
    assert_eq!(refused(Vec::new()), none);
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(&idx(8, &[2, 2, 3], &elements)).unwrap();
    let gz = gz.finish().unwrap();
    assert!(refused(gz[..gz.len() - 9].to_vec()).starts_with("could not read x: "));
    assert!(message(data::read_idx(directory.file("none"))).starts_with("could not read "));
}

#[test]
fn csv_files_become_columns_of_numbers_and_classes() {
    let directory = Directory::new("csv");
    let path = directory.write("a.csv", "x, y ,kind\n1,2.5,\"b, or c\"\n-3,4e2,a\n 5 ,0,a\n");
    let file = CsvFile::read(&path).unwrap();
    assert_eq!((file.names(), file.len()), (&["x", "y", "kind"].map(String::from)[..], 3));
    assert_eq!(file.column::<i32>("x").unwrap().to_vec::<i32>().unwrap(), [1, -3, 5]);
    let both = file.columns::<f32>(["y", "x"]).unwrap();
    assert_eq!(
        (both.shape(), both.to_vec::<f32>().unwrap()),
        (&[3, 2][..], vec![2.5, 1.0, 400.0, -3.0, 0.0, 5.0])
    );
    let (kinds, names) = file.classes("kind").unwrap();
    assert_eq!(
        (kinds.to_vec::<i32>().unwrap(), names),
        (vec![1, 0, 0], vec!["a".into(), "b, or c".to_owned()])
    );
    let path = directory.write("b.tsv", "1\t2\n3\t4\n");
    let file = CsvFile::read_with(path, CsvOptions::new().headers(false).delimiter('\t')).unwrap();
    assert_eq!(file.column::<f64>("1").unwrap().to_vec::<f64>().unwrap(), [2.0, 4.0]);
}

#[test]
fn a_csv_cell_that_is_no_number_is_named_by_file_row_and_column() {
    let directory = Directory::new("csv-bad");
    let path = directory.write("a.csv", "x,y\n1,2\n3,four\n");
    let file = CsvFile::read(&path).unwrap();
    let path = path.display().to_string();
    let e = file.columns::<f32>(["x", "y"]).unwrap_err();
    assert_eq!(e.message(), format!("{path}:3: row 1, column y: \"four\" is no f32"));
    assert_eq!(e.kind(), ErrorKind::Io);
    assert_eq!(message(file.column::<f32>("z")), format!("{path} has no column z: it has x, y"));
    let ragged = message(CsvFile::read(directory.write("b.csv", "x,y\n1,2\n3\n")));
    assert!(ragged.contains("b.csv") && ragged.contains("line: 3") && ragged.contains("1 field"), "{ragged}");
    assert!(message(CsvFile::read(directory.file("none"))).starts_with("could not read "));
}

#[test]
fn windows_of_tokens_have_the_next_token_for_a_target() {
    let tokens: Vec<i32> = (0..10).collect();
    let windows = TokenWindows::new(&tokens, 3).unwrap();
    assert_eq!(windows.len(), 3);
    let (x, y) = Loader::new(windows, 3).unwrap().iter().next().unwrap().unwrap().data;
    assert_eq!(x.to_vec::<i32>().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(y.to_vec::<i32>().unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let windows = TokenWindows::new_with(&tokens, 3, TokenWindowsOptions::new().stride(1)).unwrap();
    assert_eq!((windows.len(), windows.get(6).unwrap().1.to_vec::<i32>().unwrap()), (7, vec![7, 8, 9]));
    assert_eq!(
        message(TokenWindows::new([1, 2, 3], 3)),
        "token windows: 3 tokens are too few for a window of 3 and the token after it"
    );
    assert_eq!(message(data::byte_text([300])), "byte_text: token 300 is no byte");
}
