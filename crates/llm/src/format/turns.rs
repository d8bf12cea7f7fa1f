//! Turns of formats that have a message for each tool's result, without a field for a failed tool.

use crate::chat::{Message, Part, Role, ToolResult};

/// Adds content to the user's turns. Results and the user content after them are one turn; two user messages stay two.
pub(crate) fn user_turn(turns: &mut Vec<Message>, parts: Vec<Part>, is_result: bool) {
    match turns.last_mut() {
        Some(last)
            if last.role == Role::User && (is_result || matches!(last.parts.last(), Some(Part::ToolResult(_)))) =>
        {
            last.parts.extend(parts);
        }
        _ => turns.push(Message { role: Role::User, parts }),
    }
}

/// The texts of a result. If the tool failed, the text says so.
pub(crate) fn result_text(result: &ToolResult) -> String {
    let texts: Vec<&str> = result
        .content
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) | Part::Refusal(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let text = texts.join("\n");
    let says_so = text.trim_start().get(.."error".len()).is_some_and(|start| start.eq_ignore_ascii_case("error"));
    match result.is_error && !says_so {
        true if text.is_empty() => "Error: the tool failed".to_owned(),
        true => format!("Error: {text}"),
        false => text,
    }
}
