//! From what a cluster says to what is wrong with it. Pure.

use jiff::Timestamp;

use super::kubectl::ClusterState;
use super::line::ReportLine;
use super::{objects, operator, pods};

/// Everything, the operator first: most of what is wrong elsewhere may come from there.
pub(crate) fn judge(seen: &ClusterState, now: Timestamp) -> Vec<ReportLine> {
    let mut lines = operator::judge(seen, now);
    lines.extend(objects::judge(seen, now));
    lines.extend(pods::judge(seen));
    lines
}
