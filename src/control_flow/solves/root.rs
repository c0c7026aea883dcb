//! The flat form of `custom_root`, and its derivative by the implicit function theorem. JAX: `_custom_root`, `_root_jvp`.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use super::{Apply, Like, Part, TransposeSolve};
use crate::control_flow::common::trace;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::primitive::Tangent;
use crate::core::trace::{CustomCall, bind_custom};
use crate::error::Result;
use crate::interpreters::backward_pass::apply_linear;
use crate::interpreters::custom_call::record;
use crate::interpreters::jvp::{instantiate, jvp};
use crate::interpreters::linearize::linearize;
use crate::lax;
use crate::signature::{FlatOut, OutLeaves};

/// What a root is wanted of, without the types of the trees.
pub(super) struct RootOf<'a> {
    pub f: &'a Apply<'a>,
    pub solve: &'a Apply<'a>,
    pub tangent_solve: &'a TransposeSolve<'a>,
    pub has_aux: bool,
}

pub(super) fn root_flat(of: &RootOf<'_>, guess: FlatOut) -> Result<FlatOut> {
    let avals: Vec<ShapedArray> = guess.leaves.iter().map(Array::aval).collect();
    let n = avals.len();
    let like = Like { what: "custom_root", name: "initial_guess", tree: &guess.tree, avals: &avals };
    let f = trace(&avals, |x| like.checked("f", (of.f)(x)?, false))?;
    let solve = trace(&avals, |x| like.checked("solve", (of.solve)(x)?, of.has_aux))?;
    let twice = [&avals[..], &avals].concat();
    let tangent_solve = trace(&twice, |args| {
        let (x, y) = args.split_at(n);
        let nonzero: Vec<bool> = avals.iter().map(|aval| aval.dtype().is_inexact()).collect();
        let (linear, ()) = linearize(|x| Ok(((of.f)(x)?.leaves.into_vec(), ())), x, &nonzero)?;
        let apply = |dx: &[Array]| {
            let dx: Vec<Array> =
                dx.iter().zip(&nonzero).filter(|(_, nz)| **nz).map(|(dx, _)| dx.clone()).collect();
            let mut found = apply_linear(&linear.jaxpr, &dx)?.into_iter();
            let outs = linear.primals_out.iter().zip(&linear.nonzero_out);
            let leaves: OutLeaves =
                outs.map(|(x, nz)| instantiate(if *nz { found.next() } else { None }, x)).collect();
            Ok(FlatOut { leaves, tree: guess.tree.clone() })
        };
        like.checked("tangent_solve", (of.tangent_solve)(&apply, y)?, false)
    })?;
    let out_tree = solve.out_tree.clone();
    let mut args = Vec::new();
    let [f, solve, tangent_solve] = [f, solve, tangent_solve].map(|traced| {
        let consts = traced.consts.len();
        args.extend(traced.consts);
        Part { jaxpr: traced.jaxpr, consts }
    });
    args.extend(guess.leaves);
    let root: Arc<dyn CustomCall> = Arc::new(Root { f, solve, tangent_solve });
    let leaves = bind_custom(&root, &args)?.into_iter().collect();
    Ok(FlatOut { leaves, tree: out_tree })
}

/// A root. Arguments: the constants of the functions, in this order, and the initial guess.
#[derive(Clone, PartialEq)]
struct Root {
    f: Part,
    solve: Part,
    tangent_solve: Part,
}

impl Root {
    /// The constants of each, and the initial guess.
    fn split<'a, T>(&self, args: &'a [T]) -> [&'a [T]; 4] {
        let (f, rest) = args.split_at(self.f.consts);
        let (solve, rest) = rest.split_at(self.solve.consts);
        let (tangent_solve, guess) = rest.split_at(self.tangent_solve.consts);
        [f, solve, tangent_solve, guess]
    }
}

impl CustomCall for Root {
    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        let [_, solve, _, guess] = self.split(args);
        eval_jaxpr(&self.solve.jaxpr, &[], &[solve, guess].concat())
    }

    /// with f(m, x) = 0: dx = - (∂f/∂x)⁻¹ (∂f/∂m dm)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        let call: Arc<dyn CustomCall> = Arc::new(self.clone());
        let outs = bind_custom(&call, primals)?;
        let solution = &outs[..self.f.jaxpr.outvars.len()];
        let [of_f, _, of_solve, _] = self.split(primals);
        let [by, ..] = self.split(tangents);
        if by.iter().all(Option::is_none) {
            let zeros = vec![None; outs.len()];
            return Ok((outs, zeros));
        }
        let at = |m: &[Array]| eval_jaxpr(&self.f.jaxpr, &[], &[m, solution].concat());
        let (values, moved) = jvp(at, of_f, by)?;
        let moved: Vec<Array> = values.iter().zip(moved).map(|(x, dx)| instantiate(dx, x)).collect();
        let args = [of_solve, solution, &moved].concat();
        let mut found = eval_jaxpr(&self.tangent_solve.jaxpr, &[], &args)?.into_iter();
        let tangents = outs.iter().map(|x| {
            let dx = found.next().filter(|_| x.dtype().is_inexact());
            dx.map(|dx| lax::neg(&dx))
        });
        let tangents = tangents.collect();
        Ok((outs, tangents))
    }
    fn record(self: Arc<Self>, args: &[Array]) -> Result<Vec<Array>> {
        record(self, args)
    }
    fn primitive_name(&self) -> &'static str {
        "custom_jvp_call"
    }
    fn function_name(&self) -> Cow<'static, str> {
        "_custom_root".into()
    }
    fn may_capture(&self) -> bool {
        false
    }
    fn same(&self, other: &dyn CustomCall) -> bool {
        (other as &dyn Any).downcast_ref::<Self>().is_some_and(|other| self == other)
    }
}
