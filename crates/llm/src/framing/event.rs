//! One event of a stream, whatever its framing: slices of the bytes that came.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

/// One event, or a block without data (comments, pings) that must be passed on as it is.
///
/// Nothing is copied or checked when an event is cut out of a stream: name and data are read where they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    raw: Bytes,
    name: Range<usize>,
    data: DataPlace,
}

/// Where an event's data stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum DataPlace {
    #[default]
    None,
    /// A place in the event's bytes.
    At(Range<usize>),
    /// Lines that do not stand one behind the other in the bytes, put together.
    Joined(Vec<u8>),
}

impl Event {
    pub(super) fn new(raw: Bytes, name: Range<usize>, data: DataPlace) -> Self {
        Event { raw, name, data }
    }

    /// An event with this name and data, which alone are its bytes: of no framing.
    #[must_use]
    pub fn of(name: &str, data: Option<&str>) -> Self {
        let raw = Bytes::from([name, data.unwrap_or_default()].concat());
        let at = name.len();
        let place = if data.is_some() { DataPlace::At(at..raw.len()) } else { DataPlace::None };
        Event { raw, name: 0..at, data: place }
    }

    /// The bytes of the event as they came, with all that frames them.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The event's name; empty when it has none, or one that is no text.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.raw.get(self.name.clone()).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// What it carries; `None` for a block that carries nothing. Bytes that are not UTF-8 are replaced here, and kept in
    /// [`Event::raw`].
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, str>> {
        self.data_bytes().map(String::from_utf8_lossy)
    }

    /// The same as it came.
    #[must_use]
    pub fn data_bytes(&self) -> Option<&[u8]> {
        match &self.data {
            DataPlace::None => None,
            DataPlace::At(place) => Some(self.raw.get(place.clone()).unwrap_or_default()),
            DataPlace::Joined(bytes) => Some(bytes),
        }
    }
}
