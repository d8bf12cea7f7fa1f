//! Suggests what a user may have meant.

/// `, did you mean …?` for the nearest candidate, or for the only one that begins like this; otherwise empty.
pub(super) fn suggest<'a>(written: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> String {
    let suggestion = nearest(written, candidates.clone()).or_else(|| only_longer(written, candidates));
    suggestion.map_or_else(String::new, |suggestion| format!(", did you mean `{suggestion}`?"))
}

/// The only candidate that begins with what is written: `aliases` for `alias`.
fn only_longer<'a>(written: &str, mut candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let begins =
        |candidate: &&str| candidate.get(..written.len()).is_some_and(|start| start.eq_ignore_ascii_case(written));
    let first = candidates.find(begins).filter(|_| written.len() >= SHORTEST)?;
    candidates.all(|candidate| !begins(&candidate)).then_some(first)
}

/// Shorter texts are the beginning of too many words.
const SHORTEST: usize = 4;

/// The nearest candidate, if it is close enough to be a typing error.
pub(super) fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A text this long is no typing error, and the distance costs the product of both lengths.
    if written.is_empty() || written.len() > 64 {
        return None;
    }
    let folded = written.to_lowercase();
    let allowed = (folded.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The number of letters to insert, remove, replace or swap with their neighbour (optimal string alignment), computed
/// row by row.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.iter().enumerate() {
        let mut row = Vec::with_capacity(above.len());
        row.push(line + 1);
        for (column, right) in to.iter().enumerate() {
            let mut least = (at(&above, column) + usize::from(left != right))
                .min(at(&above, column + 1) + 1)
                .min(at(&row, column) + 1);
            if let (Some(line), Some(column)) = (line.checked_sub(1), column.checked_sub(1))
                && from.get(line) == Some(right)
                && to.get(column) == Some(left)
            {
                least = least.min(at(&before, column) + 1);
            }
            row.push(least);
        }
        before = above;
        above = row;
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (from, to, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("endpont", "endpoint", 1),
            ("kitten", "sitting", 3),
            ("", "ab", 2),
            ("ab", "", 2),
            ("ü", "u", 1),
            ("kye", "key", 1),
            ("abcd", "badc", 2),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn suggestions() {
        let fields = ["endpoint", "credentials", "models", "mock"];
        for (written, expected) in [
            ("endpont", ", did you mean `endpoint`?"),
            ("enpdoint", ", did you mean `endpoint`?"),
            ("Endpoint", ", did you mean `endpoint`?"),
            ("model", ", did you mean `models`?"),
            ("budget", ""),
            ("cred", ", did you mean `credentials`?"),
            ("cre", ""),
            ("", ""),
        ] {
            assert_eq!(suggest(written, fields.into_iter()), expected, "{written}");
        }
    }
}
