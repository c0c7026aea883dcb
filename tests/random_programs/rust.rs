//! A program as Rust's source, to be run outside of these tests.

use std::fmt::Write;

use raxla::lax::Padding;

use crate::custom::Rule;
use crate::program::{Binary, Block, Op, Stmt, Sub, Unary};

/// The source of a function `program` of a list of arrays, with those that it holds. `operations.rs` and
/// `custom.rs` of this directory go with it.
pub fn source(block: &Block) -> String {
    let mut printer = Printer { functions: Vec::new() };
    printer.function("program", block);
    printer.functions.reverse();
    const HEAD: &str = "mod custom;\nmod operations;\n\nuse custom::{Rule, by_jvp, by_vjp};\nuse operations::*;\nuse raxla::prelude::*;\nuse raxla::{api, checkpoint, lax, lax::Padding, nn, numpy as jnp};\n";
    format!("{HEAD}\n{}", printer.functions.join("\n"))
}

struct Printer {
    functions: Vec<String>,
}

/// `&v1, &v2`
fn borrowed(vars: &[usize]) -> String {
    vars.iter().map(|i| format!("&v{i}")).collect::<Vec<_>>().join(", ")
}

/// `vec![v1.clone(), v2.clone()]`
fn list(vars: &[usize]) -> String {
    format!("vec![{}]", vars.iter().map(|i| format!("v{i}.clone()")).collect::<Vec<_>>().join(", "))
}

fn sizes(of: &[usize]) -> String {
    format!("Vec::<usize>::from({of:?})")
}

fn padding(padding: &Padding) -> String {
    format!("Padding::{padding:?}")
}

impl Printer {
    fn function(&mut self, name: &str, block: &Block) {
        let mut body = String::new();
        for i in 0..block.params.len() {
            let _ = writeln!(body, "    let v{i} = args[{i}].clone();");
        }
        let mut first = block.params.len();
        for stmt in &block.stmts {
            let value = self.statement(stmt);
            match stmt.outs.len() {
                1 if stmt.op.subs().is_empty() => {
                    let _ = writeln!(body, "    let v{first} = {value};");
                }
                n => {
                    let _ = writeln!(body, "    let outs = {value};");
                    for i in 0..n {
                        let _ = writeln!(body, "    let v{} = outs[{i}].clone();", first + i);
                    }
                }
            }
            first += stmt.outs.len();
        }
        self.functions.push(format!(
            "fn {name}(args: Vec<Array>) -> Result<Vec<Array>> {{\n{body}    Ok({})\n}}\n",
            list(&block.outs)
        ));
    }

    /// A closure of the arguments that are not captured, as a list.
    fn sub(&mut self, sub: &Sub, captured: &[usize]) -> String {
        let name = format!("f{}", self.functions.len());
        // Its place, so that names are told apart; what it holds comes after.
        let place = self.functions.len();
        self.functions.push(String::new());
        self.function(&name, &sub.block);
        let text = self.functions.pop().unwrap_or_default();
        self.functions[place] = text;
        if captured.is_empty() {
            return name;
        }
        format!(
            "{{ let captured = {}; move |x: Vec<Array>| {name}([captured.clone(), x].concat()) }}",
            list(captured)
        )
    }

    fn statement(&mut self, stmt: &Stmt) -> String {
        let args = &stmt.args;
        let all = borrowed(args);
        match &stmt.op {
            Op::Number(x) => format!("number({x:?})"),
            Op::Unary(kind) => {
                let x = format!("v{}", args[0]);
                match kind {
                    Unary::Sin => format!("lax::sin(&{x})"),
                    Unary::Cos => format!("lax::cos(&{x})"),
                    Unary::Tanh => format!("lax::tanh(&{x})"),
                    Unary::Logistic => format!("lax::logistic(&{x})"),
                    Unary::Neg => format!("lax::neg(&{x})"),
                    Unary::Square => format!("lax::square(&lax::sin(&{x}))"),
                    Unary::Exp => format!("lax::exp(&lax::cos(&{x}))"),
                    Unary::Root => format!("lax::sqrt(&above(&{x}, 1.0))"),
                    Unary::Log => format!("lax::log(&lax::add(&lax::mul(&{x}, &{x}), &number(1.5)))"),
                    Unary::Step => format!("step(&{x})"),
                    Unary::CustomJvp => format!("sine_by_jvp(&{x})?"),
                    Unary::CustomVjp => format!("sine_by_vjp(&{x})?"),
                }
            }
            Op::Binary(Binary::Add) => format!("lax::add({all})"),
            Op::Binary(Binary::Sub) => format!("lax::sub({all})"),
            Op::Binary(Binary::Mul) => format!("lax::mul({all})"),
            Op::Binary(Binary::Max) => format!("lax::max({all})"),
            Op::Binary(Binary::Div) => format!("lax::div(&v{}, &above(&v{}, 1.0))", args[0], args[1]),
            Op::Affine(scale, shift) => {
                format!("lax::add(&lax::mul({all}, &number({scale:?})), &number({shift:?}))")
            }
            Op::Elementwise(of) => format!("({})({all})", of.source),
            Op::Along(of, axis) => format!("({})({all}, {axis})", of.source),
            Op::OfMatrix(of) => format!("({})(&definite({all}))", of.source),
            Op::Select => {
                let [a, b, c, d] = [args[0], args[1], args[2], args[3]];
                format!("lax::select(&lax::lt(&v{a}, &v{b}), &v{c}, &v{d})")
            }
            Op::Sum(axes) => format!("lax::reduce_sum({all}, {})", sizes(axes)),
            Op::Prod(axes) => format!("lax::reduce_prod({all}, {})", sizes(axes)),
            Op::Largest(axes) => format!("lax::reduce_max({all}, {})", sizes(axes)),
            Op::Cumsum(axis, reverse) => {
                format!("lax::cumsum_with({all}, {axis}, lax::CumulativeOptions::new().reverse({reverse}))")
            }
            Op::Sort(axis) => format!("lax::sort({all}, {axis})"),
            Op::Dot { contract, batch } => {
                let [a, b, c, d] = [&contract.0, &contract.1, &batch.0, &batch.1].map(|axes| sizes(axes));
                format!("lax::dot_general({all}, (({a}, {b}), ({c}, {d})))")
            }
            Op::Broadcast(shape, dims) => {
                format!("lax::broadcast_in_dim({all}, {}, {})", sizes(shape), sizes(dims))
            }
            Op::Reshape(shape) => format!("lax::reshape({all}, {})", sizes(shape)),
            Op::Transpose(permutation) => format!("lax::transpose({all}, {})", sizes(permutation)),
            Op::Rev(axes) => format!("lax::rev({all}, {})", sizes(axes)),
            Op::Slice(starts, limits, strides) => format!(
                "lax::slice_with({all}, {starts:?}, {limits:?}, lax::SliceOptions::new().strides({strides:?}))"
            ),
            Op::Pad(config) => format!("lax::pad(&v{}, v{}.clone(), {config:?})", args[0], args[1]),
            Op::Concatenate(axis) => format!("lax::concatenate([{all}], {axis})"),
            Op::DynamicSlice { axis, size } => {
                format!("lax::dynamic_slice_in_dim(&v{}, place(&v{}), {size}, {axis})", args[0], args[1])
            }
            Op::DynamicUpdateSlice(axis) => {
                let [x, y, at] = [args[0], args[1], args[2]];
                format!("lax::dynamic_update_slice_in_dim(&v{x}, &v{y}, place(&v{at}), {axis})")
            }
            Op::Take(axis) => format!("take({all}, {axis})"),
            Op::TakeAlong(axis) => format!("take_along({all}, {axis})"),
            Op::Rows => format!("rows({all})"),
            Op::SetRow => format!("v{}.at(to_int(&v{})).set(&v{})", args[0], args[2], args[1]),
            Op::AddRows => format!("v{}.at(to_int(&v{})).add(&v{})", args[0], args[2], args[1]),
            Op::AtLargest(axis) => format!("at_largest({all}, {axis})"),
            Op::Window(of) => {
                let (largest, size, strides) = (of.largest, &of.size, &of.strides);
                format!("window({all}, {largest}, &{size:?}, &{strides:?}, {})", padding(&of.padding))
            }
            Op::Conv(of) => format!("conv({all}, {})", padding(of)),
            Op::Psum(name) => format!("lax::psum({all}, {name:?})"),
            _ => self.holding(stmt),
        }
    }

    /// Statements that hold functions.
    fn holding(&mut self, stmt: &Stmt) -> String {
        let args = &stmt.args;
        match &stmt.op {
            Op::Checkpoint(sub) => self.of_list("checkpoint", sub, args),
            Op::Jit(sub) => self.of_list("jit", sub, args),
            Op::Scan { body, carry, length, reverse, unroll } => {
                let (captured, rest) = args.split_at(body.captured);
                let (init, xs) = rest.split_at(*carry);
                let f = self.sub(body, captured);
                format!(
                    "{{\n        let f = {f};\n        let step = |c: Vec<Array>, x: Vec<Array>| -> Result<(Vec<Array>, Vec<Array>)> {{\n            \
                     let mut outs = f([c, x].concat())?;\n            let ys = outs.split_off({carry});\n            Ok((outs, ys))\n        }};\n        \
                     let options = lax::ScanOptions::new().length({length}).reverse({reverse}).unroll({unroll});\n        \
                     let (c, ys) = lax::scan_with(step, {}, {}, options)?;\n        [c, ys].concat()\n    }}",
                    list(init),
                    list(xs)
                )
            }
            Op::Cond(subs) => {
                let (captured, rest) = args[1..].split_at(subs[0].captured);
                let [f, g] = [&subs[0], &subs[1]].map(|sub| self.sub(sub, captured));
                format!("lax::cond(lax::gt(&v{}, &number(0.1)), {f}, {g}, {})?", args[0], list(rest))
            }
            Op::Switch(subs) => {
                let (captured, rest) = args[1..].split_at(subs[0].captured);
                let branches: Vec<String> =
                    subs.iter().map(|sub| format!("&{}", self.sub(sub, captured))).collect();
                format!("lax::switch(to_int(&v{}), &[{}], {})?", args[0], branches.join(", "), list(rest))
            }
            Op::While(sub, turns) => {
                let (captured, rest) = args[1..].split_at(sub.captured);
                let limit = match turns {
                    Some(turns) => format!("Array::scalar({turns}i32)"),
                    None => format!(
                        "lax::min(&to_int(&lax::add(&v{}, &number(1.0))), &Array::scalar(4i32))",
                        args[0]
                    ),
                };
                let f = self.sub(sub, captured);
                format!(
                    "{{\n        let (f, limit) = ({f}, {limit});\n        let more = |(i, _): &(Array, Vec<Array>)| lax::lt(i, &limit);\n        \
                     let body = |(i, c): (Array, Vec<Array>)| -> Result<(Array, Vec<Array>)> {{ Ok((i + 1, f(c)?)) }};\n        \
                     lax::while_loop(more, body, (Array::scalar(0i32), {}))?.1\n    }}",
                    list(rest)
                )
            }
            Op::Fori(sub, turns) => {
                let (captured, rest) = args.split_at(sub.captured);
                let f = self.sub(sub, captured);
                format!(
                    "{{\n        let f = {f};\n        let body = |i: Array, c: Vec<Array>| -> Result<Vec<Array>> {{\n            let mut c = f(c)?;\n            \
                     let early = lax::convert_element_type(&lax::lt(&i, &Array::scalar(2i32)), DType::F64);\n            \
                     c[0] = lax::mul(&c[0], &lax::add(&early, &number(0.5)));\n            Ok(c)\n        }};\n        \
                     lax::fori_loop(Array::scalar(0i32), Array::scalar({turns}i32), body, {})?\n    }}",
                    list(rest)
                )
            }
            Op::Vmap { body, in_axes, out_axes, size, name } => {
                let (captured, rest) = args.split_at(body.captured);
                let in_axes =
                    in_axes.iter().map(|axis| axis.map_or("None".to_owned(), |axis| format!("Some({axis})")));
                let in_axes =
                    format!("Vec::<Option<i64>>::from([{}])", in_axes.collect::<Vec<_>>().join(", "));
                let name = name.map_or(String::new(), |name| format!(".axis_name({name:?})"));
                let f = self.sub(body, captured);
                format!(
                    "{{\n        let f = {f};\n        let options = api::VmapOptions::new().in_axes(({in_axes},)).out_axes(vec!{out_axes:?}).axis_size({size}){name};\n        \
                     api::vmap_with(move |x: &Vec<Array>| f(x.clone()), options)(&{})?\n    }}",
                    list(rest)
                )
            }
            Op::Grad(sub) => {
                let (captured, rest) = args.split_at(sub.captured);
                let f = self.sub(sub, captured);
                format!(
                    "{{\n        let f = {f};\n        vec![grad(move |x: &Array| -> Result<Array> {{ Ok(f(vec![x.clone()])?.swap_remove(0)) }})({})?]\n    }}",
                    borrowed(rest)
                )
            }
            Op::Jvp(sub) => {
                let (captured, rest) = args.split_at(sub.captured);
                let f = self.sub(sub, captured);
                format!(
                    "{{\n        let f = {f};\n        let (y, dy) = jvp(move |x: &Array| f(vec![x.clone()]), (v{}.clone(),), (v{}.clone(),))?;\n        [y, dy].concat()\n    }}",
                    rest[0], rest[1]
                )
            }
            Op::CustomJvp(sub, rule) => self.custom("by_jvp", sub, *rule, args),
            Op::CustomVjp(sub, rule) => self.custom("by_vjp", sub, *rule, args),
            op => format!("unreachable!({op:?})"),
        }
    }

    fn custom(&mut self, by: &str, sub: &Sub, rule: Rule, args: &[usize]) -> String {
        let (captured, rest) = args.split_at(sub.captured);
        let f = self.sub(sub, &[]);
        format!("{by}({f}, {}, {}, Rule::{rule:?})?", list(captured), list(rest))
    }

    /// A function of a list, transformed.
    fn of_list(&mut self, transformation: &str, sub: &Sub, args: &[usize]) -> String {
        let (captured, rest) = args.split_at(sub.captured);
        let f = self.sub(sub, captured);
        format!(
            "{{\n        let f = {f};\n        {transformation}(move |x: &Vec<Array>| f(x.clone()))(&{})?\n    }}",
            list(rest)
        )
    }
}
