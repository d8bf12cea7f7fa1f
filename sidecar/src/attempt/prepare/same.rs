//! A request to a provider of the caller's own dialect: the caller's bytes with the listed edits.

use std::borrow::Cow;

use bytes::Bytes;
use outrigger_llm::format::gemini::model_names::{MOST_REQUESTS, model_places};
use outrigger_llm::json::weight::Weight;
use outrigger_llm::operation::{ModelLocation, OperationKind};
use outrigger_llm::passthrough::scan::{self, BodyPiece, Cap, Edits};
use outrigger_llm::passthrough::strip_marks;
use outrigger_llm::provider::Target;
use outrigger_llm::{Dialect, RequestError, path};
use serde_json::Value;

use crate::request::body::with_form_model;
use crate::request::context::RequestContext;
use crate::request::translation::RequestTranslation;
use crate::upstream::Pieces;

/// The caller's bytes with the listed edits.
pub(super) fn same_dialect(
    context: &RequestContext,
    target: &Target<'_>,
    requests_usage: bool,
    cap: Option<Cap<'_>>,
    translation: &RequestTranslation,
) -> Result<Pieces, RequestError> {
    let model = target.model;
    match context.operation.model {
        ModelLocation::Form => Ok(with_form_model(context, model)),
        _ if context.dialect == Dialect::Gemini
            && matches!(context.operation.kind, OperationKind::Embeddings | OperationKind::CountTokens) =>
        {
            let edited = match context.scanned.edit(&context.body, Edits::default()) {
                Cow::Borrowed(_) => context.body.clone(),
                Cow::Owned(edited) => edited.into(),
            };
            gemini_names(&edited, model)
        }
        place => {
            let named = (place == ModelLocation::Field).then_some(model).filter(|model| !model.is_empty());
            let edits = Edits { model: named, ask_usage: requests_usage, cap };
            // Remove what the gateway added for another provider in an earlier turn.
            if context.operation.kind == OperationKind::Chat && strip_marks::holds_any(&context.body) {
                let mut lease = translation.hold(context, Weight::of(&context.body).tree() + context.body.len())?;
                if let Some(cleaned) = strip_marks::strip_marks(target, &context.body)
                    && let Ok(scanned) = scan::scan(&cleaned)
                {
                    lease.shrink_to(cleaned.len());
                    let pieces = scanned.pieces(&cleaned, edits);
                    return Ok(of_pieces(&Bytes::from(cleaned), pieces).with_lease(lease));
                }
            }
            Ok(of_pieces(&context.body, context.scanned.pieces(&context.body, edits)))
        }
    }
}

/// Embedding requests, and whole requests whose tokens are counted, repeat the model's name in the body. It must be
/// that of the path. If a name is there twice, Gemini refuses it.
fn gemini_names(body: &Bytes, model: &str) -> Result<Pieces, RequestError> {
    let Some(places) = model_places(body) else { return Ok(body.clone().into()) };
    if places.len() > MOST_REQUESTS {
        let problem = format!("has {} entries; the limit is {MOST_REQUESTS}", places.len());
        return Err(RequestError::Invalid { path: "requests".to_owned(), problem });
    }
    let name = Bytes::from(Value::from(path::gemini_resource(model)).to_string());
    let mut pieces = Vec::with_capacity(2 * places.len() + 1);
    let mut at = 0;
    for place in places {
        pieces.extend([body.slice(at..place.start), name.clone()]);
        at = place.end;
    }
    pieces.push(body.slice(at..));
    Ok(Pieces::new(pieces))
}

fn of_pieces(body: &Bytes, pieces: Vec<BodyPiece>) -> Pieces {
    Pieces::new(pieces.into_iter().map(|piece| match piece {
        BodyPiece::Kept(range) => body.slice(range),
        BodyPiece::Said(text) => text.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_model_of_the_path_into_a_gemini_body() {
        for (body, expected) in [
            (
                r#"{"model" : "models/up/g", "content":{"parts":[{"text":"models/up/g"}]}}"#,
                r#"{"model" : "models/g", "content":{"parts":[{"text":"models/up/g"}]}}"#,
            ),
            (r#"{"content":{"x":1.50}}"#, r#"{"content":{"x":1.50}}"#),
            (
                r#"{ "requests":[{"model":"models/up/g"},{"content":{},"model":"up/g"} ,{}],"model":"a" }"#,
                r#"{ "requests":[{"model":"models/g"},{"content":{},"model":"models/g"} ,{}],"model":"models/g" }"#,
            ),
            (r#"{"requests":[{"model":"a","model":"b"}]}"#, r#"{"requests":[{"model":"a","model":"b"}]}"#),
            (r#"{"requests":{}}"#, r#"{"requests":{}}"#),
            (
                r#"{"generateContentRequest":{"contents":[],"model":"models/up/g"}}"#,
                r#"{"generateContentRequest":{"contents":[],"model":"models/g"}}"#,
            ),
        ] {
            let edited = gemini_names(&Bytes::from(body), "g").unwrap();
            assert_eq!(edited.joined(), expected);
        }
    }
}
