//! The hash that identifies a conversation.

use outrigger_core::hash::fnv1a_parts;

use super::context::RequestContext;

/// Hashes these parts together with the key: conversations of different keys are never the same.
pub fn conversation(context: &RequestContext, parts: &[&[u8]]) -> u64 {
    let key = context.key();
    let mut all = vec![key.id.namespace.as_bytes(), key.id.name.as_bytes()];
    all.extend(parts);
    fnv1a_parts(&all)
}
