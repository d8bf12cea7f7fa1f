//! Limits on concurrent requests that gateways share.
//!
//! ```text
//! gateway                            operator
//!   PermitHolder ── PermitReport ──►   PermitLeader
//!                ◄── PermitGrants ──
//! ```
//!
//! A permit lets one request run at a time. Unlike money it is not used up: it comes back when the request ends. So
//! nothing of it is stored, and a permit lives as long as the process that has it:
//!
//! - A gateway runs at most as many requests as it has permits. It keeps them when a request ends, and the next request
//!   takes one without asking anybody.
//! - The leader grants no more permits than the limit has, less what any pod that exists may have. A pod that is silent
//!   keeps its permits, because its requests may still run. They are free again when the pod is gone.
//! - A new leader grants nothing before all pods that exist have said what they have, or some seconds have passed.
//! - If a request finds no permit anywhere, the leader recalls some: idle ones first, then from gateways that have more
//!   than others, as their requests end.
//!
//! Sums only grow, within a session: a connection of a process to a leader. Of two messages of a session the higher
//! numbers are the later ones, so a message that is lost, late or repeated changes nothing.

mod holder;
mod leader;
mod protocol;
mod serve;

pub use holder::{PermitHolder, PermitNo, PermitShort, PermitView};
pub use leader::{PermitFinding, PermitFindingKind, PermitLeader, PermitOutput};
pub use protocol::{PermitGrant, PermitGrants, PermitReport, PermitSession, PermitUsage};
