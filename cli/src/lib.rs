//! outrigger-cli
