//! Operators between values.

use std::rc::Rc;

use super::budget::EvaluationBudget;
use super::compare::{equal, find};
use super::failure::{EvalFailure, Stop};
use super::price;
use super::value::{Bytes, Pairs, TextValue, Value, whole};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Different,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Index,
    OptionalIndex,
}

impl BinaryOperator {
    /// The operator with this name in the parser.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "_+_" => BinaryOperator::Add,
            "_-_" => BinaryOperator::Subtract,
            "_*_" => BinaryOperator::Multiply,
            "_/_" => BinaryOperator::Divide,
            "_%_" => BinaryOperator::Remainder,
            "_==_" => BinaryOperator::Equal,
            "_!=_" => BinaryOperator::Different,
            "_<_" => BinaryOperator::Less,
            "_<=_" => BinaryOperator::LessEqual,
            "_>_" => BinaryOperator::Greater,
            "_>=_" => BinaryOperator::GreaterEqual,
            "@in" => BinaryOperator::In,
            "_[_]" => BinaryOperator::Index,
            "_[?_]" => BinaryOperator::OptionalIndex,
            _ => return None,
        })
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            BinaryOperator::Add => "+",
            BinaryOperator::Subtract => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Remainder => "%",
            BinaryOperator::Equal => "==",
            BinaryOperator::Different => "!=",
            BinaryOperator::Less => "<",
            BinaryOperator::LessEqual => "<=",
            BinaryOperator::Greater => ">",
            BinaryOperator::GreaterEqual => ">=",
            BinaryOperator::In => "in",
            BinaryOperator::Index => "[]",
            BinaryOperator::OptionalIndex => "[?]",
        }
    }
}

fn unlike(operator: BinaryOperator, a: &Value<'_>, b: &Value<'_>) -> Stop {
    EvalFailure::Types(operator.sign(), a.kind(), Some(b.kind())).into()
}

/// `+`, `-`, `*`, `/` and `%`: between numbers of one type. `+` also joins texts, bytes and lists.
pub(super) fn calculate<'a>(
    operator: BinaryOperator,
    a: Value<'a>,
    b: Value<'a>,
    budget: &mut EvaluationBudget,
) -> Result<Value<'a>, Stop> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            let result = match operator {
                BinaryOperator::Add => a.checked_add(b),
                BinaryOperator::Subtract => a.checked_sub(b),
                BinaryOperator::Multiply => a.checked_mul(b),
                _ if b == 0 => return Err(EvalFailure::DivisionByZero.into()),
                BinaryOperator::Divide => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            result.map(Value::Int).ok_or_else(|| EvalFailure::Overflow(operator.sign()).into())
        }
        (Value::Uint(a), Value::Uint(b)) => {
            let result = match operator {
                BinaryOperator::Add => a.checked_add(b),
                BinaryOperator::Subtract => a.checked_sub(b),
                BinaryOperator::Multiply => a.checked_mul(b),
                _ if b == 0 => return Err(EvalFailure::DivisionByZero.into()),
                BinaryOperator::Divide => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            result.map(Value::Uint).ok_or_else(|| EvalFailure::Overflow(operator.sign()).into())
        }
        (Value::Double(a), Value::Double(b)) if operator != BinaryOperator::Remainder => {
            Ok(Value::Double(match operator {
                BinaryOperator::Add => a + b,
                BinaryOperator::Subtract => a - b,
                BinaryOperator::Multiply => a * b,
                _ => a / b,
            }))
        }
        (a, b) if operator == BinaryOperator::Add => join(a, b, budget),
        (a, b) => Err(unlike(operator, &a, &b)),
    }
}

fn join<'a>(a: Value<'a>, b: Value<'a>, budget: &mut EvaluationBudget) -> Result<Value<'a>, Stop> {
    let make = |bytes: usize, budget: &mut EvaluationBudget| {
        budget.step(price::count(price::MAKE + price::copy(bytes as u64)))?;
        budget.bytes(price::count(price::HEAD + bytes as u64))
    };
    match (&a, &b) {
        (Value::Text(a), Value::Text(b)) => {
            make(a.len() + b.len(), budget)?;
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(a);
            text.push_str(b);
            Ok(Value::made(text))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            make(a.len() + b.len(), budget)?;
            let mut bytes = Vec::with_capacity(a.len() + b.len());
            bytes.extend_from_slice(a);
            bytes.extend_from_slice(b);
            Ok(Value::Bytes(Bytes::Made(Rc::new(bytes))))
        }
        (Value::List(list), _) => {
            let Some(more) = elements(&b, budget)? else { return Err(unlike(BinaryOperator::Add, &a, &b)) };
            let all = list.len() + more.len();
            budget.step(price::count(price::MAKE + all as u64))?;
            budget.bytes(price::count(price::HEAD + all as u64 * price::ELEMENT))?;
            let mut joined = Vec::with_capacity(all);
            joined.extend(list.iter().cloned());
            joined.extend(more.iter().cloned());
            Ok(Value::List(Rc::new(joined)))
        }
        _ => Err(unlike(BinaryOperator::Add, &a, &b)),
    }
}

/// What a macro iterates over: the elements of a list, the keys of a map.
pub(super) fn elements<'a>(of: &Value<'a>, budget: &mut EvaluationBudget) -> Result<Option<Rc<Vec<Value<'a>>>>, Stop> {
    let keys = match of {
        Value::List(list) => return Ok(Some(Rc::clone(list))),
        Value::Pairs(Pairs(pairs)) => pairs.len(),
        Value::Map(map) => map.entries().len(),
        _ => return Ok(None),
    };
    budget.step(price::count(price::names(keys as u64)))?;
    budget.bytes(price::count(price::HEAD + keys as u64 * (price::ELEMENT + price::NAMED)))?;
    let keys: Vec<Value<'a>> = match of {
        Value::Pairs(pairs) => pairs.names().into_iter().map(|name| Value::Text(TextValue::Given(name))).collect(),
        Value::Map(map) => map.entries().iter().map(|entry| entry.written.clone()).collect(),
        _ => Vec::new(),
    };
    Ok(Some(Rc::new(keys)))
}

/// `a in b`.
pub(super) fn contains(a: &Value<'_>, b: &Value<'_>, budget: &mut EvaluationBudget) -> Result<bool, Stop> {
    match b {
        Value::List(list) => {
            for element in list.iter() {
                if equal(element, a, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Pairs(pairs) if is_key(a) => {
            budget.step(price::count(price::pick(pairs.0.len() as u64)))?;
            let Value::Text(name) = a else { return Ok(false) };
            Ok(pairs.get(name).is_some())
        }
        Value::Map(_) if is_key(a) => Ok(find(b, a, budget)?.is_some()),
        _ => Err(unlike(BinaryOperator::In, a, b)),
    }
}

/// Whether a value can be the key of a map.
fn is_key(value: &Value<'_>) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Text(_))
}

/// `of[at]`, if `of` is not an optional.
pub(super) fn index<'a>(of: &Value<'a>, at: &Value<'_>, budget: &mut EvaluationBudget) -> Result<Value<'a>, Stop> {
    match of {
        Value::List(list) => {
            let position = match at {
                Value::Int(position) => Some(i128::from(*position)),
                Value::Uint(position) => Some(i128::from(*position)),
                Value::Double(position) => whole(*position),
                _ => None,
            };
            let Some(position) = position else { return Err(unlike(BinaryOperator::Index, of, at)) };
            let found = usize::try_from(position).ok().and_then(|position| list.get(position));
            found.cloned().ok_or_else(|| EvalFailure::OutOfBounds.into())
        }
        Value::Pairs(_) | Value::Map(_) if is_key(at) => find(of, at, budget)?.ok_or(Stop::Missing),
        _ => Err(unlike(BinaryOperator::Index, of, at)),
    }
}

/// The operand of an index, and whether the result may be missing; `None` if it is an empty optional.
pub(super) fn opened<'a>(operator: BinaryOperator, of: Value<'a>) -> Option<(Value<'a>, bool)> {
    match of {
        Value::Optional(None) => None,
        Value::Optional(Some(of)) => Some(((*of).clone(), true)),
        of => Some((of, operator == BinaryOperator::OptionalIndex)),
    }
}

/// `of[at]` and `of[?at]`: an index into an optional gives an optional.
pub(super) fn look_up<'a>(
    of: &Value<'a>,
    at: &Value<'_>,
    optional: bool,
    budget: &mut EvaluationBudget,
) -> Result<Value<'a>, Stop> {
    match index(of, at, budget) {
        result if !optional => result,
        result => wrap(result, budget),
    }
}

/// The result as an optional: empty if the value is missing.
fn wrap<'a>(result: Result<Value<'a>, Stop>, budget: &mut EvaluationBudget) -> Result<Value<'a>, Stop> {
    match result {
        Ok(value) => {
            budget.bytes(price::count(price::HEAD))?;
            Ok(Value::Optional(Some(Rc::new(value))))
        }
        Err(stop) if stop.is_final() => Err(stop),
        Err(_) => Ok(Value::Optional(None)),
    }
}

/// `of.?field`.
pub(super) fn select_optional<'a>(
    of: Value<'a>,
    field: &str,
    budget: &mut EvaluationBudget,
) -> Result<Value<'a>, Stop> {
    let of = match of {
        Value::Optional(None) => return Ok(Value::Optional(None)),
        Value::Optional(Some(of)) => (*of).clone(),
        of => of,
    };
    let result = index(&of, &Value::Text(TextValue::Given(field)), budget);
    wrap(result, budget)
}

/// `of.field`, and `has(of.field)`.
pub(super) fn select<'a>(
    of: Value<'a>,
    field: &str,
    test: bool,
    budget: &mut EvaluationBudget,
) -> Result<Value<'a>, Stop> {
    let key = Value::Text(TextValue::Given(field));
    let has_entries = |of: &Value<'_>| matches!(of, Value::List(_) | Value::Pairs(_) | Value::Map(_));
    let there = |result: Result<Value<'a>, Stop>| match result {
        Ok(_) => Ok(true),
        Err(stop) if stop.is_final() => Err(stop),
        Err(_) => Ok(false),
    };
    let of = match of {
        Value::Optional(None) if test => return Ok(Value::Bool(false)),
        Value::Optional(None) => return Ok(Value::Optional(None)),
        Value::Optional(Some(of)) if !has_entries(&of) => return Err(Stop::Missing),
        Value::Optional(Some(of)) => {
            let result = index(&of, &key, budget);
            return if test { there(result).map(Value::Bool) } else { wrap(result, budget) };
        }
        of => of,
    };
    let result = index(&of, &key, budget).map_err(|stop| match stop {
        Stop::Failed(EvalFailure::Types(..)) => Stop::Failed(EvalFailure::Types(".", of.kind(), None)),
        other => other,
    });
    match (test, result) {
        (false, result) => result,
        (true, Ok(_)) => Ok(Value::Bool(true)),
        (true, Err(Stop::Missing)) => Ok(Value::Bool(false)),
        (true, Err(other)) => Err(other),
    }
}

/// `-value`.
pub(super) fn negate<'a>(value: Value<'a>) -> Result<Value<'a>, Stop> {
    match value {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(|| EvalFailure::Overflow("-").into()),
        Value::Double(number) => Ok(Value::Double(-number)),
        other => Err(EvalFailure::Types("-", other.kind(), None).into()),
    }
}
