//! The period of an imported limit: `window: Month`, or `rolling: 24h`.

use serde_json::{Map, Value, json};

use super::report::code;
use super::source::Node;

/// The longest rolling window in hours.
const HOURS_MAX: u64 = 99_999;

/// A configuration's notation and meaning of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// `30s 5m 1h 1d 1w 1M 1Y`, from the first use.
    Bifrost,
    /// The same, but days and longer start with the calendar's.
    BifrostAligned,
    /// `30s 5m 1h 1d 1w 1mo`, from the first use.
    LiteLlm,
    /// The same, but days, weeks and months start with the calendar's.
    LiteLlmAligned,
}

/// The period of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportedPeriod {
    /// The name of a limit with this period: `hour`, `7-days`.
    pub name: String,
    /// `window` or `rolling`.
    pub fields: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeUnit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl TimeUnit {
    fn seconds(self) -> u64 {
        match self {
            TimeUnit::Second => 1,
            TimeUnit::Minute => 60,
            TimeUnit::Hour => 3_600,
            TimeUnit::Day => 86_400,
            TimeUnit::Week => 7 * 86_400,
            TimeUnit::Month => 30 * 86_400,
            TimeUnit::Year => 365 * 86_400,
        }
    }

    fn word(self) -> &'static str {
        match self {
            TimeUnit::Second => "second",
            TimeUnit::Minute => "minute",
            TimeUnit::Hour => "hour",
            TimeUnit::Day => "day",
            TimeUnit::Week => "week",
            TimeUnit::Month => "month",
            TimeUnit::Year => "year",
        }
    }

    fn window(self) -> Option<&'static str> {
        match self {
            TimeUnit::Day => Some("Day"),
            TimeUnit::Week => Some("Week"),
            TimeUnit::Month => Some("Month"),
            TimeUnit::Year => Some("Year"),
            TimeUnit::Second | TimeUnit::Minute | TimeUnit::Hour => None,
        }
    }
}

/// Parses a period. If it has several meanings, the chosen one is reported at `node`.
pub(crate) fn read(node: &Node<'_>, clock: Clock) -> Option<ImportedPeriod> {
    let text = node.text()?;
    let Some((count, unit, sound)) = parsed(text, clock) else {
        node.doubtful(format!(
            "{} is no time that can be read, so the limit holds for ever (`window: Lifetime`): write the window that is meant",
            code(text)
        ));
        return Some(ImportedPeriod { name: "lifetime".to_owned(), fields: window("Lifetime") });
    };
    let name = match count {
        1 => unit.word().to_owned(),
        _ => format!("{count}-{}s", unit.word()),
    };
    let aligned = matches!(clock, Clock::BifrostAligned | Clock::LiteLlmAligned);
    let mut notes = Vec::new();
    if !sound {
        notes.push(format!("{} is invalid, and was read as {count} {}", code(text), unit.word()));
    }
    let whole = whole_window(count, unit, clock);
    let fields = match whole {
        Some(calendar) if aligned => {
            if clock == Clock::LiteLlmAligned {
                notes.push(format!(
                    "starts with the calendar's {} in UTC: `window: {calendar}`",
                    calendar.to_lowercase()
                ));
            }
            window(calendar)
        }
        _ => {
            let seconds = count.saturating_mul(unit.seconds()).clamp(1, HOURS_MAX * 3_600);
            let length = length(seconds);
            if aligned && unit.window().is_some() {
                notes.push(format!("{} is no calendar period, so the limit covers the last {length}", code(text)));
            } else if let Some(calendar) = unit.window() {
                let hint = match (count, whole) {
                    (1, _) | (_, Some(_)) => {
                        format!("; write `window: {}` if the calendar's is meant", whole.unwrap_or(calendar))
                    }
                    _ => String::new(),
                };
                notes.push(format!(
                    "counted from the first use on, and here counts the last {length} at any time{hint}"
                ));
            }
            if count.saturating_mul(unit.seconds()) > HOURS_MAX * 3_600 {
                notes.push(format!("{} is too long for a limit", code(text)));
            }
            Map::from_iter([("rolling".to_owned(), json!(length))])
        }
    };
    if !notes.is_empty() {
        node.doubtful(notes.join("; "));
    }
    Some(ImportedPeriod { name, fields })
}

/// The name of a whole calendar period.
fn whole_window(count: u64, unit: TimeUnit, clock: Clock) -> Option<&'static str> {
    match (count, unit, clock) {
        (1, unit, _) => unit.window(),
        // In LiteLLM, these start with the calendar's too.
        (24, TimeUnit::Hour, Clock::LiteLlmAligned) => Some("Day"),
        (7, TimeUnit::Day, Clock::LiteLlmAligned) => Some("Week"),
        (30, TimeUnit::Day, Clock::LiteLlmAligned) => Some("Month"),
        _ => None,
    }
}

fn window(name: &str) -> Map<String, Value> {
    Map::from_iter([("window".to_owned(), json!(name))])
}

/// `24h`, `90s`: in the largest unit without a fraction.
fn length(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) && seconds / 60 <= 99_999 => format!("{}m", seconds / 60),
        _ if seconds <= 99_999 => format!("{seconds}s"),
        _ => format!("{}h{}s", seconds / 3_600, seconds % 3_600),
    }
}

/// Number and unit, and whether the text follows the documented notation.
fn parsed(text: &str, clock: Clock) -> Option<(u64, TimeUnit, bool)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let count: u64 = number.parse().ok().filter(|count| *count > 0)?;
    let litellm = matches!(clock, Clock::LiteLlm | Clock::LiteLlmAligned);
    let (unit, sound) = match unit.trim() {
        "s" => (TimeUnit::Second, true),
        "m" => (TimeUnit::Minute, true),
        "h" => (TimeUnit::Hour, true),
        "d" => (TimeUnit::Day, true),
        "w" => (TimeUnit::Week, true),
        "M" => (TimeUnit::Month, !litellm),
        "Y" => (TimeUnit::Year, !litellm),
        "mo" => (TimeUnit::Month, litellm),
        other => match other.to_ascii_lowercase().as_str() {
            "sec" | "second" | "seconds" => (TimeUnit::Second, false),
            "min" | "minute" | "minutes" => (TimeUnit::Minute, false),
            "hour" | "hours" | "hr" => (TimeUnit::Hour, false),
            "d" | "day" | "days" => (TimeUnit::Day, false),
            "w" | "week" | "weeks" => (TimeUnit::Week, false),
            "mo" | "mon" | "month" | "months" => (TimeUnit::Month, false),
            "y" | "yr" | "year" | "years" => (TimeUnit::Year, false),
            _ => return None,
        },
    };
    Some((count, unit, sound))
}

#[cfg(test)]
mod tests {
    use super::super::report::Fate;
    use super::super::source::ImportSource;
    use super::*;

    fn of(text: &str, clock: Clock) -> (Value, Vec<String>) {
        let source = ImportSource::new(json!(text));
        let period = read(&source.root(), clock).unwrap();
        let entries = source.finish().entries;
        let mut value = Value::Object(period.fields);
        value["name"] = json!(period.name);
        let doubts = entries.into_iter().filter(|entry| entry.fate == Fate::Doubtful);
        (value, doubts.map(|entry| entry.message).collect())
    }

    #[test]
    fn every_duration_of_bifrost() {
        for (text, rolling, aligned, name) in [
            ("30s", json!({"rolling": "30s"}), json!({"rolling": "30s"}), "30-seconds"),
            ("5m", json!({"rolling": "5m"}), json!({"rolling": "5m"}), "5-minutes"),
            ("90m", json!({"rolling": "90m"}), json!({"rolling": "90m"}), "90-minutes"),
            ("1h", json!({"rolling": "1h"}), json!({"rolling": "1h"}), "hour"),
            ("1d", json!({"rolling": "24h"}), json!({"window": "Day"}), "day"),
            ("1w", json!({"rolling": "168h"}), json!({"window": "Week"}), "week"),
            ("1M", json!({"rolling": "720h"}), json!({"window": "Month"}), "month"),
            ("1Y", json!({"rolling": "8760h"}), json!({"window": "Year"}), "year"),
            ("1mo", json!({"rolling": "720h"}), json!({"window": "Month"}), "month"),
            ("3M", json!({"rolling": "2160h"}), json!({"rolling": "2160h"}), "3-months"),
            ("soon", json!({"window": "Lifetime"}), json!({"window": "Lifetime"}), "lifetime"),
            ("0d", json!({"window": "Lifetime"}), json!({"window": "Lifetime"}), "lifetime"),
            ("50Y", json!({"rolling": "99999h"}), json!({"rolling": "99999h"}), "50-years"),
        ] {
            for (clock, mut expected) in [(Clock::Bifrost, rolling), (Clock::BifrostAligned, aligned)] {
                expected["name"] = json!(name);
                assert_eq!(of(text, clock).0, expected, "{text}, {clock:?}");
            }
        }
    }

    #[test]
    fn undocumented_notations_are_reported() {
        assert_eq!(of("1h", Clock::Bifrost).1, [""; 0]);
        assert_eq!(of("1M", Clock::BifrostAligned).1, [""; 0]);
        assert_eq!(
            of("1M", Clock::Bifrost).1,
            [
                "counted from the first use on, and here counts the last 720h at any time; write `window: Month` if the calendar's is meant"
            ]
        );
        assert_eq!(of("1mo", Clock::BifrostAligned).1, ["`1mo` is invalid, and was read as 1 month"]);
        assert!(of("1mo", Clock::Bifrost).1[0].starts_with("`1mo` is invalid, and was read as 1 month; counted"));
        assert!(of("soon", Clock::Bifrost).1[0].contains("`window: Lifetime`"));
    }

    #[test]
    fn litellm_has_another_notation_for_months() {
        assert!(of("1mo", Clock::LiteLlm).1[0].starts_with("counted"));
        for (text, window) in [("1mo", "Month"), ("30d", "Month"), ("7d", "Week"), ("24h", "Day"), ("1d", "Day")] {
            assert_eq!(of(text, Clock::LiteLlmAligned).0["window"], window, "{text}");
        }
        assert_eq!(of("10d", Clock::LiteLlmAligned).0["rolling"], "240h");
    }
}
