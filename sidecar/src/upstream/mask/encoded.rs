//! A value in Base64 and in hexadecimal digits.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The Base64 of the value between any other bytes: only the characters that depend on the value alone.
pub(super) fn base64_of(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        let from = (before * 8).div_ceil(6);
        let to = bytes.len() * 8 / 6;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&bytes);
            if let Some(text) = text.as_bytes().get(from..to).filter(|text| !text.is_empty())
                && !all.iter().any(|other| other == text)
            {
                all.push(text.to_vec());
            }
        }
    }
    all
}

/// Its hexadecimal digits, in lower and in upper case.
pub(super) fn hex_of(value: &[u8]) -> [Vec<u8>; 2] {
    let small: Vec<u8> = value.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    let large = small.to_ascii_uppercase();
    [small, large]
}
