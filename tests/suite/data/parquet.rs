//! Columns of files that pyarrow wrote.

use raxla::data::{ColumnsOptions, InMemory, read_arrow, read_arrow_with, read_parquet, read_parquet_with};
use raxla::{DType, ErrorKind};

use super::{Directory, fixture, message};

#[test]
fn columns_of_numbers_are_what_pyarrow_wrote() {
    let files = [
        read_parquet(fixture("snappy.parquet")),
        read_parquet(fixture("gzip.parquet")),
        read_arrow(fixture("columns.arrow")),
    ];
    for columns in files.map(Result::unwrap) {
        let names: Vec<&str> = columns.keys().map(String::as_str).collect();
        assert_eq!(names, ["even", "half", "id", "small", "unsigned", "x", "y"]);
        assert_eq!(columns["id"].to_vec::<i64>().unwrap(), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(columns["x"].to_vec::<f32>().unwrap(), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]);
        assert_eq!(columns["y"].to_vec::<f64>().unwrap(), [0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0]);
        assert_eq!(columns["even"].to_vec::<bool>().unwrap(), [true, false, true, false, true, false, true]);
        assert_eq!(columns["small"].to_vec::<i8>().unwrap(), [0, -1, -2, -3, -4, -5, -6]);
        assert_eq!(columns["unsigned"].to_vec::<u32>().unwrap()[6], (1 << 31) + 6);
        assert_eq!((columns["half"].dtype(), columns["half"].shape()), (DType::F16, &[7][..]));
        assert_eq!(columns["half"].to_vec::<raxla::half::f16>().unwrap()[5].to_f32(), 5.0);
        InMemory::<(f32, f64)>::from_columns([columns["x"].clone(), columns["y"].clone()]).unwrap();
    }
}

#[test]
fn columns_are_read_by_name() {
    let some = || ColumnsOptions::new().columns(vec!["y".to_owned(), "id".to_owned()]);
    for columns in [
        read_parquet_with(fixture("snappy.parquet"), some()),
        read_arrow_with(fixture("columns.arrow"), some()),
    ] {
        let columns = columns.unwrap();
        assert_eq!(columns.keys().collect::<Vec<_>>(), ["id", "y"]);
        assert_eq!(columns["y"].to_vec::<f64>().unwrap()[6], 36.0);
        assert_eq!(columns["id"].to_vec::<i64>().unwrap()[6], 6);
    }
}

#[test]
fn what_holds_no_numbers_is_named() {
    let path = fixture("snappy.parquet");
    let read =
        |name: &str| message(read_parquet_with(&path, ColumnsOptions::new().columns(vec![name.to_owned()])));
    let shown = path.display();
    assert_eq!(read("name"), format!("{shown}: column name is Utf8, which is no type of numbers"));
    assert_eq!(
        read("nothing"),
        format!("{shown} has no column nothing: it has id, x, name, y, even, small, unsigned, half")
    );
    let holes = fixture("holes.parquet");
    assert_eq!(message(read_parquet(&holes)), format!("{}: row 2, column x has no value", holes.display()));
    let directory = Directory::new("parquet");
    for path in
        [directory.write("none", "no columns here"), directory.write("empty", ""), directory.file("missing")]
    {
        for e in [read_parquet(&path).unwrap_err(), read_arrow(&path).unwrap_err()] {
            assert_eq!(e.kind(), ErrorKind::Io);
            assert!(
                e.message().starts_with(&format!("could not read {}: ", path.display())),
                "{}",
                e.message()
            );
        }
    }
    // Cut off anywhere it is an error and no panic.
    for (name, parquet) in [("snappy.parquet", true), ("columns.arrow", false)] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in (0..whole.len()).step_by(37) {
            let path = directory.write("cut", &whole[..length]);
            assert!(
                if parquet { read_parquet(path) } else { read_arrow(path) }.is_err(),
                "{name}: {length} bytes"
            );
        }
    }
}
