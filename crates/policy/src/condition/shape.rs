//! The largest size of a value, over every request that rules can read.

use std::rc::Rc;

use cel::common::ast::LiteralValue;

use super::cost::ConditionCost;
use super::input::ConditionInput;
use super::{bounds, price};

/// How large a value can be. If it can have several types, the largest of each.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueShape {
    /// Bytes of a text, or of bytes.
    pub text: u64,
    /// Elements of a list, entries of a map.
    pub size: u64,
    /// What a macro iterates over: an element, or a key.
    pub key: Option<Rc<ValueShape>>,
    /// The result of an index: an element, or a map's value.
    pub item: Option<Rc<ValueShape>>,
    /// Whether it contains a map.
    pub maps: bool,
    /// Whether all its texts are literals of the rule.
    pub written: bool,
    /// Headers, parameters or labels of the request.
    pub pairs: Option<ConditionInput>,
    /// A name in one of those, and the size of its value in bytes.
    pub names: Option<(ConditionInput, u64)>,
    /// The cost of comparing it with another value.
    pub weight: ConditionCost,
}

impl ValueShape {
    /// A number, a boolean or a time.
    pub(super) fn scalar() -> Self {
        ValueShape { weight: ConditionCost::steps(1), ..ValueShape::default() }
    }

    pub(super) fn text(bytes: u64) -> Self {
        ValueShape { text: bytes, weight: ConditionCost::steps(1 + price::copy(bytes)), ..ValueShape::default() }
    }

    pub(super) fn of(literal: &LiteralValue) -> Self {
        match literal {
            LiteralValue::String(text) => ValueShape { written: true, ..ValueShape::text(text.inner().len() as u64) },
            LiteralValue::Bytes(bytes) => ValueShape::text(bytes.inner().len() as u64),
            _ => ValueShape::scalar(),
        }
    }

    pub(super) fn list(size: u64, element: ValueShape) -> Self {
        // A name may be used several times in a list.
        let element = Rc::new(ValueShape { names: None, ..element });
        let weight = ConditionCost::steps(1).and(element.weight.times(size));
        ValueShape {
            size,
            maps: element.maps,
            written: element.written,
            key: Some(Rc::clone(&element)),
            item: Some(element),
            weight,
            ..ValueShape::default()
        }
    }

    pub(super) fn map(size: u64, key: ValueShape, value: ValueShape) -> Self {
        let found = price::find(key.text).saturating_add(2 * price::pick(bounds::ENTRIES as u64));
        let names = ConditionCost::new(price::names(size), size.saturating_mul(price::NAMED)).times(2);
        let weight = ConditionCost::steps(1).and(names).and(ConditionCost::steps(found).and(value.weight).times(size));
        let written = value.written;
        let (key, item) = (Rc::new(ValueShape { names: None, ..key }), Rc::new(ValueShape { names: None, ..value }));
        ValueShape { size, maps: true, written, key: Some(key), item: Some(item), weight, ..ValueShape::default() }
    }

    /// The shape of a variable.
    pub(super) fn input(input: ConditionInput) -> Self {
        match input {
            ConditionInput::Headers | ConditionInput::Params | ConditionInput::Labels => {
                let (name, value) = (ValueShape::text(bounds::NAME as u64), ValueShape::text(bounds::VALUE as u64));
                ValueShape { pairs: Some(input), ..ValueShape::map(bounds::ENTRIES as u64, name, value) }
            }
            ConditionInput::Needs => ValueShape::list(bounds::NEEDS as u64, ValueShape::text(32)),
            ConditionInput::Money
            | ConditionInput::Tokens
            | ConditionInput::Requests
            | ConditionInput::Session
            | ConditionInput::InputTokens
            | ConditionInput::Now => ValueShape::scalar(),
            _ => ValueShape::text(bounds::TEXT as u64),
        }
    }

    /// The shape of one value or the other.
    pub(super) fn or(&self, other: &ValueShape) -> ValueShape {
        let both = |a: &Option<Rc<ValueShape>>, b: &Option<Rc<ValueShape>>| match (a, b) {
            (Some(a), Some(b)) if Rc::ptr_eq(a, b) => Some(Rc::clone(a)),
            (Some(a), Some(b)) => Some(Rc::new(a.or(b))),
            (one, None) | (None, one) => one.clone(),
        };
        ValueShape {
            text: self.text.max(other.text),
            size: self.size.max(other.size),
            key: both(&self.key, &other.key),
            item: both(&self.item, &other.item),
            maps: self.maps || other.maps,
            written: self.written && other.written,
            pairs: None,
            names: None,
            // More than the larger of both: a long list of short texts, or a short list of long texts, can become a
            // long list of long texts.
            weight: self.weight.and(other.weight).or(self.product(other)),
        }
    }

    /// The cost of comparing if every part has the larger size of both.
    fn product(&self, other: &ValueShape) -> ConditionCost {
        let of = |shape: &ValueShape| shape.item.as_ref().map_or(ConditionCost::default(), |item| item.weight);
        let size = self.size.max(other.size);
        let names = ConditionCost::new(price::names(size), size.saturating_mul(price::NAMED)).times(2);
        match size {
            0 => ConditionCost::default(),
            size => of(self).and(of(other)).and(ConditionCost::steps(64)).times(size).and(names),
        }
    }

    /// The result of an index or a field.
    pub(super) fn found(&self) -> ValueShape {
        self.item.as_deref().cloned().unwrap_or_else(ValueShape::scalar)
    }
}

/// The cost of testing equality: bounded by the smaller value, except for maps, where both count.
pub(super) fn equal(a: &ValueShape, b: &ValueShape) -> ConditionCost {
    match a.maps || b.maps {
        true => a.weight.and(b.weight),
        false => ConditionCost::steps(a.weight.steps.min(b.weight.steps)),
    }
}
