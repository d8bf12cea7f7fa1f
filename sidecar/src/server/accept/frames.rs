//! Parses HTTP/2 frame headers, to count complete heads and to detect incomplete ones.

/// The bytes that every HTTP/2 connection begins with.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Parses what a client sends after the preface.
#[derive(Debug, Default)]
pub struct Frames {
    header: [u8; HEADER],
    /// How many bytes of the frame header are read.
    header_bytes: usize,
    /// How many bytes of the payload are still to come.
    payload_left: usize,
    /// The head continues in the next frame.
    head_continues: bool,
    /// How many bytes of an incomplete head are read.
    head_bytes: usize,
}

/// What was consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumed {
    pub bytes: usize,
    /// The number of completed heads.
    pub heads: usize,
}

impl Frames {
    /// Consumes bytes up to the end of the last of `heads` heads.
    pub fn feed(&mut self, bytes: &[u8], heads: usize) -> Consumed {
        let mut consumed = Consumed::default();
        while consumed.bytes < bytes.len() && consumed.heads < heads {
            let rest = &bytes[consumed.bytes..];
            if self.payload_left > 0 {
                let skipped = self.payload_left.min(rest.len());
                self.payload_left -= skipped;
                if self.is_of_head() {
                    self.head_bytes += skipped;
                }
                consumed.bytes += skipped;
            } else {
                let copied = (HEADER - self.header_bytes).min(rest.len());
                self.header[self.header_bytes..self.header_bytes + copied].copy_from_slice(&rest[..copied]);
                self.header_bytes += copied;
                consumed.bytes += copied;
                if self.header_bytes < HEADER {
                    break;
                }
                let [a, b, c, _, flags, ..] = self.header;
                self.payload_left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.header_bytes = 0;
                if self.is_of_head() {
                    self.head_continues = flags & END_HEADERS == 0;
                }
            }
            if self.payload_left == 0 && self.is_of_head() && !self.head_continues {
                self.head_bytes = 0;
                consumed.heads += 1;
            }
        }
        consumed
    }

    fn is_of_head(&self) -> bool {
        matches!(self.header[3], HEADERS | CONTINUATION)
    }

    /// Whether a frame other than DATA, or a head of several frames, is incomplete.
    pub fn is_unfinished(&self) -> bool {
        self.header_bytes > 0 || self.head_continues || (self.payload_left > 0 && self.header[3] != DATA)
    }

    /// How many bytes of an incomplete head are read.
    pub fn unfinished_head(&self) -> usize {
        self.head_bytes
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

    /// The result does not depend on how the bytes are split.
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
    fn an_incomplete_frame_is_unfinished_except_the_payload_of_data() {
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

    /// The result does not depend on frames in between, or on how the bytes are split.
    #[test]
    fn consumes_no_more_heads_than_requested() {
        let (head, empty) = (frame(HEADERS, END_HEADERS, 40), frame(HEADERS, END_HEADERS, 0));
        let (first, middle, last) =
            (frame(HEADERS, 0, 5), frame(CONTINUATION, 0, 9), frame(CONTINUATION, END_HEADERS, 3));
        let (settings, body) = (frame(4, 0, 12), frame(DATA, 1, 500));
        let parts = [&head, &body, &empty, &first, &middle, &last, &settings, &empty, &body];
        let bytes: Vec<u8> = parts.into_iter().flatten().copied().collect();
        // The ends of the heads.
        let ends = [head.len(), head.len() + body.len() + empty.len()];
        let third = ends[1] + first.len() + middle.len() + last.len();
        let ends = [ends[0], ends[1], third, third + settings.len() + empty.len()];
        for (heads, end) in (1..).zip(ends) {
            assert_eq!(Frames::default().feed(&bytes, heads), Consumed { bytes: end, heads }, "{heads}");
            for size in [1, 2, 9, 10, 50] {
                let (mut frames, mut left, mut copied) = (Frames::default(), heads, 0);
                for part in bytes.chunks(size) {
                    let consumed = frames.feed(part, left);
                    (left, copied) = (left - consumed.heads, copied + consumed.bytes);
                    if left == 0 {
                        break;
                    }
                }
                assert_eq!((left, copied), (0, end), "{heads} by {size}");
            }
        }
        assert_eq!(Frames::default().feed(&bytes, 9), Consumed { bytes: bytes.len(), heads: 4 });
    }
}
