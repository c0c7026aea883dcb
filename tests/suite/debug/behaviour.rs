//! What a callback is given, what becomes of its errors, and who may call what from where.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use raxla::callback::IoCallbackOptions;
use raxla::config::with_x64;
use raxla::debug::CallbackOptions;
use raxla::prelude::*;
use raxla::{debug, effects_barrier, io_callback_with, lax, numpy as jnp, pure_callback};

use super::{alone, printed_with};

fn lines(body: impl FnOnce()) -> Vec<String> {
    printed_with(body).0
}

#[derive(Pytree, Clone, Debug)]
struct Params {
    weight: Array,
    bias: Array,
}

#[test]
fn formats_are_those_of_println() {
    let mut found = lines(|| {
        let p = Params { weight: Array::scalar(2f32), bias: Array::scalar(1i32) };
        let (step, name, width) = (3, String::from("loss"), 6);
        let owned = name.clone();
        let borrowed: &str = &owned;
        let f = jit(move |p: &Params, x: &Array| {
            debug::print!("no arguments, {{}} and \"quotes\"");
            debug::print!("{step} {name}: {x} {:?}", p.bias);
            debug::print!("{0} {1} {0} {y}", x, &p.weight, y = x + 1.0);
            debug::print!("{:?}", p);
            debug::print!("{:?}", (vec![x.clone()], Some(&p.weight).cloned()));
            debug::print!("{step:>width$} {:<1$}|", step, width);
            debug::print!(ordered: false, "{}", x,);
        });
        f(&p, &Array::scalar(1.5f32)).unwrap();
        effects_barrier().unwrap();
        debug::print!("{borrowed} {}", &step);
    });
    found.sort();
    let mut expected = vec![
        "no arguments, {} and \"quotes\"",
        "3 loss: 1.5 Array(1, dtype=int32)",
        "1.5 2.0 1.5 2.5",
        "Params { weight: Array(2.0, dtype=float32), bias: Array(1, dtype=int32) }",
        "([Array(1.5, dtype=float32)], Some(Array(2.0, dtype=float32)))",
        "     3 3     |",
        "1.5",
        "loss 3",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn callbacks_get_and_give_arrays_of_all_dtypes_and_shapes_row_major() {
    let _alone = alone();
    let identity = |x: Array| x;
    for x64 in [false, true] {
        with_x64(x64, || {
            for dtype in DType::ALL.into_iter().filter(|d| x64 || d.bits() < 64) {
                for shape in [&[][..], &[3], &[2, 3], &[2, 3, 4], &[0, 2]] {
                    let x = lax::convert_element_type(
                        &lax::iota(DType::I32, shape.iter().product::<usize>()),
                        dtype,
                    );
                    let x = lax::reshape(&x, shape);
                    // Transposed inside, so that the compiler would like to hand over another layout.
                    let f = jit(move |x: &Array| {
                        let axes: Vec<usize> = (0..x.ndim()).rev().collect();
                        let y = lax::transpose(x, &axes[..]);
                        let y = pure_callback(identity, &y, &y)?;
                        Ok(lax::transpose(&y, &axes[..]))
                    });
                    let y = f(&x).unwrap();
                    assert_eq!((y.dtype(), y.shape()), (x.dtype(), x.shape()));
                    assert_eq!(y.to_bytes().unwrap(), x.to_bytes().unwrap(), "{}", x.aval());
                }
            }
        });
    }
}

fn fails(x: Array) -> Result<()> {
    Err(Error::new(ErrorKind::InvalidArgument, format!("{x} is refused")))
}

#[test]
fn the_error_of_a_callback_is_the_error_of_the_call() {
    let _alone = alone();
    for ordered in [false, true] {
        let f = move |x: &Array| {
            debug::callback_with(fails, x, CallbackOptions::new().ordered(ordered))?;
            Ok(x * 2.0)
        };
        let jitted = jit(f);
        let runs: [&dyn Fn() -> Result<Array>; 2] = [&|| f(&Array::from(3.0)), &|| jitted(&Array::from(3.0))];
        for run in runs {
            // At the call, or when the value is read.
            let e = run().and_then(|y| y.block_until_ready().cloned()).unwrap_err();
            assert_eq!(
                (e.kind(), e.message()),
                (ErrorKind::InvalidArgument, "debug_callback: 3.0 is refused")
            );
            let at = e.location().unwrap();
            assert!(at.file().ends_with("behaviour.rs"), "{at}");
            let _ = effects_barrier();
        }
        // What comes after is not touched by it.
        let after = jit(move |x: &Array| {
            debug::callback_with(|_: Array| (), x, CallbackOptions::new().ordered(ordered))?;
            Ok(x + 1.0)
        });
        assert_eq!(after(&Array::from(1.0)).unwrap().item::<f32>().unwrap(), 2.0);
        effects_barrier().unwrap();
    }
}

#[test]
fn a_panic_in_a_callback_is_an_error_of_the_call() {
    let _alone = alone();
    let panics = |x: Array| {
        if x.item::<f32>().unwrap() > 0.0 {
            panic!("no positive numbers");
        }
    };
    let f = jit(move |x: &Array| {
        debug::callback(panics, x)?;
        Ok(x * 2.0)
    });
    let e = f(&Array::from(3.0)).and_then(|y| y.block_until_ready().cloned()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Runtime);
    assert_eq!(e.message(), "debug_callback: the function panicked: no positive numbers");
    let _ = effects_barrier();
    assert_eq!(f(&Array::from(-3.0)).unwrap().item::<f32>().unwrap(), -6.0);
}

#[test]
fn a_result_of_another_type_is_refused() {
    let _alone = alone();
    let wrong: [fn(Array) -> Array; 2] =
        [|x| lax::reshape(&x, [1]), |x| lax::convert_element_type(&x, DType::I32)];
    for f in wrong {
        let eager = pure_callback(f, (), &Array::from(1.5)).unwrap_err();
        assert!(eager.message().contains("expected f32[], got"), "{eager}");
        let jitted = jit(move |x: &Array| pure_callback(f, (), x));
        let e = jitted(&Array::from(1.5)).and_then(|y| y.block_until_ready().cloned()).unwrap_err();
        assert_eq!(e.message(), eager.message());
    }
    let e = pure_callback(|x: Array| x, ((), DType::F64), &Array::from(1.0)).unwrap_err();
    assert!(e.kind() == ErrorKind::DType && e.message().contains("x64"), "{e}");
    let _ = effects_barrier();
}

#[test]
fn a_program_without_results_runs_its_callbacks() {
    let found = lines(|| {
        let f = jit(|x: &Array| debug::print!(ordered: true, "{x}"));
        for i in 0..3 {
            f(&Array::from(i)).unwrap();
        }
    });
    assert_eq!(found, ["0", "1", "2"]);
    let text = jit(|x: &Array| debug::print!(ordered: true, "{x}")).lower()(&Array::from(0)).unwrap();
    assert!(text.as_text().contains("@main(%1: !stablehlo.token {jax.token = true}, "), "{text:?}");
}

#[test]
fn ordered_calls_of_one_thread_come_before_those_of_a_later_one() {
    let found = lines(|| {
        let f = jit(|x: &Array| debug::print!(ordered: true, "{x}"));
        for i in 0..20 {
            let f = f.clone();
            std::thread::spawn(move || f(&Array::from(i)).unwrap()).join().unwrap();
        }
    });
    assert_eq!(found, (0..20).map(|i| i.to_string()).collect::<Vec<_>>());
}

#[test]
fn many_threads_print_whole_lines_each_in_its_order() {
    let found = lines(|| {
        let f = jit(|thread: &Array, i: &Array| debug::print!(ordered: true, "thread {thread} says {i}"));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let f = f.clone();
                scope.spawn(move || {
                    for i in 0..50 {
                        f(&Array::from(thread), &Array::from(i)).unwrap();
                    }
                });
            }
        });
    });
    for thread in 0..4 {
        let prefix = format!("thread {thread} says ");
        let own: Vec<&str> = found.iter().filter_map(|line| line.strip_prefix(&prefix)).collect();
        assert_eq!(own, (0..50).map(|i| i.to_string()).collect::<Vec<_>>());
    }
    assert_eq!(found.len(), 200);
}

#[test]
fn a_callback_may_run_programs_with_callbacks() {
    let found = lines(|| {
        let inner = jit(|x: &Array| {
            debug::print!(ordered: true, "inner {x}");
            x * 2.0
        });
        let outer = jit(move |x: &Array| {
            debug::print!(ordered: true, "before {x}");
            let inner = inner.clone();
            let run = move |x: Array| inner(&inner(&x)?);
            let y = io_callback_with(run, x, x, IoCallbackOptions::new().ordered(true))?;
            debug::print!(ordered: true, "after {y}");
            Ok(y)
        });
        for _ in 0..2 {
            assert_eq!(outer(&Array::scalar(3f32)).unwrap().item::<f32>().unwrap(), 12.0);
        }
    });
    let once = ["before 3.0", "inner 3.0", "inner 6.0", "after 12.0"];
    assert_eq!(found.iter().filter(|line| line.starts_with("inner")).count(), 4);
    assert_eq!(found.len(), 2 * once.len());
}

#[test]
fn a_barrier_inside_of_a_callback_is_an_error() {
    let _alone = alone();
    let f = jit(|x: &Array| {
        debug::callback(|_: Array| effects_barrier(), x)?;
        Ok(x.clone())
    });
    let e = f(&Array::from(1.0)).and_then(|y| y.block_until_ready().cloned()).unwrap_err();
    assert!(e.message().contains("for which it would wait"), "{e}");
    let _ = effects_barrier();
}

/// Pages of memory that the process has.
fn pages() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[test]
fn a_hundred_thousand_callbacks_leak_nothing() {
    let _alone = alone();
    let calls = Arc::new(AtomicUsize::new(0));
    let run = |turns: i32, programs: usize| {
        for _ in 0..programs {
            let calls = calls.clone();
            let f = jit(move |n: &Array| {
                let body = |i: Array, c: Array| {
                    let calls = calls.clone();
                    debug::callback(move |_: Array| _ = calls.fetch_add(1, Ordering::Relaxed), &i)?;
                    Ok(c + i)
                };
                lax::fori_loop(0, n, body, Array::from(0))
            });
            f(&Array::from(turns)).unwrap().block_until_ready().unwrap();
        }
        effects_barrier().unwrap();
    };
    run(1000, 3);
    let (before, held) = (pages(), Arc::strong_count(&calls));
    run(100_000, 1);
    run(10, 20);
    assert_eq!(calls.load(Ordering::Relaxed), 3 * 1000 + 100_000 + 20 * 10);
    // The programs are gone, and their functions with them.
    assert_eq!((held, Arc::strong_count(&calls)), (1, 1));
    let grown = pages().saturating_sub(before);
    assert!(grown < 8192, "{grown} pages more");
}

#[test]
fn equal_callbacks_make_equal_jaxprs() {
    let f = |x: &Array| {
        debug::print!("x = {x}");
        let body = |c: Array, y: Array| {
            debug::print!("{y}");
            (c + y, ())
        };
        Ok(lax::scan(body, x.clone(), Array::from([1f32]))?.0)
    };
    let jaxpr = || make_jaxpr(f)(&Array::scalar(1f32)).unwrap().jaxpr;
    assert!(jaxpr() == jaxpr());
    let kept = Arc::new(Mutex::new(0));
    let g = move |x: &Array| {
        let kept = kept.clone();
        debug::callback(move |_: Array| *kept.lock().unwrap() += 1, x)?;
        Ok(x.clone())
    };
    let jaxpr = || make_jaxpr(&g)(&Array::scalar(1f32)).unwrap().jaxpr;
    assert!(jaxpr() != jaxpr());
}

#[test]
fn a_sharding_is_printed_where_values_are() {
    let lines = lines(|| {
        debug::visualize_array_sharding(jnp::ones([4]));
        debug::visualize_sharding([2, 2], raxla::devices().unwrap()[0].clone());
    });
    assert_eq!(lines[..3], ["┌───────┐", "│ CPU 0 │", "└───────┘"]);
    assert_eq!((lines.len(), &*lines[8]), (14, "│         CPU 0         │"));
}
