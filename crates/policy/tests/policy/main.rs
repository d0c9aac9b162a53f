//! Rules, decisions and the queue from the outside.

mod canonical;
mod decisions;
mod judge;
mod queue;

use almoner_federation::{Digest, Manifest, PicoRho, QueryId, Signature, SigningKey};
use almoner_policy::Office;
use almoner_query::{Spec, plan};

/// Noon of Monday, 2026-01-05.
const NOW_S: u64 = 20_458 * 86_400 + 43_200;

const DAY_S: u64 = 86_400;

/// The secret key that begins with this byte, for planner (1), officers (10 and 11), and nobody (20).
fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32]).expect("any 32 bytes are a seed")
}

/// The manifest of the tests of plans with a second planner, and keys of which the tests hold the secret halves.
fn manifest() -> Manifest {
    let hex = |byte: u8| key(byte).verifying_key().to_string();
    let text = include_str!("../../../query/tests/query/federation.toml")
        .replace(&"2".repeat(64), &hex(1))
        .replace(&"a2".repeat(32), &hex(10))
        .replace(&"a3".repeat(32), &hex(11));
    let second = format!("\n[[planner]]\nname = \"bank\"\nsigning_key = \"{}\"\nrho = 0.5\n", hex(2));
    Manifest::parse(&(text + &second), "federation.toml").expect("the manifest is sound")
}

/// The office of an agency: `north` (key 10) or `south` (key 11).
fn office(agency: &str) -> Office {
    Office::of(&manifest(), &agency.parse().expect("a name")).expect("the manifest names it")
}

/// The ministry's question, with `query` as its random number.
fn spec(sql: &str, query: u8) -> Spec {
    let (manifest, rho) = (manifest(), PicoRho::new(100_000_000_000));
    let plan = plan(&manifest, sql, rho).unwrap_or_else(|error| panic!("{sql}: {error}"));
    Spec {
        federation: manifest.federation.clone(),
        manifest_hash: manifest.hash(),
        query_id: QueryId([query; 16]),
        planner: "ministry".parse().expect("a name"),
        sql: plan.canonical_sql().to_owned(),
        rho,
        plan_hash: plan.hash(),
        purpose: "The yearly report".into(),
        issued_at_s: NOW_S,
    }
}

fn signed(spec: &Spec) -> Signature {
    key(if spec.planner.as_str() == "bank" { 2 } else { 1 }).sign(&spec.encode())
}

/// The digest of this text.
fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}
