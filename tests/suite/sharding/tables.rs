//! Tables of shardings, as JAX draws them.

use raxla::debug::{ShardingTable, VisualizeOptions};
use raxla::sharding::{Mesh, PartitionSpec, Sharding};
use raxla::{ErrorKind, P, debug, numpy as jnp, prelude::*, try_};

use super::{cpus, message, on, row};

/// The sharding of a case of tests/oracle/sharding_tables.py.
fn place_of(case: &serde_json::Value) -> Sharding {
    let names = |names: &serde_json::Value| {
        let names = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        names.collect::<Vec<String>>().into()
    };
    match case["mesh"].as_array() {
        None => (&cpus()[case["mesh"].as_u64().unwrap() as usize]).into(),
        Some(sizes) => {
            let sizes: Vec<usize> = sizes.iter().map(|size| size.as_u64().unwrap() as usize).collect();
            let devices = &cpus()[..sizes.iter().product()];
            let mesh = Mesh::new(devices, &sizes[..], ["x", "y", "z"][..sizes.len()].to_vec()).unwrap();
            mesh.sharding(PartitionSpec::new(case["spec"].as_array().unwrap().iter().map(names)))
        }
    }
}

#[test]
fn tables_of_shardings_are_those_of_jax() {
    let fixture = include_str!("../../fixtures/sharding_tables.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(fixture).unwrap();
    let (mut equal, mut without_room) = (0, 0);
    for case in &cases {
        let shape: Vec<usize> =
            case["shape"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect();
        let mut options = VisualizeOptions::new();
        if let Some(scale) = case["options"]["scale"].as_f64() {
            options = options.scale(scale);
        }
        if let Some(width) = case["options"]["min_width"].as_u64() {
            options = options.min_width(width as usize);
        }
        if let Some(width) = case["options"]["max_width"].as_u64() {
            options = options.max_width(width as usize);
        }
        let got = try_(|| ShardingTable::new(&shape[..], place_of(case), options));
        let (ours, theirs) = match (got, case["table"].as_str()) {
            (Err(e), None) if e.kind() == ErrorKind::InvalidArgument => continue,
            (Ok(table), Some(theirs)) => (format!("{table}\n"), theirs),
            (got, theirs) => panic!("{case}: JAX {theirs:?}, raxla {got:?}"),
        };
        let shown = |label: &str| theirs.contains(label.trim());
        if ours.split(['\u{2502}', '\n']).filter(|label| label.contains("CPU")).all(shown) {
            assert_eq!(ours, theirs, "{case}");
            equal += 1;
        } else {
            // JAX has left out devices for which it has no room. The boxes are the same.
            assert_eq!(ours.lines().next(), theirs.lines().next(), "{case}: raxla\n{ours}");
            without_room += 1;
        }
    }
    assert!(equal > 160 && without_room > 20, "{equal} {without_room}");
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let table = |shape: &[usize], scale: f64| {
        message(|| Ok(ShardingTable::new(shape, on(P!["x"]), VisualizeOptions::new().scale(scale))))
    };
    for (got, expected) in [
        (
            table(&[8, 4, 2], 1.0),
            "visualize_sharding: only arrays of one or two dimensions can be drawn, got [8, 4, 2]",
        ),
        (table(&[], 1.0), "only arrays of one or two dimensions can be drawn, got []"),
        (table(&[8, 0], 1.0), "an array without elements has no parts to draw, got [8, 0]"),
        (table(&[7], 1.0), "visualize_sharding: NamedSharding(mesh=Mesh('x': 4, 'y': 2"),
        (table(&[8], f64::NAN), "scale = NaN must be a finite number of at least 0"),
        (table(&[8], -1.0), "scale = -1 must be a finite number of at least 0"),
        (
            message(|| {
                jit(|x: &Array| {
                    debug::visualize_array_sharding(x);
                    x.clone()
                })(&jnp::ones([8, 4]))
            }),
            "JitTracer",
        ),
        (
            message(|| {
                debug::visualize_sharding([8], on(P![None, "x"]));
                Ok(())
            }),
            "rank at least 2",
        ),
    ] {
        assert!(got.contains(expected), "{got}");
    }
    // One row is what is left where nothing else fits.
    let all =
        ShardingTable::new([8], row(P!["x"]), VisualizeOptions::new().scale(0.0).min_width(0).max_width(0));
    assert_eq!(all.to_string().lines().nth(1).unwrap(), "│CPU 0│CPU 1│CPU 2│CPU 3│CPU 4│CPU 5│CPU 6│CPU 7│");
}
