//! Jaxprs as text, in JAX's syntax. JAX: `core.pp_jaxpr`.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::core::jaxpr::{Atom, Eqn, Jaxpr, Var};
use crate::core::primitive::Param;

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

/// Names in use within one printed jaxpr, nested ones included.
#[derive(Default)]
struct Printer {
    next: usize,
    /// Sub-jaxprs that are used more than once, with the name of their `let`.
    shared: Vec<(Arc<Jaxpr>, String)>,
}

struct Scope<'a> {
    jaxpr: &'a Jaxpr,
    names: FxHashMap<Var, String>,
    used: Vec<bool>,
}

impl Printer {
    fn define(&mut self, scope: &mut Scope<'_>, var: Var) -> String {
        let name = if scope.used[var.0 as usize] {
            self.next += 1;
            var_name(self.next - 1)
        } else {
            "_".to_owned()
        };
        scope.names.insert(var, name.clone());
        format!("{name}:{}", scope.jaxpr.aval(var))
    }

    fn binders(&mut self, scope: &mut Scope<'_>, vars: &[Var]) -> String {
        vars.iter().map(|v| self.define(scope, *v)).collect::<Vec<_>>().join(" ")
    }

    fn atom(&self, scope: &Scope<'_>, atom: &Atom) -> String {
        match atom {
            Atom::Literal(x) => format!("{x}:{}", x.aval()),
            Atom::Var(v) => scope.names.get(v).cloned().unwrap_or_else(|| "?".to_owned()),
        }
    }

    fn jaxpr(&mut self, jaxpr: &Jaxpr, indent: usize) -> String {
        let mut used = vec![false; jaxpr.avals.len()];
        for v in jaxpr.constvars.iter().chain(&jaxpr.invars) {
            used[v.0 as usize] = true;
        }
        let operands = jaxpr.eqns.iter().flat_map(|e| &e.inputs).chain(&jaxpr.outvars);
        for atom in operands {
            if let Atom::Var(v) = atom {
                used[v.0 as usize] = true;
            }
        }
        let mut scope = Scope { jaxpr, names: FxHashMap::default(), used };
        let consts = self.binders(&mut scope, &jaxpr.constvars);
        let ins = self.binders(&mut scope, &jaxpr.invars);
        let pad = " ".repeat(indent);
        let mut text = format!("{{ lambda {consts}; {ins}. let\n");
        if ins.is_empty() {
            text = format!("{{ lambda {consts}; . let\n");
        } else if consts.is_empty() {
            text = format!("{{ lambda ; {ins}. let\n");
        }
        for eqn in &jaxpr.eqns {
            let line = self.eqn(&mut scope, eqn, indent + 4);
            text.push_str(&format!("{pad}    {line}\n"));
        }
        let outs: Vec<String> = jaxpr.outvars.iter().map(|a| self.atom(&scope, a)).collect();
        let comma = if outs.len() == 1 { "," } else { "" };
        text.push_str(&format!("{pad}  in ({}{comma}) }}", outs.join(", ")));
        text
    }

    fn eqn(&mut self, scope: &mut Scope<'_>, eqn: &Eqn, indent: usize) -> String {
        // Named before the variables of nested jaxprs, as they are printed.
        let outs = self.binders(scope, &eqn.outputs);
        let params = eqn.prim.params();
        let params_text = if params.is_empty() {
            String::new()
        } else {
            let has_jaxpr = params.iter().any(|(_, p)| !matches!(p, Param::Text(_)));
            let items: Vec<String> =
                params.iter().map(|(name, p)| format!("{name}={}", self.param(p, indent + 2))).collect();
            if has_jaxpr {
                let pad = " ".repeat(indent + 2);
                format!("[\n{pad}{}\n{}]", items.join(&format!("\n{pad}")), " ".repeat(indent))
            } else {
                format!("[{}]", items.join(" "))
            }
        };
        let inputs: Vec<String> = eqn.inputs.iter().map(|a| self.atom(scope, a)).collect();
        let space = if inputs.is_empty() { "" } else { " " };
        format!("{outs} = {}{params_text}{space}{}", eqn.prim.name(), inputs.join(" "))
    }

    fn param(&mut self, param: &Param, indent: usize) -> String {
        match param {
            Param::Text(text) => text.clone(),
            Param::Jaxpr(jaxpr) => self.sub_jaxpr(jaxpr, indent),
            Param::Jaxprs(jaxprs) => {
                let pad = " ".repeat(indent + 2);
                let items: Vec<String> =
                    jaxprs.iter().map(|j| format!("{pad}{}", self.sub_jaxpr(j, indent + 2))).collect();
                format!("(\n{}\n{})", items.join("\n"), " ".repeat(indent))
            }
        }
    }

    fn sub_jaxpr(&mut self, jaxpr: &Arc<Jaxpr>, indent: usize) -> String {
        match self.shared.iter().find(|(j, _)| Arc::ptr_eq(j, jaxpr)) {
            Some((_, name)) => name.clone(),
            // Variables of a nested jaxpr are named anew from `a`, as JAX does.
            None => self.nested(jaxpr, indent),
        }
    }

    fn nested(&mut self, jaxpr: &Jaxpr, indent: usize) -> String {
        self.jaxpr(jaxpr, indent)
    }
}

/// Sub-jaxprs in the order of their first use, with the number of uses.
fn count_uses(jaxpr: &Jaxpr, counts: &mut Vec<(Arc<Jaxpr>, usize)>) {
    for eqn in &jaxpr.eqns {
        for sub in eqn.prim.sub_jaxprs() {
            match counts.iter_mut().find(|(j, _)| Arc::ptr_eq(j, sub)) {
                Some((_, n)) => *n += 1,
                None => {
                    count_uses(sub, counts);
                    counts.push((sub.clone(), 1));
                }
            }
        }
    }
}

impl fmt::Display for Jaxpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = Vec::new();
        count_uses(self, &mut counts);
        let mut printer = Printer::default();
        let shared: Vec<Arc<Jaxpr>> = counts.into_iter().filter(|(_, n)| *n > 1).map(|(j, _)| j).collect();
        for (i, jaxpr) in shared.iter().enumerate() {
            let name = if i == 0 { "f".to_owned() } else { format!("f{i}") };
            writeln!(f, "let {name} = {} in", printer.jaxpr(jaxpr, 0))?;
            printer.shared.push((jaxpr.clone(), name));
        }
        f.write_str(&printer.jaxpr(self, 0))
    }
}
