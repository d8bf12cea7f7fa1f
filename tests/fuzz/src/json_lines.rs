//! The reader of lines of JSON.

use bytes::Bytes;
use outrigger_llm::framing::{Event, EventReader, Framing};

fn read<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut reader, mut events) = (EventReader::new(Framing::Lines), Vec::new());
    for chunk in chunks {
        reader.push(&Bytes::copy_from_slice(chunk), &mut events);
    }
    events.extend(reader.finish());
    events
}

/// No byte is lost or added, and the result does not depend on the chunks.
pub(crate) fn events(input: &[u8]) {
    let whole = read(std::iter::once(input));
    let raw: Vec<u8> = whole.iter().flat_map(|event| event.raw().to_vec()).collect();
    assert_eq!(raw, input, "the lines differ from the bytes of the input");
    assert_eq!(read(crate::chunks(input)), whole, "the chunk boundaries change the lines");
}
