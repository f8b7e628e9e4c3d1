//! Pronounceable words of any length from a small stock of syllables, and texts from templates.
//!
//! A template is a text with every letter replaced by `A` or `a` and every digit by `9`;
//! what is neither stands for itself.

use crate::random::Stream;

const ONSETS: [&str; 24] = [
    "t", "n", "s", "h", "r", "d", "l", "c", "m", "w", "f", "g", "p", "b", "v", "k", "st", "br",
    "tr", "ch", "sh", "th", "l", "m",
];
const NUCLEI: [&str; 16] =
    ["e", "a", "o", "i", "u", "e", "a", "o", "i", "e", "a", "ea", "io", "ai", "ou", "e"];
const CODAS: [&str; 8] = ["", "", "", "", "n", "r", "s", "l"];

/// The look of a text: `A`, `a`, `9`, and everything else as it is.
pub(super) fn template(text: &str) -> String {
    text.chars().map(class).collect()
}

/// Writes a new text of this look.
pub(super) fn fill(template: &str, stream: &mut Stream, text: &mut String) {
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let letter = matches!(first, 'A' | 'a');
        let length = rest.find(|c: char| matches!(c, 'A' | 'a') != letter).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        if letter {
            write_word(run, stream, text);
        } else {
            text.extend(run.chars().map(|c| if c == '9' { digit(stream) } else { c }));
        }
        rest = after;
    }
}

/// A decimal digit.
pub(super) fn digit(stream: &mut Stream) -> char {
    char::from(b'0' + pick(stream, 10) as u8)
}

fn write_word(cases: &str, stream: &mut Stream, text: &mut String) {
    let begin = text.len();
    // A third of the words begin with a vowel.
    let mut onset = pick(stream, 3) > 0;
    while text.len() - begin < cases.len() {
        if onset {
            text.push_str(ONSETS[pick(stream, ONSETS.len())]);
        }
        text.push_str(NUCLEI[pick(stream, NUCLEI.len())]);
        text.push_str(CODAS[pick(stream, CODAS.len())]);
        onset = true;
    }
    text.truncate(begin + cases.len());
    if cases.contains('A') {
        let word = text.split_off(begin);
        let cased = word.chars().zip(cases.chars());
        text.extend(cased.map(|(c, case)| if case == 'A' { c.to_ascii_uppercase() } else { c }));
    }
}

fn pick(stream: &mut Stream, below: usize) -> usize {
    // The bias of a 32-bit draw over a handful of syllables is without meaning.
    ((u64::from(stream.bits()) * below as u64) >> 32) as usize
}

fn class(c: char) -> char {
    if c.is_numeric() {
        '9'
    } else if c.is_uppercase() {
        'A'
    } else if c.is_alphabetic() {
        'a'
    } else {
        c
    }
}
