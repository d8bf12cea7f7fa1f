//! The highest cost of an expression, over every request that rules can read.
//!
//! The cost of a part is the cost of its own parts, plus the [`price`] of the largest values that they can have. A
//! macro costs its test times the number of iterations. For headers, parameters and labels the cost is computed twice:
//! for one entry with the longest value and for one without, because only a few values can be long at the same time.
//!
//! The estimate does not include the cost of a regular expression for text that is not ASCII. The budget counts it.

use thiserror::Error;

use super::bounds::{self, RULE_BYTES, RULE_STEPS};
use super::code::{Code, CodeNode, Each, Loop};
use super::functions::Function;
use super::operate::BinaryOperator;
use super::price;
use super::quote::quoted;
use super::shape::{ValueShape, equal};
use crate::text::number::grouped;

/// The most nested macros over request data with two estimates each: every level doubles the work.
const TWICE: usize = 4;

/// In steps, and in bytes of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConditionCost {
    pub steps: u64,
    pub bytes: u64,
}

/// Why an expression is too expensive for a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TooExpensive {
    #[error(
        "{part} may take {steps} steps, and {most} is the most that a rule may take{why}: {advice}",
        steps = grouped(*.steps), most = grouped(RULE_STEPS.into())
    )]
    Steps { part: String, steps: u64, why: String, advice: &'static str },
    #[error(
        "{part} may make {bytes} bytes, and {most} is the most that a rule may make{why}: {advice}",
        bytes = grouped(*.bytes), most = grouped(RULE_BYTES.into())
    )]
    Bytes { part: String, bytes: u64, why: String, advice: &'static str },
    #[error(
        "`matches` needs a pattern that is written in the rule, and {part} is not: a caller's pattern could take long. \
         Write it out, or use startsWith, endsWith or contains"
    )]
    Pattern { part: String },
}

impl ConditionCost {
    /// The highest cost of a condition.
    ///
    /// # Errors
    /// It is more than a rule may cost. The error names the smallest part that is too expensive.
    pub(crate) fn of(code: &Code) -> Result<ConditionCost, TooExpensive> {
        let mut estimate = CostEstimate { locals: Vec::new(), twice: 0 };
        estimate.node(&code.root).map(|(_, cost)| cost)
    }

    pub(super) fn new(steps: u64, bytes: u64) -> Self {
        ConditionCost { steps, bytes }
    }

    pub(super) fn steps(steps: u64) -> Self {
        ConditionCost::new(steps, 0)
    }

    pub(super) fn and(self, other: ConditionCost) -> ConditionCost {
        ConditionCost { steps: self.steps.saturating_add(other.steps), bytes: self.bytes.saturating_add(other.bytes) }
    }

    pub(super) fn or(self, other: ConditionCost) -> ConditionCost {
        ConditionCost { steps: self.steps.max(other.steps), bytes: self.bytes.max(other.bytes) }
    }

    pub(super) fn less(self, other: ConditionCost) -> ConditionCost {
        ConditionCost { steps: self.steps.saturating_sub(other.steps), bytes: self.bytes.saturating_sub(other.bytes) }
    }

    pub(super) fn times(self, times: u64) -> ConditionCost {
        ConditionCost { steps: self.steps.saturating_mul(times), bytes: self.bytes.saturating_mul(times) }
    }
}

type Estimated = Result<(ValueShape, ConditionCost), TooExpensive>;

struct CostEstimate {
    /// Shapes of the loop variables of the enclosing macros.
    locals: Vec<ValueShape>,
    twice: usize,
}

impl CostEstimate {
    fn node(&mut self, node: &CodeNode) -> Estimated {
        let (shape, cost) = self.of(node)?;
        let cost = cost.and(ConditionCost::new(price::NODE, 0));
        too_expensive(node, cost, String::new(), "split it into several rules, or ask for less")?;
        Ok((shape, cost))
    }

    fn of(&mut self, node: &CodeNode) -> Estimated {
        Ok(match node {
            CodeNode::Literal(literal) => (ValueShape::of(literal), ConditionCost::default()),
            CodeNode::Input(input) => {
                (ValueShape::input(*input), ConditionCost::new(price::input(*input), price::input_bytes(*input)))
            }
            CodeNode::Local(index) => (self.locals.get(*index).cloned().unwrap_or_default(), ConditionCost::default()),
            CodeNode::Select { of, field, test } => {
                let (of, cost) = self.node(of)?;
                let shape = if *test { ValueShape::scalar() } else { of.found() };
                (shape, cost.and(looked_up(&of, field.len() as u64)).and(ConditionCost::new(0, price::HEAD)))
            }
            CodeNode::SelectOptional { of, field } => {
                let (of, cost) = self.node(of)?;
                (of.found(), cost.and(looked_up(&of, field.len() as u64)).and(ConditionCost::new(0, price::HEAD)))
            }
            CodeNode::Either { sides, .. } => {
                let ((_, left), (_, right)) = (self.node(&sides[0])?, self.node(&sides[1])?);
                (ValueShape::scalar(), left.and(right))
            }
            CodeNode::Not(of) | CodeNode::Negate(of) => (ValueShape::scalar(), self.node(of)?.1),
            CodeNode::If(parts) => {
                let (_, test) = self.node(&parts[0])?;
                let ((then, one), (other, two)) = (self.node(&parts[1])?, self.node(&parts[2])?);
                (then.or(&other), test.and(one.or(two)))
            }
            CodeNode::Binary(operator, sides) => {
                let ((left, one), (right, two)) = (self.node(&sides[0])?, self.node(&sides[1])?);
                let (shape, cost) = binary(*operator, &left, &right);
                (shape, cost.and(one).and(two))
            }
            CodeNode::Among(value, literals) => {
                let (value, cost) = self.node(value)?;
                let each = literals.iter().map(|literal| equal(&value, &ValueShape::of(literal)));
                (ValueShape::scalar(), each.fold(cost, ConditionCost::and))
            }
            CodeNode::List(items) => {
                let size = items.len() as u64;
                let mut cost = ConditionCost::new(price::MAKE + size, price::HEAD + size * price::ELEMENT);
                let mut all: Option<ValueShape> = None;
                for item in items {
                    let (shape, more) = self.node(&item.value)?;
                    cost = cost.and(more);
                    all = Some(all.map_or_else(|| shape.clone(), |all| all.or(&shape)));
                }
                (ValueShape::list(size, all.unwrap_or_else(ValueShape::scalar)), cost)
            }
            CodeNode::Map(entries) => {
                let size = entries.len() as u64;
                let mut cost = ConditionCost::new(price::MAKE, price::HEAD + size * price::ENTRY);
                let mut all: Option<(ValueShape, ValueShape)> = None;
                for entry in entries {
                    let ((key, one), (value, two)) = (self.node(&entry.key)?, self.node(&entry.value)?);
                    cost = cost.and(one).and(two).and(ConditionCost::steps(price::insert(size, key.text)));
                    all = Some(match all {
                        Some((keys, values)) => (keys.or(&key), values.or(&value)),
                        None => (key, value),
                    });
                }
                let (key, value) = all.unwrap_or_else(|| (ValueShape::scalar(), ValueShape::scalar()));
                (ValueShape::map(size, key, value), cost)
            }
            CodeNode::Loop(inner) => return self.repeat(node, inner),
            CodeNode::Call { function, target, arguments } => {
                let mut cost = ConditionCost::default();
                let mut shapes = Vec::new();
                for part in target.as_deref().into_iter().chain(arguments) {
                    let (shape, more) = self.node(part)?;
                    cost = cost.and(more);
                    shapes.push(shape);
                }
                let first = shapes.first().cloned().unwrap_or_default();
                let (shape, more) = called(*function, &first, shapes.get(1).unwrap_or(&ValueShape::default()));
                (shape, cost.and(more))
            }
            CodeNode::Ask { at, .. } => {
                (ValueShape::scalar(), self.node(at)?.1.and(ConditionCost::new(price::CALENDAR, 0)))
            }
            CodeNode::Matches { text, .. } => {
                let (text, cost) = self.node(text)?;
                (ValueShape::scalar(), cost.and(ConditionCost::new(price::matched(text.text), 0)))
            }
            CodeNode::MatchesOne { text, pattern, .. } => {
                let ((text, one), (found, two)) = (self.node(text)?, self.node(pattern)?);
                if !found.written {
                    return Err(TooExpensive::Pattern { part: quoted(pattern) });
                }
                let steps = price::matched(text.text).saturating_add(price::find(found.text));
                (ValueShape::scalar(), one.and(two).and(ConditionCost::new(steps, 0)))
            }
        })
    }

    fn repeat(&mut self, node: &CodeNode, inner: &Loop) -> Estimated {
        let (over, cost) = self.node(&inner.over)?;
        let rounds = over.size;
        let keys = match over.maps {
            true => named(rounds),
            false => ConditionCost::default(),
        };
        let item = over.key.as_deref().cloned().unwrap_or_default();
        let (value, longest, each) = match over.pairs {
            // Only a few values can have the maximum length at the same time.
            Some(input) if self.twice < TWICE => {
                self.twice += 1;
                let few = (bounds::ALL.div_ceil(bounds::VALUE) as u64).min(rounds);
                let named = |bytes| ValueShape { names: Some((input, bytes)), ..item.clone() };
                let short = self.body(named(0), &inner.each)?.1;
                let (value, long) = self.body(named(bounds::VALUE as u64), &inner.each)?;
                self.twice -= 1;
                (value, long, short.times(rounds).and(long.less(short).times(few)))
            }
            _ => {
                let (value, each) = self.body(item, &inner.each)?;
                (value, each, each.times(rounds))
            }
        };
        let made = match inner.each {
            Each::Collect { .. } => {
                ConditionCost::new(0, price::HEAD.saturating_add(rounds.saturating_mul(price::ELEMENT)))
            }
            _ => ConditionCost::default(),
        };
        let cost = cost.and(keys).and(each).and(made);
        let why = format!(
            ", as it goes round up to {} times and each may take {} steps and {} bytes",
            grouped(rounds),
            grouped(longest.steps),
            grouped(longest.bytes)
        );
        let advice = match self.locals.is_empty() {
            true => "go through less, or do less in it",
            false => "put no macro inside of another, or go through less",
        };
        too_expensive(node, cost, why, advice)?;
        let shape = match inner.each {
            Each::Collect { .. } => ValueShape::list(rounds, value),
            _ => ValueShape::scalar(),
        };
        Ok((shape, cost))
    }

    /// One iteration, including the loop variable.
    fn body(&mut self, item: ValueShape, each: &Each) -> Estimated {
        self.locals.push(item);
        let round = ConditionCost::new(price::ROUND, 0);
        let result = match each {
            Each::Until { test, .. } | Each::One(test) => self.node(test).map(|(_, cost)| (ValueShape::scalar(), cost)),
            Each::Collect { test: None, value } => self.node(value),
            Each::Collect { test: Some(test), value } => match (self.node(test), self.node(value)) {
                (Ok((_, one)), Ok((value, two))) => Ok((value, one.and(two))),
                (Err(error), _) | (_, Err(error)) => Err(error),
            },
        };
        self.locals.pop();
        result.map(|(shape, cost)| (shape, cost.and(round)))
    }
}

fn too_expensive(node: &CodeNode, cost: ConditionCost, why: String, advice: &'static str) -> Result<(), TooExpensive> {
    let ConditionCost { steps, bytes } = cost;
    if steps > RULE_STEPS.into() {
        return Err(TooExpensive::Steps { part: quoted(node), steps, why, advice });
    }
    if bytes > RULE_BYTES.into() {
        return Err(TooExpensive::Bytes { part: quoted(node), bytes, why, advice });
    }
    Ok(())
}

/// Looking up a key of this many bytes, in any kind of value.
fn looked_up(of: &ValueShape, key: u64) -> ConditionCost {
    let picked = price::pick(bounds::ENTRIES as u64);
    ConditionCost::steps(match of.pairs {
        Some(_) => picked,
        None => picked.max(price::find(key)),
    })
}

/// Collecting the keys of this many entries in a list.
fn named(entries: u64) -> ConditionCost {
    let each = price::ELEMENT + price::NAMED;
    ConditionCost::new(price::names(entries), price::HEAD.saturating_add(entries.saturating_mul(each)))
}

fn binary(operator: BinaryOperator, left: &ValueShape, right: &ValueShape) -> (ValueShape, ConditionCost) {
    match operator {
        BinaryOperator::Index | BinaryOperator::OptionalIndex => {
            let mut found = left.found();
            if let (Some(map), Some((of, bytes))) = (left.pairs, right.names)
                && map == of
            {
                found = ValueShape::text(bytes);
            }
            (found, looked_up(left, right.text).and(ConditionCost::new(0, price::HEAD)))
        }
        BinaryOperator::Equal | BinaryOperator::Different => (ValueShape::scalar(), equal(left, right)),
        BinaryOperator::In => {
            let element = right.key.as_deref().cloned().unwrap_or_default();
            let each = equal(&element, left);
            let elements = if right.pairs.is_some() { ConditionCost::default() } else { each.times(right.size) };
            (ValueShape::scalar(), looked_up(right, left.text).and(elements))
        }
        BinaryOperator::Add => {
            let text = left.text.saturating_add(right.text);
            let size = left.size.saturating_add(right.size);
            let made = ConditionCost::new(price::MAKE + price::copy(text), price::HEAD.saturating_add(text));
            let list = match left.key {
                None => ConditionCost::default(),
                Some(_) => ConditionCost::new(
                    price::MAKE.saturating_add(size),
                    price::HEAD.saturating_add(size.saturating_mul(price::ELEMENT)),
                ),
            };
            let keys = if right.maps { named(right.size) } else { ConditionCost::default() };
            let joined = match (&left.key, &right.key) {
                (None, None) => ValueShape::text(text),
                (one, other) => {
                    let of = |key: &Option<std::rc::Rc<ValueShape>>| key.as_deref().cloned().unwrap_or_default();
                    let list = ValueShape::list(size, of(one).or(&of(other)));
                    ValueShape { text, written: false, ..list.or(&ValueShape::text(text)) }
                }
            };
            (ValueShape { written: false, ..joined }, made.or(list.and(keys)))
        }
        BinaryOperator::Less | BinaryOperator::LessEqual | BinaryOperator::Greater | BinaryOperator::GreaterEqual => {
            (ValueShape::scalar(), ConditionCost::new(price::copy(left.text.min(right.text)), 0))
        }
        BinaryOperator::Subtract | BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Remainder => {
            (ValueShape::scalar(), ConditionCost::default())
        }
    }
}

fn called(function: Function, first: &ValueShape, second: &ValueShape) -> (ValueShape, ConditionCost) {
    let scalar = |steps| (ValueShape::scalar(), ConditionCost::new(steps, 0));
    match function {
        Function::Contains => scalar(price::search(first.text.saturating_add(second.text))),
        Function::StartsWith | Function::EndsWith => scalar(price::copy(first.text.min(second.text))),
        Function::Size => {
            let names = if first.maps { price::names(first.size) } else { 0 };
            let bytes = if first.maps { first.size.saturating_mul(price::NAMED) } else { 0 };
            (ValueShape::scalar(), ConditionCost::new(price::search(first.text).saturating_add(names), bytes))
        }
        Function::Ask(_) => scalar(price::ZONE.saturating_add(price::copy(second.text))),
        Function::Dyn => (first.clone(), ConditionCost::default()),
        Function::Type | Function::Bool => scalar(0),
        Function::Double | Function::Int | Function::Uint | Function::Timestamp => {
            scalar(price::PARSE.saturating_add(price::search(first.text)))
        }
        Function::Bytes | Function::Text => {
            let text = match function {
                Function::Text => first.text.max(price::PRINTED),
                _ => first.text,
            };
            let steps = price::PRINT
                .saturating_add(price::MAKE)
                .saturating_add(price::search(text))
                .saturating_add(price::copy(text));
            let shape = ValueShape { written: first.written && function == Function::Text, ..ValueShape::text(text) };
            (shape, ConditionCost::new(steps, price::HEAD.saturating_add(text)))
        }
    }
}
