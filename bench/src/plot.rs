//! Plots as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 360);

/// One line of a plot.
pub struct Line<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its points.
    pub points: &'a [(f64, f64)],
}

/// What a plot says around its lines.
pub struct Words<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below it.
    pub across: &'a str,
    /// Beside it.
    pub up: &'a str,
}

/// Numbers that grow tenfold from point to point, against a cost. The cost's axis begins at zero.
///
/// # Errors
/// When the file cannot be written.
pub fn growth(path: &Path, words: &Words<'_>, line: &Line<'_>) -> Result<()> {
    let (low, high) = ends(line.points.iter().map(|(number, _)| *number));
    let most = ends(line.points.iter().map(|(_, cost)| *cost)).1.max(0.001);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    let drawn = || -> Result<(), Box<dyn std::error::Error>> {
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(words.title, ("sans-serif", 18))
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(58)
            .build_cartesian_2d((low * 0.8..high * 1.3).log_scale(), 0.0..most * 1.25)?;
        chart
            .configure_mesh()
            .x_desc(words.across)
            .y_desc(words.up)
            .x_label_formatter(&|number| format!("{number:.0}"))
            .draw()?;
        chart.draw_series(LineSeries::new(line.points.iter().copied(), BLUE.stroke_width(2)))?;
        chart.draw_series(line.points.iter().map(|point| Circle::new(*point, 4, BLUE.filled())))?;
        root.present()?;
        Ok(())
    };
    drawn().map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
}

/// Several measures over time, each divided by its own mean of the second half, so that all of them fit and "flat" is a line at 1.
///
/// # Errors
/// When the file cannot be written.
pub fn over_time(path: &Path, words: &Words<'_>, lines: &[Line<'_>]) -> Result<()> {
    let end = lines.iter().flat_map(|line| line.points).map(|(at, _)| *at).fold(1.0, f64::max);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    let drawn = || -> Result<(), Box<dyn std::error::Error>> {
        root.fill(&WHITE)?;
        let scaled: Vec<Vec<(f64, f64)>> = lines.iter().map(|line| scaled(line.points)).collect();
        let most = scaled.iter().flatten().map(|(_, value)| *value).fold(1.5, f64::max);
        let mut chart = ChartBuilder::on(&root)
            .caption(words.title, ("sans-serif", 18))
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(58)
            .build_cartesian_2d(0.0..end, 0.0..most * 1.1)?;
        chart.configure_mesh().x_desc(words.across).y_desc(words.up).draw()?;
        for (index, (line, points)) in lines.iter().zip(scaled).enumerate() {
            let colour = Palette99::pick(index).to_rgba();
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        root.present()?;
        Ok(())
    };
    drawn().map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
}

fn scaled(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let half = &points[points.len() / 2..];
    #[expect(clippy::cast_precision_loss, reason = "thousands of samples at most")]
    let mean = (half.iter().map(|(_, value)| *value).sum::<f64>() / half.len().max(1) as f64).max(f64::MIN_POSITIVE);
    points.iter().map(|(at, value)| (*at, value / mean)).collect()
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(low, high), value| (low.min(value), high.max(value)))
}
