//! Estimates the number of a request's input tokens from its bytes.
//!
//! Without a tokenizer: each model has its own, they take megabytes, and an upper bound for reservations is enough. One
//! pass over the raw JSON, in time linear in its length. `tests/estimate.rs` checks the guarantee: rarely below what
//! providers billed for recorded requests, and seldom twice as much.
//!
//! Content outside of the body can't be estimated from it: a stored conversation, a cached prefix, what a provider's
//! own tools read. [`crate::tokens::meter`] and [`crate::passthrough::scan::Scanned::handle`] report those.

mod family;
mod media;
mod text;
mod walk;

use crate::Dialect;
use crate::json::pieces::without_ascii_escapes;
use family::{PictureCost, TokenFamily};
use walk::FoundContent;

/// The parts of an input, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenEstimate {
    /// Prompts, turns, tools and schemas, with what providers add to them.
    pub text: u64,
    pub pictures: u64,
    /// Audio and video.
    pub audio: u64,
    pub documents: u64,
}

impl TokenEstimate {
    /// The sum.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.text.saturating_add(self.pictures).saturating_add(self.audio).saturating_add(self.documents)
    }
}

/// The content of a request, to be counted for one model or another.
#[derive(Clone, Debug)]
pub struct RequestInput(FoundContent);

impl RequestInput {
    /// Reads a body of the caller's dialect, of any operation: those other than conversations have no format. Other
    /// bytes give an arbitrary estimate.
    #[must_use]
    pub fn read(caller: Dialect, body: &[u8]) -> Self {
        RequestInput(walk::found(caller, &without_ascii_escapes(body)).0)
    }

    /// Whether some content is elsewhere, with unknown length: stored by the provider, or a document or a recording
    /// behind a URL or a name. Images don't count, because their size is limited.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        let found = &self.0;
        found.kept > 0 || found.clips_elsewhere > 0 || found.documents_elsewhere > 0
    }

    /// Whether all content is text, and in the body.
    #[must_use]
    pub fn is_words(&self) -> bool {
        let found = &self.0;
        let others = [
            found.audio_ms,
            found.video_ms,
            found.pages,
            found.packed,
            found.pictures_elsewhere,
            found.clips_elsewhere,
            found.documents_elsewhere,
            found.kept,
        ];
        others.into_iter().chain(found.pictures).all(|count| count == 0)
    }

    /// The tokens that a model with this name is billed for, at an upstream of this dialect.
    ///
    /// Names decide. The dialect determines the probable tokenizer if the name is unknown, also for operations without
    /// a format. A provider type would not help: most types serve models of several vendors.
    #[must_use]
    pub fn estimate(&self, upstream: Dialect, model: &str) -> TokenEstimate {
        let found = &self.0;
        let family = TokenFamily::of(upstream, model);
        let once = |there: bool, tokens: u64| if there { tokens } else { 0 };
        let milli = |millis: u64| millis.div_ceil(1_000);
        let around = family.request
            + found.messages * family.message
            + found.calls * family.call
            + found.tools * family.tool
            + once(found.tools > 0, family.tools)
            + once(found.thinks, family.thinks)
            + once(found.has_schema, family.schema)
            + once(found.cites, family.cites)
            + milli(found.sealed * family.sealed + found.signed * family.signed);
        let words = milli(found.words.millis() + found.keys * KEY);
        let picture = PictureCost::ALL.iter().zip(found.pictures).find(|(way, _)| **way == family.picture);
        TokenEstimate {
            text: milli(words * family.words) + found.tokens + around,
            pictures: picture
                .map_or(0, |(_, sum)| sum)
                .saturating_add(found.pictures_elsewhere.saturating_mul(family.picture.tokens(None))),
            audio: milli(milli(found.audio_ms).saturating_mul(family.audio))
                .saturating_add(milli(milli(found.video_ms).saturating_mul(family.video)))
                .saturating_add(milli(found.clips_elsewhere.saturating_mul(CLIP).saturating_mul(family.audio))),
            documents: (found.pages.saturating_mul(family.page))
                .saturating_add(output_tokens(found.packed))
                .saturating_add(found.documents_elsewhere.saturating_mul(PAGES).saturating_mul(family.page)),
        }
    }
}

/// For each key that a model reads: its quotes, its colon, its comma. Thousandths of a token.
const KEY: u64 = 1_500;
/// The assumed length of content elsewhere, in seconds and in pages.
const CLIP: u64 = 300;
const PAGES: u64 = 5;

/// Input tokens of a request in a dialect, for the model that the body names.
#[must_use]
pub fn input_tokens(dialect: Dialect, body: &[u8]) -> u64 {
    let body = without_ascii_escapes(body);
    let (found, model) = walk::found(dialect, &body);
    RequestInput(found).estimate(dialect, &String::from_utf8_lossy(model)).tokens()
}

/// Tokens of an answer of which this many bytes of text were received; at least one if there was any.
#[must_use]
pub fn output_tokens(bytes_of_content: u64) -> u64 {
    // English has four and a half bytes a token, code three and a half, Chinese three.
    bytes_of_content.saturating_mul(2).div_ceil(7)
}
