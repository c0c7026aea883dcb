//! Functions that panic or call themselves while they are traced.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use expect_test::expect;
use raxla::lax;
use raxla::prelude::*;

use super::support::{MARK, at, caught, check, f32s, same, two};

#[test]
fn a_panic_of_the_users_own_goes_on_and_the_next_call_works() {
    let fail = Arc::new(AtomicBool::new(true));
    let failing = fail.clone();
    let f = move |x: &Array| {
        let y = lax::mul(x, x);
        if failing.load(Relaxed) {
            at!(panic!("the user's own"));
        }
        lax::reduce_sum(&y, [0])
    };
    let f = jit(f);
    let g = jit(grad(&f));
    let mapped = vmap(&f);
    let rows = Array::from([[1.0f32, 2.0]; 2]);
    let calls: [&dyn Fn(); 5] = [
        &|| drop(f(&two())),
        &|| drop(g(&two())),
        &|| drop(mapped(&rows)),
        &|| drop(jvp(&f, (two(),), (two(),))),
        &|| drop(lax::scan(|c: Array, ()| f(&c).map(|y| (lax::mul(&c, &y), ())), two(), ())),
    ];
    for call in calls.iter().take(4) {
        let panic = caught(call);
        assert_eq!((panic.message.as_str(), panic.file.as_str()), ("the user's own", file!()));
        assert_eq!(panic.line, MARK.get());
    }
    fail.store(false, Relaxed);
    assert_eq!(f(&two()).unwrap().item::<f32>().unwrap(), 5.0);
    assert_eq!(f32s(&g(&two()).unwrap()), [2.0, 4.0]);
    assert_eq!(f32s(&mapped(&rows).unwrap()), [5.0, 5.0]);
    // Nothing is being traced any more.
    assert_eq!(f32s(&lax::add(&two(), &two())), [2.0, 4.0]);
}

#[test]
fn a_panic_on_one_of_many_threads_does_not_stop_the_others() {
    let first = Arc::new(AtomicBool::new(true));
    let f = jit(move |x: &Array| {
        assert!(!first.swap(false, Relaxed), "the first trace fails");
        lax::mul(x, x)
    });
    let failed = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let result = Mutex::new(None);
                let run = || *result.lock().unwrap() = Some(f(&two()).unwrap());
                let quiet = std::panic::AssertUnwindSafe(|| {
                    caught(|| {
                        run();
                        panic!("it worked");
                    })
                });
                let panic = std::panic::catch_unwind(quiet).unwrap();
                match panic.message.as_str() {
                    "it worked" => assert_eq!(f32s(result.lock().unwrap().as_ref().unwrap()), [1.0, 4.0]),
                    _ => *failed.lock().unwrap() += 1,
                }
            });
        }
    });
    assert_eq!(*failed.lock().unwrap(), 1);
}

#[test]
fn a_function_that_calls_its_own_jit_is_an_error() {
    type Unary = fn(&'static Array) -> Array;
    static SELF: OnceLock<Jit<Unary>> = OnceLock::new();
    fn forever(x: &Array) -> Result<Array> {
        let me = SELF.get().unwrap();
        Ok(lax::mul(x, &at!(me(x))?))
    }
    let f = SELF.get_or_init(|| jit(forever));
    check(
        f(&two()),
        ErrorKind::InvalidArgument,
        expect![
            "jit: forever calls itself with arguments of the same types while it is traced, so tracing would never end"
        ],
    );
    check(
        f(&two()),
        ErrorKind::InvalidArgument,
        expect![
            "jit: forever calls itself with arguments of the same types while it is traced, so tracing would never end"
        ],
    );
    assert_eq!(f32s(&jit(|x: &Array| lax::mul(x, x))(&two()).unwrap()), [1.0, 4.0]);
}

#[test]
fn an_error_of_the_users_own_is_passed_on() {
    let f = |_: &Array| -> Result<Array> { Err(Error::new(ErrorKind::Io, "no such model").context("load")) };
    let message = check(at!(jit(f)(&two())), ErrorKind::Io, expect![["load: no such model"]]);
    same(at!(grad(f)(&two())), ErrorKind::Io, &message);
    same(at!(vmap(jit(f))(&two())), ErrorKind::Io, &message);
}
