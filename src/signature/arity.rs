//! The impls of the signature traits for each number of arguments.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use super::call_site::{self, CallKey};
use super::flat::{ArgsBuilder, FlatArgs, FlatFn, FlatOut, describe_at, short_type_name};
use super::{Arg, ArgAt, Function, Output, Primals, Signature, Traceable, taken};
use crate::core::array::Array;
use crate::error::Result;
use crate::tree::{AnyTree, Flattener, MapKey, Pytree, Static, Token, Unflattener};

/// [`Arg`] for owned pytrees. `&T` has a blanket impl and rustc does not accept a second one, so each type gets its own.
macro_rules! owned_arg {
    ($([$($g:tt)*] $t:ty;)*) => {$(
        impl<$($g)*> Arg for $t {
            type Tree = $t;
            type Item<'a> = $t;
            const DONATED: bool = true;
            #[inline]
            fn flatten_into(mut item: $t, out: &mut Flattener) {
                Pytree::take_into(&mut item, out);
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
    [] AnyTree;
    [T: Pytree] Vec<T>;
    [T: Pytree] Box<T>;
    [T: Pytree, const N: usize] [T; N];
    [T: 'static] PhantomData<T>;
    [K: MapKey, T: Pytree] BTreeMap<K, T>;
    [K: MapKey + Hash, T: Pytree, S: BuildHasher + Default + 'static] HashMap<K, T, S>;
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

/// `Option<T>` is donated, `Option<&T>` is borrowed.
impl<A: Arg> Arg for Option<A> {
    type Tree = Option<A::Tree>;
    type Item<'a> = Option<A::Item<'a>>;
    const DONATED: bool = A::DONATED;
    #[inline]
    fn flatten_into(item: Option<A::Item<'_>>, out: &mut Flattener) {
        match item {
            None => out.token(Token::None),
            Some(item) => {
                out.token(Token::Some);
                A::flatten_into(item, out);
            }
        }
    }
    #[inline]
    fn lend(slot: &mut Option<Option<A::Tree>>) -> Result<Option<A::Item<'_>>> {
        match slot.as_mut().ok_or_else(taken)? {
            None => Ok(None),
            slot => A::lend(slot).map(Some),
        }
    }
}

/// A user's function over flat arguments. `Sig` is its type, which says how to rebuild the arguments.
struct User<F, Sig> {
    function: F,
    /// Where it was given to a transformation, for a closure, which has no name.
    location: &'static Location<'static>,
    signature: PhantomData<fn() -> Sig>,
}

impl<F, Sig> User<F, Sig> {
    #[track_caller]
    fn new(function: F) -> Self {
        User { function, location: Location::caller(), signature: PhantomData }
    }
}

/// How a function with the signature `Self` is called with flat arguments.
trait CallFlat<F: ?Sized> {
    fn call_flat(function: &F, src: &mut Unflattener<'_>) -> Result<FlatOut>;
}

impl<F: Send + Sync, Sig: CallFlat<F>> FlatFn for User<F, Sig> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let mut leaves = args.leaves.into_iter();
        Sig::call_flat(&self.function, &mut Unflattener::new(&args.tokens, &mut leaves))
    }
    fn name(&self) -> Cow<'static, str> {
        short_type_name::<F>().into()
    }
    fn describe(&self) -> String {
        describe_at::<F>(self.location)
    }
}

/// The marker of `Arc<F>`, which is no `Fn` itself.
pub struct Shared<M>(PhantomData<M>);

impl<Func: ?Sized, Sig: CallFlat<Func>> CallFlat<Arc<Func>> for Shared<Sig> {
    fn call_flat(function: &Arc<Func>, src: &mut Unflattener<'_>) -> Result<FlatOut> {
        Sig::call_flat(function, src)
    }
}

macro_rules! arity {
    ($($A:ident $a:ident $P:ident)*) => {
        impl<O: Pytree, $($A: Arg),*> Signature for fn($($A),*) -> O {
            type Args = ($($A::Tree,)*);
            type Out = O;
            type Returning<R: Pytree> = fn($($A),*) -> R;
            type Callee<'f, R: 'static> = dyn for<'a> Fn($($A::Item<'a>),*) -> Result<R> + Send + Sync + 'f;

            fn callee<'f, R: 'static>(
                body: impl Fn(FlatArgs) -> Result<R> + Send + Sync + 'f,
                key: CallKey,
                applied_at: &'static Location<'static>,
            ) -> Arc<Self::Callee<'f, R>> {
                Arc::new(move |$($a: $A::Item<'_>),*| {
                    let caller = call_site::take(key).unwrap_or(applied_at);
                    #[allow(unused_mut, reason = "a function of no arguments pushes none")]
                    let mut args = ArgsBuilder::with_room();
                    $(args.push::<$A>($a);)*
                    body(args.finish(caller))
                })
            }
        }

        impl<Func: ?Sized, O, $($A: Arg),*> CallFlat<Func> for fn($($A),*) -> O
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

        impl<Func, O, $($A),*> Function<fn($($A),*) -> O> for Func where Func: Fn($($A),*) -> O {}

        impl<'f, Func, O: Output + 'static, $($A: Arg),*> Traceable<'f, Func> for fn($($A),*) -> O
        where
            Func: for<'a> Fn($($A::Item<'a>),*) -> O + Send + Sync + 'f,
        {
            type Sig = fn($($A),*) -> O::Tree;
            fn into_flat(function: Func) -> Arc<dyn FlatFn + 'f> {
                Arc::new(User::<Func, Self>::new(function))
            }
        }

        impl<Func: ?Sized, O, $($A),*> Function<Shared<fn($($A),*) -> O>> for Arc<Func>
        where
            Func: Fn($($A),*) -> O
        {}

        impl<'f, Func, O: Output + 'static, $($A: Arg),*> Traceable<'f, Arc<Func>> for Shared<fn($($A),*) -> O>
        where
            Func: ?Sized + for<'a> Fn($($A::Item<'a>),*) -> O + Send + Sync + 'f,
        {
            type Sig = fn($($A),*) -> O::Tree;
            fn into_flat(function: Arc<Func>) -> Arc<dyn FlatFn + 'f> {
                Arc::new(User::<Arc<Func>, Self>::new(function))
            }
        }

        impl<$($A: Pytree, $P: Borrow<$A>),*> Primals<($($A,)*)> for ($($P,)*) {
            #[allow(unused_variables, reason = "a function of no arguments has none")]
            fn push_into(&self, args: &mut ArgsBuilder) {
                let ($($a,)*) = self;
                $(args.push::<&'static $A>($a.borrow());)*
            }
        }
    };
}
arity!();
arity!(A0 a0 P0);
arity!(A0 a0 P0 A1 a1 P1);
arity!(A0 a0 P0 A1 a1 P1 A2 a2 P2);
arity!(A0 a0 P0 A1 a1 P1 A2 a2 P2 A3 a3 P3);
arity!(A0 a0 P0 A1 a1 P1 A2 a2 P2 A3 a3 P3 A4 a4 P4);
arity!(A0 a0 P0 A1 a1 P1 A2 a2 P2 A3 a3 P3 A4 a4 P4 A5 a5 P5);
arity!(A0 a0 P0 A1 a1 P1 A2 a2 P2 A3 a3 P3 A4 a4 P4 A5 a5 P5 A6 a6 P6);
arity!(A0 a0 P0 A1 a1 P1 A2 a2 P2 A3 a3 P3 A4 a4 P4 A5 a5 P5 A6 a6 P6 A7 a7 P7);

macro_rules! arg_at {
    ($($n:literal $At:ident: $($A:ident)*;)*) => {$(
        impl<O: Pytree, $($A: Arg),*> ArgAt<$n> for fn($($A),*) -> O {
            type Tree = $At::Tree;
        }
    )*};
}
arg_at! {
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
    4 A4: A0 A1 A2 A3 A4;
    4 A4: A0 A1 A2 A3 A4 A5;
    4 A4: A0 A1 A2 A3 A4 A5 A6;
    4 A4: A0 A1 A2 A3 A4 A5 A6 A7;
    5 A5: A0 A1 A2 A3 A4 A5;
    5 A5: A0 A1 A2 A3 A4 A5 A6;
    5 A5: A0 A1 A2 A3 A4 A5 A6 A7;
    6 A6: A0 A1 A2 A3 A4 A5 A6;
    6 A6: A0 A1 A2 A3 A4 A5 A6 A7;
    7 A7: A0 A1 A2 A3 A4 A5 A6 A7;
}
