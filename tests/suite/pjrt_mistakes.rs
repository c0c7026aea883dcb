//! Mistakes: each is an error of its kind, with a message that helps, and never an abort.

use raxla::pjrt::{
    Client, CompileOptions, CpuOptions, DeviceAssignment, OptionOverride, Plugin, Program, discovery,
};
use raxla::{DType, ErrorKind};
use std::fs;
use std::path::PathBuf;

const IDENTITY: &str = "module { func.func public @main(%a: tensor<2xf32>) -> tensor<2xf32> {
    return %a : tensor<2xf32> } }";

fn cpu() -> &'static Client {
    discovery::client("cpu").unwrap()
}

#[test]
fn a_plugin_that_is_not_there_is_rejected() {
    let error = Client::load("no/such/plugin.so").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plugin);
    assert!(error.message().contains("no plugin at no/such/plugin.so"), "{error}");
}

#[test]
fn a_plugin_that_is_no_library_is_rejected() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("not_a_library.so");
    fs::write(&path, "text").unwrap();
    let error = Plugin::load(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plugin);
    assert!(error.message().contains("could not load"), "{error}");
    // The reason is the dynamic loader's: "file too short", "invalid ELF header", "not a mach-o file".
    assert!(error.message().contains("file too short") || error.message().contains("header"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_is_no_plugin_is_rejected() {
    // Any shared library does: one that this process has mapped.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let library = maps.split_whitespace().find(|word| word.contains("/libc.so") || word.contains("/libc-"));
    let error = Plugin::load(library.unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plugin);
    assert!(error.message().contains("does not export GetPjrtApi"), "{error}");
}

#[test]
fn a_plugin_is_loaded_once() {
    let path = discovery::cpu_plugin().unwrap();
    assert_eq!(Plugin::load(&path).unwrap(), Plugin::load(&path).unwrap());
}

#[test]
fn an_unknown_client_option_is_rejected() {
    let error = Client::new(cpu().plugin(), &[("no_such_option".to_owned(), true.into())]).unwrap_err();
    // The plugin's own refusal, or raxla's where the plugin would ignore it.
    assert!(matches!(error.kind(), ErrorKind::Plugin | ErrorKind::InvalidArgument), "{error:?}");
    assert!(error.message().contains("no_such_option"), "{error}");
}

#[test]
fn a_client_of_no_devices_is_rejected() {
    let error = Client::cpu_with(&CpuOptions::with_device_count(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("cpu_device_count is an integer of at least one, got 0"), "{error}");
}

#[test]
fn options_that_do_not_fit_the_devices_are_rejected() {
    let compile = |change: &dyn Fn(&mut CompileOptions)| {
        let mut options = CompileOptions::new();
        change(&mut options);
        let error = cpu().compile(&Program::mlir_text(IDENTITY), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        error.message().to_owned()
    };
    for n in [0, 1000, usize::MAX] {
        assert!(compile(&|options| options.num_replicas = n).contains(&format!("num_replicas = {n}")));
        assert!(compile(&|options| options.num_partitions = n).contains(&format!("num_partitions = {n}")));
    }
    let assignment = |ids: &'static [i32]| {
        move |options: &mut CompileOptions| {
            options.device_assignment = Some(DeviceAssignment::partitions(ids))
        }
    };
    assert!(compile(&assignment(&[])).contains("is for 1 x 0 devices"));
    assert!(compile(&assignment(&[0, 1])).contains("is for 1 x 2 devices"));
    assert!(compile(&assignment(&[99])).contains("names device 99"));
    assert!(compile(&assignment(&[-1])).contains("names device -1"));
}

#[test]
fn a_device_assignment_of_nothing_or_of_too_much_is_rejected() {
    for (replicas, partitions) in [(0, 1), (1, 0), (1000, 1), (usize::MAX, usize::MAX)] {
        let error = cpu().default_device_assignment(replicas, partitions).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(
            error.message().contains(&format!("{replicas} replicas x {partitions} partitions")),
            "{error}"
        );
    }
    assert_eq!(cpu().default_device_assignment(1, 1).unwrap(), [0]);
}

#[test]
fn an_unknown_platform_is_rejected() {
    let error = discovery::client("abacus").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plugin);
    assert!(error.message().contains("RAXLA_ABACUS_PLUGIN"), "{error}");
}

#[test]
fn a_program_that_does_not_parse_is_rejected() {
    for program in [
        Program::mlir_text("module { this is not MLIR }"),
        Program::mlir(vec![0_u8; 8]),
        Program::from_hlo_proto(vec![0xff_u8; 8]),
    ] {
        let error = cpu().compile(&program, &CompileOptions::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compile, "{error:?}");
    }
}

#[test]
fn a_program_that_is_ill_typed_is_rejected_with_xlas_message() {
    let text = "module { func.func public @main(%a: tensor<2xf32>) -> tensor<3xf32> {
        %0 = stablehlo.add %a, %a : tensor<3xf32>
        return %0 : tensor<3xf32> } }";
    let error = cpu().compile(&Program::mlir_text(text), &CompileOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compile);
    assert!(!error.message().is_empty());
}

#[test]
fn a_debug_option_is_passed_on_and_a_wrong_one_is_rejected() {
    let option = |name: &str| CompileOptions::new().with_debug_option(name, OptionOverride::Bool(true));
    cpu().compile(&Program::mlir_text(IDENTITY), &option("xla_cpu_enable_fast_math")).unwrap();
    let error = cpu().compile(&Program::mlir_text(IDENTITY), &option("xla_no_such_option")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compile);
    assert!(error.message().contains("xla_no_such_option"), "{error}");
    // XLA ends the process on these.
    for value in [OptionOverride::from(-1), "-1".into()] {
        let options = CompileOptions::new().with_debug_option("xla_cpu_parallel_codegen_split_count", value);
        let error = cpu().compile(&Program::mlir_text(IDENTITY), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

#[test]
fn a_wrong_number_of_arguments_is_rejected() {
    let executable = cpu().compile(&Program::mlir_text(IDENTITY), &CompileOptions::new()).unwrap();
    let device = cpu().default_device().unwrap();
    let x = cpu().buffer_from_host(&[0; 8], DType::F32, &[2], &device).unwrap();
    for arguments in [&[][..], &[&x, &x]] {
        let error = executable.execute(arguments, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Runtime, "{error}");
    }
}

#[test]
fn an_argument_of_another_shape_or_client_is_rejected() {
    let executable = cpu().compile(&Program::mlir_text(IDENTITY), &CompileOptions::new()).unwrap();
    let device = cpu().default_device().unwrap();
    let x = cpu().buffer_from_host(&[0; 12], DType::F32, &[3], &device).unwrap();
    assert_eq!(executable.execute(&[&x], &[]).unwrap_err().kind(), ErrorKind::Runtime);
    let other = Client::cpu().unwrap();
    let device = other.default_device().unwrap();
    let x = other.buffer_from_host(&[0; 8], DType::F32, &[2], &device).unwrap();
    assert_eq!(executable.execute(&[&x], &[]).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn lists_of_different_lengths_are_rejected() {
    let executable = cpu().compile(&Program::mlir_text(IDENTITY), &CompileOptions::new()).unwrap();
    let device = cpu().default_device().unwrap();
    let x = cpu().buffer_from_host(&[0; 8], DType::F32, &[2], &device).unwrap();
    for (lists, kind) in [
        (&[vec![&x], vec![]][..], ErrorKind::InvalidArgument),
        (&[vec![&x], vec![&x]], ErrorKind::Runtime),
        (&[], ErrorKind::Runtime),
    ] {
        let error = executable.execute_sharded(lists, &[]).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn a_deleted_executable_does_not_run() {
    let executable = cpu().compile(&Program::mlir_text(IDENTITY), &CompileOptions::new()).unwrap();
    executable.delete().unwrap();
    assert!(executable.is_deleted());
    let device = cpu().default_device().unwrap();
    let x = cpu().buffer_from_host(&[0; 8], DType::F32, &[2], &device).unwrap();
    let error = executable.execute(&[&x], &[]).unwrap_err();
    assert!(error.message().contains("deleted"), "{error}");
    let error = executable.execute_sharded(&[vec![&x]], &[]).unwrap_err();
    assert!(error.message().contains("deleted"), "{error}");
}

#[test]
fn bytes_that_are_no_executable_are_rejected() {
    for bytes in [&b"nonsense"[..], b""] {
        let error = cpu().deserialize_and_load(bytes, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compile, "{error}");
    }
}
