//! Query parameters, strictly: an unknown, repeated or malformed one is a 400 that names it.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};

use crate::json;
use crate::problem::Problem;

/// What a handler reads from the query; `T` refuses unknown fields, and its fields read texts.
pub struct Strict<T>(pub T);

/// For GET requests that take no parameters at all.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Strict<T>, Problem> {
        read(parts).map(Strict)
    }
}

pub fn read<T: DeserializeOwned>(parts: &Parts) -> Result<T, Problem> {
    let malformed = |_| Problem::field("", "the query string is malformed");
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(malformed)?;
    for (i, (name, value)) in pairs.iter().enumerate() {
        if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
            return Err(Problem::field(name, "is given twice"));
        }
        if value.contains('\0') {
            return Err(Problem::field(name, "contains the character U+0000"));
        }
    }
    let map: MapDeserializer<'_, _, de::value::Error> = MapDeserializer::new(pairs.into_iter());
    serde_path_to_error::deserialize(map).map_err(|error| Problem::fields(vec![json::flaw(error)]))
}

/// For `#[serde(deserialize_with)]` on an optional parameter.
pub fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    String::deserialize(deserializer)?.parse().map(Some).map_err(de::Error::custom)
}
