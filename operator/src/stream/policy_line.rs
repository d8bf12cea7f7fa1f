//! A binding's newest policy, serialised once for all of its gateways.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use outrigger_sync::{CredentialMessage, FromOperator, LINE_MAX, PolicyMessage};
use parking_lot::Mutex;

use crate::plan::revision::{PolicyRevision, WrittenRevision};

/// The policy in force at a gateway: its sequence, and its digest if it came by a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    pub sequence: Option<u64>,
    pub digest: Option<String>,
}

/// The policy line in two parts: one that all gateways share, and the credentials, which differ by service account.
pub struct PolicyLine {
    sequence: u64,
    revision: Arc<PolicyRevision>,
    /// `{"policy":{…` without its two closing braces.
    head: Bytes,
    /// By the set of contained credentials, so that a thousand service accounts with the same rights share one.
    tails: Mutex<HashMap<Vec<bool>, Bytes>>,
}

impl PolicyLine {
    #[must_use]
    pub fn of(written: &WrittenRevision) -> Self {
        let WrittenRevision { revision, sequence } = written;
        let mut document = revision.document.clone();
        document.sequence = *sequence;
        let policy =
            PolicyMessage { sequence: *sequence, digest: revision.digest.clone(), document, credentials: Vec::new() };
        let mut head = outrigger_sync::write(&FromOperator::Policy(Box::new(policy)));
        head.truncate(head.len().saturating_sub(b"}}\n".len()));
        PolicyLine { sequence: *sequence, revision: Arc::clone(revision), head: head.into(), tails: Mutex::default() }
    }

    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    #[must_use]
    pub fn digest(&self) -> &str {
        &self.revision.digest
    }

    /// It would change nothing for a gateway that has this policy; a gateway that is ahead would refuse it.
    #[must_use]
    pub fn is_known_to(&self, has: &InForce) -> bool {
        match has.sequence {
            Some(sequence) if sequence == self.sequence => has.digest.as_deref() == Some(self.digest()),
            Some(sequence) => sequence > self.sequence,
            None => false,
        }
    }

    /// The line, in parts, for a gateway of this service account. `None` if it would be longer than a gateway reads.
    #[must_use]
    pub fn line(&self, service_account: &str) -> Option<[Bytes; 2]> {
        let sent: Vec<bool> = self.revision.credentials.iter().map(|value| self.may(service_account, value)).collect();
        let mut tails = self.tails.lock();
        let tail = match tails.get(&sent) {
            Some(tail) => tail.clone(),
            None => {
                let tail = self.tail(&sent);
                tails.insert(sent, tail.clone());
                tail
            }
        };
        (self.head.len() + tail.len() <= LINE_MAX).then(|| [self.head.clone(), tail])
    }

    /// At least one of the keys that reach the credential is for the service account.
    fn may(&self, service_account: &str, value: &crate::plan::revision::DeliveredCredential) -> bool {
        value.keys.iter().any(|key| match self.revision.allowed.get(key) {
            Some(accounts) => accounts.contains(service_account),
            None => true,
        })
    }

    /// A withheld credential is sent without its value: if it were omitted, the gateway would keep the value it has.
    fn tail(&self, sent: &[bool]) -> Bytes {
        let credentials: Vec<CredentialMessage> = (self.revision.credentials.iter().zip(sent))
            .map(|(value, sent)| CredentialMessage {
                secret: value.secret.clone(),
                value: if *sent { value.value.clone() } else { String::new() },
            })
            .collect();
        let mut tail = Vec::new();
        if !credentials.is_empty() {
            tail.extend_from_slice(b",\"credentials\":");
            tail.extend_from_slice(&serde_json::to_vec(&credentials).unwrap_or_default());
        }
        tail.extend_from_slice(b"}}\n");
        tail.into()
    }
}

/// Without values.
impl fmt::Debug for PolicyLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyLine")
            .field("sequence", &self.sequence)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}
