//! Asks the operator to forgive, reset or raise a limit: writes the annotation that it executes, and waits until the
//! object's status says what became of it.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use outrigger_policy::{Printable, Unit};
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::time::Instant;

use super::cluster::{self, ListObjectsError, Place};
use super::find::{self, FindError, ObjectName};
use super::input::is_amount;
use super::objects::{ObjectWithLimits, resource, text};
use crate::kubectl::{Kubectl, KubectlError};

const ANNOTATION: &str = "outrigger.dev/ledger-action";
/// The status is read this often.
const POLL: Duration = Duration::from_secs(1);
/// Somebody may change the object at the same time: its status changes while it is used.
const ATTEMPTS: usize = 8;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub(super) struct ActionRequest {
    pub verb: &'static str,
    pub object: ObjectName,
    pub limit: Option<String>,
    pub amount: Option<String>,
    pub until: Option<Timestamp>,
    pub reason: String,
}

/// What became of it, as `status.actions` has it.
#[derive(Debug)]
pub(super) struct ExecutedAction {
    /// `Budget shop/team`.
    object: String,
    pub entry: Value,
}

#[derive(Debug, Error)]
pub(super) enum ActionError {
    #[error(transparent)]
    Read(#[from] ListObjectsError),
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("--amount {amount} is no amount of {limit}, which counts {counts}: write such as {example}")]
    Amount { amount: String, limit: String, counts: &'static str, example: &'static str },
    #[error(
        "{object} has an action that the operator has not executed yet ({id}): wait for it, or withdraw it with: \
         kubectl annotate {resource} --namespace {namespace} {ANNOTATION}-"
    )]
    Pending { object: String, id: String, resource: String, namespace: String },
    #[error("{object} cannot be annotated: {why}")]
    Annotate { object: String, why: String },
    #[error("{object} changes too often to be annotated: try again")]
    Busy { object: String },
    #[error(
        "the operator has not executed action {id} within {seconds} s. It executes it when it can: see status.actions of {object}. \
         `outrigger doctor` says whether the operator works"
    )]
    Late { object: String, id: String, seconds: u64 },
    #[error("{object} cannot be read: {why}. Action {id} was asked for, see its status.actions")]
    Unread { object: String, why: String, id: String },
}

/// Unique for an object: the second, and a random number.
pub(super) fn new_id(now: Timestamp) -> String {
    // The keys of each are random.
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{:08x}", now.strftime("%Y%m%dT%H%M%SZ"), random >> 32)
}

/// Asks, and waits for at most `seconds`.
pub(super) async fn act(
    kubectl: &Kubectl,
    place: &Place,
    request: &ActionRequest,
    id: &str,
    seconds: u64,
) -> Result<ExecutedAction, ActionError> {
    let values = cluster::list(kubectl, place).await?;
    let objects: Vec<ObjectWithLimits> = values.iter().filter_map(ObjectWithLimits::of).collect();
    let object = find::one(&objects, &request.object, place)?;
    let limit = find::limit(object, request.limit.as_deref())?;
    // Nothing is written that the operator would refuse.
    if let Some(amount) = request.amount.as_ref().filter(|amount| !is_amount(limit.unit, amount)) {
        let (counts, example) = match limit.unit {
            Unit::Money => ("dollars", "$50"),
            Unit::Tokens => ("tokens", "1000"),
            Unit::Requests => ("requests", "1000"),
        };
        return Err(ActionError::Amount { amount: amount.clone(), limit: limit.name.clone(), counts, example });
    }
    let shown = format!("{} {}", object.kind, object.id);
    let target = format!("{}/{}", resource(object.kind), object.id.name);
    let namespace = format!("--namespace={}", object.id.namespace);
    let annotation = format!("{ANNOTATION}={}", annotation(request, &limit.name, id));
    let get = ["get", &target, &namespace, "-o", "json"];

    let mut asked = false;
    for _ in 0..ATTEMPTS {
        let unread = |why| ActionError::Annotate { object: shown.clone(), why };
        let now = kubectl.run(&get).await?.map_err(unread)?;
        if let Some(pending) = pending(&now) {
            let (object, namespace) = (shown, object.id.namespace.clone());
            return Err(ActionError::Pending { object, id: pending, resource: target, namespace });
        }
        // Nothing is overwritten that was not seen.
        let version = format!("--resource-version={}", text(&now, "/metadata/resourceVersion"));
        let change = ["annotate", &target, &namespace, "--overwrite", &version, &annotation, "-o", "json"];
        match kubectl.run(&change).await? {
            Ok(_) => {
                asked = true;
                break;
            }
            Err(why) if is_conflict(&why) => {}
            Err(why) => return Err(ActionError::Annotate { object: shown, why }),
        }
    }
    if !asked {
        return Err(ActionError::Busy { object: shown });
    }

    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        match kubectl.run(&get).await? {
            Ok(now) => {
                if let Some(entry) = entry(&now, id) {
                    return Ok(ExecutedAction { object: shown, entry: entry.clone() });
                }
            }
            Err(why) if Instant::now() >= end => {
                return Err(ActionError::Unread { object: shown, why, id: id.to_owned() });
            }
            // It may be back in a moment.
            Err(_) => {}
        }
        if Instant::now() >= end {
            return Err(ActionError::Late { object: shown, id: id.to_owned(), seconds });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn is_conflict(why: &str) -> bool {
    why.contains("the object has been modified") || why.contains("(Conflict)")
}

fn annotation(request: &ActionRequest, limit: &str, id: &str) -> String {
    let mut action = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        action.extend(value.map(|value| (name.to_owned(), json!(value))));
    };
    put("id", Some(id.to_owned()));
    put("verb", Some(request.verb.to_owned()));
    put("limit", Some(limit.to_owned()));
    put("amount", request.amount.clone());
    put("until", request.until.map(|until| until.to_string()));
    put("reason", Some(request.reason.clone()));
    Value::Object(action).to_string()
}

/// The entry of an action in `status.actions`.
fn entry<'a>(object: &'a Value, id: &str) -> Option<&'a Value> {
    let actions = object.pointer("/status/actions").and_then(Value::as_array);
    actions.into_iter().flatten().find(|entry| text(entry, "/id") == id)
}

/// The id of an action that is asked for and not executed. One that can't be read is replaced.
fn pending(object: &Value) -> Option<String> {
    let asked = object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()?;
    let asked: Value = serde_json::from_str(asked).ok()?;
    let id = asked.get("id")?.as_str()?;
    entry(object, id).is_none().then(|| id.to_owned())
}

impl ExecutedAction {
    pub(super) fn is_refused(&self) -> bool {
        text(&self.entry, "/result") != "Done"
    }

    pub(super) fn text(&self) -> String {
        let of = |name: &str| text(&self.entry, name);
        let limit = format!("{} {}", self.object, of("/limit"));
        let amount = of("/amount");
        let what = match of("/verb") {
            _ if self.is_refused() => format!("{}: refused: {}", self.object, of("/message")),
            "Forgive" => format!("{limit}: {amount} that ended gateways held counts as unspent"),
            "Reset" => format!("{limit}: {amount} that was spent in this period counts no more"),
            "Raise" => format!("{limit}: the limit is higher by {amount} until {}", of("/until")),
            verb => format!("{limit}: {verb} is done"),
        };
        let by = match of("/by") {
            "" => String::new(),
            by => format!(", asked for by {by}"),
        };
        let mut text = String::new();
        let _ = writeln!(text, "{}", Printable(&what));
        let _ = writeln!(
            text,
            "  {}",
            Printable(format_args!("action {} at {}{by}: {}", of("/id"), of("/at"), of("/reason")))
        );
        text
    }
}
