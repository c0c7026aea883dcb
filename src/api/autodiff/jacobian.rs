//! `jacfwd`, `jacrev` and `hessian`. JAX: `jax.jacfwd`, `jax.jacrev`, `jax.hessian`.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::options::{Argnum, Argnums, Aux, GradOptions, NoAux, Wrt, pair};
use super::{Grad, Out, check_inputs, check_output, linearize_flat, mark};
use crate::core::array::Array;
use crate::core::primitive::Ct;
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::{apply_linear, backward_pass};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::interpreters::jvp::instantiate;
use crate::interpreters::linearize::Linear;
use crate::lax;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Traceable};
use crate::tree::{Token, TreeDef};

/// The Jacobian of a function that returns one array with respect to its first argument, by forward mode: a leaf of
/// shape `s` gives a leaf of shape `out.shape + s`. Better for tall Jacobians.
///
/// ```
/// use raxla::prelude::*;
///
/// let x = Array::from([1.0f32, 2.0]);
/// assert_eq!(jacfwd(|x: &Array| x * x)(&x)?.to_vec::<f32>()?, [2.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A result that is not one array; integers; complex numbers without `holomorphic`; what `f` fails with.
#[track_caller]
pub fn jacfwd<'f, F, M>(f: F) -> Grad<'f, M, F, Argnum<0>, NoAux>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    Argnum<0>: Argnums<M::Sig>,
{
    jacfwd_with(f, GradOptions::new())
}

/// [`jacfwd`] with options. `allow_int` says nothing to it, as in JAX.
///
/// ```
/// use raxla::api::{Argnum, GradOptions, jacfwd_with};
/// use raxla::prelude::*;
///
/// let (x, y) = (Array::from([1.0f32, 2.0]), Array::from([3.0f32, 4.0]));
/// let both = GradOptions::argnums((Argnum::<0>, Argnum::<1>));
/// let (dx, dy) = jacfwd_with(|x: &Array, y: &Array| x * y, both)(&x, &y)?;
/// assert_eq!(dx.to_vec::<f32>()?, [3.0, 0.0, 0.0, 4.0]);
/// assert_eq!(dy.to_vec::<f32>()?, [1.0, 0.0, 0.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`jacfwd`].
#[track_caller]
pub fn jacfwd_with<'f, F, M, W, A>(f: F, options: GradOptions<W, A>) -> Grad<'f, M, F, W, A>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    W: Argnums<M::Sig>,
    A: Aux<Out<'f, M, F>>,
{
    Fun::from_flat(Jacobian::flat("jacfwd", M::into_flat(f), W::ARGNUMS, A::HAS_AUX, options))
}

/// The Jacobian of a function that returns one array with respect to its first argument, by reverse mode: a leaf of
/// shape `s` gives a leaf of shape `out.shape + s`. Better for wide Jacobians.
///
/// ```
/// use raxla::{numpy as jnp, prelude::*};
///
/// let x = Array::from([1.0f32, 2.0]);
/// assert_eq!(jacrev(|x: &Array| jnp::cumsum(x, 0) * x)(&x)?.to_vec::<f32>()?, [2.0, 0.0, 2.0, 5.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A result that is not one array; integers; complex results without `holomorphic`; what `f` fails with.
#[track_caller]
pub fn jacrev<'f, F, M>(f: F) -> Grad<'f, M, F, Argnum<0>, NoAux>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    Argnum<0>: Argnums<M::Sig>,
{
    jacrev_with(f, GradOptions::new())
}

/// [`jacrev`] with options, as [`jacfwd_with`].
///
/// # Errors
/// As [`jacrev`].
#[track_caller]
pub fn jacrev_with<'f, F, M, W, A>(f: F, options: GradOptions<W, A>) -> Grad<'f, M, F, W, A>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    W: Argnums<M::Sig>,
    A: Aux<Out<'f, M, F>>,
{
    Fun::from_flat(Jacobian::flat("jacrev", M::into_flat(f), W::ARGNUMS, A::HAS_AUX, options))
}

/// The Hessian of a function of one array, which is its first argument: forward over reverse mode.
///
/// ```
/// use raxla::{numpy as jnp, prelude::*};
///
/// let x = Array::from([1.0f32, 2.0]);
/// let f = |x: &Array| jnp::sum(x * x * x, ..);
/// assert_eq!(hessian(f)(&x)?.to_vec::<f32>()?, [6.0, 0.0, 0.0, 12.0]);
///
/// // Its product with a vector, without the Hessian.
/// let v = Array::from([1.0f32, 2.0]);
/// let (_, hvp) = jvp(grad(f), (&x,), (&v,))?;
/// assert_eq!(hvp.to_vec::<f32>()?, [6.0, 24.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`jacrev`]; a first argument of more than one leaf.
#[track_caller]
pub fn hessian<'f, F, M>(f: F) -> Grad<'f, M, F, Argnum<0>, NoAux>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    Argnum<0>: Argnums<M::Sig>,
{
    hessian_with(f, GradOptions::new())
}

/// [`hessian`] with options; one argument of one leaf.
///
/// # Errors
/// As [`hessian`].
#[track_caller]
pub fn hessian_with<'f, F, M, W, A>(f: F, options: GradOptions<W, A>) -> Grad<'f, M, F, W, A>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    W: Argnums<M::Sig>,
    A: Aux<Out<'f, M, F>>,
{
    let gradient = Jacobian::flat("jacrev", M::into_flat(f), W::ARGNUMS, A::HAS_AUX, options);
    Fun::from_flat(Jacobian::flat("jacfwd", gradient, W::ARGNUMS, A::HAS_AUX, options))
}

struct Jacobian<'f> {
    name: &'static str,
    f: Arc<dyn FlatFn + 'f>,
    wrt: Wrt,
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
}

impl<'f> Jacobian<'f> {
    fn flat<W, A>(
        name: &'static str,
        f: Arc<dyn FlatFn + 'f>,
        wrt: Wrt,
        has_aux: bool,
        options: GradOptions<W, A>,
    ) -> Arc<dyn FlatFn + 'f> {
        let GradOptions { holomorphic, allow_int, .. } = options;
        Arc::new(Jacobian { name, f, wrt, has_aux, holomorphic, allow_int })
    }
}

/// The unit vectors of an array's space, stacked in front: `[n, *shape]` for an array of `n` elements.
fn unit_vectors(x: &Array) -> Array {
    let n = x.size();
    // Rows of n + 1 elements that begin with a one, read as rows of n: the ones move along the diagonal.
    let ones = lax::full([n, 1], lax::literal_like(x, 1.0));
    let rows = lax::pad(&ones, lax::literal_like(x, 0.0), [(0, 0, 0), (0, n as i64, 0)]);
    let eye = lax::slice(&lax::reshape(&rows, n * (n + 1)), 0, n * n);
    let shape: Vec<usize> = std::iter::once(n).chain(x.shape().iter().copied()).collect();
    lax::reshape(&eye, &shape)
}

/// `rows`, one for each element, as an array of shape `leading + trailing`.
fn shaped(rows: &Array, leading: &[usize], trailing: &[usize]) -> Array {
    let shape: Vec<usize> = leading.iter().chain(trailing).copied().collect();
    lax::reshape(rows, &shape)
}

/// One derivative for each of the arrays `xs`, which are the linearised function's parameters, by forward mode.
fn forwards(linear: &Linear, xs: &[Array]) -> Result<Vec<Array>> {
    let y = &linear.primals_out[0];
    let mut found = Vec::new();
    for (i, x) in xs.iter().enumerate() {
        let mut tangents: Vec<Array> = xs.iter().map(lax::zeros_like).collect();
        tangents[i] = unit_vectors(x);
        let dims: Vec<Option<usize>> = (0..xs.len()).map(|j| (j == i).then_some(0)).collect();
        let push = |tangents: &[Array]| Ok((apply_linear(&linear.jaxpr, tangents)?, ()));
        let (columns, dims, ()) = batch(push, &tangents, &dims, None, x.size())?;
        // [n, *out] with the columns in front: they go behind.
        let columns = move_batch_axis(&columns[0], dims[0], y.ndim(), x.size());
        found.push(shaped(&columns, y.shape(), x.shape()));
    }
    Ok(found)
}

/// The same by reverse mode.
fn backwards(linear: &Linear, xs: &[Array]) -> Result<Vec<Array>> {
    let y = &linear.primals_out[0];
    // Auxiliary output is not differentiated.
    let others = linear.nonzero_out[1..].iter().filter(|nz| **nz).count();
    let pull = |ct: &Array| {
        let cts: Vec<Ct> = std::iter::once(Some(ct.clone())).chain(vec![None; others]).collect();
        let found = backward_pass(&linear.jaxpr, &cts)?;
        Ok(found.into_iter().zip(xs).map(|(ct, x)| instantiate(ct, x)).collect::<Vec<_>>())
    };
    if y.ndim() == 0 {
        return pull(&lax::full_like(y, 1.0));
    }
    let (rows, dims, ()) =
        batch(|cts| Ok((pull(&cts[0])?, ())), &[unit_vectors(y)], &[Some(0)], None, y.size())?;
    let rows = rows.iter().zip(dims).zip(xs);
    Ok(rows
        .map(|((row, dim), x)| shaped(&move_batch_axis(row, dim, 0, y.size()), y.shape(), x.shape()))
        .collect())
}

impl FlatFn for Jacobian<'_> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let run = || {
            let forward = self.name == "jacfwd";
            let wrt = self.wrt.leaves(&args);
            check_inputs(self.name, self.holomorphic, self.allow_int && !forward, &args, &wrt)?;
            let nonzero = mark(&args, &wrt);
            let (linear, out_tree) = linearize_flat(&*self.f, &args, &nonzero)?;
            let out_tokens = out_tree.tokens();
            let value = if self.has_aux { out_tokens.get(1) } else { out_tokens.first() };
            if value != Some(&Token::Leaf) || (!self.has_aux && linear.primals_out.len() != 1) {
                bail!(
                    Differentiation,
                    "{}: {} must return one array{}, it returned {out_tree}",
                    self.name,
                    self.f.describe(),
                    if self.has_aux { " and auxiliary output" } else { "" }
                );
            }
            let y = &linear.primals_out[0];
            if !forward || self.holomorphic {
                check_output(self.name, self.holomorphic, y)?;
            }
            let varying = args.leaves.iter().zip(&nonzero).filter(|(_, nz)| **nz);
            let varying: Vec<Array> = varying.map(|(x, _)| x.clone()).collect();
            let mut found = match (linear.nonzero_out[0], forward) {
                (false, _) => Vec::new(),
                (true, true) => forwards(&linear, &varying)?,
                (true, false) => backwards(&linear, &varying)?,
            }
            .into_iter();
            let mut of_leaf: Vec<Option<Array>> =
                nonzero.iter().map(|nz| if *nz { found.next() } else { None }).collect();
            let mut leaves: SmallVec<[Array; 4]> = SmallVec::new();
            for i in &wrt {
                let x = &args.leaves[*i];
                leaves.push(of_leaf[*i].take().unwrap_or_else(|| {
                    let shape: Vec<usize> = y.shape().iter().chain(x.shape()).copied().collect();
                    lax::zeros(if x.dtype().is_inexact() { y.dtype() } else { x.dtype() }, &shape)
                }));
            }
            leaves.extend(linear.primals_out[1..].iter().cloned());
            let wrt_tokens = self.wrt.tokens(&args);
            let tree = match self.has_aux {
                true => pair(&wrt_tokens, &out_tokens[2..]),
                false => TreeDef::from_tokens(&wrt_tokens),
            };
            Ok(FlatOut { leaves, tree })
        };
        catch(run).map_err(|e| e.at(caller))
    }

    fn name(&self) -> Cow<'static, str> {
        format!("{}_{}", self.name, self.f.name()).into()
    }
}
