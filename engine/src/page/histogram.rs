//! Numbers and moments: real rows as a grey area, synthetic rows as a line over it.

use tgs_protocol::{figure, report::ColumnReport};

use super::{
    axis,
    markup::{Element, el},
    svg::{self, Anchor, Path, Scale},
};

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 132.0;
const TOP: f64 = 14.0;
const FLOOR: f64 = 112.0;
const SIDE: f64 = 4.0;

/// The picture of one numeric column.
pub fn draw(column: &ColumnReport, edges: &[f64], real: &[f64], synthetic: &[f64]) -> Element {
    let bins = real.len().min(synthetic.len()).min(edges.len().saturating_sub(1));
    let finite = edges.iter().all(|edge| edge.is_finite());
    if bins == 0 || !finite {
        return el("p").class("none").text("No value to draw: every cell is missing.");
    }
    let (edges, real, synthetic) = (&edges[..=bins], &real[..bins], &synthetic[..bins]);
    let heights = Heights::of(edges, real, synthetic);
    let x = Scale::new((edges[0], edges[bins]), (SIDE, WIDTH - SIDE));
    let y = Scale::new((0.0, heights.largest), (FLOOR, TOP));
    let ticks = axis::ticks_of(column.kind, x.domain(), 8);
    svg::drawing(WIDTH, HEIGHT, &spoken(column, real, synthetic))
        .class("histogram")
        .add(svg::line((SIDE, TOP), (WIDTH - SIDE, TOP)).class("grid"))
        .add(svg::label(WIDTH - SIDE, TOP - 4.0, Anchor::End, &heights.caption(real, synthetic)))
        .add(outline(edges, &heights.real, &x, &y, true).class("real"))
        .add(outline(edges, &heights.synthetic, &x, &y, true).class("fill"))
        .add(outline(edges, &heights.synthetic, &x, &y, false).class("synthetic"))
        .add(svg::line((SIDE, FLOOR), (WIDTH - SIDE, FLOOR)).class("base"))
        .add(axis::below(&ticks, &x, FLOOR, (0.0, WIDTH)))
        .add(hover(column, edges, real, synthetic, &x))
}

/// Bar heights as drawn.
struct Heights {
    real: Vec<f64>,
    synthetic: Vec<f64>,
    largest: f64,
    rooted: bool,
    even: bool,
}

impl Heights {
    /// Shares for bins of one width, densities for others; square roots where one bin dwarfs all.
    fn of(edges: &[f64], real: &[f64], synthetic: &[f64]) -> Self {
        let widths: Vec<f64> = edges.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = widths.iter().sum::<f64>() / widths.len() as f64;
        let even = widths.iter().all(|width| (width - mean).abs() <= 0.02 * mean.abs());
        let height = |share: &f64, width: &f64| {
            let height = if even || *width <= 0.0 { *share } else { share * mean / width };
            if height.is_finite() { height.max(0.0) } else { 0.0 }
        };
        let heights = |shares: &[f64]| -> Vec<f64> {
            shares.iter().zip(&widths).map(|(share, width)| height(share, width)).collect()
        };
        let (mut real, mut synthetic) = (heights(real), heights(synthetic));
        let mut sorted = real.clone();
        sorted.sort_by(f64::total_cmp);
        let second = sorted.iter().rev().nth(1).copied().unwrap_or(0.0);
        let rooted =
            sorted.last().is_some_and(|top| *top > 0.4 && second < 0.12 * top) && sorted.len() > 4;
        if rooted {
            real.iter_mut().chain(&mut synthetic).for_each(|height| *height = height.sqrt());
        }
        let largest = real.iter().chain(&synthetic).copied().fold(1e-9, f64::max);
        Self { real, synthetic, largest, rooted, even }
    }
    /// What the upper line stands for.
    fn caption(&self, real: &[f64], synthetic: &[f64]) -> String {
        let top = real.iter().chain(synthetic).copied().fold(0.0, f64::max);
        match (self.even, self.rooted) {
            (true, false) => format!("{} of rows", figure::share(top)),
            (true, true) => format!("{} of rows, square-root scale", figure::share(top)),
            (false, false) => "rows per unit".into(),
            (false, true) => "rows per unit, square-root scale".into(),
        }
    }
}

fn outline(edges: &[f64], heights: &[f64], x: &Scale, y: &Scale, closed: bool) -> Element {
    let mut path = Path::default();
    path.move_to(x.at(edges[0]), FLOOR);
    for (index, height) in heights.iter().enumerate() {
        path.plumb_to(y.at(*height)).level_to(x.at(edges[index + 1]));
    }
    path.plumb_to(FLOOR);
    if closed {
        path.close();
    }
    path.draw()
}

/// One invisible bar per bin that tells its numbers.
fn hover(c: &ColumnReport, edges: &[f64], real: &[f64], synthetic: &[f64], x: &Scale) -> Element {
    let bars = edges.windows(2).zip(real.iter().zip(synthetic)).map(|(pair, (real, synthetic))| {
        let (from, to) = (x.at(pair[0]), x.at(pair[1]));
        let text = format!(
            "{} to {}: real {}, synthetic {}",
            axis::value_text(c.kind, pair[0]),
            axis::value_text(c.kind, pair[1]),
            figure::share(*real),
            figure::share(*synthetic)
        );
        svg::rect(from, TOP, to - from, FLOOR - TOP).add(svg::title(text))
    });
    el("g").class("hover").add_all(bars)
}

fn spoken(column: &ColumnReport, real: &[f64], synthetic: &[f64]) -> String {
    let apart = real.iter().zip(synthetic).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    format!(
        "Histogram of {}, real and synthetic rows; they differ by at most {} in a bin",
        column.name,
        figure::share(apart)
    )
}
