//! Turns the errors of the CEL parser into one line that helps to fix the expression.

use cel::{ParseError, ParseErrors};

/// The most bytes of the quoted word.
const MOST: usize = 40;

/// The first error, and where it is: later errors are usually its consequence.
pub(crate) fn describe(source: &str, errors: &ParseErrors) -> String {
    let position = |error: &ParseError| (error.pos.0, error.pos.1);
    let Some(first) = errors.errors.iter().min_by_key(|error| position(error)) else {
        return "it can't be read".to_owned();
    };
    let what = per_cent(source, position(first)).unwrap_or_else(|| words(&first.msg, at(source, position(first))));
    match (source.trim().is_empty(), source.trim_end().contains('\n'), first.pos) {
        (true, ..) => "it is empty".to_owned(),
        (_, false, (_, column)) => format!("at column {column}, {what}"),
        (_, true, (line, column)) => format!("at line {line}, column {column}, {what}"),
    }
}

/// `85%`: in CEL, `%` is the remainder of a division.
fn per_cent(source: &str, (line, column): (isize, isize)) -> Option<String> {
    let line = source.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let before: String = line.chars().take(usize::try_from(column).ok()?.checked_sub(1)?).collect();
    let number = before.trim_end().strip_suffix('%')?.trim_end();
    let digits = number.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
    let number = number.get(digits..).filter(|number| !number.is_empty())?;
    Some(format!("`%` needs a number after it: write {number}"))
}

/// The word or sign at a position.
fn at(source: &str, (line, column): (isize, isize)) -> &str {
    let found = || {
        let line = source.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
        let (start, first) = line.char_indices().nth(usize::try_from(column).ok()?.checked_sub(1)?)?;
        let rest = &line[start..];
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let end = match is_word(first) {
            true => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            false if rest.starts_with("&&") || rest.starts_with("||") || rest.starts_with("==") => 2,
            false => first.len_utf8(),
        };
        rest.get(..end.min(MOST)).or(rest.get(..first.len_utf8()))
    };
    found().unwrap_or_default()
}

/// The parser's message in our words, with the word at its position; empty at the end of the text.
fn words(message: &str, found: &str) -> String {
    let message = message.trim_start_matches("Syntax error:").trim();
    if let Some(word) = message.strip_prefix("reserved identifier: ") {
        return format!("`{word}` is a reserved word in CEL");
    }
    if let Some(missing) = message.strip_prefix("expected '").and_then(|rest| rest.split('\'').next()) {
        return format!("`{missing}` is missing");
    }
    match (message, found) {
        ("unterminated string literal" | "unterminated bytes literal", _) => "a string has no closing quote".to_owned(),
        (message, _) if message.contains("expecting ')'") => "`)` is missing".to_owned(),
        ("expected identifier after '.'" | "expected identifier", _) => "a name is missing".to_owned(),
        (message, "") if message.contains("mismatched input") => "it ends too early".to_owned(),
        (message, found) if is_unexpected_token(message) => match found {
            "=" => "`=` does not compare: write `==`".to_owned(),
            "&" | "|" => format!("`{found}` is not an operator: write `{found}{found}`"),
            "and" => "`and` is not an operator: write `&&`".to_owned(),
            "or" => "`or` is not an operator: write `||`".to_owned(),
            found if message == "unexpected character" => format!("`{found}` has no meaning"),
            found => format!("`{found}` is not allowed here"),
        },
        (message, _) => message.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

fn is_unexpected_token(message: &str) -> bool {
    message.contains("mismatched input") || message.starts_with("unexpected")
}

#[cfg(test)]
mod tests {
    use crate::{Expression, ExpressionError};

    #[test]
    fn errors_are_one_line_with_a_column() {
        for (source, expected) in [
            ("", "it is empty"),
            (" ", "it is empty"),
            ("model = 'a'", "at column 7, `=` does not compare: write `==`"),
            ("model === 'a'", "at column 9, `=` does not compare: write `==`"),
            ("model ==", "at column 9, it ends too early"),
            ("'a", "at column 1, a string has no closing quote"),
            ("model == \"a", "at column 10, a string has no closing quote"),
            ("a b", "at column 3, `b` is not allowed here"),
            ("model & model", "at column 7, `&` is not an operator: write `&&`"),
            ("model == 'a' and provider == 'b'", "at column 14, `and` is not an operator: write `&&`"),
            ("model == 'a' or provider == 'b'", "at column 14, `or` is not an operator: write `||`"),
            ("(model == 'a'", "at column 14, `)` is missing"),
            ("model == 'a')", "at column 13, `)` is not allowed here"),
            ("headers['a'", "at column 12, `]` is missing"),
            ("headers.exists(1, true)", "at column 16, argument must be a simple name"),
            ("model == 'a' &&\n  provider = 'b'", "at line 2, column 12, `=` does not compare: write `==`"),
            ("namespace == 'a'", "at column 1, `namespace` is a reserved word in CEL"),
            ("model == 'a' # no", "at column 14, `#` has no meaning"),
            ("budget_used > 85%", "at column 18, `%` needs a number after it: write 85"),
            ("budget_used > 8.5 % && true", "at column 21, `%` needs a number after it: write 8.5"),
            ("true &&\n  (budget_used > 85%)", "at line 2, column 21, `%` needs a number after it: write 85"),
            ("model %", "at column 8, it ends too early"),
            ("1 +* 2", "at column 4, `*` is not allowed here"),
            ("99999999999999999999999 == 1", "at column 1, invalid int literal"),
        ] {
            let error = Expression::compile(source).map(drop).unwrap_err();
            assert_eq!(error, ExpressionError::Syntax(expected.to_owned()), "{source}");
        }
    }
}
