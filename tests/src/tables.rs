//! Tables for tests, made by a rule.

/// Rows of a small table of three numbers that no gate has anything against.
pub fn numbers(rows: usize) -> Vec<u8> {
    let spread = |at: usize, by: usize| at * by % 10_007;
    let rows = (0..rows).map(|at| format!("{},{},{}\n", spread(at, 37), spread(at, 101), at % 3));
    format!("a,b,c\n{}", rows.collect::<String>()).into_bytes()
}
