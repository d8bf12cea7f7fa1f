//! References to objects, from the names in a document.

use outrigger_core::ObjectRef;

/// The object that a document's place was made of.
pub(crate) fn id(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { namespace: namespace.to_owned(), name: name.to_owned() }
}
