//! One hash for all that must come out alike in every process.

/// A stable 64-bit hash (FNV-1a, then a finaliser): the same in every process and version, which
/// the standard library's hasher does not promise. Not for secrets.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    mix(fnv(parts))
}

/// FNV-1a over parts.
pub(crate) fn fnv(parts: &[&[u8]]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        // Each part ends in a byte that UTF-8 never has, so that ("ab", "c") is not ("a", "bc").
        for byte in part.iter().chain(&[0xff]) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    state
}

/// The finaliser of SplitMix64: spreads each bit over all.
pub(crate) fn mix(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
