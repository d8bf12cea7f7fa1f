//! outrigger-policy
