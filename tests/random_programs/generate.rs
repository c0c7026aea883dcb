//! Random programs: how variables are chosen.

use crate::live::{dependent_results, is_substantial, through};
use crate::program::{Block, Op, Shape, Stmt, Sub};

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
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// What a program may hold, so that the derivatives that are to be checked exist.
#[derive(Clone, Copy, PartialEq)]
pub struct Allow {
    pub loops: bool,
    pub custom_vjp: bool,
    /// Which of [`AXES`] are bound, as bits.
    pub axes: usize,
    pub captures: Captures,
}

/// Which variables a function with a derivative of its own may capture: by those there is no derivative, in JAX neither.
#[derive(Clone, Copy, PartialEq)]
pub enum Captures {
    None,
    /// So many of the parameters, and nested functions none.
    First(usize),
    Any,
}

/// Names of mapped axes, one for each depth.
pub const AXES: [&str; 4] = ["i", "j", "k", "l"];

pub const MAX_ELEMENTS: usize = 24;

pub fn shape(rng: &mut Rng) -> Shape {
    let rank = rng.pick(&[0, 1, 1, 2, 2]);
    let mut size = || if rng.chance(3) { 0 } else { rng.pick(&[1, 2, 2, 3, 3]) };
    (0..rank).map(|_| size()).collect()
}

/// The first program of those that the seed gives that is worth being checked.
pub fn program(seed: u64, allow: Allow) -> Block {
    let mut rng = Rng(seed);
    loop {
        let params = (0..1 + rng.below(3)).map(|_| shape(&mut rng)).collect();
        let size = 3 + rng.below(3);
        let outs = (0..1 + rng.below(2)).map(|_| None).collect();
        let depth = if rng.chance(8) { 3 } else { 2 };
        let block = block(&mut rng, params, outs, depth, size, allow);
        if is_substantial(&block) {
            return block;
        }
    }
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
    let vars = params.iter().map(|shape| Var { used: false, dependent: !shape.contains(&0) }).collect();
    let mut b = Builder { rng, shapes: params.clone(), vars, stmts: Vec::new(), depth, allow };
    if b.shapes.is_empty() {
        b.push(Op::Number(0.5), vec![], vec![vec![]]);
    }
    for _ in 0..size {
        b.stmt();
    }
    let outs = outs.into_iter().map(|shape| match shape {
        Some(shape) => b.of_shape(&shape),
        None => b.result(),
    });
    let outs = outs.collect();
    Block { params, stmts: b.stmts, outs }
}

#[derive(Clone, Copy)]
struct Var {
    /// Is it an argument or a result already?
    used: bool,
    /// Does it have a derivative by the parameters?
    dependent: bool,
}

pub struct Builder<'a> {
    pub rng: &'a mut Rng,
    pub shapes: Vec<Shape>,
    vars: Vec<Var>,
    stmts: Vec<Stmt>,
    pub depth: usize,
    pub allow: Allow,
}

impl Builder<'_> {
    pub fn push(&mut self, op: Op, args: Vec<usize>, outs: Vec<Shape>) -> usize {
        let first = self.shapes.len();
        self.shapes.extend(outs.iter().cloned());
        let stmt = Stmt { op, args, outs };
        stmt.args.iter().for_each(|i| self.vars[*i].used = true);
        let marked: Vec<bool> = stmt.args.iter().map(|i| self.vars[*i].dependent).collect();
        self.vars.extend(through(&stmt, &marked).into_iter().map(|dependent| Var { used: false, dependent }));
        self.stmts.push(stmt);
        first
    }

    /// Any variable: a recent one, one that is not used yet and one with a derivative more often.
    pub fn var(&mut self) -> usize {
        let n = self.shapes.len();
        let recent = n - 1 - self.rng.below(n.min(3));
        let any = if self.rng.chance(50) { recent } else { self.rng.below(n) };
        let again = self.rng.below(n);
        let worth = |i: usize| usize::from(!self.vars[i].used) + 2 * usize::from(self.vars[i].dependent);
        if worth(again) > worth(any) { again } else { any }
    }

    /// A variable to be returned: one that nothing used yet, if there is one.
    fn result(&mut self) -> usize {
        let unused = |dependent: bool| {
            let fits = |v: &Var| !v.used && v.dependent == dependent;
            (0..self.vars.len()).filter(|i| fits(&self.vars[*i])).collect::<Vec<_>>()
        };
        let found = [unused(true), unused(false)].into_iter().find(|found| !found.is_empty());
        let found = if self.rng.chance(90) { found } else { None };
        let i = match found {
            Some(found) => self.rng.pick(&found),
            None => self.var(),
        };
        self.vars[i].used = true;
        i
    }

    /// A variable of this shape, made if need be.
    pub fn of_shape(&mut self, shape: &[usize]) -> usize {
        let mut found: Vec<usize> = (0..self.shapes.len()).filter(|i| self.shapes[*i] == shape).collect();
        if found.iter().any(|i| self.vars[*i].dependent) && self.rng.chance(80) {
            found.retain(|i| self.vars[*i].dependent);
        }
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

    pub fn some_vars(&mut self, max: usize) -> Vec<usize> {
        (0..self.rng.below(max + 1)).map(|_| self.var()).collect()
    }

    pub fn shapes_of(&self, vars: &[usize]) -> Vec<Shape> {
        vars.iter().map(|i| self.shapes[*i].clone()).collect()
    }

    /// A nested function, whose results depend on its parameters if a few attempts give such a one.
    pub fn sub(
        &mut self,
        params: Vec<Shape>,
        outs: Vec<Option<Shape>>,
        captured: usize,
        allow: Allow,
    ) -> (Sub, Vec<Shape>) {
        let mut attempts = 5;
        let made = loop {
            let size = 1 + self.rng.below(2);
            let made = block(self.rng, params.clone(), outs.clone(), self.depth - 1, size, allow);
            attempts -= 1;
            if attempts == 0 || !dependent_results(&made).contains(&false) {
                break made;
            }
        };
        let shapes = made.shapes();
        let outs = made.outs.iter().map(|i| shapes[*i].clone()).collect();
        (Sub::new(made, captured), outs)
    }

    /// What nested functions may hold.
    pub fn inner(&self) -> Allow {
        let captures = match self.allow.captures {
            Captures::Any => Captures::Any,
            _ => Captures::None,
        };
        Allow { captures, ..self.allow }
    }

    fn stmt(&mut self) {
        if self.depth > 0 && self.rng.chance(35) { self.nested() } else { self.flat() }
    }
}
