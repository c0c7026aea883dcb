//! Jaxprs as text, in JAX's syntax and layout. JAX: `core.pp_jaxpr`, `pretty_printer`.
//!
//! The layout is that of Wadler's "A prettier printer" (2003): a group stands on one line if it fits there, and else
//! breaks at all of its breaks.

use std::fmt;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::core::effects::Effects;
use crate::core::jaxpr::{Atom, Eqn, Jaxpr, Var};
use crate::core::primitive::Param;
use crate::core::scalar::Scalar;
use crate::dtype::DType;

/// Columns of a line.
const WIDTH: usize = 80;

enum Doc {
    Text(String),
    /// A line break, or this text if the group stands on one line.
    Break(&'static str),
    Concat(Vec<Doc>),
    /// The line breaks within are followed by so many more spaces.
    Nest(usize, Box<Doc>),
    Group(Box<Doc>),
}

fn text(text: impl Into<String>) -> Doc {
    Doc::Text(text.into())
}

fn nest(indent: usize, parts: Vec<Doc>) -> Doc {
    Doc::Nest(indent, Box::new(Doc::Concat(parts)))
}

fn group(parts: Vec<Doc>) -> Doc {
    Doc::Group(Box::new(Doc::Concat(parts)))
}

fn join(separator: impl Fn() -> Doc, docs: impl IntoIterator<Item = Doc>) -> Doc {
    let mut all = Vec::new();
    for doc in docs {
        if !all.is_empty() {
            all.push(separator());
        }
        all.push(doc);
    }
    Doc::Concat(all)
}

/// Does it stand on one line of `width` columns?
fn fits(doc: &Doc, width: usize) -> bool {
    let mut left = width;
    let mut stack = vec![doc];
    while let Some(doc) = stack.pop() {
        let wide = match doc {
            Doc::Text(text) => text.chars().count(),
            Doc::Break(text) => text.len(),
            Doc::Concat(parts) => {
                stack.extend(parts.iter().rev());
                continue;
            }
            Doc::Nest(_, doc) | Doc::Group(doc) => {
                stack.push(doc);
                continue;
            }
        };
        match left.checked_sub(wide) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

fn layout(doc: &Doc) -> String {
    let mut out = String::new();
    let mut column = 0;
    let mut stack = vec![(0, false, doc)];
    while let Some((indent, flat, doc)) = stack.pop() {
        match doc {
            Doc::Text(text) => {
                out.push_str(text);
                column += text.chars().count();
            }
            Doc::Break(text) if flat => {
                out.push_str(text);
                column += text.len();
            }
            Doc::Break(_) => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            }
            Doc::Concat(parts) => stack.extend(parts.iter().rev().map(|part| (indent, flat, part))),
            Doc::Nest(by, doc) => stack.push((indent + by, flat, doc)),
            Doc::Group(doc) => {
                let flat = flat || (column <= WIDTH && fits(doc, WIDTH - column));
                stack.push((indent, flat, doc));
            }
        }
    }
    out
}

/// `a` … `z`, `ba`, `bb` …: the `i`-th variable name.
fn var_name(mut i: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(b'a' + (i % 26) as u8);
        i /= 26;
        if i == 0 {
            break;
        }
    }
    letters.into_iter().rev().map(char::from).collect()
}

/// A variable of one of the jaxprs that are printed.
type Key = (*const Jaxpr, Var);

/// Names are given in the order in which variables are printed, nested jaxprs included.
#[derive(Default)]
struct Printer {
    next: usize,
    names: FxHashMap<Key, String>,
    /// Sub-jaxprs that are used more than once, or are long, with the name of their `let`.
    shared: FxHashMap<*const Jaxpr, String>,
    shared_names: FxHashSet<String>,
}

impl Printer {
    fn name(&mut self, jaxpr: &Jaxpr, var: Var) -> String {
        if let Some(name) = self.names.get(&(jaxpr as *const Jaxpr, var)) {
            return name.clone();
        }
        let name = loop {
            let name = var_name(self.next);
            self.next += 1;
            if !self.shared_names.contains(&name) {
                break name;
            }
        };
        self.names.insert((jaxpr, var), name.clone());
        name
    }

    fn binders(&mut self, jaxpr: &Jaxpr, vars: &[Var]) -> Doc {
        let names = vars.iter().map(|v| text(format!("{}:{}", self.name(jaxpr, *v), jaxpr.aval(*v))));
        let names: Vec<Doc> = names.collect();
        list("", names)
    }

    fn atoms(&mut self, jaxpr: &Jaxpr, atoms: &[Atom], separator: &'static str) -> Doc {
        let names = atoms.iter().map(|atom| match atom {
            Atom::Literal(x) => text(format!("{}:{}", literal(*x), x.aval())),
            Atom::Var(v) => text(self.name(jaxpr, *v)),
        });
        let names: Vec<Doc> = names.collect();
        list(separator, names)
    }

    /// What the outermost jaxpr computes and nobody uses has no name.
    fn drop_unused(&mut self, jaxpr: &Jaxpr) {
        let mut used = vec![false; jaxpr.avals.len()];
        for atom in jaxpr.eqns.iter().flat_map(|e| &e.inputs).chain(&jaxpr.outvars) {
            if let Atom::Var(v) = atom {
                used[v.0 as usize] = true;
            }
        }
        for v in jaxpr.eqns.iter().flat_map(|e| &e.outputs).filter(|v| !used[v.0 as usize]) {
            self.names.insert((jaxpr, *v), "_".to_owned());
        }
    }

    fn jaxpr(&mut self, jaxpr: &Jaxpr) -> Doc {
        let consts = self.binders(jaxpr, &jaxpr.constvars);
        let params = self.binders(jaxpr, &jaxpr.invars);
        let eqns: Vec<Doc> = jaxpr.eqns.iter().map(|eqn| self.eqn(jaxpr, eqn)).collect();
        let eqns = nest(2, vec![Doc::Break(" "), join(|| Doc::Break("; "), eqns)]);
        let outs = self.atoms(jaxpr, &jaxpr.outvars, ",");
        let close = if jaxpr.outvars.len() == 1 { ",)" } else { ")" };
        let body = vec![
            text("{ lambda "),
            consts,
            text("; "),
            params,
            text(". let"),
            eqns,
            Doc::Break(" "),
            text("in ("),
            outs,
            text(close),
        ];
        group(vec![nest(2, body), text(" }")])
    }

    fn eqn(&mut self, jaxpr: &Jaxpr, eqn: &Eqn) -> Doc {
        if eqn.prim.name() == "jit" {
            eqn.prim.sub_jaxprs().into_iter().for_each(|sub| self.name_as_called(jaxpr, eqn, sub));
        }
        let outs = self.binders(jaxpr, &eqn.outputs);
        if let Some(text) = self.equation(jaxpr, eqn, &outs) {
            return text;
        }
        let params: Vec<Doc> = eqn.prim.params().iter().map(|(name, p)| self.param(name, p)).collect();
        let params = if params.is_empty() {
            Doc::Concat(Vec::new())
        } else {
            let items = join(|| Doc::Break(" "), params);
            group(vec![nest(2, vec![text("["), Doc::Break(""), items]), Doc::Break(""), text("]")])
        };
        let equals = if eqn.outputs.is_empty() { "" } else { " = " };
        let ins = self.atoms(jaxpr, &eqn.inputs, "");
        Doc::Concat(vec![outs, text(equals), text(eqn.prim.name()), params, text(" "), ins])
    }

    /// An equation that is printed in a form of its own.
    fn equation(&mut self, jaxpr: &Jaxpr, eqn: &Eqn, outs: &Doc) -> Option<Doc> {
        if eqn.prim.effects().and(Effects::REFS).is_empty() {
            return None;
        }
        let operands: Vec<String> =
            eqn.inputs.iter().map(|atom| layout(&self.atoms(jaxpr, &[*atom], ""))).collect();
        let unused = eqn.outputs.iter().all(|v| self.name(jaxpr, *v) == "_");
        let results = if unused { String::new() } else { layout(outs) };
        eqn.prim.equation(&results, &operands).map(text)
    }

    /// The parameters of a called function have the names of the arguments, its results those of the call's.
    fn name_as_called(&mut self, jaxpr: &Jaxpr, eqn: &Eqn, sub: &Jaxpr) {
        if self.shared.contains_key(&(sub as *const Jaxpr)) {
            return;
        }
        let mut pairs: Vec<(Var, Var)> = Vec::new();
        for (v, like) in sub.invars.iter().zip(&eqn.inputs) {
            if let Atom::Var(like) = like
                && !pairs.iter().any(|(_, used)| used == like)
            {
                pairs.push((*v, *like));
            }
        }
        let results = sub.outvars.iter().zip(&eqn.outputs);
        let results =
            results.filter_map(|(v, like)| if let Atom::Var(v) = v { Some((*v, *like)) } else { None });
        pairs.extend(results);
        for (v, like) in pairs {
            if !self.names.contains_key(&(sub as *const Jaxpr, v)) {
                let name = self.name(jaxpr, like);
                self.names.insert((sub, v), name);
            }
        }
    }

    fn param(&mut self, name: &str, param: &Param) -> Doc {
        let value = match param {
            Param::Text(value) => text(value.as_str()),
            Param::Jaxpr(jaxpr) => self.sub_jaxpr(jaxpr),
            Param::Jaxprs(jaxprs) => {
                let items: Vec<Doc> = jaxprs.iter().map(|j| self.sub_jaxpr(j)).collect();
                let items = join(|| Doc::Break(" "), items);
                group(vec![nest(2, vec![text("("), Doc::Break(""), items]), Doc::Break(""), text(")")])
            }
        };
        Doc::Concat(vec![text(format!("{name}=")), value])
    }

    fn sub_jaxpr(&mut self, jaxpr: &Arc<Jaxpr>) -> Doc {
        match self.shared.get(&Arc::as_ptr(jaxpr)) {
            Some(name) => text(name.as_str()),
            None => self.jaxpr(jaxpr),
        }
    }
}

/// Items that flow over as many lines as they need.
fn list(separator: &'static str, items: Vec<Doc>) -> Doc {
    let space = || Doc::Concat(vec![text(separator), group(vec![Doc::Break(" ")])]);
    nest(2, vec![group(vec![join(space, items)])])
}

/// More equations than these are not printed in the middle of another jaxpr.
const LONG: usize = 10;

/// The sub-jaxprs that are printed in front, with their names: those that are used more than once, and long ones.
fn shared_jaxprs(jaxpr: &Jaxpr) -> Vec<(Arc<Jaxpr>, String)> {
    /// The jaxprs among the parameters, and the function's name, which is theirs too.
    fn printed(eqn: &Eqn) -> (Vec<Arc<Jaxpr>>, Option<String>) {
        let (mut subs, mut function) = (Vec::new(), None);
        for (key, value) in eqn.prim.params() {
            match value {
                Param::Jaxpr(sub) => subs.push(sub),
                Param::Jaxprs(all) => subs.extend(all),
                Param::Text(name) if key == "name" => {
                    function = Some(name.trim_matches(['<', '>']).to_owned());
                }
                Param::Text(_) => {}
            }
        }
        (subs, function)
    }
    let mut found: Vec<(Arc<Jaxpr>, usize, String)> = Vec::new();
    let mut at: FxHashMap<*const Jaxpr, usize> = FxHashMap::default();
    let mut queue: std::collections::VecDeque<Arc<Jaxpr>> = std::collections::VecDeque::new();
    let mut next = Some(jaxpr);
    let mut held;
    while let Some(jaxpr) = next {
        for eqn in &jaxpr.eqns {
            let (subs, name) = printed(eqn);
            for sub in subs {
                let i = *at.entry(Arc::as_ptr(&sub)).or_insert_with(|| {
                    let count = usize::from(sub.eqns.len() > LONG);
                    found.push((sub.clone(), count, "jaxpr".to_owned()));
                    found.len() - 1
                });
                let (_, count, own) = &mut found[i];
                *count += 1;
                if let Some(name) = &name
                    && own == "jaxpr"
                {
                    own.clone_from(name);
                }
                // What a shared jaxpr holds is shared too; more than twice says no more.
                if *count <= 2 + usize::from(sub.eqns.len() > LONG) {
                    queue.push_back(sub);
                }
            }
        }
        held = queue.pop_front();
        next = held.as_deref();
    }
    let mut counts: FxHashMap<String, usize> = FxHashMap::default();
    let shared = found.into_iter().filter(|(_, count, _)| *count > 1);
    shared
        .map(|(jaxpr, _, name)| {
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            if *count == 1 { (jaxpr, name) } else { (jaxpr, format!("{name}{}", *count - 1)) }
        })
        .collect()
}

/// A literal as Python writes it.
fn literal(x: Scalar) -> String {
    let part = |value: f64| {
        // Strongly typed, it is a number of its dtype, of which Python prints all digits; weakly typed, it is the number that was
        // written: as many digits as tell it from others.
        let (plain, digits) = match x.dtype().real() {
            _ if !x.weak_type() => (format!("{value}"), format!("{value:e}")),
            DType::F64 => (format!("{value}"), format!("{value:e}")),
            _ => (format!("{}", value as f32), format!("{:e}", value as f32)),
        };
        let Some((mantissa, exponent)) = digits.split_once('e') else {
            return digits.to_lowercase();
        };
        match exponent.parse::<i32>() {
            Ok(e) if (-4..16).contains(&e) => plain,
            Ok(e) => format!("{mantissa}e{}{:02}", if e < 0 { '-' } else { '+' }, e.abs()),
            Err(_) => digits,
        }
    };
    match x.dtype() {
        DType::Bool => if x.to_i128() != 0 { "True" } else { "False" }.to_owned(),
        dtype if dtype.is_complex() => {
            let (re, im) = (x.to_f64(), x.imag());
            if re == 0.0 && re.is_sign_positive() {
                return format!("{}j", part(im));
            }
            let plus = if im.is_sign_negative() { "" } else { "+" };
            format!("({}{plus}{}j)", part(re), part(im))
        }
        dtype if dtype.is_float() => {
            let text = part(x.to_f64());
            if text.bytes().all(|b| b == b'-' || b.is_ascii_digit()) { format!("{text}.0") } else { text }
        }
        _ => x.to_string(),
    }
}

impl fmt::Display for Jaxpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = shared_jaxprs(self);
        let mut printer = Printer::default();
        printer.drop_unused(self);
        for (jaxpr, name) in &shared {
            printer.shared.insert(Arc::as_ptr(jaxpr), name.clone());
            printer.shared_names.insert(name.clone());
        }
        for (jaxpr, name) in &shared {
            let doc = Doc::Concat(vec![text(format!("let {name} = ")), printer.jaxpr(jaxpr)]);
            writeln!(f, "{} in", layout(&doc))?;
        }
        f.write_str(&layout(&printer.jaxpr(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_complex::Complex;

    #[test]
    fn literals_are_written_as_in_python() {
        let f32s = [1e20, 1e-7, 1e16, 0.1, f64::INFINITY, f64::NAN, -0.0, 1e15, -3e8, 1e-5, 1e-4];
        let strong = |x| literal(Scalar::from_f64(DType::F32, x));
        let f32s = f32s.map(|x| literal(Scalar::from_f64(DType::F32, x).with_weak_type(true)));
        let expected = [
            "1e+20",
            "1e-07",
            "1e+16",
            "0.1",
            "inf",
            "nan",
            "-0.0",
            "1000000000000000.0",
            "-300000000.0",
            "1e-05",
            "0.0001",
        ];
        assert_eq!(f32s, expected);
        assert_eq!(
            [strong(0.1), strong(0.5), strong(1e-7)],
            ["0.10000000149011612", "0.5", "1.0000000116860974e-07"]
        );
        assert_eq!(literal(Scalar::from_f64(DType::F64, 123456789.125)), "123456789.125");
        let complex = [(1.0, 2.0), (0.0, 0.0), (0.0, -1.5), (1e20, 2.0), (-0.0, 1.0), (1.5, -0.0)];
        let complex = complex.map(|(re, im)| literal(Scalar::from_complex(DType::C64, Complex::new(re, im))));
        assert_eq!(complex, ["(1+2j)", "0j", "-1.5j", "(1.0000000200408773e+20+2j)", "(-0+1j)", "(1.5-0j)"]);
        let truth = |x| literal(Scalar::from(x));
        assert_eq!([truth(true), truth(false)], ["True", "False"]);
        assert_eq!(literal(Scalar::from(-3i32)), "-3");
    }
}
