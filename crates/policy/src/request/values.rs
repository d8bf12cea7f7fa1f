//! The data of a request that conditions read: values are computed only if a rule reads them, and are not copied.

use std::cell::Cell;
use std::rc::Rc;

use crate::condition::time::Moment;
use crate::condition::{ConditionInput, ConditionInputs, EvalFailure, Pairs, Stop, TextValue, Value, bounds};
use crate::document::Unit;
use crate::index::EntryIndex;
use crate::policy::{Key, Policy};
use crate::request::Request;

/// The names in the request, as rules see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestTarget<'a> {
    pub provider: &'a str,
    /// The entry of the provider.
    pub entry: Option<EntryIndex>,
    pub model: &'a str,
}

/// A request, as the conditions of rules see it.
pub(crate) struct RequestValues<'a> {
    policy: &'a Policy,
    key: &'a Key,
    request_target: RequestTarget<'a>,
    request: &'a Request<'a>,
    /// How far limits in money, tokens and requests are used, and those of the session, after the first read.
    used: Cell<Option<[f64; 4]>>,
    /// Which of headers, parameters and labels were already checked for their size.
    measured: Cell<[bool; 3]>,
}

impl<'a> RequestValues<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        key: &'a Key,
        request_target: RequestTarget<'a>,
        request: &'a Request<'a>,
    ) -> Self {
        RequestValues { policy, key, request_target, request, used: Cell::new(None), measured: Cell::new([false; 3]) }
    }

    fn pairs(&self, input: ConditionInput, index: usize, pairs: &'a [(String, String)]) -> Result<Value<'a>, Stop> {
        let mut measured = self.measured.get();
        if !measured[index] {
            if pairs.len() > bounds::ENTRIES {
                return Err(EvalFailure::TooLarge(input.name(), "entries", bounds::ENTRIES).into());
            }
            let all: usize = pairs.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
            if all > bounds::ALL {
                return Err(EvalFailure::TooLarge(input.name(), "bytes", bounds::ALL).into());
            }
            if pairs.iter().any(|(name, _)| name.len() > bounds::NAME) {
                return Err(EvalFailure::TooLarge(input.name(), "bytes in a name", bounds::NAME).into());
            }
            measured[index] = true;
            self.measured.set(measured);
        }
        Ok(Value::Pairs(Pairs(pairs)))
    }

    fn used(&self) -> [f64; 4] {
        if let Some(used) = self.used.get() {
            return used;
        }
        let used = self.most_used();
        self.used.set(Some(used));
        used
    }

    /// The highest use of a limit of each unit, in percent: of the limits that count the request at any provider, and
    /// of those of the provider that it is pinned to; then the highest use of a limit of the session. 0 without a limit.
    fn most_used(&self) -> [f64; 4] {
        let RequestValues { policy, key, request_target, request, .. } = *self;
        let limit_indexes = match request_target.entry {
            Some(entry) => policy.limits_of(request.key, entry, request_target.model),
            None => policy.limits.of_asked(request.key, &key.id, request_target.model),
        };
        let mut most = [0.0, 0.0, 0.0, 0.0];
        for index in limit_indexes {
            let limit = &policy.limits.all[index];
            let unit = match limit.unit {
                // Of a request without a session nothing is used.
                _ if limit.per_session => 3,
                Unit::Money => 0,
                Unit::Tokens => 1,
                Unit::Requests => 2,
            };
            most[unit] = f64::max(most[unit], limit.percent(request.level(index, limit)));
        }
        most
    }
}

impl<'a> ConditionInputs<'a> for RequestValues<'a> {
    fn read(&self, input: ConditionInput) -> Result<Value<'a>, Stop> {
        let (request, key) = (self.request, self.key);
        if !request.state.knows(input.name()) {
            return Err(EvalFailure::Unknown(input.name()).into());
        }
        Ok(match input {
            ConditionInput::Model => text(input, self.request_target.model)?,
            ConditionInput::Provider => text(input, self.request_target.provider)?,
            ConditionInput::RequestType => text(input, request.request_type.name())?,
            ConditionInput::Headers => self.pairs(input, 0, request.headers)?,
            ConditionInput::Params => self.pairs(input, 1, request.params)?,
            ConditionInput::Labels => self.pairs(input, 2, request.state.labels())?,
            ConditionInput::KeyId => {
                if key.id.namespace.len() + key.id.name.len() >= bounds::TEXT {
                    return Err(EvalFailure::TooLarge(input.name(), "bytes", bounds::TEXT).into());
                }
                Value::made(key.id.to_string())
            }
            ConditionInput::KeyName => text(input, &key.id.name)?,
            ConditionInput::KeyNamespace => text(input, &key.id.namespace)?,
            ConditionInput::TeamId | ConditionInput::TeamName => text(input, key.team.as_deref().unwrap_or_default())?,
            ConditionInput::CustomerId | ConditionInput::CustomerName => {
                text(input, key.customer.as_deref().unwrap_or_default())?
            }
            ConditionInput::Money => Value::Double(self.used()[0]),
            ConditionInput::Tokens => Value::Double(self.used()[1]),
            ConditionInput::Requests => Value::Double(self.used()[2]),
            ConditionInput::Session => Value::Double(self.used()[3]),
            ConditionInput::InputTokens => Value::Int(i64::try_from(request.state.input_tokens()).unwrap_or(i64::MAX)),
            ConditionInput::Needs => {
                let names = request.state.needs().names();
                Value::List(Rc::new(names.map(|name| Value::Text(TextValue::Given(name))).collect()))
            }
            ConditionInput::Workload => text(input, request.state.workload())?,
            ConditionInput::Now => Value::Moment(Moment::of(request.state.now())),
        })
    }
}

fn text(input: ConditionInput, text: &str) -> Result<Value<'_>, Stop> {
    if text.len() > bounds::TEXT {
        return Err(EvalFailure::TooLarge(input.name(), "bytes", bounds::TEXT).into());
    }
    Ok(Value::Text(TextValue::Given(text)))
}

impl std::fmt::Debug for RequestValues<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestValues").field("asking", &self.request_target).finish_non_exhaustive()
    }
}
