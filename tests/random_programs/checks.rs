//! What must hold of every program.

use raxla::api::{VmapOptions, vmap_with};
use raxla::lax;
use raxla::prelude::*;
use raxla::signature::Fun;

use crate::generate::{Allow, Captures, Rng};
use crate::program::{Block, Program};

pub enum Outcome {
    Passed,
    /// Passed, but there was no derivative to speak of.
    Flat,
    /// The numbers are too wild to tell.
    Inconclusive,
    Failed(String),
}

pub struct Check {
    pub name: &'static str,
    /// Is every program checked so?
    pub always: bool,
    pub allow: Allow,
    pub run: Run,
}

const ALL: Allow = Allow { loops: true, custom_vjp: true, axes: 0, captures: Captures::Any };
const FORWARD: Allow = Allow { loops: true, custom_vjp: false, axes: 0, captures: Captures::None };
const REVERSE: Allow = Allow { loops: false, custom_vjp: true, axes: 0, captures: Captures::None };
pub const BOTH: Allow = Allow { loops: false, custom_vjp: false, axes: 0, captures: Captures::None };

pub const CHECKS: [Check; 11] = [
    always("jit is the identity", ALL, jit_is_the_identity),
    always("jvp is the directional derivative", FORWARD, jvp_is_the_derivative),
    always("vjp is the transpose of jvp", BOTH, vjp_is_the_transpose),
    always("vmap is a loop", ALL, vmap_is_a_loop),
    sometimes("jit of jvp is jvp of jit", FORWARD, jit_of_jvp),
    sometimes("jit of vjp is the transpose of jvp", BOTH, jit_of_vjp),
    sometimes("grad is the derivative", REVERSE, grad_is_the_derivative),
    sometimes("jit of vmap is a loop", ALL, jit_of_vmap),
    sometimes("vmap of jvp is jvp of vmap", FORWARD, vmap_of_jvp),
    sometimes("vmap of grad is grad of vmap", REVERSE, vmap_of_grad),
    sometimes("the second derivative is symmetric", BOTH, second_derivatives),
];

type Run = fn(&Program, u64) -> Result<Outcome>;

const fn always(name: &'static str, allow: Allow, run: Run) -> Check {
    Check { name, always: true, allow, run }
}

const fn sometimes(name: &'static str, allow: Allow, run: Run) -> Check {
    Check { name, always: false, allow, run }
}

type Many = fn(&'static Vec<Array>) -> Vec<Array>;
type Values = Vec<Vec<f64>>;

fn array(rng: &mut Rng, shape: &[usize]) -> Array {
    let elements: Vec<f64> = (0..shape.iter().product()).map(|_| rng.unit()).collect();
    Array::from_slice(&elements, shape)
}

fn inputs(block: &Block, seed: u64) -> Vec<Array> {
    let mut rng = Rng(!seed);
    block.params.iter().map(|shape| array(&mut rng, shape)).collect()
}

fn directions(block: &Block, seed: u64) -> Vec<Array> {
    let mut rng = Rng(seed ^ 0x5555_5555_5555_5555);
    block.params.iter().map(|shape| array(&mut rng, shape)).collect()
}

/// One cotangent for each result, like it.
fn cotangents(outs: &[Array], seed: u64) -> Vec<Array> {
    let mut rng = Rng(seed ^ 0x3333_3333_3333_3333);
    outs.iter().map(|y| array(&mut rng, y.shape())).collect()
}

fn values(arrays: &[Array]) -> Result<Values> {
    arrays.iter().map(|x| x.to_vec::<f64>()).collect()
}

fn moderate(values: &Values) -> bool {
    values.iter().flatten().all(|x| x.abs() < 1e5)
}

fn closeness(found: &Values, expected: &Values, tolerance: f64) -> Option<String> {
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        if a.len() != b.len() {
            return Some(format!("leaf {i} has {} elements, expected {}", a.len(), b.len()));
        }
        for (a, b) in a.iter().zip(b) {
            let same = (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= tolerance * (1.0 + b.abs());
            if !same {
                return Some(format!("leaf {i}: {found:?}, expected {expected:?}"));
            }
        }
    }
    (found.len() != expected.len()).then(|| format!("{} leaves, expected {}", found.len(), expected.len()))
}

fn compare(what: &str, found: &[Array], expected: &[Array]) -> Result<Outcome> {
    let (found, expected) = (values(found)?, values(expected)?);
    let invented = |(a, b): (&f64, &f64)| a.is_nan() && b.is_finite();
    Ok(match closeness(&found, &expected, 1e-7) {
        None => Outcome::Passed,
        Some(difference) if found.iter().flatten().zip(expected.iter().flatten()).any(invented) => {
            Outcome::Failed(format!("{what}: not a number: {difference}"))
        }
        Some(_) if !moderate(&expected) => Outcome::Inconclusive,
        Some(difference) => Outcome::Failed(format!("{what}: {difference}")),
    })
}

/// The first outcome that is no success.
fn all(outcomes: impl IntoIterator<Item = Result<Outcome>>) -> Result<Outcome> {
    let mut success = Outcome::Passed;
    for outcome in outcomes {
        match outcome? {
            Outcome::Passed => {}
            Outcome::Flat => success = Outcome::Flat,
            other => return Ok(other),
        }
    }
    Ok(success)
}

/// Is any derivative other than zero?
fn slope(derivatives: &[Array]) -> Result<Outcome> {
    let zero = values(derivatives)?.iter().flatten().all(|x| *x == 0.0);
    Ok(if zero { Outcome::Flat } else { Outcome::Passed })
}

pub fn jaxpr(program: &Program, seed: u64) -> String {
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        make_jaxpr(&program.f)(&inputs(&program.block, seed))
    }));
    match made {
        Ok(Ok(jaxpr)) => jaxpr.to_string(),
        Ok(Err(error)) => format!("no jaxpr: {error}"),
        Err(_) => "no jaxpr: a panic".to_owned(),
    }
}

fn jit_is_the_identity(program: &Program, seed: u64) -> Result<Outcome> {
    let f = &program.f;
    let xs = inputs(&program.block, seed);
    let eager = f(&xs)?;
    let jitted = &program.jitted;
    let text = make_jaxpr(jitted)(&xs)?.to_string();
    if text.contains('?') {
        return Ok(Outcome::Failed(format!("unnamed variable in {text}")));
    }
    all([
        compare("jit", &jitted(&xs)?, &eager),
        compare("jit, again", &jitted(&xs)?, &eager),
        compare("jit of jit", &jit(jitted)(&xs)?, &eager),
    ])
}

/// `f` and its directional derivative, by forward mode.
fn pushed(f: &Fun<'static, Many>, xs: &[Array], dxs: &[Array]) -> Result<(Vec<Array>, Vec<Array>)> {
    jvp(f, (xs.to_vec(),), (dxs.to_vec(),))
}

/// `x + h dx`
fn moved(xs: &[Array], dxs: &[Array], h: f64) -> Vec<Array> {
    let step = |(x, dx)| lax::add(x, &lax::mul(dx, &Array::from(h)));
    xs.iter().zip(dxs).map(step).collect()
}

/// Does `found` agree with central differences of `f`, where those converge?
fn check_difference(
    f: &dyn Fn(&Vec<Array>) -> Result<Vec<Array>>,
    xs: &[Array],
    dxs: &[Array],
    found: &[Array],
) -> Result<Outcome> {
    let difference = |h: f64| -> Result<Values> {
        let (above, below) = (values(&f(&moved(xs, dxs, h))?)?, values(&f(&moved(xs, dxs, -h))?)?);
        let leaf = |(a, b): (Vec<f64>, Vec<f64>)| a.iter().zip(b).map(|(a, b)| (a - b) / (2.0 * h)).collect();
        Ok(above.into_iter().zip(below).map(leaf).collect())
    };
    let (coarse, fine) = (difference(2e-4)?, difference(1e-4)?);
    if !moderate(&fine) || closeness(&coarse, &fine, 1e-5).is_some() {
        return Ok(Outcome::Inconclusive);
    }
    Ok(match closeness(&values(found)?, &fine, 1e-5) {
        None => Outcome::Passed,
        Some(difference) => Outcome::Failed(format!("central differences: {difference}")),
    })
}

fn jvp_is_the_derivative(program: &Program, seed: u64) -> Result<Outcome> {
    let f = &program.f;
    let (xs, dxs) = (inputs(&program.block, seed), directions(&program.block, seed));
    let jitted = &program.jitted;
    let (ys, dys) = pushed(f, &xs, &dxs)?;
    all([
        compare("value of jvp", &ys, &jitted(&xs)?),
        check_difference(&|xs| jitted(xs), &xs, &dxs, &dys),
        slope(&dys),
    ])
}

fn jit_of_jvp(program: &Program, seed: u64) -> Result<Outcome> {
    let f = &program.f;
    let (xs, dxs) = (inputs(&program.block, seed), directions(&program.block, seed));
    let (ys, dys) = pushed(f, &xs, &dxs)?;
    let g = f.clone();
    let inside = jit(move |xs: &Vec<Array>, dxs: &Vec<Array>| pushed(&g, xs, dxs));
    let (ys_inside, dys_inside) = inside(&xs, &dxs)?;
    let (ys_outside, dys_outside) = jvp(&program.jitted, (xs.clone(),), (dxs.clone(),))?;
    all([
        compare("value of jit(jvp)", &ys_inside, &ys),
        compare("jit(jvp)", &dys_inside, &dys),
        compare("value of jvp(jit)", &ys_outside, &ys),
        compare("jvp(jit)", &dys_outside, &dys),
    ])
}

fn dot(a: &[Array], b: &[Array]) -> Result<f64> {
    let (a, b) = (values(a)?, values(b)?);
    Ok(a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a * b).sum())
}

/// ⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩
fn check_transpose(cts: &[Array], dys: &[Array], pulled: &[Array], dxs: &[Array]) -> Result<Outcome> {
    let (forward, backward) = (dot(cts, dys)?, dot(pulled, dxs)?);
    let scale: f64 = values(pulled)?.iter().flatten().map(|x| x.abs()).sum();
    if forward.is_finite() != backward.is_finite() {
        return Ok(Outcome::Failed(format!("<ct, J v> = {forward}, but <J^T ct, v> = {backward}")));
    }
    if !forward.is_finite() || scale > 1e6 {
        return Ok(Outcome::Inconclusive);
    }
    Ok(if (forward - backward).abs() <= 1e-8 * (1.0 + scale) {
        Outcome::Passed
    } else {
        Outcome::Failed(format!("<ct, J v> = {forward}, <J^T ct, v> = {backward}"))
    })
}

fn vjp_is_the_transpose(program: &Program, seed: u64) -> Result<Outcome> {
    let f = &program.f;
    let (xs, dxs) = (inputs(&program.block, seed), directions(&program.block, seed));
    let (ys, dys) = pushed(f, &xs, &dxs)?;
    let cts = cotangents(&ys, seed);
    let (value, pull) = vjp(f, (xs.clone(),))?;
    let (pulled,) = pull(&cts)?;
    let (_, push) = linearize(f, (xs.clone(),))?;
    all([
        compare("value of vjp", &value, &ys),
        compare("linearize", &push(&dxs)?, &dys),
        check_transpose(&cts, &dys, &pulled, &dxs),
        slope(&pulled),
    ])
}

fn jit_of_vjp(program: &Program, seed: u64) -> Result<Outcome> {
    let f = &program.f;
    let (xs, dxs) = (inputs(&program.block, seed), directions(&program.block, seed));
    let (ys, dys) = pushed(f, &xs, &dxs)?;
    let cts = cotangents(&ys, seed);
    let g = f.clone();
    let pulled = jit(move |xs: &Vec<Array>, cts: &Vec<Array>| -> Result<(Vec<Array>, Vec<Array>)> {
        let (ys, pull) = vjp(&g, (xs.clone(),))?;
        Ok((ys, pull(cts)?.0))
    });
    let (value, inside) = pulled(&xs, &cts)?;
    let (_, pull) = vjp(&program.jitted, (xs.clone(),))?;
    let (outside,) = pull(&cts)?;
    let (_, push) = linearize(&program.jitted, (xs.clone(),))?;
    all([
        compare("value of jit(vjp)", &value, &ys),
        compare("linearize(jit)", &push(&dxs)?, &dys),
        check_transpose(&cts, &dys, &inside, &dxs),
        compare("vjp(jit)", &outside, &inside),
    ])
}

fn sum(arrays: &[Array]) -> Array {
    let total = |x: &Array| lax::reduce_sum(x, (0..x.ndim()).collect::<Vec<_>>());
    arrays.iter().fold(Array::scalar(0.0f64), |a, x| lax::add(&a, &total(x)))
}

/// The weighted sum of a function's results.
fn scalar(f: &Fun<'static, Many>) -> Fun<'static, fn(&'static Vec<Array>) -> Array> {
    let f = f.clone();
    let s = move |xs: &Vec<Array>| -> Result<Array> { Ok(lax::sin(&sum(&f(xs)?))) };
    Fun::new(s)
}

fn grad_is_the_derivative(program: &Program, seed: u64) -> Result<Outcome> {
    let s = scalar(&program.f);
    let (xs, dxs) = (inputs(&program.block, seed), directions(&program.block, seed));
    let value = jit(&s);
    let found = grad(&s)(&xs)?;
    let along = [Array::scalar(dot(&found, &dxs)?)];
    all([
        check_difference(&|xs| Ok(vec![value(xs)?]), &xs, &dxs, &along),
        compare("jit(grad)", &jit(grad(&s))(&xs)?, &found),
        compare("grad(jit)", &grad(&value)(&xs)?, &found),
        slope(&found),
    ])
}

/// Several examples in one, each input mapped in a place of its own or not at all.
struct Examples {
    batched: Vec<Array>,
    axes: Vec<Option<i64>>,
    each: Vec<Vec<Array>>,
}

fn examples(block: &Block, seed: u64, some_unmapped: bool) -> Examples {
    let mut rng = Rng(seed.rotate_left(17));
    let size = 2 + rng.below(2);
    let mut found = Examples { batched: vec![], axes: vec![], each: vec![vec![]; size] };
    for (i, shape) in block.params.iter().enumerate() {
        let rows: Vec<Array> = (0..size).map(|_| array(&mut rng, shape)).collect();
        if some_unmapped && i > 0 && rng.chance(25) {
            found.batched.push(rows[0].clone());
            found.axes.push(None);
            found.each.iter_mut().for_each(|xs| xs.push(rows[0].clone()));
        } else {
            let axis = rng.below(shape.len() + 1) as i64;
            found.batched.push(lax::stack(&rows, axis));
            found.axes.push(Some(axis));
            found.each.iter_mut().zip(rows).for_each(|(xs, row)| xs.push(row));
        }
    }
    found
}

fn stacked(rows: Vec<Vec<Array>>) -> Vec<Array> {
    let leaf = |i: usize| lax::stack(rows.iter().map(|row| row[i].clone()).collect::<Vec<_>>(), 0);
    (0..rows[0].len()).map(leaf).collect()
}

fn over(axes: &[Option<i64>]) -> VmapOptions {
    VmapOptions::new().in_axes((axes.to_vec(),))
}

fn vmap_is_a_loop(program: &Program, seed: u64) -> Result<Outcome> {
    let f = &program.f;
    let jitted = &program.jitted;
    let Examples { batched, axes, each } = examples(&program.block, seed, true);
    let expected = stacked(each.iter().map(&**jitted).collect::<Result<_>>()?);
    all([
        compare("vmap", &vmap_with(f, over(&axes))(&batched)?, &expected),
        compare("vmap(jit)", &vmap_with(jitted, over(&axes))(&batched)?, &expected),
    ])
}

fn jit_of_vmap(program: &Program, seed: u64) -> Result<Outcome> {
    let f = &program.f;
    let jitted = &program.jitted;
    let Examples { batched, axes, each } = examples(&program.block, seed, true);
    let expected = stacked(each.iter().map(&**jitted).collect::<Result<_>>()?);
    compare("jit(vmap)", &jit(vmap_with(f, over(&axes)))(&batched)?, &expected)
}

fn vmap_of_jvp(program: &Program, seed: u64) -> Result<Outcome> {
    let f = &program.f;
    let Examples { batched, axes, .. } = examples(&program.block, seed, true);
    let mut rng = Rng(seed.rotate_left(23));
    let tangents: Vec<Array> = batched.iter().map(|x| array(&mut rng, x.shape())).collect();
    let g = f.clone();
    let one = move |xs: &Vec<Array>, dxs: &Vec<Array>| pushed(&g, xs, dxs);
    let both = VmapOptions::new().in_axes((axes.clone(), axes.clone()));
    let (ys, dys) = jit(vmap_with(one, both))(&batched, &tangents)?;
    let (expected, d_expected) = jvp(vmap_with(f, over(&axes)), (batched,), (tangents,))?;
    all([compare("value", &ys, &expected), compare("vmap(jvp)", &dys, &d_expected)])
}

fn vmap_of_grad(program: &Program, seed: u64) -> Result<Outcome> {
    let s = scalar(&program.f);
    let Examples { batched, axes, .. } = examples(&program.block, seed, false);
    let mapped = vmap_with(&s, over(&axes));
    let total = move |xs: &Vec<Array>| -> Result<Array> { Ok(sum(&[mapped(xs)?])) };
    let expected = jit(grad(total))(&batched)?;
    let outs: Vec<Option<i64>> = axes.clone();
    let found = vmap_with(grad(&s), over(&axes).out_axes(outs))(&batched)?;
    compare("vmap(grad)", &found, &expected)
}

fn second_derivatives(program: &Program, seed: u64) -> Result<Outcome> {
    let s = scalar(&program.f);
    let (xs, dxs) = (inputs(&program.block, seed), directions(&program.block, seed));
    let g = grad(&s);
    // Forward over reverse, and reverse over forward.
    let (_, hv) = jvp(&g, (xs.clone(),), (dxs.clone(),))?;
    let (t, v) = (s.clone(), dxs.clone());
    let along = move |xs: &Vec<Array>| -> Result<Array> { Ok(jvp(&t, (xs.clone(),), (v.clone(),))?.1) };
    let vh = jit(grad(along))(&xs)?;
    let jitted = jit(&g);
    all([check_difference(&|xs| jitted(xs), &xs, &dxs, &hv), compare("grad(jvp)", &vh, &hv)])
}
