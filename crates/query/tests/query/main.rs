//! Plans from the outside: golden files, normal forms, refusals, hostile text, noise and answers.

mod answers;
mod canonical;
mod golden;
mod hostile;
mod noise;
mod published;
mod refusals;
mod specs;
mod territories;
mod uses;

use almoner_federation::{Manifest, PicoRho};
use almoner_query::{Plan, QueryError, plan};

/// The manifest of these tests.
fn manifest() -> Manifest {
    Manifest::parse(include_str!("federation.toml"), "federation.toml").expect("the manifest is sound")
}

/// 0.1 rho.
const RHO: PicoRho = PicoRho::new(100_000_000_000);

fn planned(sql: &str) -> Plan {
    plan(&manifest(), sql, RHO).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn refused(sql: &str) -> QueryError {
    match plan(&manifest(), sql, RHO) {
        Ok(plan) => panic!("planned what must be refused: {}", plan.canonical_sql()),
        Err(error) => error,
    }
}
