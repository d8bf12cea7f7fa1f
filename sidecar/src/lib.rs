//! outrigger-sidecar
