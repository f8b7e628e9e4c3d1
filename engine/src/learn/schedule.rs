//! How the learning rate and the moving average change with the step.

/// Linear warm-up, then half a cosine down to `floor` of the peak at the last step.
pub(crate) fn cosine(step: u64, steps: u64, warmup: u64, floor: f64) -> f64 {
    let warm = if warmup == 0 { 1.0 } else { (step as f64 / warmup as f64).min(1.0) };
    let way = step as f64 / steps.max(1) as f64;
    // `libm`, because the C library's cosine may differ between machines.
    let down = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * way.min(1.0)));
    warm * (down * (1.0 - floor) + floor)
}

/// Decay of a moving average that forgets its first values faster than its later ones.
pub(crate) fn average_decay(step: u64, decay: f64) -> f64 {
    let done = (step + 1) as f64;
    decay.min((1.0 + done) / (10.0 + done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_climbs_then_falls_to_its_floor() {
        for (step, rate) in [(0, 0.0), (10, 0.976), (500, 0.51), (1000, 0.02)] {
            let found = cosine(step, 1000, 10, 0.02);
            assert!((found - rate).abs() < 0.025, "step {step}: {found} where {rate} was expected");
        }
        assert!(average_decay(0, 0.999) < 0.2 && average_decay(1_000_000, 0.999) == 0.999);
    }
}
