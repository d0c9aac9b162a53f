//! From totals to the planner's table.

use almoner_query::{Answer, AnswerValue, Plan, QueryError};

use super::planned;

/// The released total for these unscaled integers, without noise.
fn total(plan: &Plan, integers: &[i64]) -> Vec<i64> {
    integers.iter().enumerate().map(|(i, value)| value << plan.shift_of(i)).collect()
}

fn answered(plan: &Plan, integers: &[i64]) -> Answer {
    plan.answer(&total(plan, integers), 3).expect("the vector is the plan's")
}

/// Keys as they are, estimates as their values.
fn shown(answer: &Answer) -> Vec<Vec<String>> {
    let show = |value: &AnswerValue| match value {
        AnswerValue::Key(label) => label.clone(),
        AnswerValue::Estimate(estimate) => estimate.value.map_or("?".into(), |value| format!("{value:.3}")),
    };
    answer.rows.iter().map(|row| row.iter().map(show).collect()).collect()
}

fn standard_errors(answer: &Answer) -> Vec<f64> {
    let error = |value: &AnswerValue| match value {
        AnswerValue::Key(_) => None,
        AnswerValue::Estimate(estimate) => Some(estimate.standard_error),
    };
    answer.rows[0].iter().filter_map(error).collect()
}

#[test]
fn every_cell_is_a_row_in_the_order_of_the_domains() {
    let plan = planned("SELECT poor, COUNT(*) AS n, county FROM persons GROUP BY county, poor");
    let answer = answered(&plan, &[1, 2, 3, 4, 5, 6]);
    let rows = [
        ["false", "1", "A"],
        ["true", "2", "A"],
        ["false", "3", "B"],
        ["true", "4", "B"],
        ["false", "5", "it's"],
        ["true", "6", "it's"],
    ];
    let expected: Vec<Vec<String>> = rows
        .iter()
        .map(|[poor, n, county]| vec![(*poor).into(), format!("{n}.000"), (*county).into()])
        .collect();
    assert_eq!(shown(&answer), expected);
    let names: Vec<(&str, bool)> =
        answer.columns.iter().map(|column| (column.name.as_str(), column.is_key)).collect();
    assert_eq!(names, [("poor", true), ("n", false), ("county", true)]);
}

#[test]
fn order_and_limit_work_on_the_released_values() {
    let ordered = |clause: &str, integers: &[i64]| {
        let sql = format!("SELECT county, COUNT(*) AS n FROM persons GROUP BY county {clause}");
        let rows = shown(&answered(&planned(&sql), integers));
        rows.into_iter().map(|row| row[0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ordered("ORDER BY n DESC", &[2, 9, -4]), ["B", "A", "it's"]);
    assert_eq!(ordered("ORDER BY n", &[2, 9, -4]), ["it's", "A", "B"]);
    assert_eq!(ordered("ORDER BY n, county DESC", &[2, 2, 2]), ["it's", "B", "A"]);
    assert_eq!(ordered("ORDER BY n DESC", &[2, 2, 2]), ["A", "B", "it's"]);
    assert_eq!(ordered("ORDER BY county DESC LIMIT 2", &[1, 2, 3]), ["it's", "B"]);
    assert_eq!(ordered("LIMIT 0", &[1, 2, 3]), [""; 0]);
}

#[test]
fn unknown_means_stand_last_in_both_directions() {
    for (direction, first) in [("", "B"), ("DESC", "A")] {
        let sql =
            format!("SELECT county, AVG(children) AS m FROM persons GROUP BY county ORDER BY m {direction}");
        // A: 2 rows with mean 5, B: 1 row with -1, it's: none.
        let rows = shown(&answered(&planned(&sql), &[14, 12, 13, 0, 0, 0]));
        assert_eq!(rows[0][0], first);
        assert_eq!(rows[2], ["it's", "?"]);
    }
}

#[test]
fn a_pair_gives_mean_count_and_sum_with_their_errors() {
    let plan = planned("SELECT AVG(children) AS m, COUNT(children) AS n, SUM(children) AS s FROM persons");
    // Rows with 5, 12 and -1: the pair sums K - j = 7 + 0 + 13 and j = 6 + 13 + 0, K = 13.
    let answer = answered(&plan, &[20, 19]);
    assert_eq!(shown(&answer), [["5.333", "3.000", "16.000"]]);
    let block = &plan.blocks()[0];
    let sd = block.sigma as f64 * 3f64.sqrt() / f64::from(block.shift).exp2();
    let u = 19.0 / 39.0_f64;
    let by_hand = [
        13.0 * sd * ((1.0 - u).powi(2) + u * u).sqrt() / 39.0,
        sd * 2f64.sqrt() / 13.0,
        sd * (1f64.powi(2) + 12f64.powi(2)).sqrt() / 13.0,
    ];
    for (found, expected) in standard_errors(&answer).into_iter().zip(by_hand) {
        assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
    }
    let AnswerValue::Estimate(sum) = answer.rows[0][2] else { panic!("a sum is an estimate") };
    assert!(((sum.high - sum.low) / (2.0 * 1.959_963_984_540_054 * sum.standard_error) - 1.0).abs() < 1e-12);
}

#[test]
fn sums_are_in_the_columns_unit() {
    let plan = planned("SELECT SUM(balance), SUM(income) AS i FROM persons");
    assert_eq!(shown(&answered(&plan, &[-3, 12_345])), [["-1.500", "123.450"]]);
    let expected: Vec<f64> = plan.expected().iter().map(|error| error.standard_error).collect();
    let found = standard_errors(&answered(&plan, &[0, 0]));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < 1e-12, "the manifest has three agencies, as this round");
    }
}

#[test]
fn an_average_is_expected_for_an_average_cell() {
    let plan = planned("SELECT county, AVG(income) AS m, COUNT(*) AS n FROM persons GROUP BY county");
    let expected = plan.expected();
    assert_eq!(expected.iter().map(|error| error.name.as_str()).collect::<Vec<_>>(), ["m", "n"]);
    let rows = 1_000_000.0 / 3.0;
    assert_eq!(expected[0].for_cell_of, Some(rows));
    assert_eq!(expected[1].for_cell_of, None);
    // What a cell of that many rows at the lower end is told.
    let counted = (rows as i64) * 10_000_000;
    let answer = answered(&plan, &[counted, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!((standard_errors(&answer)[0] / expected[0].standard_error - 1.0).abs() < 1e-5);
}

#[test]
fn values_of_one_point_have_no_spread() {
    let plan = planned("SELECT AVG(fixed) AS m, COUNT(fixed) AS n, SUM(fixed) AS s FROM persons");
    assert_eq!(shown(&answered(&plan, &[10, 0])), [["3.000", "10.000", "30.000"]]);
}

#[test]
fn labels_of_bands_say_their_ends() {
    let labels = |column: &str| {
        let plan = planned(&format!("SELECT {column}, COUNT(*) FROM persons GROUP BY {column}"));
        let rows = shown(&answered(&plan, &vec![0; plan.dimension()]));
        rows.into_iter().map(|row| row[0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(labels("age"), ["0 to 17", "18 to 64", "65 to 120"]);
    assert_eq!(labels("income"), ["0 to <4000", "4000 to <20000", "20000 to 100000"]);
    assert_eq!(labels("children")[..3], ["-1", "0", "1"]);
    assert_eq!(labels("poor"), ["false", "true"]);
    let years = labels("EXTRACT(YEAR FROM born)");
    assert_eq!((years.len(), years[0].as_str(), years[126].as_str()), (127, "1900", "2026"));
}

#[test]
fn another_vector_is_refused() {
    let plan = planned("SELECT COUNT(*) FROM persons");
    assert_eq!(plan.answer(&[1, 2], 3), Err(QueryError::Total { expected: 1, found: 2 }));
    assert_eq!(plan.answer(&[1], 0), Err(QueryError::NoParticipants));
}
