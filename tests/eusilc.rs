//! Real input: the synthetic Austrian EU-SILC population at nine regional agencies, asked 200 times.
//! The intervals cover as often as they say, the spread is the planned one, and the error is a trusted
//! curator's times sqrt(n/(q-t)).
//!
//! The noise is the only thing that is not fixed. Every bound states how often a right system fails it.

mod support;

use std::collections::BTreeMap;

use almoner_audit::verify_release;
use almoner_query::{Answer, AnswerValue, Plan};
use support::Federation;
use support::eusilc::{Eusilc, REGIONS, rounded};
use support::shared_data::shared_data;

const RELEASES: usize = 200;

/// One question, its price, and what is exact: by key, every output in order.
struct Question {
    sql: &'static str,
    rho: &'static str,
    exact: BTreeMap<Vec<String>, Vec<f64>>,
}

fn questions(eusilc: &Eusilc) -> Vec<Question> {
    let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let counts =
        eusilc.exact(|person| Some((vec![person["region"].as_str(), person["gender"].as_str()], 0.0)));
    let means = eusilc.exact(|person| Some((vec![person["region"].as_str()], rounded(person, "eq_income")?)));
    let children = eusilc.exact(|person| {
        let age: f64 = person["age"].parse().ok()?;
        (age < 18.0).then_some(())?;
        Some((vec![], rounded(person, "hh_disp_income")?))
    });
    let band = |age: f64| match age {
        age if age < 18.0 => "child",
        age if age < 40.0 => "young",
        age if age < 65.0 => "middle",
        _ => "old",
    };
    let by_band = eusilc.exact(|person| {
        let age = person["age"].parse().ok()?;
        Some((vec![person["region"].as_str(), person["gender"].as_str(), band(age)], 0.0))
    });
    let count = |cells: BTreeMap<Vec<&str>, (f64, f64)>| {
        cells.into_iter().map(|(keys, (count, _))| (owned(&keys), vec![count])).collect()
    };
    vec![
        Question {
            sql: "SELECT region, gender, COUNT(*) AS people FROM persons GROUP BY region, gender",
            rho: "0.1",
            exact: count(counts),
        },
        Question {
            sql: "SELECT region, AVG(eq_income) AS mean FROM persons GROUP BY region",
            rho: "0.5",
            exact: means.into_iter().map(|(keys, (count, sum))| (owned(&keys), vec![sum / count])).collect(),
        },
        Question {
            sql: "SELECT SUM(hh_disp_income) AS total FROM persons WHERE age < 18",
            rho: "0.1",
            exact: children.into_iter().map(|(keys, (_, sum))| (owned(&keys), vec![sum])).collect(),
        },
        Question {
            sql: "SELECT region, gender, CASE WHEN age < 18 THEN 'child' WHEN age < 40 THEN 'young' \
                  WHEN age < 65 THEN 'middle' ELSE 'old' END AS band, COUNT(*) AS people \
                  FROM persons GROUP BY region, gender, band",
            rho: "0.1",
            exact: count(by_band),
        },
    ]
}

/// What 200 answers say of one question, pooled over its cells.
#[derive(Default)]
struct Pool {
    cells: usize,
    covered: usize,
    /// Sum of squared errors in units of the reported standard error.
    squares: f64,
    /// Sum of squared errors in units of a trusted curator's standard deviation; counts and sums alone.
    curator_squares: f64,
}

impl Pool {
    fn take(&mut self, question: &Question, plan: &Plan, answer: &Answer) {
        assert_eq!(answer.rows.len(), question.exact.len(), "every group of the domain is in the data");
        for row in &answer.rows {
            let keys: Vec<String> = row
                .iter()
                .filter_map(|value| match value {
                    AnswerValue::Key(key) => Some(key.clone()),
                    AnswerValue::Estimate(_) => None,
                })
                .collect();
            let AnswerValue::Estimate(estimate) = row.last().expect("an output") else {
                panic!("the last is one")
            };
            let error = estimate.value.expect("far from empty") - question.exact[&keys][0];
            self.cells += 1;
            self.covered += usize::from(
                error >= estimate.low - estimate.value.unwrap_or(0.0)
                    && error <= estimate.high - estimate.value.unwrap_or(0.0),
            );
            self.squares += (error / estimate.standard_error).powi(2);
            // A curator who holds all records adds one Gaussian of variance D2^2 / (2 rho).
            let block = &plan.blocks()[0];
            let rho = block.cost.as_f64();
            self.curator_squares += error.powi(2) / ((block.d2 as f64).powi(2) / (2.0 * rho));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_releases_cover_spread_and_cost_as_planned() {
    let Some(file) = shared_data("eusilc/persons.csv") else { return };
    let eusilc = Eusilc::read(&file);
    let federation = Federation::start(&eusilc.setup());
    assert_eq!(federation.manifest.agencies.len(), REGIONS.len());
    let questions = questions(&eusilc);
    let mut pools: Vec<Pool> = questions.iter().map(|_| Pool::default()).collect();
    for _ in 0..RELEASES {
        for (question, pool) in questions.iter().zip(&mut pools) {
            let answer = federation.ask("ministry", question.sql, question.rho).await.expect("an answer");
            assert!(!answer.repeat);
            let release = answer.release.expect("a release");
            let verified = verify_release(&federation.manifest, &release).expect("a sound release");
            let table =
                verified.plan.answer(&verified.total, verified.participants.len() as u32).expect("an answer");
            pool.take(question, &verified.plan, &table);
        }
    }

    println!("{:>6} {:>8} {:>9} {:>9}  question", "cells", "covered", "spread", "curator");
    for (question, pool) in questions.iter().zip(&pools) {
        let cells = pool.cells as f64;
        let (spread, curator) = ((pool.squares / cells).sqrt(), (pool.curator_squares / cells).sqrt());
        let covered = 100.0 * pool.covered as f64 / cells;
        println!("{:>6} {covered:>7.2}% {spread:>9.4} {curator:>9.4}  {}", pool.cells, question.sql);
    }

    // Coverage over all cells: 20,000 of them, so 95 % has a standard deviation of 0.15 points and two
    // points are more than 12 of it: far below 1e-6.
    let (cells, covered) = pools.iter().fold((0, 0), |(c, v), pool| (c + pool.cells, v + pool.covered));
    let coverage = covered as f64 / cells as f64;
    println!("coverage over {cells} cells: {:.2} %", 100.0 * coverage);
    assert!((0.93..=0.97).contains(&coverage), "{coverage}");

    // Spread of the linear outputs: z^2 summed is chi-square with one degree a cell; beyond 5.5 standard
    // deviations of it with probability below 1e-6 (two-sided, with room for its skewness).
    let linear: Vec<&Pool> = [0, 2, 3].iter().map(|index| &pools[*index]).collect();
    let degrees = linear.iter().map(|pool| pool.cells).sum::<usize>() as f64;
    let squares = linear.iter().map(|pool| pool.squares).sum::<f64>();
    let deviations = (squares - degrees) / (2.0 * degrees).sqrt();
    println!("chi-square {squares:.1} over {degrees} degrees: {deviations:.2} standard deviations");
    assert!(deviations.abs() < 5.5, "{deviations}");

    // The curator's error at the same rho, times sqrt(n/(q-t)) = sqrt(9/7). Over 18,200 cells the root
    // mean square has a relative standard deviation of 0.52 %, so 3 % is 5.7 of it: below 1e-7.
    let ratio = (linear.iter().map(|pool| pool.curator_squares).sum::<f64>() / degrees).sqrt();
    let promised = (9f64 / 7.0).sqrt();
    println!("error over a trusted curator's: {ratio:.4}, promised {promised:.4}");
    assert!((ratio / promised - 1.0).abs() < 0.03, "{ratio}");
}
