//! What derived schemas cannot say: which members of a body exclude or need each other. The readers of
//! these bodies check the same.

use serde_json::{Value, json};

/// Adds the rules to the schemas of the document.
pub fn add(document: &mut Value) {
    let rules = [
        ("NewHold", hold()),
        ("Capture", json!({"oneOf": [{"required": ["quantities"]}, {"required": ["credits"]}]})),
        ("Extension", json!({"anyOf": [{"required": ["credits"]}, {"required": ["ttl_seconds"]}]})),
        ("NewApiKey", api_key()),
        ("NewCheckout", checkout()),
        ("CloudEvent", event()),
    ];
    for (name, rule) in rules {
        let schema =
            document.pointer_mut(&format!("/components/schemas/{name}")).and_then(Value::as_object_mut);
        let (Some(schema), Value::Object(rule)) = (schema, rule) else { continue };
        schema.extend(rule);
    }
}

/// A quote, or work, or credits; options belong to work.
fn hold() -> Value {
    json!({
        "oneOf": [
            {"required": ["quote"]},
            {"required": ["feature", "model", "quantities"]},
            {"required": ["credits"]},
        ],
        "dependentRequired": {
            "feature": ["model", "quantities"],
            "model": ["feature", "quantities"],
            "quantities": ["feature", "model"],
            "options": ["feature"],
        },
    })
}

/// A merchant's key may do something; a customer's key needs no scopes.
fn api_key() -> Value {
    json!({
        "anyOf": [
            {"required": ["scopes"], "properties": {"scopes": {"minItems": 1}}},
            {"required": ["customer"], "properties": {"customer": {"type": "string"}}},
        ],
    })
}

/// CloudEvents 1.0 allows extensions by the form of their names, and its binary data is not taken.
fn event() -> Value {
    json!({"propertyNames": {"pattern": "^[a-z0-9]*$"}})
}

/// A pack, or a custom amount; only packs have a quantity.
fn checkout() -> Value {
    json!({
        "oneOf": [{"required": ["pack"]}, {"required": ["credits"]}],
        "dependentRequired": {"quantity": ["pack"]},
    })
}
