//! Stripe's clients write nested values as `line_items[0][price_data][currency]=usd`. Every leaf is a text;
//! objects whose keys are all numbers become lists.

use serde_json::{Map, Value};

use crate::error::ApiError;

const PAIRS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 8;

/// Reads a query or a form into one object.
pub(crate) fn parse(text: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let mut root = Map::new();
    for (n, (key, value)) in form_urlencoded::parse(text).enumerate() {
        if n == PAIRS_MAX {
            return Err(ApiError::invalid(format!("more than {PAIRS_MAX} parameters")));
        }
        let path = path(&key).ok_or_else(|| ApiError::invalid(format!("Invalid parameter name: {key}")))?;
        insert(&mut root, &path, &value);
    }
    Ok(root.into_iter().map(|(name, value)| (name, listed(value))).collect())
}

/// `a[b][]` as `["a", "b", ""]`; `None` when the brackets do not fit.
fn path(key: &str) -> Option<Vec<&str>> {
    let Some((head, rest)) = key.split_once('[') else { return Some(vec![key]) };
    let inner = rest.strip_suffix(']')?;
    let mut path = vec![head];
    path.extend(inner.split("]["));
    let fits = path.len() <= DEPTH_MAX && !path.iter().any(|part| part.contains(['[', ']']));
    fits.then_some(path)
}

fn insert(object: &mut Map<String, Value>, path: &[&str], value: &str) {
    let Some((first, rest)) = path.split_first() else { return };
    let name = if first.is_empty() { object.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        object.insert(name, Value::from(value));
        return;
    }
    let slot = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    if let Some(inner) = slot.as_object_mut() {
        insert(inner, rest, value);
    }
}

fn listed(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let mut numbered: Vec<(usize, Value)> = Vec::new();
    let is_list = !object.is_empty() && object.keys().all(|key| key.parse::<usize>().is_ok());
    if !is_list {
        return Value::Object(object.into_iter().map(|(name, value)| (name, listed(value))).collect());
    }
    numbered.extend(object.into_iter().filter_map(|(key, value)| Some((key.parse().ok()?, listed(value)))));
    numbered.sort_by_key(|(n, _)| *n);
    Value::Array(numbered.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn brackets_become_objects_and_lists() {
        let text =
            b"mode=payment&line_items[0][quantity]=2&line_items%5B0%5D%5Bprice_data%5D%5Bcurrency%5D=usd\
            &expand[]=a&expand[]=b&metadata[a b]=c%20d";
        let expected = json!({
            "mode": "payment",
            "line_items": [{ "quantity": "2", "price_data": { "currency": "usd" } }],
            "expand": ["a", "b"],
            "metadata": { "a b": "c d" },
        });
        assert_eq!(serde_json::Value::Object(parse(text).expect("a form")), expected);
    }

    #[test]
    fn what_is_not_a_form_is_refused_and_never_deep() {
        assert!(parse(b"a[b=c").is_err());
        assert!(parse(b"a[[b]]=c").is_err());
        assert!(parse(b"a[b][c][d][e][f][g][h][i]=j").is_err());
        assert!(parse("a=1&".repeat(1_001).as_bytes()).is_err());
        assert_eq!(parse(b"").expect("empty").len(), 0);
    }
}
