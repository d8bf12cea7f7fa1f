//! Decides which rows of a gateway's report are kept, and adds their owners. Pure.
//!
//! A gateway can report false usage of its own keys in the current hours. It can't write rows of other keys or other
//! times, or an unlimited number.

use outrigger_sync::{USAGE_NAME_MAX, USAGE_ROWS_MAX, UsageRow, UsageSums};

use crate::objects::binding::Binding;

/// How old an hour may be: a gateway that was disconnected reports late.
pub(super) const HOURS_BACK: u64 = 35 * 24;
/// The clocks of nodes differ.
const HOURS_AHEAD: u64 = 1;

/// A row, and its owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AcceptedRow {
    pub hour: u64,
    pub namespace: String,
    pub key: String,
    pub team: String,
    pub customer: String,
    pub provider: String,
    pub model: String,
    pub sums: UsageSums,
}

/// The owners of a key, by the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageOwner {
    pub team: Option<String>,
    pub customer: Option<String>,
}

/// The rows that are kept, and the number of the others.
pub(super) fn accept(
    binding: &Binding,
    rows: Vec<UsageRow>,
    hour: u64,
    owner: impl Fn(&str) -> UsageOwner,
) -> (Vec<AcceptedRow>, usize) {
    let all = rows.len();
    let kept: Vec<AcceptedRow> = rows
        .into_iter()
        .take(USAGE_ROWS_MAX)
        .filter(|row| {
            let names = [&row.provider, &row.model];
            row.namespace == binding.namespace
                && binding.keys().contains(&row.key)
                && (hour.saturating_sub(HOURS_BACK)..=hour + HOURS_AHEAD).contains(&row.hour)
                // Reports show the names on terminals, and PostgreSQL's text can't contain zero bytes.
                && names.iter().all(|name| name.len() <= USAGE_NAME_MAX && !name.contains(char::is_control))
        })
        .map(|row| {
            let UsageOwner { team, customer } = owner(&row.key);
            let UsageRow { hour, namespace, key, provider, model, sums } = row;
            let (team, customer) = (team.unwrap_or_default(), customer.unwrap_or_default());
            AcceptedRow { hour, namespace, key, team, customer, provider, model, sums }
        })
        .collect();
    let refused = all - kept.len();
    (kept, refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(namespace: &str, key: &str, hour: u64, model: &str) -> UsageRow {
        UsageRow {
            hour,
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            provider: "openai".to_owned(),
            model: model.to_owned(),
            sums: UsageSums { requests: 1, ..UsageSums::default() },
        }
    }

    #[test]
    fn only_recent_rows_of_its_own_keys_are_kept() {
        let binding = Binding::of("shop", "search");
        let now = 500_000;
        let rows = vec![
            row("shop", "search", now, "small"),
            row("shop", "others", now, "small"),
            row("else", "search", now, "small"),
            row("shop", "search", now + 2, "small"),
            row("shop", "search", now - HOURS_BACK - 1, "small"),
            row("shop", "search", now, "a\0b"),
            row("shop", "search", now, "\u{1b}[2J"),
            row("shop", "search", now, "a\nb"),
            row("shop", "search", now, &"x".repeat(USAGE_NAME_MAX + 1)),
        ];
        let owner = |key: &str| UsageOwner { team: Some(format!("team of {key}")), customer: None };
        let (kept, refused) = accept(&binding, rows, now, owner);
        assert_eq!((kept.len(), refused), (1, 8));
        assert_eq!((kept[0].team.as_str(), kept[0].customer.as_str()), ("team of search", ""));
        let many = vec![row("shop", "search", now, "small"); USAGE_ROWS_MAX + 5];
        let (kept, refused) = accept(&binding, many, now, owner);
        assert_eq!((kept.len(), refused), (USAGE_ROWS_MAX, 5));
    }
}
