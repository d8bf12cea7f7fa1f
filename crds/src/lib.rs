//! outrigger-crds
