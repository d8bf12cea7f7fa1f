//! What the operator and a gateway say to each other, while both are up. Pure: no I/O, no clock.
//!
//! One HTTP/2 request, `POST /v1/stream`, with a bearer token in its head, stays open in both directions. Either side
//! writes lines of JSON, each ended by `\n` and no longer than [`LINE_MAX`]. The gateway's first line is
//! [`FromGateway::Hello`]; the operator answers with [`FromOperator::Policy`], at once where it has a newer one, and again
//! whenever it has written one. The gateway says of each what became of it ([`FromGateway::Outcome`]).
//!
//! ```text
//! gateway                                    operator
//!   {"hello":{…,"sequence":41}}          ─►
//!                                        ◄─   {"policy":{"sequence":42,"document":{…},"credentials":[…]}}
//!   {"outcome":{"sequence":42}}          ─►
//!                                        ◄─   {"beat":{}}                                every 15 s, either way
//! ```
//!
//! **Only forwards.** A sequence below the one that a gateway has is not put in force, however it comes. The operator
//! reads in the hello which one that is, and raises its own above it before it writes again.
//!
//! **A second kind of message.** A line is an object with one member, and its name is the kind. A side ignores kinds
//! and fields that it does not know ([`FromGateway::Unknown`]), so that the ledger's messages (grants one way, what is
//! spent the other) travel on the same stream, beside policies, between versions of which one does not speak them yet.

mod line;
mod message;
mod signature;

pub use line::{LINE_MAX, LineError, LineReader, write};
pub use message::{
    CredentialMessage, FromGateway, FromOperator, Hello, PolicyMessage, PolicyOutcome, Rejection, Unused,
};
pub use signature::{
    CREDENTIALS_FILE, KEY_BYTES, MountedAt, NoKey, PublicKey, SIGNATURES_FILE, Signatures, SigningKey, Statement,
    Trust, hash,
};

/// The path of the stream.
pub const PATH: &str = "/v1/stream";
/// The audience that a gateway's token must be for.
pub const AUDIENCE: &str = "outrigger";
/// Either side says something at least this often, in seconds; silence for three times as long is a dead peer.
pub const BEAT_SECONDS: u64 = 15;
/// Sequences begin with the time, in seconds, and rise by one: one that is further ahead of the time was made up. JSON's
/// numbers are exact up to 2^53.
pub const AHEAD_MAX: u64 = 1 << 32;
/// In the head of a 421 answer: `host:port` of the replica that answers streams now. Its certificate is for the same
/// name as the Service's.
pub const LEADER: &str = "x-outrigger-leader";
