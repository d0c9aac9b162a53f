//! The five agencies of the invented prefecture: which tables each holds, as its own CSV files, and how
//! the federation declares them.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::demo::DemoError;
use crate::demo::payments::Source;
use crate::demo::population::Residence;
use crate::demo::registers::Registers;
use crate::demo::targets::COUNTIES;

/// Most yuan of one row of `income` that count. Assumption: the ceiling of the pay that insurance is
/// levied on.
pub const INCOME_CEILING: u32 = 60_000;
/// Most yuan of one allowance that count. Assumption.
pub const ALLOWANCE_CEILING: u32 = 12_000;
/// Most yuan a head that the survey's form takes. Assumption.
pub const SURVEY_CEILING: u32 = 200_000;

/// Short name and legal name, in the order of the node numbers.
pub const AGENCIES: [(&str, &str); 5] = [
    ("civil-registry", "Civil Registry of the Prefecture"),
    ("tax", "Tax Office of the Prefecture"),
    ("social-insurance", "Social Insurance Bureau of the Prefecture"),
    ("welfare", "Welfare Office of the Prefecture"),
    ("education", "Education Bureau of the Prefecture"),
];

/// The agencies that hold `income`.
const MONEY: [&str; 4] = ["tax", "social-insurance", "welfare", "education"];

impl Registers {
    /// Writes `<dir>/<agency>/<table>.csv` for every agency and table.
    ///
    /// # Errors
    /// [`DemoError::Write`] naming the file.
    pub fn write_csv(&self, dir: &Path) -> Result<(), DemoError> {
        self.write_residents(&dir.join("civil-registry"))?;
        for agency in MONEY {
            self.write_income(&dir.join(agency), agency)?;
        }
        self.write_roll(&dir.join("welfare"))
    }

    fn write_residents(&self, folder: &Path) -> Result<(), DemoError> {
        let header = "person_id,county,residence,sex,age,household_size,registered_poor,yuan_per_head";
        let rows = self.residents.iter();
        write_table(folder, "residents", header, rows, |row, line| {
            field(line, row.id);
            code(line, COUNTIES[usize::from(row.county)].name);
            code(line, row.residence.code());
            code(line, sex(row.female));
            field(line, row.age.into());
            field(line, row.household_size.into());
            code(line, if row.registered_poor { "true" } else { "false" });
            field(line, row.yuan_per_head);
        })
    }

    fn write_income(&self, folder: &Path, agency: &str) -> Result<(), DemoError> {
        let header = "person_id,county,residence,sex,age,source,yuan";
        let rows = self.income.iter().filter(|row| row.source.agency() == agency);
        write_table(folder, "income", header, rows, |row, line| {
            optional(line, row.id);
            code(line, COUNTIES[usize::from(row.county)].name);
            code(line, row.residence.code());
            code(line, sex(row.female));
            field(line, row.age.into());
            code(line, row.source.code());
            field(line, row.yuan);
        })
    }

    fn write_roll(&self, folder: &Path) -> Result<(), DemoError> {
        let header = "person_id,county,allowance,children";
        write_table(folder, "welfare_roll", header, self.welfare_roll.iter(), |row, line| {
            optional(line, row.id);
            code(line, COUNTIES[usize::from(row.county)].name);
            field(line, row.allowance);
            field(line, row.children.into());
        })
    }
}

fn sex(female: bool) -> &'static str {
    if female { "female" } else { "male" }
}

fn write_table<T>(
    folder: &Path,
    table: &str,
    header: &str,
    rows: impl Iterator<Item = T>,
    mut fields: impl FnMut(T, &mut Vec<u8>),
) -> Result<(), DemoError> {
    let path = folder.join(format!("{table}.csv"));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = BufWriter::with_capacity(1 << 16, File::create(&path)?);
        let mut line = format!("{header}\n").into_bytes();
        file.write_all(&line)?;
        for row in rows {
            line.clear();
            fields(row, &mut line);
            // Every field leaves a comma behind; the last one ends the line.
            if let Some(last) = line.last_mut() {
                *last = b'\n';
            }
            file.write_all(&line)?;
        }
        file.flush()
    };
    write().map_err(|source| DemoError::Write { path: path.clone(), source })
}

fn code(line: &mut Vec<u8>, text: &str) {
    line.extend_from_slice(text.as_bytes());
    line.push(b',');
}

/// Half a million rows are written while somebody waits, unoptimised: digits by hand, not by `fmt`.
fn field(line: &mut Vec<u8>, value: u32) {
    let (mut digits, mut first, mut left) = ([b'0'; 10], 10, value);
    while left > 0 || first == 10 {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    line.extend_from_slice(&digits[first..]);
    line.push(b',');
}

fn optional(line: &mut Vec<u8>, value: Option<u32>) {
    match value {
        Some(value) => field(line, value),
        None => line.push(b','),
    }
}

/// The tables of the prefecture's `federation.toml`.
pub fn tables() -> String {
    let counties = list(COUNTIES.iter().map(|county| county.name));
    let residences = list(Residence::ALL.iter().map(|residence| residence.code()));
    let sources = list(Source::ALL.iter().map(|source| source.code()));
    let money = list(MONEY.iter());
    let text = |name: &str, domain: &str| column(name, &format!("type = \"text\"\ndomain = {domain}"));
    let integer = |name: &str, max: u32, bands: &str| {
        column(name, &format!("type = \"integer\"\nmin = 0\nmax = {max}{bands}"))
    };
    let yuan = |name: &str, max: u32| {
        column(name, &format!("type = \"number\"\nmin = 0\nmax = {max}\nresolution = 1"))
    };
    let person = [
        text("county", &counties),
        text("residence", &residences),
        text("sex", "[\"female\", \"male\"]"),
        integer("age", 120, "\nbands = [0, 6, 16, 25, 45, 60, 80]"),
    ]
    .concat();
    format!(
        "# Everybody, once: the civil registry gives the ids. Income is the registration survey's.\n\
         [[table]]\nname = \"residents\"\nrows_per_unit = 1\nagencies = [\"civil-registry\"]\n\n\
         {person}{}{}{}\
         # A person may have rows at all four: two at each, by the rules of the four offices.\n\
         [[table]]\nname = \"income\"\nrows_per_unit = 2\nagencies = {money}\n\n{person}{}{}\
         # The minimum living allowance.\n\
         [[table]]\nname = \"welfare_roll\"\nrows_per_unit = 1\nagencies = [\"welfare\"]\n\n{}{}{}",
        integer("household_size", 20, ""),
        column("registered_poor", "type = \"boolean\""),
        yuan("yuan_per_head", SURVEY_CEILING),
        text("source", &sources),
        yuan("yuan", INCOME_CEILING),
        text("county", &counties),
        yuan("allowance", ALLOWANCE_CEILING),
        integer("children", 10, ""),
    )
}

fn column(name: &str, rest: &str) -> String {
    format!("[[table.column]]\nname = \"{name}\"\n{rest}\n\n")
}

fn list(names: impl Iterator<Item = impl Display>) -> String {
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(", "))
}
