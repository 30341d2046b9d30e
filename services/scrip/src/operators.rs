//! `scrip operators`: who may sign in to the console.

use std::io::BufRead as _;
use std::process::ExitCode;

use app::accounts::{self, NewOperator};
use app::{App, Principal};
use engine::Faults;
use kernel::Clock;

use crate::cli::Operators;
use crate::commands::{chain, open_app, open_store, out};
use crate::settings::Settings;

pub async fn operators(settings: &Settings, asked: Operators) -> Result<ExitCode, String> {
    let store = open_store(settings).await?;
    migrations::migrate(&store).await.map_err(|e| chain(&e))?;
    let app = open_app(settings, (store, Clock::System), None, Faults::default()).await?;
    let done = run(&app, asked).await;
    app.engine().stop().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn run(app: &App, asked: Operators) -> Result<(), String> {
    let system = Principal::system();
    match asked {
        Operators::List => {
            for user in accounts::operators(app, &system).await.map_err(|e| chain(&e))? {
                out!("{}  {}  {}", user.created_at, user.email, user.name);
            }
        }
        Operators::Create { email, name, password_stdin } => {
            let password = if password_stdin { typed()? } else { made()? };
            let name = name.unwrap_or_else(|| email.clone());
            let new = NewOperator { email, name, password: password.clone() };
            let user = accounts::create_operator(app, &system, new).await.map_err(|e| chain(&e))?;
            out!("email     {}", user.email);
            if !password_stdin {
                out!("password  {password}");
                out!("The password is stored hashed and shown only now.");
            }
        }
        Operators::Revoke { email } => {
            let user = accounts::revoke_operator(app, &system, &email).await.map_err(|e| chain(&e))?;
            out!("revoked {}; their sessions have ended", user.email);
        }
    }
    Ok(())
}

fn made() -> Result<String, String> {
    accounts::new_password().map_err(|e| chain(&e))
}

/// Not an argument: other users of the machine see those.
fn typed() -> Result<String, String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| format!("standard input: {e}"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
