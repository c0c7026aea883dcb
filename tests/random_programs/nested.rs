//! Random statements with nested functions.

use crate::custom::Rule;
use crate::generate::{AXES, Allow, Builder, Captures, MAX_ELEMENTS};
use crate::program::Op;

impl Builder<'_> {
    pub fn nested(&mut self) {
        let captured = self.some_vars(2);
        let n = captured.len();
        let free = |count: usize| vec![None; count];
        match self.rng.below(15) {
            0..3 => {
                let captured = if self.rng.chance(60) { vec![] } else { captured };
                let n = captured.len();
                let args: Vec<usize> = captured.into_iter().chain(self.some_vars(3)).collect();
                let outs = free(1 + self.rng.below(2));
                let (sub, outs) = self.sub(self.shapes_of(&args), outs, n, self.inner());
                if self.rng.chance(25) {
                    self.push(Op::Checkpoint(sub), args, outs);
                    return;
                }
                self.push(Op::Jit(sub.clone()), args.clone(), outs.clone());
                if self.rng.chance(30) {
                    // The same function once more: a shared jaxpr.
                    self.push(Op::Jit(sub), args, outs);
                }
            }
            3 | 4 => {
                let length = if self.rng.chance(5) { 0 } else { 1 + self.rng.below(3) };
                let init: Vec<usize> = (0..self.rng.below(3)).map(|_| self.var()).collect();
                let mut xs = Vec::new();
                for _ in 0..self.rng.below(3) {
                    let leading: Vec<usize> =
                        (0..self.shapes.len()).filter(|i| self.shapes[*i].first() == Some(&length)).collect();
                    let x =
                        if leading.is_empty() { self.of_shape(&[length]) } else { self.rng.pick(&leading) };
                    xs.push(x);
                }
                let carry = self.shapes_of(&init);
                let slices = self.shapes_of(&xs).into_iter().map(|s| s[1..].to_vec());
                let params =
                    self.shapes_of(&captured).into_iter().chain(carry.clone()).chain(slices).collect();
                let ys = free(self.rng.below(3));
                let ys = if carry.is_empty() && ys.is_empty() { free(1) } else { ys };
                let outs = carry.iter().cloned().map(Some).chain(ys).collect();
                let (body, mut outs) = self.sub(params, outs, n, self.inner());
                outs[carry.len()..].iter_mut().for_each(|s| s.insert(0, length));
                let op = Op::Scan {
                    body,
                    carry: carry.len(),
                    length,
                    reverse: self.rng.chance(30),
                    unroll: 1 + self.rng.below(2),
                };
                let args = captured.into_iter().chain(init).chain(xs).collect();
                self.push(op, args, outs);
            }
            5 | 6 => {
                let pred = self.of_shape(&[]);
                let args: Vec<usize> = captured.into_iter().chain(self.some_vars(2)).collect();
                let count = 1 + self.rng.below(2);
                let switch = self.rng.chance(30);
                let params = self.shapes_of(&args);
                let (first, outs) = self.sub(params.clone(), free(count), n, self.inner());
                let mut subs = vec![first];
                for _ in 0..if switch { 2 } else { 1 } {
                    let same = outs.iter().cloned().map(Some).collect();
                    subs.push(self.sub(params.clone(), same, n, self.inner()).0);
                }
                let op = if switch { Op::Switch(subs) } else { Op::Cond(subs) };
                let args = [pred].into_iter().chain(args).collect();
                self.push(op, args, outs);
            }
            7 if self.allow.loops => {
                let limit = self.of_shape(&[]);
                let init: Vec<usize> = (0..1 + self.rng.below(2)).map(|_| self.var()).collect();
                let carry = self.shapes_of(&init);
                let params = self.shapes_of(&captured).into_iter().chain(carry.clone()).collect();
                let (sub, outs) = self.sub(params, carry.into_iter().map(Some).collect(), n, self.inner());
                let turns = if self.rng.chance(30) { Some(self.rng.below(4)) } else { None };
                let args = [limit].into_iter().chain(captured).chain(init).collect();
                self.push(Op::While(sub, turns), args, outs);
            }
            8 => {
                let init: Vec<usize> = (0..1 + self.rng.below(2)).map(|_| self.var()).collect();
                let carry = self.shapes_of(&init);
                let params = self.shapes_of(&captured).into_iter().chain(carry.clone()).collect();
                let (sub, outs) = self.sub(params, carry.into_iter().map(Some).collect(), n, self.inner());
                let turns = self.rng.below(4);
                self.push(Op::Fori(sub, turns), captured.into_iter().chain(init).collect(), outs);
            }
            9 | 10 => {
                let size = 1 + self.rng.below(3);
                let args = self.some_vars(3);
                let mut in_axes = Vec::new();
                let mut params = self.shapes_of(&captured);
                for x in &args {
                    let mut shape = self.shapes[*x].clone();
                    let fit: Vec<usize> = (0..shape.len()).filter(|i| shape[*i] == size).collect();
                    let axis =
                        if fit.is_empty() || self.rng.chance(15) { None } else { Some(self.rng.pick(&fit)) };
                    if let Some(axis) = axis {
                        shape.remove(axis);
                    }
                    params.push(shape);
                    in_axes.push(axis.map(|i| i as i64));
                }
                let outs = free(1 + self.rng.below(2));
                let named = self.rng.chance(50);
                let bound = if named { self.allow.axes | 1 << self.depth } else { self.allow.axes };
                let (body, mut outs) = self.sub(params, outs, n, Allow { axes: bound, ..self.inner() });
                let mut out_axes = Vec::new();
                for out in &mut outs {
                    let axis = self.rng.below(out.len() + 1);
                    out.insert(axis, size);
                    out_axes.push(axis as i64);
                }
                if outs.iter().all(|s| s.iter().product::<usize>() <= 4 * MAX_ELEMENTS) {
                    let op =
                        Op::Vmap { body, in_axes, out_axes, size, name: named.then_some(AXES[self.depth]) };
                    self.push(op, captured.into_iter().chain(args).collect(), outs);
                }
            }
            11 | 12 => self.custom(),
            _ => {
                let reverse = self.rng.chance(50);
                // What is captured here is not differentiated.
                let captures = match self.inner().captures {
                    Captures::Any => Captures::First(n),
                    _ => Captures::None,
                };
                let allow = if reverse {
                    Allow { loops: false, captures, ..self.allow }
                } else {
                    Allow { custom_vjp: false, captures, ..self.allow }
                };
                let x = self.var();
                let shape = self.shapes[x].clone();
                let params = self.shapes_of(&captured).into_iter().chain([shape.clone()]).collect();
                if reverse {
                    let (sub, _) = self.sub(params, vec![Some(vec![])], n, allow);
                    let args = captured.into_iter().chain([x]).collect();
                    self.push(Op::Grad(sub), args, vec![shape]);
                } else {
                    let dx = self.of_shape(&shape);
                    let (sub, outs) = self.sub(params, free(1), n, allow);
                    let args = captured.into_iter().chain([x, dx]).collect();
                    self.push(Op::Jvp(sub), args, [outs.clone(), outs].concat());
                }
            }
        }
    }

    /// A function of one or two arguments with a derivative of its own; others may be captured.
    fn custom(&mut self) {
        let mut args: Vec<usize> = match self.allow.captures {
            Captures::Any => self.some_vars(2),
            Captures::First(n) if n > 0 => (0..self.rng.below(3)).map(|_| self.rng.below(n)).collect(),
            _ => vec![],
        };
        let n = args.len();
        args.extend((0..1 + self.rng.below(2)).map(|_| self.var()));
        let outs = vec![None; 1 + self.rng.below(2)];
        let rule = self.rng.pick(&[Rule::Plain, Rule::OfJit, Rule::Scaled]);
        if self.allow.custom_vjp && self.rng.chance(60) {
            // No collectives: their transposes are sums over examples, which a rule of one example cannot give.
            let allow = Allow { loops: false, axes: 0, ..self.inner() };
            let (sub, outs) = self.sub(self.shapes_of(&args), outs, n, allow);
            self.push(Op::CustomVjp(sub, rule), args, outs);
        } else {
            let allow = Allow { custom_vjp: false, ..self.inner() };
            let (sub, outs) = self.sub(self.shapes_of(&args), outs, n, allow);
            self.push(Op::CustomJvp(sub, rule), args, outs);
        }
    }
}
