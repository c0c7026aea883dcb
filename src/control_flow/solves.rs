//! `custom_linear_solve` and `custom_root`: solutions whose derivatives follow from what they solve, not from how. JAX:
//! `lax/control_flow/solves.py`, `linear_solve_p`.

mod root;
mod rules;

use std::fmt;
use std::sync::Arc;

use root::{RootOf, root_flat};
use rules::LinearSolve;

use super::common::{Traced, bind_all_at, here, trace};
use super::scan::unflatten;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Jaxpr, Loc};
use crate::core::primitive::Ct;
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::backward_pass_jaxpr;
use crate::lax;
use crate::signature::{FlatOut, OutLeaves, Output};
use crate::tree::{Pytree, Token, TreeDef};

/// The `x` with `matvec(x) = b` that `solve` finds, with the derivatives of a solution. `matvec` is linear; arrays are in trees of one type.
///
/// `solve(matvec, b)` need not be differentiable: a derivative of `x` is the solution of another such equation. Forward mode and `vmap`
/// work as they are; reverse mode needs to know how the transposed equation is solved, which an option of [`custom_linear_solve_with`] says. What `matvec`
/// captures is differentiated, what `solve` captures is not.
///
/// ```
/// use raxla::{lax, prelude::*};
///
/// // A diagonal matrix.
/// let (d, b) = (Array::from([2.0f32, 4.0]), Array::from([1.0f32, 1.0]));
/// let x = lax::custom_linear_solve(|x: Array| &d * x, b, |_, b: Array| b / &d)?;
/// assert_eq!(x.to_vec::<f32>()?, [0.5, 0.25]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the functions; `custom_linear_solve: matvec() output shapes must match b, got f32[2] and f32[3]`, and the same of `solve`; a
/// derivative in reverse mode: `transpose_solve required for backwards mode automatic differentiation of custom_linear_solve`.
#[track_caller]
pub fn custom_linear_solve<T, A, P>(
    matvec: impl Fn(T) -> A,
    b: T,
    solve: impl Fn(&dyn Fn(T) -> Result<T>, T) -> P,
) -> Result<T>
where
    T: Pytree,
    A: Output<Tree = T>,
    P: Output<Tree = T>,
{
    custom_linear_solve_with(matvec, b, solve, CustomLinearSolveOptions::new())
}

type Solver<'f, T> = Box<dyn Fn(&dyn Fn(T) -> Result<T>, T) -> Result<FlatOut> + 'f>;

/// Options of [`custom_linear_solve_with`].
#[non_exhaustive]
pub struct CustomLinearSolveOptions<'f, T> {
    transpose_solve: Option<Solver<'f, T>>,
    symmetric: bool,
    has_aux: bool,
}

impl<T> fmt::Debug for CustomLinearSolveOptions<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("CustomLinearSolveOptions");
        out.field("transpose_solve", &self.transpose_solve.is_some());
        out.field("symmetric", &self.symmetric).field("has_aux", &self.has_aux).finish()
    }
}

impl<T> Default for CustomLinearSolveOptions<'_, T> {
    fn default() -> Self {
        CustomLinearSolveOptions { transpose_solve: None, symmetric: false, has_aux: false }
    }
}

impl<'f, T: Pytree> CustomLinearSolveOptions<'f, T> {
    /// JAX's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Solves the transposed equation: takes the transpose of `matvec`, which is found by differentiating, and a right-hand side. Needed for
    /// derivatives in reverse mode.
    #[must_use]
    pub fn transpose_solve<P: Output>(
        mut self,
        transpose_solve: impl Fn(&dyn Fn(T) -> Result<T>, T) -> P + 'f,
    ) -> Self {
        let solve = move |vecmat: &dyn Fn(T) -> Result<T>, x: T| {
            Ok(FlatOut::from_tree(&transpose_solve(vecmat, x).into_result()?))
        };
        self.transpose_solve = Some(Box::new(solve));
        self
    }
    /// Is `matvec` its own transpose? Then `solve` solves the transposed equation, too, unless `transpose_solve` is given.
    #[must_use]
    pub fn symmetric(mut self, symmetric: bool) -> Self {
        self.symmetric = symmetric;
        self
    }
    /// Do `solve` and `transpose_solve` give a pair of the solution and something that is not differentiated, such as a number of iterations?
    #[must_use]
    pub fn has_aux(mut self, has_aux: bool) -> Self {
        self.has_aux = has_aux;
        self
    }
}

/// [`custom_linear_solve`] by options: what `solve` gives, which is a pair if there is something besides the solution.
///
/// ```
/// use raxla::lax::{self, CustomLinearSolveOptions};
/// use raxla::prelude::*;
///
/// // The derivative of b / d by d.
/// let f = |d: &Array, b: &Array| {
///     let options = CustomLinearSolveOptions::new().symmetric(true);
///     lax::custom_linear_solve_with(|x: Array| d * x, b.clone(), |_, b: Array| b / lax::stop_gradient(d), options)
/// };
/// assert_eq!(grad(f)(&Array::from(2.0), &Array::from(1.0))?.item::<f32>()?, -0.25);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`custom_linear_solve`].
#[track_caller]
pub fn custom_linear_solve_with<T, X, A, P>(
    matvec: impl Fn(T) -> A,
    b: T,
    solve: impl Fn(&dyn Fn(T) -> Result<T>, T) -> P,
    options: CustomLinearSolveOptions<'_, T>,
) -> Result<X>
where
    T: Pytree,
    X: Pytree,
    A: Output<Tree = T>,
    P: Output<Tree = X>,
{
    let loc = here();
    let b = FlatOut::from_tree(&b);
    let tree = b.tree.clone();
    let apply = |x: T| matvec(x).into_result();
    let matvec = |x: &[Array]| Ok(FlatOut::from_tree(&apply(unflatten(&tree, x)?)?));
    let solve = |x: &[Array]| Ok(FlatOut::from_tree(&solve(&apply, unflatten(&tree, x)?).into_result()?));
    let transposed = options.transpose_solve.map(|solve| {
        let tree = tree.clone();
        move |vecmat: &Apply<'_>, x: &[Array]| {
            let apply = |x: T| vecmat(&FlatOut::from_tree(&x).leaves)?.into_tree::<T>();
            solve(&apply, unflatten(&tree, x)?)
        }
    });
    let equation = Equation {
        matvec: &matvec,
        solve: &solve,
        transpose_solve: transposed.as_ref().map(|f| f as &TransposeSolve<'_>),
        symmetric: options.symmetric,
        has_aux: options.has_aux,
    };
    catch(|| equation.solved(b, loc)).map_err(|e| e.at(loc))?.into_tree()
}

/// A function of flat trees.
type Apply<'a> = dyn Fn(&[Array]) -> Result<FlatOut> + 'a;

/// The same of the transposed function, too.
type TransposeSolve<'a> = dyn Fn(&Apply<'_>, &[Array]) -> Result<FlatOut> + 'a;

/// What is to be solved, without the types of the trees.
struct Equation<'a> {
    matvec: &'a Apply<'a>,
    solve: &'a Apply<'a>,
    transpose_solve: Option<&'a TransposeSolve<'a>>,
    symmetric: bool,
    has_aux: bool,
}

impl Equation<'_> {
    fn solved(&self, b: FlatOut, loc: Loc) -> Result<FlatOut> {
        let avals: Vec<ShapedArray> = b.leaves.iter().map(Array::aval).collect();
        let like = Like { what: "custom_linear_solve", name: "b", tree: &b.tree, avals: &avals };
        let matvec = trace(&avals, |x| like.checked("matvec", (self.matvec)(x)?, false))?;
        let solve = trace(&avals, |x| like.checked("solve", (self.solve)(x)?, self.has_aux))?;
        let (vecmat, transpose_solve) = match (self.transpose_solve, self.symmetric) {
            (None, false) => (None, None),
            (None, true) => (Some(matvec.again()), Some(solve.again())),
            (Some(solver), true) => {
                let solve =
                    |x: &[Array]| like.checked("transpose_solve", solver(self.matvec, x)?, self.has_aux);
                (Some(matvec.again()), Some(trace(&avals, solve)?))
            }
            (Some(solver), false) => {
                let vecmat = |x: &[Array]| transposed(&matvec, x, &b.tree);
                let solve = |x: &[Array]| like.checked("transpose_solve", solver(&vecmat, x)?, self.has_aux);
                (Some(trace(&avals, vecmat)?), Some(trace(&avals, solve)?))
            }
        };
        let out_tree = solve.out_tree.clone();
        let parts = [Some(matvec), vecmat, Some(solve), transpose_solve];
        let mut args = Vec::new();
        let [matvec, vecmat, solve, transpose_solve] = parts.map(|part| {
            part.map(|traced| {
                let consts = traced.consts.len();
                args.extend(traced.consts);
                Part { jaxpr: traced.jaxpr, consts }
            })
        });
        let (Some(matvec), Some(solve)) = (matvec, solve) else {
            bail!(Internal, "custom_linear_solve: there is no equation")
        };
        args.extend(b.leaves);
        let prim = LinearSolve { matvec, vecmat, solve, transpose_solve };
        let leaves = bind_all_at(prim, &args, loc)?.into_iter().collect();
        Ok(FlatOut { leaves, tree: out_tree })
    }
}

/// One of the functions: its jaxpr, and how many of its leading parameters are constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    jaxpr: Arc<Jaxpr>,
    consts: usize,
}

impl Traced {
    fn again(&self) -> Traced {
        Traced { jaxpr: self.jaxpr.clone(), consts: self.consts.clone(), out_tree: self.out_tree.clone() }
    }
}

/// The transpose of a traced linear function of as many arrays as it gives.
fn transposed(matvec: &Traced, x: &[Array], tree: &TreeDef) -> Result<FlatOut> {
    let n = matvec.consts.len();
    let linear: Vec<bool> = (0..matvec.jaxpr.invars.len()).map(|i| i >= n).collect();
    let cts: Vec<Ct> = x.iter().cloned().map(Some).collect();
    let found = backward_pass_jaxpr(&matvec.jaxpr, &linear, &matvec.consts, &cts)?;
    let avals = matvec.jaxpr.in_avals();
    let found = found.into_iter().zip(&avals).skip(n);
    let leaves: OutLeaves =
        found.map(|(ct, aval)| ct.unwrap_or_else(|| lax::zeros_like_aval(aval))).collect();
    Ok(FlatOut { leaves, tree: tree.clone() })
}

/// What the results of functions are to be like.
struct Like<'a> {
    /// The function that the user called.
    what: &'static str,
    /// What is given.
    name: &'static str,
    tree: &'a TreeDef,
    avals: &'a [ShapedArray],
}

impl Like<'_> {
    /// The result, if it is like it: with something besides if `has_aux`.
    fn checked(&self, function: &str, out: FlatOut, has_aux: bool) -> Result<FlatOut> {
        let Like { what, name, tree, avals } = self;
        let leaves = avals.len();
        let found = match (has_aux, out.tree.tokens()) {
            (false, tokens) => tokens,
            (true, [Token::Tuple(2), rest @ ..]) => &rest[..rest.len().min(tree.tokens().len())],
            (true, _) => bail!(
                TreeMismatch,
                "{what}: {function}() must give a pair, for has_aux says so, got {}",
                out.tree
            ),
        };
        if found != tree.tokens() {
            bail!(
                TreeMismatch,
                "{what}: {function}() output pytree structure must match {name}, got {} and {tree}",
                out.tree
            );
        }
        let fits = |(x, aval): (&Array, &ShapedArray)| x.aval().matches(aval);
        if !out.leaves[..leaves].iter().zip(*avals).all(fits) {
            let list = |avals: &mut dyn Iterator<Item = ShapedArray>| {
                avals.map(|aval| aval.to_string()).collect::<Vec<_>>().join(", ")
            };
            bail!(
                Shape,
                "{what}: {function}() output shapes must match {name}, got {} and {}",
                list(&mut out.leaves[..leaves].iter().map(Array::aval)),
                list(&mut avals.iter().copied())
            );
        }
        Ok(out)
    }
}

options! {
    /// Options of [`custom_root_with`].
    pub struct CustomRootOptions {
        /// Does `solve` give a pair of the root and something that is not differentiated, such as a number of iterations?
        has_aux: value bool = false,
    }
}

/// The root of `f` that `solve` finds, with the derivatives of a root by what `f` captures. `f` gives a tree as it takes.
///
/// `solve(f, initial_guess)` need not be differentiable. `tangent_solve(g, y)` solves the linear equation `g(x) = y`, where `g` is `f` linearised at
/// the root: of a scalar `y` it is `y / g(1.0)`.
///
/// ```
/// use raxla::{lax, prelude::*};
///
/// // The square root, by Newton's method.
/// let sqrt = |a: &Array| {
///     let solve = |_: &dyn Fn(Array) -> Result<Array>, x: Array| {
///         let a = lax::stop_gradient(a);
///         lax::fori_loop(0, 20, |_: Array, x: Array| (&x + &a / &x) * 0.5, x)
///     };
///     let tangent_solve = |g: &dyn Fn(Array) -> Result<Array>, y: Array| -> Result<Array> { Ok(y / g(Array::from(1.0))?) };
///     lax::custom_root(|x: Array| &x * &x - a, Array::from(1.0), solve, tangent_solve)
/// };
/// assert_eq!(sqrt(&Array::from(4.0))?.item::<f32>()?, 2.0);
/// assert_eq!(grad(sqrt)(&Array::from(4.0))?.item::<f32>()?, 0.25);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the functions; results that are not like the initial guess: `custom_root: solve() output shapes must match initial_guess, got
/// f32[2] and f32[]`.
#[track_caller]
pub fn custom_root<T, A, P, Q>(
    f: impl Fn(T) -> A,
    initial_guess: T,
    solve: impl Fn(&dyn Fn(T) -> Result<T>, T) -> P,
    tangent_solve: impl Fn(&dyn Fn(T) -> Result<T>, T) -> Q,
) -> Result<T>
where
    T: Pytree,
    A: Output<Tree = T>,
    P: Output<Tree = T>,
    Q: Output<Tree = T>,
{
    custom_root_with(f, initial_guess, solve, tangent_solve, CustomRootOptions::new())
}

/// [`custom_root`] by options: what `solve` gives, which is a pair if there is something besides the root.
///
/// # Errors
/// As [`custom_root`].
#[track_caller]
pub fn custom_root_with<T, X, A, P, Q>(
    f: impl Fn(T) -> A,
    initial_guess: T,
    solve: impl Fn(&dyn Fn(T) -> Result<T>, T) -> P,
    tangent_solve: impl Fn(&dyn Fn(T) -> Result<T>, T) -> Q,
    options: CustomRootOptions,
) -> Result<X>
where
    T: Pytree,
    X: Pytree,
    A: Output<Tree = T>,
    P: Output<Tree = X>,
    Q: Output<Tree = T>,
{
    let loc = here();
    let guess = FlatOut::from_tree(&initial_guess);
    let tree = guess.tree.clone();
    let apply = |x: T| f(x).into_result();
    let f = |x: &[Array]| Ok(FlatOut::from_tree(&apply(unflatten(&tree, x)?)?));
    let solve = |x: &[Array]| Ok(FlatOut::from_tree(&solve(&apply, unflatten(&tree, x)?).into_result()?));
    let tangent_solve = |linear: &Apply<'_>, y: &[Array]| {
        let apply = |x: T| linear(&FlatOut::from_tree(&x).leaves)?.into_tree::<T>();
        Ok(FlatOut::from_tree(&tangent_solve(&apply, unflatten(&tree, y)?).into_result()?))
    };
    let of = RootOf { f: &f, solve: &solve, tangent_solve: &tangent_solve, has_aux: options.has_aux };
    catch(|| root_flat(&of, guess)).map_err(|e| e.at(loc))?.into_tree()
}
