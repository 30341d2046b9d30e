use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::fake_server::{self, Faults};
use super::trace::{Trace, TraceRow};
use super::*;

const AZURE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n\
    2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8\r\n";
const MOONCAKE: &str = r#"{"timestamp": 0, "input_length": 40160, "output_length": 6, "hash_ids": [0, 1]}
{"timestamp": 40, "input_length": 13, "output_length": 0, "hash_ids": []}
"#;

/// A file that is deleted when the test ends.
struct TempFile(PathBuf);

impl TempFile {
    fn new(content: &[u8]) -> TempFile {
        let path = std::env::temp_dir().join(format!("scrip-replay-{}", kernel::new_uuid()));
        std::fs::write(&path, content).unwrap();
        TempFile(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn tokens(path: &Path) -> Result<Vec<(u64, u64, u64)>, ReplayError> {
    let rows = Trace::survey(path)?.read()?;
    rows.map(|row| {
        row.map(|TraceRow { row, input_tokens, output_tokens }| (row, input_tokens, output_tokens))
    })
    .collect()
}

#[test]
fn azure_and_mooncake_traces_are_read_plain_and_gzipped() {
    for (text, expected) in [(AZURE, [(1, 4808, 10), (2, 3180, 8)]), (MOONCAKE, [(1, 40160, 6), (2, 13, 0)])]
    {
        for content in [text.as_bytes().to_vec(), gzipped(text)] {
            assert_eq!(tokens(&TempFile::new(&content).0).unwrap(), expected);
        }
    }
}

#[test]
fn columns_are_found_by_their_names() {
    let text = "generated tokens,id,CONTEXT_TOKENS\n7,x,9\n\n";
    assert_eq!(tokens(&TempFile::new(text.as_bytes()).0).unwrap(), [(1, 9, 7)]);
}

#[test]
fn what_is_no_trace_is_refused_with_its_reason() {
    let qps = "timestamp_anon,value,container_ip,request_type\n1662859176.0,0.09,,API Requests\n";
    for (text, reason) in [
        (qps, "request rates"),
        ("a,b\n1,2\n", "neither"),
        ("", "empty"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "no rows"),
    ] {
        let error = tokens(&TempFile::new(text.as_bytes()).0).unwrap_err();
        assert!(matches!(error, ReplayError::NotATrace { .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_broken_line_is_named_before_anything_is_sent() {
    let long = format!("{}\n", "1".repeat(2 << 20));
    for bad in ["x,-5,1\n", "x,1.5,1\n", "x,1\n", &long] {
        let error = tokens(&TempFile::new(format!("{AZURE}{bad}").as_bytes()).0).unwrap_err();
        assert!(matches!(error, ReplayError::BadLine { line: 4, .. }), "{error:?}");
    }
    let error = tokens(&TempFile::new(b"{\"input_length\": 3}\n").0).unwrap_err();
    assert!(matches!(error, ReplayError::BadLine { line: 1, .. }), "{error:?}");
}

#[test]
fn the_hash_is_the_files_sha256() {
    let file = TempFile::new(AZURE.replace("\r\n", "\n").as_bytes());
    // sha256sum of the same bytes
    assert_eq!(
        Trace::survey(&file.0).unwrap().hash(),
        "636767559236c790dc993b5f5794be03bf64dd239076fa967e4cc0ef21849bd9"
    );
}

#[test]
fn the_public_traces_are_read_to_their_last_row() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("SCRIP_TEST_DATA").map_or(beside, PathBuf::from).join("traces");
    // Rows and tokens as counted by another program.
    for (name, rows, total) in [
        ("azure_llm_2023_code.csv.gz", 8_819, 18_305_870),
        ("mooncake_synthetic.jsonl.gz", 3_993, 61_790_060),
    ] {
        let file = data.join(name);
        if !file.exists() {
            // Not by a print macro: the test harness would swallow it.
            let _ =
                writeln!(std::io::stderr(), "{name} not found (SCRIP_TEST_DATA): a test of it did not run");
            continue;
        }
        let tokens = tokens(&file).unwrap();
        assert_eq!((tokens.len(), tokens.iter().map(|t| t.1 + t.2).sum::<u64>()), (rows, total), "{name}");
    }
    let rates = data.join("alibaba_gentd26_qps.csv.gz");
    if rates.exists() {
        assert!(matches!(tokens(&rates), Err(ReplayError::NotATrace { .. })));
    }
}

/// 60 requests of 20,000 tokens and more: more than the first grant pays for with `scale` large.
fn long_trace(scale: u64) -> TempFile {
    let rows: String = (0..60)
        .map(|n| format!("{{\"input_length\": {}, \"output_length\": {n}}}\n", 20_000 * scale + n * 7))
        .collect();
    TempFile::new(rows.as_bytes())
}

fn long_trace_tokens(scale: u64) -> u64 {
    (0..60).map(|n| 20_000 * scale + n * 8).sum()
}

async fn run(file: &TempFile, url: &str) -> Result<ReplaySummary, ReplayError> {
    replay(ReplayOptions::new(&file.0, url, "sk_test_1")).await
}

#[tokio::test]
async fn a_second_run_changes_nothing_and_says_so() {
    let (url, state) = fake_server::start(Faults::default()).await;
    let file = long_trace(1);
    let first = run(&file, &url).await.unwrap();
    assert!(first.is_exact(), "{first}");
    // One customer, one grant, and three answers per request.
    assert_eq!((first.tally.new, first.tally.replayed), (2 + 3 * 60, 0));
    assert_eq!(first.tally.captured.micros().unsigned_abs(), long_trace_tokens(1) * 5_000);
    let balance = state.lock().unwrap().balance;

    let second = run(&file, &url).await.unwrap();
    assert!(second.is_exact(), "{second}");
    assert_eq!((second.tally.new, second.tally.replayed), (0, 1 + 3 * 60));
    assert_eq!((second.journal, second.tally.captured), (first.journal, first.tally.captured));
    assert_eq!(state.lock().unwrap().balance, balance);
    assert!(second.to_string().contains("0 new, 181 replayed"), "{second}");
    assert!(second.to_string().ends_with("journal = trace"), "{second}");
}

#[tokio::test]
async fn cut_connections_and_rate_limits_charge_nothing_twice() {
    let faults = Faults { cut_every: Some(5), rate_limit_every: Some(3), ..Faults::default() };
    let (url, _) = fake_server::start(faults).await;
    let summary = run(&long_trace(1), &url).await.unwrap();
    assert!(summary.is_exact(), "{summary}");
    assert_eq!(summary.journal.captures, 60);
    assert_eq!(summary.journal.spent.micros().unsigned_abs(), long_trace_tokens(1) * 5_000);
    assert!(summary.tally.replayed > 0, "{summary}");
}

#[tokio::test]
async fn credits_that_run_out_are_granted_in_steps_and_only_once() {
    let (url, state) = fake_server::start(Faults::default()).await;
    // A request costs more than a whole grant, so every row needs several.
    let file = long_trace(1_500);
    let first = run(&file, &url).await.unwrap();
    assert!(first.is_exact(), "{first}");
    let grants = first.tally.new - 1 - 3 * 60;
    let needed = long_trace_tokens(1_500) * 5_000 / 100_000_000_000 + 1;
    assert!((needed..needed + 2).contains(&grants), "{grants} grants, {needed} needed");
    let balance = state.lock().unwrap().balance;

    let second = run(&file, &url).await.unwrap();
    assert_eq!((second.tally.new, state.lock().unwrap().balance), (0, balance));
}

#[tokio::test]
async fn a_quote_that_ran_out_is_replaced_and_the_next_run_finds_the_later_one() {
    let (url, state) = fake_server::start(Faults::default()).await;
    let file = long_trace(1);
    let hash = Trace::survey(&file.0).unwrap().hash().to_owned();
    let stale = format!("quo_{}", Keys::new(&hash).quote(7, 1));
    state.lock().unwrap().faults.expired_quote = Some(stale.leak());
    let first = run(&file, &url).await.unwrap();
    assert!(first.is_exact(), "{first}");
    let second = run(&file, &url).await.unwrap();
    assert!(second.is_exact(), "{second}");
    assert_eq!(second.tally.new, 0);
}

#[tokio::test]
async fn a_journal_that_differs_is_shown_and_is_not_exact() {
    let (url, _) = fake_server::start(Faults { journal_off_by: 1, ..Faults::default() }).await;
    let summary = run(&long_trace(1), &url).await.unwrap();
    assert!(!summary.is_exact());
    assert_eq!(summary.differences().len(), 1);
    assert!(summary.to_string().contains("DIFFER"), "{summary}");
}

#[tokio::test]
async fn another_model_for_the_same_trace_is_refused_by_the_server() {
    let (url, state) = fake_server::start(Faults::default()).await;
    let file = long_trace(1);
    run(&file, &url).await.unwrap();
    let balance = state.lock().unwrap().balance;
    let options =
        ReplayOptions { model: "gpt-4o-mini".to_owned(), ..ReplayOptions::new(&file.0, &url, "sk_test_1") };
    let error = replay(options).await.unwrap_err();
    assert!(matches!(error, ReplayError::Row { step: "quote", .. }), "{error:?}");
    assert_eq!(state.lock().unwrap().balance, balance);
}

#[tokio::test]
async fn no_worker_and_too_many_workers_are_refused() {
    for concurrency in [0, MAX_CONCURRENCY + 1] {
        let options = ReplayOptions { concurrency, ..ReplayOptions::new("x", "http://127.0.0.1:1", "k") };
        assert!(matches!(replay(options).await, Err(ReplayError::Concurrency { .. })));
    }
}
