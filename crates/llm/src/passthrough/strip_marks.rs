//! Removes from a conversation what earlier answers of other providers added to it.
//!
//! An answer from another dialect contains additions that only the gateway can read: thoughts and signatures inside the
//! ids of tool calls ([`signature`]), and thoughts under a [`mark`]. The client returns them with its next request. If
//! that goes to a provider of the client's own dialect, its bytes are not encoded again, and the provider would refuse
//! the additions: OpenAI an id over 40 characters, Anthropic and Gemini a signature that is not their own. Servers of
//! OpenAI's format have several forms of thoughts, and some refuse those of the others. Only this module edits such a
//! body:
//!
//! | dialect | ids of calls and results | thoughts | other changes |
//! |---|---|---|---|
//! | OpenAI | unpacked, and made valid | forms that the target refuses are removed | removes Gemini's signature, unless the model is Gemini's |
//! | Anthropic | unpacked | marked ones are removed, or get the target's own signature again | removes a thinking budget if the current turn now lacks thinking |
//! | Gemini | unpacked | marked ones are removed | a marked call gets Google's replacement signature, or none |
//! | Bedrock | unpacked | marked ones are removed, or get the target's own signature again | removes Claude's thinking budget if the current turn now lacks thinking |
//! | Cohere, Ollama | unpacked | those beside a call with another provider's mark are removed | |
//!
//! Turns without additions keep their bytes, and so does everything outside of the turns.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::chat::mark;
use crate::chat::signature;
use crate::format::marks::BlockKind;
use crate::json::raw::{self, is, member};
use crate::provider::Target;
use crate::{CallerFormat, registry};

/// [`strip_marks_of`] a body in the target's own format.
#[must_use]
pub fn strip_marks(target: &Target<'_>, body: &[u8]) -> Option<Vec<u8>> {
    strip_marks_of(target.format().into(), target, body)
}

/// The body without the gateway's additions, for a target of the caller's own dialect. `None` if there are none, and
/// the bytes are sent unchanged.
///
/// Only fields with additions of the gateway are changed. Similar text elsewhere, in a text or in a tool's arguments,
/// stays.
#[must_use]
pub fn strip_marks_of(caller: CallerFormat, target: &Target<'_>, body: &[u8]) -> Option<Vec<u8>> {
    let marks = registry::marks(caller);
    if !holds_any(caller, target, body) {
        return None;
    }
    // The upstream refuses a body that does not match the dialect.
    let text = std::str::from_utf8(body).ok()?;
    let (mut turns, mut without_budget) = (None, None);
    raw::members(text, |key, value| {
        if unescaped(key.get(), marks.turns) {
            turns.get_or_insert(value.get());
        }
        if let Some(budget) = marks.budget.filter(|budget| unescaped(key.get(), budget.field)) {
            without_budget = (budget.without)(value.get()).map(|rest| (budget, rest));
        }
    })
    .ok()?;

    let mut rewrite = Rewrite { list: turns?, upto: 0, out: None, first: true };
    // The last turn, and the one before it.
    let mut latest: [Cow<'_, str>; 2] = [Cow::Borrowed(""), Cow::Borrowed("")];
    raw::elements(turns?, |turn| {
        let text = turn.get();
        let edited = if holds_any(caller, target, text.as_bytes()) { edit(caller, target, text) } else { Edited::Same };
        let last = match edited {
            Edited::Gone => return rewrite.leave_out(text),
            Edited::Same => Cow::Borrowed(text),
            Edited::Changed(turn) => Cow::Owned(turn.to_string()),
        };
        rewrite.push(text, &last);
        latest.swap(0, 1);
        latest[1] = last;
    })
    .ok()?;
    let list = rewrite.list;
    let turns = rewrite.done();
    let without_budget = without_budget.filter(|(budget, _)| lacks_thinking(&latest, budget.kind));
    if turns.is_none() && without_budget.is_none() {
        return None;
    }

    let turns = turns.as_deref().unwrap_or(list.as_bytes());
    let mut out = Vec::with_capacity(turns.len() + body.len() - list.len());
    out.push(b'{');
    raw::members(text, |key, value| {
        let (key, value) = (key.get(), value.get());
        let rest = without_budget.as_ref().filter(|(budget, _)| unescaped(key, budget.field)).map(|(_, rest)| rest);
        let value = match rest {
            Some(None) => return,
            Some(Some(rest)) => rest,
            None => value,
        };
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        match std::ptr::eq(value, list) {
            true => out.extend_from_slice(turns),
            false => out.extend_from_slice(value.as_bytes()),
        }
    })
    .ok()?;
    out.push(b'}');
    Some(out)
}

/// Whether a body may contain an addition of the gateway, or thoughts that the target refuses.
#[must_use]
pub fn holds_any(caller: CallerFormat, target: &Target<'_>, bytes: &[u8]) -> bool {
    static MARKS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [signature::MARK, mark::MARK].map(Finder::new));
    MARKS.iter().any(|mark| mark.find(bytes).is_some()) || (registry::marks(caller).holds_foreign)(target, bytes)
}

/// Whether a key, with its quotes, is this one, after unescaping.
fn unescaped(key: &str, known: &str) -> bool {
    key == known
        || key.contains('\\') && serde_json::from_str::<String>(key).is_ok_and(|key| known[1..known.len() - 1] == key)
}

/// The list of turns while it is rewritten. Nothing is copied before the first turn that changes.
struct Rewrite<'a> {
    list: &'a str,
    /// How far the list was processed.
    upto: usize,
    out: Option<Vec<u8>>,
    /// Whether nothing is written yet.
    first: bool,
}

impl Rewrite<'_> {
    fn push(&mut self, turn: &str, text: &str) {
        let at = self.position(turn);
        if self.out.is_none() && !std::ptr::eq(turn, text) {
            self.begin(at);
        }
        if let Some(out) = &mut self.out {
            if !self.first {
                out.push(b',');
            }
            out.extend_from_slice(text.as_bytes());
        }
        self.first = false;
        self.upto = at + turn.len();
    }

    fn leave_out(&mut self, turn: &str) {
        let at = self.position(turn);
        if self.out.is_none() {
            self.begin(at);
        }
        self.upto = at + turn.len();
    }

    fn position(&self, turn: &str) -> usize {
        turn.as_ptr() as usize - self.list.as_ptr() as usize
    }

    /// Starts to rewrite here: everything before is copied.
    fn begin(&mut self, at: usize) {
        let before = if self.first { 1 } else { self.upto };
        let mut out = Vec::with_capacity(self.list.len() + self.list.len() / 16);
        out.extend_from_slice(&self.list.as_bytes()[..before.min(at)]);
        self.out = Some(out);
    }

    /// The new text of the list; `None` if nothing changed.
    fn done(&mut self) -> Option<Vec<u8>> {
        let mut out = self.out.take()?;
        out.push(b']');
        Some(out)
    }
}

/// The result of editing a turn.
enum Edited {
    Same,
    Changed(Value),
    /// Nothing else is left in it.
    Gone,
}

fn edit(caller: CallerFormat, target: &Target<'_>, text: &str) -> Edited {
    let Ok(mut turn) = serde_json::from_str::<Value>(text) else { return Edited::Same };
    let Some(object) = turn.as_object_mut() else { return Edited::Same };
    match registry::strip_turn(caller, target, object) {
        None => Edited::Gone,
        Some(false) => Edited::Same,
        Some(true) => Edited::Changed(turn),
    }
}

/// Whether the current assistant turn begins without thinking, which Claude refuses if there is a thinking budget.
fn lacks_thinking([before, last]: &[Cow<'_, str>; 2], kind: fn(&str) -> BlockKind) -> bool {
    let first = |turn: &str| {
        let mut first = None;
        raw::elements(member(turn, "content")?, |block| {
            first.get_or_insert_with(|| kind(block.get()));
        })
        .ok()?;
        first
    };
    let turn = match first(last) {
        _ if is(member(last, "role"), "assistant") => last,
        Some(BlockKind::ToolResult) if !before.is_empty() => before,
        _ => return false,
    };
    first(turn) != Some(BlockKind::Thought)
}
