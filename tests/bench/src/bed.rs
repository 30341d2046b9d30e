//! One database engine with a loaded database of each kind, from which every round gets fresh copies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::tests::cluster::Cluster;
use ::tests::process::{Server, ServerOptions};
use ::tests::scratch::ScratchDir;
use ::tests::wire::Wire;
use kernel::WalletId;
use serde_json::json;
use store::Store;
use tokio::runtime::Runtime;

use crate::database;
use crate::naive::Naive;

/// The plan that customers without a subscription have.
const PLAN: &str = "payg";
/// Enough for every case, however fast.
const GRANT: &str = "1000000000";

/// Which of the two schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Schema {
    Scrip,
    Naive,
}

pub struct Bed {
    /// `None` on SQLite.
    cluster: Option<Cluster>,
    pub folder: ScratchDir,
    pub scrip: PathBuf,
    pub api_key: String,
    pub wallets: Arc<[WalletId]>,
    pub about: Arc<str>,
    pub runtime: Runtime,
}

/// As a server that did not start a moment ago: its shared buffers were touched before, and there are segments of
/// its log to write on, which else are filled with zeros when they are first needed.
fn use_for_a_while(cluster: &Cluster) {
    let (buffers, segments) = ("repeat('x', 7000)", 40);
    for sql in [
        format!("CREATE TABLE used AS SELECT {buffers} AS filler WHERE false"),
        "ALTER TABLE used ALTER COLUMN filler SET STORAGE PLAIN".to_owned(),
        format!(
            "INSERT INTO used SELECT {buffers} FROM generate_series(1, \
             (SELECT setting::int FROM pg_settings WHERE name = 'shared_buffers'))"
        ),
        "DROP TABLE used".to_owned(),
        format!(
            "SELECT count(pg_logical_emit_message(false, 'used', 'x')), count(pg_switch_wal()) \
             FROM generate_series(1, {segments})"
        ),
        "CHECKPOINT".to_owned(),
    ] {
        cluster.sql("postgres", &sql);
    }
}

impl Bed {
    pub fn postgres(wallets: usize) -> Bed {
        let cluster = Cluster::start().expect("the benchmark needs PostgreSQL's server programs");
        for durability in ["fsync", "synchronous_commit", "full_page_writes"] {
            let value = cluster.sql("postgres", &format!("SHOW {durability}"));
            assert_eq!(value.trim(), "on", "{durability}: only durable debits are compared");
        }
        // Checkpoints by size would fall into one case or another; both schemas profit.
        cluster.sql("postgres", "ALTER SYSTEM SET max_wal_size = '8GB'");
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        use_for_a_while(&cluster);
        for name in ["scrip_loaded", "naive_loaded"] {
            cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
        }
        Bed::load(Some(cluster), wallets)
    }

    pub fn sqlite(wallets: usize) -> Bed {
        Bed::load(None, wallets)
    }

    fn load(cluster: Option<Cluster>, wallets: usize) -> Bed {
        let mut bed = Bed {
            cluster,
            folder: ScratchDir::new("bench"),
            scrip: scrip_executable(),
            api_key: String::new(),
            wallets: Arc::default(),
            about: Arc::default(),
            runtime: Runtime::new().expect("a runtime"),
        };
        let url = bed.url(Schema::Scrip, "loaded");
        bed.api_key = publish_and_fund(&bed.options(&url));
        let loaded = bed.runtime.block_on(async {
            let store = Store::connect(&url).await.expect("the database opens");
            let loaded = database::fill(&store, wallets).await;
            store.close().await.expect("it closes");
            let naive = Naive::connect(&bed.url(Schema::Naive, "loaded")).await.expect("it opens");
            naive.load(wallets).await.expect("it loads");
            naive.close().await.expect("it closes");
            loaded
        });
        bed.wallets = loaded.wallets.into();
        bed.about = loaded.about.into();
        bed
    }

    pub fn is_sqlite(&self) -> bool {
        self.cluster.is_none()
    }

    /// The cluster of a bed on PostgreSQL.
    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("only asked on PostgreSQL")
    }

    /// The address of the copy `name`, whether or not it is there.
    pub fn url(&self, schema: Schema, name: &str) -> String {
        match &self.cluster {
            Some(cluster) => cluster.url(&database_name(schema, name)),
            None => format!("sqlite://{}", self.file(schema, name).display()),
        }
    }

    /// A fresh copy of what was loaded.
    pub fn copy(&self, schema: Schema, name: &str) -> String {
        match &self.cluster {
            Some(cluster) => {
                let (new, loaded) = (database_name(schema, name), database_name(schema, "loaded"));
                // Through the buffer pool, PostgreSQL 15's default, such a copy once failed on a pinned buffer while the
                // disk was nearly full.
                cluster
                    .sql("postgres", &format!("CREATE DATABASE {new} TEMPLATE {loaded} STRATEGY FILE_COPY"));
            }
            None => {
                let to = self.file(schema, name);
                std::fs::copy(self.file(schema, "loaded"), to).expect("the disk has room");
            }
        }
        self.url(schema, name)
    }

    /// Makes room.
    pub fn drop_copy(&self, schema: Schema, name: &str) {
        match &self.cluster {
            Some(cluster) => {
                cluster
                    .sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", database_name(schema, name)));
            }
            None => {
                for suffix in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(format!("{}{suffix}", self.file(schema, name).display()));
                }
            }
        }
    }

    pub fn options(&self, url: &str) -> ServerOptions {
        let options = ServerOptions::serve(&self.scrip, self.folder.path());
        // A line per request on a terminal is not what is compared: the naive server writes none.
        options.env("SCRIP_DATABASE_URL", url).env("SCRIP_LOG", "warn")
    }

    fn file(&self, schema: Schema, name: &str) -> PathBuf {
        self.folder.path().join(format!("{}.db", database_name(schema, name)))
    }
}

fn database_name(schema: Schema, name: &str) -> String {
    match schema {
        Schema::Scrip => format!("scrip_{name}"),
        Schema::Naive => format!("naive_{name}"),
    }
}

/// The release build beside this program.
fn scrip_executable() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let scrip = own.parent().unwrap_or(Path::new(".")).join("scrip");
    let is_release = own.parent().is_some_and(|folder| folder.ends_with("release"));
    assert!(
        scrip.is_file() && is_release,
        "{} is not there, or no release build; run: cargo build --release -p scrip -p bench",
        scrip.display()
    );
    scrip
}

/// Through the API: the benchmark's rate card, the customer that is copied, one debit. Answers the key.
fn publish_and_fund(options: &ServerOptions) -> String {
    let mut server = Server::start(options);
    let api_key = server.api_key().expect("the demo has a key");
    let mut wire = Wire::new(server.port(), &api_key);
    let mut post = |path: &str, key: &str, body: serde_json::Value| {
        let reply = wire.post(path, key, &body.to_string()).expect("the server answers");
        assert!(reply.is_success(), "{path}: {}", reply.body);
        reply
    };
    let card = post("/v1/rate-cards", "bench-card", json!({"document": rate_card()})).text("id");
    post(&format!("/v1/rate-cards/{card}/publish"), "bench-publish", json!({}));
    let first = database::external_id(0);
    let customer = json!({"external_id": first, "kind": "individual", "name": "One of many", "email": "one@example.com"});
    post("/v1/customers", "bench-customer", customer);
    post("/v1/grants", "bench-grant", json!({"customer": first, "credits": GRANT, "kind": "promo"}));
    let work = json!({"customer": database::DEMO_CUSTOMER, "feature": "text.generate", "model": "gpt-4",
        "quantities": {"input_tokens": 150, "output_tokens": 50}});
    post("/v1/usage", "bench-usage", work);
    assert!(server.stop().success(), "{}", server.output());
    api_key
}

/// The demo's, with a plan that limits nothing: the benchmark calls one wallet as often as it can.
fn rate_card() -> String {
    let mut card: toml::Table = catalog::DEMO.parse().expect("the demo's rate card is TOML");
    card["rate_card"]["name"] = "bench".into();
    let plan = card["plans"][PLAN].as_table_mut().expect("the demo has this plan");
    plan.remove("calls_per_minute");
    plan.remove("max_open_holds");
    card.to_string()
}
