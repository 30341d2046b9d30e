use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use engine::Faults;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::Serve;
use crate::commands::{chain, open_app, open_store};
use crate::demo::{self, Demo};
use crate::settings::Settings;

/// How long running requests may take to finish after a stop was asked for.
const GRACE: Duration = Duration::from_secs(20);

pub async fn serve(mut settings: Settings, options: Serve, faults: Faults) -> Result<ExitCode, String> {
    settings.listen = options.listen.unwrap_or(settings.listen);
    let store = open_store(&settings).await?;
    migrations::migrate(&store).await.map_err(|e| format!("migrations: {}", chain(&e)))?;
    let app = open_app(&settings, store, faults).await?;

    let has_demo = options.demo || (settings.is_embedded() && settings.listen.ip().is_loopback());
    let demo = if has_demo { Some(demo::prepare(&settings, &app).await?) } else { None };

    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.map_err(|e| {
        format!("{}: {e}; is another Scrip running? Choose another address with --listen", settings.listen)
    })?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    // Before the first answer: whoever waits for /readyz finds the banner complete.
    print!("{}", banner(address, &settings, demo.as_ref()));
    let buy_url = settings.buy_url(address);
    run(listener, api::router(app.clone(), &buy_url), stop_asked()).await?;

    app.engine().stop().await;
    let store = app.store().clone();
    drop(app);
    store.close().await.map_err(|e| chain(&e))?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Serves until `stop`, then finishes what was accepted, at most for [`GRACE`].
async fn run(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) -> Result<(), String> {
    let (stopping, mut is_stopping) = watch::channel(false);
    let drained = async move {
        let _ = is_stopping.changed().await;
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(drained).into_future();
    tokio::pin!(server);
    tokio::select! {
        done = &mut server => return done.map_err(|e| format!("server: {e}")),
        () = stop => {}
    }
    tracing::info!("stopping: no new connections, running requests finish");
    let _ = stopping.send(true);
    if tokio::time::timeout(GRACE, server).await.is_err() {
        tracing::warn!(grace_seconds = GRACE.as_secs(), "some requests did not finish in time");
    }
    Ok(())
}

/// Ctrl-C, or SIGTERM from a supervisor.
async fn stop_asked() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

fn banner(address: SocketAddr, settings: &Settings, demo: Option<&Demo>) -> String {
    let mut lines = vec![
        format!("Scrip {} is ready", env!("CARGO_PKG_VERSION")),
        format!("  API        http://{address}/v1"),
        format!("  Reference  http://{address}/docs   (http://{address}/openapi.json)"),
        format!("  Health     http://{address}/readyz   http://{address}/metrics"),
    ];
    let database = if settings.is_embedded() { settings.database_url() } else { "PostgreSQL".to_owned() };
    lines.push(format!("  Database   {database}"));
    match demo {
        Some(Demo { customer, key }) => {
            let file = demo::key_file(settings);
            lines.push(format!("  API key    {key}   (a test key; kept in {})", file.display()));
            lines.push(format!("  Customer   {customer}   (the demo customer, with credits)"));
            lines.push("  Try        the tour in README.md, or: scrip replay TRACE".to_owned());
        }
        None => lines.push("  API key    make one with: scrip keys create --name NAME".to_owned()),
    }
    lines.push("  Stop       Ctrl-C".to_owned());
    lines.join("\n") + "\n"
}
