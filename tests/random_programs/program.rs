//! Programs as data, and how they run.

use std::fmt;
use std::sync::{Arc, OnceLock};

use raxla::api::{VmapOptions, vmap_with};
use raxla::checkpoint;
use raxla::lax::{self, Padding, ScanOptions};
use raxla::prelude::*;
use raxla::signature::Fun;

use crate::custom::{self, Rule};
use crate::operations::{self, definite, number, to_int};
use crate::table::{Along, Elementwise, OfMatrix};

pub type Shape = Vec<usize>;

/// A function of f64 arrays. Variables are numbered: the parameters, then the results of the statements.
#[derive(Clone, Debug)]
pub struct Block {
    pub params: Vec<Shape>,
    pub stmts: Vec<Stmt>,
    pub outs: Vec<usize>,
}

#[derive(Clone)]
pub struct Stmt {
    pub op: Op,
    pub args: Vec<usize>,
    pub outs: Vec<Shape>,
}

impl fmt::Debug for Stmt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} = {:?} {:?}", self.outs, self.op, self.args)
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Unary {
    Sin,
    Cos,
    Tanh,
    Logistic,
    Neg,
    Square,
    Exp,
    Root,
    Log,
    /// Has no derivative, and passes through integers.
    Step,
    CustomJvp,
    CustomVjp,
}

#[derive(Clone, Copy, Debug)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Max,
    Div,
}

type Branch = dyn Fn(Vec<Array>) -> Result<Vec<Array>>;
pub type Many = fn(&'static Vec<Array>) -> Vec<Array>;

/// A nested function. Its first `captured` arguments are captured, the others are passed.
#[derive(Clone)]
pub struct Sub {
    pub block: Arc<Block>,
    pub captured: usize,
    jitted: Arc<OnceLock<Jit<Many>>>,
}

impl Sub {
    pub fn new(block: Block, captured: usize) -> Self {
        Sub { block: Arc::new(block), captured, jitted: Arc::default() }
    }
    /// The function of what it captures and of its arguments.
    fn body(&self) -> impl custom::Body {
        let block = self.block.clone();
        move |args: Vec<Array>| run(&block, &args)
    }
    pub fn call(&self, captured: &[Array], args: impl IntoIterator<Item = Array>) -> Result<Vec<Array>> {
        let all: Vec<Array> = captured.iter().cloned().chain(args).collect();
        run(&self.block, &all)
    }
}

impl fmt::Debug for Sub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[captured {}] {:?}", self.captured, self.block)
    }
}

#[derive(Clone, Debug)]
pub enum Op {
    /// A plain, weakly typed number.
    Number(f64),
    Unary(Unary),
    Binary(Binary),
    /// `scale * x + shift` with plain numbers.
    Affine(f64, f64),
    /// One of a table, as the next two.
    Elementwise(Elementwise),
    Along(Along, usize),
    OfMatrix(OfMatrix),
    /// `a < b ? c : d`
    Select,
    Sum(Vec<usize>),
    Prod(Vec<usize>),
    Largest(Vec<usize>),
    Cumsum(usize, bool),
    Sort(usize),
    Dot {
        contract: (Vec<usize>, Vec<usize>),
        batch: (Vec<usize>, Vec<usize>),
    },
    Broadcast(Shape, Vec<usize>),
    Reshape(Shape),
    Transpose(Vec<usize>),
    Rev(Vec<usize>),
    Slice(Vec<usize>, Vec<usize>, Vec<usize>),
    Pad(Vec<(i64, i64, i64)>),
    Concatenate(usize),
    /// The place depends on the second argument.
    DynamicSlice {
        axis: usize,
        size: usize,
    },
    /// Where the second argument goes in the first depends on the third.
    DynamicUpdateSlice(usize),
    /// Of the first argument at the places, or along an axis, that the second says.
    Take(usize),
    TakeAlong(usize),
    /// Rows of the first argument.
    Rows,
    /// The third argument says which row of the first becomes the second.
    SetRow,
    /// The third argument says to which rows of the first those of the second are added.
    AddRows,
    /// The element of the second argument where the first is the largest along an axis.
    AtLargest(usize),
    Window(Window),
    /// In one dimension, with padding or without.
    Conv(Padding),
    /// The sum over a named axis.
    Psum(&'static str),
    Checkpoint(Sub),
    Jit(Sub),
    Scan {
        body: Sub,
        carry: usize,
        length: usize,
        reverse: bool,
        unroll: usize,
    },
    /// The first argument decides.
    Cond(Vec<Sub>),
    Switch(Vec<Sub>),
    /// The number of turns depends on the first argument, or is given.
    While(Sub, Option<usize>),
    Fori(Sub, usize),
    Vmap {
        body: Sub,
        in_axes: Vec<Option<i64>>,
        out_axes: Vec<i64>,
        size: usize,
        name: Option<&'static str>,
    },
    /// The gradient of the one, scalar result with respect to the last argument.
    Grad(Sub),
    /// The directional derivative along the last argument at the one before it.
    Jvp(Sub),
    /// A function of one or two arguments whose rule makes its derivative from that of the nested function.
    CustomJvp(Sub, Rule),
    CustomVjp(Sub, Rule),
}

/// The sum or the largest element of each window.
#[derive(Clone, Debug)]
pub struct Window {
    pub largest: bool,
    pub size: Vec<usize>,
    pub strides: Vec<usize>,
    pub padding: Padding,
}

impl Op {
    pub fn subs(&self) -> Vec<&Sub> {
        match self {
            Op::Checkpoint(sub) | Op::CustomJvp(sub, _) | Op::CustomVjp(sub, _) => vec![sub],
            Op::Jit(sub) | Op::Grad(sub) | Op::Jvp(sub) | Op::While(sub, _) | Op::Fori(sub, _) => vec![sub],
            Op::Scan { body, .. } | Op::Vmap { body, .. } => vec![body],
            Op::Cond(subs) | Op::Switch(subs) => subs.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The same with other nested functions.
    pub fn with_subs(&self, mut new: Vec<Sub>) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Jit(sub) | Op::Grad(sub) | Op::Jvp(sub) | Op::While(sub, _) | Op::Fori(sub, _) => {
                *sub = new.swap_remove(0)
            }
            Op::Checkpoint(sub) | Op::CustomJvp(sub, _) | Op::CustomVjp(sub, _) => *sub = new.swap_remove(0),
            Op::Scan { body, .. } | Op::Vmap { body, .. } => *body = new.swap_remove(0),
            Op::Cond(subs) | Op::Switch(subs) => *subs = new,
            _ => {}
        }
        op
    }
}

impl Block {
    pub fn shapes(&self) -> Vec<Shape> {
        self.params.iter().chain(self.stmts.iter().flat_map(|s| &s.outs)).cloned().collect()
    }
}

pub fn run(block: &Block, args: &[Array]) -> Result<Vec<Array>> {
    let mut env = args.to_vec();
    for stmt in &block.stmts {
        let args: Vec<Array> = stmt.args.iter().map(|i| env[*i].clone()).collect();
        let outs = apply(&stmt.op, &args)?;
        for (out, shape) in outs.iter().zip(&stmt.outs) {
            assert_eq!((out.shape(), out.dtype()), (shape.as_slice(), DType::F64), "{:?}", stmt.op);
        }
        env.extend(outs);
    }
    Ok(block.outs.iter().map(|i| env[*i].clone()).collect())
}

fn unary(kind: Unary, x: &Array) -> Result<Array> {
    Ok(match kind {
        Unary::Sin => lax::sin(x),
        Unary::Cos => lax::cos(x),
        Unary::Tanh => lax::tanh(x),
        Unary::Logistic => lax::logistic(x),
        Unary::Neg => lax::neg(x),
        Unary::Square => lax::square(&lax::sin(x)),
        Unary::Exp => lax::exp(&lax::cos(x)),
        Unary::Root => lax::sqrt(&lax::add(&lax::square(x), &number(1.0))),
        Unary::Log => lax::log(&lax::add(&lax::mul(x, x), &number(1.5))),
        Unary::Step => operations::step(x),
        Unary::CustomJvp => operations::sine_by_jvp(x)?,
        Unary::CustomVjp => operations::sine_by_vjp(x)?,
    })
}

fn apply(op: &Op, a: &[Array]) -> Result<Vec<Array>> {
    Ok(match op {
        Op::Number(x) => vec![number(*x)],
        Op::Unary(kind) => vec![unary(*kind, &a[0])?],
        Op::Binary(kind) => vec![match kind {
            Binary::Add => lax::add(&a[0], &a[1]),
            Binary::Sub => lax::sub(&a[0], &a[1]),
            Binary::Mul => lax::mul(&a[0], &a[1]),
            Binary::Max => lax::max(&a[0], &a[1]),
            Binary::Div => lax::div(&a[0], &lax::add(&lax::mul(&a[1], &a[1]), &number(1.0))),
        }],
        Op::Affine(scale, shift) => {
            vec![lax::add(&lax::mul(&a[0], &number(*scale)), &number(*shift))]
        }
        Op::Elementwise(of) => vec![(of.f)(a)],
        Op::Along(of, axis) => vec![(of.f)(&a[0], *axis)],
        Op::OfMatrix(of) => vec![(of.f)(&definite(&a[0]))],
        Op::Select => vec![lax::select(&lax::lt(&a[0], &a[1]), &a[2], &a[3])],
        Op::Sum(axes) => vec![lax::reduce_sum(&a[0], axes)],
        Op::Prod(axes) => vec![lax::reduce_prod(&a[0], axes)],
        Op::Largest(axes) => vec![lax::reduce_max(&a[0], axes)],
        Op::Cumsum(axis, reverse) => {
            vec![lax::cumsum_with(&a[0], *axis, lax::CumulativeOptions::new().reverse(*reverse))]
        }
        Op::Sort(axis) => vec![lax::sort(&a[0], *axis)],
        Op::Take(axis) => vec![operations::take(&a[0], &a[1], *axis)],
        Op::TakeAlong(axis) => vec![operations::take_along(&a[0], &a[1], *axis)],
        Op::Rows => vec![operations::rows(&a[0], &a[1])],
        Op::SetRow => vec![a[0].at(to_int(&a[2])).set(&a[1])],
        Op::AddRows => vec![a[0].at(to_int(&a[2])).add(&a[1])],
        Op::AtLargest(axis) => vec![operations::at_largest(&a[0], &a[1], *axis)],
        Op::Window(of) => {
            vec![operations::window(&a[0], of.largest, &of.size, &of.strides, of.padding.clone())]
        }
        Op::Conv(padding) => vec![operations::conv(&a[0], &a[1], padding.clone())],
        Op::Psum(name) => vec![lax::psum(&a[0], name)],
        Op::DynamicUpdateSlice(axis) => {
            vec![lax::dynamic_update_slice_in_dim(&a[0], &a[1], operations::place(&a[2]), *axis)]
        }
        Op::Checkpoint(sub) => {
            let (captured, args) = a.split_at(sub.captured);
            let (sub, captured) = (sub.clone(), captured.to_vec());
            checkpoint(move |args: &Vec<Array>| sub.call(&captured, args.iter().cloned()))(&args.to_vec())?
        }
        Op::Dot { contract, batch } => {
            let dims = ((&*contract.0, &*contract.1), (&*batch.0, &*batch.1));
            vec![lax::dot_general(&a[0], &a[1], dims)]
        }
        Op::Broadcast(shape, dims) => vec![lax::broadcast_in_dim(&a[0], shape, dims)],
        Op::Reshape(shape) => vec![lax::reshape(&a[0], shape)],
        Op::Transpose(permutation) => vec![lax::transpose(&a[0], permutation)],
        Op::Rev(axes) => vec![lax::rev(&a[0], axes)],
        Op::Slice(starts, limits, strides) => {
            vec![lax::slice_with(&a[0], starts, limits, lax::SliceOptions::new().strides(strides))]
        }
        Op::Pad(config) => vec![lax::pad(&a[0], a[1].clone(), config)],
        Op::Concatenate(axis) => vec![lax::concatenate(a, *axis)],
        Op::DynamicSlice { axis, size } => {
            vec![lax::dynamic_slice_in_dim(&a[0], operations::place(&a[1]), *size, *axis)]
        }
        Op::Jit(sub) => {
            let (captured, args) = a.split_at(sub.captured);
            let args = args.to_vec();
            if sub.captured == 0 {
                let block = sub.block.clone();
                let jitted = sub.jitted.get_or_init(|| {
                    jit(move |args: &Vec<Array>| -> Result<Vec<Array>> { run(&block, args) })
                });
                jitted(&args)?
            } else {
                let (sub, captured) = (sub.clone(), captured.to_vec());
                jit(move |args: &Vec<Array>| sub.call(&captured, args.iter().cloned()))(&args)?
            }
        }
        Op::Scan { body, carry, length, reverse, unroll } => {
            let (captured, rest) = a.split_at(body.captured);
            let (init, xs) = rest.split_at(*carry);
            let options = ScanOptions::new().length(*length).reverse(*reverse).unroll(*unroll);
            let step = |c: Vec<Array>, x: Vec<Array>| -> Result<(Vec<Array>, Vec<Array>)> {
                let mut outs = body.call(captured, c.into_iter().chain(x))?;
                let ys = outs.split_off(*carry);
                Ok((outs, ys))
            };
            let (mut c, ys) = lax::scan_with(step, init.to_vec(), xs.to_vec(), options)?;
            c.extend(ys);
            c
        }
        Op::Cond(subs) => {
            let pred = lax::gt(&a[0], &number(0.1));
            let (captured, args) = a[1..].split_at(subs[0].captured);
            let f = |x: Vec<Array>| subs[0].call(captured, x);
            let g = |x: Vec<Array>| subs[1].call(captured, x);
            lax::cond(pred, f, g, args.to_vec())?
        }
        Op::Switch(subs) => {
            let (captured, args) = a[1..].split_at(subs[0].captured);
            let branches: Vec<Box<Branch>> = subs
                .iter()
                .map(|sub| {
                    let (sub, captured) = (sub.clone(), captured.to_vec());
                    Box::new(move |x: Vec<Array>| sub.call(&captured, x)) as Box<_>
                })
                .collect();
            let branches: Vec<&Branch> = branches.iter().map(|f| &**f).collect();
            lax::switch(to_int(&a[0]), &branches, args.to_vec())?
        }
        Op::While(sub, turns) => {
            let (captured, args) = a[1..].split_at(sub.captured);
            let limit = match turns {
                Some(n) => Array::scalar(*n as i32),
                None => lax::min(&to_int(&lax::add(&a[0], &number(1.0))), &Array::scalar(4i32)),
            };
            let zero = Array::scalar(0i32);
            let more = |(i, _): &(Array, Vec<Array>)| lax::lt(i, &limit);
            let body = |(i, c): (Array, Vec<Array>)| -> Result<(Array, Vec<Array>)> {
                Ok((lax::add(&i, &Array::scalar(1i32)), sub.call(captured, c)?))
            };
            lax::while_loop(more, body, (zero, args.to_vec()))?.1
        }
        Op::Fori(sub, n) => {
            let (captured, args) = a.split_at(sub.captured);
            let body = |i: Array, c: Vec<Array>| -> Result<Vec<Array>> {
                let mut c = sub.call(captured, c)?;
                let early = lax::convert_element_type(&lax::lt(&i, &Array::scalar(2i32)), DType::F64);
                c[0] = lax::mul(&c[0], &lax::add(&early, &number(0.5)));
                Ok(c)
            };
            lax::fori_loop(Array::scalar(0i32), Array::scalar(*n as i32), body, args.to_vec())?
        }
        Op::Vmap { body, in_axes, out_axes, size, name } => {
            let (captured, args) = a.split_at(body.captured);
            let (body, captured) = (body.clone(), captured.to_vec());
            let options =
                VmapOptions::new().in_axes((in_axes.clone(),)).out_axes(out_axes.clone()).axis_size(*size);
            let options = name.iter().fold(options, |options, name| options.axis_name(name));
            let f = move |args: &Vec<Array>| body.call(&captured, args.iter().cloned());
            vmap_with(f, options)(&args.to_vec())?
        }
        Op::Grad(sub) => {
            let (captured, args) = a.split_at(sub.captured);
            let (sub, captured) = (sub.clone(), captured.to_vec());
            let f =
                move |x: &Array| -> Result<Array> { Ok(sub.call(&captured, [x.clone()])?.swap_remove(0)) };
            vec![grad(f)(&args[0])?]
        }
        Op::Jvp(sub) => {
            let (captured, args) = a.split_at(sub.captured);
            let (sub, captured) = (sub.clone(), captured.to_vec());
            let f = move |x: &Array| sub.call(&captured, [x.clone()]);
            let (mut y, dy) = jvp(f, (args[0].clone(),), (args[1].clone(),))?;
            y.extend(dy);
            y
        }
        Op::CustomJvp(sub, rule) => {
            custom::by_jvp(sub.body(), a[..sub.captured].to_vec(), a[sub.captured..].to_vec(), *rule)?
        }
        Op::CustomVjp(sub, rule) => {
            custom::by_vjp(sub.body(), a[..sub.captured].to_vec(), a[sub.captured..].to_vec(), *rule)?
        }
    })
}

/// A program as a function to transform, and that function compiled: once for all checks.
pub struct Program {
    pub block: Arc<Block>,
    pub f: Fun<'static, Many>,
    pub jitted: Jit<Many>,
}

impl Program {
    pub fn new(block: Block) -> Self {
        let block = Arc::new(block);
        let run_block = block.clone();
        let f = move |xs: &Vec<Array>| run(&run_block, xs);
        let f: Fun<'static, Many> = Fun::new(f);
        Program { block, jitted: jit(&f), f }
    }
}
