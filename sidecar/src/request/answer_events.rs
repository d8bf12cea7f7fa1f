//! Converts a whole answer to the events of a stream, and back.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use outrigger_llm::chat::citation::CitedTexts;
use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{ChatEvent, ChatResponse, Finish, Part, Thought, ToolCall};
use outrigger_llm::framing::EventReader;
use outrigger_llm::operation::OperationKind;
use outrigger_llm::{Answer, StreamDecoder, StreamEncoder, decode_response, encode_response};
use serde_json::Value;

use crate::request::context::RequestContext;

/// The properties of an answer that its encoder needs. `origin`: whose thoughts it has.
pub fn answer_properties(context: &RequestContext, model: &str, origin: Origin) -> Answer {
    Answer {
        id: context.decision_id.clone(),
        model: model.to_owned(),
        created: context.received.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        latency_ms: u64::try_from(context.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        stream_usage: context.scanned.include_usage,
        request: match context.operation.kind {
            OperationKind::Responses => context.body.clone(),
            _ => Bytes::new(),
        },
        origin,
    }
}

/// Converts a whole answer of the caller's dialect to events of the same dialect.
///
/// # Errors
/// If it is no answer to a conversation.
pub fn events_of_whole(context: &RequestContext, body: &[u8]) -> Result<Bytes, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let response = decode_response(context.dialect.format(), &value).map_err(|error| error.to_string())?;
    let model = response.model.clone().or_else(|| context.model.clone()).unwrap_or_default();
    Ok(write(context, &response, answer_properties(context, &model, Origin::OWN)).into())
}

/// Writes a whole answer as the events of a stream.
pub fn write(context: &RequestContext, response: &ChatResponse, answer: Answer) -> Vec<u8> {
    let mut encoder = StreamEncoder::new(context.operation.format(), answer);
    let mut output = Vec::new();
    for event in &split(response) {
        encoder.push(event, &mut output);
    }
    output
}

/// Joins the events of a stream to a whole answer, as JSON of the caller's dialect. `None` if it is incomplete or no
/// conversation.
pub fn assemble(context: &RequestContext, bytes: &Bytes) -> Option<Vec<u8>> {
    let (mut reader, mut read) = (EventReader::new(context.framing()), Vec::new());
    reader.push(bytes, &mut read);
    read.extend(reader.finish());
    let (mut decoder, mut events) = (StreamDecoder::new(context.dialect.format()), Vec::new());
    for event in &read {
        decoder.push(event, &mut events).ok()?;
    }
    let response = join(events)?;
    let model = response.model.clone().or_else(|| context.model.clone()).unwrap_or_default();
    let answer =
        Answer { id: response.id.clone().unwrap_or_default(), ..answer_properties(context, &model, Origin::OWN) };
    serde_json::to_vec(&encode_response(context.dialect.format(), &response, &answer)).ok()
}

fn split(response: &ChatResponse) -> Vec<ChatEvent> {
    let mut events = vec![ChatEvent::Start { id: response.id.clone(), model: response.model.clone() }];
    let mut calls = 0;
    let mut cited = CitedTexts::of(response);
    for part in &response.parts {
        match part {
            Part::Text(text) => {
                events.push(ChatEvent::Text(text.clone()));
                events.extend(cited.next(text).1.into_iter().cloned().map(ChatEvent::Citation));
            }
            Part::Refusal(text) => events.push(ChatEvent::Refusal(text.clone())),
            Part::Media(media) => events.push(ChatEvent::Media(media.clone())),
            Part::Thinking(thought) => {
                events.extend(thought.text.clone().map(ChatEvent::Thinking));
                events.extend(thought.signature.clone().map(ChatEvent::ThinkingSignature));
                events.extend(thought.redacted.clone().map(ChatEvent::RedactedThinking));
            }
            Part::ToolCall(call) => {
                let (index, signature) = (calls, call.signature.clone());
                calls += 1;
                events.push(ChatEvent::ToolCall { index, id: call.id.clone(), name: call.name.clone(), signature });
                events.push(ChatEvent::ToolArguments { index, fragment: call.arguments.clone() });
            }
            Part::ToolResult(_) => {}
        }
    }
    let reason = response.finish.unwrap_or(Finish::Stop);
    events.push(ChatEvent::Finish { reason, stop_sequence: response.stop_sequence.clone() });
    events.push(ChatEvent::Usage(response.usage));
    events.push(ChatEvent::End);
    events
}

/// Joins the events of an answer. `None` if it broke off or has no end.
fn join(events: Vec<ChatEvent>) -> Option<ChatResponse> {
    let mut response = ChatResponse::default();
    // The index of each call, and its position among the parts.
    let mut calls: Vec<(usize, usize)> = Vec::new();
    for event in events {
        match event {
            ChatEvent::Start { id, model } => (response.id, response.model) = (id, model),
            ChatEvent::Text(text) => match response.parts.last_mut() {
                Some(Part::Text(before)) => before.push_str(&text),
                _ => response.parts.push(Part::Text(text)),
            },
            ChatEvent::Citation(citation) => response.citations.push(citation),
            ChatEvent::Refusal(text) => match response.parts.last_mut() {
                Some(Part::Refusal(before)) => before.push_str(&text),
                _ => response.parts.push(Part::Refusal(text)),
            },
            ChatEvent::Thinking(text) => match response.parts.last_mut() {
                Some(Part::Thinking(Thought { text: Some(before), signature: None, .. })) => before.push_str(&text),
                _ => response.parts.push(Part::Thinking(Thought { text: Some(text), ..Thought::default() })),
            },
            ChatEvent::ThinkingSignature(signature) => match response.parts.last_mut() {
                Some(Part::Thinking(thought)) => thought.signature = Some(signature),
                _ => {
                    let thought = Thought { signature: Some(signature), ..Thought::default() };
                    response.parts.push(Part::Thinking(thought));
                }
            },
            ChatEvent::RedactedThinking(data) => {
                response.parts.push(Part::Thinking(Thought { redacted: Some(data), ..Thought::default() }));
            }
            ChatEvent::Media(media) => response.parts.push(Part::Media(media)),
            ChatEvent::ToolCall { index, id, name, signature } => {
                calls.push((index, response.parts.len()));
                response.parts.push(Part::ToolCall(ToolCall { id, name, arguments: String::new(), signature }));
            }
            ChatEvent::ToolArguments { index, fragment } => {
                let at = calls.iter().rev().find(|(call, _)| *call == index)?.1;
                if let Some(Part::ToolCall(call)) = response.parts.get_mut(at) {
                    call.arguments.push_str(&fragment);
                }
            }
            ChatEvent::Usage(usage) => response.usage.merge(&usage),
            ChatEvent::Finish { reason, stop_sequence } => {
                (response.finish, response.stop_sequence) = (Some(reason), stop_sequence);
            }
            ChatEvent::Error(_) => return None,
            ChatEvent::End => {}
        }
    }
    response.finish?;
    for part in &mut response.parts {
        if let Part::ToolCall(call) = part
            && call.arguments.is_empty()
        {
            call.arguments.push_str("{}");
        }
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use outrigger_llm::chat::citation::Citation;
    use outrigger_llm::usage::Usage;

    use super::*;

    #[test]
    fn joining_reverses_splitting() {
        let call = |id: &str, arguments: &str| {
            Part::ToolCall(ToolCall {
                id: id.to_owned(),
                name: "look".to_owned(),
                arguments: arguments.to_owned(),
                signature: None,
            })
        };
        let thought = Thought { text: Some("hm".to_owned()), signature: Some("s".to_owned()), ..Thought::default() };
        let response = ChatResponse {
            id: Some("a".to_owned()),
            model: Some("m".to_owned()),
            parts: vec![
                Part::Thinking(thought),
                Part::Thinking(Thought { redacted: Some("x".to_owned()), ..Thought::default() }),
                Part::Text("two words".to_owned()),
                call("1", "{\"q\":1}"),
                call("2", "{}"),
            ],
            finish: Some(Finish::ToolCalls),
            stop_sequence: None,
            usage: Usage { input: Some(3), output: Some(5), ..Usage::default() },
            citations: vec![Citation { passage: Some(0..9), title: Some("t".to_owned()), ..Citation::default() }],
        };
        assert_eq!(join(split(&response)), Some(response));
    }

    #[test]
    fn joins_pieces_and_rejects_an_answer_without_an_end() {
        let text = |text: &str| ChatEvent::Text(text.to_owned());
        let finish = ChatEvent::Finish { reason: Finish::Stop, stop_sequence: None };
        let joined = join(vec![text("a"), text("b"), finish.clone(), ChatEvent::End]).unwrap();
        assert_eq!(joined.parts, [Part::Text("ab".to_owned())]);
        assert_eq!(join(vec![text("a")]), None);
        let fragment = ChatEvent::ToolArguments { index: 7, fragment: "{".to_owned() };
        assert_eq!(join(vec![fragment, finish]), None, "arguments of no call");
    }
}
