//! Moments of the data (seconds since 1970) as people write dates, and ticks between them.

use super::axis::Tick;
use crate::table::moment::{civil_from_days, days_from_civil};

const DAY: i64 = 86_400;
/// Beyond these (the year 9999) seconds are shown as plain numbers.
const SECONDS_MAX: f64 = 253_402_300_799.0;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Distance between two ticks.
#[derive(Debug, Clone, Copy)]
enum Step {
    Seconds(i64),
    Months(i64),
}

const STEPS: [Step; 25] = [
    Step::Seconds(1),
    Step::Seconds(5),
    Step::Seconds(15),
    Step::Seconds(60),
    Step::Seconds(300),
    Step::Seconds(900),
    Step::Seconds(3600),
    Step::Seconds(3 * 3600),
    Step::Seconds(6 * 3600),
    Step::Seconds(12 * 3600),
    Step::Seconds(DAY),
    Step::Seconds(2 * DAY),
    Step::Seconds(7 * DAY),
    Step::Seconds(14 * DAY),
    Step::Months(1),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(24),
    Step::Months(60),
    Step::Months(120),
    Step::Months(240),
    Step::Months(600),
    Step::Months(1200),
    Step::Months(6000),
];

/// True if these seconds can be shown as dates.
pub fn is_showable(low: f64, high: f64) -> bool {
    low >= -SECONDS_MAX && high <= SECONDS_MAX
}

/// `2020-03-05`, or with `clock` `2020-03-05 14:30`.
pub fn written(seconds: f64, clock: bool) -> String {
    let seconds = seconds.round() as i64;
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let date = format!("{year:04}-{month:02}-{day:02}");
    if clock { format!("{date} {}", time_of_day(seconds.rem_euclid(DAY), false)) } else { date }
}

/// `14:30`, with seconds where asked for.
pub fn time_of_day(seconds: i64, fine: bool) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let tail = if fine { format!(":{:02}", seconds % 60) } else { String::new() };
    format!("{hours:02}:{minutes:02}{tail}")
}

/// At most `most` ticks at round dates.
pub fn date_ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let fits = |step: &&Step| (high - low) / length(**step) <= most as f64;
    let step = STEPS.iter().find(fits).copied().unwrap_or(Step::Months(12_000));
    match step {
        Step::Seconds(step) => second_ticks(low, high, step),
        Step::Months(step) => month_ticks(low, high, step),
    }
}

/// Ticks of a clock face: seconds since midnight.
pub fn clock_ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let steps = [1, 5, 15, 60, 300, 900, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600];
    let fits = |step: &&i64| (high - low) / (**step as f64) <= most as f64;
    let step = steps.iter().find(fits).copied().unwrap_or(DAY);
    multiples(low, high, step)
        .map(|at| Tick { at: at as f64, label: time_of_day(at, step < 60) })
        .collect()
}

fn second_ticks(low: f64, high: f64, step: i64) -> Vec<Tick> {
    let one_day = high - low < DAY as f64;
    let text = |at: i64| match (step >= DAY, one_day) {
        (true, _) => written(at as f64, false),
        (false, true) => time_of_day(at.rem_euclid(DAY), step < 60),
        (false, false) => written(at as f64, true)[5..].to_owned(),
    };
    multiples(low, high, step).map(|at| Tick { at: at as f64, label: text(at) }).collect()
}

fn month_ticks(low: f64, high: f64, step: i64) -> Vec<Tick> {
    let (year, month, _) = civil_from_days((low as i64).div_euclid(DAY));
    let first = (year * 12 + month - 1).div_euclid(step);
    let tick = |index: i64| {
        let months = (first + index) * step;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
        let label = match step {
            12.. => year.to_string(),
            _ => format!("{} {year}", MONTHS[month as usize]),
        };
        Tick { at: (days_from_civil(year, month + 1, 1) * DAY) as f64, label }
    };
    (0..64).map(tick).filter(|tick| tick.at >= low).take_while(|tick| tick.at <= high).collect()
}

fn multiples(low: f64, high: f64, step: i64) -> impl Iterator<Item = i64> {
    let first = (low / step as f64).ceil() as i64;
    (first..first + 64).map(move |index| index * step).take_while(move |at| *at as f64 <= high)
}

fn length(step: Step) -> f64 {
    match step {
        Step::Seconds(seconds) => seconds as f64,
        Step::Months(months) => months as f64 * 30.44 * DAY as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_the_dates_that_they_are() {
        for (seconds, text) in [
            (0.0, "1970-01-01 00:00"),
            (951_827_696.0, "2000-02-29 12:34"),
            (-1.0, "1969-12-31 23:59"),
            (-2_208_988_800.0, "1900-01-01 00:00"),
            (4_107_542_400.0, "2100-03-01 00:00"),
        ] {
            assert_eq!(written(seconds, true), text);
        }
    }

    #[test]
    fn ticks_stand_at_round_dates() {
        let labels = |low: f64, high: f64| {
            date_ticks(low, high, 5).into_iter().map(|tick| tick.label).collect::<Vec<_>>()
        };
        let day = DAY as f64;
        assert_eq!(labels(0.0, 4000.0 * day), ["1970", "1975", "1980"][..]);
        assert_eq!(labels(0.0, 100.0 * day), ["Jan 1970", "Feb 1970", "Mar 1970", "Apr 1970"][..]);
        assert_eq!(labels(0.0, 4.5 * day)[..3], ["1970-01-01", "1970-01-02", "1970-01-03"]);
        assert_eq!(labels(0.0, 7200.0), ["00:00", "01:00", "02:00"][..]);
    }

    #[test]
    fn any_span_gives_few_ticks() {
        for power in 0..12 {
            let span = libm::pow(10.0, f64::from(power));
            for low in [-6e10, -1.0, 0.0, 1.6e9] {
                let ticks = date_ticks(low, low + span, 5);
                assert!(ticks.len() <= 7, "{low} {span}: {}", ticks.len());
            }
        }
    }
}
