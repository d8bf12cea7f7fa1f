//! Finds the row of a header.

use super::{HeaderRule, TABLE};

/// The row of a header, by its name in lower case; `None` if it has none. An exact name takes precedence over a prefix,
/// and a prefix over a suffix. An underscore matches a hyphen, as in some servers.
#[must_use]
pub fn row(name: &str) -> Option<&'static HeaderRule> {
    let name = name.as_bytes();
    let row = PREFIXES.find(first_letter(name), name).or_else(|| SUFFIXES.find(last_letter(name), name))?;
    TABLE.get(row)
}

fn matches(known: &[u8], name: &[u8]) -> bool {
    let (known, name) = match known {
        [family @ .., b'*'] => (family, name.get(..family.len()).unwrap_or_default()),
        [b'*', family @ ..] => (family, name.get(name.len().saturating_sub(family.len())..).unwrap_or_default()),
        _ => (known, name),
    };
    let same = |(known, letter): (&u8, &u8)| known == letter || (*known == b'-' && *letter == b'_');
    known.len() == name.len() && known.iter().zip(name).all(same)
}

/// Names are grouped in buckets by a letter: a request has a dozen headers, and each is compared with a few names
/// instead of all.
const BUCKETS: usize = 64;

/// By the first letter, or the one after `x-`.
const fn first_letter(name: &[u8]) -> usize {
    match name {
        [b'x', b'-' | b'_', letter, ..] => 32 + (*letter & 31) as usize,
        [letter, ..] => (*letter & 31) as usize,
        [] => 0,
    }
}

/// By the last letter.
const fn last_letter(name: &[u8]) -> usize {
    match name {
        [.., letter] => (*letter & 31) as usize,
        [] => 0,
    }
}

const fn is_suffix(name: &[u8]) -> bool {
    matches!(name, [b'*', ..])
}

/// How many names of the table are suffixes, or are not.
const fn count(suffixes: bool) -> usize {
    let (mut names, mut row) = (0, 0);
    while row < TABLE.len() {
        let mut name = 0;
        while name < TABLE[row].names.len() {
            names += (is_suffix(TABLE[row].names[name].as_bytes()) == suffixes) as usize;
            name += 1;
        }
        row += 1;
    }
    names
}

/// Names of the table ordered by bucket, each bucket in the table's order, with the indexes of their rows.
struct Index<const N: usize> {
    names: [(&'static str, usize); N],
    /// Where each bucket starts, and where the last one ends.
    starts: [usize; BUCKETS + 1],
}

impl<const N: usize> Index<N> {
    /// The row of a name that belongs in this bucket.
    fn find(&self, bucket: usize, name: &[u8]) -> Option<usize> {
        let mut known = self.names[self.starts[bucket]..self.starts[bucket + 1]].iter();
        known.find(|(known, _)| matches(known.as_bytes(), name)).map(|(_, row)| *row)
    }

    const fn of(suffixes: bool) -> Self {
        let mut index = Index { names: [("", 0); N], starts: [0; BUCKETS + 1] };
        let (mut at, mut current) = (0, 0);
        while current < BUCKETS {
            let mut row = 0;
            while row < TABLE.len() {
                let mut column = 0;
                while column < TABLE[row].names.len() {
                    let name = TABLE[row].names[column].as_bytes();
                    let bucket = if suffixes { last_letter(name) } else { first_letter(name) };
                    if is_suffix(name) == suffixes && bucket == current {
                        index.names[at] = (TABLE[row].names[column], row);
                        at += 1;
                    }
                    column += 1;
                }
                row += 1;
            }
            current += 1;
            index.starts[current] = at;
        }
        index
    }
}

static PREFIXES: Index<{ count(false) }> = Index::of(false);
static SUFFIXES: Index<{ count(true) }> = Index::of(true);
