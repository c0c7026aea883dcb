//! PNG and JPEG files, and folders of them.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageReader};

use super::dataset::Dataset;
use super::host::HostBuffer;
use crate::arguments::{Dims, options};
use crate::dtype::DType;
use crate::error::{Result, bail, caller, err};

/// What a pixel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Channels {
    /// One number.
    Gray,
    /// Three.
    Rgb,
    /// Four, the last of which is how opaque it is.
    Rgba,
}

options! {
    /// Options of [`read_image_with`] and [`ImageFolder::new_with`].
    pub struct ImageOptions {
        /// What a pixel becomes, whatever the file has.
        channels: value Channels = Channels::Rgb,
        /// Height and width that the picture is scaled to, by triangles. By default it stays as large as it is.
        size: optional_into Dims,
    }
}

/// A picture from a PNG or JPEG file: `u8[height, width, 3]`.
///
/// # Errors
/// `Io` if the file can't be read or is neither.
#[track_caller]
pub fn read_image(path: impl AsRef<Path>) -> Result<HostBuffer> {
    read_image_with(path, ImageOptions::new())
}

/// [`read_image`], with options.
///
/// # Errors
/// As [`read_image`]; a size that is no pair of numbers above zero.
#[track_caller]
pub fn read_image_with(path: impl AsRef<Path>, options: ImageOptions) -> Result<HostBuffer> {
    let here = caller();
    Format::of(&options).and_then(|format| format.read(path.as_ref())).map_err(|e| e.at(here))
}

/// What all pictures become.
#[derive(Clone, Copy, Debug)]
struct Format {
    channels: Channels,
    /// Height and width.
    size: Option<(u32, u32)>,
}

impl Format {
    fn of(options: &ImageOptions) -> Result<Format> {
        let Some(size) = &options.size else { return Ok(Format { channels: options.channels, size: None }) };
        let sizes = size.shape("image")?;
        let size = match sizes[..] {
            [height, width] => u32::try_from(height).ok().zip(u32::try_from(width).ok()),
            _ => None,
        };
        let Some(size) = size.filter(|(height, width)| *height > 0 && *width > 0) else {
            bail!(InvalidArgument, "image: size is {:?}, expected a height and a width", &sizes[..])
        };
        Ok(Format { channels: options.channels, size: Some(size) })
    }

    fn read(self, path: &Path) -> Result<HostBuffer> {
        // By what the file holds, not by its name.
        let picture = ImageReader::open(path)
            .and_then(ImageReader::with_guessed_format)
            .map_err(image::ImageError::IoError)
            .and_then(ImageReader::decode)
            .map_err(|e| err!(Io, "could not read {}: {e}", path.display()))?;
        let picture = match self.size {
            Some((height, width)) if (picture.height(), picture.width()) != (height, width) => {
                picture.resize_exact(width, height, FilterType::Triangle)
            }
            _ => picture,
        };
        Ok(self.pixels(&picture))
    }

    fn pixels(self, picture: &DynamicImage) -> HostBuffer {
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        let (channels, bytes) = match self.channels {
            Channels::Gray => (1, picture.to_luma8().into_raw()),
            Channels::Rgb => (3, picture.to_rgb8().into_raw()),
            Channels::Rgba => (4, picture.to_rgba8().into_raw()),
        };
        HostBuffer::owned(DType::U8, vec![height, width, channels], bytes)
    }
}

/// Pictures in folders, one folder for each class: rows are `(u8[height, width, channels], class)`. A picture is read when its row
/// is asked for, by the workers. PyTorch: `torchvision.datasets.ImageFolder`.
///
/// ```no_run
/// use raxla::data::{ImageFolder, ImageOptions, Loader, LoaderOptions};
/// use raxla::{prelude::*, random};
///
/// let images = ImageFolder::new_with("flowers/train", ImageOptions::new().size([64, 64]))?;
/// println!("{:?}", images.classes()); // the folders' names: ["daisy", "rose"]
/// let options = LoaderOptions::new().shuffle(random::key(0)).workers(4).prefetch(8);
/// for batch in &Loader::new_with(images, 32, options)? {
///     let (pixels, class) = batch?.data;
///     let x = pixels.astype(DType::F32) / 255.0;
/// #   let _ = (x, class);
/// }
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    classes: Vec<String>,
    files: Vec<(PathBuf, i32)>,
    format: Format,
}

impl ImageFolder {
    /// The PNG and JPEG files in the folders of `directory`, by name, and in those below.
    ///
    /// # Errors
    /// `Io` if a folder can't be read, or if there is no picture.
    #[track_caller]
    pub fn new(directory: impl AsRef<Path>) -> Result<Self> {
        Self::new_with(directory, ImageOptions::new())
    }

    /// [`new`](Self::new), with options.
    ///
    /// # Errors
    /// As [`new`](Self::new); a size that is no pair of numbers above zero.
    #[track_caller]
    pub fn new_with(directory: impl AsRef<Path>, options: ImageOptions) -> Result<Self> {
        let here = caller();
        Self::scan(directory.as_ref(), &options).map_err(|e| e.at(here))
    }

    fn scan(directory: &Path, options: &ImageOptions) -> Result<Self> {
        let format = Format::of(options)?;
        let (mut classes, mut files) = (Vec::new(), Vec::new());
        for folder in entries(directory)?.into_iter().filter(|path| path.is_dir()) {
            let class = classes.len() as i32;
            classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
            pictures(&folder, &mut |path| files.push((path, class)))?;
        }
        if files.is_empty() {
            bail!(
                Io,
                "{} has no PNG or JPEG files in folders of their classes; it has {} folders",
                directory.display(),
                classes.len()
            );
        }
        Ok(ImageFolder { classes, files, format })
    }

    /// The names of the classes, which are those of the folders.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The file of a row.
    pub fn path(&self, index: usize) -> Option<&Path> {
        self.files.get(index).map(|(path, _)| path.as_path())
    }
}

/// What a directory has, by name.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |e: std::io::Error| err!(Io, "could not read {}: {e}", directory.display());
    let entries = fs::read_dir(directory).map_err(unreadable)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    entries.sort();
    Ok(entries)
}

fn pictures(directory: &Path, found: &mut impl FnMut(PathBuf)) -> Result<()> {
    for path in entries(directory)? {
        let ends = |end: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(end));
        if path.is_dir() {
            pictures(&path, found)?;
        } else if ends("png") || ends("jpg") || ends("jpeg") {
            found(path);
        }
    }
    Ok(())
}

impl Dataset for ImageFolder {
    type Row = (HostBuffer, i32);
    fn len(&self) -> usize {
        self.files.len()
    }
    fn get(&self, index: usize) -> Result<Self::Row> {
        let (path, class) = &self.files[index];
        Ok((self.format.read(path)?, *class))
    }
}
