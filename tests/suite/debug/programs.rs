//! Programs whose output JAX recorded: `tests/oracle/effects.py` has the same ones under the same names.

use std::collections::BTreeMap;

use raxla::callback::{IoCallbackOptions, PureCallbackOptions, VmapMethod};
use raxla::custom_derivatives::{custom_jvp as with_jvp, custom_vjp as with_vjp};
use raxla::prelude::*;
use raxla::{checkpoint, debug, io_callback_with, lax, numpy as jnp, pure_callback_with};

use super::printed_with;

/// Lines, or what went wrong.
type Found = Result<Vec<String>>;

#[derive(Default)]
struct Cases(BTreeMap<String, Found>);

impl Cases {
    fn add(&mut self, name: &str, ordered: bool, run: impl FnOnce() -> Result<()>) {
        let (mut lines, out) = printed_with(run);
        if !ordered {
            lines.sort();
        }
        assert!(self.0.insert(name.to_owned(), out.map(|()| lines)).is_none(), "{name}");
    }
}

fn x() -> Array {
    Array::scalar(3f32)
}
fn v() -> Array {
    Array::from([0f32, 1.0, 2.0])
}
fn number(n: f32) -> Array {
    Array::scalar(n)
}

fn double(x: &Array, ordered: bool) -> Array {
    debug::print!(ordered: ordered, "x = {}", x);
    x * 2.0
}

/// Each function as it is, jitted, and both with ordered callbacks.
macro_rules! both {
    ($cases:ident, $name:literal, |$($arg:ident = $value:expr),*; $ordered:ident| $body:expr) => {
        for ordered in [false, true] {
            #[allow(clippy::redundant_closure_call)]
            let f = move |$($arg: &Array),*| -> Result<Array> {
                let $ordered = ordered;
                $body
            };
            let suffix = if ordered { "_ordered" } else { "" };
            $cases.add(&format!("{}{suffix}", $name), ordered, || f($(&$value),*).map(drop));
            $cases.add(&format!("{}{suffix}_jit", $name), ordered, || jit(f)($(&$value),*).map(drop));
        }
    };
}

fn of_calls(cases: &mut Cases) {
    both!(cases, "double", |x = x(); ordered| Ok(double(x, ordered)));
    let jitted = jit(|x: &Array| double(x, false));
    cases.add("three_calls", false, || {
        for i in 0..3 {
            jitted(&number(i as f32))?;
        }
        Ok(())
    });
    let ordered_double = jit(|x: &Array| double(x, true));
    let ordered_other = jit(|x: &Array| debug::print!(ordered: true, "other {x}"));
    cases.add("two_programs_in_order", true, || {
        for i in 0..5 {
            ordered_double(&number(i as f32))?;
            ordered_other(&number(i as f32))?;
        }
        Ok(())
    });
    both!(cases, "several", |x = x(); ordered| {
        for i in 0..4 {
            debug::print!(ordered: ordered, "{i} {}", x + i as f32);
        }
        Ok(x.clone())
    });
}

fn of_derivatives(cases: &mut Cases) {
    both!(cases, "of_grad", |x = x(); ordered| grad(move |x: &Array| double(x, ordered))(x));
    both!(cases, "of_value_and_grad", |x = x(); ordered| {
        Ok(value_and_grad(move |x: &Array| jnp::sin(double(x, ordered)))(x)?.1)
    });
    both!(cases, "of_jvp", |x = x(); ordered| {
        Ok(jvp(move |x: &Array| double(x, ordered), (x.clone(),), (x.clone(),))?.1)
    });
    both!(cases, "of_linearize", |x = x(); ordered| {
        linearize(move |x: &Array| double(x, ordered), (x.clone(),))?.1(x)
    });
    both!(cases, "of_vjp_twice", |x = x(); ordered| {
        let (_, back) = vjp(move |x: &Array| double(x, ordered), (x.clone(),))?;
        back(x)?;
        Ok(back(x)?.0)
    });
    both!(cases, "of_second_derivative", |x = x(); ordered| {
        grad(grad(move |x: &Array| {
            let y = double(x, ordered);
            &y * &y * y
        }))(x)
    });
}

fn of_vmaps(cases: &mut Cases) {
    both!(cases, "of_vmap", |v = v(); ordered| vmap(move |x: &Array| double(x, ordered))(v));
    both!(cases, "of_vmap_of_jit", |v = v(); ordered| vmap(jit(move |x: &Array| double(x, ordered)))(v));
    both!(cases, "of_vmap_of_grad", |v = v(); ordered| vmap(grad(move |x: &Array| double(x, ordered)))(v));
    both!(cases, "of_grad_of_vmap", |v = v(); ordered| {
        grad(move |v: &Array| Ok(jnp::sum(vmap(move |x: &Array| double(x, ordered))(v)?, ..)))(v)
    });
    both!(cases, "of_two_vmaps", |v = v(); ordered| {
        let inner = v.clone();
        vmap(move |x: &Array| {
            let x = x.clone();
            vmap(move |y: &Array| double(&(&x + y), ordered))(&inner)
        })(v)
    });
    both!(cases, "unmapped_under_vmap", |v = v(), x = x(); ordered| {
        let x = x.clone();
        vmap(move |y: &Array| double(&x, ordered) + y)(v)
    });
    both!(cases, "partly_mapped_under_vmap", |v = v(), x = x(); ordered| {
        let x = x.clone();
        vmap(move |y: &Array| {
            debug::print!(ordered: ordered, "{x} {y}");
            y.clone()
        })(v)
    });
}

fn scan_from(x: &Array, xs: &Array, options: lax::ScanOptions, ordered: bool) -> Result<Array> {
    let body = |c: Array, y: Array| {
        debug::print!(ordered: ordered, "c {c} y {y}");
        (&c + &y, c * y)
    };
    Ok(lax::scan_with(body, x.clone(), xs.clone(), options)?.0)
}

fn invariant(x: &Array, ordered: bool) -> Result<Array> {
    let body = |c: Array, y: Array| {
        debug::print!(ordered: ordered, "k {x}");
        (c * x + y, ())
    };
    Ok(lax::scan(body, x.clone(), v())?.0)
}

fn of_scans(cases: &mut Cases) {
    let plain = lax::ScanOptions::default;
    both!(cases, "in_scan", |x = x(); ordered| scan_from(x, &v(), plain(), ordered));
    both!(cases, "in_reversed_scan", |x = x(); ordered| {
        scan_from(x, &v(), plain().reverse(true), ordered)
    });
    both!(cases, "in_unrolled_scan", |x = x(); ordered| {
        let xs = Array::from([0f32, 1.0, 2.0, 3.0, 4.0]);
        scan_from(x, &xs, plain().unroll(2), ordered)
    });
    both!(cases, "invariant_in_scan", |x = x(); ordered| invariant(x, ordered));
    both!(cases, "grad_of_scan", |x = x(); ordered| {
        grad(move |x: &Array| scan_from(x, &v(), plain(), ordered))(x)
    });
    both!(cases, "grad_of_invariant_in_scan", |x = x(); ordered| {
        grad(move |x: &Array| invariant(x, ordered))(x)
    });
    both!(cases, "vmap_of_scan", |v = v(); ordered| {
        vmap(move |x: &Array| scan_from(x, &super::programs::v(), plain(), ordered))(v)
    });
}

fn below(x: &Array, limit: f32) -> Array {
    lax::lt(x, &number(limit))
}

fn in_while(x: &Array, ordered: bool) -> Result<Array> {
    let cond = |x: &Array| {
        debug::print!(ordered: ordered, "cond {x}");
        below(x, 6.0)
    };
    let body = |x: Array| {
        debug::print!(ordered: ordered, "body {x}");
        x + 1.0
    };
    lax::while_loop(cond, body, x.clone())
}

fn in_body_of_while(x: &Array, ordered: bool) -> Result<Array> {
    let body = |x: Array| {
        debug::print!(ordered: ordered, "body {x}");
        x + 1.0
    };
    lax::while_loop(|x: &Array| below(x, 6.0), body, x.clone())
}

fn in_fori_loop(n: &Array, x: &Array, ordered: bool) -> Result<Array> {
    let body = |i: Array, c: Array| {
        debug::print!(ordered: ordered, "i {i} c {c}");
        c + i
    };
    lax::fori_loop(0, n, body, x.clone())
}

fn of_loops(cases: &mut Cases) {
    both!(cases, "in_while", |x = x(); ordered| in_while(x, ordered));
    both!(cases, "in_body_of_while", |x = x(); ordered| in_body_of_while(x, ordered));
    both!(cases, "jvp_of_while", |x = x(); ordered| {
        Ok(jvp(move |x: &Array| in_while(x, ordered), (x.clone(),), (x.clone(),))?.1)
    });
    both!(cases, "vmap_of_while", |v = v(); ordered| {
        vmap(move |x: &Array| in_body_of_while(x, ordered))(v)
    });
    both!(cases, "vmap_of_counted_while", |v = v(); ordered| {
        vmap(move |x: &Array| {
            let body = |(i, x): (Array, Array)| {
                debug::print!(ordered: ordered, "{i} {x}");
                (i + 1, x * 2.0)
            };
            let more = |(i, _): &(Array, Array)| lax::lt(i, &Array::from(2));
            Ok(lax::while_loop(more, body, (Array::from(0), x.clone()))?.1)
        })(v)
    });
    both!(cases, "in_fori_loop", |x = x(); ordered| in_fori_loop(&Array::from(3), x, ordered));
    both!(cases, "in_dynamic_fori_loop", |x = x(); ordered| {
        let x = x.clone();
        jit(move |n: &Array| in_fori_loop(n, &x, ordered))(&Array::from(3))
    });
    both!(cases, "grad_of_fori_loop", |x = x(); ordered| {
        grad(move |x: &Array| in_fori_loop(&Array::from(3), x, ordered))(x)
    });
}

fn positive(x: &Array) -> Array {
    lax::gt(x, &number(0.0))
}

fn in_cond(x: &Array, ordered: bool) -> Result<Array> {
    let yes = |x: Array| {
        debug::print!(ordered: ordered, "positive {x}");
        x * 2.0
    };
    let no = |x: Array| {
        debug::print!(ordered: ordered, "other {x}");
        x * 3.0
    };
    lax::cond(positive(x), yes, no, x.clone())
}

fn in_one_branch(x: &Array, ordered: bool) -> Result<Array> {
    let yes = |x: Array| {
        debug::print!(ordered: ordered, "positive {x}");
        x * 2.0
    };
    let y = lax::cond(positive(x), yes, |x: Array| x, x.clone())?;
    debug::print!(ordered: ordered, "after {y}");
    Ok(y)
}

fn of_conditionals(cases: &mut Cases) {
    both!(cases, "in_cond", |x = x(); ordered| in_cond(x, ordered));
    both!(cases, "in_one_branch", |x = x(); ordered| in_one_branch(x, ordered));
    both!(cases, "in_switch", |x = x(); ordered| {
        let branch = |i: usize| {
            move |x: Array| {
                debug::print!(ordered: ordered, "branch {i} {x}");
                x * i as f32
            }
        };
        let index = lax::convert_element_type(x, DType::I32);
        let branches = [0, 1, 2, 3].map(branch);
        lax::switch(&index, &branches.each_ref().map(|f| f as &dyn Fn(Array) -> Array), x.clone())
    });
    both!(cases, "other_branch", |x = x(); ordered| {
        in_cond(&-x, ordered)?;
        in_one_branch(&-x, ordered)
    });
    both!(cases, "grad_of_cond", |x = x(); ordered| grad(move |x: &Array| in_cond(x, ordered))(x));
    both!(cases, "vmap_of_cond", |v = v(); ordered| {
        vmap(move |x: &Array| in_cond(&(x - 1.0), ordered))(v)
    });
    both!(cases, "vmap_of_cond_of_one_value", |v = v(), x = x(); ordered| {
        let taken = positive(x);
        vmap(move |y: &Array| {
            let yes = |y: Array| {
                debug::print!(ordered: ordered, "positive {y}");
                y
            };
            let no = |y: Array| {
                debug::print!(ordered: ordered, "other {y}");
                -y
            };
            lax::cond(&taken, yes, no, y.clone())
        })(v)
    });
}

fn of_calls_in_calls(cases: &mut Cases) {
    both!(cases, "in_nested_jits", |x = x(); ordered| {
        let inner = jit(move |x: &Array| double(x, ordered));
        Ok(inner(x)? + inner(&(x + 1.0))? + jit(&inner)(&(x + 2.0))?)
    });
    both!(cases, "in_scan_of_cond_of_jit", |x = x(); ordered| {
        let inner = jit(move |x: &Array| double(x, ordered));
        let body = |c: Array, y: Array| Ok((lax::cond(positive(&y), |c: Array| inner(&c), |c: Array| c, c)?, ()));
        Ok(lax::scan(body, x.clone(), v())?.0)
    });
    both!(cases, "in_checkpoint", |x = x(); ordered| checkpoint(move |x: &Array| double(x, ordered))(x));
    both!(cases, "grad_of_checkpoint", |x = x(); ordered| {
        grad(checkpoint(move |x: &Array| jnp::sin(double(x, ordered))))(x)
    });
    both!(cases, "value_and_grad_of_checkpoint", |x = x(); ordered| {
        Ok(value_and_grad(checkpoint(move |x: &Array| jnp::sin(double(x, ordered))))(x)?.1)
    });
}

/// Binds `$f` to `x * x` with a derivative of its own.
macro_rules! with_rules {
    (jvp $f:ident, $ordered:ident) => {
        let $f = move |x: &Array| {
            debug::print!(ordered: $ordered, "primal {x}");
            x * x
        };
        let $f = {
            let f = $f;
            let rule = move |(x,): (Array,), (dx,): (Array,)| {
                debug::print!(ordered: $ordered, "jvp {x}");
                debug::print!(ordered: $ordered, "tangent {dx}");
                (f(&x), &x * 2.0 * dx)
            };
            with_jvp(f, rule)
        };
    };
    (vjp $f:ident, $ordered:ident) => {
        let $f = with_vjp(
            move |x: &Array| {
                debug::print!(ordered: $ordered, "primal {x}");
                x * x
            },
            move |x: &Array| {
                debug::print!(ordered: $ordered, "fwd {x}");
                (x * x, x.clone())
            },
            move |x: Array, ct: Array| {
                debug::print!(ordered: $ordered, "bwd {x} {ct}");
                (x * 2.0 * ct,)
            },
        );
    };
}

fn of_custom_derivatives(cases: &mut Cases) {
    both!(cases, "of_custom_jvp", |x = x(); ordered| {
        with_rules!(jvp f, ordered);
        f(x)
    });
    both!(cases, "jvp_of_custom_jvp", |x = x(); ordered| {
        with_rules!(jvp f, ordered);
        Ok(jvp(f, (x.clone(),), (x.clone(),))?.1)
    });
    both!(cases, "grad_of_custom_jvp", |x = x(); ordered| {
        with_rules!(jvp f, ordered);
        grad(f)(x)
    });
    both!(cases, "of_custom_vjp", |x = x(); ordered| {
        with_rules!(vjp f, ordered);
        f(x)
    });
    both!(cases, "grad_of_custom_vjp", |x = x(); ordered| {
        with_rules!(vjp f, ordered);
        grad(f)(x)
    });
    both!(cases, "vmap_of_grad_of_custom_vjp", |v = v(); ordered| {
        with_rules!(vjp f, ordered);
        vmap(grad(f))(v)
    });
}

fn io(x: &Array, ordered: bool) -> Result<Array> {
    let add_one = |x: Array| -> Result<Array> {
        // Beside what is printed otherwise, in the order of the calls.
        debug::print!("one more than {x}");
        Ok(x + 1.0)
    };
    io_callback_with(add_one, (), x, IoCallbackOptions::new().ordered(ordered))
}

fn pure(x: &Array, method: Option<VmapMethod>) -> Result<Array> {
    let f = |x: Array| {
        debug::print!("a call of rank {}", x.ndim());
        x + 1.0
    };
    let options = PureCallbackOptions::new();
    pure_callback_with(f, (), x, method.into_iter().fold(options, PureCallbackOptions::vmap_method))
}

fn io_in_cond(x: &Array, ordered: bool) -> Result<Array> {
    lax::cond(positive(x), |x: Array| io(&x, ordered), |x: Array| x, x.clone())
}

fn of_results(cases: &mut Cases) {
    both!(cases, "io_in_scan", |x = x(); ordered| {
        let options = lax::ScanOptions::new().length(3);
        Ok(lax::scan_with(|c: Array, (): ()| Ok((io(&c, ordered)?, ())), x.clone(), (), options)?.0)
    });
    both!(cases, "io_whose_result_is_unused", |x = x(); ordered| {
        io(x, ordered)?;
        Ok(x.clone())
    });
    both!(cases, "vmap_of_io", |v = v(); ordered| vmap(move |x: &Array| io(x, ordered))(v));
    both!(cases, "grad_of_io", |x = x(); ordered| grad(move |x: &Array| io(x, ordered))(x));
    both!(cases, "io_beside_grad", |x = x(); ordered| {
        grad(move |x: &Array| Ok(x * io(&lax::stop_gradient(x), ordered)?))(x)
    });
    both!(cases, "io_in_cond", |x = x(); ordered| io_in_cond(x, ordered));
    both!(cases, "vmap_of_io_in_cond", |v = v(); ordered| vmap(move |x: &Array| io_in_cond(x, ordered))(v));
    both!(cases, "vmap_of_io_in_while", |v = v(); ordered| {
        vmap(move |x: &Array| {
            lax::while_loop(|x: &Array| below(x, 3.0), |x: Array| io(&x, ordered), x.clone())
        })(v)
    });
    both!(cases, "grad_of_io_in_checkpoint", |x = x(); ordered| {
        let f = move |x: &Array| -> Result<Array> {
            io(&lax::stop_gradient(x), ordered)?;
            Ok(x * x)
        };
        grad(checkpoint(f))(x)
    });
    both!(cases, "io_in_custom_jvp", |x = x(); ordered| {
        let f = with_jvp(move |x: &Array| io(x, ordered), |(x,): (Array,), (dx,): (Array,)| (x, dx));
        jit(f)(x)
    });
    cases.add("pure", false, || pure(&x(), None).map(drop));
    cases.add("pure_whose_result_is_unused_jit", false, || {
        let f = |x: &Array| {
            pure(x, None)?;
            Ok(x.clone())
        };
        jit(f)(&x()).map(drop)
    });
    cases.add("grad_of_pure", false, || grad(|x: &Array| pure(x, None))(&x()).map(drop));
    let methods = [
        ("None", None),
        ("sequential", Some(VmapMethod::Sequential)),
        ("sequential_unrolled", Some(VmapMethod::SequentialUnrolled)),
        ("expand_dims", Some(VmapMethod::ExpandDims)),
        ("broadcast_all", Some(VmapMethod::BroadcastAll)),
    ];
    for (name, method) in methods {
        cases.add(&format!("vmap_of_pure_{name}"), false, || {
            vmap(move |x: &Array| pure(x, method))(&v()).map(drop)
        });
    }
}

/// Where JAX runs a callback once because what it shows does not change from turn to turn, raxla runs it each turn.
const EACH_TURN: &str = "grad_of_invariant_in_scan";

#[test]
fn programs_print_what_they_print_in_jax() {
    let mut cases = Cases::default();
    of_calls(&mut cases);
    of_derivatives(&mut cases);
    of_vmaps(&mut cases);
    of_scans(&mut cases);
    of_loops(&mut cases);
    of_conditionals(&mut cases);
    of_calls_in_calls(&mut cases);
    of_custom_derivatives(&mut cases);
    of_results(&mut cases);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/effects.json");
    let recorded: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let names = |all: Vec<&String>| all.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(names(cases.0.keys().collect()), names(recorded.keys().collect()));
    let mut differ = Vec::new();
    for (name, found) in &cases.0 {
        let same = match (&recorded[name], found) {
            (serde_json::Value::Array(theirs), Ok(ours)) => {
                let theirs: Vec<&str> = theirs.iter().filter_map(|line| line.as_str()).collect();
                let turns = if name.starts_with(EACH_TURN) { 3 } else { 1 };
                let theirs: Vec<&str> = std::iter::repeat_n(theirs, turns).flatten().collect();
                *ours == theirs
            }
            (serde_json::Value::String(_), Err(e)) => {
                matches!(e.kind(), ErrorKind::Unimplemented | ErrorKind::Differentiation)
                    && e.location().is_some()
            }
            _ => false,
        };
        if !same {
            differ.push(format!("{name}: JAX {}, raxla {found:?}", recorded[name]));
        }
    }
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), cases.0.len(), differ.join("\n"));
}
