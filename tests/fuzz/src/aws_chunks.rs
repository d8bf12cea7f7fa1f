//! The reader of Anthropic's events inside of an event stream of AWS.

use outrigger_llm::framing::Framing;

use crate::aws_event_stream::{read, with_checksums};
use crate::sse;

/// Every event reads the same as a server-sent event, and the result does not depend on the chunks. The input is tried
/// as a stream, and as server-sent events that are written as one.
pub(crate) fn events(input: &[u8]) {
    let mut written = Vec::new();
    for event in sse::read(std::iter::once(input)) {
        if let Some(data) = event.data() {
            Framing::AwsChunks.write(event.name(), &data, &mut written);
        }
    }
    for stream in [with_checksums(input), written] {
        let whole = read(Framing::AwsChunks, std::iter::once(&stream[..]));
        for event in &whole.0 {
            let again = sse::read(std::iter::once(&event.raw()[..]));
            assert_eq!(again.len(), 1, "one event became several: {again:?}");
            assert_eq!((again[0].name(), again[0].data()), (event.name(), event.data()), "another event");
        }
        assert_eq!(read(Framing::AwsChunks, crate::chunks(&stream)), whole, "the chunk boundaries change the events");
    }
}
