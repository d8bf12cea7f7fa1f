//! Values of expressions. Data of the request or the rule is borrowed; created values are shared, so that copying a
//! value is cheap.

use std::cmp::Ordering;
use std::ops::Deref;
use std::rc::Rc;

use cel::common::ast::LiteralValue;

use crate::condition::time::Moment;

/// A text of the rule, of the request, or created.
#[derive(Clone, Debug)]
pub(crate) enum TextValue<'a> {
    Given(&'a str),
    Made(Rc<String>),
}

impl Deref for TextValue<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            TextValue::Given(text) => text,
            TextValue::Made(text) => text,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Bytes<'a> {
    Given(&'a [u8]),
    Made(Rc<Vec<u8>>),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Given(bytes) => bytes,
            Bytes::Made(bytes) => bytes,
        }
    }
}

/// The pairs of a request. If a name occurs several times, the last one counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs<'a>(pub &'a [(String, String)]);

impl<'a> Pairs<'a> {
    pub(crate) fn get(self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Their names, without duplicates, sorted.
    pub(crate) fn names(self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A key of a map that an expression created. Integers are equal as keys, whatever their type.
#[derive(Clone, Debug)]
pub(crate) enum MapKey<'a> {
    Bool(bool),
    Number(i128),
    Text(TextValue<'a>),
}

impl<'a> MapKey<'a> {
    /// A value as a key for a lookup; `None` if it can't be one.
    pub(crate) fn of(value: &Value<'a>) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(MapKey::Bool(*value)),
            Value::Int(value) => Some(MapKey::Number((*value).into())),
            Value::Uint(value) => Some(MapKey::Number((*value).into())),
            Value::Double(value) => whole(*value).map(MapKey::Number),
            Value::Text(text) => Some(MapKey::Text(text.clone())),
            _ => None,
        }
    }

    fn order(&self, other: &MapKey<'_>) -> Ordering {
        match (self, other) {
            (MapKey::Bool(a), MapKey::Bool(b)) => a.cmp(b),
            (MapKey::Number(a), MapKey::Number(b)) => a.cmp(b),
            (MapKey::Text(a), MapKey::Text(b)) => (**a).cmp(&**b),
            (MapKey::Bool(_), _) | (_, MapKey::Text(_)) => Ordering::Less,
            (MapKey::Text(_), _) | (_, MapKey::Bool(_)) => Ordering::Greater,
        }
    }
}

/// An entry of a map that an expression created: its key for lookups and as written, and its value.
#[derive(Clone, Debug)]
pub(crate) struct MapEntry<'a> {
    pub key: MapKey<'a>,
    pub written: Value<'a>,
    pub value: Value<'a>,
}

/// The entries of a map that an expression created, ordered by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made<'a>(Vec<MapEntry<'a>>);

impl<'a> Made<'a> {
    pub(crate) fn with_room(entries: usize) -> Self {
        Made(Vec::with_capacity(entries))
    }

    /// False if the key already exists.
    pub(crate) fn add(&mut self, entry: MapEntry<'a>) -> bool {
        match self.0.binary_search_by(|other| other.key.order(&entry.key)) {
            Ok(_) => false,
            Err(index) => {
                self.0.insert(index, entry);
                true
            }
        }
    }

    pub(crate) fn get(&self, key: &MapKey<'_>) -> Option<&Value<'a>> {
        let index = self.0.binary_search_by(|other| other.key.order(key)).ok()?;
        self.0.get(index).map(|entry| &entry.value)
    }

    pub(crate) fn entries(&self) -> &[MapEntry<'a>] {
        &self.0
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(TextValue<'a>),
    Bytes(Bytes<'a>),
    List(Rc<Vec<Value<'a>>>),
    Pairs(Pairs<'a>),
    Map(Rc<Made<'a>>),
    Moment(Moment),
    Type(&'static str),
    Optional(Option<Rc<Value<'a>>>),
}

impl<'a> Value<'a> {
    pub(crate) fn of(literal: &'a LiteralValue) -> Self {
        match literal {
            LiteralValue::Boolean(value) => Value::Bool(*value.inner()),
            LiteralValue::Bytes(value) => Value::Bytes(Bytes::Given(value.inner())),
            LiteralValue::Double(value) => Value::Double(*value.inner()),
            LiteralValue::Int(value) => Value::Int(*value.inner()),
            LiteralValue::Null => Value::Null,
            LiteralValue::String(value) => Value::Text(TextValue::Given(value.inner())),
            LiteralValue::UInt(value) => Value::Uint(*value.inner()),
        }
    }

    pub(crate) fn made(text: String) -> Self {
        Value::Text(TextValue::Made(Rc::new(text)))
    }

    /// The result of `type`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Pairs(_) | Value::Map(_) => "map",
            Value::Moment(_) => "google.protobuf.Timestamp",
            Value::Type(_) => "type",
            Value::Optional(_) => "optional_type",
        }
    }
}

/// A double as an integer, if it is whole, as CEL uses it for keys and indexes.
pub(crate) fn whole(value: f64) -> Option<i128> {
    let bounded = value > i64::MIN as f64 && value < u64::MAX as f64;
    (bounded && value.trunc() == value).then_some(value as i128)
}
