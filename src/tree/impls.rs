//! Which types of Rust are pytrees.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::ops::Deref;

use smallvec::SmallVec;

use super::flatten::{Flattener, Pytree, Unflattener};
use super::token::{MapKey, Token};
use crate::core::array::Array;
use crate::error::{Result, err};

impl Pytree for Array {
    #[inline]
    fn flatten_into(&self, out: &mut Flattener) {
        out.leaf(self);
    }
    #[inline]
    fn take_into(&mut self, out: &mut Flattener) {
        out.take_leaf(self);
    }
    #[inline]
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        src.leaf()
    }
}

macro_rules! tuples {
    ($($len:literal: $($T:ident $i:tt)*;)*) => {$(
        impl<$($T: Pytree),*> Pytree for ($($T,)*) {
            #[inline]
            fn flatten_into(&self, out: &mut Flattener) {
                out.token(Token::Tuple($len));
                $(self.$i.flatten_into(out);)*
            }
            #[inline]
            fn take_into(&mut self, out: &mut Flattener) {
                out.token(Token::Tuple($len));
                $(self.$i.take_into(out);)*
            }
            #[inline]
            fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
                src.token(&Token::Tuple($len))?;
                Ok(($($T::unflatten_from(src)?,)*))
            }
        }
    )*};
}
tuples! {
    0: ;
    1: A 0;
    2: A 0 B 1;
    3: A 0 B 1 C 2;
    4: A 0 B 1 C 2 D 3;
    5: A 0 B 1 C 2 D 3 E 4;
    6: A 0 B 1 C 2 D 3 E 4 F 5;
    7: A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    8: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    9: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    10: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
    11: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10;
    12: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11;
}

impl<T: Pytree, const N: usize> Pytree for [T; N] {
    #[inline]
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Array(N as u32));
        for item in self {
            item.flatten_into(out);
        }
    }
    #[inline]
    fn take_into(&mut self, out: &mut Flattener) {
        out.token(Token::Array(N as u32));
        self.iter_mut().for_each(|item| item.take_into(out));
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        src.token(&Token::Array(N as u32))?;
        let items: SmallVec<[T; N]> = (0..N).map(|_| T::unflatten_from(src)).collect::<Result<_>>()?;
        items.into_inner().map_err(|_| err!(Internal, "an array of {N} elements was rebuilt with fewer"))
    }
}

impl<T: Pytree> Pytree for Vec<T> {
    #[inline]
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Vec(self.len() as u32));
        // At least so many will come; a long list would otherwise be moved again and again.
        out.tokens.reserve(self.len());
        out.leaves.reserve(self.len());
        for item in self {
            item.flatten_into(out);
        }
    }
    #[inline]
    fn take_into(&mut self, out: &mut Flattener) {
        out.token(Token::Vec(self.len() as u32));
        out.tokens.reserve(self.len());
        out.leaves.reserve(self.len());
        self.iter_mut().for_each(|item| item.take_into(out));
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        let len = src.vec()?;
        // Collecting results would ask for room bit by bit.
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(T::unflatten_from(src)?);
        }
        Ok(items)
    }
}

/// `None` has no leaves; `Some(x)` is `x`.
impl<T: Pytree> Pytree for Option<T> {
    #[inline]
    fn flatten_into(&self, out: &mut Flattener) {
        match self {
            None => out.token(Token::None),
            Some(value) => {
                out.token(Token::Some);
                value.flatten_into(out);
            }
        }
    }
    #[inline]
    fn take_into(&mut self, out: &mut Flattener) {
        match self {
            None => out.token(Token::None),
            Some(value) => {
                out.token(Token::Some);
                value.take_into(out);
            }
        }
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        Ok(if src.option()? { Some(T::unflatten_from(src)?) } else { None })
    }
}

impl<T: Pytree> Pytree for Box<T> {
    #[inline]
    fn flatten_into(&self, out: &mut Flattener) {
        (**self).flatten_into(out);
    }
    #[inline]
    fn take_into(&mut self, out: &mut Flattener) {
        (**self).take_into(out);
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        Ok(Box::new(T::unflatten_from(src)?))
    }
}

/// No leaves: so that a generic struct can name its parameter.
impl<T: 'static> Pytree for PhantomData<T> {
    #[inline]
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Tuple(0));
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        src.token(&Token::Tuple(0))?;
        Ok(PhantomData)
    }
}

/// In the order of the keys, which are part of the structure.
impl<K: MapKey, T: Pytree> Pytree for BTreeMap<K, T> {
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Dict(self.len() as u32));
        for (key, value) in self {
            out.key(key);
            value.flatten_into(out);
        }
    }
    fn take_into(&mut self, out: &mut Flattener) {
        out.token(Token::Dict(self.len() as u32));
        for (key, value) in self {
            out.key(key);
            value.take_into(out);
        }
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        let len = src.dict()?;
        (0..len).map(|_| Ok((src.key()?, T::unflatten_from(src)?))).collect()
    }
}

/// In the order of the keys, whatever the hasher's is.
impl<K: MapKey + Hash, T: Pytree, S: BuildHasher + Default + 'static> Pytree for HashMap<K, T, S> {
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Dict(self.len() as u32));
        let mut entries: SmallVec<[(&K, &T); 16]> = self.iter().collect();
        entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
        for (key, value) in entries {
            out.key(key);
            value.flatten_into(out);
        }
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        let len = src.dict()?;
        (0..len).map(|_| Ok((src.key()?, T::unflatten_from(src)?))).collect()
    }
}

/// A value that belongs to the structure of a tree, not to its leaves. As an argument of a jitted function it is
/// compiled in, and another value compiles anew. JAX: `static_argnums`.
/// ```
/// use raxla::tree::{self, Static};
/// assert_eq!(tree::structure(&Static(3)).to_string(), "PyTreeDef(3)");
/// assert_ne!(tree::structure(&Static(3)), tree::structure(&Static(4)));
/// assert_ne!(tree::structure(&Static(3u32)), tree::structure(&Static(3u64)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Static<T>(pub T);

impl<T> Deref for Static<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone + Eq + Hash + Debug + Send + Sync + 'static> Pytree for Static<T> {
    #[inline]
    fn flatten_into(&self, out: &mut Flattener) {
        out.static_value(&self.0);
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        src.static_value().map(Static)
    }
}
