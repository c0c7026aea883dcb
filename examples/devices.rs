//! Lists the plugins that raxla finds, their devices, and why one was skipped.
//!
//! `cargo run -p raxla-examples --example devices`

use raxla::Result;
use raxla::pjrt::discovery::{self, PluginStatus};

fn main() -> Result<()> {
    for plugin in discovery::plugins() {
        println!("{}", plugin.platform);
        match &plugin.path {
            Some(path) => println!("  plugin: {} (found by {})", path.display(), plugin.found_by),
            None => println!("  plugin: none"),
        }
        print_client(&plugin)?;
    }
    match discovery::default_client() {
        Ok(client) => println!("default: {}", client.platform_name()),
        Err(e) => println!("default: none: {e}"),
    }
    Ok(())
}

fn print_client(plugin: &PluginStatus) -> Result<()> {
    let client = match &plugin.client {
        Ok(client) => client,
        Err(e) => {
            println!("  skipped: {e}");
            return Ok(());
        }
    };
    let (major, minor) = client.plugin().api_version();
    println!("  platform: {} {}", client.platform_name(), client.platform_version());
    println!("  PJRT C API: {major}.{minor}, ffi: {}", client.plugin().has_ffi());
    for (name, value) in client.plugin().attributes() {
        println!("  {name} = {value}");
    }
    for device in client.devices() {
        let description = device.description()?;
        let here = if device.is_addressable() { "" } else { ", of another process" };
        println!("  device {}: {} ({}){here}", device.id(), description.name, description.kind);
        for (name, value) in &description.attributes {
            println!("    {name} = {value}");
        }
        for memory in device.memories()? {
            println!("    memory {}: {}", memory.id(), memory.kind());
        }
    }
    Ok(())
}
