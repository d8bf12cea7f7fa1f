//! Trying a condition before the first request does: on a sample of each request type.

use crate::document::{Document, FORMAT, KeyDoc};
use crate::expression::{Asking, Expression, ExpressionError};
use crate::policy::Policy;
use crate::request::{Draw, NoConditions, Request};

/// What `request_type` can be, in the words that rules use.
pub const REQUEST_TYPES: [&str; 13] = [
    "chat_completion",
    "chat_completion_stream",
    "text_completion",
    "responses",
    "responses_stream",
    "embedding",
    "moderation",
    "rerank",
    "speech",
    "transcription",
    "image_generation",
    "count_tokens",
    "list_models",
];

impl Expression {
    /// Evaluates on a sample of each of [`REQUEST_TYPES`]: every variable has its type, headers and parameters are
    /// empty.
    ///
    /// # Errors
    /// The first request type that it fails on, and how: a type that doesn't fit, no bool.
    pub fn try_on_samples(&self) -> Result<(), (&'static str, ExpressionError)> {
        let key = KeyDoc {
            namespace: "default".to_owned(),
            name: "sample".to_owned(),
            team: Some("sample".to_owned()),
            customer: Some("sample".to_owned()),
            ..KeyDoc::default()
        };
        // A document of one key without references has nothing that could fail.
        let Ok(policy) = Policy::build(Document { format: FORMAT, keys: vec![key], ..Document::default() }) else {
            return Ok(());
        };
        let Some(key) = policy.keys.first() else { return Ok(()) };
        for request_type in REQUEST_TYPES {
            let request = Request {
                key: 0,
                request_type,
                model: Some("sample"),
                provider: None,
                fallbacks: None,
                credential: None,
                headers: &[],
                params: &[],
                draw: Draw::Random(0),
                stay: None,
                conditions: &NoConditions,
            };
            self.holds(&policy, key, Asking { provider: "", entry: None, model: "sample" }, &request)
                .map_err(|error| (request_type, error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_find_what_compiling_does_not() {
        for (source, fails) in [
            (r#"headers["x-tier"] == "premium""#, None),
            (r#"model.startsWith("gpt") && request_type != "embedding""#, None),
            (r#"request_type == "embedding" && model.size()"#, Some("embedding")),
            ("model", Some("chat_completion")),
            ("model < 3", Some("chat_completion")),
        ] {
            let got = Expression::compile(source).unwrap().try_on_samples();
            assert_eq!(got.as_ref().err().map(|(request_type, _)| *request_type), fails, "{source}: {got:?}");
        }
    }
}
