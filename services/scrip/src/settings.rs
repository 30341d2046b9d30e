//! Settings: the embedded defaults, then the file named in SCRIP_CONFIG, then SCRIP_* variables.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use app::AppConfig;
use app::retention::IDEMPOTENCY_DAYS_MIN;
use app::statements::USAGE_ENTRIES_MAX;
use engine::{EngineConfig, Faults};
use metering::Mapping;
use serde::Deserialize;

use crate::proxies::Proxies;

pub const DEFAULTS: &str = include_str!("../scrip.default.toml");

/// Variables that set one setting each.
const VARIABLES: [(&str, &str); 14] = [
    ("SCRIP_LISTEN", "listen"),
    ("SCRIP_DATA_DIR", "data_dir"),
    ("SCRIP_DATABASE_URL", "database_url"),
    ("SCRIP_CONSOLE_LISTEN", "console_listen"),
    ("SCRIP_CONSOLE_URL", "console_url"),
    ("SCRIP_PUBLIC_URL", "public_url"),
    ("SCRIP_PROXIES", "proxies"),
    ("SCRIP_STRIPE_SECRET_KEY", "stripe_secret_key"),
    ("SCRIP_STRIPE_WEBHOOK_SECRET", "stripe_webhook_secret"),
    ("SCRIP_STRIPE_API_BASE", "stripe_api_base"),
    ("SCRIP_SMTP_URL", "smtp_url"),
    ("SCRIP_MAIL_FROM", "mail_from"),
    ("SCRIP_LOG", "log"),
    ("SCRIP_LOG_FORMAT", "log_format"),
];
/// A century.
const IDEMPOTENCY_DAYS_MAX: i64 = 36_500;
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
    console_listen: String,
    console_url: String,
    public_url: String,
    proxies: String,
    stripe_secret_key: Hidden,
    stripe_webhook_secret: Hidden,
    stripe_api_base: String,
    smtp_url: String,
    mail_from: String,
    pub log: String,
    pub log_format: LogFormat,
    engine_queue: usize,
    engine_batch: usize,
    pub hot_rows: u64,
    idempotency_days: i64,
    #[serde(default)]
    events: Vec<Mapping>,
}

/// A text that no log shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
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
        if !(IDEMPOTENCY_DAYS_MIN..=IDEMPOTENCY_DAYS_MAX).contains(&self.idempotency_days) {
            return Err(format!(
                "idempotency_days = {}: must be {IDEMPOTENCY_DAYS_MIN} to {IDEMPOTENCY_DAYS_MAX}",
                self.idempotency_days
            ));
        }
        if self.stripe_api_base().is_some_and(|base| !base.ends_with('/')) {
            return Err(format!("stripe_api_base = {:?}: must end in \"/\"", self.stripe_api_base));
        }
        self.console_listen()?;
        self.proxies()?;
        self.mail_from()?;
        self.mail_transport()?;
        Ok(self)
    }

    /// An address of its own for the console; `None` when it is served beside the rest.
    pub fn console_listen(&self) -> Result<Option<SocketAddr>, String> {
        let address = Some(self.console_listen.as_str()).filter(|address| !address.is_empty());
        address.map(|a| a.parse().map_err(|e| format!("console_listen = {a:?}: {e}"))).transpose()
    }

    /// Whose word on where a request came from is believed.
    pub fn proxies(&self) -> Result<Proxies, String> {
        self.proxies.parse().map_err(|e| format!("proxies: {e}"))
    }

    /// Where the pages are reached from outside.
    pub fn public_url(&self, address: SocketAddr) -> String {
        if self.public_url.is_empty() { format!("http://{address}") } else { self.public_url.clone() }
    }

    /// Where the console is reached from outside: at its own address `own`, else beside the pages of `address`.
    pub fn console_url(&self, address: SocketAddr, own: Option<SocketAddr>) -> String {
        match own {
            _ if !self.console_url.is_empty() => self.console_url.clone(),
            Some(own) => format!("http://{own}"),
            None => self.public_url(address),
        }
    }

    /// `sk_test_…` or `sk_live_…`; `None` without one.
    pub fn stripe_secret_key(&self) -> Option<String> {
        Some(self.stripe_secret_key.0.trim().to_owned()).filter(|key| !key.is_empty())
    }

    /// While a secret is rotated there are two, the newest first.
    pub fn stripe_webhook_secrets(&self) -> Vec<String> {
        let texts = self.stripe_webhook_secret.0.split(',').map(str::trim);
        texts.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// `None`: Stripe itself, or this process's sandbox.
    pub fn stripe_api_base(&self) -> Option<String> {
        Some(self.stripe_api_base.clone()).filter(|base| !base.is_empty())
    }

    pub fn mail_from(&self) -> Result<mail::Sender, String> {
        if self.mail_from.is_empty() {
            return Ok(mail::Sender::default());
        }
        self.mail_from.parse().map_err(|e| format!("mail_from: {e}"))
    }

    /// The mail server; without one, a folder of `.eml` files in `data_dir`.
    pub fn mail_transport(&self) -> Result<mail::Transport, String> {
        if self.smtp_url.is_empty() {
            return Ok(mail::Transport::Folder(self.data_dir.join("mail")));
        }
        mail::Transport::smtp(&self.smtp_url).map_err(|e| format!("smtp_url: {e}"))
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

    /// Whether nobody but this machine reaches what it serves.
    pub fn is_local(&self) -> Result<bool, String> {
        Ok(self.listen.ip().is_loopback() && self.console_listen()?.is_none_or(|own| own.ip().is_loopback()))
    }

    /// Play money and the demo come by themselves only where nobody could take them for real.
    pub fn starts_sandbox(&self) -> bool {
        self.is_embedded() && self.is_local().unwrap_or(false)
    }

    /// What use cases are told of the settings.
    pub fn app(&self) -> Result<AppConfig, String> {
        Ok(AppConfig {
            mappings: self.mappings(),
            gateway: None,
            mail_from: self.mail_from()?,
            public_url: self.public_url(self.listen),
            console_url: self.console_url(self.listen, self.console_listen()?),
            hot_rows: self.hot_rows,
            usage_entries_max: USAGE_ENTRIES_MAX,
            idempotency_days: self.idempotency_days,
            shows_mailed_links: self.smtp_url.is_empty() && self.is_local()?,
        })
    }

    /// The mappings that ship, each replaced by one of the operator's for the same type.
    fn mappings(&self) -> Vec<Mapping> {
        let mut mappings = AppConfig::default().mappings;
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
    fn links_for_operators_lead_to_where_the_console_is() {
        let (beside, own) = ("https://credits.example.com/", "127.0.0.1:8081");
        let link = |pairs: &[(&str, &str)]| {
            let app = read(pairs).and_then(|settings| settings.app()).expect("valid");
            assert_eq!(app.portal_page("reset"), "https://credits.example.com/reset");
            app.console_page("reset")
        };
        let (public, listen) = (("SCRIP_PUBLIC_URL", beside), ("SCRIP_CONSOLE_LISTEN", own));
        assert_eq!(link(&[public]), "https://credits.example.com/console/reset");
        assert_eq!(link(&[public, listen]), "http://127.0.0.1:8081/console/reset");
        let outside = ("SCRIP_CONSOLE_URL", "https://ops.example.com");
        assert_eq!(link(&[public, listen, outside]), "https://ops.example.com/console/reset");
    }

    #[test]
    fn keys_replay_for_90_days_at_least() {
        let with = |days: i64| {
            let mut settings = read(&[]).expect("defaults are valid");
            assert_eq!(settings.idempotency_days, 90);
            settings.idempotency_days = days;
            settings.check()
        };
        assert_eq!(with(365).and_then(|s| s.app()).map(|app| app.idempotency_days), Ok(365));
        for days in [-1, 0, 89, 36_501, i64::MAX] {
            assert!(with(days).is_err_and(|e| e.contains("idempotency_days")), "{days}");
        }
    }

    #[test]
    fn an_unknown_or_unreadable_setting_is_refused_by_name() {
        for (name, value) in [
            ("SCRIP_LISTN", "x"),
            ("SCRIP_LISTEN", "nowhere"),
            ("SCRIP_LOG_FORMAT", "xml"),
            ("SCRIP_PROXIES", "10.0.0.0/99"),
        ] {
            let error = read(&[(name, value)]).expect_err("must be refused");
            assert!(
                error.contains(&name.replace("SCRIP_", "").to_lowercase()) || error.contains(name),
                "{error}"
            );
        }
    }
}
