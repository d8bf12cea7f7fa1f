use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::*;

const KEY: &str = "sk-live-0123456789abcdef";
/// Contains bytes that JSON and URLs escape.
const ODD: &str = "k+9/x==\"<a b>&%";

fn cut_at(value: &str, text: &[u8], thorough: bool, at: &[usize]) -> (Vec<u8>, bool) {
    let mut masker = Masker::new(Mask::new(value).unwrap(), thorough);
    let mut out = Vec::new();
    let mut from = 0;
    for to in at.iter().copied().chain([text.len()]) {
        out.extend_from_slice(&masker.push(Bytes::copy_from_slice(&text[from..to])));
        from = to;
    }
    out.extend_from_slice(&masker.finish());
    (out, masker.found())
}

#[test]
fn masks_the_value_at_any_place_and_any_cut() {
    for (text, expected) in [
        (format!(r#"{{"error":{{"param":"{KEY}"}}}}"#), r#"{"error":{"param":"***"}}"#),
        (format!("Authorization: Bearer {KEY}\r\n"), "Authorization: Bearer ***\r\n"),
        (format!("{KEY}{KEY} {KEY}"), "****** ***"),
        (format!("sk-live-012345 {KEY}"), "sk-live-012345 ***"),
        (format!("sk-live-sk-{KEY}"), "sk-live-sk-***"),
        ("nothing here, sk-live".to_owned(), "nothing here, sk-live"),
        (String::new(), ""),
    ] {
        for at in 0..=text.len() {
            for thorough in [false, true] {
                let (out, found) = cut_at(KEY, text.as_bytes(), thorough, &[at]);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "cut at {at}");
                assert_eq!(found, text.contains(KEY));
            }
        }
        let every: Vec<usize> = (1..text.len()).collect();
        assert_eq!(cut_at(KEY, text.as_bytes(), false, &every).0, expected.as_bytes());
        assert_eq!(cut_at(KEY, text.as_bytes(), true, &every).0, expected.as_bytes());
    }
}

#[test]
fn masks_every_form_of_the_value_in_an_error() {
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let percent =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let units = |text: &str| text.bytes().map(|byte| format!("\\u{byte:04X}")).collect::<String>();
    for value in [KEY, ODD] {
        for form in [
            json(value),
            json(&json(value)),
            json(&json(&json(value))),
            value.replace('/', "\\/"),
            units(value),
            percent(value),
            percent(value).to_lowercase(),
            percent(&percent(value)),
            STANDARD.encode(value),
            STANDARD.encode(format!("user:{value}")),
            STANDARD.encode(format!("u:{value}")),
            STANDARD.encode(format!("{value}:")),
            STANDARD.encode(format!("Bearer {value}, and more")),
            URL_SAFE.encode(format!("me:{value}")),
        ] {
            let text = format!("before {form} after");
            for at in 0..=text.len() {
                let (out, found) = cut_at(value, text.as_bytes(), true, &[at]);
                let out = String::from_utf8(out).unwrap();
                assert!(found && out.contains(REPLACEMENT), "{text} is written as {out}");
                assert!(out.starts_with("before ") && out.ends_with(" after"), "{text} is written as {out}");
                assert!(!out.contains(&value[2..value.len() - 2]), "{out}");
            }
        }
    }
}

#[test]
fn masks_escapes_in_a_success_if_the_value_needs_them() {
    let text = serde_json::to_string(ODD).unwrap();
    assert_eq!(cut_at(ODD, text.as_bytes(), false, &[7]).0, b"\"***\"");
    // Encoders never escape a plain value, so nothing is spent on it.
    let text = KEY.replace('s', "\\u0073");
    assert!(!cut_at(KEY, text.as_bytes(), false, &[]).1);
}

#[test]
fn does_not_mask_placeholders_and_short_values() {
    for value in ["", "x", "mock", "EMPTY", "1234567", "not-needed", "lm-studio"] {
        assert!(Mask::new(value).is_none(), "{value}");
    }
    assert!(Mask::new("12345678").is_some());
    assert_eq!(format!("{:?}", Mask::new(KEY).unwrap()), "Mask(…)");
}

#[test]
fn never_holds_back_whole_events() {
    let mut masker = Masker::new(Mask::new(KEY).unwrap(), false);
    for event in ["data: {\"a\":\"s\"}\n\n", "data: sk-live\n\n", ": sk\n\n"] {
        let piece = Bytes::from(event);
        let written = masker.push(piece.clone());
        // Not even copied.
        assert_eq!((written.as_ptr(), written.len()), (piece.as_ptr(), piece.len()));
    }
    assert!(masker.finish().is_empty());
}

#[test]
fn masks_headers() {
    let mut headers = HeaderMap::new();
    headers.insert("www-authenticate", format!("Bearer realm=\"x\", token=\"{KEY}\"").parse().unwrap());
    headers.insert("location", format!("https://x/?key={KEY}&a=1").parse().unwrap());
    headers.insert("retry-after", "1".parse().unwrap());
    assert!(Mask::new(KEY).unwrap().headers(&mut headers, true));
    assert_eq!(headers["www-authenticate"], "Bearer realm=\"x\", token=\"***\"");
    assert_eq!(headers["location"], "https://x/?key=***&a=1");
    assert_eq!(headers["retry-after"], "1");
    assert!(!Mask::new(KEY).unwrap().headers(&mut headers, true));
}

#[test]
fn reads_an_error_full_of_the_value_once() {
    let quoted = format!("{} {KEY} ", STANDARD.encode(format!("u:{KEY}")));
    let text = quoted.repeat((1 << 20) / quoted.len());
    let begun = std::time::Instant::now();
    let masked = Mask::new(KEY).unwrap().bytes(text.as_bytes(), true).into_owned();
    assert!(!masked.windows(8).any(|window| window == b"sk-live-"));
    // Once takes a few milliseconds, also in a debug build. Once for each place would take a minute.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn masks_digits_and_entities_in_an_error() {
    let bytes = |value: &str, written: fn(u8) -> String| value.bytes().map(written).collect::<String>();
    for value in [KEY, ODD] {
        for form in [
            bytes(value, |byte| format!("{byte:02x}")),
            bytes(value, |byte| format!("{byte:02X}")),
            bytes(value, |byte| format!("\\x{byte:02x}")),
            bytes(value, |byte| format!("\\u{{{byte:x}}}")),
            bytes(value, |byte| format!("%u{byte:04X}")),
            bytes(value, |byte| format!("&#{byte};")),
            bytes(value, |byte| format!("&#{byte:03};")),
            bytes(value, |byte| format!("&#x{byte:X};")),
            value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
        ] {
            let text = format!("before {form} after");
            for at in 0..=text.len() {
                let (out, found) = cut_at(value, text.as_bytes(), true, &[at]);
                // The escape of a character that begins an escape may be left.
                let out = String::from_utf8(out).unwrap();
                assert!(found && out.starts_with("before ***") && out.ends_with(" after"), "{text}, {at}: {out}");
                assert!(out.len() <= "before *** after".len() + 7, "{text}, {at}: {out}");
            }
        }
    }
}

/// For every part of the value at every place.
#[test]
fn leaves_no_more_than_a_hint_in_an_error() {
    let long = (0..500).map(|n| format!("{:04}", n * 7919 % 9973)).collect::<String>();
    for (value, hint) in [(KEY, 12), ("0123456789abcdef", 8), (long.as_str(), 125)] {
        let mask = Mask::new(value).unwrap();
        for from in 0..value.len().min(60) {
            for to in [from + 4, from + hint - 1, from + hint, from + hint + 1, from + hint + 20, value.len()] {
                let Some(part) = value.get(from..to) else { continue };
                for before in 0..4 {
                    let text = format!("{}key {part}\" and {}", &"....."[..before], "more");
                    let (masked, quoted) = mask.error(text.as_bytes());
                    let masked = String::from_utf8(masked.into_owned()).unwrap();
                    assert_eq!(masked.contains(part), part.len() < hint, "{text} is written as {masked}");
                    assert_eq!(quoted, part.len() >= hint && 2 * part.len() >= value.len(), "{text}");
                }
            }
        }
    }
    let mask = Mask::new(KEY).unwrap();
    let lines = STANDARD.encode(format!("u:{KEY}")).as_bytes().chunks(20).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let text = lines.join(&b'\n');
    let (masked, quoted) = mask.error(&text);
    assert!(quoted && !masked.windows(16).any(|window| lines[0].starts_with(window)), "{masked:?}");
    for hint in ["sk-live-***cdef", "sk-live-", "ends with cdef", ""] {
        assert!(matches!(mask.error(hint.as_bytes()), (Cow::Borrowed(_), false)), "{hint}");
    }
}

#[test]
fn reads_an_error_full_of_parts_once() {
    let value = "a".repeat(2_000);
    let mask = Mask::new(&value).unwrap();
    let begun = std::time::Instant::now();
    for text in ["a".repeat(256 << 10), format!("{}b", "a".repeat(124)).repeat(2_000)] {
        let masked = mask.error(text.as_bytes()).0.into_owned();
        assert!(!masked.windows(125).any(|window| window.iter().all(|byte| *byte == b'a')));
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
