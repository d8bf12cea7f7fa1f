//! Functions that rules may call. [`crate::FUNCTIONS`] lists their names.

use std::rc::Rc;

use super::budget::EvaluationBudget;
use super::failure::{EvalFailure, Stop};
use super::value::{Bytes, TextValue, Value};
use super::{compare, price};
use crate::condition::time::{self, Moment};

/// `matches` is not included: its pattern is compiled with the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Bool,
    Bytes,
    Contains,
    Double,
    Dyn,
    EndsWith,
    /// An index of [`time::TIME_PARTS`].
    Ask(usize),
    Int,
    Size,
    StartsWith,
    Text,
    Timestamp,
    Type,
    Uint,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Function::Bool,
            "bytes" => Function::Bytes,
            "contains" => Function::Contains,
            "double" => Function::Double,
            "dyn" => Function::Dyn,
            "endsWith" => Function::EndsWith,
            "int" => Function::Int,
            "size" => Function::Size,
            "startsWith" => Function::StartsWith,
            "string" => Function::Text,
            "timestamp" => Function::Timestamp,
            "type" => Function::Type,
            "uint" => Function::Uint,
            _ => Function::Ask(time::TIME_PARTS.iter().position(|question| *question == name)?),
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Function::Bool => "bool",
            Function::Bytes => "bytes",
            Function::Contains => "contains",
            Function::Double => "double",
            Function::Dyn => "dyn",
            Function::EndsWith => "endsWith",
            Function::Ask(index) => time::TIME_PARTS.get(index).copied().unwrap_or_default(),
            Function::Int => "int",
            Function::Size => "size",
            Function::StartsWith => "startsWith",
            Function::Text => "string",
            Function::Timestamp => "timestamp",
            Function::Type => "type",
            Function::Uint => "uint",
        }
    }

    /// Calls a function: `f(a)` and `f(a, b)`, or as a method, `a.f()` and `a.f(b)`.
    pub(super) fn call<'a>(
        self,
        member: bool,
        a: Value<'a>,
        b: Option<Value<'a>>,
        budget: &mut EvaluationBudget,
    ) -> Result<Value<'a>, Stop> {
        let call = (self, member, &a, &b);
        match call {
            (Function::Size, _, _, None) => size(&a, budget),
            (Function::Contains, true, Value::Text(text), Some(Value::Text(part))) => {
                budget.step(price::count(price::search((text.len() + part.len()) as u64)))?;
                Ok(Value::Bool(text.contains(&**part)))
            }
            (Function::StartsWith, true, Value::Text(text), Some(Value::Text(part))) => {
                budget.step(price::count(price::copy(part.len().min(text.len()) as u64)))?;
                Ok(Value::Bool(text.starts_with(&**part)))
            }
            (Function::EndsWith, true, Value::Text(text), Some(Value::Text(part))) => {
                budget.step(price::count(price::copy(part.len().min(text.len()) as u64)))?;
                Ok(Value::Bool(text.ends_with(&**part)))
            }
            (Function::Ask(question), true, Value::Moment(at), None) => {
                budget.step(price::count(price::CALENDAR))?;
                Ok(Value::Int(at.ask(question, None)))
            }
            (Function::Ask(question), true, Value::Moment(at), Some(Value::Text(zone))) => {
                budget.step(price::count(price::ZONE + price::copy(zone.len() as u64)))?;
                let zone = time::known_zone(zone).ok_or(EvalFailure::Zone)?;
                Ok(Value::Int(at.ask(question, Some(&zone))))
            }
            (Function::Dyn, false, _, None) => Ok(a),
            (Function::Type, false, _, None) => Ok(Value::Type(a.kind())),
            (_, false, _, None) => self.convert(a, budget),
            (_, _, a, Some(b)) => Err(EvalFailure::Types(self.name(), a.kind(), Some(b.kind())).into()),
            (_, _, a, None) => Err(EvalFailure::Types(self.name(), a.kind(), None).into()),
        }
    }

    /// Conversions such as `int("5")`.
    fn convert<'a>(self, of: Value<'a>, budget: &mut EvaluationBudget) -> Result<Value<'a>, Stop> {
        let name = self.name();
        let no_text = || Stop::from(EvalFailure::Text(name));
        let range = || Stop::from(EvalFailure::Range(name));
        let read = |text: &str, budget: &mut EvaluationBudget| {
            budget.step(price::count(price::PARSE + price::search(text.len() as u64)))
        };
        match (self, of) {
            (Function::Bool, of @ Value::Bool(_))
            | (Function::Bytes, of @ Value::Bytes(_))
            | (Function::Double, of @ Value::Double(_))
            | (Function::Int, of @ Value::Int(_))
            | (Function::Text, of @ Value::Text(_))
            | (Function::Uint, of @ Value::Uint(_)) => Ok(of),
            (Function::Bool, Value::Text(text)) => match &*text {
                "1" | "t" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
                "0" | "f" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
                _ => Err(no_text()),
            },
            (Function::Bytes, Value::Text(text)) => Ok(Value::Bytes(match text {
                TextValue::Given(text) => Bytes::Given(text.as_bytes()),
                TextValue::Made(text) => {
                    copied(text.len(), budget)?;
                    Bytes::Made(Rc::new(text.as_bytes().to_vec()))
                }
            })),
            (Function::Double, Value::Int(number)) => Ok(Value::Double(number as f64)),
            (Function::Double, Value::Uint(number)) => Ok(Value::Double(number as f64)),
            (Function::Double, Value::Text(text)) => {
                read(&text, budget)?;
                text.parse().map(Value::Double).map_err(|_| no_text())
            }
            (Function::Int, Value::Uint(number)) => i64::try_from(number).map(Value::Int).map_err(|_| range()),
            (Function::Int, Value::Double(number)) => {
                let fits = number > i64::MIN as f64 && number < i64::MAX as f64;
                fits.then_some(Value::Int(number as i64)).ok_or_else(range)
            }
            (Function::Int, Value::Text(text)) => {
                read(&text, budget)?;
                text.parse().map(Value::Int).map_err(|_| no_text())
            }
            (Function::Uint, Value::Int(number)) => u64::try_from(number).map(Value::Uint).map_err(|_| range()),
            (Function::Uint, Value::Double(number)) => {
                let fits = number >= 0.0 && number < u64::MAX as f64;
                fits.then_some(Value::Uint(number as u64)).ok_or_else(range)
            }
            (Function::Uint, Value::Text(text)) => {
                read(&text, budget)?;
                text.parse().map(Value::Uint).map_err(|_| no_text())
            }
            (Function::Text, Value::Bool(value)) => printed(budget, &value),
            (Function::Text, Value::Int(number)) => printed(budget, &number),
            (Function::Text, Value::Uint(number)) => printed(budget, &number),
            (Function::Text, Value::Double(number)) => printed(budget, &number),
            (Function::Text, Value::Bytes(bytes)) => {
                budget.step(price::count(price::search(bytes.len() as u64)))?;
                match bytes {
                    Bytes::Given(bytes) => {
                        std::str::from_utf8(bytes).map(|text| Value::Text(TextValue::Given(text))).ok()
                    }
                    Bytes::Made(bytes) => {
                        copied(bytes.len(), budget)?;
                        String::from_utf8(bytes.to_vec()).map(Value::made).ok()
                    }
                }
                .ok_or_else(no_text)
            }
            (Function::Timestamp, Value::Text(text)) => {
                read(&text, budget)?;
                Moment::parse(&text).map(Value::Moment).ok_or_else(no_text)
            }
            (Function::Timestamp, Value::Int(seconds)) => {
                Moment::of_seconds(seconds).map(Value::Moment).ok_or_else(range)
            }
            (_, other) => Err(EvalFailure::Types(name, other.kind(), None).into()),
        }
    }
}

fn size<'a>(of: &Value<'a>, budget: &mut EvaluationBudget) -> Result<Value<'a>, Stop> {
    let size = match of {
        Value::Text(text) => {
            budget.step(price::count(price::search(text.len() as u64)))?;
            text.chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Pairs(_) | Value::Map(_) => compare::size(of, budget)?,
        other => return Err(EvalFailure::Types("size", other.kind(), None).into()),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn copied(bytes: usize, budget: &mut EvaluationBudget) -> Result<(), Stop> {
    budget.step(price::count(price::MAKE + price::copy(bytes as u64)))?;
    budget.bytes(price::count(price::HEAD + bytes as u64))
}

fn printed<'a>(budget: &mut EvaluationBudget, value: &dyn std::fmt::Display) -> Result<Value<'a>, Stop> {
    budget.step(price::count(price::PRINT))?;
    budget.bytes(price::count(price::HEAD + price::PRINTED))?;
    Ok(Value::made(value.to_string()))
}
