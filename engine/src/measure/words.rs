//! Numbers as people read them.

/// Three decimals at most, none lost to zeros: `0.012`, `0.0004`, `12.3`.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size < 0.001 => 5,
        size if size < 1.0 => 3,
        size if size < 100.0 => 2,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// The verb after so many rows: one equals, two equal.
pub fn equal(rows: u64) -> &'static str {
    if rows == 1 { "equals" } else { "equal" }
}

/// `97.3 %`.
pub fn percent(share: f64) -> String {
    let digits = if share.abs() < 0.001 && share != 0.0 { 3 } else { 1 };
    format!("{:.digits$} %", 100.0 * share)
}

/// `54 times out of 100`.
pub fn times_of_hundred(share: f64) -> String {
    format!("{:.0} times out of 100", 100.0 * share)
}
