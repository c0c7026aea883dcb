//! `get`, `swap`, `addupdate`: reading what a reference refers to, or a part of it, and writing to it. JAX: `state/primitives.py`.
//!
//! Operands: the reference, what is written, and the arrays of the index. `ref[i] = x` is a `swap` whose result nobody uses.

use smallvec::{SmallVec, smallvec};

use super::indexer::Indexer;
use super::{check_ref, discharged, not_discharged};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::effects::{Effect, Effects};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Discharged, Jvp, LoweredValues, MappedAxis, Primitive, RefUpdate, Tangent,
};
use crate::core::small::one;
use crate::core::trace::bind;
use crate::error::{Error, Result, bail, err};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::interpreters::discharge::eval_discharged;
use crate::interpreters::jvp::instantiate;
use crate::lax;
use crate::lax::elementwise::tuple;
use crate::mlir::Value;

fn with_first<'a>(first: &'a Array, rest: &'a [Array]) -> SmallVec<[&'a Array; 4]> {
    std::iter::once(first).chain(rest).collect()
}

fn bind_get(indexer: &Indexer, from: &Array, positions: &[Array]) -> Result<Array> {
    match bind(Get { indexer: indexer.clone() }, &with_first(from, positions))?.pop() {
        Some(out) => Ok(out),
        None => bail!(Internal, "get: no result"),
    }
}

fn bind_write(kind: WriteKind, indexer: &Indexer, to: &Array, rest: &[Array]) -> Result<Arrays> {
    bind(Write { kind, indexer: indexer.clone() }, &with_first(to, rest))
}

/// What the reference refers to, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Get {
    pub indexer: Indexer,
}

impl Primitive for Get {
    fn name(&self) -> &'static str {
        "get"
    }
    fn equation(&self, results: &str, operands: &[String]) -> Option<String> {
        let part = self.indexer.printed(&operands[1..]);
        Some(format!("{results} <- {}{part}", operands[0]))
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        check_ref(self.name(), &ins[0])?;
        let shape = self.indexer.shape(ins[0].shape(), &ins[1..])?;
        Ok(smallvec![ins[0].with_ref(false).with_shape(&shape)])
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Err(not_discharged(self.name()))
    }
    /// dy = dx[i]
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = bind_get(&self.indexer, &primals[0], &primals[1..])?;
        let tangent = match &tangents[0] {
            Some(tangent) => Some(bind_get(&self.indexer, tangent, &primals[1..])?),
            None => None,
        };
        Ok((one(out), one(tangent)))
    }
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let (positions, at) = (&args[1..], &dims[1..]);
        if let Some(batched) = self.indexer.batched(dims[0], axis.size, positions, at)? {
            let out = bind_get(&batched.indexer, &args[0], &batched.positions)?;
            return Ok((one(out), one(Some(batched.dim))));
        }
        // The whole, of which each example takes its part.
        let mut values = vec![bind_get(&Indexer::whole(), &args[0], &[])?];
        values.extend_from_slice(positions);
        let part = |args: &[Array]| Ok((vec![self.indexer.read(&args[0], &args[1..])?], ()));
        let (outs, dims, ()) = batch(part, &values, dims, None, axis.size)?;
        Ok((outs.into(), dims.into()))
    }
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        Some(eval_discharged(self, args))
    }
    fn effects(&self) -> Effects {
        Effect::Read.into()
    }
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        let out = self.indexer.read(&args[0], &args[1..])?;
        Ok(discharged([out], args.len(), RefUpdate::Unchanged))
    }
}

/// How something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WriteKind {
    /// In the place of what was there, which is the result.
    Swap,
    /// Added to what was there. Without a result.
    AddUpdate,
}

/// Writes to what the reference refers to, or to a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Write {
    pub kind: WriteKind,
    pub indexer: Indexer,
}

impl Write {
    /// The part as it was, if it is the result, and the whole afterwards.
    fn apply(&self, args: &[Array]) -> Result<(Option<Array>, Array)> {
        let (x, value, positions) = (&args[0], &args[1], &args[2..]);
        Ok(match self.kind {
            WriteKind::Swap => {
                let old = self.indexer.read(x, positions)?;
                (Some(old), self.indexer.write(x, value, positions)?)
            }
            WriteKind::AddUpdate => (None, self.indexer.add(x, value, positions)?),
        })
    }

    #[cold]
    fn refused(&self, why: [&str; 3], aval: &ShapedArray) -> Error {
        let [with, on, of] = why;
        let operation = match self.kind {
            WriteKind::Swap => "a set/swap",
            WriteKind::AddUpdate => "an addupdate",
        };
        err!(
            InvalidArgument,
            "performing {operation} operation with a {with} value on {on} array reference of type {aval}. Move the array reference \
             to be an argument of the {of} function?"
        )
    }
}

/// Refuses a value of another type than that of the part that it is to be written to; `name` is what the user called.
pub(crate) fn check_value(
    name: &str,
    indexer: &Indexer,
    of: &ShapedArray,
    value: &ShapedArray,
    positions: &[ShapedArray],
) -> Result<()> {
    if value.is_ref() {
        bail!(InvalidArgument, "{name}: cannot store a reference into another. Read it first, by `get(..)`");
    }
    let expected = indexer.shape(of.shape(), positions)?;
    if value.shape() != &expected[..] {
        bail!(
            Shape,
            "{name}: invalid shape: the part of {of} that is written to has the shape {}, and the value {}",
            tuple(&expected),
            tuple(value.shape())
        );
    }
    if value.dtype() != of.dtype() {
        bail!(
            DType,
            "{name}: invalid dtype: the reference is of type {of}, and the value has dtype {}",
            value.dtype()
        );
    }
    Ok(())
}

impl Primitive for Write {
    fn name(&self) -> &'static str {
        match self.kind {
            WriteKind::Swap => "swap",
            WriteKind::AddUpdate => "addupdate",
        }
    }
    fn equation(&self, results: &str, operands: &[String]) -> Option<String> {
        let part = format!("{}{}", operands[0], self.indexer.printed(&operands[2..]));
        let value = &operands[1];
        Some(match self.kind {
            WriteKind::AddUpdate => format!("{part} += {value}"),
            WriteKind::Swap if results.is_empty() => format!("{part} <- {value}"),
            WriteKind::Swap => format!("{results}, {part} <- {part}, {value}"),
        })
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        check_ref(self.name(), &ins[0])?;
        check_value(self.name(), &self.indexer, &ins[0], &ins[1], &ins[2..])?;
        Ok(match self.kind {
            WriteKind::Swap => smallvec![ins[1].with_weak_type(false)],
            WriteKind::AddUpdate => Avals::new(),
        })
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Err(not_discharged(self.name()))
    }
    /// the tangent is written to the reference to the tangent
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let Some(to) = &tangents[0] else {
            let why = ["differentiated", "a non-differentiated", "differentiated"];
            return Err(self.refused(why, &primals[0].aval()));
        };
        let outs = bind_write(self.kind, &self.indexer, &primals[0], &primals[1..])?;
        let mut rest = vec![instantiate(tangents[1].clone(), &primals[1])];
        rest.extend_from_slice(&primals[2..]);
        let tangents = bind_write(self.kind, &self.indexer, to, &rest)?;
        Ok((outs, tangents.into_iter().map(Some).collect()))
    }
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let Some(ref_dim) = dims[0] else {
            return Err(self.refused(["vmapped", "an unbatched", "vmapped"], &args[0].aval()));
        };
        let (positions, at) = (&args[2..], &dims[2..]);
        if let Some(batched) = self.indexer.batched(dims[0], axis.size, positions, at)? {
            let mut rest = vec![move_batch_axis(&args[1], dims[1], batched.dim, axis.size)];
            rest.extend(batched.positions);
            let outs = bind_write(self.kind, &batched.indexer, &args[0], &rest)?;
            let dims = outs.iter().map(|_| Some(batched.dim)).collect();
            return Ok((outs, dims));
        }
        // The whole, of which each example writes its own.
        let mut values = vec![bind_get(&Indexer::whole(), &args[0], &[])?];
        values.extend_from_slice(&args[1..]);
        let each = |args: &[Array]| {
            let (old, new) = self.apply(args)?;
            Ok((old.into_iter().chain([new]).collect(), ()))
        };
        let (mut outs, mut dims, ()) = batch(each, &values, dims, None, axis.size)?;
        if let (Some(new), Some(dim)) = (outs.pop(), dims.pop()) {
            let new = move_batch_axis(&new, dim, ref_dim, axis.size);
            bind_write(WriteKind::Swap, &Indexer::whole(), &args[0], &[new])?;
        }
        Ok((outs.into(), dims.into()))
    }
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        Some(eval_discharged(self, args))
    }
    fn effects(&self) -> Effects {
        match self.kind {
            WriteKind::Swap => Effect::Write.into(),
            WriteKind::AddUpdate => Effect::Accum.into(),
        }
    }
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        let (old, new) = self.apply(args)?;
        let new = lax::convert(&new, args[0].dtype(), args[0].weak_type());
        Ok(discharged(old, args.len(), RefUpdate::Is(new)))
    }
}
