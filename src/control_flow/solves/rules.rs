//! The primitive `custom_linear_solve` and its rules.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Part;
use crate::calls::refs;
use crate::control_flow::common::{to_front, unite};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::effects::Effects;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind;
use crate::error::{Result, bail};
use crate::interpreters::batching::{BatchedJaxpr, batch_jaxpr};
use crate::interpreters::jvp::jvp;
use crate::lax;
use crate::mlir::Value;

/// The solution of a linear equation. Operands: the constants of each function, in the order of the fields, and the right-hand side.
/// Results: those of `solve`. JAX: `linear_solve_p`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinearSolve {
    pub matvec: Part,
    pub vecmat: Option<Part>,
    pub solve: Part,
    pub transpose_solve: Option<Part>,
}

/// What each function has, and what the right-hand side has.
struct Split<'a, T> {
    matvec: &'a [T],
    vecmat: &'a [T],
    solve: &'a [T],
    transpose_solve: &'a [T],
    b: &'a [T],
}

fn consts(part: &Option<Part>) -> usize {
    part.as_ref().map_or(0, |part| part.consts)
}

impl LinearSolve {
    fn lengths(&self) -> [usize; 4] {
        [self.matvec.consts, consts(&self.vecmat), self.solve.consts, consts(&self.transpose_solve)]
    }

    fn split<'a, T>(&self, args: &'a [T]) -> Split<'a, T> {
        let [m, v, s, t] = self.lengths();
        let (matvec, rest) = args.split_at(m);
        let (vecmat, rest) = rest.split_at(v);
        let (solve, rest) = rest.split_at(s);
        let (transpose_solve, b) = rest.split_at(t);
        Split { matvec, vecmat, solve, transpose_solve, b }
    }

    /// The results that are the solution.
    fn num_x(&self) -> usize {
        self.matvec.jaxpr.outvars.len()
    }
}

/// A tuple of Python with names for its elements.
fn named(values: [String; 4]) -> String {
    let [matvec, vecmat, solve, transpose_solve] = values;
    format!(
        "_LinearSolveTuple(matvec={matvec}, vecmat={vecmat}, solve={solve}, transpose_solve={transpose_solve})"
    )
}

impl Primitive for LinearSolve {
    fn name(&self) -> &'static str {
        "custom_linear_solve"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let text = |part: Option<&Part>| part.map_or("None".to_owned(), |part| part.jaxpr.to_string());
        let jaxprs = [
            text(Some(&self.matvec)),
            text(self.vecmat.as_ref()),
            text(Some(&self.solve)),
            text(self.transpose_solve.as_ref()),
        ];
        vec![
            ("const_lengths", Param::Text(named(self.lengths().map(|n| n.to_string())))),
            ("jaxprs", Param::Text(named(jaxprs))),
        ]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        let parts =
            [Some(&self.matvec), self.vecmat.as_ref(), Some(&self.solve), self.transpose_solve.as_ref()];
        parts.into_iter().flatten().map(|part| &part.jaxpr).collect()
    }
    fn effects(&self) -> Effects {
        self.solve.jaxpr.effects()
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        self.effects().check(Effects::CONTROL_FLOW, "`custom_linear_solve`")?;
        let given = self.split(ins);
        let params = self.solve.jaxpr.in_avals();
        let operands = given.solve.iter().chain(given.b);
        if given.solve.len() + given.b.len() != params.len()
            || !operands.zip(&params).all(|(x, p)| x.matches(p))
        {
            bail!(Internal, "custom_linear_solve: operands {ins:?} do not fit the parameters {params:?}");
        }
        let aux = self.solve.jaxpr.out_avals().split_off(self.num_x());
        Ok(given.b.iter().copied().chain(aux).collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let given = self.split(ins);
        ctx.inline_jaxpr(&self.solve.jaxpr, &[given.solve, given.b].concat())
    }

    /// dx = a⁻¹ (db - da x)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let outs = bind(self.clone(), &refs(primals))?;
        let (given, moved) = (self.split(primals), self.split(tangents));
        let n = self.num_x();
        let mut rhs: Vec<Tangent> = moved.b.to_vec();
        if moved.matvec.iter().any(Option::is_some) {
            let args = [given.matvec, &outs[..n]].concat();
            let zeros = vec![None; n];
            let by = |args: &[Array]| eval_jaxpr(&self.matvec.jaxpr, &[], args);
            let (_, of_matvec) = jvp(by, &args, &[moved.matvec, &zeros].concat())?;
            for (db, dax) in rhs.iter_mut().zip(of_matvec) {
                let Some(dax) = dax.map(|dax| lax::neg(&dax)) else { continue };
                *db = Some(match db.take() {
                    Some(db) => lax::add_any(&db, &dax),
                    None => dax,
                });
            }
        }
        if rhs.iter().all(Option::is_none) {
            let zeros = SmallVec::from_elem(None, outs.len());
            return Ok((outs, zeros));
        }
        let rhs = rhs.into_iter().zip(given.b).map(|(db, b)| db.unwrap_or_else(|| lax::zeros_like(b)));
        let consts = primals.len() - given.b.len();
        let args: Vec<Array> = primals[..consts].iter().cloned().chain(rhs).collect();
        let found = bind(self.clone(), &refs(&args))?;
        let tangents = found.into_iter().enumerate();
        let tangents = tangents.map(|(i, dx)| (i < n && dx.dtype().is_inexact()).then_some(dx)).collect();
        Ok((outs, tangents))
    }

    /// b̄ = a⁻ᵀ x̄
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let (Some(vecmat), Some(transpose_solve)) = (&self.vecmat, &self.transpose_solve) else {
            bail!(
                Differentiation,
                "transpose_solve required for backwards mode automatic differentiation of custom_linear_solve"
            )
        };
        let n = self.num_x();
        let consts = ins.len() - n;
        let known: Vec<Array> = ins[..consts].iter().filter_map(LinearInput::known).cloned().collect();
        if known.len() != consts || cts[n..].iter().any(Option::is_some) {
            bail!(
                Differentiation,
                "custom_linear_solve: it is linear in the right-hand side alone, and what it gives besides the solution has no derivative"
            );
        }
        let given = self.split(&known);
        let transposed = LinearSolve {
            matvec: vecmat.clone(),
            vecmat: Some(self.matvec.clone()),
            solve: transpose_solve.clone(),
            transpose_solve: Some(self.solve.clone()),
        };
        let cts = cts[..n].iter().zip(&ins[consts..]);
        let cts: Vec<Array> =
            cts.map(|(ct, b)| ct.clone().unwrap_or_else(|| lax::zeros_like_aval(&b.aval()))).collect();
        let args = [given.vecmat, given.matvec, given.transpose_solve, given.solve, &cts].concat();
        let found = bind(transposed, &refs(&args))?;
        let of_b = found.into_iter().take(n).zip(&ins[consts..]);
        let of_b = of_b.map(|(ct, b)| b.is_linear().then_some(ct));
        Ok(std::iter::repeat_n(None, consts).chain(of_b).collect())
    }

    /// The same of batched functions, in which the parts of the solution and of the right-hand side that are mapped agree
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let mapped: Vec<bool> = dims.iter().map(Option::is_some).collect();
        let mapped = self.split(&mapped);
        let n = self.num_x();
        let of = |part: &Part, consts: &[bool], operand: &[bool], force: &[bool]| {
            batch_jaxpr(&part.jaxpr, axis, &[consts, operand].concat(), force)
        };
        let (mut b, mut x) = (mapped.b.to_vec(), vec![false; self.solve.jaxpr.outvars.len()]);
        let made = loop {
            let (mut next_b, mut next_x) = (b.clone(), x.clone());
            let solve = of(&self.solve, mapped.solve, &b, &x)?;
            unite(&mut next_x, &solve.mapped_out);
            let vecmat = match &self.vecmat {
                Some(vecmat) => {
                    let vecmat = of(vecmat, mapped.vecmat, &b, &b)?;
                    // What is given besides is mapped in any case.
                    let besides = vec![true; x.len() - n];
                    unite(&mut next_x, &[&vecmat.mapped_out[..], &besides].concat());
                    Some(vecmat)
                }
                None => None,
            };
            let matvec = of(&self.matvec, mapped.matvec, &next_x[..n], &b)?;
            unite(&mut next_b, &matvec.mapped_out);
            let transpose_solve = match &self.transpose_solve {
                Some(solve) => {
                    let solve = of(solve, mapped.transpose_solve, &next_x[..n], &next_x)?;
                    unite(&mut next_b, &solve.mapped_out[..n]);
                    Some(solve)
                }
                None => None,
            };
            if next_b == b && next_x == x {
                break [Some(matvec), vecmat, Some(solve), transpose_solve];
            }
            (b, x) = (next_b, next_x);
        };
        let given = self.split(args);
        let given_dims = self.split(dims);
        let all = [
            (given.matvec, given_dims.matvec),
            (given.vecmat, given_dims.vecmat),
            (given.solve, given_dims.solve),
            (given.transpose_solve, given_dims.transpose_solve),
        ];
        let mut operands: Vec<Array> = Vec::new();
        let parts = made.iter().zip(all).map(|(made, (consts, dims))| {
            let made: &BatchedJaxpr = made.as_deref()?;
            operands.extend(made.consts.iter().cloned());
            operands.extend(consts.iter().zip(dims).map(|(x, d)| to_front(x, *d, d.is_some(), 0, axis.size)));
            Some(Part { jaxpr: made.jaxpr.clone(), consts: made.consts.len() + consts.len() })
        });
        let parts: Vec<Option<Part>> = parts.collect();
        let of_b = given.b.iter().zip(given_dims.b).zip(&b);
        operands.extend(of_b.map(|((x, d), mapped)| to_front(x, *d, *mapped, 0, axis.size)));
        let Ok([Some(matvec), vecmat, Some(solve), transpose_solve]) = <[Option<Part>; 4]>::try_from(parts)
        else {
            bail!(Internal, "custom_linear_solve: a function is gone")
        };
        let outs = bind(LinearSolve { matvec, vecmat, solve, transpose_solve }, &refs(&operands))?;
        Ok((outs, x.iter().map(|mapped| mapped.then_some(0)).collect()))
    }
}
