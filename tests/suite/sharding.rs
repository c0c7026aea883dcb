//! Arrays that are cut over eight devices of one process, and programs for them, as in JAX.

mod mistakes;
mod tables;

use std::sync::OnceLock;

use raxla::api::{JitOptions, ProcessLocalOptions, jit_with, make_array_from_process_local_data_with};
use raxla::pjrt::{Client, CpuOptions, Device};
use raxla::sharding::{AxisType, Mesh, MeshOptions, PartitionSpec, Sharding, make_mesh_with};
use raxla::{
    Dims, ErrorKind, P, device_put, lax, make_array_from_callback, make_array_from_process_local_data,
    make_array_from_single_device_arrays, make_mesh, numpy as jnp, prelude::*, random, tree, try_,
};

/// Eight devices of a client that only these tests have: the other tests' client has one.
fn cpus() -> &'static [Device] {
    static DEVICES: OnceLock<Vec<Device>> = OnceLock::new();
    DEVICES.get_or_init(|| Client::cpu_with(&CpuOptions::with_device_count(8)).unwrap().devices())
}

fn mesh() -> Mesh {
    Mesh::new(cpus(), [4, 2], ["x", "y"]).unwrap()
}

fn on(spec: PartitionSpec) -> Sharding {
    mesh().sharding(spec)
}

/// All devices in a row.
fn row(spec: PartitionSpec) -> Sharding {
    Mesh::new(cpus(), [8], ["x"]).unwrap().sharding(spec)
}

fn a() -> Array {
    jnp::arange(32.0f32).reshape([8, 4])
}

fn v() -> Array {
    jnp::arange(8.0f32)
}

fn put(spec: PartitionSpec) -> Array {
    device_put(&a(), on(spec))
}

/// The message of what fails: `Err`, or a panic of eager code.
fn message<T>(f: impl FnOnce() -> Result<T>) -> String {
    match try_(f).and_then(|result| result) {
        Ok(_) => panic!("it did not fail"),
        Err(e) => e.message().to_owned(),
    }
}

fn hosted(x: &Array) -> Result<Array> {
    x.copy_to_host_async().cloned()
}

fn deleted(x: Array) -> Array {
    x.delete();
    x
}

/// What the case of this name in tests/oracle/sharding.py gives here.
fn run(name: &str) -> Result<Vec<Array>> {
    let (x, xy, line) = (put(P!["x"]), put(P!["x", "y"]), || device_put(&v(), row(P!["x"])));
    let single = device_put(&a(), &cpus()[1]);
    let seven = || jnp::arange(7.0f32);
    let global = |shape: Dims| {
        let options = ProcessLocalOptions::new().global_shape(shape);
        make_array_from_process_local_data_with(on(P!["x"]), &a(), options)
    };
    let given = |sharding: Sharding| JitOptions::new().in_shardings(sharding);
    let out = |sharding: Sharding| JitOptions::new().out_shardings(sharding);
    let constrain = |x: &Array, spec: PartitionSpec| lax::with_sharding_constraint(x, on(spec));
    let square = move |x: &Array| jnp::sum(jnp::square(lax::with_sharding_constraint(x, on(P!["y"]))), ..);
    let rows = VmapOptions::new;
    let spmd = |names: &[&str]| VmapOptions::new().spmd_axis_name(names);
    let over = |options: VmapOptions, spec: PartitionSpec| {
        vmap_with(move |r: &Array| constrain(&(r * 2), spec.clone()), options)
    };
    let backwards = || {
        let devices: Vec<Device> = cpus().iter().rev().cloned().collect();
        device_put(&v(), Mesh::new(devices, [8], ["x"]).unwrap().sharding(P!["x"]))
    };
    Ok(vec![match name {
        "put x" => x,
        "put xy" => xy,
        "put both" => put(P![("x", "y")]),
        "put y x" => device_put(&x, on(P!["y", "x"])),
        "put again" => device_put(&xy, on(P![None, "y"])),
        "put whole" => device_put(&xy, on(P![])),
        "put line" => line(),
        "put back" => backwards(),
        "put 7" => device_put(&seven(), row(P!["x"])),
        "put rank" => device_put(&v(), on(P![None, "x"])),
        "put tree" => {
            let (a, v) = device_put(&(a(), v()), (on(P!["x", "y"]), row(P!["x"])));
            return Ok(vec![a, v]);
        }
        "x * 2" => x * 2,
        "xy + x" => xy + x,
        "x + xy" => x + xy,
        "x + a" => x + a(),
        "whole + x" => put(P![]) + x,
        "x + single" => x + single,
        "x + line" => {
            lax::index_in_dim_with(&x, 0, 1, lax::IndexInDimOptions::new().keepdims(false)) + line()
        }
        "back + line" => backwards() + line(),
        "transpose" => xy.transpose(..),
        "matmul" => jnp::matmul(&x, x.transpose(..)),
        "matmul xy" => jnp::matmul(&xy, xy.transpose(..)),
        "sum 0" => jnp::sum(xy, 0),
        "sum 1" => jnp::sum(xy, 1),
        "sum" => jnp::sum(put(P![("x", "y")]), ..),
        "exp" => jnp::exp(put(P![None, "x"]) / 32),
        "jit" => {
            let f = jit(|a: &Array, b: &Array| (a * 2, jnp::matmul(a, b.transpose(..)), jnp::ones([8])));
            let (double, product, ones) = f(&x, &x)?;
            return Ok(vec![double, product, ones]);
        }
        "jit uncommitted" => jit(|a: &Array, b: &Array| a + b)(&a(), &xy)?,
        "jit slice" => jit(|a: &Array| lax::slice_in_dim(a, 0..6, 0))(&x)?,
        "jit single" => jit(|a: &Array, b: &Array| a + b)(&single, &x)?,
        "jit captured" => jit(move |b: &Array| b + &x)(&xy)?,
        "in" => {
            let options = JitOptions::new().in_shardings((on(P!["y"]), None));
            let (a, b) = jit_with(|a: &Array, b: &Array| (a * 2, b * 2), options)(&a(), &x)?;
            return Ok(vec![a, b]);
        }
        "in all" => jit_with(|a: &Array, b: &Array| a + b, given(on(P!["x"])))(&a(), &a())?,
        "in other" => jit_with(|a: &Array| a * 2, given(on(P!["y"])))(&x)?,
        "in 7" => jit_with(|a: &Array| a * 2, given(row(P!["x"])))(&seven())?,
        "out" => {
            let options = JitOptions::new().out_shardings((on(P!["y"]), None));
            let (double, same) = jit_with(|a: &Array| (a * 2, a.clone()), options)(&x)?;
            return Ok(vec![double, same]);
        }
        "out uncommitted" => jit_with(|a: &Array| a * 2, out(on(P!["x", "y"])))(&a())?,
        "out 7" => jit_with(|a: &Array| a * 2, out(row(P!["x"])))(&seven())?,
        "out single" => jit_with(|a: &Array| a * 2, out(on(P!["x"])))(&single)?,
        "in out" => {
            let options = given(on(P!["x"])).out_shardings(on(P!["x", "y"]));
            jit_with(|a: &Array| jnp::matmul(a, a.transpose(..)), options)(&a())?
        }
        "out of two meshes" => {
            let options = JitOptions::new().out_shardings((on(P!["y"]), row(P!["x"])));
            let (double, same) = jit_with(|a: &Array| (a * 2, a.clone()), options)(&a())?;
            return Ok(vec![double, same]);
        }
        "constraint" => jit(move |a: &Array| constrain(&(a * 2), P!["y", "x"]))(&x)?,
        "constraint uncommitted" => jit(move |a: &Array| constrain(&(a * 2), P!["y"]))(&a())?,
        "constraint single" => jit(move |a: &Array| constrain(&(a * 2), P!["y"]))(&single)?,
        "constraint free" => jit(move |a: &Array| constrain(&(a * 2), P![P::UNCONSTRAINED, "y"]))(&x)?,
        "constraint 7" => jit(|a: &Array| lax::with_sharding_constraint(&(a * 2), row(P!["x"])))(&seven())?,
        "constraint eager" => constrain(&x, P![None, "x"]),
        "constraint eager uncommitted" => constrain(&a(), P!["x"]),
        "constraint eager single" => constrain(&single, P!["x"]),
        "constraint eager free" => constrain(&x, P![P::UNCONSTRAINED, "y"]),
        "constraint in scan" => jit(|a: &Array| -> Result<Array> {
            let step = |c: Array, r: Array| (lax::with_sharding_constraint(&(&c + &r), row(P![])), r * 2);
            Ok(lax::scan(step, jnp::zeros([4]), a.clone())?.0)
        })(&a())?,
        "vmap" => jit(vmap(move |r: &Array| constrain(r, P!["y"])))(&x)?,
        "vmap 1" => {
            let columns = VmapOptions::new().in_axes(1).out_axes(1);
            jit(vmap_with(move |r: &Array| constrain(r, P!["x"]), columns))(&a())?
        }
        "spmd" => jit(over(spmd(&["x"]), P!["y"]))(&a())?,
        "spmd eager" => over(spmd(&["x"]), P!["y"])(&a())?,
        "spmd eager committed" => over(spmd(&["x"]), P!["y"])(&put(P![]))?,
        "spmd 1" => jit(over(spmd(&["x"]).in_axes(1).out_axes(1), P!["y"]))(&a())?,
        "spmd several" => jit(over(rows().spmd_axis_name(("x", "y")), P![]))(&a())?,
        "spmd none" => jit(over(spmd(&[]), P!["y"]))(&x)?,
        "spmd size" => jit(over(rows().spmd_axis_name("x").axis_size(8), P!["y"]))(&a())?,
        "spmd not mapped" => {
            let options = spmd(&["x"]).in_axes(None).axis_size(8).out_axes(None);
            jit(over(options, P!["y"]))(&jnp::arange(4.0f32))?
        }
        "spmd 7" => jit(over(spmd(&["x"]), P![]))(&jnp::ones([7, 2]))?,
        "spmd free" => jit(over(spmd(&["x"]), P![P::UNCONSTRAINED]))(&xy)?,
        "spmd used" => jit(over(spmd(&["x"]), P!["x"]))(&a())?,
        "spmd one of several used" => over(spmd(&["y", "x"]), P!["x"])(&a())?,
        "spmd of another mesh" => over(spmd(&["z"]), P!["y"])(&a())?,
        "spmd twice" => over(spmd(&["x", "x"]), P!["y"])(&a())?,
        "spmd on one device" => {
            let f = |r: &Array| lax::with_sharding_constraint(r, &cpus()[0]);
            vmap_with(f, spmd(&["x"]))(&a())?
        }
        "spmd without a constraint" => jit(vmap_with(|r: &Array| r * 2, spmd(&["z"])))(&x)?,
        "spmd captured" => {
            let whole = put(P![]);
            let f = move |r: &Array| constrain(&whole, P!["x"]) + lax::index_in_dim(r, 0, 0);
            jit(vmap_with(f, spmd(&["x"])))(&a())?
        }
        "spmd nested" => jit(vmap_with(over(spmd(&["x"]), P![]), spmd(&["y"])))(&a())?,
        "spmd nested twice" => jit(vmap_with(over(spmd(&["x"]), P![]), spmd(&["x"])))(&a())?,
        "spmd inside" => jit(vmap(over(spmd(&["x"]), P![])))(&a())?,
        "spmd outside" => jit(vmap_with(over(rows(), P![]), spmd(&["x"])))(&a())?,
        "spmd jit" => vmap_with(jit(move |r: &Array| constrain(r, P!["y"])), spmd(&["x"]))(&a())?,
        "spmd of two names" => {
            let f = jit(move |r: &Array| constrain(r, P![]));
            return Ok(vec![
                vmap_with(f.clone(), spmd(&["x"]))(&a())?,
                vmap_with(f.clone(), spmd(&["y"]))(&a())?,
                vmap(f)(&a())?,
            ]);
        }
        "spmd in out" | "spmd in out used" => {
            let each = on(if name == "spmd in out" { P!["y"] } else { P!["x"] });
            let inner = jit_with(|r: &Array| r * 2, given(each).out_shardings(each));
            jit(vmap_with(inner, spmd(&["x"])))(&a())?
        }
        "spmd scan" => {
            let step = move |c: Array, r: Array| (constrain(&(&c + &r), P!["y"]), ());
            let f = move |r: &Array| -> Result<Array> {
                Ok(lax::scan(step, jnp::zeros([4]), jnp::stack([r, r], 0))?.0)
            };
            jit(vmap_with(f, spmd(&["x"])))(&a())?
        }
        "spmd checkpoint" => {
            jit(vmap_with(raxla::checkpoint(move |r: &Array| constrain(r, P!["y"])), spmd(&["x"])))(&a())?
        }
        "spmd collective" => {
            let f = move |r: &Array| constrain(&(r + lax::psum(r, "i")), P!["y"]);
            jit(vmap_with(f, spmd(&["x"]).axis_name("i")))(&a())?
        }
        "grad of spmd" => {
            let rows = over(spmd(&["x"]), P!["y"]);
            jit(grad(move |x: &Array| -> Result<Array> { Ok(jnp::sum(jnp::square(rows(x)?), ..)) }))(&a())?
        }
        "spmd grad" => jit(vmap_with(grad(square), spmd(&["x"])))(&a())?,
        "host copy" => {
            let all = [x, xy, put(P![("x", "y")]), put(P![None, "x"]), put(P![]), single];
            return all.iter().map(hosted).collect();
        }
        "host copy twice" => hosted(&hosted(&xy)?)?,
        "host copy computed with" => hosted(&(xy * 2))? + 1,
        "host copy deleted" => hosted(&deleted(xy + 0))?,
        "host copy deleted later" => deleted(hosted(&(xy + 0))?).to_vec::<f32>()?.into(),
        "host copy in jit" => jit(hosted)(&x)?,
        "host copy in vmap" => vmap(hosted)(&x)?,
        "host copy in grad" => grad(|x: &Array| hosted(x).map(|x| jnp::sum(x, ..)))(&x)?,
        "grad" => grad(|x: &Array| jnp::sum(jnp::sin(x), ..))(&xy)?,
        "grad constraint" => grad(square)(&x)?,
        "jit grad constraint" => jit(grad(square))(&a())?,
        "grad of put" => grad(|x: &Array| jnp::sum(jnp::square(device_put(x, on(P!["x"]))), ..))(&xy)?,
        "nested" => {
            let inner = jit_with(|b: &Array| b * 2, given(on(P!["y"])).out_shardings(on(P!["y", "x"])));
            jit(move |a: &Array| inner(a))(&x)?
        }
        "put in jit" => jit(|a: &Array| device_put(&(a * 2), on(P!["x"])))(&a())?,
        "random" => jit_with(|k: &Key| random::uniform(k, [8, 4]), out(on(P!["x"])))(&random::key(3))?,
        "callback" => {
            let whole = a().to_vec::<f32>()?;
            make_array_from_callback([8, 4], on(P!["x", "y"]), |index| {
                let columns = index[1].clone();
                let part: Vec<f32> = index[0]
                    .clone()
                    .flat_map(|i| columns.clone().map(move |j| (i, j)))
                    .map(|(i, j)| whole[4 * i + j])
                    .collect();
                Array::from_slice(&part, [index[0].len(), columns.len()])
            })?
        }
        "parts" | "parts of another shape" => {
            let size = if name == "parts" { 1 } else { 2 };
            let part = |d: &Device| device_put(&jnp::full([size], d.id() as f32), d);
            let parts: Vec<Array> = cpus().iter().rev().map(part).collect();
            make_array_from_single_device_arrays([8], row(P!["x"]), &parts)
        }
        "local" => make_array_from_process_local_data(on(P!["x", "y"]), &a()),
        "local tree" => {
            let places = (on(P!["x"]), row(P!["x"]));
            let (a, v) = make_array_from_process_local_data(places, &(a(), v()));
            return Ok(vec![a, v]);
        }
        "local prefix" => return Ok(make_array_from_process_local_data(on(P!["y"]), &vec![a(), v()])),
        "local single" => make_array_from_process_local_data(&cpus()[1], &a()),
        "local again" => make_array_from_process_local_data(on(P!["y"]), &x),
        "local global" => global([8, 4].into()),
        "local other global" => global([16, 4].into()),
        "local global rank" => global(32.into()),
        "local 7" => make_array_from_process_local_data(row(P!["x"]), &seven()),
        "local rank" => make_array_from_process_local_data(on(P!["x", "y"]), &v()),
        "too few parts" => make_array_from_single_device_arrays([8], row(P!["x"]), &[single]),
        _ => panic!("no case {name}"),
    }])
}

/// As the script writes it.
fn spec(x: &Array) -> String {
    let sharding = x.sharding().unwrap();
    sharding.spec().map_or_else(|| sharding.devices()[0].id().to_string(), ToString::to_string)
}

const REFUSALS: [ErrorKind; 3] =
    [ErrorKind::InvalidArgument, ErrorKind::DeletedBuffer, ErrorKind::Concretization];

/// The plugins' XLA cuts this along half of an axis, which JAX's newer one leaves whole.
const DIFFERENT: &[(&str, &str)] = &[("jit slice", "P('x_0',)")];

#[test]
fn arrays_are_cut_as_jax_cuts_them() {
    let fixture = include_str!("../fixtures/sharding.json");
    let cases: serde_json::Map<String, serde_json::Value> = serde_json::from_str(fixture).unwrap();
    assert!(cases.len() > 90);
    let mut wrong = Vec::new();
    for (name, expected) in &cases {
        let got = try_(|| run(name)).and_then(|result| result);
        let got = match (&got, expected.as_array()) {
            (Err(e), None) if REFUSALS.contains(&e.kind()) => continue,
            (Ok(results), Some(all)) if results.len() == all.len() => results,
            _ => {
                wrong.push(format!("{name}: JAX {expected}, raxla {got:?}"));
                continue;
            }
        };
        for (i, (x, expected)) in got.iter().zip(expected.as_array().unwrap()).enumerate() {
            let elements = x.to_vec::<f32>().unwrap();
            let expected_elements = expected[1].as_array().unwrap();
            let close = elements.len() == expected_elements.len()
                && elements.iter().zip(expected_elements).all(|(x, y)| {
                    let y = y.as_f64().unwrap();
                    (f64::from(*x) - y).abs() <= 1e-6 * y.abs().max(1.0)
                });
            let cut = match DIFFERENT.iter().find(|(different, _)| different == name) {
                None => expected[0] == spec(x),
                Some((_, ours)) => {
                    assert_ne!(expected[0], *ours, "{name}: no longer different");
                    *ours == spec(x) && x.sharding().unwrap().devices() == cpus()
                }
            };
            if !cut || !close || !x.committed().unwrap() {
                wrong.push(format!("{name}, result {i}: JAX {expected}, raxla {} {elements:?}", spec(x)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn programs_are_found_by_where_their_arguments_are() {
    let f = jit(|a: &Array, b: &Array| jnp::matmul(a, b.transpose(..)));
    let (x, y, whole) = (put(P!["x"]), put(P!["x", "y"]), put(P![]));
    let results: Vec<Vec<f32>> = [(&x, &x), (&y, &x), (&x, &x), (&whole, &a()), (&whole, &whole)]
        .map(|(a, b)| f(a, b).unwrap().to_vec().unwrap())
        .into();
    assert!(results.iter().all(|r| *r == results[0]));
    let stats = f.cache_stats();
    assert_eq!((stats.traces, stats.compiles, stats.hits), (1, 3, 2));
    // Where half an axis has cut is another mesh of the same devices, which meets the others.
    let part = jit(|x: &Array| lax::slice_in_dim(x, 0..6, 0))(&x).unwrap();
    assert_eq!((&part + &part).to_vec::<f32>().unwrap()[..3], [0.0, 2.0, 4.0]);
    assert_eq!(
        (&part + device_put(&jnp::ones([6, 4]), on(P![None, "y"]))).to_vec::<f32>().unwrap()[..3],
        [1.0, 2.0, 3.0]
    );
    // What says itself where it runs needs one program, whatever it is called with.
    let g = jit_with(
        |a: &Array| lax::with_sharding_constraint(&(a + 1), on(P!["y"])),
        JitOptions::new().in_shardings(on(P!["x"])),
    );
    for x in [&x, &a(), &x, &a()] {
        assert_eq!(g(x).unwrap().sharding().unwrap(), on(P!["y"]));
    }
    assert_eq!((g.cache_stats().traces, g.cache_stats().compiles), (1, 1));
}

#[test]
fn a_module_says_what_that_of_jax_says() {
    let f = jit(|a: Array, b: &Array| lax::with_sharding_constraint(&(a + b), on(P![P::UNCONSTRAINED, "x"])));
    let text = f.lower()(put(P!["x", "y"]), &device_put(&a(), row(P!["x"]))).unwrap();
    for part in [
        "mhlo.num_partitions = 8",
        "sdy.mesh @mesh = <[\"x\"=4, \"y\"=2]>\n",
        "sdy.mesh @mesh_0 = <[\"x\"=8]>\n",
        r#"sdy.sharding = #sdy.sharding<@mesh, [{"x"}, {"y"}]>"#,
        "jax.buffer_donor = true",
        r#"{sdy.sharding = #sdy.sharding<@mesh_0, [{"x"}, {}]>}"#,
        r#"sdy.sharding_constraint %3 <@mesh, [{?}, {"x"}]> : tensor<8x4xf32>"#,
        "-> (tensor<8x4xf32> {jax.result_info = \"result\"})",
    ] {
        assert!(text.as_text().contains(part), "{part}: {}", text.as_text());
    }
    let compiled = text.compile().unwrap();
    let sum = compiled(put(P!["x", "y"]), &device_put(&a(), row(P!["x"]))).unwrap();
    assert_eq!(sum.to_vec::<f32>().unwrap(), (a() * 2).to_vec::<f32>().unwrap());
    let constraint = make_jaxpr(|a: &Array| lax::with_sharding_constraint(a, on(P![P::UNCONSTRAINED, "y"])));
    let text = constraint(&a()).unwrap().to_string();
    for part in ["sharding_constraint[", "spec=P(UNCONSTRAINED, 'y'), memory_kind=device)", "frozenset({0})"]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn donated_parts_are_overwritten() {
    let step = jit(|x: Array| x + 1);
    let x = device_put(&jnp::zeros([512, 512]), on(P!["x", "y"]));
    let before = x.clone();
    // A clone keeps it.
    let y = step(x).unwrap();
    assert!(!before.is_deleted() && y.sharding().unwrap() == on(P!["x", "y"]));
    let z = step(y).unwrap();
    assert_eq!((before.to_vec::<f32>().unwrap()[7], z.to_vec::<f32>().unwrap()[7]), (0.0, 2.0));
    let memory = step.lower()(z).unwrap().compile().unwrap().executable().memory_stats().unwrap();
    assert_eq!(memory.alias_size, 512 * 512 * 4 / 8);
}

#[test]
fn an_array_shows_its_parts() {
    let x = put(P![None, "y"]);
    assert!(x.is_fully_addressable().unwrap() && !x.is_fully_replicated().unwrap());
    let shards = x.addressable_shards().unwrap();
    assert_eq!(shards.iter().map(|shard| shard.replica_id()).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2, 3, 3]);
    assert_eq!((shards[1].index(), shards[1].device()), (&[0..8, 2..4][..], &cpus()[1]));
    assert_eq!(shards[1].data().to_vec::<f32>().unwrap()[..4], [2.0, 3.0, 6.0, 7.0]);
    let y = device_put(&v(), row(P!["x"]));
    assert_eq!(
        y.addressable_shards().unwrap()[3].to_string(),
        "Shard(device=CpuDevice(id=3), index=(slice(3, 4, None),), replica_id=0, data=[3.0])"
    );
    // It is read, and printed, as a whole.
    assert_eq!(y.to_string(), v().to_string());
    let one = Array::from(2.0f32).addressable_shards().unwrap();
    assert_eq!((one.len(), one[0].index().len(), one[0].data().item::<f32>().unwrap()), (1, 0, 2.0));
}

#[test]
fn functions_give_the_same_of_arrays_that_are_cut() {
    type Case = (&'static str, fn(&Array) -> Array);
    let cases: [Case; 9] = [
        ("cumsum", |x| jnp::cumsum(x, 0)),
        ("sort", |x| jnp::sort(-x, 0)),
        ("argmax", |x| jnp::argmax(jnp::sin(x), 0)),
        ("fft", |x| jnp::abs(jnp::fft::fft(x, -1))),
        ("take", |x| jnp::take(x, [5, 0, 7], 0)),
        ("flip", |x| jnp::flip(x, 0)),
        ("pad", |x| jnp::concatenate([x, &jnp::ones([8, 4])], 0)),
        ("inv", |x| jnp::linalg::inv(jnp::matmul(x.transpose(..), x) / 100 + jnp::eye(4))),
        ("eigh", |x| jnp::linalg::eigvalsh(jnp::matmul(x.transpose(..), x) / 100)),
    ];
    for (name, f) in cases {
        let expected = f(&a());
        for spec in [P!["x", "y"], P![("y", "x")], P![None, "x"]] {
            let x = put(spec.clone());
            for got in [f(&x), jit(f)(&x).unwrap()] {
                assert_eq!(got.devices().unwrap(), cpus(), "{name}");
                let close = jnp::allclose_with(
                    got.astype(DType::F32),
                    expected.astype(DType::F32),
                    jnp::CloseOptions::new().rtol(1e-4).atol(1e-4),
                );
                assert!(close.item::<bool>().unwrap(), "{name} {spec}: {got} {expected}");
            }
        }
    }
}

#[test]
fn a_step_of_training_stays_where_its_parameters_are() {
    #[derive(Pytree, Clone)]
    struct Params {
        weight: Array,
        bias: Array,
    }
    fn loss(params: &Params, x: &Array, y: &Array) -> Array {
        let guess = jnp::tanh(jnp::matmul(x, &params.weight) + &params.bias);
        jnp::mean(jnp::square(guess - y), ..)
    }
    fn step(params: Params, x: &Array, y: &Array) -> Result<Params> {
        let slope = grad(loss)(&params, x, y)?;
        Ok(tree::map2(|p, g| p - g * 0.1, &params, &slope))
    }
    let params = || Params { weight: random::normal(&random::key(0), [4, 8]) * 0.1, bias: jnp::zeros([8]) };
    let (x, y) = (a() / 32, jnp::ones([8, 8]));
    let step = jit(step);
    let run = |mut params: Params, x: &Array, y: &Array| {
        for _ in 0..3 {
            params = step(params, x, y).unwrap();
        }
        params
    };
    let alone = run(params(), &x, &y);
    let places = [on(P![None, "y"]), on(P!["y"])];
    let Params { weight, bias } = params();
    let (weight, bias) = device_put(&(weight, bias), (places[0], places[1]));
    let (x, y) = device_put(&(x, y), on(P!["x"]));
    let cut = run(Params { weight, bias }, &x, &y);
    assert_eq!([&cut.weight, &cut.bias].map(|x| x.sharding().unwrap()), places);
    for (cut, alone) in [(&cut.weight, &alone.weight), (&cut.bias, &alone.bias)] {
        let pairs = cut.to_vec::<f32>().unwrap().into_iter().zip(alone.to_vec::<f32>().unwrap());
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} {b}"));
    }
    // One program, which the second and third call find.
    assert_eq!(step.cache_stats().compiles, 2);
}
