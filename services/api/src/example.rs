//! The example of an operation: a call that can be pasted into a shell.

use serde_json::{Value, json};

/// Whom the example of creating a customer creates.
const CUSTOMER: &str = "acme-1";

/// Expects the address in `$URL`, the API key in `$KEY` and, for an object, its id in `$ID`.
pub fn curl(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let content = operation.pointer("/requestBody/content").and_then(Value::as_object);
    let content = content.and_then(|contents| contents.iter().next());
    let verb = match (method, content) {
        // What curl does of itself.
        ("get", _) | ("post", Some(_)) => String::new(),
        _ => format!("-X {} ", method.to_uppercase()),
    };
    let id = if names_a_customer(operation) { CUSTOMER } else { "$ID" };
    let mut lines = vec![format!("curl {verb}\"$URL{}\"", path.replace("{id}", id))];
    if operation["security"] != json!([{}]) {
        lines.push("-H \"Authorization: Bearer $KEY\"".to_owned());
    }
    if parameters(operation).any(|p| p["name"] == "Stripe-Signature") {
        lines.push("-H \"Stripe-Signature: $SIGNATURE\"".to_owned());
    }
    if parameters(operation).any(|p| p["name"] == "Idempotency-Key" && p["required"] == true) {
        let name = operation["operationId"].as_str().unwrap_or_default().replace('_', "-");
        lines.push(format!("-H \"Idempotency-Key: {name}-1\""));
    }
    if let Some((media_type, content)) = content {
        lines.push(format!("-H \"Content-Type: {media_type}\""));
        lines.push(format!("-d '{:#}'", example(document, content)));
    }
    lines.join(" \\\n  ")
}

/// The schema itself, or the one that it refers to.
pub fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).map(|r| r.trim_start_matches('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn example(document: &Value, content: &Value) -> Value {
    let schema = resolved(document, content.get("schema").unwrap_or(&Value::Null));
    schema.get("example").or_else(|| schema.pointer("/examples/0")).cloned().unwrap_or(json!({}))
}

fn names_a_customer(operation: &Value) -> bool {
    let is_customer = |schema: &Value| {
        schema.get("$ref").and_then(Value::as_str).is_some_and(|r| r.ends_with("/CustomerRef"))
    };
    parameters(operation).any(|p| p["in"] == "path" && is_customer(&p["schema"]))
}

fn parameters(operation: &Value) -> impl Iterator<Item = &Value> {
    operation.get("parameters").and_then(Value::as_array).into_iter().flatten()
}
