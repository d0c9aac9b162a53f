//! The question as it travels.

use almoner_federation::{Digest, PicoRho, QueryId};
use almoner_query::Spec;

use super::{RHO, manifest, planned};

fn spec() -> Spec {
    let plan = planned("SELECT COUNT(*) FROM persons");
    Spec {
        federation: manifest().federation.clone(),
        manifest_hash: manifest().hash(),
        query_id: QueryId([7; 16]),
        planner: "ministry".parse().expect("a name"),
        sql: plan.canonical_sql().to_owned(),
        rho: RHO,
        plan_hash: plan.hash(),
        purpose: "The yearly report".into(),
        issued_at_s: 1_700_000_000,
    }
}

#[test]
fn a_spec_reads_back_and_nothing_else_does() {
    let bytes = spec().encode();
    assert_eq!(Spec::decode(&bytes), Ok(spec()));
    for cut in 0..bytes.len() {
        assert!(Spec::decode(&bytes[..cut]).is_err(), "{cut} bytes");
    }
    assert!(Spec::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    let mut other_label = bytes.clone();
    other_label[5] ^= 1;
    assert!(Spec::decode(&other_label).is_err());
}

#[test]
fn every_field_is_in_the_hash() {
    let changes: [fn(&mut Spec); 8] = [
        |spec| spec.federation = "other".parse().expect("a name"),
        |spec| spec.manifest_hash = Digest([1; 32]),
        |spec| spec.query_id = QueryId([8; 16]),
        |spec| spec.planner = "minister".parse().expect("a name"),
        |spec| spec.sql.push(' '),
        |spec| spec.rho = PicoRho::new(1),
        |spec| spec.plan_hash = Digest([1; 32]),
        |spec| spec.issued_at_s += 1,
    ];
    for change in changes {
        let mut changed = spec();
        change(&mut changed);
        assert_ne!(changed.hash(), spec().hash());
    }
}

#[test]
fn a_question_longer_than_any_plan_is_refused() {
    let mut long = spec();
    long.sql = "x".repeat(64 * 1024 + 1);
    assert!(Spec::decode(&long.encode()).is_err());
}
