//! How large things are that rules are shown. What a request has beyond that is not cut, since a condition over a part
//! would say something else: whoever reads it gets an error instead.

/// The most that an expression may be, in characters; the definition of RoutingRules says the same.
pub const SOURCE: usize = 4_096;
/// How deep an expression may be: operators, brackets and calls in each other.
pub const DEPTH: usize = 64;

/// Bytes of a text: the names of models, providers, keys, teams and pods.
pub const TEXT: usize = 1_024;
/// Entries of `headers`, `params` and `labels`, each.
pub const ENTRIES: usize = 128;
/// Bytes of one's name.
pub const NAME: usize = 256;
/// Bytes of one's value.
pub const VALUE: usize = 4_096;
/// Bytes of all names and values of a map.
pub const ALL: usize = 32_768;
/// Entries of `needs`.
pub const NEEDS: usize = 16;

/// What the conditions that a request asks may cost together, in steps: at most a millisecond on ordinary hardware.
pub const REQUEST_STEPS: u32 = 50_000;
/// What they may use of memory, in bytes.
pub const REQUEST_BYTES: u32 = 1 << 20;
/// What one of them may cost, in steps.
pub const RULE_STEPS: u32 = 20_000;
/// And use, in bytes.
pub const RULE_BYTES: u32 = 256 << 10;

/// The most that a regular expression may be, in bytes.
pub const PATTERN_TEXT: usize = 256;
/// And its table when it is compiled.
pub const PATTERN_TABLE: usize = 16 << 10;
/// And the tables of all that a rule has.
pub const PATTERN_TABLES: usize = 32 << 10;
/// The longest range in a class of one that is blind to case.
pub const FOLDED_RANGE: usize = 1 << 12;
/// And what a table is made from.
pub const PATTERN: usize = 64 << 10;
/// And all of a policy's together.
pub const PATTERNS: usize = 8 << 20;
