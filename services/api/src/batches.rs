use std::cell::Cell;
use std::fmt;

use app::usage::{self, BATCH_MAX, BatchItem};
use app::{AppError, Done, Keyed, receipts};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use kernel::IdempotencyKey;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::answer::{Answer, answer_of};
use crate::body::{BATCH_MAX_BYTES, Input, Moving, RequiredKey, input_hash};
use crate::caller::Caller;
use crate::json::{self, Name};
use crate::observe::RequestId;
use crate::problem::{FieldProblem, Problem, ProblemBody};
use crate::receipts::Receipt;
use crate::usage::NewUsage;

/// The member of an item that names its own key.
const OWN_KEY: &str = "idempotency_key";

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Many reports at once. Each item is a `NewUsage` of its own, with an optional `idempotency_key`; without
/// one its key is the header's with `/` and the item's index, from 0. An item that is anything else fails
/// alone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"items": [{"customer": "acme-1", "feature": "text.generate", "model": "gpt-4", "quantities": {"output_tokens": 500}}]}))]
pub struct UsageBatch {
    #[schema(value_type = Vec<Value>, min_items = 1, max_items = 1000)]
    items: Vec<Box<RawValue>>,
}

/// One answer per item, in order.
#[derive(Serialize, ToSchema)]
pub struct BatchAnswer {
    #[schema(value_type = Vec<BatchResult>)]
    results: Results,
}

/// Each is made when it is written.
struct Results(Cell<Option<Box<dyn Iterator<Item = BatchResult>>>>);

impl Serialize for Results {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.take().into_iter().flatten())
    }
}

/// A receipt, or the problem of this item alone.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "lives for the length of one answer")]
pub enum BatchResult {
    Receipt(Receipt),
    Problem(ProblemBody),
}

/// Report usage in a batch
///
/// Up to 1,000 items. Not all-or-nothing: each item is charged or refused by itself, exactly as if it
/// had been sent alone.
#[utoipa::path(post, path = "/v1/usage/batch", tag = "Usage", operation_id = "report_usage_batch",
    params(RequiredKey), request_body = UsageBatch,
    responses((status = 200, description = "One result per item, in order.", body = BatchAnswer)))]
async fn create(
    caller: Caller,
    State(api): State<Api>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    sent: Moving<UsageBatch>,
) -> Answer {
    let items = read_items(&sent.body.items, &sent.key.key)?;
    let done = usage::report_batch(&api.app, &caller.0, items).await?;
    let result = move |(i, result): (usize, Result<Done<receipts::Receipt>, AppError>)| match result {
        Ok(done) => BatchResult::Receipt(done.value.into()),
        Err(error) => BatchResult::Problem(of_item(i, error).body(&request_id, &api.links)),
    };
    let receipts = done.results.len();
    let results = Results(Cell::new(Some(Box::new(done.results.into_iter().enumerate().map(result)))));
    Ok(answer_of(receipts, StatusCode::OK, done.replayed, BatchAnswer { results }))
}

impl Input for UsageBatch {
    const MAX_BYTES: usize = BATCH_MAX_BYTES;
    /// An item with a flaw fails alone (rules.md, "Errors").
    const READ: fn(&[u8]) -> Result<UsageBatch, FieldProblem> = json::read_parts;
}

fn read_items(items: &[Box<RawValue>], key: &IdempotencyKey) -> Result<Vec<BatchItem>, Problem> {
    if !(1..=BATCH_MAX).contains(&items.len()) {
        return Err(Problem::field("items", format!("must be 1 to {BATCH_MAX}")));
    }
    Ok(items.iter().enumerate().map(|(i, item)| read_item(i, item.get(), key)).collect())
}

fn read_item(index: usize, item: &str, key: &IdempotencyKey) -> BatchItem {
    let invalid = |e: FieldProblem| AppError::invalid(e.field, e.message);
    let Item { own_key, usage } = match serde_json::from_str(item) {
        Ok(read) if !item.contains('\\') || json::check(item.as_bytes()).is_ok() => read,
        _ => read_item_slowly(item).map_err(invalid)?,
    };
    let own_key = match own_key {
        None | Some(Value::Null) => format!("{key}/{index}"),
        Some(Value::String(text)) => text,
        Some(_) => return Err(AppError::invalid(OWN_KEY, "must be a string")),
    };
    // As if it had been sent alone (rules.md, "Idempotency").
    let hash = input_hash("POST", "/v1/usage", item.as_bytes());
    let keyed = Keyed::sent(&own_key, hash).map_err(|message| AppError::invalid(OWN_KEY, message))?;
    Ok((usage.into(), keyed))
}

/// Finds out which member is wrong.
fn read_item_slowly(item: &str) -> Result<Item, FieldProblem> {
    let mut members: Map<String, Value> = json::read(item.as_bytes())?;
    let own_key = members.remove(OWN_KEY);
    Ok(Item { own_key, usage: json::read_value(Value::Object(members))? })
}

/// A report with its own key, read in one go. Refuses a member that comes twice, as [`NewUsage`] does.
struct Item {
    own_key: Option<Value>,
    usage: NewUsage,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_map(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Item, A::Error> {
        let mut own_key = None;
        let others = WithoutKey { members, own_key: &mut own_key };
        let usage = NewUsage::deserialize(MapAccessDeserializer::new(others))?;
        Ok(Item { own_key, usage })
    }
}

/// The members of an item; its own key is put aside.
struct WithoutKey<'k, A> {
    members: A,
    own_key: &'k mut Option<Value>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutKey<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Name(name)) = self.members.next_key()? {
            if name != OWN_KEY {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            if self.own_key.replace(self.members.next_value()?).is_some() {
                return Err(serde::de::Error::custom(format!("has the member {OWN_KEY:?} twice")));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.members.next_value_seed(seed)
    }
}

/// The problem of one item; its members are named from the batch.
fn of_item(index: usize, error: AppError) -> Problem {
    let problem = Problem::from(error);
    if problem.errors.is_empty() {
        return problem;
    }
    let named = |e: FieldProblem| match e.field.as_str() {
        "" => FieldProblem { field: format!("items[{index}]"), ..e },
        field => FieldProblem { field: format!("items[{index}].{field}"), ..e },
    };
    Problem::fields(problem.errors.into_iter().map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<BatchItem>, Problem> {
        let batch: UsageBatch = json::read_parts(body.as_bytes()).map_err(|e| Problem::fields(vec![e]))?;
        read_items(&batch.items, &IdempotencyKey::new("k").unwrap())
    }

    #[test]
    fn an_item_with_a_flaw_fails_alone_with_its_index() {
        let good = r#"{"customer": "a", "feature": "f", "model": "m", "quantities": {"images": 1}}"#;
        let body = format!(
            r#"{{"items": [{good}, {{"customer": "a\u0000"}}, {{"customer": 1}}, null, {{"x": 1, "x": 1}}]}}"#
        );
        let items = read(&body).unwrap();
        let (_, keyed) = items[0].as_ref().unwrap();
        assert_eq!(keyed.key.as_str(), "k/0");
        assert_eq!(keyed.hash, input_hash("POST", "/v1/usage", good.as_bytes()));
        let fields: Vec<String> = items
            .into_iter()
            .skip(1)
            .zip(1..)
            .map(|(item, i)| of_item(i, item.unwrap_err()).errors[0].field.clone())
            .collect();
        assert_eq!(fields, ["items[1].customer", "items[2].customer", "items[3]", "items[4]"]);
    }

    #[test]
    fn an_item_may_bring_its_own_key() {
        let items = read(
            r#"{"items": [{"idempotency_key": "mine", "customer": "a", "feature": "f", "model": "m", "quantities": {}},
                {"idempotency_key": "", "customer": "a", "feature": "f", "model": "m", "quantities": {}},
                {"idempotency_key": "x", "customer": "a", "feature": "f", "model": "m", "quantities": {}, "idempotency_key": "y"}]}"#,
        )
        .unwrap();
        assert_eq!(items[0].as_ref().unwrap().1.key.as_str(), "mine");
        assert!(items[1].is_err());
        let AppError::Invalid { errors: flaws } = items[2].as_ref().unwrap_err() else {
            panic!("not invalid")
        };
        assert!(format!("{flaws:?}").contains("twice"), "{flaws:?}");
    }

    #[test]
    fn a_batch_has_1_to_1000_items_and_nothing_else() {
        assert!(read(r#"{"items": []}"#).is_err());
        assert!(read(&format!(r#"{{"items": [{}]}}"#, ["{}"; 1001].join(","))).is_err());
        assert!(read(r#"{"items": [{}], "more": 1}"#).is_err());
        assert!(read(r#"{"items": [{}], "items": [{}]}"#).is_err());
        assert!(read("[[]]").is_err());
    }
}
