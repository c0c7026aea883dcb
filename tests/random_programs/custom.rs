//! Functions with derivatives of their own, which are those that they have without.

use raxla::custom_derivatives::{custom_jvp, custom_vjp};
use raxla::lax;
use raxla::prelude::*;
use raxla::signature::Fun;

use crate::program::{Many, Rule, Sub, number};

/// The nested function, for a rule to differentiate.
fn function(sub: &Sub, captured: &[Array], rule: Rule) -> Fun<'static, Many> {
    let (sub, captured) = (sub.clone(), captured.to_vec());
    let f = move |xs: &Vec<Array>| sub.call(&captured, xs.iter().cloned());
    let f: Fun<'static, Many> = Fun::new(f);
    match rule {
        Rule::OfJit => Fun::new(jit(&f)),
        _ => f,
    }
}

fn scaled(xs: Vec<Array>, rule: Rule, by: f64) -> Vec<Array> {
    match rule {
        Rule::Scaled => xs.iter().map(|x| lax::mul(x, &number(by))).collect(),
        _ => xs,
    }
}

/// Applied to arguments, the first of them captured, as all of these functions.
pub fn by_jvp(sub: &Sub, rule: Rule, args: &[Array]) -> Result<Vec<Array>> {
    let (captured, args) = args.split_at(sub.captured);
    let f = function(sub, captured, rule);
    let push = move |xs: Vec<Array>, dxs: Vec<Array>| -> Result<(Vec<Array>, Vec<Array>)> {
        let (ys, dys) = jvp(&f, (xs,), (scaled(dxs, rule, 4.0),))?;
        Ok((ys, scaled(dys, rule, 0.25)))
    };
    let (sub, captured) = (sub.clone(), captured.to_vec());
    match args {
        [x] => {
            let f = move |x: &Array| sub.call(&captured, [x.clone()]);
            custom_jvp(f, move |(x,): (Array,), (dx,): (Array,)| push(vec![x], vec![dx]))(x)
        }
        [x, y] => {
            let f = move |x: &Array, y: &Array| sub.call(&captured, [x.clone(), y.clone()]);
            let rule = move |(x, y): (Array, Array), (dx, dy): (Array, Array)| push(vec![x, y], vec![dx, dy]);
            custom_jvp(f, rule)(x, y)
        }
        _ => unreachable!("{} arguments", args.len()),
    }
}

pub fn by_vjp(sub: &Sub, rule: Rule, args: &[Array]) -> Result<Vec<Array>> {
    let (captured, args) = args.split_at(sub.captured);
    // What is captured is a residual too: nothing else may leave the forward pass.
    let kept = captured.to_vec();
    let of = sub.clone();
    let pull = move |(kept, xs): (Vec<Array>, Vec<Array>), cts: Vec<Array>| -> Result<Vec<Array>> {
        let (_, pull) = vjp(function(&of, &kept, rule), (xs,))?;
        Ok(scaled(pull(&scaled(cts, rule, 4.0))?.0, rule, 0.25))
    };
    let (sub, captured) = (sub.clone(), captured.to_vec());
    let again = function(&sub, &captured, rule);
    match args {
        [x] => {
            let f = move |x: &Array| sub.call(&captured, [x.clone()]);
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
            let f = move |x: &Array, y: &Array| sub.call(&captured, [x.clone(), y.clone()]);
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
