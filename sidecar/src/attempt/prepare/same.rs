//! A request to a provider of the caller's own dialect: the caller's bytes with the listed edits.

use std::borrow::Cow;

use bytes::Bytes;
use outrigger_llm::format::gemini::model_names::{MOST_REQUESTS, model_places};
use outrigger_llm::json::weight::Weight;
use outrigger_llm::operation::{ModelLocation, OperationKind};
use outrigger_llm::passthrough::adapt::{Adapted, adapt};
use outrigger_llm::passthrough::scan::{self, BodyPiece, Edits};
use outrigger_llm::passthrough::strip_marks;
use outrigger_llm::provider::Target;
use outrigger_llm::{Dialect, RequestError, path};
use serde_json::Value;

use crate::request::body::with_form_model;
use crate::request::context::RequestContext;
use crate::request::translation::RequestTranslation;
use crate::upstream::Pieces;

/// The caller's bytes with the listed edits, and the paths of what was left out. `adapts`: what the target would refuse
/// is changed as well.
pub(super) fn same_dialect(
    context: &RequestContext,
    target: &Target<'_>,
    edits: Edits<'_>,
    adapts: bool,
    translation: &RequestTranslation,
) -> Result<(Pieces, Vec<String>), RequestError> {
    let model = target.model;
    match context.operation.model {
        ModelLocation::Form => Ok((with_form_model(context, model), Vec::new())),
        _ if context.dialect == Dialect::Gemini
            && matches!(context.operation.kind, OperationKind::Embeddings | OperationKind::CountTokens) =>
        {
            let edited = match context.scanned.edit(&context.body, Edits::default()) {
                Cow::Borrowed(_) => context.body.clone(),
                Cow::Owned(edited) => edited.into(),
            };
            Ok((gemini_names(&edited, model)?, Vec::new()))
        }
        _ => {
            // What other providers' answers added in earlier turns is removed.
            let format = context.operation.format();
            let marked = context.operation.is_conversation() && strip_marks::holds_any(format, target, &context.body);
            if marked || adapts {
                let mut lease = translation.hold(context, Weight::of(&context.body).tree() + context.body.len())?;
                let cleaned = marked.then(|| strip_marks::strip_marks_of(format, target, &context.body)).flatten();
                let body = cleaned.as_deref().unwrap_or(&context.body);
                let adapted = match adapts {
                    true => adapt(context.operation, target, body)?,
                    false => None,
                };
                let (changed, left_out) = match adapted {
                    Some(Adapted { body, left_out }) => (Some(body), left_out),
                    None => (cleaned, Vec::new()),
                };
                if let Some(changed) = changed
                    && let Ok(scanned) = scan::scan(&changed)
                {
                    lease.shrink_to(changed.len());
                    let pieces = scanned.pieces(&changed, edits);
                    return Ok((of_pieces(&Bytes::from(changed), pieces).with_lease(lease), left_out));
                }
            }
            Ok((of_pieces(&context.body, context.scanned.pieces(&context.body, edits)), Vec::new()))
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
