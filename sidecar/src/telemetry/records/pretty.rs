//! Formats a record as a readable line for a terminal.

use outrigger_policy::Printable;

use crate::telemetry::record::Record;

/// `200  412ms  openai/gpt-4o-mini  search  chat  19+5 tokens  (openai: rate_limited → anthropic)`
pub(super) fn pretty(record: &Record, colour: bool) -> String {
    let paint = |code: &str, text: String| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text };
    let status = match record.status {
        200..=299 => paint("32", record.status.to_string()),
        400..=499 => paint("33", record.status.to_string()),
        _ => paint("31", record.status.to_string()),
    };
    let mut line = format!("{status}  {:>6.0}ms  ", record.latency_ms);
    match (&record.provider, &record.model) {
        (Some(provider), Some(model)) => {
            line.push_str(&paint("1", Printable(format!("{provider}/{model}")).to_string()))
        }
        _ => line.push_str(&Printable(record.model_requested.as_deref().unwrap_or("-")).to_string()),
    }
    line.push_str(&format!("  {}  {}{}", record.key, record.operation, if record.stream { " stream" } else { "" }));
    if let (Some(input), Some(output)) = (record.tokens.input, record.tokens.output) {
        line.push_str(&format!("  {input}+{output} tokens"));
    }
    if let Some(cost) = record.cost_usd.as_deref().filter(|cost| *cost != "0.00") {
        line.push_str(&format!("  ${cost}"));
    }
    if let Some(rule) = &record.rule {
        line.push_str(&format!("  rule {}", Printable(rule)));
    }
    let failed: Vec<String> = record
        .attempts
        .iter()
        .filter_map(|attempt| attempt.error.map(|error| format!("{}: {}", attempt.provider, error.as_str())))
        .collect();
    if !failed.is_empty() {
        line.push_str(&paint("33", format!("  ({})", Printable(failed.join(", ")))));
    }
    if let Some(error) = &record.error_type {
        line.push_str(&paint("31", format!("  {error}")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::attempt_error::AttemptError;
    use crate::telemetry::record::{AttemptRecord, Tokens};

    #[test]
    fn escapes_control_characters_in_names() {
        let record = Record {
            status: 404,
            model_requested: Some("\x1b]52;c;aGk=\x07\r\n200  all is well\u{202e}".to_owned()),
            operation: "chat",
            ..Record::default()
        };
        let line = pretty(&record, false);
        assert!(line.contains("\\u{1b}]52;c;aGk=\\u{7}\\r\\n200  all is well\\u{202e}"), "{line}");
        assert!(line.chars().all(outrigger_policy::is_printable), "{line:?}");
    }

    #[test]
    fn formats_a_readable_line() {
        let attempt = AttemptRecord {
            provider: "openai".to_owned(),
            model: "gpt-4o".to_owned(),
            credential: None,
            status: Some(429),
            error: Some(AttemptError::RateLimited),
            ms: 3.0,
        };
        let record = Record {
            status: 200,
            latency_ms: 412.3,
            provider: Some("anthropic".to_owned()),
            model: Some("claude".to_owned()),
            key: "search".to_owned(),
            operation: "chat",
            tokens: Tokens { input: Some(19), output: Some(5), ..Tokens::default() },
            attempts: vec![attempt],
            ..Record::default()
        };
        assert_eq!(
            pretty(&record, false),
            "200     412ms  anthropic/claude  search  chat  19+5 tokens  (openai: rate_limited)"
        );
    }
}
