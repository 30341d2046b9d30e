//! The same without a pointer.

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::Value;

use super::{Browser, Extra};

/// A page on which one has to press Tab more often is none for the keyboard.
const MAX_TABS: usize = 80;

const LOOK: &str = r#"
    const element = document.activeElement;
    if (!element || element === document.body) return {is_nothing: true};
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    const x = box.left + Math.min(box.width / 2, 20), y = box.top + box.height / 2;
    const top = document.elementFromPoint(x, y);
    return {
        is_nothing: false,
        is_seen: box.width > 0 && box.height > 0
            && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth
            && top !== null && (element.contains(top) || top.contains(element)),
        is_marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        html: element.outerHTML.slice(0, 200),
    };"#;

/// What has the keyboard's focus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focused {
    /// As a screen reader says it.
    pub name: String,
    pub role: String,
}

impl Browser {
    /// One press of a key that means something.
    pub async fn press(&self, key: Key) {
        self.strike(char::from(key)).await;
    }

    /// Types into whatever has the focus.
    pub async fn strike_all(&self, text: &str) {
        for letter in text.chars() {
            self.strike(letter).await;
        }
    }

    /// Presses Tab until the element of this role and name has the focus. Whatever has it on the way
    /// must be seen, and seen to have it.
    pub async fn tab_to(&self, role: &str, name: &str) {
        for _ in 0..MAX_TABS {
            self.press(Key::Tab).await;
            if self.focused().await.is_some_and(|f| f.role == role && f.name == name) {
                return;
            }
        }
        self.fail(&format!("{MAX_TABS} presses of Tab do not reach the {role} {name:?}")).await;
    }

    /// `None` when the focus is nowhere on the page, as after its last element.
    pub async fn focused(&self) -> Option<Focused> {
        let look = self.script(LOOK, Vec::new()).await;
        if look["is_nothing"] == true {
            return None;
        }
        if look["is_seen"] != true || look["is_marked"] != true {
            self.fail(&format!("the focus cannot be seen: {look}")).await;
        }
        let element = self.client.active_element().await;
        let id = String::from(self.checked("the focus", element).await.element_id());
        let name = self.computed(&id, "computedlabel").await;
        Some(Focused { name, role: self.computed(&id, "computedrole").await })
    }

    async fn computed(&self, element: &str, what: &str) -> String {
        let asked = self.client.issue_cmd(Extra::get(format!("element/{element}/{what}"))).await;
        let answer = self.checked(what, asked).await;
        answer.as_str().map_or_else(|| Value::to_string(&answer), str::to_owned)
    }

    async fn strike(&self, letter: char) {
        let strokes = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: letter })
            .then(KeyAction::Up { value: letter });
        let done = self.client.perform_actions(strokes).await;
        self.checked(&format!("the key {letter:?}"), done).await;
    }
}
