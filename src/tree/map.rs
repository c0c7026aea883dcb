//! Functions over the leaves of trees. JAX: `jax.tree.map`, `leaves`, `reduce`, `all`, `leaves_with_path`.

use super::flatten::{Flattener, Leaves, Pytree, Unflattener};
use super::path::Path;
use super::token::Token;
use super::treedef::{TreeDef, first_difference, leaf_paths};
use crate::core::array::Array;
use crate::error::{OrThrow, Result, bail};

fn flat<T: Pytree>(tree: &T) -> Flattener {
    let mut out = Flattener::new();
    tree.flatten_into(&mut out);
    out
}

fn rebuild<T: Pytree>(tokens: &[Token], leaves: Result<Leaves>) -> Result<T> {
    T::unflatten_from(&mut Unflattener::new(tokens, &mut leaves?.into_iter()))
}

fn check_structure(op: &str, first: &[Token], other: &[Token]) -> Result<()> {
    if first != other {
        let difference = first_difference(first, other).unwrap_or_default();
        bail!(TreeMismatch, "{op}: the trees differ in structure {difference}");
    }
    Ok(())
}

/// `f` of each leaf, in a tree of the same structure.
/// ```
/// # use raxla::{tree, Array};
/// # fn example(params: &Vec<Array>) -> Vec<Array> {
/// tree::map(|x| x.clone(), params)
/// # }
/// ```
#[track_caller]
pub fn map<T: Pytree>(mut f: impl FnMut(&Array) -> Array, tree: &T) -> T {
    try_map(|x| Ok(f(x)), tree).or_throw()
}

/// [`map`] with a function that may fail.
///
/// # Errors
/// The first error of `f`.
pub fn try_map<T: Pytree>(f: impl FnMut(&Array) -> Result<Array>, tree: &T) -> Result<T> {
    let Flattener { leaves, tokens } = flat(tree);
    rebuild(&tokens, leaves.iter().map(f).collect())
}

/// `f` of the path and the value of each leaf, in a tree of the same structure.
#[track_caller]
pub fn map_with_path<T: Pytree>(mut f: impl FnMut(&Path, &Array) -> Array, tree: &T) -> T {
    let Flattener { leaves, tokens } = flat(tree);
    let mapped = leaf_paths(&tokens).iter().zip(&leaves).map(|(path, leaf)| Ok(f(path, leaf))).collect();
    rebuild(&tokens, mapped).or_throw()
}

/// `f` of the corresponding leaves of `N` trees of one structure, in a tree of that structure.
fn zip<T: Pytree, const N: usize>(
    op: &str,
    mut f: impl FnMut([&Array; N]) -> Result<Array>,
    trees: [&T; N],
) -> Result<T> {
    let flat = trees.map(flat);
    for other in &flat[1..] {
        check_structure(op, &flat[0].tokens, &other.tokens)?;
    }
    let mapped = (0..flat[0].leaves.len()).map(|i| f(std::array::from_fn(|tree| &flat[tree].leaves[i])));
    rebuild(&flat[0].tokens, mapped.collect())
}

/// `f` of the corresponding leaves of two trees, in a tree of their structure.
/// ```
/// # use raxla::{tree, Array};
/// # fn example(params: &Vec<Array>, grads: &Vec<Array>) -> Vec<Array> {
/// tree::map2(|p, g| p - g * 0.1, params, grads)
/// # }
/// ```
///
/// # Panics
/// `tree::map2: the trees differ in structure at layers[2]: a leaf, and None`, at the caller's line. Inside a
/// transformation it is an `Err` of the transformed call instead.
#[track_caller]
pub fn map2<T: Pytree>(mut f: impl FnMut(&Array, &Array) -> Array, a: &T, b: &T) -> T {
    zip("tree::map2", |[a, b]| Ok(f(a, b)), [a, b]).or_throw()
}

/// [`map2`] for three trees.
///
/// # Panics
/// As [`map2`] does.
#[track_caller]
pub fn map3<T: Pytree>(mut f: impl FnMut(&Array, &Array, &Array) -> Array, a: &T, b: &T, c: &T) -> T {
    zip("tree::map3", |[a, b, c]| Ok(f(a, b, c)), [a, b, c]).or_throw()
}

/// [`map2`] for four trees.
///
/// # Panics
/// As [`map2`] does.
#[track_caller]
pub fn map4<T: Pytree>(
    mut f: impl FnMut(&Array, &Array, &Array, &Array) -> Array,
    a: &T,
    b: &T,
    c: &T,
    d: &T,
) -> T {
    zip("tree::map4", |[a, b, c, d]| Ok(f(a, b, c, d)), [a, b, c, d]).or_throw()
}

/// [`map2`] with a function that may fail.
///
/// # Errors
/// The first error of `f`; `TreeMismatch` if the trees differ in structure.
pub fn try_map2<T: Pytree>(mut f: impl FnMut(&Array, &Array) -> Result<Array>, a: &T, b: &T) -> Result<T> {
    zip("tree::try_map2", |[a, b]| f(a, b), [a, b])
}

/// [`map3`] with a function that may fail.
///
/// # Errors
/// As [`try_map2`].
pub fn try_map3<T: Pytree>(
    mut f: impl FnMut(&Array, &Array, &Array) -> Result<Array>,
    a: &T,
    b: &T,
    c: &T,
) -> Result<T> {
    zip("tree::try_map3", |[a, b, c]| f(a, b, c), [a, b, c])
}

/// [`map4`] with a function that may fail.
///
/// # Errors
/// As [`try_map2`].
pub fn try_map4<T: Pytree>(
    mut f: impl FnMut(&Array, &Array, &Array, &Array) -> Result<Array>,
    a: &T,
    b: &T,
    c: &T,
    d: &T,
) -> Result<T> {
    zip("tree::try_map4", |[a, b, c, d]| f(a, b, c, d), [a, b, c, d])
}

/// Turns a tree of trees inside out: a list of `Params` into a `Params` of lists. JAX: `jax.tree.transpose`.
///
/// `tree` has the structure `outer` with `inner` for each leaf; the result has `inner` with `outer` for each leaf.
/// ```
/// use raxla::{Array, tree};
/// let pairs = vec![(Array::from(1), Array::from(2)), (Array::from(3), Array::from(4))];
/// let (outer, inner) = (tree::structure(&vec![Array::from(0); 2]), tree::structure(&pairs[0]));
/// let (odd, even): (Vec<Array>, Vec<Array>) = tree::transpose(&outer, &inner, &pairs)?;
/// assert_eq!(format!("{odd:?}"), format!("{:?}", [Array::from(1), Array::from(3)]));
/// # assert_eq!(format!("{even:?}"), format!("{:?}", [Array::from(2), Array::from(4)]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `TreeMismatch` if `tree` has another structure, or if the result is not an `R`.
pub fn transpose<T: Pytree, R: Pytree>(outer: &TreeDef, inner: &TreeDef, tree: &T) -> Result<R> {
    let Flattener { leaves, tokens } = flat(tree);
    check_structure("tree::transpose", outer.compose(inner).tokens(), &tokens)?;
    let (rows, columns) = (outer.num_leaves(), inner.num_leaves());
    let at = |row: usize, column: usize| leaves[row * columns + column].clone();
    let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
    rebuild(inner.compose(outer).tokens(), Ok(turned.map(|(row, column)| at(row, column)).collect()))
}

/// The leaves, in order.
pub fn leaves<T: Pytree>(tree: &T) -> Vec<Array> {
    flat(tree).leaves
}

/// The leaves, each with its path: `layers[2].weight`.
pub fn leaves_with_path<T: Pytree>(tree: &T) -> Vec<(Path, Array)> {
    let Flattener { leaves, tokens } = flat(tree);
    leaf_paths(&tokens).into_iter().zip(leaves).collect()
}

/// Folds the leaves, in order. JAX: `jax.tree.reduce`.
pub fn reduce<T: Pytree, R>(f: impl FnMut(R, &Array) -> R, tree: &T, init: R) -> R {
    flat(tree).leaves.iter().fold(init, f)
}

/// The leaves made one by an associative operation, in halves: as many steps one after the other as their number has digits. JAX:
/// `jax.tree.reduce_associative`. `identity` is what a tree without leaves gives.
/// ```
/// use raxla::{Array, tree};
/// let leaves = vec![Array::from(1), Array::from(2), Array::from(3)];
/// let sum = tree::reduce_associative(|a, b| a + b, &leaves, 0);
/// assert_eq!(sum.item::<i32>()?, 6);
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn reduce_associative<T: Pytree>(
    mut operation: impl FnMut(&Array, &Array) -> Array,
    tree: &T,
    identity: impl Into<Array>,
) -> Array {
    fn halves(operation: &mut dyn FnMut(&Array, &Array) -> Array, leaves: &[Array]) -> Option<Array> {
        match leaves {
            [] => None,
            [one] => Some(one.clone()),
            _ => {
                let (front, back) = leaves.split_at(leaves.len() / 2);
                let (a, b) = (halves(operation, front)?, halves(operation, back)?);
                Some(operation(&a, &b))
            }
        }
    }
    halves(&mut operation, &flat(tree).leaves).unwrap_or_else(|| identity.into())
}

/// Each leaf of a tree whose structure is the upper part of another's, in place of all that the other has there. JAX:
/// `jax.tree.broadcast`.
/// ```
/// use raxla::{Array, tree};
/// let (rates, params) = ((Array::from(1), Array::from(2)), (Array::from(0), vec![Array::from(0); 2]));
/// let (first, rest) = tree::broadcast(&rates, &params)?;
/// assert_eq!((first.item::<i32>()?, rest[1].item::<i32>()?), (1, 2));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `TreeMismatch` if the first is no upper part of the second.
pub fn broadcast<P: Pytree, T: Pytree>(prefix: &P, full: &T) -> Result<T> {
    let (prefix, full) = (flat(prefix), flat(full));
    let mut leaves = Leaves::new();
    let mut upper = prefix.leaves.iter();
    let mut tokens = full.tokens.iter();
    for token in &prefix.tokens {
        let Some(other) = tokens.next() else { break };
        if *token == Token::Leaf {
            let Some(leaf) = upper.next() else { break };
            // All that stands below.
            let mut open = 1usize;
            let mut next = Some(other);
            while let Some(token) = next {
                open = open - 1 + token.arity();
                if *token == Token::Leaf {
                    leaves.push(leaf.clone());
                }
                next = if open == 0 { None } else { tokens.next() };
            }
        } else if token != other {
            bail!(
                TreeMismatch,
                "tree::broadcast: {} is no upper part of {}",
                TreeDef::from_tokens(&prefix.tokens),
                TreeDef::from_tokens(&full.tokens)
            );
        }
    }
    rebuild(&full.tokens, Ok(leaves))
}

/// The leaves, each with its path, and the structure. JAX: `jax.tree.flatten_with_path`.
pub fn flatten_with_path<T: Pytree>(tree: &T) -> (Vec<(Path, Array)>, TreeDef) {
    let Flattener { leaves, tokens } = flat(tree);
    (leaf_paths(&tokens).into_iter().zip(leaves).collect(), TreeDef::from_tokens(&tokens))
}

/// Is `f` true of every leaf?
pub fn all<T: Pytree>(f: impl FnMut(&Array) -> bool, tree: &T) -> bool {
    flat(tree).leaves.iter().all(f)
}
