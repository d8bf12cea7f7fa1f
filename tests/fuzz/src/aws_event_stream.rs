//! The reader of AWS's event streams.

use bytes::Bytes;
use outrigger_llm::framing::{Event, EventReader, Framing, FramingError};

/// The events of a stream with this framing, and why nothing more was read.
pub(crate) fn read<'a>(framing: Framing, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<FramingError>) {
    let (mut reader, mut events) = (EventReader::new(framing), Vec::new());
    for chunk in chunks {
        reader.push(&Bytes::copy_from_slice(chunk), &mut events);
    }
    assert_eq!(reader.finish(), None, "an unfinished message has no checksum");
    (events, reader.failure())
}

/// What is read is the beginning of the input, and the result does not depend on the chunks. The input is tried as it
/// is, and with right checksums: random bytes seldom have them.
pub(crate) fn events(input: &[u8]) {
    for stream in [input.to_vec(), with_checksums(input)] {
        let whole = read(Framing::AwsEventStream, std::iter::once(&stream[..]));
        let raw: Vec<u8> = whole.0.iter().flat_map(|event| event.raw().to_vec()).collect();
        assert!(stream.starts_with(&raw), "the events differ from the bytes of the input");
        assert_eq!(
            read(Framing::AwsEventStream, crate::chunks(&stream)),
            whole,
            "the chunk boundaries change the events"
        );
    }
}

/// The input with the checksums that its lengths call for.
pub(crate) fn with_checksums(input: &[u8]) -> Vec<u8> {
    let mut stream = input.to_vec();
    let mut at = 0;
    while let Some(lengths) = stream.get(at..at + 8) {
        let total = lengths[..4].iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        let checksum = crc32fast::hash(lengths).to_be_bytes();
        let Some(place) = stream.get_mut(at + 8..at + 12) else { break };
        place.copy_from_slice(&checksum);
        let end = at + total;
        if total < 16 || end > stream.len() {
            break;
        }
        let checksum = crc32fast::hash(&stream[at..end - 4]).to_be_bytes();
        stream[end - 4..end].copy_from_slice(&checksum);
        at = end;
    }
    stream
}
