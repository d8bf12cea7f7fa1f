//! Composes the answer of a mock: text, tool calls, or an instance of the requested schema.

use std::time::{SystemTime, UNIX_EPOCH};

use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{
    ChatEvent, ChatRequest, ChatResponse, Finish, OutputFormat, Part, Role, Tool, ToolCall, ToolChoice,
};
use outrigger_llm::usage::Usage;
use outrigger_llm::{Answer, CallerFormat, chat};
use outrigger_policy::MockDoc;
use serde_json::{Value, json};

use super::{MockRequest, instance};

/// The id and the model of the answer.
pub fn answer_properties(request: &MockRequest) -> Answer {
    Answer {
        // The answer repeats some settings of it.
        request: match request.format {
            CallerFormat::OpenAiResponses => request.body.to_string().into(),
            CallerFormat::Common(_) | CallerFormat::OllamaGenerate => bytes::Bytes::new(),
        },
        id: format!("mock-{:012x}", fastrand::u64(..) >> 16),
        model: request.model.clone(),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        latency_ms: 0,
        stream_usage: request.chat.as_ref().is_some_and(|chat| chat.as_ref().is_ok_and(|request| request.stream_usage)),
        origin: Origin::OWN,
    }
}

/// Composes the whole answer.
pub fn compose(provider: &str, script: &MockDoc, request: &MockRequest, chat: &ChatRequest) -> ChatResponse {
    let calls = tool_calls(script, chat);
    let (parts, finish) = match calls.is_empty() {
        false => (calls, Finish::ToolCalls),
        true => capped(text(provider, script, request, chat), chat.max_output_tokens),
    };
    let output = parts.iter().map(|part| words(part).len() as u64).sum();
    ChatResponse {
        id: Some(answer_properties(request).id),
        model: Some(request.model.clone()),
        parts,
        finish: Some(finish),
        stop_sequence: None,
        usage: Usage { input: Some(input_tokens(chat)), output: Some(output), ..Usage::default() },
        citations: Vec::new(),
    }
}

/// Cuts a text at the request's limit of output tokens. A word counts as a token.
fn capped(text: String, most: Option<u64>) -> (Vec<Part>, Finish) {
    let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let end: usize = text.split_inclusive(' ').take(most).map(str::len).sum();
    match text.get(..end).filter(|start| start.len() < text.len()) {
        Some(start) => (vec![Part::Text(start.to_owned())], Finish::Length),
        None => (vec![Part::Text(text)], Finish::Stop),
    }
}

fn text(provider: &str, script: &MockDoc, request: &MockRequest, chat: &ChatRequest) -> String {
    match &chat.output {
        OutputFormat::JsonSchema { schema, .. } => return instance::of(schema).to_string(),
        OutputFormat::JsonObject => return r#"{"answer":"mock"}"#.to_owned(),
        OutputFormat::Text => {}
    }
    if script.echo {
        return last_user_text(chat);
    }
    let template = script.reply.as_deref().unwrap_or("Hello from {{provider}}/{{model}}");
    template.replace("{{provider}}", provider).replace("{{model}}", &request.model)
}

/// The script's calls of tools that the request declares and allows, or the first if it allows one call only. If it
/// demands a call and the script has none, a call of an allowed tool. None after the request contains results.
fn tool_calls(script: &MockDoc, request: &ChatRequest) -> Vec<Part> {
    let answered = request
        .messages
        .last()
        .is_some_and(|message| message.parts.iter().any(|part| matches!(part, Part::ToolResult(_))));
    if answered || request.tool_choice == Some(ToolChoice::None) {
        return Vec::new();
    }
    let allowed: Vec<&Tool> = request.tools.iter().filter(|tool| allows(request.tool_choice.as_ref(), tool)).collect();
    let scripted = script.tool_calls.iter().filter(|call| allowed.iter().any(|tool| tool.name == call.name));
    let mut calls: Vec<(String, String)> =
        scripted.map(|call| (call.name.clone(), call.arguments.to_string())).collect();
    if request.parallel_tool_calls == Some(false) {
        calls.truncate(1);
    }
    if calls.is_empty() && !matches!(request.tool_choice, None | Some(ToolChoice::Auto)) {
        calls.extend(allowed.first().map(|tool| (tool.name.clone(), arguments(tool))));
    }
    let parts = calls.into_iter().enumerate().map(|(index, (name, arguments))| {
        let id = format!("call_mock_{index}_{:08x}", fastrand::u32(..));
        Part::ToolCall(ToolCall { id, name, arguments, signature: None })
    });
    parts.collect()
}

/// Whether the request lets the model call a tool.
fn allows(choice: Option<&ToolChoice>, tool: &Tool) -> bool {
    match choice {
        Some(ToolChoice::None) => false,
        Some(ToolChoice::Tool(name)) => *name == tool.name,
        Some(ToolChoice::AnyOf(names)) => names.contains(&tool.name),
        None | Some(ToolChoice::Auto | ToolChoice::Required) => true,
    }
}

/// Arguments that the tool's schema accepts, as JSON text.
fn arguments(tool: &Tool) -> String {
    let made = tool.parameters.as_ref().map(instance::of).filter(Value::is_object);
    made.unwrap_or_else(|| json!({})).to_string()
}

fn last_user_text(request: &ChatRequest) -> String {
    let last = request.messages.iter().rev().find(|message| message.role == Role::User);
    let texts = last.into_iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// About four bytes for each token: a mock has no tokenizer, but its figures should follow the text.
fn input_tokens(request: &ChatRequest) -> u64 {
    let in_messages = request.messages.iter().flat_map(|message| &message.parts).map(|part| match part {
        Part::Text(text) => text.len(),
        Part::ToolResult(result) => result.content.len() * 16,
        _ => 16,
    });
    let bytes = request.system.iter().map(String::len).sum::<usize>() + in_messages.sum::<usize>();
    (bytes as u64).div_ceil(4).max(1)
}

/// A text with more than this many words of this many bytes is streamed in larger pieces.
const MAX_EVENTS: usize = 4_096;
const MAX_BYTES: usize = 4;

/// Splits a part into the pieces in which it is streamed: words with the following space.
fn words(part: &Part) -> Vec<String> {
    match part {
        Part::Text(text) => {
            // For a long text, several words together: each piece is an event.
            let several = text.len().div_ceil(MAX_EVENTS);
            let mut pieces: Vec<String> = Vec::new();
            for word in text.split_inclusive(' ') {
                match pieces.last_mut().filter(|piece| several > MAX_BYTES && piece.len() < several) {
                    Some(piece) => piece.push_str(word),
                    None => pieces.push(word.to_owned()),
                }
            }
            pieces
        }
        Part::ToolCall(call) => {
            let middle = call.arguments.char_indices().nth(call.arguments.chars().count() / 2).map_or(0, |(at, _)| at);
            let (first, second) = call.arguments.split_at(middle);
            [first, second].into_iter().filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The answer as the events of a stream.
pub fn events(answer: &ChatResponse) -> Vec<ChatEvent> {
    let mut events = vec![chat::ChatEvent::Start { id: answer.id.clone(), model: answer.model.clone() }];
    let mut calls = 0;
    for part in &answer.parts {
        match part {
            Part::Text(_) => events.extend(words(part).into_iter().map(ChatEvent::Text)),
            Part::ToolCall(call) => {
                let index = calls;
                calls += 1;
                events.push(ChatEvent::ToolCall {
                    index,
                    id: call.id.clone(),
                    name: call.name.clone(),
                    signature: None,
                });
                events.extend(words(part).into_iter().map(|fragment| ChatEvent::ToolArguments { index, fragment }));
            }
            _ => {}
        }
    }
    events.push(ChatEvent::Finish { reason: answer.finish.unwrap_or(Finish::Stop), stop_sequence: None });
    events.push(ChatEvent::Usage(answer.usage));
    events.push(ChatEvent::End);
    events
}
