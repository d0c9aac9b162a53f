//! The synthetic Austrian EU-SILC population as nine disjoint agencies, one a region; the unit is the
//! household. What is exact is computed here, from the file alone.

use std::collections::BTreeMap;
use std::path::Path;

use super::{AgencySetup, Setup};

/// The regions in the order of the domain.
pub const REGIONS: [&str; 9] = [
    "Burgenland",
    "Carinthia",
    "Lower Austria",
    "Salzburg",
    "Styria",
    "Tyrol",
    "Upper Austria",
    "Vienna",
    "Vorarlberg",
];

/// The file's persons and the federation over them.
pub struct Eusilc {
    persons: Vec<BTreeMap<String, String>>,
    csv_by_region: BTreeMap<String, String>,
}

impl Eusilc {
    pub fn read(path: &Path) -> Eusilc {
        let mut reader = csv::Reader::from_path(path).expect("the file opens");
        let header = reader.headers().expect("a header").clone();
        let line = |record: &csv::StringRecord| format!("{}\n", record.iter().collect::<Vec<_>>().join(","));
        let mut csv_by_region: BTreeMap<String, String> = BTreeMap::new();
        let mut persons = Vec::new();
        for record in reader.records() {
            let record = record.expect("a row");
            let person: BTreeMap<String, String> = header
                .iter()
                .zip(record.iter())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let text = csv_by_region.entry(person["region"].clone()).or_insert_with(|| line(&header));
            text.push_str(&line(&record));
            persons.push(person);
        }
        Eusilc { persons, csv_by_region }
    }

    /// Nine agencies, `q = 9`, `t = 2`.
    pub fn setup(&self) -> Setup {
        let domain = REGIONS.map(|region| format!("\"{region}\"")).join(", ");
        Setup {
            constitution: "[unit]\nkind = \"household\"\ncolumn = \"hid\"\npopulation = 10000\n\n\
                [policy]\ndelta = 1e-9\ntotal_rho = 100000\nquorum = 9\ncolluders = 2\nmin_honest = 2\n"
                .into(),
            tables: format!(
                "[[sector]]\nname = \"residence\"\nagencies_per_unit = 1\n\n\
                 [[table]]\nname = \"persons\"\nrows_per_unit = 9\n\
                 [[table.column]]\nname = \"region\"\ntype = \"text\"\ndomain = [{domain}]\n\
                 [[table.column]]\nname = \"gender\"\ntype = \"text\"\ndomain = [\"female\", \"male\"]\n\
                 [[table.column]]\nname = \"age\"\ntype = \"integer\"\nmin = -1\nmax = 110\n\
                 [[table.column]]\nname = \"eq_income\"\ntype = \"number\"\nmin = 0\nmax = 200000\nresolution = 1\n\
                 [[table.column]]\nname = \"hh_disp_income\"\ntype = \"number\"\nmin = 0\nmax = 200000\nresolution = 1\n"
            ),
            planners: vec![("ministry", "50000")],
            agencies: REGIONS
                .iter()
                .map(|region| AgencySetup {
                    name: region.to_lowercase().replace(' ', "-"),
                    sector: Some("residence"),
                    files: vec![("persons.csv".into(), self.csv_by_region[*region].clone())],
                })
                .collect(),
            node_limits: String::new(),
            coordinator_limits: String::new(),
        }
    }

    /// Exact numbers by key: `measure` gives a person's keys and value, or nothing.
    pub fn exact<'a>(
        &'a self,
        measure: impl Fn(&'a BTreeMap<String, String>) -> Option<(Vec<&'a str>, f64)>,
    ) -> BTreeMap<Vec<&'a str>, (f64, f64)> {
        let mut cells: BTreeMap<_, (f64, f64)> = BTreeMap::new();
        for (keys, value) in self.persons.iter().filter_map(measure) {
            let cell = cells.entry(keys).or_default();
            *cell = (cell.0 + 1.0, cell.1 + value);
        }
        cells
    }
}

/// A field as the number that the federation's declared step makes of it.
pub fn rounded(person: &BTreeMap<String, String>, column: &str) -> Option<f64> {
    person[column].parse::<f64>().ok().map(f64::round)
}
