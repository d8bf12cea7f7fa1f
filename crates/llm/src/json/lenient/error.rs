//! Errors of any provider.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

use super::{LenientText, expecting, otherwise};
use crate::chat::StreamError;

/// The value of `error`: an object of any provider, or text. Null, false and empty values count as absent.
#[derive(Debug, Default)]
pub(crate) struct LenientError(pub Option<StreamError>);

/// Fields of errors, at any level.
#[derive(Default, Deserialize)]
#[serde(default)]
struct FaultFields<'a> {
    #[serde(borrow)]
    code: LenientText<'a>,
    #[serde(borrow)]
    status: LenientText<'a>,
    #[serde(borrow, rename = "type")]
    kind: LenientText<'a>,
    #[serde(borrow)]
    message: LenientText<'a>,
}

impl LenientError {
    /// From the fields of an error: OpenAI's code is more specific than its type; Google's code is a status.
    pub fn of(
        code: &LenientText<'_>,
        status: &LenientText<'_>,
        kind: &LenientText<'_>,
        message: &LenientText<'_>,
    ) -> StreamError {
        let number = |text: &str| text.parse::<u16>().ok().filter(|status| (400..600).contains(status));
        let codes = [code, status].into_iter().filter_map(LenientText::get);
        let word = [code, status, kind].into_iter().filter_map(LenientText::get).find(|word| number(word).is_none());
        StreamError {
            kind: word.unwrap_or("error").to_owned(),
            message: message.get().unwrap_or_default().to_owned(),
            status: codes.into_iter().find_map(number),
        }
    }
}

impl<'de> Deserialize<'de> for LenientError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = LenientError;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expecting(f)
            }

            fn visit_str<E>(self, text: &str) -> Result<LenientError, E> {
                let error = || StreamError { kind: "error".to_owned(), message: text.to_owned(), status: None };
                Ok(LenientError((!text.is_empty()).then(error)))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<LenientError, A::Error> {
                let fields = FaultFields::deserialize(MapAccessDeserializer::new(access))?;
                let FaultFields { code, status, kind, message } = &fields;
                let any = [code, status, kind, message].into_iter().any(|field| field.get().is_some());
                Ok(LenientError(any.then(|| LenientError::of(code, status, kind, message))))
            }

            otherwise!(LenientError(None); bool number null list);
        }
        deserializer.deserialize_any(Read)
    }
}
