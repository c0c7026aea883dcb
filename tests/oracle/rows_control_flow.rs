//! Rows for control flow, with the bodies of `families/control_flow.py`, and for collectives over an axis of `vmap`.

use std::sync::Arc;

use raxla::api::{VmapOptions, vmap_with};
use raxla::custom_derivatives::zero_from_primal;
use raxla::lax::{
    self, CustomLinearSolveOptions, CustomRootOptions, ForiLoopOptions, MapOptions, ScanOptions,
};
use raxla::{Array, DType, Result, jit, jvp, numpy as jnp};

use crate::case::{Params, Row};
use crate::rows_lax_window::window_options;

type Function = Arc<dyn Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync>;

/// The body under the transformations that a case names, innermost first.
fn transformed(body: fn(&[Array], &Params) -> Result<Vec<Array>>, x: &[Array], p: &Params) -> Vec<Array> {
    let params = p.clone();
    let mut f: Function = Arc::new(move |x| body(x, &params));
    let transform = p.get("transform").as_array().cloned().unwrap_or_default();
    for t in &transform {
        f = match t.as_str().unwrap() {
            "vmap" => {
                let axes = p.get("in_axes").as_array().unwrap().iter().map(serde_json::Value::as_i64);
                let options = VmapOptions::new().in_axes((axes.collect::<Vec<_>>(),));
                let mapped = vmap_with(move |x: &Vec<Array>| f(x), options);
                Arc::new(move |x| mapped(&x.to_vec()))
            }
            "jvp" => Arc::new(move |x| push_forward(&f, x)),
            _ => {
                let jitted = jit(move |x: &Vec<Array>| f(x));
                Arc::new(move |x| jitted(&x.to_vec()))
            }
        };
    }
    f(x).unwrap()
}

/// The results and the tangents of the float ones, in the direction of 0.5 everywhere.
fn push_forward(f: &Function, x: &[Array]) -> Result<Vec<Array>> {
    let dots =
        x.iter().map(|x| if x.dtype().is_inexact() { lax::full_like(x, 0.5) } else { zero_from_primal(x) });
    let f = f.clone();
    let (mut ys, dys) = jvp(move |x: Vec<Array>| f(&x), (x.to_vec(),), (dots.collect::<Vec<_>>(),))?;
    ys.extend(dys.into_iter().filter(|dy| dy.dtype().is_inexact()));
    Ok(ys)
}

fn cond(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    type Pair = (Array, Array);
    let pair = || (x[1].clone(), x[2].clone());
    match p.str("body") {
        "two" => {
            let on_true = |(x, y): Pair| (&x * &y, &x + 1.5);
            let (a, b) = lax::cond(&x[0], on_true, |(x, y): Pair| (&x - &y, lax::sin(&y)), pair())?;
            Ok(vec![a, b])
        }
        "unused" => {
            Ok(vec![lax::cond(&x[0], |(x, _): Pair| x, |(_, y): Pair| lax::full_like(&y, 2.0), pair())?])
        }
        "log" => {
            let positive = jnp::greater(&x[0], 0.0);
            Ok(vec![lax::cond(positive, |x: Array| lax::log(&x), |x: Array| x * 2.0, x[0].clone())?])
        }
        "nested" => {
            let inner = |(x, y): Pair| {
                lax::cond(lax::gt(&x, &y), |(x, _): Pair| &x * &x, |(x, y): Pair| y * x, (x, y))
            };
            Ok(vec![lax::cond(&x[0], inner, |(x, y): Pair| x + y, pair())?])
        }
        _ => {
            let to_int = |x: Array| lax::convert_element_type(&x, DType::I32);
            Ok(vec![lax::cond(&x[0], |x: Array| x, to_int, x[1].clone())?])
        }
    }
}

fn switch(x: &[Array], _: &Params) -> Result<Vec<Array>> {
    type Branch<'a> = &'a dyn Fn((Array, Array)) -> Array;
    let branches: [Branch<'_>; 3] = [&|(x, y)| x * y, &|(x, y)| x + y, &|(x, _)| lax::sin(&x)];
    Ok(vec![lax::switch(&x[0], &branches, (x[1].clone(), x[2].clone()))?])
}

fn while_loop(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    type Pair = (Array, Array);
    match p.str("body") {
        "power" => {
            let init = (Array::scalar(0i32), lax::full_like(&x[1], 1.0));
            let (_, y) =
                lax::while_loop(|c: &Pair| lax::lt(&c.0, &x[0]), |c: Pair| (c.0 + 1, c.1 * &x[1]), init)?;
            Ok(vec![y])
        }
        "grow" => {
            let body = |(a, b): Pair| (&a * &x[1] + 1.0, b + &a);
            let (a, b) =
                lax::while_loop(|c: &Pair| jnp::less(&c.0, 100.0), body, (x[0].clone(), x[0].clone()))?;
            Ok(vec![a, b])
        }
        _ => Ok(vec![lax::while_loop(|c: &Array| jnp::less(c, 3), |c: Array| c + 1.5, x[0].clone())?]),
    }
}

fn fori_loop(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    let (lower, upper, x) = match p.has("lower") {
        true => (Array::from(p.int("lower") as i32), Array::from(p.int("upper") as i32), x),
        false => (x[0].clone(), x[1].clone(), &x[2..]),
    };
    let options = ForiLoopOptions::new().unroll(p.size_or_none("unroll").unwrap_or(1));
    if p.str("body") == "swap" {
        let init = (x[0].clone(), x[1].clone());
        let swap = |_: Array, (a, b): (Array, Array)| (b, a * 0.5);
        let (a, b) = lax::fori_loop_with(lower, upper, swap, init, options)?;
        return Ok(vec![a, b]);
    }
    let body = |i: Array, c: Array| c * &x[1] + lax::convert_element_type(&i, DType::F32);
    Ok(vec![match p.has("unroll") {
        true => lax::fori_loop_with(lower, upper, body, x[0].clone(), options)?,
        false => lax::fori_loop(lower, upper, body, x[0].clone())?,
    }])
}

fn scan(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    type Pair = (Array, Array);
    let mut options =
        ScanOptions::new().reverse(p.bool("reverse")).unroll(p.size_or_none("unroll").unwrap_or(1));
    if let Some(length) = p.size_or_none("length") {
        options = options.length(length);
    }
    match p.str("body") {
        "rnn" => {
            let step = |c: Array, v: Array| {
                let c = lax::sin(&(c * &x[1] + v));
                (c.clone(), c * 2.0)
            };
            let (c, ys) = lax::scan_with(step, x[0].clone(), x[2].clone(), options)?;
            Ok(vec![c, ys])
        }
        "ints" => {
            let step = |(n, c): Pair, (v, flag): Pair| {
                let c = lax::select(&flag, &(&c * &v), &(&c + &v));
                ((&n + 1, c.clone()), (n, c))
            };
            let init = (x[0].clone(), x[1].clone());
            let xs = (x[2].clone(), x[3].clone());
            let ((n, c), (ns, cs)) = lax::scan_with(step, init, xs, options)?;
            Ok(vec![n, c, ns, cs])
        }
        "length" => {
            let step = |c: Array, (): ()| (&c * &x[1], c);
            let (c, ys) = lax::scan_with(step, x[0].clone(), (), options)?;
            Ok(vec![c, ys])
        }
        "forward" => {
            let step = |(a, b): Pair, v: Array| {
                let b = &a * b;
                ((a, b), v)
            };
            let ((a, b), ys) = lax::scan_with(step, (x[0].clone(), x[1].clone()), x[2].clone(), options)?;
            Ok(vec![a, b, ys])
        }
        "nested" => {
            let step = |c: Array, row: Array| -> Result<Pair> {
                let (d, _): Pair = lax::scan(|d: Array, v: Array| (&d * v, d), c.clone(), row)?;
                Ok((d, c))
            };
            let (c, ys) = lax::scan_with(step, x[0].clone(), x[1].clone(), options)?;
            Ok(vec![c, ys])
        }
        _ => {
            let (c, ys) =
                lax::scan_with(|_: Array, v: Array| (v.clone(), v), x[0].clone(), x[1].clone(), options)?;
            Ok(vec![c, ys])
        }
    }
}

fn associative_scan(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    let axis = if p.has("axis") { p.int("axis") } else { 0 };
    let f = |a: Vec<Array>, b: Vec<Array>| match p.str("body") {
        "affine" => vec![&a[0] * &b[0], &a[1] * &b[0] + &b[1]],
        "max" => vec![lax::max(&a[0], &b[0])],
        _ => vec![lax::add(&a[0], &b[0])],
    };
    let options = lax::AssociativeScanOptions::new().reverse(p.bool("reverse")).axis(axis);
    lax::associative_scan_with(f, x.to_vec(), options)
}

/// How two values, or two pairs, are combined: the bodies of `computation` in the family.
fn combine(body: &str, a: &[Array], b: &[Array]) -> Vec<Array> {
    let f = match body {
        "affine" => return vec![&a[0] * &b[0], &a[1] * &b[0] + &b[1]],
        "complex" => return vec![&a[0] * &b[0] - &a[1] * &b[1], &a[0] * &b[1] + &a[1] * &b[0]],
        "best" => {
            let take = lax::ge(&a[0], &b[0]);
            return vec![lax::select(&take, &a[0], &b[0]), lax::select(&take, &a[1], &b[1])];
        }
        "rational" => return vec![&a[0] + &b[0] + &a[0] * &b[0]],
        "mul" => lax::mul,
        "max" => lax::max,
        "min" => lax::min,
        "or" => lax::bitwise_or,
        "and" | "true" => lax::bitwise_and,
        "xor" => lax::bitwise_xor,
        _ => lax::add,
    };
    vec![f(&a[0], &b[0])]
}

fn inits(body: &str, x: &[Array]) -> Vec<Array> {
    let values: &[f64] = match body {
        "affine" | "complex" => &[1.0, 0.0],
        "best" => &[f64::NEG_INFINITY, 0.0],
        "max" => &[f64::NEG_INFINITY],
        "min" => &[f64::INFINITY],
        "mul" | "true" => &[1.0],
        "and" => &[-1.0],
        _ => &[0.0],
    };
    let of = |(x, value): (&Array, &f64)| lax::full_like(&lax::full(((), x.dtype()), 0), *value);
    x.iter().zip(values).map(of).collect()
}

fn reduce(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    let body = p.str("body");
    let by = |a: Vec<Array>, b: Vec<Array>| combine(body, &a, &b);
    lax::reduce(x.to_vec(), inits(body, x), by, p.usizes("dimensions"))
}

fn reduce_window(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    let body = p.str("body");
    lax::reduce_window_with(
        x.to_vec(),
        inits(body, x),
        |a: Vec<Array>, b: Vec<Array>| combine(body, &a, &b),
        p.ints("window_dimensions"),
        window_options(p),
    )
}

type One<'a> = &'a dyn Fn(Array) -> Result<Array>;
type Two<'a> = &'a dyn Fn((Array, Array)) -> Result<(Array, Array)>;

fn custom_linear_solve(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    let d = &x[0];
    let held = || lax::stop_gradient(d);
    let matvec = |x: Array| d * x;
    let solve = |_: One<'_>, b: Array| b / held();
    let options = || CustomLinearSolveOptions::new().symmetric(true);
    match p.str("body") {
        "diagonal" => Ok(vec![lax::custom_linear_solve_with(matvec, x[1].clone(), solve, options())?]),
        "forward" => Ok(vec![lax::custom_linear_solve(matvec, x[1].clone(), solve)?]),
        "aux" => {
            let solve = |_: One<'_>, b: Array| (b / held(), Array::scalar(3i32));
            let (x, n): (Array, Array) =
                lax::custom_linear_solve_with(matvec, x[1].clone(), solve, options().has_aux(true))?;
            Ok(vec![x, n])
        }
        "shape" => {
            let shorter = |x: Array| lax::slice_in_dim(&x, ..1, 0);
            Ok(vec![lax::custom_linear_solve(shorter, x[1].clone(), |_: One<'_>, b: Array| b)?])
        }
        _ => {
            let matvec = |(x, y): (Array, Array)| (&x * d, y * d + &x);
            let held = held();
            let solve = |_: Two<'_>, (x, y): (Array, Array)| (&x / &held, (y - &x / &held) / &held);
            let back = |_: Two<'_>, (x, y): (Array, Array)| ((x - &y / &held) / &held, &y / &held);
            let options = CustomLinearSolveOptions::new().transpose_solve(back);
            let (x, y) = lax::custom_linear_solve_with(matvec, (x[1].clone(), x[2].clone()), solve, options)?;
            Ok(vec![x, y])
        }
    }
}

fn custom_root(x: &[Array], p: &Params) -> Result<Vec<Array>> {
    let a = &x[0];
    let f = |x: Array| &x * &x - a;
    let root =
        |x: Array| lax::fori_loop(0, 20, |_: Array, x: Array| (&x + lax::stop_gradient(a) / &x) * 0.5, x);
    let solve = |_: One<'_>, x: Array| root(x);
    let tangent = |g: One<'_>, y: Array| -> Result<Array> { Ok(&y / g(lax::full_like(&y, 1.0))?) };
    let guess = lax::full_like(a, 1.0);
    match p.str("body") {
        "aux" => {
            let solve = |_: One<'_>, x: Array| -> Result<_> { Ok((root(x)?, lax::full_like(a, 20.0))) };
            let options = CustomRootOptions::new().has_aux(true);
            let (x, n): (Array, Array) = lax::custom_root_with(f, guess, solve, tangent, options)?;
            Ok(vec![x, n])
        }
        "shape" => {
            let twice = |x: Array| jnp::stack([&x, &x], 0);
            Ok(vec![lax::custom_root(twice, guess, solve, tangent)?])
        }
        _ => Ok(vec![lax::custom_root(f, guess, solve, tangent)?]),
    }
}

fn collective(f: fn(&Array, &Params) -> Array, x: &[Array], p: &Params) -> Vec<Array> {
    let p = p.clone();
    let mapped = vmap_with(move |x: &Array| f(x, &p), VmapOptions::new().axis_name("i"));
    vec![mapped(&x[0]).unwrap()]
}

macro_rules! rows {
    ($($name:literal: $body:expr),* $(,)?) => {
        &[$(Row { name: $name, call: |x, p| transformed($body, x, p) }),*]
    };
}

macro_rules! collectives {
    ($($name:literal: $body:expr),* $(,)?) => {
        &[$(Row { name: $name, call: |x, p| collective($body, x, p) }),*]
    };
}

pub const CONTROL_FLOW: &[&[Row]] = &[
    rows! {
        "lax.cond": cond,
        "lax.switch": switch,
        "lax.while_loop": while_loop,
        "lax.fori_loop": fori_loop,
        "lax.scan": scan,
        "lax.map": |x, p| {
            let f = |x: Array| &x * &x + 1.5;
            Ok(vec![match p.size_or_none("batch_size") {
                Some(size) => lax::map_with(f, x[0].clone(), MapOptions::new().batch_size(size))?,
                None => lax::map(f, x[0].clone())?,
            }])
        },
        "lax.associative_scan": associative_scan,
        "lax.custom_linear_solve": custom_linear_solve,
        "lax.custom_root": custom_root,
        "lax.reduce": reduce,
        "lax.reduce_window": reduce_window,
    },
    collectives! {
        "lax.psum": |x, _| lax::psum(x, "i"),
        "lax.pmean": |x, _| lax::pmean(x, "i"),
        "lax.pmax": |x, _| lax::pmax(x, "i"),
        "lax.pmin": |x, _| lax::pmin(x, "i"),
        "lax.axis_index": |x, _| x + lax::axis_index("i"),
        "lax.all_gather": |x, p| lax::all_gather_with(x, "i", lax::AllGatherOptions::new().axis(p.int("axis"))),
        "lax.all_gather_tiled": |x, p| lax::all_gather_with(
            x,
            "i",
            lax::AllGatherOptions::new().axis(p.int("axis")).tiled(true)
        ),
        "lax.psum_scatter": |x, p| lax::psum_scatter_with(
            x,
            "i",
            lax::PsumScatterOptions::new().scatter_dimension(p.int("axis"))
        ),
        "lax.all_to_all": |x, p| lax::all_to_all(x, "i", p.int("split_axis"), p.int("concat_axis")),
        "lax.ppermute": |x, p| {
            let perm: Vec<(usize, usize)> =
                p.lists("perm").iter().map(|l| (l[0] as usize, l[1] as usize)).collect();
            lax::ppermute(x, "i", &perm)
        },
    },
];
