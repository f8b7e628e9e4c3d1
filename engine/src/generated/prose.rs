//! Free texts: look-alikes of the templates that several rows share, else texts of as many words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tgs_protocol::limits::SHARED_ROWS_MIN;

use super::{Writer, word};
use crate::random::Stream;

/// Longest text whose template is kept as a whole.
const TEMPLATE_CHARS_MAX: usize = 48;
/// Different templates counted at once; bounds memory on millions of long texts.
const TEMPLATES_COUNTED_MAX: usize = 1 << 16;
/// Different templates kept.
const TEMPLATES_KEPT_MAX: usize = 512;
/// Reserved for examples (RFC 2606): no letter sent there reaches a person.
const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];

/// How often which look was met. Weights are rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prose {
    /// Whole texts.
    templates: Vec<(String, u64)>,
    /// Rows that look like an e-mail address.
    emails: u64,
    /// Their part before the `@`.
    mailboxes: Vec<(String, u64)>,
    /// Rows that share no template; written word by word.
    others: u64,
    /// How many words those have.
    word_counts: Vec<(u64, u64)>,
    /// How their words look, with punctuation.
    words: Vec<(String, u64)>,
}

type Tally<K> = BTreeMap<K, u64>;

impl Prose {
    pub(super) fn fit(values: &[&str]) -> Self {
        let (mut whole, mut mailboxes) = (Tally::new(), Tally::new());
        let mut emails = 0;
        for value in values {
            match mailbox(value) {
                Some(name) => {
                    emails += 1;
                    count(&mut mailboxes, clip(name));
                }
                None if is_short(value) => count(&mut whole, word::template(value)),
                None => {}
            }
        }
        let (mut word_counts, mut words, mut others) = (Tally::new(), Tally::new(), 0);
        let shared = |value: &str| {
            is_short(value)
                && whole.get(&word::template(value)).is_some_and(|n| *n >= SHARED_ROWS_MIN)
        };
        for value in values.iter().filter(|value| mailbox(value).is_none() && !shared(value)) {
            others += 1;
            count(&mut word_counts, rounded(value.split_whitespace().count() as u64));
            value.split_whitespace().for_each(|word| count(&mut words, clip(word)));
        }
        Self {
            templates: kept(whole, None),
            emails,
            mailboxes: kept(mailboxes, Some("aaaaa.aaaaaa".to_owned())),
            others,
            word_counts: kept(word_counts, Some(3)),
            words: kept(words, Some("aaaaa".to_owned())),
        }
    }

    pub(super) fn writer(&self) -> Writer<'_> {
        let templates = Weighted::new(&self.templates);
        let mailboxes = Weighted::new(&self.mailboxes);
        let word_counts = Weighted::new(&self.word_counts);
        let words = Weighted::new(&self.words);
        let total = templates.total() + self.emails + self.others;
        Box::new(move |_, stream, text| {
            let at = stream.below(total.max(1));
            if at < self.emails {
                word::fill(mailboxes.pick(stream).map_or("a", String::as_str), stream, text);
                text.push('@');
                text.push_str(DOMAINS[stream.below(DOMAINS.len() as u64) as usize]);
            } else if at < self.emails + self.others {
                let count = word_counts.pick(stream).copied().unwrap_or(1);
                for word in 0..count {
                    if word > 0 {
                        text.push(' ');
                    }
                    word::fill(words.pick(stream).map_or("a", String::as_str), stream, text);
                }
            } else if let Some(template) = templates.pick(stream) {
                word::fill(template, stream, text);
            }
        })
    }
}

/// Items and the running sum of their weights.
pub(super) struct Weighted<'a, T> {
    items: &'a [(T, u64)],
    sums: Vec<u64>,
}

impl<'a, T> Weighted<'a, T> {
    pub(super) fn new(items: &'a [(T, u64)]) -> Self {
        let mut sum = 0;
        let sums = items.iter().map(|(_, weight)| {
            sum += weight;
            sum
        });
        Self { items, sums: sums.collect() }
    }
    pub(super) fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }
    /// One of them; none of none.
    pub(super) fn pick(&self, stream: &mut Stream) -> Option<&'a T> {
        let total = self.total();
        let at = if total > 0 { stream.below(total) } else { return None };
        self.items.get(self.sums.partition_point(|sum| *sum <= at)).map(|(item, _)| item)
    }
}

fn mailbox(value: &str) -> Option<&str> {
    let (name, domain) = value.split_once('@')?;
    let plain = !value.contains(char::is_whitespace) && !domain.contains('@');
    (plain && !name.is_empty() && domain.contains('.')).then_some(name)
}

fn is_short(value: &str) -> bool {
    value.len() <= TEMPLATE_CHARS_MAX
}

fn clip(word: &str) -> String {
    word::template(word).chars().take(24).collect()
}

/// Exact up to 16, then to a multiple of 8: an exact length can be as telling as a name.
fn rounded(words: u64) -> u64 {
    if words <= 16 { words } else { (words + 4) / 8 * 8 }
}

fn count<K: Ord>(tally: &mut Tally<K>, key: K) {
    if tally.len() < TEMPLATES_COUNTED_MAX || tally.contains_key(&key) {
        *tally.entry(key).or_insert(0) += 1;
    }
}

/// What enough rows share, most frequent first; if nothing, the stand-in.
fn kept<K: Ord>(tally: Tally<K>, instead: Option<K>) -> Vec<(K, u64)> {
    let met = !tally.is_empty();
    let mut kept: Vec<(K, u64)> =
        tally.into_iter().filter(|(_, n)| *n >= SHARED_ROWS_MIN).collect();
    kept.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    kept.truncate(TEMPLATES_KEPT_MAX);
    match instead {
        Some(instead) if kept.is_empty() && met => vec![(instead, 1)],
        _ => kept,
    }
}
