//! [`microbatch`]: a function of a batch, run on a part of it at a time. Optax: `microbatching/_microbatching.py`.

use std::fmt;

use crate::Pytree;
use crate::arguments::{Axis, options};
use crate::control_flow::fori_loop;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::error::{Result, bail, caller, catch};
use crate::interpreters::partial_eval::trace_to_jaxpr_with;
use crate::lax::DynamicIndexOptions;
use crate::signature::Output;
use crate::tree::{self, AnyTree, Token};
use crate::{lax, numpy};

/// What [`microbatch`] makes of the results of the parts of a batch. Optax: `AccumulationType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accumulation {
    /// Their sum.
    Sum,
    /// Their mean: the sum over the number of all parts, also if fewer are run.
    Mean,
    /// The mean of those that are run.
    RunningMean,
    /// All of them, one after the other along axis 0, in the order of the batch.
    Concat,
}

/// How each part of a result is accumulated: one [`Accumulation`] for all of it, or a tuple or a `Vec` with an entry for each child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accumulations(Repr);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Repr {
    One(Accumulation),
    Node(Vec<Accumulations>),
}

impl From<Accumulation> for Accumulations {
    fn from(one: Accumulation) -> Self {
        Accumulations(Repr::One(one))
    }
}
impl<A: Into<Accumulations>> From<Vec<A>> for Accumulations {
    fn from(all: Vec<A>) -> Self {
        Accumulations(Repr::Node(all.into_iter().map(Into::into).collect()))
    }
}
macro_rules! from_tuples {
    ($($($t:ident)+;)*) => {$(
        impl<$($t: Into<Accumulations>),+> From<($($t,)+)> for Accumulations {
            fn from(all: ($($t,)+)) -> Self {
                #[allow(non_snake_case, reason = "variables are named as their types")]
                let ($($t,)+) = all;
                Accumulations(Repr::Node(vec![$($t.into()),+]))
            }
        }
    )*};
}
from_tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}

impl Accumulations {
    /// Appends that of each leaf of the tree at the front of `tokens`, which is taken off; false if the tree has another form.
    fn of_leaves(&self, tokens: &mut &[Token], out: &mut Vec<Accumulation>) -> bool {
        let Some((first, rest)) = tokens.split_first() else { return false };
        *tokens = rest;
        match &self.0 {
            Repr::One(one) => {
                if *first == Token::Leaf {
                    out.push(*one);
                }
                (0..first.arity()).all(|_| self.of_leaves(tokens, out))
            }
            Repr::Node(all) => {
                *first != Token::Leaf
                    && all.len() == first.arity()
                    && all.iter().all(|each| each.of_leaves(tokens, out))
            }
        }
    }
}

/// `(Sum, Concat)`.
impl fmt::Display for Accumulations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::One(one) => write!(f, "{one:?}"),
            Repr::Node(all) => {
                let list: Vec<String> = all.iter().map(ToString::to_string).collect();
                write!(f, "({})", list.join(", "))
            }
        }
    }
}

options! {
    /// Options of [`microbatch_with`].
    pub struct MicrobatchOptions {
        /// What is made of the results.
        accumulator: into Accumulations = Accumulation::Sum,
        /// The axis of the batch in each of its arrays.
        in_axes: into Axis = 0,
        /// How many parts are run, if not all: a number that may differ from call to call, for batches that are not full.
        num_real_microbatches: optional_into Array,
    }
}

/// A function of a batch that runs `fun` on `microbatch_size` rows at a time, one part after the other in one loop, and adds up what it
/// gives. Less memory is needed than for all rows at once. What is not of the batch is captured.
///
/// Part `i` of `n` has the rows `i`, `i + n`, `i + 2n` and so on, as in Optax: rows that are neighbours on a device stay so.
///
/// ```
/// use raxla::{optim, prelude::*};
///
/// let sum_of_squares = optim::microbatch(|x: Array| (&x * &x).sum(..), 2);
/// assert_eq!(sum_of_squares(&Array::from([1.0f32, 2.0, 3.0, 4.0]))?.item::<f32>()?, 30.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Of the function that is returned: `microbatch: a batch of 5 is not divided by microbatch_size = 2`; arrays of the batch of different
/// sizes; what `fun` fails with.
#[track_caller]
pub fn microbatch<B, O>(
    fun: impl Fn(B) -> O + Send + Sync,
    microbatch_size: usize,
) -> impl Fn(&B) -> Result<O::Tree> + Send + Sync
where
    B: Pytree,
    O: Output,
{
    microbatch_with(fun, microbatch_size, MicrobatchOptions::new())
}

/// [`microbatch`] that makes something else of the results.
///
/// ```
/// use raxla::optim::{self, Accumulation::*, MicrobatchOptions};
/// use raxla::prelude::*;
///
/// let both = optim::microbatch_with(
///     |x: Array| (&x + 1, (3 * x).sum(..)),
///     2,
///     MicrobatchOptions::new().accumulator((Concat, Sum)),
/// );
/// let (next, sum) = both(&Array::from([1, 2, 3, 4]))?;
/// assert_eq!((next.to_vec::<i32>()?, sum.item::<i32>()?), (vec![2, 3, 4, 5], 30));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`microbatch`]; a mean of integers; accumulations that are not of the form of the result.
#[track_caller]
pub fn microbatch_with<B, O>(
    fun: impl Fn(B) -> O + Send + Sync,
    microbatch_size: usize,
    options: MicrobatchOptions,
) -> impl Fn(&B) -> Result<O::Tree> + Send + Sync
where
    B: Pytree,
    O: Output,
{
    // A closure has no caller: errors are of the line that made it.
    let loc = caller();
    move |batch: &B| {
        let run = || {
            let (batch, parts) = divided(AnyTree::new(batch), microbatch_size, options.in_axes)?;
            let part = |index: &Array| -> Result<AnyTree> {
                let options = DynamicIndexOptions::new().keepdims(false);
                let rows = |(axis, x): &(usize, Array)| {
                    lax::dynamic_index_in_dim_with(x, index, axis + 1, options.clone())
                };
                let rows = AnyTree::from_parts(batch.0.clone(), batch.1.iter().map(rows).collect())?;
                Ok(AnyTree::new(&fun(rows.into_typed()?).into_result()?))
            };
            accumulated(part, parts, &options)?.into_typed()
        };
        with_location(loc, || catch(run)).map_err(|e| e.at(loc))
    }
}

/// The structure of a batch, and its arrays with the axis that is now two: that of the rows of a part, and that of the parts.
type Divided = (tree::TreeDef, Vec<(usize, Array)>);

/// The batch in parts, and their number.
fn divided(batch: AnyTree, microbatch_size: usize, axis: Axis) -> Result<(Divided, usize)> {
    let mut size = None;
    let mut arrays = Vec::new();
    for (path, x) in batch.iter() {
        let at =
            axis.position("microbatch", x.ndim()).map_err(|e| e.context(format!("the batch at {path}")))?;
        let n = x.shape()[at];
        if *size.get_or_insert(n) != n {
            bail!(Shape, "microbatch: requires arrays of one size along {axis}, got {} at {path}", x.aval());
        }
        if microbatch_size == 0 || n % microbatch_size != 0 {
            bail!(Shape, "microbatch: a batch of {n} is not divided by microbatch_size = {microbatch_size}");
        }
        let mut shape = x.shape().to_vec();
        shape.splice(at..=at, [microbatch_size, n / microbatch_size]);
        arrays.push((at, numpy::reshape(x, shape)));
    }
    match size {
        Some(n) => Ok(((batch.structure().clone(), arrays), n / microbatch_size)),
        None => bail!(InvalidArgument, "microbatch: the batch has no arrays"),
    }
}

fn accumulated(
    part: impl Fn(&Array) -> Result<AnyTree>,
    parts: usize,
    options: &MicrobatchOptions,
) -> Result<AnyTree> {
    let of_first = |_: &[Array]| {
        let result = part(&Array::from(0))?;
        Ok((result.leaves().to_vec(), result.structure().clone()))
    };
    let (jaxpr, structure) = trace_to_jaxpr_with(&[], of_first)?;
    let mut how = Vec::new();
    if !options.accumulator.of_leaves(&mut structure.tokens(), &mut how) {
        bail!(
            TreeMismatch,
            "microbatch: the accumulator {} is not of the form of {structure}",
            options.accumulator
        );
    }
    let begin = |(aval, how): (crate::ShapedArray, &Accumulation)| {
        if matches!(how, Accumulation::Mean | Accumulation::RunningMean) && !aval.dtype().is_inexact() {
            bail!(DType, "microbatch: requires floats for {how:?}, got {aval}");
        }
        let mut shape = aval.shape().to_vec();
        if *how == Accumulation::Concat {
            shape.insert(0, parts);
        }
        Ok(numpy::zeros((shape, aval.dtype())))
    };
    let avals = jaxpr.jaxpr.out_avals();
    let init = avals.into_iter().zip(&how).map(begin).collect::<Result<Vec<Array>>>()?;
    let body = |index: Array, carry: Vec<Array>| -> Result<Vec<Array>> {
        let result = part(&index)?;
        let add = |((carry, x), how): ((&Array, &Array), &Accumulation)| match how {
            Accumulation::Sum | Accumulation::Mean => carry + x,
            Accumulation::RunningMean => {
                let before = (&index / (&index + 1)).astype(x.dtype());
                carry * &before + x * (1.0 - &before)
            }
            Accumulation::Concat => {
                lax::dynamic_update_index_in_dim(carry, &numpy::expand_dims(x, 0), &index, 0)
            }
        };
        Ok(carry.iter().zip(result.leaves()).zip(&how).map(add).collect())
    };
    let sums = match &options.num_real_microbatches {
        Some(count) => fori_loop(0, count, body, init)?,
        None => fori_loop(0, parts, body, init)?,
    };
    let end = |(x, how): (Array, &Accumulation)| match how {
        Accumulation::Sum | Accumulation::RunningMean => x,
        Accumulation::Mean => x / parts as f64,
        Accumulation::Concat if x.ndim() == 1 => x,
        Accumulation::Concat => {
            let x = numpy::swapaxes(x, 0, 1);
            let shape = [&[x.shape()[0] * x.shape()[1]], &x.shape()[2..]].concat();
            numpy::reshape(x, shape)
        }
    };
    AnyTree::from_parts(structure, sums.into_iter().zip(&how).map(end).collect())
}
