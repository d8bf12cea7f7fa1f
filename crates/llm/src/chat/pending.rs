//! The thoughts of an answer that wait for the next tool call, whose id carries them ([`super::signature`]).

use super::origin::Origin;
use super::signature::{Carried, MOST};
use super::{ChatEvent, Thought};

/// The thoughts since the last tool call. Keeps nothing that nobody wants back, and nothing of more than an id may carry.
#[derive(Debug, Default)]
pub struct PendingThoughts {
    origin: Origin,
    thoughts: Vec<Thought>,
    /// Whether the last thought may go on.
    open: bool,
    bytes: usize,
}

impl PendingThoughts {
    /// Collects the thoughts of an answer of this origin.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        PendingThoughts { origin, ..PendingThoughts::default() }
    }

    /// Adds a whole thought.
    pub fn thought(&mut self, thought: &Thought) {
        self.open = false;
        let texts = [&thought.text, &thought.signature, &thought.redacted];
        if self.has_room(texts.into_iter().flatten().map(String::len).sum()) {
            self.thoughts.push(Thought { origin: Some(self.origin.clone()), ..thought.clone() });
        }
    }

    /// Adds an event of a stream. Text and tool calls end a thought.
    pub fn event(&mut self, event: &ChatEvent) {
        match event {
            ChatEvent::Thinking(text) if !text.is_empty() && self.has_room(text.len()) => {
                self.current().text.get_or_insert_default().push_str(text);
            }
            ChatEvent::ThinkingSignature(signature) => {
                if self.has_room(signature.len()) {
                    self.current().signature = Some(signature.clone());
                }
                self.open = false;
            }
            ChatEvent::RedactedThinking(data) => {
                self.thought(&Thought { redacted: Some(data.clone()), ..Thought::default() });
            }
            ChatEvent::Text(_) | ChatEvent::ToolCall { .. } => self.open = false,
            _ => {}
        }
    }

    /// What the next call carries, which has this signature.
    pub fn take(&mut self, signature: Option<String>) -> Carried {
        self.open = false;
        let bytes = std::mem::take(&mut self.bytes);
        let unsigned = self.origin.wants_unsigned();
        let mut thoughts = std::mem::take(&mut self.thoughts);
        thoughts
            .retain(|thought| bytes <= MOST && (unsigned || thought.signature.is_some() || thought.redacted.is_some()));
        Carried {
            signature,
            origin: Some(self.origin.clone()).filter(|origin| bytes > 0 && *origin != Origin::UNKNOWN),
            thoughts,
        }
    }

    /// Counts more bytes. A part of the thoughts is useless, so nothing is kept if they are too many.
    fn has_room(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.origin == Origin::UNKNOWN || self.bytes > MOST {
            self.thoughts = Vec::new();
            return false;
        }
        true
    }

    fn current(&mut self) -> &mut Thought {
        if !std::mem::replace(&mut self.open, true) || self.thoughts.is_empty() {
            self.thoughts.push(Thought { origin: Some(self.origin.clone()), ..Thought::default() });
        }
        let last = self.thoughts.len() - 1;
        &mut self.thoughts[last]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinking(text: &str) -> ChatEvent {
        ChatEvent::Thinking(text.to_owned())
    }

    fn signature(text: &str) -> ChatEvent {
        ChatEvent::ThinkingSignature(text.to_owned())
    }

    fn collected(origin: &Origin, events: &[ChatEvent]) -> Vec<Thought> {
        let mut pending = PendingThoughts::new(origin.clone());
        events.iter().for_each(|event| pending.event(event));
        pending.take(None).thoughts
    }

    fn thought(text: Option<&str>, signature: Option<&str>, redacted: Option<&str>, origin: &Origin) -> Thought {
        let [text, signature, redacted] = [text, signature, redacted].map(|text| text.map(str::to_owned));
        Thought { text, signature, redacted, origin: Some(origin.clone()) }
    }

    #[test]
    fn joins_the_pieces_of_a_stream() {
        let claude = Origin::CLAUDE;
        let events = [
            thinking("a"),
            thinking("b"),
            signature("s"),
            ChatEvent::RedactedThinking("r".into()),
            thinking("c"),
            ChatEvent::Text("hi".into()),
            thinking("d"),
            signature("t"),
        ];
        // Claude refuses thinking without a signature.
        let expected = [
            thought(Some("ab"), Some("s"), None, &claude),
            thought(None, None, Some("r"), &claude),
            thought(Some("d"), Some("t"), None, &claude),
        ];
        assert_eq!(collected(&claude, &events), expected);
        let server = Origin::of_type("DeepSeek");
        assert_eq!(collected(&server, &events).len(), 4);
    }

    #[test]
    fn keeps_all_of_a_thought_or_nothing() {
        let half = "x".repeat(MOST / 2);
        let mut pending = PendingThoughts::new(Origin::CLAUDE);
        for event in [thinking(&half), thinking(&half), signature("s"), thinking("later"), signature("t")] {
            pending.event(&event);
        }
        // Whose they were stays known.
        let carried = Carried { origin: Some(Origin::CLAUDE), ..Carried::default() };
        assert_eq!(pending.take(None), carried);
        // The next call has its own.
        pending.event(&thinking("later"));
        pending.event(&signature("t"));
        assert_eq!(pending.take(None).thoughts.len(), 1);
        let mut none = PendingThoughts::default();
        none.event(&signature("s"));
        assert_eq!(none.take(None).thoughts, []);
        assert_eq!(PendingThoughts::new(Origin::CLAUDE).take(None), Carried::default());
    }
}
