//! The cost of operations, in steps and bytes. Evaluation counts with it, and the estimate must not be lower. A step
//! takes some 3 to 12 nanoseconds.

use std::mem::size_of;

use super::input::ConditionInput;
use super::value::{MapEntry, Value};

/// A node of the expression.
pub(super) const NODE: u64 = 1;
/// Creating a list, a map or a text, without its content.
pub(super) const MAKE: u64 = 4;
/// Bytes of a created value, without its content.
pub(super) const HEAD: u64 = 64;
/// An element of a list, in bytes.
pub(super) const ELEMENT: u64 = size_of::<Value<'static>>() as u64;
/// An entry of a map, in bytes.
pub(super) const ENTRY: u64 = size_of::<MapEntry<'static>>() as u64;
/// A name in the request, in bytes, when names are sorted.
pub(super) const NAMED: u64 = size_of::<&str>() as u64;
/// One iteration of a macro.
pub(super) const ROUND: u64 = 3;
/// A part of a time, in a zone that is written in the rule.
pub(super) const CALENDAR: u64 = 12;
/// The same in a zone that must be looked up by name.
pub(super) const ZONE: u64 = 200;
/// Parsing a number or time, without the cost of its length.
pub(super) const PARSE: u64 = 16;
/// Formatting a number as text; and the bytes of the longest.
pub(super) const PRINT: u64 = 20;
pub(super) const PRINTED: u64 = 400;
/// Computing how far limits are used.
const LIMITS: u64 = 60;
/// Reading a variable that is computed: steps and bytes.
const MADE_INPUT: u64 = 20;
const MADE_INPUT_BYTES: u64 = 1_024;

/// Reading a variable, in steps.
pub(super) fn input(input: ConditionInput) -> u64 {
    match input {
        ConditionInput::Money | ConditionInput::Tokens | ConditionInput::Requests | ConditionInput::Session => LIMITS,
        ConditionInput::KeyId | ConditionInput::Needs => MADE_INPUT,
        _ => 0,
    }
}

/// Reading a variable, in bytes.
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

/// Searching bytes.
pub(super) const fn search(bytes: u64) -> u64 {
    bytes / 32
}

/// Looking up an entry of the request, among this many.
pub(super) const fn pick(entries: u64) -> u64 {
    1 + entries / 8
}

/// Looking up a key of this many bytes in a map that an expression created.
pub(super) const fn find(bytes: u64) -> u64 {
    4 + bytes / 8
}

/// Adding an entry to this many, with a key of this many bytes.
pub(super) const fn insert(entries: u64, bytes: u64) -> u64 {
    find(bytes) + entries / 4
}

/// Sorting the names of this many entries of a request.
pub(super) const fn names(entries: u64) -> u64 {
    MAKE + entries
}

/// Matching bytes with a table.
pub(super) const fn matched(bytes: u64) -> u64 {
    4 + bytes / 32
}

/// Matching bytes by simulating this many states of a pattern.
pub(super) const fn simulated(bytes: u64, states: u64) -> u64 {
    20 + (bytes + 2).saturating_mul(states) / 8
}

/// Converts to the budget's type.
pub(super) fn count(steps: u64) -> u32 {
    u32::try_from(steps).unwrap_or(u32::MAX)
}
