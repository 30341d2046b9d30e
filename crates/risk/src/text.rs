//! Prints of prompts: enough to tell that two prompts are alike, not enough to read one.

use serde::{Deserialize, Serialize};

/// A 64-bit simhash (Charikar 2002) over words and pairs of words, and a 64-bit set of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Print {
    pub simhash: u64,
    pub words: u64,
}

/// Hides words: without it nobody can try words until a print fits. A secret of the installation, half before and half
/// after the mixing of bits (Even and Mansour 1997). Prints of different keys have nothing in common; whether two
/// prompts are alike does not depend on the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WordKey(pub u64, pub u64);

impl WordKey {
    fn hash(self, word: &str) -> u64 {
        mix(fnv(word.chars().flat_map(char::to_lowercase)) ^ self.0) ^ self.1
    }
}

/// Words of a prompt that are read; the rest of a long one says little more.
const MAX_WORDS: usize = 256;

impl Print {
    /// Without a secret, for evaluations and tests.
    #[must_use]
    pub fn of(prompt: &str) -> Print {
        Print::keyed(WordKey::default(), prompt)
    }

    /// Case, punctuation and digits do not count: a number at the end does not make a prompt new.
    #[must_use]
    pub fn keyed(key: WordKey, prompt: &str) -> Print {
        let mut votes = Votes::default();
        let mut words = 0_u64;
        let mut before = 0_u64;
        let split = prompt.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        for word in split.take(MAX_WORDS) {
            let hash = key.hash(word);
            words |= 1 << (hash >> 58);
            votes.cast(hash, 1);
            if before != 0 {
                votes.cast(mix(before.rotate_left(21) ^ hash), 0);
            }
            before = hash;
        }
        Print { simhash: votes.majority(), words }
    }
}

/// For each of 64 bits how many voted for it, all bits at once: plane `n` has the digit worth 2ⁿ of each count.
#[derive(Default)]
struct Votes {
    planes: [u64; PLANES],
    all: u32,
}

/// A prompt has at most 2 votes a word and 1 a pair.
const PLANES: usize = (3 * MAX_WORDS).ilog2() as usize + 1;

impl Votes {
    /// 2 to the power of `weight` votes for each set bit, as many against each other.
    fn cast(&mut self, hash: u64, weight: usize) {
        self.all += 1 << weight;
        let mut carry = hash;
        for plane in self.planes.iter_mut().skip(weight) {
            let sum = *plane ^ carry;
            carry &= *plane;
            *plane = sum;
            if carry == 0 {
                break;
            }
        }
    }

    /// The bits for which more voted than against.
    fn majority(&self) -> u64 {
        (0..64).rev().fold(0, |bits, bit| {
            let digits = self.planes.iter().rev();
            let votes = digits.fold(0_u32, |count, plane| count << 1 | u32::from(plane >> bit & 1 == 1));
            bits << 1 | u64::from(2 * votes > self.all)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Charikar's sum of signed votes, one bit after the other.
    fn by_sums(prompt: &str) -> u64 {
        let words = prompt.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        let hashes: Vec<u64> =
            words.take(MAX_WORDS).map(|word| mix(fnv(word.chars().flat_map(char::to_lowercase)))).collect();
        let pairs = hashes.windows(2).map(|pair| (mix(pair[0].rotate_left(21) ^ pair[1]), 1));
        let votes: Vec<(u64, i32)> = hashes.iter().map(|hash| (*hash, 2)).chain(pairs).collect();
        let sum = |bit: u32| votes.iter().map(|(h, w)| if h >> bit & 1 == 1 { *w } else { -w }).sum::<i32>();
        (0..64).filter(|bit| sum(*bit) > 0).fold(0, |bits, bit| bits | 1 << bit)
    }

    /// Alike under one key is alike under another, and the two prints have nothing in common.
    #[test]
    fn a_key_hides_words_and_keeps_what_is_alike() {
        let pairs = [
            (
                "a red fox in the snow by night",
                "A red fox, in the snow by day",
                "twelve copper engines on a hill",
            ),
            ("lighthouse in winter fog", "lighthouse in summer fog", "ein Roboter malt Bilder"),
        ];
        for key in [WordKey::default(), WordKey(0x0123_4567_89ab_cdef, 0xfeed), WordKey(7, u64::MAX)] {
            let print = |prompt| Print::keyed(key, prompt);
            let apart = |a, b| (print(a).simhash ^ print(b).simhash).count_ones();
            for (one, near, far) in pairs {
                assert!(apart(one, near) < 26, "{key:?} {}", apart(one, near));
                assert!(apart(one, far) > apart(one, near), "{key:?}");
                let other = Print::keyed(WordKey(key.1 ^ 1, key.0), one);
                assert!((16..48).contains(&(print(one).simhash ^ other.simhash).count_ones()), "{key:?}");
            }
        }
    }

    #[test]
    fn counting_all_bits_at_once_gives_the_sums_of_each() {
        let words = ["fox", "Lighthouse", "zebra", "ein", "Über", "snow", "9", "the", "river"];
        for length in [0, 1, 2, 3, 7, 64, 255, 256, 257, 900] {
            for step in 1..9 {
                let prompt: Vec<&str> =
                    (0..length).map(|n| words[(n * step + n / 5) % words.len()]).collect();
                let prompt = prompt.join(" ");
                assert_eq!(Print::of(&prompt).simhash, by_sums(&prompt), "{prompt}");
            }
        }
    }
}
