//! What models do with rows that are not as one would wish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

use ndarray::{Array2, Axis, Slice};
use proptest::prelude::*;
use risk::drift::psi;
use risk::features::{COUNT, Features};
use risk::feedback::{FEWEST_VERDICTS, Feedback};
use risk::model::{Columns, Ensemble, FitError, Seed};
use risk::stored::{LoadError, model_from_bytes, model_to_bytes};

/// Two groups of ordinary rows, one column in the other's shadow.
fn ordinary(rows: usize, columns: usize) -> Array2<f64> {
    let mut seed = Seed::of("test", "rows");
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        let noise: f64 = (0..12).map(|_| seed.unit()).sum::<f64>() - 6.0;
        let group = if i % 3 == 0 { 4.0 } else { 0.0 };
        noise + group * (j % 2) as f64
    })
}

#[test]
fn the_same_id_and_rows_give_the_same_bits_and_another_id_does_not() {
    let rows = ordinary(500, 6);
    let bytes = |id: &str| model_to_bytes(&Ensemble::fit(id, rows.view()).unwrap()).unwrap();
    assert_eq!(bytes("model-7"), bytes("model-7"));
    assert_ne!(bytes("model-7"), bytes("model-8"));
}

#[test]
fn a_far_row_is_more_unusual_than_every_ordinary_one() {
    let rows = ordinary(1_000, 5);
    let model = Ensemble::fit("far", rows.view()).unwrap();
    let far = model.score(&[40.0; 5]);
    assert!(rows.rows().into_iter().all(|row| model.score(&row.to_vec()) < far));
    assert!((model.share_below(&[40.0; 5]) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn no_row_one_row_and_rows_without_difference_are_refused_with_the_reason() {
    for rows in [0, 1, 15] {
        let refused = Ensemble::fit("few", ordinary(rows, 3).view()).unwrap_err();
        assert_eq!(refused, FitError::TooFewRows { rows });
    }
    let alike = Array2::from_elem((100, 3), 2.5);
    assert_eq!(Ensemble::fit("alike", alike.view()).unwrap_err(), FitError::NothingVaries { rows: 100 });
    let nothing = Array2::from_elem((100, 3), f64::NAN);
    assert_eq!(Ensemble::fit("nan", nothing.view()).unwrap_err(), FitError::NothingVaries { rows: 100 });
}

#[test]
fn constant_and_double_columns_change_nothing() {
    let rows = ordinary(400, 3);
    let mut more = Array2::from_elem((400, 6), 7.0);
    more.slice_axis_mut(Axis(1), Slice::from(0..3)).assign(&rows);
    more.column_mut(4).assign(&rows.column(1));
    more.column_mut(5).fill(f64::NAN);
    assert_eq!(Columns::learn(more.view()).unwrap().kept(), 3);
    let (plain, wide) = (Ensemble::fit("m", rows.view()).unwrap(), Ensemble::fit("m", more.view()).unwrap());
    for (a, b) in rows.rows().into_iter().zip(more.rows()) {
        assert_eq!(plain.score(&a.to_vec()).to_bits(), wide.score(&b.to_vec()).to_bits());
    }
}

#[test]
fn a_missing_value_counts_as_the_median_and_an_infinite_one_as_the_edge() {
    let mut rows = ordinary(300, 3);
    rows[[5, 1]] = f64::NAN;
    rows[[6, 1]] = f64::INFINITY;
    rows[[7, 2]] = f64::NEG_INFINITY;
    let model = Ensemble::fit("holes", rows.view()).unwrap();
    let mut column: Vec<f64> = rows.column(1).iter().copied().filter(|v| v.is_finite()).collect();
    column.sort_by(f64::total_cmp);
    let score = |v: f64| model.score(&[0.0, v, 0.0]).to_bits();
    assert_eq!(score(f64::NAN), score(column[column.len() / 2]));
    assert_eq!(score(f64::INFINITY), score(*column.last().unwrap()));
    assert_eq!(model.score(&[0.5]).to_bits(), model.score(&[0.5, f64::NAN, f64::NAN]).to_bits());
}

#[test]
fn bounds_that_nearly_touch_and_huge_values_do_not_stop_a_fit() {
    let mut rows = ordinary(200, 4);
    for (i, mut row) in rows.rows_mut().into_iter().enumerate() {
        row[0] = f64::from_bits(1.0_f64.to_bits() + (i as u64 & 1));
        row[1] = if i % 2 == 0 { f64::MAX } else { -f64::MAX };
        row[2] = f64::MIN_POSITIVE * i as f64;
    }
    let model = Ensemble::fit("touching", rows.view()).unwrap();
    assert!(rows.rows().into_iter().all(|row| model.score(&row.to_vec()).is_finite()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_the_rows_are_a_fit_ends_and_scores_are_finite(
        values in proptest::collection::vec(
            prop_oneof![
                4 => -3.0..3.0_f64, 1 => Just(0.0), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY),
                1 => Just(f64::NEG_INFINITY), 1 => any::<f64>(),
            ],
            20 * 4..60 * 4,
        )
    ) {
        let rows = values.len() / 4;
        let table = Array2::from_shape_vec((rows, 4), values[..rows * 4].to_vec()).unwrap();
        match Ensemble::fit("any", table.view()) {
            Ok(model) => for row in table.rows() {
                prop_assert!(model.score(&row.to_vec()).is_finite());
            },
            Err(error) => prop_assert!(matches!(error, FitError::NothingVaries { .. }), "{error}"),
        }
    }
}

#[test]
fn a_stored_model_scores_as_before_and_bytes_of_another_version_are_refused() {
    let rows = ordinary(200, COUNT);
    let model = Ensemble::fit("stored", rows.view()).unwrap();
    let mut bytes = model_to_bytes(&model).unwrap();
    assert_eq!(model_from_bytes(&bytes).unwrap(), model);
    assert!(matches!(model_from_bytes(&bytes[..bytes.len() / 2]), Err(LoadError::Unreadable(_))));
    bytes[0] ^= 1;
    assert!(matches!(model_from_bytes(&bytes), Err(LoadError::OtherVersion { .. })));
}

#[test]
fn verdicts_teach_only_when_there_are_enough_and_then_the_right_way_round() {
    let rows = ordinary(FEWEST_VERDICTS, COUNT);
    let confirmed: Vec<bool> = rows.column(2).iter().map(|v| *v > 0.8).collect();
    let few = rows.slice_axis(Axis(0), Slice::from(..FEWEST_VERDICTS - 1));
    assert_eq!(Feedback::fit(few, &confirmed[..FEWEST_VERDICTS - 1]).unwrap(), None);
    assert_eq!(Feedback::fit(rows.view(), &[true; FEWEST_VERDICTS]).unwrap(), None);
    for flip in [false, true] {
        let confirmed: Vec<bool> = confirmed.iter().map(|c| *c != flip).collect();
        let learnt = Feedback::fit(rows.view(), &confirmed).unwrap().expect("there are enough verdicts");
        let right = rows.rows().into_iter().zip(&confirmed);
        let right = right.filter(|(row, c)| (learnt.chance(&row.to_vec()) > 0.5) == **c).count();
        assert!(right * 10 > FEWEST_VERDICTS * 9, "{right} of {FEWEST_VERDICTS} right");
    }
}

#[test]
fn the_stability_index_is_zero_at_rest_and_follows_its_formula() {
    let then = Array2::from_shape_fn((1_000, 1), |(i, _)| i as f64);
    assert!(psi(then.view(), then.view())[0].abs() < 1e-12);
    // Half of all rows moved into the lowest tenth: by hand, (.55-.1)·ln(5.5) + 9·(.05-.1)·ln(.5).
    let now = Array2::from_shape_fn((1_000, 1), |(i, _)| if i % 2 == 0 { 0.0 } else { i as f64 });
    let expected = 0.45 * 5.5_f64.ln() + 9.0 * -0.05 * 0.5_f64.ln();
    assert!((psi(then.view(), now.view())[0] - expected).abs() < 0.02);
}

#[test]
fn features_keep_their_places_in_the_vector() {
    let vector: [f64; COUNT] = std::array::from_fn(|i| i as f64);
    assert_eq!(Features::from_vector(vector).vector(), vector);
}
