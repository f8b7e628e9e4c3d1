//! Lines over two axes: the frame that distances and training curves share.

use super::{
    axis::{self, Tick},
    markup::{Element, el},
    svg::{self, Anchor, Path, Scale},
};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const FLOOR: f64 = 258.0;
/// Classes of the lines in order: colour and dash differ, so colour alone tells nothing.
pub const LINES: [&str; 4] = ["line-1", "line-2", "line-3", "line-4"];

/// What to draw.
pub struct Plot<'a> {
    /// In words, what the drawing shows.
    pub spoken: String,
    /// Under the level axis.
    pub x_name: &'a str,
    /// Smallest and largest x.
    pub x: (f64, f64),
    /// Smallest and largest y, as drawn.
    pub y: (f64, f64),
    /// Marks of the level axis.
    pub x_ticks: Vec<Tick>,
    /// Marks of the upright axis, as drawn.
    pub y_ticks: Vec<Tick>,
    /// Points of each line.
    pub lines: Vec<Vec<(f64, f64)>>,
}

impl Plot<'_> {
    /// The drawing.
    pub fn draw(&self) -> Element {
        let x = Scale::new(self.x, (LEFT, WIDTH - RIGHT));
        let y = Scale::new(self.y, (FLOOR, TOP));
        let levels = self.y_ticks.iter().flat_map(|tick| {
            let at = y.at(tick.at);
            [
                svg::line((LEFT, at), (WIDTH - RIGHT, at)).class("grid"),
                svg::label(LEFT - 6.0, at + 3.5, Anchor::End, &tick.label),
            ]
        });
        let lines = self.lines.iter().zip(LINES.iter().cycle()).map(|(points, class)| {
            Path::through(points.iter().map(|(px, py)| (x.at(*px), y.at(*py)))).draw().class(class)
        });
        svg::drawing(WIDTH, HEIGHT, &self.spoken)
            .class("plot")
            .add_all(levels)
            .add(svg::line((LEFT, FLOOR), (WIDTH - RIGHT, FLOOR)).class("base"))
            .add(axis::below(&self.x_ticks, &x, FLOOR, (LEFT - 20.0, WIDTH)))
            .add(svg::label(
                (LEFT + WIDTH - RIGHT) / 2.0,
                HEIGHT - 6.0,
                Anchor::Middle,
                self.x_name,
            ))
            .add_all(lines)
    }
}

/// Names of the lines with a sample of each.
pub fn legend<'a>(names: impl IntoIterator<Item = &'a str>) -> Element {
    let entry = |(name, class): (&str, &&str)| {
        let sample = el("svg")
            .class("plot")
            .attr("viewBox", "0 0 28 10")
            .attr("aria-hidden", "true")
            .add(Path::through([(0.0, 5.0), (28.0, 5.0)]).draw().class(class));
        el("span").add(sample).text(name)
    };
    el("p").class("legend").add_all(names.into_iter().zip(LINES.iter().cycle()).map(entry))
}
