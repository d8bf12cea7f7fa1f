//! Whether a value is present, and whether it has content.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{LenientText, expecting, otherwise};

/// Whether a value has content: a string that is not empty, at any depth, other than names of types and similar ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filled(pub bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Filled;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expecting(f)
            }

            fn visit_str<E>(self, text: &str) -> Result<Filled, E> {
                Ok(Filled(!text.is_empty()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Filled, A::Error> {
                let mut any = false;
                while let Some(Filled(one)) = access.next_element()? {
                    any |= one;
                }
                Ok(Filled(any))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Filled, A::Error> {
                let mut any = false;
                while let Some(key) = access.next_key::<LenientText<'de>>()? {
                    let Filled(one) = access.next_value()?;
                    let around = ["type", "id", "format", "role", "object", "status", "signature"];
                    any |= one && !around.iter().any(|word| key.is(word));
                }
                Ok(Filled(any))
            }

            otherwise!(Filled(false); bool number null);
        }
        deserializer.deserialize_any(Read)
    }
}

/// Whether a value is present and not null.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Present(pub bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Present(Option::<IgnoredAny>::deserialize(deserializer)?.is_some()))
    }
}
