//! Strict JSON: what serde would quietly accept (duplicate members, arrays in place of objects,
//! U+0000) is refused, and every error names the member it is about.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::problem::FieldProblem;

/// The longest path and message about a member; a longer one would only repeat the caller's value.
const MESSAGE_CHARS: usize = 300;

/// Reads one JSON object. The parser itself bounds the depth (128 levels).
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldProblem> {
    check(bytes)?;
    read_parts(bytes)
}

/// As [`read`], for a `T` that refuses by itself what comes twice, in all of its objects: where nothing is escaped, there
/// is no U+0000 either, and one reading is enough.
pub fn read_once<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldProblem> {
    match serde_json::from_slice::<Object<T>>(bytes) {
        Ok(read) if !bytes.contains(&b'\\') || check(bytes).is_ok() => Ok(read.0),
        _ => read(bytes),
    }
}

/// As [`read`], but what `T` keeps as raw text is not looked into.
pub fn read_parts<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldProblem> {
    if let Ok(read) = serde_json::from_slice::<Object<T>>(bytes) {
        return Ok(read.0);
    }
    // Only what failed is read again, slowly, to learn where.
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize::<_, Object<T>>(&mut parser).map_err(flaw)?;
    ends(&mut parser)?;
    Ok(read.0)
}

/// As [`read`], from what was read before.
pub fn read_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, FieldProblem> {
    serde_path_to_error::deserialize::<_, Object<T>>(value).map(|object| object.0).map_err(flaw)
}

/// That the bytes are one JSON text without duplicate members and without U+0000.
pub fn check(bytes: &[u8]) -> Result<(), FieldProblem> {
    let mut quick = serde_json::Deserializer::from_slice(bytes);
    if Strict.deserialize(&mut quick).is_ok() && quick.end().is_ok() {
        return Ok(());
    }
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut parser, &mut track);
    let read = Strict.deserialize(tracked);
    read.map_err(|error| {
        if error.is_data() {
            let field = field_of(&track.path().to_string());
            return FieldProblem { field, message: message_of(&error.to_string()) };
        }
        // Where the text breaks off or goes wrong helps more than the member that was read last.
        FieldProblem { field: String::new(), message: format!("it is not JSON ({error})") }
    })?;
    ends(&mut parser)
}

fn ends(parser: &mut serde_json::Deserializer<serde_json::de::SliceRead<'_>>) -> Result<(), FieldProblem> {
    parser.end().map_err(|_| FieldProblem {
        field: String::new(),
        message: "something follows the JSON value".to_owned(),
    })
}

/// For `#[serde(deserialize_with)]` on a member that is an object, absent or null: an array is none of these.
pub fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(<Option<Object<T>> as de::Deserialize>::deserialize(deserializer)?.map(|object| object.0))
}

/// A struct that is read from a JSON object only; derived code would take an array as well.
struct Object<T>(T);

impl<'de, T: DeserializeOwned> de::Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// Walks any JSON value and keeps nothing.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        // PostgreSQL cannot store it, and no name has it.
        if text.contains('\0') { Err(E::custom("contains the character U+0000")) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some(Name(name)) = members.next_key()? {
            if name.contains('\0') {
                return Err(de::Error::custom("contains the character U+0000"));
            }
            members.next_value_seed(Strict)?;
            names.push(name);
        }
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(de::Error::custom(format!("has the member {:?} twice", twice[0]))),
            None => Ok(()),
        }
    }
}

/// The name of a member, borrowed where nothing in it is escaped.
pub struct Name<'de>(pub Cow<'de, str>);

impl<'de> de::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'de>, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

/// An error of a reader, with the member that it is about.
pub fn flaw<E: fmt::Display>(error: serde_path_to_error::Error<E>) -> FieldProblem {
    let message = message_of(&error.inner().to_string());
    let field = field_of(&error.path().to_string());
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let field = if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
        return FieldProblem { field, message: "is missing".to_owned() };
    }
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let known = rest.split_once(", expected ").map_or("none", |(_, known)| known);
        let known = known.trim_start_matches("one of ");
        return FieldProblem { field, message: format!("is not known here; known: {known}") };
    }
    let types = message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    if let Some((found, expected)) = types {
        let message = format!("must be {expected}, not {found}");
        return FieldProblem { field, message };
    }
    FieldProblem { field, message }
}

/// The tracker writes "." for the root and "?" for a member whose name was not read to its end.
fn field_of(path: &str) -> String {
    let known = path.strip_suffix(".?").unwrap_or(path);
    if matches!(known, "." | "?") { String::new() } else { known.chars().take(MESSAGE_CHARS).collect() }
}

/// serde_json ends its messages with a place in the text, which says less than the field does.
fn message_of(error: &str) -> String {
    let message = error.rsplit_once(" at line ").map_or(error, |(message, _)| message);
    message.chars().take(MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Order {
        customer: String,
        count: Option<u32>,
        #[serde(default, deserialize_with = "optional_object")]
        options: Option<Choices>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Choices {
        style: Option<String>,
    }

    fn field(body: &str) -> String {
        read::<Order>(body.as_bytes()).map(|_| "fine".to_owned()).unwrap_or_else(|e| e.field)
    }

    #[test]
    fn an_error_names_its_member() {
        let cases = [
            (r#"{"customer": "a", "count": 3, "options": {"style": "x"}}"#, "fine"),
            (r#"{"customer": "a", "options": null}"#, "fine"),
            (r#"{"customer": 1}"#, "customer"),
            (r#"{"customer": "a", "count": -1}"#, "count"),
            (r#"{"customer": "a", "size": 1}"#, "size"),
            (r#"{"customer": "a", "options": {"hue": 1}}"#, "options.hue"),
            (r#"{"customer": "a", "options": {"style": 1}}"#, "options.style"),
            (r#"{"customer": "a", "options": ["x"]}"#, "options"),
            (r#"{"customer": "a\u0000"}"#, "customer"),
            (r#"{"customer": "a", "customer": "b"}"#, ""),
            (r#"{"count": 1}"#, "customer"),
            (r#"{"customer": "a"} {}"#, ""),
            ("null", ""),
            ("[]", ""),
            (r#"["a", 1, null]"#, ""),
            ("", ""),
            ("{", ""),
        ];
        for (body, expected) in cases {
            assert_eq!(field(body), expected, "{body} {:?}", read::<Order>(body.as_bytes()).err());
        }
    }

    #[test]
    fn an_error_says_what_to_write_instead() {
        let cases = [
            (r#"{"customer": 5}"#, "must be a string, not integer `5`"),
            (r#"{"customer": "a", "size": 1}"#, "is not known here; known: `customer`, `count`, `options`"),
            (r#"{"customer": "#, "it is not JSON (EOF while parsing a value at line 1 column 13)"),
        ];
        for (body, expected) in cases {
            assert_eq!(read::<Order>(body.as_bytes()).unwrap_err().message, expected);
        }
    }

    #[test]
    fn no_depth_and_no_escape_gets_past() {
        assert!(check("[".repeat(100_000).as_bytes()).is_err());
        assert!(check(br#"{"a": "\ud800"}"#).is_err());
        assert!(check(b"{\"a\": \"\xff\"}").is_err());
        assert!(check(br#"{"a": 1e400}"#).is_err());
        assert!(check(br#"{"a": "\\u0000"}"#).is_ok());
    }
}
