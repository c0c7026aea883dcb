//! What the cache of a jitted function is keyed by.

use raxla::config::{self, Precision};
use raxla::{numpy as jnp, prelude::*};

#[test]
fn every_setting_that_changes_meaning_is_part_of_the_key() {
    let f = jit(|x: &Array| jnp::matmul(x, x).astype(DType::F64));
    let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
    let calls: [&dyn Fn() -> Result<Array>; 3] = [&|| f(&x), &|| config::with_x64(true, || f(&x)), &|| {
        config::with_matmul_precision(Precision::Highest, || f(&x))
    }];
    for _ in 0..2 {
        let dtypes = calls.map(|call| call().unwrap().dtype());
        assert_eq!(dtypes, [DType::F32, DType::F64, DType::F32]);
    }
    let stats = f.cache_stats();
    assert_eq!((stats.traces, stats.compiles, stats.hits, stats.entries), (3, 3, 3, 3));
    let precise = config::with_matmul_precision(Precision::Highest, || f.lower()(&x)).unwrap();
    assert!(precise.as_text().contains("HIGHEST") && !f.lower()(&x).unwrap().as_text().contains("HIGHEST"));
    f.clear_cache();
    assert_eq!(f.cache_stats().entries, 0);
}

#[test]
fn a_jitted_call_may_be_caught_when_its_function_panics() {
    let f = jit(|x: &Array| -> Array {
        assert!(x.ndim() > 0, "no scalars");
        x + 1
    });
    let panic = std::panic::catch_unwind(|| f(&Array::from(1.0))).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "no scalars");
    assert_eq!(f(&Array::from([1.0f32])).unwrap().to_vec::<f32>().unwrap(), [2.0]);
}

#[test]
fn signatures_by_turns_are_traced_once_each() {
    let f = jit(|x: &Array| x * 2);
    let xs: Vec<Array> = (1..4).map(|n| Array::from(vec![1.0f32; n])).collect();
    for _ in 0..10 {
        for x in &xs {
            assert_eq!(f(x).unwrap().to_vec::<f32>().unwrap(), vec![2.0; x.size()]);
        }
    }
    let stats = f.cache_stats();
    assert_eq!((stats.traces, stats.compiles, stats.misses, stats.hits), (3, 3, 3, 27));
}

#[test]
fn clear_caches_forgets_the_programs_of_jitted_functions_on_every_thread() {
    // Other tests count what is kept.
    if !super::process::is_alone(
        "jit_cache::clear_caches_forgets_the_programs_of_jitted_functions_on_every_thread",
    ) {
        return;
    }
    let x = Array::from([1.0f32]);
    let offset = Array::from([3.0f32]);
    let (f, g) = (jit(|x: &Array| x + 1), jit(move |x: &Array| x + &offset));
    let call = || (f(&x).unwrap().to_vec::<f32>().unwrap(), g(&x).unwrap().to_vec::<f32>().unwrap());
    assert_eq!(call(), (vec![2.0], vec![4.0]));
    assert_eq!([f.cache_stats().entries, g.cache_stats().entries], [1, 1]);
    std::thread::spawn(raxla::clear_caches).join().unwrap();
    assert_eq!([f.cache_stats().entries, g.cache_stats().entries], [0, 0]);
    assert_eq!(call(), (vec![2.0], vec![4.0]));
    assert_eq!([f.cache_stats().traces, g.cache_stats().compiles], [2, 2]);
}
