//! What the cache of a jitted function is keyed by, and how a miss is explained.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use raxla::config::{self, Precision};
use raxla::{devices, numpy as jnp, prelude::*};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

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

/// The messages of warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Visit for Warnings {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let mut message = String::new();
            write!(message, "{value:?}").unwrap();
            self.0.lock().unwrap().push(message);
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
    let warnings = Warnings::default();
    let log = warnings.0.clone();
    let f = jit(apply);
    let x = Array::from([3.0f32, 4.0]);
    tracing::subscriber::with_default(warnings, || {
        config::explain_cache_misses(true);
        let reason = |call: &dyn Fn() -> Result<Array>| {
            call().unwrap();
            let messages = std::mem::take(&mut *log.lock().unwrap());
            let [message] = messages.as_slice() else { panic!("one miss, got {messages:?}") };
            let (head, reason) = message.split_once(": ").unwrap();
            assert!(head.starts_with("tracing cache miss of apply, called at tests/jit_cache.rs"), "{head}");
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
        config::explain_cache_misses(false);
    });
}
