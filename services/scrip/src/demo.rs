//! The demo: catalogue, one customer with credits, users who sign in, and a test key. The secrets are
//! kept in `data_dir`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use app::customers::Customer;
use app::keys::NewApiKey;
use app::{App, Principal, Scope};

use crate::commands::chain;
use crate::settings::Settings;

/// What the banner shows of the demo.
pub struct Demo {
    pub customer: String,
    pub key: String,
    /// Who may sign in to the portal and to the console.
    pub sign_ins: [&'static str; 2],
    /// Of both.
    pub password: String,
}

const SIGN_INS: [&str; 2] = ["demo@example.com", "operator@example.com"];
const PASSWORD_FILE: &str = "demo-password";

const KEY_FILE: &str = "demo-key";

/// Adds what is missing and answers the test key. A second start changes nothing.
pub async fn prepare(settings: &Settings, app: &App) -> Result<Demo, String> {
    let demo = app::demo::demo(app).await.map_err(|e| format!("demo: {}", chain(&e)))?;
    let password = sign_ins(settings, app, &demo.customer).await?;
    let sign_ins = SIGN_INS;
    let customer = demo.customer.external_id;
    if let Some(key) = read_key(settings)
        && app::keys::authenticate(app, &key).await.is_ok()
    {
        return Ok(Demo { customer, key, sign_ins, password });
    }
    let key = match demo.secret {
        Some(first) => first,
        None => another_key(app).await?,
    };
    write_secret(settings, &key_file(settings), &key)
        .map_err(|e| format!("{}: {e}", key_file(settings).display()))?;
    Ok(Demo { customer, key, sign_ins, password })
}

/// The password that both demo users have; made at the first start, kept in a file of its own.
async fn sign_ins(settings: &Settings, app: &App, customer: &Customer) -> Result<String, String> {
    let file = password_file(settings);
    let password = match read_secret(&file) {
        Some(known) => known,
        None => {
            let made = app::accounts::new_password().map_err(|e| chain(&e))?;
            write_secret(settings, &file, &made).map_err(|e| format!("{}: {e}", file.display()))?;
            made
        }
    };
    let [portal, console] = SIGN_INS;
    for (email, name, customer) in
        [(portal, "Demo Customer", Some(customer.id)), (console, "Demo Operator", None)]
    {
        let made = app::accounts::ensure_user(app, email, name, &password, customer).await;
        made.map_err(|e| format!("demo: {email}: {}", chain(&e)))?;
    }
    Ok(password)
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
    read_secret(&key_file(settings))
}

/// Where the key is kept.
pub fn key_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(KEY_FILE)
}

/// Where the password of the demo's users is kept.
pub fn password_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(PASSWORD_FILE)
}

fn read_secret(file: &Path) -> Option<String> {
    let secret = std::fs::read_to_string(file).ok()?;
    Some(secret.trim().to_owned()).filter(|secret| !secret.is_empty())
}

/// Only the owner may read it: the database has the secret's hash, this file the secret.
fn write_secret(settings: &Settings, path: &Path, secret: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(&settings.data_dir)?;
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    writeln!(file.open(path)?, "{secret}")
}
