//! Fields that are absent if their type is not the expected one.

mod content;
mod error;
mod scalar;

use std::fmt;
use std::marker::PhantomData;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;

use crate::json::weight::parse_within;

pub(crate) use content::{Filled, Present};
pub(crate) use error::LenientError;
pub(crate) use scalar::{LenientCount, LenientFlag, LenientMillis, LenientText, LenientTier};

/// The largest JSON tree that is built for a text with a duplicate key, in bytes.
const LARGEST_SLOW: usize = 1 << 20;
/// The most elements of a list that are read. Answers have few; the rest are only counted.
const LOOKED_AT: usize = 128;

/// Reads an object with the fields of `T`.
///
/// Serde refuses a duplicate key, while clients use the last one. So a text with a duplicate key is read as a tree, in
/// `slow`, if it is small.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a [u8], slow: &'a mut Option<Value>) -> Option<T> {
    if text.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    match serde_json::from_slice(text) {
        Ok(read) => Some(read),
        Err(_) => T::deserialize(&*slow.insert(parse_within(text, LARGEST_SLOW)?)).ok(),
    }
}

/// Whether `"word"` occurs in JSON text, other than as a key with the value null.
pub(crate) fn has_value(text: &[u8], word: &Finder<'_>) -> bool {
    word.find_iter(text).any(|at| {
        let after = text.get(at + word.needle().len()..).unwrap_or_default().trim_ascii_start();
        after.strip_prefix(b":").is_none_or(|value| !value.trim_ascii_start().starts_with(b"null"))
    })
}

/// Whether text looks like an object, without parsing it.
pub(crate) fn is_object(text: &str) -> bool {
    text.starts_with('{') && text.ends_with('}')
}

/// Fallback methods of a visitor: these JSON types are skipped and give `$value`.
macro_rules! otherwise {
    ($value:expr; $($kind:ident)*) => { $(otherwise!(@$kind $value);)* };
    (@bool $value:expr) => { fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok($value) } };
    (@number $value:expr) => {
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok($value) }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok($value) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok($value) }
    };
    (@str $value:expr) => { fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok($value) } };
    (@null $value:expr) => { fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($value) } };
    (@list $value:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            while access.next_element::<IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
    (@object $value:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}

use otherwise;

fn expecting(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("JSON")
}

/// An object, or absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LenientObject<T>(pub Option<T>);

impl<T> Default for LenientObject<T> {
    fn default() -> Self {
        LenientObject(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = LenientObject<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expecting(f)
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<LenientObject<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(access)).map(|read| LenientObject(Some(read)))
            }

            otherwise!(LenientObject(None); bool number str null list);
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}

/// A list of objects; `None` if it is not a list. Elements that are not objects are skipped, and so are those after the
/// first hundred.
#[derive(Debug)]
pub(crate) struct LenientList<T>(pub Option<Vec<T>>, usize);

impl<T> Default for LenientList<T> {
    fn default() -> Self {
        LenientList(None, 0)
    }
}

impl<T> LenientList<T> {
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// The number of objects, including those that were not read.
    pub fn count(&self) -> Option<usize> {
        self.0.as_ref().map(|_| self.1)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = LenientList<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expecting(f)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<LenientList<T>, A::Error> {
                let (mut list, mut count) = (Vec::new(), 0);
                while let Some(LenientObject(one)) = access.next_element()? {
                    count += usize::from(one.is_some());
                    list.extend(one.filter(|_| count <= LOOKED_AT));
                }
                Ok(LenientList(Some(list), count))
            }

            otherwise!(LenientList(None, 0); bool number str null object);
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}
