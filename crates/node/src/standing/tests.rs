//! How many must be heard, and which way the standing moves.

use super::*;

fn policy(witnesses: u32, colluders: u32) -> Policy {
    Policy {
        delta: 1e-9,
        total_rho: "1".parse().expect("a rho"),
        quorum: colluders + 2,
        colluders,
        min_honest: 2,
        quality_limit: 0.25,
        witnesses,
        changes_need_auditor: false,
        period: None,
    }
}

#[test]
fn any_agencies_that_are_heard_include_an_honest_one_of_any_last_cosigners() {
    for others in 1..40usize {
        for colluders in 0..others {
            for witnesses in 1..=others {
                let heard = needed(others, &policy(witnesses as u32, colluders as u32));
                assert!((1..=others).contains(&heard));
                // The least overlap of sets of these sizes among the others.
                let common = (heard + witnesses).saturating_sub(others);
                let enough = witnesses > colluders;
                assert!(!enough || common > colluders, "{others} {witnesses} {colluders}");
                // No fewer would do, and where even all do not, all are asked.
                assert!(!enough || common == colluders + 1);
                assert!(enough || heard == others);
            }
        }
        assert_eq!(needed(others, &policy(0, 0)), 0, "switched off");
    }
}

#[tokio::test]
async fn a_node_that_came_to_its_end_never_answers_again() {
    let patience = Duration::from_millis(20);
    let standing = Standing::new(true);
    assert_eq!(standing.confirmed(patience).await, Err(Refusal::Unwitnessed), "not heard in time");
    standing.confirm();
    assert_eq!(standing.confirmed(patience).await, Ok(()));
    let remembered = Checkpoint {
        origin: "a.agency.b".parse().expect("a name"),
        size: 9,
        root: almoner_federation::Digest([1; 32]),
    };
    let found = Position { size: 3, root: almoner_federation::Digest([2; 32]) };
    let first = RolledBack { witness: "north".parse().expect("a name"), remembered, found };
    standing.end(first.clone());
    standing.end(RolledBack { witness: "south".parse().expect("a name"), ..first.clone() });
    standing.confirm();
    assert_eq!(standing.check(), Err(Refusal::Unwitnessed));
    assert_eq!(standing.confirmed(patience).await, Err(Refusal::Unwitnessed));
    assert_eq!(standing.over().await, first, "the first finding stays");
}
