//! Writes events as a JSON array.

use bytes::Bytes;
use outrigger_llm::framing::json_array::ArrayFraming;
use outrigger_llm::framing::{self, EventReader, Framing};

/// A Gemini caller that did not request events gets an array of the same objects.
#[derive(Debug)]
pub struct AsArray {
    reader: EventReader,
    framing: ArrayFraming,
    events: Vec<framing::Event>,
}

impl Default for AsArray {
    fn default() -> Self {
        AsArray { reader: EventReader::new(Framing::Sse), framing: ArrayFraming::default(), events: Vec::new() }
    }
}

impl AsArray {
    /// Adds events to the array.
    pub fn frame(&mut self, events: &Bytes, out: &mut Vec<u8>) {
        self.reader.push(events, &mut self.events);
        for event in self.events.drain(..) {
            if let Some(data) = event.data() {
                self.framing.push(&data, out);
            }
        }
    }

    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.framing.end(out);
    }
}
