//! Shapes, paths and scales: the few things that charts are made of, with short coordinates.

use super::markup::{Element, el};

/// Where a text hangs from its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins there.
    Start,
    /// The text is centred there.
    Middle,
    /// The text ends there.
    End,
}

/// Values of a domain to positions of a range, linear.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    domain: (f64, f64),
    range: (f64, f64),
}

impl Scale {
    /// A scale; an empty domain is widened so that its one value falls in the middle.
    pub fn new(domain: (f64, f64), range: (f64, f64)) -> Self {
        let (low, high) = domain;
        let wide = if high > low { domain } else { (low - 0.5, low + 0.5) };
        Self { domain: wide, range }
    }
    /// Position of a value, kept inside the range.
    pub fn at(&self, value: f64) -> f64 {
        let (low, high) = self.domain;
        let part = ((value - low) / (high - low)).clamp(0.0, 1.0);
        let part = if part.is_finite() { part } else { 0.5 };
        self.range.0 + part * (self.range.1 - self.range.0)
    }
    /// Smallest and largest value.
    pub fn domain(&self) -> (f64, f64) {
        self.domain
    }
}

/// The drawing commands of a path.
#[derive(Debug, Clone, Default)]
pub struct Path(String);

impl Path {
    /// Goes there without drawing.
    pub fn move_to(&mut self, x: f64, y: f64) -> &mut Self {
        self.command('M', &[x, y])
    }
    /// Draws a line to there.
    pub fn line_to(&mut self, x: f64, y: f64) -> &mut Self {
        self.command('L', &[x, y])
    }
    /// Draws a level line.
    pub fn level_to(&mut self, x: f64) -> &mut Self {
        self.command('H', &[x])
    }
    /// Draws a plumb line.
    pub fn plumb_to(&mut self, y: f64) -> &mut Self {
        self.command('V', &[y])
    }
    /// Back to where it began.
    pub fn close(&mut self) -> &mut Self {
        self.0.push('Z');
        self
    }
    /// A dot, as wide as the stroke with round caps.
    pub fn dot(&mut self, x: f64, y: f64) -> &mut Self {
        self.move_to(x, y);
        self.0.push_str("h0");
        self
    }
    /// A square with its corner there.
    pub fn square(&mut self, x: f64, y: f64, side: f64) -> &mut Self {
        let side = coordinate(side);
        self.move_to(x, y);
        self.0.push_str(&format!("h{side}v{side}h-{side}z"));
        self
    }
    /// Joins points by lines.
    pub fn through(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut path = Self::default();
        for (x, y) in points {
            if path.0.is_empty() {
                path.move_to(x, y)
            } else {
                path.line_to(x, y)
            };
        }
        path
    }
    /// The element.
    pub fn draw(self) -> Element {
        el("path").attr("d", self.0)
    }
    fn command(&mut self, letter: char, numbers: &[f64]) -> &mut Self {
        self.0.push(letter);
        for (index, number) in numbers.iter().enumerate() {
            if index > 0 {
                self.0.push(' ');
            }
            self.0.push_str(&coordinate(*number));
        }
        self
    }
}

/// A drawing of so many units; `label` says in words what it shows.
pub fn drawing(width: f64, height: f64, label: &str) -> Element {
    el("svg")
        .attr("viewBox", format!("0 0 {} {}", coordinate(width), coordinate(height)))
        .attr("role", "img")
        .attr("aria-label", label)
}

/// A rectangle.
pub fn rect(x: f64, y: f64, width: f64, height: f64) -> Element {
    el("rect")
        .attr("x", coordinate(x))
        .attr("y", coordinate(y))
        .attr("width", coordinate(width.max(0.0)))
        .attr("height", coordinate(height.max(0.0)))
}

/// A line.
pub fn line(from: (f64, f64), to: (f64, f64)) -> Element {
    el("line")
        .attr("x1", coordinate(from.0))
        .attr("y1", coordinate(from.1))
        .attr("x2", coordinate(to.0))
        .attr("y2", coordinate(to.1))
}

/// A circle.
pub fn circle(x: f64, y: f64, radius: f64) -> Element {
    el("circle").attr("cx", coordinate(x)).attr("cy", coordinate(y)).attr("r", coordinate(radius))
}

/// A text.
pub fn label(x: f64, y: f64, anchor: Anchor, text: &str) -> Element {
    let element = el("text").attr("x", coordinate(x)).attr("y", coordinate(y)).text(text);
    match anchor {
        Anchor::Start => element,
        Anchor::Middle => element.attr("text-anchor", "middle"),
        Anchor::End => element.attr("text-anchor", "end"),
    }
}

/// The tooltip that a browser shows by itself.
pub fn title(text: impl Into<String>) -> Element {
    el("title").text(text)
}

/// About how wide a text is, in units of its drawing. Wide scripts and emoji count double.
pub fn text_width(text: &str, size: f64) -> f64 {
    let narrow = |character: char| if (character as u32) < 0x1100 { 0.56 } else { 1.0 };
    text.chars().map(narrow).sum::<f64>() * size
}

/// The text, cut with an ellipsis so that it is about so wide.
pub fn shorten(text: &str, width: f64, size: f64) -> String {
    if text_width(text, size) <= width {
        return text.into();
    }
    let mut room = width - 0.8 * size;
    let fits = |character: &char| {
        room -= text_width(character.encode_utf8(&mut [0; 4]), size);
        room >= 0.0
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// A coordinate with at most two digits after the point.
pub fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        for (value, text) in [(0.0, "0"), (-0.001, "0"), (12.5, "12.5"), (3.1379, "3.14")] {
            assert_eq!(coordinate(value), text);
        }
    }

    #[test]
    fn scales_stay_inside_their_range() {
        let scale = Scale::new((0.0, 10.0), (100.0, 0.0));
        for (value, at) in [(0.0, 100.0), (5.0, 50.0), (20.0, 0.0), (f64::NAN, 50.0)] {
            assert_eq!(scale.at(value), at, "{value}");
        }
        assert_eq!(Scale::new((3.0, 3.0), (0.0, 10.0)).at(3.0), 5.0);
    }

    #[test]
    fn long_texts_end_in_an_ellipsis() {
        assert_eq!(shorten("age", 100.0, 10.0), "age");
        let short = shorten(&"name ".repeat(40), 60.0, 10.0);
        assert!(short.ends_with('…') && text_width(&short, 10.0) <= 61.0, "{short}");
        assert_eq!(shorten("👩‍⚕️👩‍⚕️👩‍⚕️👩‍⚕️", 5.0, 10.0), "…");
    }
}
