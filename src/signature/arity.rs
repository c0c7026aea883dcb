//! The impls of the signature traits for each number of arguments.

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use super::call_site::{self, CallKey};
use super::flat::{ArgsBuilder, FlatArgs, FlatFn, FlatOut, short_type_name};
use super::{Arg, Differentiable, DifferentiableAux, Output, Signature, Traceable, taken};
use crate::core::array::Array;
use crate::error::Result;
use crate::tree::{Flattener, Key, Pytree, Static, Unflattener};

/// [`Arg`] for owned pytrees. `&T` has a blanket impl and rustc does not accept a second one, so each type gets its own.
macro_rules! owned_arg {
    ($([$($g:tt)*] $t:ty;)*) => {$(
        impl<$($g)*> Arg for $t {
            type Tree = $t;
            type Item<'a> = $t;
            const DONATED: bool = true;
            #[inline]
            fn flatten_into(item: &$t, out: &mut Flattener) {
                Pytree::flatten_into(item, out);
            }
            #[inline]
            fn lend(slot: &mut Option<$t>) -> Result<$t> {
                slot.take().ok_or_else(taken)
            }
        }
    )*};
}
owned_arg! {
    [] Array;
    [T: Pytree] Vec<T>;
    [T: Pytree] Option<T>;
    [T: Pytree] Box<T>;
    [T: Pytree, const N: usize] [T; N];
    [T: 'static] PhantomData<T>;
    [K: Key, T: Pytree] BTreeMap<K, T>;
    [K: Key + Hash, T: Pytree, S: BuildHasher + Default + 'static] HashMap<K, T, S>;
    [T: Clone + Eq + Hash + Debug + Send + Sync + 'static] Static<T>;
    [] ();
    [A: Pytree] (A,);
    [A: Pytree, B: Pytree] (A, B);
    [A: Pytree, B: Pytree, C: Pytree] (A, B, C);
    [A: Pytree, B: Pytree, C: Pytree, D: Pytree] (A, B, C, D);
    [A: Pytree, B: Pytree, C: Pytree, D: Pytree, E: Pytree] (A, B, C, D, E);
    [A: Pytree, B: Pytree, C: Pytree, D: Pytree, E: Pytree, F: Pytree] (A, B, C, D, E, F);
    [A: Pytree, B: Pytree, C: Pytree, D: Pytree, E: Pytree, F: Pytree, G: Pytree] (A, B, C, D, E, F, G);
    [A: Pytree, B: Pytree, C: Pytree, D: Pytree, E: Pytree, F: Pytree, G: Pytree, H: Pytree] (A, B, C, D, E, F, G, H);
}

/// A user's function over flat arguments. `Sig` is its type, which says how to rebuild the arguments.
struct User<F, Sig> {
    function: F,
    signature: PhantomData<fn() -> Sig>,
}

/// How a function with the signature `Self` is called with flat arguments.
trait CallFlat<F> {
    fn call_flat(function: &F, src: &mut Unflattener<'_>) -> Result<FlatOut>;
}

impl<F: Send + Sync + 'static, Sig: CallFlat<F>> FlatFn for User<F, Sig> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let mut leaves = args.leaves.into_iter();
        Sig::call_flat(&self.function, &mut Unflattener::new(&args.tokens, &mut leaves))
    }
    fn name(&self) -> Cow<'static, str> {
        short_type_name::<F>().into()
    }
    fn type_key(&self) -> Option<TypeId> {
        (size_of::<F>() == 0).then(TypeId::of::<F>)
    }
}

macro_rules! arity {
    ($($A:ident $a:ident)*) => {
        impl<O: Pytree, $($A: Arg),*> Signature for fn($($A),*) -> O {
            type Args = ($($A::Tree,)*);
            type Out = O;
            type Callee<R: 'static> = dyn for<'a> Fn($($A::Item<'a>),*) -> Result<R> + Send + Sync;

            fn callee<R: 'static>(
                body: impl Fn(FlatArgs) -> Result<R> + Send + Sync + 'static,
                key: CallKey,
                applied_at: &'static Location<'static>,
            ) -> Arc<Self::Callee<R>> {
                Arc::new(move |$($a: $A::Item<'_>),*| {
                    let caller = call_site::take(key).unwrap_or(applied_at);
                    #[allow(unused_mut, reason = "a function of no arguments pushes none")]
                    let mut args = ArgsBuilder::default();
                    $(args.push::<$A>($a);)*
                    body(args.finish(caller))
                })
            }
        }

        impl<Func, O, $($A: Arg),*> CallFlat<Func> for fn($($A),*) -> O
        where
            O: Output,
            Func: for<'a> Fn($($A::Item<'a>),*) -> O,
        {
            #[allow(unused_variables, reason = "a function of no arguments takes nothing from `src`")]
            fn call_flat(function: &Func, src: &mut Unflattener<'_>) -> Result<FlatOut> {
                // All are lent for one lifetime, the `'a` of the bound.
                $(let mut $a = Some(<$A::Tree>::unflatten_from(src)?);)*
                let out = function($(<$A as Arg>::lend(&mut $a)?),*);
                Ok(FlatOut::from_tree(&out.into_result()?))
            }
        }

        // The second bound alone leaves the argument types unknown; the first fixes them.
        impl<Func, O: Output + 'static, $($A: Arg),*> Traceable<fn($($A),*) -> O> for Func
        where
            Func: Fn($($A),*) -> O + for<'a> Fn($($A::Item<'a>),*) -> O + Send + Sync + 'static,
        {
            type Sig = fn($($A),*) -> O::Tree;
            fn into_flat(self) -> Arc<dyn FlatFn> {
                Arc::new(User { function: self, signature: PhantomData::<fn() -> fn($($A),*) -> O> })
            }
        }
    };
}
arity!();
arity!(A0 a0);
arity!(A0 a0 A1 a1);
arity!(A0 a0 A1 a1 A2 a2);
arity!(A0 a0 A1 a1 A2 a2 A3 a3);
arity!(A0 a0 A1 a1 A2 a2 A3 a3 A4 a4);
arity!(A0 a0 A1 a1 A2 a2 A3 a3 A4 a4 A5 a5);
arity!(A0 a0 A1 a1 A2 a2 A3 a3 A4 a4 A5 a5 A6 a6);
arity!(A0 a0 A1 a1 A2 a2 A3 a3 A4 a4 A5 a5 A6 a6 A7 a7);

macro_rules! differentiable {
    ($($n:literal $Wrt:ident: $($A:ident)*;)*) => {$(
        impl<O: Pytree, $($A: Arg),*> Differentiable<$n> for fn($($A),*) -> O {
            type Wrt = $Wrt::Tree;
            type Grad = fn($($A),*) -> $Wrt::Tree;
            type ValueAndGrad = fn($($A),*) -> (O, $Wrt::Tree);
        }
        impl<V: Pytree, X: Pytree, $($A: Arg),*> DifferentiableAux<$n> for fn($($A),*) -> (V, X) {
            type Wrt = $Wrt::Tree;
            type Value = V;
            type Aux = X;
            type Grad = fn($($A),*) -> ($Wrt::Tree, X);
            type ValueAndGrad = fn($($A),*) -> ((V, X), $Wrt::Tree);
        }
    )*};
}
differentiable! {
    0 A0: A0;
    0 A0: A0 A1;
    0 A0: A0 A1 A2;
    0 A0: A0 A1 A2 A3;
    0 A0: A0 A1 A2 A3 A4;
    0 A0: A0 A1 A2 A3 A4 A5;
    0 A0: A0 A1 A2 A3 A4 A5 A6;
    0 A0: A0 A1 A2 A3 A4 A5 A6 A7;
    1 A1: A0 A1;
    1 A1: A0 A1 A2;
    1 A1: A0 A1 A2 A3;
    1 A1: A0 A1 A2 A3 A4;
    1 A1: A0 A1 A2 A3 A4 A5;
    1 A1: A0 A1 A2 A3 A4 A5 A6;
    1 A1: A0 A1 A2 A3 A4 A5 A6 A7;
    2 A2: A0 A1 A2;
    2 A2: A0 A1 A2 A3;
    2 A2: A0 A1 A2 A3 A4;
    2 A2: A0 A1 A2 A3 A4 A5;
    2 A2: A0 A1 A2 A3 A4 A5 A6;
    2 A2: A0 A1 A2 A3 A4 A5 A6 A7;
    3 A3: A0 A1 A2 A3;
    3 A3: A0 A1 A2 A3 A4;
    3 A3: A0 A1 A2 A3 A4 A5;
    3 A3: A0 A1 A2 A3 A4 A5 A6;
    3 A3: A0 A1 A2 A3 A4 A5 A6 A7;
}
