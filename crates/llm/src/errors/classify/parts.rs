//! Extracts the parts of an error body of any provider.

use std::time::Duration;

use serde_json::{Map, Value};

use super::wait;
use crate::json::weight::parse_within;

/// The parts of an error body, in no dialect.
#[derive(Debug, Default)]
pub(super) struct ErrorParts {
    pub message: String,
    /// Codes, types and reasons, the most specific first.
    pub codes: Vec<String>,
    /// A status in the body.
    pub status: Option<u16>,
    /// Google's `RetryInfo`.
    pub retry: Option<Duration>,
    /// Whether Google reports a daily quota.
    pub daily: bool,
    /// If Google reports quotas: whether each of them counts one model.
    pub per_model: Option<bool>,
}

/// The most bytes of a body that are read: error bodies are small, and some quote the request.
const LOOKED_AT: usize = 64 << 10;
/// The largest JSON tree that is built from one, in bytes.
const LARGEST: usize = 1 << 20;

impl ErrorParts {
    /// Reads a body: JSON of any provider, HTML, text or nothing.
    pub fn read(body: &[u8]) -> ErrorParts {
        let mut parts = ErrorParts::default();
        match parse_within(body, LARGEST) {
            Some(Value::Object(root)) => parts.root(&root),
            // Gemini's stream without `alt=sse`.
            Some(Value::Array(list)) => {
                if let Some(Value::Object(root)) = list.first() {
                    parts.root(root);
                }
            }
            Some(Value::String(text)) => parts.message = text,
            Some(_) => {}
            None => parts.text(body),
        }
        parts
    }

    /// Records a code; a numeric one is a status.
    pub fn code(&mut self, code: &str) {
        match code.parse::<u16>() {
            Ok(status) if (300..600).contains(&status) => self.status = self.status.or(Some(status)),
            // Mistral's own numbers and similar ones stay codes.
            _ if !code.is_empty() => self.codes.push(code.to_owned()),
            _ => {}
        }
    }

    fn root(&mut self, root: &Map<String, Value>) {
        match root.get("error") {
            Some(Value::Object(error)) => self.error(error),
            // xAI and Ollama: the message itself.
            Some(Value::String(text)) => {
                self.message.clone_from(text);
                self.error(root);
            }
            _ => self.error(root),
        }
    }

    fn error(&mut self, error: &Map<String, Value>) {
        // Azure describes a `content_filter` or `BadRequest` one level deeper.
        if let Some(Value::Object(inner)) = error.get("innererror") {
            self.values(inner, &["code"]);
        }
        if let Some(Value::Array(details)) = error.get("details") {
            details.iter().for_each(|detail| self.detail(detail));
        }
        self.values(error, &["code", "error_type"]);
        if let Some(Value::String(kind)) = error.get("__type") {
            self.code(exception(kind));
        }
        self.values(error, &["reason", "status", "type"]);
        if self.message.is_empty() {
            self.message = ["message", "Message", "detail", "title", "error_description"]
                .iter()
                .find_map(|name| error.get(*name).and_then(words))
                .unwrap_or_default();
        }
    }

    fn values(&mut self, object: &Map<String, Value>, names: &[&str]) {
        for name in names {
            match object.get(*name) {
                // `"type": "error"` belongs to the envelope.
                Some(Value::String(code)) if code != "error" => self.code(code),
                Some(Value::Number(number)) => self.code(&number.to_string()),
                _ => {}
            }
        }
    }

    /// One of Google's `details`.
    fn detail(&mut self, detail: &Value) {
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with("google.rpc.ErrorInfo") {
            if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
                self.code(reason);
            }
        } else if kind.ends_with("google.rpc.RetryInfo") {
            self.retry = detail.get("retryDelay").and_then(Value::as_str).and_then(wait::duration);
        } else if kind.ends_with("google.rpc.QuotaFailure") {
            let violations = detail.get("violations").and_then(Value::as_array).into_iter().flatten();
            for violation in violations {
                let Some(id) = violation.get("quotaId").and_then(Value::as_str) else { continue };
                self.daily |= id.contains("PerDay");
                let of_model = id.contains("PerModel") || violation.pointer("/quotaDimensions/model").is_some();
                self.per_model = Some(of_model && self.per_model.unwrap_or(true));
            }
        }
    }

    /// A body that is not JSON: a proxy's page, or text.
    fn text(&mut self, body: &[u8]) {
        let text = String::from_utf8_lossy(body.get(..LOOKED_AT).unwrap_or(body));
        let text = text.trim();
        if !text.starts_with('<') {
            text.clone_into(&mut self.message);
            return;
        }
        // ASCII lower case keeps the byte offsets.
        let lower = text.to_ascii_lowercase();
        let title = lower.find("<title").and_then(|open| {
            let start = open + lower.get(open..)?.find('>')? + 1;
            let end = start + lower.get(start..)?.find("</title")?;
            text.get(start..end)
        });
        self.message = match title.map(str::trim) {
            Some(title) if !title.is_empty() => format!("an HTML page: {title}"),
            _ => "an HTML page".to_owned(),
        };
    }
}

/// The name of an exception of AWS: `com.amazon.coral.service#ThrottlingException:http://internal.amazon.com/`.
pub(super) fn exception(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default()
}

/// A text, or a list of messages (`[{"loc": […], "msg": "…"}]`, from FastAPI servers).
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Array(list) => {
            let all: Vec<&str> = list
                .iter()
                .filter_map(|one| one.as_str().or_else(|| one.get("msg").or_else(|| one.get("message"))?.as_str()))
                .collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        Value::Object(object) => object.get("detail").or_else(|| object.get("message")).and_then(words),
        _ => None,
    }
}
