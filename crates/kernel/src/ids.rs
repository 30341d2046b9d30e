//! Typed ids with Stripe-like prefixes.
//!
//! `cus_ wal_ key_`: a UUIDv7 in 26 letters. `hld_ rct_ grt_`: the wallet and the seq of the command
//! that made the object, `quo_`: the wallet and 64 random bits, both in 39 letters, so that the row is
//! found by primary key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::base32;

/// The number of a command in its wallet's journal, from 1.
pub type Seq = i64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not an id that starts with \"{prefix}\"")]
pub struct IdError {
    pub prefix: &'static str,
}

macro_rules! text_form {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(letters(&self.text()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// A prefix and its letters in one piece.
fn join<const CHARS: usize, const LENGTH: usize>(prefix: &str, letters: [u8; CHARS]) -> [u8; LENGTH] {
    let mut text = [0; LENGTH];
    text[..LENGTH - CHARS].copy_from_slice(prefix.as_bytes());
    text[LENGTH - CHARS..].copy_from_slice(&letters);
    text
}

fn letters(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            pub const fn from_uuid(uuid: Uuid) -> $name {
                $name(uuid)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }

            fn text(self) -> [u8; $prefix.len() + 26] {
                join($prefix, base32::encode::<26>(self.0.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(letters(&self.text()))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<$name, IdError> {
                text.strip_prefix($prefix)
                    .and_then(base32::decode::<16>)
                    .map(|bytes| $name(Uuid::from_bytes(bytes)))
                    .ok_or(IdError { prefix: $prefix })
            }
        }

        text_form!($name);
    };
}

macro_rules! wallet_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $part:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            pub wallet: WalletId,
            pub $part: i64,
        }

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            fn text(self) -> [u8; $prefix.len() + 39] {
                let mut bytes = [0u8; 24];
                bytes[..16].copy_from_slice(self.wallet.uuid().as_bytes());
                bytes[16..].copy_from_slice(&self.$part.to_be_bytes());
                join($prefix, base32::encode::<39>(&bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(letters(&self.text()))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<$name, IdError> {
                let bytes = text
                    .strip_prefix($prefix)
                    .and_then(base32::decode::<24>)
                    .ok_or(IdError { prefix: $prefix })?;
                let (mut wallet, mut part) = ([0u8; 16], [0u8; 8]);
                wallet.copy_from_slice(&bytes[..16]);
                part.copy_from_slice(&bytes[16..]);
                Ok($name {
                    wallet: WalletId::from_uuid(Uuid::from_bytes(wallet)),
                    $part: i64::from_be_bytes(part),
                })
            }
        }

        text_form!($name);
    };
}

uuid_id!(/// A person or organisation that owns one wallet.
    CustomerId, "cus_");
uuid_id!(/// What a customer holds.
    WalletId, "wal_");
uuid_id!(/// An API key's public name; its secret is stored hashed only.
    ApiKeyId, "key_");
uuid_id!(/// A purchase on its way through a gateway's page.
    CheckoutId, "chk_");
uuid_id!(/// Manual work on one wallet that looks like abuse.
    CaseId, "cas_");
wallet_id!(/// A grant and the lot it made.
    GrantId, "grt_", seq);
wallet_id!(/// Credits set aside before the work.
    HoldId, "hld_", seq);
wallet_id!(/// The proof of one debit.
    ReceiptId, "rct_", seq);
wallet_id!(/// A price given before the work; `nonce` is random.
    QuoteId, "quo_", nonce);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_their_prefix_and_read_back() {
        let wallet = WalletId::from_uuid(Uuid::from_u128(0x0190_1234_5678_7abc_8def_0123_4567_89ab));
        assert_eq!(wallet.to_string().parse(), Ok(wallet));
        for seq in [0, 1, 77, i64::MAX, -1] {
            let hold = HoldId { wallet, seq };
            assert!(hold.to_string().starts_with("hld_"));
            assert_eq!(hold.to_string().len(), 4 + 39);
            assert_eq!(hold.to_string().parse(), Ok(hold));
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let wallet = WalletId::from_uuid(Uuid::from_u128(7));
        assert_eq!(wallet.to_string().parse::<CustomerId>(), Err(IdError { prefix: "cus_" }));
        assert!("hld_zzz".parse::<HoldId>().is_err());
        assert!("".parse::<HoldId>().is_err());
    }
}
