//! Transformations of functions over plain lists of arrays, for tests of these layers.

use crate::calls::jit_call::JitCall;
use crate::calls::refs;
use crate::core::array::Array;
use crate::core::primitive::BatchDim;
use crate::core::trace::bind;
use crate::error::Result;
use crate::interpreters::backward_pass::backward_pass;
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::interpreters::linearize::linearize;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};
use crate::lax;

pub(crate) fn jit(f: impl Fn(&[Array]) -> Result<Vec<Array>>, args: &[Array]) -> Result<Vec<Array>> {
    let avals: Vec<_> = args.iter().map(Array::aval).collect();
    let (jaxpr, consts) = convert_constvars(trace_to_jaxpr(&avals, f)?);
    let args: Vec<Array> = consts.into_iter().chain(args.iter().cloned()).collect();
    Ok(bind(JitCall::new("f", jaxpr), &refs(&args))?.into_vec())
}

/// Gradients of the sum of the results.
pub(crate) fn grad(f: impl Fn(&[Array]) -> Result<Vec<Array>>, args: &[Array]) -> Result<Vec<Array>> {
    let nonzero: Vec<bool> = args.iter().map(|x| x.dtype().is_inexact()).collect();
    let (linear, ()) = linearize(|args| Ok((f(args)?, ())), args, &nonzero)?;
    let outs = linear.primals_out.iter().zip(&linear.nonzero_out).filter(|(_, nz)| **nz);
    let cts: Vec<_> = outs.map(|(x, _)| Some(lax::full_like(x, 1.0))).collect();
    let mut cts = backward_pass(&linear.jaxpr, &cts)?.into_iter();
    let wrt = args.iter().zip(&nonzero).filter(|(_, nz)| **nz);
    Ok(wrt.map(|(x, _)| cts.next().flatten().unwrap_or_else(|| lax::zeros_like(x))).collect())
}

/// Results with the mapped axis in front.
pub(crate) fn vmap(
    f: impl Fn(&[Array]) -> Result<Vec<Array>>,
    args: &[Array],
    dims: &[BatchDim],
) -> Result<Vec<Array>> {
    vmap_named(None, f, args, dims)
}

pub(crate) fn vmap_named(
    name: Option<&str>,
    f: impl Fn(&[Array]) -> Result<Vec<Array>>,
    args: &[Array],
    dims: &[BatchDim],
) -> Result<Vec<Array>> {
    let size = args.iter().zip(dims).find_map(|(x, d)| d.map(|d| x.shape()[d])).unwrap_or(1);
    let (outs, dims, ()) = batch(|args| Ok((f(args)?, ())), args, dims, name.map(Into::into), size)?;
    Ok(outs.iter().zip(dims).map(|(x, d)| move_batch_axis(x, d, 0, size)).collect())
}

pub(crate) fn f32s(x: &Array) -> Vec<f32> {
    x.to_vec().unwrap()
}
