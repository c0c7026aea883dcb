//! A scatter of points and a line through them, as a PNG.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use raxla::{Error, ErrorKind, Result};

/// DejaVu Sans, ASCII only, so that no font need be installed: `examples/data/README.md`.
static FONT: &[u8] = include_bytes!("../data/DejaVuSans-ascii.ttf");

const SIZE: (u32, u32) = (800, 600);

/// Draws `points`, and the line through `ends`.
pub fn scatter_and_line(
    path: &Path,
    [x_label, y_label]: [&str; 2],
    points: &[(f32, f32)],
    ends: [(f32, f32); 2],
) -> Result<()> {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        let _ = register_font("sans-serif", FontStyle::Normal, FONT);
    });
    draw([x_label, y_label], points, ends)
        .and_then(|pixels| write(path, &pixels))
        .map_err(|e| Error::new(ErrorKind::Io, format!("could not draw {}: {e}", path.display())))
}

/// The picture as rows of red, green and blue.
fn draw(
    [x_label, y_label]: [&str; 2],
    points: &[(f32, f32)],
    ends: [(f32, f32); 2],
) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut pixels = vec![0; 3 * (SIZE.0 * SIZE.1) as usize];
    let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let xs = range(points.iter().chain(&ends).map(|p| p.0));
    let ys = range(points.iter().chain(&ends).map(|p| p.1));
    let mut chart = ChartBuilder::on(&root)
        .margin(15)
        .x_label_area_size(45)
        .y_label_area_size(75)
        .build_cartesian_2d(xs, ys)?;
    let tick = |x: &f32| ((x * 1000.0).round() / 1000.0).to_string();
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc(x_label)
        .y_desc(y_label)
        .x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .label_style(("sans-serif", 16))
        .axis_desc_style(("sans-serif", 18))
        .draw()?;
    chart.draw_series(points.iter().map(|p| Circle::new(*p, 3, RGBColor(31, 119, 180).filled())))?;
    chart
        .draw_series(LineSeries::new(ends, RGBColor(214, 39, 40).stroke_width(2)))?
        .label("model")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], RGBColor(214, 39, 40)));
    chart
        .configure_series_labels()
        .label_font(("sans-serif", 16))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .position(SeriesLabelPosition::UpperLeft)
        .draw()?;
    root.present()?;
    drop((chart, root));
    Ok(pixels)
}

fn write(path: &Path, pixels: &[u8]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(())
}

/// From the least to the greatest, with a margin.
fn range(values: impl Iterator<Item = f32>) -> std::ops::Range<f32> {
    let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let margin = (0.05 * (high - low)).max(f32::EPSILON);
    low - margin..high + margin
}
