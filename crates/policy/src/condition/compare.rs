//! Equality and order of values. Numbers of all types compare with each other.

use std::cmp::Ordering;

use super::budget::EvaluationBudget;
use super::failure::{EvalFailure, Stop};
use super::value::{MapKey, Pairs, TextValue, Value};
use super::{bounds, price};

/// Values of different types are unequal; that is not an error.
pub(super) fn equal(a: &Value<'_>, b: &Value<'_>, budget: &mut EvaluationBudget) -> Result<bool, Stop> {
    budget.step(1)?;
    Ok(match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => same(a.as_bytes(), b.as_bytes(), budget)?,
        (Value::Bytes(a), Value::Bytes(b)) => same(a, b, budget)?,
        (Value::Moment(a), Value::Moment(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => equal(a, b, budget)?,
            _ => false,
        },
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !equal(a, b, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Pairs(_) | Value::Map(_), Value::Pairs(_) | Value::Map(_)) => maps(a, b, budget)?,
        _ => numbers(a, b) == Some(Ordering::Equal),
    })
}

fn same(a: &[u8], b: &[u8], budget: &mut EvaluationBudget) -> Result<bool, Stop> {
    if a.len() != b.len() {
        return Ok(false);
    }
    budget.step(price::count(price::copy(a.len() as u64)))?;
    Ok(a == b)
}

/// Whether both have the same number of entries, and each entry of one is in the other.
fn maps(a: &Value<'_>, b: &Value<'_>, budget: &mut EvaluationBudget) -> Result<bool, Stop> {
    if size(a, budget)? != size(b, budget)? {
        return Ok(false);
    }
    match a {
        Value::Pairs(pairs) => {
            for name in names(*pairs, budget)? {
                let value = Value::Text(TextValue::Given(pairs.get(name).unwrap_or_default()));
                let name = Value::Text(TextValue::Given(name));
                budget.step(price::count(price::pick(pairs.0.len() as u64)))?;
                let Some(other) = find(b, &name, budget)? else { return Ok(false) };
                if !equal(&value, &other, budget)? {
                    return Ok(false);
                }
            }
        }
        Value::Map(map) => {
            for entry in map.entries() {
                let Some(other) = find(b, &entry.written, budget)? else { return Ok(false) };
                if !equal(&entry.value, &other, budget)? {
                    return Ok(false);
                }
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn names<'a>(pairs: Pairs<'a>, budget: &mut EvaluationBudget) -> Result<Vec<&'a str>, Stop> {
    let entries = pairs.0.len() as u64;
    budget.step(price::count(price::names(entries)))?;
    budget.bytes(price::count(entries * price::NAMED))?;
    Ok(pairs.names())
}

/// The number of entries of a map.
pub(super) fn size(map: &Value<'_>, budget: &mut EvaluationBudget) -> Result<usize, Stop> {
    Ok(match map {
        Value::Pairs(pairs) => names(*pairs, budget)?.len(),
        Value::Map(map) => map.entries().len(),
        _ => 0,
    })
}

/// The value of a key in a map, if it has one.
pub(super) fn find<'a>(
    map: &Value<'a>,
    key: &Value<'_>,
    budget: &mut EvaluationBudget,
) -> Result<Option<Value<'a>>, Stop> {
    match map {
        Value::Pairs(pairs) => {
            budget.step(price::count(price::pick(pairs.0.len() as u64)))?;
            let Value::Text(name) = key else { return Ok(None) };
            let Some(value) = pairs.get(name) else { return Ok(None) };
            if value.len() > bounds::VALUE {
                return Err(EvalFailure::TooLarge("a value", "bytes", bounds::VALUE).into());
            }
            Ok(Some(Value::Text(TextValue::Given(value))))
        }
        Value::Map(map) => {
            let bytes = if let Value::Text(text) = key { text.len() } else { 0 };
            budget.step(price::count(price::find(bytes as u64)))?;
            Ok(MapKey::of(key).and_then(|key| map.get(&key)).cloned())
        }
        _ => Ok(None),
    }
}

/// The order of two values.
///
/// # Errors
/// They can't be compared.
pub(super) fn order(
    operator: &'static str,
    a: &Value<'_>,
    b: &Value<'_>,
    budget: &mut EvaluationBudget,
) -> Result<Ordering, Stop> {
    let bytes = |a: &[u8], b: &[u8], budget: &mut EvaluationBudget| {
        budget.step(price::count(price::copy(a.len().min(b.len()) as u64)))?;
        Ok(a.cmp(b))
    };
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => bytes(a.as_bytes(), b.as_bytes(), budget),
        (Value::Bytes(a), Value::Bytes(b)) => bytes(a, b, budget),
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::Moment(a), Value::Moment(b)) => Ok(a.cmp(b)),
        _ => numbers(a, b).ok_or_else(|| EvalFailure::Types(operator, a.kind(), Some(b.kind())).into()),
    }
}

fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    let signed = |value: &Value<'_>| match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    let double = |value: &Value<'_>| match value {
        Value::Int(value) => Some(*value as f64),
        Value::Uint(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        _ => None,
    };
    match (signed(a), signed(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => double(a)?.partial_cmp(&double(b)?),
    }
}
