//! A process that ends while XLA computes: it waits, so that destructors of C++ find no kernel at work, and effects happen.

use std::process::{Output, exit};
use std::thread;
use std::time::Duration;

use raxla::lax::{self, ConvOptions, Padding};
use raxla::prelude::*;

use crate::process;

const END: &str = "RAXLA_TEST_END";

/// A convolution, whose kernel oneDNN makes when it is first run.
fn begin() -> Array {
    let (x, k) = (lax::full([8, 32, 32, 3], 1f32), lax::full([3, 3, 3, 16], 0.5f32));
    let options = ConvOptions::new().dimension_numbers(("NHWC", "HWIO", "NHWC"));
    lax::conv_general_dilated(&x, &k, (2, 2), Padding::Same, options)
}

/// What the other tests run in processes of their own.
#[test]
fn this_process_ends_while_xla_computes() {
    match std::env::var(END).as_deref() {
        Ok("main returns") => drop(begin()),
        // Nowhere can another thread than the main one wait before all destructors: those of a first run may be too early.
        Ok("a thread exits") => {
            begin().block_until_ready().unwrap();
            (0..4).for_each(|_| drop(begin()));
            exit(0)
        }
        Ok("an effect") => {
            let late = jit(|x: &Array| {
                raxla::debug::callback(
                    |x: Array| {
                        thread::sleep(Duration::from_millis(100));
                        println!("seen: {x}");
                    },
                    x,
                )
            });
            late(&Array::from(1.5)).unwrap();
        }
        _ => {}
    }
}

fn process_that_ends(end: &str) -> Output {
    let test = "end_of_process::this_process_ends_while_xla_computes";
    process::tests(["--exact", test]).env(END, end).output().unwrap()
}

#[test]
fn a_process_that_ends_while_xla_computes_ends_well() {
    for end in ["main returns", "a thread exits"] {
        for _ in 0..8 {
            let out = process_that_ends(end);
            assert!(out.status.success(), "{end}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
        }
    }
}

#[test]
fn a_process_that_ends_waits_for_its_effects() {
    let out = process_that_ends("an effect");
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && stdout.contains("seen: 1.5"), "{stdout}");
}
