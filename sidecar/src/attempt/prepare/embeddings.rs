//! Translates an embeddings request to the other dialect that has embeddings.

use outrigger_llm::chat::JsonObject;
use outrigger_llm::format::gemini::embeddings::{self, Encoding};
use outrigger_llm::path::UpstreamPath;
use outrigger_llm::{Dialect, RequestError};

use crate::relay::Conversion;
use crate::request::context::RequestContext;
use crate::request::translation::{ParsedBody, RequestTranslation};

/// The body, the path, how to convert the response, and the dropped fields.
pub(super) type EmbeddingsRequest = (JsonObject, UpstreamPath, Conversion, Vec<String>);

/// Translates an embeddings request between OpenAI's and Gemini's dialect.
pub(super) fn embeddings_request(
    context: &RequestContext,
    translation: &RequestTranslation,
    upstream: Dialect,
    model: &str,
) -> Result<EmbeddingsRequest, RequestError> {
    translation.with(context, |read| {
        let ParsedBody::Body(body) = read else {
            let field = context.operation.name.to_owned();
            return Err(RequestError::Unsupported { field, upstream });
        };
        let body = body.as_ref().map_err(Clone::clone)?;
        match upstream {
            Dialect::Gemini => {
                let translated = embeddings::openai_to_gemini(body, model)?;
                let verb = if translated.batch { ":batchEmbedContents" } else { ":embedContent" };
                let conversion = Conversion::Embeddings { encoding: translated.encoding, batch: translated.batch };
                // Whether the request fits is checked before the model is known.
                let path = match model {
                    "" => Ok(UpstreamPath::fixed("models")),
                    model => UpstreamPath::gemini(model, verb),
                };
                let path = path.map_err(|error| RequestError::Invalid {
                    path: "model".to_owned(),
                    problem: format!("`{model}` cannot be part of a path: {error}"),
                })?;
                Ok((translated.body, path, conversion, translated.left_out))
            }
            _ => {
                let batch = context.operation.path.ends_with("batchEmbedContents");
                let translated = embeddings::gemini_to_openai(body, model, batch)?;
                let conversion = Conversion::Embeddings { encoding: Encoding::Float, batch };
                Ok((translated.body, UpstreamPath::fixed("embeddings"), conversion, translated.left_out))
            }
        }
    })
}
