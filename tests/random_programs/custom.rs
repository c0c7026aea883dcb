//! Functions with derivatives of their own, which are those that they have without. It stands alone, as `operations.rs` does.

use raxla::custom_derivatives::{custom_jvp, custom_vjp};
use raxla::lax;
use raxla::prelude::*;
use raxla::signature::Fun;

/// How the rule of a custom derivative comes by it.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// As it is.
    Plain,
    /// From the nested function under `jit`.
    OfJit,
    /// From a multiple of the tangent or the cotangent, and then divided.
    Scaled,
}

type Many = fn(&'static Vec<Array>) -> Vec<Array>;

/// A function of what it captures and of its arguments.
pub trait Body: Fn(Vec<Array>) -> Result<Vec<Array>> + Clone + Send + Sync + 'static {}
impl<F: Fn(Vec<Array>) -> Result<Vec<Array>> + Clone + Send + Sync + 'static> Body for F {}

/// The function, for a rule to differentiate.
fn function(body: impl Body, captured: &[Array], rule: Rule) -> Fun<'static, Many> {
    let captured = captured.to_vec();
    let f = move |xs: &Vec<Array>| body([&captured[..], xs].concat());
    let f: Fun<'static, Many> = Fun::new(f);
    match rule {
        Rule::OfJit => Fun::new(jit(&f)),
        _ => f,
    }
}

fn scaled(xs: Vec<Array>, rule: Rule, by: f64) -> Vec<Array> {
    match rule {
        Rule::Scaled => xs.iter().map(|x| lax::mul(x, &Array::from(by))).collect(),
        _ => xs,
    }
}

pub fn by_jvp(body: impl Body, captured: Vec<Array>, args: Vec<Array>, rule: Rule) -> Result<Vec<Array>> {
    let f = function(body.clone(), &captured, rule);
    let push = move |xs: Vec<Array>, dxs: Vec<Array>| -> Result<(Vec<Array>, Vec<Array>)> {
        let (ys, dys) = jvp(&f, (xs,), (scaled(dxs, rule, 4.0),))?;
        Ok((ys, scaled(dys, rule, 0.25)))
    };
    let f = move |xs: &[&Array]| body(captured.iter().chain(xs.iter().copied()).cloned().collect());
    match &args[..] {
        [x] => {
            let f = move |x: &Array| f(&[x]);
            custom_jvp(f, move |(x,): (Array,), (dx,): (Array,)| push(vec![x], vec![dx]))(x)
        }
        [x, y] => {
            let f = move |x: &Array, y: &Array| f(&[x, y]);
            let rule = move |(x, y): (Array, Array), (dx, dy): (Array, Array)| push(vec![x, y], vec![dx, dy]);
            custom_jvp(f, rule)(x, y)
        }
        _ => unreachable!("{} arguments", args.len()),
    }
}

pub fn by_vjp(body: impl Body, captured: Vec<Array>, args: Vec<Array>, rule: Rule) -> Result<Vec<Array>> {
    // What is captured is a residual too: nothing else may leave the forward pass.
    let kept = captured.clone();
    let of = body.clone();
    let pull = move |(kept, xs): (Vec<Array>, Vec<Array>), cts: Vec<Array>| -> Result<Vec<Array>> {
        let (_, pull) = vjp(function(of.clone(), &kept, rule), (xs,))?;
        Ok(scaled(pull(&scaled(cts, rule, 4.0))?.0, rule, 0.25))
    };
    let again = function(body.clone(), &captured, rule);
    let f = move |xs: &[&Array]| body(captured.iter().chain(xs.iter().copied()).cloned().collect());
    match &args[..] {
        [x] => {
            let f = move |x: &Array| f(&[x]);
            type Forward = (Vec<Array>, (Vec<Array>, Vec<Array>));
            let fwd = move |x: &Array| -> Result<Forward> {
                let xs = vec![x.clone()];
                Ok((again(&xs)?, (kept.clone(), xs)))
            };
            let bwd = move |residuals: (Vec<Array>, Vec<Array>), cts: Vec<Array>| -> Result<(Array,)> {
                Ok((pull(residuals, cts)?.swap_remove(0),))
            };
            custom_vjp(f, fwd, bwd)(x)
        }
        [x, y] => {
            let f = move |x: &Array, y: &Array| f(&[x, y]);
            type Forward = (Vec<Array>, (Vec<Array>, Vec<Array>));
            let fwd = move |x: &Array, y: &Array| -> Result<Forward> {
                let xs = vec![x.clone(), y.clone()];
                Ok((again(&xs)?, (kept.clone(), xs)))
            };
            let bwd = move |residuals: (Vec<Array>, Vec<Array>), cts: Vec<Array>| -> Result<(Array, Array)> {
                let mut found = pull(residuals, cts)?;
                let second = found.swap_remove(1);
                Ok((found.swap_remove(0), second))
            };
            custom_vjp(f, fwd, bwd)(x, y)
        }
        _ => unreachable!("{} arguments", args.len()),
    }
}
