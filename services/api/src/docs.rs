//! `/docs`: the OpenAPI document as a page. No script, nothing from elsewhere.

use askama::Template;
use serde_json::{Map, Value};

use crate::document::TAGS;
use crate::example;
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
    answers: Vec<Answer>,
    /// The first kind of each status that it can fail with; the list of errors goes on from there.
    failures: Vec<&'static Kind>,
    example: String,
}

struct Body {
    media_type: String,
    kind: Type,
    description: Vec<Span>,
    members: Vec<Member>,
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
    /// Of a parameter: `in the path`.
    place: String,
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
        schemas: members_of(document, "/components/schemas")
            .map(|(name, schema)| object(document, name, schema))
            .collect(),
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
    let (successes, failures): (Vec<_>, Vec<_>) =
        members_of(value, "/responses").partition(|(status, _)| status.starts_with('2'));
    Operation {
        anchor: text(value, "/operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(value, "/summary"),
        description: spans(&text(value, "/description")),
        parameters: parameters.map(parameter).collect(),
        bodies: contents.map(|(media_type, content)| body(document, media_type, content)).collect(),
        answers: successes.into_iter().map(|(status, response)| answer(status, response)).collect(),
        failures: failures.into_iter().filter_map(|(status, _)| first_kind(status)).collect(),
        example: example::curl(document, path, method, value),
    }
}

fn first_kind(status: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.status.to_string() == status).copied()
}

fn parameter(value: &Value) -> Member {
    Member {
        name: text(value, "/name"),
        kind: kind_of(value.get("schema").unwrap_or(&Value::Null)),
        place: format!(", in the {}", text(value, "/in")),
        is_required: value.get("required").is_some_and(|r| r == true),
        description: spans(&text(value, "/description")),
    }
}

fn body(document: &Value, media_type: &str, content: &Value) -> Body {
    let schema = content.get("schema").unwrap_or(&Value::Null);
    let object = example::resolved(document, schema);
    Body {
        media_type: media_type.to_owned(),
        kind: kind_of(schema),
        description: spans(&text(object, "/description")),
        members: members(document, object),
    }
}

fn answer(status: &str, response: &Value) -> Answer {
    let schema = members_of(response, "/content").next().and_then(|(_, content)| content.get("schema"));
    Answer {
        status: status.to_owned(),
        description: spans(&text(response, "/description")),
        kind: schema.map(kind_of).unwrap_or_default(),
    }
}

fn object(document: &Value, name: &str, schema: &Value) -> Object {
    Object {
        anchor: format!("schema-{name}"),
        name: name.to_owned(),
        description: spans(&text(schema, "/description")),
        kind: kind_of(schema),
        members: members(document, schema),
    }
}

/// What must be there comes first.
fn members(document: &Value, schema: &Value) -> Vec<Member> {
    let required: Vec<&Value> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
    let member = |(name, value): (&str, &Value)| Member {
        name: name.to_owned(),
        kind: kind_of(value),
        place: String::new(),
        is_required: required.iter().any(|r| *r == name),
        description: spans(&described(document, value)),
    };
    let mut members: Vec<Member> = members_of(schema, "/properties").map(member).collect();
    members.sort_by_key(|member| !member.is_required);
    members
}

/// What a member says of itself, else what its schema says.
fn described(document: &Value, value: &Value) -> String {
    let options = value.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let said: Vec<&Value> = [value].into_iter().chain(options).collect();
    let schemas = said.iter().map(|schema| example::resolved(document, schema));
    let mut texts = said.iter().copied().chain(schemas).map(|schema| text(schema, "/description"));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

fn kind_of(schema: &Value) -> Type {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
        return Type { words: name.to_owned(), anchor: format!("schema-{name}") };
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        // Beside a type they are rules about members, which the description tells.
        if schema.get("type").is_none()
            && let Some(options) = schema.get(choice).and_then(Value::as_array)
        {
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

/// What else a schema asks for, in words; what only a machine reads (patterns, formats) is left to the
/// OpenAPI document.
fn bounds(schema: &Value) -> String {
    let limit = |name: &str| schema.get(name).map(Value::to_string);
    let mut text = match (limit("minimum"), limit("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" from {least}"),
        (None, Some(most)) => format!(" up to {most}"),
        (None, None) => String::new(),
    };
    if let Some(most) = limit("maxLength") {
        text.push_str(&format!(" of at most {most} characters"));
    }
    let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let values: Vec<String> =
        values.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
    if !values.is_empty() {
        text.push_str(&format!(": {}", values.join(", ")));
    }
    text
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
