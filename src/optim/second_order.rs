//! Products with Hessians, their diagonals and those of Fisher's information. Optax: `optax.second_order`.

use crate::Pytree;
use crate::api::{grad, jvp, vmap};
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{Result, bail, caller, catch};
use crate::signature::Output;
use crate::tree::{self, AnyTree};
use crate::{lax, numpy};

/// All elements of a tree, one after the other.
fn ravel<T: Pytree>(tree: &T) -> Array {
    let parts: Vec<Array> = tree::leaves(tree).iter().map(numpy::ravel).collect();
    if parts.is_empty() { numpy::zeros(0) } else { numpy::concatenate(&parts, 0) }
}

/// A vector as a tree of the form of another, and of its dtypes.
fn unravel<T: Pytree>(v: &Array, like: &T) -> Result<T> {
    let size: usize = tree::leaves(like).iter().map(Array::size).sum();
    if v.shape() != [size] {
        bail!(
            Shape,
            "requires a vector with an element for each of the {size} of the parameters, got {}",
            v.aval()
        );
    }
    let mut at = 0;
    let part = |x: &Array| {
        let part = lax::slice_in_dim(v, at..at + x.size(), 0);
        at += x.size();
        Ok(numpy::reshape(part, x.shape()).astype(x.dtype()))
    };
    tree::try_map(part, like)
}

/// The product of the Hessian of `loss` at `params` with a vector, which has an element for each of the parameters in the order of their
/// tree; a tree as `params` is. What the loss looks at besides is captured. Pearlmutter 1994.
///
/// ```
/// use raxla::{optim, prelude::*};
///
/// // The Hessian is [[2, 3], [3, 0]].
/// let loss = |(x, y): &(Array, Array)| x * x + 3.0 * x * y;
/// let params = (Array::from(1.0f32), Array::from(2.0f32));
/// let (x, y) = optim::hvp(loss, Array::from([1.0f32, 10.0]), &params)?;
/// assert_eq!((x.item::<f32>()?, y.item::<f32>()?), (32.0, 3.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `hvp: requires a vector with an element for each of the 2 of the parameters, got f32[3]`; what `loss` fails with.
#[track_caller]
pub fn hvp<P: Pytree, O: Output<Tree = Array>>(
    loss: impl Fn(&P) -> O + Send + Sync,
    v: impl Into<Array>,
    params: &P,
) -> Result<P> {
    let (loc, v) = (caller(), v.into());
    let product = || {
        let v = unravel(&v, params).map_err(|e| e.context("hvp"))?;
        product_with(&loss, &v, params)
    };
    with_location(loc, || catch(product)).map_err(|e| e.at(loc))
}

/// The derivative of the gradient in a direction.
fn product_with<P: Pytree, O: Output<Tree = Array>>(
    loss: &(impl Fn(&P) -> O + Send + Sync),
    v: &P,
    params: &P,
) -> Result<P> {
    let gradient = |params: &P| grad(|params: &P| loss(params).into_result())(params);
    Ok(jvp(gradient, (params,), (v,))?.1)
}

/// The diagonal of the Hessian of `loss` at `params`, a vector in the order of their tree. It takes a product with the Hessian for each
/// of the parameters.
///
/// ```
/// use raxla::{optim, prelude::*};
///
/// let loss = |x: &Array| jnp::sum(x * x * x, ..);
/// # use raxla::numpy as jnp;
/// let diagonal = optim::hessian_diag(loss, &Array::from([1.0f32, 2.0]))?;
/// assert_eq!(diagonal.to_vec::<f32>()?, [6.0, 12.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What `loss` fails with.
#[track_caller]
pub fn hessian_diag<P: Pytree, O: Output<Tree = Array>>(
    loss: impl Fn(&P) -> O + Send + Sync,
    params: &P,
) -> Result<Array> {
    let loc = caller();
    let params = &AnyTree::new(params);
    let loss = |params: &AnyTree| loss(&params.to()?).into_result();
    let each = |v: &Array| -> Result<Array> {
        Ok(numpy::vdot(v, ravel(&product_with(&loss, &unravel(v, params)?, params)?)))
    };
    let run = || vmap(each)(&numpy::eye(ravel(params).size()));
    with_location(loc, || catch(run)).map_err(|e| e.at(loc))
}

/// The diagonal of the observed Fisher information, the squares of the gradient of a negative log likelihood: a vector in the order of
/// the parameters' tree.
///
/// ```
/// use raxla::{optim, prelude::*};
///
/// let diagonal = optim::fisher_diag(|x: &Array| (x * x).sum(..), &Array::from([1.0f32, 2.0]))?;
/// assert_eq!(diagonal.to_vec::<f32>()?, [4.0, 16.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What `negative_log_likelihood` fails with.
#[track_caller]
pub fn fisher_diag<P: Pytree, O: Output<Tree = Array>>(
    negative_log_likelihood: impl Fn(&P) -> O + Send + Sync,
    params: &P,
) -> Result<Array> {
    let loc = caller();
    let run = || {
        let gradient = grad(|params: &P| negative_log_likelihood(params).into_result())(params)?;
        Ok(numpy::square(ravel(&gradient)))
    };
    with_location(loc, || catch(run)).map_err(|e| e.at(loc))
}
