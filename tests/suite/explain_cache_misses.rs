//! How a miss of a jitted function's cache is explained.
//!
//! Alone in its process: another thread without a subscriber that came first to the place that warns would have `tracing`
//! switch it off for all.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use raxla::config::{self, Precision};
use raxla::{devices, prelude::*};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::process;

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

/// The messages of warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Visit for Warnings {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target() == "raxla::jit"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_miss_is_explained_by_what_differs_from_the_nearest_call() {
    if !process::is_alone("explain_cache_misses::a_miss_is_explained_by_what_differs_from_the_nearest_call") {
        return;
    }
    let warnings = Warnings::default();
    let log = warnings.0.clone();
    let f = jit(apply);
    let x = Array::from([3.0f32, 4.0]);
    tracing::subscriber::with_default(warnings, || {
        config::set_explain_cache_misses(true);
        let reason = |call: &dyn Fn() -> Result<Array>| {
            call().unwrap();
            let messages = std::mem::take(&mut *log.lock().unwrap());
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
        assert!(log.lock().unwrap().is_empty());
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
