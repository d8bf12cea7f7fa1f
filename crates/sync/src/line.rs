//! Messages as lines of JSON.

use outrigger_policy::Document;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::message::{FromGateway, FromOperator, Rejection};

/// The longest line, in bytes: a policy of 900 kB, its credentials, and a reserve.
pub const LINE_MAX: usize = 4 << 20;
/// The capacity that the buffer keeps after a line: beats are frequent, policies are rare.
const CAPACITY_KEPT: usize = 16 << 10;

/// Why a line is not a message. The stream can't be used after it.
#[derive(Debug, Error)]
pub enum LineError {
    #[error("a line of the stream is over {LINE_MAX} bytes")]
    TooLong,
    #[error("a line of the stream is no message: {0}")]
    Invalid(String),
}

/// A message as a line, with its `\n`.
///
/// # Panics
/// Never: every message can be serialized.
#[must_use]
pub fn write<M: Serialize>(message: &M) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Splits received bytes into lines, in whatever pieces they arrive.
#[derive(Debug, Default)]
pub struct LineReader {
    buffer: Vec<u8>,
    /// How many bytes of `buffer` were already searched for the end of a line.
    searched: usize,
}

impl LineReader {
    /// Adds received bytes.
    ///
    /// # Errors
    /// [`LineError::TooLong`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        self.buffer.extend_from_slice(bytes);
        match self.buffer.len() > LINE_MAX && !self.buffer.contains(&b'\n') {
            true => Err(LineError::TooLong),
            false => Ok(()),
        }
    }

    /// The next message of a gateway, if it is complete.
    ///
    /// # Errors
    /// [`LineError::Invalid`].
    pub fn from_gateway(&mut self) -> Result<Option<FromGateway>, LineError> {
        self.next(|line| message(line, FromGateway::Unknown))
    }

    /// The next message of the operator, if it is complete.
    ///
    /// # Errors
    /// [`LineError::Invalid`].
    pub fn from_operator(&mut self) -> Result<Option<FromOperator>, LineError> {
        self.next(|line| message(line, FromOperator::Unknown).or_else(|error| unreadable(line).ok_or(error)))
    }

    fn next<M>(&mut self, read: impl Fn(&[u8]) -> Result<M, LineError>) -> Result<Option<M>, LineError> {
        loop {
            let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                return Ok(None);
            };
            let line = &self.buffer[..self.searched + end];
            let message = (!line.trim_ascii().is_empty()).then(|| read(line));
            self.buffer.drain(..=self.searched + end);
            self.searched = 0;
            if self.buffer.len() < CAPACITY_KEPT {
                self.buffer.shrink_to(CAPACITY_KEPT);
            }
            if let Some(message) = message {
                return message.map(Some);
            }
        }
    }
}

/// Parses a line. A known kind must be valid; an unknown kind is not an error.
fn message<M: DeserializeOwned>(line: &[u8], unknown: impl Fn(String) -> M) -> Result<M, LineError> {
    // The error must not contain the line, which may hold credentials.
    let wrong = |error: serde_json::Error| LineError::Invalid(format!("{:?} error", error.classify()));
    match serde_json::from_slice::<M>(line) {
        Ok(message) => Ok(message),
        Err(error) => match serde_json::from_slice::<std::collections::BTreeMap<String, &RawValue>>(line) {
            Ok(members) if members.len() == 1 => match members.into_keys().next() {
                Some(kind) if !KINDS.contains(&kind.as_str()) => Ok(unknown(kind)),
                _ => Err(wrong(error)),
            },
            _ => Err(wrong(error)),
        },
    }
}

/// A policy whose document has another version. It does not end the stream, because the operator must learn of it.
fn unreadable(line: &[u8]) -> Option<FromOperator> {
    #[derive(Deserialize)]
    struct RawLine<'a> {
        #[serde(borrow)]
        policy: MessageHead<'a>,
    }
    #[derive(Deserialize)]
    struct MessageHead<'a> {
        sequence: u64,
        #[serde(borrow)]
        document: &'a RawValue,
    }
    let RawLine { policy: MessageHead { sequence, document } } = serde_json::from_slice(line).ok()?;
    // The document contains no credentials, so the error may quote it.
    let error = Document::read(document.get().as_bytes()).err()?;
    Some(FromOperator::Unreadable(Rejection::of(sequence, error)))
}

const KINDS: [&str; 4] = ["hello", "outcome", "beat", "policy"];

#[cfg(test)]
mod tests {
    use outrigger_core::SecretRef;
    use outrigger_policy::Document;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::message::{CredentialMessage, Hello, NoFields, PolicyMessage, PolicyOutcome};

    fn policy(sequence: u64) -> FromOperator {
        FromOperator::Policy(Box::new(PolicyMessage {
            sequence,
            digest: "d".repeat(64),
            document: Document { format: 1, sequence, ..Document::default() },
            credentials: vec![CredentialMessage {
                secret: SecretRef::new("a", "b", "c").unwrap(),
                value: "sk-never-shown".to_owned(),
            }],
        }))
    }

    proptest! {
        #[test]
        fn reads_lines_in_any_pieces(cuts in prop::collection::vec(1_usize..40, 1..200)) {
            let sent = [policy(1), FromOperator::Beat(NoFields {}), policy(2)];
            let bytes: Vec<u8> = sent.iter().flat_map(write).collect();
            let (mut lines, mut got, mut rest) = (LineReader::default(), Vec::new(), bytes.as_slice());
            for cut in cuts.into_iter().chain(std::iter::repeat(7)) {
                if rest.is_empty() { break }
                let (now, later) = rest.split_at(cut.min(rest.len()));
                rest = later;
                lines.push(now).unwrap();
                while let Some(message) = lines.from_operator().unwrap() { got.push(message) }
            }
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut lines = LineReader::default();
            lines.push(&bytes).unwrap();
            while let Ok(Some(_)) = lines.from_gateway() {}
        }
    }

    #[test]
    fn ignores_unknown_kinds_and_fields() {
        let mut lines = LineReader::default();
        lines.push(b"{\"grants\":[1,2]}\n\n{\"outcome\":{\"sequence\":3,\"mood\":\"good\"}}\n").unwrap();
        assert_eq!(lines.from_gateway().unwrap(), Some(FromGateway::Unknown("grants".to_owned())));
        let outcome = PolicyOutcome { sequence: 3, ..PolicyOutcome::default() };
        assert_eq!(lines.from_gateway().unwrap(), Some(FromGateway::Outcome(outcome)));
        assert_eq!(lines.from_gateway().unwrap(), None);
    }

    #[test]
    fn invalid_messages_are_errors_that_do_not_quote_them() {
        let mut lines = LineReader::default();
        lines.push(b"{\"policy\":{\"sequence\":\"sk-secret\"}}\n").unwrap();
        let error = lines.from_operator().unwrap_err().to_string();
        assert_eq!(error, "a line of the stream is no message: Data error");
    }

    #[test]
    fn a_policy_of_another_version_is_unreadable_and_the_stream_continues() {
        let mut lines = LineReader::default();
        let line = |format: u32| {
            json!({"policy": {"sequence": 7, "digest": "d", "document": {
                "format": format, "sequence": 7, "providers": [], "keys": [{"namespace": "a", "name": "b", "providers": 1}],
            }, "credentials": [{"secret": {"namespace": "a", "name": "b", "key": "c"}, "value": "sk-never-told"}]}})
        };
        lines.push(format!("{}\n{}\n{{\"beat\":{{}}}}\n", line(1), line(9)).as_bytes()).unwrap();
        let rejection = |lines: &mut LineReader| match lines.from_operator().unwrap() {
            Some(FromOperator::Unreadable(rejection)) => rejection,
            other => panic!("{other:?}"),
        };
        let first = rejection(&mut lines);
        assert_eq!((first.sequence, first.object.as_str()), (7, "VirtualKey a/b"));
        assert!(first.message.contains("invalid type"), "{}", first.message);
        let second = rejection(&mut lines);
        assert_eq!(second.object, "", "of the policy as a whole");
        assert!(second.message.contains("format 9"), "{}", second.message);
        assert_eq!(lines.from_operator().unwrap(), Some(FromOperator::Beat(NoFields {})));
    }

    #[test]
    fn rejections_are_bounded() {
        let document = json!({"format": 1, "sequence": 7, "keys": [], "providers": [
            {"namespace": "é".repeat(40_000), "name": "b", "type": "x", "balance": "ü".repeat(400_000)}]});
        let line = json!({"policy": {"sequence": 7, "digest": "d", "document": document}});
        let mut lines = LineReader::default();
        lines.push(format!("{line}\n").as_bytes()).unwrap();
        let Some(FromOperator::Unreadable(rejection)) = lines.from_operator().unwrap() else {
            panic!("it can be read")
        };
        assert!(rejection.object.starts_with("LLMProvider éé") && rejection.message.starts_with("unknown variant `üü"));
        assert!(write(&rejection).len() < 4_096);
    }

    #[test]
    fn the_buffer_shrinks_after_a_long_line() {
        let mut lines = LineReader::default();
        let mut long = vec![b' '; 1 << 20];
        long.push(b'\n');
        lines.push(&long).unwrap();
        assert_eq!(lines.from_gateway().unwrap(), None);
        assert!(lines.buffer.capacity() <= CAPACITY_KEPT);
    }

    #[test]
    fn refuses_a_line_without_an_end() {
        let mut lines = LineReader::default();
        assert!(lines.push(&vec![b'x'; LINE_MAX + 1]).is_err());
    }

    #[test]
    fn debug_hides_values() {
        assert!(!format!("{:?}", policy(1)).contains("sk-never-shown"));
    }

    #[test]
    fn the_wire_format_is_stable() {
        let hello = FromGateway::Hello(Hello {
            version: "0.1.0".to_owned(),
            formats: vec![1],
            sequence: Some(41),
            ..Hello::default()
        });
        let written: Value = serde_json::from_slice(&write(&hello)).unwrap();
        assert_eq!(written, json!({"hello": {"version": "0.1.0", "formats": [1], "sequence": 41}}));
    }
}
