//! How long a provider asks to wait. Times are relative to the answer's own `Date`, so that wrong clocks do not matter.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::Class;
use super::parts::ErrorParts;

/// Longer waits are not meant.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// The first of: `retry-after-ms`, `retry-after`, Google's `RetryInfo`, the reset of an exhausted limit, the message.
pub(super) fn retry_after(
    class: Class,
    header: &dyn Fn(&str) -> Option<String>,
    error: &ErrorParts,
) -> Option<Duration> {
    let header_ms = || sane(header("retry-after-ms")?.trim().parse::<f64>().ok()? / 1000.0);
    let now = header("date").and_then(|date| point(date.trim()));
    let header_s = || pause(&header("retry-after")?, now);
    let limited = matches!(class, Class::RateLimited | Class::Overloaded | Class::Quota);
    header_ms()
        .or_else(header_s)
        .or(error.retry)
        .or_else(|| if limited { resets(header, now).or_else(|| in_words(&error.message)) } else { None })
}

/// Headers with the remainder of a limit, and with the time of its reset.
const LIMITS: &[(&str, &str)] = &[
    // OpenAI, Groq, Cerebras.
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
    ("x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day"),
    // Anthropic.
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
    // OpenRouter, and gateways for other providers.
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
];

/// The reset headers of the limits that are used up.
fn resets(header: &dyn Fn(&str) -> Option<String>, now: Option<f64>) -> Option<Duration> {
    let used_up = |(remaining, reset): &(&str, &str)| {
        // Azure sends -1 for unknown.
        (header(remaining)?.trim() == "0").then(|| pause(&header(reset)?, now)).flatten()
    };
    let unified = || {
        let rejected = header("anthropic-ratelimit-unified-status")?.trim() == "rejected";
        rejected.then(|| pause(&header("anthropic-ratelimit-unified-reset")?, now)).flatten()
    };
    LIMITS.iter().filter_map(used_up).chain(unified()).max()
}

/// Parses seconds, a duration in Go's format, or a point in time: seconds or milliseconds since 1970, an HTTP date or
/// RFC 3339. `now`: in seconds since 1970; without it, points in time are ignored.
fn pause(text: &str, now: Option<f64>) -> Option<Duration> {
    /// Since 1970; too long for a wait.
    const SECONDS: f64 = 1e9;
    const MILLISECONDS: f64 = 1e12;
    /// Not a time.
    const NONSENSE: f64 = 1e15;
    let text = text.trim();
    let until = |point: f64| longest(point - now?);
    match text.parse::<f64>() {
        Ok(number) if number >= NONSENSE => None,
        Ok(number) if number >= MILLISECONDS => until(number / 1_000.0),
        Ok(number) if number >= SECONDS => until(number),
        Ok(seconds) => longest(seconds),
        Err(_) => duration(text).or_else(|| until(point(text)?)),
    }
}

/// An HTTP or RFC 3339 date, in seconds since 1970.
fn point(text: &str) -> Option<f64> {
    let of_http = || DateTimeParser::new().parse_timestamp(text).ok();
    let at = text.parse::<Timestamp>().ok().or_else(of_http)?;
    Some(at.as_millisecond() as f64 / 1_000.0)
}

/// Waits longer than the maximum become the maximum.
fn longest(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| sane(seconds.min(LONGEST.as_secs_f64()))).flatten()
}

/// `Please try again in 7m12.5s.`, `Please retry in 37.3s.`, `Please retry after 27 seconds.`
fn in_words(message: &str) -> Option<Duration> {
    let rest = ["try again in ", "retry in ", "retry after "]
        .iter()
        .find_map(|words| message.find(words).and_then(|at| message.get(at + words.len()..)))?;
    let mut words = rest.split_whitespace();
    let figure = words.next()?.trim_end_matches(['.', ',', ';', ')']);
    let unit = words.next().unwrap_or_default();
    if figure.ends_with(|last: char| last.is_ascii_digit()) {
        let seconds: f64 = figure.parse().ok()?;
        return match unit.trim_end_matches(['.', ',']) {
            "second" | "seconds" => sane(seconds),
            "minute" | "minutes" => sane(seconds * 60.0),
            "milliseconds" => sane(seconds / 1000.0),
            _ => None,
        };
    }
    duration(figure)
}

/// Parses Go's durations (`12ms`, `6m0s`, `1h2m3.5s`) and plain seconds; only positive ones.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return sane(seconds);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (figure, after) = rest.split_at(digits);
        let unit = after.find(|char: char| char.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += figure.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    sane(total)
}

fn sane(seconds: f64) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    (!wait.is_zero() && wait <= LONGEST).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let table = [
            ("12ms", Some(12)),
            ("6m0s", Some(360_000)),
            ("1h2m3.5s", Some(3_723_500)),
            ("33.01", Some(33_010)),
            ("37s", Some(37_000)),
            ("0s", None),
            ("-1", None),
            ("", None),
            ("s", None),
            ("5x", None),
            ("NaN", None),
            ("inf", None),
            ("1767225600", None),
            ("2026-01-01T00:00:00Z", None),
        ];
        for (text, expected) in table {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn pauses_and_points_in_time_are_read() {
        let date = "Sun, 29 Nov 2026 21:00:00 GMT";
        let now = point(date);
        for (text, ms, without_date) in [
            ("2", Some(2_000), true),
            (" 2.5 ", Some(2_500), true),
            ("3s", Some(3_000), true),
            ("0", None, true),
            ("-5", None, true),
            ("NaN", None, true),
            ("soon", None, true),
            ("", None, true),
            ("1000000", Some(604_800_000), true),
            ("1e30", None, true),
            ("inf", None, true),
            ("Sun, 29 Nov 2026 21:00:07 GMT", Some(7_000), false),
            ("Sun, 29 Nov 2026 20:59:00 GMT", None, false),
            ("2026-11-29T21:00:04.5Z", Some(4_500), false),
            ("1796000400", Some(14_400_000), false),
            ("1795986003", Some(3_000), false),
            ("1795986003500", Some(3_500), false),
            ("1767225600", None, false),
        ] {
            assert_eq!(pause(text, now), ms.map(Duration::from_millis), "{text}");
            let alone = ms.filter(|_| without_date).map(Duration::from_millis);
            assert_eq!(pause(text, None), alone, "{text}, without a current time");
        }
    }

    #[test]
    fn messages_contain_waits() {
        let table = [
            ("Rate limit reached for gpt-4o. Please try again in 7m12.5s. Visit", Some(432_500)),
            ("Please try again in 280ms.", Some(280)),
            ("Please retry in 37.3s.", Some(37_300)),
            ("Please retry after 27 seconds.", Some(27_000)),
            ("please try again in 2 minutes", Some(120_000)),
            ("try again in a moment", None),
            ("try again in ", None),
        ];
        for (message, expected) in table {
            assert_eq!(in_words(message), expected.map(Duration::from_millis), "{message}");
        }
    }
}
