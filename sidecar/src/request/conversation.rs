//! The name by which a conversation is remembered.

use outrigger_core::hash::fnv1a_parts;

use super::context::RequestContext;

/// A conversation's name in memory: it belongs to a key.
pub fn conversation(context: &RequestContext, parts: &[&[u8]]) -> u64 {
    let key = context.key();
    let mut all = vec![key.id.namespace.as_bytes(), key.id.name.as_bytes()];
    all.extend(parts);
    fnv1a_parts(&all)
}
