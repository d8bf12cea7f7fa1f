//! Typed indexes of the lists in a policy. Each list has its own type, so that an index of one list can't be used with
//! another.

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(usize);

        impl From<usize> for $name {
            fn from(index: usize) -> Self {
                $name(index)
            }
        }

        impl From<$name> for usize {
            fn from(index: $name) -> usize {
                index.0
            }
        }
    };
}

index! {
    /// An index of `Policy::keys`.
    KeyIndex
}
index! {
    /// An index of `Policy::providers`.
    ProviderIndex
}
index! {
    /// An index of `Policy::rules`.
    RuleIndex
}
index! {
    /// An index of `Key::providers`.
    EntryIndex
}
index! {
    /// An index of `Provider::credentials`.
    CredentialIndex
}
index! {
    /// An index of `Limits::all`.
    LimitIndex
}
