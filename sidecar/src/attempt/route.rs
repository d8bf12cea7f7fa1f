//! Iterates over the candidates of a decision and their credentials.

use outrigger_policy::{Candidate, CredentialIndex, Decision, ProviderIndex};

/// A candidate, and a credential of its provider.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    pub candidate: &'a Candidate,
    pub provider: ProviderIndex,
    /// `None` for a provider without credentials.
    pub credential: Option<CredentialIndex>,
}

/// Visits the routes in order: the credentials of one candidate, then the next candidate.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    candidates: &'a [Candidate],
    at: usize,
    /// The index among the candidate's credentials.
    credential: usize,
    /// How often this route was retried.
    retries: u32,
}

impl<'a> Cursor<'a> {
    pub fn new(decision: &'a Decision) -> Self {
        let mut cursor = Cursor { candidates: &decision.candidates, at: 0, credential: 0, retries: 0 };
        cursor.skip();
        cursor
    }

    /// The current route.
    pub fn route(&self) -> Option<Route<'a>> {
        let candidate = self.candidates.get(self.at)?;
        let credential = candidate.credentials.get(self.credential).copied();
        Some(Route { candidate, provider: candidate.provider?, credential })
    }

    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// Stays on the same route and counts a retry.
    pub fn retry(&mut self) {
        self.retries += 1;
    }

    /// Goes to the next credential of the candidate, or to the next candidate.
    pub fn next_credential(&mut self) {
        if !self.has_credentials() {
            return self.next_candidate();
        }
        self.credential += 1;
        self.retries = 0;
    }

    pub fn next_candidate(&mut self) {
        self.at += 1;
        self.skip();
    }

    /// Whether the candidate has untried credentials.
    pub fn has_credentials(&self) -> bool {
        self.candidates.get(self.at).is_some_and(|candidate| self.credential + 1 < candidate.credentials.len())
    }

    /// Whether there are eligible candidates after this one.
    pub fn has_candidates(&self) -> bool {
        self.candidates.iter().skip(self.at + 1).any(|candidate| candidate.skipped.is_none())
    }

    /// Whether there is any other eligible candidate, tried or not.
    pub fn has_others(&self) -> bool {
        let eligible = self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.skipped.is_none());
        eligible.into_iter().any(|(index, _)| index != self.at)
    }

    /// Goes to the next candidate that can be tried, from the current position on.
    fn skip(&mut self) {
        (self.credential, self.retries) = (0, 0);
        let is_tried = |candidate: &Candidate| candidate.skipped.is_none() && candidate.provider.is_some();
        while self.candidates.get(self.at).is_some_and(|candidate| !is_tried(candidate)) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use outrigger_policy::Skip;

    use super::*;

    fn candidate(provider: Option<usize>, credentials: &[usize]) -> Candidate {
        Candidate {
            provider: provider.map(ProviderIndex::from),
            entry: None,
            name: "p".into(),
            model: "m".into(),
            upstream_model: "m".into(),
            credentials: credentials.iter().map(|at| CredentialIndex::from(*at)).collect(),
            weight: None,
            skipped: None,
            any_name: false,
            downgraded_by: None,
        }
    }

    #[test]
    fn routes_come_in_order() {
        let skipped = Candidate { skipped: Some(Skip::Breaker), ..candidate(Some(9), &[]) };
        let candidates =
            vec![skipped.clone(), candidate(Some(3), &[1, 0]), candidate(None, &[]), skipped, candidate(Some(4), &[])];
        let mut cursor = Cursor { candidates: &candidates, at: 0, credential: 0, retries: 0 };
        cursor.skip();
        let mut seen = Vec::new();
        while let Some(route) = cursor.route() {
            seen.push((
                route.provider.into(),
                route.credential.map(usize::from),
                cursor.has_credentials(),
                cursor.has_candidates(),
            ));
            cursor.next_credential();
        }
        let expected = [(3, Some(1), true, true), (3, Some(0), false, true), (4, None, false, false)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn counts_retries_for_each_route() {
        let candidates = vec![candidate(Some(0), &[0, 1]), candidate(Some(1), &[])];
        let mut cursor = Cursor { candidates: &candidates, at: 0, credential: 0, retries: 0 };
        cursor.retry();
        cursor.retry();
        assert_eq!((cursor.retries(), cursor.route().unwrap().credential.map(usize::from)), (2, Some(0)));
        cursor.next_credential();
        assert_eq!((cursor.retries(), cursor.route().unwrap().credential.map(usize::from)), (0, Some(1)));
        cursor.retry();
        cursor.next_candidate();
        assert_eq!((cursor.retries(), cursor.has_others(), cursor.has_candidates()), (0, true, false));
    }
}
