//! Numbers to tokens and back, under every normalisation.

use super::*;
use crate::{
    random::{Purpose, Stream},
    table::Table,
};

const ALL: [Normalisation; 3] =
    [Normalisation::Quantile, Normalisation::Standard, Normalisation::Cdf];

fn fit(values: &[f64], digits: u8, config: &TabgraphConfig) -> NumberScale {
    let format = ValueFormat::Decimal { digits, least: digits };
    let own = OwnNumbers::of(&Table::new(vec![]), config.shared_rows_min);
    NumberScale::fit(values.to_vec(), &[], &format, own, config)
}

fn scale(values: &[f64], digits: u8) -> NumberScale {
    fit(values, digits, &TabgraphConfig::default())
}

/// What these tokens mean.
fn meant(scale: &NumberScale, tokens: &[f32], rank_offset: Option<f64>) -> Vec<f64> {
    let mut meanings = vec![Meaning::ByRank; tokens.len()];
    scale.decode(tokens, &mut meanings, rank_offset);
    let number = |meaning: &Meaning| match meaning {
        Meaning::Number(value) => *value,
        other => panic!("{other:?} is no number"),
    };
    meanings.iter().map(number).collect()
}

/// As many rows as were learned from, with chance tokens, brought to their ranks.
fn drawn(scale: &NumberScale, rows: usize) -> Vec<f64> {
    let mut dice = Stream::new(3, Purpose::Test, 0);
    let tokens: Vec<f32> = (0..rows).map(|_| dice.normal() as f32).collect();
    meant(scale, &tokens, Some(0.5))
}

/// Incomes to the cent are somebody's own; a minimum wage that many have is not.
#[test]
fn numbers_of_few_rows_do_not_come_back_as_they_stood() {
    let mut dice = Stream::new(4, Purpose::Test, 0);
    let wage = 24_000.0;
    let mut values: Vec<f64> =
        (0..1_000).map(|_| (3e6 + 4e6 * dice.uniform()).round() / 100.0).collect();
    values.extend([wage; 200]);
    values.push(1e6);
    let scale = scale(&values, 2);
    let found = drawn(&scale, values.len());
    let again = |value: &&f64| **value != wage && values.contains(*value);
    let copies = found.iter().filter(again).count();
    assert!(copies < 10, "{copies} of 1,000 incomes came back to the cent");
    assert_eq!(found.iter().filter(|value| **value == wage).count(), 200);
    let most = found.iter().copied().fold(0.0, f64::max);
    assert!((990_000.0..1e6).contains(&most), "{most} is the largest income");
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    assert!((sum(&found) / sum(&values) - 1.0).abs() < 1e-3);
}

#[test]
fn a_cell_is_found_by_what_stood_there_not_by_what_is_kept() {
    let values: Vec<f64> = (0..50).map(|row| f64::from(row * row)).collect();
    let scale = scale(&values, 0);
    assert_ne!(scale.low, values);
    for (run, value) in values.iter().enumerate() {
        assert_eq!(scale.group(*value) as usize, run, "{value}");
    }
}

#[test]
fn whole_numbers_without_gaps_come_back_exactly() {
    let values: Vec<f64> = (0..300).map(|row| f64::from(row / 2)).collect();
    let mut found = drawn(&scale(&values, 0), values.len());
    found.sort_unstable_by(f64::total_cmp);
    assert_eq!(found, values);
}

#[test]
fn numbers_of_all_sizes_stay_finite() {
    for values in [vec![7.0], vec![-1e308, 1e308], vec![0.0, f64::MIN_POSITIVE, 1e-300]] {
        for normalisation in ALL {
            let config = TabgraphConfig { normalisation, ..TabgraphConfig::default() };
            let scale = fit(&values, 2, &config);
            let tokens: Vec<f64> =
                values.iter().map(|value| scale.token(scale.group(*value), 0.5)).collect();
            assert!(tokens.iter().all(|token| token.abs() < 5.0), "{values:?}: {tokens:?}");
            let (low, high) = (scale.low[0], scale.high[scale.high.len() - 1]);
            let inside = |value: &f64| (low..=high).contains(value);
            assert!(drawn(&scale, 9).iter().all(inside), "{values:?}");
            assert!(meant(&scale, &[-9.0, 0.0, 9.0], None).iter().all(inside), "{values:?}");
        }
    }
}

/// A skewed column, no two values equal, ascending.
fn skewed(rows: u32) -> Vec<f64> {
    (0..rows).map(|row| (1e4 * libm::exp(f64::from(row) / 100.0)).round() / 100.0).collect()
}

#[test]
fn tokens_are_what_their_normalisation_says() {
    let values = skewed(600);
    let rows = values.len() as f64;
    let mean = values.iter().sum::<f64>() / rows;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
    for normalisation in ALL {
        let config =
            TabgraphConfig { normalisation, shared_rows_min: 0, ..TabgraphConfig::default() };
        let scale = fit(&values, 2, &config);
        let tokens: Vec<f64> =
            values.iter().map(|value| scale.token(scale.group(*value), 0.5)).collect();
        for (at, (token, value)) in tokens.iter().zip(&values).enumerate() {
            let rank = (at as f64 + 0.5) / rows;
            let told = match normalisation {
                Normalisation::Quantile => inverse_normal(rank),
                Normalisation::Cdf => (rank - 0.5) * 12_f64.sqrt(),
                Normalisation::Standard => (value - mean) / variance.sqrt(),
            };
            assert!((token - told).abs() < 1e-9, "{normalisation:?}: {value} is {token}");
        }
        let moment = |power: i32| tokens.iter().map(|token| token.powi(power)).sum::<f64>() / rows;
        assert!(moment(1).abs() < 1e-9, "{normalisation:?}: mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.01, "{normalisation:?}: variance {}", moment(2));
        // And back, each by itself: single precision is what models give.
        let given: Vec<f32> = tokens.iter().map(|token| *token as f32).collect();
        for (back, value) in meant(&scale, &given, None).iter().zip(&values) {
            assert!((back / value - 1.0).abs() < 1e-4, "{normalisation:?}: {value} gives {back}");
        }
    }
}

#[test]
fn ends_are_cut_by_quantile() {
    let mut values = skewed(100);
    values.extend([-1e9, -2e9, 1e9, 2e9]);
    for (clip_quantile, low, high) in [
        (0.0, -2e9, 2e9),
        (0.01, -1e9, 1e9),
        // A tenth of 104 rows, less the two of each end.
        (0.1, skewed(100)[8], skewed(100)[91]),
    ] {
        for normalisation in ALL {
            let config = TabgraphConfig {
                normalisation,
                clip_quantile,
                shared_rows_min: 0,
                ..TabgraphConfig::default()
            };
            let scale = fit(&values, 2, &config);
            let name = format!("{normalisation:?} cut at {clip_quantile}");
            assert_eq!((scale.low[0], scale.high[scale.high.len() - 1]), (low, high), "{name}");
            assert_eq!(scale.count.iter().sum::<f64>(), 104.0, "{name}");
            assert_eq!(meant(&scale, &[-40.0, 40.0], None), [low, high], "{name}");
            // Cells beyond the cut train as the last within it.
            assert_eq!(scale.group(-2e9), 0, "{name}");
            assert_eq!(scale.group(2e9) as usize, scale.low.len() - 1, "{name}");
        }
    }
}
