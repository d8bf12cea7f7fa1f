//! How much may be used, in which time: limits of keys, of their providers, and of the providers themselves.

use std::borrow::Cow;

use outrigger_core::{CalendarUnit, Money};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use crate::{GoDuration, shapes};

/// What may be used in which time, and how much at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// Money.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub budgets: Vec<MoneyLimit>,
    /// Requests. Of a key: each request of a caller. Of a provider, or of a key's provider: each attempt there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub requests: Vec<CountLimit>,
    /// Tokens, of input (cached ones too) and output together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub tokens: Vec<CountLimit>,
    /// Requests in flight at once: at all gateways together, if the operator has a ledger, and otherwise in each. Absent: any
    /// number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent_requests: Option<i32>,
}

/// So much money in a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = period_rules()))]
pub struct MoneyLimit {
    /// What errors and reports call it. What is spent is kept under this name.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// How much, in dollars.
    #[schemars(schema_with = "amount")]
    pub amount: Money,
    #[serde(flatten)]
    pub period: LimitPeriod,
}

/// So many requests or tokens in a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = period_rules()))]
pub struct CountLimit {
    /// What errors and reports call it. What is used is kept under this name.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// How many.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub max: i64,
    #[serde(flatten)]
    pub period: LimitPeriod,
}

/// The largest number of tokens or requests: a hundred trillion.
pub(crate) const COUNT_MAX: i64 = 100_000_000_000_000;

/// A time over which is counted: by the calendar, or the last so much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitPeriod {
    // Where it is absent it is not null: that is no word of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "CalendarWindow::json_schema")]
    pub window: Option<CalendarWindow>,
    /// The last so much time, at any moment, such as 1m, 1h or 24h. In place of window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rolling")]
    pub rolling: Option<GoDuration>,
    /// Whose calendar: an IANA time zone, such as Europe/Paris. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::zone")]
    pub time_zone: Option<String>,
    /// The day on which it begins: of a week 1 (Monday) to 7, of a month, quarter or year 1 to 31, or the last day
    /// where a month is shorter. Absent: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31))]
    pub anchor_day: Option<i32>,
}

/// By the calendar: from one beginning of a minute, hour, day, week, month, quarter or year to the next. Lifetime never
/// begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalendarWindow {
    /// By the clock's minutes and hours; days and longer begin at midnight. A week begins on its anchor day, Monday where
    /// nothing is said; a month on its anchor day, the first where nothing is said; a quarter with January, April, July
    /// or October; a year with January.
    Calendar(CalendarUnit),
    /// Once, for ever.
    Lifetime,
}

impl CalendarWindow {
    /// All of them, in the order in which the schema lists them.
    const NAMES: [&str; 8] = {
        let mut names = [LIFETIME; 8];
        let mut index = 0;
        while index < CalendarUnit::ALL.len() {
            names[index] = CalendarUnit::ALL[index].name();
            index += 1;
        }
        names
    };
}

const LIFETIME: &str = "Lifetime";

impl Serialize for CalendarWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            CalendarWindow::Calendar(unit) => unit.name(),
            CalendarWindow::Lifetime => LIFETIME,
        })
    }
}

impl<'de> Deserialize<'de> for CalendarWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        match CalendarUnit::ALL.into_iter().find(|unit| unit.name() == name) {
            Some(unit) => Ok(CalendarWindow::Calendar(unit)),
            None if name == LIFETIME => Ok(CalendarWindow::Lifetime),
            None => Err(D::Error::unknown_variant(&name, &CalendarWindow::NAMES)),
        }
    }
}

impl JsonSchema for CalendarWindow {
    fn schema_name() -> Cow<'static, str> {
        "CalendarWindow".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "By the calendar: from one beginning of a minute, hour, day, week, month, quarter or year to \
                            the next. Lifetime never\nbegins anew.",
            "type": "string",
            "enum": CalendarWindow::NAMES,
        })
    }
}

/// For whatever a [`LimitPeriod`] is flattened into: a schema's own rules would be lost on the way.
pub(crate) fn period_rules() -> Value {
    Value::Array(vec![
        shapes::rule(
            "has(self.window) != has(self.rolling)",
            "a limit holds over one time: give either window (Minute, Hour, Day, Week, Month, Quarter, Year or Lifetime) or \
             rolling (such as 1h)",
        ),
        shapes::rule(
            "!has(self.timeZone) || (has(self.window) && self.window != 'Lifetime')",
            "timeZone says whose calendar a window follows: rolling and Lifetime follow none, remove it",
        ),
        shapes::rule(
            "!has(self.anchorDay) || (has(self.window) && self.window in ['Week', 'Month', 'Quarter', 'Year'])",
            "anchorDay is the day on which a Week, Month, Quarter or Year begins: change the window, or remove it",
        ),
        shapes::rule(
            "!has(self.anchorDay) || !has(self.window) || self.window != 'Week' || self.anchorDay <= 7",
            "a week's anchorDay is 1 (Monday) to 7 (Sunday)",
        ),
    ])
}

/// Length of a rolling window: longer than zero, and without milliseconds, over which nothing is counted.
fn rolling(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": shapes::ROLLING,
        "maxLength": 18,
        "x-kubernetes-validations": [
            shapes::rule("self.matches('[1-9]')", "rolling must be longer than zero, such as 1m or 24h"),
        ],
    })
}

/// Money of a limit: none at all would be a way to say "suspended" that nobody looks for.
pub(crate) fn amount(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<Money>();
    let rule = shapes::rule(
        "!self.matches('^0([.]0+)?$')",
        "an amount must be more than zero: what may not be used at all is suspended, or denied in models",
    );
    schema.insert("x-kubernetes-validations".into(), Value::Array(vec![rule]));
    schema
}
