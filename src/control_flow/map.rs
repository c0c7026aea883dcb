//! `map`: a function of each slice along a leading axis. JAX: `lax.map`.

use super::common::here;
use super::scan::{ScanOptions, scan_flat, scan_length, unflatten};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::jaxpr::Loc;
use crate::error::{Result, catch};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::lax;
use crate::signature::{FlatOut, Output};
use crate::tree::Pytree;

/// `f` of each slice along the leading axis of the leaves of `xs`, one after the other, the results stacked.
///
/// Use `vmap` to have them computed at once; this needs less memory. [`map_with`] is between the two.
///
/// # Errors
/// As [`scan`](super::scan).
#[track_caller]
pub fn map<X, Y, O>(f: impl FnMut(X) -> O, xs: X) -> Result<Y>
where
    X: Pytree,
    Y: Pytree,
    O: Output<Tree = Y>,
{
    map_with(f, xs, MapOptions::new())
}

options! {
    /// Options of [`map_with`].
    pub struct MapOptions {
        /// How many slices are computed at once, by `vmap`; 0 for all. One, without `vmap`, if it is not given.
        batch_size: optional usize,
    }
}

/// [`map`], several slices at once.
///
/// ```
/// use raxla::{lax::{self, MapOptions}, Array};
///
/// let x = Array::from([1.0f32, 2.0, 3.0]);
/// // The last slice is computed by itself.
/// let y: Array = lax::map_with(|x: Array| &x * &x, x, MapOptions::new().batch_size(2))?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 4.0, 9.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`map`].
#[track_caller]
pub fn map_with<X, Y, O>(mut f: impl FnMut(X) -> O, xs: X, options: MapOptions) -> Result<Y>
where
    X: Pytree,
    Y: Pytree,
    O: Output<Tree = Y>,
{
    let loc = here();
    let xs = FlatOut::from_tree(&xs);
    let tree = xs.tree.clone();
    let mut f = |args: &[Array]| Ok(FlatOut::from_tree(&f(unflatten(&tree, args)?).into_result()?));
    let run = || match options.batch_size {
        None => one_by_one(&mut f, xs, loc),
        Some(size) => batched(&mut f, xs, size, loc),
    };
    catch(run).map_err(|e| e.at(loc))?.into_tree()
}

type Flat<'a> = dyn FnMut(&[Array]) -> Result<FlatOut> + 'a;

fn one_by_one(f: &mut Flat<'_>, xs: FlatOut, loc: Loc) -> Result<FlatOut> {
    let mut body = |args: &[Array]| Ok((FlatOut::from_tree(&()), f(args)?));
    Ok(scan_flat("map body", &mut body, FlatOut::from_tree(&()), &xs, &ScanOptions::new(), loc)?.1)
}

fn batched(f: &mut Flat<'_>, xs: FlatOut, size: usize, loc: Loc) -> Result<FlatOut> {
    let length = scan_length(&xs.leaves, None)?;
    // As JAX has it: 0 is one batch of all.
    let whole = length.checked_div(size).map_or(0, |n| n * size);
    let mut at_once = |args: &[Array]| {
        let n = args.first().map_or(0, |x| x.shape()[0]);
        let (outs, dims, tree) = batch(
            |args| f(args).map(|out| (out.leaves.into_vec(), out.tree)),
            args,
            &vec![Some(0); args.len()],
            None,
            n,
        )?;
        let leaves = outs.iter().zip(dims).map(|(x, dim)| move_batch_axis(x, dim, 0, n)).collect();
        Ok(FlatOut { leaves, tree })
    };
    let part = |from: usize, to: usize| xs.leaves.iter().map(move |x| lax::slice_in_dim(x, from..to, 0));
    if whole == 0 {
        return at_once(&xs.leaves);
    }
    let leaves = part(0, whole).map(|x| {
        let mut shape = vec![whole / size, size];
        shape.extend_from_slice(&x.shape()[1..]);
        lax::reshape(&x, &shape)
    });
    let batches = FlatOut { leaves: leaves.collect(), tree: xs.tree.clone() };
    let mut out = one_by_one(&mut at_once, batches, loc)?;
    for y in &mut out.leaves {
        let mut shape = vec![whole];
        shape.extend_from_slice(&y.shape()[2..]);
        *y = lax::reshape(y, &shape);
    }
    if whole < length {
        let rest = at_once(&part(whole, length).collect::<Vec<_>>())?;
        for (y, rest) in out.leaves.iter_mut().zip(&rest.leaves) {
            *y = lax::concatenate([&*y, rest], 0);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType::I32;

    #[test]
    fn map_applies_a_function_to_each_slice() {
        let y =
            map(|(x, y): (Array, Array)| lax::add(&x, &y), (lax::iota(I32, 3), lax::iota(I32, 3))).unwrap();
        assert_eq!(y.to_vec::<i32>().unwrap(), [0, 2, 4]);
    }

    #[test]
    fn map_of_batches_of_any_size_gives_the_same() {
        let x = lax::reshape(&lax::iota(I32, 14), [7, 2]);
        for size in [0, 1, 2, 3, 7, 9] {
            let mut traced = Vec::new();
            let f = |x: Array| {
                traced.push(x.shape().to_vec());
                (lax::add(&x, &x), lax::reduce_sum(&x, 0))
            };
            let (twice, sums) = map_with(f, x.clone(), MapOptions::new().batch_size(size)).unwrap();
            assert_eq!(twice.shape(), [7, 2]);
            assert_eq!(twice.to_vec::<i32>().unwrap(), (0..14).map(|n| 2 * n).collect::<Vec<_>>());
            assert_eq!(sums.to_vec::<i32>().unwrap(), [1, 5, 9, 13, 17, 21, 25]);
            // Once for the batches, once for what is left of them.
            assert_eq!(traced, vec![vec![2]; if [2, 3].contains(&size) { 2 } else { 1 }], "{size}");
        }
        let none = map_with(|x: Array| x, lax::iota(I32, 0), MapOptions::new().batch_size(2)).unwrap();
        assert_eq!(none.shape(), [0]);
        let wrong = (lax::iota(I32, 2), lax::iota(I32, 3));
        let wrong = map_with(|(x, _): (Array, Array)| x, wrong, MapOptions::new().batch_size(2)).unwrap_err();
        assert!(wrong.message().ends_with("values with different leading axis sizes: 2, 3"), "{wrong}");
    }
}
