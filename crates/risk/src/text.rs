//! Prints of prompts: enough to tell that two prompts are alike, not enough to read one.

use serde::{Deserialize, Serialize};

/// A 64-bit simhash (Charikar 2002) over words and pairs of words, and a 64-bit set of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Print {
    pub simhash: u64,
    pub words: u64,
}

/// Words of a prompt that are read; the rest of a long one says little more.
const MAX_WORDS: usize = 256;

impl Print {
    /// Case, punctuation and digits do not count: a number at the end does not make a prompt new.
    #[must_use]
    pub fn of(prompt: &str) -> Print {
        let mut votes = [0_i32; 64];
        let mut words = 0_u64;
        let mut before = 0_u64;
        let split = prompt.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        for word in split.take(MAX_WORDS) {
            let hash = mix(fnv(word.chars().flat_map(char::to_lowercase)));
            words |= 1 << (hash >> 58);
            vote(&mut votes, hash, 2);
            if before != 0 {
                vote(&mut votes, mix(before.rotate_left(21) ^ hash), 1);
            }
            before = hash;
        }
        let simhash = votes.iter().rev().fold(0, |bits, vote| bits << 1 | u64::from(*vote > 0));
        Print { simhash, words }
    }
}

/// A short hash for agents, cards and parameters.
#[must_use]
pub fn short_hash(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().fold(FNV_START, |h, b| (h ^ u64::from(*b)).wrapping_mul(FNV_PRIME));
    u32::try_from(mix(hash) >> 32).unwrap_or_default()
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv(letters: impl Iterator<Item = char>) -> u64 {
    letters.fold(FNV_START, |h, c| (h ^ u64::from(c)).wrapping_mul(FNV_PRIME))
}

/// The finaliser of MurmurHash3: every bit of the input moves every bit of the output.
fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

fn vote(votes: &mut [i32; 64], hash: u64, weight: i32) {
    for (bit, vote) in votes.iter_mut().enumerate() {
        // +weight for a set bit, -weight for another.
        *vote += weight * (i32::from(hash >> bit & 1 == 1) * 2 - 1);
    }
}
