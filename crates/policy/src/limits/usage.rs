//! How far a limit is used, as a number and in words.

use outrigger_core::{CalendarUnit, Money, Window};

use crate::document::{ThresholdAction, Unit};
use crate::limits::limit::Limit;
use crate::text::number::grouped;

impl Limit {
    /// Whether nothing more may be used: the limit is used up, or a threshold rejects.
    #[must_use]
    pub fn is_spent(&self, used: u64) -> bool {
        used >= self.max || self.rejects_at(used).is_some()
    }

    /// The percentage of the threshold that rejects at this use, if one does.
    fn rejects_at(&self, used: u64) -> Option<u32> {
        let rejects = self.thresholds.iter().find(|threshold| threshold.action == ThresholdAction::Reject)?;
        self.reaches(used, rejects.percent).then_some(rejects.percent)
    }

    /// The model that replaces more expensive ones at this use: the last one that applies.
    #[must_use]
    pub fn downgrades_to(&self, used: u64) -> Option<&str> {
        let reached = self.thresholds.iter().filter(|threshold| self.reaches(used, threshold.percent));
        reached.filter_map(|threshold| threshold.action.model()).next_back()
    }

    /// Whether `used` is at least this percentage of the limit. Exact: without rounding.
    #[must_use]
    pub fn reaches(&self, used: u64, percent: u32) -> bool {
        u128::from(used) * 100 >= u128::from(self.max) * u128::from(percent)
    }

    /// The use in percent; more than 100 if the limit is exceeded. A limit of zero is always used up.
    #[must_use]
    pub fn percent(&self, used: u64) -> f64 {
        match self.max {
            0 => 100.0,
            max => used as f64 / max as f64 * 100.0,
        }
    }

    /// `Budget search/team: $500.00 of $500.00 a month (Europe/Paris) are spent`.
    #[must_use]
    pub fn describe(&self, used: u64) -> String {
        let verb = match self.unit {
            Unit::Money => "spent",
            Unit::Tokens | Unit::Requests => "used up",
        };
        let rejects = match self.rejects_at(used).filter(|_| used < self.max) {
            Some(percent) => format!(", and it rejects from {percent} %"),
            None => String::new(),
        };
        format!("{}: {} of {} are {verb}{rejects}", self.id, self.amount(used), self.size())
    }

    /// The amount and its window: `$500.00 a month (Europe/Paris)`, `100 requests in any 1h30m`.
    #[must_use]
    pub fn size(&self) -> String {
        let what = match self.unit {
            Unit::Money => "",
            Unit::Tokens => " tokens",
            Unit::Requests => " requests",
        };
        let time = if self.per_session { " a session".to_owned() } else { in_words(&self.window) };
        format!("{}{what}{time}", self.amount(self.max))
    }

    /// An amount of its unit, for people: `$2.50`, `50,000`.
    #[must_use]
    pub fn amount(&self, number: u64) -> String {
        match self.unit {
            Unit::Money => Money::from_nanos(number).to_string(),
            Unit::Tokens | Unit::Requests => grouped(number),
        }
    }
}

impl ThresholdAction {
    fn model(&self) -> Option<&str> {
        match self {
            ThresholdAction::Downgrade { model } => Some(model),
            ThresholdAction::Notify | ThresholdAction::Reject => None,
        }
    }
}

/// ` a month (Europe/Paris)`, ` in any 24h`; empty for a window that never ends.
fn in_words(window: &Window) -> String {
    match window {
        Window::Calendar { unit, zone, .. } => {
            let unit = match unit {
                CalendarUnit::Minute => "a minute",
                CalendarUnit::Hour => "an hour",
                CalendarUnit::Day => "a day",
                CalendarUnit::Week => "a week",
                CalendarUnit::Month => "a month",
                CalendarUnit::Quarter => "a quarter",
                CalendarUnit::Year => "a year",
            };
            match zone.as_str() {
                "" | "UTC" => format!(" {unit}"),
                zone => format!(" {unit} ({zone})"),
            }
        }
        Window::Rolling { ms } => format!(" in any {}", duration(*ms)),
        Window::Lifetime => String::new(),
    }
}

/// In the format of objects: `1h30m`.
fn duration(ms: u64) -> String {
    let mut text = String::new();
    let mut rest = ms;
    for (name, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= size {
            text.push_str(&format!("{}{name}", rest / size));
            rest %= size;
        }
    }
    match text.is_empty() {
        true => "0s".to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::ThresholdDoc;
    use crate::limits::limit::{LimitId, LimitOwner};
    use outrigger_core::ObjectRef;

    fn limit(unit: Unit, max: u64, window: Window, thresholds: &[(u32, ThresholdAction)]) -> Limit {
        let object = ObjectRef { namespace: "t".into(), name: "b".into() };
        Limit {
            id: LimitId { kind: LimitOwner::Budget, object, path: String::new() },
            unit,
            max,
            window,
            thresholds: thresholds
                .iter()
                .map(|(percent, action)| ThresholdDoc { percent: *percent, action: action.clone() })
                .collect(),
            per_attempt: false,
            fail_open: None,
            per_session: false,
        }
    }

    #[test]
    fn usage_is_described_with_its_window() {
        let calendar = |unit, zone: &str| Window::Calendar { unit, zone: zone.into(), anchor: 1 };
        let paris = || calendar(CalendarUnit::Month, "Europe/Paris");
        let rejects = [(95, ThresholdAction::Reject)];
        for (limit, used, describe) in [
            (
                limit(Unit::Money, 500_000_000_000, paris(), &[]),
                500_000_000_000,
                "Budget t/b: $500.00 of $500.00 a month (Europe/Paris) are spent",
            ),
            (
                limit(Unit::Money, 500_000_000_000, paris(), &rejects),
                475_000_000_001,
                "Budget t/b: $475.000000001 of $500.00 a month (Europe/Paris) are spent, and it rejects from 95 %",
            ),
            (
                limit(Unit::Tokens, 50_000_000, calendar(CalendarUnit::Hour, "UTC"), &[]),
                50_000_001,
                "Budget t/b: 50,000,001 of 50,000,000 tokens an hour are used up",
            ),
            (
                limit(Unit::Requests, 100, Window::Rolling { ms: 5_400_000 }, &[]),
                100,
                "Budget t/b: 100 of 100 requests in any 1h30m are used up",
            ),
            (limit(Unit::Money, 0, Window::Lifetime, &[]), 0, "Budget t/b: $0.00 of $0.00 are spent"),
            (
                Limit { per_session: true, ..limit(Unit::Tokens, 9, Window::Lifetime, &[]) },
                9,
                "Budget t/b: 9 of 9 tokens a session are used up",
            ),
        ] {
            assert!(limit.is_spent(used));
            assert_eq!(limit.describe(used), describe);
        }
    }

    #[test]
    fn thresholds_are_exact_to_one_unit() {
        let downgrade = |model: &str| ThresholdAction::Downgrade { model: model.into() };
        let thresholds = [
            (50, downgrade("small")),
            (80, downgrade("tiny")),
            (90, ThresholdAction::Notify),
            (95, ThresholdAction::Reject),
        ];
        let limit = limit(Unit::Money, 1_001, Window::Lifetime, &thresholds);
        for (used, model, spent) in [
            (0, None, false),
            (500, None, false),
            (501, Some("small"), false),
            (800, Some("small"), false),
            (801, Some("tiny"), false),
            (950, Some("tiny"), false),
            (951, Some("tiny"), true),
            (u64::MAX, Some("tiny"), true),
        ] {
            assert_eq!((limit.downgrades_to(used), limit.is_spent(used)), (model, spent), "{used}");
        }
    }

    #[test]
    fn percentages_exceed_a_hundred_and_a_limit_of_zero_is_used_up() {
        let of = |max, used| limit(Unit::Money, max, Window::Lifetime, &[]).percent(used);
        assert_eq!([of(200, 0), of(200, 50), of(200, 300), of(0, 0)], [0.0, 25.0, 150.0, 100.0]);
    }

    #[test]
    fn durations_have_the_format_of_objects() {
        for (ms, text) in [(60_000, "1m"), (3_600_000, "1h"), (86_400_000, "24h"), (5_400_500, "1h30m500ms"), (0, "0s")]
        {
            assert_eq!(duration(ms), text);
        }
    }
}
