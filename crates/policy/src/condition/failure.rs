//! Why an expression has no value. Created without allocation, because `||`, `&&`, `all` and `exists` absorb most
//! failures; converted to text only at the end.

use std::fmt;

/// Why evaluation stopped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stop {
    /// A header, a parameter, a label or another entry is absent.
    Missing,
    Failed(EvalFailure),
    /// The budget is used up. Nothing absorbs this.
    Steps,
    Bytes,
}

impl Stop {
    /// Whether `||` and similar operators must stop.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Stop::Steps | Stop::Bytes)
    }
}

impl From<EvalFailure> for Stop {
    fn from(failure: EvalFailure) -> Self {
        Stop::Failed(failure)
    }
}

/// What failed. Values are never included: they belong to the caller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EvalFailure {
    /// An operator or function, and one or two types that it does not accept.
    Types(&'static str, &'static str, Option<&'static str>),
    /// A function was called with the wrong number of arguments.
    Arguments(&'static str),
    NotBool(&'static str),
    NotIterable(&'static str),
    Overflow(&'static str),
    DivisionByZero,
    OutOfBounds,
    RepeatedKey,
    Key(&'static str),
    /// A text can't be parsed as this type.
    Text(&'static str),
    /// A number is out of the range of the type.
    Range(&'static str),
    Pattern(String),
    UnwrittenPattern,
    Zone,
    /// The variable is unknown for this request.
    Unknown(&'static str),
    /// The variable is larger than rules can read.
    TooLarge(&'static str, &'static str, usize),
}

impl fmt::Display for EvalFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvalFailure::Types(name, one, None) => write!(f, "`{name}` does not take a value of type {one}"),
            EvalFailure::Types(name, one, Some(other)) => {
                write!(f, "`{name}` does not take values of types {one} and {other}")
            }
            EvalFailure::Arguments(name) => write!(f, "`{name}` is not called in this way"),
            EvalFailure::NotBool(found) => write!(f, "a {found} is used where true or false is needed"),
            EvalFailure::NotIterable(found) => write!(f, "a macro needs a list or a map, not a {found}"),
            EvalFailure::Overflow(name) => write!(f, "the result of `{name}` is too large a number"),
            EvalFailure::DivisionByZero => write!(f, "it divides by zero"),
            EvalFailure::OutOfBounds => write!(f, "a list has no element at that index"),
            EvalFailure::RepeatedKey => write!(f, "a map has the same key twice"),
            EvalFailure::Key(found) => write!(f, "a {found} can't be the key of a map"),
            EvalFailure::Text(wanted) => write!(f, "`{wanted}` can't parse its text"),
            EvalFailure::Range(wanted) => write!(f, "`{wanted}` is given a number that is out of its range"),
            EvalFailure::Pattern(why) => write!(f, "the pattern of `matches` is not a valid regular expression: {why}"),
            EvalFailure::UnwrittenPattern => write!(f, "`matches` is given a pattern that is not written in the rule"),
            EvalFailure::Zone => write!(f, "there is no such time zone"),
            EvalFailure::Unknown(name) => write!(f, "`{name}` is not known for this request"),
            EvalFailure::TooLarge(name, unit, most) => {
                write!(f, "`{name}` has more than {most} {unit} in this request, and rules can't read more")
            }
        }
    }
}
