//! The demo: catalogue, one customer with credits, and a test key that is kept in `data_dir`.

use std::io::Write as _;
use std::path::PathBuf;

use app::keys::NewApiKey;
use app::{App, Principal, Scope};

use crate::commands::chain;
use crate::settings::Settings;

/// What the banner shows of the demo.
pub struct Demo {
    pub customer: String,
    pub key: String,
}

const KEY_FILE: &str = "demo-key";

/// Adds what is missing and answers the test key. A second start changes nothing.
pub async fn prepare(settings: &Settings, app: &App) -> Result<Demo, String> {
    let demo = app::demo::demo(app).await.map_err(|e| format!("demo: {}", chain(&e)))?;
    let customer = demo.customer.external_id;
    if let Some(key) = read_key(settings)
        && app::keys::authenticate(app, &key).await.is_ok()
    {
        return Ok(Demo { customer, key });
    }
    let key = match demo.secret {
        Some(first) => first,
        None => another_key(app).await?,
    };
    write_key(settings, &key).map_err(|e| format!("{}: {e}", key_file(settings).display()))?;
    Ok(Demo { customer, key })
}

/// For a start on a database that has its demo, without the file that has its key.
async fn another_key(app: &App) -> Result<String, String> {
    let new = NewApiKey {
        name: "Demo".to_owned(),
        scopes: Scope::ALL.into_iter().collect(),
        customer: None,
        livemode: false,
    };
    let made = app::keys::create(app, &Principal::system(), new, None).await.map_err(|e| chain(&e))?;
    made.value.secret.ok_or_else(|| "demo: a new key without its secret".to_owned())
}

/// The key of an earlier start of the demo.
pub fn read_key(settings: &Settings) -> Option<String> {
    let key = std::fs::read_to_string(key_file(settings)).ok()?;
    Some(key.trim().to_owned()).filter(|key| !key.is_empty())
}

/// Where the key is kept.
pub fn key_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(KEY_FILE)
}

/// Only the owner may read it: the database has the key's hash, this file the key.
fn write_key(settings: &Settings, secret: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(&settings.data_dir)?;
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    writeln!(file.open(key_file(settings))?, "{secret}")
}
