//! Protocols that are wrong.

/// What is wrong with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Nothing.
    None,
    /// What a holder has and was not heard of for a while is free again.
    BackOnTimer,
    /// The next leader takes what is left of the ceiling for its own, and counts it once.
    CarriedCeiling,
    /// What is returned is granted again at once, and credited when the store has it.
    RecycledReturns,
    /// A grant says how much more, and is added to what there is.
    AddedGrants,
}
