//! Which carries of a loop are affected: what reaches one of them in some iteration is there from the first. JAX: the loops
//! `for _ in range(1 + num_carry)` of its rules.

use smallvec::SmallVec;

use super::common::unite;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Atom, Jaxpr, Var};
use crate::core::work;
use crate::error::Result;

/// How marks pass through the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Mapped axes: from operands to results.
    Mapped,
    /// Tangents: from operands to results, through floating-point values.
    Tangents,
    /// Cotangents: from results to operands, through floating-point values.
    Cotangents,
    /// What is needed: from results to operands.
    Needed,
}

impl Flow {
    fn is_backward(self) -> bool {
        matches!(self, Flow::Cotangents | Flow::Needed)
    }
    fn passes(self, aval: &ShapedArray) -> bool {
        matches!(self, Flow::Mapped | Flow::Needed) || aval.dtype().is_inexact()
    }
}

/// The body of a loop.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    pub jaxpr: &'a Jaxpr,
    /// Its carries are the parameters from here on, and its leading results.
    pub first_carry: usize,
    pub num_carry: usize,
}

/// Iterations of a fixpoint before the rest is found by a walk.
const ROUNDS: usize = 3;

impl Body<'_> {
    /// What `make` gives for marks of the carries (`carry`, which grows) that it finds again. `others` are marks of the
    /// parameters, or of the results, in the way that they flow; those of the carries do not count.
    ///
    /// A carry that is affected through many others would take a round for each of them. So the rounds are limited, and then all
    /// that can be reached counts: too much only if an equation with several results does not pass on what reaches one of them.
    pub(crate) fn fixpoint<T>(
        self,
        flow: Flow,
        others: &[bool],
        carry: &mut [bool],
        mut make: impl FnMut(&[bool]) -> Result<T>,
        found: impl Fn(&T) -> &[bool],
    ) -> Result<T> {
        for round in 1.. {
            work::count(1);
            let made = make(carry)?;
            if !unite(carry, &found(&made)[..self.num_carry]) {
                return Ok(made);
            }
            if round >= ROUNDS {
                self.close(flow, others, carry);
            }
        }
        make(carry)
    }

    /// Marks each carry that what is marked reaches in any number of iterations.
    fn close(self, flow: Flow, others: &[bool], carry: &mut [bool]) {
        let (jaxpr, n) = (self.jaxpr, self.num_carry);
        let carries_in = &jaxpr.invars[self.first_carry..self.first_carry + n];
        let invars: Vec<Option<Var>> = jaxpr.invars.iter().map(|v| Some(*v)).collect();
        let outvars: Vec<Option<Var>> = jaxpr.outvars.iter().map(var).collect();
        // The equations, and the steps from an iteration's results to the next one's parameters.
        let steps = jaxpr.eqns.len() + n;
        let reads = |step: usize| -> SmallVec<[Var; 4]> {
            match jaxpr.eqns.get(step) {
                Some(eqn) => eqn.inputs.iter().filter_map(var).collect(),
                None => outvars[step - jaxpr.eqns.len()].into_iter().collect(),
            }
        };
        let defines = |step: usize| -> SmallVec<[Var; 4]> {
            match jaxpr.eqns.get(step) {
                Some(eqn) => eqn.outputs.iter().copied().collect(),
                None => SmallVec::from_slice(&[carries_in[step - jaxpr.eqns.len()]]),
            }
        };
        let backward = flow.is_backward();
        let from = |step| if backward { defines(step) } else { reads(step) };
        let to = |step| if backward { reads(step) } else { defines(step) };

        // The steps from each variable, one list after the other.
        let mut starts = vec![0usize; jaxpr.avals.len() + 1];
        (0..steps).flat_map(from).for_each(|v| starts[v.0 as usize + 1] += 1);
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut filled = starts.clone();
        let mut lists = vec![0usize; starts[starts.len() - 1]];
        for step in 0..steps {
            for v in from(step) {
                lists[filled[v.0 as usize]] = step;
                filled[v.0 as usize] += 1;
            }
        }

        let (ends, first) = if backward { (&outvars, 0) } else { (&invars, self.first_carry) };
        let is_carry = |i: usize| (first..first + n).contains(&i);
        let marked = (0..ends.len()).filter(|i| if is_carry(*i) { carry[i - first] } else { others[*i] });
        let mut stack: Vec<Var> = marked.filter_map(|i| ends[i]).collect();
        let mut reached = vec![false; jaxpr.avals.len()];
        let mut done = vec![false; steps];
        while let Some(v) = stack.pop() {
            work::count(1);
            let v = v.0 as usize;
            if std::mem::replace(&mut reached[v], true) || !flow.passes(&jaxpr.avals[v]) {
                continue;
            }
            for step in &lists[starts[v]..starts[v + 1]] {
                if !std::mem::replace(&mut done[*step], true) {
                    stack.extend(to(*step));
                }
            }
        }
        for (mark, v) in carry.iter_mut().zip(carries_in) {
            let v = v.0 as usize;
            *mark |= reached[v] && flow.passes(&jaxpr.avals[v]);
        }
    }
}

fn var(atom: &Atom) -> Option<Var> {
    match atom {
        Atom::Var(v) => Some(*v),
        Atom::Literal(_) => None,
    }
}
