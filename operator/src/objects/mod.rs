//! The identity of an object, one version of it, what it references, and which keys a pod is bound to. Pure.

pub mod binding;
pub mod fields;
pub mod id;
pub(crate) mod metadata;
pub mod owner;
pub mod refs;
pub mod version;
pub mod workload;
