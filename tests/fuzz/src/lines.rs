//! The messages between a gateway and the operator.

use std::fmt::Debug;

use outrigger_sync::{FromGateway, FromOperator, LineError, LineReader, write};
use serde::Serialize;

/// Both sides read the same messages for any chunks, and read what they wrote.
pub(crate) fn both(input: &[u8]) {
    side(input, LineReader::from_gateway, |message| matches!(message, FromGateway::Unknown(_)));
    side(input, LineReader::from_operator, |message| {
        matches!(message, FromOperator::Unknown(_) | FromOperator::Unreadable(_))
    });
}

/// `is_foreign`: a message of another version, which this one does not write.
fn side<M: Debug + PartialEq + Serialize>(
    input: &[u8],
    next: fn(&mut LineReader) -> Result<Option<M>, LineError>,
    is_foreign: fn(&M) -> bool,
) {
    let whole = read(std::iter::once(input), next);
    assert_eq!(read(crate::chunks(input), next), whole, "the chunk boundaries change the messages");
    for message in whole.into_iter().filter(|message| !is_foreign(message)) {
        let again = read(std::iter::once(write(&message).as_slice()), next);
        assert_eq!(again, [message], "a message changes when it is written and read");
    }
}

/// The messages up to the end, or up to the first invalid one.
fn read<'a, M>(
    chunks: impl Iterator<Item = &'a [u8]>,
    next: fn(&mut LineReader) -> Result<Option<M>, LineError>,
) -> Vec<M> {
    let (mut lines, mut messages) = (LineReader::default(), Vec::new());
    for chunk in chunks {
        if lines.push(chunk).is_err() {
            return messages;
        }
        loop {
            match next(&mut lines) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return messages,
            }
        }
    }
    messages
}
