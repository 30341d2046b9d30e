//! A session of WebDriver (W3C), as little of it as the stories need: JSON over HTTP to chromedriver.
//!
//! Why our own: fantoccini brings a second `http` and `thiserror`, thirtyfour leaves just this part to
//! its caller unless it may bring reqwest.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Value, json};

use crate::wire::Wire;

/// The name that the standard gives to references of elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Why a command failed: the standard's word, such as `no such element`, and the driver's sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub word: String,
    pub sentence: String,
}

/// Something on the page that is open; with the next page it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element(String);

#[derive(Debug)]
pub struct Session {
    wire: RefCell<Wire>,
    id: String,
}

impl Session {
    pub fn open(port: u16, chrome_options: &Value) -> Result<Session, Refusal> {
        let wire = RefCell::new(Wire::new(port, ""));
        let wanted = json!({"browserName": "chrome", "goog:chromeOptions": chrome_options});
        let body = json!({"capabilities": {"alwaysMatch": wanted}});
        let answer = call(&wire, "POST", "/session", &body)?;
        let id = answer["sessionId"].as_str().unwrap_or_default().to_owned();
        Ok(Session { wire, id })
    }

    pub fn goto(&self, url: &str) -> Result<(), Refusal> {
        self.post("url", &json!({"url": url})).map(drop)
    }

    pub fn url(&self) -> Result<String, Refusal> {
        self.get("url").map(text)
    }

    /// Base64.
    pub fn screenshot(&self) -> Result<String, Refusal> {
        self.get("screenshot").map(text)
    }

    pub fn find_css(&self, css: &str) -> Result<Element, Refusal> {
        self.post("element", &json!({"using": "css selector", "value": css})).map(element)
    }

    pub fn find_xpath(&self, path: &str) -> Result<Element, Refusal> {
        self.post("element", &json!({"using": "xpath", "value": path})).map(element)
    }

    pub fn focused(&self) -> Result<Element, Refusal> {
        self.get("element/active").map(element)
    }

    pub fn text(&self, of: &Element) -> Result<String, Refusal> {
        self.get(&format!("element/{}/text", of.0)).map(text)
    }

    /// What a screen reader says it is called.
    pub fn name(&self, of: &Element) -> Result<String, Refusal> {
        self.get(&format!("element/{}/computedlabel", of.0)).map(text)
    }

    /// What a screen reader says it is.
    pub fn role(&self, of: &Element) -> Result<String, Refusal> {
        self.get(&format!("element/{}/computedrole", of.0)).map(text)
    }

    pub fn click(&self, element: &Element) -> Result<(), Refusal> {
        self.post(&format!("element/{}/click", element.0), &json!({})).map(drop)
    }

    pub fn clear(&self, element: &Element) -> Result<(), Refusal> {
        self.post(&format!("element/{}/clear", element.0), &json!({})).map(drop)
    }

    pub fn type_into(&self, element: &Element, keys: &str) -> Result<(), Refusal> {
        self.post(&format!("element/{}/value", element.0), &json!({"text": keys})).map(drop)
    }

    /// Each key goes down and up, wherever the focus is.
    pub fn strike(&self, keys: &str) -> Result<(), Refusal> {
        let strokes = keys.chars().flat_map(|key| {
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
        });
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>()});
        self.post("actions", &json!({"actions": [keyboard]})).map(drop)
    }

    /// One key while another is held down.
    pub fn strike_with(&self, held: char, key: char) -> Result<(), Refusal> {
        let strokes = [("keyDown", held), ("keyDown", key), ("keyUp", key), ("keyUp", held)]
            .map(|(kind, key)| json!({"type": kind, "value": key}));
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.post("actions", &json!({"actions": [keyboard]})).map(drop)
    }

    /// What the body of a function returns.
    pub fn script(&self, body: &str, arguments: &[Value]) -> Result<Value, Refusal> {
        self.post("execute/sync", &json!({"script": body, "args": arguments}))
    }

    /// What the body of a function hands to the function that is its last argument.
    pub fn slow_script(&self, body: &str, arguments: &[Value]) -> Result<Value, Refusal> {
        self.post("execute/async", &json!({"script": body, "args": arguments}))
    }

    /// A command of Chromium's DevTools.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Result<Value, Refusal> {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn get(&self, path: &str) -> Result<Value, Refusal> {
        call(&self.wire, "GET", &format!("/session/{}/{path}", self.id), &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        call(&self.wire, "POST", &format!("/session/{}/{path}", self.id), body)
    }
}

fn call(wire: &RefCell<Wire>, method: &str, path: &str, body: &Value) -> Result<Value, Refusal> {
    let mut wire = wire.borrow_mut();
    let reply = match method {
        "GET" => wire.get(path),
        _ => wire.post(path, "", &body.to_string()),
    };
    let reply =
        reply.map_err(|error| Refusal { word: "no answer".to_owned(), sentence: error.to_string() })?;
    let value = reply.json()["value"].take();
    if reply.is_success() {
        return Ok(value);
    }
    let sentence = value["message"].as_str().unwrap_or(&reply.body).to_owned();
    Err(Refusal { word: value["error"].as_str().unwrap_or("no reason").to_owned(), sentence })
}

fn text(value: Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn element(value: Value) -> Element {
    Element(text(value[ELEMENT].clone()))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.word, self.sentence.lines().next().unwrap_or_default())
    }
}
