//! The routes of both sites, read from the source of their routers, so that no list of them is kept by hand.

use std::fs;
use std::path::{Path, PathBuf};

/// One `.route(…)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// As axum writes it, such as `/receipts/{id}`.
    pub path: String,
    pub takes_get: bool,
    pub takes_post: bool,
}

pub fn portal() -> Vec<Route> {
    of("portal")
}

pub fn console() -> Vec<Route> {
    of("console")
}

impl Route {
    /// Whether it names something by an id or a name.
    pub fn has_parameter(&self) -> bool {
        self.path.contains('{')
    }

    /// The path with `id` in place of each parameter.
    pub fn with(&self, id: &str) -> String {
        let part = |part| if str::starts_with(part, '{') { id } else { part };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// Whether it leads here; `path` has no query.
    pub fn matches(&self, path: &str) -> bool {
        let (own, other): (Vec<&str>, Vec<&str>) =
            (self.path.split('/').collect(), path.split('/').collect());
        own.len() == other.len()
            && own.iter().zip(&other).all(
                |(own, other)| {
                    if own.starts_with('{') { !other.is_empty() } else { own == other }
                },
            )
    }
}

fn of(service: &str) -> Vec<Route> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services").join(service).join("src");
    let lines = read(&source.join("lib.rs"));
    let routes: Vec<Route> = lines
        .lines()
        .filter_map(|line| line.trim().strip_prefix(".route("))
        .map(|route| {
            let (path, methods) = route.split_once(',').expect("a path and its methods");
            Route {
                path: path_of(path, &source),
                takes_get: methods.contains("get("),
                takes_post: methods.contains("post("),
            }
        })
        .collect();
    assert!(routes.len() > 20, "{service} has only {routes:?}");
    routes
}

/// A literal, or a constant of this module or of another.
fn path_of(written: &str, source: &Path) -> String {
    if let Some(literal) = written.strip_prefix('"') {
        return literal.trim_end_matches('"').to_owned();
    }
    let (file, name): (PathBuf, &str) = match written.split_once("::") {
        Some((module, name)) => (source.join(format!("{module}.rs")), name),
        None => (source.join("lib.rs"), written),
    };
    let text = read(&file);
    let start = format!("const {name}: &str = \"");
    let value = text.split_once(&start).and_then(|(_, rest)| rest.split('"').next());
    value.unwrap_or_else(|| panic!("{written} is no constant of {}", file.display())).to_owned()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(routes: &[Route], path: &str, takes_get: bool, takes_post: bool) -> bool {
        routes.contains(&Route { path: path.to_owned(), takes_get, takes_post })
    }

    #[test]
    fn routes_are_read_with_their_methods_and_constants() {
        let (portal, console) = (portal(), console());
        assert!(has(&portal, "/sign-in", true, true) && has(&portal, "/receipts/{id}", true, false));
        assert!(has(&portal, "/checkouts", false, true) && has(&console, "/console/risk", true, true));
        assert!(
            has(&console, "/console/review", true, false) && has(&console, "/console/forgot", true, true)
        );
    }

    #[test]
    fn a_path_belongs_to_a_route_with_as_many_parts() {
        let route = Route { path: "/receipts/{id}".to_owned(), takes_get: true, takes_post: false };
        assert!(route.matches("/receipts/rct_1"));
        for other in ["/receipts", "/receipts/", "/receipts/rct_1/problem", "/keys/rct_1"] {
            assert!(!route.matches(other), "{other}");
        }
    }
}
