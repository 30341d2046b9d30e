use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use api::Parts;
use app::App;
use engine::Faults;
use kernel::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::cli::{Demo as Fill, Serve, Service};
use crate::commands::{chain, open_app, open_store, print};
use crate::demo::{self, Demo};
use crate::gateway::{self, Payments};
use crate::proxies::Proxies;
use crate::server::{self, GRACE, Served};
use crate::settings::Settings;

/// For the writers' last batches and projections once nobody waits for an answer any more; more than enough for a
/// database that answers.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// For work that nobody asked for, after requests took all of [`GRACE`]: with the last writes it stays below the half
/// minute that supervisors wait.
const SHORT_GRACE: Duration = Duration::from_secs(2);

pub async fn serve(mut settings: Settings, options: Serve, faults: Faults) -> Result<ExitCode, String> {
    settings.listen = options.listen.unwrap_or(settings.listen);
    refuse_play_in_public(&settings, &options)?;
    let store = open_store(&settings).await?;
    migrations::migrate(&store).await.map_err(|e| format!("migrations: {}", chain(&e)))?;
    let (mut listener, address) = listen(settings.listen).await?;
    let payments = gateway::payments(&settings, &options, address, &store).await?;
    let gateway = Some(payments.gateway.clone());
    let app = open_app(&settings, (store, Clock::System), gateway, faults).await?;

    let by_itself = settings.starts_sandbox().then_some(Fill::Filled);
    let demo = match options.demo.or(by_itself) {
        Some(fill) => {
            if fill == Fill::Filled {
                listener = demo::fill(&settings, &app, &payments, listener).await?;
            }
            Some(demo::prepare(&settings, &app).await?)
        }
        None => None,
    };

    let console = match settings.console_listen()?.filter(|_| options.runs(Service::Console)) {
        Some(own) => Some(listen(own).await?),
        None => None,
    };
    let console_address = console.as_ref().map_or(address, |(_, own)| *own);
    // Before the first answer: whoever waits for /readyz finds the banner complete.
    let gateway = payments.is_sandbox().then_some("the sandbox: play money, test cards on its page");
    print(&banner((address, console_address), (&settings, &options), demo.as_ref(), gateway));
    let parts = Parts { credits: options.runs(Service::Api), payments: options.runs(Service::Payments) };
    let calls = api::router_of(app.clone(), &settings.buy_url(address), parts);
    let mut services = payments.mounted(site::asset_routes().merge(calls.clone()));
    let mut running = Vec::new();
    match console {
        Some((own, at)) => {
            let pages = console::router_alone(
                app.clone(),
                &settings.console_url(address, Some(at)),
                &settings.public_url(address),
            )
            .merge(site::asset_routes());
            running.push((own, pages.into()));
        }
        None if options.runs(Service::Console) => {
            services = services.merge(console::router(app.clone(), &settings.console_url(address, None)));
        }
        None => {}
    }
    if options.runs(Service::Portal) {
        // In front: its start page takes the place of the API's.
        services = portal::router(app.clone(), &settings.public_url(address)).fallback_service(services);
    }
    let served = Served { under_v1: calls, elsewhere: site::browsers_see_pages(services) };
    running.push((listener, served));
    let background = Background::start(&app, payments, &settings, &options)?;
    let asked = run_all(running, &settings.proxies()?).await;
    background.end(asked + GRACE).await;

    match tokio::time::timeout(LAST_WRITES, end(app)).await {
        Ok(ended) => ended?,
        Err(_) => tracing::warn!(
            "the database does not answer; what waited for it can be sent again under its keys"
        ),
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// When nobody calls any more.
async fn end(app: App) -> Result<(), String> {
    app.engine().stop().await;
    if let Err(error) = app::risk::flush(&app).await {
        tracing::warn!(error = chain(&error), "the last risk signals were not written");
    }
    let store = app.store().clone();
    drop(app);
    store.close().await.map_err(|e| chain(&e))
}

/// Test cards and sign-ins that a banner prints are for the machine that runs them.
fn refuse_play_in_public(settings: &Settings, options: &Serve) -> Result<(), String> {
    let flag = match (options.sandbox, options.demo.is_some()) {
        (true, _) => "--sandbox lets everybody who reaches it buy credits with test cards",
        (_, true) => "--demo makes users and a key for trying things out",
        _ => return Ok(()),
    };
    if settings.is_local()? {
        return Ok(());
    }
    Err(format!(
        "{flag}, and {} is open to the network: listen on 127.0.0.1 (SCRIP_LISTEN, SCRIP_CONSOLE_LISTEN), or \
        leave the flag out and set SCRIP_STRIPE_SECRET_KEY",
        if settings.listen.ip().is_loopback() {
            "the console".to_owned()
        } else {
            settings.listen.to_string()
        }
    ))
}

/// What works without being asked: the worker and the sandbox's deliveries.
struct Background {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    fn start(
        app: &App,
        payments: Payments,
        settings: &Settings,
        options: &Serve,
    ) -> Result<Background, String> {
        let (stop, is_stopping) = watch::channel(false);
        let stops = || {
            let mut is_stopping = is_stopping.clone();
            async move {
                let _ = is_stopping.wait_for(|stop| *stop).await;
            }
        };
        let mut tasks = vec![tokio::spawn(payments.run(stops()))];
        if options.runs(Service::Worker) {
            tasks.push(tokio::spawn(worker::run(app.clone(), settings.mail_transport()?, stops())));
        }
        // Whoever serves calls judges them, so it has the state; everybody else only tells what it saw.
        if options.runs(Service::Fraud) || options.runs(Service::Api) {
            tasks.push(tokio::spawn(worker::watch(app.clone(), stops())));
        } else {
            tasks.push(tokio::spawn(worker::tell(app.clone(), stops())));
        }
        Ok(Background { stop, tasks })
    }

    /// What is under way is finished until then, or for [`SHORT_GRACE`] where requests took all of the time; its lease
    /// gives the rest to somebody else.
    async fn end(mut self, until: Instant) {
        let _ = self.stop.send(true);
        let all = futures::future::join_all(&mut self.tasks);
        if tokio::time::timeout_at(until.max(Instant::now() + SHORT_GRACE), all).await.is_err() {
            tracing::warn!("some work did not finish in time");
            self.tasks.iter().for_each(JoinHandle::abort);
        }
    }
}

async fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
    let listener = server::listen(wanted).map_err(|e| {
        format!("{wanted}: {e}; is another Scrip running? Choose another address with --listen")
    })?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    Ok((listener, address))
}

/// Every address until one stop; answers when that was asked for.
async fn run_all(running: Vec<(TcpListener, Served)>, proxies: &Proxies) -> Instant {
    let (stopping, is_stopping) = watch::channel(false);
    let servers = running.into_iter().map(|(listener, served)| {
        let mut is_stopping = is_stopping.clone();
        server::run(listener, served, proxies.clone(), async move {
            let _ = is_stopping.wait_for(|stop| *stop).await;
        })
    });
    let stop = async {
        stop_asked().await;
        let _ = stopping.send(true);
        Instant::now()
    };
    tokio::join!(futures::future::join_all(servers), stop).1
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

fn banner(
    (address, console): (SocketAddr, SocketAddr),
    (settings, options): (&Settings, &Serve),
    demo: Option<&Demo>,
    gateway: Option<&str>,
) -> String {
    let mut lines = vec![format!("Scrip {} is ready", env!("CARGO_PKG_VERSION"))];
    // Only what this process serves: another may have the rest.
    if options.runs(Service::Portal) {
        lines.push(format!("  Portal     http://{address}/"));
    }
    if options.runs(Service::Api) || options.runs(Service::Payments) {
        lines.push(format!("  API        http://{address}/v1"));
        lines.push(format!("  Reference  http://{address}/docs   (http://{address}/openapi.json)"));
    }
    if options.runs(Service::Console) {
        lines.push(format!("  Console    http://{console}/console"));
    }
    lines.push(format!("  Health     http://{address}/readyz   http://{address}/metrics"));
    let database = if settings.is_embedded() { settings.database_url() } else { "PostgreSQL".to_owned() };
    lines.push(format!("  Database   {database}"));
    lines.push(format!("  Payments   {}", gateway.unwrap_or("Stripe")));
    match demo {
        Some(Demo { customer, key, sign_ins, password }) => {
            let file = demo::key_file(settings);
            lines.push(format!("  API key    {key}   (a test key; kept in {})", file.display()));
            lines.push(format!("  Customer   {customer}   (of the tour in README.md, with 1,000 credits)"));
            for (email, of) in sign_ins {
                lines.push(format!("  Sign in    {email:<22} ({of})"));
            }
            let file = demo::password_file(settings);
            lines.push(format!("  Password   {password}   (of all; kept in {})", file.display()));
            lines.push("  Try        the tour in README.md, or: scrip replay TRACE".to_owned());
        }
        None => lines.push("  API key    make one with: scrip keys create --name NAME".to_owned()),
    }
    lines.push("  Stop       Ctrl-C".to_owned());
    lines.join("\n")
}
