//! Functions of whole trees: moments, norms, random numbers, the parameters' part of a state. Optax: `optax.tree`.

use super::math::{abs_sq, sum_of};
use super::{GradientTransformation, Hyperparam, OptState};
use crate::Pytree;
use crate::arguments::{Dims, ShapeDtype, options};
use crate::core::array::Array;
use crate::core::config::x64_enabled;
use crate::core::trace::with_location;
use crate::dtype::{DType, canonicalize, promote_types};
use crate::error::{OrThrow, Result, bail, caller, throw};
use crate::interpreters::partial_eval::trace_to_jaxpr_with;
use crate::lax;
use crate::numpy::{self, CloseOptions};
use crate::random::{self, Key, SplitOptions};
use crate::tree::{self, AnyTree, StaticToken, Token, TreeDef};

/// `(1 - decay) g^order + decay t`, leaf by leaf: a mean over time of powers of updates, of which `decay` stays at each step.
/// Optax: `optax.tree.update_moment`.
///
/// ```
/// use raxla::{Array, optim};
///
/// let (grads, mean) = (Array::from([2.0f32, 4.0]), Array::from([1.0f32, 0.0]));
/// let mean = optim::update_moment(&grads, &mean, 0.5, 1);
/// assert_eq!(mean.to_vec::<f32>()?, [1.5, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// Trees of different structures, at the caller's line.
#[track_caller]
pub fn update_moment<T: Pytree>(updates: &T, moments: &T, decay: impl Into<Hyperparam>, order: i64) -> T {
    averaged(updates, moments, &decay.into(), |g| raised(g, order))
}

/// [`update_moment`] of absolute values, `(1 - decay) |g|^order + decay t`, which is real where updates are complex. That of a real
/// number keeps its sign if `order` is odd. Optax: `optax.tree.update_moment_per_elem_norm`.
///
/// # Panics
/// Trees of different structures, at the caller's line.
#[track_caller]
pub fn update_moment_per_elem_norm<T: Pytree>(
    updates: &T,
    moments: &T,
    decay: impl Into<Hyperparam>,
    order: i64,
) -> T {
    averaged(updates, moments, &decay.into(), |g| match g.dtype().is_complex() {
        false => raised(g, order),
        true if order % 2 == 0 => raised(&abs_sq(g), order / 2),
        true => numpy::power(abs_sq(g), order as f64 / 2.0),
    })
}

#[track_caller]
fn averaged<T: Pytree>(updates: &T, moments: &T, decay: &Hyperparam, f: impl Fn(&Array) -> Array) -> T {
    let rest = 1.0 - decay;
    with_location(caller(), || tree::map2(|g, t| f(g) * &rest + t * decay, updates, moments))
}

fn raised(x: &Array, order: i64) -> Array {
    match order {
        1 => x.clone(),
        2 => numpy::square(x),
        _ => lax::integer_pow(x, order),
    }
}

/// `max(|g| + eps, decay t)`, leaf by leaf: the largest size of updates over time, of which `decay` stays at each step. Optax:
/// `optax.tree.update_infinity_moment`.
///
/// ```
/// use raxla::{Array, optim};
///
/// let (grads, largest) = (Array::from([-2.0f32, 1.0]), Array::from([1.0f32, 8.0]));
/// let largest = optim::update_infinity_moment(&grads, &largest, 0.5, 0.0);
/// assert_eq!(largest.to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// Trees of different structures, at the caller's line.
#[track_caller]
pub fn update_infinity_moment<T: Pytree>(
    updates: &T,
    moments: &T,
    decay: impl Into<Hyperparam>,
    eps: impl Into<Hyperparam>,
) -> T {
    let (decay, eps) = (decay.into(), eps.into());
    let largest = |g: &Array, t: &Array| numpy::maximum(numpy::abs(g) + &eps, t * &decay);
    with_location(caller(), || tree::map2(largest, updates, moments))
}

/// A mean over time that began at zero, divided by the weight that it has gathered in `count` steps: `t / (1 - decay^count)`.
/// Dtypes stay. Kingma and Ba 2015, section 3. Optax: `optax.tree.bias_correction`.
///
/// ```
/// use raxla::{Array, optim};
///
/// let (grads, zero) = (Array::from([2.0f32, 4.0]), Array::from([0.0f32, 0.0]));
/// let mean = optim::update_moment(&grads, &zero, 0.5, 1);
/// assert_eq!(optim::bias_correction(&mean, 0.5, 1).to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn bias_correction<T: Pytree>(moment: &T, decay: impl Into<Hyperparam>, count: impl Into<Array>) -> T {
    let (decay, count) = (decay.into(), count.into());
    with_location(caller(), || {
        // In low precision the power can be 1.
        let weight = 1.0 - numpy::power(&decay, &count);
        tree::map(|t| t / weight.astype(t.dtype()), moment)
    })
}

/// The norm of all elements of a tree together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeNorm {
    /// The sum of absolute values.
    L1,
    /// The root of the sum of squares.
    #[default]
    L2,
    /// The largest absolute value.
    Inf,
}

options! {
    /// Options of [`tree_norm_with`].
    pub struct TreeNormOptions {
        /// Which norm.
        ord: value TreeNorm = TreeNorm::L2,
        /// Is the square of it taken?
        squared: value bool = false,
    }
}

/// [`global_norm`](super::global_norm) by options: another norm, or its square. Optax: `optax.tree.norm`.
///
/// ```
/// use raxla::{Array, optim::{self, TreeNorm, TreeNormOptions}};
///
/// let tree = (Array::from([3.0f32]), Array::from([0.0f32, -4.0]));
/// let norm = |options| optim::tree_norm_with(&tree, options).item::<f32>();
/// assert_eq!(norm(TreeNormOptions::new().ord(TreeNorm::L1))?, 7.0);
/// assert_eq!(norm(TreeNormOptions::new().squared(true))?, 25.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn tree_norm_with<T: Pytree>(tree: &T, options: TreeNormOptions) -> Array {
    let leaves = tree::leaves(tree);
    with_location(caller(), || {
        let norm = match options.ord {
            TreeNorm::L2 => {
                let squares = sum_of(leaves.iter().map(|x| abs_sq(x).sum(..)));
                return if options.squared { squares } else { numpy::sqrt(squares) };
            }
            TreeNorm::L1 => sum_of(leaves.iter().map(|x| numpy::abs(x).sum(..))),
            TreeNorm::Inf => {
                let largest = leaves.iter().filter(|x| x.size() > 0).map(|x| numpy::abs(x).max(..));
                // Optax has minus infinity for a tree without elements, which is no norm.
                largest.reduce(|x, y| numpy::maximum(x, y)).unwrap_or_else(|| Array::from(0.0))
            }
        };
        if options.squared { numpy::square(norm) } else { norm }
    })
}

/// Are all elements of two trees within `1e-8 + 1e-5 |y|` of each other? A boolean scalar. Optax: `optax.tree.allclose`.
///
/// # Panics
/// Trees of different structures or shapes that do not broadcast, at the caller's line.
#[track_caller]
pub fn tree_allclose<T: Pytree>(a: &T, b: &T) -> Array {
    tree_allclose_with(a, b, CloseOptions::new())
}

/// [`tree_allclose`] with other tolerances.
///
/// ```
/// use raxla::{Array, numpy::CloseOptions, optim};
///
/// let (a, b) = (vec![Array::from([1.0f32, 2.0])], vec![Array::from([1.0f32, 2.1])]);
/// assert!(!optim::tree_allclose(&a, &b).item::<bool>()?);
/// assert!(optim::tree_allclose_with(&a, &b, CloseOptions::new().rtol(0.1)).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// As [`tree_allclose`].
#[track_caller]
pub fn tree_allclose_with<T: Pytree>(a: &T, b: &T, options: CloseOptions) -> Array {
    with_location(caller(), || {
        let close = tree::map2(|x, y| numpy::allclose_with(x, y, options.clone()), a, b);
        let all = tree::leaves(&close).into_iter().reduce(|x, y| numpy::logical_and(x, y));
        all.unwrap_or_else(|| numpy::array(true))
    })
}

/// Each leaf repeated along new leading axes of these sizes: `f32[3]` and `shape` `[2]` -> `f32[2,3]`. Optax:
/// `optax.tree.batch_shape`.
///
/// ```
/// use raxla::{Array, optim};
///
/// assert_eq!(optim::tree_batch_shape(&Array::from([1.0f32, 2.0, 3.0]), [4, 2]).shape(), [4, 2, 3]);
/// ```
#[track_caller]
pub fn tree_batch_shape<T: Pytree>(tree: &T, shape: impl Into<Dims>) -> T {
    let leading: Dims = shape.into();
    with_location(caller(), || {
        let leading = leading.shape("tree_batch_shape").or_throw();
        let wider = |x: &Array| numpy::broadcast_to(x, [&leading[..], x.shape()].concat());
        tree::map(wider, tree)
    })
}

/// What the dtype is of a tree whose leaves have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MixedDtypes {
    /// The one that all are promoted to.
    Promote,
    /// The one of the leaves that all others are promoted to.
    Highest,
    /// The one of the leaves that is promoted to all others.
    Lowest,
}

options! {
    /// Options of [`tree_dtype_with`].
    pub struct TreeDtypeOptions {
        /// What to say of several dtypes; they are refused, if it is not given.
        mixed_dtype_handler: optional MixedDtypes,
    }
}

/// The dtype of all leaves of a tree; JAX's default for one without leaves. Optax: `optax.tree.dtype`.
///
/// # Panics
/// `tree_dtype: requires leaves of one dtype, got f32, and i32 at 1: tree_dtype_with takes others`, at the caller's line.
#[track_caller]
pub fn tree_dtype<T: Pytree>(tree: &T) -> DType {
    tree_dtype_with(tree, TreeDtypeOptions::new())
}

/// [`tree_dtype`], of leaves that may have several.
///
/// ```
/// use raxla::{Array, DType, optim::{self, MixedDtypes, TreeDtypeOptions}};
///
/// let tree = (Array::from([1.0f32]), Array::from([1i32]));
/// let lowest = TreeDtypeOptions::new().mixed_dtype_handler(MixedDtypes::Lowest);
/// assert_eq!(optim::tree_dtype_with(&tree, lowest), DType::I32);
/// ```
///
/// # Panics
/// As [`tree_dtype`]; `tree_dtype: neither of i32 and u32 is promoted to the other` for the highest and the lowest.
#[track_caller]
pub fn tree_dtype_with<T: Pytree>(tree: &T, options: TreeDtypeOptions) -> DType {
    let leaves = tree::leaves_with_path(tree);
    let Some((_, first)) = leaves.first() else { return canonicalize(DType::F64, x64_enabled()) };
    let mut dtype = first.dtype();
    for (path, other) in &leaves[1..] {
        let other = other.dtype();
        let Some(handler) = options.mixed_dtype_handler else {
            if other != dtype {
                throw!(
                    DType,
                    "tree_dtype: requires leaves of one dtype, got {dtype}, and {other} at {path}: tree_dtype_with takes others"
                );
            }
            continue;
        };
        let both = promote_types((dtype, false), (other, false), x64_enabled());
        let (both, _) = both.map_err(|e| e.context("tree_dtype")).or_throw();
        let (higher, lower) = if both == dtype { (dtype, other) } else { (other, dtype) };
        if handler != MixedDtypes::Promote && both != higher {
            throw!(DType, "tree_dtype: neither of {dtype} and {other} is promoted to the other");
        }
        dtype = match handler {
            MixedDtypes::Promote => both,
            MixedDtypes::Highest => higher,
            MixedDtypes::Lowest => lower,
        };
    }
    dtype
}

/// A key for each leaf of a tree, in order. Optax: `optax.tree.split_key_like`, which puts them into a tree of that structure.
#[track_caller]
pub fn tree_split_key_like<T: Pytree>(rng_key: &Key, target_tree: &T) -> Vec<Key> {
    let count = tree::leaves(target_tree).len();
    if count == 0 {
        return Vec::new();
    }
    random::split_with(rng_key, SplitOptions::new().num(count)).iter().collect()
}

/// A tree of the shapes and dtypes of another, whose elements are drawn: each leaf is `sampler(key, shape and dtype)` for a key of its
/// own. Optax: `optax.tree.random_like`.
///
/// ```
/// use raxla::{Array, optim, random};
///
/// let params = (Array::from([1.0f32, 2.0]), Array::from([[3.0f32]]));
/// let noise = optim::tree_random_like(&random::key(0), &params, random::normal);
/// assert_eq!((noise.0.shape(), noise.1.shape()), (&[2][..], &[1, 1][..]));
/// ```
///
/// # Panics
/// Dtypes that the sampler does not draw, at the caller's line.
#[track_caller]
pub fn tree_random_like<T: Pytree>(
    rng_key: &Key,
    target_tree: &T,
    sampler: impl Fn(&Key, ShapeDtype) -> Array,
) -> T {
    with_location(caller(), || {
        let mut keys = tree_split_key_like(rng_key, target_tree).into_iter();
        let mut draw = |x: &Array| match keys.next() {
            Some(key) => sampler(&key, (x.shape().to_vec(), x.dtype()).into()),
            None => x.clone(),
        };
        tree::map(&mut draw, target_tree)
    })
}

/// Marks the leaf beside it as what was made of a parameter, by the parameter's number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct OfParameter(u32);

/// `f` of each array in a state and of the parameter that it was made of, or of `None` where it was made of none, as a count of steps is.
/// Optax: `tree_map_params`, which is given the optimiser too.
///
/// It puts moments where their parameters are, for example, or takes those of a frozen layer out of a state.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::adam(0.1);
/// let params = (Array::from([1.0f32, 2.0]), Array::from(3.0f32));
/// let state = tx.init(&params)?;
/// // Every moment becomes the parameter that it belongs to.
/// let state = optim::tree_map_params(&tx, |x, param| param.unwrap_or(x).clone(), &state, &params)?;
/// assert_eq!(state.find("mu")?.leaves()[0].to_vec::<f32>()?, [1.0, 2.0]);
/// assert_eq!(state.find("count")?.leaves()[0].item::<i32>()?, 0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A state that is not one of this optimiser for these parameters; one whose `init` takes parameters of a certain type apart.
#[track_caller]
pub fn tree_map_params<P: Pytree>(
    tx: &GradientTransformation,
    mut f: impl FnMut(&Array, Option<&Array>) -> Array,
    state: &OptState,
    params: &P,
) -> Result<OptState> {
    let loc = caller();
    let params = AnyTree::new(params);
    let map = || {
        let marked = marked_state(tx, &params)?;
        let (structure, owners) = taken_apart(marked.tokens());
        if let Some(difference) = structure.first_difference(state.structure()) {
            bail!(TreeMismatch, "tree_map_params: the state is not one of this optimiser {difference}");
        }
        let owner = |i: &Option<u32>| i.and_then(|i| params.leaves().get(i as usize));
        let leaves = state.leaves().iter().zip(&owners).map(|(x, i)| f(x, owner(i)));
        AnyTree::from_parts(structure, leaves.collect())
    };
    with_location(loc, map).map_err(|e| e.at(loc))
}

/// The structure of the state of marked parameters. Nothing of it is computed.
fn marked_state(tx: &GradientTransformation, params: &AnyTree) -> Result<TreeDef> {
    let mut number = 0;
    let mut tokens = Vec::new();
    for token in params.structure().tokens() {
        if matches!(token, Token::Leaf) {
            // A node of two that is no part of a path, so that masks see the paths that they know.
            tokens.extend([Token::Dict(2), Token::Static(StaticToken::new(&OfParameter(number)))]);
            number += 1;
        }
        tokens.push(token.clone());
    }
    let structure = TreeDef::from_tokens(&tokens);
    let avals: Vec<_> = params.leaves().iter().map(Array::aval).collect();
    let init = |args: &[Array]| {
        let state = tx.init_any(&AnyTree::from_parts(structure, args.to_vec())?)?;
        Ok((state.leaves().to_vec(), state.structure().clone()))
    };
    Ok(trace_to_jaxpr_with(&avals, init)?.1)
}

/// The structure without marks, and for each leaf the parameter that it is of.
fn taken_apart(tokens: &[Token]) -> (TreeDef, Vec<Option<u32>>) {
    let (mut rest, mut plain, mut owners) = (tokens, Vec::with_capacity(tokens.len()), Vec::new());
    while let [first, others @ ..] = rest {
        let mark = match rest {
            [Token::Dict(2), Token::Static(mark), after @ ..] => {
                mark.get::<OfParameter>().map(|OfParameter(number)| (number, after))
            }
            _ => None,
        };
        match mark {
            // What stands beside the mark is a leaf, or `None` where a mask left it out.
            Some((number, [beside, after @ ..])) => {
                if matches!(beside, Token::Leaf) {
                    owners.push(Some(number));
                }
                plain.push(beside.clone());
                rest = after;
            }
            _ => {
                if matches!(first, Token::Leaf) {
                    owners.push(None);
                }
                plain.push(first.clone());
                rest = others;
            }
        }
    }
    (TreeDef::from_tokens(&plain), owners)
}
