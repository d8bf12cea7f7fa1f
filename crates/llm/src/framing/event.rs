//! One event of a stream, in any framing: slices of the received bytes.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

/// One event, or a block without data (comments, pings) that must be passed on unchanged.
///
/// Nothing is copied or validated when an event is split off a stream: name and data are read in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    raw: Bytes,
    name: Range<usize>,
    data: DataPlace,
    is_exception: bool,
}

/// Where the data of an event is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum DataPlace {
    #[default]
    None,
    /// A range of the event's bytes.
    At(Range<usize>),
    /// Lines that are not adjacent in the bytes, joined.
    Joined(Vec<u8>),
}

impl Event {
    pub(super) fn new(raw: Bytes, name: Range<usize>, data: DataPlace) -> Self {
        Event { raw, name, data, is_exception: false }
    }

    pub(super) fn into_exception(self) -> Self {
        Event { is_exception: true, ..self }
    }

    /// An event with this name and data, without framing.
    #[must_use]
    pub fn of(name: &str, data: Option<&str>) -> Self {
        let raw = Bytes::from([name, data.unwrap_or_default()].concat());
        let at = name.len();
        let place = if data.is_some() { DataPlace::At(at..raw.len()) } else { DataPlace::None };
        Event { raw, name: 0..at, data: place, is_exception: false }
    }

    /// The received bytes of the event, including its framing.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The event's name; empty if it has none, or one that is not UTF-8.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.raw.get(self.name.clone()).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// Whether the framing itself says that this is an error, as event streams of AWS do.
    #[must_use]
    pub fn is_exception(&self) -> bool {
        self.is_exception
    }

    /// The data; `None` for a block without data. Bytes that are not UTF-8 are replaced here, and kept in
    /// [`Event::raw`].
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, str>> {
        self.data_bytes().map(String::from_utf8_lossy)
    }

    /// The data as received.
    #[must_use]
    pub fn data_bytes(&self) -> Option<&[u8]> {
        match &self.data {
            DataPlace::None => None,
            DataPlace::At(place) => Some(self.raw.get(place.clone()).unwrap_or_default()),
            DataPlace::Joined(bytes) => Some(bytes),
        }
    }
}
