//! Options of the derivatives, and what they do to types. JAX: `argnums`, `has_aux`, `holomorphic`, `allow_int`.

use std::marker::PhantomData;

use crate::signature::{ArgAt, FlatArgs, Signature};
use crate::tree::{Pytree, Token, Tokens, TreeDef};

/// Options of [`grad_with`](super::grad_with), [`value_and_grad_with`](super::value_and_grad_with),
/// [`jacfwd_with`](super::jacfwd_with), [`jacrev_with`](super::jacrev_with) and [`hessian_with`](super::hessian_with).
///
/// `W` and `A` are the arguments differentiated with respect to and whether there is auxiliary output, which decide what is
/// returned; both are inferred.
///
/// ```
/// use raxla::api::{Argnum, GradOptions, grad_with};
/// use raxla::prelude::*;
///
/// let f = |x: &Array, n: &Array, y: &Array| (x * n * y, x + y);
/// let (x, n, y) = (Array::from(3.0), Array::from(4), Array::from(2.0));
/// let options = GradOptions::argnums((Argnum::<0>, Argnum::<2>)).has_aux();
/// let ((dx, dy), sum) = grad_with(f, options)(&x, &n, &y)?;
/// assert_eq!([dx, dy, sum].map(|x| x.item::<f32>().unwrap()), [8.0, 12.0, 5.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Debug)]
pub struct GradOptions<W = Argnum<0>, A = NoAux> {
    pub(super) holomorphic: bool,
    pub(super) allow_int: bool,
    types: PhantomData<fn() -> (W, A)>,
}

// Not derived: that would ask it of `W` and `A`.
impl<W, A> Clone for GradOptions<W, A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<W, A> Copy for GradOptions<W, A> {}

impl Default for GradOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl GradOptions {
    /// With respect to argument 0, of a function of real arrays without auxiliary output.
    pub fn new() -> Self {
        GradOptions { holomorphic: false, allow_int: false, types: PhantomData }
    }
    /// With respect to argument `N`, counted from 0: `GradOptions::argnum::<1>()`.
    pub fn argnum<const N: usize>() -> GradOptions<Argnum<N>> {
        GradOptions::new().cast()
    }
    /// With respect to several arguments, with a tuple for the gradient: `GradOptions::argnums((Argnum::<0>, Argnum::<2>))`.
    pub fn argnums<W>(argnums: W) -> GradOptions<W> {
        let _ = argnums;
        GradOptions::new().cast()
    }
}

impl<W, A> GradOptions<W, A> {
    fn cast<V, B>(self) -> GradOptions<V, B> {
        GradOptions { holomorphic: self.holomorphic, allow_int: self.allow_int, types: PhantomData }
    }
    /// The function returns `(value, aux)`, of which only the value is differentiated.
    #[must_use]
    pub fn has_aux(self) -> GradOptions<W, HasAux> {
        self.cast()
    }
    /// The function is holomorphic: its arguments and its value are complex, and so is the derivative.
    #[must_use]
    pub fn holomorphic(mut self, holomorphic: bool) -> Self {
        self.holomorphic = holomorphic;
        self
    }
    /// May the arguments have leaves of integers or booleans? Their gradients are of
    /// [`float0`](crate::dtypes::float0), and have no values.
    #[must_use]
    pub fn allow_int(mut self, allow_int: bool) -> Self {
        self.allow_int = allow_int;
        self
    }
}

/// Options of [`jvp_with`](super::jvp_with), [`vjp_with`](super::vjp_with) and [`linearize_with`](super::linearize_with).
#[derive(Clone, Copy, Debug)]
pub struct JvpOptions<A = NoAux>(PhantomData<fn() -> A>);

impl Default for JvpOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl JvpOptions {
    /// Of a function without auxiliary output.
    pub fn new() -> Self {
        JvpOptions(PhantomData)
    }
    /// The function returns `(value, aux)`, of which only the value is differentiated.
    #[must_use]
    pub fn has_aux(self) -> JvpOptions<HasAux> {
        JvpOptions(PhantomData)
    }
}

/// Argument `N` of a function, counted from 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Argnum<const N: usize>;

/// One argument of a function of type `S`, or a tuple of them.
pub trait Argnums<S: Signature> {
    /// What a gradient with respect to them looks like.
    type Tree: Pytree;
    /// Their numbers.
    const ARGNUMS: Wrt;
}

/// The arguments differentiated with respect to.
#[derive(Clone, Copy, Debug)]
pub struct Wrt {
    argnums: &'static [usize],
    tuple: bool,
}

impl Wrt {
    /// The positions of their leaves among all.
    pub(super) fn leaves(&self, args: &FlatArgs) -> Vec<usize> {
        self.argnums.iter().flat_map(|i| args.args[*i].leaves()).collect()
    }

    /// The structure of a gradient.
    pub(super) fn tokens(&self, args: &FlatArgs) -> Tokens {
        let mut tokens = Tokens::new();
        if self.tuple {
            tokens.push(Token::Tuple(self.argnums.len() as u32));
        }
        self.argnums.iter().for_each(|i| tokens.extend(args.arg_tokens(*i).iter().cloned()));
        tokens
    }
}

impl<const N: usize, S: ArgAt<N>> Argnums<S> for Argnum<N> {
    type Tree = S::Tree;
    const ARGNUMS: Wrt = Wrt { argnums: &[N], tuple: false };
}

macro_rules! argnums {
    ($($($N:ident)+;)*) => {$(
        impl<$(const $N: usize,)+ S: $(ArgAt<$N> +)+ Signature> Argnums<S> for ($(Argnum<$N>,)+) {
            type Tree = ($(<S as ArgAt<$N>>::Tree,)+);
            const ARGNUMS: Wrt = Wrt { argnums: &[$($N),+], tuple: true };
        }
    )*};
}
argnums! {
    I;
    I J;
    I J K;
    I J K L;
    I J K L M;
    I J K L M N;
    I J K L M N O;
    I J K L M N O P;
}

/// The function returns what is differentiated and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct NoAux;
/// The function returns `(value, aux)`. JAX: `has_aux=True`.
#[derive(Clone, Copy, Debug)]
pub struct HasAux;

/// What is differentiated of a function's result `O`, and how the rest is handed on.
#[diagnostic::on_unimplemented(
    message = "a function with auxiliary output returns a pair `(value, aux)`, this one returns `{O}`"
)]
pub trait Aux<O: Pytree> {
    /// Is there a rest?
    const HAS_AUX: bool;
    /// What is differentiated.
    type Value: Pytree;
    /// A gradient `G`, with the rest.
    type Grad<G: Pytree>: Pytree;
    /// Value and gradient, with the rest.
    type ValueAndGrad<G: Pytree>: Pytree;
    /// The value and a `T`, with the rest.
    type With<T>;
    /// The same of a tree.
    type WithTree<T: Pytree>: Pytree;
    /// What is differentiated.
    fn value(out: O) -> Self::Value;
    /// The value and a `T`, with the rest.
    fn with<T>(out: O, other: T) -> Self::With<T>;
    /// The same of a tree.
    fn with_tree<T: Pytree>(out: O, other: T) -> Self::WithTree<T>;
}

impl<O: Pytree> Aux<O> for NoAux {
    const HAS_AUX: bool = false;
    type Value = O;
    type Grad<G: Pytree> = G;
    type ValueAndGrad<G: Pytree> = (O, G);
    type With<T> = (O, T);
    type WithTree<T: Pytree> = (O, T);
    fn value(out: O) -> O {
        out
    }
    fn with<T>(out: O, other: T) -> (O, T) {
        (out, other)
    }
    fn with_tree<T: Pytree>(out: O, other: T) -> (O, T) {
        (out, other)
    }
}

impl<V: Pytree, X: Pytree> Aux<(V, X)> for HasAux {
    const HAS_AUX: bool = true;
    type Value = V;
    type Grad<G: Pytree> = (G, X);
    type ValueAndGrad<G: Pytree> = ((V, X), G);
    type With<T> = (V, T, X);
    type WithTree<T: Pytree> = (V, T, X);
    fn value(out: (V, X)) -> V {
        out.0
    }
    fn with<T>((value, aux): (V, X), other: T) -> (V, T, X) {
        (value, other, aux)
    }
    fn with_tree<T: Pytree>((value, aux): (V, X), other: T) -> (V, T, X) {
        (value, other, aux)
    }
}

/// The structure of the pair of two trees.
pub(super) fn pair(a: &[Token], b: &[Token]) -> TreeDef {
    let mut tokens = Tokens::new();
    tokens.push(Token::Tuple(2));
    tokens.extend(a.iter().chain(b).cloned());
    TreeDef::from_tokens(&tokens)
}
