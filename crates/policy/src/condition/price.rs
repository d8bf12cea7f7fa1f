//! What things cost, in steps and bytes: said once for the evaluation that counts and for the estimate that must not be
//! below it. A step is some 3 to 12 nanoseconds.

use std::mem::size_of;

use super::input::ConditionInput;
use super::value::{MapEntry, Value};

/// A node of the expression.
pub(super) const NODE: u64 = 1;
/// Making a list, a map or a text, apart from what is in it.
pub(super) const MAKE: u64 = 4;
/// Bytes of what is made, apart from what is in it.
pub(super) const HEAD: u64 = 64;
/// An element of a list, in bytes.
pub(super) const ELEMENT: u64 = size_of::<Value<'static>>() as u64;
/// An entry of a map, in bytes.
pub(super) const ENTRY: u64 = size_of::<MapEntry<'static>>() as u64;
/// A name of the request's, in bytes, where they are put in order.
pub(super) const NAMED: u64 = size_of::<&str>() as u64;
/// Going once through a macro.
pub(super) const ROUND: u64 = 3;
/// A part of the calendar in a zone that stands in the rule.
pub(super) const CALENDAR: u64 = 12;
/// And in a zone by a name that has to be looked up.
pub(super) const ZONE: u64 = 200;
/// A number or time of a text, apart from its length.
pub(super) const PARSE: u64 = 16;
/// A number as a text; bytes of the longest.
pub(super) const PRINT: u64 = 20;
pub(super) const PRINTED: u64 = 400;
/// How full limits are.
const LIMITS: u64 = 60;
/// A variable that is put together when it is read: the steps, and the bytes.
const MADE_INPUT: u64 = 20;
const MADE_INPUT_BYTES: u64 = 1_024;

/// Reading a variable, in steps.
pub(super) fn input(input: ConditionInput) -> u64 {
    match input {
        ConditionInput::Money | ConditionInput::Tokens | ConditionInput::Requests => LIMITS,
        ConditionInput::KeyId | ConditionInput::Needs => MADE_INPUT,
        _ => 0,
    }
}

/// And in bytes.
pub(super) fn input_bytes(input: ConditionInput) -> u64 {
    match input {
        ConditionInput::KeyId | ConditionInput::Needs => MADE_INPUT_BYTES,
        _ => 0,
    }
}

/// Comparing or copying bytes.
pub(super) const fn copy(bytes: u64) -> u64 {
    bytes / 64
}

/// Looking through bytes.
pub(super) const fn search(bytes: u64) -> u64 {
    bytes / 32
}

/// Looking an entry of the request up, among so many.
pub(super) const fn pick(entries: u64) -> u64 {
    1 + entries / 8
}

/// Looking a key of so many bytes up in a map that was made.
pub(super) const fn find(bytes: u64) -> u64 {
    4 + bytes / 8
}

/// Putting an entry to so many, with a key of so many bytes.
pub(super) const fn insert(entries: u64, bytes: u64) -> u64 {
    find(bytes) + entries / 4
}

/// The names of so many entries of a request, in order.
pub(super) const fn names(entries: u64) -> u64 {
    MAKE + entries
}

/// Bytes of which a pattern sees each once.
pub(super) const fn matched(bytes: u64) -> u64 {
    4 + bytes / 32
}

/// Bytes that are held against so many states of a pattern.
pub(super) const fn simulated(bytes: u64, states: u64) -> u64 {
    20 + (bytes + 2).saturating_mul(states) / 8
}

/// As the budget counts.
pub(super) fn count(steps: u64) -> u32 {
    u32::try_from(steps).unwrap_or(u32::MAX)
}
