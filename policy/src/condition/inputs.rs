//! What a condition reads of a request: nothing is computed that no rule asks for, and nothing is copied.

use std::cell::Cell;
use std::rc::Rc;

use super::bounds;
use super::failure::{Failure, Stop};
use super::value::{Pairs, Text, Value};
use crate::document::Unit;
use crate::moment::Moment;
use crate::policy::{Key, Policy};
use crate::request::Request;

/// The names of the request as rules see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub provider: &'a str,
    /// The provider's place in [`Key::providers`].
    pub entry: Option<usize>,
    pub model: &'a str,
}

macro_rules! inputs {
    ($($input:ident $name:literal),+ $(,)?) => {
        /// A variable: those of [`crate::variables::VARIABLES`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(clippy::enum_variant_names, reason = "one of the variables is called `input_tokens`")]
        pub(crate) enum Input {
            $($input),+
        }

        impl Input {
            pub(crate) const ALL: &'static [Input] = &[$(Input::$input),+];

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Input::$input => $name),+
                }
            }
        }
    };
}

inputs! {
    Model "model",
    Provider "provider",
    RequestType "request_type",
    Headers "headers",
    Params "params",
    KeyId "virtual_key_id",
    KeyName "virtual_key_name",
    TeamId "team_id",
    TeamName "team_name",
    CustomerId "customer_id",
    CustomerName "customer_name",
    KeyNamespace "virtual_key_namespace",
    Money "budget_used",
    Tokens "tokens_used",
    Requests "request",
    InputTokens "input_tokens",
    Needs "needs",
    Labels "labels",
    Workload "workload",
    Now "now",
}

impl Input {
    pub(crate) fn named(name: &str) -> Option<Input> {
        Self::ALL.iter().copied().find(|input| input.name() == name)
    }
}

/// A request as the rules see it that are asked about it.
pub(crate) struct Inputs<'a> {
    policy: &'a Policy,
    key: &'a Key,
    asking: Asking<'a>,
    request: &'a Request<'a>,
    /// How full limits of money, tokens and requests are, once somebody has asked.
    used: Cell<Option<[f64; 3]>>,
    /// Which of headers, parameters and labels were looked at and are not too many.
    measured: Cell<[bool; 3]>,
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(policy: &'a Policy, key: &'a Key, asking: Asking<'a>, request: &'a Request<'a>) -> Self {
        Inputs { policy, key, asking, request, used: Cell::new(None), measured: Cell::new([false; 3]) }
    }

    /// # Errors
    /// It is not known of this request, or larger than rules are shown.
    pub(super) fn read(&self, input: Input) -> Result<Value<'a>, Stop> {
        let (request, key) = (self.request, self.key);
        if !request.conditions.knows(input.name()) {
            return Err(Failure::Unknown(input.name()).into());
        }
        Ok(match input {
            Input::Model => text(input, self.asking.model)?,
            Input::Provider => text(input, self.asking.provider)?,
            Input::RequestType => text(input, request.request_type)?,
            Input::Headers => self.pairs(input, 0, request.headers)?,
            Input::Params => self.pairs(input, 1, request.params)?,
            Input::Labels => self.pairs(input, 2, request.conditions.labels())?,
            Input::KeyId => {
                if key.id.namespace.len() + key.id.name.len() >= bounds::TEXT {
                    return Err(Failure::TooLarge(input.name(), "bytes", bounds::TEXT).into());
                }
                Value::made(key.id.to_string())
            }
            Input::KeyName => text(input, &key.id.name)?,
            Input::KeyNamespace => text(input, &key.id.namespace)?,
            Input::TeamId | Input::TeamName => text(input, key.team.as_deref().unwrap_or_default())?,
            Input::CustomerId | Input::CustomerName => text(input, key.customer.as_deref().unwrap_or_default())?,
            Input::Money => Value::Double(self.used()[0]),
            Input::Tokens => Value::Double(self.used()[1]),
            Input::Requests => Value::Double(self.used()[2]),
            Input::InputTokens => Value::Int(i64::try_from(request.conditions.input_tokens()).unwrap_or(i64::MAX)),
            Input::Needs => {
                let names = request.conditions.needs().names();
                Value::List(Rc::new(names.map(|name| Value::Text(Text::Given(name))).collect()))
            }
            Input::Workload => text(input, request.conditions.workload())?,
            Input::Now => Value::Moment(Moment::of(request.conditions.now())),
        })
    }

    fn pairs(&self, input: Input, place: usize, pairs: &'a [(String, String)]) -> Result<Value<'a>, Stop> {
        let mut measured = self.measured.get();
        if !measured[place] {
            if pairs.len() > bounds::ENTRIES {
                return Err(Failure::TooLarge(input.name(), "entries", bounds::ENTRIES).into());
            }
            let all: usize = pairs.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
            if all > bounds::ALL {
                return Err(Failure::TooLarge(input.name(), "bytes", bounds::ALL).into());
            }
            if pairs.iter().any(|(name, _)| name.len() > bounds::NAME) {
                return Err(Failure::TooLarge(input.name(), "bytes in a name", bounds::NAME).into());
            }
            measured[place] = true;
            self.measured.set(measured);
        }
        Ok(Value::Pairs(Pairs(pairs)))
    }

    fn used(&self) -> [f64; 3] {
        if let Some(used) = self.used.get() {
            return used;
        }
        let used = self.most_used();
        self.used.set(Some(used));
        used
    }

    /// How far the fullest limit of each unit is used, in per cent: of those that count the request as it is asked for,
    /// whoever serves it, and of those of a provider that it is pinned to. 0 without one.
    fn most_used(&self) -> [f64; 3] {
        let Inputs { policy, key, asking, request, .. } = *self;
        let places = match asking.entry {
            Some(entry) => policy.limits_of(request.key, entry, asking.model),
            None => policy.limits.of_asked(request.key, &key.id, asking.model),
        };
        let mut most = [0.0, 0.0, 0.0];
        for place in places {
            let limit = &policy.limits.all[place];
            let unit = match limit.unit {
                Unit::Money => 0,
                Unit::Tokens => 1,
                Unit::Requests => 2,
            };
            most[unit] = f64::max(most[unit], limit.percent(request.conditions.used(place)));
        }
        most
    }
}

fn text(input: Input, text: &str) -> Result<Value<'_>, Stop> {
    if text.len() > bounds::TEXT {
        return Err(Failure::TooLarge(input.name(), "bytes", bounds::TEXT).into());
    }
    Ok(Value::Text(Text::Given(text)))
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs").field("asking", &self.asking).finish_non_exhaustive()
    }
}
