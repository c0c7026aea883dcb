//! Linear equations by iteration, over trees of arrays. JAX: `jax.scipy.sparse.linalg`.
//!
//! An operator is a function of a tree that gives another of the same structure, or a square matrix. Its derivative follows from the
//! equation, not from the iterations, so that reverse mode works and needs no memory for them.
//!
//! ```
//! use raxla::{Array, scipy::sparse::linalg};
//!
//! let a = Array::from([[4.0f32, 1.0], [1.0, 3.0]]);
//! let x = linalg::cg(&a, Array::from([5.0f32, 4.0]))?;
//! assert!((x - 1.0).abs().max(..).item::<f32>()? < 1e-5);
//! # Ok::<(), raxla::Error>(())
//! ```

mod gmres;
mod krylov;
mod leaves;

use std::fmt;

use crate::core::array::Array;
use crate::core::trace::{caller, with_location};
use crate::error::{Result, bail, catch};
use crate::lax::{self, CustomLinearSolveOptions};
use crate::numpy::{isnan, where_};
use crate::signature::{FlatOut, Output};
use crate::tree::{Pytree, TreeDef, unflatten};

pub use gmres::SolveMethod;
use gmres::{Gmres, gmres_leaves};
use krylov::{bicgstab_leaves, cg_leaves};
use leaves::{Apply, Limits, Problem, Start, exact_dot, norm};

/// A linear operator: a function of a tree, or a square matrix, whose product with a vector it is.
pub trait LinearOperator<T> {
    /// The operator applied to `x`.
    ///
    /// # Errors
    /// Those of the function; a matrix that is not square.
    fn apply(&self, x: T) -> Result<T>;
}

impl<T, O, F> LinearOperator<T> for F
where
    F: Fn(T) -> O,
    O: Output<Tree = T>,
{
    fn apply(&self, x: T) -> Result<T> {
        self(x).into_result()
    }
}

impl LinearOperator<Array> for Array {
    fn apply(&self, x: Array) -> Result<Array> {
        if !matches!(self.shape(), [m, n] if m == n) {
            bail!(Shape, "linear operator must be a square matrix, but is {}", self.aval());
        }
        Ok(exact_dot(self, &x))
    }
}

impl LinearOperator<Array> for &Array {
    fn apply(&self, x: Array) -> Result<Array> {
        (*self).apply(x)
    }
}

type Preconditioner<'f, T> = Box<dyn Fn(T) -> Result<T> + 'f>;

macro_rules! iteration_options {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $ty:ty = $default:expr;)* }) => {
        $(#[$meta])*
        #[non_exhaustive]
        pub struct $name<'f, T> {
            x0: Option<T>,
            tol: Array,
            atol: Array,
            maxiter: Option<usize>,
            m: Option<Preconditioner<'f, T>>,
            $($field: $ty,)*
        }

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut out = f.debug_struct(stringify!($name));
                out.field("x0", &self.x0.is_some()).field("tol", &self.tol).field("atol", &self.atol);
                out.field("maxiter", &self.maxiter).field("m", &self.m.is_some());
                $(out.field(stringify!($field), &self.$field);)*
                out.finish()
            }
        }

        impl<T> Default for $name<'_, T> {
            fn default() -> Self {
                let (tol, atol) = (Array::from(1e-5), Array::from(0.0));
                $name { x0: None, tol, atol, maxiter: None, m: None, $($field: $default,)* }
            }
        }

        impl<'f, T: Pytree> $name<'f, T> {
            /// JAX's defaults.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }
            /// Where the iteration begins; at zero, if it is not given.
            #[must_use]
            pub fn x0(mut self, x0: T) -> Self {
                self.x0 = Some(x0);
                self
            }
            /// It ends when the residual is at most this times the right-hand side, by their norms.
            #[must_use]
            pub fn tol(mut self, tol: impl Into<Array>) -> Self {
                self.tol = tol.into();
                self
            }
            /// It ends when the norm of the residual is at most this.
            #[must_use]
            pub fn atol(mut self, atol: impl Into<Array>) -> Self {
                self.atol = atol.into();
                self
            }
            /// The most iterations; ten times as many as there are unknowns, if it is not given.
            #[must_use]
            pub fn maxiter(mut self, maxiter: usize) -> Self {
                self.maxiter = Some(maxiter);
                self
            }
            /// The preconditioner: about the inverse of the operator, so that fewer iterations are needed. JAX: `M`.
            #[must_use]
            pub fn m(mut self, m: impl LinearOperator<T> + 'f) -> Self {
                self.m = Some(Box::new(move |x| m.apply(x)));
                self
            }
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(mut self, $field: $ty) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

iteration_options! {
    /// Options of [`cg_with`] and [`bicgstab_with`].
    KrylovOptions {}
}

iteration_options! {
    /// Options of [`gmres_with`].
    GmresOptions {
        /// How many products are remembered before it begins anew: more of them take more memory, and fewer iterations.
        restart: usize = 20;
        /// How the small equations are solved.
        solve_method: SolveMethod = SolveMethod::Batched;
    }
}

/// The solution of `a(x) = b` by conjugate gradients, for a Hermitian positive definite `a`.
///
/// # Errors
/// Those of `a`; `custom_linear_solve: matvec() output shapes must match b, got f32[3] and f32[2]`.
#[track_caller]
pub fn cg<T: Pytree>(a: impl LinearOperator<T>, b: T) -> Result<T> {
    cg_with(a, b, KrylovOptions::new())
}

/// [`cg`] by options.
///
/// ```
/// use raxla::scipy::sparse::linalg::{KrylovOptions, cg_with};
/// use raxla::Array;
///
/// let d = Array::from([1.0f32, 10.0, 100.0]);
/// let options = KrylovOptions::new().m(|x: Array| x / &d).tol(1e-6);
/// let x = cg_with(|x: Array| x * &d, d.clone(), options)?;
/// assert!((x - 1.0).abs().max(..).item::<f32>()? < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`cg`]; `x0 and b must have matching shapes: f32[3] and f32[2]`.
#[track_caller]
pub fn cg_with<T: Pytree>(a: impl LinearOperator<T>, b: T, options: KrylovOptions<'_, T>) -> Result<T> {
    let loc = caller();
    catch(|| with_location(loc, || krylov(a, b, options, true, &cg_leaves))).map_err(|e| e.at(loc))
}

/// The solution of `a(x) = b` by stabilised biconjugate gradients, for any `a`.
///
/// ```
/// use raxla::{Array, scipy::sparse::linalg};
///
/// let a = Array::from([[4.0f32, 1.0], [-1.0, 3.0]]);
/// let x = linalg::bicgstab(&a, Array::from([5.0f32, 2.0]))?;
/// assert!((x - 1.0).abs().max(..).item::<f32>()? < 1e-4);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`cg`].
#[track_caller]
pub fn bicgstab<T: Pytree>(a: impl LinearOperator<T>, b: T) -> Result<T> {
    bicgstab_with(a, b, KrylovOptions::new())
}

/// [`bicgstab`] by options.
///
/// # Errors
/// As [`cg_with`].
#[track_caller]
pub fn bicgstab_with<T: Pytree>(a: impl LinearOperator<T>, b: T, options: KrylovOptions<'_, T>) -> Result<T> {
    let loc = caller();
    catch(|| with_location(loc, || krylov(a, b, options, false, &bicgstab_leaves))).map_err(|e| e.at(loc))
}

/// An iteration over leaves.
type Iteration = dyn Fn(&Problem<'_>, &Limits) -> Result<Vec<Array>>;

fn krylov<T: Pytree>(
    a: impl LinearOperator<T>,
    b: T,
    options: KrylovOptions<'_, T>,
    may_be_symmetric: bool,
    iterate: &Iteration,
) -> Result<T> {
    let KrylovOptions { x0, tol, atol, maxiter, m } = options;
    let start = Start::of(&b, x0.as_ref())?;
    let limits = Limits { tol, atol, maxiter: maxiter.unwrap_or(10 * start.size) };
    let symmetric = may_be_symmetric && !start.x0.iter().any(|x| x.dtype().is_complex());
    let solve = |operator: &dyn Fn(T) -> Result<T>, b: T| -> Result<T> {
        let b = FlatOut::from_tree(&b);
        let of = by_leaves(operator, &start.tree);
        let m = m.as_ref().map(|m| by_leaves(m, &start.tree));
        let m: Option<&Apply<'_>> = match &m {
            Some(m) => Some(m),
            None => None,
        };
        let problem = Problem { a: &of, b: &b.leaves, x0: &start.x0, m };
        unflatten(&start.tree, iterate(&problem, &limits)?)
    };
    let options = CustomLinearSolveOptions::new().transpose_solve(solve).symmetric(symmetric);
    lax::custom_linear_solve_with(|x: T| a.apply(x), b, solve, options)
}

/// A function of trees as one of leaves.
fn by_leaves<'a, T: Pytree>(
    f: impl Fn(T) -> Result<T> + 'a,
    tree: &'a TreeDef,
) -> impl Fn(&[Array]) -> Result<Vec<Array>> + 'a {
    move |x| Ok(FlatOut::from_tree(&f(unflatten(tree, x.iter().cloned())?)?).leaves.into_vec())
}

/// The solution of `a(x) = b` by generalised minimal residuals, for any `a`, and -1 where it is no number, else 0.
///
/// ```
/// use raxla::{Array, scipy::sparse::linalg};
///
/// let a = Array::from([[4.0f32, 1.0], [-1.0, 3.0]]);
/// let (x, info) = linalg::gmres(&a, Array::from([5.0f32, 2.0]))?;
/// assert!((x - 1.0).abs().max(..).item::<f32>()? < 1e-4);
/// assert_eq!(info.item::<i32>()?, 0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`cg`].
#[track_caller]
pub fn gmres<T: Pytree>(a: impl LinearOperator<T>, b: T) -> Result<(T, Array)> {
    gmres_with(a, b, GmresOptions::new())
}

/// [`gmres`] by options.
///
/// # Errors
/// As [`cg_with`].
#[track_caller]
pub fn gmres_with<T: Pytree>(
    a: impl LinearOperator<T>,
    b: T,
    options: GmresOptions<'_, T>,
) -> Result<(T, Array)> {
    let loc = caller();
    catch(|| with_location(loc, || residuals(a, b, options))).map_err(|e| e.at(loc))
}

fn residuals<T: Pytree>(a: impl LinearOperator<T>, b: T, options: GmresOptions<'_, T>) -> Result<(T, Array)> {
    let GmresOptions { x0, tol, atol, maxiter, m, restart, solve_method } = options;
    let start = Start::of(&b, x0.as_ref())?;
    let limits = Limits { tol, atol, maxiter: maxiter.unwrap_or(10 * start.size) };
    let m = m.as_ref().map(|m| by_leaves(m, &start.tree));
    let m: Option<&Apply<'_>> = match &m {
        Some(m) => Some(m),
        None => None,
    };
    let given = FlatOut::from_tree(&b);
    let how = Gmres::of(&given.leaves, m, &limits, restart.min(start.size), solve_method)?;
    let solve = |operator: &dyn Fn(T) -> Result<T>, b: T| -> Result<T> {
        let b = FlatOut::from_tree(&b);
        let of = by_leaves(operator, &start.tree);
        let problem = Problem { a: &of, b: &b.leaves, x0: &start.x0, m };
        unflatten(&start.tree, gmres_leaves(&problem, &how)?)
    };
    let options = CustomLinearSolveOptions::new().transpose_solve(solve);
    let x: T = lax::custom_linear_solve_with(|x: T| a.apply(x), b, solve, options)?;
    let failed = isnan(norm(&FlatOut::from_tree(&x).leaves));
    Ok((x, where_(failed, -1, 0)))
}
