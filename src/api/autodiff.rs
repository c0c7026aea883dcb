//! Derivatives of functions of trees. JAX: `jax.grad`, `jax.jvp`, `jax.vjp`, `jax.linearize`, `jax.jacfwd` …

mod grad;
mod jacobian;
mod jvp;
mod options;

pub use grad::{grad, grad_with, value_and_grad, value_and_grad_with};
pub use jacobian::{hessian, hessian_with, jacfwd, jacfwd_with, jacrev, jacrev_with};
pub use jvp::{jvp, jvp_with, linear_transpose, linearize, linearize_with, vjp, vjp_with};
pub use options::{Argnum, Argnums, Aux, GradOptions, HasAux, JvpOptions, NoAux, Wrt};

use crate::core::array::Array;
use crate::error::{Result, bail};
use crate::interpreters::linearize::{self as linearization, Linear};
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
