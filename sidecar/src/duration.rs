//! Times and durations, as text and as numbers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outrigger_core::Millis;

/// Formats a duration as `1.5s`, `200ms` or `2m30s`: Go's notation, rounded.
#[must_use]
pub fn text(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        1_000..60_000 => format!("{:.1}s", duration.as_secs_f64()),
        _ if ms % 60_000 < 1_000 => format!("{}m", ms / 60_000),
        _ => format!("{}m{}s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// Milliseconds with three decimal places, as in records.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The clock's time, in the unit of accounts.
#[must_use]
pub fn millis(time: SystemTime) -> Millis {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX))
}

/// Whole seconds until a time, rounded up so that no retry comes too early; at least one.
#[must_use]
pub fn seconds_until(until: Millis, now: Millis) -> u64 {
    u64::try_from(until.saturating_sub(now)).unwrap_or(0).div_ceil(1_000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_durations() {
        for (ms, expected) in
            [(0, "0ms"), (200, "200ms"), (1_500, "1.5s"), (30_000, "30s"), (600_000, "10m"), (150_000, "2m30s")]
        {
            assert_eq!(text(Duration::from_millis(ms)), expected);
        }
    }
}
