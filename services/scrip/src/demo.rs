//! The demo: catalogue, one customer with credits, and a test key that is kept in `data_dir`.

use std::io::Write as _;
use std::path::PathBuf;

use app::keys::NewApiKey;
use app::{App, Principal, Scope};

use crate::commands::chain;
use crate::settings::Settings;

const KEY_FILE: &str = "demo-key";

/// Adds what is missing and answers the test key. A second start changes nothing.
pub async fn prepare(settings: &Settings, app: &App) -> Result<String, String> {
    app::demo::seed(app).await.map_err(|e| format!("demo: {}", chain(&e)))?;
    if let Some(key) = read_key(settings)
        && app::keys::authenticate(app, &key).await.is_ok()
    {
        return Ok(key);
    }
    let new = NewApiKey {
        name: "demo".to_owned(),
        scopes: Scope::ALL.into_iter().collect(),
        customer: None,
        livemode: false,
    };
    let made = app::keys::create(app, &Principal::system(), new, None).await;
    let secret = made.map_err(|e| chain(&e))?.value.secret.unwrap_or_default();
    write_key(settings, &secret).map_err(|e| format!("{}: {e}", path(settings).display()))?;
    Ok(secret)
}

/// The key of an earlier start of the demo.
pub fn read_key(settings: &Settings) -> Option<String> {
    let key = std::fs::read_to_string(path(settings)).ok()?;
    Some(key.trim().to_owned()).filter(|key| !key.is_empty())
}

fn path(settings: &Settings) -> PathBuf {
    settings.data_dir.join(KEY_FILE)
}

/// Only the owner may read it: the database has the key's hash, this file the key.
fn write_key(settings: &Settings, secret: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(&settings.data_dir)?;
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    writeln!(file.open(path(settings))?, "{secret}")
}
