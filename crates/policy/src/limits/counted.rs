//! A limit as needed for counting: name, unit, amount and periods. Gateways and the operator's ledger must agree on
//! these, so both use this type.

use outrigger_core::{Periods, WindowError};

use crate::document::{Document, Unit};
use crate::limits::limit::{FailOpenLimit, Limit, Limits};

/// A limit that can be counted.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountedLimit {
    /// Identifies its accounts: `VirtualKey search/search: spec.limits.budgets[month]`.
    pub name: String,
    /// The name of its unit on disk, in metrics and in messages: `usd`, `tokens` or `requests`.
    pub unit: &'static str,
    /// In nano-dollars, tokens or requests.
    pub max: u64,
    pub window: Periods,
    /// What passes while the ledger can't be reached.
    pub fail_open: Option<FailOpenLimit>,
}

/// Why a limit can't be counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit}: {source}")]
pub struct LimitError {
    pub limit: String,
    pub source: WindowError,
}

impl Unit {
    /// `usd`, `tokens` or `requests`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Unit::Money => "usd",
            Unit::Tokens => "tokens",
            Unit::Requests => "requests",
        }
    }
}

impl Limit {
    /// # Errors
    /// [`LimitError`], if the window is invalid.
    pub fn counted(&self) -> Result<AccountedLimit, LimitError> {
        let name = self.id.to_string();
        let window = Periods::of(&self.window).map_err(|source| LimitError { limit: name.clone(), source })?;
        Ok(AccountedLimit { name, unit: self.unit.word(), max: self.max, window, fail_open: self.fail_open })
    }
}

impl Document {
    /// Whether there is any limit that has periods: none of concurrent requests or of sessions has.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        Limits::of(self).all.iter().any(|limit| !limit.per_session)
    }

    /// Every limit of the document that has periods, as a gateway counts it. Limits on sessions have none.
    ///
    /// # Errors
    /// [`LimitError`], of the first limit that can't be counted: a gateway refuses the document.
    pub fn counted_limits(&self) -> Result<Vec<AccountedLimit>, LimitError> {
        Limits::of(self).all.iter().filter(|limit| !limit.per_session).map(Limit::counted).collect()
    }
}

#[cfg(test)]
mod tests {
    use outrigger_core::Window;

    use super::*;
    use crate::document::{BudgetDoc, KeyDoc, SessionDoc, SessionLimitDoc};

    fn document(window: Window) -> Document {
        let (namespace, name) = ("t".to_owned(), "b".to_owned());
        let budget = BudgetDoc {
            namespace,
            name,
            unit: Unit::Money,
            max: 5,
            window,
            parent: None,
            thresholds: Vec::new(),
            applies_to: None,
            fail_open: None,
        };
        Document { budgets: vec![budget], ..Document::default() }
    }

    #[test]
    fn the_limits_of_a_document_have_names_and_units() {
        let counted = document(Window::Lifetime).counted_limits();
        let window = Periods::lifetime();
        assert_eq!(
            counted,
            Ok(vec![AccountedLimit { name: "Budget t/b".to_owned(), unit: "usd", max: 5, window, fail_open: None }])
        );
        assert!(document(Window::Lifetime).is_limited() && !Document::default().is_limited());
        // Each gateway counts sessions by itself, so there is nothing to share, and an older gateway can read it.
        let session =
            SessionDoc { requests: vec![SessionLimitDoc { name: "run".to_owned(), max: 1 }], ..SessionDoc::default() };
        let keys = vec![KeyDoc { session: Some(session), ..KeyDoc::default() }];
        let of_sessions = Document { keys, ..Document::default() };
        assert!(!of_sessions.is_limited() && of_sessions.counted_limits().unwrap().is_empty());
        let error = document(Window::Rolling { ms: 0 }).counted_limits().map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.starts_with("Budget t/b: a rolling window can't be 0 ms long")));
    }
}
