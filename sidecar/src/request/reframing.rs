//! Writes the events of a stream in the form that the caller expects.

use bytes::Bytes;
use outrigger_llm::framing::json_array::ArrayFraming;
use outrigger_llm::framing::{self, EventReader, Framing, aws_chunks};
use outrigger_llm::operation::StreamForm;

/// Events of server-sent framing, in another form.
#[derive(Debug)]
pub struct Reframing {
    reader: EventReader,
    form: CallerForm,
    events: Vec<framing::Event>,
}

#[derive(Debug)]
enum CallerForm {
    /// A Gemini caller that did not request events gets an array of the same objects.
    Array(ArrayFraming),
    /// A caller of `InvokeModelWithResponseStream` gets an event stream of AWS.
    AwsChunks,
}

impl Reframing {
    /// `None` if the caller gets the events as they are.
    pub fn of(form: StreamForm) -> Option<Self> {
        let form = match form {
            StreamForm::Events => return None,
            StreamForm::Array => CallerForm::Array(ArrayFraming::default()),
            StreamForm::AwsChunks => CallerForm::AwsChunks,
        };
        Some(Reframing { reader: EventReader::new(Framing::Sse), form, events: Vec::new() })
    }

    /// A whole stream in the caller's form.
    pub fn whole(form: StreamForm, events: Bytes) -> Bytes {
        let Some(mut reframing) = Reframing::of(form) else { return events };
        let mut framed = Vec::with_capacity(events.len());
        reframing.frame(&events, &mut framed);
        reframing.end(&mut framed);
        framed.into()
    }

    /// Adds events.
    pub fn frame(&mut self, events: &Bytes, out: &mut Vec<u8>) {
        self.reader.push(events, &mut self.events);
        for event in self.events.drain(..) {
            match &mut self.form {
                CallerForm::Array(array) => {
                    if let Some(data) = event.data() {
                        array.push(&data, out);
                    }
                }
                CallerForm::AwsChunks => aws_chunks::write(&event, out),
            }
        }
    }

    /// Whether [`Reframing::end`] writes something.
    pub fn has_end(&self) -> bool {
        matches!(self.form, CallerForm::Array(_))
    }

    /// Ends the stream.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        match &mut self.form {
            CallerForm::Array(array) => array.end(out),
            CallerForm::AwsChunks => {}
        }
    }
}
