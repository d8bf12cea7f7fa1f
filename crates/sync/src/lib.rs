//! The messages between the operator and a gateway. No I/O, no clock.
//!
//! A gateway asks for a stream with `POST /v1/stream`, and a bearer token in its headers. Both sides then write lines of
//! JSON, at any time. `\n` ends each line, and none is longer than [`LINE_MAX`]. The gateway's first line is
//! [`FromGateway::Hello`]. The operator answers with [`FromOperator::Policy`] at once if it has a newer policy, and
//! again whenever it writes a new one. The gateway reports the result of each policy ([`FromGateway::Outcome`]).
//!
//! ```text
//! gateway                                    operator
//!   {"hello":{…,"sequence":41}}          ─►
//!                                        ◄─   {"policy":{"sequence":42,"document":{…},"credentials":[…]}}
//!   {"outcome":{"sequence":42}}          ─►
//!                                        ◄─   {"beat":{}}                                every 15 s, either way
//! ```
//!
//! **The connection becomes the stream.** The gateway names [`PROTOCOL`] in TLS (ALPN), and in its request, which is
//! HTTP/1.1, as the protocol to upgrade to. The operator answers 101, and then the connection carries only lines: ten
//! thousand streams must not each need the buffers of an HTTP connection. If the other side does not know the protocol,
//! ALPN finds `h2`, and the bodies of an HTTP/2 request and its answer carry the lines.
//!
//! **Sequences only rise.** A gateway never puts in force a sequence below its current one, however it arrives. The
//! operator reads the current sequence in the hello, and raises its own above it before it writes again.
//!
//! **Unknown messages are ignored.** A line is an object with one member, whose name is the kind of the message. A side
//! ignores kinds and fields that it does not know ([`FromGateway::Unknown`]). So the ledger's messages (grants in one
//! direction, usage in the other) use the same stream, even between versions of which one does not know them yet.

mod line;
mod message;
mod signature;
mod usage_rows;

pub use line::{LINE_MAX, LineError, LineReader, write};
pub use message::{
    CredentialMessage, FromGateway, FromOperator, Hello, NoFields, PolicyMessage, PolicyOutcome, Rejection,
};
pub use signature::{
    CREDENTIALS_FILE, KEY_BYTES, MountedAt, PublicKey, PublicKeyError, SIGNATURES_FILE, Signatures, SigningKey,
    Statement, Trust, hash,
};
pub use usage_rows::{OTHER, USAGE_NAME_MAX, USAGE_ROWS_MAX, UsageKept, UsageRow, UsageRowsReport, UsageSums};

/// The path of the stream.
pub const PATH: &str = "/v1/stream";
/// The protocol of a stream, in ALPN and in the header `upgrade`.
pub const PROTOCOL: &str = "outrigger-stream/1";
/// The audience of a gateway's token.
pub const AUDIENCE: &str = "outrigger";
/// The longest time between two messages of either side, in seconds. After three times as long without a message, the
/// peer counts as dead.
pub const BEAT_SECONDS: u64 = 15;
/// Sequences start at the time in seconds, and rise by one. A sequence that is further ahead of the time than this is
/// not genuine. JSON's numbers are exact up to 2^53.
pub const AHEAD_MAX: u64 = 1 << 32;
/// Header of a 421 answer: `host:port` of the replica that serves streams now. Its certificate is for the same name as
/// the Service's.
pub const LEADER: &str = "x-outrigger-leader";
