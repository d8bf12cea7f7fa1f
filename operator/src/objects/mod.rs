//! Which object, which version of it, what it names, and which keys a pod is bound to. Pure.

pub mod binding;
pub mod id;
pub mod refs;
pub mod version;
