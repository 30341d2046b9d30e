//! How good a ranking is. The definitions are those of the data's own `evaluate.py`.

/// Area under the ROC curve, ties count half. NaN when one of the two classes is missing.
#[allow(clippy::cast_precision_loss)]
pub fn roc_auc(is_bad: &[bool], scores: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut ranks_of_bad = 0.0;
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]).scan(0, |before, tied| {
        let first = *before;
        *before += tied.len();
        Some((first, tied))
    }) {
        let (first, tied) = tied;
        let rank = first as f64 + (tied.len() + 1) as f64 / 2.0;
        ranks_of_bad += rank * tied.iter().filter(|i| is_bad[**i]).count() as f64;
    }
    let bad = is_bad.iter().filter(|b| **b).count() as f64;
    let good = is_bad.len() as f64 - bad;
    (ranks_of_bad - bad * (bad + 1.0) / 2.0) / (bad * good)
}

/// Average precision: precision at each threshold, weighted by the recall gained there. Tied rows enter together.
#[allow(clippy::cast_precision_loss)]
pub fn average_precision(is_bad: &[bool], scores: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let all_bad = is_bad.iter().filter(|b| **b).count() as f64;
    let (mut seen, mut found, mut sum) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let gained = tied.iter().filter(|i| is_bad[**i]).count() as f64;
        seen += tied.len() as f64;
        found += gained;
        sum += gained / all_bad * (found / seen);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted by hand: of the six pairs of a bad and a good row four are in order and one is tied.
    #[test]
    fn the_area_counts_pairs_and_ties_by_half() {
        let is_bad = [true, false, true, false, false];
        let scores = [0.9, 0.8, 0.4, 0.4, 0.1];
        assert!((roc_auc(&is_bad, &scores) - 4.5 / 6.0).abs() < 1e-12);
        assert!((roc_auc(&is_bad, &[1.0; 5]) - 0.5).abs() < 1e-12);
    }

    /// By hand: the first bad row comes first (precision 1), the second enters with a tie (2 of 4).
    #[test]
    fn average_precision_lets_tied_rows_enter_together() {
        let is_bad = [true, false, true, false, false];
        let scores = [0.9, 0.8, 0.4, 0.4, 0.1];
        assert!((average_precision(&is_bad, &scores) - (0.5 * 1.0 + 0.5 * 0.5)).abs() < 1e-12);
    }
}
