//! What compiled code depends on beside the program and the options: the compiler and the machine.

use super::Client;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;

/// Variables of the environment that compilers of plugins read.
const ENVIRONMENT: [&str; 2] = ["XLA_FLAGS", "LIBTPU_INIT_ARGS"];

/// See [`Client::compiler_identity`].
pub(super) fn of(client: &Client) -> String {
    let plugin = client.plugin();
    let mut text = format!("{}\n{}\n", client.platform_name(), client.platform_version());
    // Its length and time say which file it is, as `make` has it: its contents, hundreds of megabytes, take longer to read than
    // the cache saves.
    let file = fs::metadata(plugin.path()).and_then(|file| Ok((file.len(), file.modified()?)));
    let _ = writeln!(text, "{:?} {:?}", plugin.path(), file.ok());
    for (name, value) in plugin.attributes() {
        let _ = writeln!(text, "{name}={value}");
    }
    // Where a plugin says what the machine is, it says so here.
    let attributes = client.topology().and_then(|topology| topology.attributes());
    let _ = writeln!(text, "{attributes:?}");
    for device in client.devices() {
        let _ = writeln!(text, "{}", device.kind());
    }
    for variable in ENVIRONMENT {
        let _ = writeln!(text, "{:?}", std::env::var_os(variable));
    }
    if client.platform_name() == "cpu" {
        text.push_str(&processor());
    }
    text
}

/// The processor that compilers look at, with its instructions: ready CPU plugins do not say.
fn processor() -> String {
    let mut text = format!("{}\n", std::env::consts::ARCH);
    // The first of all the processors that Linux lists, which on a machine with many takes long.
    let mut start = Vec::new();
    if let Ok(file) = File::open("/proc/cpuinfo") {
        let _ = file.take(8192).read_to_end(&mut start);
    }
    text.push_str(&first_processor(&String::from_utf8_lossy(&start)));
    text
}

/// The lines of the first processor in Linux's list that say what it is, and not how fast it runs just now.
fn first_processor(cpuinfo: &str) -> String {
    let says = [
        "vendor_id",
        "cpu family",
        "model",
        "model name",
        "stepping",
        "flags",
        "Features",
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
        "CPU revision",
    ];
    let lines = cpuinfo.lines().take_while(|line| !line.trim().is_empty());
    let lines = lines.filter(|line| line.split(':').next().is_some_and(|key| says.contains(&key.trim())));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pjrt::discovery;

    #[test]
    fn the_processor_is_known_by_its_instructions_and_not_by_its_clock() {
        let of = |flags: &str, mhz: &str| {
            let one =
                format!("processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: {mhz}\nflags\t\t: fpu {flags}\n\n");
            first_processor(&format!("{one}processor\t: 1\nmodel name\t: B\n"))
        };
        assert_eq!(of("avx2", "2000"), "model name\t: A\nflags\t\t: fpu avx2\n");
        assert_eq!(of("avx2", "2000"), of("avx2", "3000"));
        assert_ne!(of("avx2", "2000"), of("avx512f", "2000"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_cpu_compiles_depends_on_its_instructions() {
        let identity = discovery::client("cpu").unwrap().compiler_identity();
        assert!(identity.contains("flags") || identity.contains("Features"), "{identity}");
    }
}
