//! What someone may have meant.

/// `, did you mean …?` for the candidate that is close enough to be a slip of the fingers; else nothing.
pub(super) fn suggest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    // Nobody's slip is this long, and the distance costs the product of both lengths.
    if written.is_empty() || written.len() > 64 {
        return String::new();
    }
    let folded = written.to_lowercase();
    let allowed = (folded.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!(", did you mean `{candidate}`?"))
}

/// Levenshtein's distance, row by row.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut behind = line + 1;
        next.push(behind);
        for (right, pair) in to.iter().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            behind = (diagonal + usize::from(left != *right)).min(above + 1).min(behind + 1);
            next.push(behind);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
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
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn suggestions() {
        let fields = ["endpoint", "credentials", "models", "mock"];
        for (written, expected) in [
            ("endpont", ", did you mean `endpoint`?"),
            ("Endpoint", ", did you mean `endpoint`?"),
            ("model", ", did you mean `models`?"),
            ("budget", ""),
            ("", ""),
        ] {
            assert_eq!(suggest(written, fields.into_iter()), expected, "{written}");
        }
    }
}
