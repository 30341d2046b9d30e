//! Names and free text at the edge: bounded, never empty, without U+0000.

use std::borrow::Cow;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// One line of any characters but control characters.
const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
/// Any characters but U+0000.
const LINES: &str = r"^[^\x00]*$";
/// A name that stands in paths and logs: letters, digits and a few signs.
const NAME: &str = r"^[A-Za-z0-9._:@/+-]*$";
/// The shape of an IANA zone.
const ZONE: &str = r"^[A-Za-z][A-Za-z0-9_/+-]*$";
/// Something, one @, something; visible ASCII.
const EMAIL: &str = r"^[!-?A-~]+@[!-?A-~]+$";

macro_rules! text {
    ($(#[doc = $doc:literal])* $name:ident, $max:literal, $pattern:expr, $fits:expr) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub String);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                check(text, $max, $fits)?;
                Ok($name(text.to_owned()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::new(Type::String))
                    .min_length(Some(1))
                    .max_length(Some($max))
                    .pattern(Some($pattern))
                    .description(Some(concat!($($doc),*).trim()))
                    .into()
            }
        }

        impl ToSchema for $name {}
    };
}

text!(/// A customer: `cus_…` or an external_id.
    CustomerRef, 255, LINE, is_line);
text!(/// The merchant's own name for a customer; it may not look like one of our ids.
    ExternalId, 255, LINE, is_line);
text!(/// A name that people read.
    DisplayName, 255, LINE, is_line);
text!(/// A mail address.
    Email, 254, EMAIL, is_email);
text!(/// An IANA time zone such as `Europe/Berlin`.
    TimeZone, 64, ZONE, is_zone);
text!(/// A feature of the catalogue, such as `image.generate`.
    FeatureName, 100, NAME, is_name);
text!(/// A model of the feature, such as `sdxl`.
    ModelName, 100, NAME, is_name);
text!(/// An absolute http or https URL.
    WebAddress, 2_048, LINE, is_line);
text!(/// The id of a gateway's event, such as `evt_…`.
    EventId, 255, LINE, is_line);
text!(/// The id of a pack, such as `pack_500`.
    PackId, 100, NAME, is_name);
text!(/// Why; kept with the entry.
    Reason, 1_000, LINE, is_line);
text!(/// One piece of customer work, such as an agent run.
    Job, 255, LINE, is_line);
text!(/// The end user on whose behalf it happens.
    Subject, 255, LINE, is_line);
text!(/// The vendor's id for one call; unique for ever in its wallet.
    VendorTransaction, 255, LINE, is_line);
text!(/// The value of an option, such as `hd`.
    OptionValue, 255, LINE, is_line);
text!(/// A short fact about where the request came from.
    ContextText, 255, LINE, is_line);
text!(/// What is asked of the model; only its complexity is kept.
    Prompt, 200_000, LINES, is_lines);
text!(/// A rate card as a TOML document.
    CatalogueText, 900_000, LINES, is_lines);

fn check(text: &str, max: usize, fits: fn(&str) -> bool) -> Result<(), String> {
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        n if n > max => Err(format!("must have at most {max} characters")),
        _ if !fits(text) => Err("has a character that it may not have".to_owned()),
        _ => Ok(()),
    }
}

fn is_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn is_lines(text: &str) -> bool {
    !text.contains('\0')
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:@/+-".contains(&b))
}

fn is_zone(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_/+-".contains(&b))
}

fn is_email(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
    text.split_once('@').is_some_and(|(local, domain)| is_part(local) && is_part(domain))
}

impl CustomerRef {
    /// As the use cases take it.
    pub fn named(&self) -> app::CustomerRef {
        self.0.as_str().into()
    }
}

/// For `#[serde(deserialize_with)]`: one of a closed list of names. Derived code for such an enum would
/// take an object as well.
pub fn named<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(|_| de::Error::custom("is not one of the known values"))
}

/// The schema of such a name.
pub fn one_of(description: &str, names: impl IntoIterator<Item = &'static str>) -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(description))
        .enum_values(Some(names))
        .into()
}

/// A string schema of our typed ids.
pub fn id_schema(prefix: &str, letters: usize) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .pattern(Some(format!("^{prefix}[0-9a-hjkmnp-tv-z]{{{letters}}}$")))
        .description(Some(format!("An id that starts with `{prefix}`.")))
        .into()
}

macro_rules! id {
    ($name:ident, $of:ty, $letters:literal) => {
        /// The schema of an id.
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                id_schema(<$of>::PREFIX, $letters)
            }
        }

        impl ToSchema for $name {}
    };
}

id!(CustomerId, kernel::CustomerId, 26);
id!(WalletId, kernel::WalletId, 26);
id!(CaseId, kernel::CaseId, 26);
id!(CheckoutId, kernel::CheckoutId, 26);
id!(ApiKeyId, kernel::ApiKeyId, 26);
id!(GrantId, kernel::GrantId, 39);
id!(HoldId, kernel::HoldId, 39);
id!(ReceiptId, kernel::ReceiptId, 39);
id!(QuoteId, kernel::QuoteId, 39);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_in_characters() {
        assert!("ü".repeat(255).parse::<ExternalId>().is_ok());
        assert!("ü".repeat(256).parse::<ExternalId>().is_err());
        assert!("".parse::<ExternalId>().is_err());
        assert!("a\0".parse::<ExternalId>().is_err());
        for (mail, fits) in [("a@b", true), ("a@", false), ("a@b@c", false), ("a b@c", false), ("ab", false)]
        {
            assert_eq!(mail.parse::<Email>().is_ok(), fits, "{mail}");
        }
    }
}
