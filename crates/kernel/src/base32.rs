//! Crockford's base 32 in lower case: fixed length, sorts as the bytes do, no look-alike letters.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The text of `bytes`, most significant bit first, padded with zero bits at the front.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let chars = (bytes.len() * 8).div_ceil(5);
    let pad = chars * 5 - bytes.len() * 8;
    (0..chars)
        .map(|i| {
            let mut value = 0usize;
            for bit in i * 5..i * 5 + 5 {
                let set = bit >= pad && bytes[(bit - pad) / 8] >> (7 - (bit - pad) % 8) & 1 == 1;
                value = value << 1 | usize::from(set);
            }
            char::from(ALPHABET[value])
        })
        .collect()
}

/// The bytes of a text that [`encode`] made; `None` for any other text.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let chars = (N * 8).div_ceil(5);
    let pad = chars * 5 - N * 8;
    if text.len() != chars {
        return None;
    }
    let mut bytes = [0u8; N];
    for (i, c) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|a| *a == c)?;
        for j in 0..5 {
            let set = value >> (4 - j) & 1 == 1;
            match (i * 5 + j).checked_sub(pad) {
                None if set => return None,
                Some(bit) if set => bytes[bit / 8] |= 1 << (7 - bit % 8),
                _ => {}
            }
        }
    }
    Some(bytes)
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
            let text = encode(&bytes);
            assert_eq!(text.len(), 26);
            assert_eq!(decode::<16>(&text), Some(bytes));
        }
        assert_eq!(encode(&[0xff; 16]), "7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_eq!(decode::<16>("8zzzzzzzzzzzzzzzzzzzzzzzzz"), None, "padding bits are zero");
        assert_eq!(decode::<16>("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), None, "one spelling per id");
        assert_eq!(decode::<16>("7zzzzzzzzzzzzzzzzzzzzzzzzu"), None);
        assert_eq!(decode::<16>(""), None);
    }
}
