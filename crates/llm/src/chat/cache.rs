//! Where the caller wants a cached prefix of the prompt to end.
//!
//! A prompt begins with its tools and its system prompt. A mark is a hint: what has no such marks ignores them.

use serde_json::Value;

/// The last thing of a prefix, in the order of a prompt. Positions are those in a
/// [`ChatRequest`](super::ChatRequest).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrefixEnd {
    Tools,
    System(usize),
    Part { message: usize, part: usize },
}

/// How long a prefix is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheLife {
    FiveMinutes,
    Hour,
}

/// The marks of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheMarks(Vec<(PrefixEnd, CacheLife)>);

impl CacheMarks {
    /// The most marks that Anthropic and AWS accept.
    const MOST: usize = 4;

    /// Adds a mark. Of too many, the last ones count: they have the longest prefixes.
    pub(crate) fn add(&mut self, end: PrefixEnd, life: CacheLife) {
        match self.0.iter_mut().find(|(known, _)| *known == end) {
            Some((_, known)) => *known = life.max(*known),
            None => self.0.push((end, life)),
        }
        self.0.sort_unstable();
        if self.0.len() > Self::MOST {
            self.0.remove(0);
        }
    }

    /// Whether a prefix ends here, and how long it is kept: no longer than any prefix of it. Anthropic refuses an hour
    /// after five minutes, and another API's caller may not know that.
    #[must_use]
    pub fn at(&self, end: PrefixEnd) -> Option<CacheLife> {
        self.0.iter().find(|(known, _)| *known == end)?;
        self.0.iter().take_while(|(known, _)| *known <= end).map(|(_, life)| *life).min()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Marks of a list that is being read, whose place in the request is not known yet.
#[derive(Debug, Default)]
pub(crate) struct ReadMarks(Vec<(usize, CacheLife)>);

impl ReadMarks {
    /// Notes that the last of `read` things is marked with a `cache_control` or a `cachePoint`.
    pub fn mark(&mut self, read: usize, value: &Value) {
        let Some(last) = read.checked_sub(1).filter(|_| value.is_object()) else { return };
        let hour = value.get("ttl").and_then(Value::as_str) == Some("1h");
        self.0.push((last, if hour { CacheLife::Hour } else { CacheLife::FiveMinutes }));
    }

    /// The marks since the last call: positions in the list.
    pub fn take(&mut self) -> Vec<(usize, CacheLife)> {
        std::mem::take(&mut self.0)
    }

    /// Adds them to those of the request.
    pub fn put(&mut self, marks: &mut CacheMarks, end: impl Fn(usize) -> PrefixEnd) {
        for (position, life) in self.take() {
            marks.add(end(position), life);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_four_prefixes_count() {
        let (mut marks, mut read) = (CacheMarks::default(), ReadMarks::default());
        read.mark(0, &json!({"type": "ephemeral"}));
        read.mark(1, &json!(true));
        for count in [5, 4, 1, 3, 5] {
            read.mark(count, &json!({"type": "ephemeral", "ttl": if count == 4 { "1h" } else { "5m" }}));
        }
        read.put(&mut marks, PrefixEnd::System);
        marks.add(PrefixEnd::Tools, CacheLife::Hour);
        marks.add(PrefixEnd::Part { message: 0, part: 1 }, CacheLife::FiveMinutes);
        let lives = [PrefixEnd::Tools, PrefixEnd::System(0), PrefixEnd::System(2), PrefixEnd::System(3)];
        // Nothing is kept longer than what it begins with.
        let five = Some(CacheLife::FiveMinutes);
        assert_eq!(lives.map(|end| marks.at(end)), [None, None, five, five]);
        assert!(
            marks.at(PrefixEnd::System(4)).is_some() && marks.at(PrefixEnd::Part { message: 0, part: 1 }).is_some()
        );
    }
}
