//! Translates an embeddings request to another dialect that has embeddings.

use outrigger_llm::RequestError;
use outrigger_llm::embeddings::{self, EncodedEmbeddings};
use outrigger_llm::path::{PathError, UpstreamPath};
use outrigger_llm::provider::Target;

use crate::relay::Conversion;
use crate::request::context::RequestContext;
use crate::request::translation::{ParsedBody, RequestTranslation};

/// The body with the dropped fields, the path, and how to convert the response.
pub(super) type TranslatedEmbeddings = (EncodedEmbeddings, UpstreamPath, Conversion);

/// Translates an embeddings request to the target's dialect.
pub(super) fn embeddings_request(
    context: &RequestContext,
    translation: &RequestTranslation,
    target: &Target<'_>,
) -> Result<TranslatedEmbeddings, RequestError> {
    let model = target.model;
    let no_path = |error: PathError| RequestError::Invalid {
        path: "model".to_owned(),
        problem: format!("`{model}` cannot be part of a path: {error}"),
    };
    translation.with(context, |read| {
        let ParsedBody::Body(body) = read else {
            let field = context.operation.name.to_owned();
            return Err(RequestError::Unsupported { field, upstream: target.api.dialect });
        };
        let request = embeddings::decode_request(context.operation, body.as_ref().map_err(Clone::clone)?)?;
        let encoded = embeddings::encode_request(context.dialect, &request, target)?;
        let path = target.api.url.embeddings(model, encoded.batch).map_err(no_path)?;
        Ok((encoded, path, Conversion::Embeddings(request.form)))
    })
}
