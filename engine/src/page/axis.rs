//! Round ticks for an axis and how they are drawn without running into each other.

use tgs_protocol::{column::ColumnKind, figure};

use super::{
    markup::{Element, el},
    moment,
    svg::{self, Anchor, Scale},
};

/// Size of the letters at an axis, in units of the drawing.
pub const LETTER_SIZE: f64 = 10.0;

/// One mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Its value.
    pub at: f64,
    /// What is written there.
    pub label: String,
}

/// About `most` ticks at round values of a column of this kind.
pub fn ticks_of(kind: ColumnKind, (low, high): (f64, f64), most: usize) -> Vec<Tick> {
    match kind {
        ColumnKind::Date | ColumnKind::Datetime if moment::is_showable(low, high) => {
            moment::date_ticks(low, high, most)
        }
        ColumnKind::Time if low >= 0.0 && high <= 86_400.0 => moment::clock_ticks(low, high, most),
        ColumnKind::Integer => {
            with_step(low, high, round_step((high - low) / most as f64).max(1.0))
        }
        _ => number_ticks((low, high), most),
    }
}

/// About `most` ticks at 1, 2 or 5 times a power of ten.
pub fn number_ticks((low, high): (f64, f64), most: usize) -> Vec<Tick> {
    with_step(low, high, round_step((high - low) / most as f64))
}

/// A value of a column as people write it.
pub fn value_text(kind: ColumnKind, value: f64) -> String {
    match kind {
        ColumnKind::Date if moment::is_showable(value, value) => moment::written(value, false),
        ColumnKind::Datetime if moment::is_showable(value, value) => moment::written(value, true),
        ColumnKind::Time if (0.0..=86_400.0).contains(&value) => {
            moment::time_of_day(value.round() as i64, false)
        }
        _ => figure::compact(value),
    }
}

/// The smallest of 1, 2, 5 × 10ⁿ that is not below `raw`.
pub fn round_step(raw: f64) -> f64 {
    if !raw.is_finite() || raw <= 0.0 {
        return 1.0;
    }
    let power = libm::pow(10.0, libm::floor(libm::log10(raw)));
    let part = raw / power * (1.0 - 1e-9);
    [1.0, 2.0, 5.0].into_iter().find(|step| part <= *step).unwrap_or(10.0) * power
}

/// Labels under a level axis at height `y`; one that would touch its left neighbour is left out.
pub fn below(ticks: &[Tick], scale: &Scale, y: f64, edges: (f64, f64)) -> Element {
    let mut free_from = f64::NEG_INFINITY;
    let mut group = el("g").class("axis");
    for tick in ticks {
        let x = scale.at(tick.at);
        let half = svg::text_width(&tick.label, LETTER_SIZE) / 2.0;
        let left = (x - half).clamp(edges.0, (edges.1 - 2.0 * half).max(edges.0));
        group = group.add(svg::line((x, y), (x, y + 3.0)));
        if left >= free_from {
            group = group.add(svg::label(left + half, y + 13.0, Anchor::Middle, &tick.label));
            free_from = left + 2.0 * half + 6.0;
        }
    }
    group
}

fn with_step(low: f64, high: f64, step: f64) -> Vec<Tick> {
    let largest = low.abs().max(high.abs());
    let (unit, suffix) = figure::suffix_of(largest);
    let digits = (0..=9).find(|&digits| figure::is_whole(step / unit, digits)).unwrap_or(9);
    let tiny = largest < 1e-4;
    let text = |at: f64| match (tiny, at == 0.0) {
        (_, true) => "0".to_owned(),
        (true, false) => figure::compact(at),
        _ => format!("{}{suffix}", figure::fixed(at / unit, digits)),
    };
    let first = libm::ceil(low / step - 1e-9);
    // Between the years 1000 and 3000 a separator makes an amount of a year.
    let years = first * step >= 1_000.0 && high < 3_000.0 && step.fract() == 0.0;
    let text = |at: f64| if years { format!("{at:.0}") } else { text(at) };
    (0..32)
        .map(|index| (first + f64::from(index)) * step)
        .take_while(|at| *at <= high + step * 1e-9)
        .map(|at| Tick { at, label: text(at) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        for (domain, labels) in [
            ((17.0, 90.0), vec!["20", "40", "60", "80"]),
            ((1_895.0, 2_005.0), vec!["1900", "1950", "2000"]),
            ((500.0, 2_600.0), vec!["500", "1,000", "1,500", "2,000", "2,500"]),
            ((0.0, 99_999.0), vec!["0", "20k", "40k", "60k", "80k"]),
            ((12_285.0, 1_490_400.0), vec!["0.5 M", "1.0 M"]),
            ((-0.3, 0.3), vec!["−0.2", "0", "0.2"]),
            ((0.0, 2e-6), vec!["0", "5e−7", "1e−6", "1.5e−6", "2e−6"]),
        ] {
            let found: Vec<String> =
                number_ticks(domain, 5).into_iter().map(|tick| tick.label).collect();
            assert_eq!(found, labels, "{domain:?}");
        }
    }

    #[test]
    fn whole_numbers_have_whole_ticks() {
        let labels: Vec<String> =
            ticks_of(ColumnKind::Integer, (0.0, 2.0), 4).into_iter().map(|t| t.label).collect();
        assert_eq!(labels, ["0", "1", "2"]);
    }

    #[test]
    fn odd_domains_do_no_harm() {
        for domain in [(0.0, 0.0), (1e300, 1e301), (f64::NAN, 1.0), (-1e-300, 1e-300)] {
            assert!(number_ticks(domain, 4).len() <= 32, "{domain:?}");
        }
        assert!(ticks_of(ColumnKind::Date, (1e20, 2e20), 4).len() <= 8);
    }
}
