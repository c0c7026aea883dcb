//! Discovery under other environments: each test runs `report`, below, in a process of its own.

use raxla::pjrt::{Client, CompileOptions, Program, discovery};
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::process;

/// What the child prints, and what it writes to stderr.
struct Report {
    out: String,
    err: String,
}

fn report(what: &str, variables: &[(&str, &str)]) -> Report {
    let mut child = process::tests(["--exact", "pjrt_discovery::child"]);
    child.env("RAXLA_TEST_REPORT", what);
    for name in [
        "RAXLA_PLATFORMS",
        "PJRT_NAMES_AND_LIBRARY_PATHS",
        "TPU_LIBRARY_PATH",
        "RAXLA_TPU_PLUGIN",
        "RAXLA_NUM_CPU_DEVICES",
        "XLA_FLAGS",
    ] {
        child.env_remove(name);
    }
    // The plugin that this process has, however it was named.
    child.env("RAXLA_CPU_PLUGIN", discovery::cpu_plugin().unwrap());
    let output = child.envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let report = Report { out: text(output.stdout), err: text(output.stderr) };
    assert!(output.status.success(), "{}\n{}", report.out, report.err);
    report
}

/// Not a test of its own: what `report` asks the child for.
#[test]
fn child() {
    match env::var("RAXLA_TEST_REPORT").as_deref() {
        Ok("default") => match discovery::default_client() {
            Ok(client) => println!("default is {}", client.platform_name()),
            Err(e) => println!("{:?}: {}", e.kind(), e.message()),
        },
        Ok("plugins") => {
            for plugin in discovery::plugins() {
                let client = plugin.client.map(|client| client.platform_name().to_owned());
                println!("{}: {:?} {client:?}", plugin.platform, plugin.path);
            }
        }
        Ok("run") => {
            let text = "module { func.func public @main(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
                %0 = stablehlo.dot_general %a, %a, contracting_dims = [1] x [0]
                    : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
                return %0 : tensor<4x4xf32> } }";
            let client = discovery::client("cpu").unwrap();
            let executable = client.compile(&Program::mlir_text(text), &CompileOptions::new()).unwrap();
            let executable = client.deserialize_and_load(&executable.serialize().unwrap(), None).unwrap();
            let device = client.default_device().unwrap();
            let x = client.buffer_from_host(&[0; 64], raxla::DType::F32, &[4, 4], &device).unwrap();
            executable.execute(&[&x], &[]).unwrap()[0].block_until_ready().unwrap();
            println!("ran");
        }
        Ok("devices") => {
            let loaded = Client::load(discovery::cpu_plugin().unwrap()).unwrap();
            let count = |client: &Client| client.addressable_device_count();
            println!(
                "{} {} {}",
                count(discovery::client("cpu").unwrap()),
                count(&Client::cpu().unwrap()),
                count(&loaded)
            );
        }
        Ok("fast") => {
            let x = crate::quickly(|| raxla::lax::sin(&raxla::Array::from(0.0)));
            println!("sin is {x}");
        }
        Ok(platform) if !platform.is_empty() => match discovery::find_plugin(platform) {
            Ok(path) => println!("found {}", path.display()),
            Err(e) => println!("{:?}: {}", e.kind(), e.message()),
        },
        _ => {}
    }
}

#[test]
fn the_cpu_is_the_default_where_there_is_nothing_else() {
    // Whatever hardware there is: the variable decides.
    let report = report("default", &[("RAXLA_PLATFORMS", "cpu,abacus")]);
    assert!(report.out.contains("default is cpu"), "{}", report.out);
}

#[test]
fn the_first_named_platform_must_work() {
    let report = report("default", &[("RAXLA_PLATFORMS", "abacus,cpu")]);
    assert!(report.out.contains("Plugin: platform abacus is not available"), "{}", report.out);
    assert!(report.out.contains("RAXLA_ABACUS_PLUGIN"), "{}", report.out);
}

#[test]
fn a_missing_cpu_plugin_is_named_with_what_named_it() {
    let variables = [("RAXLA_PLATFORMS", "cpu"), ("RAXLA_CPU_PLUGIN", "/no/such/plugin.so")];
    let report = report("default", &variables);
    assert!(report.out.contains("no plugin at /no/such/plugin.so"), "{}", report.out);
    assert!(report.out.contains("found by RAXLA_CPU_PLUGIN"), "{}", report.out);
}

#[test]
fn a_platform_of_the_users_is_named_by_a_variable() {
    let path = discovery::cpu_plugin().unwrap();
    let named = format!("abacus:{}", path.display());
    let variables = [("RAXLA_PLATFORMS", "abacus"), ("PJRT_NAMES_AND_LIBRARY_PATHS", named.as_str())];
    assert!(report("default", &variables).out.contains("default is cpu"));
    let report = report("plugins", &variables);
    assert!(report.out.contains("abacus: Some("), "{}", report.out);
}

/// A Python environment with an empty file of that name among its packages.
fn environment_with(file: &str) -> (PathBuf, PathBuf) {
    let name = file.replace(['/', '.'], "_");
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("venv-{name}"));
    let file = root.join("lib/python3.99/site-packages").join(file);
    fs::create_dir_all(file.parent().unwrap_or(Path::new(""))).unwrap();
    fs::write(&file, "").unwrap();
    (root, file)
}

#[test]
fn plugins_are_found_among_pythons_packages() {
    for (platform, file) in [
        ("tpu", "libtpu/libtpu.so"),
        ("cuda", "jax_plugins/xla_cuda13/xla_cuda_plugin.so"),
        ("gpu", "xla_plugins/xla_cuda12_pjrt/xla_gpu_pjrt.so"),
        ("rocm", "jax_plugins/xla_rocm7/xla_rocm_plugin.so"),
        ("mps", "jax_plugins/mps/lib/libpjrt_plugin_mps.dylib"),
    ] {
        let (root, file) = environment_with(file);
        let report = report(platform, &[("VIRTUAL_ENV", root.to_str().unwrap()), ("PYTHONPATH", "")]);
        assert!(report.out.contains(&format!("found {}", file.display())), "{}", report.out);
    }
    let report = report("abacus", &[]);
    assert!(
        report.out.contains("Plugin: no package of any Python here has a plugin for platform abacus"),
        "{}",
        report.out
    );
}

#[test]
fn a_plugin_that_nobody_asked_for_is_listed_and_not_loaded() {
    let (root, file) = environment_with("jax_plugins/xla_oneapi/xla_oneapi_plugin.so");
    let report = report("plugins", &[("VIRTUAL_ENV", root.to_str().unwrap())]);
    let line = report.out.lines().find(|line| line.starts_with("oneapi")).unwrap_or(&report.out);
    assert!(line.contains(file.to_str().unwrap()) && line.contains("RAXLA_PLATFORMS=oneapi"), "{line}");
}

#[test]
fn an_engine_is_asked_for_by_name() {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("engines");
    let variables = |engine| {
        [("RAXLA_CPU_PLUGIN", ""), ("RAXLA_CPU_ENGINE", engine), ("XDG_CACHE_HOME", cache.to_str().unwrap())]
    };
    let unknown = report("cpu", &variables("fast"));
    assert!(unknown.out.contains("RAXLA_CPU_ENGINE is wheel or tuned, got \"fast\""), "{}", unknown.out);
    let absent = report("cpu", &variables("tuned"));
    assert!(absent.out.contains("build raxla with RAXLA_CPU_ENGINE=tuned"), "{}", absent.out);
}

#[test]
fn the_cpu_has_as_many_devices_as_it_is_told() {
    assert!(report("devices", &[]).out.contains("1 1 1"), "one unless it is told");
    let flags = ("XLA_FLAGS", "--xla_force_host_platform_device_count=3");
    assert!(report("devices", &[flags]).out.contains("3 3 3"));
    assert!(report("devices", &[flags, ("RAXLA_NUM_CPU_DEVICES", "2")]).out.contains("2 3 3"));
}

#[test]
fn an_option_that_a_plugin_does_not_know_does_not_stop_a_program() {
    let report = report("fast", &[]);
    assert!(report.out.contains("sin is 0"), "{}", report.out);
}

#[test]
fn xla_writes_nothing_to_stderr() {
    let report = report("run", &[]);
    assert!(report.out.contains("ran"), "{}", report.out);
    assert_eq!(report.err, "");
}
