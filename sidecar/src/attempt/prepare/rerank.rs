//! Translates a request to rerank documents to the target's dialect.

use outrigger_llm::provider::Target;
use outrigger_llm::{EncodedRequest, RequestError, rerank};

use crate::relay::Conversion;
use crate::request::context::RequestContext;
use crate::request::translation::{ParsedBody, RequestTranslation};

/// The request, and how to convert the response.
pub(super) fn rerank_request(
    context: &RequestContext,
    translation: &RequestTranslation,
    target: &Target<'_>,
) -> Result<(EncodedRequest, Conversion), RequestError> {
    translation.with(context, |read| {
        let ParsedBody::Body(body) = read else {
            let field = context.operation.name.to_owned();
            return Err(RequestError::Unsupported { field, upstream: target.api.dialect });
        };
        let request = rerank::decode_request(context.dialect, body.as_ref().map_err(Clone::clone)?)?;
        let encoded = rerank::encode_request(context.dialect, &request, target)?;
        Ok((encoded, Conversion::Rerank { returns_documents: request.returns_documents }))
    })
}
