//! The escrow core: how much may still be spent, who holds it, and how much is spent.
//!
//! A [`Book`] keeps the accounts of all limits. Before something is spent, its worst case is [reserved](Book::reserve)
//! on every account that it counts against, or on none. Afterwards the reservation is [settled](Book::settle) with the
//! actual amount. A new period is a new account: no counter is ever reset, lowered or moved.
//!
//! Guarantees of this crate:
//! - `spent + reserved` is at most the limit after every granted reservation. Only a settlement above the reservation,
//!   or a charge without a check, exceeds it: that is a debt, which counts like everything that is spent.
//! - Only spent amounts are reported as spent. Amounts that others have merely reserved are [`Refused::Contended`].
//! - For any order of messages, crashes, changed limits and clocks that step back, no account shows less than was spent
//!   on it. Amounts in flight at a crash are charged in full.
//! - A clock that was once far ahead blocks requests no longer than its process lives.
//!
//! Limits that many gateways share are granted by a ledger: see [`shared`], with both sides of its [`protocol`]. Shared
//! limits on concurrent requests are in [`permits`]. Limits on one run or conversation have accounts of their own: see
//! [`session`].
//!
//! This crate contains only state machines: amounts are integers, the time is an argument, and writes are returned as
//! bytes.

mod account;
mod book;
mod name;
mod page;
pub mod permits;
pub mod protocol;
mod reservation;
pub mod session;
pub mod shared;

pub use account::{Account, Counters, Short};
pub use book::{Book, Granter, LimitNo, LimitSpec, Refused, Restored, SharedState, State, WaitingPlace};
pub use name::LONGEST_NAME;
pub use page::{Damaged, GrantedTo, PageRecord, SLOT, UnreadablePage, empty_file, holder_state, records};
pub use reservation::{Reservation, Settled};
pub use shared::holder::{FailOpen, FailOpenState};
