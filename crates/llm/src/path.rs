//! Paths at an upstream: fixed words of ours, and encoded segments.
//!
//! A model's name is the caller's text. In a path it must stay one segment, whatever a proxy or a server decodes and
//! normalizes:
//!
//! ```text
//! ge/../../v1beta/cachedContents?x=   refused: a segment of dots
//! a/b c?d                             models/a%2Fb%20c%3Fd:generateContent
//! ```
//! Only this module can create an [`UpstreamPath`], so a path never contains a caller's text unencoded.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// Why a text can't be part of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    #[error("it is empty")]
    Empty,
    /// `.` or `..` between slashes or backslashes, even if encoded several times.
    #[error("it has a segment of dots, which servers take for another path")]
    Dots,
    /// Control characters: CR, LF, NUL, ESC and others.
    #[error("it has control characters")]
    Control,
}

/// The characters that are not encoded: RFC 3986's unreserved ones, and `@`, with which Vertex names versions.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');

/// How often a text is decoded to check what servers may make of it.
const DECODED: usize = 4;

/// Whether a text may be part of a path after encoding.
///
/// # Errors
/// The reason why not, as [`PathError`].
pub fn check(text: &str) -> Result<(), PathError> {
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    // No character is a separator or an escape: true for almost all names.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~@:".contains(&byte)) {
        return if matches!(text, "." | "..") { Err(PathError::Dots) } else { Ok(()) };
    }
    let mut seen = Cow::Borrowed(text);
    for _ in 0..DECODED {
        if seen.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
        // Some servers treat text after a semicolon as parameters, and read `..;x` as `..`.
        let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
        if seen.split(['/', '\\']).any(dots) {
            return Err(PathError::Dots);
        }
        if !seen.contains('%') {
            break;
        }
        let decoded = percent_decode_str(&seen).decode_utf8_lossy().into_owned();
        if decoded == seen {
            break;
        }
        seen = Cow::Owned(decoded);
    }
    Ok(())
}

/// One segment of a path, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathSegment(String);

impl PathSegment {
    /// Encodes a text as one segment: slashes in it are not separators.
    ///
    /// # Errors
    /// [`PathError`] if no encoding makes the text safe.
    pub fn encode(text: &str) -> Result<Self, PathError> {
        check(text)?;
        Ok(PathSegment(utf8_percent_encode(text, KEPT).to_string()))
    }
}

impl fmt::Display for PathSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path below an endpoint, without a leading slash: `models/gemini-2.5-flash:generateContent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamPath(String);

impl UpstreamPath {
    /// A path without a variable segment.
    #[must_use]
    pub fn fixed(path: &'static str) -> Self {
        UpstreamPath(path.to_owned())
    }

    /// A path with one segment of untrusted text.
    #[must_use]
    pub fn with(before: &'static str, segment: &PathSegment, after: &'static str) -> Self {
        UpstreamPath(format!("{before}{segment}{after}"))
    }

    /// The path of a Gemini model's method: `models/NAME:generateContent`, `tunedModels/NAME:generateContent`.
    ///
    /// # Errors
    /// [`PathError`] if the name can't be part of a path.
    pub fn gemini(model: &str, verb: &str) -> Result<Self, PathError> {
        let resource = Resource::of(model);
        let mut path = String::with_capacity(model.len() + verb.len() + 16);
        for (collection, name) in resource.pairs() {
            path.push_str(collection);
            path.push('/');
            path.push_str(&PathSegment::encode(name)?.0);
            path.push('/');
        }
        path.pop();
        path.push_str(verb);
        Ok(UpstreamPath(path))
    }

    /// The path below a folder: `v1/`.
    #[must_use]
    pub fn below(mut self, folder: &'static str) -> Self {
        self.0.insert_str(0, folder);
        self
    }

    /// The path of a model's method at Vertex AI: `publishers/google/models/NAME:generateContent`; for a model of
    /// one's own `endpoints/NUMBER:generateContent`.
    ///
    /// # Errors
    /// [`PathError`] if the name can't be part of a path.
    pub fn vertex(publisher: &'static str, model: &str, verb: &str) -> Result<Self, PathError> {
        let parts: Vec<&str> = model.splitn(5, '/').collect();
        let (publisher, name) = match parts[..] {
            ["endpoints", name] => return Ok(UpstreamPath(format!("endpoints/{}{verb}", PathSegment::encode(name)?))),
            ["publishers", publisher, "models", name] => (publisher, name),
            ["models", name] => (publisher, name),
            // As in names of the OpenAI-compatible API there: `google/gemini-2.5-flash`.
            [named, name] if named == publisher => (publisher, name),
            _ => (publisher, model),
        };
        let (publisher, name) = (PathSegment::encode(publisher)?, PathSegment::encode(name)?);
        Ok(UpstreamPath(format!("publishers/{publisher}/models/{name}{verb}")))
    }

    /// The path of an operation at a deployment of Azure: `deployments/NAME/chat/completions`.
    ///
    /// # Errors
    /// [`PathError`] if the name can't be part of a path.
    pub fn deployment(name: &str, operation: &'static str) -> Result<Self, PathError> {
        Ok(UpstreamPath(format!("deployments/{}/{operation}", PathSegment::encode(name)?)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Google's resource name of a model: `models/x`, `tunedModels/x`, `publishers/google/models/x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Model(&'a str),
    Tuned(&'a str),
    Published(&'a str, &'a str),
}

impl<'a> Resource<'a> {
    /// A name without a collection is a model, and so is one that contains slashes for other reasons.
    fn of(model: &'a str) -> Self {
        let parts: Vec<&str> = model.splitn(5, '/').collect();
        match parts[..] {
            ["models", name] => Resource::Model(name),
            ["tunedModels", name] => Resource::Tuned(name),
            ["publishers", publisher, "models", name] => Resource::Published(publisher, name),
            _ => Resource::Model(model),
        }
    }

    fn pairs(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let (first, second) = match self {
            Resource::Model(name) => (("models", name), None),
            Resource::Tuned(name) => (("tunedModels", name), None),
            Resource::Published(publisher, name) => (("publishers", publisher), Some(("models", name))),
        };
        std::iter::once(first).chain(second)
    }
}

/// The resource name of a Gemini model, as bodies repeat it: `models/gemini-2.5-flash`.
#[must_use]
pub fn gemini_resource(model: &str) -> String {
    match Resource::of(model) {
        Resource::Model(name) => format!("models/{name}"),
        Resource::Tuned(_) | Resource::Published(..) => model.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        for (model, expected) in [
            ("gemini-2.5-flash", "models/gemini-2.5-flash:verb"),
            ("models/gemini-2.5-flash", "models/gemini-2.5-flash:verb"),
            ("tunedModels/mine-1", "tunedModels/mine-1:verb"),
            ("publishers/google/models/x@001", "publishers/google/models/x@001:verb"),
            ("a/b", "models/a%2Fb:verb"),
            ("models/a/b", "models/models%2Fa%2Fb:verb"),
            ("org/model:free", "models/org%2Fmodel%3Afree:verb"),
            ("a?b#c;d\\e f", "models/a%3Fb%23c%3Bd%5Ce%20f:verb"),
            ("a:countTokens", "models/a%3AcountTokens:verb"),
            ("モデル", "models/%E3%83%A2%E3%83%87%E3%83%AB:verb"),
            // Encoded literally: the name is `a%20b`.
            ("a%20b", "models/a%2520b:verb"),
            ("...", "models/...:verb"),
            ("v1.5..6", "models/v1.5..6:verb"),
            ("a/.../b", "models/a%2F...%2Fb:verb"),
        ] {
            assert_eq!(UpstreamPath::gemini(model, ":verb").unwrap().as_str(), expected);
        }
    }

    #[test]
    fn names_that_no_encoding_makes_safe_are_refused() {
        for model in [
            ".",
            "..",
            "../x",
            "a/..",
            "a/../b",
            "ge/../../v1beta/cachedContents?x=",
            "a\\..\\b",
            "..;/a",
            "a/.;x=1/b",
            "./llama",
            "%2e%2e",
            "a/%2E%2e/b",
            "%252e%252e/x",
            "a%2f..%2fb",
            "a%5c..",
            "%25252e",
            "models/..",
            "tunedModels/../x",
            "publishers/../models/x",
        ] {
            assert_eq!(UpstreamPath::gemini(model, ":verb"), Err(PathError::Dots), "{model}");
        }
        for model in ["a\r\nhost: x", "a\0", "\u{1b}]52;c;x\u{7}", "a\u{85}", "a%00", "a%250d", "\t", "a\u{7f}"] {
            assert_eq!(UpstreamPath::gemini(model, ":verb"), Err(PathError::Control), "{model:?}");
        }
        for model in ["", "models/", "publishers//models/x"] {
            assert_eq!(UpstreamPath::gemini(model, ":verb"), Err(PathError::Empty), "{model:?}");
        }
    }

    #[test]
    fn bodies_repeat_the_resource() {
        for (model, expected) in [
            ("gemini-2.5-flash", "models/gemini-2.5-flash"),
            ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
            ("tunedModels/mine-1", "tunedModels/mine-1"),
            ("publishers/google/models/x", "publishers/google/models/x"),
        ] {
            assert_eq!(gemini_resource(model), expected);
        }
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_segment(model in "[a/.%2eE5cf\\\\;?#:@ \u{e9}\r\u{0}-]{0,24}") {
            if let Ok(path) = UpstreamPath::gemini(&model, ":verb") {
                let path = path.as_str();
                prop_assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~@%/:".contains(&byte)), "{path}");
                prop_assert_eq!(path.matches(':').count(), 1);
                // It stays in its segment, whatever is decoded and normalized.
                let mut seen = path.to_owned();
                for _ in 0..3 {
                    prop_assert!(!seen.split(['/', '\\']).any(|part| part == "." || part == ".."), "{}", seen);
                    seen = percent_decode_str(&seen).decode_utf8_lossy().into_owned();
                }
            }
        }
    }
}
