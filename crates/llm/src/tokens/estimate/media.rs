//! Pictures, sound and documents inside a request: the kind and size of a string of base64, from its first bytes.
//!
//! The `imagesize` crate (0.15) would not make this simpler. It reads the same bytes of the four kinds that all three
//! APIs accept (PNG, JPEG, GIF, WebP: forty lines here), but counts the scale bits of WebP's `VP8 ` as a part of the
//! size. It also knows HEIC, AVIF and TIFF. Only Gemini accepts HEIC, a TIFF's size may be anywhere in the file, and all
//! three are counted at the highest price of a picture. Base64 would have to be decoded for it, and sound, films and
//! documents would still have to be distinguished here.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;

/// The content of a string other than text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaFile {
    /// With its size in pixels, if the first bytes contain it.
    Picture(Option<(u32, u32)>),
    /// In milliseconds: the longest possible duration.
    Audio(u64),
    Video(u64),
    /// The largest possible number of pages.
    Pdf(u64),
    /// A document of another kind, in bytes of its text.
    Words(u64),
}

/// Shorter strings count as text, whatever they begin with: the smallest image is longer.
const SHORTEST: usize = 64;

/// Base64 whose end may be truncated.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes a second, the lowest usual rate for speech: 32 kbit/s of MP3, 24 of AAC, 16 of Opus; FLAC halves 16 bits at 16
/// kHz.
const MP3: u64 = 4_000;
const AAC: u64 = 3_000;
const OPUS: u64 = 2_000;
const FLAC: u64 = 16_000;
/// Video for small screens: 300 kbit/s.
const FILM: u64 = 37_500;
/// A page with only text, compressed.
const PAGE: u64 = 6_000;

/// The content of a raw string of the body; `None` for text.
pub(super) fn of(raw: &[u8]) -> Option<MediaFile> {
    if raw.len() < SHORTEST {
        return None;
    }
    let (mime, base64) = match raw.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case(b"data:")) {
        Some(_) => data_url(raw)?,
        None if begins_like_media(raw) => (None, raw),
        None => return None,
    };
    let head = decode(base64, 64);
    let bytes = base64.len() as u64 / 4 * 3;
    by_head(&head, base64, bytes).or_else(|| by_mime(mime?, bytes))
}

/// The media type and the base64 of `data:image/png;base64,…`; `None` for a URL with percent-encoded data.
fn data_url(raw: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    // Names of types are short, with few parameters.
    let comma = raw.iter().take(256).position(|byte| *byte == b',')?;
    let head = raw.get(5..comma)?;
    let mime = head.strip_suffix(b";base64")?;
    Some((Some(mime.split(|byte| *byte == b';').next().unwrap_or_default()), raw.get(comma + 1..)?))
}

/// A first check, so that text need not be decoded. PHP writes `\/` for a slash.
fn begins_like_media(raw: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 15] = [
        b"iVBORw0KGgo",
        b"/9j/",
        b"\\/9j\\/",
        b"R0lGOD",
        b"UklGR",
        b"JVBER",
        b"SUQz",
        b"T2dnU",
        b"ZkxhQ",
        b"GkXfo",
        b"UEsDB",
        b"SUkq",
        b"AAAA",
        b"//",
        b"\\/\\/",
    ];
    BEGINNINGS.iter().any(|beginning| raw.starts_with(beginning))
        && raw[..SHORTEST].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=\\-_".contains(byte))
}

fn by_head(head: &[u8], base64: &[u8], bytes: u64) -> Option<MediaFile> {
    let at = |from: usize, what: &[u8]| head.get(from..from + what.len()) == Some(what);
    let big = |from: usize| Some(u32::from_be_bytes(head.get(from..from + 4)?.try_into().ok()?));
    let little = |from: usize| Some(u32::from(u16::from_le_bytes(head.get(from..from + 2)?.try_into().ok()?)));
    let lasts = |rate: u64| bytes.saturating_mul(1_000) / rate;
    if at(0, b"\x89PNG") {
        return Some(MediaFile::Picture(big(16).zip(big(20))));
    }
    if at(0, b"\xff\xd8\xff") {
        return Some(MediaFile::Picture(jpeg_size(&decode(base64, 64 * 1_024))));
    }
    if at(0, b"GIF8") {
        return Some(MediaFile::Picture(little(6).zip(little(8))));
    }
    if at(0, b"RIFF") && at(8, b"WEBP") {
        return Some(MediaFile::Picture(webp_size(head)));
    }
    if at(0, b"RIFF") && at(8, b"WAVE") {
        let rate = u32::from_le_bytes(head.get(28..32)?.try_into().ok()?);
        // No speech has fewer bytes a second than 8 bits at 4 kHz.
        return Some(MediaFile::Audio(lasts(u64::from(rate).max(OPUS))));
    }
    if at(0, b"%PDF") {
        return Some(MediaFile::Pdf(pages(base64).unwrap_or(1 + bytes / PAGE)));
    }
    if at(0, b"ID3") || matches!(head, [0xff, second, ..] if second & 0xe6 == 0xe2) {
        return Some(MediaFile::Audio(lasts(MP3)));
    }
    if matches!(head, [0xff, second, ..] if second & 0xf6 == 0xf0) {
        return Some(MediaFile::Audio(lasts(AAC)));
    }
    if at(0, b"OggS") {
        return Some(MediaFile::Audio(lasts(OPUS)));
    }
    if at(0, b"fLaC") {
        return Some(MediaFile::Audio(lasts(FLAC)));
    }
    if at(0, b"II*\0") || at(0, b"MM\0*") || at(4, b"ftypheic") || at(4, b"ftypmif1") || at(4, b"ftypavif") {
        return Some(MediaFile::Picture(None));
    }
    if at(4, b"ftypM4A") {
        return Some(MediaFile::Audio(lasts(AAC)));
    }
    if at(4, b"ftyp") {
        return Some(MediaFile::Video(lasts(FILM)));
    }
    if at(0, b"\x1aE\xdf\xa3") {
        // WebM, in which browsers record speech.
        return Some(MediaFile::Audio(lasts(OPUS)));
    }
    // Office documents are ZIP files: an empty one has four thousand bytes, and text in it is compressed to a half or
    // less.
    at(0, b"PK\x03\x04").then(|| MediaFile::Words(bytes.saturating_sub(4_000).max(500).saturating_mul(2)))
}

fn by_mime(mime: &[u8], bytes: u64) -> Option<MediaFile> {
    let family = mime.split(|byte| *byte == b'/').next().unwrap_or_default();
    let lasts = |rate: u64| bytes.saturating_mul(1_000) / rate;
    Some(match family.to_ascii_lowercase().as_slice() {
        b"image" => MediaFile::Picture(None),
        b"audio" => MediaFile::Audio(lasts(OPUS)),
        b"video" => MediaFile::Video(lasts(FILM)),
        _ => MediaFile::Words(bytes),
    })
}

/// The first bytes of base64 in a raw JSON string: slashes may be escaped, and it may contain line ends.
fn decode(raw: &[u8], most: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(most / 3 * 4 + 4);
    let mut escaped = false;
    for &byte in raw {
        if text.len() > most / 3 * 4 {
            break;
        }
        match byte {
            b'\\' => escaped = true,
            b'/' => {
                text.push(b'/');
                escaped = false;
            }
            _ if escaped => escaped = false,
            b'=' => break,
            b'-' => text.push(b'+'),
            b'_' => text.push(b'/'),
            _ => text.push(byte),
        }
    }
    text.truncate(text.len() / 4 * 4);
    LENIENT.decode(&text).unwrap_or_default()
}

/// From the header of the frame, whichever segment it is in.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let [0xff, marker, high, low] = *bytes.get(at..at + 4)? else { return None };
        let number = |from: usize| Some(u32::from(u16::from_be_bytes(bytes.get(from..from + 2)?.try_into().ok()?)));
        if matches!(marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) {
            return number(at + 7).zip(number(at + 5));
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
    }
}

/// For all three variants.
fn webp_size(head: &[u8]) -> Option<(u32, u32)> {
    let number = |from: usize, length: usize| {
        Some(head.get(from..from + length)?.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)))
    };
    match head.get(12..16)? {
        b"VP8X" => Some((number(24, 3)? + 1, number(27, 3)? + 1)),
        b"VP8L" => {
            let bits = number(21, 4)?;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8 " => Some((number(26, 2)? & 0x3fff, number(28, 2)? & 0x3fff)),
        _ => None,
    }
}

/// Pages of a PDF that lists them uncompressed; newer ones compress them.
fn pages(base64: &[u8]) -> Option<u64> {
    /// A multiple of four.
    const STEP: usize = 48 * 1_024;
    let mut pages = 0;
    for chunk in base64.chunks(STEP) {
        let bytes = decode(chunk, STEP);
        pages += memmem::find_iter(&bytes, b"/Type")
            .filter(|at| {
                let rest = bytes[at + 5..].trim_ascii_start();
                rest.starts_with(b"/Page") && !rest.starts_with(b"/Pages")
            })
            .count() as u64;
    }
    (pages > 0).then_some(pages)
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;

    /// Base64 of some bytes, padded to a size.
    fn base64(head: &[u8], size: usize) -> String {
        let mut bytes = head.to_vec();
        bytes.resize(size.max(head.len()), 0x2a);
        BASE64_STANDARD.encode(bytes)
    }

    fn riff(kind: &[u8], rest: &[u8]) -> Vec<u8> {
        [b"RIFF\xff\xff\xff\xff", kind, rest].concat()
    }

    #[test]
    fn the_first_bytes_determine_the_kind() {
        let wav: [&[u8]; 3] =
            [b"fmt \x10\0\0\0\x01\0\x01\0\xc0\x5d\0\0", &48_000_u32.to_le_bytes(), b"\x02\0\x10\0data"];
        let jpeg: [&[u8]; 4] =
            [b"\xff\xd8\xff\xe0\0\x10JFIF\0", &[0; 9], b"\xff\xe2\0\x04xx", b"\xff\xc0\0\x11\x08\x01\x2c\x01\x90\x03"];
        let vp8x: [&[u8]; 3] = [b"VP8X\x0a\0\0\0\0\0\0\0", b"\x8f\x01\0", b"\x2b\x01\0"];
        for (head, size, expected) in [
            (
                b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x90\0\0\x01\x2c".to_vec(),
                600,
                Some(MediaFile::Picture(Some((400, 300)))),
            ),
            (jpeg.concat(), 600, Some(MediaFile::Picture(Some((400, 300))))),
            (b"\xff\xd8\xff\xe0\xff\xff".to_vec(), 600, Some(MediaFile::Picture(None))),
            (b"GIF89a\x90\x01\x2c\x01".to_vec(), 600, Some(MediaFile::Picture(Some((400, 300))))),
            (riff(b"WEBP", &vp8x.concat()), 600, Some(MediaFile::Picture(Some((400, 300))))),
            (
                riff(b"WEBP", b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x90\x01\x2c\x01"),
                600,
                Some(MediaFile::Picture(Some((400, 300)))),
            ),
            (riff(b"WEBP", b"VP8L\0\0\0\0\x2f\x8f\xc1\x4a\0"), 600, Some(MediaFile::Picture(Some((400, 300))))),
            (b"II*\0".to_vec(), 600, Some(MediaFile::Picture(None))),
            (b"\0\0\0\x18ftypheic".to_vec(), 600, Some(MediaFile::Picture(None))),
            (riff(b"WAVE", &wav.concat()), 96_000, Some(MediaFile::Audio(2_000))),
            (b"ID3\x04".to_vec(), 12_000, Some(MediaFile::Audio(3_000))),
            (b"\xff\xf3\xc4\xc4".to_vec(), 12_000, Some(MediaFile::Audio(3_000))),
            (b"\xff\xf1\x50\x80".to_vec(), 12_000, Some(MediaFile::Audio(4_000))),
            (b"OggS".to_vec(), 12_000, Some(MediaFile::Audio(6_000))),
            (b"fLaC".to_vec(), 48_000, Some(MediaFile::Audio(3_000))),
            (b"\x1aE\xdf\xa3".to_vec(), 12_000, Some(MediaFile::Audio(6_000))),
            (b"\0\0\0\x18ftypM4A ".to_vec(), 12_000, Some(MediaFile::Audio(4_000))),
            (b"\0\0\0\x18ftypisom".to_vec(), 75_000, Some(MediaFile::Video(2_000))),
            (b"%PDF-1.4 /Type /Pages /Type/Page /Type /Page\n".to_vec(), 600, Some(MediaFile::Pdf(2))),
            (b"%PDF-1.7".to_vec(), 60_000, Some(MediaFile::Pdf(11))),
            (b"PK\x03\x04".to_vec(), 7_500, Some(MediaFile::Words(7_000))),
            (b"some words that are encoded".to_vec(), 600, None),
        ] {
            let plain = base64(&head, size);
            // The end of the last group is not counted.
            let about = |media: Option<MediaFile>| match media {
                Some(MediaFile::Audio(ms)) => Some(MediaFile::Audio(ms.div_ceil(10) * 10)),
                Some(MediaFile::Video(ms)) => Some(MediaFile::Video(ms.div_ceil(10) * 10)),
                Some(MediaFile::Words(bytes)) => Some(MediaFile::Words(bytes.div_ceil(10) * 10)),
                other => other,
            };
            assert_eq!(about(of(plain.as_bytes())), expected, "{:?}", String::from_utf8_lossy(&head));
            // As PHP writes it.
            assert_eq!(about(of(plain.replace('/', "\\/").as_bytes())).is_some(), expected.is_some());
        }
    }

    #[test]
    fn data_urls_name_types_that_the_bytes_do_not_show() {
        let words = BASE64_STANDARD.encode(b"name,size\n".repeat(30));
        let png = base64(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x90\0\0\x01\x2c", 100);
        for (url, expected) in [
            (format!("data:image/svg+xml;base64,{words}"), Some(MediaFile::Picture(None))),
            (format!("DATA:text/csv;charset=utf-8;base64,{words}"), Some(MediaFile::Words(300))),
            (format!("data:audio/basic;base64,{words}"), Some(MediaFile::Audio(150))),
            // The bytes override the declared type.
            (format!("data:text/plain;base64,{png}"), Some(MediaFile::Picture(Some((400, 300))))),
            (format!("data:text/csv,{}", "name,size".repeat(20)), None),
            ("data: as we know, data; is plural, and so on and on and on, at length and beyond it".to_owned(), None),
            ("iVBORw0KGgo is how a picture begins, and this is about pictures, not one of them".to_owned(), None),
            ("iVBORw0KGgo".to_owned(), None),
        ] {
            assert_eq!(of(url.as_bytes()), expected, "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_classified(
            head in prop_oneof![
                Just(b"\xff\xd8\xff".to_vec()), Just(riff(b"WEBP", b"VP8")), Just(riff(b"WAVE", b"")),
                Just(b"%PDF".to_vec()), Just(b"\x89PNG".to_vec()), Just(b"GIF8".to_vec()),
            ],
            rest in prop::collection::vec(any::<u8>(), 0..200),
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = of(&noise);
            let _ = of(&[b"data:;base64,", &*noise].concat());
            let text = BASE64_STANDARD.encode([head, rest, noise].concat());
            let _ = of(text.as_bytes());
        }
    }
}
