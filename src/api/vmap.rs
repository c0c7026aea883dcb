//! `vmap`: maps a function over an axis of its arguments. JAX: `jax.vmap`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::core::array::Array;
use crate::core::axis::AxisName;
use crate::error::{Result, bail};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::lax::elementwise::tuple;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Traceable};
use crate::tree::leaf_paths;

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
pub fn vmap<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
    vmap_with(f, VmapOptions::default())
}

/// [`vmap`] over chosen axes, or with a name for the mapped axis.
///
/// ```
/// use raxla::prelude::*;
///
/// let scale = |x: &Array, factor: &Array| x * factor;
/// let columns = vmap_with(scale, VmapOptions::new().in_axes([Some(1), None]).out_axis(1));
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(columns(&x, &Array::from([10.0f32, 100.0]))?.to_vec::<f32>()?, [10.0, 20.0, 300.0, 400.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn vmap_with<M, F: Traceable<M>>(f: F, options: VmapOptions) -> Fun<F::Sig> {
    Fun::from_flat(Arc::new(Vmap { f: f.into_flat(), options }))
}

/// Which axes of the arguments are mapped. Negative axes count from the end; `None` is not mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InAxes {
    /// One axis for every leaf of every argument.
    All(Option<i64>),
    /// One axis for all the leaves of each argument.
    Args(Vec<Option<i64>>),
    /// One axis for each leaf of all the arguments.
    Leaves(Vec<Option<i64>>),
}

impl From<i64> for InAxes {
    fn from(axis: i64) -> Self {
        InAxes::All(Some(axis))
    }
}
impl<const N: usize> From<[Option<i64>; N]> for InAxes {
    fn from(axes: [Option<i64>; N]) -> Self {
        InAxes::Args(axes.to_vec())
    }
}
impl From<Vec<Option<i64>>> for InAxes {
    fn from(axes: Vec<Option<i64>>) -> Self {
        InAxes::Args(axes)
    }
}

/// Options of [`vmap_with`].
#[derive(Clone, Debug)]
pub struct VmapOptions {
    in_axes: InAxes,
    out_axes: Vec<Option<i64>>,
    axis_name: Option<AxisName>,
    axis_size: Option<usize>,
}

impl Default for VmapOptions {
    fn default() -> Self {
        VmapOptions {
            in_axes: InAxes::All(Some(0)),
            out_axes: vec![Some(0)],
            axis_name: None,
            axis_size: None,
        }
    }
}

impl VmapOptions {
    /// Axis 0 everywhere, without a name.
    pub fn new() -> Self {
        Self::default()
    }
    /// Which axes of the arguments are mapped.
    #[must_use]
    pub fn in_axes(mut self, axes: impl Into<InAxes>) -> Self {
        self.in_axes = axes.into();
        self
    }
    /// Where each leaf of the result gets the mapped axis.
    #[must_use]
    pub fn out_axis(mut self, axis: i64) -> Self {
        self.out_axes = vec![Some(axis)];
        self
    }
    /// Where the mapped axis goes, leaf by leaf of the result; `None` for a leaf that is the same for all.
    #[must_use]
    pub fn out_axes(mut self, axes: impl IntoIterator<Item = Option<i64>>) -> Self {
        self.out_axes = axes.into_iter().collect();
        self
    }
    /// A name for the mapped axis, which collectives such as `lax::psum` refer to.
    #[must_use]
    pub fn axis_name(mut self, name: impl Into<AxisName>) -> Self {
        self.axis_name = Some(name.into());
        self
    }
    /// The size of the mapped axis, needed if no argument is mapped.
    #[must_use]
    pub fn axis_size(mut self, size: usize) -> Self {
        self.axis_size = Some(size);
        self
    }
}

struct Vmap {
    f: Arc<dyn FlatFn>,
    options: VmapOptions,
}

fn canonical(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|a| *a < rank)
}

impl Vmap {
    /// The mapped axis of each leaf.
    fn dims(&self, args: &FlatArgs) -> Result<Vec<Option<usize>>> {
        let leaves = args.leaves.len();
        let axes: Vec<Option<i64>> = match &self.options.in_axes {
            InAxes::All(axis) => vec![*axis; leaves],
            InAxes::Leaves(axes) if axes.len() == leaves => axes.clone(),
            InAxes::Args(axes) if axes.len() == args.args.len() => axes
                .iter()
                .zip(&args.args)
                .flat_map(|(axis, span)| vec![*axis; span.leaves().len()])
                .collect(),
            InAxes::Leaves(axes) => {
                bail!(
                    InvalidArgument,
                    "vmap in_axes names {} leaves, but the arguments have {leaves}",
                    axes.len()
                )
            }
            InAxes::Args(axes) => bail!(
                InvalidArgument,
                "vmap in_axes must have one entry for each argument, got {} for {} arguments",
                axes.len(),
                args.args.len()
            ),
        };
        let resolve = |(axis, x): (Option<i64>, &Array)| match axis {
            None => Ok(None),
            Some(axis) => match canonical(axis, x.ndim()) {
                Some(axis) => Ok(Some(axis)),
                None => bail!(
                    Shape,
                    "vmap was requested to map its argument along axis {axis}, which implies that its rank should be \
                     at least {}, but is only {} (its shape is {})",
                    if axis < 0 { -axis } else { axis + 1 },
                    x.ndim(),
                    tuple(x.shape())
                ),
            },
        };
        axes.into_iter().zip(&args.leaves).map(resolve).collect()
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
        let paths = leaf_paths(&args.tokens);
        let mut lines: Vec<String> = sizes
            .iter()
            .map(|(i, n)| {
                let argument = args.args.iter().position(|span| span.leaves().contains(i)).unwrap_or(0);
                let path = paths.get(*i).cloned().unwrap_or_default();
                let path = path.with_root(format!("argument {argument}"));
                let axis = dims[*i].unwrap_or(0);
                format!("  * axis {axis} of {path} of type {} has size {n}", args.leaves[*i].aval())
            })
            .collect();
        lines.extend(self.options.axis_size.map(|n| format!("  * axis_size is {n}")));
        bail!(Shape, "vmap got inconsistent sizes for array axes to be mapped:\n{}", lines.join("\n"))
    }
}

impl FlatFn for Vmap {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let run = || {
            let dims = self.dims(&args)?;
            let size = self.size(&args, &dims)?;
            let name = self.options.axis_name;
            let (outs, out_dims, tree) = batch(
                |leaves| {
                    let out =
                        self.f.call(FlatArgs { leaves: leaves.iter().cloned().collect(), ..args.clone() })?;
                    Ok((out.leaves.into_vec(), out.tree))
                },
                &args.leaves,
                &dims,
                name,
                size,
            )?;
            let axes = &self.options.out_axes;
            if axes.len() != 1 && axes.len() != outs.len() {
                bail!(
                    InvalidArgument,
                    "vmap out_axes names {} leaves, but the result has {}",
                    axes.len(),
                    outs.len()
                );
            }
            let place = |(i, (x, dim)): (usize, (&Array, Option<usize>))| {
                let Some(axis) = axes[i.min(axes.len() - 1)] else {
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
}
