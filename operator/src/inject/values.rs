//! Parses the values of annotations. An invalid value gives a message that says which values are allowed.

use std::fmt;

use outrigger_llm::capture::{CAPTURES, Capture};
use outrigger_policy::nearest;
use thiserror::Error;

use crate::inject::quantity::Quantity;
use crate::objects::binding::BindingError;

/// Why a value is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("`{0}` is neither `true` nor `false`")]
    Truth(ShownValue),
    #[error("{0}")]
    Keys(BindingError),
    #[error("is empty: name one or more with commas between them{0}")]
    Empty(&'static str),
    #[error("names `{0}` twice")]
    Twice(ShownValue),
    #[error("`{0}` is not a supported SDK: {words}{1}", words = capture_words())]
    Capture(ShownValue, Suggestion),
    #[error("`none` can't be combined with others")]
    NoneAndSome,
    #[error("`openai` and `azure` can't be captured together: an Azure client that finds both refuses to start")]
    OpenAiAndAzure,
    #[error("`{0}` is no port from 1024 to 65535")]
    Port(ShownValue),
    #[error("`{0}` is no {1}: give `request` or `request/limit`, such as {2}")]
    Amount(ShownValue, &'static str, &'static str),
    #[error("`{0}` is less than the gateway needs, {1}")]
    Little(ShownValue, &'static str),
    #[error("`{0}`: the request is over the limit")]
    Over(ShownValue),
    #[error("`{0}` is no level: {words}{1}", words = LEVELS.join(", "))]
    Level(ShownValue, Suggestion),
    #[error("`{0}` is no audience: at most 253 visible ASCII characters")]
    Audience(ShownValue),
    #[error("`{0}` is the audience of the gateway's own token, which nobody else may get")]
    OwnAudience(ShownValue),
}

/// A value for a message: cut, and on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownValue(String);

impl ShownValue {
    pub(super) fn of(value: &str) -> Self {
        let shown: String =
            value.chars().take(60).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        ShownValue(if value.chars().count() > 60 { format!("{shown}…") } else { shown })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A valid value that the author may have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion(Option<String>);

impl Suggestion {
    pub(super) fn of<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Self {
        Suggestion(nearest(&word.to_lowercase(), known))
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(like) => write!(f, "; did you mean `{like}`?"),
            None => Ok(()),
        }
    }
}

pub(super) fn truth(value: &str) -> Result<bool, ValueError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ValueError::Truth(ShownValue::of(value))),
    }
}

fn list<'a>(value: &'a str, none: &'static str) -> Result<Vec<&'a str>, ValueError> {
    let mut items: Vec<&'a str> = Vec::new();
    for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        if items.contains(&item) {
            return Err(ValueError::Twice(ShownValue::of(item)));
        }
        items.push(item);
    }
    if items.is_empty() { Err(ValueError::Empty(none)) } else { Ok(items) }
}

fn capture_words() -> String {
    let words: Vec<&str> = CAPTURES.iter().map(|capture| capture.name).collect();
    format!("{} or none", words.join(", "))
}

/// Returns the captures in the table's order.
pub(super) fn captures(value: &str) -> Result<Vec<&'static Capture>, ValueError> {
    let words = list(value, ", or `none`")?;
    if words == ["none"] {
        return Ok(Vec::new());
    }
    if words.contains(&"none") {
        return Err(ValueError::NoneAndSome);
    }
    if let Some(word) = words.iter().find(|word| Capture::named(word).is_none()) {
        let known = CAPTURES.iter().map(|capture| capture.name).chain(["none"]);
        return Err(ValueError::Capture(ShownValue::of(word), Suggestion::of(word, known)));
    }
    if words.contains(&"openai") && words.contains(&"azure") {
        return Err(ValueError::OpenAiAndAzure);
    }
    Ok(CAPTURES.iter().filter(|capture| words.contains(&capture.name)).collect())
}

pub(super) fn containers(value: &str) -> Result<Vec<String>, ValueError> {
    Ok(list(value, "")?.into_iter().map(str::to_owned).collect())
}

/// Unprivileged processes may not listen below 1024 on every system.
pub(super) fn port(value: &str) -> Result<u16, ValueError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let port = value.parse::<u16>().ok().filter(|port| digits && *port >= 1024);
    port.ok_or_else(|| ValueError::Port(ShownValue::of(value)))
}

/// The request and limit of one resource, as written in the annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantityText {
    pub request: String,
    pub limit: Option<String>,
}

fn amount(value: &str, what: &'static str, example: &'static str) -> Result<(QuantityText, Quantity), ValueError> {
    let none = || ValueError::Amount(ShownValue::of(value), what, example);
    let (request, limit) = match value.split_once('/') {
        Some((request, limit)) => (request.trim(), Some(limit.trim())),
        None => (value.trim(), None),
    };
    let least = Quantity::parse(request).filter(|request| !request.is_zero()).ok_or_else(none)?;
    if let Some(limit) = limit
        && Quantity::parse(limit).ok_or_else(none)? < least
    {
        return Err(ValueError::Over(ShownValue::of(value)));
    }
    Ok((QuantityText { request: request.to_owned(), limit: limit.map(str::to_owned) }, least))
}

pub(super) fn cpu(value: &str) -> Result<QuantityText, ValueError> {
    let (amount, least) = amount(value, "amount of CPU", "`50m` or `50m/1`")?;
    if Quantity::parse("1m").is_some_and(|milli| least < milli) {
        return Err(ValueError::Little(ShownValue::of(value), "1m"));
    }
    Ok(amount)
}

/// `64m` is a fraction of a byte, and a frequent mistake.
pub(super) fn memory(value: &str) -> Result<QuantityText, ValueError> {
    let (amount, least) = amount(value, "amount of memory", "`32Mi` or `32Mi/128Mi`")?;
    if Quantity::parse("16Mi").is_some_and(|floor| least < floor) {
        return Err(ValueError::Little(ShownValue::of(value), "16Mi"));
    }
    Ok(amount)
}

pub(crate) const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

pub(super) fn level(value: &str) -> Result<&'static str, ValueError> {
    let known = LEVELS.into_iter().find(|level| *level == value);
    known.ok_or_else(|| ValueError::Level(ShownValue::of(value), Suggestion::of(value, LEVELS.into_iter())))
}

/// The audience of a token for a cloud.
pub fn audience(value: &str) -> Result<String, ValueError> {
    if value == outrigger_sync::AUDIENCE {
        return Err(ValueError::OwnAudience(ShownValue::of(value)));
    }
    let sound = (1..=253).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    sound.then(|| value.to_owned()).ok_or_else(|| ValueError::Audience(ShownValue::of(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_have_the_order_of_the_table() {
        let names = |value| captures(value).unwrap().into_iter().map(|c| c.name).collect::<Vec<_>>();
        assert_eq!(names("gemini,openai"), ["openai", "gemini"]);
        assert!(names("none").is_empty());
        let usual: Vec<&str> = CAPTURES.iter().filter(|c| c.usual).map(|c| c.name).collect();
        let row = crate::inject::annotations::TABLE.iter().find(|row| row.word == "capture").unwrap();
        assert_eq!(row.default, format!("`{}`", usual.join(",")));
    }
}
