//! The cost of splitting a stream into events.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use allocation_counter::measure;
use bytes::Bytes;
use outrigger_llm::framing::{Event, EventReader, Framing};

const EVENTS: usize = 100;

fn stream(head: &str) -> String {
    let event = |n| format!("{head}data: {{\"choices\":[{{\"delta\":{{\"content\":\"word {n}\"}}}}]}}\n\n");
    (0..EVENTS).map(event).collect()
}

/// The allocations of a reader for these chunks, and its events.
fn read(chunks: &[Bytes]) -> (u64, Vec<Event>) {
    let mut reader = EventReader::new(Framing::Sse);
    let mut events = Vec::with_capacity(EVENTS);
    // Its buffer has reached its final size.
    reader.push(&Bytes::from(vec![b':'; 512]), &mut events);
    reader.push(&Bytes::from_static(b"\n\n"), &mut events);
    events.clear();
    let counted = measure(|| chunks.iter().for_each(|chunk| reader.push(chunk, &mut events)));
    (counted.count_total, events)
}

#[test]
fn an_event_is_a_slice_of_the_received_bytes() {
    for head in ["", "event: content_block_delta\n"] {
        let text = stream(head);
        let whole = Bytes::from(text.clone());
        let (allocations, events) = read(std::slice::from_ref(&whole));
        assert_eq!(events.len(), EVENTS);
        // One allocation marks the bytes as shared.
        assert!(allocations <= 1, "{allocations}");
        let inside = whole.as_ptr_range();
        assert!(events.iter().all(|event| inside.contains(&event.raw().as_ptr())));
        let data = measure(|| assert!(events.iter().all(|event| event.data().is_some())));
        assert_eq!(data.count_total, 0, "data is read where it stands");
    }
}

#[test]
fn an_event_received_in_pieces_is_copied_once() {
    for head in ["", "event: content_block_delta\n"] {
        let text = stream(head);
        let chunks: Vec<Bytes> = text.as_bytes().chunks(97).map(Bytes::copy_from_slice).collect();
        let (allocations, events) = read(&chunks);
        assert_eq!(events.len(), EVENTS);
        assert!(allocations <= (EVENTS + chunks.len()) as u64, "{allocations}");
        let raw: Vec<u8> = events.iter().flat_map(|event| event.raw().to_vec()).collect();
        assert_eq!(String::from_utf8(raw).unwrap(), text);
    }
}
