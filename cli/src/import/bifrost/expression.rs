//! Translates conditions of rules. Bifrost's variables have the same names here, but not always the same values: keys
//! may be renamed, ids differ, and headers may be in capitals. A condition that can never be true again would be worse
//! than none.

use std::collections::HashMap;

use outrigger_core::RequestType;

use super::super::report::code;

/// New names for texts that are compared with a variable: by variable, Bifrost's text and ours.
#[derive(Debug, Default)]
pub(crate) struct Renames {
    by_variable: HashMap<&'static str, HashMap<String, String>>,
}

/// A translated condition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Translation {
    pub text: String,
    /// What was changed, and which parts may never be true.
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    Word,
    /// A quoted text without escapes.
    Text,
    /// A quoted text that stays unchanged.
    Odd,
    Mark,
}

#[derive(Clone, Copy, Debug)]
struct ExpressionToken<'e> {
    kind: TokenKind,
    text: &'e str,
    at: usize,
}

impl Renames {
    pub fn add(&mut self, variable: &'static str, from: &str, to: &str) {
        self.by_variable.entry(variable).or_default().insert(from.to_owned(), to.to_owned());
    }

    /// Translates a condition: replaces texts that have another name here.
    pub fn translate(&self, expression: &str) -> Translation {
        let tokens = tokens(expression);
        let mut notes: Vec<String> = Vec::new();
        let mut text = String::with_capacity(expression.len());
        let mut copied = 0;
        for (index, token) in tokens.iter().enumerate() {
            if token.kind != TokenKind::Text {
                continue;
            }
            let inner = &token.text[1..token.text.len() - 1];
            let Some((ours, why)) = self.ours(&tokens, index, inner) else { continue };
            if !notes.contains(&why) {
                notes.push(why);
            }
            if ours != inner {
                let quote = &token.text[..1];
                text.push_str(&expression[copied..token.at]);
                text.push_str(&format!("{quote}{ours}{quote}"));
                copied = token.at + token.text.len();
            }
        }
        text.push_str(&expression[copied..]);
        Translation { text, notes }
    }

    /// The new text, and a note. `None` if the text stays.
    fn ours(&self, tokens: &[ExpressionToken<'_>], index: usize, inner: &str) -> Option<(String, String)> {
        if is_header(tokens, index) {
            let lower = inner.to_ascii_lowercase();
            return (lower != inner).then(|| {
                let why = format!("headers are in lower case here, so {} became {}", code(inner), code(&lower));
                (lower, why)
            });
        }
        let subject = subject(tokens, index)?;
        if subject == "request_type" {
            let known =
                RequestType::NAMES.contains(&inner) || RequestType::NAMES.iter().any(|known| known.contains(inner));
            return (!known).then(|| {
                let types = RequestType::NAMES.join(", ");
                (inner.to_owned(), format!("request_type is never {} here: it is one of {types}", code(inner)))
            });
        }
        let names = self.by_variable.get(subject)?;
        match names.get(inner) {
            Some(ours) if ours == inner => None,
            Some(ours) => {
                Some((ours.clone(), format!("{subject} is {} here, so {} was replaced", code(ours), code(inner))))
            }
            None => Some((
                inner.to_owned(),
                format!("nothing in the file has the {subject} {}, so this part may never hold", code(inner)),
            )),
        }
    }
}

/// `headers["X"]` or `"X" in headers`.
fn is_header(tokens: &[ExpressionToken<'_>], index: usize) -> bool {
    let is = |at: Option<usize>, text: &str| at.and_then(|at| tokens.get(at)).is_some_and(|token| token.text == text);
    let before = (is(index.checked_sub(1), "[")) && is(index.checked_sub(2), "headers");
    before || (is(Some(index + 1), "in") && is(Some(index + 2), "headers"))
}

/// The variable that a text is compared with: the last one before it in its clause, or else the next one after it.
fn subject<'e>(tokens: &[ExpressionToken<'e>], index: usize) -> Option<&'e str> {
    const SUBJECTS: [&str; 8] = [
        "virtual_key_id",
        "virtual_key_name",
        "team_id",
        "team_name",
        "customer_id",
        "customer_name",
        "provider",
        "request_type",
    ];
    let ends = |token: &&ExpressionToken<'_>| ["&&", "||", "?", ":"].contains(&token.text);
    let word = |token: &&ExpressionToken<'_>| {
        token.kind == TokenKind::Word && !["in", "size", "true", "false"].contains(&token.text)
    };
    // A word after a point is a function or a field.
    let variable = |at: usize| at == 0 || tokens[at - 1].text != ".";
    let before = (0..index).rev().take_while(|at| !ends(&&tokens[*at])).find(|at| word(&&tokens[*at]) && variable(*at));
    let after = || {
        (index + 1..tokens.len()).take_while(|at| !ends(&&tokens[*at])).find(|at| word(&&tokens[*at]) && variable(*at))
    };
    let name = tokens[before.or_else(after)?].text;
    SUBJECTS.contains(&name).then_some(name)
}

fn tokens(text: &str) -> Vec<ExpressionToken<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match letter {
            _ if letter.is_whitespace() => {
                at += letter.len_utf8();
                continue;
            }
            'r' | 'R' | 'b' | 'B' if rest[1..].starts_with(['"', '\'']) => (TokenKind::Odd, 1 + quoted(&rest[1..]).1),
            '"' | '\'' => quoted(rest),
            _ if letter.is_ascii_alphabetic() || letter == '_' => {
                let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
                (TokenKind::Word, length)
            }
            _ if rest.starts_with("&&") || rest.starts_with("||") => (TokenKind::Mark, 2),
            _ => (TokenKind::Mark, letter.len_utf8()),
        };
        tokens.push(ExpressionToken { kind, text: &rest[..length], at });
        at += length;
    }
    tokens
}

/// The kind of a quoted text, and its length.
fn quoted(rest: &str) -> (TokenKind, usize) {
    for long in ["\"\"\"", "'''"] {
        if let Some(inner) = rest.strip_prefix(long) {
            return (TokenKind::Odd, inner.find(long).map_or(rest.len(), |end| end + 6));
        }
    }
    let quote = rest.as_bytes().first().copied().unwrap_or(b'"');
    let mut odd = false;
    let mut bytes = rest.bytes().enumerate().skip(1);
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                odd = true;
                bytes.next();
            }
            _ if byte == quote => return (if odd { TokenKind::Odd } else { TokenKind::Text }, index + 1),
            _ => {}
        }
    }
    (TokenKind::Odd, rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames() -> Renames {
        let mut renames = Renames::default();
        renames.add("virtual_key_id", "vk-1", "default/search");
        renames.add("virtual_key_name", "Search", "search");
        renames.add("virtual_key_name", "chat", "chat");
        renames.add("team_name", "Platform Team", "Platform-Team");
        renames.add("provider", "openai", "openai");
        renames
    }

    #[test]
    fn renamed_texts_are_replaced() {
        for (expression, expected, notes) in [
            ("virtual_key_id == 'vk-1'", "virtual_key_id == 'default/search'", 1),
            (r#""Search" == virtual_key_name"#, r#""search" == virtual_key_name"#, 1),
            (r#"virtual_key_name in ["Search", "chat"]"#, r#"virtual_key_name in ["search", "chat"]"#, 1),
            (
                r#"team_name == "Platform Team" && model == "Search""#,
                r#"team_name == "Platform-Team" && model == "Search""#,
                1,
            ),
            (r#"headers["X-Tier"] == "Premium""#, r#"headers["x-tier"] == "Premium""#, 1),
            (
                r#""X-Tier" in headers && headers["x-tier"] == "A""#,
                r#""x-tier" in headers && headers["x-tier"] == "A""#,
                1,
            ),
            (
                r#"headers["x-key"] == "vk-1" || provider == "openai""#,
                r#"headers["x-key"] == "vk-1" || provider == "openai""#,
                0,
            ),
            (r#"virtual_key_name == "other""#, r#"virtual_key_name == "other""#, 1),
            (r#"virtual_key_name.startsWith("Sea")"#, r#"virtual_key_name.startsWith("Sea")"#, 1),
            ("request_type == 'embedding'", "request_type == 'embedding'", 0),
            ("request_type == 'translation'", "request_type == 'translation'", 1),
            ("request_type.startsWith('chat')", "request_type.startsWith('chat')", 0),
            (r"virtual_key_name == r'Search'", r"virtual_key_name == r'Search'", 0),
            ("model.startsWith('gpt-4') && budget_used > 80.0", "model.startsWith('gpt-4') && budget_used > 80.0", 0),
            ("true", "true", 0),
        ] {
            let got = renames().translate(expression);
            assert_eq!((got.text.as_str(), got.notes.len()), (expected, notes), "{expression}: {:?}", got.notes);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_preserved(text in r#"[a-z_ "'\\.&|é\[\]]{0,40}"#) {
            let got = Renames::default().translate(&text);
            proptest::prop_assert_eq!(got.text.to_ascii_lowercase(), text.to_ascii_lowercase());
        }
    }
}
