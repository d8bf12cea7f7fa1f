//! The objects of a folder or a namespace: validated one by one, sorted by kind, and the environment.

pub(crate) mod context;
pub(crate) mod id;
pub(crate) mod kind;
pub(crate) mod namespaces;
pub(crate) mod number;
pub(crate) mod sorted;
pub(crate) mod unusable;
pub(crate) mod validation;
