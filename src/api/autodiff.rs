//! Derivatives of functions of trees. JAX: `jax.grad`, `jax.jvp`, `jax.vjp`, `jax.linearize`, `jax.jacfwd` …

mod fwd_and_bwd;
mod grad;
mod jacobian;
mod jvp;
mod options;

pub use fwd_and_bwd::{VjpResiduals, fwd_and_bwd, fwd_and_bwd_with};
pub use grad::{grad, grad_with, value_and_grad, value_and_grad_with};
pub use jacobian::{hessian, hessian_with, jacfwd, jacfwd_with, jacrev, jacrev_with};
pub use jvp::{jvp, jvp_with, linear_transpose, linearize, linearize_with, vjp, vjp_with};
pub use options::{Argnum, Argnums, Aux, GradOptions, HasAux, JvpOptions, NoAux, Wrt};

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::custom_derivatives::symbolic_zero;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::interpreters::linearize::{self as linearization, Linear};
use crate::lax;
use crate::signature::{FlatArgs, FlatFn, Fun, Signature, Traceable};
use crate::tree::{TreeDef, leaf_paths};

/// The type of the function `F`, which `M` marks.
type Sig<'f, M, F> = <M as Traceable<'f, F>>::Sig;
/// What it returns.
type Out<'f, M, F> = <Sig<'f, M, F> as Signature>::Out;
/// Its arguments.
type Args<'f, M, F> = <Sig<'f, M, F> as Signature>::Args;
/// What is differentiated of a result.
type Value<'f, M, F, A> = <A as Aux<Out<'f, M, F>>>::Value;
/// The function that returns an `R` instead.
type Returning<'f, M, F, R> = Fun<'f, <Sig<'f, M, F> as Signature>::Returning<R>>;
/// A gradient with respect to `W`.
type Tree<'f, M, F, W> = <W as Argnums<Sig<'f, M, F>>>::Tree;
/// The function that returns the gradient.
type Grad<'f, M, F, W, A> = Returning<'f, M, F, <A as Aux<Out<'f, M, F>>>::Grad<Tree<'f, M, F, W>>>;
/// The function that returns the value and the gradient.
type ValueAndGrad<'f, M, F, W, A> =
    Returning<'f, M, F, <A as Aux<Out<'f, M, F>>>::ValueAndGrad<Tree<'f, M, F, W>>>;

/// Linearises `f` in the leaves marked in `nonzero`.
fn linearize_flat(f: &dyn FlatFn, args: &FlatArgs, nonzero: &[bool]) -> Result<(Linear, TreeDef)> {
    if let Some(i) = (0..nonzero.len()).find(|i| nonzero[*i] && args.leaves[*i].aval().is_ref()) {
        bail!(
            Differentiation,
            "differentiation with respect to an array reference is not supported in reverse mode, since the gradient would have to be \
             accumulated in a reference too: leaf {i} of the arguments is {}. Differentiate with respect to arrays, or use jvp",
            args.leaves[i].aval()
        );
    }
    linearization::linearize(
        |leaves| {
            let out = f.call(args.with_leaves(leaves))?;
            Ok((out.leaves.into_vec(), out.tree))
        },
        &args.leaves,
        nonzero,
    )
}

/// Which leaves are at `wrt` and can vary?
fn mark(args: &FlatArgs, wrt: &[usize]) -> Vec<bool> {
    let mut marks = vec![false; args.leaves.len()];
    for i in wrt {
        marks[*i] = args.leaves[*i].dtype().is_inexact();
    }
    marks
}

/// A derivative as users get it, of what has this type: one that is not there is zeros, or `float0` for integers and booleans.
fn derivative(found: Option<Array>, of: &ShapedArray) -> Array {
    match found {
        Some(x) => x,
        None if of.dtype().is_inexact() => lax::zeros_like_aval(of),
        None => symbolic_zero(of.tangent()),
    }
}

/// Tangents must have the shape and dtype of what they are tangents of, those of integers and booleans `float0`.
fn check_tangents(what: &str, primals: &[ShapedArray], tangents: &[Array]) -> Result<()> {
    check_cotangents(what, primals, tangents)?;
    for (i, (x, dx)) in primals.iter().zip(tangents).enumerate() {
        if !x.dtype().is_inexact() && dx.dtype() != DType::Float0 {
            bail!(
                Differentiation,
                "{what} {i} must be float0, for {x} has no derivative: it is {}. custom_derivatives::zero_from_primal gives it",
                dx.aval()
            );
        }
    }
    Ok(())
}

/// Cotangents must have the shape and dtype of what they belong to; of integers and booleans any dtype will do, as in JAX.
fn check_cotangents(what: &str, primals: &[ShapedArray], tangents: &[Array]) -> Result<()> {
    for (i, (x, dx)) in primals.iter().zip(tangents).enumerate() {
        if x.is_ref() != dx.aval().is_ref()
            || x.shape() != dx.shape()
            || (x.dtype() != dx.dtype() && x.dtype().is_inexact())
        {
            bail!(
                Differentiation,
                "{what} {i} must have the type of what it belongs to: it is {}, for {x}",
                dx.aval()
            );
        }
    }
    Ok(())
}

/// JAX: `_check_input_dtype_grad`, `_check_input_dtype_jacfwd`.
fn check_inputs(
    name: &str,
    holomorphic: bool,
    allow_int: bool,
    args: &FlatArgs,
    wrt: &[usize],
) -> Result<()> {
    for i in wrt {
        let x = &args.leaves[*i];
        let dtype = x.dtype();
        let what = if holomorphic && !dtype.is_complex() {
            format!("{name} with holomorphic=true requires inputs with complex dtype")
        } else if !dtype.is_inexact() && !allow_int {
            format!(
                "{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype of inexact)"
            )
        } else if name == "jacfwd" && dtype.is_complex() && !holomorphic {
            format!(
                "{name} requires real-valued inputs (input dtype that is a sub-dtype of floating; for holomorphic \
                 differentiation set holomorphic(true), for functions of complex numbers that are not use jvp)"
            )
        } else {
            continue;
        };
        let argument = args.args.iter().position(|span| span.leaves().contains(i)).unwrap_or(0);
        let within = i - args.args[argument].leaves().start;
        let path = leaf_paths(args.arg_tokens(argument)).swap_remove(within);
        let path = path.with_root(format!("argument {argument}"));
        let remedy = match dtype.is_inexact() {
            true => "",
            false if name == "jacfwd" => ". Convert it to a float dtype, or take it as another argument",
            false => ". Convert it to a float dtype, take it as another argument, or set allow_int(true)",
        };
        bail!(Differentiation, "{what}, but {path} is {}{remedy}", x.aval());
    }
    Ok(())
}

/// JAX: `_check_output_dtype_grad`.
fn check_output(name: &str, holomorphic: bool, y: &Array) -> Result<()> {
    let dtype = y.dtype();
    if holomorphic && !dtype.is_complex() {
        bail!(
            Differentiation,
            "{name} with holomorphic=true requires outputs with complex dtype, but got {}",
            y.aval()
        );
    }
    if !holomorphic && !dtype.is_float() {
        let remedy = match dtype.is_complex() {
            true => {
                ". For holomorphic differentiation set holomorphic(true), for functions with complex results that are not \
                 holomorphic use vjp"
            }
            false => "",
        };
        bail!(
            Differentiation,
            "{name} requires real-valued outputs (output dtype that is a sub-dtype of floating), but got {}{remedy}",
            y.aval()
        );
    }
    Ok(())
}
