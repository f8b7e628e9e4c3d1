//! Texts that mean "nothing is known" when the rest of a column is numbers or dates.

/// Beside the empty cell. In a column of categories the same texts are categories.
const TOKENS: [&str; 34] = [
    "NA",
    "N/A",
    "n/a",
    "na",
    "NaN",
    "nan",
    "NAN",
    "null",
    "NULL",
    "Null",
    "None",
    "none",
    "NONE",
    "?",
    "-",
    "--",
    ".",
    "#N/A",
    "<NA>",
    "NIL",
    "nil",
    "missing",
    "inf",
    "+inf",
    "-inf",
    "Inf",
    "+Inf",
    "-Inf",
    "INF",
    "-INF",
    "Infinity",
    "-Infinity",
    "infinity",
    "-infinity",
];

/// Number of a token, if the text (blanks around it aside) is one.
#[inline]
pub fn token(text: &[u8]) -> Option<usize> {
    if text.len() > 16 {
        return None;
    }
    let text = text.trim_ascii();
    TOKENS.iter().position(|token| token.as_bytes() == text)
}

/// The text of a token.
pub fn token_text(number: usize) -> &'static str {
    TOKENS.get(number).copied().unwrap_or("")
}

/// True for a token that says more than "nothing": it stands for no cell that was empty.
pub fn is_infinite(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("inf")
}

/// Number of tokens.
pub const TOKEN_COUNT: usize = TOKENS.len();
