//! Decodes an upstream's stream, line by line.

use serde_json::Value;

use crate::Malformed;
use crate::chat::{ChatEvent, StreamError};
use crate::format::ollama::response::{calls, filled};
use crate::format::ollama::{finish, malformed, usage};
use crate::framing;

/// Decodes a stream.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    over: bool,
    /// The number of calls so far.
    calls: usize,
}

impl Decoder {
    /// Decodes one line, and appends the result to `out`.
    ///
    /// # Errors
    /// [`Malformed`] if the line is not a JSON object of an answer, or a call has no name.
    pub fn push(&mut self, event: &framing::Event, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let Some(data) = event.data().filter(|_| !self.over) else { return Ok(()) };
        let line: Value =
            serde_json::from_str(&data).map_err(|error| malformed(format!("a line that is not JSON: {error}")))?;
        if let Some(error) = filled(line.get("error")) {
            self.over = true;
            out.push(ChatEvent::Error(StreamError {
                kind: "error".to_owned(),
                message: error.to_owned(),
                status: None,
            }));
            return Ok(());
        }
        let message = line.get("message").and_then(Value::as_object);
        let done = line.get("done").and_then(Value::as_bool) == Some(true);
        if message.is_none() && !done {
            return Err(malformed("a line without `message`"));
        }
        if !std::mem::replace(&mut self.started, true) {
            out.push(ChatEvent::Start { id: None, model: filled(line.get("model")).map(str::to_owned) });
        }
        if let Some(message) = message {
            out.extend(filled(message.get("thinking")).map(|text| ChatEvent::Thinking(text.to_owned())));
            out.extend(filled(message.get("content")).map(|text| ChatEvent::Text(text.to_owned())));
            for call in calls(message, self.calls)? {
                let index = self.calls;
                self.calls += 1;
                out.push(ChatEvent::ToolCall { index, id: call.id, name: call.name, signature: call.signature });
                out.push(ChatEvent::ToolArguments { index, fragment: call.arguments });
            }
        }
        if done {
            self.over = true;
            let used = usage::read(&line);
            if !used.is_empty() {
                out.push(ChatEvent::Usage(used));
            }
            let reason = finish::read(line.get("done_reason").and_then(Value::as_str), self.calls > 0);
            out.push(ChatEvent::Finish { reason, stop_sequence: None });
            out.push(ChatEvent::End);
        }
        Ok(())
    }
}
