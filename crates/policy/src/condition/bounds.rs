//! The largest sizes that rules can read. A request that exceeds them is not truncated, because a condition on a part
//! could give another result: reading it is an error instead.

/// The longest expression, in characters, as in the definition of RoutingRule.
pub const SOURCE: usize = 4_096;
/// The deepest nesting of an expression: operators, brackets and calls.
pub const DEPTH: usize = 64;

/// Bytes of a text: names of models, providers, keys, teams and pods.
pub const TEXT: usize = 1_024;
/// Entries of `headers`, `params` and `labels`, each.
pub const ENTRIES: usize = 128;
/// Bytes of an entry's name.
pub const NAME: usize = 256;
/// Bytes of an entry's value.
pub const VALUE: usize = 4_096;
/// Bytes of all names and values of a map.
pub const ALL: usize = 32_768;
/// Entries of `needs`.
pub const NEEDS: usize = 16;

/// The most steps that all conditions of a request may take together: at most a millisecond on ordinary hardware.
pub const REQUEST_STEPS: u32 = 50_000;
/// The most memory that they may use, in bytes.
pub const REQUEST_BYTES: u32 = 1 << 20;
/// The most steps that one condition may take.
pub const RULE_STEPS: u32 = 20_000;
/// The most memory that one condition may use, in bytes.
pub const RULE_BYTES: u32 = 256 << 10;

/// The longest regular expression, in bytes.
pub const PATTERN_TEXT: usize = 256;
/// The largest table of a compiled pattern.
pub const PATTERN_TABLE: usize = 16 << 10;
/// The largest sum of the tables of a rule.
pub const PATTERN_TABLES: usize = 32 << 10;
/// The longest range in a character class that ignores case.
pub const FOLDED_RANGE: usize = 1 << 12;
/// The largest automaton from which a table is made.
pub const PATTERN: usize = 64 << 10;
/// The largest sum of all patterns in a policy.
pub const PATTERNS: usize = 8 << 20;
