//! Where the frames of HTTP/2 begin and end: how many heads have come, and whether one has begun that doesn't end.

/// The bytes that every connection of HTTP/2 begins with.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// A reader of what a client sends behind the preface.
#[derive(Debug, Default)]
pub struct Frames {
    header: [u8; HEADER],
    /// Bytes of the header that are here.
    have: usize,
    /// Bytes of the payload that are not.
    left: usize,
    /// A head that goes on in the next frame.
    open: bool,
    /// Bytes of the head that has begun and has no end yet.
    head: usize,
}

/// What was taken of some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    pub bytes: usize,
    /// Heads that came to their end.
    pub heads: usize,
}

impl Frames {
    /// Takes the next bytes, up to the end of the last of so many heads.
    pub fn feed(&mut self, bytes: &[u8], heads: usize) -> Fed {
        let mut fed = Fed::default();
        while fed.bytes < bytes.len() && fed.heads < heads {
            let rest = &bytes[fed.bytes..];
            if self.left > 0 {
                let skipped = self.left.min(rest.len());
                self.left -= skipped;
                if self.is_of_head() {
                    self.head += skipped;
                }
                fed.bytes += skipped;
            } else {
                let taken = (HEADER - self.have).min(rest.len());
                self.header[self.have..self.have + taken].copy_from_slice(&rest[..taken]);
                self.have += taken;
                fed.bytes += taken;
                if self.have < HEADER {
                    break;
                }
                let [a, b, c, _, flags, ..] = self.header;
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.have = 0;
                if self.is_of_head() {
                    self.open = flags & END_HEADERS == 0;
                }
            }
            if self.left == 0 && self.is_of_head() && !self.open {
                self.head = 0;
                fed.heads += 1;
            }
        }
        fed
    }

    fn is_of_head(&self) -> bool {
        matches!(self.header[3], HEADERS | CONTINUATION)
    }

    /// Whether something has begun and has no end yet that is no body: a frame, or a head of several.
    pub fn is_unfinished(&self) -> bool {
        self.have > 0 || self.open || (self.left > 0 && self.header[3] != DATA)
    }

    /// Bytes of a head that are here, of one that has no end yet.
    pub fn unfinished_head(&self) -> usize {
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, (payload >> 8) as u8, payload as u8, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + payload, 7);
        frame
    }

    /// However the bytes are cut, what is unfinished is known at each of them.
    #[test]
    fn a_head_is_unfinished_until_its_last_byte() {
        let settings = frame(4, 0, 0);
        let head = frame(HEADERS, END_HEADERS, 40);
        let (first, last) = (frame(HEADERS, 0, 5), frame(CONTINUATION, END_HEADERS, 300));
        let body = frame(DATA, 1, 500);
        for (frames, unfinished) in [
            (vec![&settings, &head], false),
            (vec![&settings, &first], true),
            (vec![&first, &last], false),
            (vec![&first, &last, &body], false),
            (vec![], false),
        ] {
            let bytes: Vec<u8> = frames.into_iter().flatten().copied().collect();
            for size in [1, 2, 8, 9, 10, 1_000] {
                let mut frames = Frames::default();
                for part in bytes.chunks(size) {
                    assert_eq!(frames.feed(part, usize::MAX).bytes, part.len());
                }
                assert_eq!(frames.is_unfinished(), unfinished, "{bytes:?} by {size}");
                assert_eq!(frames.unfinished_head(), if unfinished { 5 } else { 0 }, "{bytes:?} by {size}");
            }
        }
    }

    #[test]
    fn half_a_frame_is_unfinished_and_half_a_body_is_not() {
        let is_unfinished = |bytes: &[u8]| {
            let mut frames = Frames::default();
            frames.feed(bytes, usize::MAX);
            frames.is_unfinished()
        };
        let head = frame(HEADERS, END_HEADERS, 40);
        for cut in 1..head.len() {
            assert!(is_unfinished(&head[..cut]), "{cut}");
        }
        let body = frame(DATA, 0, 40);
        for cut in 1..body.len() {
            assert_eq!(is_unfinished(&body[..cut]), cut < HEADER, "{cut}");
        }
    }

    /// Whatever stands between them, and however the bytes come.
    #[test]
    fn no_more_heads_are_taken_than_asked_for() {
        let (head, empty) = (frame(HEADERS, END_HEADERS, 40), frame(HEADERS, END_HEADERS, 0));
        let (first, middle, last) =
            (frame(HEADERS, 0, 5), frame(CONTINUATION, 0, 9), frame(CONTINUATION, END_HEADERS, 3));
        let (settings, body) = (frame(4, 0, 12), frame(DATA, 1, 500));
        let parts = [&head, &body, &empty, &first, &middle, &last, &settings, &empty, &body];
        let bytes: Vec<u8> = parts.into_iter().flatten().copied().collect();
        // Where the heads end.
        let ends = [head.len(), head.len() + body.len() + empty.len()];
        let third = ends[1] + first.len() + middle.len() + last.len();
        let ends = [ends[0], ends[1], third, third + settings.len() + empty.len()];
        for (heads, end) in (1..).zip(ends) {
            assert_eq!(Frames::default().feed(&bytes, heads), Fed { bytes: end, heads }, "{heads}");
            for size in [1, 2, 9, 10, 50] {
                let (mut frames, mut left, mut taken) = (Frames::default(), heads, 0);
                for part in bytes.chunks(size) {
                    let fed = frames.feed(part, left);
                    (left, taken) = (left - fed.heads, taken + fed.bytes);
                    if left == 0 {
                        break;
                    }
                }
                assert_eq!((left, taken), (0, end), "{heads} by {size}");
            }
        }
        assert_eq!(Frames::default().feed(&bytes, 9), Fed { bytes: bytes.len(), heads: 4 });
    }
}
