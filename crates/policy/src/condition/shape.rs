//! The largest that a value can be, over every request that rules are shown.

use std::rc::Rc;

use cel::common::ast::LiteralValue;

use super::cost::Cost;
use super::input::Input;
use super::{bounds, price};

/// How large a value can be. One that may be of several types is as large as the largest of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// Bytes of a text, or of bytes.
    pub text: u64,
    /// Elements of a list, entries of a map.
    pub size: u64,
    /// What a macro goes through: an element, or a key.
    pub key: Option<Rc<Shape>>,
    /// What an index finds: an element, or a map's value.
    pub item: Option<Rc<Shape>>,
    /// Whether a map is in it.
    pub maps: bool,
    /// Whether each of its texts stands in the rule.
    pub written: bool,
    /// Headers, parameters or labels as they are.
    pub pairs: Option<Input>,
    /// A name in one of those, and the bytes of the value that it has there.
    pub names: Option<(Input, u64)>,
    /// What comparing it with another can cost.
    pub weight: Cost,
}

impl Shape {
    /// A number, a truth, a time.
    pub(super) fn scalar() -> Self {
        Shape { weight: Cost::steps(1), ..Shape::default() }
    }

    pub(super) fn text(bytes: u64) -> Self {
        Shape { text: bytes, weight: Cost::steps(1 + price::copy(bytes)), ..Shape::default() }
    }

    pub(super) fn of(literal: &LiteralValue) -> Self {
        match literal {
            LiteralValue::String(text) => Shape { written: true, ..Shape::text(text.inner().len() as u64) },
            LiteralValue::Bytes(bytes) => Shape::text(bytes.inner().len() as u64),
            _ => Shape::scalar(),
        }
    }

    pub(super) fn list(size: u64, element: Shape) -> Self {
        // A name that is put somewhere may be put there twice.
        let element = Rc::new(Shape { names: None, ..element });
        let weight = Cost::steps(1).and(element.weight.times(size));
        Shape {
            size,
            maps: element.maps,
            written: element.written,
            key: Some(Rc::clone(&element)),
            item: Some(element),
            weight,
            ..Shape::default()
        }
    }

    pub(super) fn map(size: u64, key: Shape, value: Shape) -> Self {
        let found = price::find(key.text).saturating_add(2 * price::pick(bounds::ENTRIES as u64));
        let names = Cost::new(price::names(size), size.saturating_mul(price::NAMED)).times(2);
        let weight = Cost::steps(1).and(names).and(Cost::steps(found).and(value.weight).times(size));
        let written = value.written;
        let (key, item) = (Rc::new(Shape { names: None, ..key }), Rc::new(Shape { names: None, ..value }));
        Shape { size, maps: true, written, key: Some(key), item: Some(item), weight, ..Shape::default() }
    }

    /// Of a variable.
    pub(super) fn input(input: Input) -> Self {
        match input {
            Input::Headers | Input::Params | Input::Labels => {
                let (name, value) = (Shape::text(bounds::NAME as u64), Shape::text(bounds::VALUE as u64));
                Shape { pairs: Some(input), ..Shape::map(bounds::ENTRIES as u64, name, value) }
            }
            Input::Needs => Shape::list(bounds::NEEDS as u64, Shape::text(32)),
            Input::Money | Input::Tokens | Input::Requests | Input::InputTokens | Input::Now => Shape::scalar(),
            _ => Shape::text(bounds::TEXT as u64),
        }
    }

    /// Of one or the other.
    pub(super) fn or(&self, other: &Shape) -> Shape {
        let both = |a: &Option<Rc<Shape>>, b: &Option<Rc<Shape>>| match (a, b) {
            (Some(a), Some(b)) if Rc::ptr_eq(a, b) => Some(Rc::clone(a)),
            (Some(a), Some(b)) => Some(Rc::new(a.or(b))),
            (one, None) | (None, one) => one.clone(),
        };
        Shape {
            text: self.text.max(other.text),
            size: self.size.max(other.size),
            key: both(&self.key, &other.key),
            item: both(&self.item, &other.item),
            maps: self.maps || other.maps,
            written: self.written && other.written,
            pairs: None,
            names: None,
            // Not the larger of both: a long list of short texts or a short one of long texts can become a long one of long
            // texts.
            weight: self.weight.and(other.weight).or(self.product(other)),
        }
    }

    /// What it weighs if every part is as large as in either.
    fn product(&self, other: &Shape) -> Cost {
        let of = |shape: &Shape| shape.item.as_ref().map_or(Cost::default(), |item| item.weight);
        let size = self.size.max(other.size);
        let names = Cost::new(price::names(size), size.saturating_mul(price::NAMED)).times(2);
        match size {
            0 => Cost::default(),
            size => of(self).and(of(other)).and(Cost::steps(64)).times(size).and(names),
        }
    }

    /// What an index or a field finds in it.
    pub(super) fn found(&self) -> Shape {
        self.item.as_deref().cloned().unwrap_or_else(Shape::scalar)
    }
}

/// Whether two are equal: no more than the smaller of them is looked at, but for maps, of which both are counted.
pub(super) fn equal(a: &Shape, b: &Shape) -> Cost {
    match a.maps || b.maps {
        true => a.weight.and(b.weight),
        false => Cost::steps(a.weight.steps.min(b.weight.steps)),
    }
}
