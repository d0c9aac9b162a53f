//! Random questions within the supported SQL, and random rows full of what registers really hold.

use crate::common::Random;

/// Fields for each column of `people` after the id: ends of the declared ranges, values inside and
/// outside of them, and text that is no value at all.
const FIELDS: [&[&str]; 6] = [
    &["f", "m", "f", "m", "x", "F", ""],
    &["0", "120", "17", "18", "64", "65", "34.0", "-1", "121", "9223372036854775807", "NaN", "", "old"],
    &[
        "0",
        "1",
        "-1",
        "7",
        "1000000000",
        "-1000000000",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "",
        "1e3",
    ],
    &[
        "0", "-0.0", "5000", "-1000", "0.25", "-0.25", "1234.56", "4999.75", "5000.01", "1e300", "-1e300",
        "1e-300", "NaN", "inf", "-inf", "", "n/a", "1e999",
    ],
    &["true", "false", "1", "no", "", "maybe"],
    &["1990-01-01", "2020-12-31", "2004-02-29", "0001-01-01", "9999-12-31", "2001-02-29", ""],
];

/// One random row of `people` without its id.
pub fn row(random: &mut Random) -> String {
    FIELDS.map(|fields| random.pick(fields)).join(",")
}

/// One random question.
pub fn question(random: &mut Random) -> String {
    let mut keys: Vec<String> = Vec::new();
    for (key, times) in [("sex", 3), ("age", 4), ("poor", 4), ("EXTRACT(MONTH FROM born)", 9)] {
        if random.once_in(times) {
            keys.push(key.into());
        }
    }
    if random.once_in(8) {
        keys.push(format!("{} IS NULL", value(random)));
    }
    let mut outputs = keys.clone();
    for _ in 0..=random.below(3) {
        outputs.push(aggregate(random));
    }
    let mut sql = format!("SELECT {} FROM people", outputs.join(", "));
    if random.once_in(3) {
        sql += &format!(" WHERE {}", condition(random, 2));
    }
    if !keys.is_empty() {
        sql += &format!(" GROUP BY {}", keys.join(", "));
    }
    sql
}

fn aggregate(random: &mut Random) -> String {
    let depth = random.below(4);
    let mut sql = match random.below(14) {
        0 => "COUNT(*)".into(),
        1 => format!("COUNT({})", value(random)),
        2 | 3 => format!("AVG({}{})", number(random, depth), weight(random)),
        4 | 5 => {
            let name = random.pick(&["VARIANCE", "VAR_POP", "STDDEV", "STDDEV_POP"]);
            format!("{name}({}{})", number(random, depth), weight(random))
        }
        6 | 7 => {
            let degree = random.pick(&["HEADCOUNT", "GAP", "SEVERITY"]);
            let line = match random.below(3) {
                0 => random.pick(&["4000", "0.5", "100000"]).into(),
                1 => "CASE sex WHEN 'f' THEN 17.5 ELSE 3000 END".into(),
                _ => format!("GREATEST({}, 1)", number(random, depth)),
            };
            format!("POVERTY_{degree}({}, {line}{})", number(random, depth), weight(random))
        }
        8 | 9 => {
            let name = random.pick(&["MEDIAN", "GINI", "S80_S20", "AT_RISK_OF_POVERTY", "DECILES"]);
            format!("{name}({}{})", number(random, depth), weight(random))
        }
        10 => {
            let [a, b] = std::array::from_fn(|_| condition(random, 1));
            format!("MPI(1/3, {a}, 1/2, {b}, 1/6, poor, 1/3{})", weight(random))
        }
        _ => format!("SUM({})", number(random, depth)),
    };
    if random.once_in(4) {
        sql += &format!(" FILTER (WHERE {})", condition(random, 2));
    }
    sql
}

/// Nothing, or a weight as a last argument.
fn weight(random: &mut Random) -> String {
    let weights = ["age", "GREATEST(income, 0)", "0.25", "CASE WHEN poor THEN 3.5 END", "age * age"];
    if random.once_in(3) { format!(", weight => {}", random.pick(&weights)) } else { String::new() }
}

fn value(random: &mut Random) -> String {
    random.pick(&["sex", "age", "score", "income", "poor", "born"]).into()
}

fn number(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        let constants = ["0", "1", "2.5", "-3", "0.01", "4000", "100000"];
        return match random.below(8) {
            0 | 1 => random.pick(&constants).into(),
            2 => format!("EXTRACT({} FROM born)", random.pick(&["YEAR", "MONTH", "DAY"])),
            3 => "score".into(),
            4 | 5 => "age".into(),
            _ => "income".into(),
        };
    }
    let below = random.below(depth);
    let [a, b] = std::array::from_fn(|_| number(random, below));
    match random.below(12) {
        0 => format!("({a} + {b})"),
        1 | 2 => format!("({a} - {b})"),
        3 => format!("({a} * {b})"),
        4 => format!("({a} / GREATEST({b}, {}))", random.pick(&["1", "0.5", "100"])),
        5 => format!("({a} / {})", random.pick(&["3", "-7", "0.1", "(age + 1)", "LEAST(income - 5001, -2)"])),
        6 => format!("(-{a})"),
        7 => format!("LEAST({a}, {b})"),
        8 => format!("GREATEST({a}, {b}, 0)"),
        9 => format!("COALESCE({a}, {b})"),
        10 => {
            let otherwise = if random.once_in(3) { String::new() } else { format!(" ELSE {b}") };
            format!("CASE WHEN {} THEN {a}{otherwise} END", condition(random, below))
        }
        _ => format!("CASE sex WHEN 'f' THEN {a} WHEN 'm' THEN {b} ELSE 1 END"),
    }
}

fn condition(random: &mut Random, depth: usize) -> String {
    let below = depth.saturating_sub(1);
    let comparison = random.pick(&["=", "<>", "<", "<=", ">", ">="]);
    match random.below(if depth == 0 { 8 } else { 11 }) {
        0 => "poor".into(),
        1 => format!("sex {} 'f'", random.pick(&["=", "<>"])),
        2 => format!("sex {}IN ('m', 'x')", random.pick(&["", "NOT "])),
        3 => format!("{} IS {}NULL", value(random), random.pick(&["", "NOT "])),
        4 => format!("born {comparison} DATE '2004-02-29'"),
        5 => format!("age {}BETWEEN 17 AND 64", random.pick(&["", "NOT "])),
        6 | 7 => format!("{} {comparison} {}", number(random, below), number(random, below)),
        8 => format!("NOT ({})", condition(random, below)),
        9 => format!("({} AND {})", condition(random, below), condition(random, below)),
        _ => format!("({} OR {})", condition(random, below), condition(random, below)),
    }
}
