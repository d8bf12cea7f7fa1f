//! Faulty protocols.

/// The fault of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Nothing.
    None,
    /// What a holder has is free again if the holder was silent for a while.
    BackOnTimer,
    /// The next leader treats the rest of the ceiling as its own, and counts it once.
    CarriedCeiling,
    /// What is returned is granted again immediately, and credited when the store has it.
    RecycledReturns,
    /// A grant contains a difference, which is added to the current value.
    AddedGrants,
    /// A reset writes off what holders have, not only what they spent.
    ResetHeld,
    /// A raise that is repeated is added to the earlier one.
    AddedRaise,
}
