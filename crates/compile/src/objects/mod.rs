//! The objects of a folder or a namespace: sorted by kind, judged one by one, with what lies around them.

pub(crate) mod id;
pub(crate) mod judgement;
pub(crate) mod missing;
pub(crate) mod namespaces;
pub(crate) mod number;
pub(crate) mod validate;
pub(crate) mod world;
