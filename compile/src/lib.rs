//! outrigger-compile
