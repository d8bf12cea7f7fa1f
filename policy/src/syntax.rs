//! What a parser says of an expression that is no CEL, in one line that a person can act on.

use cel::{ParseError, ParseErrors};

/// The first thing that is wrong, and where: what follows it is mostly its consequence.
pub(crate) fn told(source: &str, errors: &ParseErrors) -> String {
    let place = |error: &ParseError| (error.pos.0, error.pos.1);
    let Some(first) = errors.errors.iter().min_by_key(|error| place(error)) else {
        return "it can't be read".to_owned();
    };
    let what = per_cent(source, place(first)).unwrap_or_else(|| words(&first.msg));
    match (source.trim().is_empty(), source.trim_end().contains('\n'), first.pos) {
        (true, ..) => "it is empty".to_owned(),
        (_, false, (_, column)) => format!("at column {column}, {what}"),
        (_, true, (line, column)) => format!("at line {line}, column {column}, {what}"),
    }
}

/// `85%`: to CEL, `%` is what is left over by a division.
fn per_cent(source: &str, (line, column): (isize, isize)) -> Option<String> {
    let line = source.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let before: String = line.chars().take(usize::try_from(column).ok()?.checked_sub(1)?).collect();
    let number = before.trim_end().strip_suffix('%')?.trim_end();
    let digits = number.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
    let number = number.get(digits..).filter(|number| !number.is_empty())?;
    Some(format!("`%` needs a number behind it: write {number}"))
}

/// The parser's message, without the lists of tokens that it would have taken.
fn words(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error:").trim();
    if let Some(text) = quoted(message, "token recognition error at: ") {
        return match text.trim() {
            "=" => "`=` compares nothing: write `==`".to_owned(),
            "&" | "|" => format!("`{0}` is half an operator: write `{0}{0}`", text.trim()),
            text if text.starts_with(['\'', '"']) => "a text begins that has no closing quote".to_owned(),
            text => format!("`{text}` has no meaning"),
        };
    }
    for before in ["mismatched input ", "extraneous input ", "no viable alternative at input ", "missing "] {
        let Some(found) = quoted(message, before) else { continue };
        return match found {
            "<EOF>" => "it ends too early".to_owned(),
            _ if before == "missing " => format!("`{found}` is missing"),
            // What was read up to there: the place says enough.
            _ if before.starts_with("no viable") => "it makes no sense".to_owned(),
            "and" => "`and` is no operator: write `&&`".to_owned(),
            "or" => "`or` is no operator: write `||`".to_owned(),
            found => format!("`{found}` can't stand here"),
        };
    }
    if let Some(word) = message.strip_prefix("reserved identifier: ") {
        return format!("`{word}` is a word that CEL keeps for itself");
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands in quotes behind a beginning; the text itself may have quotes in it.
fn quoted<'m>(message: &'m str, before: &str) -> Option<&'m str> {
    let rest = message.strip_prefix(before)?;
    let rest = rest.split(" expecting ").next().unwrap_or(rest);
    let rest = rest.split(" at '").next().unwrap_or(rest).trim();
    Some(rest.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use cel::Env;

    use super::*;

    #[test]
    fn one_line_with_its_column() {
        for (source, expected) in [
            ("", "it is empty"),
            (" ", "it is empty"),
            ("model = 'a'", "at column 7, `=` compares nothing: write `==`"),
            ("model === 'a'", "at column 9, `=` compares nothing: write `==`"),
            ("model ==", "at column 9, it ends too early"),
            ("'a", "at column 1, a text begins that has no closing quote"),
            ("model == \"a", "at column 10, a text begins that has no closing quote"),
            ("a b", "at column 3, `b` can't stand here"),
            ("model & model", "at column 7, `&` is half an operator: write `&&`"),
            ("model == 'a' and provider == 'b'", "at column 14, `and` is no operator: write `&&`"),
            ("model == 'a' or provider == 'b'", "at column 14, `or` is no operator: write `||`"),
            ("(model == 'a'", "at column 14, `)` is missing"),
            ("model == 'a')", "at column 13, `)` can't stand here"),
            ("headers['a'", "at column 12, `]` is missing"),
            ("headers.exists(1, true)", "at column 16, argument must be a simple name"),
            ("model == 'a' &&\n  provider = 'b'", "at line 2, column 12, `=` compares nothing: write `==`"),
            ("namespace == 'a'", "at column 1, `namespace` is a word that CEL keeps for itself"),
            ("model == 'a' # no", "at column 14, `#` has no meaning"),
            ("budget_used > 85%", "at column 18, `%` needs a number behind it: write 85"),
            ("budget_used > 8.5 % && true", "at column 21, `%` needs a number behind it: write 8.5"),
            ("true &&\n  (budget_used > 85%)", "at line 2, column 21, `%` needs a number behind it: write 85"),
            ("model %", "at column 8, it ends too early"),
            ("1 +* 2", "at column 4, `*` can't stand here"),
            ("99999999999999999999999 == 1", "at column 1, invalid int literal"),
        ] {
            let errors = Env::stdlib().compile(source).map(drop).unwrap_err();
            assert_eq!(told(source, &errors), expected, "{source}");
        }
    }
}
