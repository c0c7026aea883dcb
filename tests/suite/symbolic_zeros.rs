//! Zeros that rules of custom derivatives recognise, and what is differentiated with respect to. What the rules see is what JAX's see
//! (`tests/oracle/symbolic_zeros.py`, which has the same functions).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use raxla::api::{VmapOptions, vmap_with};
use raxla::custom_derivatives::{custom_jvp, custom_vjp, custom_vjp_perturbed, zero_from_primal};
use raxla::signature::Fun;
use raxla::{checkpoint, jit, lax, make_jaxpr, numpy as jnp, prelude::*};
use serde_json::{Value, json};

type Three = (Array, Array, Array);
type Rule = fn() -> Fun<'static, fn(&'static Array, &'static Array, &'static Array) -> Three>;

thread_local! {
    static SEEN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

fn bits(before: &str, bits: [bool; 3]) {
    let text = bits.iter().map(|b| if *b { '1' } else { '0' });
    SEEN.with(|seen| seen.borrow_mut().insert(before.chars().chain(text).collect()));
}

fn see((a, b, c): &Three) {
    bits("", [a, b, c].map(|x| !x.is_symbolic_zero()));
}

fn value(x: &Array, y: &Array, n: &Array) -> Three {
    (x * y, y * 2.0, n + 1)
}

fn times(a: Array, b: impl Into<Array>) -> Array {
    if a.is_symbolic_zero() { a } else { a * b.into() }
}

fn add(a: Array, b: Array) -> Array {
    match (a.is_symbolic_zero(), b.is_symbolic_zero()) {
        (true, _) => b,
        (_, true) => a,
        _ => a + b,
    }
}

const RULES: [(&str, Rule); 2] = [
    ("jvp", || {
        custom_jvp(value, |(x, y, n): Three, tangents: Three| {
            see(&tangents);
            let (dx, dy, dn) = tangents;
            let first = add(times(dx, &y), times(dy.clone(), &x));
            (value(&x, &y, &n), (first, times(dy, 2.0), dn))
        })
    }),
    ("vjp", || {
        custom_vjp_perturbed(
            value,
            |(x, y, n): Three, (a, b, c): Three| -> Result<(Three, (Array, Array))> {
                bits("p", [a.truth()?, b.truth()?, c.truth()?]);
                Ok((value(&x, &y, &n), (x, y)))
            },
            |(x, y): (Array, Array), cts: Three| {
                see(&cts);
                let (a, b, n) = cts;
                let zero = |of: &Array| zero_from_primal(of);
                let by_x = if a.is_symbolic_zero() { zero(&x) } else { &a * &y };
                let by_a = if a.is_symbolic_zero() { zero(&y) } else { &a * &x };
                (by_x, add(by_a, times(b, 2.0)), n)
            },
        )
    }),
];

type Two = std::sync::Arc<dyn Fn(&Array, &Array) -> Result<Array> + Send + Sync>;

type Grad = Box<dyn Fn(&Array, &Array) -> Result<Vec<Array>> + Send + Sync>;
type Differentiate = fn(Two) -> Grad;

fn x() -> Array {
    Array::scalar(2.0f32)
}
fn y() -> Array {
    Array::scalar(3.0f32)
}
fn v() -> Array {
    Array::from([1.0f32, 2.0, 3.0])
}

/// `vmap` over the first argument alone.
fn over() -> VmapOptions {
    VmapOptions::new().in_axes((0, None))
}

fn total(f: Two) -> Two {
    std::sync::Arc::new(move |x: &Array, y: &Array| Ok(jnp::sum(vmap_with(f.clone(), over())(x, y)?, ..)))
}

fn carried(f: Two) -> Two {
    std::sync::Arc::new(move |x: &Array, y: &Array| {
        let step = |c: Array, v: Array| -> Result<(Array, ())> { Ok((f(&c, y)? * v, ())) };
        Ok(lax::scan(step, x.clone(), v())?.0)
    })
}

struct Found(BTreeMap<String, Value>);

impl Found {
    fn case(&mut self, name: String, f: impl FnOnce() -> Result<Vec<Array>>) {
        SEEN.with(|seen| seen.borrow_mut().clear());
        let values = f().unwrap_or_else(|e| panic!("{name}: {e}"));
        let values: Vec<Vec<f32>> = values.iter().map(|x| x.to_vec().unwrap()).collect();
        let seen = SEEN.with(|seen| seen.borrow().clone());
        self.0.insert(name, json!({"values": values, "seen": seen}));
    }
}

#[test]
fn rules_see_the_symbolic_zeros_that_those_of_jax_see() {
    let mut found = Found(BTreeMap::new());
    for (rule, h) in RULES {
        let part = |i: usize| -> Two {
            let h = h();
            std::sync::Arc::new(move |x: &Array, y: &Array| {
                let (first, second, _) = h(x, y, &Array::scalar(4i32))?;
                Ok(if i == 0 { first } else { second })
            })
        };
        for (i, result) in ["first", "second"].into_iter().enumerate() {
            let grads: [(&str, Differentiate); 3] = [
                ("x", |f| Box::new(move |x, y| Ok(vec![grad(f.clone())(x, y)?]))),
                ("y", |f| {
                    let options = GradOptions::argnum::<1>;
                    Box::new(move |x, y| Ok(vec![grad_with(f.clone(), options())(x, y)?]))
                }),
                ("xy", |f| {
                    let options = || GradOptions::argnums((Argnum::<0>, Argnum::<1>));
                    Box::new(move |x, y| {
                        let (dx, dy) = grad_with(f.clone(), options())(x, y)?;
                        Ok(vec![dx, dy])
                    })
                }),
            ];
            for (wrt, grad) in grads {
                let mut case = |name: &str, f: &dyn Fn() -> Result<Vec<Array>>| {
                    found.case(format!("{rule} {result} {wrt} {name}"), f)
                };
                let f = || part(i);
                let jitted = || -> Two {
                    let f = jit(f());
                    std::sync::Arc::new(move |x: &Array, y: &Array| f(x, y))
                };
                case("grad", &|| grad(f())(&x(), &y()));
                case("grad of jit", &|| grad(jitted())(&x(), &y()));
                case("jit of grad", &|| jit(grad(f()))(&x(), &y()));
                case("vmap of grad", &|| vmap_with(grad(f()), over())(&v(), &y()));
                case("grad of vmap", &|| grad(total(f()))(&v(), &y()));
                case("grad of vmap of jit", &|| grad(total(jitted()))(&v(), &y()));
                case("grad of scan", &|| grad(carried(f()))(&x(), &y()));
                case("grad of checkpoint", &|| {
                    let f = checkpoint(f());
                    grad(std::sync::Arc::new(move |x: &Array, y: &Array| f(x, y)))(&x(), &y())
                });
            }
        }
        found.case(format!("{rule} grad of cond"), || {
            let (first, second) = (part(0), part(1));
            let f = move |x: &Array, y: &Array| {
                let of = |f: &Two| {
                    let f = f.clone();
                    move |(x, y): (Array, Array)| f(&x, &y)
                };
                lax::cond(jnp::greater(x, 0.0), of(&first), of(&second), (x.clone(), y.clone()))
            };
            Ok(vec![grad(f)(&x(), &y())?])
        });
        found.case(format!("{rule} grad of grad"), || {
            let f = part(0);
            Ok(vec![grad(grad(move |x: &Array| f(&(x * x), x)))(&x())?])
        });
    }
    let h = RULES[0].1();
    let inexact = |x: &Array, y: &Array| -> Result<(Array, Array)> {
        let (first, second, _) = h(x, y, &Array::scalar(4i32))?;
        Ok((first, second))
    };
    type Pair = ((Array, Array), (Array, Array));
    let all = |((a, b), (da, db)): Pair| vec![a, b, da, db];
    found.case("jvp by x".into(), || Ok(all(jvp(|x: &Array| inexact(x, &y()), (x(),), (x(),))?)));
    found.case("jvp by y".into(), || Ok(all(jvp(|y: &Array| inexact(&x(), y), (y(),), (x(),))?)));
    found.case("jvp by both".into(), || Ok(all(jvp(inexact, (x(), y()), (x(), y()))?)));

    let expected: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("../fixtures/symbolic_zeros.json")).unwrap();
    assert_eq!(found.0.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let differ: Vec<String> = found
        .0
        .iter()
        .filter(|(name, found)| expected[*name] != **found)
        .map(|(name, found)| format!("{name}: {found}, JAX: {}", expected[name]))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Adds what each use makes of a zero tangent of `[3]`: `1 + dy`, each time by another way.
fn uses_of_a_zero(dx: Array, dy: &Array) -> Result<Array> {
    assert!(dy.is_symbolic_zero() && !dy.is_tracer() && !dx.is_symbolic_zero());
    assert_eq!((dy.shape(), dy.dtype(), dy.to_vec::<f32>()?), (&[3][..], DType::F32, vec![0.0; 3]));
    assert!(!jnp::any(dy, ..).is_symbolic_zero());
    let captured = dy.clone();
    let sum = [
        &dx + dy,
        jit(|x: &Array, y: &Array| x + y)(&dx, dy)?,
        jit(move |x: &Array| x + &captured)(&dx)?,
        vmap(|x: &Array, y: &Array| x + y)(&dx, dy)?,
        lax::scan(|c: Array, y: Array| -> (Array, ()) { (c + y, ()) }, dx.clone(), jnp::stack([dy, dy], 0))?
            .0,
        lax::fori_loop(0, 2, |_: Array, c: Array| c, dy.clone())? + &dx,
        jvp(|y: &Array| lax::sin(y), (dy,), (dx.clone(),))?.1,
        jvp(|y: &Array| lax::sin(y), (jnp::ones([3]),), (dy,))?.1 + &dx,
    ];
    Ok(sum.into_iter().fold(jnp::zeros([3]), |a, b| a + b) / 8.0)
}

#[test]
fn a_symbolic_zero_is_an_array_of_zeros_for_whoever_uses_it() {
    let f = custom_jvp(
        |x: &Array, y: &Array| x * y,
        |(x, y): (Array, Array), (dx, dy): (Array, Array)| -> Result<(Array, Array)> {
            Ok((x * &y, uses_of_a_zero(dx, &dy)?))
        },
    );
    let direct = move |x: &Array| -> Result<Array> { f(x, &v()) };
    let (by_jvp, by_grad) = (direct.clone(), direct);
    let tangent =
        move |x: &Array| -> Result<Array> { Ok(jvp(by_jvp.clone(), (x,), (jnp::ones_like(x),))?.1) };
    let summed = move |x: &Array| -> Result<Array> { Ok(jnp::sum(by_grad(x)?, ..)) };
    let slope = grad(summed);
    let found = [tangent(&v()), jit(tangent.clone())(&v()), slope(&v()), jit(slope.clone())(&v())];
    for found in found {
        assert_eq!(found.unwrap().to_vec::<f32>().unwrap(), [1.0; 3]);
    }
    let rows = jnp::stack([v(), v()], 0);
    assert_eq!(vmap(tangent)(&rows).unwrap().to_vec::<f32>().unwrap(), [1.0; 6]);
    assert_eq!(vmap(slope)(&rows).unwrap().to_vec::<f32>().unwrap(), [1.0; 6]);
}

#[test]
fn a_zero_that_a_rule_returns_is_not_computed_with() {
    let f = custom_jvp(
        |x: &Array| lax::sin(x),
        |(x,): (Array,), _: (Array,)| (lax::sin(&x), zero_from_primal(&x)),
    );
    let g = custom_vjp(
        |x: &Array| lax::sin(x),
        |x: &Array| (lax::sin(x), x.clone()),
        |x: Array, _: Array| (zero_from_primal(x),),
    );
    for f in [f, g] {
        let slope = grad(move |x: &Array| -> Result<Array> { Ok(jnp::sum(lax::exp(&f(x)?), ..)) });
        assert_eq!(slope(&v()).unwrap().to_vec::<f32>().unwrap(), [0.0; 3]);
        let jaxpr = make_jaxpr(slope)(&v()).unwrap().to_string();
        let (_, end) = jaxpr.split_at(jaxpr.find("= broadcast_in_dim 0.0:f32[]\n  in (").unwrap());
        assert_eq!(end.lines().count(), 2, "{jaxpr}");
    }
}

#[test]
fn a_zero_of_another_shape_is_refused() {
    let f = custom_vjp(
        |x: &Array| lax::sin(x),
        |x: &Array| (lax::sin(x), ()),
        |(): (), _: Array| (zero_from_primal(v()),),
    );
    let error = grad(f)(&x()).unwrap_err();
    assert!(
        error.message().contains("output of type f32[3] corresponding to an input of type f32[]"),
        "{error}"
    );
}
