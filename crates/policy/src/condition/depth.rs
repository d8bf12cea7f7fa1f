//! The length and depth of an expression, measured before it is parsed: the parser recurses, and so does all code that
//! walks its tree.

use thiserror::Error;

use super::bounds::{DEPTH, SOURCE};

/// Why a text is not parsed at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TooMuch {
    #[error("has {found} characters, and {SOURCE} is the most: split it into several rules")]
    Long { found: usize },
    #[error(
        "at column {column}, is more than {DEPTH} operators, brackets and calls deep: split it into several rules, or use \
         a list with `in` or `exists`"
    )]
    Deep { column: usize },
}

/// Measures a text. Literals and comments count as one token each; the parser reports invalid CEL.
///
/// Sequences also deepen a tree: `a + b + c` is `(a + b) + c`. `&&` and `||` don't, because the parser balances them.
///
/// # Errors
/// It is too long, or too deep.
pub(crate) fn measure(source: &str) -> Result<(), TooMuch> {
    let found = source.chars().take(8 * SOURCE).count();
    if found > SOURCE {
        return Err(TooMuch::Long { found: source.chars().count() });
    }
    let bytes = source.as_bytes();
    let mut at = 0;
    // The level of each open bracket: the operators before it inside its own brackets.
    let mut open: Vec<DepthLevel> = vec![DepthLevel::default()];
    let mut outside = 0;
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let level = match open.last_mut() {
            Some(level) => level,
            None => return Ok(()),
        };
        match byte {
            b'\'' | b'"' => {
                at = text_end(bytes, at);
                continue;
            }
            b'/' if next == Some(b'/') => {
                at += bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            b'&' | b'|' => level.chain = 0,
            b',' => *level = DepthLevel::default(),
            b'(' | b'[' | b'{' => {
                level.chain += 1;
                outside += level.depth() + 1;
                open.push(DepthLevel::default());
            }
            b')' | b']' | b'}' => outside -= close(&mut open),
            b'?' => {
                level.ifs += 1;
                level.chain = 0;
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'!' | b'<' | b'>' | b'=' | b'.' => level.chain += 1,
            // Something always separates `in` and a name.
            b'i' if next == Some(b'n') && is_word(bytes, at) => level.chain += 1,
            _ => {}
        }
        let depth = outside + open.last().map_or(0, |level| level.depth());
        if depth > DEPTH {
            let column = source.get(..at).map_or(at, |before| before.chars().count()) + 1;
            return Err(TooMuch::Deep { column });
        }
        at += 1;
    }
    Ok(())
}

/// What was read so far between one pair of brackets.
#[derive(Clone, Copy, Debug, Default)]
struct DepthLevel {
    /// Nested conditional expressions.
    ifs: usize,
    /// Operators since the last `&&`, `||` or `?`.
    chain: usize,
}

impl DepthLevel {
    fn depth(self) -> usize {
        self.ifs + self.chain
    }
}

/// Leaves a pair of brackets, and returns by how much the depth decreases. The parser reports a closing bracket without
/// an opening one.
fn close(open: &mut Vec<DepthLevel>) -> usize {
    if open.len() < 2 {
        return 0;
    }
    open.pop();
    open.last().map_or(0, |level| level.depth() + 1)
}

/// The end of the text literal that begins at a position.
fn text_end(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let raw = at > 0 && matches!(bytes[at - 1], b'r' | b'R');
    let triple = bytes.get(at..at + 3).is_some_and(|three| three.iter().all(|byte| *byte == quote));
    let (mut at, ending) = if triple { (at + 3, 3) } else { (at + 1, 1) };
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if !raw => at += 1,
            b'\n' if !triple => return at,
            byte if *byte == quote => {
                let ends = bytes.get(at..at + ending).is_some_and(|end| end.iter().all(|byte| *byte == quote));
                if ends {
                    return at + ending;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn is_word(bytes: &[u8], at: usize) -> bool {
    let in_name = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    !in_name(at.checked_sub(1).and_then(|before| bytes.get(before))) && !in_name(bytes.get(at + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_expressions_are_accepted() {
        let many = format!("model in [{}]", vec!["'gpt-4o-mini'"; 250].join(", "));
        let any = vec!["model.startsWith('a-b/c+d')"; 100].join(" || ");
        let brackets = format!("{}model == 'a'{}", "(".repeat(25), ")".repeat(25));
        for source in [&*many, &any, &brackets, "a ? b : c ? d : e", "'((((((((((' == \"]]]]\" // ((((((((((((((((((("]
        {
            assert_eq!(measure(source), Ok(()), "{source}");
        }
        let quoted = format!("r'\\' == '{}' && '''{}'''.size() > 0", "(".repeat(500), "'[".repeat(300));
        assert_eq!(measure(&quoted), Ok(()));
    }

    #[test]
    fn long_or_deep_expressions_are_refused() {
        assert_eq!(measure(&"a".repeat(4_096)), Ok(()));
        assert_eq!(measure(&"é".repeat(4_096)), Ok(()));
        assert_eq!(measure(&"a".repeat(4_097)), Err(TooMuch::Long { found: 4_097 }));
        assert_eq!(measure(&"(".repeat(1 << 20)), Err(TooMuch::Long { found: 1 << 20 }));
        for piece in [
            "(",
            "[",
            "{1:",
            "!",
            "-",
            "! -",
            "a+",
            "a<",
            "a ? b : ",
            "a?",
            "a.b",
            "a[b]",
            "a.f().",
            "x in ",
            "a-",
            "[1].all(x, ",
        ] {
            let deep = piece.repeat(200);
            assert!(matches!(measure(&deep), Err(TooMuch::Deep { .. })), "{piece}");
        }
        assert_eq!(measure(&"(".repeat(100)), Err(TooMuch::Deep { column: 33 }));
    }
}
