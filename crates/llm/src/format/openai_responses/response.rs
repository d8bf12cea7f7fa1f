//! Encodes an answer that is not streamed, as a response object.

use serde_json::Value;

use super::output::{self, State};
use super::reasoning;
use super::settings::ResponseSettings;
use crate::Answer;
use crate::chat::citation::CitedTexts;
use crate::chat::{ChatResponse, Part};

/// Encodes an answer as a response that OpenAI's SDKs accept.
///
/// - Consecutive texts and refusals are parts of one message.
/// - A thought is a reasoning item; what only its provider can read is in it if the caller asked for that.
/// - A picture is the item of a picture that was generated.
/// - Nothing is stored: `store` is false, whatever the caller wrote.
pub fn encode(response: &ChatResponse, answer: &Answer) -> Value {
    let settings = &ResponseSettings::of(&answer.request);
    let mut items: Vec<Value> = Vec::new();
    // The parts of the message that is being collected.
    let mut message: Vec<Value> = Vec::new();
    let mut cited = CitedTexts::of(response);
    for part in &response.parts {
        match part {
            Part::Text(text) => {
                let (begin, citations) = cited.next(text);
                let annotations = citations.into_iter().filter_map(|citation| output::annotation(citation, begin));
                message.push(output::text_part(text, annotations.collect()));
            }
            Part::Refusal(text) => message.push(output::refusal_part(text)),
            Part::Media(media) => match output::picture(&output::item_id("ig", &answer.id, items.len() + 1), media) {
                Some(item) => {
                    end_message(&mut message, &mut items, answer);
                    items.push(item);
                }
                None => message.push(output::text_part(&output::picture_text(media), Vec::new())),
            },
            Part::Thinking(thought) => {
                end_message(&mut message, &mut items, answer);
                let id = reasoning::item_id(&answer.id, items.len());
                items.push(reasoning::item(&id, thought, &answer.origin, settings.encrypts()));
            }
            Part::ToolCall(call) => {
                end_message(&mut message, &mut items, answer);
                items.push(output::call(&answer.id, items.len(), settings, call));
            }
            Part::ToolResult(_) => {}
        }
    }
    end_message(&mut message, &mut items, answer);
    let id = output::response_id(response.id.as_deref(), answer);
    let model = response.model.as_deref().unwrap_or(&answer.model);
    output::response((&id, model), (answer, settings), &State::Ended(response.finish), items, &response.usage)
}

fn end_message(message: &mut Vec<Value>, items: &mut Vec<Value>, answer: &Answer) {
    if !message.is_empty() {
        let id = output::item_id("msg", &answer.id, items.len());
        items.push(output::message(&id, std::mem::take(message), "completed"));
    }
}
