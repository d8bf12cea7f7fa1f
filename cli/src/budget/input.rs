//! Checks what somebody types, before anything is read or written.

use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use outrigger_core::Money;
use outrigger_policy::{Unit, nearest};
use thiserror::Error;

/// Of a reason so many characters are kept.
const REASON_MAX: usize = 256;
/// The operator raises a limit for at most so long.
const RAISE_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
/// The operator is waited for at most so many seconds.
const TIMEOUT_MAX: u64 = 3_600;
const VERBS: [&str; 3] = ["forgive", "reset", "raise"];
/// Options with a value that may be before the verb.
const VALUED: [&str; 9] =
    ["-n", "--namespace", "--kubeconfig", "--context", "-f", "--folder", "-o", "--output", "--state"];
/// Options that only verbs have.
const OF_VERBS: [&str; 5] = ["--reason", "--limit", "--amount", "--until", "--timeout"];

#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum InputError {
    #[error("--reason is empty: say why, for whoever reads the status later")]
    NoReason,
    #[error("--reason has {0} characters: write at most {REASON_MAX}")]
    LongReason(usize),
    #[error("{name} is before `{verb}`: write the object after it, as in `outrigger budget {verb} team`")]
    NameBeforeVerb { name: String, verb: &'static str },
    #[error("{verb} changes one object: name its namespace with -n, not all of them with --all-namespaces")]
    AllNamespaces { verb: &'static str },
    #[error("{name} is in namespace {own}, and --namespace names {other}: leave one of them out")]
    TwoNamespaces { name: String, own: String, other: String },
}

pub(super) fn reason(text: &str) -> Result<String, InputError> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(InputError::NoReason),
        1..=REASON_MAX => Ok(text.to_owned()),
        many => Err(InputError::LongReason(many)),
    }
}

pub(super) fn timeout(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=TIMEOUT_MAX).contains(seconds));
    seconds.ok_or_else(|| format!("must be a number of seconds from 1 to {TIMEOUT_MAX}"))
}

pub(super) fn until(text: &str) -> Result<Timestamp, String> {
    end_of_raise(text, Timestamp::now())
}

/// A time, or a span from now. To the second.
pub(super) fn end_of_raise(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || "must be a time such as 2026-12-01T00:00:00Z, or a span such as 4h or 3d".to_owned();
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let span: Span = text.parse().map_err(|_| wrong())?;
            now.to_zoned_datetime(TimeZone::UTC).checked_add(span).map_err(|_| wrong())?.timestamp()
        }
    };
    if time <= now {
        return Err("has passed: give a later time".to_owned());
    }
    if time.duration_since(now) > RAISE_MAX {
        return Err(
            "must be at most 366 days from now: to raise the limit for good, change the object's spec".to_owned()
        );
    }
    Timestamp::from_second(time.as_second()).map_err(|_| wrong())
}

/// An amount of some limit. Which unit it must have is known when the limit is.
pub(super) fn amount(text: &str) -> Result<String, String> {
    match is_amount(Unit::Money, text) || is_amount(Unit::Tokens, text) {
        true => Ok(text.to_owned()),
        false => {
            Err("must be above zero: dollars such as $50, or a number of tokens or requests such as 1000".to_owned())
        }
    }
}

/// By the operator's rules.
pub(super) fn is_amount(unit: Unit, text: &str) -> bool {
    match unit {
        Unit::Money => text.strip_prefix('$').unwrap_or(text).parse::<Money>().is_ok_and(|money| money.nanos() > 0),
        Unit::Tokens | Unit::Requests => text.parse::<u64>().is_ok_and(|count| count > 0),
    }
}

/// What to say instead of clap's error about an argument that `budget` does not have, if a verb is misspelt. `words` are
/// the whole command line.
pub(crate) fn misspelt_verb(words: &[String]) -> Option<String> {
    let after = words.iter().position(|word| word == "budget")? + 1;
    let mut rest = words.get(after..)?.iter().map(String::as_str);
    let mut first = None;
    while let Some(word) = rest.next() {
        if VALUED.contains(&word) {
            rest.next();
        } else if !word.starts_with('-') {
            first = Some(word);
            break;
        }
    }
    let word = first.filter(|word| !VERBS.contains(word))?;
    let mut more = rest;
    let of_a_verb = more.any(|word| {
        let option = word.split_once('=').map_or(word, |(option, _)| option);
        !word.starts_with('-') || OF_VERBS.contains(&option)
    });
    let verb = nearest(word, VERBS.into_iter()).filter(|_| of_a_verb)?;
    Some(format!("error: there is no `outrigger budget {word}`; did you mean `outrigger budget {verb}`?\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raise_ends_at_a_time_or_after_a_span() {
        let now: Timestamp = "2026-11-30T12:00:00.5Z".parse().unwrap();
        for (text, end) in [
            ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("4h", "2026-11-30T16:00:00Z"),
            ("3d", "2026-12-03T12:00:00Z"),
            ("366d", "2027-12-01T12:00:00Z"),
        ] {
            assert_eq!(end_of_raise(text, now).unwrap().to_string(), end);
        }
        for (text, why) in [
            ("", "must be a time"),
            ("tomorrow", "must be a time"),
            ("-4h", "has passed"),
            ("2026-11-30T11:00:00Z", "has passed"),
            ("400d", "must be at most 366 days"),
            ("2028-01-01T00:00:00Z", "must be at most 366 days"),
            ("999999999999d", "must be a time"),
        ] {
            let error = end_of_raise(text, now).unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_reason_is_short_and_not_repeated() {
        assert_eq!(reason("  "), Err(InputError::NoReason));
        assert_eq!(reason(" node lost ").as_deref(), Ok("node lost"));
        let error = reason(&"x".repeat(5_000)).unwrap_err().to_string();
        assert_eq!(error, "--reason has 5000 characters: write at most 256");
    }

    #[test]
    fn amounts_are_read_as_the_operator_reads_them() {
        for (text, money, count) in [
            ("$50", true, false),
            ("0.5", true, false),
            ("50", true, true),
            ("12345678901", false, true),
            ("abc", false, false),
            ("0", false, false),
            ("$0", false, false),
            ("$", false, false),
            ("€50", false, false),
            ("1,000", false, false),
            ("50 USD", false, false),
            ("", false, false),
            ("-5", false, false),
        ] {
            assert_eq!((is_amount(Unit::Money, text), is_amount(Unit::Tokens, text)), (money, count), "{text}");
            assert_eq!(amount(text).is_ok(), money || count, "{text}");
        }
        assert_eq!(timeout("3600"), Ok(3_600));
        for text in ["0", "-1", "abc", "", "3601"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_misspelt_verb_is_recognized() {
        for (line, verb) in [
            ("budget resett team", Some("reset")),
            ("budget -n prod resett --reason x", Some("reset")),
            ("budget rase team --amount=5", Some("raise")),
            ("budget reset team --bogus", None),
            ("budget resett --bogus", None),
            ("budget team other", None),
            ("budget", None),
            ("run resett x", None),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let said = misspelt_verb(&words);
            assert_eq!(said.is_some(), verb.is_some(), "{line}: {said:?}");
            assert!(said.unwrap_or_default().contains(verb.unwrap_or_default()), "{line}");
        }
    }
}
