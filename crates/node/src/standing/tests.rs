//! Which way the standing moves.

use super::*;

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
