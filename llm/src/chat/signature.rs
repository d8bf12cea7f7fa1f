//! Gemini's thought signatures, carried inside a tool call's id through clients that know nothing
//! of them: `{id}__ts_{signature's bytes, base64url without padding}`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const MARK: &str = "__ts_";

/// The id that a client is given: with the signature, where the call has one.
#[must_use]
pub fn pack(id: &str, signature: Option<&str>) -> String {
    match signature {
        Some(signature) => format!("{id}{MARK}{}", URL_SAFE_NO_PAD.encode(signature)),
        None => id.to_owned(),
    }
}

/// The id and the signature that a client's id holds. What was not packed comes back as it is.
#[must_use]
pub fn unpack(packed: &str) -> (String, Option<String>) {
    let parts = packed.rsplit_once(MARK).and_then(|(id, code)| {
        let signature = String::from_utf8(URL_SAFE_NO_PAD.decode(code).ok()?).ok()?;
        (!id.is_empty() && !signature.is_empty()).then(|| (id.to_owned(), signature))
    });
    match parts {
        Some((id, signature)) => (id, Some(signature)),
        None => (packed.to_owned(), None),
    }
}
