use crate::chat::Event;
use crate::{Answer, Malformed, sse};

#[derive(Debug, Default)]
pub struct Decoder {}

impl Decoder {
    pub fn push(&mut self, _event: &sse::Event, _out: &mut Vec<Event>) -> Result<(), Malformed> {
        Ok(())
    }
}

#[derive(Debug)]
pub struct Encoder {}

impl Encoder {
    pub fn new(_answer: Answer) -> Self {
        Encoder {}
    }

    pub fn push(&mut self, _event: &Event, _out: &mut Vec<u8>) {}
}
