//! How many tokens a request's input has, estimated from its bytes.
//!
//! No tokenizer: each model has its own, they weigh megabytes, and what is asked for is an upper bound that may be
//! reserved. One pass over the raw JSON, in time that grows with its length. What is promised stands in
//! `tests/estimate.rs`: rarely below what providers billed for recorded requests, and seldom twice as much.
//!
//! What is not in the body cannot be estimated from it: a stored conversation, a cached prefix, what a provider's own tools
//! read. [`crate::tokens::meter`] and [`crate::passthrough::scan::Scanned::handle`] report those.

mod family;
mod media;
mod text;
mod walk;

use crate::Dialect;
use crate::json::pieces::without_ascii_escapes;
use family::{PictureCost, TokenFamily};
use walk::FoundContent;

/// What an input is made of, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenEstimate {
    /// Prompts, turns, tools and schemas, with what providers put around them.
    pub text: u64,
    pub pictures: u64,
    /// Sound and films.
    pub audio: u64,
    pub documents: u64,
}

impl TokenEstimate {
    /// All of them.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.text.saturating_add(self.pictures).saturating_add(self.audio).saturating_add(self.documents)
    }
}

/// What was found in a request, to be counted for one model or another.
#[derive(Clone, Debug)]
pub struct RequestInput(FoundContent);

impl RequestInput {
    /// Reads a body of the caller's dialect, of any operation: those that are no conversation have no format. Bytes that are
    /// no such body make some estimate too.
    #[must_use]
    pub fn read(caller: Dialect, body: &[u8]) -> Self {
        RequestInput(walk::found(caller, &without_ascii_escapes(body)).0)
    }

    /// Whether something of it is elsewhere, and nobody knows how long it is: what the provider keeps, a document or a
    /// recording behind a URL or a name. A picture is not: it has a largest size.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        let found = &self.0;
        found.kept > 0 || found.clips_elsewhere > 0 || found.documents_elsewhere > 0
    }

    /// Whether all of it is words, and in the body.
    #[must_use]
    pub fn is_words(&self) -> bool {
        let found = &self.0;
        let beside = [
            found.audio_ms,
            found.video_ms,
            found.pages,
            found.packed,
            found.pictures_elsewhere,
            found.clips_elsewhere,
            found.documents_elsewhere,
            found.kept,
        ];
        beside.into_iter().chain(found.pictures).all(|count| count == 0)
    }

    /// What a model of that name is billed for, where an upstream of that dialect serves it.
    ///
    /// Names decide. The dialect stands for the vendor whose tokenizer is likely where the name tells nothing, also for
    /// operations that have no format. A provider type would say no more: most types serve models of several vendors.
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
/// What is somewhere else is taken to last so many seconds, or to have so many pages.
const CLIP: u64 = 300;
const PAGES: u64 = 5;

/// Tokens of the input of a request in a dialect, for the model that the body names.
#[must_use]
pub fn input_tokens(dialect: Dialect, body: &[u8]) -> u64 {
    let body = without_ascii_escapes(body);
    let (found, model) = walk::found(dialect, &body);
    RequestInput(found).estimate(dialect, &String::from_utf8_lossy(model)).tokens()
}

/// Tokens of an answer of which so many bytes of text were seen; at least one where there was any.
#[must_use]
pub fn output_tokens(bytes_of_content: u64) -> u64 {
    // English has four and a half bytes a token, code three and a half, Chinese three.
    bytes_of_content.saturating_mul(2).div_ceil(7)
}
