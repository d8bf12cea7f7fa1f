//! Places in the lists of a policy. Each list has a type of its own, so that a place in one is never used in another.

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(usize);

        impl From<usize> for $name {
            fn from(place: usize) -> Self {
                $name(place)
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
    /// A place in `Policy::keys`.
    KeyIndex
}
index! {
    /// A place in `Policy::providers`.
    ProviderIndex
}
index! {
    /// A place in `Policy::rules`.
    RuleIndex
}
index! {
    /// A place in `Key::providers`.
    EntryIndex
}
index! {
    /// A place in `Provider::credentials`.
    CredentialIndex
}
index! {
    /// A place in `Limits::all`.
    LimitIndex
}
