//! The messages of the stream.

use std::fmt;

use outrigger_core::SecretRef;
use outrigger_ledger::permits::{PermitGrants, PermitReport};
use outrigger_ledger::protocol::{Grants, UsageReport};
use outrigger_policy::{Document, ReadError};
use serde::{Deserialize, Serialize};

use crate::usage_rows::{UsageKept, UsageRowsReport};

/// The longest text in a rejection, in bytes.
const WORDS_MAX: usize = 1_024;

/// Messages of a gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromGateway {
    /// The first message.
    Hello(Hello),
    /// The result of a policy, whether it came by the stream or by mounted files.
    Outcome(PolicyOutcome),
    /// What it has spent, and how much it needs.
    Usage(UsageReport),
    /// How many requests it runs, and would run, under limits that it shares.
    Permits(PermitReport),
    /// What its requests came to, hour by hour, if the operator keeps a history.
    UsageRows(UsageRowsReport),
    /// Sent regularly, so that silence means a dead peer.
    Beat(NoFields),
    /// A kind that only newer gateways know.
    #[serde(skip)]
    Unknown(String),
}

/// Messages of the operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromOperator {
    Policy(Box<PolicyMessage>),
    /// How much the gateway may spend of the limits that it shares with others.
    Grants(Grants),
    /// How many requests it may run at once, under limits that it shares with others.
    Permits(PermitGrants),
    /// The operator keeps a history of usage and collects rows.
    CollectUsage(NoFields),
    /// Rows of this gateway are durable.
    UsageKept(UsageKept),
    Beat(NoFields),
    /// A policy that this version can't read, as the rejection to report.
    #[serde(skip)]
    Unreadable(Rejection),
    /// A kind that only newer operators know.
    #[serde(skip)]
    Unknown(String),
}

/// A message without fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoFields {}

/// The gateway, and the policy that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The gateway's version, such as `0.1.0`.
    pub version: String,
    /// The formats of policies that it can read.
    pub formats: Vec<u32>,
    /// The sequence in force; absent if there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The policy of that sequence, as [`PolicyMessage::digest`]; absent if it has no policy of the operator's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// SHA-256 of each authority that it trusts for the operator's certificate, in lower-case hex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
    /// The last policy that it could not put in force; absent when a later one is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejection>,
}

/// The result of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyOutcome {
    /// The policy's sequence.
    pub sequence: u64,
    /// Absent if the policy is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejection>,
    /// As in [`Hello::authorities`]. Repeated because mounted files may change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
}

/// Why a policy is not in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// The sequence that was refused.
    pub sequence: u64,
    /// `LLMProvider default/openai`; empty for the policy as a whole.
    pub object: String,
    /// `spec.endpoint`; empty for the object as a whole.
    pub path: String,
    pub message: String,
}

impl Rejection {
    /// The rejection of a policy whose document can't be read.
    #[must_use]
    pub fn of(sequence: u64, error: ReadError) -> Self {
        let (object, message) = match error {
            ReadError::Object { object, message } => (object, message),
            error => (String::new(), error.to_string()),
        };
        Rejection { sequence, object, path: String::new(), message }.bounded()
    }

    /// Shortens its texts: an error may quote a whole document.
    #[must_use]
    pub fn bounded(self) -> Self {
        let Rejection { sequence, object, path, message } = self;
        Rejection { sequence, object: cut(object), path: cut(path), message: cut(message) }
    }
}

fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(WORDS_MAX));
    words
}

/// A policy, and its credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyMessage {
    /// The sequence of the document.
    pub sequence: u64,
    /// A hash of the canonical document and the version of each credential's Secret; never of a secret.
    pub digest: String,
    pub document: Document,
    /// The credentials whose values are known. If the document refers to a credential that is not here, the gateway
    /// keeps the value that it has: its Secret is missing at the moment. A credential to which the document does not
    /// refer is deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialMessage>,
}

/// The value of a credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialMessage {
    pub secret: SecretRef,
    /// Empty if the pod's service account may not use it. The gateway then deletes the value that it has.
    pub value: String,
}

/// Hides the value.
impl fmt::Debug for CredentialMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialMessage").field("secret", &self.secret).finish_non_exhaustive()
    }
}
