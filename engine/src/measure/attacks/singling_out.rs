//! Singling out: the attacker writes descriptions that fit one synthetic row alone and hopes that
//! they fit one real person alone. Descriptions of one column ask for its rarest cells, those of
//! three columns lie on the outer side of the medians of a synthetic row.

use std::collections::BTreeSet;

use tgs_protocol::engine::EngineError;

use super::{Rate, Risk, attacked, held};
use crate::{
    measure::{
        crew::Crew,
        frame::{Frame, MISSING, Side, Values},
        picture::quantile,
        sample::Draw,
        shape,
    },
    random::Stream,
};

/// Descriptions of each kind.
const DESCRIPTIONS: usize = 500;
/// Rows that are tried to find as many.
const TRIES_MAX: usize = 5_000;
/// Columns of a longer description.
const COLUMNS: usize = 3;
/// Real rows among which a description must fit one alone.
const AMONG_MAX: usize = 10_000;
/// Descriptions of one piece of work.
const PIECE: usize = 100;
/// Draws of this attack, told apart from those of the others.
const PART: u64 = 0;

/// What one column of a description asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    Missing,
    Level(u32),
    /// Bits of a number: equal to it, at most, at least.
    Exactly(u64),
    AtMost(u64),
    AtLeast(u64),
}

/// Column by column, ascending.
type Description = Vec<(usize, Asks)>;

/// The worse of both kinds; none when no description fits one synthetic row alone.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(frame: &Frame, seed: u64, crew: Crew) -> Result<Option<Risk>, EngineError> {
    if frame.fields.is_empty() {
        return Ok(None);
    }
    let held = frame.synthetic.pick(&held(frame, PART, seed));
    let mut dice = Draw::Attacks.stream(seed, PART + 3);
    let [members, strangers] =
        attacked(frame, PART + 1, seed, AMONG_MAX).map(|(side, rows)| side.pick(&rows));
    let rare = rare_cells(&held, &mut dice);
    let outer = outer_corners(&held, &mut dice, crew)?;
    let mut risks = Vec::new();
    for descriptions in [rare, outer] {
        if descriptions.is_empty() {
            continue;
        }
        let rate = |side: &Side| -> Result<Rate, EngineError> {
            let hits = which_fit_one_alone(side, &descriptions, crew)?;
            Ok(Rate::of(hits.iter().filter(|hit| **hit).count(), hits.len()))
        };
        risks.push(Risk { members: rate(&members)?, strangers: rate(&strangers)? });
    }
    Ok(risks.into_iter().max_by(|a, b| a.at_least().total_cmp(&b.at_least())))
}

/// Descriptions of one column: its smallest and largest number, and what stands there once.
fn rare_cells(side: &Side, dice: &mut Stream) -> Vec<Description> {
    let mut found = Vec::new();
    for (column, values) in side.columns.iter().enumerate() {
        if values.missing() == 1 {
            found.push((column, Asks::Missing));
        }
        match values {
            Values::Level(codes) => {
                let most = codes.iter().filter(|code| **code != MISSING).max();
                let counts = shape::counts(codes, most.map_or(0, |most| *most as usize + 1));
                let once = counts.iter().zip(0..).filter(|(count, _)| **count == 1);
                found.extend(once.map(|(_, code)| (column, Asks::Level(code))));
            }
            Values::Number(values) => {
                let sorted = shape::sorted(values);
                let low = sorted.first().map(|low| Asks::AtMost(low.to_bits()));
                let high = sorted.last().map(|high| Asks::AtLeast(high.to_bits()));
                found.extend([low, high].into_iter().flatten().map(|asks| (column, asks)));
                let once = sorted.chunk_by(|a, b| a == b).filter(|equal| equal.len() == 1);
                found.extend(once.map(|value| (column, Asks::Exactly(value[0].to_bits()))));
            }
        }
    }
    dice.shuffle(&mut found);
    let alone = found.into_iter().map(|asked| vec![asked]).filter(|d| fits_one_alone(side, d));
    alone.take(DESCRIPTIONS).collect()
}

/// Descriptions of some columns of a synthetic row: categories as they are, numbers outward.
fn outer_corners(
    side: &Side,
    dice: &mut Stream,
    crew: Crew,
) -> Result<Vec<Description>, EngineError> {
    let median = |values: &Values| {
        let sorted = shape::sorted(values.numbers()?);
        (!sorted.is_empty()).then(|| quantile(&sorted, 0.5))
    };
    let medians: Vec<Option<f64>> = side.columns.iter().map(median).collect();
    let width = side.columns.len();
    let tried: Vec<Description> = (0..TRIES_MAX)
        .map(|_| {
            let row = usize::try_from(dice.below(side.rows as u64)).unwrap_or(0);
            let columns = dice.subsample(width, COLUMNS.min(width));
            let asks = |column: usize| match &side.columns[column] {
                Values::Level(codes) if codes[row] == MISSING => Asks::Missing,
                Values::Level(codes) => Asks::Level(codes[row]),
                Values::Number(values) if values[row].is_nan() => Asks::Missing,
                Values::Number(values) if medians[column].is_some_and(|m| values[row] > m) => {
                    Asks::AtLeast(values[row].to_bits())
                }
                Values::Number(values) => Asks::AtMost(values[row].to_bits()),
            };
            columns.into_iter().map(|column| (column, asks(column))).collect()
        })
        .collect();
    let alone = which_fit_one_alone(side, &tried, crew)?;
    let alone = tried.into_iter().zip(alone).filter_map(|(tried, alone)| alone.then_some(tried));
    let mut seen = BTreeSet::new();
    Ok(alone.filter(|description| seen.insert(description.clone())).take(DESCRIPTIONS).collect())
}

fn which_fit_one_alone(
    side: &Side,
    descriptions: &[Description],
    crew: Crew,
) -> Result<Vec<bool>, EngineError> {
    let pieces: Vec<&[Description]> = descriptions.chunks(PIECE).collect();
    let fits = |at: usize| pieces[at].iter().map(|one| fits_one_alone(side, one)).collect();
    Ok(crew.map(pieces.len(), |at| Ok::<Vec<bool>, _>(fits(at)))?.concat())
}

fn fits_one_alone(side: &Side, description: &[(usize, Asks)]) -> bool {
    let fits = |row: &usize| description.iter().all(|(column, asks)| asks.fit(side, *column, *row));
    (0..side.rows).filter(fits).take(2).count() == 1
}

impl Asks {
    fn fit(self, side: &Side, column: usize, row: usize) -> bool {
        match (&side.columns[column], self) {
            (Values::Level(codes), Self::Missing) => codes[row] == MISSING,
            (Values::Level(codes), Self::Level(code)) => codes[row] == code,
            (Values::Number(values), Self::Missing) => values[row].is_nan(),
            (Values::Number(values), Self::Exactly(bits)) => values[row] == f64::from_bits(bits),
            (Values::Number(values), Self::AtMost(bits)) => values[row] <= f64::from_bits(bits),
            (Values::Number(values), Self::AtLeast(bits)) => values[row] >= f64::from_bits(bits),
            _ => false,
        }
    }
}
