//! Hashes that are the same in every process and version. The standard library's hasher does not promise that.
//!
//! None of them is suitable for secrets: the input can be found from the hash.

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a, 64 bits.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    absorb(OFFSET, bytes)
}

/// FNV-1a over several parts. A byte that never occurs in UTF-8 ends each part, so that ("ab", "c") and ("a", "bc")
/// differ.
#[must_use]
pub fn fnv1a_parts(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(OFFSET, |state, part| absorb(absorb(state, part), &[0xff]))
}

/// [`fnv1a_parts`] with [`spread`] bits: for random choices that must be reproducible.
#[must_use]
pub fn spread_parts(parts: &[&[u8]]) -> u64 {
    spread(fnv1a_parts(parts))
}

/// The finalizer of SplitMix64: each input bit affects all output bits.
#[must_use]
pub fn spread(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn absorb(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from the tables of FNV's and SplitMix64's authors.
    #[test]
    fn matches_published_values() {
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv1a(text.as_bytes()), hash, "{text}");
        }
        assert_eq!(spread(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn parts_are_separated() {
        assert_ne!(fnv1a_parts(&[b"ab", b"c"]), fnv1a_parts(&[b"a", b"bc"]));
        assert_eq!(fnv1a_parts(&[b"a"]), fnv1a(&[b'a', 0xff]));
    }
}
