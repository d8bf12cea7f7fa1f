//! Decompresses an answer a little at a time: a kilobyte may expand to a megabyte.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::{GzDecoder, ZlibDecoder};

/// A decompressor with its pending input.
pub struct Inflate {
    decoder: Decompressor,
    /// Input that is not decompressed yet.
    input: Bytes,
}

enum Decompressor {
    Gzip(GzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

impl Inflate {
    /// The decompressor for a `content-encoding`; `None` if it is not supported.
    pub fn of(encoding: &str) -> Option<Inflate> {
        let decoder = match encoding {
            "gzip" | "x-gzip" => Decompressor::Gzip(GzDecoder::new(Vec::new())),
            "deflate" => Decompressor::Deflate(ZlibDecoder::new(Vec::new())),
            _ => return None,
        };
        Some(Inflate { decoder, input: Bytes::new() })
    }

    /// Adds input. All output of the input before must have been taken.
    pub fn push(&mut self, data: Bytes) {
        self.input = data;
    }

    /// The next few dozen kilobytes; `None` if more input is needed.
    pub fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.input.is_empty() {
            // The decoder writes at most one buffer of 32 kB before it returns.
            let used = self.decoder.write(&self.input)?;
            if used == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.input.advance(used);
            if self.input.is_empty() {
                self.decoder.flush()?;
            }
            let inflated = std::mem::take(self.decoder.out());
            if !inflated.is_empty() {
                return Ok(Some(inflated.into()));
            }
        }
        Ok(None)
    }

    /// The rest at the end.
    pub fn finish(self) -> io::Result<Bytes> {
        match self.decoder {
            Decompressor::Gzip(decoder) => decoder.finish().map(Bytes::from),
            Decompressor::Deflate(decoder) => decoder.finish().map(Bytes::from),
        }
    }
}

impl Decompressor {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Decompressor::Gzip(decoder) => decoder.write(data),
            Decompressor::Deflate(decoder) => decoder.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Decompressor::Gzip(decoder) => decoder.flush(),
            Decompressor::Deflate(decoder) => decoder.flush(),
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Decompressor::Gzip(decoder) => decoder.get_mut(),
            Decompressor::Deflate(decoder) => decoder.get_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn decompresses_a_small_answer_with_large_content_in_steps() {
        let plain = [&b"data: {\"a\":1}\n\n"[..], &vec![b'x'; 8 << 20]].concat();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&plain).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&plain).unwrap();
        for (encoding, bytes) in [("gzip", gzip.finish().unwrap()), ("deflate", zlib.finish().unwrap())] {
            let bytes = Bytes::from(bytes);
            assert!(bytes.len() < plain.len() / 500);
            for piece in [bytes.len(), 100] {
                let mut inflate = Inflate::of(encoding).unwrap();
                let mut all = Vec::new();
                for at in (0..bytes.len()).step_by(piece) {
                    inflate.push(bytes.slice(at..bytes.len().min(at + piece)));
                    while let Some(inflated) = inflate.next().unwrap() {
                        assert!(inflated.len() <= 128 << 10, "{}", inflated.len());
                        all.extend_from_slice(&inflated);
                    }
                }
                all.extend_from_slice(&inflate.finish().unwrap());
                assert!(all == plain);
            }
        }
        assert!(Inflate::of("br").is_none());
    }

    #[test]
    fn reports_truncated_and_invalid_data() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(b"some words").unwrap();
        let bytes = Bytes::from(gzip.finish().unwrap());
        let mut inflate = Inflate::of("gzip").unwrap();
        inflate.push(bytes.slice(..bytes.len() - 9));
        while inflate.next().unwrap().is_some() {}
        assert!(inflate.finish().is_err());
        let mut inflate = Inflate::of("gzip").unwrap();
        inflate.push(Bytes::from_static(b"no gzip at all, this"));
        assert!(inflate.next().is_err());
    }
}
