mod abuse;
mod anomaly;
mod metrics;
mod npz;
mod replay;
mod timed;
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    if anomaly::sets(dir.as_ref()).unwrap().is_empty() {
        let t = std::time::Instant::now();
        let set = abuse::Set::open(dir.as_ref()).unwrap();
        let run = replay::replay(&set);
        let s = timed::summarise(&set, &run.scores, &run.spent);
        if let Some(p) = std::env::args().nth(2) {
            replay::write(p.as_ref(), &set, &run).unwrap();
        }
        println!(
            "{:?} fits {} fail {} p50 {} p99 {} wallet {}",
            t.elapsed(),
            run.fits,
            run.fit_failures,
            run.nanos[run.nanos.len() / 2],
            run.nanos[run.nanos.len() * 99 / 100],
            size_of::<risk::wallet::Wallet>()
        );
        println!("{}", serde_json::to_string(&s).unwrap());
    } else {
        let rows: Vec<_> =
            anomaly::sets(dir.as_ref()).unwrap().iter().map(|p| anomaly::evaluate(p).unwrap()).collect();
        for r in &rows {
            println!("{} {:.4} {:.4} fit {:.3} us {:.2}", r.set, r.auc, r.ap, r.fit_seconds, r.score_micros);
        }
        println!("{}", serde_json::to_string(&anomaly::summary(&rows)).unwrap());
    }
}
