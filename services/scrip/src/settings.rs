//! Settings: the embedded defaults, then the file named in SCRIP_CONFIG, then SCRIP_* variables.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use engine::{EngineConfig, Faults};
use metering::Mapping;
use serde::Deserialize;

pub const DEFAULTS: &str = include_str!("../scrip.default.toml");

/// Variables that set one setting each.
const VARIABLES: [(&str, &str); 5] = [
    ("SCRIP_LISTEN", "listen"),
    ("SCRIP_DATA_DIR", "data_dir"),
    ("SCRIP_DATABASE_URL", "database_url"),
    ("SCRIP_LOG", "log"),
    ("SCRIP_LOG_FORMAT", "log_format"),
];
const CONFIG_VARIABLE: &str = "SCRIP_CONFIG";
/// Read by `scrip replay` for the key it calls with.
pub const API_KEY_VARIABLE: &str = "SCRIP_API_KEY";
/// Of the test suite, never ours.
const TEST_PREFIX: &str = "SCRIP_TEST_";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    database_url: String,
    buy_url: String,
    pub log: String,
    pub log_format: LogFormat,
    engine_queue: usize,
    engine_batch: usize,
    #[serde(default)]
    events: Vec<Mapping>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// Reads everything; the error says which setting is wrong and where it came from.
    pub fn read(environment: &BTreeMap<String, String>) -> Result<Settings, String> {
        let mut table: toml::Table = DEFAULTS.parse().map_err(|e| format!("scrip.default.toml: {e}"))?;
        if let Some(path) = environment.get(CONFIG_VARIABLE) {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{CONFIG_VARIABLE}={path}: {e}"))?;
            let file: toml::Table = text.parse().map_err(|e| format!("{path}: {e}"))?;
            table.extend(file);
        }
        for (name, value) in environment {
            if let Some((_, setting)) = VARIABLES.iter().find(|(variable, _)| variable == name) {
                table.insert((*setting).to_owned(), toml::Value::String(value.clone()));
            } else if !is_known(name) {
                return Err(format!("{name}: Scrip has no such setting; known are {}", known()));
            }
        }
        let settings: Settings = table.try_into().map_err(|e| format!("settings: {e}"))?;
        settings.check()
    }

    fn check(self) -> Result<Settings, String> {
        for (name, value, max) in
            [("engine_queue", self.engine_queue, 1_000_000), ("engine_batch", self.engine_batch, 4_096)]
        {
            if !(1..=max).contains(&value) {
                return Err(format!("{name} = {value}: must be 1 to {max}"));
            }
        }
        Ok(self)
    }

    pub fn database_url(&self) -> String {
        if self.database_url.is_empty() {
            format!("sqlite://{}", self.data_dir.join("scrip.db").display())
        } else {
            self.database_url.clone()
        }
    }

    /// Where a customer who lacks credits is sent; the list of packs unless set.
    pub fn buy_url(&self, address: SocketAddr) -> String {
        if self.buy_url.is_empty() { format!("http://{address}/v1/packs") } else { self.buy_url.clone() }
    }

    /// The embedded file, which nobody named.
    pub fn is_embedded(&self) -> bool {
        self.database_url().starts_with("sqlite:")
    }

    pub fn engine(&self, faults: Faults) -> EngineConfig {
        EngineConfig { queue: self.engine_queue, batch: self.engine_batch, faults, ..EngineConfig::default() }
    }

    /// The mappings that ship, each replaced by one of the operator's for the same type.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mut mappings = app::AppConfig::default().mappings;
        mappings.retain(|shipped| !self.events.iter().any(|own| own.kind == shipped.kind));
        mappings.extend(self.events.iter().cloned());
        mappings
    }
}

fn is_known(name: &str) -> bool {
    !name.starts_with("SCRIP_")
        || name.starts_with(TEST_PREFIX)
        || name == CONFIG_VARIABLE
        || name == API_KEY_VARIABLE
}

fn known() -> String {
    let names: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
    format!("{}, {CONFIG_VARIABLE}, {API_KEY_VARIABLE}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn the_defaults_are_an_embedded_file_on_loopback() {
        let settings = read(&[("PATH", "/bin"), ("SCRIP_TEST_X", "1")]).expect("defaults are valid");
        assert!(settings.listen.ip().is_loopback());
        assert_eq!(settings.database_url(), "sqlite://./scrip-data/scrip.db");
        assert!(settings.is_embedded());
    }

    #[test]
    fn a_variable_overrides_the_file() {
        let settings = read(&[("SCRIP_LISTEN", "127.0.0.1:9"), ("SCRIP_DATABASE_URL", "postgres://u@h/d")]);
        let settings = settings.expect("valid");
        assert_eq!(settings.listen.port(), 9);
        assert!(!settings.is_embedded());
    }

    #[test]
    fn an_unknown_or_unreadable_setting_is_refused_by_name() {
        for (name, value) in [("SCRIP_LISTN", "x"), ("SCRIP_LISTEN", "nowhere"), ("SCRIP_LOG_FORMAT", "xml")]
        {
            let error = read(&[(name, value)]).expect_err("must be refused");
            assert!(
                error.contains(&name.replace("SCRIP_", "").to_lowercase()) || error.contains(name),
                "{error}"
            );
        }
    }
}
