//! Vectors as lists of arrays, for the iterations. JAX: the aliases at the head of `_src/scipy/sparse/linalg.py`.

use crate::core::array::Array;
use crate::core::config::Precision;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax;
use crate::numpy::util::result_type_of;
use crate::numpy::{DotOptions, dot_with, sqrt, vdot_with, zeros_like};
use crate::signature::FlatOut;
use crate::tree::{Pytree, TreeDef};

/// A function of leaves.
pub(super) type Apply<'a> = dyn Fn(&[Array]) -> Result<Vec<Array>> + 'a;

/// An equation, and where the iteration begins.
pub(super) struct Problem<'a> {
    pub a: &'a Apply<'a>,
    pub b: &'a [Array],
    pub x0: &'a [Array],
    pub m: Option<&'a Apply<'a>>,
}

impl Problem<'_> {
    /// The preconditioner, which is the identity if there is none.
    pub(super) fn preconditioned(&self, x: &[Array]) -> Result<Vec<Array>> {
        match self.m {
            Some(m) => m(x),
            None => Ok(x.to_vec()),
        }
    }

    /// `b - a(x)`.
    pub(super) fn residual(&self, x: &[Array]) -> Result<Vec<Array>> {
        Ok(sub(self.b, &(self.a)(x)?))
    }
}

/// When an iteration ends.
pub(super) struct Limits {
    pub tol: Array,
    pub atol: Array,
    pub maxiter: usize,
}

/// Where an iteration begins.
pub(super) struct Start {
    pub tree: TreeDef,
    pub x0: Vec<Array>,
    /// How many unknowns there are.
    pub size: usize,
}

impl Start {
    pub(super) fn of<T: Pytree>(b: &T, x0: Option<&T>) -> Result<Start> {
        let b = FlatOut::from_tree(b);
        let size = b.leaves.iter().map(Array::size).sum();
        let Some(x0) = x0.map(FlatOut::from_tree) else {
            return Ok(Start { x0: b.leaves.iter().map(zeros_like).collect(), tree: b.tree, size });
        };
        if x0.tree != b.tree {
            bail!(TreeMismatch, "x0 and b must have matching tree structure: {} and {}", x0.tree, b.tree);
        }
        if let Some((x, b)) = x0.leaves.iter().zip(&b.leaves).find(|(x, b)| x.shape() != b.shape()) {
            bail!(Shape, "x0 and b must have matching shapes: {} and {}", x.aval(), b.aval());
        }
        Ok(Start { tree: b.tree, x0: x0.leaves.into_vec(), size })
    }
}

pub(super) fn exact() -> DotOptions {
    DotOptions::new().precision(Precision::Highest)
}

pub(super) fn exact_dot(x: &Array, y: &Array) -> Array {
    dot_with(x, y, exact())
}

fn sum(terms: impl Iterator<Item = Array>) -> Array {
    terms.reduce(|sum, term| sum + term).unwrap_or_else(|| Array::from(0.0))
}

/// The real part of the product of two vectors, the first conjugate.
pub(super) fn vdot_real(x: &[Array], y: &[Array]) -> Array {
    sum(x.iter().zip(y).map(|(x, y)| {
        let complex = x.dtype().is_complex() || y.dtype().is_complex();
        let parts = vdot_with(crate::numpy::real(x), crate::numpy::real(y), exact());
        match complex {
            true => parts + vdot_with(crate::numpy::imag(x), crate::numpy::imag(y), exact()),
            false => parts,
        }
    }))
}

/// The product of two vectors, the first conjugate.
pub(super) fn vdot(x: &[Array], y: &[Array]) -> Array {
    sum(x.iter().zip(y).map(|(x, y)| vdot_with(x, y, exact())))
}

pub(super) fn norm(x: &[Array]) -> Array {
    sqrt(vdot_real(x, x))
}

fn each(x: &[Array], y: &[Array], f: impl Fn(&Array, &Array) -> Array) -> Vec<Array> {
    x.iter().zip(y).map(|(x, y)| f(x, y)).collect()
}

pub(super) fn add(x: &[Array], y: &[Array]) -> Vec<Array> {
    each(x, y, |x, y| x + y)
}

pub(super) fn sub(x: &[Array], y: &[Array]) -> Vec<Array> {
    each(x, y, |x, y| x - y)
}

pub(super) fn mul(scalar: &Array, x: &[Array]) -> Vec<Array> {
    x.iter().map(|x| scalar * x).collect()
}

pub(super) fn select(condition: &Array, x: &[Array], y: &[Array]) -> Vec<Array> {
    each(x, y, |x, y| crate::numpy::where_(condition, x, y))
}

/// The dtype of all leaves together, and whether it is weak.
pub(super) fn result_type(x: &[Array]) -> (DType, bool) {
    result_type_of("", &x.iter().collect::<Vec<_>>())
}

/// In the dtype of all leaves together.
pub(super) fn cast_like(x: &Array, (dtype, weak): (DType, bool)) -> Array {
    lax::convert(x, dtype, weak)
}
