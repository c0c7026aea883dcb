//! How much memory reading a file takes: an allocator that counts, so a process of its own.
#![cfg(feature = "io")]

use std::alloc::System;
use std::collections::BTreeMap;

use cap::Cap;
use raxla::{ErrorKind, io, numpy as jnp};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// An allocation beyond the limit ends the process.
#[test]
fn ten_thousand_malformed_files_are_errors_and_take_at_most_twice_their_size() {
    let file = std::env::temp_dir().join(format!("raxla-allocations-{}.safetensors", std::process::id()));
    let arrays = ["decoder/kernel", "decoder/bias", "head"].map(|name| (name.to_owned(), jnp::ones([2048])));
    io::save(&file, &BTreeMap::from(arrays)).unwrap();
    let good = std::fs::read(&file).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    // What the first one makes once and for all is not counted.
    io::load_named(&file).unwrap();

    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut errors = 0;
    for i in 0..10_000 {
        let mut bad = good.clone();
        match i % 4 {
            // Any length of the header, and any length of the file.
            0 => bad[..8].copy_from_slice(&(u64::MAX >> next(64)).to_le_bytes()),
            1 => bad.truncate(next(good.len())),
            // Large numbers for small ones, and anything else.
            _ => (0..1 + next(4))
                .for_each(|_| bad[8 + next(header - 8)] = b"\"[]{}:,99999-ex \0\xff"[next(18)]),
        }
        std::fs::write(&file, &bad).unwrap();
        let size = bad.len();
        drop(bad);
        // An error and its message are not counted, either.
        ALLOCATOR.set_limit(ALLOCATOR.allocated() + 2 * size.max(4096)).unwrap();
        let got = io::load_named(&file).map(drop);
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        if let Err(e) = got {
            assert!(matches!(e.kind(), ErrorKind::Io | ErrorKind::DType), "{e}");
            errors += 1;
        }
    }
    std::fs::remove_file(&file).unwrap();
    // A letter of a name may have become another: not in these files, whose digests name the arrays.
    assert!(errors > 9_000, "{errors}");
}
