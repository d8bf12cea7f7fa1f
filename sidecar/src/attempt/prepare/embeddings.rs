//! Translates an embeddings request to the other dialect that has embeddings.

use outrigger_llm::chat::JsonObject;
use outrigger_llm::format::gemini::embeddings::{self, Encoding};
use outrigger_llm::path::{PathError, UpstreamPath};
use outrigger_llm::provider::{Target, UrlLayout};
use outrigger_llm::{Dialect, RequestError};

use crate::relay::Conversion;
use crate::request::context::RequestContext;
use crate::request::translation::{ParsedBody, RequestTranslation};

/// The body, the path, how to convert the response, and the dropped fields.
pub(super) type EmbeddingsRequest = (JsonObject, UpstreamPath, Conversion, Vec<String>);

/// Translates an embeddings request between OpenAI's and Gemini's dialect; the latter also as Vertex AI has it.
pub(super) fn embeddings_request(
    context: &RequestContext,
    translation: &RequestTranslation,
    target: &Target<'_>,
) -> Result<EmbeddingsRequest, RequestError> {
    let Target { api, model, .. } = *target;
    let upstream = api.dialect;
    let no_path = |error: PathError| RequestError::Invalid {
        path: "model".to_owned(),
        problem: format!("`{model}` cannot be part of a path: {error}"),
    };
    translation.with(context, |read| {
        let ParsedBody::Body(body) = read else {
            let field = context.operation.name.to_owned();
            return Err(RequestError::Unsupported { field, upstream });
        };
        let body = body.as_ref().map_err(Clone::clone)?;
        match upstream {
            Dialect::Gemini if api.url == UrlLayout::VertexGemini => {
                let translated = embeddings::openai_to_vertex(body)?;
                let conversion = Conversion::Embeddings { encoding: translated.encoding, batch: translated.batch };
                let path = UpstreamPath::vertex("google", model, ":predict").map_err(no_path)?;
                Ok((translated.body, path, conversion, translated.left_out))
            }
            Dialect::Gemini => {
                let translated = embeddings::openai_to_gemini(body, model)?;
                let verb = if translated.batch { ":batchEmbedContents" } else { ":embedContent" };
                let conversion = Conversion::Embeddings { encoding: translated.encoding, batch: translated.batch };
                // Whether the request fits is checked before the model is known.
                let path = match model {
                    "" => Ok(UpstreamPath::fixed("models")),
                    model => UpstreamPath::gemini(model, verb),
                };
                let path = path.map_err(no_path)?;
                Ok((translated.body, path, conversion, translated.left_out))
            }
            _ => {
                let batch = context.operation.path.ends_with("batchEmbedContents");
                let translated = embeddings::gemini_to_openai(body, model, batch)?;
                let conversion = Conversion::Embeddings { encoding: Encoding::Float, batch };
                let path = match api.url {
                    UrlLayout::AzureDeployments => UpstreamPath::deployment(model, "embeddings").map_err(no_path)?,
                    _ => UpstreamPath::fixed("embeddings"),
                };
                Ok((translated.body, path, conversion, translated.left_out))
            }
        }
    })
}
