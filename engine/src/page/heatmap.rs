//! Associations of real rows, of synthetic rows, and how far they are apart: three triangles whose
//! names stand on the diagonal, where they label row and column at once and need no turned letters.

use tgs_protocol::{figure, report::CorrelationMatrices};

use super::{
    markup::{Element, el},
    svg::{self, Anchor, Path},
};

/// More columns than these cannot be read; those that differ most are shown.
const COLUMNS_MAX: usize = 40;
/// From so many columns on, the triangles are drawn larger and stand below each other.
const COLUMNS_BESIDE_MAX: usize = 24;
const SHADES: usize = 20;
/// Differences are drawn up to here at least, so that small ones stay pale.
const DIFFERENCE_FULL: f64 = 0.2;

/// The three triangles.
pub fn section(matrices: &CorrelationMatrices) -> Element {
    let section =
        el("section").attr("id", "associations").add(el("h2").text("How columns hang together"));
    let Some(pairs) = Triangle::of(matrices) else {
        return section
            .add(el("p").class("none").text("Not measured: this takes at least two columns."));
    };
    let note = (pairs.of > pairs.columns.len()).then(|| {
        el("p").class("note").text(format!(
            "{} of {} columns are drawn: those whose associations differ most. Every pair is in \
             the machine-readable report.",
            pairs.columns.len(),
            pairs.of
        ))
    });
    let large = if pairs.columns.len() > COLUMNS_BESIDE_MAX { "maps large" } else { "maps" };
    let reach = pairs.largest_difference.max(DIFFERENCE_FULL);
    let maps = el("div")
        .class(large)
        .attr("data-names", json_of(&pairs.columns))
        .add(map(&pairs, "Real", &pairs.real, 1.0))
        .add(map(&pairs, "Synthetic", &pairs.synthetic, 1.0))
        .add(map(&pairs, "Difference", &pairs.difference, reach));
    section.add(pairs.deck()).add_all(note).add(maps)
}

/// The lower triangles, row by row: (1, 0), (2, 0), (2, 1), …
struct Triangle {
    columns: Vec<String>,
    /// Columns before any were left out.
    of: usize,
    real: Vec<Option<f64>>,
    synthetic: Vec<Option<f64>>,
    /// Synthetic less real.
    difference: Vec<Option<f64>>,
    largest_difference: f64,
}

impl Triangle {
    /// None for fewer than two columns or matrices that do not fit.
    fn of(matrices: &CorrelationMatrices) -> Option<Self> {
        let of = matrices.columns.len();
        let fits = matrices.real.len() == of * of && matrices.synthetic.len() == of * of;
        if of < 2 || !fits {
            return None;
        }
        let at = |matrix: &[Option<f64>], row: usize, column: usize| {
            matrix.get(row * of + column).copied().flatten().filter(|value| value.is_finite())
        };
        let gap = |row: usize, column: usize| {
            Some(at(&matrices.synthetic, row, column)? - at(&matrices.real, row, column)?)
        };
        let kept = most_different(of, gap);
        let cells = || {
            let kept = &kept;
            (1..kept.len()).flat_map(move |i| (0..i).map(move |j| (kept[i], kept[j])))
        };
        let difference: Vec<_> = cells().map(|(i, j)| gap(i, j)).collect();
        Some(Self {
            columns: kept.iter().map(|index| matrices.columns[*index].clone()).collect(),
            of,
            real: cells().map(|(i, j)| at(&matrices.real, i, j)).collect(),
            synthetic: cells().map(|(i, j)| at(&matrices.synthetic, i, j)).collect(),
            largest_difference: difference.iter().flatten().fold(0.0, |top, d| d.abs().max(top)),
            difference,
        })
    }

    /// The sentence over the triangles.
    fn deck(&self) -> Element {
        let deck = el("p").class("deck");
        let cells = (1..self.columns.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let worst = cells
            .zip(&self.difference)
            .filter_map(|(cell, difference)| Some((cell, (*difference)?)))
            .max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()));
        let Some(((i, j), difference)) = worst else {
            return deck.text("No association could be measured.");
        };
        deck.text("The first two triangles should look alike and the third should be empty. ")
            .text("The largest difference is ")
            .text(figure::fixed(difference, 2))
            .text(", between ")
            .add(el("b").data(&self.columns[j]))
            .text(" and ")
            .add(el("b").data(&self.columns[i]))
            .text(".")
    }
}

/// Indices of the columns to draw, ascending.
fn most_different(of: usize, gap: impl Fn(usize, usize) -> Option<f64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..of).collect();
    if of > COLUMNS_MAX {
        let sums: Vec<f64> = order
            .iter()
            .map(|row| {
                let others = order.iter().filter(|column| *column != row);
                others.filter_map(|column| gap(*row, *column)).map(f64::abs).sum()
            })
            .collect();
        order.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]).then(a.cmp(b)));
        order.truncate(COLUMNS_MAX);
        order.sort_unstable();
    }
    order
}

fn map(pairs: &Triangle, name: &str, values: &[Option<f64>], reach: f64) -> Element {
    let count = pairs.columns.len();
    let (width, margin) = if count > COLUMNS_BESIDE_MAX { (620.0, 96.0) } else { (370.0, 92.0) };
    let cell = ((width - margin) / count as f64).min(34.0);
    let letters = (cell * 0.8).clamp(5.0, 11.5);
    let spoken = format!("{name}: associations of {count} columns");
    let names = pairs.columns.iter().enumerate().map(|(index, column)| {
        let (x, y) = (index as f64 * cell + 3.0, (index as f64 + 0.5) * cell + letters * 0.35);
        let shown = svg::shorten(column, width - x, letters);
        svg::label(x, y, Anchor::Start, &shown)
            .attr("font-size", svg::coordinate(letters))
            .add_all((shown != *column).then(|| svg::title(&**column)))
    });
    let hundredths = values.iter().map(|value| {
        value.map_or_else(String::new, |value| format!("{}", (value * 100.0).round()))
    });
    let figure = el("figure").add(el("figcaption").text(name)).add(
        svg::drawing(width, cell * count as f64, &spoken)
            .class("map")
            .attr("data-cell", svg::coordinate(cell))
            .attr("data-values", hundredths.collect::<Vec<_>>().join(","))
            .add_all(cells(values, count, cell, reach, name == "Difference"))
            .add_all(names),
    );
    figure.add(if name == "Difference" { difference_key(reach) } else { association_key() })
}

/// One path for each shade of each colour: some bytes per cell, not an element.
fn cells(values: &[Option<f64>], count: usize, cell: f64, reach: f64, apart: bool) -> Vec<Element> {
    let mut paths: Vec<Option<Path>> = vec![None; 2 * SHADES + 1];
    let gap = if cell > 9.0 { 1.0 } else { 0.4 };
    let places = (1..count).flat_map(|i| (0..i).map(move |j| (i, j)));
    for ((i, j), value) in places.zip(values) {
        let shade = value.map_or(0, |value| {
            let size = (value.abs() / reach).min(1.0);
            let step = ((size * SHADES as f64).ceil() as usize).clamp(1, SHADES);
            if value < 0.0 && !apart { SHADES + step } else { step }
        });
        if let Some(path) = paths.get_mut(shade) {
            path.get_or_insert_default().square(j as f64 * cell, i as f64 * cell, cell - gap);
        }
    }
    let draw = |(shade, path): (usize, Option<Path>)| {
        let step = if shade > SHADES { shade - SHADES } else { shade };
        let class = match (shade, apart) {
            (0, _) => "unknown",
            (_, true) => "apart",
            _ if shade > SHADES => "negative",
            _ => "positive",
        };
        let opacity = 0.04 + 0.96 * (step as f64 - 0.5) / SHADES as f64;
        let element = path?.draw().class(class);
        Some(match shade {
            0 => element,
            _ => element.attr("fill-opacity", svg::coordinate(opacity)),
        })
    };
    paths.into_iter().enumerate().filter_map(draw).collect()
}

fn association_key() -> Element {
    let shade = |index: i32| {
        let class = if index < 0 { "negative" } else { "positive" };
        key_cell(class, f64::from(index.abs()) / 5.0)
    };
    key("−1", (-5..=5).map(shade), "+1")
}

fn difference_key(reach: f64) -> Element {
    let shades = (0..=5).map(|index| key_cell("apart", f64::from(index) / 5.0));
    key("0", shades, &figure::compact(reach))
}

fn key(low: &str, shades: impl Iterator<Item = Element>, high: &str) -> Element {
    let cells: Vec<Element> = shades.collect();
    let width = cells.len() as f64 * 12.0;
    let placed = cells
        .into_iter()
        .enumerate()
        .map(|(index, cell)| cell.attr("x", svg::coordinate(index as f64 * 12.0)));
    el("p")
        .class("key")
        .text(low)
        .add(
            el("svg")
                .class("map")
                .attr("aria-hidden", "true")
                .attr("width", svg::coordinate(width))
                .attr("height", "9")
                .add_all(placed),
        )
        .text(high)
}

fn key_cell(class: &str, part: f64) -> Element {
    el("rect")
        .attr("class", class)
        .attr("width", "11")
        .attr("height", "9")
        .attr("fill-opacity", svg::coordinate(0.04 + 0.94 * part))
}

/// Names for the tooltips, as JSON; shortened, for they only help to find a cell.
fn json_of(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| name.chars().take(60).collect()).collect();
    serde_json::to_string(&names).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_that_differ_most_are_kept_in_order() {
        let gap =
            |i: usize, j: usize| (i != j).then_some(if i.is_multiple_of(3) { 0.5 } else { 0.0 });
        let kept = most_different(90, gap);
        assert_eq!(kept.len(), COLUMNS_MAX);
        assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
        assert!((0..90).step_by(3).all(|index| kept.contains(&index)));
    }

    #[test]
    fn matrices_that_do_not_fit_are_not_drawn() {
        let matrices = CorrelationMatrices {
            columns: vec!["a".into(), "b".into()],
            real: vec![Some(1.0)],
            synthetic: vec![],
        };
        assert!(Triangle::of(&matrices).is_none());
    }

    #[test]
    fn every_cell_is_drawn_once() {
        let values = vec![Some(0.0), Some(-1.0), None, Some(0.4), Some(1.0), Some(-0.2)];
        let mut out = String::new();
        cells(&values, 4, 10.0, 1.0, false).iter().for_each(|path| path.write(&mut out));
        assert_eq!(out.matches('z').count(), 6, "{out}");
        assert_eq!(out.matches("unknown").count(), 1);
    }
}
