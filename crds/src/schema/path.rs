//! The path of a field in an object.

use std::fmt;

/// A path, as a chain of references up to the object itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum SchemaPath<'a> {
    /// The object itself.
    Root,
    /// A field of the value at the parent path.
    Field(&'a SchemaPath<'a>, &'a str),
    /// An item of the list at the parent path.
    Index(&'a SchemaPath<'a>, usize),
}

impl<'a> SchemaPath<'a> {
    pub fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    pub fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for SchemaPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}
