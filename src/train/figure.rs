//! Curves and points as PNG. `matplotlib.pyplot.plot`, `scatter`.

use std::ops::Range;
use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::image::encoded;
use crate::core::array::Array;
use crate::error::{Error, Result, bail, caller};
use crate::numpy;

/// DejaVu Sans, ASCII only, so that no font need be installed.
static FONT: &[u8] = include_bytes!("DejaVuSans-ascii.ttf");
/// What it is called within `plotters`.
const FAMILY: &str = "raxla";

const SIZE: (u32, u32) = (800, 600);
/// Of one series after the other.
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(255, 127, 14),
    RGBColor(148, 103, 189),
    RGBColor(127, 127, 127),
];

/// A picture of learning curves, or of data and a model.
///
/// ```
/// use raxla::{numpy as jnp, train::Figure};
/// # let path = std::env::temp_dir().join(format!("raxla-figure-{}.png", std::process::id()));
///
/// let losses = jnp::exp(-jnp::linspace(0.0, 5.0, 100));
/// Figure::new("step", "loss").line("training", jnp::arange(100), &losses).log_y().save(&path)?;
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// Numbers that are not finite, or not positive on a logarithmic axis, are left out: a line goes on behind them.
#[derive(Clone, Debug)]
#[must_use]
pub struct Figure {
    labels: [String; 2],
    log_y: bool,
    series: Vec<Series>,
}

#[derive(Clone, Debug)]
struct Series {
    label: String,
    x: Array,
    y: Array,
    is_line: bool,
}

impl Figure {
    /// An empty figure, with the labels of its axes. Letters are ASCII.
    pub fn new(x_label: &str, y_label: &str) -> Figure {
        Figure { labels: [x_label, y_label].map(str::to_owned), log_y: false, series: Vec::new() }
    }

    /// With a line through points. A series whose label is empty is not in the legend.
    pub fn line(self, label: &str, x: impl Into<Array>, y: impl Into<Array>) -> Figure {
        self.with(label, x.into(), y.into(), true)
    }

    /// With points.
    pub fn points(self, label: &str, x: impl Into<Array>, y: impl Into<Array>) -> Figure {
        self.with(label, x.into(), y.into(), false)
    }

    fn with(mut self, label: &str, x: Array, y: Array, is_line: bool) -> Figure {
        self.series.push(Series { label: label.to_owned(), x, y, is_line });
        self
    }

    /// With the logarithm of `y` upwards.
    pub fn log_y(mut self) -> Figure {
        self.log_y = true;
        self
    }

    /// Writes it, 800 × 600.
    ///
    /// # Errors
    /// `Figure::save: training has f32[3] for x and f32[4] for y`; nothing to draw; a file that can't be written; what a computation
    /// of the numbers failed with.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let here = caller();
        self.save_to(path.as_ref()).map_err(|e| e.at(here))
    }

    #[track_caller]
    fn save_to(&self, path: &Path) -> Result<()> {
        let mut points = Vec::new();
        // Closures have no caller of their own.
        for series in &self.series {
            points.push(series.read(self.log_y)?);
        }
        let [Some(x), Some(y)] =
            [0, 1].map(|i| range(points.iter().flatten().map(|point| [point.0, point.1][i])))
        else {
            bail!(InvalidArgument, "Figure::save: there is no point to draw in {}", path.display())
        };
        let failed = |e: Box<dyn std::error::Error>| {
            Error::new(crate::ErrorKind::Io, format!("could not write {}: {e}", path.display()))
        };
        let png =
            self.draw(&points, x, y).and_then(|pixels| Ok(encoded(&pixels, SIZE, png::ColorType::Rgb)?));
        let png = png.map_err(failed)?;
        std::fs::write(path, png).map_err(|e| failed(e.into()))
    }

    /// The picture as rows of red, green and blue.
    fn draw(
        &self,
        points: &[Vec<(f64, f64)>],
        x: Range<f64>,
        y: Range<f64>,
    ) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
        static REGISTER: Once = Once::new();
        REGISTER.call_once(|| {
            let _ = register_font(FAMILY, FontStyle::Normal, FONT);
        });
        let mut pixels = vec![0; 3 * (SIZE.0 * SIZE.1) as usize];
        let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let middle = [&x, &y].map(|range| f64::midpoint(range.start, range.end));
        let ticks = [&x, &y].map(|range| tick(range.end - range.start));
        let [x_tick, y_tick] = &ticks;
        let y_tick = |y: &f64| if self.log_y { power_of_ten(*y) } else { y_tick(y) };
        let mut chart = ChartBuilder::on(&root)
            .margin(15)
            .x_label_area_size(45)
            .y_label_area_size(75)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc(&self.labels[0])
            .y_desc(&self.labels[1])
            .x_label_formatter(x_tick)
            .y_label_formatter(&y_tick)
            .label_style((FAMILY, 16))
            .axis_desc_style((FAMILY, 18))
            .draw()?;
        for ((series, points), colour) in self.series.iter().zip(points).zip(COLOURS.iter().cycle()) {
            let drawn = if series.is_line {
                chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            } else {
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?
            };
            if !series.label.is_empty() {
                let line = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2));
                let point = move |(x, y)| Circle::new((x + 10, y), 3, colour.filled());
                let drawn = drawn.label(&series.label);
                if series.is_line {
                    drawn.legend(line)
                } else {
                    drawn.legend(point)
                };
            }
        }
        if self.series.iter().any(|series| !series.label.is_empty()) {
            // Where less is drawn.
            let upper = |is_left: bool| {
                let is_there = |(x, y): &&(f64, f64)| *y > middle[1] && (*x < middle[0]) == is_left;
                points
                    .iter()
                    .map(|points| points.iter().filter(is_there).count() as f64 / points.len().max(1) as f64)
                    .sum::<f64>()
            };
            let position = match upper(true) <= upper(false) {
                true => SeriesLabelPosition::UpperLeft,
                false => SeriesLabelPosition::UpperRight,
            };
            chart
                .configure_series_labels()
                .label_font((FAMILY, 16))
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK.mix(0.3))
                .position(position)
                .draw()?;
        }
        root.present()?;
        drop((chart, root));
        Ok(pixels)
    }
}

impl Series {
    /// The points that can be drawn.
    #[track_caller]
    fn read(&self, log_y: bool) -> Result<Vec<(f64, f64)>> {
        let Series { label, x, y, .. } = self;
        let is_real = |x: &Array| !x.dtype().is_complex();
        if x.size() != y.size() || !is_real(x) || !is_real(y) {
            bail!(Shape, "Figure::save: {label} has {} for x and {} for y", x.aval(), y.aval());
        }
        let [x, y] = [x, y].map(|x| x.astype(crate::DType::F32));
        let (x, y) = (x.to_vec::<f32>()?, if log_y { numpy::log10(y) } else { y }.to_vec::<f32>()?);
        let points = x.into_iter().zip(y).map(|(x, y)| (x.into(), y.into()));
        Ok(points.filter(|(x, y): &(f64, f64)| x.is_finite() && y.is_finite()).collect())
    }
}

/// From the least to the greatest, with a margin.
fn range(values: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let span = if high > low { high - low } else { low.abs().max(1.0) };
    (low <= high).then_some(low - 0.05 * span..high + 0.05 * span)
}

/// Numbers with as many digits as tell a hundredth of the axis.
fn tick(span: f64) -> impl Fn(&f64) -> String {
    let digits = (2.0 - span.log10().floor()).clamp(0.0, 12.0) as i32;
    let unit = 10f64.powi(digits);
    // Without the sign of a zero.
    move |x: &f64| ((x * unit).round() / unit + 0.0).to_string()
}

fn power_of_ten(y: f64) -> String {
    let x = 10f64.powf(y);
    if (1e-3..1e5).contains(&x) { tick(x)(&x) } else { format!("{x:.1e}") }
}
