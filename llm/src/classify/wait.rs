//! How long a provider asks to wait. Without a clock: figures that are points in time are not read.

use std::time::Duration;

use super::Class;
use super::told::Told;

/// No provider means more than this; some send seconds since 1970.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// The first of: `retry-after-ms`, `retry-after`, Google's `RetryInfo`, the reset of an exhausted
/// limit, the message itself.
pub(super) fn told(class: Class, header: &dyn Fn(&str) -> Option<String>, told: &Told) -> Option<Duration> {
    let header_ms = || sane(header("retry-after-ms")?.trim().parse::<f64>().ok()? / 1000.0);
    let header_s = || sane(header("retry-after")?.trim().parse().ok()?);
    let limited = matches!(class, Class::RateLimited | Class::Overloaded | Class::Quota);
    header_ms()
        .or_else(header_s)
        .or(told.retry)
        .or_else(|| if limited { resets(header).or_else(|| in_words(&told.message)) } else { None })
}

/// OpenAI's, Groq's and Cerebras' reset headers, of the limits that are used up.
fn resets(header: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
    ["requests", "tokens", "tokens-minute", "requests-day"]
        .iter()
        .filter_map(|limit| {
            // Azure sends -1 where it does not know.
            let remaining = header(&format!("x-ratelimit-remaining-{limit}"))?;
            (remaining.trim() == "0").then(|| duration(&header(&format!("x-ratelimit-reset-{limit}"))?)).flatten()
        })
        .max()
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

/// Reads Go's durations (`12ms`, `6m0s`, `1h2m3.5s`) and plain seconds; nothing that is not above zero.
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
    fn words_tell_a_wait() {
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
