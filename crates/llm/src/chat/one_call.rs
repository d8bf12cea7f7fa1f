//! Answers with one tool call at most, for callers who ask for that (`parallel_tool_calls: false`). Not every server can
//! be told so. The model calls its other tools in a later turn if it still wants to, once it has the first result.

use super::{ChatEvent, ChatResponse, Part};

impl ChatResponse {
    /// Leaves out all tool calls but the first.
    pub fn keep_first_call(&mut self) {
        let mut calls = 0;
        self.parts.retain(|part| {
            calls += usize::from(matches!(part, Part::ToolCall(_)));
            calls <= 1 || !matches!(part, Part::ToolCall(_))
        });
    }
}

impl ChatEvent {
    /// Whether it belongs to a tool call after the first.
    #[must_use]
    pub fn is_of_later_call(&self) -> bool {
        match self {
            ChatEvent::ToolCall { index, .. } | ChatEvent::ToolArguments { index, .. } => *index > 0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ToolCall;

    #[test]
    fn only_later_calls_are_left_out() {
        let call = |name: &str| {
            Part::ToolCall(ToolCall {
                id: format!("call_{name}"),
                name: name.to_owned(),
                arguments: "{}".to_owned(),
                signature: None,
            })
        };
        let text = |text: &str| Part::Text(text.to_owned());
        let cases = [
            (vec![text("a")], vec![text("a")]),
            (vec![text("a"), call("f")], vec![text("a"), call("f")]),
            (vec![call("f"), call("g"), text("a"), call("f")], vec![call("f"), text("a")]),
        ];
        for (parts, kept) in cases {
            let mut response = ChatResponse { parts, ..ChatResponse::default() };
            response.keep_first_call();
            assert_eq!(response.parts, kept);
        }
    }

    #[test]
    fn events_of_later_calls_are_known_by_their_index() {
        for index in [0, 1, 2] {
            let (id, name, signature) = (String::new(), String::new(), None);
            let start = ChatEvent::ToolCall { index, id, name, signature };
            let piece = ChatEvent::ToolArguments { index, fragment: String::new() };
            assert_eq!((start.is_of_later_call(), piece.is_of_later_call()), (index > 0, index > 0));
        }
        assert!(!ChatEvent::Text("a".to_owned()).is_of_later_call());
    }
}
