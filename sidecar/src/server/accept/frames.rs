//! Where the frames of HTTP/2 begin and end, for nothing but to know whether a head has begun that doesn't end.

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

impl Frames {
    /// Takes the next bytes. Whether something is unfinished then that is no body: a frame, or a head of several.
    pub fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                if matches!(self.header[3], HEADERS | CONTINUATION) {
                    self.head += skipped;
                    if self.left == 0 && !self.open {
                        self.head = 0;
                    }
                }
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER {
                let [a, b, c, kind, flags, ..] = self.header;
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.have = 0;
                if matches!(kind, HEADERS | CONTINUATION) {
                    self.open = flags & END_HEADERS == 0;
                }
            }
        }
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
                let mut told = false;
                for part in bytes.chunks(size) {
                    told = frames.feed(part);
                }
                assert_eq!(told, unfinished, "{bytes:?} by {size}");
                assert_eq!(frames.unfinished_head(), if unfinished { 5 } else { 0 }, "{bytes:?} by {size}");
            }
        }
    }

    #[test]
    fn half_a_frame_is_unfinished_and_half_a_body_is_not() {
        let head = frame(HEADERS, END_HEADERS, 40);
        for cut in 1..head.len() {
            assert!(Frames::default().feed(&head[..cut]), "{cut}");
        }
        let body = frame(DATA, 0, 40);
        for cut in 1..body.len() {
            assert_eq!(Frames::default().feed(&body[..cut]), cut < HEADER, "{cut}");
        }
    }
}
