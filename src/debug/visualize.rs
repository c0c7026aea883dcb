//! Tables of which devices have which part of an array. JAX: `jax.debug.visualize_sharding`, as it draws them without colours.

use std::fmt;

use super::write_line;
use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::core::sharding::Sharding;
use crate::error::{OrThrow, Result, bail};

options! {
    /// Options of [`visualize_sharding_with`] and [`ShardingTable::new`].
    pub struct VisualizeOptions {
        /// The height of the table in tens of lines, but that each box has a line.
        scale: value f64 = 1.0,
        /// The characters that a box has at least from one line to the next, with both.
        min_width: value usize = 9,
        /// The characters that the table has at most, if that leaves each box room for its devices.
        max_width: value usize = 80,
    }
}

/// The width of a character is to its height as one to this.
const HEIGHT_TO_WIDTH: f64 = 2.5;

/// A table whose boxes are the parts of an array, each with the devices that have it: what [`visualize_sharding`] prints.
///
/// ```
/// use raxla::{P, config, debug, make_mesh};
///
/// config::set_num_cpu_devices(8)?;
/// let mesh = make_mesh([4, 2], ["x", "y"])?;
/// let table = debug::ShardingTable::new([8, 8], mesh.sharding(P!["y"]), debug::VisualizeOptions::new());
/// assert_eq!(table.to_string(), "\
/// ┌───────────────────────┐
/// │                       │
/// │      CPU 0,2,4,6      │
/// │                       │
/// │                       │
/// ├───────────────────────┤
/// │                       │
/// │      CPU 1,3,5,7      │
/// │                       │
/// │                       │
/// └───────────────────────┘");
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardingTable {
    /// Row by row.
    boxes: Vec<LabelledBox>,
    widths: Vec<usize>,
    above: usize,
    below: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct LabelledBox {
    label: String,
    left: usize,
    right: usize,
}

impl ShardingTable {
    /// The table of an array of this shape.
    ///
    /// # Panics
    /// Another number of axes than one or two, a size of zero; a sharding that cannot cut the shape; a scale that is no number, or
    /// negative. Inside of a transformation that is an `Err`.
    #[track_caller]
    pub fn new(shape: impl Into<Dims>, sharding: impl Into<Sharding>, options: VisualizeOptions) -> Self {
        let (shape, sharding) = (shape.into(), sharding.into());
        let shape = shape.shape("visualize_sharding");
        shape.and_then(|shape| drawn(&shape, sharding, &options)).or_throw()
    }
}

fn drawn(shape: &[usize], sharding: Sharding, options: &VisualizeOptions) -> Result<ShardingTable> {
    let op = "visualize_sharding";
    // A vector is drawn as one row.
    let (height, width) = match *shape {
        [width] => (None, width),
        [height, width] => (Some(height), width),
        _ => bail!(InvalidArgument, "{op}: only arrays of one or two dimensions can be drawn, got {shape:?}"),
    };
    if shape.contains(&0) {
        bail!(InvalidArgument, "{op}: an array without elements has no parts to draw, got {shape:?}");
    }
    if !options.scale.is_finite() || options.scale < 0.0 {
        bail!(InvalidArgument, "{op}: scale = {} must be a finite number of at least 0", options.scale);
    }
    sharding.check(shape).map_err(|e| e.context(op))?;
    let part = sharding.shard_shape(shape)?;
    let columns = width / part[shape.len() - 1];
    let rows = height.map_or(1, |height| height / part[0]);

    let mut devices = vec![Vec::new(); rows * columns];
    for (i, device) in sharding.devices().iter().enumerate() {
        let index = sharding.part(i, shape)?;
        let place =
            index.iter().zip(&part).fold(0, |place, (range, size)| place * columns + range.start / size);
        devices[place].push(device.id());
    }

    let base_height = (10.0 * options.scale).trunc();
    let aspect_ratio = if height.is_some() { width as f64 } else { 1.0 } / shape[0] as f64;
    let base_width = (base_height * aspect_ratio).trunc();
    let fraction = part[shape.len() - 1] as f64 / width as f64;
    let box_width = (fraction * base_width * HEIGHT_TO_WIDTH) as usize;
    let box_width = box_width.max(options.min_width).min(options.max_width);
    let box_height = height.map_or(1, |height| (part[0] as f64 / height as f64 * base_height) as usize);
    let (above, below) = halves(box_height, 2);

    let platform = sharding.client().platform_name().to_uppercase();
    let labelled = |mut ids: Vec<i32>| {
        ids.sort_unstable();
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let label = format!("{platform} {}", ids.join(","));
        let (left, right) = halves(box_width, label.len() + 2);
        LabelledBox { label, left, right }
    };
    let boxes: Vec<LabelledBox> = devices.into_iter().map(labelled).collect();
    let widest = |width: &dyn Fn(&LabelledBox) -> usize, column: usize| {
        boxes.iter().skip(column).step_by(columns).map(width).max().unwrap_or(0)
    };
    let most = options.max_width.saturating_sub(columns + 1);
    let width = |b: &LabelledBox| (b.left + b.label.len() + b.right).min(most);
    let mut widths: Vec<usize> = (0..columns).map(|i| widest(&width, i)).collect();
    narrow(&mut widths, most);
    for (i, width) in widths.iter_mut().enumerate() {
        // JAX leaves labels out that have no room, or a part of them.
        *width = (*width).max(widest(&|b| b.label.len(), i));
    }
    Ok(ShardingTable { boxes, widths, above, below })
}

/// What is left of `size` without `used`, in two; the second has the odd one.
fn halves(size: usize, used: usize) -> (usize, usize) {
    let rest = size.saturating_sub(used);
    (rest / 2, rest - rest / 2)
}

/// Takes from the widest columns until all together are no wider than this.
fn narrow(widths: &mut [usize], most: usize) {
    loop {
        let excess = widths.iter().sum::<usize>().saturating_sub(most);
        let Some(widest) = widths.iter().copied().max().filter(|_| excess > 0) else { return };
        let next = widths.iter().copied().filter(|width| *width != widest).max().unwrap_or(0);
        let mut columns = widths.iter().filter(|width| **width == widest).count();
        let mut rest = excess;
        for width in widths.iter_mut().filter(|width| **width == widest) {
            let share = (rest as f64 / columns as f64).round_ties_even() as usize;
            let taken = share.min(widest - next);
            *width -= taken;
            rest -= taken;
            columns -= 1;
        }
    }
}

/// Without a line break at the end.
impl fmt::Display for ShardingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, [left, middle, right]: [&str; 3]| {
            for (i, width) in self.widths.iter().enumerate() {
                write!(f, "{}{:─<width$}", if i == 0 { left } else { middle }, "")?;
            }
            f.write_str(right)
        };
        let blank = |f: &mut fmt::Formatter<'_>| {
            self.widths.iter().try_for_each(|width| write!(f, "│{:width$}", ""))?;
            f.write_str("│\n")
        };
        line(f, ["┌", "┬", "┐\n"])?;
        for (i, row) in self.boxes.chunks(self.widths.len()).enumerate() {
            if i > 0 {
                line(f, ["├", "┼", "┤\n"])?;
            }
            (0..self.above).try_for_each(|_| blank(f))?;
            for (labelled, width) in row.iter().zip(&self.widths) {
                let left = labelled.spaces_before(*width);
                write!(f, "│{:left$}{:rest$}", "", labelled.label, rest = width - left)?;
            }
            f.write_str("│\n")?;
            (0..self.below).try_for_each(|_| blank(f))?;
        }
        line(f, ["└", "┴", "┘"])
    }
}

impl LabelledBox {
    /// In a box of this width, which is that of the label at least.
    fn spaces_before(&self, width: usize) -> usize {
        match width.checked_sub(self.left + self.label.len() + self.right) {
            Some(excess) => self.left + excess / 2,
            None => (width - self.label.len()) / 2,
        }
    }
}

/// Prints which devices have which part of an array of this shape, as a table. JAX: `jax.debug.visualize_sharding(…, use_color=False)`.
///
/// It goes where [`print!`](crate::debug::print) prints; [`ShardingTable`] is the same as a value.
///
/// ```
/// use raxla::{P, config, debug, make_mesh};
///
/// config::set_num_cpu_devices(8)?;
/// let mesh = make_mesh([4, 2], ["x", "y"])?;
/// debug::visualize_sharding([8, 4], mesh.sharding(P!["x", "y"]));
/// // ┌───────┬───────┐
/// // │ CPU 0 │ CPU 1 │
/// // ├───────┼───────┤
/// // │ CPU 2 │ CPU 3 │
/// // ├───────┼───────┤
/// // │ CPU 4 │ CPU 5 │
/// // ├───────┼───────┤
/// // │ CPU 6 │ CPU 7 │
/// // └───────┴───────┘
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// Where boxes are too narrow for their devices, which JAX then leaves out, the table is wider.
///
/// # Panics
/// As [`ShardingTable::new`], and if it cannot be printed.
#[track_caller]
pub fn visualize_sharding(shape: impl Into<Dims>, sharding: impl Into<Sharding>) {
    visualize_sharding_with(shape, sharding, VisualizeOptions::default());
}

/// [`visualize_sharding`] in another size.
///
/// # Panics
/// As [`visualize_sharding`].
#[track_caller]
pub fn visualize_sharding_with(
    shape: impl Into<Dims>,
    sharding: impl Into<Sharding>,
    options: VisualizeOptions,
) {
    write_line(ShardingTable::new(shape, sharding, options).to_string()).or_throw();
}

/// Prints which devices have which part of an array: [`visualize_sharding`] of its shape and sharding. JAX:
/// `jax.debug.visualize_array_sharding`.
///
/// ```
/// use raxla::{P, config, debug, device_put, make_mesh, numpy as jnp};
///
/// config::set_num_cpu_devices(8)?;
/// let mesh = make_mesh([8], ["x"])?;
/// let w = device_put(&jnp::ones([16]), mesh.sharding(P!["x"]));
/// debug::visualize_array_sharding(&w);
/// // ┌───────┬───────┬───────┬───────┬───────┬───────┬───────┬───────┐
/// // │ CPU 0 │ CPU 1 │ CPU 2 │ CPU 3 │ CPU 4 │ CPU 5 │ CPU 6 │ CPU 7 │
/// // └───────┴───────┴───────┴───────┴───────┴───────┴───────┴───────┘
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// As [`visualize_sharding`]; for a tracer, for XLA decides where it is when the program is compiled. Inside of a transformation that
/// is an `Err`.
#[track_caller]
pub fn visualize_array_sharding(arr: impl Into<Array>) {
    visualize_array_sharding_with(arr, VisualizeOptions::default());
}

/// [`visualize_array_sharding`] in another size.
///
/// # Panics
/// As [`visualize_array_sharding`].
#[track_caller]
pub fn visualize_array_sharding_with(arr: impl Into<Array>, options: VisualizeOptions) {
    let arr = arr.into();
    visualize_sharding_with(arr.shape(), arr.sharding().or_throw(), options);
}
