//! What meshes and shardings are refused for, before XLA sees them.

use super::*;

#[test]
fn meshes_are_refused_as_in_jax() {
    let with = |sizes: &[usize], names: &[&str], options: MeshOptions| {
        message(|| make_mesh_with(sizes, names, options.devices(cpus().to_vec())))
    };
    let plain = MeshOptions::new;
    for (got, expected) in [
        (
            with(&[4, 3], &["x", "y"], plain()),
            "number of devices 8 must be at least the product of the axis sizes [4, 3]",
        ),
        (
            with(&[4, 2], &["x"], plain()),
            "as many axis names as axis sizes are needed, got 1 names ('x',) for 2 sizes",
        ),
        (
            with(&[4, 2], &["x", "x"], plain()),
            "axis_names[1] = 'x' is the name of an axis before it: ('x', 'x')",
        ),
        (with(&[4, 0], &["x", "y"], plain()), "are for 0 devices, got 0; a mesh has at least one"),
        (
            with(&[8], &["x"], plain().axis_types(vec![AxisType::Explicit])),
            "axis_types[0] = Explicit: axes of a mesh are of the type Auto so far",
        ),
        (with(&[8], &["x"], plain().axis_types(vec![])), "0 axis types for 1 axes"),
        (message(|| make_mesh([1 << 20], ["x"])), "config::set_num_cpu_devices"),
        (message(|| Mesh::new(cpus(), [4], ["x"])), "axis sizes [4] are for 4 devices, got 8"),
        (
            message(|| Mesh::new([cpus()[0].clone(), cpus()[0].clone()], [2], ["x"])),
            "CpuDevice(id=0) is there twice",
        ),
        (
            message(|| Mesh::new([cpus()[0].clone(), raxla::devices()?[0].clone()], [2], ["x"])),
            "are devices of different clients",
        ),
        (message(|| Ok(on(P!["z"]))), "resource axis z of P('z',) is not found in Mesh('x': 4, 'y': 2"),
        (message(|| Ok(on(P!["x", ("y", "x")]))), "but P('x', ('y', 'x')) has x twice"),
    ] {
        assert!(got.contains(expected), "{got}");
    }
    // Of the first devices, as many as are needed.
    let small = make_mesh_with([2, 2], ["x", "y"], MeshOptions::new().devices(cpus().to_vec())).unwrap();
    assert_eq!((small.size(), small.devices()), (4, &cpus()[..4]));
    assert_eq!(small.axis_types(), [AxisType::Auto; 2]);
    assert_eq!(small.to_string(), "Mesh('x': 2, 'y': 2, axis_types=(Auto, Auto))");
    assert_eq!(Mesh::new(&cpus()[..1], (), ()).unwrap().to_string(), "Mesh(, axis_types=())");
}

#[test]
fn mistakes_are_named_before_xla_sees_them() {
    let (x, seven) = (put(P!["x"]), jnp::arange(7.0f32));
    let options = JitOptions::new;
    let double = |options: JitOptions| jit_with(|x: &Array| x * 2, options);
    for (got, expected) in [
        (
            message(|| Ok(device_put(&seven, row(P!["x"])))),
            "array axis 0 is partitioned 8 times, but the dimension size is 7 (full shape: [7])",
        ),
        (
            message(|| Ok(device_put(&v(), on(P![None, "x"])))),
            "is only valid for values of rank at least 2, but was applied to a value of rank 1",
        ),
        (
            message(|| Ok(device_put(&x, on(P![P::UNCONSTRAINED])))),
            "only with_sharding_constraint may leave an axis unconstrained",
        ),
        (message(|| Ok(device_put(&(a(), v()), (on(P![]), on(P![]), None)))), "must be a tree prefix"),
        (
            message(|| {
                let options = ProcessLocalOptions::new().global_shape([16, 4]);
                Ok(make_array_from_process_local_data_with(on(P!["x"]), &a(), options))
            }),
            "make_array_from_process_local_data: global_shape = [16, 4] must be left out, or be the shape of local_data, which is \
             f32[8,4]: there is one process",
        ),
        (
            message(|| Ok(make_array_from_process_local_data(row(P!["x"]), &seven))),
            "make_array_from_process_local_data: device_put",
        ),
        (
            message(|| jit(|x: &Array| lax::with_sharding_constraint(x, on(P![None, "x"])))(&v())),
            "with_sharding_constraint: NamedSharding(mesh=Mesh('x': 4, 'y': 2, axis_types=(Auto, Auto)), spec=P(None, 'x'), \
             memory_kind=device) is only valid for values of rank at least 2",
        ),
        (
            message(|| run("spmd used")),
            "vmap: spmd_axis_name ('x',) cannot appear in the spec of a with_sharding",
        ),
        (message(|| run("spmd one of several used")), "inside, but that is P('x',)"),
        (message(|| run("spmd of another mesh")), "vmap: spmd_axis_name: resource axis z of P('z', 'y')"),
        (
            message(|| run("spmd twice")),
            "vmap: spmd_axis_name: a sharding can map every axis of a mesh to at most one",
        ),
        (message(|| run("spmd on one device")), "inside has SingleDeviceSharding(device=CpuDevice(id=0)"),
        (
            message(|| double(options().in_shardings(on(P!["y"])))(&x)),
            "the sharding passed to jit does not match the sharding of argument 0",
        ),
        (message(|| double(options().in_shardings(row(P!["x"])))(&seven)), "argument 0: NamedSharding"),
        (message(|| double(options().out_shardings(row(P!["x"])))(&seven)), "result: NamedSharding"),
        (message(|| double(options().in_shardings((on(P![]), None)))(&x)), "has 2 for 1 arguments"),
        (
            message(|| double(options().out_shardings((on(P![]), None)))(&x)),
            "out_shardings must be a tree prefix of the result",
        ),
        (
            message(|| jit(|a: &Array, b: &Array| a + b)(&x, &device_put(&a(), &cpus()[1]))),
            "is on cpu:0, cpu:1, cpu:2, cpu:3, cpu:4, cpu:5, cpu:6, cpu:7 and argument 1 (f32[8,4]) is on cpu:1",
        ),
        (
            message(|| {
                let f = jit(|x: &Array| lax::with_sharding_constraint(x, on(P!["x"])));
                f(&device_put(&a(), &cpus()[1]))
            }),
            "received incompatible devices: what it computes with is on cpu:1, and sharding_constraint at tests/suite/sharding/mistakes.rs",
        ),
        (
            message(|| {
                let two = Mesh::new(&cpus()[..2], [2], ["x"])?.sharding(P!["x"]);
                jit(move |x: &Array| {
                    lax::with_sharding_constraint(&lax::with_sharding_constraint(x, on(P!["x"])), two)
                })(&a())
            }),
            "names cpu:0, cpu:1",
        ),
    ] {
        assert!(got.contains(expected), "{got}");
    }
}
