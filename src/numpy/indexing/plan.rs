//! An index made to fit an operand, before anything is read or written.

use super::Index;
use crate::core::array::Array;
use crate::core::transfer::Transfer;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax;
use crate::numpy::util::broadcast_shapes;

const WHOLE: Index = Index::Slice { start: None, stop: None, step: 1 };

/// What one axis of the operand is indexed by.
pub(super) enum Axis {
    /// Positions `start, start + step, …`, `size` of them.
    Slice { start: usize, step: i64, size: usize },
    /// Positions in an array, which is one of those that broadcast together.
    Picked(Array),
    /// One position. It is picked too if there are arrays.
    At(i64),
}

impl Axis {
    /// Is there one position of it, or an array of positions?
    pub(super) fn is_picked(&self) -> bool {
        !matches!(self, Axis::Slice { .. })
    }
}

/// An index that fits an operand.
pub(super) struct Plan {
    pub axes: Vec<Axis>,
    /// Where the result has axes of size one that the operand lacks.
    pub new_axes: Vec<usize>,
    /// The common shape of the arrays, and where its axes stand in the result before new axes come in.
    pub picked: Option<(Vec<usize>, usize)>,
    /// Do negative positions in arrays count from the end?
    wrap: bool,
}

fn slice_axis(name: &str, start: Option<i64>, stop: Option<i64>, step: i64, n: i64) -> Result<Axis> {
    if step == 0 {
        bail!(InvalidArgument, "{name}: slice step cannot be zero");
    }
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let wrap = |i: i64| (if i < 0 { i + n } else { i }).clamp(low, high);
    let start = start.map_or(if step > 0 { 0 } else { n - 1 }, wrap);
    let stop = stop.map_or(if step > 0 { n } else { -1 }, wrap);
    let size = if step > 0 { (stop - start + step - 1) / step } else { (start - stop - step - 1) / -step };
    Ok(Axis::Slice { start: start.max(0) as usize, step, size: size.max(0) as usize })
}

/// The positions where a mask is true, for each of its axes: its value must be known.
fn nonzero(name: &str, mask: &Array) -> Result<Vec<Array>> {
    let truth = mask.read(Transfer::Implicit).map_err(|e| {
        e.context(format!(
            "{name}: a boolean array index needs a known value, since the result's shape depends on it; use where_"
        ))
    })?;
    let places: Vec<usize> = truth.iter().enumerate().filter(|(_, t)| **t != 0).map(|(i, _)| i).collect();
    let mut stride = mask.size();
    let along = mask.shape().iter().map(|n| {
        stride /= (*n).max(1);
        let positions: Vec<i32> = places.iter().map(|i| (i / stride.max(1) % n) as i32).collect();
        Array::try_from_slice(&positions, [positions.len()])
    });
    along.collect()
}

impl Plan {
    pub(super) fn new(name: &str, x: &Array, indices: Vec<Index>, wrap: bool) -> Result<Plan> {
        let mut flat = Vec::new();
        for index in indices {
            match index {
                Index::Array(mask) if mask.dtype().is_bool() => {
                    flat.extend(nonzero(name, &mask)?.into_iter().map(Index::Array));
                }
                Index::Array(i) if !i.dtype().is_integer() => {
                    bail!(DType, "{name}: an indexer must have integer or boolean type, got {}", i.dtype())
                }
                other => flat.push(other),
            }
        }
        let consumes = |i: &Index| !matches!(i, Index::Ellipsis | Index::NewAxis);
        let extra = flat.iter().filter(|i| matches!(i, Index::Ellipsis)).count().saturating_sub(1);
        let named = flat.iter().filter(|i| consumes(i)).count() + extra;
        if named > x.ndim() {
            bail!(
                Shape,
                "{name}: too many indices: array is {}-dimensional, but {named} were indexed",
                x.ndim()
            );
        }
        let mut left = Some(x.ndim() - named);
        let mut spread = Vec::new();
        for index in flat {
            match index {
                Index::Ellipsis => {
                    let n = left.take().unwrap_or(1);
                    spread.extend(std::iter::repeat_n(WHOLE, n));
                }
                other => spread.push(other),
            }
        }
        spread.extend(std::iter::repeat_n(WHOLE, left.unwrap_or(0)));
        Self::fit(name, x, spread, wrap)
    }

    fn fit(name: &str, x: &Array, spread: Vec<Index>, wrap: bool) -> Result<Plan> {
        let arrays = spread.iter().any(|i| matches!(i, Index::Array(_)));
        let (mut axes, mut new_axes, mut shapes) = (Vec::new(), Vec::new(), Vec::new());
        // Places among the parts where something is picked, to see if they stand together.
        let mut places = Vec::new();
        let mut rank = 0;
        let mut first = 0;
        for (place, index) in spread.into_iter().enumerate() {
            let axis = axes.len();
            match index {
                Index::NewAxis => {
                    new_axes.push((rank, place));
                    continue;
                }
                Index::Slice { start, stop, step } => {
                    axes.push(slice_axis(name, start, stop, step, x.shape()[axis] as i64)?);
                    rank += 1;
                    continue;
                }
                Index::Int(i) => {
                    let n = x.shape()[axis] as i64;
                    if n == 0 {
                        bail!(
                            Shape,
                            "{name}: index {i} is out of bounds for axis {axis} with size 0 of {}",
                            x.aval()
                        );
                    }
                    axes.push(Axis::At(if i < 0 { i + n } else { i }));
                }
                Index::Array(i) => {
                    if x.shape()[axis] == 0 && i.size() > 0 {
                        bail!(
                            Shape,
                            "{name}: an index is out of bounds for axis {axis} with size 0 of {}",
                            x.aval()
                        );
                    }
                    shapes.push(i.shape().to_vec());
                    axes.push(Axis::Picked(i));
                }
                Index::Ellipsis => {}
            }
            if arrays {
                if places.is_empty() {
                    first = rank;
                }
                places.push(place);
            }
        }
        if !arrays {
            let new_axes = new_axes.iter().enumerate().map(|(k, (rank, _))| rank + k).collect();
            return Ok(Plan { axes, new_axes, picked: None, wrap });
        }
        let common = broadcast_shapes(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>())
            .map_err(|e| e.context(name))?;
        // Picked axes that stand together are replaced by their common axes, otherwise these go in front.
        let together = places.windows(2).all(|w| w[1] == w[0] + 1);
        let at = if together { first } else { 0 };
        let behind = |place: usize, rank: usize| {
            let after = if together { places.first().is_some_and(|p| place > *p) } else { true };
            rank + if after { common.len() } else { 0 }
        };
        let new_axes =
            new_axes.iter().enumerate().map(|(k, (rank, place))| behind(*place, *rank) + k).collect();
        Ok(Plan { axes, new_axes, picked: Some((common, at)), wrap })
    }

    /// [`from_the_end`](Self::from_the_end), if negative positions are to count so.
    #[track_caller]
    pub(super) fn wrapped(&self, i: &Array, n: usize) -> Array {
        if self.wrap { Self::from_the_end(i, n) } else { i.clone() }
    }

    /// Positions that count from the end are made to count from the beginning.
    #[track_caller]
    pub(super) fn from_the_end(i: &Array, n: usize) -> Array {
        let i = if i.dtype().bits() < 32 || i.weak_type() {
            lax::convert(i, DType::I32, false)
        } else {
            i.clone()
        };
        if i.dtype().is_unsigned() {
            return lax::convert(&i, DType::I32, false);
        }
        let zero = lax::literal(i.dtype(), 0.0);
        let below = lax::lt(&i, &zero);
        lax::select(&below, &lax::add(&i, &lax::literal(i.dtype(), n as f64)), &i)
    }
}
