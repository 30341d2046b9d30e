use std::net::TcpStream;

use tests::cluster::{Cluster, postgres};

#[test]
fn every_fresh_database_is_empty_and_its_own() {
    let Some(cluster) = postgres() else { return };
    let (a, b) = (cluster.fresh_database(), cluster.fresh_database());
    assert_ne!(a, b);
    let name = a.rsplit('/').next().unwrap();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(cluster.sql(name, tables).trim(), "0");
    assert_eq!(cluster.sql(name, "SHOW fsync").trim(), "on");
}

#[test]
fn what_was_committed_survives_a_kill_and_nothing_survives_the_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.sql("postgres", "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    cluster.kill9();
    assert!(TcpStream::connect(("127.0.0.1", cluster.port())).is_err());
    cluster.restart();
    assert_eq!(cluster.sql("postgres", "SELECT n FROM kept").trim(), "7");

    let (port, folder) = (cluster.port(), cluster.sql("postgres", "SHOW data_directory"));
    drop(cluster);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!std::path::Path::new(folder.trim()).exists());
}
