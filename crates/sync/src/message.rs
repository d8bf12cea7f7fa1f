//! The messages.

use std::fmt;

use outrigger_core::SecretRef;
use outrigger_ledger::protocol::{Grants, UsageReport};
use outrigger_policy::{Document, ReadError};
use serde::{Deserialize, Serialize};

/// Each of a rejection's words, in bytes.
const WORDS_MAX: usize = 1_024;

/// What a gateway says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromGateway {
    /// The first line.
    Hello(Hello),
    /// What became of a policy: of one that came by the stream, and of one that came by mounted files.
    Outcome(PolicyOutcome),
    /// What it has spent, and what it would take.
    Usage(UsageReport),
    /// So that silence means something.
    Beat(Unused),
    /// A kind of a newer gateway's.
    #[serde(skip)]
    Unknown(String),
}

/// What the operator says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromOperator {
    Policy(Box<PolicyMessage>),
    /// What it may spend of the limits that it shares with others.
    Grants(Grants),
    Beat(Unused),
    /// A policy that this version can't read: what is to be said of it.
    #[serde(skip)]
    Unreadable(Rejection),
    /// A kind of a newer operator's.
    #[serde(skip)]
    Unknown(String),
}

/// Nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unused {}

/// Who is there, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The gateway's version, such as `0.1.0`.
    pub version: String,
    /// The formats of policies that it reads.
    pub formats: Vec<u32>,
    /// The sequence in force; absent: none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What it holds with that sequence, as [`PolicyMessage::digest`]; absent: no policy of the operator's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// SHA-256 of each authority that it trusts the operator's certificate by, lower-case hex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
    /// The last policy that it could not put in force, until one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejection>,
}

/// What became of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyOutcome {
    /// The policy's.
    pub sequence: u64,
    /// Absent: it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejection>,
    /// As in [`Hello::authorities`], told again because mounted files may change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
}

/// Why a policy is not in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// The sequence that was refused.
    pub sequence: u64,
    /// `LLMProvider default/openai`; empty where it is the policy as a whole.
    pub object: String,
    /// `spec.endpoint`; empty for the object as a whole.
    pub path: String,
    pub message: String,
}

impl Rejection {
    /// Of a policy whose document can't be read.
    #[must_use]
    pub fn of(sequence: u64, error: ReadError) -> Self {
        let (object, message) = match error {
            ReadError::Object { object, message } => (object, message),
            error => (String::new(), error.to_string()),
        };
        Rejection { sequence, object, path: String::new(), message }.bounded()
    }

    /// With words that are not endless: what is wrong may be a whole document's length of text.
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

/// A policy, and the credentials that belong to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyMessage {
    /// As in the document.
    pub sequence: u64,
    /// Over the canonical document and the version of each credential's Secret; never over a secret.
    pub digest: String,
    pub document: Document,
    /// Those whose values are known. One that the document names and that is not here keeps the value that the gateway
    /// has: its Secret is missing at the moment. One that the document does not name is forgotten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialMessage>,
}

/// A credential's value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialMessage {
    pub secret: SecretRef,
    /// Empty: the pod's service account may not use it. A gateway forgets the value that it has.
    pub value: String,
}

/// Without the value.
impl fmt::Debug for CredentialMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialMessage").field("secret", &self.secret).finish_non_exhaustive()
    }
}
