//! Ids: counting on, random UUIDs, or a pattern of character classes filled one to one.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};
use tgs_protocol::limits::SHARED_ROWS_MIN;

use super::{Writer, mixer::Mixer, prose::Weighted};
use crate::random::Stream;

/// Numbers spread wider than this times their count are not counted on but scattered.
const SPREAD_MAX: u64 = 64;
/// Digits of the longest number that is counted on.
const COUNTER_DIGITS_MAX: usize = 17;
/// A pattern that holds so many ids needs no widening: more than rows that may be asked for.
const ROOMY: u64 = 1 << 30;
/// Ids of one pattern are numbered up to here; places beyond are filled at random.
const NUMBERED_MAX: u64 = 1 << 62;

/// How new ids are written: a one-to-one function of the row number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Identifier {
    /// The prefix, then `next` + row number, padded with zeros to `width`.
    Counter { prefix: String, next: u64, width: usize },
    /// Random UUIDs (RFC 9562, version 4).
    Uuid { upper: bool },
    /// The prefix, then one of the shapes, all of different length, with the rows that have it.
    Pattern { prefix: String, shapes: Vec<(Shape, u64)> },
}

/// Places of a pattern, left to right.
type Shape = Vec<Place>;

/// What may stand at one place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Place {
    Always(char),
    Digit,
    DigitNotZero,
    HexLower,
    HexUpper,
    Lower,
    Upper,
    Letter,
    LowerOrDigit,
    UpperOrDigit,
    LetterOrDigit,
}

impl Identifier {
    /// Learns the look of ids; `values` must hold at least one.
    pub(super) fn fit(values: &[&str]) -> Self {
        if values.iter().all(|value| is_uuid(value)) {
            let upper = values.iter().any(|value| value.contains(|c: char| c.is_ascii_uppercase()));
            return Self::Uuid { upper };
        }
        whole_numbers(values).or_else(|| counter(values)).unwrap_or_else(|| pattern(values))
    }

    pub(super) fn writer(&self, seed: u64) -> Writer<'_> {
        match self {
            Self::Counter { prefix, next, width } => Box::new(move |row, _, text| {
                text.push_str(prefix);
                write!(text, "{:0width$}", next + row).expect("a string takes all");
            }),
            Self::Uuid { upper } => {
                let mixer = Mixer::new(seed, u64::MAX);
                Box::new(move |row, stream, text| write_uuid(&mixer, *upper, row, stream, text))
            }
            Self::Pattern { prefix, shapes } => {
                let weighted = Weighted::new(shapes);
                let mut mixers = BTreeMap::new();
                Box::new(move |row, stream, text| {
                    text.push_str(prefix);
                    if let Some(shape) = weighted.pick(stream) {
                        let (space, row) = widen(shape, row, text);
                        let mixer = mixers.entry(space).or_insert_with(|| Mixer::new(seed, space));
                        write_shape(shape, mixer.mix(row), stream, text);
                    }
                })
            }
        }
    }
}

/// Plain integers, signed or not.
fn whole_numbers(values: &[&str]) -> Option<Identifier> {
    let numbers = values.iter().map(|value| {
        let number: i64 = value.parse().ok()?;
        (number.abs() < 10_i64.pow(COUNTER_DIGITS_MAX as u32) && number.to_string() == *value)
            .then_some(number)
    });
    let numbers = numbers.collect::<Option<Vec<i64>>>()?;
    let (least, largest) = (*numbers.iter().min()?, *numbers.iter().max()?);
    let next = u64::try_from(largest + 1).unwrap_or(0);
    let counter = Identifier::Counter { prefix: String::new(), next, width: 0 };
    is_dense(least.abs_diff(largest), numbers.len()).then_some(counter)
}

/// Numbers that were counted, not given: the largest of them tells nothing about a person.
fn is_dense(range: u64, count: usize) -> bool {
    range <= SPREAD_MAX * count as u64
}

/// A prefix that all share, then a number.
fn counter(values: &[&str]) -> Option<Identifier> {
    let prefix = shared_prefix(values);
    let digits: Vec<&str> = values.iter().map(|value| &value[prefix.len()..]).collect();
    let counted = |text: &&str| {
        (1..=COUNTER_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits.iter().all(counted) {
        return None;
    }
    let padded = digits.iter().any(|text| text.len() > 1 && text.starts_with('0'));
    let width = digits.first()?.len();
    if padded && digits.iter().any(|text| text.len() != width) {
        return None;
    }
    let numbers: Vec<u64> = digits.iter().filter_map(|text| text.parse().ok()).collect();
    let (least, largest) = (numbers.iter().min()?, numbers.iter().max()?);
    let width = if padded { width } else { 0 };
    let counter = Identifier::Counter { prefix: prefix.to_owned(), next: largest + 1, width };
    is_dense(largest - least, numbers.len()).then_some(counter)
}

fn pattern(values: &[&str]) -> Identifier {
    let prefix = shared_prefix(values);
    let mut by_length: BTreeMap<usize, (Vec<Seen>, u64)> = BTreeMap::new();
    for value in values {
        let rest = &value[prefix.len()..];
        let length = rest.chars().count();
        let (seen, rows) =
            by_length.entry(length).or_insert_with(|| (vec![Seen::default(); length], 0));
        *rows += 1;
        seen.iter_mut().zip(rest.chars()).for_each(|(seen, c)| seen.note(c));
    }
    let mut shapes: Vec<(Shape, u64)> =
        by_length.into_values().map(|(seen, rows)| (shape(&seen), rows)).collect();
    // The commonest first; of equally common ones the longest.
    shapes.sort_by_key(|(shape, rows)| std::cmp::Reverse((*rows, shape.len())));
    let roomy =
        |(shape, rows): &&(Shape, u64)| *rows >= SHARED_ROWS_MIN && numbered(shape) >= ROOMY;
    let enough: Vec<(Shape, u64)> = shapes.iter().filter(roomy).cloned().collect();
    // A narrow shape is widened by digits; only one may be, else two could meet at one length.
    let shapes = if enough.is_empty() { shapes.into_iter().take(1).collect() } else { enough };
    Identifier::Pattern { prefix: prefix.to_owned(), shapes }
}

/// The places of texts of one length. Where none begins with a zero, none will: `0123` is no
/// number.
fn shape(seen: &[Seen]) -> Shape {
    let mut shape: Shape = seen.iter().map(Seen::place).collect();
    if let (Some(first @ Place::Digit), Some(Seen { zero: false, .. })) =
        (shape.first_mut(), seen.first())
    {
        *first = Place::DigitNotZero;
    }
    shape
}

/// Characters met at one place.
#[derive(Debug, Clone, Default)]
struct Seen {
    zero: bool,
    digit: bool,
    lower: bool,
    upper: bool,
    beyond_hex: bool,
    mark: Option<char>,
}

impl Seen {
    fn note(&mut self, c: char) {
        self.zero |= c == '0';
        if c.is_numeric() {
            self.digit = true;
        } else if c.is_alphabetic() {
            self.beyond_hex |= !c.is_ascii_hexdigit();
            self.upper |= c.is_uppercase();
            self.lower |= !c.is_uppercase();
        } else {
            self.mark = Some(c);
        }
    }
    fn place(&self) -> Place {
        match (self.digit, self.lower, self.upper) {
            (false, false, false) => Place::Always(self.mark.unwrap_or('-')),
            (true, false, false) => Place::Digit,
            (false, true, false) => Place::Lower,
            (false, false, true) => Place::Upper,
            (false, true, true) => Place::Letter,
            (true, true, false) if !self.beyond_hex => Place::HexLower,
            (true, false, true) if !self.beyond_hex => Place::HexUpper,
            (true, true, false) => Place::LowerOrDigit,
            (true, false, true) => Place::UpperOrDigit,
            (true, true, true) => Place::LetterOrDigit,
        }
    }
}

impl Place {
    fn alphabet(self) -> &'static [u8] {
        const ALL: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        match self {
            Self::Always(_) => b"",
            Self::Digit => &ALL[..10],
            Self::DigitNotZero => &ALL[1..10],
            Self::HexLower => b"0123456789abcdef",
            Self::HexUpper => &ALL[..16],
            Self::Lower => &ALL[36..],
            Self::Upper => &ALL[10..36],
            Self::Letter => &ALL[10..],
            Self::LowerOrDigit => b"0123456789abcdefghijklmnopqrstuvwxyz",
            Self::UpperOrDigit => &ALL[..36],
            Self::LetterOrDigit => ALL,
        }
    }
}

/// The prefix of all values, back to before its last digits, which belong to the number. Without
/// enough values nothing is shared but by chance.
fn shared_prefix<'a>(values: &[&'a str]) -> &'a str {
    let Some(first) = values.first().filter(|_| values.len() as u64 >= SHARED_ROWS_MIN) else {
        return "";
    };
    let shared = values.iter().fold(first.len(), |shared, value| {
        let same = first.bytes().zip(value.bytes()).take(shared);
        same.take_while(|(one, other)| one == other).count()
    });
    let whole = (0..=shared).rev().find(|at| first.is_char_boundary(*at)).unwrap_or(0);
    first[..whole].trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Ids a shape can number: the places, from the right, whose product stays below the limit.
fn numbered(shape: &[Place]) -> u64 {
    shape.iter().rev().fold(1, |space: u64, place| match place.alphabet().len() as u64 {
        0 => space,
        size => space.checked_mul(size).filter(|space| *space <= NUMBERED_MAX).unwrap_or(space),
    })
}

/// Rows beyond the room of a shape get one more leading digit, the next ten times as many get two
/// …: texts of different length never meet. Returns the room and the row's number in it.
fn widen(shape: &[Place], mut row: u64, text: &mut String) -> (u64, u64) {
    let mut space = numbered(shape);
    let mut extra = 0;
    let mut tens = 1;
    while row >= space.saturating_mul(tens) {
        row -= space * tens;
        tens *= 10;
        extra += 1;
    }
    if extra > 0 {
        write!(text, "{:0extra$}", row / space).expect("a string takes all");
        row %= space;
    }
    space = space.max(1);
    (space, row)
}

fn write_shape(shape: &[Place], mut number: u64, stream: &mut Stream, text: &mut String) {
    let begin = text.len();
    let mut space = 1_u64;
    for place in shape.iter().rev() {
        let alphabet = place.alphabet();
        let size = alphabet.len() as u64;
        match (place, space.checked_mul(size).filter(|space| *space <= NUMBERED_MAX)) {
            (Place::Always(mark), _) => text.push(*mark),
            (_, Some(wider)) => {
                text.push(char::from(alphabet[(number % size) as usize]));
                number /= size;
                space = wider;
            }
            (_, None) => text.push(char::from(alphabet[stream.below(size) as usize])),
        }
    }
    let reversed: String = text.split_off(begin).chars().rev().collect();
    text.push_str(&reversed);
}

fn write_uuid(mixer: &Mixer, upper: bool, row: u64, stream: &mut Stream, text: &mut String) {
    let high = mixer.mix(row);
    let low = stream.long_bits() >> 6;
    // 64 + 58 payload bits around the version (4) and the variant (binary 10).
    let bits = u128::from(high >> 16) << 80
        | 0x4 << 76
        | u128::from(high >> 4 & 0xFFF) << 64
        | 0b10 << 62
        | u128::from(high & 0xF) << 58
        | u128::from(low);
    let begin = text.len();
    write!(text, "{bits:032x}").expect("a string takes all");
    for at in [8, 13, 18, 23] {
        text.insert(begin + at, '-');
    }
    if upper {
        let shouted = text.split_off(begin).to_ascii_uppercase();
        text.push_str(&shouted);
    }
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
