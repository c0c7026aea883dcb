//! `vectorize`: a function of small arrays made one of arrays that broadcast. JAX: `numpy/vectorize.py`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::error::{OrThrow, Result, bail, catch, with_location};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::lax;
use crate::numpy::util::{broadcast_shapes, note_rank_promotion};
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Traceable};
use crate::tree::TreeDef;

options! {
    /// Options of [`vectorize_with`].
    pub struct VectorizeOptions {
        /// The positions of arguments that are handed on as they are.
        excluded: into Axes = (),
        /// The axes that the function itself takes and gives, by names that say which have one size: `"(n,m),(m)->(n)"`. Without it
        /// the function takes scalars.
        signature: optional_into String,
    }
}

/// The function for arrays of any shape: it is mapped over all of their axes, along which they broadcast.
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let f = jnp::vectorize(|x: &Array, y: &Array| raxla::lax::mul(x, y));
/// let table = f(&Array::from([[1.0f32], [2.0]]), &Array::from([10.0f32, 20.0, 30.0]))?;
/// assert_eq!(table.to_vec::<f32>()?, [10.0, 20.0, 30.0, 20.0, 40.0, 60.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the function; arguments that do not broadcast.
#[track_caller]
pub fn vectorize<'f, F, M>(f: F) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    vectorize_with(f, VectorizeOptions::new())
}

/// [`vectorize`] of functions that take more than scalars.
///
/// ```
/// use raxla::numpy::{self as jnp, VectorizeOptions};
/// use raxla::Array;
///
/// let dot = jnp::vectorize_with(|x: &Array, y: &Array| jnp::dot(x, y), VectorizeOptions::new().signature("(n),(n)->()"));
/// let (rows, x) = (Array::from([[1.0f32, 2.0], [3.0, 4.0]]), Array::from([1.0f32, 1.0]));
/// assert_eq!(dot(&rows, &x)?.to_vec::<f32>()?, [3.0, 7.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`vectorize`]; `vectorize: (n)->( is no signature`; arguments or results whose axes are not those of the signature; another
/// number of them.
#[track_caller]
pub fn vectorize_with<'f, F, M>(f: F, options: VectorizeOptions) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let excluded = options.excluded.positions("vectorize", usize::MAX >> 1).or_throw().to_vec();
    let signature = options.signature.as_deref().map(|text| parsed(text).or_throw());
    Fun::from_flat(Arc::new(Vectorize { f: M::into_flat(f), excluded, signature }))
}

/// The names of the axes of each argument, or of each result.
type Named = Vec<Vec<String>>;

struct Vectorize<'f> {
    f: Arc<dyn FlatFn + 'f>,
    excluded: Vec<usize>,
    signature: Option<(Named, Named)>,
}

/// `(n,m),(m)->(n)` taken apart.
fn parsed(text: &str) -> Result<(Named, Named)> {
    let lists = |side: &str| -> Option<Named> {
        let side: String = side.chars().filter(|c| !c.is_whitespace()).collect();
        let inner = side.strip_prefix('(')?.strip_suffix(')')?;
        let name = |s: &str| s.chars().all(|c| c.is_alphanumeric() || c == '_');
        let mut all = Named::new();
        for one in inner.split("),(") {
            let names: Vec<String> = one.split(',').filter(|_| !one.is_empty()).map(str::to_string).collect();
            if names.iter().any(|n| n.is_empty() || !name(n)) {
                return None;
            }
            all.push(names);
        }
        Some(all)
    };
    let sides = text.split_once("->").and_then(|(from, to)| lists(from).zip(lists(to)));
    match sides {
        Some(sides) => Ok(sides),
        None => bail!(InvalidArgument, "vectorize: {text} is no signature such as (n,m),(m)->(n)"),
    }
}

/// Notes the sizes of named axes, which are the same wherever a name stands.
fn note(sizes: &mut Vec<(String, usize)>, names: &[String], shape: &[usize], what: &Array) -> Result<()> {
    for (name, n) in names.iter().zip(shape) {
        match sizes.iter().find(|(known, _)| known == name) {
            None => sizes.push((name.clone(), *n)),
            Some((_, known)) if known == n => {}
            Some((_, known)) => {
                bail!(Shape, "vectorize: axis {name} has size {known}, and {n} in {}", what.aval())
            }
        }
    }
    Ok(())
}

/// What is known of an argument's leaf.
struct Leaf {
    /// The sizes of the axes that are mapped, with ones in front; `None` for one that is excluded.
    mapped: Option<Vec<usize>>,
}

impl Vectorize<'_> {
    /// The names of the axes that the function takes of each leaf; `None` where it is handed on.
    fn cores<'a>(&'a self, args: &FlatArgs) -> Result<Vec<Option<&'a [String]>>> {
        let mut cores = Vec::new();
        let mut inputs = self.signature.as_ref().map(|(inputs, _)| inputs.iter());
        let count = args.args.len() - self.excluded.iter().filter(|i| **i < args.args.len()).count();
        for (i, span) in args.args.iter().enumerate() {
            let excluded = self.excluded.contains(&i);
            let core = match (&mut inputs, excluded) {
                (_, true) => None,
                (None, false) => Some(&[][..]),
                (Some(inputs), false) => {
                    let Some(names) = inputs.next() else {
                        bail!(InvalidArgument, "vectorize: {count} arguments for a signature of fewer")
                    };
                    if span.leaves().len() != 1 {
                        bail!(TreeMismatch, "vectorize: argument {i} of a signature must be an array");
                    }
                    Some(&names[..])
                }
            };
            cores.extend(span.leaves().map(|_| core));
        }
        if inputs.is_some_and(|mut inputs| inputs.next().is_some()) {
            bail!(InvalidArgument, "vectorize: {count} arguments for a signature of more");
        }
        Ok(cores)
    }

    fn run(&self, args: &FlatArgs) -> Result<FlatOut> {
        let cores = self.cores(args)?;
        let mut sizes = Vec::new();
        let mut shapes = Vec::new();
        for (x, core) in args.leaves.iter().zip(&cores) {
            let Some(core) = core else { continue };
            let Some(split) = x.ndim().checked_sub(core.len()) else {
                bail!(Shape, "vectorize: takes an array of the axes ({}), got {}", core.join(","), x.aval());
            };
            let (outer, inner) = x.shape().split_at(split);
            note(&mut sizes, core, inner, x)?;
            shapes.push(outer);
        }
        let shape = broadcast_shapes(&shapes).map_err(|e| e.context("vectorize"))?;
        let ranks = args.leaves.iter().zip(&cores).filter(|(x, core)| core.is_some() && x.ndim() > 0);
        let mut ranks = ranks.map(|(x, core)| x.ndim() - core.as_ref().map_or(0, |core| core.len()));
        let first = ranks.next();
        if ranks.any(|rank| Some(rank) != first) {
            let shapes: Vec<&[usize]> = args.leaves.iter().map(Array::shape).collect();
            with_location(args.caller, || note_rank_promotion("vectorize", &shapes));
        }
        let rank = shape.len();
        let (mut leaves, mut mapped) = (Vec::new(), Vec::new());
        for (x, core) in args.leaves.iter().zip(&cores) {
            let Some(core) = core else {
                leaves.push(x.clone());
                mapped.push(Leaf { mapped: None });
                continue;
            };
            let outer = &x.shape()[..x.ndim() - core.len()];
            let ones: Vec<usize> = (0..outer.len()).filter(|d| outer[*d] == 1).collect();
            leaves.push(if ones.is_empty() { x.clone() } else { lax::squeeze(x, ones) });
            let sizes = std::iter::repeat_n(1, rank - outer.len()).chain(outer.iter().copied());
            mapped.push(Leaf { mapped: Some(sizes.collect()) });
        }
        let (outs, tree) = self.over(args, &leaves, &mapped, 0, rank, &sizes)?;
        // Axes along which nothing was mapped.
        let kept: Vec<usize> = (0..rank).filter(|axis| !any_mapped(&mapped, *axis)).collect();
        let expand = |x: Array| if kept.is_empty() { x } else { lax::expand_dims(&x, &kept) };
        Ok(FlatOut { leaves: outs.into_iter().map(expand).collect(), tree })
    }

    /// The function mapped over the axes from `axis` on.
    fn over(
        &self,
        args: &FlatArgs,
        leaves: &[Array],
        mapped: &[Leaf],
        axis: usize,
        rank: usize,
        sizes: &[(String, usize)],
    ) -> Result<(Vec<Array>, TreeDef)> {
        if axis == rank {
            let out = self.f.call(args.with_leaves(leaves))?;
            self.check(&out, sizes)?;
            return Ok((out.leaves.into_vec(), out.tree));
        }
        if !any_mapped(mapped, axis) {
            return self.over(args, leaves, mapped, axis + 1, rank, sizes);
        }
        let dims: Vec<Option<usize>> = mapped.iter().map(|leaf| leaf.is_mapped(axis).then_some(0)).collect();
        let size = mapped.iter().filter_map(|leaf| leaf.mapped.as_ref()).map(|m| m[axis]).find(|n| *n != 1);
        let size = size.unwrap_or(1);
        let inner = |leaves: &[Array]| self.over(args, leaves, mapped, axis + 1, rank, sizes);
        let (outs, out_dims, tree) = batch(inner, leaves, &dims, None, size)?;
        let front = outs.iter().zip(out_dims).map(|(x, dim)| move_batch_axis(x, dim, 0, size));
        Ok((front.collect(), tree))
    }

    /// Are the results of the shapes that the signature says?
    fn check(&self, out: &FlatOut, sizes: &[(String, usize)]) -> Result<()> {
        let Some((_, outputs)) = &self.signature else { return Ok(()) };
        if outputs.len() != out.leaves.len() {
            let (n, m) = (outputs.len(), out.leaves.len());
            bail!(InvalidArgument, "vectorize: the signature has {n} results, and the function gave {m}");
        }
        let mut sizes = sizes.to_vec();
        for (x, names) in out.leaves.iter().zip(outputs) {
            if x.ndim() != names.len() {
                let names = names.join(",");
                bail!(Shape, "vectorize: a result must have the axes ({names}), got {}", x.aval());
            }
            note(&mut sizes, names, x.shape(), x)?;
        }
        Ok(())
    }
}

impl Leaf {
    fn is_mapped(&self, axis: usize) -> bool {
        self.mapped.as_ref().is_some_and(|sizes| sizes[axis] != 1)
    }
}

fn any_mapped(leaves: &[Leaf], axis: usize) -> bool {
    leaves.iter().any(|leaf| leaf.is_mapped(axis))
}

impl FlatFn for Vectorize<'_> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        catch(|| self.run(&args)).map_err(|e| e.at(caller))
    }
    fn name(&self) -> Cow<'static, str> {
        format!("vectorize_{}", self.f.name()).into()
    }
    fn describe(&self) -> String {
        format!("vectorize_{}", self.f.describe())
    }
}
