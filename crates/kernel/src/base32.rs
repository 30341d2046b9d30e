//! Crockford's base 32 in lower case: fixed length, sorts as the bytes do, no look-alike letters.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What is no letter of ours, in [`VALUES`].
const NONE: u8 = 0xff;
/// The value of each letter by its byte.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 32 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// The letters of `bytes`, most significant bit first, padded with zero bits at the front. `CHARS` is as many
/// as they need: a fifth of the bits, rounded up.
pub(crate) fn encode<const CHARS: usize>(bytes: &[u8]) -> [u8; CHARS] {
    let mut text = [ALPHABET[0]; CHARS];
    // Five bytes are eight letters.
    for (letters, bytes) in text.rchunks_mut(8).zip(bytes.rchunks(5)) {
        let mut number = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        for letter in letters.iter_mut().rev() {
            *letter = ALPHABET[(number & 31) as usize];
            number >>= 5;
        }
    }
    text
}

/// The bytes of a text that [`encode`] made; `None` for any other text.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(5) {
        return None;
    }
    let mut bytes = [0u8; N];
    let mut left = bytes.iter_mut().rev();
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.bytes().rev() {
        let value = VALUES[usize::from(letter)];
        if value == NONE {
            return None;
        }
        bits |= u32::from(value) << count;
        count += 5;
        if count >= 8
            && let Some(byte) = left.next()
        {
            *byte = bits.to_le_bytes()[0];
            bits >>= 8;
            count -= 8;
        }
    }
    // The padding is zero.
    (bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_pattern_comes_back_and_no_other_text_is_taken() {
        for n in 0..=255u8 {
            let bytes: [u8; 16] = std::array::from_fn(|i| {
                n.wrapping_mul(31).wrapping_add(17u8.wrapping_mul(u8::try_from(i).unwrap()))
            });
            let text = encode::<26>(&bytes);
            let text = std::str::from_utf8(&text).unwrap();
            assert_eq!(decode::<16>(text), Some(bytes));
        }
        assert_eq!(&encode(&[0xff; 16]), b"7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_eq!(&encode(&[0, 0, 0, 1]), b"0000001");
        assert_eq!(decode::<16>("8zzzzzzzzzzzzzzzzzzzzzzzzz"), None, "padding bits are zero");
        assert_eq!(decode::<16>("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), None, "one spelling per id");
        assert_eq!(decode::<16>("7zzzzzzzzzzzzzzzzzzzzzzzzu"), None);
        assert_eq!(decode::<16>(""), None);
    }
}
