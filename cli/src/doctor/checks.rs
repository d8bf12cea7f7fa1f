//! Finds problems in a cluster's state. Pure.

use jiff::Timestamp;

use super::cluster::ClusterState;
use super::line::ReportLine;
use super::{objects, operator, pods};

/// All lines, the operator's first, because most other problems may come from there.
pub(crate) fn check(state: &ClusterState, now: Timestamp) -> Vec<ReportLine> {
    let mut lines = operator::check(state, now);
    lines.extend(objects::check(state, now));
    lines.extend(pods::check(state));
    lines
}
