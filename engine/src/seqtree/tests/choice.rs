//! Which leaves the plan chooses, by what comes of them.

use serde_json::json;

use super::*;
use crate::measure::{copies, frame::Frame};

/// A number that is there or not by a level: the least that a tree must learn of any table.
#[test]
fn what_is_missing_by_rule_is_so_in_a_small_table_too() {
    for rows in [60, 172, 600] {
        let mut dice = Stream::new(5, Purpose::Test, rows);
        let placed: Vec<bool> = (0..rows).map(|_| dice.uniform() < 0.7).collect();
        let salary = placed.iter().map(|placed| placed.then(|| dice.below(900) as f64));
        let source = Table::new(vec![
            number("salary", 0, salary.collect()),
            level("placed", 2, placed.iter().map(|placed| Some(u32::from(*placed))).collect()),
        ]);
        let made = cells(&drawn(&trained(&source, json!({})), 0, 2_000));
        let fits = made[0].iter().zip(&made[1]).filter(|(salary, placed)| {
            salary.is_some() == placed.as_ref().is_some_and(|placed| placed.ends_with('1'))
        });
        assert_eq!(fits.count(), 2_000, "{rows} rows");
    }
}

/// The best of many cuts of a column of thousands of levels explains much by chance, and with the
/// level of a row, which few hold, its number comes back.
#[test]
fn rows_of_rare_levels_are_not_copied() {
    let (rows, levels) = (8_000, 2_000);
    let mut dice = Stream::new(6, Purpose::Test, 0);
    let towns = (0..rows).map(|_| Some(dice.below(levels) as u32)).collect();
    let prices = (0..rows).map(|_| Some(dice.below(500) as f64)).collect();
    let source =
        Table::new(vec![level("town", levels as usize, towns), number("price", 0, prices)]);
    let copied = |overrides: Value| {
        let made = drawn(&trained(&source, overrides), 0, rows);
        let frame = Frame::new(&source, &source.slice(0, 0), &made).expect("compares");
        copies::measure(&frame).beyond_chance()
    };
    assert!(copied(json!({"min_leaf": 100, "gain_min": 4.0})) > 0.0, "the case is one");
    assert_eq!(copied(json!({})), 0.0);
}

/// All settings copy a table whose rows are in their own levels alone; the plan goes on.
#[test]
fn a_table_that_is_copied_anyhow_is_still_planned() {
    let rows = 300;
    let own = |name| level(name, rows, (0..rows as u32).map(Some).collect());
    let plan = planned(&Table::new(vec![own("name")]), json!({})).expect("plans");
    assert!(plan.because.contains("copies of rare rows beyond chance"), "{}", plan.because);
}
