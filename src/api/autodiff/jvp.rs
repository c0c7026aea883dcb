//! `jvp`, `linearize`, `vjp` and `linear_transpose`. JAX: `jax.jvp`, `jax.linearize`, `jax.vjp`, `jax.linear_transpose`.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;

use super::options::{Aux, JvpOptions, NoAux};
use super::{Args, Out, Sig, Value, check_cotangents, check_tangents, derivative, linearize_flat};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::ClosedJaxpr;
use crate::core::primitive::{Ct, Tangent};
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::{apply_linear, backward_pass};
use crate::interpreters::jvp as forward;
use crate::interpreters::linearize::Linear;
use crate::interpreters::partial_eval::trace_to_jaxpr_with;
use crate::lax;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Primals, Signature, Traceable};
use crate::tree::{Pytree, Token, Tokens, TreeDef, first_difference, flatten};

/// Takes a cotangent of the value, gives those of the arguments.
type Pullback<'f, M, F, A> = Fun<'static, fn(&'static Value<'f, M, F, A>) -> Args<'f, M, F>>;
/// Takes tangents of the arguments, gives that of the value.
type Pushforward<'f, M, F, A> = Fun<'static, <Sig<'f, M, F> as Signature>::Returning<Value<'f, M, F, A>>>;
/// The value and a `T`, and the auxiliary output if there is one.
type With<'f, M, F, A, T> = Result<<A as Aux<Out<'f, M, F>>>::With<T>>;

fn rebuild<T: Pytree>(leaves: impl IntoIterator<Item = Array>, tree: &TreeDef) -> Result<T> {
    FlatOut { leaves: leaves.into_iter().collect(), tree: tree.clone() }.into_tree()
}

fn same_structure(what: &str, expected: &[Token], got: &[Token]) -> Result<()> {
    match first_difference(expected, got) {
        None => Ok(()),
        Some(difference) => bail!(TreeMismatch, "{what} must have the same tree structure: {difference}"),
    }
}

fn avals(xs: &[Array]) -> Vec<ShapedArray> {
    xs.iter().map(Array::aval).collect()
}

/// The value of `f` and its directional derivative: pushes `tangents` forward. Arguments come as tuples, each by value or by
/// reference: `jvp(f, (&x, &y), (&dx, &dy))?`.
///
/// Tangents of integers and booleans, of arguments as of results, are of [`float0`](crate::dtypes::float0): they have no values.
///
/// ```
/// use raxla::prelude::*;
///
/// let (x, dx) = (Array::from(3.0), Array::from(1.0));
/// let (y, dy) = jvp(|x: &Array| x * x, (&x,), (&dx,))?;
/// assert_eq!((y.item::<f32>()?, dy.item::<f32>()?), (9.0, 6.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Tangents whose structure, shapes or dtypes differ from the primals'; what `f` fails with.
#[track_caller]
pub fn jvp<'f, F, M>(
    f: F,
    primals: impl Primals<Args<'f, M, F>>,
    tangents: impl Primals<Args<'f, M, F>>,
) -> Result<(Out<'f, M, F>, Out<'f, M, F>)>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    jvp_with(f, primals, tangents, JvpOptions::new())
}

/// [`jvp`] of a function with auxiliary output: `(value, tangent, aux)`.
///
/// ```
/// use raxla::api::{JvpOptions, jvp_with};
/// use raxla::prelude::*;
///
/// let (x, dx) = (Array::from(3.0), Array::from(1.0));
/// let (y, dy, aux) = jvp_with(|x: &Array| (x * x, x + 1.0), (&x,), (&dx,), JvpOptions::new().has_aux())?;
/// assert_eq!([y, dy, aux].map(|x| x.item::<f32>().unwrap()), [9.0, 6.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`jvp`].
#[track_caller]
pub fn jvp_with<'f, F, M, A>(
    f: F,
    primals: impl Primals<Args<'f, M, F>>,
    tangents: impl Primals<Args<'f, M, F>>,
    _: JvpOptions<A>,
) -> With<'f, M, F, A, Value<'f, M, F, A>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    A: Aux<Out<'f, M, F>>,
{
    let caller = Location::caller();
    let (args, dots) = (FlatArgs::from_tuple(&primals, caller), FlatArgs::from_tuple(&tangents, caller));
    let run = || {
        let (outs, tangents) = jvp_flat(&*M::into_flat(f), &args, &dots)?;
        Ok(A::with(outs.into_tree()?, A::value(tangents.into_tree()?)))
    };
    catch(run).map_err(|e| e.at(caller))
}

fn jvp_flat(f: &dyn FlatFn, args: &FlatArgs, dots: &FlatArgs) -> Result<(FlatOut, FlatOut)> {
    same_structure("jvp: primal and tangent arguments", &args.tokens, &dots.tokens)?;
    check_tangents("jvp: tangent", &avals(&args.leaves), &dots.leaves)?;
    let pairs = args.leaves.iter().zip(&dots.leaves);
    // Symbolic zeros for what has no derivative.
    let tangents: Vec<Tangent> = pairs.map(|(x, dx)| x.dtype().is_inexact().then(|| dx.clone())).collect();
    let mut tree = None;
    let (outs, tangents) = forward::jvp(
        |leaves| {
            let out = f.call(args.with_leaves(leaves))?;
            tree = Some(out.tree);
            Ok(out.leaves.into_vec())
        },
        &args.leaves,
        &tangents,
    )?;
    let Some(tree) = tree else { bail!(Internal, "jvp: the function was not called") };
    let tangents = outs.iter().zip(tangents).map(|(x, dx)| derivative(dx, &x.aval())).collect();
    let tangents = FlatOut { leaves: tangents, tree: tree.clone() };
    Ok((FlatOut { leaves: outs.into_iter().collect(), tree }, tangents))
}

/// A function linearised at a point.
struct Linearized {
    linear: Linear,
    /// The arguments.
    primals: Vec<ShapedArray>,
    tokens: Tokens,
    /// What is differentiated of the result: its structure and types.
    value_tree: TreeDef,
    value: Vec<ShapedArray>,
}

impl Linearized {
    /// `f` at `args`, with the value and the rest of its result.
    fn new<O: Pytree, A: Aux<O>>(f: &dyn FlatFn, args: &FlatArgs) -> Result<(Self, O)> {
        let run = || {
            let nonzero: Vec<bool> = args.leaves.iter().map(|x| x.dtype().is_inexact()).collect();
            let (linear, tree) = linearize_flat(f, args, &nonzero)?;
            let out = || rebuild::<O>(linear.primals_out.iter().cloned(), &tree);
            let (value, value_tree) = flatten(&A::value(out()?));
            let whole = out()?;
            let (primals, value) = (avals(&args.leaves), avals(&value));
            Ok((Linearized { linear, primals, tokens: args.tokens.clone(), value_tree, value }, whole))
        };
        catch(run).map_err(|e| e.at(args.caller))
    }
}

/// A linearised function, from tangents of the arguments to that of the value.
struct Push(Linearized);

impl FlatFn for Push {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let Linearized { linear, primals, tokens, value_tree, value } = &self.0;
        let run = || {
            same_structure("linearize: primal and tangent arguments", tokens, &args.tokens)?;
            check_tangents("linearize: tangent", primals, &args.leaves)?;
            let dots = args.leaves.iter().zip(primals).filter(|(_, x)| x.dtype().is_inexact());
            let dots: Vec<Array> = dots.map(|(dx, _)| dx.clone()).collect();
            let mut found = apply_linear(&linear.jaxpr, &dots)?.into_iter();
            let outs = linear.primals_out.iter().zip(&linear.nonzero_out).take(value.len());
            let leaves =
                outs.map(|(x, nz)| derivative(if *nz { found.next() } else { None }, &x.aval())).collect();
            Ok(FlatOut { leaves, tree: value_tree.clone() })
        };
        catch(run).map_err(|e| e.at(args.caller))
    }
    fn name(&self) -> Cow<'static, str> {
        "f_jvp".into()
    }
}

/// A linearised function transposed, from a cotangent of the value to those of the arguments.
struct Pull(Linearized);

impl FlatFn for Pull {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let Linearized { linear, primals, tokens, value_tree, value } = &self.0;
        let run = || {
            same_structure("vjp: the result and its cotangent", value_tree.tokens(), &args.tokens)?;
            check_cotangents("vjp: cotangent", value, &args.leaves)?;
            let outs = linear.nonzero_out.iter().enumerate().filter(|(_, nz)| **nz);
            // Auxiliary output has no cotangent.
            let cts: Vec<Ct> = outs.map(|(i, _)| args.leaves.get(i).cloned()).collect();
            let mut found = backward_pass(&linear.jaxpr, &cts)?.into_iter();
            let ct = |x: &ShapedArray| {
                let ct = if x.dtype().is_inexact() { found.next().flatten() } else { None };
                derivative(ct, x)
            };
            let leaves = primals.iter().map(ct).collect();
            Ok(FlatOut { leaves, tree: tuple_of(tokens) })
        };
        catch(run).map_err(|e| e.at(args.caller))
    }
    fn name(&self) -> Cow<'static, str> {
        "f_vjp".into()
    }
}

/// The structure of arguments as one tuple.
fn tuple_of(tokens: &Tokens) -> TreeDef {
    let mut count = 0;
    let mut missing = 0;
    for token in tokens {
        count += usize::from(missing == 0);
        missing = missing + token.arity() - usize::from(missing > 0);
    }
    let mut all = Tokens::new();
    all.push(Token::Tuple(count as u32));
    all.extend(tokens.iter().cloned());
    TreeDef::from_tokens(&all)
}

/// The value of `f` at `primals` and its derivative there as a linear function of tangents, for many tangents at one
/// point: `let (y, f_jvp) = linearize(f, (&x,))?; let dy = f_jvp(&dx)?;`.
///
/// `f_jvp` is called with tangents as `f` is with arguments, and can be transformed like it.
///
/// ```
/// use raxla::prelude::*;
///
/// let (y, f_jvp) = linearize(|x: &Array| x * x, (&Array::from(3.0),))?;
/// assert_eq!(y.item::<f32>()?, 9.0);
/// assert_eq!(vmap(&f_jvp)(&Array::from([1.0f32, 10.0]))?.to_vec::<f32>()?, [6.0, 60.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`jvp`].
#[track_caller]
pub fn linearize<'f, F, M>(
    f: F,
    primals: impl Primals<Args<'f, M, F>>,
) -> With<'f, M, F, NoAux, Pushforward<'f, M, F, NoAux>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    linearize_with(f, primals, JvpOptions::new())
}

/// [`linearize`] of a function with auxiliary output: `(value, f_jvp, aux)`.
///
/// # Errors
/// As [`jvp`].
#[track_caller]
pub fn linearize_with<'f, F, M, A>(
    f: F,
    primals: impl Primals<Args<'f, M, F>>,
    _: JvpOptions<A>,
) -> With<'f, M, F, A, Pushforward<'f, M, F, A>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    A: Aux<Out<'f, M, F>>,
{
    let args = FlatArgs::from_tuple(&primals, Location::caller());
    let (linear, out) = Linearized::new::<_, A>(&*M::into_flat(f), &args)?;
    Ok(A::with(out, Fun::from_flat(Arc::new(Push(linear)))))
}

/// The value of `f` at `primals`, and the function that pulls a cotangent of the result back to the tuple of cotangents of
/// the arguments: `let (y, f_vjp) = vjp(f, (&x,))?; let (x_bar,) = f_vjp(&y_bar)?;`.
///
/// ```
/// use raxla::prelude::*;
///
/// let (x, y) = (Array::from(3.0), Array::from(2.0));
/// let (z, f_vjp) = vjp(|x: &Array, y: &Array| x * y, (&x, &y))?;
/// let (x_bar, y_bar) = f_vjp(&Array::from(1.0))?;
/// assert_eq!([z, x_bar, y_bar].map(|x| x.item::<f32>().unwrap()), [6.0, 2.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What `f` fails with; a cotangent whose structure, shapes or dtypes differ from the result's.
#[track_caller]
pub fn vjp<'f, F, M>(
    f: F,
    primals: impl Primals<Args<'f, M, F>>,
) -> With<'f, M, F, NoAux, Pullback<'f, M, F, NoAux>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    vjp_with(f, primals, JvpOptions::new())
}

/// [`vjp`] of a function with auxiliary output: `(value, f_vjp, aux)`.
///
/// ```
/// use raxla::api::{JvpOptions, vjp_with};
/// use raxla::prelude::*;
///
/// let x = Array::from(3.0);
/// let (y, f_vjp, aux) = vjp_with(|x: &Array| (x * x, x + 1.0), (&x,), JvpOptions::new().has_aux())?;
/// let (x_bar,) = f_vjp(&Array::from(1.0))?;
/// assert_eq!([y, x_bar, aux].map(|x| x.item::<f32>().unwrap()), [9.0, 6.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`vjp`].
#[track_caller]
pub fn vjp_with<'f, F, M, A>(
    f: F,
    primals: impl Primals<Args<'f, M, F>>,
    _: JvpOptions<A>,
) -> With<'f, M, F, A, Pullback<'f, M, F, A>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    A: Aux<Out<'f, M, F>>,
{
    let args = FlatArgs::from_tuple(&primals, Location::caller());
    let (linear, out) = Linearized::new::<_, A>(&*M::into_flat(f), &args)?;
    Ok(A::with(out, Fun::from_flat(Arc::new(Pull(linear)))))
}

/// The transposed of `f`, which must be linear: from a cotangent of its result to the tuple of cotangents of its arguments.
///
/// Only the types of `primals` count: `f` is traced.
///
/// ```
/// use raxla::{api::linear_transpose, numpy as jnp, prelude::*};
///
/// let x = Array::from([1.0f32, 2.0, 3.0]);
/// let transposed = linear_transpose(|x: &Array| jnp::sum(x, ..) * 2.0, (&x,))?;
/// let (x_bar,) = transposed(&Array::from(5.0))?;
/// assert_eq!(x_bar.to_vec::<f32>()?, [10.0, 10.0, 10.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `linear_transpose only supports functions from floating-point or complex numbers to such`; what `f` fails with. Calls of the
/// result fail if `f` is not linear.
#[track_caller]
pub fn linear_transpose<'f, F, M>(
    f: F,
    primals: impl Primals<Args<'f, M, F>>,
) -> Result<Pullback<'f, M, F, NoAux>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let caller = Location::caller();
    let args = FlatArgs::from_tuple(&primals, caller);
    let transposed = catch(|| Transposed::new(&*M::into_flat(f), &args)).map_err(|e| e.at(caller))?;
    Ok(Fun::from_flat(Arc::new(transposed)))
}

/// A linear function, transposed.
struct Transposed {
    jaxpr: ClosedJaxpr,
    primals: Vec<ShapedArray>,
    tokens: Tokens,
    out_tree: TreeDef,
}

impl Transposed {
    fn new(f: &dyn FlatFn, args: &FlatArgs) -> Result<Self> {
        let primals = avals(&args.leaves);
        let (jaxpr, out_tree) = trace_to_jaxpr_with(&primals, |leaves| {
            let out = f.call(args.with_leaves(leaves))?;
            Ok((out.leaves.into_vec(), out.tree))
        })?;
        let outs = jaxpr.jaxpr.out_avals();
        if let Some(aval) = primals.iter().chain(&outs).find(|aval| !aval.dtype().is_inexact()) {
            bail!(
                Differentiation,
                "linear_transpose only supports functions from floating-point or complex numbers to such, but {} has \
                 an argument or a result {aval}",
                f.describe()
            );
        }
        Ok(Transposed { jaxpr, primals, tokens: args.tokens.clone(), out_tree })
    }
}

impl FlatFn for Transposed {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let run = || {
            let expected = self.out_tree.tokens();
            same_structure("linear_transpose: the result and its cotangent", expected, &args.tokens)?;
            check_cotangents("linear_transpose: cotangent", &self.jaxpr.jaxpr.out_avals(), &args.leaves)?;
            let cts: Vec<Ct> = args.leaves.iter().map(|ct| Some(ct.clone())).collect();
            let found = backward_pass(&self.jaxpr, &cts)?.into_iter().zip(&self.primals);
            let leaves = found.map(|(ct, x)| ct.unwrap_or_else(|| lax::zeros_like_aval(x))).collect();
            Ok(FlatOut { leaves, tree: tuple_of(&self.tokens) })
        };
        catch(run).map_err(|e| e.at(args.caller))
    }
    fn name(&self) -> Cow<'static, str> {
        "transpose_fun".into()
    }
}
