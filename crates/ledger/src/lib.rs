//! The escrow core: how much may still be spent, who holds it, and what is gone.
//!
//! A [`Book`] keeps the accounts of all limits. Before something is spent its worst case is [reserved](Book::reserve),
//! on every account that it counts against or on none; afterwards the reservation is [settled](Book::settle) with what
//! it really was. A new period is a new account: nothing that was counted is ever zeroed, lowered or moved.
//!
//! What this crate promises:
//! - `spent + reserved` is at most the limit after every reservation that was granted. Only a settlement for more than
//!   was reserved, or a charge that asked nobody, goes over: a debt, which counts like all else that is spent.
//! - "Spent" is said only of what is spent. What others have merely reserved is [`Refused::Contended`].
//! - Whatever order messages, crashes, changed limits and clocks that step back come in, no account shows less than was
//!   spent on it, and what was in flight at a crash is charged in full.
//! - A clock that was once far ahead holds nobody up for longer than its process lives.
//!
//! Limits that many gateways share are granted by a ledger: see [`shared`], with both sides of its [`protocol`]. Limits on
//! concurrent requests that they share are in [`permits`]. Limits on one run or conversation have accounts of their own:
//! see [`session`].
//!
//! State machines only: amounts are integers, the time is an argument, and what has to be written comes out as bytes.

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
pub use book::{Book, Granter, LimitNo, LimitSpec, Refused, Restored, SharedState, State};
pub use name::LONGEST_NAME;
pub use page::{Damaged, GrantedTo, PageRecord, SLOT, UnreadablePage, empty_file, holder_state, records};
pub use reservation::{Reservation, Settled};
pub use shared::holder::{FailOpen, FailOpenState};
