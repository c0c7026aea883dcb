//! Arrays as pictures in PNG files. PyTorch: `torchvision.utils.save_image`; Matplotlib: `matplotlib.image.imsave`.

use std::path::Path;

use png::ColorType;

use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail, caller, err};

options! {
    /// Options of [`save_image_with`].
    pub struct SaveImageOptions {
        /// Pictures in a row of the grid. By default there are about as many rows as columns.
        columns: optional usize,
        /// Points between pictures, which are black, or transparent where pictures have four channels.
        padding: value usize = 2,
        /// The side of the square, in points, that an element of the array becomes. Small pictures can be looked at so.
        scale: value usize = 1,
    }
}

/// Writes a picture `[height, width]`, or several in a grid: `[n, height, width]`, or `[n, height, width, channels]` with 1 channel for
/// grey, 3 for red, green and blue, 4 with opacity.
///
/// Floats go from 0, black, to 1; what is beyond is cut off there. `u8` goes from 0 to 255. The grid is filled row by row.
///
/// ```
/// use raxla::random;
/// use raxla::train::{SaveImageOptions, save_image, save_image_with};
/// # let path = std::env::temp_dir().join(format!("raxla-image-{}.png", std::process::id()));
///
/// let images = random::uniform(&random::key(0), [6, 28, 28]);
/// save_image(&path, images.index(0))?;
/// save_image_with(&path, images, SaveImageOptions::new().columns(2).scale(4))?;
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `save_image: expected [height, width], [n, height, width] or [n, height, width, channels] with 1, 3 or 4 channels, got f32[3]`; another
/// dtype; an array that is empty or has a NaN; a file that can't be written; what a computation of the elements failed with.
#[track_caller]
pub fn save_image(path: impl AsRef<Path>, images: impl Into<Array>) -> Result<()> {
    save_image_with(path, images, SaveImageOptions::new())
}

/// [`save_image`], with options.
///
/// # Errors
/// As [`save_image`]; no column, or a scale of zero; a grid that is too large for PNG, or for memory.
#[track_caller]
pub fn save_image_with(
    path: impl AsRef<Path>,
    images: impl Into<Array>,
    options: SaveImageOptions,
) -> Result<()> {
    let here = caller();
    save(path.as_ref(), &images.into(), &options).map_err(|e| e.at(here))
}

#[track_caller]
fn save(path: &Path, images: &Array, options: &SaveImageOptions) -> Result<()> {
    let (n, height, width, channels) = match *images.shape() {
        [height, width] => (1, height, width, 1),
        [n, height, width] => (n, height, width, 1),
        [n, height, width, channels @ (1 | 3 | 4)] => (n, height, width, channels),
        _ => bail!(
            Shape,
            "save_image: expected [height, width], [n, height, width] or [n, height, width, channels] with 1, 3 or 4 channels, \
             got {}",
            images.aval()
        ),
    };
    if images.size() == 0 {
        bail!(Shape, "save_image: there is nothing to see in {}", images.aval());
    }
    let columns = options.columns.unwrap_or_else(|| (n as f64).sqrt().ceil() as usize).min(n);
    if columns == 0 || options.scale == 0 {
        bail!(
            InvalidArgument,
            "save_image: columns and scale are at least 1, got {columns} and {}",
            options.scale
        );
    }
    let grid = Grid { columns, rows: n.div_ceil(columns), height, width, channels };
    let png = grid.png(&elements(images)?, options)?;
    std::fs::write(path, png).map_err(|e| err!(Io, "could not write {}: {e}", path.display()))
}

/// The array's elements, from 0 to 255.
#[track_caller]
fn elements(images: &Array) -> Result<Vec<u8>> {
    match images.dtype() {
        DType::U8 => images.to_vec::<u8>(),
        dtype if dtype.is_float() => {
            let values = images.astype(DType::F32).to_vec::<f32>()?;
            if let Some(at) = values.iter().position(|x| x.is_nan()) {
                bail!(InvalidArgument, "save_image: element {at} of {} is NaN", images.aval());
            }
            // A cast of floats ends at 0 and 255.
            Ok(values.iter().map(|x| (255.0 * x).round() as u8).collect())
        }
        _ => bail!(DType, "save_image: expected floats from 0 to 1, or u8, got {}", images.aval()),
    }
}

struct Grid {
    columns: usize,
    rows: usize,
    /// Of a picture.
    height: usize,
    width: usize,
    channels: usize,
}

impl Grid {
    fn png(&self, elements: &[u8], options: &SaveImageOptions) -> Result<Vec<u8>> {
        let &SaveImageOptions { padding, scale, .. } = options;
        let side = |count: usize, size: usize| {
            let pictures = size.checked_mul(scale)?.checked_mul(count)?;
            let all = pictures.checked_add((count - 1).checked_mul(padding)?)?;
            // PNG has numbers of 31 bits.
            u32::try_from(all).ok().filter(|all| *all < 1 << 31)
        };
        let mut points = Vec::new();
        let sides = side(self.columns, self.width).zip(side(self.rows, self.height));
        let size = sides.and_then(|(width, height)| {
            let size = (width as usize * self.channels).checked_mul(height as usize)?;
            points.try_reserve_exact(size).ok().map(|()| size)
        });
        let (Some((width, height)), Some(size)) = (sides, size) else {
            bail!(
                InvalidArgument,
                "save_image: {} × {} pictures of {} × {}, scaled by {scale} and {padding} apart, are too large",
                self.rows,
                self.columns,
                self.height,
                self.width
            )
        };
        let stride = width as usize * self.channels;
        points.resize(size, 0);
        for (i, row) in elements.chunks_exact(self.width * self.channels).enumerate() {
            let (picture, y) = (i / self.height, i % self.height);
            let top = picture / self.columns * (self.height * scale + padding) + y * scale;
            let left = picture % self.columns * (self.width * scale + padding);
            let start = top * stride + left * self.channels;
            let length = row.len() * scale;
            for (x, pixel) in row.chunks_exact(self.channels).enumerate() {
                for point in 0..scale {
                    let at = start + (x * scale + point) * self.channels;
                    points[at..at + self.channels].copy_from_slice(pixel);
                }
            }
            for below in 1..scale {
                points.copy_within(start..start + length, start + below * stride);
            }
        }
        let colour = match self.channels {
            1 => ColorType::Grayscale,
            3 => ColorType::Rgb,
            _ => ColorType::Rgba,
        };
        encoded(&points, (width, height), colour)
            .map_err(|e| err!(Io, "save_image: could not make a PNG file: {e}"))
    }
}

/// A PNG file of 8 bits a channel.
pub(super) fn encoded(
    points: &[u8],
    (width, height): (u32, u32),
    colour: ColorType,
) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(colour);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(points)?;
    writer.finish()?;
    Ok(png)
}
