//! A caller's body for a provider of its own dialect that accepts less than the one that it was written for.
//!
//! Only what the provider would refuse is written anew, and only after failover: the first candidate gets the caller's
//! bytes. Other members of the body keep theirs.

use crate::chat::JsonObject;
use crate::json::raw::{self, unescape};
use crate::operation::{Operation, OperationKind};
use crate::provider::Target;
use crate::{RequestError, registry};

/// A body that the target accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapted {
    pub body: Vec<u8>,
    /// The caller's fields that were left out or changed, as paths.
    pub left_out: Vec<String>,
}

/// The body for this target. `None` if it is sent as it is.
///
/// # Errors
/// [`RequestError::Unsupported`] if the target refuses a field without which the answer would be another one.
pub fn adapt(operation: &Operation, target: &Target<'_>, body: &[u8]) -> Result<Option<Adapted>, RequestError> {
    let conversation = operation.kind == OperationKind::Chat && operation.dialect == target.api.dialect;
    // The upstream refuses a body that is no object.
    let Some(text) = std::str::from_utf8(body).ok().filter(|_| conversation) else { return Ok(None) };
    let Ok(mut object) = serde_json::from_str::<JsonObject>(text) else { return Ok(None) };
    let changes = registry::conform(&mut object, target)?;
    if changes.touched.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut write = |key: &str, value: &str| {
        out.extend_from_slice(if out.is_empty() { b"{" } else { b"," });
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    };
    let mut new = changes.touched;
    let members = raw::members(text, |key, value| {
        let name = unescape(key.get());
        match new.iter().position(|touched| *touched == name) {
            None if object.contains_key(&*name) => write(key.get(), value.get()),
            None => {}
            Some(at) => {
                new.swap_remove(at);
                if let Some(value) = object.shift_remove(&*name) {
                    write(key.get(), &value.to_string());
                }
            }
        }
    });
    if members.is_err() {
        return Ok(None);
    }
    for key in new {
        if let Some(value) = object.shift_remove(&key) {
            write(&serde_json::Value::from(key).to_string(), &value.to_string());
        }
    }
    if out.is_empty() {
        out.push(b'{');
    }
    out.push(b'}');
    Ok(Some(Adapted { body: out, left_out: changes.left_out }))
}
