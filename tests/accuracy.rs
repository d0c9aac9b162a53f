//! `almoner bench accuracy` over published surveys: every value that independent authors printed is met to within the
//! stated tolerance, intervals cover, and the error is a curator's times sqrt(n/(q-t)). And it can fail.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::ALMONER;
use support::shared_data::shared_data;

fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes").join(format!("{name}.toml"))
}

fn bench(folder: &Path, recipe: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(ALMONER);
    command.args(["bench", "accuracy"]).arg(folder).arg("--recipe").arg(recipe).args(more);
    command.output().expect("the binary runs")
}

/// The lines of a CSV output, each by column.
fn lines(output: &Output) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let header = reader.headers().expect("a header").clone();
    let named = |record: csv::StringRecord| {
        header.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect()
    };
    reader.records().map(|record| named(record.expect("a line"))).collect()
}

#[test]
fn every_published_value_is_met() {
    for (name, published) in [("eusilc", 61), ("pip", 6), ("mpindex", 26)] {
        let Some(folder) = shared_data(name) else { return };
        let output = bench(&folder, &recipe(name), &["--releases", "2", "--rho", "0.1", "--format", "csv"]);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {complaint}");
        let found = lines(&output).iter().filter(|line| !line["published"].is_empty()).count();
        assert_eq!(found, published, "{name}");
    }
}

/// 400 releases of three poverty measures over 2,000 persons with weights. Of 1,200 intervals of 95 %, those of one
/// release depending on each other as if they were one, fewer than 88 or more than 99.5 % cover with probability
/// below 1e-6 (400 independent ones: six standard deviations of 1.1 %). The ratio to the curator, who shares seven of
/// nine noises, has a standard deviation of 2.4 %; 15 % are six.
#[test]
fn intervals_cover_and_the_noise_is_the_curators_times_the_promised_factor() {
    let Some(folder) = shared_data("pip") else { return };
    let data = std::fs::read_to_string(recipe("pip")).expect("the recipe");
    let start = data.find("[[statistic]]").expect("statistics");
    let poverty =
        data[start..].split("[[statistic]]").find(|part| part.contains("POVERTY")).expect("poverty");
    let dir = tempfile::tempdir().expect("a folder");
    let short = dir.path().join("recipe.toml");
    std::fs::write(&short, format!("{}[[statistic]]{poverty}", &data[..start])).expect("written");
    let output = bench(&folder, &short, &["--releases", "400", "--rho", "0.1", "--format", "csv"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = lines(&output);
    assert_eq!(lines.len(), 3);
    let number = |line: &std::collections::BTreeMap<String, String>, name: &str| -> f64 {
        line[name].parse().expect("a number")
    };
    let coverage = lines.iter().map(|line| number(line, "coverage %")).sum::<f64>() / 3.0;
    assert!((88.0..=99.5).contains(&coverage), "{coverage}");
    let promised = (9.0f64 / 7.0).sqrt();
    for line in &lines {
        let ratio = number(line, "ratio") / promised;
        assert!((0.85..1.15).contains(&ratio), "{ratio} of the promised error");
        // Nine agencies that each protect their own answer: three times the curator's, within six deviations of 7 %.
        let local = number(line, "local rmse") / number(line, "curator rmse");
        assert!((1.9..5.0).contains(&local), "{local}");
    }
}

#[test]
fn a_missed_value_an_unknown_output_and_a_broken_recipe_are_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows: String = (0..40).map(|id| format!("{id},{}\n", id % 7)).collect();
    std::fs::write(dir.path().join("people.csv"), format!("id,x\n{rows}")).expect("written");
    let recipe = dir.path().join("recipe.toml");
    let with = |statistic: &str| {
        let text = format!(
            "agencies = 3\n[unit]\nkind = \"person\"\ncolumn = \"id\"\npopulation = 100\n\n[[table]]\nname = \"people\"\n\
             rows_per_unit = 1\ncolumn = [{{ name = \"x\", type = \"integer\", min = 0, max = 10 }}]\n\n\
             [[statistic]]\n{statistic}\n"
        );
        std::fs::write(&recipe, text).expect("written");
        let output = bench(dir.path(), &recipe, &["--releases", "2", "--rho", "1"]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let sql = "sql = \"SELECT COUNT(*) AS n FROM people\"";
    let (good, out, _) = with(&format!("{sql}\npublished = [{{ n = 40 }}]"));
    assert!(good && out.contains("| n ") && !out.contains("OFF"), "{out}");
    let (good, out, error) = with(&format!("{sql}\nwithin = 0.01\npublished = [{{ n = 41 }}]"));
    assert!(!good && out.contains("OFF") && error.contains("1 of 1 published values"), "{out}{error}");
    let (good, _, error) = with(&format!("{sql}\npublished = [{{ m = 40 }}]"));
    assert!(!good && error.contains("no output \"m\""), "{error}");
    let (good, _, error) = with("sql = \"SELECT x, COUNT(*) AS n FROM people GROUP BY x ORDER BY n\"\n");
    assert!(!good && error.contains("ORDER BY"), "{error}");
    let (good, _, error) = with("sql = \"SELECT COUNT(*) FROM nobody\"\n");
    assert!(!good && error.contains("nobody"), "{error}");
    let (good, _, error) = with("query = \"SELECT COUNT(*) FROM people\"\n");
    assert!(!good && error.contains("docs/accuracy.md"), "{error}");
}
