//! References to objects, from names in a document.

use outrigger_core::ObjectRef;

/// The object that an element of a document was compiled from.
pub(crate) fn id(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { namespace: namespace.to_owned(), name: name.to_owned() }
}
