//! What tracing, derivatives, lowering and calls cost as programs grow: `cargo bench --bench linear`.
//!
//! Times are the processor's, of all threads: a busy machine stretches long runs more than short ones by the clock on the wall.
//! Each case is measured at a size, at half of it and at a quarter. A program that is twice as large may take 2.2 times as
//! long. Arguments that are names of cases run just these; `--check` fails if one takes longer. `--once 2500` runs each once at that size,
//! for a counter of instructions, which the machine's other guests do not change.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use raxla::lax::{self, ScanOptions};
use raxla::prelude::*;

type Failure = Box<dyn std::error::Error>;

/// Twice the size may take so many times the time.
const ALLOWED: f64 = 2.2;
/// A size is measured at least so often and so long; the best counts.
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_millis(300);

/// A case: its name, its largest size, and what gives the time of one run of a size.
struct Case {
    name: &'static str,
    size: usize,
    prepare: fn(usize) -> Result<Run>,
}

type Run = Box<dyn FnMut() -> Result<Duration>>;

fn timed<T>(body: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let start = ProcessTime::now();
    let kept = body()?;
    let time = start.elapsed();
    drop(black_box(kept));
    Ok(time)
}

fn ones(n: usize) -> Vec<Array> {
    (0..n).map(|_| Array::from([1.0f32, 2.0])).collect()
}

/// `n` equations, one after the other.
fn chain(x: &Array, n: usize) -> Array {
    (0..n).fold(x.clone(), |x, i| if i % 2 == 0 { lax::sin(&x) } else { lax::mul(&x, &x) })
}

fn sum(x: &Array) -> Array {
    lax::reduce_sum(x, (0..x.ndim()).collect::<Vec<_>>())
}

/// Times tracing of `f`, or lowering alone. `f` captures, so that each is a new function.
macro_rules! stages {
    ($args:expr, $f:expr) => {{
        let (args, f) = ($args, $f);
        Ok(Box::new(move || {
            let f = f.clone();
            timed(|| jit(f).trace()(&args))
        }))
    }};
    ($args:expr, $f:expr, lower) => {{
        let (args, f) = ($args, $f);
        Ok(Box::new(move || {
            let traced = jit(f.clone()).trace()(&args)?;
            timed(|| traced.lower())
        }))
    }};
}

/// A loop over four steps whose body has `n` equations, and as many residuals.
fn deep_scan(x: &Array, n: usize) -> Result<Array> {
    let body = |c: Array, (): ()| (chain(&c, n), ());
    Ok(sum(&lax::scan_with(body, x.clone(), (), of_length(4))?.0))
}

/// A loop over four steps with a carry for each leaf, each of which meets its neighbour.
fn wide_scan(xs: &[Array]) -> Result<Array> {
    let body = |c: Vec<Array>, (): ()| {
        let next = c.iter().zip(c.iter().skip(1).chain(&c[..1]));
        (next.map(|(a, b)| lax::add(&lax::sin(a), b)).collect::<Vec<_>>(), ())
    };
    let (carry, ()) = lax::scan_with(body, xs.to_vec(), (), of_length(4))?;
    Ok(sum(&carry[0]))
}

/// A loop over four steps in which a carry depends on none but the one before.
fn shifting_scan(x: &Array, n: usize) -> Result<Array> {
    let body = |mut c: Vec<Array>, (): ()| {
        let first = c[0].clone();
        c.insert(0, first);
        c.pop();
        (c, ())
    };
    let mut init = vec![Array::scalar(1.0f32); n];
    init[0] = sum(x);
    let (carry, ()) = lax::scan_with(body, init, (), of_length(4))?;
    Ok(carry[n - 1].clone())
}

fn of_length(length: usize) -> ScanOptions {
    ScanOptions::new().length(length)
}

fn branches(x: &Array, n: usize) -> Result<Array> {
    let pred = lax::lt(&sum(x), &Array::scalar(0.0f32));
    let y: Array = lax::cond(pred, |x: Array| chain(&x, n), |x: Array| chain(&lax::cos(&x), n), x.clone())?;
    Ok(sum(&y))
}

fn loss_of_leaves(xs: &[Array]) -> Array {
    let squares = xs.iter().map(|x| lax::mul(x, x));
    sum(&squares.reduce(|a, b| lax::add(&a, &b)).unwrap_or_default())
}

fn cases() -> Vec<Case> {
    let case = |name, size, prepare| Case { name, size, prepare };
    vec![
        case("equations, trace", 100_000, |n| stages!(vector(), move |x: &Array| chain(x, n))),
        case("equations, grad", 100_000, |n| stages!(vector(), grad(move |x: &Array| sum(&chain(x, n))))),
        case("equations, lower", 100_000, |n| {
            stages!(vector(), grad(move |x: &Array| sum(&chain(x, n))), lower)
        }),
        case("equations, vmap", 100_000, |n| stages!(vector(), vmap(move |x: &Array| chain(x, n)))),
        case("leaves, grad", 10_000, |n| stages!(ones(n), grad(|xs: &Vec<Array>| loss_of_leaves(xs)))),
        case("leaves, lower", 10_000, |n| {
            stages!(ones(n), grad(|xs: &Vec<Array>| loss_of_leaves(xs)), lower)
        }),
        case("leaves, lower donated", 10_000, |n| {
            let xs = ones(n);
            Ok(Box::new(move || {
                let update = |xs: Vec<Array>| xs.iter().map(|x| lax::mul(x, x)).collect::<Vec<_>>();
                let fresh = n;
                let update = jit(move |xs: Vec<Array>| {
                    black_box(fresh);
                    update(xs)
                });
                let traced = update.trace()(xs.clone())?;
                timed(|| traced.lower())
            }))
        }),
        case("leaves, call", 10_000, |n| {
            let update = jit(move |xs: &Vec<Array>| xs[..n].to_vec());
            let xs = ones(n);
            update(&xs)?;
            Ok(Box::new(move || {
                timed(|| {
                    let out = update(&xs)?;
                    out[n - 1].block_until_ready()?;
                    Ok(out)
                })
            }))
        }),
        case("residuals of jit, grad", 1_000, |n| {
            stages!(vector(), grad(move |x: &Array| jit(move |x: &Array| sum(&chain(x, n)))(x)))
        }),
        case("residuals of scan, grad", 1_000, |n| stages!(vector(), grad(move |x: &Array| deep_scan(x, n)))),
        case("residuals of scan, lower", 1_000, |n| {
            stages!(vector(), grad(move |x: &Array| deep_scan(x, n)), lower)
        }),
        case("residuals of cond, grad", 1_000, |n| stages!(vector(), grad(move |x: &Array| branches(x, n)))),
        case("residuals of cond, lower", 1_000, |n| {
            stages!(vector(), grad(move |x: &Array| branches(x, n)), lower)
        }),
        case("carries, grad", 500, |n| stages!(ones(n), grad(|xs: &Vec<Array>| wide_scan(xs)))),
        case("carries, lower", 500, |n| stages!(ones(n), grad(|xs: &Vec<Array>| wide_scan(xs)), lower)),
        case("carries, vmap", 500, |n| stages!(ones(n), vmap(|xs: &Vec<Array>| wide_scan(xs)))),
        case("shifting carries, grad", 500, |n| {
            stages!(vector(), grad(move |x: &Array| shifting_scan(x, n)))
        }),
        case("shifting carries, lower", 500, |n| {
            stages!(vector(), grad(move |x: &Array| shifting_scan(x, n)), lower)
        }),
        case("shifting carries, vmap", 500, |n| {
            stages!(vector(), vmap(move |x: &Array| shifting_scan(x, n)))
        }),
    ]
}

fn vector() -> Array {
    Array::from([1.0f32, 2.0])
}

fn best(case: &Case, size: usize) -> Result<f64> {
    let mut run = (case.prepare)(size)?;
    let (mut best, mut rounds, start) = (f64::INFINITY, 0, Instant::now());
    while rounds < ROUNDS || start.elapsed() < TIME {
        rounds += 1;
        best = best.min(run()?.as_secs_f64() * 1e3);
    }
    Ok(best)
}

fn main() -> std::result::Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let once = args.iter().position(|a| a == "--once").and_then(|i| args.get(i + 1));
    let once = once.map(|size| size.parse::<usize>()).transpose()?;
    let is_name = |a: &&String| !a.starts_with("--") && a.parse::<usize>().is_err();
    let wanted: Vec<&String> = args.iter().filter(is_name).collect();
    let mut slow = Vec::new();
    if let Some(size) = once {
        for case in cases().iter().filter(|case| wanted.iter().any(|w| case.name.contains(w.as_str()))) {
            (case.prepare)(size)?()?;
        }
        return Ok(());
    }
    println!("| | size | a quarter, ms | half | whole | twice the size |\n|---|---:|---:|---:|---:|---:|");
    for case in cases() {
        if !wanted.is_empty() && !wanted.iter().any(|w| case.name.contains(w.as_str())) {
            continue;
        }
        let [quarter, half, whole] = [4, 2, 1].map(|part| best(&case, case.size / part));
        let (quarter, half, whole) = (quarter?, half?, whole?);
        // Over both steps, so that one lucky round counts less.
        let growth = (whole / quarter).sqrt();
        let (name, size) = (case.name, case.size);
        println!("| {name} | {size} | {quarter:.2} | {half:.2} | {whole:.2} | {growth:.2}x |");
        if growth > ALLOWED {
            slow.push(name);
        }
    }
    if args.iter().any(|a| a == "--check") && !slow.is_empty() {
        return Err(
            format!("more than {ALLOWED} times the time for twice the size: {}", slow.join(", ")).into()
        );
    }
    Ok(())
}
