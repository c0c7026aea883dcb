//! Random programs.

use crate::program::{Binary, Block, Op, Shape, Stmt, Sub, Unary};

/// Splitmix64 (Steele et al. 2014).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
    /// In -1 .. 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// What a program may hold, so that the derivatives that are to be checked exist.
#[derive(Clone, Copy)]
pub struct Allow {
    pub loops: bool,
    pub custom_vjp: bool,
    /// Which of [`AXES`] are bound, as bits.
    pub axes: usize,
}

/// Names of mapped axes, one for each depth.
const AXES: [&str; 4] = ["i", "j", "k", "l"];

const MAX_ELEMENTS: usize = 24;

pub fn shape(rng: &mut Rng) -> Shape {
    let rank = rng.pick(&[0, 1, 1, 2, 2]);
    (0..rank).map(|_| rng.pick(&[1, 2, 2, 3, 3])).collect()
}

pub fn program(seed: u64, allow: Allow) -> Block {
    let mut rng = Rng(seed);
    let params = (0..1 + rng.below(3)).map(|_| shape(&mut rng)).collect();
    let size = 2 + rng.below(6);
    let outs = (0..1 + rng.below(2)).map(|_| None).collect();
    let depth = if rng.chance(15) { 3 } else { 2 };
    block(&mut rng, params, outs, depth, size, allow)
}

/// A block with these parameters; results are given by their shapes, or free.
fn block(
    rng: &mut Rng,
    params: Vec<Shape>,
    outs: Vec<Option<Shape>>,
    depth: usize,
    size: usize,
    allow: Allow,
) -> Block {
    let shapes = params.clone();
    let mut b = Builder { rng, shapes, stmts: Vec::new(), depth, allow };
    if b.shapes.is_empty() {
        b.push(Op::Number(0.5), vec![], vec![vec![]]);
    }
    for _ in 0..size {
        b.stmt();
    }
    let outs = outs.into_iter().map(|shape| match shape {
        Some(shape) => b.of_shape(&shape),
        None => b.var(),
    });
    let outs = outs.collect();
    Block { params, stmts: b.stmts, outs }
}

struct Builder<'a> {
    rng: &'a mut Rng,
    shapes: Vec<Shape>,
    stmts: Vec<Stmt>,
    depth: usize,
    allow: Allow,
}

impl Builder<'_> {
    fn push(&mut self, op: Op, args: Vec<usize>, outs: Vec<Shape>) -> usize {
        let first = self.shapes.len();
        self.shapes.extend(outs.iter().cloned());
        self.stmts.push(Stmt { op, args, outs });
        first
    }

    /// Any variable, a recent one more often.
    fn var(&mut self) -> usize {
        let n = self.shapes.len();
        if self.rng.chance(50) { n - 1 - self.rng.below(n.min(3)) } else { self.rng.below(n) }
    }

    /// A variable of this shape, made if need be.
    fn of_shape(&mut self, shape: &[usize]) -> usize {
        let found: Vec<usize> = (0..self.shapes.len()).filter(|i| self.shapes[*i] == shape).collect();
        if !found.is_empty() && self.rng.chance(85) {
            return if self.rng.chance(50) { found[found.len() - 1] } else { self.rng.pick(&found) };
        }
        let mut from = self.var();
        if !self.shapes[from].is_empty() {
            let axes = (0..self.shapes[from].len()).collect();
            from = self.push(Op::Sum(axes), vec![from], vec![vec![]]);
        }
        if shape.is_empty() {
            from
        } else {
            self.push(Op::Broadcast(shape.to_vec(), vec![]), vec![from], vec![shape.to_vec()])
        }
    }

    fn some_vars(&mut self, max: usize) -> Vec<usize> {
        (0..self.rng.below(max + 1)).map(|_| self.var()).collect()
    }

    fn shapes_of(&self, vars: &[usize]) -> Vec<Shape> {
        vars.iter().map(|i| self.shapes[*i].clone()).collect()
    }

    fn sub(
        &mut self,
        params: Vec<Shape>,
        outs: Vec<Option<Shape>>,
        captured: usize,
        allow: Allow,
    ) -> (Sub, Vec<Shape>) {
        let size = 1 + self.rng.below(3);
        let made = block(self.rng, params, outs, self.depth - 1, size, allow);
        let shapes = made.shapes();
        let outs = made.outs.iter().map(|i| shapes[*i].clone()).collect();
        (Sub::new(made, captured), outs)
    }

    fn stmt(&mut self) {
        if self.depth > 0 && self.rng.chance(30) { self.nested() } else { self.flat() }
    }

    fn flat(&mut self) {
        let x = self.var();
        let shape = self.shapes[x].clone();
        let rank = shape.len();
        match self.rng.below(27) {
            0..4 => {
                let kinds = [
                    Unary::Sin,
                    Unary::Cos,
                    Unary::Tanh,
                    Unary::Logistic,
                    Unary::Neg,
                    Unary::Square,
                    Unary::Exp,
                    Unary::Root,
                    Unary::Log,
                    Unary::Step,
                    Unary::CustomJvp,
                    Unary::CustomVjp,
                ];
                let kind = self.rng.pick(&kinds);
                let kind = if matches!(kind, Unary::CustomVjp) && !self.allow.custom_vjp {
                    Unary::CustomJvp
                } else {
                    kind
                };
                self.push(Op::Unary(kind), vec![x], vec![shape]);
            }
            4..9 => {
                let scalar = self.rng.chance(20);
                let y = if scalar { self.of_shape(&[]) } else { self.of_shape(&shape) };
                let kind = self.rng.pick(&[
                    Binary::Add,
                    Binary::Sub,
                    Binary::Mul,
                    Binary::Mul,
                    Binary::Max,
                    Binary::Div,
                ]);
                let args = if self.rng.chance(50) { vec![x, y] } else { vec![y, x] };
                self.push(Op::Binary(kind), args, vec![shape]);
            }
            9 => {
                let op =
                    Op::Affine((self.rng.unit() * 8.0).round() / 4.0, (self.rng.unit() * 8.0).round() / 4.0);
                self.push(op, vec![x], vec![shape]);
            }
            10 => {
                let args = vec![x, self.of_shape(&shape), self.of_shape(&shape), self.of_shape(&shape)];
                self.push(Op::Select, args, vec![shape]);
            }
            11 | 12 if rank > 0 => {
                let axes: Vec<usize> = (0..rank).filter(|_| self.rng.chance(60)).collect();
                let out = (0..rank).filter(|i| !axes.contains(i)).map(|i| shape[i]).collect();
                let op = if self.rng.chance(70) { Op::Sum(axes) } else { Op::Prod(axes) };
                self.push(op, vec![x], vec![out]);
            }
            13 => self.dot(x),
            14 => {
                let axis = self.rng.below(rank + 1);
                let n = self.rng.pick(&[1, 2, 3]);
                let mut out = shape.clone();
                out.insert(axis, n);
                if out.iter().product::<usize>() <= MAX_ELEMENTS && out.len() <= 3 {
                    let dims = (0..out.len()).filter(|i| *i != axis).collect();
                    self.push(Op::Broadcast(out.clone(), dims), vec![x], vec![out]);
                }
            }
            15 if rank > 0 => {
                let out = vec![shape.iter().product()];
                let out = if self.rng.chance(50) { out } else { shape.iter().rev().copied().collect() };
                self.push(Op::Reshape(out.clone()), vec![x], vec![out]);
            }
            16 if rank > 1 => {
                let mut permutation: Vec<usize> = (0..rank).collect();
                permutation.rotate_left(1 + self.rng.below(rank - 1));
                let out = permutation.iter().map(|i| shape[*i]).collect();
                self.push(Op::Transpose(permutation), vec![x], vec![out]);
            }
            17 if rank > 0 => {
                let axes = (0..rank).filter(|_| self.rng.chance(60)).collect();
                self.push(Op::Rev(axes), vec![x], vec![shape]);
            }
            18 if rank > 0 => {
                let starts: Vec<usize> = shape.iter().map(|n| self.rng.below(*n)).collect();
                let limits: Vec<usize> =
                    shape.iter().zip(&starts).map(|(n, s)| s + 1 + self.rng.below(n - s)).collect();
                let strides: Vec<usize> = shape.iter().map(|_| 1 + self.rng.below(2)).collect();
                let out = (0..rank).map(|i| (limits[i] - starts[i]).div_ceil(strides[i])).collect();
                self.push(Op::Slice(starts, limits, strides), vec![x], vec![out]);
            }
            19 if rank > 0 => {
                let config: Vec<(i64, i64, i64)> = shape
                    .iter()
                    .map(|_| {
                        (self.rng.below(2) as i64, self.rng.below(3) as i64 - 1, self.rng.below(2) as i64)
                    })
                    .collect();
                let size = |(n, (lo, hi, inner)): (&usize, &(i64, i64, i64))| {
                    let n = *n as i64;
                    (n + lo + hi + inner * (n - 1).max(0)) as usize
                };
                let out: Vec<usize> = shape.iter().zip(&config).map(size).collect();
                if out.iter().product::<usize>() <= MAX_ELEMENTS && !out.contains(&0) {
                    let value = self.of_shape(&[]);
                    self.push(Op::Pad(config), vec![x, value], vec![out]);
                }
            }
            20 if rank > 0 => {
                let axis = self.rng.below(rank);
                let mut out = shape.clone();
                out[axis] *= 2;
                if out.iter().product::<usize>() <= MAX_ELEMENTS {
                    let y = self.of_shape(&shape);
                    self.push(Op::Concatenate(axis), vec![x, y], vec![out]);
                }
            }
            21 if rank > 0 => {
                let axis = self.rng.below(rank);
                let size = 1 + self.rng.below(shape[axis]);
                let mut out = shape.clone();
                out[axis] = size;
                let y = self.var();
                self.push(Op::DynamicSlice { axis, size }, vec![x, y], vec![out]);
            }
            22 if rank > 0 => {
                let axes: Vec<usize> = (0..rank).filter(|_| self.rng.chance(60)).collect();
                let out = (0..rank).filter(|i| !axes.contains(i)).map(|i| shape[i]).collect();
                self.push(Op::Largest(axes), vec![x], vec![out]);
            }
            23 if rank > 0 => {
                let op = Op::Cumsum(self.rng.below(rank), self.rng.chance(30));
                self.push(op, vec![x], vec![shape]);
            }
            24 if rank > 0 => {
                let op = Op::Sort(self.rng.below(rank));
                self.push(op, vec![x], vec![shape]);
            }
            25 if rank > 0 => {
                let axis = self.rng.below(rank);
                let mut small = shape.clone();
                small[axis] = 1 + self.rng.below(shape[axis]);
                let args = vec![x, self.of_shape(&small), self.var()];
                self.push(Op::DynamicUpdateSlice(axis), args, vec![shape]);
            }
            26 if self.allow.axes != 0 => {
                let bound: Vec<&'static str> =
                    (0..AXES.len()).filter(|i| self.allow.axes >> i & 1 == 1).map(|i| AXES[i]).collect();
                let op = Op::Psum(self.rng.pick(&bound));
                self.push(op, vec![x], vec![shape]);
            }
            _ => {
                let value = (self.rng.unit() * 8.0).round() / 4.0;
                self.push(Op::Number(value), vec![], vec![vec![]]);
            }
        }
    }

    /// A contraction with a second operand whose sizes are made to fit.
    fn dot(&mut self, x: usize) {
        let shape = self.shapes[x].clone();
        let (mut contract, mut batch): (Vec<usize>, Vec<usize>) = (vec![], vec![]);
        for axis in 0..shape.len() {
            match self.rng.below(3) {
                0 => contract.push(axis),
                1 => batch.push(axis),
                _ => {}
            }
        }
        let extra = self.rng.below(2);
        let mut other: Shape = batch.iter().chain(&contract).map(|i| shape[*i]).collect();
        other.extend(std::iter::repeat_n(2, extra));
        let free = (0..shape.len()).filter(|i| !contract.contains(i) && !batch.contains(i));
        let mut out: Shape = batch.iter().map(|i| shape[*i]).chain(free.map(|i| shape[i])).collect();
        out.extend(std::iter::repeat_n(2, extra));
        if out.iter().product::<usize>() > MAX_ELEMENTS || out.len() > 3 {
            return;
        }
        let y = self.of_shape(&other);
        let n = batch.len();
        let others = ((n..n + contract.len()).collect(), (0..n).collect());
        let op = Op::Dot { contract: (contract, others.0), batch: (batch, others.1) };
        self.push(op, vec![x, y], vec![out]);
    }

    fn nested(&mut self) {
        let captured = self.some_vars(2);
        let n = captured.len();
        let free = |count: usize| vec![None; count];
        match self.rng.below(12) {
            0..3 => {
                let captured = if self.rng.chance(60) { vec![] } else { captured };
                let n = captured.len();
                let args: Vec<usize> = captured.into_iter().chain(self.some_vars(3)).collect();
                let outs = free(1 + self.rng.below(2));
                let (sub, outs) = self.sub(self.shapes_of(&args), outs, n, self.allow);
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
                let length = 1 + self.rng.below(3);
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
                let (body, mut outs) = self.sub(params, outs, n, self.allow);
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
                let (first, outs) = self.sub(params.clone(), free(count), n, self.allow);
                let mut subs = vec![first];
                for _ in 0..if switch { 2 } else { 1 } {
                    let same = outs.iter().cloned().map(Some).collect();
                    subs.push(self.sub(params.clone(), same, n, self.allow).0);
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
                let (sub, outs) = self.sub(params, carry.into_iter().map(Some).collect(), n, self.allow);
                let turns = if self.rng.chance(30) { Some(self.rng.below(4)) } else { None };
                let args = [limit].into_iter().chain(captured).chain(init).collect();
                self.push(Op::While(sub, turns), args, outs);
            }
            8 => {
                let init: Vec<usize> = (0..1 + self.rng.below(2)).map(|_| self.var()).collect();
                let carry = self.shapes_of(&init);
                let params = self.shapes_of(&captured).into_iter().chain(carry.clone()).collect();
                let (sub, outs) = self.sub(params, carry.into_iter().map(Some).collect(), n, self.allow);
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
                let (body, mut outs) = self.sub(params, outs, n, Allow { axes: bound, ..self.allow });
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
            _ => {
                let reverse = self.rng.chance(50);
                let allow = if reverse {
                    Allow { loops: false, ..self.allow }
                } else {
                    Allow { custom_vjp: false, ..self.allow }
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
}
