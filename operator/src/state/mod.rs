//! What this replica knows of the cluster: plain data that watches update, behind [`caches::Caches`].

pub mod caches;
pub mod generated;
pub mod index;
pub mod pods;
pub mod uninjected;
pub mod update;
