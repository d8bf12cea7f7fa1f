//! Parses the model's name of a request, and finds the providers that serve it.

pub(crate) mod misnamed;
pub(crate) mod name;
pub(crate) mod serving;
pub(crate) mod vendor;
