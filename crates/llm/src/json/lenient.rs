//! Fields that are absent if their type is not the expected one.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;

use crate::chat::StreamError;
use crate::json::weight::parse_within;
use crate::tokens::usage::{self, ServiceTier};

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

fn expecting(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("JSON")
}

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

/// The name of a service tier.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LenientTier(pub Option<ServiceTier>);

impl<'de> Deserialize<'de> for LenientTier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(LenientTier(LenientText::deserialize(deserializer)?.get().and_then(ServiceTier::parse)))
    }
}

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
