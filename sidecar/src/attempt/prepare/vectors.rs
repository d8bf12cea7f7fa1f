//! Translates an embeddings request to the other dialect that has embeddings.

use outrigger_llm::chat::JsonObject;
use outrigger_llm::format::gemini::embeddings::{self, Encoding};
use outrigger_llm::path::UpstreamPath;
use outrigger_llm::{Dialect, RequestError};

use crate::relay::Conversion;
use crate::request::context::RequestContext;
use crate::request::translation::{ParsedBody, RequestTranslation};

/// The body, the path, how to convert the response, and the dropped fields.
pub(super) type Vectors = (JsonObject, UpstreamPath, Conversion, Vec<String>);

/// Translates an embeddings request between OpenAI's and Gemini's dialect.
pub(super) fn vectors(
    context: &RequestContext,
    translation: &RequestTranslation,
    upstream: Dialect,
    model: &str,
) -> Result<Vectors, RequestError> {
    translation.with(context, |read| {
        let ParsedBody::Body(body) = read else {
            let field = context.operation.name.to_owned();
            return Err(RequestError::Unsupported { field, upstream });
        };
        let body = body.as_ref().map_err(Clone::clone)?;
        match upstream {
            Dialect::Gemini => {
                let told = embeddings::openai_to_gemini(body, model)?;
                let verb = if told.batch { ":batchEmbedContents" } else { ":embedContent" };
                let way = Conversion::Vectors { encoding: told.encoding, batch: told.batch };
                // Whether the request fits is checked before the model is known.
                let path = match model {
                    "" => Ok(UpstreamPath::fixed("models")),
                    model => UpstreamPath::gemini(model, verb),
                };
                let path = path.map_err(|error| RequestError::Invalid {
                    path: "model".to_owned(),
                    problem: format!("`{model}` can't be part of a path: {error}"),
                })?;
                Ok((told.body, path, way, told.left_out))
            }
            _ => {
                let batch = context.operation.path.ends_with("batchEmbedContents");
                let told = embeddings::gemini_to_openai(body, model, batch)?;
                let way = Conversion::Vectors { encoding: Encoding::Float, batch };
                Ok((told.body, UpstreamPath::fixed("embeddings"), way, told.left_out))
            }
        }
    })
}
