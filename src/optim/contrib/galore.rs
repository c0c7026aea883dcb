//! Optimisers whose state is of a low rank. Optax: `contrib/_galore.py`.

use crate::Pytree;
use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail, throw};
use crate::lax;
use crate::numpy::linalg::{SvdFactorsOptions, svd_with};
use crate::numpy::{self, conj, equal, matmul, matrix_transpose, remainder, zeros};
use crate::optim::masking::{Mask, chain};
use crate::optim::math::{safe_increment, zero_count};
use crate::optim::scaling::{decayed_weights_of, scale_by_learning_rate};
use crate::optim::{GradientTransformation, OptState, Schedule, scale_by_adam};
use crate::tree::{self, AnyTree};

/// Which axes of a parameter are the rows and which the columns of the matrix that it is for GaLore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaloreDimensionNumbers {
    /// The rows.
    pub reduction_axis: Axes,
    /// The columns.
    pub output_axis: Axes,
}

options! {
    /// Options of [`galore_with`] and [`scale_by_galore_with`].
    pub struct GaloreOptions {
        /// The rank of what the inner optimiser sees of a matrix.
        rank: value usize = 128,
        /// After how many steps the directions are chosen anew.
        update_proj_gap: value usize = 200,
        /// What updates of matrices are multiplied by.
        scale: value f64 = 1.0,
        /// The inner optimiser; Adam's scaling, if it is not given.
        base_optimizer: optional GradientTransformation,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        mask: function Mask,
        /// How parameters of two axes and more are matrices; only those of two are, if it is not given.
        weight_dimension_numbers: optional GaloreDimensionNumbers,
    }
}

#[derive(Pytree)]
struct GaloreState {
    count: Array,
    base_optimizer_state: OptState,
    projector: AnyTree,
}

/// The inner optimiser of matrices' projections onto the directions in which their gradients are largest, chosen by singular values. Zhao et al. 2024,
/// <https://arxiv.org/abs/2403.03507>.
///
/// On the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn scale_by_galore() -> GradientTransformation {
    scale_by_galore_with(GaloreOptions::new())
}

/// [`scale_by_galore`] with other constants.
///
/// # Errors
/// `scale_by_galore: rank = 0: requires a positive number`; axes of a parameter that are named twice or not at all.
#[track_caller]
pub fn scale_by_galore_with(options: GaloreOptions) -> GradientTransformation {
    let GaloreOptions { rank, update_proj_gap, scale, base_optimizer, weight_dimension_numbers, .. } =
        options;
    for (name, value) in [("rank", rank), ("update_proj_gap", update_proj_gap)] {
        if value == 0 {
            throw!(InvalidArgument, "scale_by_galore: {name} = 0: requires a positive number");
        }
    }
    let inner = base_optimizer.unwrap_or_else(scale_by_adam);
    let begun = inner.clone();
    let (of, numbers) = (Projection { rank, scale }, weight_dimension_numbers);
    let init_numbers = numbers.clone();
    GradientTransformation::new(
        "scale_by_galore",
        move |params| {
            let numbers = init_numbers.as_ref();
            let proxies = tree::try_map(|p| of.proxy(p, numbers), params)?;
            Ok(GaloreState {
                count: zero_count(),
                base_optimizer_state: begun.init_any(&proxies)?,
                projector: tree::try_map(|p| of.empty(p, numbers), params)?,
            })
        },
        move |updates, state: GaloreState, cx| {
            let numbers = numbers.as_ref();
            let gap = i32::try_from(update_proj_gap).unwrap_or(i32::MAX);
            let is_due = equal(remainder(&state.count, gap), 0);
            let projector =
                tree::try_map2(|g, p| of.projector(g, p, &is_due, numbers), &updates, &state.projector)?;
            let low = tree::try_map2(|g, p| of.project(g, p, numbers), &updates, &projector)?;
            let (low, base_optimizer_state) = inner.update_any(low, &state.base_optimizer_state, cx)?;
            let full = tree::try_map3(|low, p, g| of.back(low, p, g, numbers), &low, &projector, &updates)?;
            let state = GaloreState { count: safe_increment(&state.count), base_optimizer_state, projector };
            Ok((full, state))
        },
    )
}

/// What is done with each parameter.
#[derive(Clone, Copy)]
struct Projection {
    rank: usize,
    scale: f64,
}

/// A parameter as a matrix.
struct AsMatrix {
    /// Its axes: those of the rows, and those of the columns.
    order: Vec<usize>,
    rows: usize,
    columns: usize,
}

impl AsMatrix {
    /// `None` for a parameter that is left as it is.
    fn of(x: &Array, numbers: Option<&GaloreDimensionNumbers>) -> Result<Option<AsMatrix>> {
        let (rows, columns) = match numbers {
            None if x.ndim() == 2 => (vec![0], vec![1]),
            Some(numbers) if x.ndim() >= 2 => {
                let at = |axes: &Axes| axes.positions("scale_by_galore", x.ndim()).map(|axes| axes.to_vec());
                (at(&numbers.reduction_axis)?, at(&numbers.output_axis)?)
            }
            _ => return Ok(None),
        };
        let order = [&rows[..], &columns].concat();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.ndim()) {
            bail!(
                Shape,
                "each axis must be of the rows or of the columns, got {rows:?} and {columns:?} of {}",
                x.aval()
            );
        }
        let size = |axes: &[usize]| axes.iter().map(|axis| x.shape()[*axis]).product();
        Ok(Some(AsMatrix { rows: size(&rows), columns: size(&columns), order }))
    }

    fn matrix(&self, x: &Array) -> Array {
        numpy::transpose(x, &self.order).reshape([self.rows, self.columns])
    }

    /// The matrix as a parameter like `like` again.
    fn parameter(&self, x: &Array, like: &Array) -> Array {
        let shape: Vec<usize> = self.order.iter().map(|axis| like.shape()[*axis]).collect();
        let mut inverse: Vec<usize> = (0..self.order.len()).collect();
        inverse.sort_unstable_by_key(|axis| self.order[*axis]);
        numpy::transpose(x.reshape(shape), inverse)
    }

    /// Are the rows projected?
    fn is_tall(&self) -> bool {
        self.rows >= self.columns
    }
}

impl Projection {
    fn rank_of(&self, of: &AsMatrix) -> usize {
        self.rank.min(of.rows).min(of.columns)
    }

    /// What the inner optimiser takes for the parameter.
    fn proxy(&self, x: &Array, numbers: Option<&GaloreDimensionNumbers>) -> Result<Array> {
        Ok(match AsMatrix::of(x, numbers)? {
            None => numpy::zeros_like(x),
            Some(of) if of.is_tall() => zeros(([self.rank_of(&of), of.columns], x.dtype())),
            Some(of) => zeros(([of.rows, self.rank_of(&of)], x.dtype())),
        })
    }

    /// The projector before the first step.
    fn empty(&self, x: &Array, numbers: Option<&GaloreDimensionNumbers>) -> Result<Array> {
        Ok(match AsMatrix::of(x, numbers)? {
            None => zeros(([0, 0], x.dtype())),
            Some(of) => zeros(([of.rows.max(of.columns), self.rank_of(&of)], x.dtype())),
        })
    }

    /// The directions in which the gradient is largest, if they are due, else those that there are.
    fn projector(
        &self,
        g: &Array,
        old: &Array,
        is_due: &Array,
        numbers: Option<&GaloreDimensionNumbers>,
    ) -> Result<Array> {
        let Some(of) = AsMatrix::of(g, numbers)? else { return Ok(old.clone()) };
        let rank = self.rank_of(&of);
        let choose = |(g, _): (Array, Array)| {
            let single = if g.dtype().is_complex() { g.clone() } else { g.astype(DType::F32) };
            let (u, _, vh) = svd_with(single, SvdFactorsOptions::new().full_matrices(false));
            let chosen = match of.is_tall() {
                true => lax::slice_in_dim(&u, ..rank, 1),
                false => matrix_transpose(lax::slice_in_dim(&vh, ..rank, 0)),
            };
            chosen.astype(g.dtype())
        };
        lax::cond(is_due, choose, |(_, old): (Array, Array)| old, (of.matrix(g), old.clone()))
    }

    fn project(&self, g: &Array, p: &Array, numbers: Option<&GaloreDimensionNumbers>) -> Result<Array> {
        Ok(match AsMatrix::of(g, numbers)? {
            None => g.clone(),
            Some(of) if of.is_tall() => matmul(conj(matrix_transpose(p)), of.matrix(g)),
            Some(of) => matmul(of.matrix(g), conj(p)),
        })
    }

    fn back(
        &self,
        low: &Array,
        p: &Array,
        g: &Array,
        numbers: Option<&GaloreDimensionNumbers>,
    ) -> Result<Array> {
        let Some(of) = AsMatrix::of(g, numbers)? else { return Ok(low.clone()) };
        let full = match of.is_tall() {
            true => matmul(p, low),
            false => matmul(low, matrix_transpose(p)),
        };
        Ok((self.scale * of.parameter(&full, g)).astype(g.dtype()))
    }
}

/// [`scale_by_galore`] with a rate. Zhao et al. 2024, <https://arxiv.org/abs/2403.03507>.
#[track_caller]
pub fn galore(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    galore_with(learning_rate, GaloreOptions::new())
}

/// [`galore`] with other constants.
///
/// # Errors
/// As [`scale_by_galore_with`].
#[track_caller]
pub fn galore_with(learning_rate: impl Into<Schedule>, options: GaloreOptions) -> GradientTransformation {
    let (decay, mask) = (options.weight_decay.clone(), options.mask.clone());
    chain((
        scale_by_galore_with(options),
        decayed_weights_of(decay, mask),
        scale_by_learning_rate(learning_rate),
    ))
}
