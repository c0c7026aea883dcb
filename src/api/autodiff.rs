//! Derivatives of functions of trees. JAX: `jax.grad`, `jax.value_and_grad`, `jax.jvp`, `jax.vjp`, `jax.linearize`.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::primitive::{Ct, Tangent};
use crate::core::scalar::Scalar;
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::{apply_linear, backward_pass};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::interpreters::jvp::{self as forward, instantiate};
use crate::interpreters::linearize::{self as linearization, Linear};
use crate::lax;
use crate::lax::elementwise::tuple;
use crate::signature::{
    Differentiable, DifferentiableAux, FlatArgs, FlatFn, FlatOut, Fun, Signature, Traceable,
};
use crate::tree::{Pytree, Token, Tokens, TreeDef, first_difference, flatten, leaf_paths, structure};

/// The gradient of `f`, which returns a real scalar, with respect to its first argument: `grad(loss)(&params, &x)?`.
///
/// The gradient has the structure of the argument. Control flow on concrete values works.
///
/// ```
/// use raxla::prelude::*;
///
/// let slope = grad(|x: &Array| x * x)(&Array::from(3.0))?;
/// assert_eq!(slope.item::<f32>()?, 6.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Gradient only defined for scalar-output functions`; an argument of integers; what `f` fails with.
#[track_caller]
pub fn grad<M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as Differentiable<0>>::Grad>
where
    F::Sig: Differentiable<0>,
{
    Fun::from_flat(Gradient::new(f, 0, Returns::Grad))
}

/// [`grad`] with respect to argument `N`: `grad_argnum::<1, _, _>(f)`.
#[track_caller]
pub fn grad_argnum<const N: usize, M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as Differentiable<N>>::Grad>
where
    F::Sig: Differentiable<N>,
{
    Fun::from_flat(Gradient::new(f, N, Returns::Grad))
}

/// The value of `f` and its gradient with respect to the first argument: `let (loss, grads) = value_and_grad(f)(&p)?`.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn value_and_grad<M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as Differentiable<0>>::ValueAndGrad>
where
    F::Sig: Differentiable<0>,
{
    Fun::from_flat(Gradient::new(f, 0, Returns::ValueAndGrad))
}

/// [`value_and_grad`] with respect to argument `N`.
#[track_caller]
pub fn value_and_grad_argnum<const N: usize, M, F: Traceable<M>>(
    f: F,
) -> Fun<<F::Sig as Differentiable<N>>::ValueAndGrad>
where
    F::Sig: Differentiable<N>,
{
    Fun::from_flat(Gradient::new(f, N, Returns::ValueAndGrad))
}

/// The gradient of a function that returns `(value, aux)`: gives `(gradient, aux)`. JAX: `has_aux=True`.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn grad_aux<M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as DifferentiableAux<0>>::Grad>
where
    F::Sig: DifferentiableAux<0>,
{
    Fun::from_flat(Gradient::new(f, 0, Returns::GradAux))
}

/// Value, auxiliary output and gradient of a function that returns `(value, aux)`: gives `((value, aux), gradient)`.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn value_and_grad_aux<M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as DifferentiableAux<0>>::ValueAndGrad>
where
    F::Sig: DifferentiableAux<0>,
{
    Fun::from_flat(Gradient::new(f, 0, Returns::ValueAndGradAux))
}

/// [`grad_aux`] with respect to argument `N`: `grad_aux_argnum::<1, _, _>(f)`.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn grad_aux_argnum<const N: usize, M, F: Traceable<M>>(
    f: F,
) -> Fun<<F::Sig as DifferentiableAux<N>>::Grad>
where
    F::Sig: DifferentiableAux<N>,
{
    Fun::from_flat(Gradient::new(f, N, Returns::GradAux))
}

/// [`value_and_grad_aux`] with respect to argument `N`.
///
/// ```
/// use raxla::{api::value_and_grad_aux_argnum, prelude::*};
///
/// let f = |x: &Array, y: &Array| (x * y, (x + y,));
/// let ((value, (sum,)), slope) = value_and_grad_aux_argnum::<1, _, _>(f)(&Array::from(3.0), &Array::from(2.0))?;
/// assert_eq!([value, sum, slope].map(|x| x.item::<f32>().unwrap()), [6.0, 5.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn value_and_grad_aux_argnum<const N: usize, M, F: Traceable<M>>(
    f: F,
) -> Fun<<F::Sig as DifferentiableAux<N>>::ValueAndGrad>
where
    F::Sig: DifferentiableAux<N>,
{
    Fun::from_flat(Gradient::new(f, N, Returns::ValueAndGradAux))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Returns {
    Grad,
    ValueAndGrad,
    GradAux,
    ValueAndGradAux,
}

impl Returns {
    fn name(self) -> &'static str {
        match self {
            Returns::Grad | Returns::GradAux => "grad",
            Returns::ValueAndGrad | Returns::ValueAndGradAux => "value_and_grad",
        }
    }
    fn has_aux(self) -> bool {
        matches!(self, Returns::GradAux | Returns::ValueAndGradAux)
    }
}

struct Gradient {
    f: Arc<dyn FlatFn>,
    argnum: usize,
    returns: Returns,
}

impl Gradient {
    fn new<M, F: Traceable<M>>(f: F, argnum: usize, returns: Returns) -> Arc<Self> {
        Arc::new(Gradient { f: f.into_flat(), argnum, returns })
    }

    fn check_inputs(&self, args: &FlatArgs) -> Result<()> {
        let paths = leaf_paths(args.arg_tokens(self.argnum));
        for (x, path) in args.arg_leaves(self.argnum).iter().zip(paths) {
            if !x.dtype().is_inexact() {
                let name = self.returns.name();
                bail!(
                    Differentiation,
                    "{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype of inexact), but \
                     {} is {}. Convert it to a float dtype, or take it as another argument",
                    path.with_root(format!("argument {}", self.argnum)),
                    x.aval()
                );
            }
        }
        Ok(())
    }

    fn check_output(&self, y: &Array) -> Result<()> {
        if !y.shape().is_empty() {
            bail!(
                Differentiation,
                "gradient only defined for scalar-output functions. Output of {} had shape: {}",
                self.f.name(),
                tuple(y.shape())
            );
        }
        if !y.dtype().is_float() {
            bail!(
                Differentiation,
                "{} requires real-valued outputs (output dtype that is a sub-dtype of floating), but got {}",
                self.returns.name(),
                y.dtype().name()
            );
        }
        Ok(())
    }
}

/// Linearises `f` in the leaves marked in `nonzero`.
fn linearize_flat(f: &dyn FlatFn, args: &FlatArgs, nonzero: &[bool]) -> Result<(Linear, TreeDef)> {
    linearization::linearize(
        |leaves| {
            let out = f.call(FlatArgs { leaves: leaves.iter().cloned().collect(), ..args.clone() })?;
            Ok((out.leaves.into_vec(), out.tree))
        },
        &args.leaves,
        nonzero,
    )
}

fn join(parts: &[&[Token]]) -> TreeDef {
    let mut tokens = Tokens::new();
    tokens.push(Token::Tuple(parts.len() as u32));
    parts.iter().for_each(|part| tokens.extend(part.iter().cloned()));
    TreeDef::from_tokens(&tokens)
}

impl FlatFn for Gradient {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let run = || {
            self.check_inputs(&args)?;
            let wrt = args.args[self.argnum].leaves();
            let nonzero: SmallVec<[bool; 16]> = (0..args.leaves.len()).map(|i| wrt.contains(&i)).collect();
            let (linear, out_tree) = linearize_flat(&*self.f, &args, &nonzero)?;
            let has_aux = self.returns.has_aux();
            let out_tokens = out_tree.tokens();
            let value_token = if has_aux { out_tokens.get(1) } else { out_tokens.first() };
            if value_token != Some(&Token::Leaf) || (!has_aux && linear.primals_out.len() != 1) {
                bail!(
                    Differentiation,
                    "gradient only defined for scalar-output functions. Output of {} was {out_tree}{}",
                    self.f.name(),
                    if has_aux { ", which should be (value, aux)" } else { "" }
                );
            }
            let value = &linear.primals_out[0];
            self.check_output(value)?;
            let mut cts: SmallVec<[Ct; 4]> = SmallVec::new();
            for (i, nz) in linear.nonzero_out.iter().enumerate() {
                if *nz {
                    // Auxiliary output is not differentiated.
                    let one = Scalar::from_f64(value.dtype(), 1.0).with_weak_type(value.weak_type());
                    cts.push((i == 0).then(|| Array::from(one)));
                }
            }
            let grads = backward_pass(&linear.jaxpr, &cts)?;
            let grads = grads.into_iter().zip(&args.leaves[wrt]).map(|(ct, x)| instantiate(ct, x));
            let wrt_tokens = args.arg_tokens(self.argnum);
            let mut leaves = SmallVec::new();
            let tree = match self.returns {
                Returns::Grad => {
                    leaves.extend(grads);
                    TreeDef::from_tokens(wrt_tokens)
                }
                Returns::GradAux => {
                    leaves.extend(grads);
                    leaves.extend(linear.primals_out[1..].iter().cloned());
                    join(&[wrt_tokens, &out_tokens[2..]])
                }
                Returns::ValueAndGrad | Returns::ValueAndGradAux => {
                    leaves.extend(linear.primals_out.iter().cloned());
                    leaves.extend(grads);
                    join(&[out_tokens, wrt_tokens])
                }
            };
            Ok(FlatOut { leaves, tree })
        };
        catch(run).map_err(|e| e.at(caller))
    }

    fn name(&self) -> Cow<'static, str> {
        format!("{}_{}", self.returns.name(), self.f.name()).into()
    }
}

fn rebuild<T: Pytree>(leaves: impl IntoIterator<Item = Array>, tree: &TreeDef) -> Result<T> {
    FlatOut { leaves: leaves.into_iter().collect(), tree: tree.clone() }.into_tree()
}

fn same_structure(what: &str, expected: &[Token], got: &[Token]) -> Result<()> {
    match first_difference(expected, got) {
        None => Ok(()),
        Some(difference) => bail!(TreeMismatch, "{what} must have the same tree structure: {difference}"),
    }
}

/// Tangents must have the shape and dtype of what they are tangents of.
fn check_tangents(what: &str, primals: &[Array], tangents: &[Array]) -> Result<()> {
    for (i, (x, dx)) in primals.iter().zip(tangents).enumerate() {
        if x.shape() != dx.shape() || (x.dtype() != dx.dtype() && x.dtype().is_inexact()) {
            bail!(
                Differentiation,
                "{what} {i} must have the type of what it belongs to: it is {}, for {}",
                dx.aval(),
                x.aval()
            );
        }
    }
    Ok(())
}

/// Tangents with symbolic zeros for what has no derivative.
fn as_tangents(primals: &[Array], tangents: &[Array]) -> Vec<Tangent> {
    primals.iter().zip(tangents).map(|(x, dx)| x.dtype().is_inexact().then(|| dx.clone())).collect()
}

/// The value of `f` and its directional derivative: pushes `tangents` forward. Arguments come as a tuple:
/// `jvp(f, (x,), (dx,))?`.
///
/// The tangent of an integer argument is ignored, that of an integer result is zero.
///
/// # Errors
/// Tangents whose structure, shapes or dtypes differ from the primals'; what `f` fails with.
#[track_caller]
#[allow(clippy::type_complexity, reason = "the pair is of the function's own results")]
pub fn jvp<M, F: Traceable<M>>(
    f: F,
    primals: <F::Sig as Signature>::Args,
    tangents: <F::Sig as Signature>::Args,
) -> Result<(<F::Sig as Signature>::Out, <F::Sig as Signature>::Out)> {
    let caller = Location::caller();
    let f = f.into_flat();
    let run = || {
        let args = FlatArgs::from_tuple(&primals, caller);
        let dots = FlatArgs::from_tuple(&tangents, caller);
        same_structure("jvp: primal and tangent arguments", &args.tokens, &dots.tokens)?;
        check_tangents("jvp: tangent", &args.leaves, &dots.leaves)?;
        let mut tree = None;
        let (outs, out_tangents) = forward::jvp(
            |leaves| {
                let out = f.call(FlatArgs { leaves: leaves.iter().cloned().collect(), ..args.clone() })?;
                tree = Some(out.tree);
                Ok(out.leaves.into_vec())
            },
            &args.leaves,
            &as_tangents(&args.leaves, &dots.leaves),
        )?;
        let Some(tree) = tree else { bail!(Internal, "jvp: the function was not called") };
        let out_tangents: Vec<Array> =
            outs.iter().zip(out_tangents).map(|(x, dx)| instantiate(dx, x)).collect();
        Ok((rebuild(outs, &tree)?, rebuild(out_tangents, &tree)?))
    };
    catch(run).map_err(|e| e.at(caller))
}

/// The value of `f` at `primals` and its derivative there as a linear function of tangents, for many tangents at one
/// point: `let (y, f_jvp) = linearize(f, (x,))?; let dy = f_jvp((dx,))?;`.
///
/// # Errors
/// As [`jvp`].
#[track_caller]
#[allow(clippy::type_complexity, reason = "the type of the linear function is its signature")]
pub fn linearize<M, F: Traceable<M>>(
    f: F,
    primals: <F::Sig as Signature>::Args,
) -> Result<(
    <F::Sig as Signature>::Out,
    impl Fn(<F::Sig as Signature>::Args) -> Result<<F::Sig as Signature>::Out> + Send + Sync + use<M, F>,
)> {
    let caller = Location::caller();
    let (args, linear, tree) = linearize_args(f.into_flat(), &primals, caller)?;
    let value = rebuild(linear.primals_out.iter().cloned(), &tree)?;
    let apply = move |tangents: <F::Sig as Signature>::Args| {
        catch(|| {
            let dots = FlatArgs::from_tuple(&tangents, caller);
            same_structure("linearize: primal and tangent arguments", &args.tokens, &dots.tokens)?;
            check_tangents("linearize: tangent", &args.leaves, &dots.leaves)?;
            let dots: Vec<Array> = as_tangents(&args.leaves, &dots.leaves).into_iter().flatten().collect();
            let mut found = apply_linear(&linear.jaxpr, &dots)?.into_iter();
            let outs = linear.primals_out.iter().zip(&linear.nonzero_out);
            let outs = outs.map(|(x, nz)| instantiate(if *nz { found.next() } else { None }, x));
            rebuild(outs.collect::<Vec<_>>(), &tree)
        })
        .map_err(|e| e.at(caller))
    };
    Ok((value, apply))
}

/// The value of `f` at `primals`, and the function that pulls a cotangent of the result back to cotangents of the
/// arguments: `let (y, f_vjp) = vjp(f, (x,))?; let (x_bar,) = f_vjp(y_bar)?;`.
///
/// The cotangent of an integer argument is zero.
///
/// # Errors
/// What `f` fails with; a cotangent whose structure, shapes or dtypes differ from the result's.
#[track_caller]
#[allow(clippy::type_complexity, reason = "the type of the pullback is its signature")]
pub fn vjp<M, F: Traceable<M>>(
    f: F,
    primals: <F::Sig as Signature>::Args,
) -> Result<(
    <F::Sig as Signature>::Out,
    impl Fn(<F::Sig as Signature>::Out) -> Result<<F::Sig as Signature>::Args> + Send + Sync + use<M, F>,
)> {
    let caller = Location::caller();
    let (args, linear, tree) = linearize_args(f.into_flat(), &primals, caller)?;
    let value = rebuild(linear.primals_out.iter().cloned(), &tree)?;
    let in_tree = structure(&primals);
    let pull = move |ct: <F::Sig as Signature>::Out| {
        catch(|| {
            let (cts, ct_tree) = flatten(&ct);
            same_structure("vjp: the result and its cotangent", tree.tokens(), ct_tree.tokens())?;
            check_tangents("vjp: cotangent", &linear.primals_out, &cts)?;
            let cts: Vec<Ct> = cts
                .into_iter()
                .zip(&linear.nonzero_out)
                .filter(|(_, nz)| **nz)
                .map(|(ct, _)| Some(ct))
                .collect();
            let mut found = backward_pass(&linear.jaxpr, &cts)?.into_iter();
            let outs: Vec<Array> = args
                .leaves
                .iter()
                .map(|x| instantiate(if x.dtype().is_inexact() { found.next().flatten() } else { None }, x))
                .collect();
            rebuild(outs, &in_tree)
        })
        .map_err(|e| e.at(caller))
    };
    Ok((value, pull))
}

fn linearize_args<A: Pytree>(
    f: Arc<dyn FlatFn>,
    primals: &A,
    caller: &'static Location<'static>,
) -> Result<(FlatArgs, Linear, TreeDef)> {
    let args = FlatArgs::from_tuple(primals, caller);
    let nonzero: Vec<bool> = args.leaves.iter().map(|x| x.dtype().is_inexact()).collect();
    let (linear, tree) = catch(|| linearize_flat(&*f, &args, &nonzero)).map_err(|e| e.at(caller))?;
    Ok((args, linear, tree))
}

/// The Jacobian of a function that returns one array with respect to its first argument, by forward mode: a leaf of
/// shape `s` gives a leaf of shape `out.shape + s`. Better for tall Jacobians.
///
/// # Errors
/// A result that is not one array; integers; what `f` fails with.
#[track_caller]
pub fn jacfwd<M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as Differentiable<0>>::Grad>
where
    F::Sig: Differentiable<0>,
{
    Fun::from_flat(Arc::new(Jacobian { f: f.into_flat(), forward: true }))
}

/// The Jacobian of a function that returns one array with respect to its first argument, by reverse mode: a leaf of
/// shape `s` gives a leaf of shape `out.shape + s`. Better for wide Jacobians.
///
/// # Errors
/// A result that is not one array; integers; what `f` fails with.
#[track_caller]
pub fn jacrev<M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as Differentiable<0>>::Grad>
where
    F::Sig: Differentiable<0>,
{
    Fun::from_flat(Arc::new(Jacobian { f: f.into_flat(), forward: false }))
}

/// The Hessian of a scalar function of one array, which is its first argument: forward over reverse mode.
///
/// # Errors
/// As [`grad`]; a first argument of more than one leaf.
#[track_caller]
pub fn hessian<M, F: Traceable<M>>(f: F) -> Fun<<F::Sig as Differentiable<0>>::Grad>
where
    F::Sig: Differentiable<0>,
{
    let gradient: Arc<dyn FlatFn> = Gradient::new(f, 0, Returns::Grad);
    Fun::from_flat(Arc::new(Jacobian { f: gradient, forward: true }))
}

struct Jacobian {
    f: Arc<dyn FlatFn>,
    forward: bool,
}

/// The unit vectors of an array's space, stacked in front: `[n, *shape]` for an array of `n` elements.
fn unit_vectors(x: &Array) -> Array {
    let n = x.size();
    // Rows of n + 1 elements that begin with a one, read as rows of n: the ones move along the diagonal.
    let ones = lax::full(&[n, 1], lax::literal_like(x, 1.0));
    let rows = lax::pad(&ones, lax::literal_like(x, 0.0), &[(0, 0, 0), (0, n as i64, 0)]);
    let eye = lax::slice(&lax::reshape(&rows, &[n * (n + 1)]), &[0], &[n * n], None);
    let shape: Vec<usize> = std::iter::once(n).chain(x.shape().iter().copied()).collect();
    lax::reshape(&eye, &shape)
}

impl FlatFn for Jacobian {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let run = || {
            let wrt = args.args[0].leaves();
            if let Some(x) = args.leaves[wrt.clone()].iter().find(|x| !x.dtype().is_inexact()) {
                bail!(
                    Differentiation,
                    "jacobian requires real- or complex-valued inputs, but got {}",
                    x.aval()
                );
            }
            let nonzero: SmallVec<[bool; 16]> = (0..args.leaves.len()).map(|i| wrt.contains(&i)).collect();
            let (linear, out_tree) = linearize_flat(&*self.f, &args, &nonzero)?;
            let [y] = linear.primals_out.as_slice() else {
                bail!(
                    Differentiation,
                    "jacobian: the function must return one array, it returned {out_tree}"
                );
            };
            let inputs = &args.leaves[wrt];
            let shaped = |rows: &Array, leading: &[usize], trailing: &[usize]| {
                let shape: Vec<usize> = leading.iter().chain(trailing).copied().collect();
                lax::reshape(rows, &shape)
            };
            let mut leaves = SmallVec::new();
            if !linear.nonzero_out[0] {
                for x in inputs {
                    let shape: Vec<usize> = y.shape().iter().chain(x.shape()).copied().collect();
                    leaves.push(lax::zeros(y.dtype(), &shape));
                }
            } else if self.forward {
                for (i, x) in inputs.iter().enumerate() {
                    let mut tangents: Vec<Array> = inputs.iter().map(lax::zeros_like).collect();
                    tangents[i] = unit_vectors(x);
                    let dims: Vec<Option<usize>> = (0..inputs.len()).map(|j| (j == i).then_some(0)).collect();
                    let (columns, dims, ()) = batch(
                        |tangents| Ok((apply_linear(&linear.jaxpr, tangents)?, ())),
                        &tangents,
                        &dims,
                        None,
                        x.size(),
                    )?;
                    // [n, *out] with the columns in front: they go behind.
                    let columns = move_batch_axis(&columns[0], dims[0], y.ndim(), x.size());
                    leaves.push(shaped(&columns, y.shape(), x.shape()));
                }
            } else {
                let (rows, dims, ()) = batch(
                    |cts| {
                        let found = backward_pass(&linear.jaxpr, &[Some(cts[0].clone())])?;
                        Ok((found.into_iter().zip(inputs).map(|(ct, x)| instantiate(ct, x)).collect(), ()))
                    },
                    &[unit_vectors(y)],
                    &[Some(0)],
                    None,
                    y.size(),
                )?;
                for ((row, dim), x) in rows.iter().zip(dims).zip(inputs) {
                    let row = move_batch_axis(row, dim, 0, y.size());
                    leaves.push(shaped(&row, y.shape(), x.shape()));
                }
            }
            Ok(FlatOut { leaves, tree: TreeDef::from_tokens(args.arg_tokens(0)) })
        };
        catch(run).map_err(|e| e.at(caller))
    }

    fn name(&self) -> Cow<'static, str> {
        format!("jacobian_{}", self.f.name()).into()
    }
}
