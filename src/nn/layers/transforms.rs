//! Parts of a model inside of transformations. Flax: `linen/transforms.py`.
//!
//! Parameters can be asked for inside of any transformation: a closure of `scan` or `vmap` may use a scope that it borrows, and
//! all steps share the parameters. What needs more is here: layers that are many, and state that leaves a transformation.

use crate::calls::checkpoint::{CheckpointOptions, checkpoint_with};
use crate::control_flow::{ScanOptions, scan_with};
use crate::core::array::Array;
use crate::error::OrThrow;
use crate::nn::{NamedTree, Scope};
use crate::numpy;
use crate::random;
use crate::signature::Output;
use crate::tree::Pytree;

/// `n` layers that are alike, one after the other: `x` goes through all of them. Flax: `nn.scan`.
///
/// Parameters and state have a leading axis of size `n`, and the program a loop: it compiles as fast for 96 layers as for one.
///
/// ```
/// use raxla::nn::{self, Mode, Scope};
/// use raxla::{prelude::*, random};
///
/// let block = |cx: &Scope, x: Array| &x + nn::relu(nn::linear(&cx.at("fc"), &x, 4));
/// let x = lax::full([2, 4], 1f32);
/// let deep = |cx: &Scope| nn::repeat(&cx.at("blocks"), 12, x.clone(), block);
/// let params = nn::init(&random::key(0), deep)?;
/// assert_eq!(params.get("blocks/fc/kernel").map(Array::shape), Some(&[12, 4, 4][..]));
/// assert_eq!(nn::apply(&params, Mode::eval(), deep)?.shape(), [2, 4]);
/// # use raxla::lax;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A layer whose result is of another type than its input; those of the layers.
#[track_caller]
pub fn repeat<C, O>(cx: &Scope, n: usize, x: C, block: impl Fn(&Scope, C) -> O) -> C
where
    C: Pytree,
    O: Output<Tree = C>,
{
    if cx.is_initial() {
        let inner = cx.framed(NamedTree::default(), NamedTree::default(), cx.any_key(), Some(n));
        return block(&inner, x).into_result().or_throw();
    }
    let key = cx.try_key();
    let body = |x: C, (params, state, i): (NamedTree, NamedTree, Array)| {
        let own = key.as_ref().map(|key| random::fold_in(key, i));
        let inner = cx.framed(params, state, own, None);
        let x = block(&inner, x).into_result()?;
        Ok((x, inner.state_below()))
    };
    let layers = numpy::arange(n as i64);
    let options = ScanOptions::new().length(n);
    let (x, state) = scan_with(body, x, (cx.params_below(), cx.state_below(), layers), options).or_throw();
    cx.put_state_below(&state).or_throw();
    x
}

/// A part of a model whose intermediate values are computed again in the backward pass, to save memory. Flax: `nn.remat`.
///
/// ```
/// use raxla::nn::{self, Mode, Params, Scope};
/// use raxla::{prelude::*, random};
///
/// let x = Array::from([[1.0f32, 2.0]]);
/// let model = |cx: &Scope| nn::remat(&cx.at("block"), &x, |cx, x| nn::gelu(nn::linear(cx, x, 3)));
/// let params = nn::init(&random::key(0), model)?;
/// let loss = |params: &Params| Ok(nn::apply(params, Mode::train(), model)?.sum(..));
/// assert_eq!(grad(loss)(&params)?.len(), 2);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `f`.
#[track_caller]
pub fn remat<X, O>(cx: &Scope, x: &X, f: impl Fn(&Scope, &X) -> O + Send + Sync) -> O::Tree
where
    X: Pytree,
    O: Output,
{
    remat_with(cx, x, f, CheckpointOptions::new())
}

/// [`remat`] with options: which values are kept all the same.
///
/// # Errors
/// Those of `f`.
#[track_caller]
pub fn remat_with<X, O>(
    cx: &Scope,
    x: &X,
    f: impl Fn(&Scope, &X) -> O + Send + Sync,
    options: CheckpointOptions,
) -> O::Tree
where
    X: Pytree,
    O: Output,
{
    if cx.is_initial() {
        return f(cx, x).into_result().or_throw();
    }
    let key = cx.any_key();
    let part = |params: &NamedTree, state: &NamedTree, x: &X| {
        let inner = cx.framed(params.clone(), state.clone(), key.clone(), None);
        let y = f(&inner, x).into_result()?;
        Ok((y, inner.state_below()))
    };
    let (y, state) = checkpoint_with(part, options)(&cx.params_below(), &cx.state_below(), x).or_throw();
    cx.put_state_below(&state).or_throw();
    y
}
