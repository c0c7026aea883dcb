//! How a miss of a jitted function's cache is explained.
//!
//! Alone in its process: another thread without a subscriber that came first to the place that warns would have `tracing`
//! switch it off for all.

use raxla::config::{self, Precision};
use raxla::{devices, prelude::*};

use crate::process;
use crate::warnings::Warnings;

#[derive(Pytree, Clone)]
struct Layer {
    weights: Vec<Array>,
    #[pytree(static)]
    power: usize,
}

fn layer(weights: usize, power: usize) -> Layer {
    Layer { weights: vec![Array::from([1.0f32, 2.0]); weights], power }
}

fn apply(layer: &Layer, x: &Array) -> Array {
    layer.weights.iter().fold(x.clone(), |y, w| y * w * layer.power)
}

#[test]
fn a_miss_is_explained_by_what_differs_from_the_nearest_call() {
    if !process::is_alone("explain_cache_misses::a_miss_is_explained_by_what_differs_from_the_nearest_call") {
        return;
    }
    let warnings = Warnings::of("raxla::jit");
    let f = jit(apply);
    let x = Array::from([3.0f32, 4.0]);
    tracing::subscriber::with_default(warnings.clone(), || {
        config::set_explain_cache_misses(true);
        let reason = |call: &dyn Fn() -> Result<Array>| {
            call().unwrap();
            let messages = warnings.taken();
            let [message] = messages.as_slice() else { panic!("one miss, got {messages:?}") };
            let (head, reason) = message.split_once(": ").unwrap();
            assert!(
                head.starts_with(
                    "tracing cache miss of apply, called at tests/suite/explain_cache_misses.rs"
                ),
                "{head}"
            );
            reason.to_owned()
        };
        let first = reason(&|| f(&layer(1, 1), &x));
        assert!(first.starts_with("it was not traced before"), "{first}");
        f(&layer(1, 1), &x).unwrap();
        assert_eq!(warnings.taken(), [""; 0]);
        assert_eq!(
            reason(&|| f(&layer(2, 1), &x)),
            "the structure of the arguments differs: at weights: a Vec of length 1, and a Vec of length 2"
        );
        let power = reason(&|| f(&layer(1, 2), &x));
        assert!(power.contains("at power: the static value 1, and the static value 2"), "{power}");
        assert_eq!(reason(&|| f(&layer(1, 1), &x.astype(DType::I32))), "argument 1 was f32[2] and is i32[2]");
        assert_eq!(
            reason(&|| f(&layer(1, 1), &Array::from(2.0))),
            "argument 1 was f32[2] and is weakly typed f32[]"
        );
        assert_eq!(
            reason(&|| config::with_matmul_precision(Precision::High, || f(&layer(1, 1), &x))),
            "the precision of matrix products was Default and is High"
        );
        assert_eq!(reason(&|| config::with_x64(true, || f(&layer(1, 1), &x))), "x64 was false and is true");
        let device = &devices().unwrap()[0];
        let moved = reason(&|| config::with_default_device(device, || f(&layer(1, 1), &x)));
        assert!(moved.starts_with("the default device was None and is "), "{moved}");
        config::set_explain_cache_misses(false);
    });
}
