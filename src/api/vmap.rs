//! `vmap`: maps a function over an axis of its arguments. JAX: `jax.vmap`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::arguments::{Integer, options};
use crate::core::array::Array;
use crate::core::axis::{AxisName, AxisNames};
use crate::core::primitive::MappedAxis;
use crate::error::{Result, bail};
use crate::interpreters::batching::{batch_over, move_batch_axis};
use crate::lax::elementwise::tuple;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Traceable};
use crate::tree::{Prefix, Token, from_prefixes, leaf_paths};

/// Maps `f` over axis 0 of every leaf of every argument; each leaf of the result gets the mapped axis in front.
///
/// ```
/// use raxla::prelude::*;
///
/// let dot = |x: &Array, y: &Array| raxla::lax::reduce_sum(&(x * y), &[0]);
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(vmap(dot)(&x, &x)?.to_vec::<f32>()?, [5.0, 25.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `vmap got inconsistent sizes for array axes to be mapped`; a leaf without the axis; what `f` fails with.
#[track_caller]
pub fn vmap<'f, F, M>(f: F) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    vmap_with(f, VmapOptions::default())
}

/// [`vmap`] over chosen axes, or with a name for the mapped axis.
///
/// ```
/// use raxla::prelude::*;
///
/// let scale = |x: &Array, factor: &Array| x * factor;
/// let columns = vmap_with(scale, VmapOptions::new().in_axes((1, None)).out_axes(1));
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(columns(&x, &Array::from([10.0f32, 100.0]))?.to_vec::<f32>()?, [10.0, 20.0, 300.0, 400.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// The mapped axis is left whole, or to XLA, unless it has an axis of a mesh:
///
/// ```
/// use raxla::{P, config, lax, make_mesh, numpy as jnp, prelude::*};
///
/// config::set_num_cpu_devices(8)?;
/// let mesh = make_mesh([4, 2], ["data", "model"])?;
/// let layer = |x: &Array| lax::with_sharding_constraint(&(x * 2.0), mesh.sharding(P!["model"]));
/// let batched = vmap_with(layer, VmapOptions::new().spmd_axis_name("data"));
/// assert_eq!(batched(&jnp::ones([8, 2]))?.sharding()?, mesh.sharding(P!["data", "model"]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`vmap`]; axes that do not have the form of the arguments or of the result; `vmap: spmd_axis_name ('x',) cannot appear in the
/// spec of a with_sharding_constraint inside, but that is P('x',)`.
#[track_caller]
pub fn vmap_with<'f, F, M>(f: F, options: VmapOptions) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    Fun::from_flat(Arc::new(Vmap { f: M::into_flat(f), options }))
}

options! {
    /// Options of [`vmap_with`].
    pub struct VmapOptions {
        /// Which axes of the arguments are mapped: one for all, or a tuple with an entry for each argument, `None` for one that
        /// is not mapped: `in_axes((0, None))`.
        in_axes: into MappedAxes = 0,
        /// Where the mapped axis goes in the result: one for all leaves, or a tree of them; `None` where nothing is mapped.
        out_axes: into MappedAxes = 0,
        /// A name for the mapped axis, which collectives such as `lax::psum` refer to.
        axis_name: optional_into AxisName,
        /// The size of the mapped axis, needed if no argument is mapped.
        axis_size: optional usize,
        /// Axes of a mesh, one or several, along which each [`with_sharding_constraint`](crate::lax::with_sharding_constraint)
        /// inside of the function cuts the mapped axis, rather than leave that to XLA.
        spmd_axis_name: optional_into AxisNames,
    }
}

/// Mapped axes of a tree: one for all its leaves, or a tuple, array or `Vec` with an entry for each child, whatever kind of node
/// the tree has there. `None` is not mapped; negative axes count from the end.
///
/// ```
/// use raxla::prelude::*;
///
/// let f = |x: &Array, (y, z): &(Array, Array)| x * y + z;
/// let rows = vmap_with(f, VmapOptions::new().in_axes((0, (None, 0))));
/// let (x, y) = (Array::from([1.0f32, 2.0]), Array::from(10.0));
/// assert_eq!(rows(&x, &(y, x.clone()))?.to_vec::<f32>()?, [11.0, 22.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedAxes(Prefix<i64>);

impl<I: Integer> From<I> for MappedAxes {
    fn from(axis: I) -> Self {
        MappedAxes(Prefix::All(Some(axis.to_i64())))
    }
}
from_prefixes!(MappedAxes, i64);

struct Vmap<'f> {
    f: Arc<dyn FlatFn + 'f>,
    options: VmapOptions,
}

fn canonical(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|a| *a < rank)
}

/// What leaf `i` is called in messages: `argument 0.weight`.
fn leaf_name(args: &FlatArgs, i: usize) -> String {
    let argument = args.args.iter().position(|span| span.leaves().contains(&i)).unwrap_or(0);
    let path = leaf_paths(&args.tokens).get(i).cloned().unwrap_or_default();
    path.with_root(format!("argument {argument}")).to_string()
}

impl Vmap<'_> {
    /// The mapped axis of each leaf.
    fn dims(&self, args: &FlatArgs) -> Result<Vec<Option<usize>>> {
        let arguments: Vec<&[Token]> = (0..args.args.len()).map(|i| args.arg_tokens(i)).collect();
        let axes = self.options.in_axes.0.of_arguments("vmap in_axes", "an integer", &arguments)?;
        let resolve = |(i, (axis, x)): (usize, (Option<i64>, &Array))| match axis {
            None => Ok(None),
            Some(axis) => match canonical(axis, x.ndim()) {
                Some(axis) => Ok(Some(axis)),
                None => bail!(
                    Shape,
                    "vmap was requested to map {} along axis {axis}, which implies that its rank should be at least {}, \
                     but is only {} (its shape is {})",
                    leaf_name(args, i),
                    if axis < 0 { -axis } else { axis + 1 },
                    x.ndim(),
                    tuple(x.shape())
                ),
            },
        };
        axes.into_iter().zip(&args.leaves).enumerate().map(resolve).collect()
    }

    /// The size of the mapped axis, on which all mapped leaves must agree.
    fn size(&self, args: &FlatArgs, dims: &[Option<usize>]) -> Result<usize> {
        let sizes: Vec<(usize, usize)> = dims
            .iter()
            .zip(&args.leaves)
            .enumerate()
            .filter_map(|(i, (d, x))| d.map(|d| (i, x.shape()[d])))
            .collect();
        let Some(expected) = self.options.axis_size.or(sizes.first().map(|(_, n)| *n)) else {
            bail!(InvalidArgument, "vmap must have at least one mapped argument, or an axis_size");
        };
        if sizes.iter().all(|(_, n)| *n == expected) {
            return Ok(expected);
        }
        let mut lines: Vec<String> = sizes
            .iter()
            .map(|(i, n)| {
                let axis = dims[*i].unwrap_or(0);
                let leaf = leaf_name(args, *i);
                format!("  * axis {axis} of {leaf} of type {} has size {n}", args.leaves[*i].aval())
            })
            .collect();
        lines.extend(self.options.axis_size.map(|n| format!("  * axis_size is {n}")));
        bail!(Shape, "vmap got inconsistent sizes for array axes to be mapped:\n{}", lines.join("\n"))
    }
}

impl FlatFn for Vmap<'_> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let run = || {
            let dims = self.dims(&args)?;
            let size = self.size(&args, &dims)?;
            let spmd_name = self.options.spmd_axis_name.as_ref().map(AxisNames::interned);
            let axis = MappedAxis { name: self.options.axis_name, size, spmd_name };
            let (outs, out_dims, tree) = batch_over(
                axis.into(),
                |leaves| {
                    let out = self.f.call(args.with_leaves(leaves))?;
                    Ok((out.leaves.into_vec(), out.tree))
                },
                &args.leaves,
                &dims,
            )?;
            let axes = self.options.out_axes.0.of_result("vmap out_axes", &tree)?;
            let place = |(i, (x, dim)): (usize, (&Array, Option<usize>))| {
                let Some(axis) = axes[i] else {
                    if dim.is_some() {
                        bail!(
                            InvalidArgument,
                            "vmap has mapped output {i} but out_axes is None for it: {} depends on the mapped axis",
                            x.aval()
                        );
                    }
                    return Ok(x.clone());
                };
                let rank = x.ndim() + usize::from(dim.is_none());
                match canonical(axis, rank) {
                    Some(to) => Ok(move_batch_axis(x, dim, to, size)),
                    None => {
                        bail!(
                            InvalidArgument,
                            "vmap out_axes: axis {axis} is out of range for a result of rank {rank}"
                        )
                    }
                }
            };
            let leaves = outs.iter().zip(out_dims).enumerate().map(place).collect::<Result<_>>()?;
            Ok(FlatOut { leaves, tree })
        };
        crate::error::catch(run).map_err(|e| e.at(caller))
    }

    fn name(&self) -> Cow<'static, str> {
        format!("vmap_{}", self.f.name()).into()
    }
    fn describe(&self) -> String {
        format!("vmap_{}", self.f.describe())
    }
}
