//! axe-core, as an independent judge of pages.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use super::Browser;
use crate::missing;

/// Where `.ci/run tools` installs what tests/package.json names.
const PLACE: &str = "ci-node/node_modules/axe-core/axe.min.js";

/// Everything that axe-core calls a rule or good practice, and the size of targets, which it leaves out
/// unless asked.
const RUN: &str = r#"
    const done = arguments[arguments.length - 1];
    const rules = {"target-size": {enabled: true}};
    axe.run(document, {resultTypes: ["violations"], rules}).then(
        found => done(found.violations.flatMap(rule => rule.nodes.map(node =>
            rule.id + ": " + node.target.join(" ") + ": " + node.failureSummary.replace(/\s+/g, " ")))),
        error => done(["axe-core failed: " + error]),
    );"#;

/// The script of axe-core; `None`, and one line that says so, where it is not installed. With `CI=true`
/// that is a failure.
pub fn axe() -> Option<&'static str> {
    static SCRIPT: OnceLock<Option<String>> = OnceLock::new();
    SCRIPT.get_or_init(read).as_deref()
}

impl Browser {
    /// Makes axe-core part of the page that is open.
    pub fn add_axe(&self, axe: &str) {
        self.script(axe, &[]);
    }

    /// What axe-core has against the page as it looks now, one line per element and rule.
    pub fn violations(&self) -> Vec<String> {
        let found = self.done("axe-core", self.session.slow_script(RUN, &[]));
        found.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// How many pixels of the page lie outside the window to the right.
    pub fn sideways_pixels(&self) -> i64 {
        let measure = "const page = document.scrollingElement; return page.scrollWidth - page.clientWidth";
        let measured = self.script(measure, &[]);
        measured.as_i64().unwrap_or(i64::MAX)
    }
}

fn read() -> Option<String> {
    let script = places().iter().find_map(|place| std::fs::read_to_string(place).ok());
    if script.is_none() {
        missing("axe-core not found (`just setup` installs it): the pages' accessibility was not checked");
    }
    script
}

fn places() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    [target, Some(workspace.join("target"))].into_iter().flatten().map(|t| t.join(PLACE)).collect()
}
