//! A stream as a JSON array: the answer of `streamGenerateContent` without `alt=sse`.

/// Frames objects as Google does: `[{…}\n,\r\n{…}\n]`.
///
/// It accepts the `data` of SSE events, so it works for encoded streams and for streams that pass through.
#[derive(Debug, Default)]
pub struct ArrayFraming {
    open: bool,
    ended: bool,
}

impl ArrayFraming {
    /// Writes one object, given as JSON text. After [`ArrayFraming::end`] nothing is written.
    pub fn push(&mut self, data: &str, out: &mut Vec<u8>) {
        let data = data.trim();
        if self.ended || data.is_empty() {
            return;
        }
        out.extend_from_slice(if self.open { b",\r\n" } else { b"[" });
        out.extend_from_slice(data.as_bytes());
        out.push(b'\n');
        self.open = true;
    }

    /// Closes the array, once.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        out.extend_from_slice(if self.open { b"]\n" } else { b"[]\n" });
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_objects_as_an_array() {
        for (objects, expected) in [
            (vec![], "[]\n"),
            (vec![r#"{"a":1}"#], "[{\"a\":1}\n]\n"),
            (vec![r#"{"a":1}"#, "", "{\n\"b\":2}\n"], "[{\"a\":1}\n,\r\n{\n\"b\":2}\n]\n"),
        ] {
            let (mut framing, mut out) = (ArrayFraming::default(), Vec::new());
            for object in objects {
                framing.push(object, &mut out);
            }
            framing.end(&mut out);
            framing.end(&mut out);
            framing.push("{}", &mut out);
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
            serde_json::from_slice::<Vec<serde_json::Value>>(&out).unwrap();
        }
    }
}
