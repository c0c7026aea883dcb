//! Discovery under other environments: each test runs `report`, below, in a process of its own.

use raxla::pjrt::{CompileOptions, Program, discovery};
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
    for name in ["RAXLA_PLATFORMS", "PJRT_NAMES_AND_LIBRARY_PATHS", "TPU_LIBRARY_PATH", "RAXLA_TPU_PLUGIN"] {
        child.env_remove(name);
    }
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
        Ok("tpu") => println!("{:?}", discovery::find_plugin("tpu")),
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

#[test]
fn plugins_are_found_among_pythons_packages() {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("venv");
    let file = root.join("lib/python3.99/site-packages/libtpu/libtpu.so");
    fs::create_dir_all(file.parent().unwrap_or(Path::new(""))).unwrap();
    fs::write(&file, "").unwrap();
    let report = report("tpu", &[("VIRTUAL_ENV", root.to_str().unwrap()), ("PYTHONPATH", "")]);
    assert!(report.out.contains(&format!("Ok({file:?})")), "{}", report.out);
}

#[test]
fn xla_writes_nothing_to_stderr() {
    let report = report("run", &[]);
    assert!(report.out.contains("ran"), "{}", report.out);
    assert_eq!(report.err, "");
}
