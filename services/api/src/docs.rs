//! `/docs`: the OpenAPI document as a page. No script, nothing from elsewhere.

use askama::Template;
use serde_json::{Map, Value, json};

use crate::document::TAGS;
use crate::problem::{KINDS, Kind};

/// The page's style sheet, served beside it.
pub const STYLE: &str = include_str!("../../../web/static/docs.css");
/// Nothing but our own style sheet may load.
pub const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    title: String,
    version: String,
    introduction: Vec<Vec<Span>>,
    groups: Vec<Group>,
    schemas: Vec<Object>,
    kinds: &'static [&'static Kind],
}

struct Group {
    anchor: String,
    name: &'static str,
    description: &'static str,
    operations: Vec<Operation>,
}

struct Operation {
    anchor: String,
    method: String,
    path: String,
    summary: String,
    description: Vec<Span>,
    parameters: Vec<Member>,
    bodies: Vec<Body>,
    responses: Vec<Answer>,
    example: String,
}

struct Body {
    media_type: String,
    kind: Type,
}

struct Answer {
    status: String,
    description: Vec<Span>,
    kind: Type,
}

struct Object {
    anchor: String,
    name: String,
    description: Vec<Span>,
    kind: Type,
    members: Vec<Member>,
}

struct Member {
    name: String,
    kind: Type,
    is_required: bool,
    description: Vec<Span>,
}

/// The words for a schema, with the object that they lead to.
#[derive(Default)]
struct Type {
    words: String,
    anchor: String,
}

/// A stretch of text; descriptions mark code with backticks.
struct Span {
    text: String,
    is_code: bool,
}

/// The page of a completed document.
pub fn render(document: &Value) -> Result<String, askama::Error> {
    let page = Page {
        title: text(document, "/info/title"),
        version: text(document, "/info/version"),
        introduction: text(document, "/info/description").split("\n\n").map(spans).collect(),
        groups: TAGS.iter().map(|(name, description)| group(document, name, description)).collect(),
        schemas: members_of(document, "/components/schemas").map(|(name, schema)| object(name, schema)).collect(),
        kinds: KINDS,
    };
    page.render()
}

fn group(document: &Value, name: &'static str, description: &'static str) -> Group {
    let mut operations = Vec::new();
    for (path, item) in members_of(document, "/paths") {
        for (method, value) in item.as_object().into_iter().flatten() {
            if value.pointer("/tags/0").is_some_and(|tag| tag == name) {
                operations.push(operation(document, path, method, value));
            }
        }
    }
    Group { anchor: anchor(name), name, description, operations }
}

fn operation(document: &Value, path: &str, method: &str, value: &Value) -> Operation {
    let parameters = value.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let contents = members_of(value, "/requestBody/content");
    Operation {
        anchor: text(value, "/operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(value, "/summary"),
        description: spans(&text(value, "/description")),
        parameters: parameters.map(parameter).collect(),
        bodies: contents.map(|(media_type, content)| body(media_type, content)).collect(),
        responses: members_of(value, "/responses").map(|(status, response)| answer(status, response)).collect(),
        example: curl(document, path, method, value),
    }
}

fn parameter(value: &Value) -> Member {
    let place = text(value, "/in");
    let mut kind = kind_of(value.get("schema").unwrap_or(&Value::Null));
    kind.words = format!("{}, in the {place}", kind.words);
    Member {
        name: text(value, "/name"),
        kind,
        is_required: value.get("required").is_some_and(|r| r == true),
        description: spans(&text(value, "/description")),
    }
}

fn body(media_type: &str, content: &Value) -> Body {
    Body { media_type: media_type.to_owned(), kind: kind_of(content.get("schema").unwrap_or(&Value::Null)) }
}

fn answer(status: &str, response: &Value) -> Answer {
    let schema = members_of(response, "/content").next().and_then(|(_, content)| content.get("schema"));
    Answer {
        status: status.to_owned(),
        description: spans(&text(response, "/description")),
        kind: schema.map(kind_of).unwrap_or_default(),
    }
}

fn object(name: &str, schema: &Value) -> Object {
    let required: Vec<&Value> = schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
    let members = members_of(schema, "/properties").map(|(member, value)| Member {
        name: member.to_owned(),
        kind: kind_of(value),
        is_required: required.iter().any(|r| *r == member),
        description: spans(&text(value, "/description")),
    });
    Object {
        anchor: format!("schema-{name}"),
        name: name.to_owned(),
        description: spans(&text(schema, "/description")),
        kind: kind_of(schema),
        members: members.collect(),
    }
}

fn kind_of(schema: &Value) -> Type {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
        return Type { words: name.to_owned(), anchor: format!("schema-{name}") };
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(options) = schema.get(choice).and_then(Value::as_array) {
            return choice_of(options);
        }
    }
    if let Some(items) = schema.get("items") {
        let of = kind_of(items);
        return Type { words: format!("array of {}", of.words), anchor: of.anchor };
    }
    let words = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Some(Value::String(one)) => one.clone(),
        _ => "anything".to_owned(),
    };
    Type { words: format!("{words}{}", bounds(schema)), anchor: String::new() }
}

fn choice_of(options: &[Value]) -> Type {
    let options: Vec<Type> = options.iter().map(kind_of).collect();
    let words = options.iter().map(|o| o.words.as_str()).collect::<Vec<_>>().join(" or ");
    let anchor = options.into_iter().map(|o| o.anchor).find(|a| !a.is_empty()).unwrap_or_default();
    Type { words, anchor }
}

/// What else a schema asks for, in words.
fn bounds(schema: &Value) -> String {
    let words = [
        ("format", "format"),
        ("minimum", "from"),
        ("maximum", "to"),
        ("maxLength", "at most characters:"),
        ("maxItems", "at most items:"),
        ("pattern", "pattern"),
    ];
    let mut text = String::new();
    for (member, word) in words {
        match schema.get(member) {
            Some(Value::String(value)) => text.push_str(&format!(", {word} {value}")),
            Some(value) => text.push_str(&format!(", {word} {value}")),
            None => {}
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        text.push_str(&format!(": {}", values.join(", ")));
    }
    text
}

/// A call that can be pasted into a shell.
fn curl(document: &Value, path: &str, method: &str, value: &Value) -> String {
    let mut lines = vec![format!("curl -X {} \"$SCRIP_URL{path}\"", method.to_uppercase())];
    lines.push("-H \"Authorization: Bearer $SCRIP_KEY\"".to_owned());
    let parameters = value.get("parameters").and_then(Value::as_array);
    let is_key = |p: &&Value| p.get("name").is_some_and(|n| n == "Idempotency-Key") && p.get("required") == Some(&json!(true));
    if parameters.is_some_and(|all| all.iter().any(|p| is_key(&p))) {
        lines.push("-H \"Idempotency-Key: $(uuidgen)\"".to_owned());
    }
    if let Some((media_type, content)) = members_of(value, "/requestBody/content").next() {
        lines.push(format!("-H \"Content-Type: {media_type}\""));
        lines.push(format!("-d '{}'", example(document, content)));
    }
    lines.join(" \\\n  ")
}

fn example(document: &Value, content: &Value) -> Value {
    let schema = content.get("schema").unwrap_or(&Value::Null);
    let referred = schema.get("$ref").and_then(Value::as_str).and_then(|r| document.pointer(r.trim_start_matches('#')));
    let schema = referred.unwrap_or(schema);
    schema.get("example").or_else(|| schema.pointer("/examples/0")).cloned().unwrap_or(json!({}))
}

fn members_of<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let object: Option<&Map<String, Value>> = value.pointer(pointer).and_then(Value::as_object);
    object.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn spans(text: &str) -> Vec<Span> {
    let pieces = text.split('`').enumerate();
    pieces.map(|(i, piece)| Span { text: piece.to_owned(), is_code: i % 2 == 1 }).collect()
}

fn anchor(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}
