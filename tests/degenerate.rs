//! Populations of which there is little to say: nobody, one person, everybody alike, nothing, less than nothing,
//! weights of nothing, a group nobody is in. Every answer is defined, bounded by its own interval, and says when it is
//! noise; no number is made up of none.

mod support;

use support::{AgencySetup, Federation, Setup};

/// Everything that can be asked of a value, with and without a weight.
fn everything(value: &str, weight: &str) -> String {
    let w = |usual: &str| match weight {
        "" => usual.to_owned(),
        weight => format!("{usual}, weight => {weight}"),
    };
    let calls = [
        format!("AVG({})", w(value)),
        format!("VARIANCE({})", w(value)),
        format!("STDDEV_POP({})", w(value)),
        format!("POVERTY_HEADCOUNT({})", w(&format!("{value}, 10"))),
        format!("POVERTY_HEADCOUNT({})", w(&format!("{value}, -2000"))),
        format!("POVERTY_GAP({})", w(&format!("{value}, 10"))),
        format!("POVERTY_SEVERITY({})", w(&format!("{value}, 800"))),
        format!("MEDIAN({})", w(value)),
        format!("PERCENTILE({})", w(&format!("{value}, 0.99"))),
        format!("AT_RISK_OF_POVERTY({})", w(value)),
        format!("AT_RISK_THRESHOLD({})", w(value)),
        format!("AT_RISK_GAP({})", w(value)),
        format!("MEDIAN_POVERTY_GAP({})", w(&format!("{value}, 10"))),
        format!("GINI({})", w(value)),
        format!("S80_S20({})", w(value)),
        format!("PALMA({})", w(value)),
        format!("MPI_HEADCOUNT({})", w(&format!("1/2, {value} < 0, 1/2, {value} > 5, 1/2"))),
        format!("MPI_INTENSITY({})", w(&format!("1/2, {value} < 0, 1/2, {value} > 5, 1/2"))),
        format!("MPI({})", w(&format!("1/2, {value} < 0, 1/2, {value} > 5, 1/2"))),
    ];
    calls.join(", ")
}

fn setup() -> Setup {
    let agencies = ["north", "middle", "south"].iter().zip(0u32..).map(|(name, number)| {
        let mut alike = "id,town,same,zero,negative,w\n".to_owned();
        for person in (0..300).filter(|person| person % 3 == number) {
            alike += &format!("{person},hill,700,0,-50,0\n");
        }
        let header = "id,town,same,zero,negative,w\n";
        let one = if number == 1 { "7,hill,700,0,-50,1\n" } else { "" };
        AgencySetup {
            name: (*name).into(),
            sector: Some("residence"),
            files: vec![
                ("nobody.csv".into(), header.into()),
                ("lonely.csv".into(), format!("{header}{one}")),
                ("alike.csv".into(), alike),
            ],
        }
    });
    let columns = "column = [\n\
        { name = \"town\", type = \"text\", domain = [\"hill\", \"plain\"] },\n\
        { name = \"same\", type = \"number\", min = -1000, max = 1000, resolution = 1 },\n\
        { name = \"zero\", type = \"number\", min = 0, max = 100000, resolution = 1, bins = { scale = \"log\", from = 10 } },\n\
        { name = \"negative\", type = \"number\", min = -1000, max = 1000, resolution = 1 },\n\
        { name = \"w\", type = \"number\", min = 0, max = 100, resolution = 0.01 } ]\n\n";
    let table = |name: &str| format!("[[table]]\nname = \"{name}\"\nrows_per_unit = 1\n{columns}");
    Setup {
        constitution: "[unit]\nkind = \"person\"\ncolumn = \"id\"\npopulation = 1000\n\n\
            [policy]\ndelta = 1e-9\ntotal_rho = 1000\nquorum = 3\ncolluders = 1\nmin_honest = 2\n"
            .into(),
        tables: format!(
            "[[sector]]\nname = \"residence\"\nagencies_per_unit = 1\n\n{}{}{}",
            table("nobody"),
            table("lonely"),
            table("alike")
        ),
        planners: vec![("ministry", "1000")],
        agencies: agencies.collect(),
        node_limits: String::new(),
        coordinator_limits: String::new(),
    }
}

/// Every estimate of an answer, by row and output.
fn estimates(answer: &serde_json::Value) -> Vec<(usize, String, serde_json::Value)> {
    let rows = answer["rows"].as_array().expect("rows").iter().enumerate();
    rows.flat_map(|(row, values)| {
        let values = values.as_object().expect("an object").iter();
        values
            .filter(|(_, value)| value.is_object())
            .map(move |(name, value)| (row, name.clone(), value.clone()))
    })
    .collect()
}

/// Null, or a number within its interval; unbounded ends are null.
fn sound(question: &str, name: &str, estimate: &serde_json::Value) {
    let number = |part: &str| estimate[part].as_f64();
    let noisy = estimate["noisy"].as_bool().expect("a flag");
    match number("value") {
        None => assert!(noisy, "{question}: {name} is unknown and not flagged"),
        Some(value) => {
            assert!(value.is_finite(), "{question}: {name}");
            let (low, high) = (number("low"), number("high"));
            assert!(low.is_none_or(|low| low <= value), "{question}: {name} {estimate}");
            assert!(high.is_none_or(|high| value <= high), "{question}: {name} {estimate}");
            assert!(
                noisy || low.is_some() && high.is_some(),
                "{question}: {name} is unbounded and not flagged"
            );
        }
    }
}

/// Of a group nobody is in nearly everything must be flagged. A distribution of nobody passes for one of somebody
/// where the noise of its total is above 1.96 deviations, once in 40 releases, and then at most ten of its statistics
/// may; a tenth of all estimates would take nine of the 30 releases, with a probability below 1e-6.
#[test]
fn every_answer_is_defined_and_says_when_it_is_noise() {
    let federation = Federation::start(&setup());
    let (mut of_nobody, mut unflagged) = (0, Vec::new());
    let lost = |table: &str, weight: &str| table == "nobody" || weight == "w";
    for table in ["nobody", "lonely", "alike"] {
        for value in ["same", "zero", "negative"] {
            for weight in ["", "w"] {
                let sql = format!("SELECT town, {} FROM {table} GROUP BY town", everything(value, weight));
                let answer = federation.query("ministry", &sql, &["--rho", "1"]);
                for (row, name, estimate) in estimates(&answer) {
                    sound(&sql, &name, &estimate);
                    if row == 1 || lost(table, weight) {
                        of_nobody += 1;
                        if estimate["noisy"] != true {
                            unflagged.push(format!("{name} of {table}, {row}: {estimate}"));
                        }
                    }
                }
            }
            for curve in ["LORENZ", "DECILES"] {
                let sql = format!("SELECT {curve}({value}) AS c FROM {table}");
                let answer = federation.query("ministry", &sql, &["--rho", "0.5"]);
                assert_eq!(answer["rows"].as_array().map(Vec::len), Some(9));
                for (_, name, estimate) in estimates(&answer) {
                    sound(&sql, &name, &estimate);
                }
            }
        }
    }
    println!("{} of {of_nobody} of nobody unflagged: {unflagged:#?}", unflagged.len());
    assert!(of_nobody > 500 && unflagged.len() * 10 < of_nobody, "{unflagged:#?}");
    // Three hundred who have 700 each: what is sure is told, to the width of a bin.
    let sql = "SELECT MEDIAN(same) AS median, POVERTY_HEADCOUNT(same, 10) AS poor, POVERTY_HEADCOUNT(negative, 10) AS all, \
               STDDEV_POP(same) AS deviation FROM alike";
    let row = federation.query("ministry", sql, &["--rho", "100"])["rows"][0].clone();
    let number = |name: &str| row[name]["value"].as_f64().expect("a value");
    assert!((number("median") - 700.0).abs() < 3.0, "{row}");
    assert!(number("poor").abs() < 0.05 && (number("all") - 1.0).abs() < 0.05, "{row}");
    assert!(row["deviation"]["low"].as_f64().is_some_and(|low| low < 60.0), "{row}");
    let csv = federation.as_planner("ministry", &["query", sql, "--rho", "100", "--format", "csv"]);
    let text = String::from_utf8(csv.stdout).expect("UTF-8").to_lowercase();
    assert!(!text.contains("nan") && !text.contains("inf"), "{text}");
}
