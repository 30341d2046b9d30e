//! The same without a pointer.

use super::Browser;

/// A page on which one has to press Tab more often is none for the keyboard.
const MAX_TABS: usize = 80;

const LOOK: &str = r#"
    const element = document.activeElement;
    if (!element || element === document.body || element === document.documentElement) return "";
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    const top = document.elementFromPoint(box.left + Math.min(box.width / 2, 20), box.top + box.height / 2);
    const is_seen = box.width > 0 && box.height > 0 && box.top >= 0 && box.left >= 0
        && box.bottom <= innerHeight && box.right <= innerWidth
        && top !== null && (element.contains(top) || top.contains(element));
    const is_marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return is_seen && is_marked ? "seen" : element.outerHTML.slice(0, 300);"#;

/// Keys that are no letters, in the standard's private characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Tab,
    Enter,
}

/// What has the keyboard's focus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focused {
    /// As a screen reader says them.
    pub role: String,
    pub name: String,
}

impl Browser {
    pub fn press(&self, key: Key) {
        let key = match key {
            Key::Tab => "\u{e004}",
            Key::Enter => {
                self.clicks.set(self.clicks.get() + 1);
                "\u{e007}"
            }
        };
        self.strike(key);
    }

    /// Types into whatever has the focus.
    pub fn strike(&self, keys: &str) {
        self.done(&format!("the keys {keys:?}"), self.session.strike(keys));
    }

    /// Presses an element's access key.
    pub fn access(&self, key: char) {
        const ALT: char = '\u{e00a}';
        self.done(&format!("the access key {key}"), self.session.strike_with(ALT, key));
    }

    /// Presses Tab until the element of this role and name has the focus. Whatever has it on the way
    /// must be seen, and seen to have it.
    pub fn tab_to(&self, role: &str, name: &str) {
        let mut passed = Vec::new();
        for _ in 0..MAX_TABS {
            self.press(Key::Tab);
            let Some(focused) = self.focused() else { continue };
            if focused.role == role && focused.name == name {
                return;
            }
            passed.push(format!("{} {:?}", focused.role, focused.name));
        }
        self.fail(&format!("{MAX_TABS} presses of Tab do not reach the {role} {name:?}: {passed:?}"));
    }

    /// `None` when the focus is nowhere on the page, as after its last element.
    pub fn focused(&self) -> Option<Focused> {
        match self.script(LOOK, &[]).as_str().unwrap_or_default() {
            "" => return None,
            "seen" => {}
            html => self.fail(&format!("the focus cannot be seen: {html}")),
        }
        let element = self.done("the focus", self.session.focused());
        let role = self.done("its role", self.session.role(&element));
        Some(Focused { role, name: self.done("its name", self.session.name(&element)) })
    }
}
