//! Strings, numbers and names.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{expecting, otherwise};
use crate::usage::{self, ServiceTier};

/// A string; integers are accepted as their digits, because error codes have both types.
#[derive(Debug, Default)]
pub(crate) struct LenientText<'a>(Option<Cow<'a, str>>);

impl LenientText<'_> {
    /// The text, if it is not empty.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    pub fn is(&self, word: &str) -> bool {
        self.0.as_deref() == Some(word)
    }

    pub fn owned(&self) -> Option<String> {
        self.get().map(str::to_owned)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for LenientText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = LenientText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expecting(f)
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_u64<E>(self, number: u64) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Owned(number.to_string()))))
            }

            fn visit_i64<E>(self, _: i64) -> Result<LenientText<'de>, E> {
                Ok(LenientText(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<LenientText<'de>, E> {
                Ok(LenientText(None))
            }

            otherwise!(LenientText(None); bool null list object);
        }
        deserializer.deserialize_any(Read)
    }
}

/// A count of tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LenientCount(pub Option<u64>);

impl LenientCount {
    pub fn merge(&mut self, later: LenientCount) {
        if later.0.is_some() {
            *self = later;
        }
    }
}

impl<'de> Deserialize<'de> for LenientCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = LenientCount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expecting(f)
            }

            fn visit_u64<E>(self, number: u64) -> Result<LenientCount, E> {
                Ok(LenientCount(Some(number)))
            }

            fn visit_i64<E>(self, number: i64) -> Result<LenientCount, E> {
                Ok(LenientCount(u64::try_from(number).ok()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<LenientCount, E> {
                Ok(LenientCount(usage::of_float(number)))
            }

            otherwise!(LenientCount(None); bool str null list object);
        }
        deserializer.deserialize_any(Read)
    }
}

/// A time in seconds, as milliseconds, rounded up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LenientMillis(pub Option<u64>);

impl<'de> Deserialize<'de> for LenientMillis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = LenientMillis;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expecting(f)
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<LenientMillis, E> {
                Ok(LenientMillis(seconds.checked_mul(1_000)))
            }

            fn visit_i64<E>(self, _: i64) -> Result<LenientMillis, E> {
                Ok(LenientMillis(None))
            }

            fn visit_f64<E>(self, seconds: f64) -> Result<LenientMillis, E> {
                let millis = (seconds * 1_000.0).ceil();
                Ok(LenientMillis((0.0..9e15).contains(&millis).then_some(millis as u64)))
            }

            otherwise!(LenientMillis(None); bool str null list object);
        }
        deserializer.deserialize_any(Read)
    }
}

/// Whether a value is `true`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LenientFlag(pub bool);

impl<'de> Deserialize<'de> for LenientFlag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = LenientFlag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expecting(f)
            }

            fn visit_bool<E>(self, value: bool) -> Result<LenientFlag, E> {
                Ok(LenientFlag(value))
            }

            otherwise!(LenientFlag(false); number str null list object);
        }
        deserializer.deserialize_any(Read)
    }
}

/// The name of a service tier.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LenientTier(pub Option<ServiceTier>);

impl<'de> Deserialize<'de> for LenientTier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(LenientTier(LenientText::deserialize(deserializer)?.get().and_then(ServiceTier::parse)))
    }
}
