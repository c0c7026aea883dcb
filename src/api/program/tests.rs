//! Programs for several devices, whose arguments and results are cut among them.

use std::sync::OnceLock;

use crate::core::array::{Array, Repr};
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::sharding::{Mesh, PartitionSpec, Sharding};
use crate::core::trace::bind1;
use crate::error::{ErrorKind, Result};
use crate::mlir::Value;
use crate::pjrt::{Client, CpuOptions, Device};
use crate::{P, device_put, grad, jit, numpy as jnp};

/// Four devices of a client that only these tests have.
fn cpus() -> &'static [Device] {
    static DEVICES: OnceLock<Vec<Device>> = OnceLock::new();
    DEVICES.get_or_init(|| Client::cpu_with(&CpuOptions::with_device_count(4)).unwrap().devices().to_vec())
}

/// On a mesh of 2 × 2 devices.
fn cut(spec: PartitionSpec) -> Sharding {
    Mesh::new(cpus(), [2, 2], ["x", "y"]).unwrap().sharding(spec)
}

/// On a mesh of 4 devices.
fn line(spec: PartitionSpec) -> Sharding {
    Mesh::new(cpus(), [4], ["x"]).unwrap().sharding(spec)
}

fn matrix() -> Array {
    jnp::arange(32.0f32).reshape([4, 8])
}

fn shards(x: &Array) -> Vec<Vec<f32>> {
    let Repr::Device(x) = &x.0 else { panic!("no array on a device") };
    let floats =
        |bytes: Vec<u8>| bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    x.shards.iter().map(|shard| floats(shard.to_host().unwrap())).collect()
}

#[test]
fn an_array_is_cut_over_devices_and_read_as_one() {
    let x = matrix();
    let all = x.to_vec::<f32>().unwrap();
    for spec in [P!["x", "y"], P!["x"], P![None, "y"], P![("y", "x")], P![None, ("x", "y")], P![]] {
        let cut_so = cut(spec);
        let y = device_put(&x, cut_so);
        assert_eq!(y.to_vec::<f32>().unwrap(), all, "{cut_so}");
        assert_eq!((y.sharding().unwrap(), y.devices().unwrap()), (cut_so, cpus().to_vec()));
        // And put otherwise, or together again.
        assert_eq!(device_put(&y, cut(P!["y", "x"])).to_vec::<f32>().unwrap(), all);
        assert_eq!(device_put(&y, &cpus()[3]).to_vec::<f32>().unwrap(), all);
    }
    let y = device_put(&x, cut(P!["x", "y"]));
    assert_eq!(shards(&y)[2], [16.0, 17.0, 18.0, 19.0, 24.0, 25.0, 26.0, 27.0]);
    assert_eq!(shards(&device_put(&x, cut(P![("y", "x")])))[1], all[16..24]);
    let empty = device_put(&jnp::zeros([2, 0]), cut(P!["x", "y"]));
    assert_eq!(empty.to_vec::<f32>().unwrap(), [0.0; 0]);
    y.delete();
    assert_eq!(y.to_vec::<f32>().unwrap_err().kind(), ErrorKind::DeletedBuffer);
}

#[test]
fn programs_take_each_argument_as_it_is_cut() {
    let f = jit(|a: &Array, b: &Array, c: &Array| (jnp::matmul(a, b) + c, jnp::sum(a, ..)));
    let (a, b) = (matrix(), matrix().transpose(..));
    let rows = cut(P!["x"]);
    let expected = f(&a, &b, &Array::from(1.0)).unwrap();
    let expected = (expected.0.to_vec::<f32>().unwrap(), expected.1.item::<f32>().unwrap());
    let pairs = [
        (device_put(&a, rows), device_put(&b, cut(P![None, "y"]))),
        (device_put(&a, cut(P![None, "x"])), device_put(&b, cut(P!["x"]))),
        // What is not committed goes where the others are.
        (device_put(&a, rows), b.clone()),
    ];
    for (a, b) in &pairs {
        let (product, sum) = f(a, b, &Array::from(1.0)).unwrap();
        assert_eq!(product.to_vec::<f32>().unwrap(), expected.0);
        assert_eq!(sum.item::<f32>().unwrap(), expected.1);
        assert!(product.committed().unwrap() && product.sharding().unwrap().mesh() == rows.mesh());
        assert!(sum.is_fully_replicated().unwrap());
    }
    // One trace, and a program for each set of places, which the next call finds.
    let before = f.cache_stats();
    assert_eq!((before.traces, before.compiles), (1, 4));
    pairs.iter().for_each(|(a, b)| drop(f(a, b, &Array::from(1.0)).unwrap()));
    assert_eq!(f.cache_stats().compiles, before.compiles);
    let text = f.lower()(&pairs[0].0, &pairs[0].1, &Array::from(1.0)).unwrap();
    for part in [
        "mhlo.num_partitions = 4",
        r#"sdy.mesh @mesh = <["x"=2, "y"=2]>"#,
        r#"tensor<4x8xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}, {}]>}"#,
        r#"tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}, {"y"}]>}"#,
    ] {
        assert!(text.as_text().contains(part), "{part}: {}", text.as_text());
    }
    let compiled = text.compile().unwrap();
    let (product, _) = compiled(&pairs[0].0, &pairs[0].1, &Array::from(1.0)).unwrap();
    assert_eq!(product.to_vec::<f32>().unwrap(), expected.0);
    let error = compiled(&pairs[1].0, &pairs[1].1, &Array::from(1.0)).unwrap_err();
    assert!(
        error.message().contains(
            "argument 0 (f32[4,8]) is on NamedSharding(mesh=Mesh('x': 2, 'y': 2, axis_types=(Auto, Auto)), spec=P(None, 'x')"
        )
    );
}

#[test]
fn operations_and_gradients_run_on_all_devices() {
    let x = matrix();
    let y = device_put(&x, cut(P!["x", "y"]));
    let sum = &y * 2.0 + &x;
    assert_eq!(sum.to_vec::<f32>().unwrap(), (&x * 3.0).to_vec::<f32>().unwrap());
    assert_eq!(sum.sharding().unwrap(), cut(P!["x", "y"]));
    let slope = grad(|x: &Array| jnp::sum(x * x, ..))(&y).unwrap();
    assert_eq!(slope.to_vec::<f32>().unwrap(), (&x * 2.0).to_vec::<f32>().unwrap());
}

/// Says where its result is to be, and computes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place(Sharding);

impl Primitive for Place {
    fn name(&self) -> &'static str {
        "place"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        Ok([x.with_sharding(Some(self.0))].into_iter().collect())
    }
    fn lower(&self, _: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok([ins[0]].into_iter().collect())
    }
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        unreachable!("nobody differentiates it")
    }
    fn batch(&self, _: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
        unreachable!("nobody maps it")
    }
}

#[test]
fn each_result_is_where_its_type_says_and_overwrites_what_was_donated_there() {
    let (rows, columns) = (cut(P![("x", "y")]), cut(P![None, "x"]));
    // Less is not worth overwriting to the ready plugin.
    let matrix = || jnp::arange(131_072.0f32).reshape([256, 512]);
    let all = matrix().to_vec::<f32>().unwrap();
    let f = jit(move |x: Array, y: Array| {
        (
            bind1(Place(columns), &[&(&y * 2.0)]),
            bind1(Place(rows), &[&(&x + 1.0)]),
            bind1(Place(rows.whole()), &[&x]),
        )
    });
    let (x, y) = (device_put(&matrix(), rows), device_put(&matrix(), columns));
    let text = f.lower()(x.clone(), y.clone()).unwrap();
    for part in [
        r#"%1: tensor<256x512xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x", "y"}, {}]>, tf.aliasing_output = 1 : i32}"#,
        r#"%2: tensor<256x512xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}, {"x"}]>, tf.aliasing_output = 0 : i32}"#,
    ] {
        assert!(text.as_text().contains(part), "{part}: {}", text.as_text());
    }
    let (double, next, same) = f(x, y).unwrap();
    let places = [&double, &next, &same].map(|x| x.sharding().unwrap());
    assert_eq!(places, [columns, rows, rows.whole()]);
    assert_eq!(double.to_vec::<f32>().unwrap(), all.iter().map(|x| x * 2.0).collect::<Vec<_>>());
    assert_eq!(next.to_vec::<f32>().unwrap(), all.iter().map(|x| x + 1.0).collect::<Vec<_>>());
    assert_eq!(same.to_vec::<f32>().unwrap(), all);
    assert_eq!(shards(&next)[2], all[65536..98304].iter().map(|x| x + 1.0).collect::<Vec<_>>());
    assert_eq!((shards(&double)[0].len(), shards(&same)[3].len()), (65_536, 131_072));
    // Of an operation too.
    let cut_again = bind1(Place(rows), &[&device_put(&matrix(), columns)]);
    assert_eq!((cut_again.sharding().unwrap(), cut_again.to_vec::<f32>().unwrap()), (rows, all));
    let uneven = device_put(&jnp::zeros([6, 1]), columns.whole());
    let error = jit(move |x: &Array| bind1(Place(rows), &[x]))(&uneven).unwrap_err();
    assert!(
        error.message().contains("axis 0 is partitioned 4 times, but the dimension size is 6"),
        "{error}"
    );
}

#[test]
fn a_partition_that_cannot_be_is_refused() {
    for (error, message) in [
        (cut(P!["x"]).shard_shape(&[]).unwrap_err(), "is only valid for values of rank at least 1, but"),
        (
            cut(P![None, ("x", "y")]).shard_shape(&[4, 6]).unwrap_err(),
            "axis 1 is partitioned 4 times, but the dimension size is 6 (full shape: [4, 6])",
        ),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(message), "{error}");
    }
    let (x, y) = (device_put(&matrix(), cut(P!["x"])), device_put(&matrix(), &cpus()[0]));
    let error = jit(|x: &Array, y: &Array| x + y)(&x, &y).unwrap_err();
    assert!(error.message().contains("is on cpu:0, cpu:1, cpu:2, cpu:3 and argument 1"), "{error}");
    // Another mesh of the same devices is no other place.
    let sum = jit(|x: &Array, y: &Array| x + y)(&x, &device_put(&matrix(), line(P!["x"]))).unwrap();
    assert_eq!(sum.to_vec::<f32>().unwrap(), (&matrix() * 2.0).to_vec::<f32>().unwrap());
    assert_eq!(
        cut(P![("x", "y"), None]).to_string(),
        "NamedSharding(mesh=Mesh('x': 2, 'y': 2, axis_types=(Auto, Auto)), spec=P(('x', 'y'),), memory_kind=device)"
    );
    assert!(cut(P!["x", None]) == cut(P!["x"]) && cut(P!["x"]) != cut(P!["y"]));
}
