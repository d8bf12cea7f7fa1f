//! Types that all crates share: amounts of money, windows of time, references to objects and Secrets, capabilities of
//! models, types of requests and of refusals, and hashes that are the same everywhere.
//!
//! Plain values without I/O, clock or randomness. This crate depends on no other crate of the workspace.

mod calendar;
mod capability;
pub mod hash;
mod money;
mod object_ref;
mod refusal_kind;
mod request_type;
mod secret_ref;
mod window;

pub use calendar::CalendarUnit;
pub use capability::{Capabilities, Capability};
pub use money::{AMOUNT_PATTERN, Money, MoneyError};
pub use object_ref::ObjectRef;
pub use refusal_kind::{Recovery, RefusalKind};
pub use request_type::RequestType;
pub use secret_ref::{SecretRef, SecretRefError};
pub use window::{Millis, Period, Periods, Window, WindowError};
