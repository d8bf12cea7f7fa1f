//! Where a request to embed, or to count, contains the name of its model.

use std::ops::Range;

use crate::json::raw;

/// The most requests of a batch.
pub const MOST_REQUESTS: usize = 4_096;

/// The locations of the names in a body, in order: its own, those of a batch's requests, and that of the request whose
/// tokens are counted. `None` if a name occurs twice, or the body is not such a request.
#[must_use]
pub fn model_places(body: &[u8]) -> Option<Vec<Range<usize>>> {
    let text = std::str::from_utf8(body).ok()?;
    let start = text.as_ptr() as usize;
    let mut places = Vec::new();
    let mut add = |raw: &str| {
        let at = raw.as_ptr() as usize - start;
        if places.len() <= MOST_REQUESTS {
            places.push(at..at + raw.len());
        }
    };
    let (mut batch, mut counted, mut sound) = (None, None, true);
    names(text, &mut add, &mut sound, |key, value| match key {
        "requests" => batch.replace(value).is_none(),
        "generateContentRequest" | "generate_content_request" => counted.replace(value).is_none(),
        _ => true,
    });
    if let Some(requests) = batch {
        sound &= raw::elements(requests, |request| {
            let mut each = true;
            names(request.get(), &mut add, &mut each, |_, _| true);
            sound &= each;
        })
        .is_ok();
    }
    if let Some(request) = counted.filter(|request| *request != "null") {
        names(request, &mut add, &mut sound, |_, _| true);
    }
    // In order of position: the outer name may follow the list.
    places.sort_unstable_by_key(|add| add.start);
    sound.then_some(places)
}

fn names<'a>(
    object: &'a str,
    add: &mut impl FnMut(&'a str),
    sound: &mut bool,
    mut other: impl FnMut(&str, &'a str) -> bool,
) {
    let mut named = false;
    let mut fits = true;
    let read = raw::members(object, |key, value| match key.get().trim_matches('"') {
        "model" => {
            fits &= !std::mem::replace(&mut named, true);
            if value.get() != "null" {
                add(value.get());
            }
        }
        key => fits &= other(key, value.get()),
    });
    *sound &= fits && read.is_ok();
}
