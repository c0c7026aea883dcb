//! What the macro `debug::print!` expands to: nothing here is to be named by hand.
#![doc(hidden)]

use std::marker::PhantomData;

use super::redirect::write_line;
use crate::callback::{Callback, Kind};
use crate::core::array::Array;
use crate::error::{OrThrow, Result};
use crate::signature::FlatOut;
use crate::tree::{Flattener, Pytree, Unflattener};

/// The arrays of what is to be printed, and its structure.
#[derive(Default)]
pub struct Args(Flattener);

/// The same when it is printed, to be taken in order.
pub struct PrintedValues<'a>(Unflattener<'a>);

/// An argument of the macro. Of the traits below the first applies that its type allows: each is implemented for one reference
/// more than the next, and method calls try types with more references first.
pub struct Wrap<'a, T: ?Sized>(pub &'a T);

/// A tree, whose value is filled in when it is printed.
pub struct Tree<T>(PhantomData<fn() -> T>);

/// Any other value, as it was.
pub struct Fixed<T>(T);

impl<T: Pytree> Tree<T> {
    fn keep(tree: &T, args: &mut Args) -> Self {
        tree.flatten_into(&mut args.0);
        Tree(PhantomData)
    }

    /// The value.
    pub fn get(&self, values: &mut PrintedValues<'_>) -> Result<T> {
        T::unflatten_from(&mut values.0)
    }
}

impl<T: Clone> Fixed<T> {
    /// The value.
    pub fn get(&self, _: &mut PrintedValues<'_>) -> Result<T> {
        Ok(self.0.clone())
    }
}

/// A tree.
pub trait KeepTree {
    type Kept;
    fn keep(&self, args: &mut Args) -> Self::Kept;
}
impl<T: Pytree> KeepTree for &&&Wrap<'_, T> {
    type Kept = Tree<T>;
    fn keep(&self, args: &mut Args) -> Tree<T> {
        Tree::keep(self.0, args)
    }
}

/// A reference to a tree.
pub trait KeepTreeRef {
    type Kept;
    fn keep(&self, args: &mut Args) -> Self::Kept;
}
impl<T: Pytree> KeepTreeRef for &&Wrap<'_, &T> {
    type Kept = Tree<T>;
    fn keep(&self, args: &mut Args) -> Tree<T> {
        Tree::keep(self.0, args)
    }
}

/// A text.
pub trait KeepStr {
    type Kept;
    fn keep(&self, args: &mut Args) -> Self::Kept;
}
impl KeepStr for &Wrap<'_, &str> {
    type Kept = Fixed<String>;
    fn keep(&self, _: &mut Args) -> Fixed<String> {
        Fixed((*self.0).to_owned())
    }
}

/// A reference to any other value.
pub trait KeepRef {
    type Kept;
    fn keep(&self, args: &mut Args) -> Self::Kept;
}
impl<T: Clone + Send + Sync + 'static> KeepRef for &Wrap<'_, &T> {
    type Kept = Fixed<T>;
    fn keep(&self, _: &mut Args) -> Fixed<T> {
        Fixed((*self.0).clone())
    }
}

/// Any other value.
pub trait KeepValue {
    type Kept;
    fn keep(&self, args: &mut Args) -> Self::Kept;
}
impl<T: Clone + Send + Sync + 'static> KeepValue for Wrap<'_, T> {
    type Kept = Fixed<T>;
    fn keep(&self, _: &mut Args) -> Fixed<T> {
        Fixed(self.0.clone())
    }
}

/// Prints what `format` makes of the values of `args`.
#[track_caller]
pub fn print<F>(ordered: bool, fmt: &'static str, args: Args, format: F)
where
    F: Fn(&mut PrintedValues<'_>) -> Result<String> + Send + Sync + 'static,
{
    let (leaves, tree) = args.0.finish();
    let tokens = tree.clone();
    let callback = Callback::keyed::<F>(&tree, move |leaves: &[Array]| {
        let mut leaves = leaves.iter().cloned();
        write_line(format(&mut PrintedValues(Unflattener::new(tokens.tokens(), &mut leaves)))?)?;
        Ok(FlatOut { leaves: Default::default(), tree: tokens.clone() })
    });
    super::call(Kind::Print(fmt), ordered, callback, &leaves).or_throw();
}
