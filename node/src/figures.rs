//! Numbers as people read them.

use std::time::Duration;

use tgs_protocol::unit::separated;

/// `48842` → `48,842`.
pub fn count(number: u64) -> String {
    separated(&number.to_string())
}

/// `0.4 s`, `12 s`, `3:05`, `1:02:03`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// `5.2 MB`; powers of 1000, as disks are sold.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut size = number as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (48842, "48,842")] {
            assert_eq!(count(number), text);
        }
        for (seconds, text) in
            [(0.43, "0.4 s"), (12.9, "12 s"), (185.0, "3:05"), (3723.0, "1:02:03")]
        {
            assert_eq!(span(Duration::from_secs_f64(seconds)), text);
        }
        for (number, text) in [(12, "12 B"), (5_277_522, "5.3 MB")] {
            assert_eq!(bytes(number), text);
        }
    }
}
