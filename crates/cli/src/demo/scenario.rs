//! What a demo shows: a federation's data, its constitution without keys, and the questions to ask.

use std::fmt::Write;

use almoner_federation::{FederationId, Name, PicoRho, UnitKind};

use crate::demo::truth::Truth;
use crate::keys::{AgencyPublic, AuditorPublic, CoordinatorPublic, PlannerPublic, SketchKey};

/// One question of a demo.
#[derive(Debug, Clone)]
pub struct Question {
    /// What a planner wants to know.
    pub title: String,
    /// The same in SQL.
    pub sql: String,
    /// The most it may cost.
    pub rho: PicoRho,
    /// The exact answer.
    pub truth: Truth,
}

/// A federation to be started, whose agencies' tables lie ready in one folder each.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its id.
    pub federation: FederationId,
    /// Short and legal names, in the order of the node numbers 1, 2, ...
    pub agencies: Vec<(Name, String)>,
    /// Whom the budget protects.
    pub unit: UnitKind,
    /// The column that carries the unit.
    pub unit_column: String,
    /// An upper bound on the units.
    pub population: u64,
    /// Whether no unit is at two agencies; then they all are in [`SECTOR`].
    pub disjoint: bool,
    /// What all questions together may cost.
    pub total_rho: PicoRho,
    /// The tables as TOML.
    pub tables: String,
    /// What to ask, in order; together within the total.
    pub questions: Vec<Question>,
    /// One more question, which what is left of the total no longer covers.
    pub too_much: (String, PicoRho),
    /// What the audience should know about the data, one thing a line.
    pub notes: Vec<String>,
}

/// The sector of agencies that share no unit.
const SECTOR: &str = "disjoint";

impl Scenario {
    /// The sector every agency is in, if any.
    pub fn sector(&self) -> Option<Name> {
        self.disjoint.then(|| SECTOR.parse().expect("a lowercase word is a name"))
    }

    /// The whole `federation.toml`, from the parties' public entries: every agency must take part, one
    /// may collude.
    pub fn federation_toml(
        &self,
        coordinator: &CoordinatorPublic,
        planner: &PlannerPublic,
        auditor: &AuditorPublic,
        agencies: &[AgencyPublic],
        sketch_key: &SketchKey,
    ) -> String {
        let quorum = agencies.len();
        // Two honest shares are the least that hides either from the other.
        let colluders = u32::from(quorum > 2);
        let mut text = format!(
            "# The constitution of a federation that `almoner demo` made up.\n\n\
             [federation]\nid = \"{}\"\nepoch = 1\n\n{}\n\
             # Whom the budget protects: one {unit} with all records at all agencies.\n\
             [unit]\nkind = \"{unit}\"\ncolumn = \"{}\"\npopulation = {}\n{}\n\
             [policy]\ndelta = 1e-9\ntotal_rho = {}\nquorum = {quorum}\ncolluders = {colluders}\n\
             min_honest = 2\n\n{}\n{}\n",
            self.federation,
            coordinator.stanza(),
            self.unit_column,
            self.population,
            sketch_key.line(),
            self.total_rho,
            planner.stanza(),
            auditor.stanza(),
            unit = self.unit,
        );
        if let Some(sector) = self.sector() {
            let _ = write!(text, "[[sector]]\nname = \"{sector}\"\nagencies_per_unit = 1\n\n");
        }
        for agency in agencies {
            let _ = writeln!(text, "{}", agency.stanza());
        }
        text + &self.tables
    }
}
